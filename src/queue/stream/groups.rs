//! What is done to groups as a whole: dead letters, a look, another place, the end.

use std::sync::Arc;

use super::group::{Group, Terms};
use super::offset::OffsetSpec;
use super::{GROUPS_MAX, GroupFigures, Stream};
use crate::message::Message;
use crate::queue::DeadLetter;
use crate::queue::consumers::ConsumerSpec;
use crate::queue::dead_letter::Reason;
use crate::queue::log::Log;
use crate::store::ledger::Ledger;
use crate::store::offsets::{Offsets, Step};

impl Stream {
    /// Messages that die for a group, of one group at a time, and where they go.
    pub fn take_dying(&mut self, most: usize) -> Vec<(u64, Message, Reason)> {
        if self.draining.is_some() {
            return Vec::new();
        }
        let dying = self.readers.iter_mut().find_map(|(id, reader)| {
            let group = reader.group.as_mut().filter(|group| group.is_dying())?;
            Some((*id, group.take_dying(most)))
        });
        let Some((id, dying)) = dying else {
            return Vec::new();
        };
        self.draining = Some(id);
        dying
    }

    /// Where the messages go that were taken last.
    pub fn dead_letter(&self) -> Option<DeadLetter> {
        let reader = self.readers.get(&self.draining?)?;
        reader.group.as_ref()?.terms.dead_letter.clone()
    }

    /// Their copies are placed. Returns whether there are more.
    pub fn buried(&mut self, offsets: impl Iterator<Item = u64>) -> bool {
        if let Some(id) = self.draining.take()
            && let Some(group) = self.readers.get_mut(&id).and_then(|one| one.group.as_mut())
        {
            group.buried(offsets);
        }
        self.is_dying()
    }

    /// Whether messages die for a group and nobody sees to it.
    pub fn is_dying(&self) -> bool {
        let mut groups = self.readers.values().filter_map(|one| one.group.as_ref());
        self.draining.is_none() && groups.any(|group| group.is_dying())
    }

    /// Its groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Offsets)> {
        self.groups.iter().filter_map(|(name, id)| {
            let group = self.readers.get(id)?.group.as_ref()?;
            Some((name, &group.offsets))
        })
    }

    /// The same, for whoever looks.
    pub fn group_figures(&self) -> Vec<GroupFigures> {
        let of = |(name, id): (&Arc<str>, &u32)| {
            let reader = self.readers.get(id)?;
            let group = reader.group.as_ref()?;
            Some(GroupFigures {
                name: Arc::clone(name),
                offset: group.offsets.floor(),
                lag: group.offsets.open(self.next),
                unacked: group.out(),
                consumers: reader.consumers.len(),
                terms: group.terms.clone(),
            })
        };
        self.groups.iter().filter_map(of).collect()
    }

    /// Moves a group, or makes one there. Returns the offset where it goes on; `None` when there are too many.
    pub fn seek(&mut self, name: &str, to: OffsetSpec, ledger: &Ledger, now: u64) -> Option<u64> {
        let start = to.resolve(&(&*self, ledger), now);
        match self.groups.get(name) {
            Some(id) => {
                let reader = self.readers.get_mut(id).expect("a group is a reader");
                if let Some(group) = &mut reader.group {
                    group.seek(start);
                }
                self.windows -= reader.bytes();
                reader.go_to(start);
            }
            None if self.groups.len() >= GROUPS_MAX => return None,
            None => {
                let name: Arc<str> = name.into();
                let group = Group::new(Arc::clone(&name), start, Terms::default());
                self.add_group(name, start, group);
            }
        }
        Some(start)
    }

    /// Deletes a group. Returns its consumers, who are to be told; `None` when there is no such group.
    pub fn end_group(&mut self, id: u64, name: &str, log: &mut Log) -> Option<Vec<ConsumerSpec>> {
        let id_of = self.groups.remove(name)?;
        let reader = self.readers.remove(&id_of)?;
        let windows = reader.bytes();
        log.group(id, name.as_bytes(), &Step::End);
        let mut consumers = reader.consumers;
        let all = consumers.take_all();
        self.windows -= windows;
        self.consumers -= all.len();
        // Those that have gone, with what they still have, too.
        self.seats.retain(|_, seat| seat.reader != id_of);
        self.out = self.seats.values().map(|seat| seat.out as usize).sum();
        Some(all.into_iter().map(|consumer| consumer.spec).collect())
    }
}
