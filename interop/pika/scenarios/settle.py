"""Ack, nack, reject, recover: what is gone, what comes again, and where in the queue."""

import subprocess
import sys

from scenarios import URL, Case

# Takes two messages, says so, and acknowledges nothing.
CLIENT = """
import pika, sys, time
channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
got = channel.consume(sys.argv[2])
print((next(got)[2] + next(got)[2]).decode(), flush=True)
time.sleep(60)
"""


class Settle(Case):
    def test_requeued_messages_are_back_in_their_places_and_marked(self):
        queue = self.queue("q", b"1", b"2", b"3", b"4")
        tags = [self.get(queue, auto_ack=False)[0].delivery_tag for _ in range(3)]
        self.channel.basic_nack(tags[1], requeue=True)
        self.channel.basic_reject(tags[0], requeue=True)
        seen = [(body, method.redelivered) for method, _, body in (self.get(queue) for _ in range(3))]
        self.assertEqual([(b"1", True), (b"2", True), (b"4", False)], seen)

    def test_nack_multiple_requeues_all_up_to_the_tag(self):
        queue = self.queue("q", b"1", b"2", b"3", b"4")
        tags = [self.get(queue, auto_ack=False)[0].delivery_tag for _ in range(4)]
        self.channel.basic_nack(tags[2], multiple=True, requeue=True)
        self.assertEqual([b"1", b"2", b"3"], self.bodies(queue, 3))
        self.assertEqual(0, self.count(queue))

    def test_rejected_without_requeue_is_gone(self):
        queue = self.queue("q", b"1", b"2")
        self.channel.basic_reject(self.get(queue, auto_ack=False)[0].delivery_tag, requeue=False)
        self.assertEqual(b"2", self.get(queue)[2])

    def test_a_consumer_that_requeues_gets_it_again_until_it_acknowledges(self):
        queue, seen = self.queue("q", b"m"), []

        def on_message(channel, method, properties, body):
            seen.append(method.redelivered)
            if len(seen) < 5:
                channel.basic_nack(method.delivery_tag, requeue=True)
            else:
                channel.basic_ack(method.delivery_tag)

        self.channel.basic_consume(queue, on_message)
        self.eventually(lambda: len(seen) == 5, "fewer than five deliveries")
        self.connection.sleep(0.1)
        self.assertEqual([False, True, True, True, True], seen)

    def test_recover_gives_everything_back(self):
        queue = self.queue("q", b"1", b"2")
        for _ in range(2):
            self.get(queue, auto_ack=False)
        self.channel.basic_recover(requeue=True)
        self.assertEqual([b"1", b"2"], self.bodies(queue, 2))

    def test_a_killed_client_gives_everything_back(self):
        queue = self.queue("q", b"1", b"2", exclusive=False)
        self.addCleanup(lambda: self.connect().channel().queue_delete(queue))
        client = subprocess.Popen([sys.executable, "-c", CLIENT, URL, queue], stdout=subprocess.PIPE)
        self.addCleanup(client.stdout.close)
        self.assertEqual(b"12\n", client.stdout.readline())
        client.kill()
        client.wait()
        method, _, body = self.get(queue)
        self.assertEqual((b"1", True), (body, method.redelivered))

    def test_an_unknown_tag_costs_the_channel(self):
        queue = self.queue("q", b"m")
        tag = self.get(queue, auto_ack=False)[0].delivery_tag
        self.channel.basic_ack(tag)
        self.channel.basic_ack(tag)
        self.assert_closes_channel(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}", self.count, queue)

    def test_consumer_generator_with_inactivity_timeout(self):
        queue = self.queue("q", b"1", b"2", b"3")
        got = []
        for method, _, body in self.channel.consume(queue, inactivity_timeout=0.5):
            if method is None:
                break
            got.append(body)
            self.channel.basic_ack(method.delivery_tag)
        self.assertEqual(0, self.channel.cancel())
        self.assertEqual([b"1", b"2", b"3"], got)
