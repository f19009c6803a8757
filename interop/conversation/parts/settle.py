"""basic.ack, nack, reject, recover: what they settle, what they give back and where to."""

import wire


def play(talk):
    link, n = talk.link("k"), talk.name

    def queue(name, *bodies):
        link.quietly(1, "queue.declare", queue=n(name))
        for body in bodies:
            link.quietly(1, "basic.publish", routing_key=n(name), body=body)
        return n(name)

    def get(number, name, count=1):
        for _ in range(count):
            link.quietly(number, "basic.get", answer="basic.get-ok", queue=name)

    op = lambda operation, number, name, **fields: link.op(f"basic.{operation}", number, f"basic.{name}", **fields)

    for name in ("ack", "nack", "reject"):
        op(f"{name}.unknown-tag", 2, name, delivery_tag=5)
        op(f"{name}.tag-zero", 2, name, delivery_tag=0)
        if name != "reject":
            op(f"{name}.multiple-unknown-tag", 2, name, delivery_tag=5, multiple=True)
            op(f"{name}.all-of-nothing", 2, name, delivery_tag=0, multiple=True)
    q = queue("ack", b"1", b"2", b"3", b"4", b"5", b"6")
    get(2, q, 6)
    op("ack.one", 2, "ack", delivery_tag=2)
    op("ack.twice", 2, "ack", delivery_tag=2)
    link.count(q, 5)
    get(2, q, 5)
    op("ack.multiple", 2, "ack", delivery_tag=3, multiple=True)
    op("ack.multiple-again", 2, "ack", delivery_tag=3, multiple=True)
    link.count(q, 2)
    get(2, q, 2)
    op("ack.all", 2, "ack", delivery_tag=0, multiple=True)
    link.op("basic.ack.all-was-done", 2, "queue.delete", queue=q)
    q = queue("other-channel", b"1")
    get(11, q)
    op("ack.other-channel", 3, "ack", delivery_tag=1)
    op("ack.largest-tag", 3, "ack", delivery_tag=2**64 - 1)
    op("ack.own-channel", 11, "ack", delivery_tag=1)
    q = queue("deleted", b"1")
    get(4, q)
    link.quietly(1, "queue.delete", queue=q)
    op("ack.queue-is-gone", 4, "ack", delivery_tag=1)

    # Back to where they were.
    q = queue("back", b"1", b"2", b"3", b"4")
    get(5, q, 3)
    op("nack.requeue", 5, "nack", delivery_tag=2, requeue=True)
    op("nack.requeued-comes-first", 5, "get", queue=q)
    op("reject.requeue", 5, "reject", delivery_tag=1, requeue=True)
    op("reject.requeued-comes-first", 5, "get", queue=q)
    op("nack.all-requeue", 5, "nack", delivery_tag=0, multiple=True, requeue=True)
    for number in range(4):
        op(f"nack.order-restored-{number}", 5, "get", queue=q)
    op("nack.multiple-drop", 5, "nack", delivery_tag=7, multiple=True)
    op("nack.multiple-drop-again", 5, "nack", delivery_tag=7, multiple=True)
    link.count(q, 2)
    op("nack.rest", 5, "get", queue=q)
    op("reject.drop", 5, "reject", delivery_tag=1)
    link.op("basic.reject.was-done", 5, "queue.delete", queue=q)

    q = queue("recover", b"1", b"2")
    get(6, q, 2)
    op("recover", 6, "recover", requeue=True)
    op("recover.redelivered", 6, "get", queue=q)
    op("recover-async", 6, "recover-async", requeue=True)
    op("recover-async.redelivered", 6, "get", queue=q)
    op("recover.tags-are-gone", 6, "ack", delivery_tag=1)
    op("recover.nothing", 7, "recover", requeue=True)
    op("recover.without-requeue", 7, "recover", requeue=False)
    op("recover-async.without-requeue", 7, "recover-async", requeue=False)
    q = queue("recover-consumer", b"1", b"2")
    op("recover.consumer", 8, "consume", queue=q, consumer_tag="r", wait="basic.deliver basic.deliver")
    op("recover.to-the-same-consumer", 8, "recover", requeue=True, wait="basic.deliver basic.deliver")
    op("reject.to-the-same-consumer", 8, "reject", delivery_tag=3, requeue=True, wait="basic.deliver")
    q = queue("takes-over", b"1")
    op("requeue.first-consumer", 9, "consume", queue=q, consumer_tag="first", wait="basic.deliver")
    link.quietly(10, "basic.consume", queue=q, consumer_tag="second")
    link.frames("basic.requeue.second-takes-over", "9 channel.close", close(9), "channel.close-ok basic.deliver", number=9)
    link.channels.discard(9)


def close(number):
    return wire.frame(wire.METHOD, number, wire.method("channel.close", reply_code=200))
