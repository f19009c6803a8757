//! The locks of this room. In a file of its own so that a test can build the mailbox with shuttle's locks instead and explore
//! the interleavings (`tests/mailbox`).

pub use parking_lot::{Mutex, MutexGuard};
