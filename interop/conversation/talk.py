"""The script's voice: named operations on named connections, and a transcript of what was said.

Every operation has a stable id, sends something, and waits for what should come back: the answer of a synchronous
method, the events that the script names, or (after a method without an answer) a barrier, `channel.flow`, which the
transcript leaves out. An error ends the wait, is acknowledged, and what it closed is opened again, so that every
operation starts from open channels, whatever the broker did to the one before.
"""

import collections
import re
import secrets
import threading
import time

import wire
from admin import Admin
from peer import CLOSED, Address, Peer

# How long the broker may take. Only a broker that does not answer makes anybody wait that long, and not often.
PATIENCE = 6.0
SILENCES = 30
WITHOUT_ANSWER = {"basic.publish", "basic.ack", "basic.nack", "basic.reject", "basic.recover-async"}
QUIET = "quiet"  # wait for nothing: show that nothing comes


class GaveUp(Exception):
    """The broker leaves too much unanswered for the rest to be worth the time."""


class Talk:
    """One run of the script against one broker."""

    def __init__(self, uri):
        self.address = Address(uri)
        # Names carry a token of this run, so that runs do not meet; the transcript shows it as "conv".
        self.token = "conv" + secrets.token_hex(4)
        self.lines, self.ids, self.links, self.broker = [], {}, {}, broker_at(self.address)
        self.admin = Admin(self)
        self.threads, self.part, self.silences = [], "none", 0

    def name(self, name):
        return f"{self.token}.{self.part}.{name}"

    def link(self, label, **options):
        """A named connection that stays for several operations."""
        if label not in self.links:
            self.links[label] = Link(self, label, options)
        return self.links[label]

    def end(self):
        """Deletes what is left. Called once at the end, also of a failed run."""
        for link in self.links.values():
            link.sweep()
        for link in self.links.values():
            link.peer.close()
        self.admin.end()

    def begin(self, operation):
        if operation in self.ids:
            raise ValueError(f"operation {operation} stands in the script twice")
        self.ids[operation] = True

    def write(self, operation, line):
        self.lines.append((operation, self.normal(line)))

    def normal(self, text):
        """Without what differs from run to run: tokens, generated names (their length and alphabet are checked), times."""
        text = text.replace(self.token, "conv")
        text = re.sub(r"amq\.gen-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])", "amq.gen-<22>", text)
        text = re.sub(r"amq\.ctag-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])", "amq.ctag-<22>", text)
        text = re.sub(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9_.+/=-]{8,}", "amq.rabbitmq.reply-to.<opaque>", text)
        text = re.sub(r"rabbitmq-\w+@[\w.-]+|oracle\d@localhost", "<node>", text)
        text = re.sub(r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+", "<connection>", text)

        def moment(match):
            near = abs(int(match[1]) - time.time()) < 3600
            return "T <now>" if near else match[0]

        return re.sub(r"T (\d+)", moment, text)

    def background(self, operation, said, begin, listen):
        """An operation that mostly waits: `begin` gives a peer, `listen` the lines that it got. `join` writes them."""
        self.begin(operation)

        def run():
            try:
                peer = begin()
                lines = listen(peer)
                peer.close()
            except (OSError, RuntimeError) as error:
                lines = [f"failed: {error}"]
            thread.lines = [f"> {said}"] + [f"< {line}" for line in lines]

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append((operation, thread))
        thread.start()

    def join(self):
        for operation, thread in self.threads:
            thread.join()
            for line in thread.lines:
                self.write(operation, line)

    # Operations on sockets of their own, where the connection itself is the subject.

    def raw(self, operation, peer, sent, wait, shown=None, seconds=PATIENCE):
        """Sends bytes and collects events until those named in `wait` have come, in any order, or the stream ends."""
        self.begin(operation)
        self.write(operation, f"> {shown or sent.hex()}")
        peer.send(sent)
        events = collect(peer, wait, seconds)
        for event in events:
            self.write(operation, f"< {event}")
        if not satisfied(events, wait):
            self.write(operation, "< (nothing more)")
        return events


def broker_at(address):
    """Who answers there, and at which level: "rabbitmq-4.0", "leveret"."""
    peer = Peer(address)
    peer.send(wire.PROTOCOL_HEADER)
    properties = {name: value for name, _, value in peer.need("connection.start")["server_properties"]}
    peer.close()
    product, version = (properties[key].decode() for key in ("product", "version"))
    return f"{product.lower()}-{'.'.join(version.split('.')[:2])}" if product == "RabbitMQ" else product.lower()


def wanted(wait):
    return collections.Counter(wait.split() if isinstance(wait, str) else wait)


def satisfied(events, wait):
    return wait == QUIET or not wanted(wait) - collections.Counter(event.name for event in events) or \
        any(event.name in (CLOSED, "connection.close", "channel.close") for event in events)


def collect(peer, wait, seconds):
    """Events until `wait` is satisfied or the time is over. A heartbeat counts only where it is waited for."""
    events, quiet = [], wait == QUIET
    deadline = time.monotonic() + (0.3 if quiet else seconds)
    left = collections.Counter() if quiet else wanted(wait)
    while quiet or left:
        event = peer.next(deadline - time.monotonic())
        if event is None:
            break
        if event.name == "heartbeat" and "heartbeat" not in left:
            continue
        events.append(event)
        left -= collections.Counter([event.name])
        if event.name == CLOSED or event.name == "connection.close" and "connection.close" not in wanted(wait):
            break
    return events


class Link:
    """A connection with its channels, kept open over errors."""

    def __init__(self, talk, label, options):
        self.talk, self.label, self.options = talk, label, options
        self.channels, self.queues, self.exchanges = set(), set(), set()
        self.confirming = set()  # channels on which confirm.select was said, see scene.py
        self.open()

    def open(self):
        self.peer = Peer(self.talk.address).handshake(**self.options)
        # Deliveries and the like that came while something else was waited for: the next operation's.
        self.early = []

    def channel(self, number):
        """Makes sure that the channel is open; not an operation."""
        if number not in self.channels:
            self.peer.open_channel(number)
            self.channels.add(number)
        return number

    def quietly(self, number, name, answer=None, body=None, properties=None, **fields):
        """Part of the stage, not of the play: not in the transcript. Returns the answer."""
        self.channel(number)
        self.remember(name, fields)
        self.send(number, name, body, properties, fields)
        answers = (answer,) if isinstance(answer, str) else answer or (name + "-ok",)
        if name in WITHOUT_ANSWER and not answer:
            self.peer.method(number, "channel.flow", active=True)
            answers = ("channel.flow-ok",)
        event = self.peer.next(PATIENCE)
        while event is not None and event.name not in answers:
            if event.name in ("channel.close", "connection.close", CLOSED):
                self.heal([event])
                raise RuntimeError(f"{self.label}: {name} {fields}: {event}")
            self.early.append(event)
            event = self.peer.next(PATIENCE)
        if event is None:
            raise RuntimeError(f"{self.label}: no answer to {name} {fields}")
        return event

    def send(self, number, name, body, properties, fields):
        raw = wire.frame(wire.METHOD, number, wire.method(name, **fields))
        if name in wire.WITH_CONTENT:
            raw += wire.content(number, properties, body or b"", self.peer.frame_max)
        self.peer.send(raw)

    def remember(self, name, fields):
        if name == "queue.declare" and not fields.get("passive") and fields.get("queue"):
            self.queues.add(fields["queue"])
        if name == "exchange.declare" and not fields.get("passive"):
            self.exchanges.add(fields["exchange"])

    def op(self, operation, number, name, wait=None, body=None, properties=None, settle=0.0, **fields):
        """One method and what comes back. `wait`: names of the events to wait for beside the method's own answer."""
        self.channel(number)
        self.remember(name, fields)
        said = [f"{field}={shown(value)}" for field, value in fields.items()]
        if name == "basic.publish":
            said += [f"properties={shown(properties or {})}", f"body={shown(body or b'')}"]
        return self.converse(operation, f"{number} {name} {' '.join(said)}".rstrip(), number,
                             lambda: self.send(number, name, body, properties, fields), self.awaited(name, fields, wait), settle)

    def awaited(self, name, fields, wait):
        if wait == QUIET:
            return QUIET
        events = wanted(wait or "")
        if name == "basic.get" and not events:
            events = collections.Counter(["basic.get"])  # get-ok or get-empty
        elif name in WITHOUT_ANSWER or fields.get("nowait"):
            events["barrier"] += 1
        elif name + "-ok" in wire.METHODS:
            events[name + "-ok"] += 1
        return events

    def frames(self, operation, shown_as, raw, wait="", number=1, settle=0.0):
        """Any bytes, then what comes back: the events named, or `barrier`."""
        self.channel(number)
        return self.converse(operation, shown_as, number, lambda: self.peer.send(raw), wanted(wait), settle)

    def expect(self, operation, wait, number=1, settle=0.0):
        """What comes without this connection's doing."""
        return self.converse(operation, None, number, lambda: None, wait if wait == QUIET else wanted(wait), settle)

    def converse(self, operation, said, number, send, wait, settle):
        self.talk.begin(operation)
        self.talk.write(operation, f"> {self.label} {said}" if said else f"> {self.label} (listens)")
        send()
        barrier = wait != QUIET and wait.pop("barrier", 0)
        if barrier:
            self.peer.method(number, "channel.flow", active=True)
            wait["channel.flow-ok"] += 1
        events, complete = self.gather(number, wait, settle)
        if barrier:
            flow = next((event for event in events if event.name == "channel.flow-ok"), None)
            events = [event for event in events if event is not flow]
        # The order within a channel is the broker's word, the order between channels is chance.
        for event in sorted(events, key=lambda event: (not event.channel, event.channel or 0)):
            self.talk.write(operation, f"< {self.label} {event}")
        if not complete:
            self.talk.write(operation, f"< {self.label} (nothing more)")
            self.talk.silences += 1
            if self.talk.silences > SILENCES:
                raise GaveUp(operation)
        self.heal(events)
        if not complete and not self.healed(events):
            # Whatever the broker still waits for: the next operation starts from a clean connection.
            self.again()
        return events

    def gather(self, number, wait, settle):
        """Events until those waited for have come; an error on this channel or connection ends the wait."""
        quiet = wait == QUIET
        left = collections.Counter() if quiet else collections.Counter(wait)
        deadline = time.monotonic() + (0.3 if quiet else PATIENCE)
        events = []
        while quiet or left:
            event = self.early.pop(0) if self.early else self.peer.next(deadline - time.monotonic())
            if event is None:
                break
            if event.name == "heartbeat" and "heartbeat" not in left:
                continue
            events.append(event)
            left -= collections.Counter([event.name])
            if event.name in ("basic.get-ok", "basic.get-empty"):
                left -= collections.Counter(["basic.get"])
            if event.name in ("connection.close", CLOSED) or event.name == "channel.close" and event.channel == number:
                return events, True
        while settle > 0:
            event = self.early.pop(0) if self.early else self.peer.next(settle)
            if event is None:
                break
            events.append(event)
        return events, quiet or not left

    def healed(self, events):
        return any(event.name in ("connection.close", CLOSED) for event in events)

    def heal(self, events):
        """Acknowledges errors and opens again what they closed."""
        for event in events:
            if event.name == "channel.close":
                self.peer.method(event.channel, "channel.close-ok")
                self.channels.discard(event.channel)
                self.confirming.discard(event.channel)
                self.channel(event.channel)
            elif event.name in ("connection.close", CLOSED):
                if event.name == "connection.close":
                    self.peer.method(0, "connection.close-ok")
                self.again()
                return

    def again(self):
        """A new socket for the same label, with the same channels open."""
        while self.peer.next(0.1) is not None:
            pass
        self.peer.close()
        self.open()
        channels, self.channels = self.channels, set()
        self.confirming.clear()
        for number in sorted(channels):
            self.channel(number)

    def reaches(self, operation, number, exchange, routing_key, queues, properties=None):
        """Publishes, and says which of the queues got it, by purging them; all are left empty."""
        self.talk.begin(operation)
        self.talk.write(operation, f"> {self.label} who gets exchange={exchange!r} routing_key={routing_key!r} "
                                   f"properties={shown(properties or {})}")
        self.quietly(number, "basic.publish", exchange=exchange, routing_key=routing_key, body=b"m", properties=properties)
        got = []
        for queue in queues:
            copies = self.quietly(number, "queue.purge", queue=queue)["message_count"]
            got += [queue.removeprefix(self.talk.name(""))] if copies == 1 else [f"{queue} {copies} times"] if copies else []
        self.talk.write(operation, f"< {self.label} {', '.join(repr(name) for name in got) or 'nobody'}")

    def count(self, queue, messages, seconds=PATIENCE):
        """Waits until the queue has so many ready messages; not an operation. RabbitMQ's queues answer a declare before
        the publishes that came earlier, so a count is asked for again until it is right."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.quietly(63, "queue.declare", queue=queue, passive=True)["message_count"] == messages:
                return
            time.sleep(0.02)
        # The next operation shows what is missing.

    def sweep(self):
        """Deletes what this connection declared, over a channel that nothing else uses."""
        try:
            if self.peer.closed:
                self.open()
                self.channels = set()
            for queue in self.queues:
                self.quietly(64, "queue.delete", queue=queue)
            for exchange in self.exchanges:
                if exchange and not exchange.startswith("amq."):
                    self.quietly(64, "exchange.delete", exchange=exchange)
        except (RuntimeError, OSError):
            # An exclusive queue of another connection, a name that the broker refused: gone with its owner.
            pass


def shown(value):
    """A value of the script, as the transcript shows it."""
    if isinstance(value, wire.Typed):
        return f"{value.letter} {value.value!r}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return f"{value[0]}: {shown(value[1])}"
    if isinstance(value, list):
        if len(value) > 30:
            return f"[{shown(value[0])} and {len(value) - 1} more]"
        return "[" + ", ".join(shown(item) for item in value) + "]"
    if isinstance(value, bytes) and len(value) > 64:
        return f"{len(value)} bytes"
    if isinstance(value, str) and len(value) > 100:
        return f"{value[:20]!r}... of {len(value)}"
    return repr(int(value) if isinstance(value, bool) else value)
