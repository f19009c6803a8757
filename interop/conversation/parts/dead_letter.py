"""Dead letters: which, where to, with which headers; x-death in the order of its bytes; cycles."""


def play(talk):
    link, n = talk.link("d"), talk.name

    def op(operation, name, number=1, **fields):
        return link.op(f"dead-letter.{operation}", number, name, **fields)

    def queue(name, **arguments):
        link.quietly(1, "queue.declare", queue=n(name), arguments={key.replace("_", "-"): value for key, value in arguments.items()})
        return n(name)

    def publish(name, body=b"m", exchange="", **properties):
        link.quietly(1, "basic.publish", exchange=exchange, routing_key=name, body=body, properties=properties)

    def get(name):
        return link.quietly(1, "basic.get", answer="basic.get-ok", queue=name)["delivery_tag"]

    def lands(operation, target, **fields):
        """What arrives there; none when nothing does."""
        link.count(target, 1)
        return op(operation, "basic.get", queue=target, **{"no_ack": True, **fields})

    link.quietly(1, "exchange.declare", exchange=n("dlx"), type="fanout")
    link.quietly(1, "exchange.declare", exchange=n("dlx-direct"), type="direct")
    target = queue("dead")
    link.quietly(1, "queue.bind", queue=target, exchange=n("dlx"))

    q = queue("rejecting", x_dead_letter_exchange=n("dlx"))
    publish(q, b"rejected", content_type="text/plain", headers={"z": 1, "b": "x"}, delivery_mode=2, message_id="id", priority=3)
    op("rejected.reject", "basic.reject", delivery_tag=get(q))
    lands("rejected", target)
    publish(q, b"nacked")
    op("nacked.nack", "basic.nack", delivery_tag=get(q))
    lands("nacked", target)
    publish(q, b"requeued")
    op("requeued.nack", "basic.nack", delivery_tag=get(q), requeue=True)
    op("requeued.is-not-dead", "basic.get", queue=q, no_ack=True)
    publish(q, b"acked")
    op("acked.ack", "basic.ack", delivery_tag=get(q))
    op("acked.is-not-dead", "queue.declare", queue=target, passive=True)

    q = queue("expiring", x_dead_letter_exchange=n("dlx"), x_message_ttl=30)
    publish(q, b"queue ttl")
    lands("expired.queue", target)
    publish(q, b"message ttl", expiration="10")
    lands("expired.message", target)
    q = queue("expiring-at-once", x_dead_letter_exchange=n("dlx"))
    publish(q, b"zero", expiration="0", headers={"mine": 1})
    lands("expired.zero", target)
    q = queue("overflowing", x_dead_letter_exchange=n("dlx"), x_max_length=1)
    publish(q, b"oldest")
    publish(q, b"newest")
    lands("maxlen", target)
    q = queue("overflowing-bytes", x_dead_letter_exchange=n("dlx"), x_max_length_bytes=2)
    publish(q, b"large")
    lands("maxlen.bytes", target)

    # Keys: the original ones, or the queue's own.
    for key in ("key-1", "key-2", "fixed"):
        link.quietly(1, "queue.bind", queue=queue(f"dead-{key}"), exchange=n("dlx-direct"), routing_key=key)
    link.quietly(1, "exchange.declare", exchange=n("dlx-source"), type="direct")
    q = queue("keeps-keys", x_dead_letter_exchange=n("dlx-direct"))
    for key in ("key-1", "key-2"):
        link.quietly(1, "queue.bind", queue=q, exchange=n("dlx-source"), routing_key=key)
    publish("key-1", b"cc", n("dlx-source"), headers={"CC": ["key-2"], "BCC": ["nowhere"]})
    op("keys.reject", "basic.reject", delivery_tag=get(q))
    lands("keys.main", n("dead-key-1"))
    lands("keys.cc", n("dead-key-2"))
    q = queue("fixed-key", x_dead_letter_exchange=n("dlx-direct"), x_dead_letter_routing_key="fixed")
    publish(q, b"fixed", headers={"CC": ["key-1"]})
    op("fixed-key.reject", "basic.reject", delivery_tag=get(q))
    lands("fixed-key", n("dead-fixed"))
    op("fixed-key.not-to-cc", "queue.declare", queue=n("dead-key-1"), passive=True)
    q = queue("to-default", x_dead_letter_exchange="", x_dead_letter_routing_key=target)
    publish(q, b"by the default exchange")
    op("default-exchange.reject", "basic.reject", delivery_tag=get(q))
    lands("default-exchange", target)
    q = queue("to-nowhere", x_dead_letter_exchange=n("no-such-dlx"))
    publish(q, b"lost")
    op("missing-exchange.reject", "basic.reject", delivery_tag=get(q))
    op("missing-exchange.source-is-empty", "queue.declare", queue=q, passive=True)
    q = queue("purged", x_dead_letter_exchange=n("dlx"))
    publish(q, b"purged")
    op("purge.is-no-death", "queue.purge", queue=q)
    publish(q, b"deleted")
    op("delete.is-no-death", "queue.delete", queue=q)
    op("delete.nothing-landed", "queue.declare", queue=target, passive=True)

    # The same death twice, and another queue's between them.
    q = queue("again", x_dead_letter_exchange="", x_dead_letter_routing_key=n("retry"))
    retry = queue("retry", x_dead_letter_exchange="", x_dead_letter_routing_key=n("again"), x_message_ttl=50)
    publish(q, b"round trip", headers={"mine": "kept"})
    for turn in range(3):
        tag = get(q)
        op(f"round-trip.reject-{turn}", "basic.reject", delivery_tag=tag)
        link.count(q, 1)
        if turn < 2:
            op(f"round-trip.seen-{turn}", "basic.get", number=2, queue=q)
            op(f"round-trip.back-{turn}", "basic.nack", number=2, delivery_tag=turn + 1, requeue=True)
            link.count(q, 1)
    op("round-trip.at-last", "basic.get", queue=q, no_ack=True)

    # A message that dies of its age in the same queue again goes in circles without end: it is dropped.
    q = queue("circle", x_dead_letter_exchange="", x_dead_letter_routing_key=n("circle"), x_message_ttl=50)
    publish(q, b"round and round")
    link.count(q, 0)
    op("circle.expired-is-dropped", "queue.declare", queue=q, passive=True)
    q = queue("circle-rejected", x_dead_letter_exchange="", x_dead_letter_routing_key=n("circle-rejected"))
    publish(q, b"round and round")
    for turn in range(2):
        op(f"circle.reject-{turn}", "basic.reject", delivery_tag=get(q))
        link.count(q, 1)
    op("circle.rejected-comes-back", "basic.get", queue=q, no_ack=True)
    one = queue("circle-one", x_dead_letter_exchange="", x_dead_letter_routing_key=n("circle-two"), x_message_ttl=50)
    queue("circle-two", x_dead_letter_exchange="", x_dead_letter_routing_key=n("circle-one"), x_message_ttl=50)
    publish(one, b"to and fro")
    link.count(one, 0)
    link.count(n("circle-two"), 0)
    op("circle.two-queues", "queue.declare", queue=one, passive=True)

    # Headers that only look like a death.
    q = queue("forged", x_dead_letter_exchange=n("dlx"))
    publish(q, b"forged", headers={"x-death": [{"count": 7, "reason": "rejected", "queue": q}], "x-first-death-queue": "forged"})
    op("forged.untouched", "basic.get", number=3, queue=q)
    op("forged.reject", "basic.reject", number=3, delivery_tag=1)
    lands("forged", target)
    publish(q, b"forged", headers={"x-death": "no array", "x-first-death-reason": 5, "x-last-death-queue": "l"})
    op("forged-type.reject", "basic.reject", delivery_tag=get(q))
    lands("forged-type", target)

    # tx and consumers.
    link.quietly(4, "tx.select")
    q = queue("in-tx", x_dead_letter_exchange=n("dlx"))
    publish(q, b"in tx")
    link.quietly(4, "basic.get", answer="basic.get-ok", queue=q)
    op("tx.reject", "basic.reject", number=4, delivery_tag=1)
    op("tx.not-yet", "queue.declare", number=4, queue=target, passive=True)
    op("tx.commit", "tx.commit", number=4)
    lands("tx", target)
    q = queue("consumed", x_dead_letter_exchange=n("dlx"))
    op("consumer", "basic.consume", number=5, queue=target, consumer_tag="dead", no_ack=True)
    publish(q, b"to a consumer")
    op("consumer.delivered", "basic.reject", delivery_tag=get(q), wait="basic.deliver")
