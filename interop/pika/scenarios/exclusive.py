"""Exclusive and server-named queues: whose they are, and how long."""

from scenarios import Case

LOCKED = ("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{}' in vhost '/'. It could be originally declared on "
          "another connection or the exclusive property value does not match that of the original declaration.")


class Exclusive(Case):
    def test_other_connections_are_locked_out(self):
        queue = self.queue("q")
        for call in (lambda channel: channel.queue_declare(queue, passive=True), lambda channel: channel.basic_consume(queue, lambda *_: None),
                     lambda channel: channel.queue_delete(queue), lambda channel: channel.basic_get(queue)):
            self.assert_closes_channel(405, LOCKED.format(queue), call, self.connect().channel())

    def test_other_connections_may_publish_to_it(self):
        queue = self.queue("q")
        self.connect().channel().basic_publish("", queue, b"m")
        self.assertEqual(b"m", self.get(queue)[2])

    def test_it_goes_with_its_connection(self):
        owner = self.connect()
        queue = self.queue("q", channel=owner.channel())
        owner.close()
        self.assert_closes_channel(404, f"NOT_FOUND - no queue '{queue}' in vhost '/'", self.count, queue)

    def test_the_broker_finds_names_that_nobody_has(self):
        names = {self.channel.queue_declare("", exclusive=True).method.queue for _ in range(20)}
        self.assertEqual(20, len(names))
        for name in names:
            self.assertRegex(name, r"^amq\.gen-[A-Za-z0-9_-]{22}$")
