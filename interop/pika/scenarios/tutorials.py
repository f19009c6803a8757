"""The six tutorial programs of ../tutorials, run as a user runs them: each in a process, with its output read."""

import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest

import pika
import scenarios

PROGRAMS = pathlib.Path(__file__).parent.parent / "tutorials"


class Program:
    """One running program, and the lines that it wrote."""

    def __init__(self, test, name, *arguments):
        self.name, self.lines = name, queue.Queue()
        environment = {**os.environ, "AMQP_URL": scenarios.URL, "PYTHONUNBUFFERED": "1"}
        # Whoever started us in the background may have taught us to ignore Ctrl-C, which children inherit.
        self.process = subprocess.Popen([sys.executable, str(PROGRAMS / name), *arguments], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        test.addCleanup(self.kill)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def next(self):
        try:
            return self.lines.get(timeout=20)
        except queue.Empty:
            self.process.kill()
            raise AssertionError(f"{self.name} wrote nothing more; its errors: {self.process.stderr.read()}") from None

    def take(self, count):
        return [self.next() for _ in range(count)]

    def waiting(self):
        line = self.next()
        assert line == "waiting", f"{self.name} wrote {line!r}"
        return self

    def stop(self):
        """Ctrl-C, which ends the receiving programs in order."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, f"{self.name} ended with {self.process.returncode}: {errors}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Tutorials(unittest.TestCase):
    def setUp(self):
        """The programs' names are fixed: a broker that outlives a failed run still has them."""
        connection = pika.BlockingConnection(pika.URLParameters(scenarios.URL))
        channel = connection.channel()
        for queue_name in ("hello", "task_queue", "rpc_queue"):
            channel.queue_delete(queue_name)
        for exchange in ("logs", "direct_logs", "topic_logs"):
            channel.exchange_delete(exchange)
        connection.close()

    def start(self, name, *arguments):
        return Program(self, name, *arguments).waiting()

    def run_once(self, name, *arguments):
        """A program that ends by itself; its lines."""
        result = subprocess.run([sys.executable, str(PROGRAMS / name), *arguments], capture_output=True, text=True, timeout=30,
                                env={**os.environ, "AMQP_URL": scenarios.URL})
        self.assertEqual(0, result.returncode, result.stderr)
        return result.stdout.splitlines()

    def test_1_hello_world(self):
        self.assertEqual(["sent Hello World!"], self.run_once("hello_send.py"))
        receiver = self.start("hello_receive.py")
        self.assertEqual("received Hello World!", receiver.next())
        self.run_once("hello_send.py")
        self.assertEqual("received Hello World!", receiver.next())
        receiver.stop()

    def test_2_work_queues(self):
        one, two = self.start("work_worker.py"), self.start("work_worker.py")
        for text in ("slow" + "." * 40, "a", "b", "c"):
            self.assertEqual([f"sent {text}"], self.run_once("work_new_task.py", text))
        # The slow task keeps one worker busy: with a prefetch of one, the other does the rest.
        first, second = one.next(), two.next()
        busy, free = (one, two) if "slow" in first else (two, one)
        self.assertEqual({"received slow" + "." * 40, "received a"}, {first, second})
        self.assertEqual(["done", "received b", "done", "received c", "done"], free.take(5))
        self.assertEqual("done", busy.next())
        # A worker that dies at work loses nothing: its task goes to the other.
        self.run_once("work_new_task.py", "killed" + "." * 20)
        deadline = time.monotonic() + 20
        while one.lines.empty() and two.lines.empty() and time.monotonic() < deadline:
            time.sleep(0.01)
        victim, heir = (two, one) if one.lines.empty() else (one, two)
        self.assertEqual("received killed" + "." * 20, victim.next())
        victim.process.kill()
        self.assertEqual("received killed" + "." * 20, heir.next())
        self.assertEqual("done", heir.next())
        heir.stop()

    def test_3_publish_subscribe(self):
        listeners = [self.start("publish_receive_logs.py") for _ in range(2)]
        for text in ("info: one", "info: two"):
            self.run_once("publish_emit_log.py", text)
        for listener in listeners:
            self.assertEqual(["received info: one", "received info: two"], listener.take(2))
        listeners[0].stop()
        self.run_once("publish_emit_log.py", "info: three")
        self.assertEqual("received info: three", listeners[1].next())
        listeners[1].stop()

    def test_4_routing(self):
        errors, everything = self.start("routing_receive_logs.py", "error"), self.start("routing_receive_logs.py", "info", "warning", "error")
        for severity in ("info", "error", "debug", "warning"):
            self.assertEqual([f"sent {severity}:a line"], self.run_once("routing_emit_log.py", severity, "a", "line"))
        self.assertEqual(["received info:a line", "received error:a line", "received warning:a line"], everything.take(3))
        self.assertEqual("received error:a line", errors.next())
        self.assertTrue(errors.lines.empty())
        errors.stop()
        everything.stop()

    def test_5_topics(self):
        patterns = {"all": ["#"], "kernel": ["kern.*"], "critical": ["*.critical"], "both": ["kern.*", "*.critical"]}
        listeners = {name: self.start("topics_receive_logs.py", *bindings) for name, bindings in patterns.items()}
        for key in ("kern.critical", "cron.info", "kern.info", "cron.critical", "kern.a.critical"):
            self.run_once("topics_emit_log.py", key, "x")
        expected = {
            "all": ["kern.critical", "cron.info", "kern.info", "cron.critical", "kern.a.critical"],
            "kernel": ["kern.critical", "kern.info"], "critical": ["kern.critical", "cron.critical"],
            "both": ["kern.critical", "kern.info", "cron.critical"],
        }
        for name, keys in expected.items():
            self.assertEqual([f"received {key}:x" for key in keys], listeners[name].take(len(keys)), name)
        for name, listener in listeners.items():
            self.assertTrue(listener.lines.empty(), name)
            listener.stop()

    def test_6_rpc(self):
        server = self.start("rpc_server.py")
        self.assertEqual(["asked fib(30)", "got 832040"], self.run_once("rpc_client.py"))
        self.assertEqual(["asked fib(90)", "got 2880067194370816120"], self.run_once("rpc_client.py", "90"))
        self.assertEqual(["fib(30)", "fib(90)"], server.take(2))
        server.stop()
