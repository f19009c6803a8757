//! Two ways to keep messages, measured: one reference-counted allocation a message (`triomphe::ThinArc`, called *thin* here)
//! against one chunk a round, as `leveret::message` does it (*chunk*).
//!
//! Rounds of [`BATCH`] messages are created, encoded as deliveries and freed
//! * on one core: created, each cloned once (a queue keeps one, a delivery carries the other), encoded, both dropped;
//! * on two cores: one thread creates and hands the round over a channel, another encodes and drops;
//! * on two cores, shared: the round is dealt out to two consuming threads, which then contend for a chunk's count.
//!
//! Both keep the same bytes in the same layout, so that encoding is the same work. What creation costs depends on what the bytes
//! come from, so both are measured both ways: *assembled* from names, properties and body, as the broker does (thin in a
//! scratch buffer first: its allocation takes one slice), and *copied* from where they lie in one piece already.
//!
//! Figures are wall-clock nanoseconds a message, the median of [`RUNS`] runs in which both take turns, so that what else
//! the machine does hits both. Threads are not pinned.

use std::hint::black_box;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;
use std::time::Instant;

use leveret::message::{CHUNK_BYTES_MAX, ChunkBuilder, Draft, Message};
use leveret::wire::content;
use leveret::wire::method::{DeliverPrefix, write_deliver};
use triomphe::ThinArc;

/// Messages of a round: what one read of a busy publisher's socket brings.
const BATCH: usize = 500;
/// Rounds of a run.
const ROUNDS: usize = 500;
/// Runs of each case; an odd number.
const RUNS: usize = 9;
/// Rounds on their way to a consumer.
const IN_FLIGHT: usize = 8;
/// Encoded bytes after which a consumer begins anew, as after a write to its socket.
const OUTPUT_BYTES: usize = 64 * 1024;
/// Frame limit of the consumer.
const FRAME_MAX: u32 = 131_072;
/// Channel of the deliveries.
const CHANNEL: u16 = 1;
/// Bytes of a basic.publish frame that no message keeps: frame, method id, ticket, bits.
const PUBLISH_OVERHEAD: usize = 15;

/// The parts of the one message that is published over and over.
struct Source {
    names: Vec<u8>,
    properties: Vec<u8>,
    body: Vec<u8>,
    /// Names, header frame and body frame in one piece, twice.
    piece: Vec<u8>,
    message: Message,
}

impl Source {
    fn new(body: usize) -> Self {
        let names = b"\x00\x08work.one".to_vec();
        let properties = vec![0x10, 0, 2];
        let body = vec![b'x'; body];
        let mut piece = names.clone();
        content::write_content(&mut piece, 0, &properties, &body, FRAME_MAX);
        Self {
            message: Message::from_parts(&names, &properties, &body, std::iter::empty()),
            names,
            properties,
            body,
            piece,
        }
    }
}

/// A way to keep messages.
trait Shape: Default {
    type Message: Clone + Send;
    /// Appends a round of messages to `batch`.
    fn create(&mut self, source: &Source, batch: &mut Vec<Self::Message>);
    /// The adjacent names.
    fn names(message: &Self::Message) -> &[u8];
    /// Appends the content frames.
    fn write_content(message: &Self::Message, out: &mut Vec<u8>);
}

/// Lengths in front of the bytes of a [`Thin`] message.
#[derive(Clone, Copy)]
struct Lengths {
    names: u16,
    properties: u32,
}

/// One allocation a message.
#[derive(Default)]
struct Thin<const ASSEMBLED: bool> {
    scratch: Vec<u8>,
}

impl<const ASSEMBLED: bool> Shape for Thin<ASSEMBLED> {
    type Message = ThinArc<Lengths, u8>;

    fn create(&mut self, source: &Source, batch: &mut Vec<Self::Message>) {
        let lengths = Lengths {
            names: source.names.len() as u16,
            properties: source.properties.len() as u32,
        };
        batch.extend((0..BATCH).map(|_| {
            let source = black_box(source);
            let piece = if ASSEMBLED {
                self.scratch.clear();
                self.scratch.extend_from_slice(&source.names);
                let (properties, body) = (&source.properties, &source.body);
                content::write_content(&mut self.scratch, 0, properties, body, FRAME_MAX);
                &self.scratch
            } else {
                &source.piece
            };
            ThinArc::from_header_and_slice(lengths, piece)
        }));
    }

    fn names(message: &Self::Message) -> &[u8] {
        &message.slice[..usize::from(message.header.header.names)]
    }

    fn write_content(message: &Self::Message, out: &mut Vec<u8>) {
        let lengths = message.header.header;
        let [high, low] = CHANNEL.to_be_bytes();
        let header = out.len();
        out.extend_from_slice(&message.slice[usize::from(lengths.names)..]);
        let body = header + 7 + 12 + lengths.properties as usize + 1;
        for frame in [header, body] {
            out[frame + 1] = high;
            out[frame + 2] = low;
        }
    }
}

/// One allocation a chunk, filled and sealed as `leveret::broker::publish` does.
#[derive(Default)]
struct Chunk<const ASSEMBLED: bool> {
    drafts: Vec<Draft>,
}

impl<const ASSEMBLED: bool> Chunk<ASSEMBLED> {
    fn seal(&mut self, builder: ChunkBuilder, batch: &mut Vec<Message>) {
        let sealed = builder.seal();
        batch.extend(self.drafts.drain(..).map(|draft| sealed.message(&draft)));
    }
}

impl<const ASSEMBLED: bool> Shape for Chunk<ASSEMBLED> {
    type Message = Message;

