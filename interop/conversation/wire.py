"""AMQP 0-9-1 bytes <-> values, for the conversation: nothing is hidden and everything may be sent, also what is wrong.

No sockets here (see peer.py) and no opinion on what is right (see conversation.py). Standard library only.
Field tables are lists of (name, type letter, value), so that the order and the types on the wire stay visible.
"""

import struct

METHOD, HEADER, BODY, HEARTBEAT, END = 1, 2, 3, 8, 0xCE
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

# name: (class id, method id, arguments). "name:type"; neighbouring bits share octets, as the specification has it.
METHODS = {
    "connection.start": (10, 10, "version_major:octet version_minor:octet server_properties:table mechanisms:longstr locales:longstr"),
    "connection.start-ok": (10, 11, "client_properties:table mechanism:shortstr response:longstr locale:shortstr"),
    "connection.secure": (10, 20, "challenge:longstr"),
    "connection.secure-ok": (10, 21, "response:longstr"),
    "connection.tune": (10, 30, "channel_max:short frame_max:long heartbeat:short"),
    "connection.tune-ok": (10, 31, "channel_max:short frame_max:long heartbeat:short"),
    "connection.open": (10, 40, "virtual_host:shortstr reserved_1:shortstr reserved_2:bit"),
    "connection.open-ok": (10, 41, "known_hosts:shortstr"),
    "connection.close": (10, 50, "reply_code:short reply_text:shortstr class_id:short method_id:short"),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "reason:shortstr"),
    "connection.unblocked": (10, 61, ""),
    "connection.update-secret": (10, 70, "new_secret:longstr reason:shortstr"),
    "connection.update-secret-ok": (10, 71, ""),
    "channel.open": (20, 10, "reserved_1:shortstr"),
    "channel.open-ok": (20, 11, "channel_id:longstr"),
    "channel.flow": (20, 20, "active:bit"),
    "channel.flow-ok": (20, 21, "active:bit"),
    "channel.close": (20, 40, "reply_code:short reply_text:shortstr class_id:short method_id:short"),
    "channel.close-ok": (20, 41, ""),
    "access.request": (30, 10, "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit"),
    "access.request-ok": (30, 11, "ticket:short"),
    "exchange.declare": (40, 10, "ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto_delete:bit internal:bit nowait:bit arguments:table"),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "ticket:short exchange:shortstr if_unused:bit nowait:bit"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (40, 30, "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table"),
    "exchange.bind-ok": (40, 31, ""),
    "exchange.unbind": (40, 40, "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit arguments:table"),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.declare": (50, 10, "ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto_delete:bit nowait:bit arguments:table"),
    "queue.declare-ok": (50, 11, "queue:shortstr message_count:long consumer_count:long"),
    "queue.bind": (50, 20, "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr nowait:bit arguments:table"),
    "queue.bind-ok": (50, 21, ""),
    "queue.purge": (50, 30, "ticket:short queue:shortstr nowait:bit"),
    "queue.purge-ok": (50, 31, "message_count:long"),
    "queue.delete": (50, 40, "ticket:short queue:shortstr if_unused:bit if_empty:bit nowait:bit"),
    "queue.delete-ok": (50, 41, "message_count:long"),
    "queue.unbind": (50, 50, "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr arguments:table"),
    "queue.unbind-ok": (50, 51, ""),
    "basic.qos": (60, 10, "prefetch_size:long prefetch_count:short global:bit"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (60, 20, "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit no_ack:bit exclusive:bit nowait:bit arguments:table"),
    "basic.consume-ok": (60, 21, "consumer_tag:shortstr"),
    "basic.cancel": (60, 30, "consumer_tag:shortstr nowait:bit"),
    "basic.cancel-ok": (60, 31, "consumer_tag:shortstr"),
    "basic.publish": (60, 40, "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit"),
    "basic.return": (60, 50, "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr"),
    "basic.deliver": (60, 60, "consumer_tag:shortstr delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr"),
    "basic.get": (60, 70, "ticket:short queue:shortstr no_ack:bit"),
    "basic.get-ok": (60, 71, "delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr message_count:long"),
    "basic.get-empty": (60, 72, "cluster_id:shortstr"),
    "basic.ack": (60, 80, "delivery_tag:longlong multiple:bit"),
    "basic.reject": (60, 90, "delivery_tag:longlong requeue:bit"),
    "basic.recover-async": (60, 100, "requeue:bit"),
    "basic.recover": (60, 110, "requeue:bit"),
    "basic.recover-ok": (60, 111, ""),
    "basic.nack": (60, 120, "delivery_tag:longlong multiple:bit requeue:bit"),
    "confirm.select": (85, 10, "nowait:bit"),
    "confirm.select-ok": (85, 11, ""),
    "tx.select": (90, 10, ""),
    "tx.select-ok": (90, 11, ""),
    "tx.commit": (90, 20, ""),
    "tx.commit-ok": (90, 21, ""),
    "tx.rollback": (90, 30, ""),
    "tx.rollback-ok": (90, 31, ""),
}
NAMES = {(c, m): name for name, (c, m, _) in METHODS.items()}
FIELDS = {name: [tuple(f.split(":")) for f in spec.split()] for name, (_, _, spec) in METHODS.items()}
WITH_CONTENT = {"basic.publish", "basic.return", "basic.deliver", "basic.get-ok"}

