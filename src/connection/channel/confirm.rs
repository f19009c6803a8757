//! Publisher confirms: per channel a ring of receipts, from which coalesced acks are due.
//!
//! Messages are numbered from 1 at confirm.select. A flush notes which receipt the messages since the last one wait for; what
//! the journal calls due is acknowledged up to the highest number, in order, and what it could not write is nacked.

use std::collections::VecDeque;

use crate::connection::output::Output;
use crate::store::{Due, Journal, Receipt};
use crate::wire::method;

/// One channel in confirm mode.
struct Confirm {
    channel: u16,
    /// Number of the last message published.
    published: u64,
    /// Messages up to this one have their receipt in `ring`.
    noted: u64,
    /// Messages up to this one are acknowledged.
    acked: u64,
    /// (last number, receipt), in order of both.
    ring: VecDeque<(u64, Receipt)>,
}

/// The channels of a connection that are in confirm mode.
#[derive(Default)]
pub struct Confirms {
    channels: Vec<Confirm>,
    /// Index of the channel that published last.
    last: usize,
    unnoted: bool,
}

impl Confirms {
    /// A channel enters confirm mode; a second time changes nothing.
    pub fn select(&mut self, channel: u16) {
        if !self
            .channels
            .iter()
            .any(|confirm| confirm.channel == channel)
        {
            self.channels.push(Confirm {
                channel,
                published: 0,
                noted: 0,
                acked: 0,
                ring: VecDeque::new(),
            });
        }
    }

    /// The channel has closed.
    pub fn remove(&mut self, channel: u16) {
        self.channels.retain(|confirm| confirm.channel != channel);
        self.last = 0;
    }

    /// A channel in confirm mode has published a message.
    #[inline]
    pub fn published(&mut self, channel: u16) {
        if self
            .channels
            .get(self.last)
            .is_none_or(|confirm| confirm.channel != channel)
        {
            match self
                .channels
                .iter()
                .position(|confirm| confirm.channel == channel)
            {
                Some(index) => self.last = index,
                None => return,
            }
        }
        self.channels[self.last].published += 1;
        self.unnoted = true;
    }

    /// Whether messages wait for their receipt.
    #[inline]
    pub fn has_unnoted(&self) -> bool {
        self.unnoted
    }

    /// All messages published so far and not noted wait for `receipt`.
    pub fn note(&mut self, receipt: Receipt) {
        if !std::mem::take(&mut self.unnoted) {
            return;
        }
        for confirm in &mut self.channels {
            if confirm.published > confirm.noted {
                confirm.noted = confirm.published;
                match confirm.ring.back_mut() {
                    // What waits for no more than the one before it is due with it.
                    Some((upto, before)) if before.covers(receipt) => *upto = confirm.published,
                    _ => confirm.ring.push_back((confirm.published, receipt)),
                }
            }
        }
    }

    /// Answers what is due.
    pub fn acknowledge(&mut self, journal: &Journal, out: &mut Output) {
        for confirm in &mut self.channels {
            while let Some((_, receipt)) = confirm.ring.front() {
                let due = journal.is_due(*receipt);
                if due == Due::No {
                    break;
                }
                let mut upto = confirm.acked;
                while let Some((last, _)) = confirm
                    .ring
                    .front()
                    .filter(|(_, receipt)| journal.is_due(*receipt) == due)
                {
                    upto = *last;
                    confirm.ring.pop_front();
                }
                if upto == confirm.acked {
                    continue;
                }
                let multiple = upto - confirm.acked > 1;
                if due == Due::Yes {
                    method::write_ack(out.bytes(), confirm.channel, upto, multiple);
                } else {
                    method::write_nack(out.bytes(), confirm.channel, upto, multiple);
                }
                confirm.acked = upto;
            }
        }
    }

    /// What the oldest unconfirmed messages wait for.
    pub fn awaits(&self) -> impl Iterator<Item = Receipt> {
        self.channels
            .iter()
            .filter_map(|confirm| confirm.ring.front())
            .map(|(_, receipt)| *receipt)
    }
}
