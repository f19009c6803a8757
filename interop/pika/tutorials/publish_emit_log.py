"""Tutorial 3, publish/subscribe: a line for everyone who listens. publish_emit_log.py [TEXT...]"""

import sys

from address import connect

text = " ".join(sys.argv[1:]) or "info: Hello World!"
connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange="logs", exchange_type="fanout")
channel.basic_publish(exchange="logs", routing_key="", body=text)
print(f"sent {text}")
connection.close()
