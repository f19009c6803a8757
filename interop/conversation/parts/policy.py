"""Policies, set by HTTP: what becomes of queues and exchanges that exist already, and who wins over whom."""

import time

from scene import Scene


def play(talk):
    s = Scene(talk, "po")
    op, n, link, admin = s.op, s.n, s.link, talk.admin

    def http(operation, method, *path, **fields):
        return admin.op(f"policy.{operation}", method, *path, **fields)

    def put(name, pattern, apply="queues", priority=0, kind="policies", **definition):
        """Sets a policy on what begins with this name; not an operation. The script's names have dots, which match themselves."""
        admin.quietly("PUT", kind, "/", n(name), body={"pattern": f"^{n(pattern)}", "apply-to": apply, "priority": priority,
                                                         "definition": {key.replace("_", "-"): value for key, value in definition.items()}})

    def drop(name, kind="policies"):
        admin.quietly("DELETE", kind, "/", n(name))

    # Lengths.
    q = s.filled(s.queue("length"), b"1", b"2", b"3", b"4")
    put("length", "length", max_length=2)
    link.count(q, 2)
    s.bodies("max-length.drops-at-once", q)
    s.publish(q, b"5", b"6", b"7")
    link.count(q, 2)
    s.bodies("max-length.and-later", q)
    drop("length")
    s.publish(q, b"8", b"9", b"10")
    link.count(q, 3)
    s.bodies("max-length.deleted", q)
    q = s.filled(s.queue("bytes"), b"aaa", b"bbb")
    put("bytes", "bytes", max_length_bytes=4)
    link.count(q, 1)
    s.bodies("max-length-bytes", q)
    put("new-one", "declared-later", max_length=1)
    q = s.queue("declared-later")
    s.publish(q, b"1", b"2")
    link.count(q, 1)
    s.bodies("declared-later", q)
    s.declare("redeclare.policy-is-no-argument", "declared-later")
    q = s.queue("smaller-argument", x_max_length=1)
    put("smaller-argument", "smaller-argument", max_length=3)
    s.publish(q, b"1", b"2")
    link.count(q, 1)
    s.bodies("argument.smaller-wins", q)
    q = s.queue("larger-argument", x_max_length=3)
    put("larger-argument", "larger-argument", max_length=1)
    s.publish(q, b"1", b"2")
    link.count(q, 1)
    s.bodies("argument.larger-loses", q)

    # Overflow.
    q = s.queue("overflow")
    put("overflow", "overflow", max_length=1, overflow="reject-publish")
    s.confirmed("overflow.first", q, b"1")
    s.confirmed("overflow.second", q, b"2", "basic.nack")
    put("overflow", "overflow", max_length=1)
    s.confirmed("overflow.drop-head-again", q, b"3")
    s.bodies("overflow.kept", q)
    q = s.queue("overflow-argument", x_overflow="drop-head")
    put("overflow-argument", "overflow-argument", max_length=1, overflow="reject-publish")
    s.confirmed("overflow.argument-first", q, b"1")
    s.confirmed("overflow.argument-wins", q, b"2")
    s.bodies("overflow.argument-kept", q)

    # Ages.
    q = s.queue("ttl")
    put("ttl", "ttl", message_ttl=50)
    s.publish(q, b"m")
    link.count(q, 0)
    s.passive("ttl.expired", q)
    drop("ttl")
    s.filled(q, b"stays")
    s.passive("ttl.deleted", q)
    q = s.queue("ttl-argument", x_message_ttl=600000)
    put("ttl-argument", "ttl-argument", message_ttl=50)
    s.publish(q, b"m")
    link.count(q, 0)
    s.passive("ttl.smaller-of-both", q)
    q = s.queue("gone")
    put("expires", "gone", expires=100)
    time.sleep(0.8)
    s.passive("expires.gone", q)

    # Dead letters.
    dlx, dead = s.exchange("dlx", "fanout"), s.queue("dead")
    s.bind(dead, dlx)
    q = s.filled(s.queue("dying"), b"1", b"2")
    put("dying", "dying", dead_letter_exchange=dlx, dead_letter_routing_key="by policy")
    op("dlx.reject", "basic.reject", delivery_tag=s.get(q))
    s.lands("dlx.of-the-policy", dead)
    drop("dying")
    op("dlx.reject-again", "basic.reject", delivery_tag=s.get(q))
    s.passive("dlx.deleted", dead)
    q = s.filled(s.queue("dying-argument", x_dead_letter_exchange="", x_dead_letter_routing_key=dead), b"m")
    put("dying-argument", "dying-argument", dead_letter_exchange=n("no-such"), dead_letter_routing_key="policy")
    op("dlx.argument-reject", "basic.reject", delivery_tag=s.get(q))
    s.lands("dlx.argument-wins", dead)
    q = s.filled(s.queue("dying-half", x_dead_letter_exchange=dlx), b"m")
    put("dying-half", "dying-half", dead_letter_routing_key="only the key")
    op("dlx.key-of-policy-reject", "basic.reject", delivery_tag=s.get(q))
    s.lands("dlx.key-of-policy", dead)

    # Several policies: one applies, whole. Operators' ones are laid over it.
    q = s.queue("several")
    put("several-low", "several", priority=1, max_length=1)
    put("several-high", "several", priority=9, message_ttl=600000)
    s.publish(q, b"1", b"2")
    link.count(q, 2)
    s.bodies("priority.higher-only", q)
    drop("several-high")
    s.publish(q, b"1", b"2")
    link.count(q, 1)
    s.bodies("priority.lower-is-left", q)
    put("several-op", "several", kind="operator-policies", max_length=2)
    s.publish(q, b"1", b"2", b"3")
    link.count(q, 1)
    s.bodies("operator.smaller-policy-stays", q)
    put("several-low", "several", max_length=5)
    s.publish(q, b"1", b"2", b"3")
    link.count(q, 2)
    s.bodies("operator.smaller-operator-wins", q)
    drop("several-op", "operator-policies")
    s.publish(q, b"1", b"2", b"3")
    link.count(q, 3)
    s.bodies("operator.deleted", q)

    # apply-to, patterns, exchanges.
    q = s.queue("applied")
    put("applied", "applied", apply="exchanges", alternate_exchange="a")
    s.confirmed("apply-to.exchanges-is-not-queues", q, b"m")
    admin.quietly("PUT", "policies", "/", n("unanchored"), body={"pattern": "policy.unanch", "definition": {"max-length": 0}, "apply-to": "all"})
    q = s.queue("unanchored")
    s.confirmed("pattern.unanchored", q, b"m")
    s.passive("pattern.unanchored-matches", q)
    alternate, target = s.exchange("alternate", "fanout"), s.queue("alternate-target")
    s.bind(target, alternate)
    x = s.exchange("has-alternate")
    op("alternate.before", "basic.publish", exchange=x, routing_key="k", body=b"1", mandatory=True, wait="basic.return")
    put("has-alternate", "has-alternate", apply="exchanges", alternate_exchange=alternate)
    op("alternate.policy", "basic.publish", exchange=x, routing_key="k", body=b"2", mandatory=True)
    s.lands("alternate.landed", target)
    op("alternate.redeclare", "exchange.declare", exchange=x, type="direct")
    drop("has-alternate")
    op("alternate.deleted", "basic.publish", exchange=x, routing_key="k", body=b"3", mandatory=True, wait="basic.return")
    x = s.exchange("own-alternate", alternate_exchange=alternate)
    put("own-alternate", "own-alternate", apply="exchanges", alternate_exchange=n("no-such"))
    op("alternate.argument-wins", "basic.publish", exchange=x, routing_key="k", body=b"4", mandatory=True)
    s.lands("alternate.argument-landed", target)
    q = s.quorum("limited")
    put("limited", "limited", delivery_limit=1, dead_letter_exchange=dlx)
    s.filled(q, b"m")
    for turn in range(2):
        s.get(q, 3)
        op(f"delivery-limit.return-{turn}", "basic.nack", number=3, delivery_tag=turn + 1, requeue=True)
        if turn == 0:
            link.count(q, 1)
    s.lands("delivery-limit.dead", dead)

    # What is refused. Bodies are JSON; some are not.
    base = {"pattern": f"^{n('x')}", "definition": {"max-length": 5}}
    for case, change in {
        "accepted": {}, "again": {}, "no-pattern": {"pattern": None}, "no-definition": {"definition": None}, "empty-definition": {"definition": {}},
        "bad-pattern": {"pattern": "("}, "unknown-key": {"definition": {"bogus": 5}}, "negative": {"definition": {"max-length": -1}},
        "string": {"definition": {"max-length": "5"}}, "ttl-negative": {"definition": {"message-ttl": -1}}, "expires-zero": {"definition": {"expires": 0}},
        "overflow": {"definition": {"overflow": "foo"}}, "dlx-integer": {"definition": {"dead-letter-exchange": 5}},
        "two-one-bad": {"definition": {"max-length": 5, "message-ttl": "x"}}, "apply-to": {"apply-to": "everything"},
        "classic-queues": {"apply-to": "classic_queues"}, "quorum-queues": {"apply-to": "quorum_queues"}, "streams": {"apply-to": "streams"},
        "priority-string": {"priority": "high"}, "priority-negative": {"priority": -5}, "pattern-integer": {"pattern": 5}, "definition-array": {"definition": [1]},
        "delivery-limit-string": {"definition": {"delivery-limit": "x"}}, "max-age": {"definition": {"max-age": "1D"}}, "max-age-bad": {"definition": {"max-age": "x"}},
        "strategy": {"definition": {"dead-letter-strategy": "twice"}}, "alternate-integer": {"definition": {"alternate-exchange": 1}},
    }.items():
        body = {key: value for key, value in {**base, **change}.items() if value is not None}
        http(f"put.{case}", "PUT", "policies", "/", n("x"), body=body)
    http("put.not-json", "PUT", "policies", "/", n("x"), body=b"{not json")
    http("put.unknown-vhost", "PUT", "policies", n("no-such-vhost"), n("x"), body=base)
    http("get", "GET", "policies", "/", n("x"), show=("name", "vhost", "pattern", "definition", "priority", "apply-to"))
    http("delete", "DELETE", "policies", "/", n("x"))
    http("delete-again", "DELETE", "policies", "/", n("x"))
    http("get-deleted", "GET", "policies", "/", n("x"))
    for case, definition in {"accepted": {"max-length": 5}, "dlx": {"dead-letter-exchange": "x"}, "overflow": {"overflow": "reject-publish"},
                             "negative": {"expires": -1}, "unknown": {"bogus": 1}, "ttl": {"message-ttl": 0}}.items():
        http(f"operator-put.{case}", "PUT", "operator-policies", "/", n("o"), body={"pattern": f"^{n('o')}$", "definition": definition})

