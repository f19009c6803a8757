"""x-max-length and x-max-length-bytes with drop-head: counts, order, confirms, requeues."""


def play(talk):
    link, n = talk.link("l"), talk.name

    def op(operation, name, number=1, **fields):
        return link.op(f"limits.{operation}", number, name, **fields)

    def queue(name, **arguments):
        link.quietly(1, "queue.declare", queue=n(name), arguments={key.replace("_", "-"): value for key, value in arguments.items()})
        return n(name)

    def publish(name, *bodies):
        for body in bodies:
            link.quietly(1, "basic.publish", routing_key=name, body=body)

    q = queue("max2", x_max_length=2)
    publish(q, b"1", b"2", b"3", b"4")
    link.count(q, 2)
    op("length.keeps-the-newest", "basic.get", queue=q)
    op("length.keeps-the-newest-2", "basic.get", queue=q)
    publish(q, b"5", b"6")
    link.count(q, 2)
    op("length.unacked-do-not-count", "queue.declare", queue=q, passive=True)
    op("length.requeue-drops", "basic.nack", delivery_tag=1, requeue=True)
    link.count(q, 2)
    op("length.after-requeue", "basic.get", number=2, queue=q)
    q = queue("max0", x_max_length=0)
    link.quietly(3, "confirm.select")
    op("length-zero.confirmed", "basic.publish", number=3, routing_key=q, body=b"m", wait="basic.ack")
    op("length-zero.empty", "basic.get", queue=q)
    link.quietly(4, "basic.consume", queue=q, consumer_tag="c", no_ack=True)
    op("length-zero.to-a-waiting-consumer", "basic.publish", routing_key=q, body=b"m", wait="basic.deliver")
    q = queue("bytes10", x_max_length_bytes=10)
    publish(q, b"aaaa", b"bbbb", b"cccc")
    link.count(q, 2)
    op("bytes.oldest-dropped", "basic.get", queue=q, no_ack=True)
    publish(q, b"x" * 11)
    link.count(q, 0)
    op("bytes.one-too-large-empties", "queue.declare", queue=q, passive=True)
    publish(q, b"0123456789")
    link.count(q, 1)
    op("bytes.exactly", "queue.declare", queue=q, passive=True)
    link.quietly(1, "queue.purge", queue=q)
    link.quietly(1, "basic.publish", routing_key=q, body=b"1234", properties={"headers": {"large": "x" * 100}})
    link.count(q, 1)
    op("bytes.of-bodies-only", "queue.declare", queue=q, passive=True)
    q = queue("both", x_max_length=3, x_max_length_bytes=5)
    publish(q, b"aa", b"bb", b"c", b"d")
    link.count(q, 3)
    op("both.first", "basic.get", queue=q, no_ack=True)
    link.quietly(1, "basic.publish", routing_key=queue("max1", x_max_length=1), body=b"first")
    op("confirm.of-the-dropping", "basic.publish", number=3, routing_key=n("max1"), body=b"second", mandatory=True, wait="basic.ack")
