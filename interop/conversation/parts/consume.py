"""basic.get, consume, cancel, qos: who gets which message when."""


def play(talk):
    link, other, n = talk.link("s"), talk.link("t"), talk.name

    def queue(name, *bodies, **options):
        link.quietly(1, "queue.declare", queue=n(name), **options)
        for body in bodies:
            link.quietly(1, "basic.publish", routing_key=n(name), body=body)
        return n(name)

    op = lambda operation, number, name, **fields: link.op(f"basic.{operation}", number, f"basic.{name}", **fields)

    q = queue("get", b"1", b"2", b"3")
    op("get", 1, "get", queue=q)
    op("get.no-ack", 1, "get", queue=q, no_ack=True)
    op("get.third", 1, "get", queue=q)
    op("get.empty", 1, "get", queue=q)
    op("get.missing", 1, "get", queue=n("missing"))
    link.count(q, 2)
    op("get.redelivered", 1, "get", queue=q)
    op("get.other-channel", 2, "get", queue=q)

    q = queue("consume", b"1", b"2")
    op("consume", 1, "consume", queue=q, consumer_tag="mine", wait="basic.deliver basic.deliver")
    link.quietly(2, "basic.publish", routing_key=q, body=b"3")
    link.expect("basic.deliver.later", "basic.deliver")
    op("consume.tag-again", 1, "consume", queue=q, consumer_tag="mine")
    link.count(q, 3)
    op("consume.no-ack", 1, "consume", queue=q, consumer_tag="auto", no_ack=True, wait="basic.deliver basic.deliver basic.deliver")
    op("cancel", 1, "cancel", consumer_tag="auto")
    op("cancel.again", 1, "cancel", consumer_tag="auto")
    op("cancel.unknown", 1, "cancel", consumer_tag="never")
    op("cancel.other-channel", 2, "cancel", consumer_tag="auto")
    op("consume.generated-tag", 1, "consume", queue=q)
    op("consume.missing", 1, "consume", queue=n("missing"), consumer_tag="x")
    op("consume.nowait", 1, "consume", queue=q, consumer_tag="quick", nowait=True)
    link.quietly(2, "basic.publish", routing_key=q, body=b"4")
    link.expect("basic.consume.nowait-works", "basic.deliver")
    op("consume.same-tag-other-channel", 2, "consume", queue=q, consumer_tag="quick")
    op("cancel.nowait", 1, "cancel", consumer_tag="quick", nowait=True)
    op("cancel.nowait-other", 2, "cancel", consumer_tag="quick", nowait=True)
    op("consume.no-local-is-ignored", 1, "consume", queue=q, consumer_tag="local", no_local=True)
    link.quietly(1, "basic.ack", delivery_tag=0, multiple=True)
    link.quietly(1, "basic.publish", routing_key=q, body=b"5")
    link.op("basic.consume.no-local-got-it", 2, "channel.flow", active=True, wait="basic.deliver")
    op("cancel.leaves-unacked", 1, "cancel", consumer_tag="local")
    link.op("basic.cancel.not-requeued", 1, "queue.declare", queue=q, passive=True)
    op("ack.after-cancel", 1, "ack", delivery_tag=2)
    op("consume.long-tag", 1, "consume", queue=q, consumer_tag="t" * 255)
    op("cancel.long-tag", 1, "cancel", consumer_tag="t" * 255)

    q = queue("exclusive-consumer")
    op("consume.exclusive", 1, "consume", queue=q, consumer_tag="alone", exclusive=True)
    op("consume.beside-exclusive", 2, "consume", queue=q, consumer_tag="second")
    other.op("basic.consume.beside-exclusive-elsewhere", 1, "basic.consume", queue=q, consumer_tag="second", exclusive=True)
    link.quietly(1, "basic.publish", routing_key=q, body=b"m")
    link.expect("basic.consume.exclusive-gets", "basic.deliver")
    link.quietly(1, "basic.ack", delivery_tag=0, multiple=True)
    link.quietly(1, "basic.cancel", consumer_tag="alone")
    op("consume.after-exclusive", 2, "consume", queue=q, consumer_tag="second")
    op("consume.exclusive-too-late", 1, "consume", queue=q, consumer_tag="alone", exclusive=True)

    # The queue goes: those who consume are told, if they said that they understand.
    q = queue("deleted-under-consumer")
    other.quietly(1, "basic.consume", queue=q, consumer_tag="told")
    link.op("basic.cancel.by-deletion", 1, "queue.delete", queue=q)
    other.expect("basic.cancel.from-the-broker", "basic.cancel")
    other.op("basic.cancel.answered-like-a-cancel", 1, "basic.cancel", consumer_tag="told")
    plain = talk.link("plain", capabilities={"basic.nack": True})
    q = queue("deleted-in-silence")
    plain.quietly(1, "basic.consume", queue=q, consumer_tag="untold")
    link.op("basic.cancel.by-deletion-without-capability", 1, "queue.delete", queue=q)
    plain.expect("basic.cancel.not-from-the-broker", "quiet")

    # Order of consumers: round robin; priorities first.
    q = queue("turns")
    for number, tag in [(3, "a"), (4, "b"), (5, "c")]:
        link.quietly(number, "basic.consume", queue=q, consumer_tag=tag, no_ack=True)
    for turn in range(4):
        link.quietly(1, "basic.publish", routing_key=q, body=b"%d" % turn)
        link.expect(f"basic.deliver.turn-{turn}", "basic.deliver")
    q = queue("priorities")
    link.quietly(6, "basic.qos", prefetch_count=1)
    for number, tag, priority in [(6, "high", 10), (7, "low", 0), (8, "lowest", -5)]:
        link.quietly(number, "basic.consume", queue=q, consumer_tag=tag, arguments={"x-priority": priority})
    for turn in range(3):
        link.quietly(1, "basic.publish", routing_key=q, body=b"%d" % turn)
        link.expect(f"basic.deliver.priority-{turn}", "basic.deliver")

    # Prefetch.
    op("qos", 9, "qos", prefetch_count=2)
    other.op("basic.qos.prefetch-size", 10, "basic.qos", prefetch_size=1)
    other.op("basic.qos.prefetch-size-global", 10, "basic.qos", prefetch_size=5, **{"global": True})
    q = queue("prefetch", *[b"%d" % number for number in range(8)])
    op("qos.two", 11, "qos", prefetch_count=2)
    op("qos.two-consume", 11, "consume", queue=q, consumer_tag="two", wait="basic.deliver basic.deliver", settle=0.2)
    op("qos.two-ack-one", 11, "ack", delivery_tag=1, wait="basic.deliver", settle=0.2)
    op("qos.five", 11, "qos", prefetch_count=5, settle=0.2)
    op("qos.get-is-not-limited", 11, "get", queue=q)
    op("qos.ack-multiple", 11, "ack", delivery_tag=0, multiple=True, wait="basic.deliver basic.deliver", settle=0.2)
    op("qos.second-consumer-has-five", 11, "consume", queue=q, consumer_tag="five", wait="basic.deliver basic.deliver", settle=0.2)
    link.quietly(11, "basic.cancel", consumer_tag="two")
    link.quietly(11, "basic.cancel", consumer_tag="five")
    op("qos.reject-frees", 11, "reject", delivery_tag=5, settle=0.1)
    q = queue("prefetch-global", *[b"%d" % number for number in range(8)])
    op("qos.global", 12, "qos", prefetch_count=3, **{"global": True})
    op("qos.global-consume", 12, "consume", queue=q, consumer_tag="g1", wait="basic.deliver basic.deliver basic.deliver", settle=0.2)
    op("qos.global-second-consumer-waits", 12, "consume", queue=q, consumer_tag="g2", settle=0.2)
    op("qos.global-raised", 12, "qos", prefetch_count=4, **{"global": True}, wait="basic.deliver", settle=0.2)
    op("qos.zero-is-no-limit", 13, "qos", prefetch_count=0)
    op("qos.zero-consume", 13, "consume", queue=q, consumer_tag="z", wait="basic.deliver basic.deliver basic.deliver basic.deliver", settle=0.2)
