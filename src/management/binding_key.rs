//! `properties_key`, by which the API names one of several bindings between the same ends: the routing key, escaped, and behind a
//! tilde a hash of the arguments. RabbitMQ's hash is one of the Erlang machine; clients take it as it comes, so ours may differ.

use amq_protocol::types::FieldTable;
use base64::Engine;
use sha2::{Digest, Sha256};

use crate::wire::table;

/// Bytes of the hash.
const HASH_BYTES: usize = 8;

/// The properties_key of a binding.
pub fn properties_key(routing_key: &str, arguments: &FieldTable) -> String {
    let key = super::json::encoded(routing_key)
        .replace("%20", "+")
        .replace('~', "%7E");
    if !arguments.inner().is_empty() {
        let hash = Sha256::digest(table::from_field_table(arguments));
        let hash = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&hash[..HASH_BYTES]);
        return format!("{key}~{hash}");
    }
    if key.is_empty() { "~".to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amq_protocol::types::AMQPValue;

    #[test]
    fn keys_look_like_rabbitmqs() {
        let none = FieldTable::default();
        for (routing_key, expected) in [("", "~"), ("k", "k"), ("a b/c~d.é", "a+b%2Fc%7Ed.%C3%A9")]
        {
            assert_eq!(properties_key(routing_key, &none), expected);
        }
        let mut one = FieldTable::default();
        one.insert("a".into(), AMQPValue::LongString("b".into()));
        let mut other = FieldTable::default();
        other.insert("a".into(), AMQPValue::LongString("c".into()));
        assert!(properties_key("k", &one).starts_with("k~"));
        assert_ne!(properties_key("k", &one), properties_key("k", &other));
    }
}
