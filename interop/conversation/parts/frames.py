"""Frames that are wrong: each costs the connection, with a code and a text that says why."""

import struct

import wire
from talk import shown


def play(talk):
    link = talk.link("f")
    method = wire.method
    frame = wire.frame

    def wrong(operation, shown, raw, wait="connection.close"):
        link.frames(f"frame.{operation}", shown, raw, wait)

    declare = method("queue.declare", queue="q")
    wrong("too-large", "frame of type 3, payload 131073", struct.pack(">BHI", 3, 1, 131073))
    wrong("too-large-method", "frame of type 1, payload 200000", struct.pack(">BHI", 1, 1, 200000))
    wrong("bad-end", "basic.ack with frame end 0", frame(1, 1, b"\0\x3c\0\x3c", end=0))
    wrong("bad-end-long", "queue.declare with frame end 1", frame(1, 1, declare, end=1))
    wrong("unknown-type", "frame of type 9", frame(9, 1, b"\0\x3c\0\x3c"))
    wrong("unknown-type-long", "frame of type 4, 20 bytes", frame(4, 1, bytes(range(20))))
    wrong("heartbeat-on-channel", "heartbeat on channel 1", frame(8, 1, b""))
    wrong("heartbeat-with-payload", "heartbeat on channel 0 with a payload", frame(8, 0, b"x"), "closed")
    link.frames("frame.heartbeat", "heartbeat on channel 0", frame(8, 0, b""), "barrier")
    wrong("unknown-class", "method 99/10", frame(1, 1, struct.pack(">HH", 99, 10)))
    wrong("unknown-method", "method 50/99", frame(1, 1, struct.pack(">HH", 50, 99)))
    wrong("unknown-method-channel-0", "method 10/99 on channel 0", frame(1, 0, struct.pack(">HH", 10, 99)))
    wrong("method-id-cut-off", "method frame of two bytes", frame(1, 1, b"\0\x3c"))
    wrong("empty-method", "method frame without payload", frame(1, 1, b""))
    wrong("method-cut-off", "queue.declare cut after its class and method", frame(1, 1, declare[:4]))
    wrong("method-cut-off-in-name", "queue.declare cut in its name", frame(1, 1, method("queue.declare", queue="abcdef")[:9]))
    wrong("method-too-long", "queue.declare with a byte too many", frame(1, 1, declare + b"\0"))
    wrong("method-too-long-ack", "basic.ack with a byte too many", frame(1, 1, method("basic.ack", delivery_tag=1) + b"\0"))
    wrong("method-too-long-publish", "basic.publish with a byte too many", frame(1, 1, method("basic.publish") + b"\0"))
    wrong("bad-utf8", "queue.declare of a name that is not UTF-8", frame(1, 1, method("queue.declare", queue=b"\xff\xfe")))
    link.frames("frame.bad-utf8-publish", "basic.publish, mandatory, with a key that is not UTF-8",
                frame(1, 1, method("basic.publish", routing_key=b"\xc3", mandatory=True)) + wire.content(1, {}, b""), "basic.return")
    link.queues.add(talk.name("q"))
    for case, name, fields in [
        ("publish-exchange", "basic.publish", {"exchange": b"\xff"}), ("bind-key", "queue.bind", {"queue": "q", "routing_key": b"\xff"}),
        ("consume-tag", "basic.consume", {"queue": "q", "consumer_tag": b"\xff"}), ("cancel-tag", "basic.cancel", {"consumer_tag": b"\xff"}),
        ("exchange-type", "exchange.declare", {"exchange": "x", "type": b"\xff"}),
        ("key-of-argument", "queue.declare", {"queue": talk.name("q"), "arguments": wire.longstr(b"\x01\xffI\0\0\0\0")}),
    ]:
        raw = frame(1, 1, method(name, **fields)) + (wire.content(1, {}, b"m") if name == "basic.publish" else b"")
        link.frames(f"frame.bad-utf8-{case}", f"{name} with {shown(fields)}", raw, "barrier")
    wrong("table-type", "queue.declare, argument of type Z", frame(1, 1, method("queue.declare", queue="q", arguments=wire.longstr(b"\x01aZ"))))
    wrong("table-cut-off", "queue.declare, table longer than its bytes",
          frame(1, 1, declare[:-4] + struct.pack(">I", 9) + b"\x01aI"))
    wrong("table-value-cut-off", "queue.declare, integer of two bytes",
          frame(1, 1, method("queue.declare", queue="q", arguments=wire.longstr(b"\x01aI\0\0"))))
    wrong("servers-method", "basic.deliver from the client", frame(1, 1, method("basic.deliver", consumer_tag="t")) + wire.content(1, {}, b""))
    wrong("servers-answer", "queue.declare-ok from the client", frame(1, 1, method("queue.declare-ok", queue="q")))
    wrong("channel-0-channel-open", "channel.open on channel 0", frame(1, 0, method("channel.open")))
    wrong("channel-0-queue-declare", "queue.declare on channel 0", frame(1, 0, declare))
    wrong("channel-1-connection-open", "connection.open on channel 1", frame(1, 1, method("connection.open", virtual_host="/")))
    wrong("channel-1-connection-close", "connection.close on channel 1", frame(1, 1, method("connection.close")))
    wrong("header-alone", "content header without a method", wire.content(1, {}, b""))
    wrong("body-alone", "body without a method", frame(3, 1, b"x"))
    wrong("content-on-channel-0", "body on channel 0", frame(3, 0, b"x"))
    publish = frame(1, 1, method("basic.publish", routing_key="nowhere"))
    wrong("method-for-header", "basic.publish, then basic.qos", publish + frame(1, 1, method("basic.qos")))
    wrong("body-for-header", "basic.publish, then a body", publish + frame(3, 1, b"x"))
    wrong("header-class", "basic.publish, then a header of class 10", publish + wire.content(1, {}, b"", class_id=10))
    wrong("header-weight", "basic.publish, then a header of weight 1", publish + wire.content(1, {}, b"", weight=1))
    wrong("header-cut-off", "basic.publish, then a header of 11 bytes", publish + frame(2, 1, b"\0\x3c\0\0\0\0\0\0\0\0\0"))
    wrong("method-for-body", "basic.publish and header, then basic.qos",
          publish + wire.content(1, {}, b"", size=3) + frame(1, 1, method("basic.qos")))
    wrong("header-for-body", "basic.publish and two headers", publish + wire.content(1, {}, b"", size=3) * 2)
    wrong("body-too-long", "a body of 4 bytes for 3, then basic.qos",
          publish + wire.content(1, {}, b"", size=3) + frame(3, 1, b"abcd") + frame(1, 1, method("basic.qos")))
    wrong("body-after-empty", "a body after a header that says 0", publish + wire.content(1, {}, b"") + frame(3, 1, b"x"))
    for case, block in [
        ("cut-off", struct.pack(">H", 0x8000) + b"\x05ab"), ("continued", struct.pack(">H", 0x8001) + b"\x01a\0\0"),
        ("left-over", struct.pack(">H", 0x8000) + b"\x01ab"),
        ("no-flags", b""), ("table-type", struct.pack(">H", 0x2000) + wire.longstr(b"\x01aZ")),
        ("table-cut-off", struct.pack(">H", 0x2000) + struct.pack(">I", 7) + b"\x01aI"),
    ]:
        wrong(f"properties-{case}", f"basic.publish with the property block {block.hex()}", publish + wire.content(1, block, b""))
    empties = publish + wire.content(1, {}, b"", size=3) + frame(3, 1, b"") + frame(3, 1, b"ab") + frame(3, 1, b"") + frame(3, 1, b"c")
    link.frames("frame.empty-bodies", "a body of 3 bytes in frames of 0, 2, 0 and 1", empties, "barrier")
    # What lies over frame_max by less than the frame's own eight bytes passes.
    largest = bytes(131072)
    queue = talk.name("largest-frame")
    link.quietly(1, "queue.declare", queue=queue)
    raw = frame(1, 1, method("basic.publish", routing_key=queue)) + wire.content(1, {}, b"", size=len(largest)) + frame(3, 1, largest)
    link.frames("frame.largest-payload", "a body frame with a payload of frame_max", raw, "barrier")
    link.op("frame.largest-payload.get", 1, "basic.get", queue=queue, no_ack=True)
    small = talk.link("small", frame_max=4096)
    small.quietly(1, "queue.declare", queue=talk.name("small-frames"))
    small.quietly(1, "basic.publish", routing_key=talk.name("small-frames"), body=bytes(10000))
    small.op("frame.body-split-at-frame-max", 1, "basic.get", queue=talk.name("small-frames"), no_ack=True)
    small.frames("frame.too-large-for-this-connection", "frame of type 1, payload 4097", struct.pack(">BHI", 1, 1, 4097), "connection.close")
    few = talk.link("few", channel_max=2)
    few.op("channel.high-number-within-channel-max", 7, "channel.flow", active=True)
    few.channel(1)
    few.frames("channel.more-than-channel-max", "3 channel.open, with two open and channel_max 2",
               wire.frame(1, 3, wire.method("channel.open")), "connection.close", number=1)
    link.quietly(1, "queue.declare", queue=talk.name("unused-bit"))
    link.frames("frame.properties-unused-bit", "basic.publish with the property block 0002",
                frame(1, 1, method("basic.publish", routing_key=talk.name("unused-bit"))) + wire.content(1, struct.pack(">H", 2), b"x"), "barrier")
    link.op("frame.properties-unused-bit.get", 1, "basic.get", queue=talk.name("unused-bit"), no_ack=True)
