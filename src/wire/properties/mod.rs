//! The property block of a message as it lies on the wire: two octets of flags, then the fields whose bits are set.
//! Looked into lazily, never decoded as a whole, never sorted; `edit` makes the few changes that the broker makes.
//! Whoever takes a message from a peer calls [`Properties::check`] once; look-ups on unchecked bytes find nothing
//! rather than panic.

mod edit;

pub use edit::{Edits, PropertiesBuilder, rewrite, rewrite_into, with_headers};

use super::cursor::Cursor;
use super::reply::Reply;
use super::table::{self, Table};

/// The fields of the block, from bit 15 down, in the order of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Field {
    ContentType = 15,
    ContentEncoding = 14,
    Headers = 13,
    DeliveryMode = 12,
    Priority = 11,
    CorrelationId = 10,
    ReplyTo = 9,
    Expiration = 8,
    MessageId = 7,
    Timestamp = 6,
    Kind = 5,
    UserId = 4,
    AppId = 3,
    ClusterId = 2,
}

impl Field {
    #[inline]
    pub(crate) const fn flag(self) -> u16 {
        1 << self as u8
    }

    #[inline]
    pub(crate) fn of_bit(bit: u32) -> Option<Self> {
        Some(match bit {
            15 => Self::ContentType,
            14 => Self::ContentEncoding,
            13 => Self::Headers,
            12 => Self::DeliveryMode,
            11 => Self::Priority,
            10 => Self::CorrelationId,
            9 => Self::ReplyTo,
            8 => Self::Expiration,
            7 => Self::MessageId,
            6 => Self::Timestamp,
            5 => Self::Kind,
            4 => Self::UserId,
            3 => Self::AppId,
            2 => Self::ClusterId,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::ContentType => "content-type",
            Self::ContentEncoding => "content-encoding",
            Self::Headers => "headers",
            Self::DeliveryMode => "delivery-mode",
            Self::Priority => "priority",
            Self::CorrelationId => "correlation-id",
            Self::ReplyTo => "reply-to",
            Self::Expiration => "expiration",
            Self::MessageId => "message-id",
            Self::Timestamp => "timestamp",
            Self::Kind => "type",
            Self::UserId => "user-id",
            Self::AppId => "app-id",
            Self::ClusterId => "cluster-id",
        }
    }

    /// Reads this field at the cursor: its bytes without a length in front.
    #[inline]
    pub(crate) fn read<'a>(self, rest: &mut Cursor<'a>) -> Option<&'a [u8]> {
        read(self.flag(), rest)
    }
}

/// Fields of one octet.
const OCTETS: u16 = Field::DeliveryMode.flag() | Field::Priority.flag();
/// Everything that is a field at all.
const KNOWN: u16 = !3;
/// Fields that are short strings.
const SHORT_STRINGS: u16 = KNOWN & !(OCTETS | Field::Headers.flag() | Field::Timestamp.flag());

/// Reads the field of this flag at the cursor. Tests of constant masks rather than a jump on the field: most blocks have
/// one to three fields, and this predicts well.
#[inline]
fn read<'a>(flag: u16, rest: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if flag & SHORT_STRINGS != 0 {
        rest.short()
    } else if flag & OCTETS != 0 {
        rest.take(1)
    } else if flag & Field::Headers.flag() != 0 {
        rest.long()
    } else {
        rest.take(8)
    }
}

/// The highest flag that is set; `flags` is not 0.
#[inline]
fn highest(flags: u16) -> u16 {
    0x8000 >> flags.leading_zeros()
}

/// Set bits from the highest down, as fields; the two that are no fields are left out.
pub(crate) fn fields(flags: u16) -> impl Iterator<Item = Field> {
    let mut left = flags;
    std::iter::from_fn(move || {
        let bit = 15u32.checked_sub(left.leading_zeros())?;
        left &= !(1 << bit);
        Field::of_bit(bit)
    })
}

