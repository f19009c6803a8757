//! What the pager reads for a queue, of whatever kind it is.

use super::super::{Queue, stream};
use super::load::{SlotsLoaded, SlotsPlan};
use crate::store::Journal;

/// What is to be read for a queue.
pub enum Plan {
    /// Messages that have or get slots.
    Slots(SlotsPlan),
    /// Messages of a stream for one of its readers.
    Stream(stream::load::Plan),
}

/// What was read for a queue.
pub enum Loaded {
    /// Messages that have or get slots.
    Slots(SlotsLoaded),
    /// Messages of a stream for one of its readers.
    Stream(stream::load::Loaded),
}

impl Plan {
    /// Reads it. Without any lock. What cannot be read is logged and set aside: it stays where it is, and so does its file.
    pub fn read(self, queue: &Queue, journal: &Journal) -> Loaded {
        match self {
            Self::Slots(plan) => Loaded::Slots(plan.read(queue, journal)),
            Self::Stream(plan) => Loaded::Stream(plan.read(queue, journal)),
        }
    }
}
