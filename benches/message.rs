//! What a message costs by how it lies in memory, with mimalloc, the allocator of the broker: `cargo bench --bench message`.
//! The measurement is in `message/measure.rs`; `message_system.rs` repeats it with the allocator of the system.

#[path = "message/measure.rs"]
mod measure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    measure::run("mimalloc");
}