# The fourteen properties, first flag bit first.
PROPERTIES = [
    ("content_type", "shortstr"), ("content_encoding", "shortstr"), ("headers", "table"), ("delivery_mode", "octet"),
    ("priority", "octet"), ("correlation_id", "shortstr"), ("reply_to", "shortstr"), ("expiration", "shortstr"),
    ("message_id", "shortstr"), ("timestamp", "longlong"), ("type", "shortstr"), ("user_id", "shortstr"),
    ("app_id", "shortstr"), ("cluster_id", "shortstr"),
]
NUMBERS = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q", "f": ">f", "d": ">d", "T": ">Q"}
BASIC = {"octet": ">B", "short": ">H", "long": ">I", "longlong": ">Q"}


class Typed:
    """A table value with its type letter on the wire, e.g. Typed("b", 1)."""

    def __init__(self, letter, value):
        self.letter, self.value = letter, value


def shortstr(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return bytes([len(raw)]) + raw


def longstr(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">I", len(raw)) + raw


def field_value(value):
    """Type letter and bytes of one table value; plain Python values take the letters that RabbitMQ's own clients use."""
    if isinstance(value, Typed):
        letter, value = value.letter, value.value
    elif isinstance(value, bool):
        letter = "t"
    elif isinstance(value, int):
        letter = "I" if -(2**31) <= value < 2**31 else "l"
    else:
        letter = {str: "S", bytes: "x", float: "d", type(None): "V", dict: "F", list: "A"}[type(value)]
    if letter in NUMBERS:
        raw = struct.pack(NUMBERS[letter], value)
    elif letter == "t":
        raw = bytes([value])
    elif letter in "Sx":
        raw = longstr(value)
    elif letter == "D":
        raw = struct.pack(">BI", *value)
    elif letter == "V":
        raw = b""
    elif letter == "F":
        raw = table(value)
    else:
        raw = longstr(b"".join(field_value(item) for item in value))
    return letter.encode() + raw


def table(entries):
    """A field table; `entries` is a dict, a list of (name, value) in wire order, or ready bytes (with their length)."""
    if isinstance(entries, bytes):
        return entries
    pairs = entries.items() if isinstance(entries, dict) else entries
    return longstr(b"".join(shortstr(name) + field_value(value) for name, value in pairs))


def method(name, **fields):
    """The payload of a method frame; arguments not given are empty or zero."""
    class_id, method_id, _ = METHODS[name]
    out, bits = bytearray(struct.pack(">HH", class_id, method_id)), []

    def flush():
        if bits:
            out.append(sum(1 << place for place, bit in enumerate(bits) if bit))
            bits.clear()

    for field, kind in FIELDS[name]:
        value = fields.pop(field, None)
        if kind == "bit":
            bits.append(value)
            continue
        flush()
        if kind == "shortstr":
            out += shortstr(value or "")
        elif kind == "longstr":
            out += longstr(value or "")
        elif kind == "table":
            out += table(value or {})
        else:
            out += struct.pack(BASIC[kind], value or 0)
    flush()
    if fields:
        raise TypeError(f"{name} has no {', '.join(fields)}")
    return bytes(out)


def property_block(properties):
    """Flags and list of a content header, as bytes; `properties` is a dict, or ready bytes."""
    if isinstance(properties, bytes):
        return properties
    flags, out, left = 0, bytearray(), dict(properties or {})
    for place, (name, kind) in enumerate(PROPERTIES):
        if name not in left:
            continue
        flags |= 1 << (15 - place)
        value = left.pop(name)
        if kind == "shortstr":
            out += shortstr(value)
        elif kind == "table":
            out += table(value)
        else:
            out += struct.pack(BASIC[kind], value)
    if left:
        raise TypeError(f"no such property: {', '.join(left)}")
    return struct.pack(">H", flags) + bytes(out)


def frame(kind, channel, payload, end=END):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


def content(channel, properties, body, frame_max=131072, weight=0, class_id=60, size=None):
    """Header and body frames of a message."""
    header = struct.pack(">HHQ", class_id, weight, len(body) if size is None else size) + property_block(properties)
    pieces = [body[at:at + frame_max - 8] for at in range(0, len(body), frame_max - 8)]
    return frame(HEADER, channel, header) + b"".join(frame(BODY, channel, piece) for piece in pieces)


class Reader:
    """Reads values off one payload."""

    def __init__(self, raw, at=0):
        self.raw, self.at = raw, at

    def take(self, count):
        piece = self.raw[self.at:self.at + count]
        if len(piece) < count:
            raise ValueError("payload too short")
        self.at += count
        return piece

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def shortstr(self):
        return self.take(self.number(">B")).decode("utf-8", "backslashreplace")

    def longstr(self):
        return self.take(self.number(">I"))

    def table(self):
        inner, entries = Reader(self.longstr()), []
        while inner.at < len(inner.raw):
            entries.append((inner.shortstr(), *inner.value()))
        return entries

    def value(self):
        letter = self.take(1).decode("latin-1")
        if letter in NUMBERS:
            return letter, self.number(NUMBERS[letter])
        if letter == "t":
            return letter, bool(self.number(">B"))
        if letter in "Sx":
            return letter, self.longstr()
        if letter == "D":
            return letter, (self.number(">B"), self.number(">I"))
        if letter == "V":
            return letter, None
        if letter == "F":
            return letter, self.table()
        if letter == "A":
            inner, items = Reader(self.longstr()), []
            while inner.at < len(inner.raw):
                items.append(inner.value())
            return letter, items
        raise ValueError(f"field type {letter!r}")


def parse_method(payload):
    """(name, fields in order) of a method frame's payload. Left-over bytes are shown as a field of their own."""
    reader = Reader(payload)
    ids = (reader.number(">H"), reader.number(">H"))
    name = NAMES.get(ids)
    if name is None:
        return f"method {ids[0]}/{ids[1]}", [("payload", "bytes", payload[4:].hex())]
    fields, octet, bit = [], 0, 8
    for field, kind in FIELDS[name]:
        if kind == "bit":
            if bit == 8:
                octet, bit = reader.number(">B"), 0
            fields.append((field, kind, bool(octet >> bit & 1)))
            bit += 1
            continue
        bit = 8
        read = {"shortstr": reader.shortstr, "longstr": reader.longstr, "table": reader.table}.get(kind)
        fields.append((field, kind, read() if read else reader.number(BASIC[kind])))
    if reader.at < len(payload):
        fields.append(("left_over", "bytes", payload[reader.at:].hex()))
    return name, fields


def parse_properties(raw):
    """[(name, kind, value)] of a property block."""
    reader = Reader(raw)
    flags, found = reader.number(">H"), []
    for place, (name, kind) in enumerate(PROPERTIES):
        if flags >> (15 - place) & 1:
            read = {"shortstr": reader.shortstr, "table": reader.table}.get(kind)
            found.append((name, kind, read() if read else reader.number(BASIC[kind])))
    if flags & 3 or reader.at < len(raw):
        found.append(("left_over", "bytes", raw[reader.at:].hex()))
    return found


def show_table(entries):
    return "{" + ", ".join(f"{name}: {show_value(letter, value)}" for name, letter, value in entries) + "}"


def show_value(letter, value):
    if letter == "F":
        return f"F {show_table(value)}"
    if letter == "A":
        return "A [" + ", ".join(show_value(*item) for item in value) + "]"
    if letter == "S":
        return f"S {value.decode('utf-8', 'backslashreplace')!r}"
    if letter == "x":
        return f"x {value.hex()}"
    if letter == "V":
        return "V"
    return f"{letter} {value!r}"


def show(kind, value):
    """One field of a method or property, as the transcript shows it."""
    if kind == "table":
        return show_table(value)
    if kind == "bit":
        return str(int(value))
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return repr(value)
