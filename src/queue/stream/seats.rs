//! Consumers of a stream: they come, settle what they got, and go.

use std::sync::Arc;

use super::group::{Group, Terms};
use super::reader::Reader;
use super::{GROUPS_MAX, Membership, Seat, Stream, Wanted};
use crate::queue::Outcome;
use crate::queue::consumers::{ConsumerSpec, Consumers};
use crate::queue::effects::Effects;
use crate::queue::mailbox::Delivery;
use crate::store::Journal;
use crate::store::ledger::Ledger;

impl Stream {
    /// A number for a consumer or a group: never one that is in use.
    fn number(&mut self) -> u32 {
        loop {
            self.last_number = self.last_number.wrapping_add(1).max(1);
            let number = self.last_number;
            if !self.seats.contains_key(&number) && !self.readers.contains_key(&number) {
                return number;
            }
        }
    }

    pub(super) fn add_group(&mut self, name: Arc<str>, cursor: u64, group: Group) -> u32 {
        let id = self.number();
        let consumers = consumers_of(&group.terms, self.partition);
        let mut reader = Reader::new(cursor, consumers);
        reader.group = Some(Box::new(group));
        self.readers.insert(id, reader);
        self.groups.insert(name, id);
        id
    }

    /// A consumer comes; it is served from its next turn on. The error names what it asks for that cannot be.
    pub fn consume(
        &mut self,
        mut spec: ConsumerSpec,
        wanted: &Wanted,
        tag: &str,
        ledger: &Ledger,
        journal: &Journal,
        now: u64,
    ) -> Result<u32, String> {
        spec.exclusive = false;
        self.commit(journal);
        let start = wanted
            .offset
            .unwrap_or_default()
            .resolve(&(&*self, ledger), now);
        let number = self.number();
        let id = match &wanted.group {
            None => {
                let mut reader = Reader::new(start, Consumers::default());
                reader.filter.clone_from(&wanted.filter);
                self.readers.insert(number, reader);
                number
            }
            Some(membership) => self.join(membership, wanted, tag, start)?,
        };
        let reader = self.readers.get_mut(&id).expect("it is there");
        // A stream's consumers are never exclusive.
        let _ = reader.consumers.add_as(number, spec);
        let seat = Seat {
            reader: id,
            out: 0,
            gone: false,
        };
        self.seats.insert(number, seat);
        self.consumers += 1;
        self.listen(journal);
        Ok(number)
    }

    /// The reader of the group that a consumer belongs to.
    fn join(
        &mut self,
        membership: &Membership,
        wanted: &Wanted,
        tag: &str,
        start: u64,
    ) -> Result<u32, String> {
        let name = membership.name.clone().unwrap_or_else(|| tag.into());
        let id = match self.groups.get(&name) {
            Some(id) => *id,
            None if self.groups.len() >= GROUPS_MAX => {
                return Err(format!("the stream has {GROUPS_MAX} groups already"));
            }
            None => {
                let terms = membership.terms.clone().unwrap_or_default();
                let group = Group::new(Arc::clone(&name), start, terms);
                self.add_group(name, start, group)
            }
        };
        let reader = self.readers.get_mut(&id).expect("a group is a reader");
        let is_first = reader.consumers.len() == 0;
        if let (Some(group), Some(terms)) = (&mut reader.group, &membership.terms) {
            if group.terms.single_active != terms.single_active {
                if !is_first {
                    return Err(format!(
                        "group '{}' has consumers with another x-single-active-consumer",
                        group.name
                    ));
                }
                reader.consumers = consumers_of(terms, self.partition);
            }
            group.set_terms(terms.clone());
        }
        if is_first || wanted.filter.is_some() {
            reader.filter.clone_from(&wanted.filter);
        }
        Ok(id)
    }

    /// A consumer goes; what it has out stays with its channel.
    pub fn cancel(&mut self, number: u32) {
        let Some(seat) = self.seats.get_mut(&number) else {
            return;
        };
        seat.gone = true;
        let (id, is_done) = (seat.reader, seat.out == 0);
        let Some(reader) = self.readers.get_mut(&id) else {
            self.seats.remove(&number);
            return;
        };
        if reader.consumers.remove(number).is_some() {
            self.consumers -= 1;
        }
        let before = reader.bytes();
        if reader.consumers.len() == 0 {
            reader.rest();
        }
        self.windows -= before - reader.bytes();
        if reader.group.is_none() {
            self.readers.remove(&id);
            // What it has out settles nothing any more.
            if let Some(seat) = self.seats.remove(&number) {
                self.out -= seat.out as usize;
            }
        } else if is_done {
            self.seats.remove(&number);
        }
    }

    /// A consumer may have more. Returns its reader.
    pub fn resume(&mut self, number: u32, channel: bool) -> Option<u32> {
        let id = self.seats.get(&number)?.reader;
        let reader = self.readers.get_mut(&id)?;
        reader.consumers.resume(number, channel);
        Some(id)
    }

    /// Deliveries end; each key is a consumer's number in the upper half, and the lower half of the offset. Returns the readers that
    /// may have more.
    pub fn settle(&mut self, keys: &[u64], outcome: Outcome, effects: &mut Effects) -> Vec<u32> {
        let mut readers = Vec::new();
        for key in keys {
            let (number, low) = ((key >> 32) as u32, *key as u32);
            let Some(seat) = self.seats.get_mut(&number) else {
                continue;
            };
            let id = seat.reader;
            let Some(reader) = self.readers.get_mut(&id) else {
                continue;
            };
            if seat.out > 0 {
                seat.out -= 1;
                self.out -= 1;
            }
            let is_over = seat.gone && seat.out == 0;
            reader.consumers.settled(number);
            if let Some(group) = &mut reader.group
                && !group.was_stale(low, number)
                && let Some(offset) = group.find(low)
            {
                effects.dying |= group.settle(offset, number, outcome, reader.cursor);
            }
            if is_over {
                self.seats.remove(&number);
            }
            if readers.last() != Some(&id) {
                readers.push(id);
            }
        }
        readers
    }

    /// Deliveries to a consumer that never left.
    pub fn unsend(
        &mut self,
        number: u32,
        deliveries: impl Iterator<Item = Delivery>,
    ) -> Option<u32> {
        let seat = self.seats.get_mut(&number)?;
        let id = seat.reader;
        let reader = self.readers.get_mut(&id)?;
        for delivery in deliveries {
            if seat.out > 0 {
                seat.out -= 1;
                self.out -= 1;
            }
            reader.consumers.settled(number);
            if let Some(group) = &mut reader.group {
                group.unsend(delivery.sequence, delivery.message, reader.cursor);
            }
        }
        if seat.gone && seat.out == 0 {
            self.seats.remove(&number);
        }
        Some(id)
    }
}

fn consumers_of(terms: &Terms, partition: Option<u16>) -> Consumers {
    match partition {
        _ if terms.single_active => Consumers::single_active(false),
        Some(partition) => Consumers::of_partition(partition),
        None => Consumers::default(),
    }
}
