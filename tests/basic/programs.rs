//! What users' programs do, with lapin.

use futures_lite::stream::StreamExt;
use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};

use crate::support::{shared, unique};

fn block_on<T>(program: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(program)
}

async fn connect() -> lapin::Result<Connection> {
    Connection::connect(&shared().uri(), ConnectionProperties::default()).await
}

#[test]
fn a_work_queue_with_confirms_and_acks() -> lapin::Result<()> {
    block_on(async {
        let connection = connect().await?;
        let name = unique("work");
        let publisher = connection.create_channel().await?;
        publisher
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        publisher
            .queue_declare(name.as_str().into(), options, FieldTable::default())
            .await?;
        let worker = connection.create_channel().await?;
        worker.basic_qos(10, BasicQosOptions::default()).await?;
        let mut consumer = worker
            .basic_consume(
                name.as_str().into(),
                "worker".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        for number in 0..100u32 {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let confirm = publisher
                .basic_publish(
                    "".into(),
                    name.as_str().into(),
                    BasicPublishOptions::default(),
                    &number.to_be_bytes(),
                    properties,
                )
                .await?
                .await?;
            assert!(matches!(confirm, Confirmation::Ack(_)), "{confirm:?}");
        }
        for number in 0..100u32 {
            let delivery = consumer.next().await.expect("a delivery")?;
            assert_eq!(delivery.data, number.to_be_bytes());
            delivery.ack(BasicAckOptions::default()).await?;
        }
        let left = worker
            .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
            .await?;
        assert_eq!(left, 0);
        connection.close(200, "bye".into()).await
    })
}

#[test]
fn publish_and_subscribe() -> lapin::Result<()> {
    block_on(async {
        let connection = connect().await?;
        let channel = connection.create_channel().await?;
        let name = unique("logs");
        let options = ExchangeDeclareOptions {
            auto_delete: true,
            ..Default::default()
        };
        channel
            .exchange_declare(
                name.as_str().into(),
                lapin::ExchangeKind::Topic,
                options,
                FieldTable::default(),
            )
            .await?;
        let mut consumers = Vec::new();
        for pattern in ["#", "kern.*", "*.critical"] {
            let options = QueueDeclareOptions {
                exclusive: true,
                ..Default::default()
            };
            let queue = channel
                .queue_declare("".into(), options, FieldTable::default())
                .await?;
            let queue = queue.name().clone();
            channel
                .queue_bind(
                    queue.clone(),
                    name.as_str().into(),
                    pattern.into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            let options = BasicConsumeOptions {
                no_ack: true,
                ..Default::default()
            };
            consumers.push(
                channel
                    .basic_consume(queue, "".into(), options, FieldTable::default())
                    .await?,
            );
        }
        for key in ["kern.critical", "kern.info", "cron.critical"] {
            channel
                .basic_publish(
                    name.as_str().into(),
                    key.into(),
                    BasicPublishOptions::default(),
                    key.as_bytes(),
                    BasicProperties::default(),
                )
                .await?
                .await?;
        }
        let wants: [&[&str]; 3] = [
            &["kern.critical", "kern.info", "cron.critical"],
            &["kern.critical", "kern.info"],
            &["kern.critical", "cron.critical"],
        ];
        for (consumer, want) in consumers.iter_mut().zip(wants) {
            for key in want {
                let delivery = consumer.next().await.expect("a delivery")?;
                assert_eq!(delivery.data, key.as_bytes());
            }
        }
        connection.close(200, "bye".into()).await
    })
}

#[test]
fn a_channel_error_is_told_and_the_connection_goes_on() -> lapin::Result<()> {
    block_on(async {
        let connection = connect().await?;
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let missing = channel
            .queue_declare("missing".into(), options, FieldTable::default())
            .await;
        let error = missing.expect_err("there is no such queue").to_string();
        assert!(error.contains("no queue 'missing' in vhost '/'"), "{error}");
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        channel
            .queue_declare("".into(), options, FieldTable::default())
            .await?;
        Ok(())
    })
}

#[test]
fn an_unroutable_mandatory_message_is_returned() -> lapin::Result<()> {
    block_on(async {
        let connection = connect().await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let confirm = channel
            .basic_publish(
                "".into(),
                "no such queue".into(),
                options,
                b"lost and found",
                BasicProperties::default(),
            )
            .await?
            .await?;
        match confirm {
            Confirmation::Ack(Some(returned)) => {
                assert_eq!(returned.reply_code, 312);
                assert_eq!(returned.delivery.data, b"lost and found");
            }
            other => panic!("{other:?}"),
        }
        connection.close(200, "bye".into()).await
    })
}
