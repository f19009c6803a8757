"""Tutorial 5, topics: prints the lines whose key fits a pattern. topics_receive_logs.py PATTERN..."""

import sys

from address import connect, serve

if len(sys.argv) < 2:
    sys.exit(f"usage: {sys.argv[0]} PATTERN...")
channel = connect().channel()
channel.exchange_declare(exchange="topic_logs", exchange_type="topic")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
for pattern in sys.argv[1:]:
    channel.queue_bind(exchange="topic_logs", queue=queue, routing_key=pattern)
channel.basic_consume(
    queue=queue,
    on_message_callback=lambda channel, method, properties, body: print(f"received {method.routing_key}:{body.decode()}", flush=True),
    auto_ack=True,
)
print("waiting", flush=True)
serve(channel)
