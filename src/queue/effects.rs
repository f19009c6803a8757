//! What the caller of a queue's verb must perform once the queue's lock is released.

use std::task::Waker;

use smallvec::SmallVec;

use super::overflow::Rejects;
use super::paging::Want;
use super::slots::Garbage;
use crate::message::Message;

/// Collected under the lock, performed after it: first [`wake`](Effects::wake), then whatever the flags ask of the broker.
#[derive(Default)]
#[must_use = "wake-ups and dead letters are lost with it"]
pub struct Effects {
    pub(super) wakers: SmallVec<[Waker; 2]>,
    pub(super) garbage: Garbage,
    /// Messages are to be dead-lettered: run the drainer.
    pub dying: bool,
    /// The last consumer of an auto-delete queue has gone: delete it if that is still so.
    pub unused: bool,
    /// A step was cut short: call `tick` again soon.
    pub unfinished: bool,
    /// Tell the pager what the queue wants.
    pub load: Want,
    /// Tell the pager that so many bytes were published.
    pub pushed: u64,
    /// What was refused of a publish; its letters are to be dead-lettered.
    pub refused: Option<Box<Rejects>>,
    /// Acknowledged messages that are to be retained.
    pub acked: Vec<Message>,
    /// Call `tick` at this time (milliseconds since the epoch).
    pub deadline: Option<u64>,
}

impl Effects {
    /// Wakes the connections that have something in their mailbox.
    #[inline]
    pub fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Takes the wake-ups of `other`, to be done later with these.
    #[inline]
    pub fn take_wakers(&mut self, other: &mut Self) {
        self.wakers.append(&mut other.wakers);
    }

    /// Whether the broker has more to do than to wake.
    #[inline]
    pub fn is_more(&self) -> bool {
        self.dying
            || self.unused
            || self.unfinished
            || self.refused.is_some()
            || self.pushed > 0
            || !self.acked.is_empty()
            || self.load != Want::Nothing
            || self.deadline.is_some()
    }
}
