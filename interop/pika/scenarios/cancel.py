"""Consumers end: by the client, by the deletion of their queue, with their channel."""

from scenarios import Case


class Cancel(Case):
    def test_the_broker_tells_when_the_queue_is_deleted(self):
        queue, cancelled = self.queue("q", exclusive=False), []
        self.channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        tag = self.channel.basic_consume(queue, lambda *_: None)
        self.connect().channel().queue_delete(queue)
        self.eventually(lambda: cancelled, "no basic.cancel")
        self.assertEqual([tag], cancelled)
        self.assertTrue(self.channel.is_open)

    def test_a_consuming_loop_ends_with_its_queue(self):
        queue = self.queue("q", b"1", exclusive=False)
        got = []
        for method, _, body in self.channel.consume(queue, auto_ack=True):
            got.append(body)
            self.connect().channel().queue_delete(queue)
        self.assertEqual([b"1"], got)

    def test_a_cancelled_consumer_gets_nothing_more_and_its_messages_stay(self):
        queue, got = self.queue("q"), []
        tag = self.channel.basic_consume(queue, lambda channel, method, properties, body: got.append(body), auto_ack=True)
        self.channel.basic_publish("", queue, b"1")
        self.eventually(lambda: got, "no message")
        self.channel.basic_cancel(tag)
        self.channel.basic_publish("", queue, b"2")
        self.connection.sleep(0.1)
        self.assertEqual([b"1"], got)
        self.assertEqual(b"2", self.get(queue)[2])

    def test_an_auto_delete_queue_goes_with_its_last_consumer(self):
        queue = self.queue("q", exclusive=False, auto_delete=True)
        tags = [self.channel.basic_consume(queue, lambda *_: None) for _ in range(2)]
        self.channel.basic_cancel(tags[0])
        self.assertEqual(0, self.count(queue))
        self.channel.basic_cancel(tags[1])
        self.assert_closes_channel(404, f"NOT_FOUND - no queue '{queue}' in vhost '/'", self.count, queue)

    def test_an_exclusive_consumer_stays_alone(self):
        queue = self.queue("q")
        self.channel.basic_consume(queue, lambda *_: None, exclusive=True)
        other = self.connection.channel()
        self.assert_closes_channel(403, f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use",
                                   other.basic_consume, queue, lambda *_: None)
