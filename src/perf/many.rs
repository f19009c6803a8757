//! Very many connections on one thread: the same producers and consumers as tasks on a small event loop. Each connection holds
//! its socket and its own few prebuilt messages; they share one read buffer.

use super::batch::{Batch, CHANNEL, Method};
use super::client::{CLOSE_OK, close_frame};
use super::consumer::Taker;
use super::fault::Fault;
use super::load::Load;
use super::meter::{Board, Meter};
use super::opening::Opening;
use super::pace::Pace;
use super::producer::Replies;
use super::round::{Started, batch_of, limits};
use super::stamp::now_ns;
use super::target::Target;
use super::topology;
use super::walker::Walker;
use crate::wire::method;
use std::cell::RefCell;
use std::io::ErrorKind::WouldBlock;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

/// Prebuilt bytes of one connection: a socket rarely takes more at once when there are this many.
const BATCH_BYTES: usize = 16 * 1024;

/// The read buffer that all share.
const READ_BYTES: usize = 64 * 1024;

/// Connections that are opened at the same time.
const OPENING: usize = 64;

/// How long opening one connection may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long all connections have to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// An open connection.
#[derive(Debug)]
pub struct Link {
    /// Its socket.
    pub stream: TcpStream,
    frame_max: u32,
    unread: Vec<u8>,
}

/// Opens one connection.
pub async fn open(address: SocketAddr, opening: Opening) -> Result<Link, Fault> {
    match timeout(OPEN_TIMEOUT, converse(address, opening)).await {
        Ok(link) => link,
        Err(_) => Err(Fault::new(format!("connecting to {address}: no answer"))),
    }
}

async fn converse(address: SocketAddr, mut opening: Opening) -> Result<Link, Fault> {
    let failed =
        |error: std::io::Error| Fault::from(error).doing(format!("connecting to {address}"));
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut out = Opening::hello().to_vec();
    let mut unread = Vec::new();
    while !opening.done() {
        if !out.is_empty() {
            stream.write_all(&out).await.map_err(failed)?;
            out.clear();
        }
        if stream.read_buf(&mut unread).await.map_err(failed)? == 0 {
            return Err(Fault::new("the broker closed the socket").doing(opening.doing()));
        }
        let used = opening.input(&unread, &mut out)?;
        unread.drain(..used);
    }
    unread.shrink_to_fit();
    Ok(Link {
        stream,
        frame_max: opening.frame_max(),
        unread,
    })
}

/// Says close and waits for the answer, unless it takes too long.
pub async fn close(mut stream: TcpStream) {
    let _ = timeout(CLOSE_TIMEOUT, async {
        stream.write_all(&close_frame()).await?;
        let mut bytes = Vec::new();
        while stream.read_buf(&mut bytes).await? > 0 && !bytes.ends_with(&CLOSE_OK) {
            let keep = bytes.len().saturating_sub(CLOSE_OK.len());
            bytes.drain(..keep);
        }
        Ok::<_, std::io::Error>(())
    })
    .await;
    // Reset rather than linger: ten thousand sockets in TIME_WAIT would use up the ports of the next round.
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Connects everybody on a thread of its own; they wait at the barrier for their start.
pub fn spawn(target: &Target, load: &Load, run: u32, board: &Arc<Board>) -> Result<Started, Fault> {
    let start = Arc::new(Barrier::new(2));
    let (ready, is_ready) = mpsc::channel();
    let (target, load, thread_board, thread_start) =
        (target.clone(), load.clone(), board.clone(), start.clone());
    let thread = std::thread::Builder::new()
        .name("perf-tasks".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => LocalSet::new().block_on(
                    &runtime,
                    drive(&target, &load, run, thread_board, thread_start, ready),
                ),
                Err(error) => drop(ready.send(Err(Fault::from(error)))),
            }
        })?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok((vec![thread], start)),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(Fault::new("the thread of the connections ended early")),
    }
}

