//! Single active consumer: who of a queue's consumers is the one that gets its messages.
//!
//! The active one stays until it goes; then the one of highest priority takes over, and of equals the one that came first. Quorum
//! queues prefer a higher priority at once, as RabbitMQ 4: the active consumer gets nothing more, and is replaced when all that it
//! has is settled. Classic queues never do that.

/// A consumer as far as the choice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The queue's number for it: who came later has a higher one.
    pub number: u32,
    /// `x-priority`.
    pub priority: i64,
    /// Its unsettled deliveries.
    pub unacked: u32,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The active one goes on; so does nobody where nobody is.
    Keep,
    /// This one is active from now on.
    Activate(u32),
    /// The active one gets nothing more: when it has settled what it has, another takes over.
    Fade,
}

/// Chooses among all consumers; `active` is the number of the one that is active, if it is still among them.
pub fn choose(active: u32, all: impl Iterator<Item = Candidate>, preempts: bool) -> Choice {
    let mut now = None;
    let mut best: Option<Candidate> = None;
    for one in all {
        if one.number == active {
            now = Some(one);
        }
        let is_better = |best: Candidate| {
            one.priority > best.priority
                || (one.priority == best.priority && one.number < best.number)
        };
        if best.is_none_or(is_better) {
            best = Some(one);
        }
    }
    match (now, best) {
        (_, None) => Choice::Keep,
        (None, Some(best)) => Choice::Activate(best.number),
        (Some(now), Some(best)) if !preempts || best.priority <= now.priority => Choice::Keep,
        (Some(now), Some(best)) if now.unacked == 0 => Choice::Activate(best.number),
        _ => Choice::Fade,
    }
}

/// Chooses for a partition of a stream: its consumers have one partition after the other, in the order in which they came. Whoever
/// has it loses it once all that he has is settled.
pub fn choose_in_turn(
    active: u32,
    all: impl Iterator<Item = Candidate> + Clone,
    partition: u16,
) -> Choice {
    let count = all.clone().count();
    let Some(wanted) = all.clone().nth(usize::from(partition) % count.max(1)) else {
        return Choice::Keep;
    };
    let mut all = all;
    match all.find(|one| one.number == active) {
        None => Choice::Activate(wanted.number),
        Some(now) if now.number == wanted.number => Choice::Keep,
        Some(now) if now.unacked == 0 => Choice::Activate(wanted.number),
        Some(_) => Choice::Fade,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: u32, priority: i64, unacked: u32) -> Candidate {
        Candidate {
            number,
            priority,
            unacked,
        }
    }

    #[test]
    fn the_first_of_the_highest_takes_over() {
        let all = [one(3, 0, 0), one(5, 1, 0), one(4, 1, 0)];
        assert_eq!(choose(0, all.into_iter(), false), Choice::Activate(4));
        assert_eq!(choose(2, all.into_iter(), true), Choice::Activate(4));
        assert_eq!(choose(2, [].into_iter(), true), Choice::Keep);
    }

    #[test]
    fn only_who_preempts_replaces_an_active_one() {
        let all = [one(1, 0, 2), one(2, 9, 0)];
        assert_eq!(choose(1, all.into_iter(), false), Choice::Keep);
        assert_eq!(choose(1, all.into_iter(), true), Choice::Fade);
        let idle = [one(1, 0, 0), one(2, 9, 0)];
        assert_eq!(choose(1, idle.into_iter(), true), Choice::Activate(2));
        let equal = [one(1, 9, 0), one(2, 9, 0)];
        assert_eq!(choose(1, equal.into_iter(), true), Choice::Keep);
    }
}
