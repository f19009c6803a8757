"""Tutorial 3, publish/subscribe: prints every line, through a queue of its own that the broker names."""

from address import connect, serve

channel = connect().channel()
channel.exchange_declare(exchange="logs", exchange_type="fanout")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
channel.queue_bind(exchange="logs", queue=queue)
channel.basic_consume(
    queue=queue,
    on_message_callback=lambda channel, method, properties, body: print(f"received {body.decode()}", flush=True),
    auto_ack=True,
)
print("waiting", flush=True)
serve(channel)