/// A property block, raw: flags and list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// A block without any property.
    pub const EMPTY: Properties<'static> = Properties(&[0, 0]);

    /// Bytes as they came in a content header.
    #[inline]
    pub fn new(raw: &'a [u8]) -> Self {
        Self(raw)
    }

    /// Flags and list, as they lie on the wire.
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// The flags; none when the block is too short to have any.
    #[inline]
    pub(crate) fn flags(self) -> u16 {
        self.0
            .first_chunk()
            .map_or(0, |octets| u16::from_be_bytes(*octets))
    }

    /// Checks the whole block once: flags, lengths, structure and depth of the headers, nothing left over.
    ///
    /// # Errors
    /// 501 naming the fault, where RabbitMQ answers a bare 541 INTERNAL_ERROR.
    #[inline]
    pub fn check(self) -> Result<(), Reply> {
        const COMMON: u16 = Field::ContentType.flag() | Field::DeliveryMode.flag();
        if let &[high, low, ref list @ ..] = self.0 {
            let flags = u16::from_be_bytes([high, low]);
            if flags & !COMMON == 0 {
                let mut length = usize::from(flags & Field::DeliveryMode.flag() != 0);
                if flags & Field::ContentType.flag() != 0 {
                    length += 1 + list.first().map_or(0, |&n| usize::from(n));
                }
                if length == list.len() {
                    return Ok(());
                }
            }
        }
        self.check_all()
    }

    fn check_all(self) -> Result<(), Reply> {
        #[cold]
        fn bad(fault: &str) -> Reply {
            Reply::bad_properties(fault)
        }
        let mut rest = Cursor(self.0);
        let flags = rest.u16().ok_or_else(|| bad("no property flags"))?;
        if flags & 1 != 0 {
            return Err(bad("property flags with continuation bit set"));
        }
        if flags & 2 != 0 {
            return Err(bad("unknown property flag (bit 1) set"));
        }
        let mut left = flags;
        while left != 0 {
            let flag = highest(left);
            left &= !flag;
            let Some(value) = read(flag, &mut rest) else {
                let name = fields(flag).next().map_or("property", Field::name);
                return Err(bad(&format!("{name} is longer than the block")));
            };
            if flag == Field::Headers.flag() {
                table::check(value, false).map_err(|fault| bad(&format!("headers: {fault}")))?;
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(bad(&format!(
                "{} bytes after the last property",
                rest.0.len()
            )))
        }
    }

    /// The bytes of one field, without a length in front.
    #[inline]
    pub(crate) fn find(self, wanted: Field) -> Option<&'a [u8]> {
        let flags = self.flags();
        if flags & wanted.flag() == 0 {
            return None;
        }
        let mut rest = Cursor(self.0.get(2..)?);
        let mut before = flags & !(wanted.flag() | (wanted.flag() - 1));
        while before != 0 {
            let flag = highest(before);
            before &= !flag;
            read(flag, &mut rest)?;
        }
        wanted.read(&mut rest)
    }

    /// MIME type of the body.
    pub fn content_type(self) -> Option<&'a [u8]> {
        self.find(Field::ContentType)
    }

    /// MIME encoding of the body.
    pub fn content_encoding(self) -> Option<&'a [u8]> {
        self.find(Field::ContentEncoding)
    }

    /// The raw payload of the headers table, without its length; `Some` of nothing for an empty table.
    #[inline]
    pub fn headers(self) -> Option<&'a [u8]> {
        self.find(Field::Headers)
    }

    /// The first header of that name.
    pub fn header(self, name: &[u8]) -> Option<table::Value<'a>> {
        Table(self.headers()?).find(name)
    }

    /// 2 for persistent; anything else, absence included, is transient.
    #[inline]
    pub fn delivery_mode(self) -> Option<u8> {
        self.find(Field::DeliveryMode)?.first().copied()
    }

    /// Whether the message is to survive a restart.
    #[inline]
    pub fn persistent(self) -> bool {
        self.delivery_mode() == Some(2)
    }

    /// Priority, higher first.
    pub fn priority(self) -> Option<u8> {
        self.find(Field::Priority)?.first().copied()
    }

    /// Correlation of a reply with its request.
    pub fn correlation_id(self) -> Option<&'a [u8]> {
        self.find(Field::CorrelationId)
    }

    /// Address for replies.
    #[inline]
    pub fn reply_to(self) -> Option<&'a [u8]> {
        self.find(Field::ReplyTo)
    }

    /// Time to live, decimal milliseconds as text.
    #[inline]
    pub fn expiration(self) -> Option<&'a [u8]> {
        self.find(Field::Expiration)
    }

    /// The application's id of the message.
    pub fn message_id(self) -> Option<&'a [u8]> {
        self.find(Field::MessageId)
    }

    /// The application's time, seconds since the epoch.
    pub fn timestamp(self) -> Option<u64> {
        let octets = self.find(Field::Timestamp)?.first_chunk()?;
        Some(u64::from_be_bytes(*octets))
    }

    /// The application's type name of the message.
    pub fn kind(self) -> Option<&'a [u8]> {
        self.find(Field::Kind)
    }

    /// The user who published, checked by the broker.
    #[inline]
    pub fn user_id(self) -> Option<&'a [u8]> {
        self.find(Field::UserId)
    }

    /// The application that published.
    pub fn app_id(self) -> Option<&'a [u8]> {
        self.find(Field::AppId)
    }

    /// Deprecated; carried through.
    pub fn cluster_id(self) -> Option<&'a [u8]> {
        self.find(Field::ClusterId)
    }

    /// Those that are short strings and are there, each with its name as RabbitMQ shows it.
    pub fn texts(self) -> impl Iterator<Item = (&'static str, &'a [u8])> {
        let all = [
            ("content_type", self.content_type()),
            ("content_encoding", self.content_encoding()),
            ("correlation_id", self.correlation_id()),
            ("reply_to", self.reply_to()),
            ("expiration", self.expiration()),
            ("message_id", self.message_id()),
            ("type", self.kind()),
            ("user_id", self.user_id()),
            ("app_id", self.app_id()),
            ("cluster_id", self.cluster_id()),
        ];
        let there = |(name, text): (_, Option<_>)| Some((name, text?));
        all.into_iter().filter_map(there)
    }
}

#[cfg(test)]
mod tests;
