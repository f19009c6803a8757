//! Publisher confirms: per channel a ring of receipts, from which coalesced acks are due.
//!
//! Messages are numbered from 1 at confirm.select. A flush notes which receipt the messages since the last one wait for; what
//! the journal calls due is acknowledged up to the highest number, in order, and what it could not write is nacked.

use std::collections::VecDeque;

use crate::broker::publish::Refusal;
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
    /// In order of their numbers.
    ring: VecDeque<Waiting>,
}

/// What messages wait for.
struct Waiting {
    /// Number of the last of them.
    upto: u64,
    receipt: Receipt,
    /// A queue has refused it: it is nacked when its turn comes.
    refused: bool,
}

impl Waiting {
    fn due(&self, journal: &Journal) -> Due {
        if self.refused {
            Due::Lost
        } else {
            journal.is_due(self.receipt)
        }
    }
}

impl Confirm {
    /// Messages up to this one, and behind those noted so far, wait for the receipt.
    fn note(&mut self, upto: u64, receipt: Receipt) {
        if upto <= self.noted {
            return;
        }
        self.noted = upto;
        match self.ring.back_mut() {
            // What waits for no more than the one before it is due with it.
            Some(last) if !last.refused && last.receipt.covers(receipt) => last.upto = upto,
            _ => self.ring.push_back(Waiting {
                upto,
                receipt,
                refused: false,
            }),
        }
    }

    /// Some messages are refused; those between them wait for the receipt.
    #[cold]
    fn refuse(&mut self, refused: &[Refusal], receipt: Receipt) {
        let number =
            |low: u32| self.published - u64::from((self.published as u32).wrapping_sub(low));
        let own = refused.iter().filter(|one| one.channel == self.channel);
        let mut numbers: Vec<u64> = own.map(|one| number(one.confirm)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            self.note(number - 1, receipt);
            self.noted = number;
            match self.ring.back_mut() {
                Some(last) if last.refused => last.upto = number,
                _ => self.ring.push_back(Waiting {
                    upto: number,
                    receipt: Receipt::NOTHING,
                    refused: true,
                }),
            }
        }
    }
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

    /// A channel in confirm mode has published a message; returns the low half of its number.
    #[inline]
    pub fn published(&mut self, channel: u16) -> Option<u32> {
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
                None => return None,
            }
        }
        self.unnoted = true;
        let published = &mut self.channels[self.last].published;
        *published += 1;
        Some(*published as u32)
    }

    /// Messages of the channel that are not answered yet.
    pub fn unconfirmed(&self, channel: u16) -> u64 {
        let found = self.channels.iter().find(|one| one.channel == channel);
        found.map_or(0, |confirm| confirm.published - confirm.acked)
    }

    /// Whether messages wait for their receipt.
    #[inline]
    pub fn has_unnoted(&self) -> bool {
        self.unnoted
    }

    /// All messages published so far and not noted wait for `receipt`, but for those that were refused.
    pub fn note(&mut self, receipt: Receipt, refused: &[Refusal]) {
        if !std::mem::take(&mut self.unnoted) {
            return;
        }
        for confirm in &mut self.channels {
            if !refused.is_empty() {
                confirm.refuse(refused, receipt);
            }
            confirm.note(confirm.published, receipt);
        }
    }

    /// Answers what is due.
    pub fn acknowledge(&mut self, journal: &Journal, out: &mut Output) {
        for confirm in &mut self.channels {
            while let Some(first) = confirm.ring.front() {
                let due = first.due(journal);
                if due == Due::No {
                    break;
                }
                let mut upto = confirm.acked;
                while let Some(next) = confirm.ring.front().filter(|one| one.due(journal) == due) {
                    upto = next.upto;
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
            .map(|first| first.receipt)
    }
}
