//! The types that a setting's value may have, and the reading of each. Knows no key; `check.rs` and `build.rs` call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What a value has to look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number from `min` to `max`, or one of `words` (such as `infinity`).
    Integer {
        /// What it counts: `ms`, `bytes`, or nothing.
        unit: &'static str,
        /// Smallest value taken.
        min: u64,
        /// Largest value taken.
        max: u64,
        /// Words taken instead of a number.
        words: &'static [&'static str],
    },
    /// Bytes, with KB, MB and GB as powers of 1024 (RabbitMQ's `frame_max` and few others).
    BinarySize,
    /// Bytes, with kB, MB, GB as powers of 1000 and k, M, G, KiB, MiB, GiB as powers of 1024 (RabbitMQ's memory limits).
    Size,
    /// A time such as `500ms`, `2s`, `1m`, `1h`, `1d`, `1w`, a bare number being milliseconds; or one of the words.
    Duration(&'static [&'static str]),
    /// `true` or `false`; `on` and `off` mean the same.
    Bool,
    /// A number from `min` to `max`; `60%` is 0.6.
    Float {
        /// Smallest value taken.
        min: f64,
        /// Largest value taken.
        max: f64,
    },
    /// One of these words.
    Enum(&'static [&'static str]),
    /// An IPv4 or IPv6 address.
    Ip,
    /// `PORT`, `IPV4:PORT` or `[IPV6]:PORT`.
    Listener,
    /// A regular expression.
    Regex,
    /// Anything.
    Text,
    /// The name of a file or directory.
    Path,
}

/// A whole number from 0 on.
pub const INTEGER: Kind = integer("", 0, u64::MAX);
/// A whole number from 1 on.
pub const POSITIVE: Kind = integer("", 1, u64::MAX);
/// A time in milliseconds, 0 included.
pub const MILLIS: Kind = integer("ms", 0, u64::MAX);
/// A TCP port, 0 meaning that the system chooses.
pub const PORT: Kind = integer("", 0, u16::MAX as u64);
/// A number that fits in one byte.
pub const BYTE: Kind = integer("", 0, u8::MAX as u64);

/// A whole number with a unit and bounds.
pub const fn integer(unit: &'static str, min: u64, max: u64) -> Kind {
    Kind::Integer {
        unit,
        min,
        max,
        words: &[],
    }
}

/// A whole number with a unit and bounds, or one of some words.
pub const fn integer_or(
    unit: &'static str,
    min: u64,
    max: u64,
    words: &'static [&'static str],
) -> Kind {
    Kind::Integer {
        unit,
        min,
        max,
        words,
    }
}

/// Where a listener listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenAddress {
    /// Every IPv4 and every IPv6 interface.
    All,
    /// One address.
    Ip(IpAddr),
}

