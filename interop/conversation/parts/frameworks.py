"""What Celery, Spring AMQP, MassTransit and others declare and do, in their order of operations."""

from scene import Scene


def play(talk):
    s = Scene(talk, "fw")
    op, n, link, other = s.op, s.n, s.link, talk.link("fx")

    # Celery (kombu): a direct exchange and queue of one name, pidbox and events beside them, prefetch for all consumers.
    op("celery.queue", "queue.declare", queue=n("celery"), durable=True, arguments={"x-max-priority": 10})
    op("celery.exchange", "exchange.declare", exchange=n("celery"), type="direct", durable=True)
    op("celery.bind", "queue.bind", queue=n("celery"), exchange=n("celery"), routing_key=n("celery"))
    op("celery.qos", "basic.qos", number=2, prefetch_count=4, **{"global": True})
    op("celery.consume", "basic.consume", number=2, queue=n("celery"), consumer_tag="None1")
    op("celery.pidbox-exchange", "exchange.declare", exchange=n("pidbox"), type="fanout")
    op("celery.pidbox-queue", "queue.declare", queue=n("pidbox.worker"), auto_delete=True, arguments={"x-expires": 10000, "x-message-ttl": 300000})
    op("celery.pidbox-bind", "queue.bind", queue=n("pidbox.worker"), exchange=n("pidbox"), routing_key="")
    op("celery.pidbox-consume", "basic.consume", number=3, queue=n("pidbox.worker"), consumer_tag="2", no_ack=True)
    op("celery.events-exchange", "exchange.declare", exchange=n("celeryev"), type="topic", durable=True)
    op("celery.events-queue", "queue.declare", queue=n("celeryev.receiver"), auto_delete=True, arguments={"x-expires": 60000, "x-message-ttl": 5000})
    op("celery.events-bind", "queue.bind", queue=n("celeryev.receiver"), exchange=n("celeryev"), routing_key="#")
    task = {"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 0, "correlation_id": "task-1", "reply_to": "reply-1",
            "headers": {"lang": "py", "task": "add", "id": "task-1", "shadow": None, "eta": None, "expires": None, "group": None, "retries": 0,
                        "timelimit": [None, None], "root_id": "task-1", "parent_id": None, "argsrepr": "(1, 2)", "kwargsrepr": "{}", "origin": "gen1@host"}}
    op("celery.task", "basic.publish", exchange=n("celery"), routing_key=n("celery"), body=b"[[1, 2], {}, {}]", properties=task, wait="basic.deliver")
    op("celery.ack", "basic.ack", number=2, delivery_tag=1)
    op("celery.event", "basic.publish", exchange=n("celeryev"), routing_key="worker.heartbeat", body=b"{}", properties={"headers": {"hostname": "h"}})
    link.count(n("celeryev.receiver"), 1)
    op("celery.broadcast", "basic.publish", exchange=n("pidbox"), body=b"{}", wait="basic.deliver")
    op("celery.passive-count", "queue.declare", queue=n("celery"), passive=True)
    op("celery.qos-changed-on-the-fly", "basic.qos", number=2, prefetch_count=1, **{"global": True})
    op("celery.retry", "basic.publish", exchange=n("celery"), routing_key=n("celery"), body=b"retry", properties=task, wait="basic.deliver")
    op("celery.worker-lost", "channel.close", number=2, reply_code=200)
    link.channels.discard(2)
    link.count(n("celery"), 1)
    op("celery.redelivered", "basic.get", queue=n("celery"), no_ack=True)
    op("celery.result-queue", "queue.declare", queue=n("reply-1"), exclusive=True, auto_delete=True, arguments={"x-expires": 86400000})
    op("celery.pidbox-cancel", "basic.cancel", number=3, consumer_tag="2")
    op("celery.pidbox-is-gone", "queue.declare", queue=n("pidbox.worker"), passive=True)

    # Celery's native delayed delivery: topic exchanges and quorum queues in levels, the last binary digit first.
    for level in (1, 0):
        below = n(f"delayed_{level - 1}") if level else n("delivery")
        op(f"celery-delay.exchange-{level}", "exchange.declare", exchange=n(f"delayed_{level}"), type="topic", durable=True)
        if level == 1:
            op("celery-delay.delivery", "exchange.declare", exchange=n("delivery"), type="topic", durable=True)
            op("celery-delay.below", "exchange.declare", exchange=below, type="topic", durable=True)
        op(f"celery-delay.queue-{level}", "queue.declare", queue=n(f"delayed_{level}"), durable=True, arguments={
            "x-queue-type": "quorum", "x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once", "x-dead-letter-exchange": below,
            "x-message-ttl": 50 * 2**level})
        op(f"celery-delay.bind-{level}", "queue.bind", queue=n(f"delayed_{level}"), exchange=n(f"delayed_{level}"), routing_key="*." * (1 - level) + "1.#")
        op(f"celery-delay.skip-{level}", "exchange.bind", destination=below, source=n(f"delayed_{level}"), routing_key="*." * (1 - level) + "0.#")
    link.quietly(1, "queue.declare", queue=n("delayed-work"), durable=True)
    op("celery-delay.target", "queue.bind", queue=n("delayed-work"), exchange=n("delivery"), routing_key="#.delayed-work")
    for digits in ("0.0", "0.1", "1.1"):
        op(f"celery-delay.publish-{digits}", "basic.publish", exchange=n("delayed_1"), routing_key=f"{digits}.delayed-work", body=digits.encode(),
           properties={"delivery_mode": 2})
        link.count(n("delayed-work"), 1)
        op(f"celery-delay.arrived-{digits}", "basic.get", queue=n("delayed-work"), no_ack=True)

    # Spring AMQP: the probe for direct replies, passive declares, correlated confirms and returns, retries by x-death.
    op("spring.probe", "queue.declare", queue="amq.rabbitmq.reply-to", passive=True)
    op("spring.passive-missing", "queue.declare", queue=n("spring-missing"), passive=True)
    op("spring.passive-exchange-missing", "exchange.declare", exchange=n("spring-missing"), type="direct", passive=True)
    op("spring.anonymous", "queue.declare", queue=n("spring.gen-1"), exclusive=True, auto_delete=True, arguments={"x-queue-master-locator": "client-local"})
    op("spring.dlx", "exchange.declare", exchange=n("DLX"), type="direct", durable=True)
    op("spring.dlq", "queue.declare", queue=n("orders.dlq"), durable=True)
    op("spring.dlq-bind", "queue.bind", queue=n("orders.dlq"), exchange=n("DLX"), routing_key=n("orders"))
    op("spring.queue", "queue.declare", queue=n("orders"), durable=True, arguments={"x-dead-letter-exchange": n("DLX"), "x-dead-letter-routing-key": n("orders")})
    op("spring.confirms", "confirm.select", number=4)
    properties = {"content_type": "text/plain", "content_encoding": "UTF-8", "delivery_mode": 2, "priority": 0,
                  "headers": {"spring_listener_return_correlation": "c-1", "spring_returned_message_correlation": "m-1"}}
    op("spring.returned-then-confirmed", "basic.publish", number=4, routing_key=n("spring-missing"), mandatory=True, body=b"x", properties=properties,
       wait="basic.return basic.ack")
    op("spring.publish", "basic.publish", number=4, routing_key=n("orders"), mandatory=True, body=b"order", properties=properties, wait="basic.ack")
    op("spring.qos", "basic.qos", number=5, prefetch_count=250)
    op("spring.consume", "basic.consume", number=5, queue=n("orders"), consumer_tag="amq.mine", wait="basic.deliver")
    op("spring.reject", "basic.nack", number=5, delivery_tag=1, multiple=True)
    s.lands("spring.in-the-dlq", n("orders.dlq"))
    op("spring.cancel", "basic.cancel", number=5, consumer_tag="amq.mine")
    op("spring.exclusive-consumer", "basic.consume", number=6, queue=n("orders"), consumer_tag="one", exclusive=True)
    other.op("frameworks.spring.exclusive-refused", 1, "basic.consume", queue=n("orders"), consumer_tag="two", exclusive=True)
    op("spring.direct-reply", "basic.consume", number=7, queue="amq.rabbitmq.reply-to", consumer_tag="r", no_ack=True)
    op("spring.mismatch", "queue.declare", queue=n("orders"), durable=True, arguments={"x-dead-letter-exchange": n("DLX")})
    op("spring.not-durable", "queue.declare", queue=n("orders"), arguments={"x-dead-letter-exchange": n("DLX"), "x-dead-letter-routing-key": n("orders")})

    # MassTransit: an exchange for each message type, bound to that of the endpoint, bound to its queue.
    for exchange in ("Contracts:OrderSubmitted", "Contracts:Event", "submit-order"):
        op(f"masstransit.exchange.{exchange}", "exchange.declare", exchange=n(exchange), type="fanout", durable=True)
    op("masstransit.queue", "queue.declare", queue=n("submit-order"), durable=True, arguments={"x-queue-type": "quorum", "x-single-active-consumer": True})
    op("masstransit.type-to-type", "exchange.bind", destination=n("Contracts:Event"), source=n("Contracts:OrderSubmitted"))
    op("masstransit.type-to-endpoint", "exchange.bind", destination=n("submit-order"), source=n("Contracts:OrderSubmitted"))
    op("masstransit.endpoint-to-queue", "queue.bind", queue=n("submit-order"), exchange=n("submit-order"))
    op("masstransit.temporary", "queue.declare", queue=n("host_bus_1"), auto_delete=True, arguments={"x-expires": 60000})
    op("masstransit.temporary-exchange", "exchange.declare", exchange=n("host_bus_1"), type="fanout", auto_delete=True)
    op("masstransit.temporary-bind", "queue.bind", queue=n("host_bus_1"), exchange=n("host_bus_1"))
    op("masstransit.confirms", "confirm.select", number=8)
    op("masstransit.qos", "basic.qos", number=9, prefetch_count=16)
    op("masstransit.consume", "basic.consume", number=9, queue=n("submit-order"), consumer_tag="mt")
    op("masstransit.publish", "basic.publish", number=8, exchange=n("Contracts:OrderSubmitted"), body=b"{}", mandatory=True,
       properties={"content_type": "application/vnd.masstransit+json", "delivery_mode": 2, "message_id": "1", "headers": {"Content-Type": "j", "publishId": "1"}},
       wait="basic.ack basic.deliver")
    op("masstransit.ack", "basic.ack", number=9, delivery_tag=1)
    op("masstransit.nobody-listens", "basic.publish", number=8, exchange=n("Contracts:Event"), body=b"{}", mandatory=True, wait="basic.return basic.ack")
    for suffix in ("_error", "_skipped"):
        op(f"masstransit.exchange{suffix}", "exchange.declare", exchange=n("submit-order" + suffix), type="fanout", durable=True)
        op(f"masstransit.queue{suffix}", "queue.declare", queue=n("submit-order" + suffix), durable=True)
        op(f"masstransit.bind{suffix}", "queue.bind", queue=n("submit-order" + suffix), exchange=n("submit-order" + suffix))
    op("masstransit.passive", "queue.declare", queue=n("submit-order"), passive=True)
    op("masstransit.lazy", "queue.declare", queue=n("lazy"), durable=True, arguments={"x-queue-mode": "lazy"})

    # Symfony Messenger: a queue for each delay, renewed by declaring it again. Dramatiq: .DQ and .XQ beside the queue.
    for turn in range(2):
        op(f"symfony.delay-queue-{turn}", "queue.declare", queue=n("delay_messages__100_delay"), durable=True, arguments={
            "x-message-ttl": 100, "x-expires": 10100, "x-dead-letter-exchange": n("DLX"), "x-dead-letter-routing-key": n("orders")})
    op("symfony.delayed", "basic.publish", routing_key=n("delay_messages__100_delay"), body=b"later", properties={"headers": {"type": "App\\Message"}})
    s.lands("symfony.arrived", n("orders.dlq"))
    op("dramatiq.queue", "queue.declare", queue=n("default"), durable=True, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": n("default.XQ")})
    op("dramatiq.delay-queue", "queue.declare", queue=n("default.DQ"), durable=True, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": n("default.XQ")})
    op("dramatiq.dead-queue", "queue.declare", queue=n("default.XQ"), durable=True, arguments={"x-message-ttl": 604800000})
    s.filled(n("default"), b"failed", delivery_mode=2)
    op("dramatiq.nack", "basic.nack", delivery_tag=s.get(n("default")))
    s.lands("dramatiq.dead", n("default.XQ"))

    # Dapr, NestJS, oslo.messaging: what they send although nobody asked for it.
    op("dapr.dead-letter-queue", "queue.declare", queue=n("dlq-app"), durable=True, arguments={"x-queue-mode": "lazy", "x-queue-type": "classic"})
    op("nestjs.qos", "basic.qos", number=10, prefetch_count=0, **{"global": True})
    op("oslo.reply-queue", "queue.declare", queue=n("reply_oslo"), auto_delete=True, arguments={"x-expires": 1800000, "x-ha-policy": "all"})
    op("oslo.consume", "basic.consume", number=10, queue=n("reply_oslo"), consumer_tag="o", arguments={"x-cancel-on-ha-failover": True})
    op("oslo.passive-exchange", "exchange.declare", exchange="amq.topic", type="topic", passive=True)
    op("nservicebus.delay", "queue.declare", queue=n("nsb.v2.delay-level-00"), durable=True, arguments={
        "x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish", "x-message-ttl": 1000,
        "x-dead-letter-exchange": n("nsb.v2.delay-delivery")})
