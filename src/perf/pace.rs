//! How many messages are due at a given time, and how long to sleep until the next one. Pure: time comes in as nanoseconds.

/// A publisher that fell behind (blocked by the broker) makes good at most this much, then starts anew: 100 ms.
const DEBT_NS_MAX: u64 = 100_000_000;

/// Above this rate messages leave in small groups, since a sleep is never shorter than about 60 µs.
const SINGLES_RATE_MAX: f64 = 2_000.0;

/// Shortest pause between two groups above [`SINGLES_RATE_MAX`]: 1 ms.
const GROUP_NS: u64 = 1_000_000;

/// A steady rate.
#[derive(Clone, Debug)]
pub struct Pace {
    interval_ns: f64,
    start_ns: u64,
    sent: u64,
    pause_ns: u64,
}

impl Pace {
    /// `rate` in messages a second, above 0; the first message is due at `start_ns`.
    pub fn new(rate: f64, start_ns: u64) -> Pace {
        let interval_ns = 1e9 / rate;
        let pause_ns = if rate > SINGLES_RATE_MAX { GROUP_NS } else { 0 };
        Pace {
            interval_ns,
            start_ns,
            sent: 0,
            pause_ns,
        }
    }

    /// Messages that should have left by `now_ns` and have not.
    pub fn due(&mut self, now_ns: u64) -> u64 {
        let elapsed = now_ns.saturating_sub(self.start_ns) as f64;
        let target = (elapsed / self.interval_ns) as u64 + u64::from(now_ns >= self.start_ns);
        let due = target.saturating_sub(self.sent);
        let debt_max = (DEBT_NS_MAX as f64 / self.interval_ns) as u64 + 1;
        if due > debt_max {
            self.sent = target - debt_max;
            return debt_max;
        }
        due
    }

    /// `count` messages have left.
    pub fn sent(&mut self, count: u64) {
        self.sent += count;
    }

    /// Nanoseconds to sleep until something is due; 0 when it already is.
    pub fn wait_ns(&self, now_ns: u64) -> u64 {
        let next_ns = self.start_ns + (self.sent as f64 * self.interval_ns) as u64;
        match next_ns.saturating_sub(now_ns) {
            0 => 0,
            wait_ns => wait_ns.max(self.pause_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_each_millisecond_at_a_thousand_a_second() {
        let mut pace = Pace::new(1000.0, 5_000_000);
        assert_eq!(pace.due(0), 0);
        assert_eq!(pace.wait_ns(0), 5_000_000);
        assert_eq!(pace.due(5_000_000), 1);
        pace.sent(1);
        assert_eq!(pace.due(5_500_000), 0);
        assert_eq!(pace.wait_ns(5_500_000), 500_000);
        assert_eq!(pace.due(6_000_000), 1);
        assert_eq!(pace.due(8_100_000), 3, "late wake-ups are made good");
    }

    #[test]
    fn high_rates_leave_in_groups_and_keep_their_average() {
        let mut pace = Pace::new(50_000.0, 0);
        let (mut now_ns, mut total) = (0, 0);
        while now_ns < 1_000_000_000 {
            let due = pace.due(now_ns);
            pace.sent(due);
            total += due;
            let wait_ns = pace.wait_ns(now_ns);
            assert!(wait_ns >= 1_000_000);
            now_ns += wait_ns + 60_000;
        }
        assert!((49_000..=50_100).contains(&total), "{total}");
    }

    #[test]
    fn a_blocked_publisher_makes_good_a_tenth_of_a_second_only() {
        let mut pace = Pace::new(1000.0, 0);
        pace.sent(1);
        let due = pace.due(60_000_000_000);
        assert_eq!(due, 101);
        pace.sent(due);
        assert_eq!(pace.due(60_000_000_000), 0);
    }
}
