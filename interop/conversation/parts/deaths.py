"""More of dead letters: several queues and reasons in one history, keys and copies, cycles, exchanges of all kinds on the way."""

from scene import Scene


def play(talk):
    s = Scene(talk, "de")
    op, n, link = s.op, s.n, s.link

    def reject(operation, queue, multiple=False, number=2, count=1):
        for _ in range(count):
            tag = s.get(queue, number)
        return op(operation, "basic.nack", number=number, delivery_tag=tag, multiple=multiple)

    def to(key):
        return {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": n(key)}

    dlx, dead = s.exchange("dlx", "fanout"), s.queue("dead")
    s.bind(dead, dlx)

    # A history of three queues, twice round: entries merge by queue and reason, the newest event comes first.
    a, b, c = s.queue("a", **to("b")), s.queue("b", **to("c")), s.queue("c", **to("a"))
    s.filled(a, b"history", headers={"mine": "kept"}, message_id="h")
    for turn, (queue, after) in enumerate([(a, b), (b, c), (c, a), (a, b), (b, c)]):
        reject(f"history.reject-{turn}", queue)
        link.count(after, 1)
        op(f"history.seen-{turn}", "basic.get", number=3, queue=after)
        op(f"history.back-{turn}", "basic.reject", number=3, delivery_tag=turn + 1, requeue=True)
        link.count(after, 1)
    s.lands("history.last", c)

    # One queue, three reasons.
    q = s.queue("reasons", x_max_length=1, x_message_ttl=60000, **to("reasons-back"))
    back = s.queue("reasons-back")
    s.publish(q, b"1", b"2")
    s.lands("reasons.maxlen", back)
    reject("reasons.reject", q)
    s.lands("reasons.rejected", back)
    s.publish(q, b"3", expiration="20")
    s.lands("reasons.expired", back)
    s.filled(q, *[b"4"])
    s.publish(q, b"5", b"6", b"7")
    link.count(back, 3)
    s.bodies("reasons.maxlen-in-order", back)
    op("reasons.purge", "queue.purge", queue=q)

    # Rejected, expired, rejected: retries with a waiting queue, the usual pattern.
    work = s.queue("work", **to("wait"))
    wait = s.queue("wait", x_message_ttl=30, **to("work"))
    s.filled(work, b"retry", expiration="60000")
    for turn in range(3):
        reject(f"retry.reject-{turn}", work)
        link.count(work, 1)
    s.lands("retry.after-three", work)

    # A cycle without a reject ends, with one it goes on; purely by length, too.
    one = s.queue("length-one", x_max_length=1, **to("length-two"))
    s.queue("length-two", x_max_length=1, **to("length-one"))
    s.publish(one, b"1", b"2", b"3")
    link.count(one, 1)
    s.bodies("cycle.by-length-one", one)
    s.bodies("cycle.by-length-two", n("length-two"))
    q = s.queue("own-key", x_dead_letter_exchange="", x_message_ttl=30)
    s.publish(q, b"comes back by its own key")
    link.count(q, 0)
    s.passive("cycle.own-key-expired", q)
    q = s.queue("own-key-rejected", x_dead_letter_exchange="")
    s.filled(q, b"m")
    reject("cycle.own-key-reject", q)
    s.lands("cycle.own-key-rejected", q)
    x = s.exchange("cycle-fan", "fanout")
    q, beside = s.queue("cycle-fan-q", x_message_ttl=30, x_dead_letter_exchange=x), s.queue("cycle-fan-beside")
    s.bind(q, x), s.bind(beside, x)
    s.publish(q, b"m")
    s.lands("cycle.others-still-get-it", beside)
    s.passive("cycle.itself-not", q)

    # Keys: CC and BCC, kept or overridden.
    x = s.exchange("keys", "direct")
    for key in ("k", "cc", "bcc", "over"):
        s.bind(s.queue(f"keys-{key}"), x, key)
    source = s.exchange("keys-source", "direct")
    q, over = s.queue("keys-q", x_dead_letter_exchange=x), s.queue("keys-over-q", x_dead_letter_exchange=x, x_dead_letter_routing_key="over")
    for queue in (q, over):
        s.bind(queue, source, "k")
    s.publish("k", b"m", exchange=source, headers={"CC": ["cc"], "BCC": ["bcc"], "other": 1})
    link.count(q, 1)
    reject("keys.reject", q)
    for key in ("k", "cc", "bcc"):
        s.lands(f"keys.{key}", n(f"keys-{key}"))
    reject("keys.override", over)
    s.lands("keys.overridden", n("keys-over"))
    for key in ("k", "cc", "bcc"):
        s.passive(f"keys.override-not-{key}", n(f"keys-{key}"))
    s.publish("cc", b"only by cc", exchange=source, headers={"CC": ["k"]})
    link.count(q, 1)
    reject("keys.came-by-cc", q)
    s.lands("keys.cc-main", n("keys-cc"))
    s.lands("keys.cc-copy", n("keys-k"))
    op("keys.clear", "queue.purge", queue=over)
    q = s.queue("key-empty", x_dead_letter_exchange=dlx, x_dead_letter_routing_key="")
    s.filled(q, b"m")
    reject("keys.empty-override", q)
    s.lands("keys.empty", dead)
    q = s.queue("mandatory", x_dead_letter_exchange=x)
    s.confirmed("keys.mandatory-dead-letter-is-not-returned", q, number=4, mandatory=True, properties={"expiration": "0"})

    # Kinds of exchanges on the way.
    for kind, key, given in [("topic", "#.dead", {}), ("headers", "", {"x_match": "any", "tenant": "t"})]:
        x, target = s.exchange(f"kind-{kind}", kind), s.queue(f"kind-{kind}-target")
        s.bind(target, x, key, **given)
        q = s.queue(f"kind-{kind}-q", x_dead_letter_exchange=x, x_dead_letter_routing_key="really.dead")
        s.filled(q, b"m", headers={"tenant": "t"})
        reject(f"kind.{kind}-reject", q)
        s.lands(f"kind.{kind}", target)
    x, target = s.exchange("kind-death", "headers"), s.queue("kind-death-target")
    s.bind(target, x, "", x_match="all-with-x", x_first_death_reason="rejected")
    q = s.queue("kind-death-q", x_dead_letter_exchange=x)
    s.filled(q, b"m")
    reject("kind.by-the-reason-reject", q)
    s.lands("kind.by-the-reason", target)
    s.exchange("alternate", "fanout")
    x = s.exchange("has-alternate", "direct", alternate_exchange=n("alternate"))
    target = s.queue("alternate-target")
    s.bind(target, n("alternate"))
    q = s.queue("to-alternate", x_dead_letter_exchange=x)
    s.filled(q, b"m")
    reject("kind.alternate-reject", q)
    s.lands("kind.alternate", target)
    x = s.exchange("first-hop", "fanout")
    link.quietly(1, "exchange.bind", destination=dlx, source=x)
    q = s.queue("to-first-hop", x_dead_letter_exchange=x)
    s.filled(q, b"m")
    reject("kind.exchange-to-exchange-reject", q)
    s.lands("kind.exchange-to-exchange", dead)
    link.quietly(1, "exchange.declare", exchange=n("internal"), type="fanout", internal=True)
    s.bind(target, n("internal"))
    q = s.queue("to-internal", x_dead_letter_exchange=n("internal"))
    s.filled(q, b"m")
    reject("kind.internal-reject", q)
    s.lands("kind.internal", target)
    two = s.queue("two-targets"), s.queue("two-targets-b")
    x = s.exchange("two", "fanout")
    for queue in two:
        s.bind(queue, x)
    q = s.queue("to-two", x_dead_letter_exchange=x)
    s.filled(q, b"m")
    reject("kind.two-reject", q)
    for number, queue in enumerate(two):
        s.lands(f"kind.two-{number}", queue)

    # The exchange may come and go: it is looked for when the message dies.
    q = s.queue("late", x_dead_letter_exchange=n("late-dlx"))
    s.filled(q, b"too early")
    reject("late.missing", q)
    s.exchange("late-dlx", "fanout"), s.bind(dead, n("late-dlx"))
    s.filled(q, b"in time")
    reject("late.reject", q)
    s.lands("late.declared-since", dead)
    link.quietly(1, "exchange.delete", exchange=n("late-dlx"))
    s.filled(q, b"too late")
    reject("late.deleted-again", q)
    s.passive("late.nothing-landed", dead)

    # Many at once keep their order.
    q = s.queue("many", x_dead_letter_exchange=dlx)
    s.filled(q, *[b"%d" % number for number in range(6)])
    reject("many.nack-multiple", q, multiple=True, number=5, count=6)
    link.count(dead, 6)
    s.bodies("many.order", dead)
    s.filled(q, b"1", b"2", b"3")
    for _ in range(3):
        s.get(q, 6)
    op("many.reject-second", "basic.reject", number=6, delivery_tag=2)
    op("many.requeue-third", "basic.nack", number=6, delivery_tag=3, requeue=True)
    op("many.closing-requeues", "channel.close", number=6, reply_code=200)
    link.channels.discard(6)
    link.count(q, 2)
    s.bodies("many.left", q)
    s.bodies("many.dead", dead)
    op("many.no-ack-is-no-death", "basic.get", queue=s.filled(q, b"m"), no_ack=True)
    s.passive("many.nothing-more", dead)

    # Properties.
    q = s.queue("properties", x_dead_letter_exchange=dlx)
    s.filled(q, b"m", content_type="t", content_encoding="e", delivery_mode=2, priority=9, correlation_id="c", reply_to="r", expiration="600000",
             message_id="i", timestamp=1700000000, type="y", app_id="a")
    reject("properties.reject", q)
    s.lands("properties.all-but-expiration", dead)
    s.filled(q, b"")
    reject("properties.empty-reject", q)
    s.lands("properties.empty-body", dead)
    s.filled(q, b"m", headers={"x-death": [{"queue": q, "reason": "rejected", "count": 3, "exchange": "", "routing-keys": [q]}], "x-first-death-reason": "mine"})
    reject("forged.again-reject", q)
    s.lands("forged.again", dead)
    s.filled(q, b"m", headers={"x-first-death-reason": "expired", "x-last-death-reason": "expired"})
    reject("forged.first-and-last-reject", q)
    s.lands("forged.first-and-last", dead)
    source = s.queue("republished", x_dead_letter_exchange=dlx)
    s.filled(source, b"m")
    reject("republished.reject", source)
    link.count(dead, 1)
    event = link.quietly(7, "basic.get", answer="basic.get-ok", queue=dead, no_ack=True)
    link.quietly(1, "basic.publish", routing_key=source, body=b"m", properties=bytes(event.content.properties))
    link.count(source, 1)
    reject("republished.again-reject", source)
    s.lands("republished.as-it-was", dead)
    # By a consumer, as clients do it.
    link.quietly(8, "basic.consume", queue=dead, consumer_tag="c", no_ack=True)
    q = s.queue("by-ttl-to-consumer", x_message_ttl=20, x_dead_letter_exchange=dlx)
    s.publish(q, b"m")
    s.expect("consumer.delivered", "basic.deliver", number=8)
