"""Where the broker is: the address in AMQP_URL, else this machine's."""

import os

import pika


def connect():
    return pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2F")))


def serve(channel):
    """Consumes until Ctrl-C."""
    try:
        channel.start_consuming()
    except KeyboardInterrupt:
        channel.stop_consuming()
    channel.connection.close()
