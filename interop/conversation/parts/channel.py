"""Channel class, and access.request: open, flow, close, and what a channel does between an error and its close-ok."""

import wire


def play(talk):
    link, other = talk.link("c"), talk.link("a")
    method = lambda number, name, **fields: wire.frame(1, number, wire.method(name, **fields))
    link.frames("channel.open", "5 channel.open", method(5, "channel.open"), "channel.open-ok")
    link.channels.add(5)
    link.frames("channel.open.again", "5 channel.open", method(5, "channel.open"), "connection.close")
    link.frames("channel.open.last-number", "65535 channel.open", method(65535, "channel.open"), "channel.open-ok")
    link.channels.discard(5)
    for case, name, fields in [
        ("queue-declare", "queue.declare", {"queue": "q"}), ("ack", "basic.ack", {"delivery_tag": 1}),
        ("close", "channel.close", {}), ("close-ok", "channel.close-ok", {}), ("publish", "basic.publish", {}),
        ("flow", "channel.flow", {"active": True}),
    ]:
        raw = method(9, name, **fields) + (wire.content(9, {}, b"m") if case == "publish" else b"")
        link.frames(f"channel.not-open.{case}", f"9 {name}", raw, "connection.close")
    link.op("channel.flow.active", 1, "channel.flow", active=True)
    link.op("channel.flow.inactive", 1, "channel.flow", active=False)
    link.frames("channel.flow-ok.unasked", "1 channel.flow-ok", method(1, "channel.flow-ok", active=True), "connection.close")
    link.op("access.request", 1, "access.request", realm="/data", active=True, read=True)
    link.frames("channel.close", "6 channel.open, channel.close", method(6, "channel.open") + method(6, "channel.close", reply_code=200, reply_text="ok"),
                "channel.open-ok channel.close-ok")
    link.frames("channel.close.reopened", "6 channel.open, channel.flow", method(6, "channel.open") + method(6, "channel.flow", active=True),
                "channel.open-ok channel.flow-ok")
    link.channels.add(6)
    link.frames("channel.close.with-error-code", "6 channel.close 406",
                method(6, "channel.close", reply_code=406, reply_text="my fault", class_id=60, method_id=80), "channel.close-ok")
    link.channels.discard(6)

    # Between the error and close-ok the channel is deaf; a close crossing it is answered.
    queue = talk.name("deaf")
    link.quietly(1, "queue.declare", queue=queue)
    missing = method(7, "queue.declare", queue=talk.name("missing"), passive=True)
    publish = method(7, "basic.publish", routing_key=queue) + wire.content(7, {}, b"lost")
    link.frames("channel.error.then-ignored", "7 open, passive declare of nothing, basic.publish, queue.declare",
                method(7, "channel.open") + missing + publish + method(7, "queue.declare", queue=queue), "channel.close")
    link.op("channel.error.ignored-publish", 1, "queue.declare", queue=queue, passive=True)
    link.frames("channel.error.close-crosses", "8 open, passive declare of nothing, channel.close",
                method(8, "channel.open") + missing.replace(b"\x01\0\x07", b"\x01\0\x08", 1) + method(8, "channel.close", reply_code=200),
                "channel.close channel.close-ok", number=0x3fff)

    # What an error and a close give back.
    for case, number in [("error", 10), ("close", 11)]:
        queue = talk.name(f"given-back-by-{case}")
        link.quietly(1, "queue.declare", queue=queue)
        link.quietly(1, "basic.publish", routing_key=queue, body=b"m")
        link.quietly(number, "basic.get", answer="basic.get-ok", queue=queue)
        if case == "error":
            link.frames("channel.error.with-unacked", f"{number} basic.ack of tag 99",
                        method(number, "basic.ack", delivery_tag=99), "channel.close", number=number)
        else:
            link.frames("channel.close.with-unacked", f"{number} channel.close", method(number, "channel.close", reply_code=200),
                        "channel.close-ok", number=number)
            link.channels.discard(number)
        link.count(queue, 1)
        link.op(f"channel.{case}.given-back", 1, "basic.get", queue=queue, no_ack=True)
    queue = talk.name("consumer-of-closed-channel")
    link.quietly(1, "queue.declare", queue=queue)
    link.quietly(12, "basic.consume", queue=queue, consumer_tag="gone")
    link.frames("channel.close.with-consumer", "12 channel.close", method(12, "channel.close", reply_code=200), "channel.close-ok", number=12)
    link.channels.discard(12)
    link.op("channel.close.consumer-is-gone", 1, "queue.declare", queue=queue, passive=True)
    other.op("channel.other-connection-is-untouched", 1, "channel.flow", active=True)
