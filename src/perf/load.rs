//! The load as decided: command line options with their defaults filled in and checked against each other.

use super::args::{Driver, Flag, LoadArgs};
use super::fault::Fault;
use super::pattern::Pattern;
use amq_protocol::types::FieldTable;
use std::time::Duration;

/// Connections beyond this number share one thread.
const THREADS_MAX: usize = 64;

/// Header that messages for headers exchanges carry and bindings ask for.
pub const HEADER: &str = "perf";

/// How consumers acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// no-ack.
    Auto,
    /// By the consumer.
    Manual {
        /// 0: no limit.
        prefetch: u16,
        /// One ack for this many messages.
        every: u32,
    },
}

/// When a round ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// After a time.
    Time(Duration),
    /// After a count, for each producer or consumer.
    Count {
        /// Messages of each producer.
        published: Option<u64>,
        /// Messages of each consumer.
        consumed: Option<u64>,
        /// At the latest after this.
        at_most: Option<Duration>,
    },
}

/// What is published and consumed, and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Publishing connections.
    pub producers: usize,
    /// Consuming connections.
    pub consumers: usize,
    /// Queue names.
    pub queues: Vec<String>,
    /// Queues and exchange.
    pub durable: bool,
    /// Queues belong to the consumers' connections.
    pub exclusive: bool,
    /// Queues.
    pub auto_delete: bool,
    /// Queues' arguments.
    pub queue_args: FieldTable,
    /// Consumers' arguments.
    pub consumer_args: FieldTable,
    /// Nothing is deleted at the end.
    pub keep: bool,
    /// Empty: the default exchange.
    pub exchange: String,
    /// The exchange's type.
    pub kind: String,
    /// Routing key; None: the name of the producer's queue.
    pub routing_key: Option<Pattern>,
    /// Distinct keys.
    pub keys: u64,
    /// Bindings over all queues.
    pub bindings: u64,
    /// Binding key; None: the queue's name.
    pub binding_key: Option<Pattern>,
    /// Body bytes.
    pub size: usize,
    /// Delivery mode 2.
    pub persistent: bool,
    /// Unroutable messages come back.
    pub mandatory: bool,
    /// Unconfirmed messages of each producer at most.
    pub confirm: Option<u64>,
    /// How consumers acknowledge.
    pub acks: Acks,
    /// Messages a second of each producer.
    pub rate: Option<f64>,
    /// Messages a second of each consumer.
    pub consumer_rate: Option<f64>,
    /// Before the measured interval.
    pub warmup: Duration,
    /// The measured interval.
    pub length: Length,
    /// Threads or tasks.
    pub driver: Driver,
}

