//! Whether a policy's definition is fit: every key and value, in RabbitMQ's words. The keys themselves are in `queue::policy`.

use amq_protocol::types::FieldTable;
use serde_json::{Map, Value};

use super::json;
use crate::queue::policy;

/// The key that is for exchanges.
const ALTERNATE: &str = "alternate-exchange";

/// The definition as a table, or the fault.
pub fn check_definition(definition: &Value, operator: bool) -> Result<FieldTable, String> {
    let fields = match definition {
        Value::Object(fields) => fields,
        // Erlang's empty list is an empty map.
        Value::Array(items) if items.is_empty() => return Err("no policy provided".to_owned()),
        other => {
            return Err(format!(
                "definition should be a list or map, actually was {}",
                json::printed(other)
            ));
        }
    };
    if fields.is_empty() {
        return Err("no policy provided".to_owned());
    }
    json::check_value(definition)?;
    let is_known = |name: &str| match policy::key_named(name) {
        Some(key) => key.operator || !operator,
        None => name == ALTERNATE && !operator,
    };
    let (known, unknown): (Map<_, _>, Map<_, _>) = fields
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .partition(|(name, _)| is_known(name));
    for (name, value) in &known {
        check_value(name, value)?;
    }
    if !unknown.is_empty() {
        return Err(format!(
            "{} are not recognised policy settings",
            json::proplist(&unknown)
        ));
    }
    let table = json::to_table(fields)?;
    policy::check(&table)?;
    Ok(table)
}

/// One value. What RabbitMQ does not have is checked as the argument of that name is, by [`policy::check`].
fn check_value(name: &str, value: &Value) -> Result<(), String> {
    let whole = value.as_i64();
    let text = value.as_str();
    let at_least = |least: i64| whole.is_some_and(|number| number >= least);
    let one_of = |known: &[&str]| text.is_some_and(|text| known.contains(&text));
    let (fits, what) = match name {
        ALTERNATE => (text.is_some(), "alternate exchange name"),
        "dead-letter-exchange" => (text.is_some(), "dead letter exchange name"),
        "dead-letter-routing-key" => (
            text.is_some_and(|key| key.len() <= crate::wire::limits::SHORT_STRING_BYTES_MAX),
            "dead letter routing key",
        ),
        "dead-letter-strategy" => (
            one_of(&["at-most-once", "at-least-once"]),
            "dead letter strategy",
        ),
        "message-ttl" => (at_least(0), "message TTL"),
        "expires" => (at_least(1), "queue expiry"),
        "max-length" => (at_least(0), "maximum length"),
        "max-length-bytes" => (at_least(0), "maximum length in bytes"),
        "max-in-memory-length" | "max-in-memory-bytes" => (at_least(0), "maximum memory in bytes"),
        "delivery-limit" => (whole.is_some(), "delivery limit"),
        "consumer-timeout" => (at_least(0), "consumer timeout"),
        "max-age" => (text.is_some_and(is_age), "max age"),
        "stream-max-segment-size-bytes" => (
            whole.is_some_and(|size| (0..=3_000_000_000).contains(&size)),
            "segment size",
        ),
        "stream-filter-size-bytes" => (
            whole.is_some_and(|size| (16..=255).contains(&size)),
            "filter size. Valid range is 16-255",
        ),
        "queue-leader-locator" => (
            one_of(&["client-local", "balanced", "random", "least-leaders"]),
            "queue leader locator value",
        ),
        "queue-master-locator" => (text.is_some(), "queue master locator"),
        "initial-cluster-size" => (whole.is_some(), "cluster size"),
        "target-group-size" => (at_least(1), "qq target count value"),
        "queue-mode" => (one_of(&["default", "lazy"]), "queue-mode value"),
        "queue-version" => (
            whole.is_some_and(|version| version == 1 || version == 2),
            "queue-version value",
        ),
        "overflow" => (
            one_of(&["drop-head", "reject-publish", "reject-publish-dlx"]),
            "overflow value",
        ),
        _ => (true, ""),
    };
    if fits {
        return Ok(());
    }
    Err(format!("{} is not a valid {what}", json::printed(value)))
}

/// `<number><unit>`, as a stream's `max-age`.
fn is_age(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    number.bytes().any(|digit| digit != b'0') && ["Y", "M", "D", "h", "m", "s"].contains(&unit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(definition: &Value) -> String {
        check_definition(definition, false).unwrap_err()
    }

    #[test]
    fn faults_are_told_in_rabbitmqs_words() {
        for (definition, text) in [
            (json!({}), "no policy provided"),
            (
                json!({"bogus": 5}),
                "[{<<\"bogus\">>,5}] are not recognised policy settings",
            ),
            (
                json!({"max-length": -1}),
                "-1 is not a valid maximum length",
            ),
            (
                json!({"max-length": "x"}),
                "<<\"x\">> is not a valid maximum length",
            ),
            (
                json!({"max-length": 1.5}),
                "1.5 is not a valid maximum length",
            ),
            (json!({"expires": 0}), "0 is not a valid queue expiry"),
            (json!({"message-ttl": -1}), "-1 is not a valid message TTL"),
            (
                json!({"overflow": "x"}),
                "<<\"x\">> is not a valid overflow value",
            ),
            (
                json!({"stream-filter-size-bytes": 5}),
                "5 is not a valid filter size. Valid range is 16-255",
            ),
            (
                json!({"max-age": "5x"}),
                "<<\"5x\">> is not a valid max age",
            ),
            (
                json!({"max-length": 1, "expires": 0, "bogus": 1}),
                "0 is not a valid queue expiry",
            ),
            (
                json!({"max-priority": 5}),
                "[{<<\"max-priority\">>,5}] are not recognised policy settings",
            ),
        ] {
            assert_eq!(fault(&definition), text);
        }
    }

    #[test]
    fn an_operator_policy_has_fewer_keys() {
        let dead = json!({"dead-letter-exchange": "x"});
        assert_eq!(
            check_definition(&dead, true).unwrap_err(),
            "[{<<\"dead-letter-exchange\">>,<<\"x\">>}] are not recognised policy settings"
        );
        assert!(check_definition(&json!({"max-length": 5}), true).is_ok());
        assert!(check_definition(&json!({"queue-version": 2}), true).is_ok());
    }

    #[test]
    fn leverets_own_keys_are_checked_as_arguments_are() {
        assert!(check_definition(&json!({"sync": "os"}), false).is_ok());
        assert!(fault(&json!({"sync": "maybe"})).contains("unsupported sync 'maybe'"));
    }
}
