//! What a connection costs while it does nothing.

use super::Session;
use super::open::Open;
use crate::connection::channel::Channel;
use crate::connection::task::Task;
use crate::queue::mailbox::Mailbox;

/// Design target for an idle connection with a channel, in bytes, allocations and tables included.
const TARGET: usize = 10 * 1024;

#[test]
fn the_parts_of_an_idle_connection_are_small() {
    let parts = [
        ("task", size_of::<Task>()),
        ("session", size_of::<Session>()),
        ("open", size_of::<Open>()),
        ("mailbox", size_of::<Mailbox>()),
        ("channel", size_of::<Channel>()),
    ];
    println!("{parts:?}");
    // The session lies in the task.
    let all = parts.iter().map(|(_, bytes)| bytes).sum::<usize>() - size_of::<Session>();
    assert!(all < TARGET / 3, "{all} bytes: {parts:?}");
    assert!(size_of::<Channel>() < 512, "{parts:?}");
}
