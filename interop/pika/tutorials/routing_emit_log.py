"""Tutorial 4, routing: a line with a severity. routing_emit_log.py [SEVERITY [TEXT...]]"""

import sys

from address import connect

severity = sys.argv[1] if len(sys.argv) > 1 else "info"
text = " ".join(sys.argv[2:]) or "Hello World!"
connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange="direct_logs", exchange_type="direct")
channel.basic_publish(exchange="direct_logs", routing_key=severity, body=text)
print(f"sent {severity}:{text}")
connection.close()
