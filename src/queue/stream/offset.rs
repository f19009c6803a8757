//! Where a consumer of a stream begins: `x-stream-offset`.

use amq_protocol::types::AMQPValue;

use crate::wire::{erlang, table};

/// What a consumer asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The oldest message that is kept.
    First,
    /// The last batch that was published; it may be more than one message, as RabbitMQ's chunks are.
    Last,
    /// Whatever is published from now on.
    #[default]
    Next,
    /// This offset; one that is not kept any more is the first, one that is not there yet the next. RabbitMQ waits for it: a client that
    /// remembers an offset of a stream that was deleted and declared again would miss what comes.
    Offset(u64),
    /// The last so many messages: a negative offset, which is Leveret's own.
    FromEnd(u64),
    /// Messages since this time, milliseconds since the epoch.
    Since(u64),
    /// Messages of the last so many milliseconds.
    Within(u64),
}

/// What it is resolved against.
pub trait Log {
    /// Offset of the oldest message.
    fn first(&self) -> u64;
    /// Offset of the next message.
    fn next(&self) -> u64;
    /// Where the last batch begins.
    fn last_batch(&self) -> u64;
    /// The first message that came at this time or later, milliseconds since the epoch.
    fn since(&self, time_ms: u64) -> u64;
}

impl OffsetSpec {
    /// What the value of the argument means; otherwise why it means nothing.
    pub fn parse(value: &AMQPValue) -> Result<Self, String> {
        if let Some(number) = table::integer(value) {
            return Ok(match u64::try_from(number) {
                Ok(offset) => Self::Offset(offset),
                Err(_) => Self::FromEnd(number.unsigned_abs()),
            });
        }
        match value {
            AMQPValue::Timestamp(seconds) => Ok(Self::Since(seconds.saturating_mul(1000))),
            AMQPValue::LongString(text) => Self::named(text.as_bytes()),
            AMQPValue::ByteArray(text) => Self::named(text.as_slice()),
            other => Err(format!("{{unacceptable_type,{}}}", table::type_name(other))),
        }
    }

    /// What a text means. No time at all is no interval, as in RabbitMQ, whose words these are.
    fn named(text: &[u8]) -> Result<Self, String> {
        match text {
            b"first" => Ok(Self::First),
            b"last" => Ok(Self::Last),
            b"next" => Ok(Self::Next),
            text => age_ms(text)
                .filter(|age| *age > 0)
                .map(Self::Within)
                .ok_or_else(|| {
                    let text = erlang::binary(text);
                    format!("{{invalid_stream_offset_arg,{{longstr,{text}}}}}")
                }),
        }
    }

    /// The offset that it stands for now.
    pub fn resolve(self, log: &impl Log, now: u64) -> u64 {
        let wanted = match self {
            Self::First => log.first(),
            Self::Last => log.last_batch(),
            Self::Next => log.next(),
            Self::Offset(offset) => offset,
            Self::FromEnd(count) => log.next().saturating_sub(count),
            Self::Since(time) => log.since(time),
            Self::Within(age) => log.since(now.saturating_sub(age)),
        };
        wanted.clamp(log.first(), log.next())
    }
}

/// Milliseconds of an age as `x-max-age` and `x-stream-offset` write it: a number and one of Y, M, D, h, m, s. A year has 365 days
/// and a month 30, as in RabbitMQ.
pub fn age_ms(text: &[u8]) -> Option<u64> {
    let (unit, digits) = text.split_last()?;
    let seconds: u64 = match unit {
        b'Y' => 365 * 24 * 3600,
        b'M' => 30 * 24 * 3600,
        b'D' => 24 * 3600,
        b'h' => 3600,
        b'm' => 60,
        b's' => 1,
        _ => return None,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    number.checked_mul(seconds)?.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept;

    impl Log for Kept {
        fn first(&self) -> u64 {
            100
        }
        fn next(&self) -> u64 {
            200
        }
        fn last_batch(&self) -> u64 {
            190
        }
        fn since(&self, time_ms: u64) -> u64 {
            time_ms / 1000
        }
    }

    #[test]
    fn every_form_stands_for_an_offset_that_is_there() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        for (value, offset) in [
            (text("first"), 100),
            (text("last"), 190),
            (text("next"), 200),
            (text("50s"), 150),
            (text("1h"), 100),
            (AMQPValue::LongLongInt(150), 150),
            (AMQPValue::ShortShortUInt(7), 100),
            (AMQPValue::LongInt(1_000_000), 200),
            (AMQPValue::ByteArray(b"first".to_vec().into()), 100),
            (AMQPValue::LongLongInt(-10), 190),
            (AMQPValue::LongLongInt(i64::MIN), 100),
            (AMQPValue::Timestamp(170), 170),
            (AMQPValue::Timestamp(u64::MAX), 200),
        ] {
            let spec = OffsetSpec::parse(&value).expect("it is one");
            assert_eq!(spec.resolve(&Kept, 200_000), offset, "{value:?}");
        }
    }

    #[test]
    fn what_is_no_offset_is_refused() {
        for value in [
            AMQPValue::LongString("foo".into()),
            AMQPValue::LongString("".into()),
            AMQPValue::LongString("h".into()),
            AMQPValue::LongString("-1h".into()),
            AMQPValue::LongString("0s".into()),
            AMQPValue::LongString("1.5h".into()),
            AMQPValue::LongString("99999999999999999999Y".into()),
            AMQPValue::Boolean(true),
            AMQPValue::Double(1.0),
            AMQPValue::Void,
        ] {
            assert!(OffsetSpec::parse(&value).is_err(), "{value:?}");
        }
    }
}
