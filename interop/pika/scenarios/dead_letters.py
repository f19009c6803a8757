"""TTL, length limits and dead letters, as retry queues and parking lots use them."""

import datetime

import pika

from scenarios import Case


class DeadLetters(Case):
    def setUp(self):
        super().setUp()
        self.dlx = self.exchange("dlx", "fanout")
        self.dead = self.queue("dead")
        self.channel.queue_bind(self.dead, self.dlx)

    def death(self, queue, **arguments):
        """A queue whose dead messages land in self.dead."""
        return self.queue(queue, arguments={"x-dead-letter-exchange": self.dlx, **arguments})

    def test_a_rejected_message_tells_its_story(self):
        queue = self.death("q")
        self.channel.basic_publish("", queue, b"m", pika.BasicProperties(headers={"mine": 1}, content_type="text/plain"))
        self.channel.basic_nack(self.get(queue, auto_ack=False)[0].delivery_tag, requeue=False)
        method, properties, body = self.get(self.dead)
        self.assertEqual((b"m", self.dlx, queue, False), (body, method.exchange, method.routing_key, method.redelivered))
        self.assertEqual(("text/plain", 1), (properties.content_type, properties.headers["mine"]))
        (death,) = properties.headers["x-death"]
        age = datetime.datetime.now(datetime.timezone.utc) - death.pop("time").replace(tzinfo=datetime.timezone.utc)
        self.assertLess(abs(age.total_seconds()), 120)
        self.assertEqual({"count": 1, "reason": "rejected", "queue": queue, "exchange": "", "routing-keys": [queue]}, death)
        self.assertEqual(("rejected", queue, ""), tuple(properties.headers[f"x-first-death-{part}"] for part in ("reason", "queue", "exchange")))

    def test_expired_by_queue_and_by_message(self):
        queue = self.death("q", **{"x-message-ttl": 100})
        self.channel.basic_publish("", queue, b"queue")
        self.assertEqual("expired", self.get(self.dead)[1].headers["x-death"][0]["reason"])
        self.channel.basic_publish("", queue, b"message", pika.BasicProperties(expiration="20"))
        properties = self.get(self.dead)[1]
        self.assertIsNone(properties.expiration)
        self.assertEqual("20", properties.headers["x-death"][0]["original-expiration"])

    def test_the_oldest_fall_out_of_a_full_queue(self):
        queue = self.death("q", **{"x-max-length": 2})
        for number in range(5):
            self.channel.basic_publish("", queue, b"%d" % number)
        fallen = [self.get(self.dead) for _ in range(3)]
        self.assertEqual([b"0", b"1", b"2"], [body for _, _, body in fallen])
        self.assertEqual({"maxlen"}, {properties.headers["x-death"][0]["reason"] for _, properties, _ in fallen})
        self.assertEqual([b"3", b"4"], self.bodies(queue, 2))

    def test_a_limit_in_bytes(self):
        queue = self.death("q", **{"x-max-length-bytes": 10})
        for body in (b"aaaa", b"bbbb", b"cccc"):
            self.channel.basic_publish("", queue, body)
        self.assertEqual(b"aaaa", self.get(self.dead)[2])
        self.assertEqual([b"bbbb", b"cccc"], self.bodies(queue, 2))

    def test_retry_with_a_waiting_queue_counts_the_rounds(self):
        work, wait = self.name("work"), self.name("wait")
        self.queue("work", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": wait})
        self.queue("wait", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 50})
        self.channel.basic_publish("", work, b"m")
        for turn in range(4):
            method, properties, _ = self.get(work, auto_ack=False)
            deaths = (properties.headers or {}).get("x-death", [])
            counts = {(death["queue"], death["reason"]): death["count"] for death in deaths}
            self.assertEqual({(wait, "expired"): turn, (work, "rejected"): turn} if turn else {}, counts)
            self.channel.basic_reject(method.delivery_tag, requeue=False)

    def test_a_queue_that_nobody_uses_expires(self):
        queue = self.queue("q", exclusive=False, arguments={"x-expires": 200})
        self.connection.sleep(1.0)
        self.assert_closes_channel(404, f"NOT_FOUND - no queue '{queue}' in vhost '/'", self.count, queue)
