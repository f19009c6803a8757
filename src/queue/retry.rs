//! How long a message that came back waits before it is ready again: `x-delayed-retry-type`, `-min`, `-max` as RabbitMQ 4.3 has
//! them, and Leveret's `-factor` and `-jitter`. Pure.
//!
//! The wait grows with the number of times that the message has come back: `min * n`, or with a factor `min * factor ^ (n - 1)`,
//! at most `max`. A jitter of 0.2 makes it up to a fifth shorter or longer, so that messages that failed together do not all
//! come again together. Waits are not on disk, but the counts are: after a restart a message that had come back waits anew, as
//! long as it should after its last return.

use crate::wire::limits::TTL_MS_MAX;

/// The wait where only the type is given.
pub const MIN_MS: u64 = 1000;
/// Factor and jitter are given in thousandths here.
pub const ONE: u32 = 1000;

/// Which messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every one that comes back.
    All,
    /// Those of basic.reject, and of consumers that have gone.
    Failed,
    /// Those of basic.nack and basic.recover.
    Returned,
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// `x-delayed-retry-type`.
    pub kind: Kind,
    /// `x-delayed-retry-min`, milliseconds.
    pub min_ms: u64,
    /// `x-delayed-retry-max`, milliseconds.
    pub max_ms: u64,
    /// `x-delayed-retry-factor` in thousandths; linear where there is none.
    pub factor: Option<u32>,
    /// `x-delayed-retry-jitter` in thousandths.
    pub jitter: u32,
}

impl Retry {
    /// Whether a message waits that was returned on purpose, or else has failed.
    pub fn applies(&self, returned: bool) -> bool {
        match self.kind {
            Kind::All => true,
            Kind::Failed => !returned,
            Kind::Returned => returned,
        }
    }

    /// The wait of a message that has come back `times` times, in milliseconds. `chance` is any number; it chooses the jitter.
    pub fn delay_ms(&self, times: u32, chance: u64) -> u64 {
        let min = self.min_ms as f64;
        let wait = match self.factor {
            None => min * f64::from(times),
            Some(factor) => {
                let factor = f64::from(factor) / f64::from(ONE);
                min * factor.powi(i32::try_from(times.saturating_sub(1)).unwrap_or(i32::MAX))
            }
        };
        let most = self.max_ms.min(TTL_MS_MAX) as f64;
        let wait = wait.min(most);
        // Spread the bits, so that neighbours differ.
        let spread = chance.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        let unit = spread as f64 / (1u64 << 53) as f64;
        let jitter = f64::from(self.jitter) / f64::from(ONE);
        (wait * (1.0 + jitter * (2.0 * unit - 1.0))).min(most) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: Retry = Retry {
        kind: Kind::All,
        min_ms: 100,
        max_ms: 450,
        factor: None,
        jitter: 0,
    };

    #[test]
    fn without_a_factor_the_wait_grows_by_its_minimum_up_to_its_maximum() {
        let waits = [1, 2, 3, 4, 5, u32::MAX].map(|times| LINEAR.delay_ms(times, 7));
        assert_eq!(waits, [100, 200, 300, 400, 450, 450]);
    }

    #[test]
    fn with_a_factor_it_multiplies() {
        let retry = Retry {
            factor: Some(3 * ONE),
            max_ms: 10_000,
            ..LINEAR
        };
        let waits = [1, 2, 3, 4, 6, u32::MAX].map(|times| retry.delay_ms(times, 7));
        assert_eq!(waits, [100, 300, 900, 2700, 10_000, 10_000]);
    }

    #[test]
    fn a_jitter_spreads_the_waits_evenly_around_what_they_were() {
        let retry = Retry {
            jitter: 200,
            max_ms: 10_000,
            min_ms: 1000,
            ..LINEAR
        };
        let waits: Vec<u64> = (0..1000).map(|chance| retry.delay_ms(1, chance)).collect();
        assert!(waits.iter().all(|wait| (800..=1200).contains(wait)));
        let mean = waits.iter().sum::<u64>() / 1000;
        assert!((980..1020).contains(&mean), "{mean}");
        assert!(waits.iter().any(|wait| *wait < 820) && waits.iter().any(|wait| *wait > 1180));
    }

    #[test]
    fn a_type_says_who_waits() {
        let of = |kind| Retry { kind, ..LINEAR };
        assert!(of(Kind::All).applies(true) && of(Kind::All).applies(false));
        assert!(of(Kind::Failed).applies(false) && !of(Kind::Failed).applies(true));
        assert!(of(Kind::Returned).applies(true) && !of(Kind::Returned).applies(false));
    }
}
