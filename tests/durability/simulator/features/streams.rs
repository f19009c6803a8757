//! Streams: what was confirmed or seen stays at its offset until retention lets it go, and groups go on where they were.

use std::collections::{BTreeMap, BTreeSet};

use super::peer::{Got, Peer, Wanted, body};
use super::{End, Part, ROUNDS_MAX, Stage, note};
use crate::simulator::model::Verdict;
use crate::simulator::wire;

/// Bytes of a segment, and of all of them.
pub const LIMITS: (u64, u64) = (8000, 60_000);
/// What the broker counts for each message beside its body.
const OVERHEAD: u64 = 64;
/// More than the largest message counts. After a restart the sizes of single messages are estimates.
const LARGEST: u64 = 21_000;
const NAMES: [&str; 2] = ["one", "other"];
const PREFETCH: u16 = 12;
/// The channel of whoever reads all; those of groups follow.
const READER: u16 = 5;

#[derive(Debug, Default)]
struct Sent {
    /// It was confirmed, or somebody has seen it.
    stays: bool,
    gone: bool,
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ack {
    Heard,
    Doubtful,
    Written,
}

/// Offsets of the oldest message and the next.
type Range = std::ops::Range<u64>;

/// A group with at most one consumer.
#[derive(Default)]
struct Group {
    name: &'static str,
    channel: u16,
    /// Its consumer's.
    tag: Option<String>,
    /// A consumer was told that it is there, by a sound disk.
    is_there: bool,
    acks: BTreeMap<u64, Ack>,
    /// Offsets that its consumer has, with their tags.
    held: BTreeMap<u64, u64>,
    /// Offsets that its consumer has given back.
    back: BTreeSet<u64>,
    /// Behind the highest offset that its consumer was sent.
    end: u64,
}

impl Group {
    fn leaves(&mut self) {
        self.tag = None;
        self.held.clear();
        self.back.clear();
        self.end = 0;
    }

    /// It is sent a message, while the stream begins at `first`.
    fn arrive(&mut self, offset: u64, tag: u64, first: u64) -> Verdict {
        let name = self.name;
        if let Some(ack) = self.acks.get(&offset) {
            if *ack != Ack::Doubtful {
                return Err(format!("{name}: {offset} comes again: {ack:?}"));
            }
            self.acks.remove(&offset);
        }
        if self.held.insert(offset, tag).is_some() {
            return Err(format!("{name}: {offset} comes twice"));
        }
        if self.back.remove(&offset) {
            return Ok(());
        }
        if offset < self.end {
            return Err(format!("{name}: {offset} comes behind {}", self.end));
        }
        for skipped in self.end..offset {
            match self.acks.get_mut(&skipped) {
                Some(ack) if *ack == Ack::Doubtful => *ack = Ack::Heard,
                None if skipped >= first => {
                    return Err(format!("{name}: {skipped} is left out"));
                }
                _ => {}
            }
        }
        self.end = offset + 1;
        Ok(())
    }

    fn settle(&mut self, peer: &mut Peer, offset: u64, requeue: bool) {
        let Some(tag) = self.held.remove(&offset) else {
            return;
        };
        peer.settle(self.channel, tag, requeue);
        if requeue {
            self.back.insert(offset);
        } else {
            self.acks.insert(offset, Ack::Heard);
        }
    }
}

/// See the module.
pub struct Streams {
    queue: &'static str,
    limits: Option<(u64, u64)>,
    peer: Peer,
    tags: u64,
    sent: BTreeMap<u64, Sent>,
    /// What was seen at each offset, ever.
    log: BTreeMap<u64, u64>,
    groups: Vec<Group>,
}

impl Streams {
    pub fn new(number: usize, limits: Option<(u64, u64)>) -> Self {
        let groups = (READER + 1..).zip(NAMES).map(|(channel, name)| Group {
            name,
            channel,
            ..Group::default()
        });
        Self {
            queue: if limits.is_some() { "cut" } else { "whole" },
            limits,
            peer: Peer::new(number),
            tags: 0,
            sent: BTreeMap::new(),
            log: BTreeMap::new(),
            groups: groups.collect(),
        }
    }

