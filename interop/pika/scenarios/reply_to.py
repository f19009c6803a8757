"""RPC over direct reply-to: no queue of one's own."""

import pika

from scenarios import Case

REPLY_TO = "amq.rabbitmq.reply-to"


class ReplyTo(Case):
    def test_requests_are_answered_without_a_reply_queue(self):
        requests = self.queue("requests", exclusive=False, auto_delete=True)
        server = self.connect()
        serving, answers = server.channel(), []

        def serve(channel, method, properties, body):
            self.assertRegex(properties.reply_to, r"^amq\.rabbitmq\.reply-to\..+")
            channel.basic_publish("", properties.reply_to, body.upper(), pika.BasicProperties(correlation_id=properties.correlation_id))

        serving.basic_consume(requests, serve, auto_ack=True)
        self.channel.basic_consume(REPLY_TO, lambda channel, method, properties, body: answers.append((properties.correlation_id, body)), auto_ack=True)
        for number in range(10):
            self.channel.basic_publish("", requests, b"question %d" % number, pika.BasicProperties(reply_to=REPLY_TO, correlation_id=str(number)))
        self.connection.process_data_events(time_limit=0)
        self.eventually(lambda: server.process_data_events(time_limit=0.02) or len(answers) == 10, f"only {len(answers)} answers")
        self.assertEqual([(str(number), b"QUESTION %d" % number) for number in range(10)], answers)

    def test_it_must_not_be_acknowledged(self):
        self.assert_closes_channel(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge",
                                   self.channel.basic_consume, REPLY_TO, lambda *_: None)

    def test_asking_without_listening_is_refused(self):
        self.channel.basic_publish("", "x", b"m", pika.BasicProperties(reply_to=REPLY_TO))
        self.assert_closes_channel(406, "PRECONDITION_FAILED - fast reply consumer does not exist", self.count, "x")
