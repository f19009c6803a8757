//! How often a message may come back (`x-delivery-limit`), and how its consumers learn of it (`x-delivery-count`).

use crate::queue::arguments::QueueKind;
use crate::wire::properties::{Edits, Properties, rewrite};
use crate::wire::table::{Table, write_i64, write_name};

/// The limit of quorum queues that do not say otherwise.
const QUORUM_DEFAULT: u32 = 20;
const HEADER: &[u8] = b"x-delivery-count";

/// The limit of a queue, given what its arguments ask for; a negative one is none.
pub fn limit(kind: QueueKind, asked: Option<i64>) -> Option<u32> {
    match (asked, kind) {
        (Some(asked), _) if asked < 0 => None,
        (Some(asked), _) => Some(u32::try_from(asked).unwrap_or(u32::MAX)),
        (None, QueueKind::Quorum) => Some(QUORUM_DEFAULT),
        (None, _) => None,
    }
}

/// Whether a message that has come back so often is to die.
#[inline]
pub fn is_exceeded(limit: Option<u32>, returned: u32) -> bool {
    limit.is_some_and(|most| returned > most)
}

/// The property block with the count in its headers, in place of whatever the publisher may have called so.
pub fn with_count(properties: &[u8], returned: u32) -> Vec<u8> {
    let mut headers = Properties::new(properties)
        .headers()
        .map_or_else(Vec::new, |raw| Table(raw).without(&[HEADER]));
    write_name(&mut headers, HEADER);
    write_i64(&mut headers, i64::from(returned));
    let edits = Edits {
        headers: Some(headers),
        ..Edits::default()
    };
    rewrite(properties, &edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::table::Value;

    #[test]
    fn limits() {
        use QueueKind::{Classic, Quorum};
        assert_eq!(limit(Quorum, None), Some(20));
        assert_eq!(limit(Classic, None), None);
        assert_eq!(limit(Classic, Some(3)), Some(3));
        assert_eq!(limit(Quorum, Some(0)), Some(0));
        assert_eq!(limit(Quorum, Some(-1)), None);
        assert_eq!(limit(Quorum, Some(i64::MAX)), Some(u32::MAX));
        assert!(is_exceeded(Some(0), 1) && !is_exceeded(Some(1), 1));
        assert!(!is_exceeded(None, u32::MAX));
    }

    #[test]
    fn the_count_stands_in_the_headers_once() {
        let once = with_count(&[0, 0], 1);
        let twice = with_count(&once, 7);
        let properties = Properties::new(&twice);
        let count = properties.header(HEADER).and_then(|value| match value {
            Value::I64(count) => Some(count),
            other => other.integer(),
        });
        assert_eq!(count, Some(7));
        assert_eq!(twice.len(), once.len());
    }
}
