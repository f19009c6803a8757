"""Confirm class: select, acks, and their order with returns."""


def play(talk):
    link, n = talk.link("o"), talk.name
    q = n("confirmed")
    link.quietly(63, "queue.declare", queue=q)
    link.quietly(63, "queue.declare", queue=n("confirmed-durable"), durable=True)
    link.quietly(63, "exchange.declare", exchange=n("ox"), type="fanout")
    op = lambda operation, name, number=1, **fields: link.op(f"confirm.{operation}", number, name, **fields)
    link.quietly(1, "basic.publish", routing_key=q, body=b"before")
    op("select", "confirm.select")
    op("publish", "basic.publish", routing_key=q, body=b"1", wait="basic.ack")
    op("publish-persistent", "basic.publish", routing_key=n("confirmed-durable"), body=b"2", properties={"delivery_mode": 2}, wait="basic.ack")
    op("select.again", "confirm.select")
    op("publish-goes-on-counting", "basic.publish", routing_key=q, body=b"3", wait="basic.ack")
    op("unroutable", "basic.publish", routing_key=n("nobody"), body=b"4", wait="basic.ack")
    op("unroutable-mandatory", "basic.publish", routing_key=n("nobody"), mandatory=True, body=b"5", wait="basic.return basic.ack")
    op("empty-fanout", "basic.publish", exchange=n("ox"), body=b"6", wait="basic.ack")
    link.quietly(63, "queue.bind", queue=q, exchange=n("ox"))
    link.quietly(63, "queue.bind", queue=n("confirmed-durable"), exchange=n("ox"))
    op("fanout", "basic.publish", exchange=n("ox"), body=b"7", properties={"delivery_mode": 2}, wait="basic.ack")
    op("fanout-mandatory", "basic.publish", exchange=n("ox"), body=b"8", mandatory=True, wait="basic.ack")
    op("empty-body", "basic.publish", routing_key=q, body=b"", wait="basic.ack")
    op("get-between", "basic.get", queue=q, no_ack=True)
    op("missing-exchange", "basic.publish", exchange=n("missing"), body=b"x")
    op("after-error-not-selected", "basic.publish", routing_key=q, body=b"x", wait="quiet")
    op("select-nowait", "confirm.select", nowait=True)
    op("starts-anew", "basic.publish", routing_key=q, body=b"1", wait="basic.ack")
    op("then-tx", "tx.select")
    op("tx-first", "tx.select", number=2)
    op("after-tx", "confirm.select", number=2)
    op("ack-from-the-client", "basic.ack", number=3, delivery_tag=1)
    # A burst: acks may be coalesced, but all tags must come, in order of the highest confirmed.
    operation = "confirm.burst"
    talk.begin(operation)
    link.quietly(4, "confirm.select")
    for number in range(200):
        link.send(4, "basic.publish", b"%d" % number, None, {"routing_key": q})
    settled, nacks = set(), 0
    while len(settled) < 200:
        event = link.peer.next(6)
        if event is None or event.name not in ("basic.ack", "basic.nack"):
            talk.write(operation, f"< {event}")
            break
        nacks += event.name == "basic.nack"
        tag = event["delivery_tag"]
        settled |= set(range(1, tag + 1)) if event["multiple"] else {tag}
    talk.write(operation, f"< confirmed {min(settled, default=0)} to {max(settled, default=0)}, {len(settled)} of 200, nacks {nacks}")
    # A channel in confirm mode with its own consumer: each message confirmed once and delivered once.
    link.quietly(63, "queue.purge", queue=q)
    link.quietly(5, "confirm.select")
    link.quietly(6, "basic.consume", queue=q, consumer_tag="c", no_ack=True)
    op("confirmed-and-delivered", "basic.publish", number=5, routing_key=q, body=b"m", wait="basic.ack basic.deliver")
