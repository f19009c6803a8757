//! Ctrl-C and SIGTERM end a run early: what was measured so far is shown, and what was declared is deleted. A second one ends
//! the process at once.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::signal::unix::{SignalKind, signal};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Exit code after a second signal, as shells report SIGINT.
const EXIT_CODE: i32 = 130;

/// Somebody wants the run to end.
pub fn requested() -> bool {
    REQUESTED.load(Relaxed)
}

/// Listens from now on. Where that is not possible, signals end the process as ever.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let thread = std::thread::Builder::new().name("perf-signals".to_owned());
        // Without the thread nothing is lost but the early summary.
        let _ = thread.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(wait());
            }
        });
    });
}

async fn wait() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if REQUESTED.swap(true, Relaxed) {
            std::process::exit(EXIT_CODE);
        }
    }
}
