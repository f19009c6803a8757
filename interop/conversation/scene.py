"""A part of the script with its own connection: the few moves that most parts are made of.

`queue`, `exchange`, `bind`, `publish` and `get` set the stage and are not in the transcript; `op`, `confirmed` and `lands` are.
"""


def arguments(given):
    """x_message_ttl=5 as {"x-message-ttl": 5}."""
    return {key.replace("_", "-"): value for key, value in given.items()}


class Scene:
    def __init__(self, talk, label, **options):
        self.talk, self.link, self.n = talk, talk.link(label, **options), talk.name
        self.prefix = talk.part.replace("_", "-")

    def op(self, operation, name, number=1, link=None, **fields):
        return (link or self.link).op(f"{self.prefix}.{operation}", number, name, **fields)

    def expect(self, operation, wait, number=1, link=None, **fields):
        return (link or self.link).expect(f"{self.prefix}.{operation}", wait, number, **fields)

    def declare(self, operation, name, durable=False, exclusive=False, auto_delete=False, **given):
        """A queue.declare that is an operation."""
        flags = {key: True for key, value in
                 {"durable": durable, "exclusive": exclusive, "auto_delete": auto_delete}.items() if value}
        return self.op(operation, "queue.declare", queue=self.n(name) if name else "", **flags, arguments=arguments(given))

    def queue(self, name, durable=False, **given):
        self.link.quietly(1, "queue.declare", queue=self.n(name), durable=durable, arguments=arguments(given))
        return self.n(name)

    def quorum(self, name, **given):
        return self.queue(name, durable=True, x_queue_type="quorum", **given)

    def stream(self, name, *bodies, **given):
        """A stream with these messages, see `append`."""
        queue = self.queue(name, durable=True, x_queue_type="stream", **given)
        self.append(queue, *bodies)
        return queue

    def append(self, queue, *bodies, exchange="", number=61, delivery_mode=2, **properties):
        """Publishes one by one, each confirmed before the next: in a stream each is a chunk of its own. They are persistent,
        because RabbitMQ 3.10 and 4.0 say different things of the others."""
        properties |= {"delivery_mode": delivery_mode} if delivery_mode else {}
        for body in bodies:
            if number not in self.link.confirming:
                self.link.quietly(number, "confirm.select")
                self.link.confirming.add(number)
            self.link.quietly(number, "basic.publish", answer="basic.ack", exchange=exchange, routing_key=queue, body=body,
                              properties=properties)

    def read(self, operation, queue, messages, prefetch=10, number=10, settle=0.15, tag="c", close=True, fields=None, **given):
        """A consumer of a stream on a channel of its own, and so many deliveries; then it goes away again."""
        self.link.quietly(number, "basic.qos", prefetch_count=prefetch)
        self.op(operation, "basic.consume", number=number, queue=queue, consumer_tag=tag, **(fields or {}),
                arguments=arguments({"x_stream_offset": "first", **given}), wait="basic.deliver " * messages, settle=settle)
        if close:
            self.leave(number)

    def leave(self, number):
        """Closes a channel; what still comes from its consumers is nobody's."""
        if number in self.link.channels:
            self.link.quietly(number, "channel.close", reply_code=200)
            self.link.channels.discard(number)
        self.link.early = [event for event in self.link.early if event.channel != number]

    def exchange(self, name, type="direct", **given):
        self.link.quietly(1, "exchange.declare", exchange=self.n(name), type=type, arguments=arguments(given))
        return self.n(name)

    def bind(self, queue, exchange, key="", **given):
        self.link.quietly(1, "queue.bind", queue=queue, exchange=exchange, routing_key=key, arguments=arguments(given))

    def publish(self, key, *bodies, exchange="", **properties):
        for body in bodies or (b"m",):
            self.link.quietly(1, "basic.publish", exchange=exchange, routing_key=key, body=body, properties=properties)

    def filled(self, queue, *bodies, **properties):
        """Publishes to the queue and waits until they are there."""
        self.publish(queue, *bodies, **properties)
        self.link.count(queue, len(bodies))
        return queue

    def get(self, queue, number=1):
        """Takes one message, to be settled; its delivery tag."""
        return self.link.quietly(number, "basic.get", answer="basic.get-ok", queue=queue)["delivery_tag"]

    def confirmed(self, operation, key, body=b"m", answer="basic.ack", exchange="", number=2, **fields):
        """A publish on a confirming channel, and what the broker says of it."""
        if number not in self.link.confirming:
            self.link.quietly(number, "confirm.select")
            self.link.confirming.add(number)
        return self.op(operation, "basic.publish", number=number, exchange=exchange, routing_key=key, body=body, wait=answer, **fields)

    def lands(self, operation, queue, **fields):
        """What arrives there; none when nothing does."""
        self.link.count(queue, 1)
        return self.op(operation, "basic.get", queue=queue, **{"no_ack": True, **fields})

    def passive(self, operation, queue):
        return self.op(operation, "queue.declare", queue=queue, passive=True)

    def bodies(self, operation, queue):
        """Empties the queue: the bodies in their order."""
        self.talk.begin(f"{self.prefix}.{operation}")
        self.talk.write(f"{self.prefix}.{operation}", f"> {self.link.label} takes all of queue={queue!r}")
        said = []
        while True:
            event = self.link.quietly(62, "basic.get", answer=("basic.get-ok", "basic.get-empty"), queue=queue, no_ack=True)
            if event.name == "basic.get-empty":
                break
            said.append(bytes(event.content.body).decode())
        self.talk.write(f"{self.prefix}.{operation}", f"< {self.link.label} {' '.join(said) or 'nothing'}")

    def say(self, operation, said, *lines):
        """An operation whose outcome the script itself has summed up."""
        operation = f"{self.prefix}.{operation}"
        self.talk.begin(operation)
        self.talk.write(operation, f"> {self.link.label} {said}")
        for line in lines:
            self.talk.write(operation, f"< {self.link.label} {line}")
