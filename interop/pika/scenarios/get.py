"""basic.get: one message at a time, counts, redelivery."""

from scenarios import Case


class Get(Case):
    def test_an_empty_queue_gives_nothing(self):
        self.assertEqual((None, None, None), self.channel.basic_get(self.queue("q")))

    def test_messages_come_in_order_with_the_count_that_is_left(self):
        queue = self.queue("q", b"1", b"2", b"3")
        for body, left in ((b"1", 2), (b"2", 1), (b"3", 0)):
            method, _, got = self.get(queue)
            self.assertEqual((body, left, False, "", queue), (got, method.message_count, method.redelivered, method.exchange, method.routing_key))

    def test_what_is_not_acknowledged_comes_again_after_the_channel(self):
        queue = self.queue("q", b"1")
        other = self.connection.channel()
        self.assertEqual(b"1", other.basic_get(queue)[2])
        other.close()
        method, _, body = self.get(queue)
        self.assertEqual((b"1", True), (body, method.redelivered))

    def test_a_missing_queue_costs_the_channel(self):
        queue = self.name("missing")
        self.assert_closes_channel(404, f"NOT_FOUND - no queue '{queue}' in vhost '/'", self.channel.basic_get, queue)
