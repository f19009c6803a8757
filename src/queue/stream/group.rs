//! A group of consumers that share a stream: each message goes to one of them, comes back when it is not acknowledged, and the
//! broker remembers how far they have come.
//!
//! ```text
//! ready    in the stream, from the reader's cursor on, unless it is done with
//! waiting  came back; goes first
//! out      delivered, not settled
//! dying    to be dead-lettered: rejected, or came back too often
//! done     settled; in `offsets`, which the journal hears of
//! ```
//!
//! The stream keeps every message, whatever becomes of it here. After a crash those that were out are ready again; what was done
//! and not synced may be so, too.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::reader::Ahead;
use crate::message::Message;
use crate::queue::dead_letter::Reason;
use crate::queue::{DeadLetter, Outcome, delivery_limit};
use crate::store::offsets::{Offsets, Step};
use crate::wire::table;

/// What a group's consumers may ask of it; the newest that says anything says all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// `x-single-active-consumer`: one consumer at a time gets everything, in order.
    pub single_active: bool,
    /// `x-delivery-limit`: how often a message may come back before it dies.
    pub delivery_limit: Option<u32>,
    /// `x-dead-letter-exchange` and its routing key: where messages go that die for the group.
    pub dead_letter: Option<DeadLetter>,
}

const SINGLE_ACTIVE: &str = "x-single-active-consumer";
const DELIVERY_LIMIT: &str = "x-delivery-limit";
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_ROUTING_KEY: &str = "x-dead-letter-routing-key";
/// The arguments that are a group's terms.
pub const TERMS: [&str; 4] = [
    SINGLE_ACTIVE,
    DELIVERY_LIMIT,
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_ROUTING_KEY,
];

impl Terms {
    /// The terms among a consumer's arguments, or the name of the one that is not fit and why; `None` when there are none.
    pub fn of(arguments: &FieldTable) -> Result<Option<Self>, (&'static str, String)> {
        let get = |name: &str| arguments.inner().get(name);
        if TERMS.iter().all(|name| get(name).is_none()) {
            return Ok(None);
        }
        let refused =
            |value: &AMQPValue| format!("{{unacceptable_type,{}}}", table::type_name(value));
        let single_active = match get(SINGLE_ACTIVE) {
            None => false,
            Some(AMQPValue::Boolean(single)) => *single,
            Some(other) => return Err((SINGLE_ACTIVE, refused(other))),
        };
        let delivery_limit = match get(DELIVERY_LIMIT) {
            None => None,
            Some(value) => match table::integer(value) {
                Some(number) => u32::try_from(number).ok(),
                None => return Err((DELIVERY_LIMIT, refused(value))),
            },
        };
        let text = |name: &'static str| match get(name) {
            None => Ok(None),
            Some(AMQPValue::LongString(text)) => match std::str::from_utf8(text.as_bytes()) {
                Ok(text) if text.len() <= 255 => Ok(Some(Arc::<str>::from(text))),
                _ => Err((name, "\"expected a name of at most 255 bytes\"".to_owned())),
            },
            Some(other) => Err((name, refused(other))),
        };
        let (exchange, routing_key) = (text(DEAD_LETTER_EXCHANGE)?, text(DEAD_LETTER_ROUTING_KEY)?);
        if exchange.is_none() && routing_key.is_some() {
            let reason = "routing_key_but_no_dlx_defined".to_owned();
            return Err((DEAD_LETTER_ROUTING_KEY, reason));
        }
        Ok(Some(Self {
            single_active,
            delivery_limit,
            dead_letter: exchange.map(|exchange| DeadLetter {
                exchange,
                routing_key,
            }),
        }))
    }

    /// The bytes that the journal keeps: a table of the arguments.
    pub fn encode(&self) -> Vec<u8> {
        let mut arguments = FieldTable::default();
        if self.single_active {
            arguments.insert(SINGLE_ACTIVE.into(), AMQPValue::Boolean(true));
        }
        if let Some(limit) = self.delivery_limit {
            arguments.insert(DELIVERY_LIMIT.into(), AMQPValue::LongLongInt(limit.into()));
        }
        if let Some(to) = &self.dead_letter {
            let text = |text: &str| AMQPValue::LongString(text.into());
            arguments.insert(DEAD_LETTER_EXCHANGE.into(), text(&to.exchange));
            if let Some(key) = &to.routing_key {
                arguments.insert(DEAD_LETTER_ROUTING_KEY.into(), text(key));
            }
        }
        table::from_field_table(&arguments)
    }

    /// What those bytes say; without what cannot be read.
    pub fn decode(bytes: &[u8]) -> Self {
        table::to_field_table(bytes)
            .ok()
            .and_then(|arguments| Self::of(&arguments).ok().flatten())
            .unwrap_or_default()
    }
}

/// What a group has out has so many bytes at most, and one message more: it is kept until it is settled, however large the prefetch
/// limits are.
const OUT_BYTES_MAX: usize = 256 << 20;

/// A message that is out.
struct Flight {
    /// The queue's number of its consumer.
    consumer: u32,
    message: Message,
}

