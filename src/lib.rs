//! Leveret: a message broker that speaks AMQP 0-9-1 exactly as RabbitMQ does. This page is the map of the house; each room's
//! own first lines say what is in it.
//!
//! # Floors
//!
//! A room uses rooms on lower floors only; neighbours on a floor do not know each other (`tests/house.rs` reads every import).
//!
//! ```text
//! 8  server      the process: data directory, sockets, signals, alarms, log         perf   `leveret perf`; uses wire alone
//!    ctl         `leveret ctl`, import and export: rabbitmqctl's commands over the HTTP API; uses no other room
//! 7  config      rabbitmq.conf, environment and --set as one typed struct
//! 6  connection  the AMQP door: a task for each connection; session and channels without a socket
//!    management  the HTTP door: RabbitMQ's management API
//! 5  broker      the one object behind all doors: vhosts, topology, routing, dead letters, timers, alarms
//! 4  queue       waiting messages and who wants them; mailboxes                    auth   users, passwords, permissions
//! 3  exchange    message in, targets out                                           store  journal, checkpoints, recovery
//! 2  message     one message, as cheap to share as a pointer
//! 1  wire        AMQP bytes to values and back; every reply text; the bounds of the wire
//! ```
//!
//! `main.rs` on top turns arguments into a call of server, perf or ctl, and its answer into an exit code.
//!
//! # One way through
//!
//! ```text
//! socket -> connection::task -> session -> channel -> broker::publish -> exchange -> queue -> store
//!                                                                                     |
//! socket <- connection::task <- channel <------------------ queue::mailbox <----------+
//! ```
//!
//! 1. A connection's task works in rounds: read what the socket has, handle every whole frame, take the mailbox's batch, write
//!    once, wake others. The session cuts frames out of the bytes and hands each to its channel.
//! 2. A publish is checked and routed (a cache by exchange and routing key, else a walk over the exchanges), and its bytes are
//!    copied once into the round's chunk; a large body has a buffer of its own. Property block and names stay the bytes that
//!    came, but for the few edits that RabbitMQ makes, too (BCC, reply-to, x-death).
//! 3. At the end of the round, or before any method that could see the difference, each queue is locked once for all that it
//!    gets: messages are placed, handed to consumers with credit by pushing into their connections' mailboxes, limits and
//!    expiry are applied, and the journal gives a receipt.
//! 4. What must not be done under the lock comes back as `queue::Effects`: wake-ups, dead letters, deletions, deadlines.
//! 5. The consumer's own task drains its mailbox and writes method, header and body from the message's bytes.
//! 6. Acks of a round are grouped by queue and settled in one call; confirms leave when the journal says that the receipt is
//!    due.
//!
//! A stream (`queue/stream`) is a queue whose messages stay: publishing is the same way, but delivery begins when the journal says
//! that they are on disk, and each reader takes them from the stream's end in memory, or from disk by the pager.
//!
//! Nothing calls up: what travels back (a delivery, a cancel, an alarm, a direct reply) lies in a mailbox until its connection
//! looks.
//!
//! # Invariants
//!
//! * A queue owns its messages until they are settled: ready + delivered + dying = all that is in it. Sequence numbers and
//!   queue ids are never used twice.
//! * Queue core, exchanges, session and heartbeat are plain code: time comes in as milliseconds, effects go out; no socket, no
//!   clock, no task.
//! * A connection's state has one owner, its task, and no lock. Others reach it through its mailbox alone.
//! * Lock order: topology, queue, journal, mailbox. Never across an await; never two queues at once but in tx.commit, by id.
//! * The same frames, one by one or in one buffer, get the same answers.
//! * A confirm is sent only for a receipt that the journal calls due; a dead letter's source is settled only after its copies
//!   are placed.
//! * No bytes from a peer make the broker panic, recurse without bound, or hold memory without bound. Should a round panic all
//!   the same, that connection ends and gives back what it holds.
//! * One lock hold takes about `queue::STEPS_MAX` steps; the rest is done in the next (tx.commit, which is atomic, excepted).
//!
//! # Where does it go?
//!
//! | new | write | and touch |
//! |---|---|---|
//! | exchange kind | `exchange/<kind>.rs` | one line in the table of `exchange/mod.rs` |
//! | queue or consumer argument | one row in `queue/arguments.rs` | the file that obeys it |
//! | rule of queues (TTL, overflow ...) | one pure function in `queue/<rule>.rs` | where `queue/core.rs` calls it |
//! | method of AMQP | `connection/channel/<class>.rs` | the match in `connection/channel/mod.rs` |
//! | reply text | one constructor in `wire/reply` | |
//! | bound that a peer can reach | a constant: in `wire/limits.rs`, or beside what it bounds | the table in README.md |
//! | HTTP endpoint | a handler in the noun's file in `management` | one row in `management/routes.rs` |
//! | configuration key | one row in `config/keys/<theme>.rs` | `config/build.rs`, `server/core.rs`, `config/leveret.conf` |
//! | operator's command | a function in the noun's file in `ctl` | one row in `ctl/commands.rs` |
//! | protocol | a room beside `connection` | a listener in `server` |
//! | what outlives the process | `store` | |
//!
//! "BEHAVIOURS n.m" in comments is a section of the project's notes on what RabbitMQ 3.10, 4.0 and 4.3 do; what they found is
//! held by `tests/` and by the recorded conversations in `interop/conversation`.

pub mod auth;
pub mod broker;
pub mod config;
pub mod connection;
pub mod ctl;
pub mod exchange;

pub mod management;
pub mod message;
pub mod perf;
pub mod queue;
pub mod server;
pub mod store;
pub mod wire;
