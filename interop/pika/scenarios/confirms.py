"""Publisher confirms: one by one as BlockingConnection does it, and many at once with tags and multiple."""

import pika

from scenarios import Case


class Confirms(Case):
    def test_each_publish_returns_when_the_broker_has_it(self):
        self.channel.confirm_delivery()
        queue = self.queue("q")
        for number in range(50):
            self.channel.basic_publish("", queue, str(number), mandatory=True)
        self.assertEqual([str(number).encode() for number in range(50)], self.bodies(queue, 50))

    def test_an_unroutable_mandatory_message_raises(self):
        self.channel.confirm_delivery()
        with self.assertRaises(pika.exceptions.UnroutableError) as caught:
            self.channel.basic_publish("", self.name("nobody"), "m", mandatory=True)
        returned = caught.exception.messages[0]
        self.assertEqual((312, "NO_ROUTE", b"m"), (returned.method.reply_code, returned.method.reply_text, returned.body))
        self.channel.basic_publish("", self.name("nobody"), "m")

    def test_persistent_messages_to_a_durable_queue(self):
        self.channel.confirm_delivery()
        queue = self.queue("durable", exclusive=False, durable=True)
        self.addCleanup(lambda: self.connect().channel().queue_delete(queue))
        for number in range(10):
            self.channel.basic_publish("", queue, str(number), pika.BasicProperties(delivery_mode=2), mandatory=True)
        self.assertEqual(b"0", self.get(queue)[2])

    def test_a_thousand_in_flight_are_all_settled(self):
        """As an asynchronous publisher does it: sends without waiting, and strikes off what acks name."""
        settled, ended = set(), []

        def on_open(connection):
            connection.channel(on_open_callback=on_channel)

        def on_channel(channel):
            def on_settled(frame):
                method = frame.method
                self.assertIsInstance(method, pika.spec.Basic.Ack)
                tags = range(1, method.delivery_tag + 1) if method.multiple else [method.delivery_tag]
                settled.update(tags)
                if len(settled) == 1000:
                    ended.append(True)
                    channel.connection.close()

            def on_selected(_):
                for number in range(1000):
                    channel.basic_publish("", queue, str(number))

            channel.confirm_delivery(on_settled, callback=on_selected)

        queue = self.queue("many", exclusive=False, auto_delete=False)
        self.addCleanup(lambda: self.connect().channel().queue_delete(queue))
        connection = pika.SelectConnection(self.parameters(), on_open_callback=on_open,
                                           on_close_callback=lambda connection, _: connection.ioloop.stop())
        connection.ioloop.start()
        self.assertEqual([True], ended)
        self.assertEqual(set(range(1, 1001)), settled)
        self.assertEqual([str(number).encode() for number in range(1000)], self.bodies(queue, 1000))
