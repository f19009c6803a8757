"""What users of pika do, one file for each subject. `python -m unittest scenarios.confirms` runs one of them against the
broker at AMQP_URL, `python -m unittest discover -s scenarios -p '*.py' -t .` all.

Here: the base of all cases. Names carry a random token and queues are exclusive where the subject allows, so that the
scenarios run beside each other, and leave nothing behind on a broker that lives longer than they do.
"""

import faulthandler
import os
import secrets
import time
import unittest

import pika

URL = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2F")

# A broker that does not answer fails a scenario after two minutes, with the line that waited.
faulthandler.dump_traceback_later(120, exit=True)


class Case(unittest.TestCase):
    """A connection and a channel, and short ways to the usual steps."""

    def setUp(self):
        self.token = secrets.token_hex(4)
        self.connection = self.connect()
        self.channel = self.connection.channel()

    def parameters(self, **options):
        parameters = pika.URLParameters(URL)
        for name, value in options.items():
            setattr(parameters, name, value)
        return parameters

    def connect(self, **options):
        connection = pika.BlockingConnection(self.parameters(**options))
        self.addCleanup(self.close, connection)
        return connection

    @staticmethod
    def close(connection):
        if connection.is_open:
            connection.close()

    def name(self, name):
        return f"{type(self).__name__}.{self.token}.{name}"

    def queue(self, name, *bodies, channel=None, **options):
        """An exclusive queue with these messages in it."""
        channel = channel or self.channel
        options.setdefault("exclusive", True)
        queue = channel.queue_declare(self.name(name), **options).method.queue
        for body in bodies:
            channel.basic_publish("", queue, body)
        return queue

    def exchange(self, name, kind, **options):
        """An exchange that is deleted afterwards."""
        exchange = self.name(name)
        self.channel.exchange_declare(exchange, kind, **options)
        self.addCleanup(self.forget, exchange)
        return exchange

    def forget(self, exchange):
        connection = pika.BlockingConnection(self.parameters())
        connection.channel().exchange_delete(exchange)
        connection.close()

    def get(self, queue, auto_ack=True, seconds=5):
        """The next message as (method, properties, body); waits for it a little, as others may still be on their way."""
        deadline = time.monotonic() + seconds
        while True:
            method, properties, body = self.channel.basic_get(queue, auto_ack=auto_ack)
            if method is not None:
                return method, properties, body
            self.assertLess(time.monotonic(), deadline, f"nothing came into {queue}")
            self.connection.sleep(0.02)

    def bodies(self, queue, count):
        return [self.get(queue)[2] for _ in range(count)]

    def count(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def eventually(self, condition, what, seconds=5, connection=None):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            (connection or self.connection).process_data_events(time_limit=0.02)

    def assert_closes_channel(self, code, text, call, *arguments, **options):
        """The call costs its channel, with this code and exactly this text; the connection stays. A fresh channel follows."""
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            call(*arguments, **options)
        self.assertEqual((code, text), (caught.exception.reply_code, caught.exception.reply_text))
        self.assertTrue(self.connection.is_open)
        self.channel = self.connection.channel()
