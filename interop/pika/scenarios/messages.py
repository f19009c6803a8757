"""Messages of any size, with every property and any header, come out as they went in."""

import datetime
import decimal
import hashlib
import os

import pika

from scenarios import Case


class Messages(Case):
    def test_bodies_from_nothing_to_ten_mebibytes(self):
        queue = self.queue("q")
        for size in (0, 1, 131063, 131064, 131065, 1024 * 1024, 10 * 1024 * 1024):
            body = os.urandom(size)
            self.channel.basic_publish("", queue, body)
            self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(self.get(queue)[2]).digest(), size)

    def test_a_large_body_in_the_smallest_frames(self):
        small = self.connect(frame_max=4096).channel()
        queue, body = self.queue("q", channel=small), os.urandom(1024 * 1024)
        small.basic_publish("", queue, body)
        self.assertEqual(body, small.basic_get(queue, auto_ack=True)[2])

    def test_large_messages_to_a_consumer(self):
        queue, got = self.queue("q"), []
        self.channel.basic_consume(queue, lambda channel, method, properties, body: got.append(hashlib.sha256(body).digest()), auto_ack=True)
        bodies = [os.urandom(3 * 1024 * 1024) for _ in range(5)]
        for body in bodies:
            self.channel.basic_publish("", queue, body)
        self.eventually(lambda: len(got) == 5, "fewer than five messages", seconds=20)
        self.assertEqual([hashlib.sha256(body).digest() for body in bodies], got)

    def test_every_property(self):
        queue = self.queue("q")
        properties = pika.BasicProperties(
            content_type="application/json", content_encoding="gzip", headers={"k": "v"}, delivery_mode=2, priority=7, correlation_id="c",
            reply_to="r", expiration="60000", message_id="m", timestamp=1234567890, type="t", user_id=self.parameters().credentials.username,
            app_id="a", cluster_id="cl")
        self.channel.basic_publish("", queue, b"m", properties)
        self.assertEqual(properties, self.get(queue)[1])
        self.channel.basic_publish("", queue, b"m")
        self.assertEqual(pika.BasicProperties(), self.get(queue)[1])

    def test_headers_of_every_type_and_of_unknown_names(self):
        queue = self.queue("q")
        headers = {
            "array": [1, "two", [3], {"four": 5}], "bool": True, "bytes": b"\x00\xff", "decimal": decimal.Decimal("3.14"),
            "hase-äöü": "兎", "int": 2**31 - 1, "long": -(2**40), "none": None, "table": {"deep": {"deeper": []}},
            "text": "x" * 10000, "time": datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "x-made-up": "kept",
        }
        self.channel.basic_publish("", queue, b"m", pika.BasicProperties(headers=headers))
        self.assertEqual(headers, self.get(queue)[1].headers)

    def test_another_users_id_is_refused(self):
        self.channel.basic_publish("", self.queue("q"), b"m", pika.BasicProperties(user_id="somebody"))
        user = self.parameters().credentials.username
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was '{user}'",
                                   self.channel.queue_declare, "", exclusive=True)

    def test_ten_thousand_messages_to_three_consumers_each_once(self):
        queue, got = self.queue("q"), []

        def take(channel, method, properties, body):
            got.append(int(body))
            if len(got) % 100 == 0 or len(got) > 9900:
                channel.basic_ack(0, multiple=True)

        for _ in range(3):
            self.channel.basic_qos(prefetch_count=500)
            self.channel.basic_consume(queue, take)
        for number in range(10000):
            self.channel.basic_publish("", queue, str(number))
        self.eventually(lambda: len(got) == 10000, "fewer than ten thousand messages", seconds=60)
        self.assertEqual(list(range(10000)), sorted(got))
        self.assertEqual(0, self.count(queue))
