//! stub
#![allow(missing_docs, unused)]
pub mod ledger;
pub mod record;
use crate::message::SealedChunk;
use std::sync::Arc;
use std::task::Waker;
#[derive(Clone, Debug)]
pub struct Lease(Arc<()>);
pub struct Linked {
    pub position: u64,
    pub length: u32,
    pub lease: Lease,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    Lazy,
    Written,
    Synced,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Yes,
    No,
    Lost,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    durable: u64,
    written: u64,
}
impl Receipt {
    pub const NOTHING: Self = Self {
        durable: 0,
        written: 0,
    };
    pub fn max(self, o: Self) -> Self {
        Self {
            durable: self.durable.max(o.durable),
            written: self.written.max(o.written),
        }
    }
    pub fn covers(&self, o: Self) -> bool {
        self.durable >= o.durable && self.written >= o.written
    }
    pub fn of(a: u64, u: Urgency) -> Self {
        match u {
            Urgency::Lazy => Self::NOTHING,
            Urgency::Written => Self {
                durable: 0,
                written: a,
            },
            Urgency::Synced => Self {
                durable: a,
                written: 0,
            },
        }
    }
}
pub struct Journal;
impl Journal {
    pub fn memory() -> Arc<Self> {
        Arc::new(Self)
    }
    pub fn link(&self, c: &SealedChunk) -> Linked {
        Linked {
            position: 0,
            length: 0,
            lease: Lease(Arc::new(())),
        }
    }
    pub fn append(&self, r: &[u8], u: Urgency) -> u64 {
        0
    }
    pub fn is_due(&self, r: Receipt) -> Due {
        Due::Yes
    }
    pub fn wait(&self, r: Receipt, w: &Waker) {}
    pub fn is_congested(&self) -> bool {
        false
    }
    pub fn wait_for_room(&self, w: &Waker) {}
}
