//! When a message expires: the queue's TTL and the message's own, whichever ends first. Fixed when it is published.

/// Never.
pub const NEVER: u64 = u64::MAX;

/// The time at which a message published at `now` expires, or [`NEVER`]; all in milliseconds.
#[inline]
pub fn expires_at(now: u64, queue_ttl: Option<u64>, message_ttl: Option<u64>) -> u64 {
    match (queue_ttl, message_ttl) {
        (None, None) => NEVER,
        (Some(ttl), None) | (None, Some(ttl)) => now.saturating_add(ttl),
        (Some(queue), Some(message)) => now.saturating_add(queue.min(message)),
    }
}

/// Whether it has expired at `now`. A TTL of 0 has expired at once; a waiting consumer still gets it, because a publish
/// dispatches before it looks here.
#[inline]
pub fn is_expired(expires: u64, now: u64) -> bool {
    expires <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_of_two_ttls_counts() {
        assert_eq!(expires_at(10, Some(5), Some(7)), 15);
        assert_eq!(expires_at(10, Some(5), None), 15);
        assert_eq!(expires_at(10, None, Some(7)), 17);
        assert_eq!(expires_at(10, None, None), NEVER);
    }

    #[test]
    fn a_ttl_of_zero_has_expired_and_never_never_does() {
        assert!(is_expired(expires_at(10, Some(0), None), 10));
        assert!(!is_expired(NEVER, u64::MAX - 1));
    }
}