impl Load {
    /// Fills in defaults and refuses what cannot work.
    pub fn new(args: &LoadArgs) -> Result<Load, Fault> {
        let producers = if args.consume_only { 0 } else { args.producers };
        let consumers = if args.publish_only { 0 } else { args.consumers };
        let queues = args.queues;
        let refuse = |text: &str| Err(Fault::new(text));
        if producers + consumers == 0 {
            return refuse("neither producers nor consumers");
        }
        if queues == 0 && consumers > 0 {
            return refuse("consumers need a queue: give --queues 1 or more, or --publish-only");
        }
        if args.exclusive && consumers != queues {
            return refuse(
                "exclusive queues need a consumer each: give as many --consumers as --queues",
            );
        }
        if args.kind.is_some() && args.exchange.is_none() {
            return refuse("--type needs --exchange");
        }
        let acks = match args.autoack {
            true => Acks::Auto,
            false => Acks::Manual {
                prefetch: args.prefetch,
                every: args.multi_ack_every,
            },
        };
        if args.prefetch > 0 && args.multi_ack_every > u32::from(args.prefetch) {
            return refuse("--multi-ack-every above --prefetch would wait for ever");
        }
        let (count, cmessages) = (
            args.count.filter(|_| producers > 0),
            args.cmessages.filter(|_| consumers > 0),
        );
        let length = match (count, cmessages) {
            (None, None) => Length::Time(args.duration.unwrap_or(Duration::from_secs(5))),
            (published, consumed) => Length::Count {
                published,
                consumed,
                at_most: args.duration,
            },
        };
        // What waits in a queue is gone soon: none of it for the warm-up.
        let warms_up = matches!(length, Length::Time(_)) && producers > 0;
        let exchange = args.exchange.clone().unwrap_or_default();
        let kind = args.kind.clone().unwrap_or_else(|| "direct".to_owned());
        let keys = args.routing_keys.unwrap_or(queues.max(1) as u64);
        let by_queue_name = exchange.is_empty()
            || (kind == "direct"
                && args.routing_keys.is_none()
                && args.bindings.is_none()
                && args.binding_key.is_none());
        let bindings = args.bindings.unwrap_or(match kind.as_str() {
            "direct" if !by_queue_name => keys.max(queues as u64),
            _ => queues as u64,
        });
        let (key_default, binding_default) = match kind.as_str() {
            "fanout" | "headers" => ("", ""),
            "topic" => ("perf.%b.%d", "perf.%b.*"),
            _ => ("perf.%b", "perf.%b"),
        };
        let pattern = |given: &Option<String>, default: &str, numbers| match given {
            Some(text) => Some(Pattern::padded(text, numbers, bindings)),
            None if by_queue_name => None,
            None => Some(Pattern::padded(default, numbers, bindings)),
        };
        let routing_key = pattern(&args.routing_key, key_default, keys);
        let queue_default = if queues > 1 {
            "perf-test-%d"
        } else {
            "perf-test"
        };
        let queue = args.queue.as_deref().unwrap_or(queue_default);
        if queues > 1 && !queue.contains("%d") {
            return refuse("a name for several queues needs %d for the queue's number");
        }
        let names = Pattern::plain(queue, queues as u64);
        Ok(Load {
            producers,
            consumers,
            queues: (0..queues as u64)
                .map(|number| names.expand(number))
                .collect(),
            durable: args.durable,
            exclusive: args.exclusive,
            auto_delete: args.auto_delete,
            queue_args: args.queue_args.clone().unwrap_or_default(),
            consumer_args: args.consumer_args.clone().unwrap_or_default(),
            keep: args.keep,
            keys: if routing_key.is_some() || kind == "headers" {
                keys
            } else {
                1
            },
            binding_key: pattern(&args.binding_key, binding_default, bindings).or_else(|| {
                args.routing_key
                    .as_ref()
                    .map(|key| Pattern::padded(key, keys, bindings))
            }),
            routing_key,
            bindings,
            exchange,
            kind,
            size: args.size,
            persistent: args.persistent || args.flags.contains(&Flag::Persistent),
            mandatory: args.mandatory || args.flags.contains(&Flag::Mandatory),
            confirm: args.confirm,
            acks,
            rate: args.rate,
            consumer_rate: args.consumer_rate,
            warmup: args.warmup.unwrap_or(if warms_up {
                Duration::from_secs(1)
            } else {
                Duration::ZERO
            }),
            length,
            driver: args.driver.unwrap_or(match producers + consumers {
                few if few <= THREADS_MAX => Driver::Threads,
                _ => Driver::Tasks,
            }),
        })
    }

    /// The routing key of one producer's messages.
    pub fn key_of(&self, producer: usize) -> Pattern {
        match &self.routing_key {
            Some(key) => key.clone(),
            None => Pattern::plain(
                self.queues
                    .get(producer % self.queues.len().max(1))
                    .map_or("perf-test", |name| name),
                1,
            ),
        }
    }

    /// The value of the [`HEADER`] of messages for headers exchanges.
    pub fn header(&self) -> Option<Pattern> {
        (self.kind == "headers").then(|| Pattern::padded("%b", self.keys, self.bindings))
    }

    /// Queues that one consumer takes from: its share when there are more queues than consumers, otherwise one.
    pub fn queues_of(&self, consumer: usize) -> impl Iterator<Item = &String> {
        let (queues, consumers) = (self.queues.len(), self.consumers);
        // A step over all queues takes exactly one.
        let (first, step) = if queues > consumers {
            (consumer, consumers)
        } else {
            (consumer % queues.max(1), queues)
        };
        self.queues.iter().skip(first).step_by(step.max(1))
    }

