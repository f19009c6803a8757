//! Who wants the messages of one queue, whose turn it is and who may not have more for now.
//!
//! Consumers with room stand in turn, one line for each priority; whoever is served goes to the end of its line, whoever
//! cannot take more leaves the line until what blocks it is over. Called by the core, under the queue's lock.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::mailbox::{Mailbox, Share};
use super::single_active::{self, Candidate, Choice};

/// What a client asked for with basic.consume.
pub struct ConsumerSpec {
    /// The connection's mailbox.
    pub mailbox: Arc<Mailbox>,
    /// The connection's number for the consumer, which deliveries carry; never reused in the connection.
    pub id: u32,
    /// Deliveries count as settled once they are encoded.
    pub no_ack: bool,
    /// Refuses to share the queue.
    pub exclusive: bool,
    /// `x-priority`; higher is served first.
    pub priority: i64,
    /// Unsettled deliveries that it may have; 0 is unlimited.
    pub prefetch: u32,
    /// The limit that all consumers of its channel share (basic.qos global).
    pub channel: Arc<ChannelCredit>,
}

/// The prefetch limit that the consumers of a channel share. Reserved under the queue's lock, freed by the channel.
#[derive(Default)]
pub struct ChannelCredit {
    /// Unsettled deliveries that the channel may have; 0 is unlimited.
    limit: AtomicU32,
    used: AtomicU32,
}

impl ChannelCredit {
    /// Changes the limit; `newly` deliveries that were not counted so far are from now on. The caller resumes the channel's
    /// queues. What was counted once stays counted until it is released, so that the count is never wrong.
    pub fn set_limit(&self, limit: u32, newly: u32) {
        self.used.fetch_add(newly, Ordering::AcqRel);
        self.limit.store(limit, Ordering::Release);
    }

    /// Takes one credit: `None` when there is none left, `Some(counted)` otherwise. Without a limit nothing is counted, so that
    /// an ordinary channel shares no cache line with its queues.
    #[inline]
    fn reserve(&self) -> Option<bool> {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return Some(false);
        }
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                (used < limit).then_some(used + 1)
            })
            .ok()
            .map(|_| true)
    }

    /// Gives credits back that were counted, before the settle reaches the queue.
    pub fn release(&self, credits: u32) {
        self.used.fetch_sub(credits, Ordering::AcqRel);
    }

    /// Credits taken.
    #[cfg(test)]
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Acquire)
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.limit() != 0
    }

    /// The limit; 0 is none.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }
}

/// Why a consumer is not in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    No,
    Prefetch,
    Channel,
    Mailbox,
    /// Another one is the single active consumer.
    Waiting,
}

/// One consumer of the queue.
pub struct Consumer {
    /// The queue's number for it, never reused in the queue; 0 is nobody.
    pub number: u32,
    pub(super) spec: ConsumerSpec,
    pub(super) share: Share,
    unacked: u32,
    blocked: Blocked,
}

/// All consumers of one queue.
#[derive(Default)]
pub struct Consumers {
    /// In order of `number`.
    all: Vec<Consumer>,
    /// Numbers of the consumers that may be served, by priority, highest first.
    lines: Vec<(i64, VecDeque<u32>)>,
    last: u32,
    exclusive: bool,
    single: Option<Single>,
}

/// The state of a queue with a single active consumer.
#[derive(Default)]
struct Single {
    /// A consumer of higher priority replaces the active one.
    preempts: bool,
    /// The partition of a stream, which its consumers have in turn.
    partition: Option<u16>,
    /// Number of the active one; nobody's when there is none.
    active: u32,
    /// It gets nothing more.
    fading: bool,
}

/// Why a consumer was not added.
#[derive(Debug, PartialEq, Eq)]
pub struct ExclusiveUse;