async fn drive(
    target: &Target,
    load: &Load,
    run: u32,
    board: Arc<Board>,
    start: Arc<Barrier>,
    ready: mpsc::Sender<Result<(), Fault>>,
) {
    let (consumers, producers) = match connect_all(target, load).await {
        Ok(links) => links,
        Err(fault) => return drop(ready.send(Err(fault))),
    };
    // The receiver waits for exactly this.
    let _ = ready.send(Ok(()));
    start.wait();
    let shared: Buffer = Rc::new(RefCell::new(vec![0; READ_BYTES]));
    let (stop, stopped) = watch::channel(false);
    let (consumer_meter, producer_meter) = (board.meter(), board.meter());
    let (published, consumed) = limits(load);
    let mut tasks = JoinSet::new();
    for link in consumers {
        let consumer = TaskConsumer {
            link,
            walker: Walker::default(),
            taker: Taker::new(load.acks, run),
            sent: 0,
            left: consumed,
            rate: load.consumer_rate,
            meter: consumer_meter.clone(),
        };
        tasks.spawn_local(consumer.run(shared.clone(), stopped.clone(), board.clone()));
    }
    for (number, link) in producers.into_iter().enumerate() {
        let method = Method::Publish {
            mandatory: load.mandatory,
        };
        match batch_of(load, number, method, link.frame_max, run, BATCH_BYTES) {
            Ok(batch) => {
                let producer = TaskProducer {
                    link,
                    walker: Walker::default(),
                    replies: Replies::new(load.confirm, producer_meter.clone(), board.clone()),
                    batch,
                    pending: (0, 0),
                    count: 0,
                    left: published,
                    rate: load.rate,
                    meter: producer_meter.clone(),
                };
                tasks.spawn_local(producer.run(shared.clone(), stopped.clone(), board.clone()));
            }
            Err(fault) => board.fail(fault),
        }
    }
    while !board.stopping() {
        sleep(Duration::from_millis(20)).await;
    }
    let _ = stop.send(true);
    let _ = timeout(CLOSE_TIMEOUT, async {
        while tasks.join_next().await.is_some() {}
    })
    .await;
}

async fn connect_all(target: &Target, load: &Load) -> Result<(Vec<Link>, Vec<Link>), Fault> {
    let address = target.address()?;
    let permits = Arc::new(Semaphore::new(OPENING));
    let connect = |name: String, requests| -> JoinHandle<Result<Link, Fault>> {
        let (permits, opening) = (permits.clone(), Opening::new(target, &name, requests));
        tokio::task::spawn_local(async move {
            let _permit = permits
                .acquire()
                .await
                .map_err(|_| Fault::new("nobody closes the semaphore"))?;
            open(address, opening).await
        })
    };
    let mut consumers = Vec::new();
    for number in 0..load.consumers {
        consumers.push(connect(
            format!("leveret perf consumer {number}"),
            topology::consumer_requests(load, number)?,
        ));
    }
    let producers: Vec<_> = (0..load.producers)
        .map(|number| {
            connect(
                format!("leveret perf producer {number}"),
                topology::producer_requests(load),
            )
        })
        .collect();
    Ok((opened(consumers).await?, opened(producers).await?))
}

async fn opened(handles: Vec<JoinHandle<Result<Link, Fault>>>) -> Result<Vec<Link>, Fault> {
    let mut links = Vec::new();
    for handle in handles {
        links.push(
            handle
                .await
                .map_err(|error| Fault::new(error.to_string()))??,
        );
    }
    Ok(links)
}

type Buffer = Rc<RefCell<Vec<u8>>>;

