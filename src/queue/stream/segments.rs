//! Retention: a stream's messages in segments, of which the oldest go when there are too many bytes or they are too old.
//!
//! A segment here is a stretch of offsets, not a file: the bytes lie in the journal, and a journal file goes when nothing in it is
//! needed. Segments go as a whole, and the one that is written to stays, as in RabbitMQ. Pure.

use std::collections::VecDeque;

/// `x-stream-max-segment-size-bytes` where nobody says otherwise, as in RabbitMQ.
pub const SEGMENT_BYTES: u64 = 500_000_000;
/// Where age counts, a segment spans no more than this part of it, so that little stays for longer than it is to. RabbitMQ begins a
/// new one by size alone.
const AGE_PARTS: u64 = 8;
/// What a message counts besides its body: names, properties, frames.
const MESSAGE_OVERHEAD: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    first: u64,
    bytes: u64,
    /// When its first message came.
    first_ms: u64,
    /// When its last message came, milliseconds since the epoch.
    last_ms: u64,
}

impl Segment {
    /// Whether the next message belongs to it, too: it has room, and, where age counts, is no longer than a part of that.
    fn goes_on(&self, now_ms: u64, retention: &Retention) -> bool {
        let is_long = retention
            .age_ms
            .is_some_and(|most| now_ms.saturating_sub(self.first_ms) > most / AGE_PARTS);
        self.bytes < retention.segment_bytes && !is_long
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Segments {
    all: VecDeque<Segment>,
    bytes: u64,
}

/// What a stream keeps at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `x-stream-max-segment-size-bytes`.
    pub segment_bytes: u64,
    /// `x-max-length-bytes`: segments go until no more than so many bytes are left.
    pub bytes: Option<u64>,
    /// `x-max-age`, milliseconds.
    pub age_ms: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            bytes: None,
            age_ms: None,
        }
    }
}

impl Segments {
    /// Messages came: `count` of them from offset `first` on, with so many bytes of bodies.
    pub fn push(
        &mut self,
        first: u64,
        count: u64,
        bodies: u64,
        now_ms: u64,
        retention: &Retention,
    ) {
        let bytes = bodies + count * MESSAGE_OVERHEAD;
        self.bytes += bytes;
        match self.all.back_mut() {
            Some(last) if last.goes_on(now_ms, retention) => {
                last.bytes += bytes;
                last.last_ms = last.last_ms.max(now_ms);
            }
            _ => self.all.push_back(Segment {
                first,
                bytes,
                first_ms: now_ms,
                last_ms: now_ms,
            }),
        }
    }

    /// Bytes that all have, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Lets go of what need not be kept; returns the first offset that stays, if that is another now.
    pub fn trim(&mut self, retention: &Retention, now_ms: u64) -> Option<u64> {
        let before = self.all.len();
        while self.all.len() > 1
            && let Some(oldest) = self.all.front()
        {
            let too_many = retention.bytes.is_some_and(|most| self.bytes > most);
            let too_old = retention
                .age_ms
                .is_some_and(|most| oldest.last_ms.saturating_add(most) < now_ms);
            if !too_many && !too_old {
                break;
            }
            self.bytes -= oldest.bytes;
            self.all.pop_front();
        }
        let first = self.all.front()?.first;
        (self.all.len() < before).then_some(first)
    }

    /// When the oldest segment will be too old, unless it is the only one.
    pub fn next_end(&self, retention: &Retention) -> Option<u64> {
        let most = retention.age_ms?;
        let oldest = self.all.front().filter(|_| self.all.len() > 1)?;
        Some(oldest.last_ms.saturating_add(most).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(retention: &Retention) -> Segments {
        let mut segments = Segments::default();
        for offset in 0..100 {
            segments.push(offset, 1, 36, offset, retention);
        }
        segments
    }

    #[test]
    fn whole_segments_go_until_the_bytes_fit() {
        let retention = Retention {
            segment_bytes: 1000,
            bytes: Some(3500),
            age_ms: None,
        };
        let mut segments = filled(&retention);
        assert_eq!((segments.count(), segments.bytes()), (10, 10_000));
        assert_eq!(segments.trim(&retention, 0), Some(70));
        assert_eq!((segments.count(), segments.bytes()), (3, 3000));
        assert_eq!(segments.trim(&retention, 0), None);
        // The one that is written to stays, however little is to be kept.
        let nothing = Retention {
            bytes: Some(0),
            ..retention
        };
        assert_eq!(segments.trim(&nothing, 0), Some(90));
        assert_eq!(segments.trim(&nothing, 0), None);
        assert_eq!(segments.count(), 1);
    }

    #[test]
    fn a_segment_goes_when_its_last_message_is_too_old() {
        let retention = Retention {
            segment_bytes: 1000,
            bytes: None,
            age_ms: Some(50),
        };
        // Six milliseconds each, seven messages of one a millisecond.
        let mut segments = filled(&retention);
        assert_eq!(segments.next_end(&retention), Some(57));
        assert_eq!(segments.trim(&retention, 56), None);
        assert_eq!(segments.trim(&retention, 57), Some(7));
        assert_eq!(segments.trim(&retention, 1_000_000), Some(98));
        assert_eq!(segments.next_end(&retention), None);
    }
}