    fn range(&self, stage: &Stage) -> Verdict<Range> {
        let vhost = stage.world.broker.vhost("/");
        let queue = vhost.and_then(|all| all.queue(self.queue));
        let figures = queue.and_then(|queue| queue.lock().stream_figures());
        let figures = figures.ok_or("the stream is not there")?;
        Ok(figures.first..figures.next)
    }

    /// Somebody was sent a message; returns its offset.
    fn note(&mut self, got: &Got) -> Verdict<u64> {
        let offset = got.offset.ok_or_else(|| format!("{got:?} has no offset"))?;
        let Some(sent) = self.sent.get_mut(&got.id) else {
            return Err(format!("{} was never published", got.id));
        };
        if sent.gone {
            return Err(format!("{got:?} was not there before"));
        }
        sent.stays = true;
        let before = *self.log.entry(offset).or_insert(got.id);
        if before != got.id {
            return Err(format!("{got:?} was {before} before"));
        }
        Ok(offset)
    }

    /// What has come to the consumer of that tag, and to the groups.
    fn listen(&mut self, stage: &mut Stage, reader: &str) -> Verdict<Vec<Got>> {
        let mut read = Vec::new();
        stage.world.timers();
        stage.round(&mut self.peer)?;
        let range = self.range(stage)?;
        while let Some(item) = self.peer.deliveries.pop_front() {
            let consumer = item.message().consumer;
            let got = Got::read(&item)?;
            let offset = self.note(&got)?;
            if consumer == reader {
                read.push(got);
                continue;
            }
            // What came to one that has left is still that group's.
            let mut groups = self.groups.iter_mut();
            if let Some(group) = groups.find(|one| one.tag.as_deref() == Some(&consumer)) {
                stage.note(format!("{consumer} of {}: {offset} {}", self.queue, got.id));
                group.arrive(offset, got.tag, range.start)?;
            }
        }
        Ok(read)
    }

    fn tag(&mut self) -> String {
        self.tags += 1;
        format!("c{}", self.tags)
    }

    /// A consumer of a group comes, unless it has one.
    fn join(&mut self, at: usize, stage: &mut Stage) -> Verdict {
        if self.groups[at].tag.is_some() {
            return Ok(());
        }
        let tag = self.tag();
        let group = &mut self.groups[at];
        let arguments = [
            ("x-stream-offset", wire::text("first")),
            ("x-stream-group", wire::text(group.name)),
        ];
        self.peer
            .ask_consume(group.channel, self.queue, &tag, PREFETCH, &arguments);
        group.tag = Some(tag);
        let told = stage.answer(&mut self.peer)?.is_some();
        self.groups[at].is_there |= told && !stage.hurt;
        Ok(())
    }

    /// Its consumer goes.
    fn leave(&mut self, at: usize, stage: &mut Stage) -> Verdict {
        if self.groups[at].tag.is_some() {
            self.groups[at].leaves();
            self.peer.ask_close(self.groups[at].channel);
            stage.answer(&mut self.peer)?;
        }
        Ok(())
    }

    fn publish(&mut self, stage: &mut Stage) -> u64 {
        let id = stage.number();
        self.sent.insert(id, Sent::default());
        let wanted = Wanted {
            // A stream keeps it all the same.
            transient: stage.random.chance(20),
            ..Wanted::default()
        };
        self.peer.publish("", self.queue, id, &wanted);
        id
    }

