"""Tutorial 1, hello world: puts one message into the queue `hello`."""

from address import connect

connection = connect()
channel = connection.channel()
channel.queue_declare(queue="hello")
channel.basic_publish(exchange="", routing_key="hello", body="Hello World!")
print("sent Hello World!")
connection.close()