impl Kind {
    /// `Ok` if the value is of this kind, else what was expected.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let good = match *self {
            Kind::Integer {
                min, max, words, ..
            } => {
                words.contains(&value)
                    || read_integer(value).is_some_and(|number| (min..=max).contains(&number))
            }
            Kind::BinarySize => read_binary_size(value).is_some(),
            Kind::Size => read_size(value).is_some(),
            Kind::Duration(words) => words.contains(&value) || read_duration(value).is_some(),
            Kind::Bool => read_bool(value).is_some(),
            Kind::Float { min, max } => {
                read_float(value).is_some_and(|number| (min..=max).contains(&number))
            }
            Kind::Enum(words) => words.contains(&value),
            Kind::Ip => read_ip(value).is_some(),
            Kind::Listener => read_listener(value).is_some(),
            Kind::Regex => fancy_regex::Regex::new(value).is_ok(),
            Kind::Text => true,
            Kind::Path => !value.is_empty(),
        };
        if good { Ok(()) } else { Err(self.expected()) }
    }

    /// The kind in words, to follow "expected".
    pub fn expected(&self) -> String {
        match *self {
            Kind::Integer { unit, min, max, words } => {
                let mut text = match (min, max) {
                    (0, u64::MAX) => "a whole number".to_owned(),
                    (min, u64::MAX) => format!("a whole number from {min} on"),
                    (min, max) => format!("a whole number from {min} to {max}"),
                };
                if !unit.is_empty() {
                    text.push_str(&format!(" ({unit})"));
                }
                for word in words {
                    text.push_str(&format!(" or '{word}'"));
                }
                text
            }
            Kind::BinarySize => "a size in bytes such as 131072 or 128KB (KB, MB, GB: powers of 1024)".to_owned(),
            Kind::Size => {
                "a size in bytes such as 1000000, 1MB or 1MiB (kB, MB, GB: powers of 1000; KiB, MiB, GiB: powers of 1024)"
                    .to_owned()
            }
            Kind::Duration(words) => {
                let mut text = "a time such as 500ms, 2s or 1m".to_owned();
                for word in words {
                    text.push_str(&format!(" or '{word}'"));
                }
                text
            }
            Kind::Bool => "true or false".to_owned(),
            Kind::Float { min, max } if max == f64::MAX => format!("a number from {min} on, such as 0.6 or 60%"),
            Kind::Float { min, max } => format!("a number from {min} to {max}, such as 0.6 or 60%"),
            Kind::Enum([word]) => format!("'{word}'"),
            Kind::Enum(words) => format!("one of {}", words.join(", ")),
            Kind::Ip => "an IPv4 or IPv6 address".to_owned(),
            Kind::Listener => "PORT, IPV4:PORT or [IPV6]:PORT".to_owned(),
            Kind::Regex => "a regular expression".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::Path => "the name of a file or directory".to_owned(),
        }
    }
}

/// A whole number: digits only.
pub fn read_integer(value: &str) -> Option<u64> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse().ok()
}

/// `true`, `on`, `false` or `off`.
pub fn read_bool(value: &str) -> Option<bool> {
    match value {
        "true" | "on" => Some(true),
        "false" | "off" => Some(false),
        _ => None,
    }
}

/// A number, or a percentage.
pub fn read_float(value: &str) -> Option<f64> {
    let (number, scale) = match value.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 100.0),
        None => (value, 1.0),
    };
    let plain = !number.is_empty()
        && number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = if plain {
        number.parse().ok()?
    } else {
        return None;
    };
    Some(number / scale)
}

/// Bytes, KB, MB and GB being powers of 1024, in capitals or not.
pub fn read_binary_size(value: &str) -> Option<u64> {
    let (number, unit) = split_unit(value)?;
    let scale = match unit {
        "" => 1,
        "KB" | "kb" => 1 << 10,
        "MB" | "mb" => 1 << 20,
        "GB" | "gb" => 1 << 30,
        _ => return read_size(value),
    };
    number.checked_mul(scale)
}

/// Bytes, with RabbitMQ's units for memory and disk: `MB` is 10^6, `MiB` and `M` are 2^20.
pub fn read_size(value: &str) -> Option<u64> {
    let (number, unit) = split_unit(value)?;
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(scale)
}

