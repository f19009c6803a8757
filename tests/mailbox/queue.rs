//! The queue's room as far as the mailbox sees it: its locks, which are shuttle's here, and a queue that has messages for one
//! consumer and knows nothing else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use self::mailbox::{Delivery, Mailbox, Share};
use self::sync::Mutex;
use crate::message::Message;

/// The very source that the broker is built of.
#[path = "../../src/queue/mailbox.rs"]
#[allow(dead_code, reason = "not all that the broker uses is needed here")]
pub mod mailbox;

#[path = "../../src/queue/figures.rs"]
#[allow(dead_code, reason = "questions are only passed on here")]
pub mod figures;

/// Locks with parking_lot's signatures under which shuttle explores the interleavings.
pub mod sync {
    pub use shuttle::sync::MutexGuard;

    #[derive(Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("nobody panics with the lock")
        }
    }
}

/// A queue with one consumer.
pub struct Queue {
    /// Number of its consumer.
    pub consumer: u32,
    message: Message,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<u64>,
    next: u64,
    share: Share,
    blocked: bool,
}

impl Queue {
    /// An empty queue, all of whose messages are copies of `message`.
    pub fn new(consumer: u32, message: Message) -> Arc<Self> {
        Arc::new(Self {
            consumer,
            message,
            state: Mutex::default(),
        })
    }

    /// Adds messages and serves the consumer.
    pub fn publish(self: &Arc<Self>, count: u64, mailbox: &Mailbox) {
        let mut state = self.state.lock();
        let first = state.next;
        state.next += count;
        state.ready.extend(first..first + count);
        let waker = self.serve(&mut state, mailbox);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The consumer may take more.
    pub fn resume(self: &Arc<Self>, mailbox: &Mailbox) {
        let mut state = self.state.lock();
        state.blocked = false;
        let waker = self.serve(&mut state, mailbox);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn serve(self: &Arc<Self>, state: &mut State, mailbox: &Mailbox) -> Option<Waker> {
        if state.blocked || state.ready.is_empty() {
            return None;
        }
        let mut slot = mailbox.slot();
        while let Some(sequence) = state.ready.front().copied() {
            if !slot.has_room(&mut state.share) {
                slot.wait(Arc::clone(self), self.consumer);
                state.blocked = true;
                break;
            }
            state.ready.pop_front();
            let delivery = Delivery {
                consumer: self.consumer,
                redelivered: false,
                counted: false,
                returned: 0,
                sequence,
                message: self.message.clone(),
            };
            slot.push(&mut state.share, delivery);
        }
        slot.waker()
    }

    /// The messages that are still in it.
    pub fn ready(&self) -> Vec<u64> {
        self.state.lock().ready.iter().copied().collect()
    }
}
