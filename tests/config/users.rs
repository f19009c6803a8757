//! Users and virtual hosts of the configuration, as clients meet them.

use lapin::{Connection, ConnectionProperties};

use crate::support::{Running, home, leveret, write};

/// Whether this user may open this virtual host. `%2F` is `/`.
fn opens(address: &str, login: &str, vhost: &str) -> bool {
    let uri = format!("amqp://{login}@{address}/{vhost}?heartbeat=0");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match Connection::connect(&uri, ConnectionProperties::default()).await {
            Ok(connection) => connection.close(200, "good".into()).await.is_ok(),
            Err(_) => false,
        }
    })
}

#[test]
fn guest_opens_the_default_vhost_of_a_broker_that_was_told_nothing() {
    let home = home();
    let listener = "listeners.tcp.default=127.0.0.1:0";
    let mut running = Running::start(leveret(home.path()).args(["--set", listener]));
    let address = running.addresses(1).remove(0);
    assert!(opens(&address, "guest:guest", "%2F"));
    assert!(!opens(&address, "guest:wrong", "%2F"));
    assert!(!opens(&address, "guest:guest", "other"));
}

#[test]
fn the_docker_images_variables_make_the_default_user() {
    let home = home();
    let mut command = leveret(home.path());
    command
        .env("RABBITMQ_DEFAULT_USER", "alice")
        .env("RABBITMQ_DEFAULT_PASS", "s$(cret)")
        .env("RABBITMQ_DEFAULT_VHOST", "shop")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", "0");
    let mut running = Running::start(&mut command);
    let address = running.addresses(1).remove(0);
    assert!(opens(&address, "alice:s%24%28cret%29", "shop"));
    assert!(!opens(&address, "alice:s%24%28cret%29", "%2F"));
    assert!(!opens(&address, "guest:guest", "shop"));
}

#[test]
fn further_users_have_their_permissions() {
    let home = home();
    let text = "listeners.tcp.1 = 127.0.0.1:0\n\
        default_users.bob.password = 'b#b'\n\
        default_users.eve.password = e\n\
        default_users.eve.vhost_pattern = ^other\n";
    let path = write(home.path(), "rabbitmq.conf", text);
    let mut running = Running::start(leveret(home.path()).arg("--config").arg(path));
    let address = running.addresses(1).remove(0);
    assert!(opens(&address, "bob:b%23b", "%2F"));
    assert!(
        !opens(&address, "eve:e", "%2F"),
        "eve has no permission there"
    );
    assert!(opens(&address, "guest:guest", "%2F"));
}
