"""Mandatory messages that nobody gets come back, with everything that they had."""

import pika

from scenarios import Case


class Returns(Case):
    def test_a_mandatory_message_comes_back_whole(self):
        returned = []
        self.channel.add_on_return_callback(lambda *arguments: returned.append(arguments[1:]))
        properties = pika.BasicProperties(content_type="text/plain", headers={"a": 1}, message_id="7", delivery_mode=2)
        self.channel.basic_publish("amq.direct", self.name("nobody"), b"body", properties, mandatory=True)
        self.eventually(lambda: returned, "no basic.return")
        method, back, body = returned[0]
        self.assertEqual((312, "NO_ROUTE", "amq.direct", self.name("nobody")),
                         (method.reply_code, method.reply_text, method.exchange, method.routing_key))
        self.assertEqual((properties, b"body"), (back, body))

    def test_routed_or_not_mandatory_does_not_come_back(self):
        returned = []
        self.channel.add_on_return_callback(lambda *arguments: returned.append(arguments))
        self.channel.basic_publish("", self.queue("q"), b"m", mandatory=True)
        self.channel.basic_publish("", self.name("nobody"), b"m")
        self.connection.sleep(0.3)
        self.assertEqual([], returned)
