//! The locks of this room: parking_lot's, or shuttle's when a test explores the interleavings.

#[cfg(not(leveret_shuttle))]
pub use parking_lot::{Mutex, MutexGuard};

#[cfg(leveret_shuttle)]
pub use shuttle_lock::{Mutex, MutexGuard};

#[cfg(leveret_shuttle)]
mod shuttle_lock {
    //! shuttle's mutex in parking_lot's shape: no poisoning.
    pub use shuttle::sync::MutexGuard;

    /// See `parking_lot::Mutex`.
    #[derive(Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A new lock around `value`.
        pub fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }
        /// Locks; a panic of another holder is not ours to report.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }
}
