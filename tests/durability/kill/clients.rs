//! The load: programs with lapin that do what users' programs do until the broker is gone, and keep book of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    PublisherConfirm, Result,
};

use super::body::{self, Id, Random};
use super::book::{Book, Seen, Settled};

/// Exchange of the fanout; its queues are `fan-0` and so on.
pub const FANOUT: &str = "fan";
pub const FANOUT_QUEUES: u32 = 10;
/// Exchange of the queues that are declared for their own sake; each is bound by its name.
pub const DECLARED: &str = "declared";
/// Messages come, are rejected there and go to `dead`.
pub const DYING: &str = "dying";
pub const DEAD: &str = "dead";
/// Deleted and made anew, purged, filled.
pub const RECREATED: &str = "recreated";
/// Queues of one publisher and one consumer each.
pub const PLAIN: [&str; 4] = ["plain-0", "plain-1", "plain-2", "plain-3"];
/// Nobody consumes.
pub const BACKLOG: &str = "backlog";
/// Half of what is delivered is given back.
pub const RETURNED: &str = "returned";
/// Consumed and passed on in transactions.
pub const SOURCE: &str = "tx-source";
pub const TARGETS: [&str; 2] = ["tx-a", "tx-b"];

/// What a client needs.
#[derive(Clone)]
pub struct Client {
    pub uri: String,
    pub book: Arc<Mutex<Book>>,
    pub seed: u64,
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions {
        durable: true,
        ..Default::default()
    }
}

