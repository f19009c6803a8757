//! The end of a stream in memory: what the journal has not written yet, and what readers who keep up are about to get.

use std::collections::VecDeque;

use crate::message::Message;

/// A publisher's batch.
struct Batch {
    /// Offset behind its last message.
    end: u64,
    /// Once the journal has written up to here it can be read back.
    position: u64,
    /// Memory of its messages.
    bytes: u64,
}

/// See the module.
#[derive(Default)]
pub struct Tail {
    /// Offset of the first message.
    first: u64,
    messages: VecDeque<Message>,
    batches: VecDeque<Batch>,
    bytes: u64,
    /// Memory of the messages that belong to no batch yet.
    open: u64,
}

impl Tail {
    /// An empty one, whose next message has this offset.
    pub fn new(next: u64) -> Self {
        Self {
            first: next,
            ..Self::default()
        }
    }

    /// Offset of the first message here; the next one's when there is none.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Memory of its messages.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next message.
    #[inline]
    pub fn push(&mut self, message: Message) {
        self.open += message.memory() as u64;
        self.messages.push_back(message);
    }

    /// The messages pushed since the last call are a batch, which can be read back once `position` is written.
    pub fn close(&mut self, position: u64) {
        let bytes = std::mem::take(&mut self.open);
        self.bytes += bytes;
        self.batches.push_back(Batch {
            end: self.first + self.messages.len() as u64,
            position,
            bytes,
        });
    }

    /// The message with this offset, if it is here.
    #[inline]
    pub fn get(&self, offset: u64) -> Option<&Message> {
        let index = offset.checked_sub(self.first)?;
        self.messages.get(usize::try_from(index).ok()?)
    }

    /// Lets go of batches below `needed`, and of more while there are over `most` bytes, as far as they can be read back.
    pub fn trim(
        &mut self,
        written: u64,
        needed: u64,
        most: u64,
        garbage: &mut impl Extend<Message>,
    ) {
        while let Some(batch) = self.batches.front()
            && batch.position <= written
            && (batch.end <= needed || self.bytes > most)
        {
            self.drop_batch(garbage);
        }
        if self.messages.is_empty() && self.messages.capacity() > 64 {
            self.messages = VecDeque::new();
        }
    }

    /// Messages below an offset are gone.
    pub fn forget(&mut self, first: u64, garbage: &mut impl Extend<Message>) {
        while self.batches.front().is_some_and(|batch| batch.end <= first) {
            self.drop_batch(garbage);
        }
    }

    fn drop_batch(&mut self, garbage: &mut impl Extend<Message>) {
        if let Some(batch) = self.batches.pop_front() {
            let count = (batch.end - self.first) as usize;
            garbage.extend(self.messages.drain(..count));
            self.first = batch.end;
            self.bytes -= batch.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_leave_once_they_can_be_read_back_and_nobody_needs_them() {
        let mut tail = Tail::new(10);
        for batch in 0..4 {
            for _ in 0..3 {
                tail.push(Message::new(b"", b"q", &[0, 0], &[0; 100]));
            }
            tail.close(1000 * (batch + 1));
        }
        let one = tail.bytes() / 4;
        let mut garbage = Vec::new();
        tail.trim(500, u64::MAX, 0, &mut garbage);
        assert_eq!((tail.first(), garbage.len()), (10, 0));
        tail.trim(2500, 15, u64::MAX, &mut garbage);
        assert_eq!((tail.first(), garbage.len()), (13, 3));
        assert!(tail.get(12).is_none() && tail.get(13).is_some() && tail.get(22).is_none());
        tail.trim(2500, 0, 2 * one, &mut garbage);
        assert_eq!((tail.first(), tail.bytes()), (16, 2 * one));
        tail.trim(2500, 0, 0, &mut garbage);
        assert_eq!(tail.first(), 16, "the rest is not written yet");
        tail.forget(20, &mut garbage);
        assert_eq!((tail.first(), garbage.len()), (19, 9));
    }
}
