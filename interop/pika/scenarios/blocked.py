"""connection.blocked and unblocked: a publisher is told of the memory alarm and goes on when it is over.

The broker needs little memory to its watermark and may keep more messages in memory than that, so that messages
alone reach it: `leveret --set vm_memory_high_watermark.absolute=150MiB --set message_memory_budget=1GiB`. RabbitMQ
writes them to its disk instead; for it, ALARM_ON and ALARM_OFF may name the commands that set and clear the alarm.
"""

import os
import subprocess
import time

from scenarios import Case

MESSAGE = bytes(1024 * 1024)


class Blocked(Case):
    def test_a_publisher_is_blocked_and_unblocked(self):
        queue, told = self.queue("q", exclusive=False, auto_delete=False), []
        drain = self.connect()
        self.addCleanup(lambda: drain.channel().queue_delete(queue))
        publisher = self.connect(heartbeat=0, blocked_connection_timeout=30)
        publisher.add_on_connection_blocked_callback(lambda _, frame: told.append(frame.method.reason))
        publisher.add_on_connection_unblocked_callback(lambda _, frame: told.append("unblocked"))
        channel = publisher.channel()
        command = os.environ.get("ALARM_ON")
        if command:
            subprocess.run(command, shell=True, check=True, capture_output=True)
            self.addCleanup(subprocess.run, os.environ["ALARM_OFF"], shell=True, check=True, capture_output=True)
        deadline = time.monotonic() + 60
        while not told:
            self.assertLess(time.monotonic(), deadline, "never blocked")
            channel.basic_publish("", queue, MESSAGE)
            publisher.process_data_events(time_limit=0.02)
        self.assertEqual(["low on memory"], told)
        # Others work on; a blocked connection is not read any more.
        draining = drain.channel()
        self.assertEqual(queue, draining.queue_declare(queue, passive=True).method.queue)
        if command:
            subprocess.run(os.environ["ALARM_OFF"], shell=True, check=True, capture_output=True)
        draining.queue_purge(queue)
        deadline = time.monotonic() + 60
        while len(told) < 2:
            self.assertLess(time.monotonic(), deadline, "never unblocked")
            publisher.process_data_events(time_limit=0.1)
            draining.queue_purge(queue)
        self.assertEqual(["low on memory", "unblocked"], told)
        channel.basic_publish("", queue, b"after")
        self.eventually(lambda: channel.basic_get(queue, auto_ack=True)[2] == b"after", "not unblocked", connection=publisher)
