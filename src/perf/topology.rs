//! Queues, exchange and bindings of a load: declared before it, deleted after it. What existed before is used as it is and stays.

use super::batch::short;
use super::client::{self, Client};
use super::fault::Fault;
use super::load::{Acks, HEADER, Load};
use super::target::Target;
use amq_protocol::protocol::{AMQPClass, basic, confirm, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

/// What a load declared.
#[derive(Debug)]
pub struct Topology {
    target: Target,
    client: Client,
    created_queues: Vec<String>,
    created_exchange: Option<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Topology {
    /// Declares what does not exist yet.
    pub fn declare(target: &Target, load: &Load) -> Result<Topology, Fault> {
        let mut topology = Topology {
            target: target.clone(),
            client: open(target)?,
            created_queues: Vec::new(),
            created_exchange: None,
            notes: Vec::new(),
        };
        match topology.declare_all(load) {
            Ok(()) => Ok(topology),
            Err(fault) => {
                topology.delete();
                Err(fault)
            }
        }
    }

    fn declare_all(&mut self, load: &Load) -> Result<(), Fault> {
        if !load.exchange.is_empty() && !self.exchange_exists(&load.exchange)? {
            self.client.call(declare_exchange(load)?)?;
            self.created_exchange = Some(load.exchange.clone());
        }
        if load.exclusive {
            return Ok(()); // The consumers do it.
        }
        let mut requests = Vec::new();
        for name in &load.queues {
            match self.waiting_messages(name)? {
                Some(waiting) => self.notes.push(format!(
                    "queue '{name}' exists: used as it is, with {waiting} messages, and kept"
                )),
                None => {
                    requests.push(declare_queue(load, name)?);
                    self.created_queues.push(name.clone());
                }
            }
        }
        for queue in 0..load.queues.len() {
            requests.extend(bindings_of(load, queue)?);
        }
        self.client.call_all(&requests)
    }

    fn exchange_exists(&mut self, name: &str) -> Result<bool, Fault> {
        let passive = exchange::Declare {
            exchange: short(name)?,
            kind: "direct".into(),
            passive: true,
            durable: false,
            auto_delete: false,
            internal: false,
            nowait: false,
            arguments: FieldTable::default(),
        };
        self.found(AMQPClass::Exchange(exchange::AMQPMethod::Declare(passive)))
            .map(|found| found.is_some())
    }

    fn waiting_messages(&mut self, name: &str) -> Result<Option<u32>, Fault> {
        let passive = queue::Declare {
            queue: short(name)?,
            passive: true,
            durable: false,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments: FieldTable::default(),
        };
        Ok(
            match self.found(AMQPClass::Queue(queue::AMQPMethod::Declare(passive)))? {
                Some(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))) => Some(ok.message_count),
                Some(_) => Some(0),
                None => None,
            },
        )
    }

    /// A passive declare: 404 closes the channel, so that a new connection is needed.
    fn found(&mut self, passive: AMQPClass) -> Result<Option<AMQPClass>, Fault> {
        match self.client.call(passive) {
            Ok(ok) => Ok(Some(ok)),
            Err(fault) if fault.to_string().contains("404 NOT_FOUND") => {
                self.client = open(&self.target)?;
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Deletes what [`Self::declare`] made.
    pub fn delete(self) {
        let Ok(mut client) = open(&self.target) else {
            return;
        };
        client::close(self.client.stream);
        let mut requests = Vec::new();
        for name in &self.created_queues {
            requests.extend(delete_queue(name));
        }
        if let Some(Ok(exchange)) = self.created_exchange.as_deref().map(short) {
            let delete = exchange::Delete {
                exchange,
                if_unused: false,
                nowait: false,
            };
            requests.push(AMQPClass::Exchange(exchange::AMQPMethod::Delete(delete)));
        }
        // A broker that is gone, or has deleted them itself, leaves nothing to do.
        let _ = client.call_all(&requests);
        client::close(client.stream);
    }

    /// Leaves everything in place.
    pub fn keep(self) {
        client::close(self.client.stream);
    }
}

fn open(target: &Target) -> Result<Client, Fault> {
    Client::open(target, "leveret perf control", Vec::new())
}

fn declare_exchange(load: &Load) -> Result<AMQPClass, Fault> {
    let declare = exchange::Declare {
        exchange: short(&load.exchange)?,
        kind: short(&load.kind)?,
        passive: false,
        durable: load.durable,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    Ok(AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)))
}

fn declare_queue(load: &Load, name: &str) -> Result<AMQPClass, Fault> {
    let declare = queue::Declare {
        queue: short(name)?,
        passive: false,
        durable: load.durable,
        exclusive: load.exclusive,
        auto_delete: load.auto_delete,
        nowait: false,
        arguments: load.queue_args.clone(),
    };
    Ok(AMQPClass::Queue(queue::AMQPMethod::Declare(declare)))
}

/// Binding number b belongs to queue b modulo the queues.
/// queue.delete, whatever is in it.
pub fn delete_queue(name: &str) -> Result<AMQPClass, Fault> {
    let delete = queue::Delete {
        queue: short(name)?,
        if_unused: false,
        if_empty: false,
        nowait: false,
    };
    Ok(AMQPClass::Queue(queue::AMQPMethod::Delete(delete)))
}

fn bindings_of(load: &Load, queue: usize) -> Result<Vec<AMQPClass>, Fault> {
    if load.exchange.is_empty() {
        return Ok(Vec::new());
    }
    let name = &load.queues[queue];
    let numbers = (queue as u64..load.bindings.max(queue as u64 + 1)).step_by(load.queues.len());
    numbers.map(|number| binding(load, name, number)).collect()
}

fn binding(load: &Load, queue: &str, number: u64) -> Result<AMQPClass, Fault> {
    let mut arguments = FieldTable::default();
    if let Some(value) = load.header() {
        let value = value.expand(number);
        arguments.insert("x-match".into(), AMQPValue::LongString("all".into()));
        arguments.insert(HEADER.into(), AMQPValue::LongString(value.into()));
    }
    let key = load
        .binding_key
        .as_ref()
        .map_or_else(|| queue.to_owned(), |key| key.expand(number));
    let bind = queue::Bind {
        queue: short(queue)?,
        exchange: short(&load.exchange)?,
        routing_key: short(&key)?,
        nowait: false,
        arguments,
    };
    Ok(AMQPClass::Queue(queue::AMQPMethod::Bind(bind)))
}

/// A request that changes nothing: its answer says that the broker has taken all that was published before it.
pub fn marker() -> AMQPClass {
    let qos = basic::Qos {
        prefetch_count: 0,
        global: false,
    };
    AMQPClass::Basic(basic::AMQPMethod::Qos(qos))
}

/// What a producer asks after channel.open.
pub fn producer_requests(load: &Load) -> Vec<AMQPClass> {
    let select = AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select {
        nowait: false,
    }));
    if load.confirm.is_some() {
        vec![select]
    } else {
        Vec::new()
    }
}

