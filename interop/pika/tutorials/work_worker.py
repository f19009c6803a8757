"""Tutorial 2, work queues: takes one task at a time, works a tenth of a second for each dot, then acknowledges it."""

import time

from address import connect, serve


def work(channel, method, properties, body):
    print(f"received {body.decode()}", flush=True)
    time.sleep(body.count(b".") / 10)
    channel.basic_ack(delivery_tag=method.delivery_tag)
    print("done", flush=True)


channel = connect().channel()
channel.queue_declare(queue="task_queue", durable=True)
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="task_queue", on_message_callback=work)
print("waiting", flush=True)
serve(channel)
