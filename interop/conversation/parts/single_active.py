"""Single active consumer on classic queues: who is active, who is next, and what else is allowed."""

from scene import Scene


def play(talk):
    s = Scene(talk, "sa")
    op, n, link, other = s.op, s.n, s.link, talk.link("sb")

    def consume(number, tag, queue, on=None, **fields):
        (on or link).quietly(number, "basic.consume", queue=queue, consumer_tag=tag, **fields)

    q = s.queue("q", x_single_active_consumer=True)
    op("consume.first", "basic.consume", number=2, queue=q, consumer_tag="a")
    op("consume.second", "basic.consume", number=3, queue=q, consumer_tag="b")
    op("consume.third", "basic.consume", number=4, queue=q, consumer_tag="c")
    s.passive("consume.all-count", q)
    for turn in range(3):
        s.publish(q, b"%d" % turn)
        s.expect(f"active.gets-all-{turn}", "basic.deliver")
    op("active.cancel", "basic.cancel", number=2, consumer_tag="a")
    s.publish(q, b"3")
    s.expect("fail-over.second-is-next", "basic.deliver")
    op("fail-over.unacked-stay-with-the-cancelled", "basic.ack", number=2, delivery_tag=2, multiple=True)
    op("fail-over.requeue-goes-to-the-active", "basic.nack", number=2, delivery_tag=3, requeue=True, wait="basic.deliver")
    op("waiting.cancel", "basic.cancel", number=4, consumer_tag="c")
    consume(5, "d", q)
    consume(1, "e", q, other)
    op("fail-over.channel-close", "channel.close", number=3, reply_code=200, wait="basic.deliver basic.deliver")
    link.channels.discard(3)
    op("fail-over.active-closes-by-error", "basic.ack", number=5, delivery_tag=99)
    s.expect("fail-over.to-another-connection", "basic.deliver basic.deliver", link=other)
    consume(6, "f", q)
    op("waiting.gets-nothing", "basic.qos", number=6, prefetch_count=1)
    other.peer.close()
    s.expect("fail-over.connection-lost", "basic.deliver", number=6, settle=0.3)
    other.again()
    link.quietly(6, "basic.ack", delivery_tag=0, multiple=True)
    op("waiting.none-left", "basic.cancel", number=6, consumer_tag="f")
    s.passive("waiting.nobody", q)

    # One message at a time: the others do not help.
    q = s.queue("prefetch", x_single_active_consumer=True)
    link.quietly(7, "basic.qos", prefetch_count=1)
    consume(7, "slow", q)
    consume(8, "idle", q)
    s.publish(q, b"1", b"2")
    s.expect("prefetch.first", "basic.deliver", settle=0.2)
    s.passive("prefetch.second-waits", q)
    op("prefetch.ack", "basic.ack", number=7, delivery_tag=1, wait="basic.deliver")
    s.publish(q, b"3")
    op("prefetch.cancel-hands-over", "basic.cancel", number=7, consumer_tag="slow", wait="basic.deliver")
    op("prefetch.held-ones-come-back", "basic.recover", number=7, requeue=True, wait="basic.deliver")
    op("delete.tells-all", "queue.delete", number=9, queue=q, wait="basic.cancel")

    # basic.get does not care.
    q = s.queue("get", x_single_active_consumer=True)
    link.quietly(10, "basic.qos", prefetch_count=1)
    consume(10, "active", q)
    s.publish(q, b"1", b"2")
    s.expect("get.delivered", "basic.deliver")
    op("get.beside-the-active", "basic.get", number=11, queue=q)

    # exclusive and single active exclude each other.
    q = s.queue("exclusive", x_single_active_consumer=True)
    op("exclusive.alone", "basic.consume", number=12, queue=q, consumer_tag="x", exclusive=True)
    consume(13, "y", q)
    op("exclusive.second", "basic.consume", number=12, queue=q, consumer_tag="x", exclusive=True)
    s.passive("exclusive.count", q)

    # Consumer priorities among the waiting.
    q = s.queue("priorities", x_single_active_consumer=True)
    consume(14, "low", q, no_ack=True, arguments={"x-priority": -1})
    consume(15, "middle", q, no_ack=True)
    consume(16, "high", q, no_ack=True, arguments={"x-priority": 10})
    consume(17, "highest", q, no_ack=True, arguments={"x-priority": 20})
    for turn in range(4):
        s.publish(q, b"%d" % turn)
        (event,) = s.expect(f"priority.turn-{turn}", "basic.deliver")
        op(f"priority.cancel-{turn}", "basic.cancel", number=event.channel, consumer_tag=event["consumer_tag"])

    # With the rest.
    q = s.queue("sac-priority", x_single_active_consumer=True, x_max_priority=5)
    s.publish(q, b"low")
    s.publish(q, b"high", priority=5)
    link.count(q, 2)
    op("with-priorities", "basic.consume", number=18, queue=q, consumer_tag="p", no_ack=True, wait="basic.deliver basic.deliver")
    s.declare("exclusive-queue", "mine", exclusive=True, x_single_active_consumer=True)
    s.declare("auto-delete", "auto", auto_delete=True, x_single_active_consumer=True)
    consume(19, "one", n("auto"))
    consume(20, "two", n("auto"))
    op("auto-delete.first", "basic.cancel", number=19, consumer_tag="one")
    s.passive("auto-delete.still-there", n("auto"))
    op("auto-delete.last", "basic.cancel", number=20, consumer_tag="two")
    s.passive("auto-delete.is-gone", n("auto"))
    for case, value in {"true": True, "false": False, "integer": 1, "void": None, "string": "true"}.items():
        s.declare(f"redeclare.{case}", "q", x_single_active_consumer=value)
    s.declare("redeclare.without", "q")
    s.queue("plain")
    s.declare("redeclare.added", "plain", x_single_active_consumer=True)
    s.declare("redeclare.added-false", "plain", x_single_active_consumer=False)
    q = s.queue("again", x_single_active_consumer=True)
    consume(21, "same", q, no_ack=True)
    op("again.cancel", "basic.cancel", number=21, consumer_tag="same")
    consume(22, "later", q, no_ack=True)
    consume(21, "same", q, no_ack=True)
    s.publish(q, b"m")
    s.expect("again.goes-to-the-end-of-the-line", "basic.deliver")
