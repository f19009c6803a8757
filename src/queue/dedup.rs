//! Which messages are duplicates: of one whose id came within a window (`x-dedup-window`, `x-dedup-size`), or of one that is in
//! the queue (`x-message-deduplication`, as in RabbitMQ's plugin of that name).
//!
//! An id is noted when its message is placed, under the same lock and in the same append to the journal, and only if the
//! message was taken: a publish that is refused or rolled back leaves none. Ids of messages that do not outlive the process
//! do not, either. Dead letters are not publishes: they are neither looked at nor noted.

mod hash;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::message::Message;
use crate::store::recovery::Knowledge;
use crate::store::seen::{Id, Seen, Snapshot};
use crate::wire::properties::Properties;
use crate::wire::table::{Table, Value};

/// `x-dedup-window` where neither it nor `x-dedup-size` is given, milliseconds.
pub const WINDOW_MS_DEFAULT: u64 = 5 * 60 * 1000;
/// `x-dedup-size` where it is not given: about 350 MiB when it is reached.
pub const SIZE_DEFAULT: u64 = 10_000_000;
/// The largest `x-dedup-size`.
pub const SIZE_MAX: u64 = 100_000_000;
/// The header of RabbitMQ's plugin.
pub const PLUGIN_HEADER: &[u8] = b"x-deduplication-header";
/// Expired ids that one publish clears away, beside as many as it brings.
const EXPIRED_A_STEP: usize = 1000;

/// Where a message has its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdFrom {
    /// In its property message-id.
    MessageId,
    /// In this header.
    Header(Arc<[u8]>),
}

impl IdFrom {
    /// The id; a message without one is no duplicate of any.
    pub fn of(&self, properties: Properties<'_>) -> Option<Id> {
        match self {
            Self::MessageId => properties.message_id().map(|bytes| hash::id(0, bytes)),
            Self::Header(name) => header_id(properties, name),
        }
    }
}

/// Integers are equal by value, whatever their type; all else by type and bytes.
fn header_id(properties: Properties<'_>, name: &[u8]) -> Option<Id> {
    let mut fields = Table(properties.headers()?).fields();
    let field = fields.find(|field| field.name == name)?;
    Some(match field.value {
        Value::LongString(bytes) => hash::id(0, bytes),
        value => match value.integer() {
            Some(number) => hash::id(1, &number.to_le_bytes()),
            None => hash::id(2, field.raw),
        },
    })
}

/// A window of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How long an id counts, milliseconds; for ever when not given.
    pub time_ms: Option<u64>,
    /// How many ids count, the last ones.
    pub size: u64,
    /// Where a message has its id.
    pub from: IdFrom,
    /// A header by which a message says for itself how long its id counts.
    pub time_header: Option<&'static [u8]>,
}

impl Window {
    /// Until when the id of a message counts that comes now.
    fn until(&self, properties: Properties<'_>, now: u64) -> u64 {
        let own = self.time_header.and_then(|name| properties.header(name));
        let own = own.and_then(|value| u64::try_from(value.integer()?).ok());
        let time = own.or(self.time_ms);
        time.map_or(u64::MAX, |time| now.saturating_add(time))
    }
}

impl Window {
    /// The id of a message that comes now, and until when it counts.
    pub fn id(&self, properties: Properties<'_>, now: u64) -> Option<(Id, u64)> {
        Some((self.from.of(properties)?, self.until(properties, now)))
    }
}

/// What a queue calls a duplicate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dedup {
    /// Ids that came within a window.
    pub window: Option<Window>,
    /// Ids of messages that are in the queue, by the plugin's header.
    pub held: bool,
}

/// The ids of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// For the window, and until when it counts.
    pub window: Option<(Id, u64)>,
    /// For what is in the queue.
    pub held: Option<Id>,
}

impl Dedup {
    /// The ids by which a message is known.
    pub fn ids(&self, message: &Message, now: u64) -> Ids {
        if message.is_dead_lettered() {
            return Ids::default();
        }
        let properties = Properties::new(message.properties());
        Ids {
            window: self
                .window
                .as_ref()
                .and_then(|window| window.id(properties, now)),
            held: self
                .held
                .then(|| header_id(properties, PLUGIN_HEADER))
                .flatten(),
        }
    }
}

/// The ids that a queue knows.
#[derive(Debug, Default)]
pub struct Known {
    window: Seen,
    held: HashMap<Id, u64, ahash::RandomState>,
    /// The same from the other end.
    by_sequence: HashMap<u64, Id, ahash::RandomState>,
}

impl Known {
    /// Those that were found on disk; `is_there` says which messages were.
    pub fn recovered(found: Knowledge, is_there: impl Fn(u64) -> bool) -> Self {
        let mut known = Self {
            window: found.window,
            ..Self::default()
        };
        for (id, sequence) in found
            .held
            .iter()
            .filter(|(_, sequence)| is_there(*sequence))
        {
            known.hold(id, sequence);
        }
        known
    }

