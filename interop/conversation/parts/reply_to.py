"""Direct reply-to: the pseudo-queue amq.rabbitmq.reply-to."""

import wire

REPLY_TO = "amq.rabbitmq.reply-to"


def play(talk):
    link, other, n = talk.link("m"), talk.link("v"), talk.name

    def op(operation, name, number=1, **fields):
        return link.op(f"reply-to.{operation}", number, name, **fields)

    op("publish-without-consumer", "basic.publish", routing_key="x", properties={"reply_to": REPLY_TO}, body=b"m")
    op("consume-with-ack", "basic.consume", queue=REPLY_TO)
    op("consume", "basic.consume", queue=REPLY_TO, consumer_tag="replies", no_ack=True)
    op("consume-again", "basic.consume", queue=REPLY_TO, consumer_tag="more", no_ack=True)
    op("consume-anew", "basic.consume", queue=REPLY_TO, consumer_tag="replies", no_ack=True)
    op("declare-passive", "queue.declare", queue=REPLY_TO, passive=True)
    op("declare", "queue.declare", queue=REPLY_TO)
    q = n("requests")
    other.quietly(1, "queue.declare", queue=q)
    link.quietly(1, "basic.publish", routing_key=q, properties={"correlation_id": "7", "reply_to": REPLY_TO, "message_id": "i"}, body=b"ask")
    other.count(q, 1)
    got = other.op("reply-to.request", 1, "basic.get", queue=q, no_ack=True)
    token = token_of(got)
    other.op("reply-to.token-declare-passive", 1, "queue.declare", queue=token, passive=True)
    other.op("reply-to.answer", 1, "basic.publish", routing_key=token, properties={"correlation_id": "7"}, body=b"answer")
    link.expect("reply-to.answered", "basic.deliver")
    other.op("reply-to.second-answer", 1, "basic.publish", routing_key=token, body=b"and more")
    link.expect("reply-to.second-answered", "basic.deliver")
    other.op("reply-to.answer-mandatory", 1, "basic.publish", routing_key=token, mandatory=True, body=b"m", settle=0.2)
    link.expect("reply-to.answered-mandatory", "basic.deliver")
    op("get", "basic.get", number=2, queue=REPLY_TO)
    op("purge", "queue.purge", number=2, queue=REPLY_TO)
    op("delete", "queue.delete", number=2, queue=REPLY_TO)
    op("bind", "queue.bind", number=2, queue=REPLY_TO, exchange="amq.direct", routing_key=n("k"))
    op("cancel", "basic.cancel", consumer_tag="replies")
    other.op("reply-to.answer-after-cancel", 1, "basic.publish", routing_key=token, mandatory=True, body=b"late", settle=0.2)
    other.op("reply-to.token-after-cancel", 1, "queue.declare", queue=token, passive=True)
    other.op("reply-to.unknown-token", 1, "basic.publish", routing_key=REPLY_TO + ".nonsense", mandatory=True, body=b"m", wait="basic.return")
    other.op("reply-to.unknown-token-declare", 1, "queue.declare", queue=REPLY_TO + ".nonsense", passive=True)
    op("own-exchange", "basic.publish", exchange="amq.direct", routing_key=n("k"), properties={"reply_to": "other"}, body=b"m")


def token_of(events):
    """The reply address of the request that came; a name that nobody has when none did."""
    for event in events:
        if event.content:
            for name, _, value in wire.parse_properties(event.content.properties):
                if name == "reply_to":
                    return value
    return REPLY_TO + ".none"
