//! Heartbeats: when to send one, and when the peer counts as dead. Pure: time comes in, in milliseconds.
//!
//! As RabbitMQ: with a timeout of T, every T/2 a heartbeat is sent unless something was sent in between; every T it is looked
//! whether anything came, and after the second time in a row without a byte the peer is dead (2T to 3T after its last byte).

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Send a heartbeat.
    Send,
    /// The peer is dead.
    Dead,
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Heartbeat {
    timeout_ms: u64,
    next_send: u64,
    next_check: u64,
    sent: bool,
    received: bool,
    missed: u8,
}

/// Checks in a row without a byte that mean death.
const MISSED_MAX: u8 = 2;

impl Heartbeat {
    /// With the timeout that the client chose in tune-ok; 0 is no heartbeat at all.
    pub fn new(timeout_s: u16, now: u64) -> Self {
        let timeout_ms = u64::from(timeout_s) * 1000;
        Self {
            timeout_ms,
            next_send: now + timeout_ms / 2,
            next_check: now + timeout_ms,
            sent: false,
            received: true,
            missed: 0,
        }
    }

    /// Bytes were sent.
    #[inline]
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Bytes came.
    #[inline]
    pub fn received(&mut self) {
        self.received = true;
    }

    /// The connection does not read for now, so that silence says nothing about the peer.
    pub fn pause_receiving(&mut self, now: u64) {
        self.missed = 0;
        self.received = true;
        self.next_check = now + self.timeout_ms;
    }

    /// When to look again; `None` without heartbeats.
    pub fn deadline(&self) -> Option<u64> {
        (self.timeout_ms > 0).then(|| self.next_send.min(self.next_check))
    }

    /// What is due at `now`.
    pub fn tick(&mut self, now: u64) -> Due {
        if self.timeout_ms == 0 {
            return Due::Nothing;
        }
        if now >= self.next_check {
            self.next_check = now + self.timeout_ms;
            self.missed = if std::mem::take(&mut self.received) {
                0
            } else {
                self.missed + 1
            };
            if self.missed == MISSED_MAX {
                return Due::Dead;
            }
        }
        if now >= self.next_send {
            self.next_send = now + self.timeout_ms / 2;
            if !std::mem::take(&mut self.sent) {
                return Due::Send;
            }
        }
        Due::Nothing
    }

    /// Milliseconds after which a peer that takes no byte is given up.
    pub fn dead_time_ms(&self) -> u64 {
        const WITHOUT_HEARTBEATS: u64 = 180_000;
        if self.timeout_ms == 0 {
            WITHOUT_HEARTBEATS
        } else {
            3 * self.timeout_ms
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_sent_every_half_timeout_of_silence() {
        let mut heartbeat = Heartbeat::new(2, 0);
        let mut sent = 0;
        for now in (0..=10_000).step_by(100) {
            heartbeat.received();
            sent += usize::from(heartbeat.tick(now) == Due::Send);
        }
        assert_eq!(sent, 10);
    }

    #[test]
    fn sending_something_else_saves_the_heartbeat() {
        let mut heartbeat = Heartbeat::new(2, 0);
        for now in (0..=10_000).step_by(100) {
            heartbeat.received();
            heartbeat.sent();
            assert_eq!(heartbeat.tick(now), Due::Nothing);
        }
    }

    #[test]
    fn a_silent_peer_dies_between_two_and_three_timeouts() {
        let mut heartbeat = Heartbeat::new(2, 0);
        heartbeat.tick(1500);
        heartbeat.received();
        let dead = (1500..)
            .step_by(10)
            .find(|now| heartbeat.tick(*now) == Due::Dead);
        assert!(
            (1500 + 4000..=1500 + 6000).contains(&dead.unwrap()),
            "{dead:?}"
        );
    }

    #[test]
    fn without_a_timeout_nobody_dies() {
        let mut heartbeat = Heartbeat::new(0, 0);
        assert_eq!(heartbeat.tick(u64::MAX), Due::Nothing);
        assert_eq!(heartbeat.deadline(), None);
    }
}
