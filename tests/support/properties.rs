//! The 14 properties of basic: built and read here, compared as raw bytes where a test is about bytes.

use super::raw::Reader;
use super::table::Table;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub headers: Option<Table>,
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<String>,
    pub reply_to: Option<String>,
    pub expiration: Option<String>,
    pub message_id: Option<String>,
    pub timestamp: Option<u64>,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub app_id: Option<String>,
    pub cluster_id: Option<String>,
}

impl Properties {
    pub fn headers(headers: Table) -> Self {
        Self {
            headers: Some(headers),
            ..Self::default()
        }
    }

    pub fn expiration(text: &str) -> Self {
        Self {
            expiration: Some(text.to_owned()),
            ..Self::default()
        }
    }

    pub fn persistent() -> Self {
        Self {
            delivery_mode: Some(2),
            ..Self::default()
        }
    }

    pub fn reply_to(text: &str) -> Self {
        Self {
            reply_to: Some(text.to_owned()),
            ..Self::default()
        }
    }

    /// Flags and list.
    pub fn encode(&self) -> Vec<u8> {
        let mut flags = 0u16;
        let mut list = Vec::new();
        let short = |bit: u16, text: &Option<String>, flags: &mut u16, list: &mut Vec<u8>| {
            if let Some(text) = text {
                *flags |= 1 << bit;
                list.push(u8::try_from(text.len()).expect("short"));
                list.extend_from_slice(text.as_bytes());
            }
        };
        short(15, &self.content_type, &mut flags, &mut list);
        short(14, &self.content_encoding, &mut flags, &mut list);
        if let Some(headers) = &self.headers {
            flags |= 1 << 13;
            headers.write(&mut list);
        }
        for (bit, number) in [(12, self.delivery_mode), (11, self.priority)] {
            if let Some(number) = number {
                flags |= 1 << bit;
                list.push(number);
            }
        }
        short(10, &self.correlation_id, &mut flags, &mut list);
        short(9, &self.reply_to, &mut flags, &mut list);
        short(8, &self.expiration, &mut flags, &mut list);
        short(7, &self.message_id, &mut flags, &mut list);
        if let Some(timestamp) = self.timestamp {
            flags |= 1 << 6;
            list.extend_from_slice(&timestamp.to_be_bytes());
        }
        short(5, &self.kind, &mut flags, &mut list);
        short(4, &self.user_id, &mut flags, &mut list);
        short(3, &self.app_id, &mut flags, &mut list);
        short(2, &self.cluster_id, &mut flags, &mut list);
        let mut out = flags.to_be_bytes().to_vec();
        out.extend_from_slice(&list);
        out
    }

    pub fn decode(raw: &[u8]) -> Self {
        let mut reader = Reader(raw);
        let flags = reader.u16();
        let has = |bit: u16| flags & (1 << bit) != 0;
        let decoded = Self {
            content_type: has(15).then(|| reader.short()),
            content_encoding: has(14).then(|| reader.short()),
            headers: has(13).then(|| Table::read(&mut reader)),
            delivery_mode: has(12).then(|| reader.u8()),
            priority: has(11).then(|| reader.u8()),
            correlation_id: has(10).then(|| reader.short()),
            reply_to: has(9).then(|| reader.short()),
            expiration: has(8).then(|| reader.short()),
            message_id: has(7).then(|| reader.short()),
            timestamp: has(6).then(|| reader.u64()),
            kind: has(5).then(|| reader.short()),
            user_id: has(4).then(|| reader.short()),
            app_id: has(3).then(|| reader.short()),
            cluster_id: has(2).then(|| reader.short()),
        };
        assert!(reader.0.is_empty(), "bytes behind the properties: {raw:?}");
        decoded
    }
}
