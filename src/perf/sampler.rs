//! Which messages' times are looked at: all of them up to 10,000 a second, then one in 64. Pure; one for each connection.

/// Above this rate only some times are taken.
const ALL_RATE_MAX: u64 = 10_000;

/// One in 64.
const SOME_MASK: u64 = 63;

/// The rate is judged over 50 ms.
const JUDGE_NS: u64 = 50_000_000;

/// Chooses messages.
#[derive(Debug, Default)]
pub struct Sampler {
    mask: u64,
    counter: u64,
    since_ns: u64,
    since_counter: u64,
}

impl Sampler {
    /// Whether the next message's time is to be taken.
    #[inline]
    pub fn next(&mut self) -> bool {
        self.counter += 1;
        self.counter & self.mask == 0
    }

    /// Called now and then, at least once for each read.
    #[inline]
    pub fn judge(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        if elapsed_ns >= JUDGE_NS {
            let seen = self.counter - self.since_counter;
            let fast =
                seen as u128 * 1_000_000_000 > u128::from(ALL_RATE_MAX) * u128::from(elapsed_ns);
            self.mask = if fast { SOME_MASK } else { 0 };
            self.since_ns = now_ns;
            self.since_counter = self.counter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_times_are_taken_until_the_rate_is_high() {
        let mut sampler = Sampler::default();
        let mut now_ns = 1;
        let mut taken = |messages: u64, interval_ns: u64| {
            let mut taken = 0;
            for _ in 0..messages {
                now_ns += interval_ns;
                sampler.judge(now_ns);
                taken += u64::from(sampler.next());
            }
            taken
        };
        assert_eq!(taken(1000, 1_000_000), 1000);
        taken(200_000, 1000);
        assert_eq!(taken(64_000, 1000), 1000);
        taken(200, 1_000_000);
        assert_eq!(taken(1000, 1_000_000), 1000, "back to a low rate");
    }
}
