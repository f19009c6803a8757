//! Which published messages the broker has not yet confirmed, and how long the confirmed ones took. Pure; a producer calls it.
//!
//! A ring of send times by delivery tag: an entry of 0 is settled. RabbitMQ confirms out of order, so single confirms mark
//! their entry and the low end moves up over marked ones.

/// Unconfirmed messages of one channel, at most `window` of them.
#[derive(Debug)]
pub struct Confirms {
    sent_ns: Vec<u64>,
    mask: u64,
    window: u64,
    /// Delivery tag of the oldest message that may be unconfirmed.
    low: u64,
    /// Delivery tag of the next message.
    next: u64,
    outstanding: u64,
}

impl Confirms {
    /// `window`: 1 or more.
    pub fn new(window: u64) -> Confirms {
        // Twice the window: one late confirm must not stop the publisher at once.
        let slots = (window.max(1) * 2).next_power_of_two();
        Confirms {
            sent_ns: vec![0; slots as usize],
            mask: slots - 1,
            window: window.max(1),
            low: 1,
            next: 1,
            outstanding: 0,
        }
    }

    /// Messages that may be published now.
    pub fn room(&self) -> u64 {
        let ring = self.mask + 1 - (self.next - self.low);
        (self.window - self.outstanding).min(ring)
    }

    /// `count` messages leave at `now_ns` (never 0); at most [`Self::room`] of them.
    pub fn sent(&mut self, count: u64, now_ns: u64) {
        debug_assert!(count <= self.room());
        for tag in self.next..self.next + count {
            self.sent_ns[(tag & self.mask) as usize] = now_ns.max(1);
        }
        self.next += count;
        self.outstanding += count;
    }

    /// The broker settled `tag` (and all before it when `multiple`; tag 0 then means all). Calls `each` with the send time of
    /// every message settled by this, and returns how many there were.
    pub fn settle(&mut self, tag: u64, multiple: bool, mut each: impl FnMut(u64)) -> u64 {
        let last = if multiple && tag == 0 {
            self.next - 1
        } else {
            tag
        };
        let first = if multiple { self.low } else { last };
        if last >= self.next || first < self.low {
            return 0; // Unknown or settled before.
        }
        let mut settled = 0;
        for tag in first..=last {
            let slot = &mut self.sent_ns[(tag & self.mask) as usize];
            if *slot != 0 {
                each(*slot);
                *slot = 0;
                settled += 1;
            }
        }
        self.outstanding -= settled;
        while self.low < self.next && self.sent_ns[(self.low & self.mask) as usize] == 0 {
            self.low += 1;
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_and_opens_with_confirms() {
        let mut confirms = Confirms::new(10);
        confirms.sent(10, 1);
        assert_eq!(confirms.room(), 0);
        assert_eq!(confirms.settle(4, true, |_| ()), 4);
        assert_eq!(confirms.room(), 4);
        assert_eq!(confirms.settle(0, true, |_| ()), 6);
        assert_eq!(confirms.room(), 10);
    }

    #[test]
    fn single_confirms_out_of_order_are_not_counted_twice() {
        let mut confirms = Confirms::new(4);
        confirms.sent(2, 7);
        confirms.sent(2, 9);
        let mut times = Vec::new();
        assert_eq!(confirms.settle(3, false, |at| times.push(at)), 1);
        assert_eq!(confirms.settle(3, false, |_| ()), 0);
        assert_eq!(confirms.settle(4, true, |at| times.push(at)), 3);
        assert_eq!(times, [9, 7, 7, 9]);
        assert_eq!(confirms.settle(99, false, |_| ()), 0);
        assert_eq!(confirms.settle(1, true, |_| ()), 0);
    }

    #[test]
    fn one_late_confirm_stops_the_publisher_only_at_the_end_of_the_ring() {
        let mut confirms = Confirms::new(4);
        confirms.sent(4, 1);
        for tag in 2..=8 {
            confirms.settle(tag, false, |_| ());
            if confirms.room() > 0 {
                confirms.sent(1, 1);
            }
        }
        assert_eq!(confirms.room(), 0, "tag 1 holds the ring");
        confirms.settle(1, false, |_| ());
        assert!(confirms.room() > 0);
    }
}
