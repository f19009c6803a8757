"""Tutorial 6, RPC: asks for a Fibonacci number and waits for the answer to this very question. rpc_client.py [NUMBER]"""

import sys
import uuid

import pika
from address import connect


class Fibonacci:
    """The remote function, called like a local one."""

    def __init__(self):
        self.connection = connect()
        self.channel = self.connection.channel()
        self.callback_queue = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(queue=self.callback_queue, on_message_callback=self.on_response, auto_ack=True)
        self.correlation_id = self.response = None

    def on_response(self, channel, method, properties, body):
        if properties.correlation_id == self.correlation_id:
            self.response = int(body)

    def __call__(self, number):
        self.response, self.correlation_id = None, str(uuid.uuid4())
        self.channel.basic_publish(
            exchange="",
            routing_key="rpc_queue",
            properties=pika.BasicProperties(reply_to=self.callback_queue, correlation_id=self.correlation_id),
            body=str(number),
        )
        while self.response is None:
            self.connection.process_data_events(time_limit=None)
        return self.response


number = int(sys.argv[1]) if len(sys.argv) > 1 else 30
fibonacci = Fibonacci()
print(f"asked fib({number})")
print(f"got {fibonacci(number)}")
fibonacci.connection.close()