    /// Deliveries of one published message, where that is known.
    pub fn copies(&self) -> Option<u64> {
        match self.kind.as_str() {
            "fanout" if !self.exchange.is_empty() => Some(self.queues.len() as u64),
            "direct" if self.routing_key.is_none() => Some(1),
            _ => None,
        }
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let many = |count: usize, noun: &str| {
            format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
        };
        let mut parts = vec![
            many(self.producers, "producer"),
            many(self.consumers, "consumer"),
            many(self.queues.len(), "queue"),
        ];
        if !self.exchange.is_empty() {
            parts.push(format!(
                "{} exchange with {} and {}",
                self.kind,
                many(self.bindings as usize, "binding"),
                many(self.keys as usize, "key")
            ));
        }
        parts.push(format!(
            "{} B{}",
            self.size,
            if self.persistent { " persistent" } else { "" }
        ));
        if let Some(window) = self.confirm {
            parts.push(format!("confirms (window {window})"));
        }
        match self.acks {
            _ if self.consumers == 0 => {}
            Acks::Auto => parts.push("auto-ack".to_owned()),
            Acks::Manual { prefetch, every } => {
                let prefetch = if prefetch == 0 {
                    "no prefetch limit".to_owned()
                } else {
                    format!("prefetch {prefetch}")
                };
                parts.push(format!("ack every {every} ({prefetch})"));
            }
        }
        if let Some(rate) = self.rate {
            parts.push(format!("{rate}/s a producer"));
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::args::PerfArgs;
    use clap::Parser;

    fn load(line: &str) -> Result<Load, Fault> {
        let args = PerfArgs::try_parse_from(std::iter::once("perf").chain(line.split_whitespace()))
            .unwrap();
        Load::new(&args.run.load)
    }

    #[test]
    fn producers_and_consumers_are_spread_over_queues() {
        let load = load("-x 4 -y 2 --queues 4").unwrap();
        assert_eq!(load.key_of(3).expand(0), "perf-test-3");
        assert_eq!(
            load.queues_of(1).collect::<Vec<_>>(),
            ["perf-test-1", "perf-test-3"]
        );
        let load = self::load("-y 5 --queues 2").unwrap();
        assert_eq!(load.queues_of(3).collect::<Vec<_>>(), ["perf-test-1"]);
        assert_eq!(load.queues_of(4).collect::<Vec<_>>(), ["perf-test-0"]);
        let load = self::load("-y 3 --queues 3").unwrap();
        assert_eq!(load.queues_of(2).collect::<Vec<_>>(), ["perf-test-2"]);
    }

    #[test]
    fn every_topic_key_has_its_binding() {
        let load = load("-e x -t topic --bindings 1000 --routing-keys 100000").unwrap();
        assert_eq!(load.key_of(0).expand(54_321), "perf.321.54321");
        assert_eq!(load.binding_key.unwrap().expand(321), "perf.321.*");
    }

    #[test]
    fn a_direct_exchange_binds_by_queue_name_until_keys_are_asked_for() {
        let load = load("-e x -x 2 --queues 2 -y 2").unwrap();
        assert_eq!(load.key_of(1).expand(0), "perf-test-1");
        assert!(load.binding_key.is_none());
        let load = self::load("-e x --routing-keys 20").unwrap();
        assert_eq!(
            (load.bindings, load.key_of(0).expand(7)),
            (20, "perf.07".to_owned())
        );
        assert_eq!(load.binding_key.unwrap().expand(7), "perf.07");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for line in [
            "-x 0 -y 0",
            "--queues 0",
            "--exclusive --queues 2 -y 1",
            "-t topic",
            "-q 10 -A 11",
            "--queues 2 -u name",
        ] {
            assert!(load(line).is_err(), "{line}");
        }
        assert!(load("--queues 0 --publish-only").is_ok());
    }

    #[test]
    fn a_count_ends_the_run_and_needs_no_warm_up() {
        let load = load("-C 1000").unwrap();
        assert_eq!(
            load.length,
            Length::Count {
                published: Some(1000),
                consumed: None,
                at_most: None
            }
        );
        assert_eq!(load.warmup, Duration::ZERO);
        assert_eq!(load.copies(), Some(1));
        assert_eq!(
            self::load("-e x -t fanout --queues 10 -y 10")
                .unwrap()
                .copies(),
            Some(10)
        );
    }
}
