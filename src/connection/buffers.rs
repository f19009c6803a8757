//! Buffers that a worker thread lends to whichever connection has a round, so that an idle connection holds none.

use std::cell::RefCell;

use crate::queue::mailbox::Delivery;

/// Bytes that one read takes at most: under load hundreds of frames a syscall, and still within the processor's cache.
pub const READ_BYTES: usize = 64 * 1024;
/// Buffers kept by a thread; a connection whose peer is slow keeps its own.
const SPARES_MAX: usize = 4;
/// A buffer that one connection has blown up is not kept.
const SPARE_BYTES_MAX: usize = 2 * 1024 * 1024;

thread_local! {
    static OUTPUTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static DELIVERIES: RefCell<Vec<Vec<Delivery>>> = const { RefCell::new(Vec::new()) };
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// An empty buffer to encode into.
pub fn take_output() -> Vec<u8> {
    OUTPUTS
        .with_borrow_mut(|spares| spares.pop())
        .unwrap_or_default()
}

/// Gives one back.
pub fn give_output(mut buffer: Vec<u8>) {
    if buffer.capacity() <= SPARE_BYTES_MAX {
        buffer.clear();
        OUTPUTS.with_borrow_mut(|spares| {
            if spares.len() < SPARES_MAX {
                spares.push(buffer);
            }
        });
    }
}

/// An empty vector for a mailbox to go on with.
pub fn take_deliveries() -> Vec<Delivery> {
    DELIVERIES
        .with_borrow_mut(|spares| spares.pop())
        .unwrap_or_default()
}

/// Gives one back, emptied.
pub fn give_deliveries(mut buffer: Vec<Delivery>) {
    buffer.clear();
    if buffer.capacity() > 0 {
        DELIVERIES.with_borrow_mut(|spares| {
            if spares.len() < SPARES_MAX {
                spares.push(buffer);
            }
        });
    }
}

/// Calls `read` with the thread's read buffer of [`READ_BYTES`].
pub fn with_read<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    READ.with_borrow_mut(|buffer| read(buffer))
}
