//! One who reads a stream at a place of his own: a consumer, or a group of them.
//!
//! A reader takes messages from the stream's tail where it is that far, else from its window, which the pager fills from disk
//! ahead of it. Nothing is kept of what a consumer without a group has got; what a group has out is in `group.rs`.

use std::collections::VecDeque;

use super::filter::Filter;
use super::group::Group;
use super::tail::Tail;
use crate::message::Message;
use crate::queue::consumers::Consumers;

/// Bytes of the first load of a reader; it doubles with each that follows soon.
pub const AHEAD_MIN: u64 = 64 * 1024;
/// Bytes of one load at most. A second one is asked for when half of the first is read, so that a reader holds no more than a
/// MiB, whole chunks included.
pub const AHEAD_MAX: u64 = 384 * 1024;
/// A load that is wanted so soon after the last is larger than that.
const FAST_MS: u64 = 100;
/// Messages that one turn looks at, wanted or not.
pub const LOOKED_MAX: usize = 4000;

/// A message on its way to a consumer.
pub struct Ahead {
    /// Its offset.
    pub offset: u64,
    /// The message.
    pub message: Message,
}

/// See the module.
pub struct Reader {
    /// Who takes its messages; one, unless it is a group.
    pub consumers: Consumers,
    /// Which messages are wanted; `None` is all.
    pub filter: Option<Filter>,
    /// What a group has out and has done.
    pub group: Option<Box<Group>>,
    /// The next offset to look at.
    pub cursor: u64,
    /// The next message for whoever has room.
    ahead: Option<Ahead>,
    /// Messages from disk, in order, from the cursor on.
    window: VecDeque<(u64, Message)>,
    window_bytes: u64,
    /// Everything below it, from the cursor on, is in the window or cannot be read.
    window_end: u64,
    /// The pager is to read more.
    pub wants: bool,
    /// Counts the places that it was moved to, so that what was read for an earlier one is not taken.
    pub epoch: u64,
    load_bytes: u64,
    loaded_at: u64,
}

/// Where messages are to be had.
pub struct Source<'a> {
    /// The end of the stream.
    pub tail: &'a Tail,
    /// Offset of the oldest message.
    pub first: u64,
    /// Nothing from here on is to be delivered yet.
    pub committed: u64,
}

impl Reader {
    /// One that begins at an offset.
    pub fn new(cursor: u64, consumers: Consumers) -> Self {
        Self {
            consumers,
            filter: None,
            group: None,
            cursor,
            ahead: None,
            window: VecDeque::new(),
            window_bytes: 0,
            window_end: cursor,
            wants: false,
            epoch: 0,
            load_bytes: AHEAD_MIN,
            loaded_at: 0,
        }
    }

    /// Memory of the messages that it holds alone.
    pub fn bytes(&self) -> u64 {
        self.window_bytes
    }

    /// Goes on at another place; what it held is dropped.
    pub fn go_to(&mut self, offset: u64) {
        self.cursor = offset;
        self.ahead = None;
        self.drop_window();
        self.window_end = offset;
        self.wants = false;
        self.epoch += 1;
    }

    fn drop_window(&mut self) {
        self.window = VecDeque::new();
        self.window_bytes = 0;
    }

    /// Lets go of what was read for consumers who cannot take anything now; returns its bytes.
    pub fn let_go(&mut self) -> u64 {
        if self.consumers.has_turn() || self.window.is_empty() {
            return 0;
        }
        let bytes = self.window_bytes;
        self.drop_window();
        self.window_end = self.cursor;
        self.wants = false;
        self.epoch += 1;
        bytes
    }

    /// Nobody takes its messages: nothing is kept for them.
    pub fn rest(&mut self) {
        let open = self.group.as_mut().map(|group| group.rest());
        self.go_to(open.unwrap_or(self.cursor));
    }

    /// The offset below which it needs nothing of the tail.
    pub fn needs_from(&self) -> u64 {
        if self.consumers.len() == 0 {
            u64::MAX
        } else {
            self.cursor
        }
    }

    /// Looks for the next message that is wanted, so that [`take`](Self::take) has it. False when there is none now: at the end, or
    /// one is [to be read](Self::wants), or enough was looked at, which `looked` counts.
    pub fn look(&mut self, source: &Source<'_>, looked: &mut usize) -> bool {
        if let Some(group) = &mut self.group
            && let Some(first) = group.waiting_first()
            && self.ahead.as_ref().is_none_or(|ahead| ahead.offset > first)
        {
            // What came back goes first.
            if let Some(ahead) = self.ahead.take() {
                group.wait(ahead.offset, ahead.message);
            }
            self.ahead = group.next_waiting();
        }
        while self.ahead.is_none() {
            self.cursor = self.cursor.max(source.first);
            if let Some(group) = &self.group {
                self.cursor = group.next_ready(self.cursor);
            }
            if self.cursor >= source.committed || *looked >= LOOKED_MAX {
                return false;
            }
            *looked += 1;
            let message = if let Some(message) = source.tail.get(self.cursor) {
                if !self.window.is_empty() {
                    self.drop_window();
                }
                message.clone()
            } else {
                match self.windowed(source) {
                    Some(message) => message,
                    None if self.wants => return false,
                    // There was a gap.
                    None => continue,
                }
            };
            let offset = self.cursor;
            self.cursor += 1;
            if self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.accepts(&message))
            {
                self.ahead = Some(Ahead { offset, message });
            } else if let Some(group) = &mut self.group {
                group.pass(offset);
            }
        }
        true
    }

    fn windowed(&mut self, source: &Source<'_>) -> Option<Message> {
        while let Some((offset, _)) = self.window.front() {
            if *offset > self.cursor {
                // What lay between cannot be read.
                self.cursor = *offset;
                return None;
            }
            let (offset, message) = self.window.pop_front()?;
            self.window_bytes -= message.memory() as u64;
            if offset == self.cursor {
                self.wants |= self.window_bytes < self.load_bytes / 2
                    && self.window_end < source.tail.first();
                return Some(message);
            }
        }
        if self.window_end > self.cursor {
            self.cursor = self.window_end;
        } else {
            self.wants = true;
        }
        None
    }

    /// The message that was found.
    pub fn take(&mut self) -> Option<Ahead> {
        self.ahead.take()
    }

    /// Where the pager is to read from, and how much.
    pub fn plan(&mut self, first: u64, now: u64) -> (u64, u64) {
        if now.saturating_sub(self.loaded_at) < FAST_MS {
            self.load_bytes = (2 * self.load_bytes).min(AHEAD_MAX);
        } else {
            self.load_bytes = AHEAD_MIN;
        }
        (self.window_end.max(self.cursor).max(first), self.load_bytes)
    }

    /// What was read comes in: everything from where the plan began up to `to` that can be read.
    pub fn install(&mut self, to: u64, messages: Vec<(u64, Message)>, now: u64) {
        self.wants = false;
        self.loaded_at = now;
        let from = self.cursor.max(self.window_end);
        for (offset, message) in messages {
            if offset >= from {
                self.window_bytes += message.memory() as u64;
                self.window.push_back((offset, message));
            }
        }
        self.window_end = self.window_end.max(to);
    }
}