impl Client {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book
            .lock()
            .expect("no client panics while it keeps book")
    }

    pub async fn connect(&self) -> Result<Connection> {
        Connection::connect(&self.uri, ConnectionProperties::default()).await
    }

    /// Declares what all need; in later lives it is there already.
    pub async fn prepare(&self) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        let exchange = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        for (name, kind) in [
            (FANOUT, lapin::ExchangeKind::Fanout),
            (DECLARED, lapin::ExchangeKind::Direct),
        ] {
            channel
                .exchange_declare(name.into(), kind, exchange, FieldTable::default())
                .await?;
        }
        let mut dying = FieldTable::default();
        dying.insert(
            "x-dead-letter-exchange".into(),
            AMQPValue::LongString("".into()),
        );
        dying.insert(
            "x-dead-letter-routing-key".into(),
            AMQPValue::LongString(DEAD.into()),
        );
        channel
            .queue_declare(DYING.into(), durable(), dying)
            .await?;
        for name in PLAIN
            .iter()
            .chain(&TARGETS)
            .chain(&[DEAD, RECREATED, BACKLOG, RETURNED, SOURCE])
        {
            channel
                .queue_declare((*name).into(), durable(), FieldTable::default())
                .await?;
        }
        for number in 0..FANOUT_QUEUES {
            let name = format!("fan-{number}");
            channel
                .queue_declare(name.as_str().into(), durable(), FieldTable::default())
                .await?;
            let options = QueueBindOptions::default();
            let bound = channel.queue_bind(
                name.as_str().into(),
                FANOUT.into(),
                "".into(),
                options,
                FieldTable::default(),
            );
            bound.await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        channel: &Channel,
        (exchange, key): (&str, &str),
        id: Id,
        transient: bool,
    ) -> Result<PublisherConfirm> {
        let properties = BasicProperties::default()
            .with_delivery_mode(if transient { 1 } else { 2 })
            .with_message_id(body::name(id).into());
        let body = body::make(id);
        let options = BasicPublishOptions::default();
        channel
            .basic_publish(exchange.into(), key.into(), options, &body, properties)
            .await
    }

    /// Publishes with confirms as long as the broker lives, `window` unconfirmed at most.
    pub async fn publisher(
        self,
        exchange: &'static str,
        queues: Vec<String>,
        window: usize,
    ) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let mut random = Random(self.seed);
        let stream = self.book().new_stream();
        let mut open = VecDeque::new();
        for id in stream.. {
            let transient = random.once_in(20);
            for queue in &queues {
                self.book().publishing(queue, id, transient);
            }
            let key = if exchange.is_empty() {
                queues[0].as_str()
            } else {
                ""
            };
            open.push_back((
                id,
                self.send(&channel, (exchange, key), id, transient).await?,
            ));
            if open.len() >= window {
                let (id, confirm) = open.pop_front().expect("a full window");
                self.note(&queues, id, confirm.await?);
            }
            // A long backlog tells no more than a short one, but takes its time.
            if random.once_in(200) {
                tokio::time::sleep(std::time::Duration::from_millis(random.below(30))).await;
            }
        }
        Ok(())
    }

    fn note(&self, queues: &[String], id: Id, confirmation: Confirmation) {
        if confirmation.is_ack() {
            queues
                .iter()
                .for_each(|queue| self.book().confirmed(queue, id));
        } else {
            self.book().faults.push(format!(
                "{} was not confirmed: {confirmation:?}",
                body::name(id)
            ));
        }
    }

    async fn subscribe(
        &self,
        channel: &Channel,
        queue: &str,
        prefetch: u16,
    ) -> Result<(Consumer, u64)> {
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(queue.into(), "".into(), options, FieldTable::default())
            .await?;
        Ok((consumer, self.book().new_session()))
    }

    /// Keeps book of a delivery.
    fn seen(&self, queue: &str, session: u64, delivery: &Delivery) -> Option<Id> {
        let message_id = delivery
            .properties
            .message_id()
            .as_ref()
            .map(|id| id.as_str());
        self.book().delivered(&Seen {
            queue,
            body: &delivery.data,
            message_id,
            redelivered: delivery.redelivered,
            session,
        })
    }

    /// Consumes with acks, several at a time, and now and then asks whether they have arrived.
    pub async fn consumer(self, queue: String, prefetch: u16, at_a_time: usize) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        let (mut consumer, session) = self.subscribe(&channel, &queue, prefetch).await?;
        let (mut held, mut sent) = (Vec::new(), Vec::new());
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            let Some(id) = self.seen(&queue, session, &delivery) else {
                continue;
            };
            if queue != DEAD {
                self.book().in_order(&queue, session, id);
            }
            held.push(id);
            if held.len() >= at_a_time {
                held.iter().for_each(|id| self.book().settling(&queue, *id));
                delivery.ack(BasicAckOptions { multiple: true }).await?;
                sent.append(&mut held);
            }
            if sent.len() >= 50 {
                channel
                    .basic_qos(prefetch, BasicQosOptions::default())
                    .await?;
                self.book().settled(&queue, &sent);
                sent.clear();
            }
        }
        Ok(())
    }

    /// Rejects everything: it goes to the dead letters.
    pub async fn rejecter(self) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        let (mut consumer, session) = self.subscribe(&channel, DYING, 20).await?;
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            let Some(id) = self.seen(DYING, session, &delivery) else {
                continue;
            };
            self.book().dying(DYING, DEAD, id);
            delivery
                .reject(BasicRejectOptions { requeue: false })
                .await?;
        }
        Ok(())
    }

    /// Gives half of what it gets back, and acknowledges the other half.
    pub async fn returner(self) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        let mut random = Random(self.seed);
        let (mut consumer, session) = self.subscribe(&channel, RETURNED, 10).await?;
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            let Some(id) = self.seen(RETURNED, session, &delivery) else {
                continue;
            };
            if random.once_in(2) {
                self.book().giving_back(RETURNED, id);
                delivery
                    .nack(BasicNackOptions {
                        requeue: true,
                        multiple: false,
                    })
                    .await?;
            } else {
                self.book().settling(RETURNED, id);
                delivery.ack(BasicAckOptions::default()).await?;
            }
        }
        Ok(())
    }

    /// Passes messages on, each to two queues, in transactions of a few.
    pub async fn transactions(self) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        channel.tx_select().await?;
        let mut random = Random(self.seed);
        let mut id = self.book().new_stream();
        let (mut consumer, session) = self.subscribe(&channel, SOURCE, 50).await?;
        loop {
            let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
            for _ in 0..=random.below(5) {
                let Some(delivery) = consumer.next().await else {
                    return Ok(());
                };
                let delivery = delivery?;
                let Some(input) = self.seen(SOURCE, session, &delivery) else {
                    continue;
                };
                inputs.push((SOURCE.to_owned(), input));
                delivery.ack(BasicAckOptions::default()).await?;
                for target in TARGETS {
                    self.book().publishing(target, id, false);
                    self.send(&channel, ("", target), id, false).await?;
                    outputs.push((target.to_owned(), id));
                }
                id += 1;
            }
            let number = self.book().committing(inputs, outputs);
            channel.tx_commit().await?;
            self.book().committed(number);
        }
    }

    /// Fills a queue, then purges it or deletes it and makes it anew.
    pub async fn recreator(self) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let mut random = Random(self.seed);
        let queues = [RECREATED.to_owned()];
        loop {
            let stream = self.book().new_stream();
            let mut open = Vec::new();
            for id in stream..stream + random.below(40) {
                self.book().publishing(RECREATED, id, false);
                open.push((id, self.send(&channel, ("", RECREATED), id, false).await?));
            }
            for (id, confirm) in open {
                self.note(&queues, id, confirm.await?);
            }
            let life = self.book().life;
            self.book().emptied(RECREATED, Settled::Asked(life));
            if random.once_in(2) {
                channel
                    .queue_purge(RECREATED.into(), QueuePurgeOptions::default())
                    .await?;
                let now = std::time::Instant::now();
                self.book().emptied(RECREATED, Settled::Known(life, now));
            } else {
                channel
                    .queue_delete(RECREATED.into(), QueueDeleteOptions::default())
                    .await?;
                self.book().emptied(RECREATED, Settled::Firm);
                channel
                    .queue_declare(RECREATED.into(), durable(), FieldTable::default())
                    .await?;
            }
            tokio::time::sleep(std::time::Duration::from_millis(random.below(50))).await;
        }
    }

    /// Declares queues and binds them; deletes some of them.
    pub async fn declarer(self) -> Result<()> {
        let channel = self.connect().await?.create_channel().await?;
        let mut random = Random(self.seed);
        for number in 0..300 {
            let life = self.book().life;
            let name = format!("own-{life}-{number}");
            self.book().declared.insert(name.clone(), false);
            channel
                .queue_declare(name.as_str().into(), durable(), FieldTable::default())
                .await?;
            let options = QueueBindOptions::default();
            let key = name.as_str();
            channel
                .queue_bind(
                    key.into(),
                    DECLARED.into(),
                    key.into(),
                    options,
                    FieldTable::default(),
                )
                .await?;
            self.book().declared.insert(name, true);
            if random.once_in(3) {
                let names: Vec<String> = self.book().declared.keys().cloned().collect();
                let name = &names[random.below(names.len() as u64) as usize];
                self.book().declared.insert(name.clone(), false);
                channel
                    .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
                    .await?;
                self.book().declared.remove(name);
            }
            tokio::time::sleep(std::time::Duration::from_millis(random.below(10))).await;
        }
        Ok(())
    }

    /// Everything in a queue; acknowledged, or given back at the end.
    pub async fn empty(&self, queue: &str, acknowledge: bool) -> Result<()> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let ready = channel.queue_declare(
            queue.into(),
            QueueDeclareOptions {
                passive: true,
                ..durable()
            },
            FieldTable::default(),
        );
        let ready = ready.await?.message_count();
        let (mut consumer, session) = self.subscribe(&channel, queue, 0).await?;
        for number in 0..ready {
            let patience = std::time::Duration::from_secs(20);
            let Ok(Some(delivery)) = tokio::time::timeout(patience, consumer.next()).await else {
                let text = format!("{queue}: {ready} messages, but only {number} of them come");
                self.book().faults.push(text);
                return Ok(());
            };
            let delivery = delivery?;
            let id = self.seen(queue, session, &delivery);
            if let Some(id) = id.filter(|_| queue != DEAD) {
                self.book().in_order(queue, session, id);
            }
            if let Some(id) = id.filter(|_| acknowledge) {
                self.book().settling(queue, id);
            }
            if acknowledge && (number % 100 == 99 || number + 1 == ready) {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        self.book().session_ends(queue, session);
        connection.close(200, "bye".into()).await
    }

    /// The queues that were declared for their own sake, and no others; each still has its binding.
    pub async fn check_declared(&self) -> Result<()> {
        let connection = self.connect().await?;
        let mut channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let lives = self.book().life;
        let declared = self.book().declared.clone();
        for name in
            (0..lives).flat_map(|life| (0..300).map(move |number| format!("own-{life}-{number}")))
        {
            let passive = QueueDeclareOptions {
                passive: true,
                ..durable()
            };
            let found = channel
                .queue_declare(name.as_str().into(), passive, FieldTable::default())
                .await;
            let certain = declared.get(&name);
            match (&found, certain) {
                (Ok(_), None) => self
                    .book()
                    .faults
                    .push(format!("{name} was deleted and is there")),
                (Err(error), Some(true)) => self
                    .book()
                    .faults
                    .push(format!("{name} was declared: {error}")),
                _ => {}
            }
            if found.is_err() {
                channel = connection.create_channel().await?;
                channel
                    .confirm_select(ConfirmSelectOptions::default())
                    .await?;
                self.book().declared.remove(&name);
            } else if certain == Some(&true) {
                let options = BasicPublishOptions {
                    mandatory: true,
                    ..Default::default()
                };
                let properties = BasicProperties::default();
                let sent = channel.basic_publish(
                    DECLARED.into(),
                    name.as_str().into(),
                    options,
                    b"",
                    properties,
                );
                if sent.await?.await?.take_message().is_some() {
                    self.book()
                        .faults
                        .push(format!("{name} has lost its binding"));
                }
            }
        }
        connection.close(200, "bye".into()).await
    }
}
