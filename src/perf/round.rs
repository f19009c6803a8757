//! One measured round: declare, connect, warm up, measure, stop, delete. Everybody's end is bounded.

use super::args::Driver;
use super::batch::{BATCH_BYTES, Batch, Method, Spec};
use super::client::Client;
use super::consumer::{Consumer, Taker};
use super::fault::Fault;
use super::load::{HEADER, Length, Load};
use super::many;
use super::meter::Board;
use super::producer::Producer;
use super::progress::Progress;
use super::relay::Relay;
use super::target::Target;
use super::topology::{self, Topology};
use super::watch::{CONSUMER_THREAD, PRODUCER_THREAD, Round, watch};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;

/// What is measured.
#[derive(Debug)]
pub enum Endpoint {
    /// A broker.
    Broker(Target),
    /// Our relay process.
    Relay(Relay),
}

impl Endpoint {
    /// Its name in results.
    pub fn name(&self) -> String {
        match self {
            Endpoint::Broker(target) => target.to_string(),
            Endpoint::Relay(_) => "relay".to_owned(),
        }
    }
}

/// Runs a round. `run`: its number, marked in the bodies.
pub fn measure(
    endpoint: &Endpoint,
    load: &Load,
    broker_pid: Option<u32>,
    run: u32,
    progress: &mut Progress,
) -> Result<Round, Fault> {
    let topology = match endpoint {
        Endpoint::Broker(target) => Some(Topology::declare(target, load)?),
        Endpoint::Relay(_) => None,
    };
    let outcome = drive(endpoint, load, broker_pid, run, progress);
    let notes = topology
        .as_ref()
        .map_or_else(Vec::new, |topology| topology.notes.clone());
    if let Some(topology) = topology {
        if load.keep {
            topology.keep()
        } else {
            topology.delete()
        }
    }
    outcome.map(|round| Round { notes, ..round })
}

fn drive(
    endpoint: &Endpoint,
    load: &Load,
    broker_pid: Option<u32>,
    run: u32,
    progress: &mut Progress,
) -> Result<Round, Fault> {
    let board = Arc::new(Board::default());
    let (threads, start) = match (load.driver, endpoint) {
        (Driver::Tasks, Endpoint::Broker(target)) => many::spawn(target, load, run, &board)?,
        _ => spawn(endpoint, load, run, &board)?,
    };
    let outcome = watch(load, broker_pid, &board, &start, progress);
    board.stop();
    for thread in threads {
        // A panic has been printed; the figures so far are still good.
        if thread.join().is_err() {
            return Err(Fault::new("a thread of the load panicked"));
        }
    }
    outcome
}

/// The threads of a round, and the barrier where they wait for their start.
pub type Started = (Vec<JoinHandle<()>>, Arc<Barrier>);

/// The batch of one producer.
pub fn batch_of(
    load: &Load,
    producer: usize,
    method: Method,
    frame_max: u32,
    run: u32,
    batch_bytes: usize,
) -> Result<Batch, Fault> {
    let (routing_key, header) = (load.key_of(producer), load.header());
    let spec = Spec {
        method,
        exchange: &load.exchange,
        routing_key: &routing_key,
        header: header.as_ref().map(|value| (HEADER, value)),
        keys: load.keys,
        persistent: load.persistent,
        size: load.size,
        frame_max,
        run,
        batch_bytes,
    };
    let first_key = (producer as u64 * load.keys / load.producers.max(1) as u64) % load.keys.max(1);
    Batch::new(&spec, first_key)
}

/// Connects everybody, each with a thread of its own.
fn spawn(endpoint: &Endpoint, load: &Load, run: u32, board: &Arc<Board>) -> Result<Started, Fault> {
    let mut consumers = Vec::new();
    for number in 0..load.consumers {
        consumers.push(match endpoint {
            Endpoint::Broker(target) => {
                let requests = topology::consumer_requests(load, number)?;
                Client::open(target, &format!("leveret perf consumer {number}"), requests)?
            }
            Endpoint::Relay(relay) => {
                relay.consumer(if load.producers == 1 { 0 } else { number })?
            }
        });
    }
    let mut producers = Vec::new();
    for number in 0..load.producers {
        let (client, method) = match endpoint {
            Endpoint::Broker(target) => {
                let requests = topology::producer_requests(load);
                let client =
                    Client::open(target, &format!("leveret perf producer {number}"), requests)?;
                (
                    client,
                    Method::Publish {
                        mandatory: load.mandatory,
                    },
                )
            }
            Endpoint::Relay(relay) => (
                relay.producer(number, load.consumers / load.producers.max(1))?,
                Method::Deliver,
            ),
        };
        let batch = batch_of(load, number, method, client.frame_max, run, BATCH_BYTES)?;
        producers.push((client, batch));
    }
    let start = Arc::new(Barrier::new(load.producers + load.consumers + 1));
    let mut threads = Vec::new();
    let mut thread = |name: String, work: Box<dyn FnOnce() + Send>| {
        let start = start.clone();
        let work = move || {
            start.wait();
            work();
        };
        threads.push(std::thread::Builder::new().name(name).spawn(work)?);
        Ok::<_, Fault>(())
    };
    let (published, consumed) = limits(load);
    let asks = matches!(endpoint, Endpoint::Broker(_));
    for (number, client) in consumers.into_iter().enumerate() {
        let consumer = Consumer {
            client,
            taker: Taker::new(load.acks, run),
            limit: consumed,
            rate: load.consumer_rate.map(|rate| (rate, load.size + 100)),
            asks,
            meter: board.meter(),
            board: board.clone(),
        };
        thread(
            format!("{CONSUMER_THREAD}{number}"),
            Box::new(move || consumer.run()),
        )?;
    }
    for (number, (client, batch)) in producers.into_iter().enumerate() {
        let producer = Producer {
            client,
            batch,
            limit: published,
            rate: load.rate,
            window: load.confirm.filter(|_| asks),
            asks,
            meter: board.meter(),
            board: board.clone(),
        };
        thread(
            format!("{PRODUCER_THREAD}{number}"),
            Box::new(move || producer.run()),
        )?;
    }
    Ok((threads, start))
}
/// Messages of each producer and of each consumer.
pub fn limits(load: &Load) -> (u64, u64) {
    match load.length {
        Length::Time(_) => (u64::MAX, u64::MAX),
        Length::Count {
            published,
            consumed,
            ..
        } => (published.unwrap_or(u64::MAX), consumed.unwrap_or(u64::MAX)),
    }
}
