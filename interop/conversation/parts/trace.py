"""The firehose (amq.rabbitmq.trace) and the events of the broker (amq.rabbitmq.event)."""

import time

import wire
from scene import Scene


def play(talk):
    admin, vhost = talk.admin, f"{talk.token}.trace"
    admin.op("trace.vhost", "PUT", "vhosts", vhost, body={})
    admin.quietly("PUT", "permissions", vhost, talk.address.user, body={"configure": ".*", "write": ".*", "read": ".*"})
    s = Scene(talk, "tr", vhost=vhost)
    op, n, link = s.op, s.n, s.link

    # The firehose.
    fire = s.queue("firehose")
    op("bind", "queue.bind", queue=fire, exchange="amq.rabbitmq.trace", routing_key="#")
    q, x = s.queue("traced"), s.exchange("x", "fanout")
    s.bind(q, x)
    s.publish("k", b"before", exchange=x)
    link.count(q, 1)
    s.passive("off", fire)
    op("publish-to-it", "basic.publish", exchange="amq.rabbitmq.trace", routing_key="k", body=b"m")
    link.quietly(1, "queue.purge", queue=q)
    admin.op("trace.on", "PUT", "vhosts", vhost, body={"tracing": True})
    admin.op("trace.is-on", "GET", "vhosts", vhost, show=("tracing",))

    def traced(operation, count):
        """What the firehose has, published before delivered; properties in it sorted by name, as brokers keep no order there."""
        link.count(fire, count)
        lines = []
        for _ in range(count):
            event = link.quietly(2, "basic.get", answer=("basic.get-ok", "basic.get-empty"), queue=fire, no_ack=True)
            if event.name == "basic.get-empty":
                break
            headers = next((value for name, _, value in wire.parse_properties(bytes(event.content.properties)) if name == "headers"), [])
            shown = ", ".join(f"{name}: {sorted_value(letter, value)}" for name, letter, value in sorted(headers) if name not in ("node", "channel"))
            lines.append(f"{event['routing_key']} {bytes(event.content.body)!r} {shown}")
        s.say(operation, f"what the firehose has, {count} at most", *sorted(lines, key=lambda line: (line.startswith("deliver"), line)))

    s.publish("key", b"traced", exchange=x, content_type="t", delivery_mode=2, headers={"mine": 1}, message_id="i")
    link.count(q, 1)
    traced("published", 1)
    op("get", "basic.get", queue=q)
    traced("delivered-by-get", 1)
    op("requeue", "basic.reject", delivery_tag=1, requeue=True)
    link.count(q, 1)
    link.quietly(3, "basic.consume", queue=q, consumer_tag="c", no_ack=True)
    s.expect("consumer", "basic.deliver", number=3)
    traced("delivered-to-a-consumer", 1)
    s.publish("nowhere", b"unroutable")
    traced("unroutable", 1)
    s.publish(q, b"by the default exchange")
    s.expect("default-exchange", "basic.deliver", number=3)
    traced("default-exchange-traced", 2)
    admin.op("trace.off-again", "PUT", "vhosts", vhost, body={"tracing": False})
    s.publish(q, b"not traced")
    s.expect("off-again.delivered", "basic.deliver", number=3)
    s.passive("off-again.nothing", fire)

    # Events, in the virtual host /.
    e = Scene(talk, "ev")
    events = e.queue("events")
    for key in ("queue.*", "exchange.*", "binding.*", "policy.*", "vhost.*", "user.*", "permission.*", "consumer.*", "connection.*", "channel.*"):
        e.op(f"event.bind-{key}", "queue.bind", queue=events, exchange="amq.rabbitmq.event", routing_key=key)

    def happened(operation, key, *shown):
        """Waits for an event of that key that names this run's objects."""
        for _ in range(300):
            event = e.link.quietly(4, "basic.get", answer=("basic.get-ok", "basic.get-empty"), queue=events, no_ack=True)
            if event.name == "basic.get-empty":
                time.sleep(0.02)
                continue
            properties = {name: value for name, _, value in wire.parse_properties(bytes(event.content.properties))}
            headers = {name: (letter, value) for name, letter, value in properties.get("headers", [])}
            if event["routing_key"] == key and talk.token in str(headers):
                e.say(f"event.{operation}", f"waits for {key}", f"body {bytes(event.content.body)!r} properties {' '.join(sorted(properties))}",
                      *[f"{name}: {wire.show_value(*headers[name]) if name in headers else 'missing'}" for name in shown])
                return
        e.say(f"event.{operation}", f"waits for {key}", "never came")

    made = e.queue("made", x_message_ttl=5)
    happened("queue-created", "queue.created", "name", "vhost", "durable", "auto_delete", "arguments", "user_who_performed_action")
    exchange = e.exchange("made-x", "topic")
    happened("exchange-created", "exchange.created", "name", "vhost", "type", "durable", "internal", "arguments")
    e.bind(made, exchange, "a.#")
    happened("binding-created", "binding.created", "source_name", "destination_name", "destination_kind", "routing_key", "arguments")
    e.link.quietly(5, "basic.consume", queue=made, consumer_tag="watched")
    happened("consumer-created", "consumer.created", "queue", "consumer_tag", "ack_required", "exclusive")
    e.link.quietly(5, "basic.cancel", consumer_tag="watched")
    happened("consumer-deleted", "consumer.deleted", "queue", "consumer_tag")
    admin.quietly("PUT", "policies", "/", n("p"), body={"pattern": f"^{n('none')}", "definition": {"max-length": 5}})
    happened("policy-set", "policy.set", "name", "vhost", "pattern", "priority", "apply-to")
    admin.quietly("DELETE", "policies", "/", n("p"))
    happened("policy-cleared", "policy.cleared", "name", "vhost")
    user = f"{talk.token}-traced"
    admin.quietly("PUT", "users", user, body={"password": user, "tags": "monitoring"})
    happened("user-created", "user.created", "name")
    admin.quietly("PUT", "permissions", "/", user, body={"configure": "", "write": "", "read": ""})
    happened("permission-created", "permission.created", "user", "vhost", "configure", "write", "read")
    admin.quietly("DELETE", "users", user)
    happened("user-deleted", "user.deleted", "name")
    e.link.quietly(1, "queue.unbind", queue=made, exchange=exchange, routing_key="a.#")
    happened("binding-deleted", "binding.deleted", "source_name", "destination_name", "routing_key")
    e.link.quietly(1, "queue.delete", queue=made)
    happened("queue-deleted", "queue.deleted", "name", "vhost")
    e.link.quietly(1, "exchange.delete", exchange=exchange)
    happened("exchange-deleted", "exchange.deleted", "name", "vhost")
    admin.quietly("PUT", "vhosts", vhost + ".second", body={})
    happened("vhost-created", "vhost.created", "name")
    admin.quietly("DELETE", "vhosts", vhost + ".second")
    happened("vhost-deleted", "vhost.deleted", "name")


def sorted_value(letter, value):
    if letter == "F":
        return "F {" + ", ".join(f"{name}: {sorted_value(kind, item)}" for name, kind, item in sorted(value)) + "}"
    return wire.show_value(letter, value)
