//! update-secret: for users in memory always fine (BEHAVIOURS 1.10).

use crate::support::{connection, shared};

#[test]
fn is_answered() {
    let mut peer = shared().channel();
    let update = connection::update_secret("new secret", "the old one expired");
    peer.ask(0, &update, &connection::update_secret_ok());
    peer.queue(1);
    peer.close();
}
