"""Messages come out as they went in: bodies of any size, every property, unknown headers, in bytes."""

import hashlib
import struct

import wire
from wire import Typed

# One value of every type letter, in no order of their names.
EVERY_TYPE = [
    ("z-long-string", "text"), ("bool", True), ("byte", Typed("b", -1)), ("unsigned-byte", Typed("B", 255)), ("short", Typed("s", -2)),
    ("unsigned-short", Typed("u", 65535)), ("int", -3), ("unsigned-int", Typed("i", 4294967295)), ("long", Typed("l", -2**40)),
    ("long-L", Typed("L", 5)), ("float", Typed("f", 0.5)), ("double", 0.25), ("decimal", Typed("D", (2, 314))), ("timestamp", Typed("T", 86400)),
    ("table", {"y": 1, "x": {"deep": []}}), ("array", ["a", 1, None, {"k": "v"}, [True]]), ("void", None), ("binary", b"\x00\xff"),
    ("a-not-text", Typed("S", b"\xff\xfe")), ("", "empty name"),
]


def play(talk):
    link, n = talk.link("b"), talk.name
    queue = n("content")
    link.quietly(1, "queue.declare", queue=queue)

    def trip(operation, properties=None, body=b"m"):
        link.op(f"content.{operation}.publish", 1, "basic.publish", routing_key=queue, properties=properties, body=body)
        sent = wire.property_block(properties)
        events = link.op(f"content.{operation}", 2, "basic.get", queue=queue, no_ack=True)
        got = events[0].content if events else None
        if got is not None:
            same = "same" if got.properties == sent else f"sent {brief(sent)}, came {brief(got.properties)}"
            talk.write(f"content.{operation}", f"< property bytes: {same}")
            talk.write(f"content.{operation}", f"< body: {'same' if bytes(got.body) == body else hashlib.sha256(got.body).hexdigest()}")

    trip("no-properties")
    trip("every-property", {
        "content_type": "application/json", "content_encoding": "gzip", "headers": {"a": 1}, "delivery_mode": 2, "priority": 9,
        "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m", "timestamp": 2**33, "type": "t",
        "user_id": talk.address.user, "app_id": "a", "cluster_id": "cl"})
    trip("every-property-empty", {name: "" for name, kind in wire.PROPERTIES if kind == "shortstr" and name not in ("expiration", "user_id")})
    trip("delivery-mode-1", {"delivery_mode": 1})
    trip("priority-255", {"priority": 255})
    trip("empty-headers", {"headers": {}})
    trip("one-header", {"headers": {"only": "one"}})
    trip("sorted-headers", {"headers": [("a", 1), ("b", 2)]})
    trip("unsorted-headers", {"headers": [("b", 2), ("a", 1)]})
    trip("every-type", {"headers": sorted(EVERY_TYPE, key=lambda entry: entry[0])})
    trip("every-type-unsorted", {"headers": EVERY_TYPE})
    trip("repeated-header", {"headers": [("a", 1), ("a", 2)]})
    trip("nested-unsorted", {"headers": {"t": {"b": 2, "a": 1}}})
    trip("large-headers", {"headers": [(f"h{number:04}", "x" * 100) for number in range(500)]})
    trip("bool-octet-2", struct.pack(">H", 0x2000) + wire.longstr(b"\x01at\x02"))
    trip("shortest-strings", {"content_type": "x" * 255, "message_id": "\u00e9"})
    trip("not-utf8", struct.pack(">H", 0x8000) + b"\x02\xff\xfe")
    trip("x-headers", {"headers": {"x-death": "mine", "x-match": 1, "x-first-death-queue": 5}})
    for size in (0, 1, 64, 131063, 131064, 131065, 262128, 1000000, 10 * 1024 * 1024):
        trip(f"body-{size}", {}, hashlib.sha256(b"leveret").digest() * (size // 32) + b"!" * (size % 32))
    trip("delivery-mode-7", {"delivery_mode": 7})


def brief(raw):
    return raw.hex() if len(raw) <= 64 else f"{len(raw)} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()[:16]}"