    /// Reads all that is there.
    fn read_all(&mut self, stage: &mut Stage) -> Verdict<Vec<(u64, u64)>> {
        let end = self.range(stage)?.end;
        let tag = self.tag();
        let arguments = [("x-stream-offset", wire::text("first"))];
        self.peer
            .ask_consume(READER, self.queue, &tag, PREFETCH, &arguments);
        stage.answer(&mut self.peer)?;
        let mut all: Vec<(u64, u64)> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            for got in self.listen(stage, &tag)? {
                all.push((self.note(&got)?, got.id));
                self.peer.settle(READER, got.tag, false);
            }
            let last = all.last().map_or(0, |(offset, _)| offset + 1);
            if last >= end {
                self.peer.ask_close(READER);
                stage.answer(&mut self.peer)?;
                return Ok(all);
            }
            stage.work();
        }
        Err(format!("a reader has come to {:?} of {end}", all.last()))
    }

    /// What was read is all that should be there.
    fn compare(&mut self, mut all: Vec<(u64, u64)>, range: &Range) -> Verdict {
        // The oldest may have gone while it was read.
        all.retain(|(offset, _)| *offset >= range.start);
        if !all.iter().map(|one| one.0).eq(range.clone()) {
            return Err(format!("{range:?}: {all:?}"));
        }
        if !all.is_sorted_by(|one, other| one.1 < other.1) {
            return Err(format!("not in order: {all:?}"));
        }
        let there: BTreeSet<u64> = all.iter().map(|one| one.1).collect();
        let oldest = there.first().copied().unwrap_or(0);
        for (id, sent) in self.sent.range_mut(oldest..) {
            if !there.contains(id) {
                if sent.stays {
                    return Err(format!("{id} is lost"));
                }
                sent.gone = true;
            }
        }
        let bytes: u64 = there
            .iter()
            .map(|id| body(*id).len() as u64 + OVERHEAD)
            .sum();
        match self.limits {
            None if range.start > 0 => Err(format!("cut off without limits: {range:?}")),
            Some((segment, most)) if range.start > 0 && bytes + segment + LARGEST < most => {
                Err(format!("too much is cut off: {range:?}"))
            }
            Some((_, most)) if bytes > most + LARGEST => {
                Err(format!("too little is cut off: {range:?}, {bytes} bytes"))
            }
            _ => Ok(()),
        }
    }

    /// A reader that waits at the end gets what comes, and does nothing for that.
    fn follow(&mut self, stage: &mut Stage) -> Verdict {
        let tag = self.tag();
        let arguments = [("x-stream-offset", wire::text("next"))];
        self.peer
            .ask_consume(READER, self.queue, &tag, PREFETCH, &arguments);
        stage.answer(&mut self.peer)?;
        let mut wanted = Vec::new();
        for _ in 0..1 + stage.random.below(3) {
            wanted.push(self.publish(stage));
            stage.flush(&mut self.peer)?;
            stage.background();
        }
        let mut seen = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let come = self.listen(stage, &tag)?;
            seen.extend(come.iter().map(|got| got.id));
            if seen == wanted {
                self.peer.ask_close(READER);
                stage.answer(&mut self.peer)?;
                return Ok(());
            }
            stage.work();
        }
        Err(format!("a reader at the end waits: {seen:?} of {wanted:?}"))
    }

    /// No group is further than what was acknowledged.
    fn check_groups(&self, stage: &Stage, first: u64) -> Verdict {
        let queue = stage
            .world
            .broker
            .vhost("/")
            .and_then(|all| all.queue(self.queue));
        let found = queue.map_or_else(Vec::new, |queue| queue.lock().groups());
        for group in &self.groups {
            let name = group.name;
            let Some(found) = found.iter().find(|one| &*one.name == name) else {
                if group.is_there {
                    return Err(format!("group {name} is gone"));
                }
                continue;
            };
            let open = (first..found.offset).find(|offset| !group.acks.contains_key(offset));
            if let Some(open) = open {
                return Err(format!("{name} is at {}, {open} is open", found.offset));
            }
        }
        Ok(())
    }

    /// A group gets all that is left for it.
    fn finish(&mut self, at: usize, stage: &mut Stage) -> Verdict {
        self.join(at, stage)?;
        for _ in 0..ROUNDS_MAX {
            self.listen(stage, "")?;
            let group = &mut self.groups[at];
            for offset in group.held.keys().copied().collect::<Vec<u64>>() {
                group.settle(&mut self.peer, offset, false);
            }
            let range = self.range(stage)?;
            let group = &self.groups[at];
            let mut left = range;
            if left.all(|offset| group.acks.contains_key(&offset)) {
                return stage.flush(&mut self.peer);
            }
            stage.work();
        }
        Err(format!("{} does not get all", self.groups[at].name))
    }
}