/// See the module.
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// How far it has come.
    pub offsets: Offsets,
    /// What its consumers asked for.
    pub terms: Terms,
    waiting: BTreeMap<u64, Message>,
    out: BTreeMap<u64, Flight>,
    /// Memory of their messages.
    out_bytes: usize,
    /// How many each consumer has of them; few have any.
    held: Vec<(u32, usize)>,
    dying: VecDeque<(u64, Message, Reason)>,
    /// Those of which copies are being placed.
    burying: Vec<u64>,
    /// What was out before a seek, by the lower half of its offset and its consumer: its settle means nothing any more.
    stale: HashSet<(u32, u32)>,
    /// Messages below this one may have been delivered in an earlier life of the process.
    delivered: u64,
    done: Vec<Range<u64>>,
    returned: Vec<Range<u64>>,
    /// Steps that the journal is to hear of before those.
    steps: Vec<Step>,
}

fn add(ranges: &mut Vec<Range<u64>>, offset: u64) {
    match ranges.last_mut() {
        Some(last) if last.end == offset => last.end += 1,
        _ => ranges.push(offset..offset + 1),
    }
}

impl Group {
    /// A new group, of which the journal is to hear.
    pub fn new(name: Arc<str>, floor: u64, terms: Terms) -> Self {
        let mut group = Self::recovered(name, Offsets::new(floor, terms.encode()), 0);
        group.begin(floor);
        group
    }

