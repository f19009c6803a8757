//! What is on its way to the peer: frames in one buffer, large bodies by reference between them.
//!
//! Encoders append to [`bytes`](Output::bytes); a large body is noted at its place and written vectored. The connection's task
//! writes [`slices`](Output::slices) and reports back with [`sent`](Output::sent). What stands behind a [`gate`](Output::gate) stays
//! until the journal has what it waits for: a declare-ok leaves once the definition is on disk, and everything after it keeps its
//! order. Knows no socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::message::Message;
use crate::store::{Due, Journal, Receipt};
use crate::wire::content::{body_room, write_content};
use crate::wire::frame;

/// Unsent bytes above which no more deliveries are encoded.
pub const HIGH_WATER_BYTES: usize = 256 * 1024;
/// Unsent bytes above which the socket is not read any more: replies could pile up without bound.
pub const CAP_BYTES: usize = 4 * 1024 * 1024;

/// A part of a body that belongs in front of `bytes[at]`.
struct Part {
    at: usize,
    message: Message,
    from: usize,
    to: usize,
}

/// See the module.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    parts: VecDeque<Part>,
    /// Bytes of `bytes` that are sent.
    sent: usize,
    /// Bytes sent since the beginning.
    total: u64,
    /// Body bytes in `parts` that are not sent.
    apart: usize,
    /// In the order of what stands behind them.
    gates: VecDeque<Gate>,
}

/// What stands from `bytes[at]` on waits for the receipt.
struct Gate {
    at: usize,
    receipt: Receipt,
    /// What stands behind it leaves even if the receipt is lost.
    yields: bool,
}

