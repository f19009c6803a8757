"""Exchange types and their bindings, alternate exchanges, exchanges bound to exchanges, CC and BCC."""

import pika

from scenarios import Case


class Exchanges(Case):
    def got(self, *queues):
        """How many messages each queue had; they are empty afterwards."""
        return [self.channel.queue_purge(queue).method.message_count for queue in queues]

    def test_topic_patterns(self):
        topic = self.exchange("x", "topic")
        patterns = ["#", "a.*", "*.b", "a.#", "#.z"]
        queues = [self.queue(f"q{number}") for number in range(len(patterns))]
        for queue, pattern in zip(queues, patterns):
            self.channel.queue_bind(queue, topic, pattern)
        for key, expected in {"a.b": [1, 1, 1, 1, 0], "a": [1, 0, 0, 1, 0], "a.y.z": [1, 0, 0, 1, 1], "b": [1, 0, 0, 0, 0]}.items():
            self.channel.basic_publish(topic, key, b"m")
            self.assertEqual(expected, self.got(*queues), key)

    def test_headers_all_and_any(self):
        headers = self.exchange("x", "headers")
        every, some = self.queue("all"), self.queue("any")
        self.channel.queue_bind(every, headers, arguments={"x-match": "all", "type": "report", "format": "pdf"})
        self.channel.queue_bind(some, headers, arguments={"x-match": "any", "type": "report", "format": "pdf"})
        for table, expected in [({"type": "report", "format": "pdf"}, [1, 1]), ({"type": "report"}, [0, 1]), ({"format": "txt"}, [0, 0]),
                                ({"type": "report", "format": "pdf", "more": 1}, [1, 1])]:
            self.channel.basic_publish(headers, "", b"m", pika.BasicProperties(headers=table))
            self.assertEqual(expected, self.got(every, some), table)

    def test_the_alternate_exchange_takes_what_nobody_wants(self):
        spare = self.exchange("spare", "fanout")
        main = self.exchange("main", "direct", arguments={"alternate-exchange": spare})
        wanted, unwanted = self.queue("wanted"), self.queue("unwanted")
        self.channel.queue_bind(wanted, main, "k")
        self.channel.queue_bind(unwanted, spare)
        self.channel.basic_publish(main, "k", b"m")
        self.channel.basic_publish(main, "z", b"m")
        self.assertEqual([1, 1], self.got(wanted, unwanted))

    def test_exchanges_bound_to_exchanges_even_in_a_ring(self):
        one, two = self.exchange("one", "topic"), self.exchange("two", "fanout")
        queue = self.queue("q")
        self.channel.exchange_bind(two, one, "a.#")
        self.channel.exchange_bind(one, two, "#")
        self.channel.queue_bind(queue, two)
        self.channel.queue_bind(queue, one, "a.b")
        self.channel.basic_publish(one, "a.b", b"m")
        method, _, body = self.get(queue)
        self.assertEqual((one, "a.b", b"m"), (method.exchange, method.routing_key, body))
        self.assertEqual([0], self.got(queue))
        self.channel.exchange_unbind(two, one, "a.#")
        self.channel.basic_publish(one, "a.c", b"m")
        self.assertEqual([0], self.got(queue))

    def test_cc_is_kept_and_bcc_is_not(self):
        to, cc, bcc = self.queue("to"), self.queue("cc"), self.queue("bcc")
        self.channel.basic_publish("", to, b"m", pika.BasicProperties(headers={"BCC": [bcc], "CC": [cc]}))
        for queue in (to, cc, bcc):
            method, properties, _ = self.get(queue)
            self.assertEqual((to, {"CC": [cc]}), (method.routing_key, properties.headers))

    def test_an_auto_delete_exchange_goes_with_its_last_binding(self):
        exchange = self.exchange("x", "fanout", auto_delete=True)
        queue = self.queue("q")
        self.channel.queue_bind(queue, exchange)
        self.channel.queue_unbind(queue, exchange)
        self.assert_closes_channel(404, f"NOT_FOUND - no exchange '{exchange}' in vhost '/'", self.channel.exchange_declare, exchange, passive=True)

    def test_an_exchange_in_use_is_not_deleted_if_unused_is_asked(self):
        exchange = self.exchange("x", "fanout")
        self.channel.queue_bind(self.queue("q"), exchange)
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use",
                                   self.channel.exchange_delete, exchange, if_unused=True)

    def test_an_internal_exchange_takes_no_publishes(self):
        exchange = self.exchange("x", "fanout", internal=True)
        self.channel.basic_publish(exchange, "", b"m")
        self.assert_closes_channel(403, f"ACCESS_REFUSED - cannot publish to internal exchange '{exchange}' in vhost '/'",
                                   self.channel.queue_declare, "", exclusive=True)