    fn create(&mut self, source: &Source, batch: &mut Vec<Message>) {
        let mut rest = BATCH * (source.piece.len() + PUBLISH_OVERHEAD);
        let mut builder = ChunkBuilder::with_capacity(rest.min(CHUNK_BYTES_MAX));
        for _ in 0..BATCH {
            let source = black_box(source);
            let (names, properties, body) = (&source.names, &source.properties, &source.body);
            let size = ChunkBuilder::size(names.len(), properties.len(), body.len());
            if !builder.fits(size) {
                let next = ChunkBuilder::with_capacity(rest.min(CHUNK_BYTES_MAX));
                self.seal(std::mem::replace(&mut builder, next), batch);
            }
            self.drafts.push(if ASSEMBLED {
                builder.push(names, properties, true, body)
            } else {
                builder.push_copy(&source.message).expect("it fits")
            });
            rest -= size;
        }
        self.seal(builder, batch);
    }

    fn names(message: &Message) -> &[u8] {
        message.names()
    }

    fn write_content(message: &Message, out: &mut Vec<u8>) {
        message.write_content(out, CHANNEL, FRAME_MAX);
    }
}

/// A consumer: where its deliveries are encoded.
struct Consumer {
    prefix: DeliverPrefix,
    out: Vec<u8>,
}

impl Consumer {
    fn new() -> Self {
        Self {
            prefix: DeliverPrefix::new(CHANNEL, b"consumer-1"),
            out: Vec::with_capacity(2 * OUTPUT_BYTES),
        }
    }

    fn deliver<S: Shape>(&mut self, tag: usize, message: &S::Message) {
        if self.out.len() > OUTPUT_BYTES {
            black_box(&self.out);
            self.out.clear();
        }
        let names = S::names(message);
        write_deliver(&mut self.out, &self.prefix, tag as u64, false, names);
        S::write_content(message, &mut self.out);
    }
}

/// Create, clone, encode and drop in this thread.
fn one_core<S: Shape>(source: &Source) {
    let mut shape = S::default();
    let mut consumer = Consumer::new();
    let mut batch = Vec::with_capacity(BATCH);
    for _ in 0..ROUNDS {
        shape.create(source, &mut batch);
        for (tag, message) in batch.iter().enumerate() {
            let delivery = message.clone();
            consumer.deliver::<S>(tag, &delivery);
        }
        batch.clear();
    }
}

/// Create in this thread; encode and drop in `CONSUMERS` others, to which the messages are dealt out in turn.
fn across<S: Shape, const CONSUMERS: usize>(source: &Source) {
    thread::scope(|scope| {
        // Emptied vectors come back, so that only messages are allocated.
        let lines: [_; CONSUMERS] = std::array::from_fn(|_| {
            let (send, receive) = sync_channel::<Vec<S::Message>>(IN_FLIGHT);
            let (give_back, spare) = channel();
            scope.spawn(move || {
                let mut consumer = Consumer::new();
                for mut batch in receive {
                    for (tag, message) in batch.drain(..).enumerate() {
                        consumer.deliver::<S>(tag, &message);
                    }
                    // The producer may have finished.
                    let _ = give_back.send(batch);
                }
            });
            (send, spare)
        });
        let mut shape = S::default();
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..ROUNDS {
            shape.create(source, &mut batch);
            let mut dealt: [Vec<S::Message>; CONSUMERS] =
                std::array::from_fn(|line| lines[line].1.try_recv().unwrap_or_default());
            for (index, message) in batch.drain(..).enumerate() {
                dealt[index % CONSUMERS].push(message);
            }
            for ((send, _), part) in lines.iter().zip(dealt) {
                send.send(part).expect("consumers outlive the producer");
            }
        }
    });
}

/// Nanoseconds a message of one run.
fn time(run: fn(&Source), source: &Source) -> f64 {
    let begun = Instant::now();
    run(source);
    begun.elapsed().as_nanos() as f64 / (ROUNDS * BATCH) as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The runs of a case: thin and chunk assembled, thin and chunk copied.
type Case = [fn(&Source); 4];

/// Measures all and prints a table.
pub fn run(allocator: &str) {
    const COLUMNS: &str = "    thin   chunk   ratio";
    let cases: [(&str, Case); 3] = [
        (
            "one core",
            [
                one_core::<Thin<true>>,
                one_core::<Chunk<true>>,
                one_core::<Thin<false>>,
                one_core::<Chunk<false>>,
            ],
        ),
        (
            "two cores",
            [
                across::<Thin<true>, 1>,
                across::<Chunk<true>, 1>,
                across::<Thin<false>, 1>,
                across::<Chunk<false>, 1>,
            ],
        ),
        (
            "two cores, shared",
            [
                across::<Thin<true>, 2>,
                across::<Chunk<true>, 2>,
                across::<Thin<false>, 2>,
                across::<Chunk<false>, 2>,
            ],
        ),
    ];
    println!("ns a message, {allocator}");
    println!("{:26}  {:>24}  {:>24}", "", "assembled", "copied");
    println!("{:26}  {COLUMNS}  {COLUMNS}", "");
    for body in [16, 1024] {
        let source = Source::new(body);
        for (name, case) in cases {
            for warm_up in case {
                time(warm_up, &source);
            }
            let runs: Vec<_> = (0..RUNS)
                .map(|_| case.map(|run| time(run, &source)))
                .collect();
            let ns: [f64; 4] =
                std::array::from_fn(|shape| median(runs.iter().map(|run| run[shape]).collect()));
            print!("{body:5} B, {name:18}");
            for pair in ns.chunks(2) {
                print!("  {:8.1}{:8.1}{:8.2}", pair[0], pair[1], pair[1] / pair[0]);
            }
            println!();
        }
    }
}
