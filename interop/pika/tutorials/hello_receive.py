"""Tutorial 1, hello world: prints what arrives in the queue `hello`."""

from address import connect, serve

channel = connect().channel()
channel.queue_declare(queue="hello")
channel.basic_consume(
    queue="hello",
    on_message_callback=lambda channel, method, properties, body: print(f"received {body.decode()}", flush=True),
    auto_ack=True,
)
print("waiting", flush=True)
serve(channel)
