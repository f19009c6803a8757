"""Tutorial 4, routing: prints the lines of the severities named. routing_receive_logs.py SEVERITY..."""

import sys

from address import connect, serve

if len(sys.argv) < 2:
    sys.exit(f"usage: {sys.argv[0]} SEVERITY...")
channel = connect().channel()
channel.exchange_declare(exchange="direct_logs", exchange_type="direct")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
for severity in sys.argv[1:]:
    channel.queue_bind(exchange="direct_logs", queue=queue, routing_key=severity)
channel.basic_consume(
    queue=queue,
    on_message_callback=lambda channel, method, properties, body: print(f"received {method.routing_key}:{body.decode()}", flush=True),
    auto_ack=True,
)
print("waiting", flush=True)
serve(channel)
