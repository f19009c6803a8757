"""Consumers of streams: where they begin, what acknowledgements give, filters, and what a message looks like after it was kept."""

import time

from scene import Scene
from wire import Typed


def play(talk):
    s = Scene(talk, "sc")
    op, n, link = s.op, s.n, s.link
    numbers = [b"%d" % number for number in range(6)]

    # What a consumer has to say.
    q = s.stream("six", *numbers)

    def refused(operation, arguments=None, prefetch=5, **fields):
        if prefetch is not None:
            link.quietly(2, "basic.qos", prefetch_count=prefetch, **{"global": fields.pop("everywhere", False)})
        op(operation, "basic.consume", number=2, queue=q, consumer_tag="c", **fields, arguments={} if arguments is None else arguments)
        s.leave(2)

    refused("consume.without-prefetch", prefetch=None)
    refused("consume.prefetch-zero", prefetch=0)
    refused("consume.global-prefetch", everywhere=True)
    refused("consume.no-ack", no_ack=True)
    refused("consume.no-ack-without-prefetch", prefetch=None, no_ack=True)
    for case, value in {"five": 5, "string": "5"}.items():
        refused(f"consume.priority-{case}", {"x-priority": value})
    for offset in ("abc", "First", "", "-1h", "0s", "10", "1.5h", "1d", 1.5, True, Typed("V", None), {}, []):
        shown = offset.letter if isinstance(offset, Typed) else repr(offset)
        refused(f"consume.offset-{shown}", {"x-stream-offset": offset})
    refused("consume.bad-offset-without-prefetch", {"x-stream-offset": "10"}, prefetch=None)
    refused("consume.bad-offset-and-no-ack", {"x-stream-offset": "10"}, no_ack=True)
    refused("consume.bad-offset-and-priority", {"x-stream-offset": "10", "x-priority": 5})
    s.read("consume.unknown-argument", q, 6, x_unknown=1)
    s.read("consume.consumer-timeout", q, 6, x_consumer_timeout=60000)
    s.read("consume.no-local", q, 6, fields={"no_local": True})
    s.read("consume.generated-tag", q, 6, tag="")
    s.read("consume.tag", q, 2, prefetch=2, close=False)
    op("consume.tag-twice", "basic.consume", number=10, queue=q, consumer_tag="c", arguments={"x-stream-offset": "first"})
    s.leave(10)
    s.read("consume.nowait", q, 6, fields={"nowait": True})
    for kind, queue in {"classic": s.queue("classic"), "quorum": s.quorum("quorum")}.items():
        for argument in ("x-stream-offset", "x-stream-filter"):
            op(f"consume.{argument}-on-{kind}", "basic.consume", number=3, queue=queue, consumer_tag="c", arguments={argument: "first"})
            s.leave(3)

    # Where it begins.
    for case, offset, messages in [("first", "first", 6), ("1h", "1h", 6), ("7D", "7D", 6), ("0", 0, 6), ("3", 3, 3), ("5", 5, 1),
                                   ("negative", -1, 1), ("more-negative", -5, 1), ("octet", Typed("b", 4), 2), ("long", Typed("l", 4), 2),
                                   ("short", Typed("s", 4), 2), ("bytes", Typed("x", b"first"), 6), ("epoch", Typed("T", 0), 6),
                                   ("last", "last", 1)]:
        s.read(f"offset.{case}", q, messages, x_stream_offset=offset)
    s.read("offset.past", q, 6, x_stream_offset=Typed("T", int(time.time()) - 600))
    beyond = s.stream("beyond", b"0", b"1")
    later = [(21, "none", None), (22, "next", "next"), (23, "end", 2), (24, "behind-end", 3), (25, "far", Typed("l", 2**40)),
             (26, "future", Typed("T", int(time.time()) + 3000))]
    for number, case, offset in later:
        link.quietly(number, "basic.qos", prefetch_count=5)
        op(f"offset.{case}", "basic.consume", number=number, queue=beyond, consumer_tag=case,
           arguments={} if offset is None else {"x-stream-offset": offset}, settle=0.1)
    s.append(beyond, b"2")
    s.expect("offset.two-comes", "basic.deliver " * 4, number=21, settle=0.3)
    s.append(beyond, b"3")
    s.expect("offset.three-comes", "basic.deliver " * 5, number=21, settle=0.3)
    for number, _, _ in later:
        s.leave(number)
    old = s.stream("old", b"old")
    time.sleep(2.5)
    s.append(old, b"new")
    s.read("offset.two-seconds", old, 1, x_stream_offset="2s")
    s.read("offset.minute", old, 2, x_stream_offset="1m")

    # Prefetch is credit; an acknowledgement gives it back and removes nothing.
    s.read("credit.one", q, 1, prefetch=1, close=False)
    op("credit.one-ack", "basic.ack", number=10, delivery_tag=1, wait="basic.deliver", settle=0.15)
    op("credit.one-ack-again", "basic.ack", number=10, delivery_tag=1)
    s.leave(10)
    s.read("credit.three", q, 3, prefetch=3, close=False)
    op("credit.out-of-order", "basic.ack", number=10, delivery_tag=2, wait="basic.deliver", settle=0.15)
    op("credit.multiple", "basic.ack", number=10, delivery_tag=3, multiple=True, wait="basic.deliver basic.deliver", settle=0.15)
    op("credit.all", "basic.ack", number=10, delivery_tag=0, multiple=True)
    s.append(q, b"6")
    s.expect("credit.waits-for-more", "basic.deliver", number=10)
    op("credit.unknown", "basic.ack", number=10, delivery_tag=99)
    s.leave(10)
    s.read("credit.qos-later", q, 2, prefetch=2, close=False)
    op("credit.qos-later.changed", "basic.qos", number=10, prefetch_count=4)
    op("credit.qos-later.ack", "basic.ack", number=10, delivery_tag=1, wait="basic.deliver", settle=0.15)
    s.leave(10)
    s.read("two-consumers.first", q, 1, prefetch=1, tag="a", close=False)
    s.read("two-consumers.second", q, 1, prefetch=1, tag="b", close=False)
    op("two-consumers.ack-first", "basic.ack", number=10, delivery_tag=1, wait="basic.deliver", settle=0.15)
    op("two-consumers.cancel-first", "basic.cancel", number=10, consumer_tag="a")
    op("two-consumers.ack-all", "basic.ack", number=10, delivery_tag=0, multiple=True, wait="basic.deliver", settle=0.15)
    op("two-consumers.tag-again", "basic.consume", number=10, queue=q, consumer_tag="a", arguments={"x-stream-offset": "first"},
       wait="basic.deliver")
    s.leave(10)
    for case, name, fields in [("reject", "basic.reject", {}), ("reject-requeue", "basic.reject", {"requeue": True}), ("nack", "basic.nack", {}),
                               ("nack-requeue", "basic.nack", {"requeue": True}), ("recover", "basic.recover", {"requeue": True}),
                               ("recover-async", "basic.recover-async", {"requeue": True}), ("recover-drop", "basic.recover", {"requeue": False})]:
        s.read(f"settle.{case}-read", q, 2, prefetch=2, close=False)
        tag = {} if "recover" in case else {"delivery_tag": 1}
        op(f"settle.{case}", name, number=10, **tag, **fields,
           wait="basic.deliver basic.deliver" if case.startswith("recover") else "basic.deliver", settle=0.15)
        s.leave(10)
    s.read("settle.nack-multiple-read", q, 3, prefetch=3, close=False)
    op("settle.nack-multiple", "basic.nack", number=10, delivery_tag=2, multiple=True, requeue=True, wait="basic.deliver basic.deliver", settle=0.15)
    s.leave(10)
    s.read("close.unacked", q, 2, prefetch=2, close=False)
    op("close.channel", "channel.close", number=10, reply_code=200)
    link.channels.discard(10)
    s.read("close.nothing-is-remembered", q, 2, prefetch=2)
    link.quietly(4, "tx.select")
    s.read("tx.read", q, 2, prefetch=2, number=4, close=False)
    op("tx.ack", "basic.ack", number=4, delivery_tag=1)
    op("tx.rollback", "tx.rollback", number=4)
    op("tx.ack-again", "basic.ack", number=4, delivery_tag=2)
    op("tx.commit", "tx.commit", number=4, wait="basic.deliver")
    s.leave(4)

    # Nobody is alone.
    few = s.stream("few", b"1", b"2")
    s.read("exclusive", few, 2, number=30, tag="e", close=False, fields={"exclusive": True})
    s.read("exclusive.beside", few, 2, number=31, tag="f")
    s.read("exclusive.second", few, 2, number=31, tag="g", fields={"exclusive": True})
    s.passive("exclusive.count", s.stream("none"))
    other = talk.link("sd")
    other.quietly(1, "basic.qos", prefetch_count=5)
    op("exclusive.other-connection", "basic.consume", link=other, queue=few, consumer_tag="h", arguments={"x-stream-offset": "first"},
       wait="basic.deliver basic.deliver")
    op("deleted", "queue.delete", queue=few, wait="basic.cancel", settle=0.2)
    s.expect("deleted.other-connection", "basic.cancel", link=other)

    # What a message looks like.
    kept = s.stream("kept")

    def keeps(case, body=b"m", delivery_mode=2, number=40, **properties):
        s.append(kept, body, delivery_mode=delivery_mode, **properties)
        # Its own consumer, which has read all before.
        s.expect(f"content.{case}", "basic.deliver", number=number)

    link.quietly(40, "basic.qos", prefetch_count=100)
    op("content.consume", "basic.consume", number=40, queue=kept, consumer_tag="k")
    keeps("plain")
    keeps("empty-headers", headers={})
    keeps("headers", headers={"a": "b", "z": 1})
    keeps("headers-unsorted", headers={"z": 1, "a": "b"})
    keeps("own-offset", headers={"x-stream-offset": "mine", "a": 1})
    keeps("own-offset-long", headers={"x-stream-offset": Typed("l", 77)})
    keeps("scalars", headers={"a": Typed("b", 3), "b": Typed("s", 4), "c": 5, "d": Typed("l", 6), "e": True, "f": Typed("T", 7), "g": 2.5,
                              "h": "text", "i": Typed("V", None), "j": Typed("B", 200), "k": Typed("u", 8), "l": Typed("i", 9)})
    keeps("bytes", headers={"a": Typed("x", b"ab")})
    keeps("nested", headers={"a": [1, "b"], "c": {"d": 1}, "e": 1})
    keeps("cc", headers={"CC": ["nowhere"], "a": 1})
    keeps("bcc", headers={"BCC": ["nowhere"], "a": 1})
    keeps("filter-value", headers={"x-stream-filter-value": "v"})
    keeps("every-property", content_type="text/plain", content_encoding="gzip", correlation_id="c", reply_to="r", priority=3, expiration="60000",
          message_id="m", timestamp=123, type="t", user_id=link.peer.address.user, app_id="a")
    keeps("cluster-id", cluster_id="c")
    keeps("expiration-zero", expiration="0")
    keeps("message-id-uuid", message_id="123e4567-e89b-12d3-a456-426614174000")
    keeps("without-delivery-mode", delivery_mode=None)
    keeps("transient", delivery_mode=1)
    keeps("empty", body=b"")
    keeps("frames", body=b"x" * 200000)
    topic = s.exchange("topic", "topic")
    for key in ("a.*", "*.b"):
        s.bind(kept, topic, key)
    s.append("a.b", b"routed", exchange=topic)
    s.expect("content.exchange-and-key", "basic.deliver", number=40, settle=0.15)
    s.append("a.b", b"copied", exchange=topic, headers={"CC": ["x.b"]})
    s.expect("content.one-copy", "basic.deliver", number=40, settle=0.15)
    s.leave(40)

    # Publishing.
    for case, fields in {"transient": {}, "persistent": {"properties": {"delivery_mode": 2}}, "mandatory": {"mandatory": True},
                         "expiration-bad": {"properties": {"expiration": "x"}}}.items():
        s.confirmed(f"confirm.{case}", kept, number=5, **fields)
    for case, value in {"integer": 5, "list": ["red"], "bytes": Typed("x", b"red"), "void": Typed("V", None)}.items():
        s.confirmed(f"confirm.filter-value-{case}", kept, number=5, properties={"headers": {"x-stream-filter-value": value}})
    t = s.stream("tx")
    link.quietly(6, "tx.select")
    for body in (b"t1", b"t2"):
        link.quietly(6, "basic.publish", routing_key=t, body=body, properties={"delivery_mode": 2})
    s.read("tx.publish-before-commit", t, 0, settle=0.3)
    op("tx.publish-commit", "tx.commit", number=6)
    s.read("tx.published", t, 2)
    link.quietly(6, "basic.publish", routing_key=t, body=b"t3")
    op("tx.publish-rollback", "tx.rollback", number=6)
    s.read("tx.rolled-back", t, 2)

    # At the end of other ways.
    alternate = s.stream("alternate")
    fanout = s.exchange("alternate", "fanout")
    s.bind(alternate, fanout)
    s.append("nowhere", b"alternate", exchange=s.exchange("main", alternate_exchange=fanout))
    s.read("target.alternate", alternate, 1)
    dead = s.stream("dead")
    source = s.queue("source", x_dead_letter_exchange="", x_dead_letter_routing_key=dead)
    s.filled(source, b"rejected", headers={"mine": 1}, delivery_mode=2)
    s.get(source, 7)
    link.quietly(7, "basic.reject", delivery_tag=1)
    time.sleep(0.3)
    # RabbitMQ 3.10 loses it: so that all wait for one, there is another.
    s.append(dead, b"not dead")
    s.read("target.dead-letter", dead, 1, prefetch=1)

    # Filters.
    mixed = s.stream("mixed")
    for body, value in [(b"0 red", "red"), (b"1 blue", "blue"), (b"2 none", None), (b"3 red", "red"), (b"4 green", "green"), (b"5 empty", "")]:
        s.append(mixed, body, **({} if value is None else {"headers": {"x-stream-filter-value": value}}))
    for case, given in {
        "one": {"x_stream_filter": "red"}, "two": {"x_stream_filter": ["red", "blue"]}, "nobody": {"x_stream_filter": "purple"},
        "unfiltered": {"x_stream_filter": "red", "x_stream_match_unfiltered": True},
        "unfiltered-false": {"x_stream_filter": "red", "x_stream_match_unfiltered": False},
        "unfiltered-alone": {"x_stream_match_unfiltered": True},
        "unfiltered-string": {"x_stream_filter": "red", "x_stream_match_unfiltered": "true"},
        "unfiltered-integer": {"x_stream_filter": "red", "x_stream_match_unfiltered": 1},
        "empty": {"x_stream_filter": ""}, "integer": {"x_stream_filter": 5}, "bool": {"x_stream_filter": True}, "table": {"x_stream_filter": {"a": "b"}},
        "bytes": {"x_stream_filter": Typed("x", b"red")}, "list-mixed": {"x_stream_filter": ["red", 5]}, "list-of-integers": {"x_stream_filter": [5]},
        "list-empty": {"x_stream_filter": []}, "from-one": {"x_stream_filter": "red", "x_stream_offset": 1},
    }.items():
        s.read(f"filter.{case}", mixed, 0, settle=0.25, **given)
    s.read("filter.credit", mixed, 1, prefetch=1, close=False, x_stream_filter="red")
    op("filter.credit-ack", "basic.ack", number=10, delivery_tag=1, wait="basic.deliver", settle=0.2)
    s.leave(10)
    s.read("filter.next", mixed, 0, close=False, x_stream_filter="red", x_stream_offset="next")
    for body, value in [(b"6 blue", "blue"), (b"7 red", "red")]:
        s.append(mixed, body, headers={"x-stream-filter-value": value})
    s.expect("filter.next-comes", "basic.deliver", number=10, settle=0.2)
    s.leave(10)
