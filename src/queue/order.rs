//! In what order, and when, a queue delivers: what its rules say that is not simply first in, first out.
//!
//! ```text
//! levels    x-max-priority of classic queues, the 32 levels of quorum queues: the highest level first
//! groups    x-group-header: messages of one key in order and one at a time, keys in turn
//! exact     x-exact-ttl: a message leaves when it expires, wherever it stands
//! until_due every message is held until its own time and then dies as due (for the delayed-message exchange)
//! ```
//!
//! A queue with any of these keeps an index over its messages (`slots/index.rs`); the others know nothing of it. Pure.
//!
//! # How to hold messages until they are due
//!
//! Make a queue whose [`Rules::order`](super::Rules) has `until_due`. Each message's due time is the time of its publish plus
//! its header `x-delay` (milliseconds; none or a negative one is due at once), see [`due_at`]; it is taken anew from journal and
//! header after a restart. The queue delivers to nobody: no consumer and no basic.get sees its messages. When one is due it dies
//! with [`Reason::Due`](super::dead_letter::Reason), whether or not the queue has a dead-letter exchange; the broker's drainer
//! (`broker/dead_letter.rs`) places what it is to become and settles it afterwards. Counts, purge, delete, length limits and
//! paging are those of any queue.

use std::sync::Arc;

use ahash::RandomState;

use super::arguments::{QueueArguments, QueueKind};
use crate::message::Message;
use crate::wire::properties::Properties;
use crate::wire::table::Value;

/// The level of a quorum queue's messages without a priority.
const QUORUM_DEFAULT: u8 = 4;
/// The highest level of a quorum queue.
const QUORUM_MAX: u8 = 31;
/// Messages that came back to a quorum queue stand before all levels.
pub const RETURNED: u8 = QUORUM_MAX + 1;
/// The header that `x-group-header` means when it does not name one.
pub const GROUP_HEADER: &str = "x-group-id";
/// The header that says for how many milliseconds a message is held.
const DELAY_HEADER: &[u8] = b"x-delay";

/// What a message's priority is for its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Levels {
    /// Nothing.
    #[default]
    One,
    /// Of a classic queue: higher first, up to this; none is 0.
    Classic(u8),
    /// Of a quorum queue: 0 to 31, none is 4; messages that came back go first.
    Quorum,
}

/// See the module. The default is first in, first out.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// What priorities mean.
    pub levels: Levels,
    /// `x-group-header`: the header that names a message's key.
    pub group_header: Option<Arc<str>>,
    /// `x-exact-ttl`.
    pub exact_ttl: bool,
    /// Messages are held until they are due, and then die.
    pub until_due: bool,
    /// Messages that come back may have to wait.
    pub delays: bool,
}

impl Order {
    /// The order that a queue's own arguments make.
    pub fn of(arguments: &QueueArguments) -> Self {
        Self {
            levels: match (arguments.kind, arguments.max_priority) {
                (QueueKind::Quorum, _) => Levels::Quorum,
                (_, 0) => Levels::One,
                (_, most) => Levels::Classic(most),
            },
            group_header: arguments.group_header.clone(),
            exact_ttl: arguments.exact_ttl,
            until_due: false,
            delays: arguments.retry.is_some(),
        }
    }

    /// Whether an index is needed for it.
    pub fn is_special(&self) -> bool {
        self.levels != Levels::One
            || self.group_header.is_some()
            || self.exact_ttl
            || self.until_due
            || self.delays
    }

    /// Whether messages die when their time has come, wherever they stand.
    pub fn is_timed(&self) -> bool {
        self.exact_ttl || self.until_due
    }

    /// The level of a message.
    pub fn level(&self, message: &Message, returned: u32) -> u8 {
        match self.levels {
            Levels::One => 0,
            Levels::Classic(max) => priority(message).map_or(0, |level| level.min(max)),
            Levels::Quorum if returned > 0 => RETURNED,
            Levels::Quorum => priority(message).unwrap_or(QUORUM_DEFAULT).min(QUORUM_MAX),
        }
    }

    /// The level of a message that has come back.
    pub fn returned_level(&self, level: u8) -> u8 {
        match self.levels {
            Levels::Quorum => RETURNED,
            _ => level,
        }
    }

    /// A message's key as a number. Keys that share one are as one key: still in order, only less in parallel.
    pub fn key(&self, message: &Message, state: &RandomState) -> Option<u64> {
        let header = self.group_header.as_ref()?;
        match Properties::new(message.properties()).header(header.as_bytes())? {
            Value::LongString(b"") => None,
            Value::LongString(key) => Some(state.hash_one(key)),
            number => Some(state.hash_one(number.integer()?.to_string().as_bytes())),
        }
    }
}

fn priority(message: &Message) -> Option<u8> {
    Properties::new(message.properties()).priority()
}

/// When a held message that was published at `now` is due; see the module.
pub fn due_at(now: u64, message: &Message) -> u64 {
    let delay = Properties::new(message.properties())
        .header(DELAY_HEADER)
        .and_then(|value| value.integer())
        .and_then(|delay| u64::try_from(delay).ok());
    // Never, which is the largest number, is a state of its own.
    now.saturating_add(delay.unwrap_or(0)).min(u64::MAX - 1)
}
