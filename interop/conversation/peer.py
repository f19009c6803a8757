"""A raw-frame AMQP client over one socket: sends any bytes, shows every frame that comes back.

It repairs nothing by itself (see talk.py, which reopens what an error closed) and compares nothing.
"""

import hashlib
import itertools
import socket
import struct
import time
import urllib.parse

import wire

# What a well-behaved client says of itself; the broker acts on three of these capabilities.
CAPABILITIES = {
    "authentication_failure_close": True, "consumer_cancel_notify": True, "connection.blocked": True,
    "basic.nack": True, "publisher_confirms": True, "exchange_exchange_bindings": True,
}
CLOSED = "closed"  # the event after which the peer is silent for ever


class Address:
    """Where and as whom: amqp://user:password@host:port/vhost, each part percent-encoded as clients do.

    `?http=PORT` names the port of the HTTP API; without it, it is the AMQP port plus 10000, as RabbitMQ has it.
    """

    def __init__(self, uri):
        parts = urllib.parse.urlsplit(uri)
        unquote = urllib.parse.unquote
        self.host, self.port = parts.hostname or "localhost", parts.port or 5672
        self.user = unquote(parts.username or "guest")
        self.password = unquote(parts.password or "guest")
        self.http_port = int(urllib.parse.parse_qs(parts.query).get("http", [self.port + 10000])[0])
        self.vhost = unquote(parts.path[1:]) if len(parts.path) > 1 else "/"

    @property
    def plain(self):
        return f"\0{self.user}\0{self.password}"


class Event:
    """One thing that the broker sent: a method with its content, a heartbeat, a protocol header, or the end of the stream."""

    def __init__(self, channel, name, fields=(), content=None):
        self.channel, self.name, self.fields, self.content = channel, name, fields, content

    def __getitem__(self, field):
        return next(value for name, _, value in self.fields if name == field)

    def __str__(self):
        parts = [f"{name}={wire.show(kind, value)}" for name, kind, value in self.fields]
        if self.content:
            parts.append(str(self.content))
        where = "" if self.channel is None else f"{self.channel} "
        return " ".join([where + self.name, *parts])


class Content:
    """Header and body of a message, and the sizes of the frames that its body came in."""

    def __init__(self, payload):
        self.class_id, self.weight, self.size = struct.unpack_from(">HHQ", payload)
        self.properties, self.body, self.frames = payload[12:], bytearray(), []

    def __str__(self):
        shown = " ".join(f"{name}={wire.show(kind, value)}" for name, kind, value in wire.parse_properties(self.properties))
        body = repr(bytes(self.body)) if self.size <= 64 else f"{len(self.body)} bytes"
        odd = "" if (self.class_id, self.weight) == (60, 0) else f" class={self.class_id} weight={self.weight}"
        if len(shown) > 1000:
            shown = f"{shown[:100]}... {len(shown)} characters, SHA-256 {hashlib.sha256(self.properties).hexdigest()[:16]}"
        sizes = [f"{size} x {len(list(run))}" for size, run in itertools.groupby(self.frames)]
        frames = "" if len(self.frames) == (1 if self.size else 0) else f" in frames of {', '.join(sizes)}"
        return f"properties=[{shown}] body={body}{frames}{odd}"