/// A time with a unit; a bare number is milliseconds.
pub fn read_duration(value: &str) -> Option<Duration> {
    let (number, unit) = split_unit(value)?;
    let millis: u64 = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        "f" => 1_209_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// An address, IPv6 with or without brackets.
pub fn read_ip(value: &str) -> Option<IpAddr> {
    if let Some(inner) = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    value.parse().ok()
}

/// `PORT`, `IPV4:PORT`, `[IPV6]:PORT` or, as RabbitMQ takes it too, `IPV6:PORT`; `::` and `*` before the port mean all.
pub fn read_listener(value: &str) -> Option<(ListenAddress, u16)> {
    let port = |text: &str| read_integer(text).and_then(|number| u16::try_from(number).ok());
    let Some((address, number)) = value.rsplit_once(':') else {
        return Some((ListenAddress::All, port(value)?));
    };
    let address = match address {
        "*" => ListenAddress::All,
        "localhost" => ListenAddress::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        text => ListenAddress::Ip(read_ip(text)?),
    };
    Some((address, port(number)?))
}

fn split_unit(value: &str) -> Option<(u64, &str)> {
    let end = value
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(value.len());
    Some((read_integer(&value[..end])?, value[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_rabbitmqs_two_dialects() {
        for (text, bytes) in [
            ("0", 0),
            ("1k", 1 << 10),
            ("1K", 1 << 10),
            ("1kB", 1_000),
            ("1KB", 1_000),
            ("1kib", 1 << 10),
            ("1KiB", 1 << 10),
            ("3MB", 3_000_000),
            ("64MiB", 64 << 20),
            ("2GB", 2_000_000_000),
            ("2G", 2 << 30),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(read_size(text), Some(bytes), "{text}");
        }
        assert_eq!(read_binary_size("128KB"), Some(131_072));
        assert_eq!(read_binary_size("1mb"), Some(1 << 20));
        assert_eq!(read_binary_size("1MiB"), Some(1 << 20));
        for text in [
            "",
            "MB",
            "1.5GB",
            "-1",
            "1XB",
            "99999999999999999999",
            "18446744073709551615k",
        ] {
            assert_eq!(read_size(text), None, "{text}");
            assert_eq!(read_binary_size(text), None, "{text}");
        }
    }

    #[test]
    fn a_bare_port_means_all_interfaces() {
        let ip = |text: &str| ListenAddress::Ip(text.parse().expect("an address"));
        assert_eq!(read_listener("5672"), Some((ListenAddress::All, 5672)));
        assert_eq!(read_listener("0"), Some((ListenAddress::All, 0)));
        assert_eq!(
            read_listener("127.0.0.1:5673"),
            Some((ip("127.0.0.1"), 5673))
        );
        assert_eq!(read_listener("[::1]:5672"), Some((ip("::1"), 5672)));
        assert_eq!(read_listener("::1:5672"), Some((ip("::1"), 5672)));
        assert_eq!(read_listener(":::5672"), Some((ip("::"), 5672)));
        assert_eq!(read_listener("0.0.0.0:5672"), Some((ip("0.0.0.0"), 5672)));
        for text in [
            "",
            "x",
            "65536",
            "1.2.3:5672",
            "127.0.0.1",
            "127.0.0.1:",
            ":5672",
            "127.0.0.1:70000",
            "+1",
        ] {
            assert_eq!(read_listener(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_digits_and_percentages_are_fractions() {
        assert_eq!(read_integer("010"), Some(10));
        assert_eq!(read_integer("+1"), None);
        assert_eq!(read_float("0.4"), Some(0.4));
        assert_eq!(read_float("60%"), Some(0.6));
        assert_eq!(read_float("1"), Some(1.0));
        for text in ["", "%", ".", "nan", "inf", "-1", "1e3", "1.2.3"] {
            assert_eq!(read_float(text), None, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(read_duration("100"), Some(Duration::from_millis(100)));
        assert_eq!(read_duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(read_duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(read_duration("1w"), Some(Duration::from_secs(604_800)));
        assert_eq!(read_duration("1y"), None);
    }

    #[test]
    fn every_kind_says_what_it_expects() {
        let check = |kind: Kind, good: &str, bad: &str, expected: &str| {
            assert_eq!(kind.check(good), Ok(()), "{kind:?} {good}");
            let error = kind.check(bad).expect_err(bad);
            assert!(error.contains(expected), "{kind:?}: {error}");
        };
        check(integer("ms", 1, 9), "9", "10", "from 1 to 9 (ms)");
        check(
            integer_or("", 0, 9, &["infinity"]),
            "infinity",
            "x",
            "or 'infinity'",
        );
        check(Kind::Bool, "on", "yes", "true or false");
        check(Kind::Enum(&["a", "b"]), "b", "c", "one of a, b");
        check(Kind::Enum(&["none"]), "none", "c", "'none'");
        check(
            Kind::Float { min: 0.0, max: 1.0 },
            "40%",
            "1.1",
            "from 0 to 1",
        );
        check(Kind::Ip, "[::1]", "localhost", "address");
        check(Kind::Listener, "5672", "x", "PORT");
        check(Kind::Regex, "^a.*", "(", "regular expression");
        check(Kind::Path, "/x", "", "file");
        check(Kind::Duration(&["off"]), "off", "y", "or 'off'");
        check(Kind::Size, "1MB", "x", "bytes");
        check(Kind::BinarySize, "1MB", "x", "bytes");
    }
}
