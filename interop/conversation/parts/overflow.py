"""x-overflow: who is refused, who is told, and where the refused message goes."""

from scene import Scene


def play(talk):
    s = Scene(talk, "ov")
    op, n = s.op, s.n

    for value in ("reject-publish", "reject-publish-dlx", "", "Reject-Publish", "reject", b"reject-publish", True, None, ["reject-publish"]):
        s.declare(f"declare.{value!r}", f"declared-{value!r}", x_overflow=value)
    q = s.queue("without-a-limit", x_overflow="reject-publish")
    s.confirmed("without-a-limit", q)

    # reject-publish.
    q = s.queue("two", x_max_length=2, x_overflow="reject-publish")
    s.confirmed("reject.first", q, b"1")
    s.confirmed("reject.second", q, b"2")
    s.confirmed("reject.third", q, b"3", "basic.nack")
    s.confirmed("reject.mandatory-is-no-return", q, b"4", "basic.nack", mandatory=True)
    s.confirmed("reject.persistent", q, b"5", "basic.nack", properties={"delivery_mode": 2})
    s.publish(q, b"6")
    s.passive("reject.unconfirmed-is-dropped", q)
    op("reject.keeps-the-oldest", "basic.get", number=3, queue=q)
    s.confirmed("reject.unacked-do-not-count", q, b"7")
    op("reject.requeue", "basic.nack", number=3, delivery_tag=1, requeue=True)
    s.link.count(q, 3)
    s.passive("reject.requeued-is-kept", q)
    s.confirmed("reject.over-the-limit", q, b"8", "basic.nack")
    s.bodies("reject.order", q)
    s.confirmed("reject.room-again", q, b"9")
    op("reject.purge", "queue.purge", queue=q)
    s.confirmed("reject.after-purge", q, b"10")
    q = s.queue("zero", x_max_length=0, x_overflow="reject-publish")
    s.confirmed("reject.zero", q, answer="basic.nack")
    s.link.quietly(4, "basic.consume", queue=q, consumer_tag="c", no_ack=True)
    s.confirmed("reject.zero-with-a-waiting-consumer", q, answer="basic.nack")
    q = s.queue("one-with-consumer", x_max_length=1, x_overflow="reject-publish")
    s.link.quietly(5, "basic.consume", queue=q, consumer_tag="c")
    for turn in range(2):
        s.confirmed(f"reject.delivered-at-once-{turn}", q, b"%d" % turn, "basic.ack basic.deliver")
    q = s.queue("bytes", x_max_length_bytes=5, x_overflow="reject-publish")
    s.confirmed("reject.bytes-larger-than-all", q, b"123456", "basic.nack")
    s.confirmed("reject.bytes-fit", q, b"123")
    s.confirmed("reject.bytes-do-not-fit", q, b"456", "basic.nack")
    s.confirmed("reject.bytes-exactly", q, b"45")
    s.confirmed("reject.bytes-empty-body", q, b"")
    s.confirmed("reject.bytes-one-more", q, b"6", "basic.nack")
    s.bodies("reject.bytes-kept", q)
    q = s.queue("both", x_max_length=2, x_max_length_bytes=3, x_overflow="reject-publish")
    s.confirmed("reject.both-first", q, b"12")
    s.confirmed("reject.both-bytes", q, b"34", "basic.nack")
    s.confirmed("reject.both-second", q, b"5")
    s.confirmed("reject.both-length", q, b"", "basic.nack")
    q = s.queue("aging", x_max_length=1, x_overflow="reject-publish", x_message_ttl=60)
    s.confirmed("reject.aging", q, b"1")
    s.link.count(q, 0)
    s.confirmed("reject.age-makes-room", q, b"2")
    x = s.exchange("fan", "fanout")
    full, other = s.queue("fan-full", x_max_length=0, x_overflow="reject-publish"), s.queue("fan-other")
    for queue in (full, other):
        s.bind(queue, x)
    s.confirmed("reject.one-of-two", "", b"1", "basic.nack", exchange=x)
    s.lands("reject.other-has-it", other)
    s.bind(s.queue("fan-head", x_max_length=0), x)
    s.confirmed("reject.beside-drop-head", "", b"2", "basic.nack", exchange=x)

    # Several before the answers: which tags were refused.
    q = s.queue("burst", x_max_length=4, x_overflow="reject-publish")
    s.link.quietly(6, "confirm.select")
    for number in range(10):
        s.link.send(6, "basic.publish", b"%d" % number, None, {"routing_key": q})
    told = {}
    while len(told) < 10:
        event = s.link.peer.next(6)
        if event is None or event.name not in ("basic.ack", "basic.nack"):
            break
        low = min((tag for tag in range(1, 11) if tag not in told)) if event["multiple"] else event["delivery_tag"]
        told.update({tag: event.name for tag in range(low, event["delivery_tag"] + 1) if tag not in told})
    s.say("reject.burst", "ten publishes to a queue for four", *[f"{tag} {said}" for tag, said in sorted(told.items())])
    s.bodies("reject.burst-kept", q)

    # In transactions.
    q = s.queue("tx", x_max_length=2, x_overflow="reject-publish")
    s.link.quietly(7, "tx.select")
    for body in (b"1", b"2", b"3"):
        op(f"tx.publish-{body.decode()}", "basic.publish", number=7, routing_key=q, body=body)
    op("tx.commit", "tx.commit", number=7)
    s.link.quietly(8, "tx.select")
    op("tx.within-the-limit", "basic.publish", number=8, routing_key=s.queue("tx-free", x_max_length=2, x_overflow="reject-publish"), body=b"1")
    op("tx.commit-within", "tx.commit", number=8)
    s.lands("tx.was-kept", n("tx-free"))

    # reject-publish-dlx.
    dlx, dead = s.exchange("dlx", "fanout"), s.queue("dead")
    s.bind(dead, dlx)
    q = s.queue("dlx-one", x_max_length=1, x_overflow="reject-publish-dlx", x_dead_letter_exchange=dlx)
    s.confirmed("dlx.first", q, b"1")
    s.confirmed("dlx.second", q, b"2", "basic.nack", properties={"content_type": "t", "headers": {"mine": 1}, "expiration": "60000"})
    s.lands("dlx.landed", dead)
    s.publish(q, b"3")
    s.lands("dlx.unconfirmed-lands-too", dead)
    s.bodies("dlx.kept", q)
    q = s.queue("dlx-key", x_max_length=0, x_overflow="reject-publish-dlx", x_dead_letter_exchange="", x_dead_letter_routing_key=dead)
    s.confirmed("dlx.key", q, b"4", "basic.nack")
    s.lands("dlx.key-landed", dead)
    q = s.queue("dlx-none", x_max_length=0, x_overflow="reject-publish-dlx")
    s.confirmed("dlx.without-exchange", q, answer="basic.nack")
    q = s.queue("dlx-missing", x_max_length=0, x_overflow="reject-publish-dlx", x_dead_letter_exchange=n("no-such"))
    s.confirmed("dlx.missing-exchange", q, answer="basic.nack")
    q = s.queue("dlx-self", x_max_length=1, x_overflow="reject-publish-dlx", x_dead_letter_exchange="", x_dead_letter_routing_key=n("dlx-self"))
    s.confirmed("dlx.self-first", q, b"1")
    s.confirmed("dlx.self-second", q, b"2", "basic.nack")
    s.bodies("dlx.self-kept", q)
    s.link.quietly(9, "tx.select")
    q = s.queue("dlx-tx", x_max_length=0, x_overflow="reject-publish-dlx", x_dead_letter_exchange=dlx)
    op("dlx.tx-publish", "basic.publish", number=9, routing_key=q, body=b"tx")
    op("dlx.tx-commit", "tx.commit", number=9)
    s.lands("dlx.tx-landed", dead, number=10)

    # Dead letters are publishes, too: a full target refuses them, and nobody is told.
    target = s.queue("target", x_max_length=1, x_overflow="reject-publish")
    s.filled(target, b"was first")
    q = s.filled(s.queue("to-a-full-one", x_dead_letter_exchange="", x_dead_letter_routing_key=target), b"late")
    op("target.reject", "basic.reject", delivery_tag=s.get(q))
    s.bodies("target.refused-it", target)
    s.passive("target.source-is-empty", q)
    target = s.queue("target-dlx", x_max_length=0, x_overflow="reject-publish-dlx", x_dead_letter_exchange=dlx)
    q = s.filled(s.queue("to-a-full-dlx", x_dead_letter_exchange="", x_dead_letter_routing_key=target), b"passed on")
    op("target.dlx-reject", "basic.reject", delivery_tag=s.get(q))
    s.lands("target.dlx-passed-on", dead)
    q = s.queue("head", x_max_length=1, x_overflow="drop-head", x_dead_letter_exchange=dlx)
    s.confirmed("drop-head.first", q, b"1")
    s.confirmed("drop-head.second", q, b"2")
    s.lands("drop-head.first-landed", dead)
    s.bodies("drop-head.kept", q)
