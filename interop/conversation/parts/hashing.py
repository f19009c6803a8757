"""Exchanges that share messages among queues: x-consistent-hash, x-random, x-local-random; and x-recent-history.

Which queue a key goes to is each broker's own matter; that it is one, the same one again, and not the same one for all, is not.
"""

from scene import Scene
from wire import Typed


def play(talk):
    s = Scene(talk, "xh")
    op, n, link = s.op, s.n, s.link

    def declare(operation, type, **given):
        return op(f"declare.{operation}", "exchange.declare", exchange=n(f"declared-{operation}"), type=type,
                  arguments={key.replace("_", "-"): value for key, value in given.items()})

    def bind(operation, queue, exchange, key, **fields):
        return op(f"bind.{operation}", "queue.bind", queue=queue, exchange=exchange, routing_key=key, **fields)

    def spread(exchange, queues, keys, **properties):
        """How many messages each of the queues got."""
        for key in keys:
            given = {name: value(key) for name, value in properties.items()}
            link.send(1, "basic.publish", key.encode(), given, {"exchange": exchange, "routing_key": key if not given else "k"})
        link.peer.method(1, "channel.flow", active=True)
        link.peer.need("channel.flow-ok")
        return [link.quietly(1, "queue.purge", queue=queue)["message_count"] for queue in queues]

    keys = [f"key-{number}" for number in range(400)]

    # x-consistent-hash: arguments.
    declare("consistent", "x-consistent-hash")
    declare("consistent-header", "x-consistent-hash", hash_header="h")
    for value in ("message_id", "correlation_id", "timestamp", "content_type", "", 5, True):
        declare(f"consistent-property-{value}", "x-consistent-hash", hash_property=value)
    declare("consistent-header-integer", "x-consistent-hash", hash_header=5)
    declare("consistent-both", "x-consistent-hash", hash_header="h", hash_property="message_id")
    declare("consistent-unknown", "x-consistent-hash", hash_on="header")
    for operation, type in [("random", "x-random"), ("local-random", "x-local-random"), ("recent", "x-recent-history")]:
        declare(operation, type)
    op("redeclare.other-type", "exchange.declare", exchange=n("declared-consistent"), type="direct")
    op("redeclare.direct-as-random", "exchange.declare", exchange=s.exchange("direct"), type="x-random")
    op("redeclare.other-plugin", "exchange.declare", exchange=n("declared-consistent"), type="x-random")
    op("redeclare.other-argument", "exchange.declare", exchange=n("declared-consistent-header"), type="x-consistent-hash", arguments={"hash-header": "other"})
    op("redeclare.same", "exchange.declare", exchange=n("declared-consistent-header"), type="x-consistent-hash", arguments={"hash-header": "h"})

    # Weights.
    x = n("declared-consistent")
    q = s.queue("weights")
    for key in ("1", "0", "-1", "", "a", "1.5", " 1", "1 ", "99999999999999999999", "01", "+1"):
        bind(f"weight-{key!r}", q, x, key)
    bind("weight-with-arguments", s.queue("weights-b"), x, "2", arguments={"a": 1})
    op("unbind.weight", "queue.unbind", queue=q, exchange=x, routing_key="1")
    op("unbind.not-bound", "queue.unbind", queue=q, exchange=x, routing_key="77")

    # One of them, the same again, and all of them for many keys.
    x = s.exchange("hash", "x-consistent-hash")
    one, two = s.queue("one"), s.queue("two")
    op("route.no-binding", "basic.publish", exchange=x, routing_key="k", body=b"m", mandatory=True, wait="basic.return")
    s.bind(one, x, "1")
    s.say("route.single", "400 keys to one queue", *[f"{count} messages" for count in spread(x, [one], keys)])
    s.bind(two, x, "1")
    first = spread(x, [one, two], keys)
    again = spread(x, [one, two], keys)
    s.say("route.two", "400 keys to two queues, twice", f"{sum(first)} messages", f"both get some: {int(min(first) > 100)}",
          f"the same again: {int(first == again)}")
    same = spread(x, [one, two], ["same"] * 20)
    s.say("route.one-key", "one key 20 times", f"all to one queue: {int(sorted(same) == [0, 20])}")
    s.bind(two, x, "1")
    link.quietly(1, "queue.unbind", queue=two, exchange=x, routing_key="1")
    s.say("route.after-unbind", "400 keys after an unbind", *[f"{count} messages" for count in spread(x, [one, two], keys)])
    s.bind(two, x, "9")
    counts = spread(x, [one, two], keys)
    s.say("route.weights", "400 keys, weights 1 and 9", f"{sum(counts)} messages", f"the heavy one gets more: {int(counts[1] > 2 * counts[0])}")
    link.quietly(1, "queue.delete", queue=two)
    s.say("route.after-delete", "400 keys after the other queue is gone", *[f"{count} messages" for count in spread(x, [one], keys)])
    x, a, b = s.exchange("by-header", "x-consistent-hash", hash_header="h"), s.queue("header-a"), s.queue("header-b")
    for queue in (a, b):
        s.bind(queue, x, "1")
    counts = spread(x, [a, b], keys, headers=lambda key: {"h": key})
    s.say("header.many", "400 values of the header", f"{sum(counts)} messages", f"both get some: {int(min(counts) > 100)}")
    counts = spread(x, [a, b], ["same"] * 20, headers=lambda key: {"h": key})
    s.say("header.one", "one value 20 times", f"all to one queue: {int(sorted(counts) == [0, 20])}")
    counts = spread(x, [a, b], keys)
    s.say("header.none", "400 messages without the header", f"{sum(counts)} messages, all to one queue: {int(min(counts) == 0)}")
    counts = spread(x, [a, b], keys, headers=lambda key: {"h": int(key[4:])})
    s.say("header.numbers", "400 numbers in the header", f"{sum(counts)} messages", f"both get some: {int(min(counts) > 100)}")
    for property, value in [("message_id", lambda key: key), ("correlation_id", lambda key: key), ("timestamp", lambda key: 1700000000 + int(key[4:]))]:
        x = s.exchange(f"by-{property}", "x-consistent-hash", hash_property=property)
        for queue in (a, b):
            s.bind(queue, x, "1")
        counts = spread(x, [a, b], keys, **{property: value})
        s.say(f"property.{property}", f"400 values of {property}", f"{sum(counts)} messages", f"both get some: {int(min(counts) > 100)}")
        counts = spread(x, [a, b], keys)
        s.say(f"property.{property}-missing", f"400 messages without {property}", f"{sum(counts)} messages, all to one queue: {int(min(counts) == 0)}")
    x, target = s.exchange("hash-to-exchange", "x-consistent-hash"), s.exchange("hash-target", "fanout")
    op("bind.exchange", "exchange.bind", destination=target, source=x, routing_key="1")
    op("bind.exchange-bad-weight", "exchange.bind", destination=target, source=x, routing_key="x")
    q = s.queue("hash-behind")
    s.bind(q, target)
    s.say("route.to-an-exchange", "400 keys to an exchange", *[f"{count} messages" for count in spread(x, [q], keys)])
    x = s.exchange("hash-cc", "x-consistent-hash")
    s.bind(q, x, "1")
    link.quietly(1, "basic.publish", exchange=x, routing_key="k", body=b"m", properties={"headers": {"CC": ["k2", "k3"]}})
    s.lands("route.cc-is-one-copy", q)

    # x-random and x-local-random.
    for kind in ("random", "local-random"):
        link.quietly(1, "queue.declare", queue=n(f"{kind}-a"))
        link.quietly(1, "queue.declare", queue=n(f"{kind}-b"))
        op(f"{kind}.declare", "exchange.declare", exchange=n(kind), type=f"x-{kind}", arguments={"whatever": 1})
        for queue in "ab":
            op(f"{kind}.bind-{queue}", "queue.bind", queue=n(f"{kind}-{queue}"), exchange=n(kind), routing_key="" if queue == "a" else "b")
        op(f"{kind}.bind-b-without-key", "queue.bind", queue=n(f"{kind}-b"), exchange=n(kind))
    x, a, b = n("random"), n("random-a"), n("random-b")
    counts = spread(x, [a, b], ["k"] * 100)
    s.say("random.spread", "100 messages to two queues", f"{sum(counts)} messages", f"both get some: {int(min(counts) > 0)}")
    op("random.unbound", "basic.publish", exchange=s.exchange("random-empty", "x-random"), routing_key="k", body=b"m", mandatory=True, wait="basic.return")

    # x-recent-history.
    for case, value in {"string": "5", "negative": -1, "zero": 0, "double": 1.5, "void": None, "typed": Typed("b", 3), "bool": True}.items():
        op(f"recent.length-{case}", "exchange.declare", exchange=n(f"length-{case}"), type="x-recent-history", arguments={"x-recent-history-length": value})
    x = s.exchange("recent-three", "x-recent-history", x_recent_history_length=3)
    for number in range(5):
        s.publish("k", b"%d" % number, exchange=x)
    late = s.queue("late")
    op("recent.bind", "queue.bind", queue=late, exchange=x, routing_key="")
    link.count(late, 3)
    s.bodies("recent.last-three", late)
    s.publish("k", b"live", exchange=x, message_id="i", headers={"a": 1})
    s.lands("recent.live", late)
    s.publish("k", b"secret", exchange=x, headers={"x-recent-history-no-store": True})
    s.lands("recent.no-store-is-delivered", late)
    later = s.queue("later")
    op("recent.bind-again", "queue.bind", queue=later, exchange=x, routing_key="other key")
    link.count(later, 3)
    for turn in range(3):
        op(f"recent.replayed-{turn}", "basic.get", queue=later, no_ack=True)
    op("recent.bind-twice", "queue.bind", queue=later, exchange=x, routing_key="second key")
    link.count(later, 3)
    s.bodies("recent.replayed-for-each-binding", later)
    fan = s.exchange("recent-fan", "fanout")
    behind = s.queue("recent-behind")
    s.bind(behind, fan)
    op("recent.bind-exchange", "exchange.bind", destination=fan, source=x)
    link.count(behind, 3, seconds=1.0)
    s.bodies("recent.to-an-exchange", behind)
    x = s.exchange("recent-default", "x-recent-history")
    for number in range(25):
        s.publish("k", b"%d" % number, exchange=x)
    q = s.queue("recent-twenty")
    s.bind(q, x)
    link.count(q, 20)
    s.bodies("recent.default-length", q)
    x = s.exchange("recent-values", "x-recent-history", x_recent_history_length=9)
    for case, value in {"false": False, "string": "true", "one": 1, "void": None}.items():
        s.publish("k", case.encode(), exchange=x, headers={"x-recent-history-no-store": value})
    q = s.queue("recent-values-q")
    s.bind(q, x)
    link.count(q, 3, seconds=1.0)
    s.bodies("recent.no-store-values", q)
    link.quietly(1, "exchange.delete", exchange=x)
    s.exchange("recent-values", "x-recent-history", x_recent_history_length=9)
    q = s.queue("recent-anew")
    s.bind(q, x)
    s.bodies("recent.deleted-forgets", q)
