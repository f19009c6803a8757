//! The memory watermark: publishers are blocked above it, and not for longer than needed.

use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use crate::support::{Running, home, leveret};

const BODY_BYTES: usize = 128 << 10;
const WATERMARK: &str = "vm_memory_high_watermark.absolute=100MiB";
/// So that the messages stay in memory.
const BUDGET: &str = "message_memory_budget=1GiB";

/// Freed memory once stayed with the allocator until the next allocation: a quiet broker whose large queue was deleted kept
/// its publishers blocked for ever.
#[test]
fn the_alarm_ends_when_the_queue_is_gone_though_nobody_does_anything() {
    let home = home();
    let listener = "listeners.tcp.default=127.0.0.1:0";
    let mut running = Running::start(
        leveret(home.path()).args(["--set", listener, "--set", WATERMARK, "--set", BUDGET]),
    );
    let uri = format!("amqp://guest:guest@{}/%2F", running.addresses(1).remove(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let connect = || async {
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await;
        let connection = connection.expect("connected");
        let channel = connection.create_channel().await.expect("a channel");
        (connection, channel)
    };
    let (publisher, other) = runtime.block_on(async {
        let (publisher, channel) = connect().await;
        let (other, deleter) = connect().await;
        let declared = deleter.queue_declare(
            "large".into(),
            QueueDeclareOptions::default(),
            FieldTable::default(),
        );
        declared.await.expect("declared");
        let body = vec![7; BODY_BYTES];
        let publishing = async {
            for _ in 0..4 * (100 << 20) / BODY_BYTES {
                let published = channel.basic_publish(
                    "".into(),
                    "large".into(),
                    BasicPublishOptions::default(),
                    &body,
                    BasicProperties::default(),
                );
                if published.await.is_err() {
                    break;
                }
            }
            // Blocked: nobody reads what is sent.
            std::future::pending::<()>().await;
        };
        let patience = tokio::time::sleep(std::time::Duration::from_secs(3));
        tokio::select! {
            () = publishing => {}
            () = patience => {}
        }
        let deleted = deleter.queue_delete("large".into(), QueueDeleteOptions::default());
        deleted.await.expect("deleted");
        (publisher, other)
    });
    let raised = running.wait_for("memory alarm: ");
    assert!(raised.is_some(), "{:#?}", running.seen());
    let over = running.wait_for("memory alarm is over");
    assert!(over.is_some(), "{:#?}", running.seen());
    drop((publisher, other));
}
