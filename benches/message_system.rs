//! What a message costs by how it lies in memory, with the allocator of the system: `cargo bench --bench message_system`.
//! See `message.rs`.

#[path = "message/measure.rs"]
mod measure;

fn main() {
    measure::run("the system's allocator");
}
