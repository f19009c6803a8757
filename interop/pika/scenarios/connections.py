"""Logging in and not, names, what the broker says of itself, heartbeats, many channels, new secrets."""

import time

import pika

from scenarios import URL, Case


class Connections(Case):
    def test_a_wrong_password_is_told_as_such(self):
        for credentials in (pika.PlainCredentials("guest", "wrong"), pika.PlainCredentials("nobody", "guest"), pika.PlainCredentials("guest", "")):
            with self.assertRaises(pika.exceptions.ProbableAuthenticationError) as caught:
                self.connect(credentials=credentials)
            self.assertIn("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
                          str(caught.exception))

    def test_an_unknown_vhost_is_told_as_such(self):
        with self.assertRaises(pika.exceptions.ProbableAccessDeniedError) as caught:
            self.connect(virtual_host="no-such-vhost")
        self.assertEqual("ConnectionClosedByBroker: (530) 'NOT_ALLOWED - vhost no-such-vhost not found'", str(caught.exception))

    def test_the_broker_presents_itself(self):
        properties = self.connection._impl.server_properties
        for key in ("product", "version", "platform", "copyright", "information", "cluster_name"):
            self.assertTrue(properties[key], key)
        for capability in ("publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
                           "consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to"):
            self.assertIs(True, properties["capabilities"][capability], capability)

    def test_a_connection_with_a_name_and_odd_client_properties(self):
        connection = self.connect(client_properties={"connection_name": "hase 兎", "table": {"a": [1, None, {"b": True}]}, "empty": ""})
        self.assertTrue(connection.is_open)

    def test_limits_are_negotiated_down(self):
        connection = self.connect(channel_max=5, frame_max=8192, heartbeat=7)
        parameters = connection._impl.params
        self.assertEqual((5, 8192, 7), (parameters.channel_max, parameters.frame_max, parameters.heartbeat))

    def test_a_hundred_channels_each_with_its_queue(self):
        channels = [self.connection.channel() for _ in range(100)]
        for number, channel in enumerate(channels):
            channel.basic_publish("", self.queue(f"q{number}", channel=channel), str(number))
        for number, channel in enumerate(channels):
            self.assertEqual(str(number).encode(), channel.basic_get(self.name(f"q{number}"), auto_ack=True)[2])
            channel.close()

    def test_heartbeats_keep_an_idle_connection(self):
        connection = self.connect(heartbeat=1)
        connection.sleep(5)
        self.assertTrue(connection.is_open)
        connection.channel()

    def test_a_client_that_stops_beating_is_dropped(self):
        connection = self.connect(heartbeat=1)
        channel = connection.channel()
        queue = self.queue("q", channel=channel)
        time.sleep(4.5)
        with self.assertRaises((pika.exceptions.AMQPConnectionError, pika.exceptions.ChannelWrongStateError)):
            for _ in range(10):
                channel.queue_declare(queue, passive=True)
        # Its exclusive queue went with it.
        self.assert_closes_channel(404, f"NOT_FOUND - no queue '{queue}' in vhost '/'", self.count, queue)

    def test_a_new_secret_is_accepted(self):
        self.connection.update_secret("secret", "rotation")
        self.assertTrue(self.connection.is_open)

    def test_connections_come_and_go(self):
        for _ in range(50):
            connection = pika.BlockingConnection(pika.URLParameters(URL))
            connection.channel().basic_publish("", "nobody", b"m")
            connection.close()
