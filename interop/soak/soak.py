#!/usr/bin/env python3
"""Load of many kinds on a running Leveret, its clients killed and replaced at random; says whether memory and files come back.

    soak.py LEVERET PID URI [MINUTES]

LEVERET is the program (for its `perf`), PID the broker's process. A minute of load and a minute idle give the figures to
compare with; then MINUTES (10) of load and a minute idle. Exit 1 when RSS is more than 20 % higher, or files are left open.
Standard library only.
"""

import os
import random
import signal
import subprocess
import sys
import time

LOADS = [
    ["-a", "-s", "16"],
    ["-a", "-s", "1024"],
    ["-s", "1024", "-q", "1000", "-A", "10"],
    ["-s", "512", "-c", "500", "-q", "200"],
    ["-a", "-s", "65536"],
    ["-a", "-s", "1024", "-e", "soak-%d", "-t", "fanout", "--queues", "10", "-y", "10"],
    ["-a", "-s", "200", "-x", "10", "-y", "10", "--queues", "10"],
]
CLIENTS = 3


class Soak:
    def __init__(self, leveret, pid, uri):
        self.leveret, self.pid, self.uri, self.started = leveret, pid, uri, 0

    def rss_mib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def client(self):
        """One `leveret perf` with queues of its own, which go 20 s after their last use."""
        self.started += 1
        load = [word.replace("soak-%d", f"soak-{self.started}") for word in random.choice(LOADS)]
        own = ["-u", f"soak-{self.started}-%d", "--queue-args", "x-expires=20000", "-z", "60s", "--quiet"]
        command = [self.leveret, "perf", "--uri", self.uri, *own, *load]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def load(self, seconds):
        end, kills = time.monotonic() + seconds, 0
        clients = [self.client() for _ in range(CLIENTS)]
        while time.monotonic() < end:
            time.sleep(random.uniform(0.5, 4))
            which = random.randrange(CLIENTS)
            self.kill(clients[which])
            clients[which] = self.client()
            kills += 1
        for client in clients:
            self.kill(client)
        return kills + CLIENTS

    @staticmethod
    def kill(client):
        client.send_signal(signal.SIGKILL)
        client.wait()

    def idle(self, what):
        time.sleep(60)
        rss, files = self.rss_mib(), self.files()
        print(f"{what} and a minute idle: RSS {rss:.0f} MiB, {files} files", flush=True)
        return rss, files


def main():
    leveret, pid, uri = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    minutes = float(sys.argv[4]) if len(sys.argv) > 4 else 10
    soak = Soak(leveret, pid, uri)
    files = soak.files()
    print(f"at the start: RSS {soak.rss_mib():.0f} MiB, {files} files", flush=True)
    soak.load(60)
    first, _ = soak.idle("a minute of load")
    kills = soak.load(minutes * 60)
    last, left = soak.idle(f"{minutes:g} minutes of load, {kills} clients killed,")
    return 0 if last <= 1.2 * first and left <= files else 1


if __name__ == "__main__":
    sys.exit(main())
