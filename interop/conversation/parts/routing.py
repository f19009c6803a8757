"""Who gets a message: each exchange type, exchange-to-exchange bindings, alternate exchanges, CC and BCC."""

from wire import Typed


def play(talk):
    link, n = talk.link("r"), talk.name

    def queues(*names):
        for name in names:
            link.quietly(1, "queue.declare", queue=n(name))
        return [n(name) for name in names]

    def bind(exchange, queue, key="", arguments=None):
        link.quietly(1, "queue.bind", queue=n(queue), exchange=exchange, routing_key=key, arguments=arguments or {})

    def exchange(name, kind, **options):
        link.quietly(1, "exchange.declare", exchange=n(name), type=kind, **options)
        return n(name)

    reaches = lambda operation, *arguments, **options: link.reaches(f"routing.{operation}", 1, *arguments, **options)

    direct, targets = exchange("rd", "direct"), queues("d1", "d2", "d3")
    bind(direct, "d1", "k"), bind(direct, "d2", "k"), bind(direct, "d3", "K"), bind(direct, "d3", "")
    reaches("direct.two", direct, "k", targets)
    reaches("direct.case", direct, "K", targets)
    reaches("direct.empty-key", direct, "", targets)
    reaches("direct.nobody", direct, "kk", targets)
    reaches("default.by-queue-name", "", n("d1"), targets)
    reaches("default.nobody", "", n("d9"), targets)
    fanout, targets = exchange("rf", "fanout"), queues("f1", "f2")
    bind(fanout, "f1", "a"), bind(fanout, "f2", "b"), bind(fanout, "f2", "c")
    reaches("fanout.all-once", fanout, "whatever", targets)

    topic = exchange("rt", "topic")
    patterns = ["", "#", "*", "a.#", "#.a", "*.#", "a.*.c", "a.#.c", "#.b.#", "*.*", "a.b", "#.#", "a*", "*.*.*"]
    targets = queues(*[f"t:{pattern}" for pattern in patterns])
    for pattern in patterns:
        bind(topic, f"t:{pattern}", pattern)
    for key in ["", "a", "b", "a.b", "a.b.c", "a.c", "a.", ".", "a..c", ".a", "A", "a.b.b.c", "a*", "*", "#", "x.b.y", "a.b.c.d"]:
        reaches(f"topic.{key or 'empty'}", topic, key, targets)

    headers = exchange("rh", "headers")
    cases = {
        "none": {}, "all": {"x-match": "all", "a": 1, "b": "two"}, "any": {"x-match": "any", "a": 1, "b": "two"},
        "default": {"a": 1}, "any-none": {"x-match": "any"}, "x-ignored": {"x-match": "all", "x-a": 1, "a": 1},
        "x-all": {"x-match": "all-with-x", "x-a": 1, "a": 1}, "x-any": {"x-match": "any-with-x", "x-a": 1, "a": 5},
        "void": {"a": None}, "bool": {"a": True}, "string": {"a": "1"}, "double": {"a": 1.0}, "short": {"a": Typed("s", 1)},
        "array": {"a": [1, "x"]},
    }
    targets = queues(*[f"h:{case}" for case in cases])
    for case, arguments in cases.items():
        bind(headers, f"h:{case}", "", arguments)
    for case, table in {
        "no-headers": None, "empty": {}, "a1": {"a": 1}, "a1-b": {"a": 1, "b": "two"}, "b": {"b": "two"}, "b-three": {"b": "three"},
        "long": {"a": Typed("l", 1)}, "byte": {"a": Typed("b", 1)}, "string": {"a": "1"}, "bool": {"a": True}, "double": {"a": 1.0},
        "x": {"x-a": 1}, "x-and-a": {"x-a": 1, "a": 1}, "array": {"a": [1, "x"]}, "void": {"a": None},
    }.items():
        reaches(f"headers.{case}", headers, "", targets, {} if table is None else {"headers": table})

    # Exchange to exchange, with a cycle; every queue once.
    one, two, three = exchange("e1", "topic"), exchange("e2", "fanout"), exchange("e3", "direct")
    targets = queues("e-far", "e-near")
    for destination, source, key in [(two, one, "a.*"), (three, two, ""), (one, three, "a.b")]:
        link.quietly(1, "exchange.bind", destination=destination, source=source, routing_key=key)
    bind(three, "e-far", "a.b"), bind(two, "e-far"), bind(one, "e-near", "#")
    reaches("e2e.cycle", one, "a.b", targets)
    reaches("e2e.from-the-middle", two, "a.b", targets)
    reaches("e2e.dead-end", three, "z", targets)
    link.quietly(1, "basic.publish", exchange=one, routing_key="a.b", body=b"m")
    link.op("routing.e2e.keeps-the-first-exchange", 1, "basic.get", queue=n("e-far"), no_ack=True)
    link.quietly(1, "queue.purge", queue=n("e-near"))

    # Alternate exchanges: only when the exchange itself finds no destination at all.
    spare = exchange("ae-spare", "fanout")
    main = exchange("ae-main", "direct", arguments={"alternate-exchange": spare})
    targets = queues("ae-queue", "ae-main-queue")
    bind(spare, "ae-queue"), bind(main, "ae-main-queue", "k")
    reaches("alternate.not-needed", main, "k", targets)
    reaches("alternate.used", main, "z", targets)
    link.quietly(1, "basic.publish", exchange=main, routing_key="z", body=b"m")
    link.op("routing.alternate.keeps-the-first-exchange", 1, "basic.get", queue=n("ae-queue"), no_ack=True)
    hollow = exchange("ae-hollow", "fanout")
    link.quietly(1, "exchange.bind", destination=hollow, source=main, routing_key="h")
    reaches("alternate.not-for-a-hollow-exchange", main, "h", targets)
    lost = exchange("ae-lost", "direct", arguments={"alternate-exchange": n("ae-never-declared")})
    link.op("routing.alternate.missing", 1, "basic.publish", exchange=lost, routing_key="z", mandatory=True, body=b"m", wait="basic.return")
    ring = exchange("ae-ring", "direct", arguments={"alternate-exchange": n("ae-ring")})
    link.op("routing.alternate.ring", 1, "basic.publish", exchange=ring, routing_key="z", mandatory=True, body=b"m", wait="basic.return")

    # CC and BCC.
    targets = queues("cc1", "cc2", "cc3")
    reaches("cc", "", n("cc1"), targets, {"headers": {"CC": [n("cc2")]}})
    reaches("bcc", "", n("cc1"), targets, {"headers": {"BCC": [n("cc2")], "CC": [n("cc3")]}})
    reaches("cc.once", "", n("cc1"), targets, {"headers": {"CC": [n("cc1"), n("cc1"), n("cc2")], "BCC": [n("cc2")]}})
    reaches("cc.lower-case-is-a-header", "", n("cc1"), targets, {"headers": {"cc": [n("cc2")]}})
    reaches("cc.odd-items-are-skipped", "", n("cc1"), targets, {"headers": {"CC": [1, n("cc2"), None]}})
    reaches("cc.only", "", n("nobody"), targets, {"headers": {"CC": [n("cc2")]}})
    link.quietly(1, "basic.publish", routing_key=n("cc1"), body=b"m",
                 properties={"headers": [("BCC", [n("cc2")]), ("CC", [n("cc3")]), ("z", 1)], "priority": 3})
    link.op("routing.bcc.removed-from-the-message", 1, "basic.get", queue=n("cc3"), no_ack=True)
    link.quietly(1, "basic.publish", routing_key=n("nobody"), body=b"m", properties={"headers": {"BCC": [n("cc2")]}})
    link.op("routing.bcc.only-header", 1, "basic.get", queue=n("cc2"), no_ack=True, settle=0)
    for case, table in [("cc-string", {"CC": "x"}), ("cc-integer", {"CC": 1}), ("bcc-string", {"BCC": "x"}), ("cc-void", {"CC": None}),
                        ("bcc-table", {"BCC": {"a": 1}})]:
        link.op(f"routing.bad-{case}", 1, "basic.publish", routing_key=n("cc1"), body=b"m", properties={"headers": table})
