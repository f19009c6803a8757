"""Streams as Kafka's users use them, over plain AMQP 0-9-1: partitions by key, groups, replay by time. Leveret's own arguments, but
for the last scenario."""

import datetime
import time

import pika

from scenarios import Case


class Streams(Case):
    def stream(self, stem, **arguments):
        name = self.name(stem)
        self.channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream", **arguments})
        self.addCleanup(lambda: self.connect().channel().queue_delete(name))
        self.channel.confirm_delivery()
        return name

    def read(self, stream, count, **arguments):
        """The next `count` messages, acknowledged; the consumer goes again."""
        channel = self.connect().channel()
        channel.basic_qos(prefetch_count=50)
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        got = []
        for method, properties, body in channel.consume(stream, arguments=arguments, inactivity_timeout=30):
            self.assertIsNotNone(method, "a message in time")
            got.append((properties.headers, body.decode()))
            channel.basic_ack(method.delivery_tag)
            if len(got) == count:
                break
        channel.cancel()
        channel.connection.close()
        return got

    def test_partition_by_key_and_consume_in_a_group(self):
        orders = self.stream("orders", **{"x-partitions": 4, "x-partition-key": "customer"})
        for number in range(60):
            customer = f"c-{number % 7}"
            properties = pika.BasicProperties(headers={"customer": customer})
            self.channel.basic_publish("", orders, str(number), properties)
        # The group remembers what it has done: whoever comes later goes on there.
        seen = self.read(orders, 25, x_stream_group="billing", x_stream_offset="first")
        seen += self.read(orders, 35, x_stream_group="billing")
        self.assertEqual(set(range(60)), {int(body) for _, body in seen})
        homes = {}
        for headers, body in seen:
            home = homes.setdefault(headers["customer"], headers["x-stream-partition"])
            self.assertEqual(home, headers["x-stream-partition"])
        for customer in homes:
            own = [int(body) for headers, body in seen if headers["customer"] == customer]
            # What the first consumer had not acknowledged when it went has come again.
            firsts = list(dict.fromkeys(own))
            self.assertEqual(sorted(firsts), firsts, "in order of the key")
        # Another group has a place of its own.
        self.assertEqual(60, len(self.read(orders, 60, x_stream_group="audit", x_stream_offset="first")))

    def test_replay_by_time_and_offset(self):
        log = self.stream("log")
        for number in range(10):
            self.channel.basic_publish("", log, str(number))
        time.sleep(1.1)
        half = int(time.time())
        time.sleep(1.1)
        for number in range(10, 20):
            self.channel.basic_publish("", log, str(number))

        def bodies(count, offset):
            return [body for _, body in self.read(log, count, x_stream_offset=offset)]

        when = datetime.datetime.fromtimestamp(half, datetime.timezone.utc)
        self.assertEqual([str(number) for number in range(10, 20)], bodies(10, when))
        self.assertEqual([str(number) for number in range(20)], bodies(20, "first"))
        self.assertEqual([str(number) for number in range(15, 20)], bodies(5, 15))
        self.assertEqual(["18", "19"], bodies(2, -2))

    def test_every_consumer_replays_for_itself(self):
        log = self.stream("log")
        for number in range(100):
            self.channel.basic_publish("", log, str(number))
        for _ in range(3):
            got = self.read(log, 100, x_stream_offset="first")
            self.assertEqual(list(range(100)), [headers["x-stream-offset"] for headers, _ in got])
