//! Changing a property block by splicing, and building one from nothing. All bytes that an edit does not name stay as
//! they are.

use super::super::cursor::Cursor;
use super::{Field, Properties, fields};
use crate::wire::limits::SHORT_STRING_BYTES_MAX;

/// What the broker changes in a block. `None` and `false` leave a property as it is. Short strings over 255 bytes are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// New raw payload of the headers table; `Some` of nothing leaves an empty table.
    pub headers: Option<Vec<u8>>,
    /// Take the headers away; wins over `headers`.
    pub remove_headers: bool,
    /// New delivery mode.
    pub delivery_mode: Option<u8>,
    /// New priority.
    pub priority: Option<u8>,
    /// New reply address.
    pub reply_to: Option<&'a [u8]>,
    /// Take the expiration away.
    pub remove_expiration: bool,
    /// New timestamp, seconds since the epoch.
    pub timestamp: Option<u64>,
}

/// The block with the edits made.
pub fn rewrite(properties: &[u8], edits: &Edits<'_>) -> Vec<u8> {
    let more = edits.headers.as_ref().map_or(0, |raw| raw.len() + 4)
        + edits.reply_to.map_or(0, |address| address.len() + 1);
    let mut out = Vec::with_capacity(properties.len() + more + 12);
    rewrite_into(properties, edits, &mut out);
    out
}

/// The block with another headers table: `edit` gets the old one's payload, empty where there is none, and appends the new one's.
/// All other bytes stay as they are.
pub fn with_headers(properties: &[u8], edit: impl FnOnce(&[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(properties.len() + 64);
    let flags = Properties::new(properties).flags();
    let all = properties.get(2..).unwrap_or_default();
    let mut rest = Cursor(all);
    for field in [Field::ContentType, Field::ContentEncoding] {
        if flags & field.flag() != 0 {
            let _ = field.read(&mut rest);
        }
    }
    out.extend_from_slice(&(flags | Field::Headers.flag()).to_be_bytes());
    out.extend_from_slice(&all[..all.len() - rest.0.len()]);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    let old = if flags & Field::Headers.flag() != 0 {
        Field::Headers.read(&mut rest)
    } else {
        None
    };
    edit(old.unwrap_or_default(), &mut out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    out.extend_from_slice(rest.0);
    out
}

/// Appends the block with the edits made. The block should have been checked; what cannot be read in it is left out.
pub fn rewrite_into(properties: &[u8], edits: &Edits<'_>, out: &mut Vec<u8>) {
    let mut new = PropertiesBuilder {
        headers: edits.headers.as_deref().filter(|_| !edits.remove_headers),
        delivery_mode: edits.delivery_mode,
        priority: edits.priority,
        reply_to: edits.reply_to,
        timestamp: edits.timestamp,
        ..PropertiesBuilder::default()
    };
    let old = Properties::new(properties);
    let mut rest = Cursor(properties.get(2..).unwrap_or_default());
    for field in fields(old.flags()) {
        let Some(value) = field.read(&mut rest) else {
            break;
        };
        let slot = match field {
            Field::Headers if edits.remove_headers => continue,
            Field::Expiration if edits.remove_expiration => continue,
            Field::ContentType => &mut new.content_type,
            Field::ContentEncoding => &mut new.content_encoding,
            Field::Headers => &mut new.headers,
            Field::DeliveryMode => {
                new.delivery_mode = new.delivery_mode.or(value.first().copied());
                continue;
            }
            Field::Priority => {
                new.priority = new.priority.or(value.first().copied());
                continue;
            }
            Field::CorrelationId => &mut new.correlation_id,
            Field::ReplyTo => &mut new.reply_to,
            Field::Expiration => &mut new.expiration,
            Field::MessageId => &mut new.message_id,
            Field::Timestamp => {
                new.timestamp = new.timestamp.or(old.timestamp());
                continue;
            }
            Field::Kind => &mut new.kind,
            Field::UserId => &mut new.user_id,
            Field::AppId => &mut new.app_id,
            Field::ClusterId => &mut new.cluster_id,
        };
        slot.get_or_insert(value);
    }
    new.write(out);
}

/// A block from nothing, for messages that the broker or the load generator makes. Short strings over 255 bytes are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertiesBuilder<'a> {
    /// See [`Properties::content_type`].
    pub content_type: Option<&'a [u8]>,
    /// See [`Properties::content_encoding`].
    pub content_encoding: Option<&'a [u8]>,
    /// Raw payload of the headers table.
    pub headers: Option<&'a [u8]>,
    /// See [`Properties::delivery_mode`].
    pub delivery_mode: Option<u8>,
    /// See [`Properties::priority`].
    pub priority: Option<u8>,
    /// See [`Properties::correlation_id`].
    pub correlation_id: Option<&'a [u8]>,
    /// See [`Properties::reply_to`].
    pub reply_to: Option<&'a [u8]>,
    /// See [`Properties::expiration`].
    pub expiration: Option<&'a [u8]>,
    /// See [`Properties::message_id`].
    pub message_id: Option<&'a [u8]>,
    /// See [`Properties::timestamp`].
    pub timestamp: Option<u64>,
    /// See [`Properties::kind`].
    pub kind: Option<&'a [u8]>,
    /// See [`Properties::user_id`].
    pub user_id: Option<&'a [u8]>,
    /// See [`Properties::app_id`].
    pub app_id: Option<&'a [u8]>,
    /// See [`Properties::cluster_id`].
    pub cluster_id: Option<&'a [u8]>,
}

impl PropertiesBuilder<'_> {
    /// The block.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends the block.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        let mut flags = 0;
        let mut short = |out: &mut Vec<u8>, field: Field, value: Option<&[u8]>| {
            if let Some(value) = value {
                let value = &value[..value.len().min(SHORT_STRING_BYTES_MAX)];
                flags |= field.flag();
                out.push(value.len() as u8);
                out.extend_from_slice(value);
            }
        };
        short(out, Field::ContentType, self.content_type);
        short(out, Field::ContentEncoding, self.content_encoding);
        if let Some(raw) = self.headers {
            out.extend_from_slice(&(raw.len() as u32).to_be_bytes());
            out.extend_from_slice(raw);
        }
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        short(out, Field::CorrelationId, self.correlation_id);
        short(out, Field::ReplyTo, self.reply_to);
        short(out, Field::Expiration, self.expiration);
        short(out, Field::MessageId, self.message_id);
        if let Some(seconds) = self.timestamp {
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        short(out, Field::Kind, self.kind);
        short(out, Field::UserId, self.user_id);
        short(out, Field::AppId, self.app_id);
        short(out, Field::ClusterId, self.cluster_id);
        for (field, set) in [
            (Field::Headers, self.headers.is_some()),
            (Field::DeliveryMode, self.delivery_mode.is_some()),
            (Field::Priority, self.priority.is_some()),
            (Field::Timestamp, self.timestamp.is_some()),
        ] {
            if set {
                flags |= field.flag();
            }
        }
        out[start..start + 2].copy_from_slice(&flags.to_be_bytes());
    }
}
