//! Asking connections how they are: their tasks alone know, and answer through a channel between two rounds.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::queue::figures::{Detail, Figures, Question};
use crate::queue::mailbox::{Control, Mailbox};

/// Longest wait for all answers together. A connection answers within a round, unless the machine has too much to do.
const PATIENCE: Duration = Duration::from_secs(2);

/// What those behind the mailboxes say, in no order. Whoever ends before is left out, and so is who takes too long.
pub fn all(mailboxes: impl Iterator<Item = Arc<Mailbox>>, detail: Detail) -> Vec<Figures> {
    let (answer, answers) = mpsc::channel();
    for mailbox in mailboxes {
        let answer = answer.clone();
        mailbox.control(Control::Describe(Question { detail, answer }));
    }
    drop(answer);
    let until = Instant::now() + PATIENCE;
    let left = || until.saturating_duration_since(Instant::now());
    let mut all = Vec::new();
    // The end comes when each question was answered or dropped.
    while let Ok(figures) = answers.recv_timeout(left()) {
        all.push(figures);
    }
    all
}

/// Until the connection has done all that it was told before, or has ended.
pub fn until_done(mailbox: &Arc<Mailbox>) {
    all(std::iter::once(Arc::clone(mailbox)), Detail::Totals);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_ends_is_not_waited_for() {
        let (ended, ends): (Arc<Mailbox>, Arc<Mailbox>) = Default::default();
        ended.close();
        let later = {
            let ends = Arc::clone(&ends);
            std::thread::spawn(move || {
                while ends.look(|_, controls, _| controls.is_empty()) {
                    std::thread::yield_now();
                }
                drop(ends.close());
            })
        };
        let begun = Instant::now();
        assert!(all([ended, ends].into_iter(), Detail::Totals).is_empty());
        assert!(begun.elapsed() < PATIENCE);
        later.join().unwrap();
    }
}