/// Reads once into the shared buffer; false when nothing is there.
fn read_once(
    stream: &TcpStream,
    shared: &Buffer,
    take: impl FnOnce(&[u8]) -> Result<(), Fault>,
) -> Result<bool, Fault> {
    let mut buffer = shared.borrow_mut();
    match stream.try_read(&mut buffer) {
        Ok(0) => Err(Fault::new("the broker closed the socket")),
        Ok(read) => take(&buffer[..read]).map(|()| true),
        Err(error) if error.kind() == WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes once; 0 when the socket is full.
fn write_once(stream: &TcpStream, bytes: &[u8]) -> Result<usize, Fault> {
    match stream.try_write(bytes) {
        Ok(sent) => Ok(sent),
        Err(error) if error.kind() == WouldBlock => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the socket is ready, or something is due.
async fn wait(stream: &TcpStream, interest: Interest, wait_ns: Option<u64>) -> Result<(), Fault> {
    match wait_ns {
        Some(wait_ns) => {
            let _ = timeout(Duration::from_nanos(wait_ns), stream.ready(interest)).await;
        }
        None => drop(stream.ready(interest).await?),
    }
    Ok(())
}

struct TaskProducer {
    link: Link,
    walker: Walker,
    replies: Replies,
    batch: Batch,
    /// Bytes of the prepared batch that the socket has not taken: from, to.
    pending: (usize, usize),
    /// Messages in it.
    count: u64,
    left: u64,
    rate: Option<f64>,
    meter: Arc<Meter>,
}

impl TaskProducer {
    async fn run(mut self, shared: Buffer, mut stopped: watch::Receiver<bool>, board: Arc<Board>) {
        let outcome = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
            outcome = self.publish(&shared) => outcome,
        };
        match outcome {
            Ok(()) if self.pending.0 == self.pending.1 => close(self.link.stream).await,
            Ok(()) => {} // Amid a frame.
            Err(fault) => board.fail(fault.doing("a producer")),
        }
    }

    async fn publish(&mut self, shared: &Buffer) -> Result<(), Fault> {
        let mut pace = self.rate.map(|rate| Pace::new(rate, now_ns()));
        loop {
            let (walker, replies) = (&mut self.walker, &mut self.replies);
            let mut busy = read_once(&self.link.stream, shared, |bytes| {
                replies.take(walker, bytes)
            })?;
            let (from, to) = self.pending;
            if from == to {
                self.prepare(pace.as_mut());
            }
            let (from, to) = self.pending;
            if from < to {
                let sent = write_once(&self.link.stream, self.batch.prepared(from, to))?;
                self.pending.0 += sent;
                busy |= sent > 0;
                if self.pending.0 == to {
                    self.meter
                        .count(&self.meter.published, self.count, now_ns());
                    if self.left == 0 {
                        let mut marker = Vec::new();
                        method::write(&mut marker, CHANNEL, &topology::marker());
                        self.link.stream.write_all(&marker).await?;
                    }
                }
            }
            if busy {
                tokio::task::yield_now().await;
                continue;
            }
            let full = self.pending.0 < self.pending.1;
            let wait_ns = match &pace {
                Some(pace) if !full && self.left > 0 => Some(pace.wait_ns(now_ns()).max(1_000_000)),
                _ => None,
            };
            let interest = if full {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            wait(&self.link.stream, interest, wait_ns).await?;
        }
    }

    fn prepare(&mut self, pace: Option<&mut Pace>) {
        let now_ns = now_ns();
        let mut count = self.left.min(self.batch.count());
        if let Some(confirms) = &self.replies.confirms {
            count = count.min(confirms.room());
        }
        if let Some(pace) = pace {
            count = count.min(pace.due(now_ns));
            pace.sent(count);
        }
        if count > 0 {
            if let Some(confirms) = &mut self.replies.confirms {
                confirms.sent(count, now_ns);
            }
            self.left -= count;
            self.count = count;
            self.pending = (0, self.batch.prepare(count, now_ns).len());
        }
    }
}

struct TaskConsumer {
    link: Link,
    walker: Walker,
    taker: Taker,
    /// Bytes of the taker's acks that the socket has taken.
    sent: usize,
    left: u64,
    rate: Option<f64>,
    meter: Arc<Meter>,
}

/// A consumer that heard nothing for this long acknowledges what waits for company.
const IDLE: Duration = Duration::from_millis(100);

impl TaskConsumer {
    async fn run(mut self, shared: Buffer, mut stopped: watch::Receiver<bool>, board: Arc<Board>) {
        let outcome = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
            outcome = self.consume(&shared) => outcome,
        };
        match outcome {
            Ok(()) if self.sent == self.taker.acks.len() => close(self.link.stream).await,
            Ok(()) => {}
            Err(fault) => board.fail(fault.doing("a consumer")),
        }
    }

    async fn consume(&mut self, shared: &Buffer) -> Result<(), Fault> {
        let mut pace = self.rate.map(|rate| Pace::new(rate, now_ns()));
        let early = std::mem::take(&mut self.link.unread);
        let mut taken = self.taker.take(&mut self.walker, &early, &self.meter)?;
        loop {
            let mut busy = false;
            if self.left > 0 {
                let (walker, taker, meter) = (&mut self.walker, &mut self.taker, &self.meter);
                busy = read_once(&self.link.stream, shared, |bytes| {
                    taken += taker.take(walker, bytes, meter)?;
                    Ok(())
                })?;
                self.left = self.left.saturating_sub(taken);
                if self.left == 0 {
                    self.taker.idle();
                }
            }
            if self.sent < self.taker.acks.len() {
                self.sent += write_once(&self.link.stream, &self.taker.acks[self.sent..])?;
                if self.sent == self.taker.acks.len() {
                    self.taker.acks.clear();
                    self.sent = 0;
                }
            }
            if let Some(pace) = &mut pace {
                pace.sent(taken);
                let wait_ns = pace.wait_ns(now_ns());
                if wait_ns > 0 {
                    sleep(Duration::from_nanos(wait_ns)).await;
                }
                pace.due(now_ns());
            }
            taken = 0;
            if busy {
                tokio::task::yield_now().await;
                continue;
            }
            let mut interest = Interest::READABLE;
            if self.sent < self.taker.acks.len() {
                interest |= Interest::WRITABLE;
            }
            if self.left == 0 && interest == Interest::READABLE {
                sleep(IDLE).await;
            } else if timeout(IDLE, self.link.stream.ready(interest))
                .await
                .is_err()
            {
                self.taker.idle();
            }
        }
    }
}
