"""Tutorial 5, topics: a line with a key of several words. topics_emit_log.py [KEY [TEXT...]]"""

import sys

from address import connect

key = sys.argv[1] if len(sys.argv) > 1 else "anonymous.info"
text = " ".join(sys.argv[2:]) or "Hello World!"
connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange="topic_logs", exchange_type="topic")
channel.basic_publish(exchange="topic_logs", routing_key=key, body=text)
print(f"sent {key}:{text}")
connection.close()
