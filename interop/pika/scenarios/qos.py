"""Prefetch: how many messages a consumer holds, for itself or for its channel."""

from scenarios import Case


class Qos(Case):
    def consume(self, queue, channel=None):
        got = []
        channel = channel or self.channel
        tag = channel.basic_consume(queue, lambda channel, method, properties, body: got.append((method.delivery_tag, body)))
        return got, tag

    def settle_down(self, got, count):
        self.eventually(lambda: len(got) >= count, f"fewer than {count} messages")
        self.connection.sleep(0.2)
        self.assertEqual(count, len(got))

    def test_prefetch_limits_what_is_unacknowledged(self):
        queue = self.queue("q", *[b"%d" % number for number in range(10)])
        self.channel.basic_qos(prefetch_count=3)
        got, _ = self.consume(queue)
        self.settle_down(got, 3)
        self.channel.basic_ack(got[0][0])
        self.settle_down(got, 4)
        self.channel.basic_ack(0, multiple=True)
        self.settle_down(got, 7)
        self.assertEqual([b"%d" % number for number in range(7)], [body for _, body in got])

    def test_a_new_limit_is_for_later_consumers(self):
        queue = self.queue("q", *[b"%d" % number for number in range(10)])
        self.channel.basic_qos(prefetch_count=2)
        first, _ = self.consume(queue)
        self.settle_down(first, 2)
        self.channel.basic_qos(prefetch_count=4)
        self.settle_down(first, 2)
        second, _ = self.consume(queue)
        self.settle_down(second, 4)

    def test_global_qos_is_shared_by_the_channel(self):
        queue = self.queue("q", *[b"%d" % number for number in range(10)])
        self.channel.basic_qos(prefetch_count=3, global_qos=True)
        first, _ = self.consume(queue)
        second, _ = self.consume(queue)
        self.eventually(lambda: len(first) + len(second) >= 3, "fewer than three messages")
        self.connection.sleep(0.2)
        self.assertEqual(3, len(first) + len(second))

    def test_without_acknowledgements_there_is_no_limit(self):
        queue = self.queue("q", *[b"%d" % number for number in range(10)])
        self.channel.basic_qos(prefetch_count=1)
        got = []
        self.channel.basic_consume(queue, lambda channel, method, properties, body: got.append(body), auto_ack=True)
        self.eventually(lambda: len(got) == 10, "fewer than ten messages")

    def test_consumers_take_turns(self):
        queue, got = self.queue("q"), {1: [], 2: []}
        for number in got:
            self.channel.basic_consume(queue, lambda channel, method, properties, body, mine=got[number]: mine.append(body), auto_ack=True)
        for number in range(10):
            self.channel.basic_publish("", queue, b"%d" % number)
        self.eventually(lambda: len(got[1]) + len(got[2]) == 10, "fewer than ten messages")
        self.assertEqual((5, 5), (len(got[1]), len(got[2])))