class Peer:
    """One connection. `next` gives the events one by one."""

    def __init__(self, address):
        self.address, self.frame_max = address, 131072
        self.socket = socket.create_connection((address.host, address.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.closed, self.pending = bytearray(), False, {}

    def send(self, raw):
        """Sends, and says nothing when the broker has gone already: what it sent before is still to be read."""
        try:
            self.socket.settimeout(10)
            self.socket.sendall(raw)
        except OSError:
            pass

    def method(self, channel, name, **fields):
        self.send(wire.frame(wire.METHOD, channel, wire.method(name, **fields)))

    def close(self):
        self.socket.close()
        self.closed = True

    def handshake(self, vhost=None, heartbeat=0, channel_max=2047, frame_max=131072, capabilities=CAPABILITIES, name=None, user=None):
        """Protocol header to open-ok. Raises RuntimeError when the broker does not follow. A `user` has its name as password."""
        self.send(wire.PROTOCOL_HEADER)
        self.need("connection.start")
        properties = {"product": "conversation", "capabilities": capabilities}
        if name:
            properties["connection_name"] = name
        self.method(0, "connection.start-ok", client_properties=properties,
                    mechanism="PLAIN", response=f"\0{user}\0{user}" if user else self.address.plain, locale="en_US")
        self.need("connection.tune")
        self.frame_max = frame_max
        self.method(0, "connection.tune-ok", channel_max=channel_max, frame_max=frame_max, heartbeat=heartbeat)
        self.method(0, "connection.open", virtual_host=self.address.vhost if vhost is None else vhost)
        self.need("connection.open-ok")
        return self

    def open_channel(self, number):
        """Opens a channel; deliveries to other channels that come meanwhile are lost to the script."""
        self.method(number, "channel.open")
        event = self.next(10)
        while event is not None and event.name.startswith("basic."):
            event = self.next(10)
        if event is None or event.name != "channel.open-ok":
            raise RuntimeError(f"expected channel.open-ok, the broker sent {event}")

    def need(self, name, seconds=10):
        event = self.next(seconds)
        if event is None or event.name != name:
            raise RuntimeError(f"expected {name}, the broker sent {event}")
        return event

    def next(self, seconds):
        """The next event, or None when nothing whole arrives in time."""
        deadline = time.monotonic() + seconds
        while True:
            event = self.cut()
            if event is not None:
                return event
            left = deadline - time.monotonic()
            if left <= 0 and self.buffer is not None and not self.readable():
                return None
            if self.closed:
                return None
            try:
                self.socket.settimeout(max(left, 0.001))
                piece = self.socket.recv(1 << 18)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError:
                piece = b""
            if not piece:
                self.close()
                return Event(None, CLOSED)
            self.buffer += piece

    def readable(self):
        import select
        return not self.closed and bool(select.select([self.socket], [], [], 0)[0])

    def cut(self):
        """Takes frames off the buffer until an event is whole."""
        while True:
            if self.buffer[:4] == b"AMQP" and len(self.buffer) >= 8:
                header = bytes(self.buffer[4:8])
                del self.buffer[:8]
                return Event(None, "protocol header", [("version", "bytes", " ".join(str(octet) for octet in header))])
            if len(self.buffer) < 7 or self.buffer[:4] == b"AMQP":
                return None
            kind, channel, size = struct.unpack_from(">BHI", self.buffer)
            if len(self.buffer) < size + 8:
                return None
            payload, end = bytes(self.buffer[7:7 + size]), self.buffer[7 + size]
            del self.buffer[:size + 8]
            event = self.frame(kind, channel, payload)
            if end != wire.END or size + 8 > self.frame_max:
                return Event(channel, "bad frame", [("end", "octet", end), ("size", "long", size)])
            if event is not None:
                return event

    def frame(self, kind, channel, payload):
        if kind == wire.METHOD:
            name, fields = wire.parse_method(payload)
            event = Event(channel, name, fields)
            if name not in wire.WITH_CONTENT:
                return event
            self.pending[channel] = event
            return None
        if kind == wire.HEARTBEAT:
            return Event(channel, "heartbeat")
        waiting = self.pending.get(channel)
        if waiting is None or (kind == wire.HEADER) != (waiting.content is None):
            return Event(channel, f"unexpected frame of type {kind}")
        if kind == wire.HEADER:
            waiting.content = Content(payload)
        else:
            waiting.content.body += payload
            waiting.content.frames.append(len(payload))
        if len(waiting.content.body) >= waiting.content.size:
            del self.pending[channel]
            return waiting
        return None
