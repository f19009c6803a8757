"""Streams: how they are declared, what is refused, what ends them, and how old messages leave them."""

import json
import time

from scene import Scene
from wire import Typed


def play(talk):
    s = Scene(talk, "st")
    op, n, admin, vhost = s.op, s.n, talk.admin, talk.address.vhost

    def declare(operation, durable=True, **given):
        return s.declare(f"declare.{operation}", operation, durable=durable, x_queue_type="stream", **given)

    # What every stream has to be.
    declare("plain")
    declare("transient", durable=False)
    declare("exclusive", exclusive=True)
    declare("auto-delete", auto_delete=True)
    declare("all-three", durable=False, exclusive=True, auto_delete=True)
    s.declare("declare.server-named", None, durable=True, x_queue_type="stream")
    s.declare("declare.server-named-exclusive", None, durable=True, exclusive=True, x_queue_type="stream")
    s.declare("declare.type-upper-case", "typed", durable=True, x_queue_type="Stream")
    s.declare("declare.type-plural", "typed", durable=True, x_queue_type="streams")

    # Arguments of their own.
    for age in ("7D", "1Y", "1M", "2m", "3s", "01h", "10", "1.5h", "0s", "1d", "1H", "1hh", "1h ", "1h2m", "abc", "", "h", "-1s", 10, True):
        declare(f"max-age-{age!r}", x_max_age=age)
    for key in ("max-length-bytes", "stream-max-segment-size-bytes", "initial-cluster-size"):
        for value in (0, 1, -1, "1000", True, 1.5, Typed("b", 20), Typed("l", 3000000000), Typed("l", 3000000001)):
            shown = f"{value.letter}-{value.value}" if isinstance(value, Typed) else repr(value)
            declare(f"{key}-{shown}", **{f"x-{key}": value})
    for value in (15, 16, 255, 256, -1, "20", Typed("b", 20)):
        declare(f"filter-size-{value.letter + '-20' if isinstance(value, Typed) else repr(value)}", x_stream_filter_size_bytes=value)
    for value in ("client-local", "balanced", "nowhere", "", 1):
        declare(f"locator-{value!r}", x_queue_leader_locator=value)

    # Arguments of other queues.
    for key, value in {"max-length": 10, "message-ttl": 1000, "expires": 1000, "overflow": "drop-head", "dead-letter-exchange": "",
                       "dead-letter-routing-key": "k", "dead-letter-strategy": "at-most-once", "max-priority": 5,
                       "single-active-consumer": True, "queue-mode": "lazy", "queue-version": 2, "queue-master-locator": "min-masters",
                       "delivery-limit": 3, "max-in-memory-length": 1, "max-in-memory-bytes": 1, "quorum-initial-group-size": 1,
                       "consumer-timeout": 100000, "ha-policy": "all", "unknown": 1}.items():
        declare(f"other.{key}", **{f"x-{key}": value})
    declare("other.negative-ttl", x_message_ttl=-1)
    declare("wrong-twice.age-and-ttl", x_message_ttl=1, x_max_age="10")
    declare("wrong-twice.age-and-bytes", x_max_age="10", x_max_length_bytes=-1)
    declare("wrong-twice.transient-and-age", durable=False, x_max_age="10")
    declare("wrong-twice.transient-and-ttl", durable=False, x_message_ttl=1)
    declare("wrong-twice.transient-and-segment-size", durable=False, x_stream_max_segment_size_bytes=Typed("l", 2**40))
    for key, value in {"x-max-age": "1h", "x-stream-filter-size-bytes": 20}.items():
        s.declare(f"declare.{key}-on-classic", f"classic{key}", durable=True, **{key: value})

    # Declaring again.
    given = {"x_queue_type": "stream", "x_max_age": "1h", "x_max_length_bytes": 10**6, "x_stream_max_segment_size_bytes": 10**5}
    s.declare("redeclare.first", "base", durable=True, **given)
    for case, change in {
        "same": {}, "age-as-minutes": {"x_max_age": "60m"}, "age-other": {"x_max_age": "2h"}, "age-bad": {"x_max_age": "10"},
        "age-missing": {"x_max_age": None}, "bytes-other": {"x_max_length_bytes": 5}, "bytes-long": {"x_max_length_bytes": Typed("l", 10**6)},
        "segment-size-other": {"x_stream_max_segment_size_bytes": 5}, "filter-size-added": {"x_stream_filter_size_bytes": 20},
        "locator-added": {"x_queue_leader_locator": "client-local"}, "cluster-size-added": {"x_initial_cluster_size": 1},
        "unknown-added": {"x_unknown": 1}, "ttl-added": {"x_message_ttl": 1}, "max-length-added": {"x_max_length": 1},
        "as-classic": {"x_queue_type": "classic"}, "as-quorum": {"x_queue_type": "quorum"}, "without-type": {"x_queue_type": None},
    }.items():
        s.declare(f"redeclare.{case}", "base", durable=True, **{key: value for key, value in {**given, **change}.items() if value is not None})
    s.declare("redeclare.transient", "base", **given)
    s.declare("redeclare.exclusive", "base", durable=True, exclusive=True, **given)
    s.declare("redeclare.auto-delete", "base", durable=True, auto_delete=True, **given)
    s.declare("redeclare.bare-as-classic", "plain", durable=True, x_queue_type="classic")
    s.declare("redeclare.bare-with-age", "plain", durable=True, x_queue_type="stream", x_max_age="1h")
    s.queue("classic", durable=True)
    s.declare("redeclare.classic-as-stream", "classic", durable=True, x_queue_type="stream")
    s.passive("redeclare.passive", n("base"))
    op("redeclare.passive-with-arguments", "queue.declare", queue=n("base"), passive=True, arguments={"x-queue-type": "classic", "x-max-age": "10"})

    # What they cannot do, and how they end.
    q = s.stream("ops", b"1", b"2")
    op("get", "basic.get", number=2, queue=q)
    op("get.no-ack", "basic.get", number=2, queue=q, no_ack=True)
    op("purge", "queue.purge", queue=q)
    op("purge.nowait", "queue.purge", queue=q, nowait=True)
    op("delete.if-empty", "queue.delete", queue=q, if_empty=True)
    q = s.stream("ops", b"3")
    s.read("delete.starts-anew", q, 1, close=False)
    s.passive("delete.consumers-do-not-count", s.stream("empty"))
    op("delete.if-unused", "queue.delete", queue=q, if_unused=True, wait="basic.cancel")
    op("delete.ack-after", "basic.ack", number=10, delivery_tag=1)
    op("delete.again", "queue.delete", queue=q)
    op("delete.consume-after", "basic.consume", number=10, queue=q, consumer_tag="late")
    q = s.stream("counted", b"1", b"2", b"3")
    s.link.count(q, 3, seconds=15)
    s.passive("counts", q)
    op("delete.counts", "queue.delete", queue=q)

    # Over HTTP.
    where = ("queues", vhost)
    admin.op("streams.http.put", "PUT", *where, n("http"), body={"durable": True, "arguments": {"x-queue-type": "stream", "x-max-age": "1h"}})
    admin.op("streams.http.put-again", "PUT", *where, n("http"), body={"durable": True, "arguments": {"x-queue-type": "stream", "x-max-age": "1h"}})
    admin.op("streams.http.put-other", "PUT", *where, n("http"), body={"durable": True, "arguments": {"x-queue-type": "stream"}})
    admin.op("streams.http.put-ttl", "PUT", *where, n("http-2"), body={"durable": True, "arguments": {"x-queue-type": "stream", "x-message-ttl": 1}})
    admin.op("streams.http.put-bad-age", "PUT", *where, n("http-2"), body={"durable": True, "arguments": {"x-queue-type": "stream", "x-max-age": "1d"}})
    admin.op("streams.http.put-transient", "PUT", *where, n("http-2"), body={"durable": False, "arguments": {"x-queue-type": "stream"}})
    q = s.stream("http", b"1", b"2", x_max_age="1h")
    s.link.quietly(3, "basic.qos", prefetch_count=7)
    s.link.quietly(3, "basic.consume", queue=q, consumer_tag="http", arguments={"x-stream-offset": "next"})
    wait_for(lambda: (said := admin.call("GET", [*where, q])[1]).get("messages") == 2 and said.get("consumers") == 1 and said["consumer_details"], 20)
    admin.op("streams.http.queue", "GET", *where, q, show=(
        "name", "type", "durable", "exclusive", "auto_delete", "arguments", "state", "messages", "messages_ready", "messages_unacknowledged",
        "consumers", "policy", "operator_policy", "message_bytes", "idle_since", "deliveries", "consumer_utilisation", "exclusive_consumer_tag"))
    said = admin.call("GET", [*where, q])[1]["consumer_details"]
    s.say("http.consumers", "GET the stream's consumer_details", *(json.dumps({key: item.get(key) for key in (
        "ack_required", "active", "activity_status", "arguments", "consumer_tag", "exclusive", "prefetch_count")}, sort_keys=True) for item in said))
    # RabbitMQ 3.10 now and then says 500, without a text, when its own connection closes too early.
    for _ in range(10):
        status, said = admin.call("POST", [*where, q, "get"], {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"})
        if status != 500:
            break
    s.say("http.get", f"POST /queues/.../{q}/get", f"{status} {said}")
    admin.op("streams.http.purge", "DELETE", *where, q, "contents")
    admin.op("streams.http.publish", "POST", "exchanges", vhost, "amq.default", "publish", show=("routed",),
             body={"properties": {"delivery_mode": 2}, "routing_key": q, "payload": "3", "payload_encoding": "string"})
    s.expect("http.published", "basic.deliver", number=3)
    admin.op("streams.http.delete", "DELETE", *where, q)
    s.expect("http.delete-tells-consumers", "basic.cancel", number=3)

    # Policies: one with a key that streams do not take is none for them at all.
    def policy(name, queue, definition, kind="policies", **more):
        admin.quietly("PUT", kind, vhost, n(name), body={"pattern": f"^{n(queue).replace('.', '[.]')}$", "definition": definition, **more})

    def put(case, definition):
        admin.op(f"streams.policy.put-{case}", "PUT", "policies", vhost, n("bad"), body={"pattern": "nothing", "definition": definition})

    put("age", {"max-age": "10"})
    put("age-day", {"max-age": "1d"})
    put("segment-size", {"stream-max-segment-size-bytes": -1})
    put("segment-size-string", {"stream-max-segment-size-bytes": "1"})
    put("segment-size-too-large", {"stream-max-segment-size-bytes": 2**40})
    put("filter-size", {"stream-filter-size-bytes": 5})

    # Retention, by whole segments: which is the first message left differs between brokers, that old ones went does not.
    small = {"x_stream_max_segment_size_bytes": 1000}

    def fill(queue, messages=30):
        s.append(queue, *(b"%04d" % number + b"." * 96 for number in range(messages)))

    def left(case, queue, gone, said):
        """Whether the first message went, and that the last one is there."""
        def first():
            s.link.quietly(20, "basic.qos", prefetch_count=100)
            s.link.quietly(20, "basic.consume", queue=queue, consumer_tag="r", arguments={"x-stream-offset": "first"})
            event, bodies = s.link.peer.next(6), []
            while event is not None:
                if event.name == "basic.deliver":
                    bodies.append(bytes(event.content.body[:4]).decode())
                event = s.link.peer.next(0.1)
            s.leave(20)
            return bodies
        bodies = first()
        deadline = time.monotonic() + 6
        while gone and bodies[:1] == ["0000"] and time.monotonic() < deadline:
            bodies = first()
        s.say(f"retention.{case}", said, f"the first message is {'there' if '0000' in bodies else 'gone'}, "
              f"the last one {'there' if bodies[-1:] == ['0029'] else 'gone'}")

    q = s.stream("short", x_max_length_bytes=2000, **small)
    fill(q)
    left("max-length-bytes", q, True, "30 messages of 100 bytes, segments of 1000, max-length-bytes 2000")
    q = s.stream("one-segment", x_max_length_bytes=2000)
    fill(q)
    left("one-segment", q, False, "the same in one large segment")
    q = s.stream("young", x_max_age="1h", **small)
    fill(q)
    left("max-age-not-reached", q, False, "max-age 1h")
    policy("shorter", "by-policy", {"max-length-bytes": 2000}, **{"apply-to": "queues"})
    q = s.stream("by-policy", **small)
    fill(q)
    left("policy", q, True, "max-length-bytes 2000 by a policy")
    q = s.stream("later", **small)
    fill(q)
    policy("later", "later", {"max-length-bytes": 2000}, **{"apply-to": "queues"})
    left("policy-later", q, True, "a policy that comes after the messages")
    policy("wider", "wider", {"max-length-bytes": 10**6}, **{"apply-to": "queues"})
    q = s.stream("wider", x_max_length_bytes=2000, **small)
    fill(q)
    left("policy-over-argument", q, False, "max-length-bytes 2000 by argument and 1000000 by a policy")
    policy("useless", "useless", {"max-length-bytes": 2000, "message-ttl": 1}, **{"apply-to": "queues"})
    q = s.stream("useless", **small)
    fill(q)
    left("policy-with-ttl", q, False, "a policy that has message-ttl, too")
    policy("ttl", "ttl", {"message-ttl": 1}, **{"apply-to": "queues"})
    q = s.stream("ttl", **small)
    fill(q)
    left("policy-ttl", q, False, "message-ttl by a policy")
    policy("op", "op", {"max-length-bytes": 2000}, kind="operator-policies", **{"apply-to": "queues"})
    policy("op-wide", "op", {"max-length-bytes": 10**6}, **{"apply-to": "queues"})
    q = s.stream("op", **small)
    fill(q)
    left("operator-policy", q, True, "max-length-bytes 2000 by an operator policy and 1000000 by a policy")
    policy("segments", "segments", {"stream-max-segment-size-bytes": 1000}, **{"apply-to": "queues"})
    q = s.stream("segments", x_max_length_bytes=2000)
    fill(q)
    left("policy-segment-size", q, True, "max-length-bytes by argument, the size of segments by a policy")
    q = s.stream("aged", x_max_age="1s", **small)
    s.append(q, *(b"%04d" % number + b"." * 96 for number in range(10)))
    time.sleep(1.5)
    s.append(q, *(b"%04d" % number + b"." * 996 for number in range(20, 30)))
    left("max-age", q, True, "max-age 1s, 1.5 s of nothing, then messages that fill segments")


def wait_for(true, seconds):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
