//! What users' programs do with streams, with lapin: partitions by key, groups, replay by time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_lite::stream::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::{shared, unique};

fn block_on<T>(program: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(program)
}

fn table(fields: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

async fn stream(channel: &Channel, more: &[(&str, AMQPValue)]) -> lapin::Result<String> {
    let name = unique("stream");
    let mut arguments = table(more);
    arguments.insert("x-queue-type".into(), text("stream"));
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .queue_declare(name.as_str().into(), options, arguments)
        .await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok(name)
}

/// The next messages, each acknowledged.
async fn read(name: &str, count: usize, arguments: FieldTable) -> lapin::Result<Vec<Delivery>> {
    let connection = Connection::connect(&shared().uri(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(20, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume(name.into(), "reader".into(), options, arguments)
        .await?;
    let mut got = Vec::new();
    while got.len() < count {
        let delivery = consumer.next().await.expect("a delivery")?;
        delivery.ack(BasicAckOptions::default()).await?;
        got.push(delivery);
    }
    connection.close(200, "done".into()).await?;
    Ok(got)
}

fn number(delivery: &Delivery) -> u32 {
    std::str::from_utf8(&delivery.data)
        .expect("text")
        .parse()
        .expect("a number")
}

#[test]
fn partitions_by_key_and_a_group_that_goes_on() -> lapin::Result<()> {
    block_on(async {
        let connection =
            Connection::connect(&shared().uri(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let partitions = [
            ("x-partitions", AMQPValue::LongInt(4)),
            ("x-partition-key", text("customer")),
        ];
        let name = stream(&channel, &partitions).await?;
        for number in 0..60u32 {
            let headers = table(&[("customer", text(&format!("c-{}", number % 7)))]);
            let properties = BasicProperties::default().with_headers(headers);
            channel
                .basic_publish(
                    "".into(),
                    name.as_str().into(),
                    BasicPublishOptions::default(),
                    number.to_string().as_bytes(),
                    properties,
                )
                .await?
                .await?;
        }
        let group = |first: bool| {
            let mut arguments = table(&[("x-stream-group", text("billing"))]);
            if first {
                arguments.insert("x-stream-offset".into(), text("first"));
            }
            arguments
        };
        let mut got = read(&name, 30, group(true)).await?;
        got.extend(read(&name, 30, group(false)).await?);
        let mut last = [None; 7];
        for delivery in &got {
            let number = number(delivery);
            let customer = (number % 7) as usize;
            assert!(last[customer] < Some(number), "in order of its key");
            last[customer] = Some(number);
        }
        assert_eq!(got.len(), 60);
        Ok(())
    })
}

#[test]
fn a_replay_by_time() -> lapin::Result<()> {
    block_on(async {
        let connection =
            Connection::connect(&shared().uri(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let name = stream(&channel, &[]).await?;
        let publish = async |numbers: std::ops::Range<u32>| {
            for number in numbers {
                channel
                    .basic_publish(
                        "".into(),
                        name.as_str().into(),
                        BasicPublishOptions::default(),
                        number.to_string().as_bytes(),
                        BasicProperties::default(),
                    )
                    .await?
                    .await?;
            }
            lapin::Result::Ok(())
        };
        publish(0..10).await?;
        // Timestamps are whole seconds: what comes next comes in another one.
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.expect("after 1970").as_secs()
        };
        let second = now() + 1;
        while now() < second {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        publish(10..20).await?;
        let since = table(&[("x-stream-offset", AMQPValue::Timestamp(second))]);
        let got = read(&name, 10, since).await?;
        assert_eq!(number(&got[0]), 10);
        let all = table(&[("x-stream-offset", text("first"))]);
        let got: Vec<u32> = read(&name, 20, all).await?.iter().map(number).collect();
        assert_eq!(got, (0..20).collect::<Vec<_>>());
        Ok(())
    })
}
