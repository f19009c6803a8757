//! A disk in memory that fails as its seed and its test want: for tests of whatever is above [`Disk`], and for the simulator.
//!
//! Without orders it is a disk that never fails (a memory disk). A test may let the nth operation of a kind fail, bound the room,
//! flip bits, cut the power after the nth operation, and take what a [crash](FaultyDisk::crash) or a [kill](FaultyDisk::kill) leaves:
//!
//! * synced bytes of files whose names are synced are there; of bytes written since a file's last sync any part is (later ones
//!   without earlier ones, torn at any byte), and creations, renames and removals since the last `sync_names` are each kept or lost;
//! * after a failed sync, bytes may be on no disk although they are still read, and no later sync brings them there.
//!
//! The same seed and the same calls give the same disk. Not here: files being truncated, which the store never does.

mod image;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::sync::Arc;

use parking_lot::Mutex;

use self::image::Image;
use self::names::NameChange;
use super::disk::{Disk, File, Open};

/// Room of a disk that nobody has bounded.
const ROOMY: u64 = 1 << 40;
/// Files take room in steps of so many bytes.
const BLOCK: u64 = 4096;

/// SplitMix64: small, seeded, good enough for choices.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// Below `bound`; 0 when that is 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound as u64).max(1)) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Operations that can be told to fail, each counted on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening a file, also to create it.
    Open,
    /// Reading bytes.
    Read,
    /// Writing bytes; a part of them may have been written.
    Write,
    /// Syncing a file.
    Sync,
    /// Allocating room for a file.
    Allocate,
    /// Renaming or removing a file.
    Rename,
    /// Syncing the directory.
    SyncNames,
}

/// Operations `from..to` of one kind fail.
#[derive(Clone)]
struct Order {
    operation: Operation,
    from: u64,
    to: u64,
}

/// What has been done to a disk since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Files synced.
    pub syncs: u64,
    /// Operations in all that change the disk: what [`FaultyDisk::cut_power_after`] counts.
    pub changes: u64,
}

#[derive(Clone)]
struct State {
    random: Random,
    /// Files by name, as anybody sees them.
    names: BTreeMap<String, u64>,
    safe_names: BTreeMap<String, u64>,
    unsynced_names: Vec<NameChange>,
    images: HashMap<u64, Image>,
    /// Open handles of each file.
    open: HashMap<u64, usize>,
    next_file: u64,
    capacity: u64,
    orders: Vec<Order>,
    counts: [u64; 7],
    cut_at: Option<u64>,
    off: bool,
    lying: bool,
    work: Work,
    history: u64,
}

