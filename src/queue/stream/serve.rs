//! Who gets what: readers with credit, messages that may be delivered.

use std::sync::Arc;

use super::Stream;
use super::group::Group;
use super::reader::{LOOKED_MAX, Reader, Source};
use crate::queue::Queue;
use crate::queue::effects::Effects;
use crate::queue::mailbox::{Delivery, STREAMED};

impl Stream {
    /// Hands messages to all who can take some.
    pub fn serve_all(&mut self, me: &Arc<Queue>, effects: &mut Effects) {
        let ids: Vec<u32> = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.consumers.has_turn())
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.serve(id, me, effects);
        }
    }

    /// Hands messages to one reader's consumers, as long as there are both.
    pub fn serve(&mut self, id: u32, me: &Arc<Queue>, effects: &mut Effects) {
        let bytes = |stream: &Self| stream.readers.get(&id).map_or(0, Reader::bytes);
        let before = bytes(self);
        self.serve_one(id, me, effects);
        self.windows = self.windows + bytes(self) - before;
        self.wanting |= self.readers.get(&id).is_some_and(|reader| reader.wants);
    }

    fn serve_one(&mut self, id: u32, me: &Arc<Queue>, effects: &mut Effects) {
        let source = Source {
            tail: &self.tail,
            first: self.first,
            committed: self.committed,
        };
        let Some(reader) = self.readers.get_mut(&id) else {
            return;
        };
        if !reader.consumers.has_turn() {
            return;
        }
        let is_partition = self.partition.is_some();
        let group = reader.group.as_ref();
        let is_strict = group.is_some_and(|group| group.terms.single_active || is_partition);
        // In strict order nobody gets anything while one who has gone may still work on what came before.
        let is_held = |group: &Group| {
            let active = reader.consumers.active();
            is_strict && active.is_some_and(|active| group.others_have(active))
        };
        if group.is_some_and(|group| group.is_full(reader.cursor) || is_held(group)) {
            return;
        }
        let mut looked = 0;
        if !reader.look(&source, &mut looked) {
            effects.unfinished |= looked >= LOOKED_MAX;
            return;
        }
        let Some(mut turn) = reader.consumers.next() else {
            return;
        };
        loop {
            let mailbox = Arc::clone(&reader.consumers.at(turn.0).spec.mailbox);
            let mut slot = mailbox.slot();
            let more = loop {
                let (index, counted) = turn;
                let consumer = reader.consumers.at(index);
                let number = consumer.number;
                if slot.has_room(&mut consumer.share) {
                    let ahead = reader.take().expect("it was looked for");
                    let (redelivered, returned) = match &mut reader.group {
                        None => (false, 0),
                        Some(group) => group.deliver(&ahead, number),
                    };
                    if let Some(seat) = self.seats.get_mut(&number) {
                        seat.out += 1;
                        self.out += 1;
                    }
                    let consumer = reader.consumers.at(index);
                    let delivery = Delivery {
                        consumer: consumer.spec.id,
                        redelivered,
                        counted,
                        returned: STREAMED | returned.min(STREAMED - 1),
                        sequence: ahead.offset,
                        message: ahead.message,
                    };
                    slot.push(&mut consumer.share, delivery);
                    let is_full = reader
                        .group
                        .as_ref()
                        .is_some_and(|group| group.is_full(reader.cursor));
                    if is_full || !reader.look(&source, &mut looked) {
                        effects.unfinished |= looked >= LOOKED_MAX;
                        break false;
                    }
                } else {
                    slot.wait(Arc::clone(me), number);
                    reader.consumers.refuse(index, counted);
                }
                match reader.consumers.next() {
                    Some(next) => turn = next,
                    None => break false,
                }
                if !Arc::ptr_eq(&mailbox, &reader.consumers.at(turn.0).spec.mailbox) {
                    break true;
                }
            };
            effects.wakers.extend(slot.waker());
            drop(slot);
            if !more {
                return;
            }
        }
    }
}
