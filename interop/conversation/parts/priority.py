"""x-max-priority: order, clamping, requeues, and limits and ages within the levels."""

import time

from scene import Scene
from wire import Typed


def play(talk):
    s = Scene(talk, "pr")
    op, n, link = s.op, s.n, s.link

    for case, value in {"zero": 0, "one": 1, "255": Typed("B", 255), "256": 256, "negative": -1, "string": "5", "double": 5.0, "bool": True,
                        "void": None, "signed-octet": Typed("b", 5), "unsigned-long": Typed("i", 5), "long-long": Typed("l", 5)}.items():
        s.declare(f"declare.{case}", f"declared-{case}", x_max_priority=value)
    s.declare("redeclare.other-type", "declared-one", x_max_priority=Typed("l", 1))
    s.declare("redeclare.other-value", "declared-one", x_max_priority=2)
    s.declare("redeclare.without", "declared-one")

    def publish(queue, *pairs):
        for body, priority in pairs:
            s.publish(queue, body, **({} if priority is None else {"priority": priority}))

    q = s.queue("ten", x_max_priority=10)
    publish(q, (b"none", None), (b"five", 5), (b"zero", 0), (b"ten", 10), (b"over", 200), (b"five-b", 5), (b"one", 1))
    link.count(q, 7)
    for turn in range(7):
        op(f"order.{turn}", "basic.get", queue=q, no_ack=True)
    q = s.queue("requeue", x_max_priority=10)
    publish(q, (b"1a", 1), (b"1b", 1), (b"9a", 9), (b"9b", 9))
    link.count(q, 4)
    tags = [s.get(q, 2) for _ in range(3)]
    op("requeue.nack-all", "basic.nack", number=2, delivery_tag=tags[-1], multiple=True, requeue=True)
    link.count(q, 4)
    op("requeue.first-is-redelivered", "basic.get", number=2, queue=q)
    op("requeue.back", "basic.reject", number=2, delivery_tag=tags[-1] + 1, requeue=True)
    publish(q, (b"9c", 9), (b"10", 10))
    link.count(q, 6)
    s.bodies("requeue.order", q)
    publish(q, (b"a", 1), (b"b", 9))
    link.count(q, 2)
    op("purge.counts-all-levels", "queue.purge", queue=q)

    # A consumer with credit for one: later higher ones pass those that wait.
    q = s.queue("consumer", x_max_priority=5)
    link.quietly(3, "basic.qos", prefetch_count=1)
    link.quietly(3, "basic.consume", queue=q, consumer_tag="c")
    publish(q, (b"first", 0))
    s.expect("consumer.first", "basic.deliver")
    publish(q, (b"low", 0), (b"high", 5), (b"middle", 3))
    link.count(q, 3)
    for turn, expected in enumerate(("high", "middle", "low")):
        op(f"consumer.{expected}", "basic.ack", number=3, delivery_tag=turn + 1, wait="basic.deliver")

    # Limits take the head, and that is the highest.
    dlx, dead = s.exchange("dlx", "fanout"), s.queue("dead")
    s.bind(dead, dlx)
    q = s.queue("max-length", x_max_priority=5, x_max_length=2, x_dead_letter_exchange=dlx)
    publish(q, (b"high", 5), (b"low-1", 1), (b"low-2", 1))
    s.lands("max-length.dropped", dead)
    s.bodies("max-length.kept", q)
    publish(q, (b"low", 1), (b"low-2", 1), (b"high", 5))
    s.lands("max-length.new-one-is-the-head", dead)
    s.bodies("max-length.kept-low", q)
    q = s.queue("max-bytes", x_max_priority=5, x_max_length_bytes=6)
    publish(q, (b"aaa", 1), (b"bbb", 3), (b"cc", 2))
    link.count(q, 2)
    s.bodies("max-length-bytes", q)
    q = s.queue("reject", x_max_priority=5, x_max_length=1, x_overflow="reject-publish")
    s.confirmed("reject-publish.first", q, b"low", number=4, properties={"priority": 1})
    s.confirmed("reject-publish.higher-is-refused-too", q, b"high", "basic.nack", number=4, properties={"priority": 5})
    s.bodies("reject-publish.kept", q)

    # Age is looked at where each level begins.
    q = s.queue("ages", x_max_priority=5, x_dead_letter_exchange=dlx)
    s.publish(q, b"high", priority=5)
    s.publish(q, b"low", priority=1, expiration="50")
    time.sleep(0.15)
    op("expiration.high-stays", "basic.get", queue=q, no_ack=True)
    op("expiration.low-is-gone", "basic.get", queue=q, no_ack=True)
    s.lands("expiration.head-of-a-lower-level", dead)
    q = s.queue("ttl", x_max_priority=5, x_message_ttl=60, x_dead_letter_exchange=dlx)
    s.publish(q, b"ttl", priority=4)
    s.lands("ttl.keeps-the-priority", dead)
    q = s.queue("rejected", x_max_priority=5, x_dead_letter_exchange="", x_dead_letter_routing_key=n("target"))
    target = s.queue("target", x_max_priority=5)
    publish(q, (b"2", 2), (b"4", 4))
    link.count(q, 2)
    s.get(q, 5), s.get(q, 5)
    op("dead-letters.nack", "basic.nack", number=5, delivery_tag=1)
    op("dead-letters.nack-second", "basic.nack", number=5, delivery_tag=2)
    link.count(target, 2)
    s.bodies("dead-letters.are-ordered-again", target)
    q = s.queue("plain")
    publish(q, (b"1", 1), (b"9", 9))
    link.count(q, 2)
    s.bodies("without-the-argument", q)
    q = s.queue("durable", durable=True, x_max_priority=3)
    publish(q, (b"1", 1), (b"3", 3))
    link.count(q, 2)
    s.bodies("durable", q)
    q = s.queue("max-zero", x_max_priority=0)
    publish(q, (b"1", 1), (b"9", 9))
    link.count(q, 2)
    s.bodies("max-zero", q)
    q = s.queue("lazy", x_max_priority=2, x_queue_mode="lazy")
    publish(q, (b"0", 0), (b"2", 2))
    link.count(q, 2)
    s.bodies("lazy", q)
    q = s.queue("tx", x_max_priority=2)
    link.quietly(6, "tx.select")
    for body, priority in ((b"low", 0), (b"high", 2)):
        link.quietly(6, "basic.publish", routing_key=q, body=body, properties={"priority": priority})
    op("tx.commit", "tx.commit", number=6)
    link.count(q, 2)
    s.bodies("tx.order", q)
