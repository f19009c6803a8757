//! Whether a queue holds more than `x-max-length` and `x-max-length-bytes` allow: ready messages and their body bytes only.

/// The limits of one queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Ready messages.
    pub messages: Option<u64>,
    /// Body bytes of ready messages.
    pub bytes: Option<u64>,
}

impl Limits {
    /// Whether the head must go.
    #[inline]
    pub fn exceeded_by(&self, ready: usize, ready_bytes: u64) -> bool {
        self.messages.is_some_and(|most| ready as u64 > most)
            || self.bytes.is_some_and(|most| ready_bytes > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_alone_is_enough() {
        let limits = Limits {
            messages: Some(2),
            bytes: Some(10),
        };
        assert!(!limits.exceeded_by(2, 10));
        assert!(limits.exceeded_by(3, 1));
        assert!(limits.exceeded_by(1, 11));
        assert!(!Limits::default().exceeded_by(usize::MAX, u64::MAX));
    }
}