impl Output {
    /// Where frames are appended.
    #[inline]
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Unsent bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent + self.apart
    }

    /// Bytes sent since the beginning.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether everything is sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is appended from here on leaves when `receipt` is due.
    pub fn gate(&mut self, receipt: Receipt, journal: &Journal) {
        self.push_gate(receipt, false, journal);
    }

    /// What is appended from here on leaves when `receipt` is due, or will never be: a failing disk does not stop consumers.
    pub fn gate_if_can(&mut self, receipt: Receipt, journal: &Journal) {
        self.push_gate(receipt, true, journal);
    }

    fn push_gate(&mut self, receipt: Receipt, yields: bool, journal: &Journal) {
        if receipt != Receipt::NOTHING && journal.is_due(receipt) != Due::Yes {
            self.gates.push_back(Gate {
                at: self.bytes.len(),
                receipt,
                yields,
            });
        }
    }

    /// Opens the gates whose receipt is due; the answer is for the first that stays shut.
    pub fn open_gates(&mut self, journal: &Journal) -> Due {
        while let Some(gate) = self.gates.front() {
            match journal.is_due(gate.receipt) {
                Due::Yes => self.gates.pop_front(),
                Due::Lost if gate.yields => self.gates.pop_front(),
                other => return other,
            };
        }
        Due::Yes
    }

    /// Forgets what stands behind the first gate.
    pub fn drop_gated(&mut self) {
        if let Some(Gate { at, .. }) = self.gates.pop_front() {
            self.gates.clear();
            self.bytes.truncate(at);
            while let Some(part) = self.parts.pop_back_if(|part| part.at >= at) {
                self.apart -= part.to - part.from;
            }
        }
    }

    /// What the first shut gate waits for.
    pub fn awaits(&self) -> Option<Receipt> {
        self.gates.front().map(|gate| gate.receipt)
    }

    /// Whether there are bytes that may leave now.
    #[inline]
    pub fn is_sendable(&self) -> bool {
        // A part in front of a gate has a byte of its own between itself and the gate: the end octet of its frame.
        !self.is_empty() && self.gates.front().is_none_or(|gate| self.sent < gate.at)
    }

    /// Appends the content frames of a message.
    #[inline]
    pub fn content(&mut self, channel: u16, message: &Message, frame_max: u32) {
        message.write_content(&mut self.bytes, channel, frame_max);
        if message.is_large() {
            self.large_body(channel, message, frame_max);
        }
    }

    fn large_body(&mut self, channel: u16, message: &Message, frame_max: u32) {
        let room = body_room(frame_max);
        let mut from = 0;
        while from < message.body_len() {
            let to = message.body_len().min(from + room);
            self.bytes
                .extend_from_slice(&frame::head(frame::BODY, channel, (to - from) as u32));
            self.parts.push_back(Part {
                at: self.bytes.len(),
                message: message.clone(),
                from,
                to,
            });
            self.apart += to - from;
            self.bytes.push(frame::END);
            from = to;
        }
    }

    /// Appends content that is not a shared message.
    pub fn plain_content(&mut self, channel: u16, properties: &[u8], body: &[u8], frame_max: u32) {
        write_content(&mut self.bytes, channel, properties, body, frame_max);
    }

    /// The unsent bytes in order, up to the first shut gate, as far as `slices` has room.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut at = self.sent;
        let mut put = |slice: &'a [u8], count: &mut usize| {
            if !slice.is_empty() && *count < slices.len() {
                slices[*count] = IoSlice::new(slice);
                *count += 1;
            }
        };
        let end = self.gates.front().map_or(self.bytes.len(), |gate| gate.at);
        for part in &self.parts {
            if part.at > end {
                break;
            }
            put(&self.bytes[at..part.at], &mut count);
            put(&part.message.body()[part.from..part.to], &mut count);
            at = part.at;
        }
        put(&self.bytes[at..end], &mut count);
        count
    }

    /// The first `count` unsent bytes have been sent.
    pub fn sent(&mut self, mut count: usize) {
        self.total += count as u64;
        while let Some(part) = self.parts.front_mut() {
            let before = part.at - self.sent;
            if count < before {
                break;
            }
            count -= before;
            self.sent = part.at;
            let body = count.min(part.to - part.from);
            part.from += body;
            self.apart -= body;
            count -= body;
            if part.from < part.to {
                return;
            }
            self.parts.pop_front();
        }
        self.sent += count;
        if self.sent == self.bytes.len() && self.parts.is_empty() {
            for gate in &mut self.gates {
                gate.at = 0;
            }
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Moves what is left to the front, so that a slow peer's buffer does not grow by what it has read.
    pub fn compact(&mut self) {
        if self.sent > HIGH_WATER_BYTES {
            self.bytes.drain(..self.sent);
            for part in &mut self.parts {
                part.at -= self.sent;
            }
            for gate in &mut self.gates {
                gate.at -= self.sent;
            }
            self.sent = 0;
        }
    }

    /// Gives a buffer to encode into, when there is none.
    pub fn lend(&mut self, take: impl FnOnce() -> Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = take();
        }
    }

    /// Takes the buffer back once everything is sent.
    pub fn take_back(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.bytes.capacity() > 0).then(|| std::mem::take(&mut self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = output.slices(&mut slices);
            let joined: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .take(step)
                .collect();
            all.extend_from_slice(&joined);
            output.sent(joined.len());
        }
        all
    }

    #[test]
    fn large_bodies_leave_in_place_whatever_the_socket_takes() {
        let body: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let message = Message::new(b"x", b"key", &[0, 0], &body);
        let fill = |output: &mut Output| {
            output.bytes().extend_from_slice(b"before");
            output.content(7, &message, 30_000);
            output.bytes().extend_from_slice(b"between");
            output.content(8, &message, 0);
            output.bytes().extend_from_slice(b"after");
        };
        let mut whole = Output::default();
        fill(&mut whole);
        let expected = drain(&mut whole, usize::MAX);
        let mut plain = b"before".to_vec();
        write_content(&mut plain, 7, &[0, 0], &body, 30_000);
        plain.extend_from_slice(b"between");
        write_content(&mut plain, 8, &[0, 0], &body, 0);
        plain.extend_from_slice(b"after");
        assert!(expected == plain);
        for step in [1, 7, 4096, 99_999] {
            let mut output = Output::default();
            fill(&mut output);
            assert!(drain(&mut output, step) == plain, "step {step}");
            assert!(output.take_back().is_some());
        }
    }

    #[test]
    fn what_stands_behind_a_gate_leaves_when_its_receipt_is_due() {
        use crate::store::faulty::FaultyDisk;
        use crate::store::{Journal, Opening, Settings, Urgency};
        let disk = FaultyDisk::seeded(1).shared();
        let journal = Journal::open(disk, Opening::empty(), Settings::default()).unwrap();
        let receipt =
            |bytes: &[u8]| Receipt::of(journal.append(bytes, Urgency::Synced), Urgency::Synced);
        let message = Message::new(b"x", b"key", &[0, 0], &[7; 40_000]);
        let mut output = Output::default();
        output.bytes().extend_from_slice(b"before");
        output.content(1, &message, 0);
        let first = receipt(b"");
        output.gate(first, &journal);
        output.bytes().extend_from_slice(b"behind");
        output.content(2, &message, 0);
        output.gate(receipt(b""), &journal);
        output.bytes().extend_from_slice(b"last");
        let whole = output.len();
        let send = |output: &mut Output| {
            let mut all = Vec::new();
            while output.is_sendable() {
                let mut slices = [IoSlice::new(&[]); 4];
                let count = output.slices(&mut slices);
                let joined: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).collect();
                assert!(!joined.is_empty());
                output.sent(joined.len());
                all.extend(joined);
            }
            output.compact();
            all
        };
        let sent = send(&mut output);
        assert!(sent.starts_with(b"before") && sent.len() > 40_000);
        assert_eq!(output.open_gates(&journal), Due::No);
        assert_eq!(output.awaits(), Some(first));
        assert!(send(&mut output).is_empty() && output.len() == whole - sent.len());
        while journal.step(0) == crate::store::Wait::Work {}
        assert_eq!(output.open_gates(&journal), Due::Yes);
        let rest = send(&mut output);
        assert!(rest.starts_with(b"behind") && rest.ends_with(b"last"));
        assert_eq!(sent.len() + rest.len(), whole);
        // A gate behind which nothing stands yet, and everything before it is sent.
        output.bytes().extend_from_slice(b"one");
        output.gate(receipt(b""), &journal);
        assert_eq!(send(&mut output), b"one");
        output.bytes().extend_from_slice(b"two");
        assert!(!output.is_sendable() && output.len() == 3);
        output.drop_gated();
        assert!(output.is_empty() && output.awaits().is_none());
    }
}
