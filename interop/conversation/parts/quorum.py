"""Quorum queues: what they refuse, how often a message may come back, and the order in which it does."""

import time

from scene import Scene
from wire import Typed


def play(talk):
    s = Scene(talk, "qq")
    op, n, link = s.op, s.n, s.link

    def declare(operation, durable=True, **given):
        return s.declare(f"declare.{operation}", operation, durable=durable, x_queue_type="quorum", **given)

    # Declaring.
    declare("plain")
    declare("transient", durable=False)
    declare("exclusive", exclusive=True)
    declare("auto-delete", auto_delete=True)
    op("declare.server-named", "queue.declare", queue="", durable=True, arguments={"x-queue-type": "quorum"})
    declare("max-priority", x_max_priority=5)
    declare("mode-lazy", x_queue_mode="lazy")
    declare("version", x_queue_version=2)
    declare("max-age", x_max_age="1D")
    declare("segment-size", x_stream_max_segment_size_bytes=1000)
    declare("initial-cluster-size", x_initial_cluster_size=1)
    declare("unknown", x_unknown=1)
    declare("ttl", x_message_ttl=60000)
    declare("ttl-negative", x_message_ttl=-1)
    declare("ttl-string", x_message_ttl="1")
    declare("expires", x_expires=60000)
    declare("expires-zero", x_expires=0)
    declare("max-length", x_max_length=10, x_max_length_bytes=100)
    declare("max-length-negative", x_max_length=-1)
    for value in ("drop-head", "reject-publish", "reject-publish-dlx", "foo"):
        declare(f"overflow-{value}", x_overflow=value)
    declare("sac", x_single_active_consumer=True)
    declare("sac-string", x_single_active_consumer="true")
    declare("dlx-key-alone", x_dead_letter_routing_key="k")
    declare("dlx", x_dead_letter_exchange="", x_dead_letter_routing_key="k")
    for value in ("at-most-once", "at-least-once", "twice", 1):
        declare(f"strategy-{value}", x_dead_letter_exchange="", x_dead_letter_routing_key="k", x_overflow="reject-publish",
                x_dead_letter_strategy=value)
    declare("strategy-alone", x_dead_letter_strategy="at-least-once")
    for case, value in {"zero": 0, "one": 1, "negative": -1, "long": Typed("l", 2**40), "octet": Typed("b", 7)}.items():
        declare(f"limit-{case}", x_delivery_limit=value)
    for case, value in {"zero": 0, "one": 1, "string": "1", "negative": -1}.items():
        declare(f"group-size-{case}", x_quorum_initial_group_size=value)
    for value in ("client-local", "balanced", "nowhere", 1):
        declare(f"locator-{value}", x_queue_leader_locator=value)
    declare("in-memory", x_max_in_memory_length=10, x_max_in_memory_bytes=1000)
    declare("in-memory-negative", x_max_in_memory_length=-1)
    declare("two-wrong", durable=False, x_message_ttl=-1)

    # Declaring again.
    s.declare("redeclare.same", "plain", durable=True, x_queue_type="quorum")
    s.declare("redeclare.as-classic", "plain", durable=True, x_queue_type="classic")
    s.declare("redeclare.without-type", "plain", durable=True)
    s.declare("redeclare.transient", "plain", x_queue_type="quorum")
    s.declare("redeclare.with-limit", "plain", durable=True, x_queue_type="quorum", x_delivery_limit=5)
    s.declare("redeclare.other-limit", "limit-one", durable=True, x_queue_type="quorum", x_delivery_limit=5)
    s.declare("redeclare.without-limit", "limit-one", durable=True, x_queue_type="quorum")
    s.declare("redeclare.with-ttl", "ttl", durable=True, x_queue_type="quorum", x_message_ttl=1)
    s.queue("classic", durable=True)
    s.declare("redeclare.classic-as-quorum", "classic", durable=True, x_queue_type="quorum")
    s.passive("redeclare.passive", n("plain"))

    # What is not implemented for them.
    q = n("plain")
    op("qos-global", "basic.qos", number=2, prefetch_count=1, **{"global": True})
    op("qos-global.consume", "basic.consume", number=2, queue=q, consumer_tag="g")
    for flag in ("if_unused", "if_empty"):
        op(f"delete.{flag}", "queue.delete", queue=q, **{flag: True})
    op("delete.both", "queue.delete", queue=q, if_unused=True, if_empty=True)
    op("exclusive-consumer", "basic.consume", number=3, queue=q, consumer_tag="e", exclusive=True)
    op("exclusive-consumer.second", "basic.consume", number=4, queue=q, consumer_tag="f", exclusive=True)
    op("exclusive-consumer.cancel", "basic.cancel", number=3, consumer_tag="e")
    q = s.quorum("deleted", x_max_length=10)
    s.filled(q, b"1", b"2")
    op("delete.counts", "queue.delete", queue=q)

    # Publishing, getting, confirming.
    q = s.quorum("basics")
    s.confirmed("confirm.transient", q, b"1", number=5)
    s.confirmed("confirm.persistent", q, b"2", number=5, properties={"delivery_mode": 2, "priority": 3, "headers": {"a": 1}})
    s.confirmed("confirm.mandatory", q, b"3", number=5, mandatory=True)
    link.count(q, 3)
    for turn in range(2):
        op(f"get.{turn}", "basic.get", number=6, queue=q)
    op("get.ack", "basic.ack", number=6, delivery_tag=1)
    op("get.requeue", "basic.reject", number=6, delivery_tag=2, requeue=True)
    link.count(q, 2)
    op("get.returned-is-first", "basic.get", number=6, queue=q)
    op("get.returned-twice", "basic.nack", number=6, delivery_tag=3, requeue=True)
    link.count(q, 2)
    op("get.returned-third-time", "basic.get", number=6, queue=q)
    op("get.recover", "basic.recover", number=6, requeue=True)
    link.count(q, 2)
    op("get.no-ack", "basic.get", number=6, queue=q, no_ack=True)
    op("purge", "queue.purge", queue=q)
    op("get.empty", "basic.get", number=6, queue=q)
    link.quietly(7, "tx.select")
    for body in (b"t1", b"t2"):
        op(f"tx.publish-{body.decode()}", "basic.publish", number=7, routing_key=q, body=body)
    op("tx.commit", "tx.commit", number=7)
    link.count(q, 2)
    s.bodies("tx.order", q)

    # Consumers.
    q = s.quorum("consumed")
    link.quietly(8, "basic.qos", prefetch_count=2)
    op("consume", "basic.consume", number=8, queue=q, consumer_tag="c")
    s.publish(q, b"1", b"2", b"3", b"4")
    s.expect("consume.two", "basic.deliver basic.deliver", number=8, settle=0.2)
    op("consume.ack-one", "basic.ack", number=8, delivery_tag=1, wait="basic.deliver")
    op("consume.cancel", "basic.cancel", number=8, consumer_tag="c")
    op("consume.unacked-after-cancel", "basic.ack", number=8, delivery_tag=3, multiple=True)
    s.lands("consume.rest", q)
    q = s.quorum("returned-order")
    s.filled(q, b"1", b"2", b"3", b"4")
    for _ in range(3):
        s.get(q, 9)
    op("returned.second-first", "basic.nack", number=9, delivery_tag=2, requeue=True)
    op("returned.then-first", "basic.nack", number=9, delivery_tag=1, requeue=True)
    op("returned.then-third", "basic.nack", number=9, delivery_tag=3, requeue=True)
    link.count(q, 4)
    s.bodies("returned.order", q)
    s.filled(q, b"1", b"2", b"3")
    for _ in range(2):
        s.get(q, 10)
    op("returned.multiple", "basic.nack", number=10, delivery_tag=2, multiple=True, requeue=True)
    link.count(q, 3)
    s.bodies("returned.multiple-order", q)

    # The delivery limit.
    dlx, dead = s.exchange("dlx", "fanout"), s.queue("dead")
    s.bind(dead, dlx)
    q = s.quorum("limited", x_delivery_limit=2, x_dead_letter_exchange=dlx)
    s.filled(q, b"poison", headers={"mine": 1}, message_id="m")
    for turn in range(3):
        op(f"limit.delivery-{turn}", "basic.get", number=11, queue=q)
        op(f"limit.return-{turn}", "basic.nack", number=11, delivery_tag=turn + 1, requeue=True)
        link.count(q, 1 if turn < 2 else 0)
    s.lands("limit.dead", dead)
    s.filled(q, b"rejected")
    op("limit.reject-requeue-counts", "basic.get", number=12, queue=q)
    op("limit.reject-requeue", "basic.reject", number=12, delivery_tag=1, requeue=True)
    link.count(q, 1)
    op("limit.closing-counts", "basic.get", number=12, queue=q)
    op("limit.close-channel", "channel.close", number=12, reply_code=200)
    link.channels.discard(12)
    link.count(q, 1)
    op("limit.after-close", "basic.get", number=13, queue=q)
    op("limit.reject-at-once", "basic.reject", number=13, delivery_tag=1)
    s.lands("limit.reject-is-rejected", dead)
    q = s.quorum("limit-zero-used", x_delivery_limit=0, x_dead_letter_exchange=dlx)
    s.filled(q, b"once only")
    s.get(q, 14)
    op("limit.zero", "basic.nack", number=14, delivery_tag=1, requeue=True)
    s.lands("limit.zero-dead", dead)
    q = s.quorum("limit-without-dlx", x_delivery_limit=1)
    s.filled(q, b"m")
    for turn in range(2):
        s.get(q, 15)
        op(f"limit.without-dlx-{turn}", "basic.nack", number=15, delivery_tag=turn + 1, requeue=True)
        link.count(q, 1 - turn)
    op("limit.without-dlx-dropped", "basic.get", queue=q)
    q = s.quorum("limit-default", x_dead_letter_exchange=dlx)
    s.filled(q, b"twenty")
    for turn in range(21):
        s.get(q, 16)
        link.quietly(16, "basic.nack", delivery_tag=turn + 1, requeue=True)
        if turn < 20:
            link.count(q, 1)
    # 3.10 has no limit unless one is asked for: there it is in the queue again, else among the dead.
    while link.quietly(61, "queue.declare", queue=q, passive=True)["message_count"] + \
            link.quietly(61, "queue.declare", queue=dead, passive=True)["message_count"] == 0:
        time.sleep(0.02)
    op("limit.default-left", "basic.get", queue=q, no_ack=True)
    op("limit.default", "basic.get", queue=dead, no_ack=True)
    q = s.quorum("limit-consumed", x_delivery_limit=1, x_dead_letter_exchange=dlx)
    op("limit.consume", "basic.consume", number=17, queue=q, consumer_tag="c")
    s.publish(q, b"m")
    s.expect("limit.consumer-first", "basic.deliver", number=17)
    op("limit.consumer-again", "basic.nack", number=17, delivery_tag=1, requeue=True, wait="basic.deliver")
    op("limit.consumer-over", "basic.nack", number=17, delivery_tag=2, requeue=True)
    s.lands("limit.consumer-dead", dead)
    q = s.quorum("limit-recover", x_delivery_limit=1, x_dead_letter_exchange=dlx)
    s.filled(q, b"m")
    s.get(q, 18)
    op("limit.recover", "basic.recover", number=18, requeue=True)
    link.count(q, 1)
    op("limit.recover-counted", "basic.get", number=18, queue=q)

    # Other deaths.
    q = s.quorum("ttl-short", x_message_ttl=50, x_dead_letter_exchange=dlx)
    s.publish(q, b"ttl")
    s.lands("expired.ttl", dead)
    q = s.quorum("expiring", x_dead_letter_exchange=dlx)
    s.publish(q, b"expiration", expiration="50")
    s.lands("expired.message", dead)
    s.publish(q, b"zero", expiration="0")
    s.lands("expired.zero", dead)
    q = s.quorum("max-one", x_max_length=1, x_dead_letter_exchange=dlx)
    s.publish(q, b"1", b"2")
    s.lands("max-length.dead", dead)
    s.lands("max-length.kept", q)
    q = s.quorum("max-bytes", x_max_length_bytes=3, x_dead_letter_exchange=dlx)
    s.publish(q, b"12", b"34")
    s.lands("max-length-bytes.dead", dead)
    s.lands("max-length-bytes.kept", q)
    target = s.quorum("dead-quorum", x_dead_letter_exchange=dlx)
    q = s.quorum("to-quorum", x_dead_letter_exchange="", x_dead_letter_routing_key=target)
    s.filled(q, b"m")
    s.get(q, 19)
    op("dead-letters.first", "basic.reject", number=19, delivery_tag=1)
    link.count(target, 1)
    op("dead-letters.between", "basic.get", number=19, queue=target)
    op("dead-letters.second", "basic.nack", number=19, delivery_tag=2)
    s.lands("dead-letters.both", dead)

    # Single active consumer.
    q = s.quorum("single", x_single_active_consumer=True)
    link.quietly(20, "basic.consume", queue=q, consumer_tag="a")
    link.quietly(21, "basic.consume", queue=q, consumer_tag="b")
    s.publish(q, b"1")
    s.expect("single.first", "basic.deliver", number=20)
    op("single.get", "basic.get", number=22, queue=q)
    op("single.cancel", "basic.cancel", number=20, consumer_tag="a")
    s.publish(q, b"2")
    s.expect("single.next", "basic.deliver", number=21)
    op("single.channel-close", "channel.close", number=20, reply_code=200, wait="basic.deliver")
    link.channels.discard(20)
    q = s.quorum("single-priority", x_single_active_consumer=True)
    link.quietly(23, "basic.consume", queue=q, consumer_tag="low", no_ack=True)
    link.quietly(24, "basic.consume", queue=q, consumer_tag="high", no_ack=True, arguments={"x-priority": 5})
    s.publish(q, b"1")
    s.expect("single.higher-priority-takes-over", "basic.deliver", number=24)

    # Consumer priorities.
    q = s.quorum("consumer-priority")
    for number, tag, priority in [(25, "low", 0), (26, "high", 10)]:
        link.quietly(number, "basic.qos", prefetch_count=1)
        link.quietly(number, "basic.consume", queue=q, consumer_tag=tag, arguments={"x-priority": priority})
    for turn in range(2):
        s.publish(q, b"%d" % turn)
        s.expect(f"consumer-priority.{turn}", "basic.deliver", number=25)
    op("delete.tells-consumers", "queue.delete", queue=q, wait="basic.cancel basic.cancel")

    # Message priorities: none in 3.10, two levels in 4.0, many in 4.3 and Leveret.
    q = s.quorum("message-priority")
    for body, priority in [(b"none", None), (b"nine", 9), (b"one", 1), (b"six", 6)]:
        s.publish(q, body, **({} if priority is None else {"priority": priority}))
    link.count(q, 4)
    s.bodies("message-priority", q)

    # Dead-lettering that waits for confirms.
    target = s.queue("at-least-once-target", durable=True)
    q = s.quorum("at-least-once", x_dead_letter_exchange="", x_dead_letter_routing_key=target, x_overflow="reject-publish",
                 x_dead_letter_strategy="at-least-once")
    s.filled(q, b"rejected", headers={"a": 1})
    s.get(q, 27)
    op("at-least-once.reject", "basic.reject", number=27, delivery_tag=1)
    s.lands("at-least-once.rejected", target)
    s.publish(q, b"expired", expiration="20")
    s.lands("at-least-once.expired", target)
    q = s.quorum("at-least-once-nowhere", x_dead_letter_exchange=n("no-such"), x_overflow="reject-publish", x_dead_letter_strategy="at-least-once")
    s.filled(q, b"kept")
    s.get(q, 28)
    op("at-least-once.missing-exchange", "basic.reject", number=28, delivery_tag=1)
    link.count(q, 0)
    op("at-least-once.kept-but-not-ready", "basic.get", queue=q)
    q = s.quorum("at-least-once-without-overflow", x_dead_letter_exchange=dlx, x_dead_letter_strategy="at-least-once")
    s.filled(q, b"m")
    s.get(q, 29)
    op("at-least-once.with-drop-head", "basic.reject", number=29, delivery_tag=1)
    s.lands("at-least-once.with-drop-head-landed", dead)

    # Refusing publishes.
    q = s.quorum("full", x_max_length=2, x_overflow="reject-publish")
    s.filled(q, b"1", b"2")
    # How many more it takes before it refuses is RabbitMQ's secret (it says so in its documentation), so it is filled well beyond.
    for _ in range(4):
        link.quietly(30, "basic.publish", routing_key=q, body=b"more")
    s.confirmed("reject-publish", q, b"last", "basic.nack", number=31)
    op("queue-type.unknown", "queue.declare", queue=n("typed"), durable=True, arguments={"x-queue-type": "quorums"})
    op("queue-type.upper-case", "queue.declare", queue=n("typed"), durable=True, arguments={"x-queue-type": "Quorum"})
    q = s.quorum("expires-soon", x_expires=100)
    time.sleep(0.8)
    s.passive("expires.is-gone", q)