    /// One that was there before the restart; what lies below `delivered` may have been delivered then.
    pub fn recovered(name: Arc<str>, offsets: Offsets, delivered: u64) -> Self {
        Self {
            name,
            terms: Terms::decode(offsets.terms()),
            offsets,
            waiting: BTreeMap::new(),
            out: BTreeMap::new(),
            out_bytes: 0,
            held: Vec::new(),
            dying: VecDeque::new(),
            burying: Vec::new(),
            stale: HashSet::new(),
            delivered,
            done: Vec::new(),
            returned: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn begin(&mut self, floor: u64) {
        self.steps.push(Step::Begin {
            floor,
            terms: self.terms.encode(),
        });
    }

    /// Begins anew at another place. What is out is forgotten: its acks change nothing.
    pub fn seek(&mut self, floor: u64) {
        self.done.clear();
        self.returned.clear();
        self.waiting.clear();
        self.burying.clear();
        let out = self.out.iter();
        self.stale
            .extend(out.map(|(offset, flight)| (*offset as u32, flight.consumer)));
        self.out.clear();
        self.held.clear();
        self.out_bytes = 0;
        self.dying.clear();
        self.delivered = 0;
        self.offsets = Offsets::new(floor, self.terms.encode());
        self.begin(floor);
    }

    /// Other terms.
    pub fn set_terms(&mut self, terms: Terms) {
        if self.terms != terms {
            let bytes = terms.encode();
            self.terms = terms;
            self.offsets.set_terms(bytes.clone());
            self.steps.push(Step::Terms(bytes));
        }
    }

    /// What the journal is to hear; `out` gets each step in order.
    pub fn tell(&mut self, mut out: impl FnMut(&Step)) {
        for step in self.steps.drain(..) {
            out(&step);
        }
        if !self.returned.is_empty() {
            out(&Step::Returned(std::mem::take(&mut self.returned)));
        }
        if !self.done.is_empty() {
            out(&Step::Done(std::mem::take(&mut self.done)));
        }
    }

    /// Whether the journal is to hear anything.
    pub fn has_news(&self) -> bool {
        !self.steps.is_empty() || !self.done.is_empty() || !self.returned.is_empty()
    }

    /// How many are out.
    pub fn out(&self) -> usize {
        self.out.len()
    }

    /// Whether somebody else than this consumer has messages.
    pub fn others_have(&self, consumer: u32) -> bool {
        self.held.iter().any(|(holder, _)| *holder != consumer)
    }

    /// The message goes to a consumer; returns whether it may have been delivered before, and how often it came back.
    pub fn deliver(&mut self, ahead: &Ahead, consumer: u32) -> (bool, u32) {
        let returned = self.offsets.returned(ahead.offset);
        let message = ahead.message.clone();
        self.out_bytes += message.memory();
        self.out.insert(ahead.offset, Flight { consumer, message });
        match self.held.iter_mut().find(|(holder, _)| *holder == consumer) {
            Some((_, count)) => *count += 1,
            None => self.held.push((consumer, 1)),
        }
        (returned > 0 || ahead.offset < self.delivered, returned)
    }

    /// Whether a settle is of something that was out before a seek.
    pub fn was_stale(&mut self, low: u32, consumer: u32) -> bool {
        !self.stale.is_empty() && self.stale.remove(&(low, consumer))
    }

    /// The offset that is out and whose lower half is this.
    pub fn find(&self, low: u32) -> Option<u64> {
        let first = *self.out.first_key_value()?.0;
        let offset = first.wrapping_add(u64::from(low.wrapping_sub(first as u32)));
        self.out.contains_key(&offset).then_some(offset)
    }

    /// Whether nothing more may go out for now: what is out has too many bytes, or the offset is too far above the first that is out
    /// for [`find`](Self::find) to tell them apart.
    pub fn is_full(&self, offset: u64) -> bool {
        if self.out_bytes > OUT_BYTES_MAX {
            return true;
        }
        self.out
            .first_key_value()
            .is_some_and(|(first, _)| offset.saturating_sub(*first) >= u64::from(u32::MAX))
    }

    /// A delivery ends. Nothing when that consumer has not got it. What lies below `cursor` is not read again. Returns whether
    /// something is to be dead-lettered.
    pub fn settle(&mut self, offset: u64, consumer: u32, outcome: Outcome, cursor: u64) -> bool {
        let Some(flight) = self.out.get(&offset).filter(|one| one.consumer == consumer) else {
            return false;
        };
        let message = flight.message.clone();
        self.out.remove(&offset);
        self.let_go(consumer, &message);
        match outcome {
            Outcome::Ack => self.finish(offset),
            Outcome::Discard => return self.bury(offset, message, Reason::Rejected),
            Outcome::Requeue | Outcome::Return => {
                self.offsets.came_back(offset..offset + 1);
                add(&mut self.returned, offset);
                let returned = self.offsets.returned(offset);
                if delivery_limit::is_exceeded(self.terms.delivery_limit, returned) {
                    return self.bury(offset, message, Reason::DeliveryLimit);
                }
                if offset < cursor {
                    self.waiting.insert(offset, message);
                }
            }
        }
        false
    }

    /// A delivery that never left.
    pub fn unsend(&mut self, offset: u64, message: Message, cursor: u64) {
        let Some(flight) = self.out.remove(&offset) else {
            return;
        };
        self.let_go(flight.consumer, &flight.message);
        if offset < cursor {
            self.waiting.insert(offset, message);
        }
    }

    fn let_go(&mut self, consumer: u32, message: &Message) {
        self.out_bytes -= message.memory();
        if let Some(at) = self.held.iter().position(|(holder, _)| *holder == consumer) {
            self.held[at].1 -= 1;
            if self.held[at].1 == 0 {
                self.held.swap_remove(at);
            }
        }
    }

    fn bury(&mut self, offset: u64, message: Message, reason: Reason) -> bool {
        if self.terms.dead_letter.is_none() {
            self.finish(offset);
            return false;
        }
        self.dying.push_back((offset, message, reason));
        true
    }

    fn finish(&mut self, offset: u64) {
        self.offsets.finish(offset..offset + 1);
        add(&mut self.done, offset);
    }

    /// A message that the group does not want.
    pub fn pass(&mut self, offset: u64) {
        self.finish(offset);
    }

    /// Up to `most` messages to dead-letter.
    pub fn take_dying(&mut self, most: usize) -> Vec<(u64, Message, Reason)> {
        let count = self.dying.len().min(most);
        let taken: Vec<_> = self.dying.drain(..count).collect();
        self.burying = taken.iter().map(|(offset, ..)| *offset).collect();
        taken
    }

    /// Whether something is to be dead-lettered.
    pub fn is_dying(&self) -> bool {
        !self.dying.is_empty()
    }

    /// Copies of these are placed.
    pub fn buried(&mut self, offsets: impl Iterator<Item = u64>) {
        let burying = std::mem::take(&mut self.burying);
        for offset in offsets.filter(|offset| burying.contains(offset)) {
            self.finish(offset);
        }
    }

    /// Messages below an offset are gone from the stream.
    pub fn forget(&mut self, first: u64) {
        if self.offsets.floor() < first {
            self.done.push(self.offsets.floor()..first);
            self.offsets.finish(0..first);
            self.waiting = self.waiting.split_off(&first);
        }
    }

    /// Nobody takes messages: those that wait are ready again. Returns where to go on.
    pub fn rest(&mut self) -> u64 {
        self.waiting.clear();
        self.offsets.floor()
    }

    /// The first offset from `from` on that is neither done with nor in somebody's hands.
    pub fn next_ready(&self, from: u64) -> u64 {
        let mut next = self.offsets.next_open(from);
        let last = self.out.last_key_value().map(|(offset, _)| *offset);
        while last.is_some_and(|last| next <= last)
            || !self.dying.is_empty()
            || !self.burying.is_empty()
        {
            let is_held = self.out.contains_key(&next)
                || self.burying.contains(&next)
                || self.dying.iter().any(|(dying, ..)| *dying == next);
            if !is_held {
                break;
            }
            next = self.offsets.next_open(next + 1);
        }
        next
    }

    /// The lowest offset that waits.
    pub fn waiting_first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(offset, _)| *offset)
    }

    /// A message that was about to be delivered waits behind another.
    pub fn wait(&mut self, offset: u64, message: Message) {
        self.waiting.insert(offset, message);
    }

    /// The next that waits.
    pub fn next_waiting(&mut self) -> Option<Ahead> {
        let (offset, message) = self.waiting.pop_first()?;
        Some(Ahead { offset, message })
    }
}
