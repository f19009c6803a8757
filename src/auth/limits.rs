//! How much a user may have open: `max-connections` and `max-channels`, and how many channels are. Shared by all who are logged
//! in as that user, so that a new limit holds for them at once. Connections are counted by the broker's registry.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Stands for a limit that is not set.
const UNSET: i64 = i64::MIN;

/// The limits of one user. A negative limit is none, as in RabbitMQ, but is kept and shown.
#[derive(Debug)]
pub struct UserLimits {
    connections: AtomicI64,
    channels: AtomicI64,
    open_channels: AtomicUsize,
}

impl Default for UserLimits {
    fn default() -> Self {
        Self {
            connections: AtomicI64::new(UNSET),
            channels: AtomicI64::new(UNSET),
            open_channels: AtomicUsize::new(0),
        }
    }
}

fn set(limit: &AtomicI64, value: Option<i64>) {
    limit.store(value.unwrap_or(UNSET), Ordering::Release);
}

fn get(limit: &AtomicI64) -> Option<i64> {
    Some(limit.load(Ordering::Acquire)).filter(|value| *value != UNSET)
}

/// What a limit allows; `None` without end.
fn most(limit: &AtomicI64) -> Option<u64> {
    u64::try_from(limit.load(Ordering::Acquire)).ok()
}

impl UserLimits {
    /// `max-connections` as it was set.
    pub fn connections(&self) -> Option<i64> {
        get(&self.connections)
    }

    /// `max-channels` as it was set.
    pub fn channels(&self) -> Option<i64> {
        get(&self.channels)
    }

    /// Sets both.
    pub fn set(&self, connections: Option<i64>, channels: Option<i64>) {
        set(&self.connections, connections);
        set(&self.channels, channels);
    }

    /// Connections that may be open; `None` without end.
    pub fn connections_most(&self) -> Option<u64> {
        most(&self.connections)
    }

    /// A channel opens, unless the user has as many as they may: then the limit.
    pub fn open_channel(&self) -> Result<(), u64> {
        let open = self.open_channels.fetch_add(1, Ordering::AcqRel);
        match most(&self.channels) {
            Some(most) if open as u64 >= most => {
                self.open_channels.fetch_sub(1, Ordering::AcqRel);
                Err(most)
            }
            _ => Ok(()),
        }
    }

    /// Channels have closed.
    pub fn close_channels(&self, count: usize) {
        self.open_channels.fetch_sub(count, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_channels_and_a_negative_one_is_none() {
        let limits = UserLimits::default();
        assert_eq!(limits.channels(), None);
        limits.open_channel().unwrap();
        limits.set(Some(-1), Some(1));
        assert_eq!(limits.open_channel(), Err(1));
        limits.close_channels(1);
        assert_eq!(limits.open_channel(), Ok(()));
        limits.set(Some(0), Some(-5));
        assert_eq!(limits.open_channel(), Ok(()));
        assert_eq!(
            (limits.connections(), limits.channels()),
            (Some(0), Some(-5))
        );
        assert_eq!(limits.connections_most(), Some(0));
    }
}
