//! Numbers as people read them.

/// `1,234,567/s`.
pub fn rate(per_second: f64) -> String {
    format!("{}/s", grouped(per_second.round() as u64))
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds in a unit that keeps three digits: `95 µs`, `1.20 ms`, `3.40 s`.
pub fn micros(us: f64) -> String {
    match us {
        us if us < 10.0 => format!("{us:.2} µs"),
        us if us < 100.0 => format!("{us:.1} µs"),
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e4 => format!("{:.2} ms", us / 1e3),
        us if us < 1e5 => format!("{:.1} ms", us / 1e3),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// KiB as KiB or MiB.
pub fn kib(kib: f64) -> String {
    if kib < 10_240.0 {
        format!("{kib:.1} KiB")
    } else {
        format!("{:.1} MiB", kib / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(rate(1_234_567.4), "1,234,567/s");
        assert_eq!(
            (grouped(0), grouped(999), grouped(1000)),
            ("0".into(), "999".into(), "1,000".into())
        );
        assert_eq!(
            (micros(0.945), micros(95.0), micros(1234.0), micros(3.4e6)),
            (
                "0.94 µs".into(),
                "95.0 µs".into(),
                "1.23 ms".into(),
                "3.40 s".into()
            )
        );
        assert_eq!(
            (kib(100.0), kib(20_480.0)),
            ("100.0 KiB".into(), "20.0 MiB".into())
        );
    }
}