    /// Whether a message with one of these ids was taken before.
    pub fn has(&self, ids: &Ids, now: u64) -> bool {
        let in_window = |(id, _): (Id, u64)| self.window.find(id).is_some_and(|until| until > now);
        ids.window.is_some_and(in_window) || ids.held.is_some_and(|id| self.held.contains_key(&id))
    }

    /// An id that counts until then; with the process it is forgotten unless its message is `persistent`.
    pub fn see(&mut self, (id, until): (Id, u64), persistent: bool, window: &Window, now: u64) {
        if persistent {
            self.window.push(id, until);
        } else {
            self.window.push_passing(id, until);
        }
        let size = usize::try_from(window.size).unwrap_or(usize::MAX);
        let mut steps = 0;
        while self.window.len() > size
            || steps < EXPIRED_A_STEP && self.window.oldest().is_some_and(|until| until <= now)
        {
            self.window.pop();
            steps += 1;
        }
    }

    /// A message with this id is in the queue.
    pub fn hold(&mut self, id: Id, sequence: u64) {
        self.held.insert(id, sequence);
        self.by_sequence.insert(sequence, id);
    }

    /// A message has left the queue.
    #[inline]
    pub fn left(&mut self, sequence: u64) {
        if let Some(id) = self.by_sequence.remove(&sequence) {
            self.held.remove(&id);
        }
    }

    /// All messages of a range have left the queue.
    pub fn left_range(&mut self, range: Range<u64>) {
        let held = &mut self.held;
        self.by_sequence.retain(|sequence, id| {
            let left = range.contains(sequence);
            if left {
                held.remove(id);
            }
            !left
        });
    }

    /// Ids in the window, expired ones among them.
    pub fn window_len(&self) -> usize {
        self.window.len()
    }

    /// For a checkpoint: the window, and what is in the queue.
    pub fn snapshot(&self) -> (Snapshot, Snapshot) {
        let held = self.held.iter().map(|(id, sequence)| (*id, *sequence));
        (self.window.snapshot(), Snapshot::of(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::properties::PropertiesBuilder;

    fn window(time_ms: Option<u64>, size: u64) -> Window {
        Window {
            time_ms,
            size,
            from: IdFrom::MessageId,
            time_header: None,
        }
    }

    fn message(id: Option<&[u8]>, headers: Option<&[u8]>) -> Message {
        let block = PropertiesBuilder {
            message_id: id,
            headers,
            ..PropertiesBuilder::default()
        };
        Message::new(b"", b"q", &block.build(), b"")
    }

    #[test]
    fn an_id_counts_for_its_time_and_among_the_last() {
        let mut known = Known::default();
        let rule = window(Some(100), 2);
        let dedup = Dedup {
            window: Some(rule.clone()),
            held: false,
        };
        let mut come = |text: &[u8], now| {
            let ids = dedup.ids(&message(Some(text), None), now);
            let (id, until) = ids.window.expect("it has one");
            let duplicate = known.has(&ids, now);
            if !duplicate {
                known.see((id, until), true, &rule, now);
            }
            duplicate
        };
        assert!(!come(b"a", 1000));
        assert!(come(b"a", 1099));
        assert!(!come(b"a", 1100), "a duplicate does not prolong it");
        assert!(!come(b"b", 1100));
        assert!(!come(b"c", 1100));
        assert!(!come(b"a", 1101), "two others came");
        assert!(come(b"c", 1101));
    }

    #[test]
    fn an_id_is_compared_by_value() {
        use crate::wire::table::{write_i32, write_i64, write_long_string, write_name};
        let from = IdFrom::Header((*b"h").into());
        let id = |write: fn(&mut Vec<u8>)| {
            let mut headers = Vec::new();
            write(&mut headers);
            from.of(Properties::new(message(None, Some(&headers)).properties()))
        };
        let number = id(|out| {
            write_name(out, b"h");
            write_i32(out, 1)
        });
        assert!(number.is_some());
        assert_eq!(
            number,
            id(|out| {
                write_name(out, b"h");
                write_i64(out, 1)
            })
        );
        assert_ne!(
            number,
            id(|out| {
                write_name(out, b"h");
                write_long_string(out, b"1")
            })
        );
        assert_eq!(
            None,
            id(|out| {
                write_name(out, b"other");
                write_i32(out, 1)
            })
        );
        assert_eq!(IdFrom::MessageId.of(Properties::new(&[0, 0])), None);
    }

    #[test]
    fn what_left_the_queue_is_no_longer_held() {
        let mut known = Known::default();
        for number in 0..10u64 {
            known.hold(Id::from(number), number);
        }
        known.left(3);
        known.left_range(5..8);
        let held = |id: u32| Ids {
            held: Some(Id::from(id)),
            window: None,
        };
        let left: Vec<u32> = (0..10).filter(|id| !known.has(&held(*id), 0)).collect();
        assert_eq!(left, [3, 5, 6, 7]);
        assert_eq!(known.by_sequence.len(), known.held.len());
    }
}
