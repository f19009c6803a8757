"""Tutorial 6, RPC: answers each number in the queue `rpc_queue` with its Fibonacci number."""

import pika
from address import connect, serve


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def answer(channel, method, properties, body):
    number = int(body)
    channel.basic_publish(
        exchange="",
        routing_key=properties.reply_to,
        properties=pika.BasicProperties(correlation_id=properties.correlation_id),
        body=str(fibonacci(number)),
    )
    channel.basic_ack(delivery_tag=method.delivery_tag)
    print(f"fib({number})", flush=True)


channel = connect().channel()
channel.queue_declare(queue="rpc_queue")
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="rpc_queue", on_message_callback=answer)
print("waiting", flush=True)
serve(channel)
