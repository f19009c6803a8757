//! Each setting against the table of keys: known, of the right kind, allowed to be dropped. `load` in `mod.rs` calls;
//! `build.rs` may then trust the values.

use super::keys::{self, Class, Key};
use super::origin::{ConfigError, Notice, Setting};
use super::value::Kind;

/// What is wrong with a setting, or what is to be said about it.
pub fn check(setting: &Setting) -> Result<Option<Notice>, ConfigError> {
    let fail = |text: String| ConfigError::new(setting.origin.clone(), text);
    let name = setting.key();
    let Some(key) = keys::find(&setting.words) else {
        let nearest = keys::nearest(&setting.words);
        return Err(fail(format!(
            "unknown key '{name}'; the nearest known key is '{nearest}'"
        )));
    };
    let shown = shown(key, setting);
    if setting.value.starts_with("encrypted:") {
        return Err(fail(format!(
            "key '{name}': encrypted values are not supported yet"
        )));
    }
    if let Err(expected) = key.kind.check(&setting.value) {
        return Err(fail(format!(
            "key '{name}': expected {expected}, found {shown}"
        )));
    }
    match key.class {
        Class::Used => Ok(None),
        Class::Ignored => Ok(Some(notice(
            setting,
            format!("key '{name}' is accepted without effect: {}", key.doc),
        ))),
        Class::Later => Ok(Some(notice(
            setting,
            format!("key '{name}' has no effect yet: {}", key.doc),
        ))),
        Class::Refused(harmless) if harmless.contains(&setting.value.as_str()) => Ok(None),
        Class::Refused(harmless) => {
            let mut text = format!(
                "key '{name}': {shown} is not supported yet, and the broker does not start without it"
            );
            match harmless {
                [] => text.push_str("; remove the key"),
                values => text.push_str(&format!("; supported: {}", values.join(", "))),
            }
            Err(fail(text))
        }
    }
}

fn notice(setting: &Setting, text: String) -> Notice {
    Notice {
        origin: setting.origin.clone(),
        text,
    }
}

/// A value as errors show it: secrets do not end in logs.
fn shown(key: &Key, setting: &Setting) -> String {
    const SHOWN_MAX: usize = 80;
    let secret = matches!(key.kind, Kind::Text)
        && setting.words.iter().any(|word| {
            let word = word.to_ascii_lowercase();
            ["pass", "secret", "token", "cookie", "key"]
                .iter()
                .any(|part| word.contains(part))
        });
    if secret {
        return "this value".to_owned();
    }
    match setting.value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("'{}...'", &setting.value[..end]),
        None => format!("'{}'", setting.value),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::origin::Origin;
    use super::*;

    fn checked(key: &str, value: &str) -> Result<Option<String>, String> {
        let words = key.split('.').map(str::to_owned).collect();
        let setting = Setting {
            words,
            value: value.to_owned(),
            origin: Origin::Line(Path::new("f.conf").into(), 7),
        };
        check(&setting)
            .map(|notice| notice.map(|notice| notice.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_keys_name_place_key_and_nearest() {
        assert_eq!(
            checked("heartbeet", "1").expect_err("unknown"),
            "f.conf:7: unknown key 'heartbeet'; the nearest known key is 'heartbeat'"
        );
    }

    #[test]
    fn bad_values_say_what_was_expected() {
        assert_eq!(
            checked("heartbeat", "soon").expect_err("bad"),
            "f.conf:7: key 'heartbeat': expected a whole number from 0 to 65535 (s), found 'soon'"
        );
    }

    #[test]
    fn what_cannot_be_dropped_stops_unless_harmless() {
        for (key, bad, harmless) in [
            ("auth_backends.1", "ldap", "internal"),
            (
                "auth_backends.1.authz",
                "http",
                "rabbit_auth_backend_internal",
            ),
            ("auth_mechanisms.1", "EXTERNAL", "AMQPLAIN"),
            ("ssl_options.verify", "verify_peer", "verify_none"),
            ("ssl_options.fail_if_no_peer_cert", "true", "false"),
            ("proxy_protocol", "true", "false"),
            ("management.ssl.fail_if_no_peer_cert", "true", "false"),
            ("management.listener.ssl", "true", "false"),
        ] {
            let error = checked(key, bad).expect_err(key);
            assert!(
                error.contains(&format!("key '{key}'")) && error.contains("not supported yet"),
                "{error}"
            );
            assert_eq!(checked(key, harmless), Ok(None), "{key}");
        }
        for (key, value) in [
            ("listeners.ssl.default", "5671"),
            ("listeners.tcp", "none"),
            ("ssl_options.certfile", "/x.pem"),
            ("management.ssl.port", "15671"),
            ("management.ssl.certfile", "/x.pem"),
            ("definitions.https.url", "https://x/y.json"),
        ] {
            assert!(
                checked(key, value)
                    .expect_err(key)
                    .contains("not supported yet"),
                "{key}"
            );
        }
        assert_eq!(checked("listeners.ssl", "none"), Ok(None));
    }

    #[test]
    fn keys_without_effect_are_noticed_once_each() {
        let text = checked("cluster_partition_handling", "autoheal")
            .expect("accepted")
            .expect("a notice");
        assert!(
            text.starts_with("f.conf:7: key 'cluster_partition_handling' has no effect yet: "),
            "{text}"
        );
        let text = checked("erlang.K", "true")
            .expect("accepted")
            .expect("a notice");
        assert!(text.contains("without effect"), "{text}");
        assert_eq!(checked("heartbeat", "5"), Ok(None));
    }

    #[test]
    fn secrets_are_not_shown() {
        let error = checked("ssl_options.password", "hunter2").expect_err("refused");
        assert!(!error.contains("hunter2"), "{error}");
        let error = checked("default_pass", "encrypted:abc").expect_err("refused");
        assert!(error.contains("encrypted values"), "{error}");
    }
}
