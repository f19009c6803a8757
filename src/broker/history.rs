//! What a recent history exchange remembers: its last messages, bounded in number and in bytes, in memory alone as in
//! RabbitMQ's plugin.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::message::Message;

/// Bytes that one exchange remembers at most, whatever `x-recent-history-length` says; the last message is always kept.
pub const HISTORY_BYTES_MAX: usize = 16 << 20;

/// See the module.
pub struct History {
    length: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Each with the version of the exchange that routed it.
    messages: VecDeque<(u64, Message)>,
    bytes: usize,
}

impl History {
    /// An empty one of at most so many messages.
    pub fn new(length: usize) -> Self {
        Self {
            length,
            kept: Mutex::default(),
        }
    }

    /// Remembers a message that was routed when the exchange had that version. It must not share its memory with others.
    pub fn remember(&self, version: u64, message: Message) {
        let mut kept = self.kept.lock();
        kept.bytes += message.memory();
        kept.messages.push_back((version, message));
        while kept.messages.len() > self.length
            || kept.bytes > HISTORY_BYTES_MAX && kept.messages.len() > 1
        {
            if let Some((_, old)) = kept.messages.pop_front() {
                kept.bytes -= old.memory();
            }
        }
    }

    /// The messages that were routed before the exchange had that version: a binding made with it has not seen them.
    pub fn before(&self, version: u64) -> Vec<Message> {
        let kept = self.kept.lock();
        let older = kept.messages.iter().filter(|(routed, _)| *routed < version);
        older.map(|(_, message)| message.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message::new(b"x", b"k", &[0, 0], &vec![0; bytes])
    }

    #[test]
    fn the_oldest_make_room() {
        let history = History::new(2);
        for bytes in 1..=3 {
            history.remember(1, message(bytes));
        }
        let lengths: Vec<_> = history.before(2).iter().map(Message::body_len).collect();
        assert_eq!(lengths, [2, 3]);
    }

    #[test]
    fn bytes_are_bounded_but_for_the_last_message() {
        let history = History::new(1000);
        for _ in 0..5 {
            history.remember(1, message(HISTORY_BYTES_MAX / 2));
        }
        assert_eq!(history.before(2).len(), 1);
        history.remember(1, message(HISTORY_BYTES_MAX * 2));
        assert_eq!(history.before(2).len(), 1);
        history.remember(1, message(10));
        assert_eq!(history.before(2)[0].body_len(), 10);
    }

    #[test]
    fn what_a_binding_has_seen_is_not_repeated() {
        let history = History::new(10);
        history.remember(1, message(1));
        history.remember(2, message(2));
        assert_eq!(history.before(2).len(), 1);
        assert!(history.before(1).is_empty());
    }
}
