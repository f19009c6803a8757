//! The verbs that only streams have.

use super::consumers::ConsumerSpec;
use super::effects::Effects;
use super::mailbox::Control;
use super::stream::offset::OffsetSpec;
use super::stream::{GroupFigures, Wake, Wanted};
use super::{Locked, Queue};
use crate::store::Receipt;
use crate::store::offsets::Offsets;

/// What there is to say of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamFigures {
    /// Offset of the oldest message.
    pub first: u64,
    /// Offset of the next message.
    pub next: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes of its messages, about.
    pub bytes: u64,
}

impl Queue {
    /// What is on its way to the consumer of that number, as [`settle`](Locked::settle) is told of it: two consumers of a stream may
    /// have the same message.
    #[inline]
    pub fn settle_key(consumer: u32, offset: u64) -> u64 {
        u64::from(consumer) << 32 | (offset & u64::from(u32::MAX))
    }
}

impl Locked<'_> {
    /// Who is told when an append of the stream is on disk.
    pub fn set_wake(&mut self, wake: Wake) {
        if let Some(stream) = &mut self.core.stream {
            stream.set_wake(wake);
        }
    }

    /// Adds a consumer of a stream; see [`consume`](Self::consume). Consume-ok waits for the receipt: its group is on disk. The error
    /// says why it cannot be.
    pub fn consume_stream(
        &mut self,
        spec: ConsumerSpec,
        wanted: &Wanted,
        tag: &str,
        now: u64,
    ) -> Result<(u32, Receipt), String> {
        let core = &mut self.core;
        let number = core.stream_consume(self.queue, spec, wanted, tag, now)?;
        Ok((number, self.append_stream()))
    }

    /// What was published is in an append of this receipt, that of a transaction.
    pub fn placed(&mut self, receipt: Receipt) {
        if let Some(stream) = &mut self.core.stream {
            stream.note_appended(receipt, &self.queue.journal);
        }
    }

    pub(super) fn tell_groups(&mut self) {
        let core = &mut *self.core;
        if let (Some(stream), Some(log)) = (&mut core.stream, &mut core.log) {
            stream.tell(self.queue.spec.id, log);
        }
    }

    #[cold]
    pub(super) fn append_stream(&mut self) -> Receipt {
        self.tell_groups();
        let core = &mut *self.core;
        let (Some(stream), Some(log)) = (&mut core.stream, &mut core.log) else {
            return Receipt::NOTHING;
        };
        let receipt = log.append(self.queue.spec.id, &self.queue.journal);
        stream.note_appended(receipt, &self.queue.journal);
        receipt
    }

    /// The offset that a place in a stream stands for now, and that of the next message.
    pub fn resolve(&self, place: OffsetSpec, now: u64) -> Option<(u64, u64)> {
        let (stream, log) = (self.core.stream.as_deref()?, self.core.log.as_ref()?);
        let (_, next) = stream.range();
        Some((place.resolve(&(stream, &log.ledger), now), next))
    }

    /// What there is to say of it, if it is a stream.
    pub fn stream_figures(&self) -> Option<StreamFigures> {
        let stream = self.core.stream.as_ref()?;
        let ((first, next), (segments, bytes)) = (stream.range(), stream.segments());
        Some(StreamFigures {
            first,
            next,
            segments,
            bytes,
        })
    }

    /// Whether the consumer of that number is its group's active one; `None` where all are.
    pub fn is_active_in_group(&self, number: u32) -> Option<bool> {
        self.core.stream.as_ref()?.is_active(number)
    }

    /// The groups of a stream's consumers.
    pub fn groups(&self) -> Vec<GroupFigures> {
        let stream = self.core.stream.as_ref();
        stream.map_or_else(Vec::new, |stream| stream.group_figures())
    }

    /// How far each group has come, by name, for a checkpoint.
    pub fn each_group(&self, mut each: impl FnMut(&str, &Offsets)) {
        if let Some(stream) = &self.core.stream {
            for (name, offsets) in stream.groups() {
                each(name, offsets);
            }
        }
    }

    /// Moves a group, or makes one there. Returns the offset where it goes on, or `None` where this is no stream, or one with too many.
    pub fn seek_group(
        &mut self,
        name: &str,
        to: OffsetSpec,
        now: u64,
        effects: &mut Effects,
    ) -> Option<u64> {
        let core = &mut *self.core;
        let (stream, log) = (core.stream.as_mut()?, core.log.as_ref()?);
        let offset = stream.seek(name, to, &log.ledger, now)?;
        stream.serve_all(self.queue, effects);
        core.stream_attend(self.queue, now, effects);
        Some(offset)
    }

    /// Deletes a group; its consumers are cancelled. False when there is none of that name.
    pub fn end_group(&mut self, name: &str) -> bool {
        let id = self.queue.spec.id;
        let core = &mut *self.core;
        let (Some(stream), Some(log)) = (&mut core.stream, &mut core.log) else {
            return false;
        };
        let Some(consumers) = stream.end_group(id, name, log) else {
            return false;
        };
        for spec in consumers {
            spec.mailbox.control(Control::ConsumerCancelled(spec.id));
        }
        true
    }

    /// Where dying messages go: what [`take_dying`](Self::take_dying) has just taken.
    pub fn dead_letter(&self) -> Option<super::DeadLetter> {
        match &self.core.stream {
            Some(stream) => stream.dead_letter(),
            None => self.core.rules.dead_letter.clone(),
        }
    }
}
