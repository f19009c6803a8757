//! What a queue does at `x-max-length` and `x-max-length-bytes`: ready messages and their body bytes only.
//!
//! `drop-head` takes everything and then gives up its oldest. `reject-publish` refuses what would make it exceed a limit, before
//! any consumer is asked, as RabbitMQ's classic queues do: a limit of 0 refuses all. It never drops what it holds, so that what is
//! requeued may stand above the limit. `reject-publish-dlx` also dead-letters what it refuses.

use crate::message::Message;

/// `x-overflow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest ready messages leave.
    #[default]
    DropHead,
    /// New messages are refused.
    RejectPublish,
    /// New messages are refused and dead-lettered.
    RejectPublishDlx,
}

impl Overflow {
    /// The policy of that name.
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"drop-head" => Some(Self::DropHead),
            b"reject-publish" => Some(Self::RejectPublish),
            b"reject-publish-dlx" => Some(Self::RejectPublishDlx),
            _ => None,
        }
    }
}

/// The limits of one queue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Ready messages.
    pub messages: Option<u64>,
    /// Body bytes of ready messages.
    pub bytes: Option<u64>,
    /// What happens there.
    pub overflow: Overflow,
}

impl Limits {
    /// Whether the head must go.
    #[inline]
    pub fn exceeded_by(&self, ready: usize, ready_bytes: u64) -> bool {
        (self.messages.is_some_and(|most| ready as u64 > most)
            || self.bytes.is_some_and(|most| ready_bytes > most))
            && self.overflow == Overflow::DropHead
    }

    /// Whether publishes may be refused.
    #[inline]
    pub fn may_refuse(&self) -> bool {
        self.overflow != Overflow::DropHead && (self.messages.is_some() || self.bytes.is_some())
    }

    /// What may still be placed beside what is ready.
    pub fn room(&self, ready: usize, ready_bytes: u64) -> Room {
        let left =
            |most: Option<u64>, used: u64| most.map_or(u64::MAX, |most| most.saturating_sub(used));
        Room {
            // Bytes may be left where there is no place for another message, and the other way round.
            messages: left(self.messages, ready as u64),
            bytes: left(self.bytes, ready_bytes),
            is_over: self.bytes.is_some_and(|most| ready_bytes > most),
        }
    }
}

/// See [`Limits::room`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    messages: u64,
    bytes: u64,
    /// More bytes are there than may be: not even an empty message fits.
    is_over: bool,
}

impl Room {
    /// Takes the place of one more message, if there is any.
    pub fn take(&mut self, body_bytes: u64) -> bool {
        let fits = !self.is_over && self.messages > 0 && self.bytes >= body_bytes;
        if fits {
            self.messages -= 1;
            self.bytes -= body_bytes;
        }
        fits
    }
}

/// What a queue did not take of what was published to it.
#[derive(Debug, Default)]
pub struct Rejects {
    /// Places in the batch, ascending.
    pub indices: Vec<u32>,
    /// Messages that are to be dead-lettered for it.
    pub letters: Vec<Message>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_alone_is_enough() {
        let limits = Limits {
            messages: Some(2),
            bytes: Some(10),
            overflow: Overflow::DropHead,
        };
        assert!(!limits.exceeded_by(2, 10));
        assert!(limits.exceeded_by(3, 1));
        assert!(limits.exceeded_by(1, 11));
        assert!(!Limits::default().exceeded_by(usize::MAX, u64::MAX));
        assert!(!limits.may_refuse());
    }

    #[test]
    fn who_refuses_drops_nothing() {
        let limits = Limits {
            messages: Some(2),
            bytes: Some(10),
            overflow: Overflow::RejectPublish,
        };
        assert!(limits.may_refuse());
        assert!(!limits.exceeded_by(100, 100));
        let takes = |ready, bytes, body| limits.room(ready, bytes).take(body);
        assert!(takes(1, 5, 5));
        assert!(!takes(1, 5, 6));
        assert!(!takes(2, 0, 0));
        assert!(takes(0, 10, 0), "an empty body needs no bytes");
        assert!(!takes(0, 11, 0), "but the queue may be over its limit");
        assert!(!takes(9, 99, 0));
    }

    #[test]
    fn room_is_used_up_by_each() {
        let limits = Limits {
            messages: Some(3),
            bytes: Some(10),
            overflow: Overflow::RejectPublish,
        };
        let mut room = limits.room(1, 2);
        assert!(room.take(4));
        assert!(!room.take(5));
        assert!(room.take(4));
        assert!(!room.take(0));
        let endless = Limits {
            messages: Some(0),
            ..limits
        };
        assert!(!endless.room(0, 0).take(0), "0 takes nothing");
    }
}