/// See the module. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    /// An empty disk that has no faults until it is told to. The seed decides what a crash leaves.
    pub fn seeded(seed: u64) -> Self {
        Self::with(State::fresh(Random(seed)))
    }

    fn with(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The same disk for [`Disk`]'s users.
    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// The power fails: this disk answers every call with an error from here on, and the one that is returned is what the next
    /// start finds.
    pub fn crash(&self) -> Self {
        let mut old = self.state.lock();
        let mut new = old.successor();
        let mut random = old.random.clone();
        let mut names = old.safe_names.clone();
        let kept = [0, 50, 90, 100][random.below(4)];
        // Changes of one name are made in order: without the first there is no second.
        let mut lost: Vec<&String> = Vec::new();
        for change in &old.unsynced_names {
            if random.chance(kept) && !change.names().any(|name| lost.contains(&name)) {
                change.apply(&mut names);
            } else {
                lost.extend(change.names());
            }
        }
        let mut files: Vec<u64> = names.values().copied().collect();
        files.sort_unstable();
        files.dedup();
        new.images = files
            .into_iter()
            .map(|file| (file, old.images[&file].crash(&mut random)))
            .collect();
        new.safe_names = names.clone();
        new.names = names;
        new.random = Random(random.next());
        old.off = true;
        Self::with(new)
    }

    /// The process is killed: all that was written is still there, though not any safer than before; what a failed sync has lost is
    /// not shown any more. The old disk answers every call with an error from here on.
    pub fn kill(&self) -> Self {
        let mut old = self.state.lock();
        let mut new = old.successor();
        new.images = old.images.clone();
        new.images.values_mut().for_each(Image::show_what_is);
        new.names = old.names.clone();
        new.safe_names = old.safe_names.clone();
        new.unsynced_names = old.unsynced_names.clone();
        new.random = Random(old.random.clone().next());
        old.off = true;
        Self::with(new)
    }

    /// After `skip` more operations of this kind, the following `count` fail with an input/output error.
    pub fn fail(&self, operation: Operation, skip: u64, count: u64) {
        let mut state = self.state.lock();
        let from = state.counts[operation as usize] + skip;
        state.orders.push(Order {
            operation,
            from,
            to: from.saturating_add(count),
        });
    }

    /// From here on syncs of files only say that they have, to see whether a test notices.
    pub fn lie(&self) {
        self.state.lock().lying = true;
    }

    /// No operation fails any more, the room is not bounded, and the power stays on if it is.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.orders.clear();
        state.capacity = ROOMY;
        state.cut_at = None;
    }

    /// The power fails in the middle of the `changes`th change from now on ([`Work::changes`]); 0 is the next one. What is done
    /// afterwards fails and leaves no trace; [`crash`](Self::crash) gives what is left.
    pub fn cut_power_after(&self, changes: u64) {
        let mut state = self.state.lock();
        state.cut_at = Some(state.work.changes + changes);
    }

    /// Whether the power has failed.
    pub fn is_off(&self) -> bool {
        self.state.lock().off
    }

    /// Bounds the room for all files together; what is there already stays.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// Room that the files take.
    pub fn used_bytes(&self) -> u64 {
        self.state.lock().used()
    }

    /// What has been done to it.
    pub fn work(&self) -> Work {
        self.state.lock().work
    }

    /// Stands for all operations that changed it, in order: equal for two runs that did the same.
    pub fn history(&self) -> u64 {
        self.state.lock().history
    }

    /// Whether there is nothing that a power loss could take.
    pub fn is_synced(&self) -> bool {
        let state = self.state.lock();
        let mut files = state.names.values();
        state.unsynced_names.is_empty() && files.all(|file| state.images[file].is_synced())
    }

    /// Changes one bit of a file, on the disk and in what is read. Whether the file has that byte.
    pub fn flip(&self, name: &str, at: u64, bit: u8) -> bool {
        let mut state = self.state.lock();
        let Some(file) = state.names.get(name).copied() else {
            return false;
        };
        let Some(image) = state.images.get_mut(&file) else {
            return false;
        };
        image.flip(at, bit);
        at < image.seen.len()
    }

    /// A file's bytes.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        let image = &state.images[state.names.get(name)?];
        let mut bytes = vec![0; image.seen.len() as usize];
        image.seen.read(&mut bytes, 0);
        Some(bytes)
    }

    /// Puts a whole file on the disk, synced, in place of one that may be there.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state.lock();
        let file = state.new_file();
        if let Some(image) = state.images.get_mut(&file) {
            image.write(bytes.to_vec(), 0);
            image.sync();
        }
        state.names.insert(name.to_owned(), file);
        state.safe_names.insert(name.to_owned(), file);
    }
}

impl State {
    /// An empty disk.
    fn fresh(random: Random) -> Self {
        Self {
            random,
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            images: HashMap::new(),
            open: HashMap::new(),
            next_file: 1,
            capacity: ROOMY,
            orders: Vec::new(),
            counts: [0; 7],
            cut_at: None,
            off: false,
            lying: false,
            work: Work::default(),
            history: 0,
        }
    }

    /// The same disk in another life: no orders, nothing open.
    fn successor(&self) -> Self {
        Self {
            next_file: self.next_file,
            capacity: self.capacity,
            lying: self.lying,
            history: self.history,
            ..Self::fresh(self.random.clone())
        }
    }

    fn new_file(&mut self) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        self.images.insert(file, Image::default());
        file
    }

    fn used(&self) -> u64 {
        let linked = self.names.values();
        let removed = self.open.keys().filter(|file| !self.is_linked(**file));
        linked
            .chain(removed)
            .map(|file| self.images[file].seen.len().next_multiple_of(BLOCK))
            .sum()
    }

    fn is_linked(&self, file: u64) -> bool {
        self.names.values().any(|linked| *linked == file)
    }

    fn note(&mut self, operation: Operation, file: u64, at: u64, bytes: u64) {
        for value in [operation as u64, file, at, bytes] {
            self.history = mixed(self.history.rotate_left(7) ^ value);
        }
    }

    fn powered(&self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    /// Counts an operation and says whether it may go on.
    fn begin(&mut self, operation: Operation) -> io::Result<()> {
        self.powered()?;
        let now = self.counts[operation as usize];
        self.counts[operation as usize] += 1;
        let fails = self
            .orders
            .iter()
            .any(|order| order.operation == operation && (order.from..order.to).contains(&now));
        if fails {
            // EIO, as a real disk answers.
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(())
    }

    /// Counts a change; the power may fail while it is made.
    fn change(&mut self) {
        self.off = self.cut_at.is_some_and(|cut| self.work.changes >= cut);
        self.work.changes += 1;
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        let file = self.names.get(name).copied();
        file.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn rename(&mut self, from: &str, to: Option<&str>) -> io::Result<()> {
        self.begin(Operation::Rename)?;
        let file = self.find(from)?;
        self.change();
        self.note(Operation::Rename, file, u64::from(to.is_some()), 0);
        let change = match to {
            Some(to) => NameChange::Rename(from.to_owned(), to.to_owned(), file),
            None => NameChange::Remove(from.to_owned(), file),
        };
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
        self.powered()
    }

    /// Room for growing a file to `len`.
    fn room(&self, file: u64, len: u64) -> u64 {
        let others = self.used() - self.images[&file].seen.len().next_multiple_of(BLOCK);
        let room = self.capacity.saturating_sub(others) / BLOCK * BLOCK;
        len.min(room.max(self.images[&file].seen.len()))
    }
}

/// An open file.
struct Handle {
    disk: FaultyDisk,
    file: u64,
    writable: bool,
}

impl Handle {
    fn image<'a>(&self, state: &'a mut State) -> &'a mut Image {
        let image = state.images.get_mut(&self.file);
        image.expect("an image stays while the file has a name or a handle")
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(libc::EBADF))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        let left = state.open.get_mut(&self.file).map_or(0, |open| {
            *open -= 1;
            *open
        });
        if left == 0 {
            state.open.remove(&self.file);
        }
    }
}

