"""Tutorial 2, work queues: sends a task that survives a restart. work_new_task.py [TEXT...]; each dot is work."""

import sys

import pika
from address import connect

text = " ".join(sys.argv[1:]) or "Hello World!"
connection = connect()
channel = connection.channel()
channel.queue_declare(queue="task_queue", durable=True)
channel.basic_publish(
    exchange="",
    routing_key="task_queue",
    body=text,
    properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
)
print(f"sent {text}")
connection.close()
