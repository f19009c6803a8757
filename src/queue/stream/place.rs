//! Where a message stands in its stream, as its consumers are told: the header `x-stream-offset`.

use crate::wire::properties::with_headers;
use crate::wire::table::{Table, write_i64, write_name};

const OFFSET: &[u8] = b"x-stream-offset";
const COUNT: &[u8] = b"x-delivery-count";

/// The property block with the offset in its headers, in place of whatever the publisher may have called so; and with the count
/// where the message has come back. All other bytes stay as they are.
pub fn with_offset(properties: &[u8], offset: u64, returned: u32) -> Vec<u8> {
    with_headers(properties, |old, out| {
        let table = Table(old);
        if table.find(OFFSET).is_some() || (returned > 0 && table.find(COUNT).is_some()) {
            out.extend_from_slice(&table.without(&[OFFSET, COUNT]));
        } else {
            out.extend_from_slice(old);
        }
        write_name(out, OFFSET);
        write_i64(out, offset as i64);
        if returned > 0 {
            write_name(out, COUNT);
            write_i64(out, i64::from(returned));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::properties::{Properties, PropertiesBuilder};

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