impl Consumers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether one of them is the single active one, or an exclusive one.
    pub fn singles_out(&self) -> bool {
        self.exclusive || self.active().is_some()
    }

    /// The mailboxes of those who have any, each once.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let mut all: Vec<Arc<Mailbox>> = Vec::new();
        let mut seen = HashSet::new();
        for consumer in &self.all {
            if seen.insert(Arc::as_ptr(&consumer.spec.mailbox)) {
                all.push(Arc::clone(&consumer.spec.mailbox));
            }
        }
        all
    }

    /// Nobody yet, of whom one at a time is to get the messages; with `preempts` always one of the highest priority.
    pub fn single_active(preempts: bool) -> Self {
        Self {
            single: Some(Single {
                preempts,
                ..Single::default()
            }),
            ..Self::default()
        }
    }

    /// Nobody yet, of whom one at a time is to get the messages of a stream's partition.
    pub fn of_partition(partition: u16) -> Self {
        Self {
            single: Some(Single {
                partition: Some(partition),
                ..Single::default()
            }),
            ..Self::default()
        }
    }

    /// Number of the single active consumer, where there is to be one.
    pub fn active(&self) -> Option<u32> {
        let active = self.single.as_ref()?.active;
        self.index(active).map(|_| active)
    }

    /// Somebody came, went or settled: chooses the single active consumer anew.
    fn choose(&mut self) {
        let Some(single) = &mut self.single else {
            return;
        };
        let candidates = self.all.iter().map(|one| Candidate {
            number: one.number,
            priority: one.spec.priority,
            unacked: one.unacked,
        });
        let before = (single.active, single.fading);
        let choice = match single.partition {
            None => single_active::choose(single.active, candidates, single.preempts),
            Some(partition) => single_active::choose_in_turn(single.active, candidates, partition),
        };
        match choice {
            Choice::Keep => single.fading = false,
            Choice::Activate(number) => (single.active, single.fading) = (number, false),
            Choice::Fade => single.fading = true,
        }
        let now = (single.active, single.fading);
        if before == now {
            return;
        }
        if let Some(index) = self.index(before.0)
            && !before.1
        {
            if self.all[index].blocked == Blocked::No {
                self.block(index, Blocked::Waiting);
            }
            self.all[index].blocked = Blocked::Waiting;
        }
        if let Some(index) = self.index(now.0)
            && !now.1
        {
            self.unblock(index);
        }
    }

    /// Adds a consumer that has its number, which nobody else has, from elsewhere.
    pub fn add_as(&mut self, number: u32, spec: ConsumerSpec) -> Result<u32, ExclusiveUse> {
        self.last = number - 1;
        self.add(spec)?;
        // Numbers may have begun anew.
        let at = self.all.partition_point(|one| one.number < number);
        self.all[at..].rotate_right(1);
        Ok(number)
    }

    /// Whether somebody stands in line.
    #[inline]
    pub fn has_turn(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Adds a consumer and returns its number.
    pub fn add(&mut self, spec: ConsumerSpec) -> Result<u32, ExclusiveUse> {
        if self.single.is_some() && spec.exclusive {
            return Err(ExclusiveUse);
        }
        if self.exclusive || (spec.exclusive && !self.all.is_empty()) {
            return Err(ExclusiveUse);
        }
        self.exclusive = spec.exclusive;
        self.last += 1;
        let number = self.last;
        let priority = spec.priority;
        self.all.push(Consumer {
            number,
            spec,
            share: Share::default(),
            unacked: 0,
            blocked: if self.single.is_some() {
                Blocked::Waiting
            } else {
                Blocked::No
            },
        });
        if self.single.is_some() {
            self.choose();
        } else {
            self.enqueue(priority, number);
        }
        Ok(number)
    }

    /// Removes a consumer; what it has unsettled stays with its channel.
    pub fn remove(&mut self, number: u32) -> Option<ConsumerSpec> {
        let index = self.index(number)?;
        let consumer = self.all.remove(index);
        if let Some((_, line)) = self
            .lines
            .iter_mut()
            .find(|(priority, _)| *priority == consumer.spec.priority)
        {
            line.retain(|one| *one != number);
        }
        self.lines.retain(|(_, line)| !line.is_empty());
        self.exclusive &= !self.all.is_empty();
        self.choose();
        Some(consumer.spec)
    }

    /// Removes all.
    pub fn take_all(&mut self) -> Vec<Consumer> {
        self.lines.clear();
        self.exclusive = false;
        std::mem::take(&mut self.all)
    }

    #[inline]
    fn index(&self, number: u32) -> Option<usize> {
        if let [only] = self.all.as_slice() {
            return (only.number == number).then_some(0);
        }
        self.all
            .binary_search_by_key(&number, |consumer| consumer.number)
            .ok()
    }

    fn enqueue(&mut self, priority: i64, number: u32) {
        let at = self.lines.partition_point(|(other, _)| *other > priority);
        match self.lines.get_mut(at) {
            Some((other, line)) if *other == priority => line.push_back(number),
            _ => self.lines.insert(at, (priority, VecDeque::from([number]))),
        }
    }

    /// Index of a consumer that may take one more message, and whether that was counted against its channel's limit; its turn
    /// is over with that. `None` when nobody can.
    #[inline]
    pub fn next(&mut self) -> Option<(usize, bool)> {
        loop {
            let (_, line) = self.lines.first_mut()?;
            let number = *line.front().expect("an empty line is removed");
            let single = line.len() == 1;
            let index = if let [_] = self.all.as_slice() {
                0
            } else {
                self.all
                    .binary_search_by_key(&number, |consumer| consumer.number)
                    .expect("a line holds consumers")
            };
            let consumer = &mut self.all[index];
            let spec = &consumer.spec;
            let granted = if spec.no_ack {
                Ok(false)
            } else if spec.prefetch != 0 && consumer.unacked >= spec.prefetch {
                Err(Blocked::Prefetch)
            } else {
                spec.channel.reserve().ok_or(Blocked::Channel)
            };
            match granted {
                Ok(counted) => {
                    consumer.unacked += u32::from(!spec.no_ack);
                    if !single {
                        line.rotate_left(1);
                    }
                    return Some((index, counted));
                }
                Err(blocked) => self.block(index, blocked),
            }
        }
    }

    /// Messages that its consumers may have at once as far as their own prefetch limits say.
    pub fn capacity(&self) -> usize {
        let free = |consumer: &Consumer| match consumer.spec.prefetch {
            _ if consumer.blocked != Blocked::No => 0,
            0 => usize::MAX,
            most => most.saturating_sub(consumer.unacked) as usize,
        };
        self.all
            .iter()
            .fold(0, |sum: usize, one| sum.saturating_add(free(one)))
    }

    /// The consumer at an index that [`next`](Self::next) gave.
    #[inline]
    pub fn at(&mut self, index: usize) -> &mut Consumer {
        &mut self.all[index]
    }

    /// The mailbox of the consumer just chosen is full: undo the choice and take it out of its line.
    pub fn refuse(&mut self, index: usize, counted: bool) {
        let consumer = &mut self.all[index];
        if !consumer.spec.no_ack {
            consumer.unacked -= 1;
        }
        if counted {
            consumer.spec.channel.release(1);
        }
        self.block(index, Blocked::Mailbox);
    }

    fn block(&mut self, index: usize, why: Blocked) {
        let consumer = &mut self.all[index];
        consumer.blocked = why;
        let (priority, number) = (consumer.spec.priority, consumer.number);
        if let Some(at) = self.lines.iter().position(|(other, _)| *other == priority) {
            let line = &mut self.lines[at].1;
            // Whoever was just looked at stands in front, or, when it had been chosen, at the end.
            if line.back() == Some(&number) {
                line.pop_back();
            } else {
                line.retain(|one| *one != number);
            }
            if line.is_empty() {
                self.lines.remove(at);
            }
        }
    }

    fn unblock(&mut self, index: usize) {
        let consumer = &mut self.all[index];
        consumer.blocked = Blocked::No;
        let (priority, number) = (consumer.spec.priority, consumer.number);
        self.enqueue(priority, number);
    }

    /// What blocked the consumer outside the queue may be over: its channel's credit when `channel`, else its mailbox.
    pub fn resume(&mut self, number: u32, channel: bool) {
        if let Some(index) = self.index(number)
            && self.all[index].blocked
                == (if channel {
                    Blocked::Channel
                } else {
                    Blocked::Mailbox
                })
        {
            self.unblock(index);
        }
    }

    /// One delivery of a consumer, which may have gone, was settled. The channel frees its own credit.
    #[inline]
    pub fn settled(&mut self, number: u32) {
        let Some(index) = self.index(number) else {
            return;
        };
        let consumer = &mut self.all[index];
        if consumer.spec.no_ack {
            return;
        }
        consumer.unacked = consumer.unacked.saturating_sub(1);
        if consumer.blocked == Blocked::Prefetch && consumer.unacked < consumer.spec.prefetch {
            self.unblock(index);
        }
        if self.single.as_ref().is_some_and(|single| single.fading) {
            self.choose();
        }
    }

    /// Number, unsettled deliveries and share of the mailbox of each.
    #[cfg(test)]
    pub fn each(&self) -> impl Iterator<Item = (u32, u32, Share)> {
        self.all
            .iter()
            .map(|consumer| (consumer.number, consumer.unacked, consumer.share))
    }

    /// Panics when lines and consumers do not agree.
    #[cfg(test)]
    pub fn check(&self) {
        for (priority, line) in &self.lines {
            assert!(!line.is_empty());
            for number in line {
                let consumer = &self.all[self.index(*number).expect("known")];
                assert_eq!(consumer.blocked, Blocked::No);
                assert_eq!(consumer.spec.priority, *priority);
            }
        }
        let standing: usize = self.lines.iter().map(|(_, line)| line.len()).sum();
        assert_eq!(
            standing,
            self.all
                .iter()
                .filter(|consumer| consumer.blocked == Blocked::No)
                .count()
        );
    }
}