impl Disk for FaultyDisk {
    fn open(&self, name: &str, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.state.lock();
        state.begin(Operation::Open)?;
        let file = match how {
            Open::Read | Open::Write => state.find(name)?,
            Open::Create => {
                if state.names.contains_key(name) {
                    return Err(io::Error::from_raw_os_error(libc::EEXIST));
                }
                state.change();
                let file = state.new_file();
                state.note(Operation::Open, file, 0, 0);
                let change = NameChange::Create(name.to_owned(), file);
                change.apply(&mut state.names);
                state.unsynced_names.push(change);
                state.powered()?;
                file
            }
        };
        *state.open.entry(file).or_default() += 1;
        drop(state);
        Ok(Arc::new(Handle {
            disk: self.clone(),
            file,
            writable: how != Open::Read,
        }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state.lock();
        state.begin(Operation::Open)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state.lock().rename(name, None)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state.lock().rename(from, Some(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.begin(Operation::SyncNames)?;
        state.change();
        state.note(Operation::SyncNames, 0, 0, 0);
        state.powered()?;
        state.safe_names = state.names.clone();
        state.unsynced_names.clear();
        let State {
            images,
            names,
            open,
            ..
        } = &mut *state;
        images.retain(|file, _| open.contains_key(file) || names.values().any(|one| one == file));
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state.lock();
        state.powered()?;
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn shown(&self, name: &str) -> String {
        format!("(simulated)/{name}")
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        state.begin(Operation::Read)?;
        let count = self.image(&mut state).seen.read(buffer, at);
        state.work.read_bytes += count as u64;
        Ok(count)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state.lock();
        let mut answer = state.begin(Operation::Write);
        if state.off {
            return answer;
        }
        let mut bytes = slices.iter().fold(Vec::new(), |mut bytes, slice| {
            bytes.extend_from_slice(slice);
            bytes
        });
        state.change();
        if answer.is_err() && state.random.chance(50) {
            let part = state.random.below(bytes.len());
            bytes.truncate(part);
        } else if answer.is_err() {
            bytes.clear();
        }
        let room = state
            .room(self.file, at + bytes.len() as u64)
            .saturating_sub(at);
        if room < bytes.len() as u64 {
            bytes.truncate(room as usize);
            answer = answer.and(Err(io::Error::from_raw_os_error(libc::ENOSPC)));
        }
        state.note(Operation::Write, self.file, at, bytes.len() as u64);
        state.work.written_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            self.image(&mut state).write(bytes, at);
        }
        state.powered().and(answer)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let answer = state.begin(Operation::Sync);
        if state.off {
            return answer;
        }
        state.change();
        state.note(Operation::Sync, self.file, 0, 0);
        state.powered()?;
        if answer.is_err() {
            let mut random = state.random.clone();
            self.image(&mut state).sync_failed(&mut random);
            state.random = random;
            return answer;
        }
        state.work.syncs += 1;
        if !state.lying {
            self.image(&mut state).sync();
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.powered()?;
        Ok(self.image(&mut state).seen.len())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state.lock();
        state.begin(Operation::Allocate)?;
        state.change();
        state.note(Operation::Allocate, self.file, bytes, 0);
        if state.room(self.file, bytes) < bytes {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.image(&mut state).grow(bytes);
        state.powered()
    }
}

#[cfg(test)]
mod tests;
