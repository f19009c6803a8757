"""Errors that cost the channel, with the texts that clients parse; the connection and its other channels live on."""

import pika

from scenarios import Case


class ChannelErrors(Case):
    def test_declaring_again_otherwise(self):
        queue = self.queue("q", exclusive=False, auto_delete=True)
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/': received 'true' but current is 'false'",
                                   self.channel.queue_declare, queue, durable=True, auto_delete=True)
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{queue}' in vhost '/': "
                                        "received the value '5' of type 'signedint' but current is none",
                                   self.channel.queue_declare, queue, auto_delete=True, arguments={"x-max-length": 5})
        self.channel.queue_delete(queue)

    def test_an_argument_that_makes_no_sense(self):
        queue = self.name("q")
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue '{queue}' in vhost '/': {{value_negative,-1}}",
                                   self.channel.queue_declare, queue, exclusive=True, arguments={"x-message-ttl": -1})

    def test_a_missing_exchange(self):
        exchange = self.name("x")
        text = f"NOT_FOUND - no exchange '{exchange}' in vhost '/'"
        self.assert_closes_channel(404, text, self.channel.exchange_declare, exchange, passive=True)
        self.assert_closes_channel(404, text, self.channel.queue_bind, self.queue("q"), exchange)
        self.channel.basic_publish(exchange, "", b"m")
        self.assert_closes_channel(404, text, self.channel.queue_declare, "", exclusive=True)

    def test_reserved_names_and_the_default_exchange(self):
        self.assert_closes_channel(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'", self.channel.queue_declare, "amq.mine")
        self.assert_closes_channel(403, "ACCESS_REFUSED - operation not permitted on the default exchange", self.channel.queue_bind, self.queue("q"), "", "k")
        self.assert_closes_channel(403, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
                                   self.channel.exchange_delete, "amq.direct")

    def test_not_empty_and_in_use(self):
        queue = self.queue("q", b"m")
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty", self.channel.queue_delete, queue, if_empty=True)
        other = self.connection.channel()
        other.basic_consume(queue, lambda *_: None)
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use", self.channel.queue_delete, queue, if_unused=True)

    def test_a_neighbouring_channel_goes_on(self):
        queue, neighbour, got = self.queue("q"), self.connection.channel(), []
        neighbour.basic_consume(queue, lambda channel, method, properties, body: got.append(body), auto_ack=True)
        self.assert_closes_channel(404, f"NOT_FOUND - no queue '{queue}.missing' in vhost '/'", self.count, f"{queue}.missing")
        neighbour.basic_publish("", queue, b"m")
        self.eventually(lambda: got == [b"m"], "the neighbour got nothing")

    def test_what_costs_the_connection(self):
        for code, text, call in [
            (530, "NOT_ALLOWED - attempt to reuse consumer tag 't'", self.consume_twice),
            (540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)", lambda channel: channel.basic_qos(prefetch_size=1)),
            (540, "NOT_IMPLEMENTED - active=false", lambda channel: channel.flow(False)),
        ]:
            connection = self.connect()
            with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as caught:
                call(connection.channel())
            self.assertEqual((code, text), (caught.exception.reply_code, caught.exception.reply_text))

    def consume_twice(self, channel):
        """Past pika, which would not let it pass."""
        queue = self.queue("q", channel=channel)
        channel.basic_consume(queue, lambda *_: None, consumer_tag="t")
        channel._impl._send_method(pika.spec.Basic.Consume(queue=queue, consumer_tag="t"))
        channel.queue_declare(queue, passive=True)