impl Part for Streams {
    fn name(&self) -> &'static str {
        if self.limits.is_some() {
            "a stream with retention"
        } else {
            "a stream"
        }
    }

    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn set_up(&mut self, stage: &mut Stage) -> Verdict {
        let mut arguments = vec![("x-queue-type", wire::text("stream"))];
        if let Some((segment, most)) = self.limits {
            let segment = wire::number(segment as u32);
            arguments.push(("x-stream-max-segment-size-bytes", segment));
            arguments.push(("x-max-length-bytes", wire::number(most as u32)));
        }
        self.peer.ask_declare(self.queue, &arguments);
        stage.answer(&mut self.peer)?;
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage) -> Verdict {
        self.listen(stage, "")?;
        let at = stage.random.below(self.groups.len());
        match stage.random.below(10) {
            0..4 => {
                for _ in 0..1 + stage.random.below(4) {
                    self.publish(stage);
                }
            }
            4 => self.join(at, stage)?,
            5..8 => {
                let group = &mut self.groups[at];
                for offset in group.held.keys().copied().collect::<Vec<u64>>() {
                    if stage.random.chance(60) {
                        group.settle(&mut self.peer, offset, false);
                    }
                }
            }
            8 => {
                let group = &mut self.groups[at];
                let held: Vec<u64> = group.held.keys().copied().collect();
                if let Some(offset) = stage.random.one_of(&held) {
                    group.settle(&mut self.peer, *offset, true);
                }
            }
            _ if stage.random.chance(40) => self.leave(at, stage)?,
            _ => {}
        }
        stage.flush(&mut self.peer)
    }

    fn confirmed(&mut self, ids: &[u64]) {
        note(&mut self.sent, ids, |sent| sent.stays = true);
    }

    fn doubtful(&mut self, _ids: &[u64]) {}

    fn returned(&mut self, unheard: bool) {
        for group in &mut self.groups {
            group.leaves();
            for ack in group.acks.values_mut() {
                if unheard && *ack == Ack::Heard {
                    *ack = Ack::Doubtful;
                }
            }
        }
    }

    fn quiet(&mut self) {
        for group in &mut self.groups {
            group.is_there |= group.tag.is_some();
        }
        for ack in self.groups.iter_mut().flat_map(|one| one.acks.values_mut()) {
            if *ack == Ack::Heard {
                *ack = Ack::Written;
            }
        }
    }

    fn ended(&mut self, end: End) {
        if end == End::Clean {
            return self.quiet();
        }
        for ack in self.groups.iter_mut().flat_map(|one| one.acks.values_mut()) {
            if *ack == Ack::Heard {
                *ack = Ack::Doubtful;
            }
        }
    }

    fn look(&mut self, stage: &mut Stage) -> Verdict {
        let first = self.range(stage)?.start;
        self.check_groups(stage, first)?;
        let all = self.read_all(stage)?;
        let range = self.range(stage)?;
        self.compare(all, &range)?;
        if stage.random.chance(50) {
            self.follow(stage)?;
        }
        for at in 0..self.groups.len() {
            if stage.random.chance(50) {
                self.finish(at, stage)?;
            }
        }
        Ok(())
    }
}