/// What a consumer asks after channel.open: prefetch, its exclusive queue, then one consume for each of its queues.
pub fn consumer_requests(load: &Load, consumer: usize) -> Result<Vec<AMQPClass>, Fault> {
    let mut requests = Vec::new();
    let mut no_ack = true;
    if let Acks::Manual { prefetch, .. } = load.acks {
        no_ack = false;
        if prefetch > 0 {
            let qos = basic::Qos {
                prefetch_count: prefetch,
                global: false,
            };
            requests.push(AMQPClass::Basic(basic::AMQPMethod::Qos(qos)));
        }
    }
    if load.exclusive && consumer < load.queues.len() {
        requests.push(declare_queue(load, &load.queues[consumer])?);
        requests.extend(bindings_of(load, consumer)?);
    }
    for (number, name) in load.queues_of(consumer).enumerate() {
        let consumer_tag = if number == 0 {
            "perf".to_owned()
        } else {
            format!("perf{number}")
        };
        let consume = basic::Consume {
            queue: short(name)?,
            consumer_tag: consumer_tag.into(),
            no_local: false,
            no_ack,
            exclusive: false,
            nowait: false,
            arguments: load.consumer_args.clone(),
        };
        requests.push(AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::args::PerfArgs;
    use clap::Parser;

    fn load(line: &str) -> Load {
        let args = PerfArgs::try_parse_from(std::iter::once("perf").chain(line.split_whitespace()))
            .unwrap();
        Load::new(&args.run.load).unwrap()
    }

    fn keys(requests: &[AMQPClass]) -> Vec<String> {
        let key = |request: &AMQPClass| match request {
            AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => {
                format!("{}<{}", bind.queue, bind.routing_key)
            }
            other => panic!("{other:?}"),
        };
        requests.iter().map(key).collect()
    }

    #[test]
    fn bindings_are_spread_over_the_queues() {
        let load = load("-e x -t topic --queues 2 -y 2 --bindings 5");
        assert_eq!(
            keys(&bindings_of(&load, 0).unwrap()),
            [
                "perf-test-0<perf.0.*",
                "perf-test-0<perf.2.*",
                "perf-test-0<perf.4.*"
            ]
        );
        assert_eq!(
            keys(&bindings_of(&load, 1).unwrap()),
            ["perf-test-1<perf.1.*", "perf-test-1<perf.3.*"]
        );
    }

    #[test]
    fn every_queue_has_a_binding_and_the_default_exchange_none() {
        let fanout = load("-e x -t fanout --queues 3 -y 3");
        assert_eq!(keys(&bindings_of(&fanout, 2).unwrap()), ["perf-test-2<"]);
        assert_eq!(
            keys(&bindings_of(&load("-e x"), 0).unwrap()),
            ["perf-test<perf-test"]
        );
        assert!(bindings_of(&load(""), 0).unwrap().is_empty());
    }

    #[test]
    fn exclusive_queues_are_declared_by_their_consumers() {
        let load = load("--exclusive --queues 2 -y 2 -q 5");
        assert_eq!(consumer_requests(&load, 1).unwrap().len(), 3);
    }
}
