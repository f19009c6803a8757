//! What every new vhost gets: `default_queue_type`, `default_limits`, `default_policies`.

use std::collections::BTreeMap;

use super::super::origin::Setting;
use super::super::settings::{OperatorPolicy, PolicyValue, VhostDefaults, VhostLimits};
use super::super::value;
use super::Reader;

impl Reader<'_> {
    pub(super) fn vhost_defaults(&self) -> VhostDefaults {
        let kind = self.text("default_queue_type").map(|kind| {
            // Erlang's names for the same types.
            let plain = kind.strip_prefix("rabbit_").unwrap_or(&kind);
            plain.strip_suffix("_queue").unwrap_or(plain).to_owned()
        });
        let limits = self.groups(&["default_limits", "vhosts"]);
        let policies = self.groups(&["default_policies", "operator"]);
        VhostDefaults {
            queue_type: kind,
            limits: limits.values().map(limits_of).collect(),
            policies: policies
                .iter()
                .map(|(name, keys)| policy_of(name, keys))
                .collect(),
        }
    }

    /// The settings under a prefix and one more word, by that word and the one behind it.
    fn groups(&self, prefix: &[&str]) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut groups: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for Setting { words, value, .. } in self.settings.values() {
            let Some(rest) = words.get(prefix.len()..) else {
                continue;
            };
            if words[..prefix.len()] == *prefix
                && let [name, key] = rest
            {
                let group = groups.entry(name.clone()).or_default();
                group.insert(key.clone(), value.clone());
            }
        }
        groups
    }
}

fn limits_of(keys: &BTreeMap<String, String>) -> VhostLimits {
    let count = |key: &str| keys.get(key).and_then(|text| value::read_integer(text));
    VhostLimits {
        pattern: keys
            .get("pattern")
            .map_or_else(|| ".*".to_owned(), String::clone),
        connections: count("max_connections"),
        queues: count("max_queues"),
    }
}

fn policy_of(name: &str, keys: &BTreeMap<String, String>) -> OperatorPolicy {
    let pattern = |key: &str| keys.get(key).map_or_else(|| ".*".to_owned(), String::clone);
    let definition = keys
        .iter()
        .filter(|(key, _)| !["vhost_pattern", "queue_pattern"].contains(&key.as_str()))
        .map(|(key, text)| (key.replace('_', "-"), value_of(key, text)))
        .collect();
    OperatorPolicy {
        name: name.to_owned(),
        vhosts: pattern("vhost_pattern"),
        queues: pattern("queue_pattern"),
        definition,
    }
}

/// As RabbitMQ's schema has it: times may have units, sizes too, all else is a number if it looks like one.
fn value_of(key: &str, text: &str) -> PolicyValue {
    let number = match key {
        "expires" | "message_ttl" => {
            value::read_duration(text).and_then(|time| u64::try_from(time.as_millis()).ok())
        }
        "max_length_bytes" | "max_in_memory_bytes" => value::read_size(text),
        _ => value::read_integer(text),
    };
    number.map_or_else(|| PolicyValue::Text(text.to_owned()), PolicyValue::Number)
}
