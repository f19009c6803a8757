//! What the disk has: the newest checkpoint, and the journal behind it.
//!
//! Blocks are read from the checkpoint's position on, through the files in order, and replayed into ledgers and definitions. The
//! first block that does not check ends that. If anything on disk says that it had been synced (a later block, a file header, the
//! checkpoint), it is damage and the start is refused, or with `salvage` it is passed over and said; else it is the torn tail, and it
//! and all behind it is cut: the next file begins there. Nothing is written here, so that a crash in between changes nothing; but what
//! was replayed is synced, since after a kill it may be with the system only. What it takes depends on the journal since the
//! checkpoint, not on the backlog. [`recover`] is called once at the start, [`look`] by inspect.

mod scan;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::scan::{Found, Sources};
pub use self::state::Knowledge;
use self::state::State;
use super::block::{ALIGN, NUMBER_MAX};
use super::checkpoint::{self, Checkpoint};
use super::disk::Disk;
use super::error::StoreError;
use super::files;
use super::journal::Opening;
use super::ledger::Ledger;
use super::record::{self, Kind};

/// Position of the first block of all: no body has position 0.
pub const FIRST_POSITION: u64 = 8;

/// What was found.
pub struct Recovered {
    /// Where the journal goes on.
    pub opening: Opening,
    /// Kind and key to value.
    pub definitions: BTreeMap<(Kind, Vec<u8>), Vec<u8>>,
    /// By queue id; queues without messages on disk included.
    pub queues: HashMap<u64, Ledger>,
    /// By queue id: ids by which it knows duplicates.
    pub seen: HashMap<u64, Knowledge>,
    /// Higher than every id on disk.
    pub next_id: u64,
    /// The last run ended with a clean stop.
    pub clean: bool,
    /// Number of the newest checkpoint; 0 when there is none.
    pub checkpoint: u64,
    /// Position from which on the journal was replayed.
    pub start: u64,
    /// Files that hold nothing any more: superseded, or never finished.
    pub garbage: Vec<String>,
    /// What an operator should know: what was cut, what was dropped.
    pub report: Vec<String>,
}

/// Reads the disk. With `salvage` damage costs what it hit, instead of the start; then a checkpoint should be made soon, since the
/// damage is met again by every start before that.
pub fn recover(disk: &Arc<dyn Disk>, salvage: bool) -> Result<Recovered, StoreError> {
    read(disk.as_ref(), salvage, true)
}

/// Reads the disk without syncing anything: to show what is there.
pub fn look(disk: &dyn Disk, salvage: bool) -> Result<Recovered, StoreError> {
    read(disk, salvage, false)
}

/// The id in front of a queue's definition; 0 where there is none.
pub fn queue_id(value: &[u8]) -> u64 {
    state::queue_id(value)
}

fn read(disk: &dyn Disk, salvage: bool, sync: bool) -> Result<Recovered, StoreError> {
    let names = disk
        .list()
        .map_err(|error| StoreError::io("cannot list", &disk.shown(""), error))?;
    let mut sources = Sources::find(disk, &names, salvage)?;
    let newest = newest_checkpoint(&mut sources, &names, salvage)?;
    let number = newest.as_ref().map_or(0, |checkpoint| checkpoint.number);
    let start = start(newest.as_ref(), &mut sources, salvage)?;
    // The table comes first: what is replayed takes leases on it.
    let mut state = State::new(sources.table(), salvage);
    let mut replayed = Replayed {
        position: start,
        next_append: 1,
        clean: true,
    };
    if let Some(checkpoint) = newest {
        replayed.clean = checkpoint.clean;
        replayed.next_append = checkpoint.from_append.max(1);
        let shown = disk.shown(&checkpoint::name(number));
        let durable = checkpoint.durable;
        state.begin(checkpoint, &shown)?;
        // It was not written before all that it refers to was on disk. Nothing new may be put there.
        if state.reach > durable && !salvage {
            let what = "the checkpoint refers to what it does not know to be on disk";
            return Err(StoreError::damage(what, &shown, 0));
        }
        sources.durable = sources.durable.max(state.reach);
    }
    replay(&mut sources, &mut state, &mut replayed, salvage)?;
    if sync {
        sources.sync(replayed.position)?;
        set_aside(&mut sources);
    }
    let highest = names.iter().filter_map(|name| files::number(name)).max();
    let predecessor = sources
        .at(replayed.position)
        .map_or(0, |(source, _)| source.header.number);
    // Salvage goes on behind everything that was ever there.
    let known = if salvage { sources.durable } else { 0 };
    let cut = replayed
        .position
        .max(known)
        .max(FIRST_POSITION)
        .checked_next_multiple_of(ALIGN)
        .filter(|cut| *cut <= NUMBER_MAX)
        .ok_or_else(|| StoreError::new("the journal has no room for more positions"))?;
    let seen = state.seen();
    let queues = state.ledgers();
    state.files.cut(cut);
    let Sources {
        list,
        mut garbage,
        mut report,
        ..
    } = sources;
    // What lies behind the cut whole is void; salvage leaves it to be looked at.
    let void = list.into_iter().filter(|source| source.header.base >= cut);
    garbage.extend(void.filter(|_| !salvage).map(|source| source.name));
    if state.missing > 0 {
        report.push(format!(
            "dropped {} messages that lay in files that are missing",
            state.missing
        ));
    }
    Ok(Recovered {
        opening: Opening {
            files: state.files,
            position: cut,
            // Salvage may have dropped the blocks that a checkpoint's ledgers knew already.
            next_append: replayed.next_append.max(state.as_of),
            next_number: highest.unwrap_or(0).min(NUMBER_MAX) + 1,
            predecessor,
        },
        definitions: state.definitions,
        queues,
        seen,
        next_id: state.next_id,
        clean: replayed.clean,
        checkpoint: number,
        start,
        garbage,
        report,
    })
}

