//! SIGTERM and SIGINT (Ctrl-C): both ask the broker to stop. `mod.rs` waits here.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that stop the broker, caught from the moment it is made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches both signals from now on. Needs a runtime.
    pub fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Signals {
            terminate,
            interrupt,
        })
    }

    /// Waits for the next of them and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
