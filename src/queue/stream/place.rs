//! Where a message stands in its stream, as its consumers are told: the header `x-stream-offset`.

use crate::wire::properties::with_headers;
use crate::wire::table::{Table, write_i64, write_name};

const OFFSET: &[u8] = b"x-stream-offset";
const COUNT: &[u8] = b"x-delivery-count";
const PARTITION: &[u8] = b"x-stream-partition";

/// A place, as a delivery tells it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The offset.
    pub offset: u64,
    /// How often the message has come back to its group.
    pub returned: u32,
    /// The partition of the stream, where it has some.
    pub partition: Option<u16>,
}

impl Place {
    /// The property block with the place in its headers, in place of whatever the publisher may have called so. All other bytes stay
    /// as they are.
    pub fn write(self, properties: &[u8]) -> Vec<u8> {
        with_headers(properties, |old, out| {
            let table = Table(old);
            let is_there = |name| table.find(name).is_some();
            if is_there(OFFSET)
                || (self.returned > 0 && is_there(COUNT))
                || (self.partition.is_some() && is_there(PARTITION))
            {
                out.extend_from_slice(&table.without(&[OFFSET, COUNT, PARTITION]));
            } else {
                out.extend_from_slice(old);
            }
            write_name(out, OFFSET);
            write_i64(out, self.offset as i64);
            if self.returned > 0 {
                write_name(out, COUNT);
                write_i64(out, i64::from(self.returned));
            }
            if let Some(partition) = self.partition {
                write_name(out, PARTITION);
                write_i64(out, i64::from(partition));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::properties::{Properties, PropertiesBuilder};

    fn with_offset(properties: &[u8], offset: u64, returned: u32) -> Vec<u8> {
        let partition = (returned > 0).then_some(7);
        let place = Place {
            offset,
            returned,
            partition,
        };
        place.write(properties)
    }

    fn offset(properties: &[u8]) -> Option<i64> {
        Properties::new(properties).header(OFFSET)?.integer()
    }

    #[test]
    fn the_offset_stands_in_the_headers_once_and_all_else_stays() {
        let mut headers = Vec::new();
        write_name(&mut headers, b"a");
        write_i64(&mut headers, 1);
        for headers in [None, Some(&headers[..])] {
            for kind in [None, Some(&b"text/plain"[..])] {
                let builder = PropertiesBuilder {
                    content_type: kind,
                    content_encoding: kind,
                    headers,
                    delivery_mode: Some(2),
                    message_id: Some(b"m"),
                    app_id: kind,
                    ..PropertiesBuilder::default()
                };
                let once = with_offset(&builder.build(), 5, 0);
                assert_eq!(offset(&once), Some(5));
                let again = with_offset(&once, 1 << 40, 3);
                let properties = Properties::new(&again);
                assert_eq!(offset(&again), Some(1 << 40));
                let count = properties.header(COUNT).and_then(|value| value.integer());
                assert_eq!(count, Some(3));
                let partition = properties.header(PARTITION);
                assert_eq!(partition.and_then(|value| value.integer()), Some(7));
                assert_eq!(properties.header(b"a").is_some(), headers.is_some());
                assert_eq!(properties.message_id(), Some(&b"m"[..]));
                assert_eq!(properties.delivery_mode(), Some(2));
                assert_eq!(properties.app_id(), kind);
                assert_eq!(with_offset(&again, 1 << 40, 3), again);
            }
        }
        assert_eq!(offset(&with_offset(&[0, 0], 0, 0)), Some(0));
    }
}