/// Files that salvage went on without get other names, so that the next start is not refused because of them.
fn set_aside(sources: &mut Sources<'_>) {
    for name in std::mem::take(&mut sources.unreadable) {
        let aside = format!("{name}.unreadable");
        let done = sources.disk.rename(&name, &aside);
        sources
            .report
            .push(match done.and_then(|()| sources.disk.sync_names()) {
                Ok(()) => format!("{name} is kept as {aside}"),
                Err(error) => {
                    format!("cannot rename {name}: {error}; it stays in the way of the next start")
                }
            });
    }
}

fn newest_checkpoint(
    sources: &mut Sources<'_>,
    names: &[String],
    salvage: bool,
) -> Result<Option<Checkpoint>, StoreError> {
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| checkpoint::number(name))
        .collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut newest: Option<Checkpoint> = None;
    for number in numbers {
        if newest.is_some() {
            sources.garbage.push(checkpoint::name(number));
            continue;
        }
        match Checkpoint::read(sources.disk, number) {
            Ok(checkpoint) => newest = Some(checkpoint),
            Err(error) if salvage && (error.is_damage() || error.is_io()) => {
                let line = format!("{error}; going on without it");
                sources.report.push(line);
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(checkpoint) = &newest {
        sources.durable = sources.durable.max(checkpoint.durable);
    }
    Ok(newest)
}

/// Where replay starts.
fn start(
    newest: Option<&Checkpoint>,
    sources: &mut Sources<'_>,
    salvage: bool,
) -> Result<u64, StoreError> {
    if let Some(checkpoint) = newest {
        return Ok(checkpoint.position);
    }
    let Some(first) = sources.list.first() else {
        return Ok(FIRST_POSITION);
    };
    let start = first.header.base;
    if start > FIRST_POSITION {
        let damage = StoreError::damage(
            "the journal's beginning and its checkpoint are missing",
            &sources.disk.shown(&first.name),
            0,
        );
        if !salvage {
            return Err(damage);
        }
        sources
            .report
            .push(format!("{damage}; going on with what is left"));
    }
    Ok(start)
}

struct Replayed {
    /// Behind the last block.
    position: u64,
    next_append: u64,
    clean: bool,
}

fn replay(
    sources: &mut Sources<'_>,
    state: &mut State,
    replayed: &mut Replayed,
    salvage: bool,
) -> Result<(), StoreError> {
    loop {
        let position = replayed.position;
        if let Found::Block { head, meta } = sources.block(position)? {
            replayed.clean = false;
            sources.durable = sources.durable.max(head.durable);
            let mut rest = meta.as_slice();
            for append in 0..u64::from(head.appends) {
                let number = head.first_append.saturating_add(append);
                let applied = record::take_bytes(&mut rest)
                    .and_then(|records| state.append(number, records, head.end()));
                if applied.is_some() {
                    continue;
                }
                let (file, offset) = sources.place(position);
                let damage = StoreError::damage("a record cannot be read", &file, offset);
                if !salvage {
                    return Err(damage);
                }
                let line = format!("{damage}; dropped what is left of it");
                sources.report.push(line);
                break;
            }
            replayed.next_append = head.first_append.saturating_add(u64::from(head.appends));
            replayed.position = head.end();
            continue;
        }
        let (file, offset) = sources.place(position);
        let later = sources.next_sound(position)?;
        if sources.durable <= position {
            if later.is_some() {
                let line = format!("cut a torn tail: {file} at byte {offset}");
                sources.report.push(line);
            }
            return Ok(());
        }
        let damage = StoreError::damage(
            "the journal is damaged or a file of it is missing, though it had been written safely",
            &file,
            offset,
        );
        if !salvage {
            return Err(damage);
        }
        let Some(later) = later else {
            let line = format!("{damage}; dropped what is behind it");
            sources.report.push(line);
            return Ok(());
        };
        let line = format!(
            "{damage}; dropped {} bytes up to the next sound block",
            later - position
        );
        sources.report.push(line);
        replayed.position = later;
    }
}

#[cfg(test)]
mod tests;
