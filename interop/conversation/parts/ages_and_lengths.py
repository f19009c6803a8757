"""Ages and lengths together: TTL, expiration, x-expires and the limits in one queue; and arguments of every wrong type."""

import time

from scene import Scene
from wire import Typed

TYPES = {"b": Typed("b", 5), "b-negative": Typed("b", -5), "B": Typed("B", 5), "s": Typed("s", 5), "u": Typed("u", 5), "I": Typed("I", 5), "i": Typed("i", 5),
         "l": Typed("l", 5), "L": Typed("L", 5), "t": True, "f": Typed("f", 5.0), "d": 5.0, "D": Typed("D", (0, 5)), "S": "5", "S-empty": "", "x": b"5",
         "T": Typed("T", 5), "V": None, "F": {}, "A": []}


def play(talk):
    s = Scene(talk, "al")
    op, n, link = s.op, s.n, s.link

    for argument in ("x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes"):
        for letter, value in TYPES.items():
            op(f"type.{argument}.{letter}", "queue.declare", queue=n(f"{argument}-{letter}"), arguments={argument: value})
    for argument in ("x-dead-letter-exchange", "x-dead-letter-routing-key", "x-queue-type", "x-single-active-consumer", "x-queue-mode"):
        base = {"x-dead-letter-exchange": "d"} if argument == "x-dead-letter-routing-key" else {}
        for letter in ("I", "t", "S-empty", "x", "V", "F", "A"):
            op(f"type.{argument}.{letter}", "queue.declare", queue=n(f"{argument}-{letter}"), arguments={**base, argument: TYPES[letter]})
    for argument, value in [("x-max-length", 2**63 - 1), ("x-max-length-bytes", 2**63 - 1), ("x-message-ttl", 2**63 - 1), ("x-expires", 2**32),
                            ("x-max-length", -(2**63)), ("x-message-ttl", -(2**63))]:
        op(f"range.{argument}.{value}", "queue.declare", queue=n(f"{argument}-{value}"), arguments={argument: Typed("l", value)})
    op("repeated", "queue.declare", queue=n("repeated"), arguments=[("x-max-length", 5), ("x-max-length", 7)])
    op("repeated.first-is-it", "queue.declare", queue=n("repeated"), arguments={"x-max-length": 5})
    op("repeated.second-is-it", "queue.declare", queue=n("repeated"), arguments={"x-max-length": 7})
    for expiration in ("", "-1", "1.5", "abc", " 5", "5 ", "+5", "0x5", "00", "007", "4294967296", "315360000000", "315360000001", "1" * 60):
        op(f"expiration.{expiration!r}", "basic.publish", routing_key=n("nobody"), properties={"expiration": expiration}, body=b"m")

    # Age and length, with dead letters that say which it was.
    dlx, dead = s.exchange("dlx", "fanout"), s.queue("dead")
    s.bind(dead, dlx)
    q = s.queue("age-and-length", x_message_ttl=400, x_max_length=2, x_dead_letter_exchange=dlx)
    s.publish(q, b"1", b"2", b"3")
    link.count(dead, 1)
    s.bodies("both.by-length", dead)
    link.count(dead, 2)
    s.bodies("both.by-age", dead)
    q = s.queue("head-blocks", x_dead_letter_exchange=dlx, x_max_length=2)
    s.publish(q, b"stays")
    s.publish(q, b"hidden", expiration="30")
    time.sleep(0.15)
    s.passive("head.hidden-is-counted", q)
    s.publish(q, b"pushes the head out")
    link.count(dead, 2)
    s.bodies("head.both-died", dead)
    s.bodies("head.left", q)
    q = s.queue("shorter-of-two", x_message_ttl=40, x_dead_letter_exchange=dlx)
    s.publish(q, b"m", expiration="600000")
    s.lands("shorter.of-the-queue", dead)
    q = s.queue("longer-queue", x_message_ttl=600000, x_dead_letter_exchange=dlx)
    s.publish(q, b"m", expiration="40")
    s.lands("shorter.of-the-message", dead)
    q = s.queue("zero", x_message_ttl=0, x_dead_letter_exchange=dlx)
    s.confirmed("zero.confirmed", q, b"m", number=2)
    s.lands("zero.landed", dead)
    link.quietly(3, "basic.consume", queue=q, consumer_tag="c")
    s.publish(q, b"consumed")
    s.expect("zero.delivered", "basic.deliver", number=3)
    op("zero.requeue", "basic.nack", number=3, delivery_tag=1, requeue=True)
    s.lands("zero.requeued-landed", dead)
    q = s.queue("zero-length", x_max_length=0, x_dead_letter_exchange=dlx)
    s.confirmed("zero-length.confirmed", q, b"m", number=2)
    s.lands("zero-length.landed", dead)
    q = s.queue("unacked", x_message_ttl=300, x_max_length=1, x_dead_letter_exchange=dlx)
    s.filled(q, b"held")
    s.get(q, 4)
    time.sleep(0.45)
    s.passive("unacked.does-not-age", dead)
    op("unacked.reject", "basic.reject", number=4, delivery_tag=1)
    s.lands("unacked.is-rejected-not-expired", dead)
    s.publish(q, b"held again")
    s.get(q, 4)
    time.sleep(0.45)
    op("unacked.requeue", "basic.reject", number=4, delivery_tag=2, requeue=True)
    s.lands("unacked.requeued-is-expired", dead)
    q = s.queue("requeue-over", x_max_length=1, x_dead_letter_exchange=dlx)
    s.filled(q, b"first")
    s.get(q, 5)
    s.filled(q, b"second")
    op("requeue.over-the-limit", "basic.reject", number=5, delivery_tag=1, requeue=True)
    s.lands("requeue.head-died", dead)
    s.bodies("requeue.kept", q)
    q = s.queue("bytes-and-count", x_max_length=3, x_max_length_bytes=4, x_dead_letter_exchange=dlx)
    s.publish(q, b"aa", b"bb", b"cccc")
    link.count(dead, 2)
    s.bodies("bytes.two-died", dead)
    s.publish(q, b"ddddd")
    link.count(dead, 2)
    s.bodies("bytes.too-large-died-too", dead)
    s.passive("bytes.nothing-left", q)

    # x-expires.
    q = s.queue("expires", x_expires=900, x_dead_letter_exchange=dlx)
    s.publish(q, b"goes with its queue")
    for turn, (name, fields) in enumerate([("basic.get", {}), ("queue.declare", {"arguments": {"x-expires": 900, "x-dead-letter-exchange": dlx}})]):
        time.sleep(0.6)
        op(f"expires.kept-{turn}", name, number=6, queue=q, **fields)
    time.sleep(1.6)
    s.passive("expires.is-gone", q)
    s.passive("expires.nothing-died", dead)
    q = s.queue("expires-consumed", x_expires=600)
    link.quietly(7, "basic.consume", queue=q, consumer_tag="c")
    time.sleep(0.9)
    s.passive("expires.kept-by-a-consumer", q)
    s.publish(q, b"m")
    s.expect("expires.consumer-still-there", "basic.deliver", number=7)
    op("expires.channel-close", "channel.close", number=7, reply_code=200)
    link.channels.discard(7)
    time.sleep(1.2)
    s.passive("expires.after-the-last-consumer", q)
    q = s.queue("expires-before-ttl", x_expires=2000, x_message_ttl=50, x_dead_letter_exchange=dlx)
    s.publish(q, b"dies first")
    s.lands("expires.ttl-was-first", dead)
    op("expires.with-exclusive", "queue.declare", queue=n("mine"), exclusive=True, arguments={"x-expires": 60000})
    op("expires.with-auto-delete", "queue.declare", queue=n("auto"), auto_delete=True, arguments={"x-expires": 60000})

    # Transactions age from their commit.
    q = s.queue("tx", x_message_ttl=700)
    link.quietly(8, "tx.select")
    op("tx.publish", "basic.publish", number=8, routing_key=q, body=b"m")
    time.sleep(0.9)
    op("tx.commit", "tx.commit", number=8)
    s.lands("tx.younger-than-its-publish", q)
    link.quietly(8, "basic.publish", routing_key=s.queue("tx-max", x_max_length=1), body=b"1")
    link.quietly(8, "basic.publish", routing_key=n("tx-max"), body=b"2")
    op("tx.max-length", "tx.commit", number=8)
    s.bodies("tx.max-length-kept", n("tx-max"))
