//! The plain TCP relay that a broker is compared with: it moves bytes from producers to consumers and looks at nothing.
//!
//! It runs as a child process (this same program), so that its CPU is measured like a broker's. A connection first says who it
//! is: u8 role, u16 pair, u16 copies (network order).

use super::client::Client;
use super::fault::Fault;
use super::load::Load;
use super::target::prepare;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Bytes that the relay moves at once.
const CHUNK_BYTES: usize = 128 * 1024;

const PRODUCER: u8 = b'P';
const CONSUMER: u8 = b'C';

/// A running relay process; it ends when this is dropped.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    address: SocketAddr,
}

impl Relay {
    /// Starts this program again as a relay.
    pub fn start() -> Result<Relay, Fault> {
        let start = || {
            let program = std::env::current_exe()?;
            Command::new(program)
                .args(["perf", "relay"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
        };
        let failed = |error: std::io::Error| Fault::from(error).doing("starting the relay process");
        let mut child = start().map_err(failed)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(failed)?;
        match line.trim().parse::<u16>() {
            Ok(port) => Ok(Relay {
                child,
                address: (Ipv4Addr::LOCALHOST, port).into(),
            }),
            Err(_) => {
                let mut relay = Relay {
                    child,
                    address: (Ipv4Addr::LOCALHOST, 0).into(),
                };
                let _ = relay.child.kill();
                Err(Fault::new(format!(
                    "the relay process said '{}' instead of its port",
                    line.trim()
                )))
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the relay can stand in for a broker under this load.
    pub fn suits(load: &Load) -> Result<(), Fault> {
        let fanned = load.producers == 1 && load.copies() == Some(load.consumers as u64);
        if fanned || load.consumers == 0 || load.consumers == load.producers {
            return Ok(());
        }
        Err(Fault::new(
            "the relay needs as many producers as consumers, or one producer and a fanout exchange",
        ))
    }

    /// A producer's connection: pair `pair`, bytes go to `copies` consumers (0: nowhere).
    pub fn producer(&self, pair: usize, copies: usize) -> Result<Client, Fault> {
        self.open(PRODUCER, pair, copies)
    }

    /// A consumer's connection.
    pub fn consumer(&self, pair: usize) -> Result<Client, Fault> {
        self.open(CONSUMER, pair, 0)
    }

    fn open(&self, role: u8, pair: usize, copies: usize) -> Result<Client, Fault> {
        let open = || {
            let mut stream = TcpStream::connect(self.address)?;
            prepare(&stream)?;
            let [pair_high, pair_low] = (pair as u16).to_be_bytes();
            let [copies_high, copies_low] = (copies as u16).to_be_bytes();
            stream.write_all(&[role, pair_high, pair_low, copies_high, copies_low])?;
            Ok(Client {
                stream,
                frame_max: 131_072,
                unread: Vec::new(),
            })
        };
        open().map_err(|error: std::io::Error| Fault::from(error).doing("connecting to the relay"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connections of one pair, until all are there.
#[derive(Debug, Default)]
struct Pair {
    producer: Option<(TcpStream, usize)>,
    consumers: Vec<TcpStream>,
}

/// The child process: prints its port, relays until standard input ends.
pub fn serve() -> Result<(), Fault> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    stdout.flush()?;
    std::thread::spawn(move || accept(&listener));
    // The parent holds the other end, also when it is killed.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    Ok(())
}

fn accept(listener: &TcpListener) {
    let pairs: Arc<Mutex<HashMap<u16, Pair>>> = Arc::default();
    for stream in listener.incoming().flatten() {
        let pairs = pairs.clone();
        std::thread::spawn(move || {
            // A connection that breaks ends its own pair only.
            let _ = admit(stream, &pairs);
        });
    }
}

fn admit(mut stream: TcpStream, pairs: &Mutex<HashMap<u16, Pair>>) -> std::io::Result<()> {
    let mut hello = [0; 5];
    stream.read_exact(&mut hello)?;
    stream.set_nodelay(true)?;
    let [role, pair_high, pair_low, copies_high, copies_low] = hello;
    let number = u16::from_be_bytes([pair_high, pair_low]);
    let mut waiting = pairs.lock();
    let pair = waiting.entry(number).or_default();
    match role {
        PRODUCER => {
            pair.producer = Some((stream, u16::from_be_bytes([copies_high, copies_low]).into()))
        }
        _ => pair.consumers.push(stream),
    }
    let complete = matches!(&pair.producer, Some((_, copies)) if pair.consumers.len() == *copies);
    let Some(Pair {
        producer: Some((producer, _)),
        consumers,
    }) = complete.then(|| waiting.remove(&number)).flatten()
    else {
        return Ok(());
    };
    drop(waiting);
    relay(producer, consumers)
}

fn relay(mut producer: TcpStream, mut consumers: Vec<TcpStream>) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = producer.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        for consumer in &mut consumers {
            consumer.write_all(&chunk[..read])?;
        }
    }
}
