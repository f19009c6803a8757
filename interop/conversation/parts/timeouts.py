"""Consumer timeouts: which arguments are accepted where. That they work takes RabbitMQ a minute; Leveret's own tests show it."""

from scene import Scene
from wire import Typed


def play(talk):
    s = Scene(talk, "ct")
    q = s.queue("q")
    quorum = s.quorum("quorum")
    values = {"integer": 60000, "long": Typed("l", 3600000), "zero": 0, "negative": -1, "string": "1000", "bool": True, "void": None, "double": 1.5}
    for number, (case, value) in enumerate(values.items()):
        s.declare(f"queue.{case}", f"queue-{case}", x_consumer_timeout=value)
        s.op(f"consume.{case}", "basic.consume", number=2 + number, queue=q, consumer_tag=case, arguments={"x-consumer-timeout": value})
    s.op("consume.quorum", "basic.consume", number=20, queue=quorum, consumer_tag="q", arguments={"x-consumer-timeout": 60000})
    s.declare("quorum.queue", "quorum-with", durable=True, x_queue_type="quorum", x_consumer_timeout=60000)
    s.declare("redeclare.with", "plain")
    s.declare("redeclare.added", "plain", x_consumer_timeout=60000)
