#!/usr/bin/env python3
"""Makes what tests/management/fixtures/definitions-4.0.json.gz has in it: a RabbitMQ with 20 vhosts, 100 users, 500 queues.

    make.py http://guest:guest@127.0.0.1:15672 definitions.json.gz

Asks a real RabbitMQ 4.0 (with the plugins management, consistent hash, random and recent history) by its HTTP API for one of
everything and much of some things, and writes what it then exports. The broker must be empty but for guest and the vhost /.
Standard library only; everything is chosen by counting, so that two runs differ in salts and orders alone.
"""

import base64
import gzip
import http.client
import json
import sys
import urllib.parse

VHOSTS, USERS, QUEUES = 20, 100, 500


class Broker:
    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
        login = base64.b64encode(f"{at.username}:{at.password}".encode()).decode()
        self.headers = {"authorization": f"Basic {login}", "content-type": "application/json"}

    def call(self, method, *path, body=None):
        url = "/".join(["/api", *(urllib.parse.quote(word, safe="") for word in path)])
        self.connection.request(method, url, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {url}: {answer.status} {text.decode()} {body}")
        return text

    def put(self, *path, **fields):
        self.call("PUT", *path, body={name.replace("_", "-") if path[0].endswith("policies") else name: value for name, value in fields.items()})


# One of each, as far as a definitions file can say it.
ARGUMENTS = [
    {},
    {"x-message-ttl": 60000},
    {"x-expires": 86400000},
    {"x-max-length": 1000, "x-overflow": "drop-head"},
    {"x-max-length": 1000, "x-overflow": "reject-publish"},
    {"x-max-length-bytes": 1 << 20, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "dead"},
    {"x-dead-letter-exchange": "dead", "x-dead-letter-routing-key": "späte Ernte"},
    {"x-dead-letter-exchange": ""},
    {"x-max-priority": 10},
    {"x-single-active-consumer": True},
    {"x-queue-mode": "lazy"},
    {"x-queue-version": 2},
    {"x-queue-type": "classic", "x-max-length": 5, "x-message-ttl": 0},
    {"x-queue-type": "quorum"},
    {"x-queue-type": "quorum", "x-delivery-limit": 5, "x-dead-letter-exchange": "dead", "x-dead-letter-strategy": "at-least-once",
     "x-overflow": "reject-publish"},
    {"x-queue-type": "quorum", "x-quorum-initial-group-size": 1, "x-max-length": 10},
    {"x-queue-type": "quorum", "x-single-active-consumer": True, "x-queue-leader-locator": "balanced"},
    {"x-mine": {"deep": [1, "two", 3.5, True, {"x": -9000000000}]}, "x-empty": {}, "x-list": []},
]

EXCHANGES = [
    ("dead", {"type": "fanout"}),
    ("direct", {"type": "direct"}),
    ("topic", {"type": "topic", "arguments": {"alternate-exchange": "dead"}}),
    ("headers", {"type": "headers"}),
    ("inner", {"type": "fanout", "internal": True}),
    ("passing", {"type": "direct", "durable": False}),
    ("leaving", {"type": "topic", "auto_delete": True}),
    ("hash", {"type": "x-consistent-hash"}),
    ("hash-header", {"type": "x-consistent-hash", "arguments": {"hash-header": "who"}}),
    ("hash-property", {"type": "x-consistent-hash", "arguments": {"hash-property": "message_id"}}),
    ("random", {"type": "x-random"}),
    ("local-random", {"type": "x-local-random"}),
    ("recent", {"type": "x-recent-history", "arguments": {"x-recent-history-length": 7}}),
]

POLICIES = [
    {"pattern": "^p\\.", "apply_to": "queues", "priority": 1, "definition": {"max-length": 100, "overflow": "reject-publish"}},
    {"pattern": "^p\\.1", "apply_to": "classic_queues", "priority": 2, "definition": {"message-ttl": 1000, "expires": 86400000}},
    {"pattern": "quorum$", "apply_to": "quorum_queues", "priority": 3, "definition": {"delivery-limit": 7, "dead-letter-exchange": "dead"}},
    {"pattern": "", "apply_to": "exchanges", "priority": -5, "definition": {"alternate-exchange": "dead"}},
    {"pattern": "a|b", "apply_to": "all", "definition": {"dead-letter-routing-key": "k", "max-length-bytes": 1 << 30}},
]

TAGS = ["", "management", "monitoring", "policymaker,management", ["administrator"], ["mine", "with space"]]


def main(url, path):
    broker = Broker(url)
    vhosts = ["/"] + [["main", "with space", "Größe", "a/b", "x.y"][at % 5] + f"-{at}" for at in range(1, VHOSTS)]
    for at, vhost in enumerate(vhosts):
        metadata = {} if at % 3 == 0 else {"description": f"Nummer {at}", "tags": ["production", f"t{at}"]}
        if at % 4 == 1:
            metadata["default_queue_type"] = "quorum"
        broker.put("vhosts", vhost, **metadata)
    for at in range(1, USERS):
        name = f"user-{at}" if at % 10 else f"Benützer {at}"
        login = {"password": f"secret {at}"} if at % 7 else {}
        if at % 11 == 0:
            login = {"password_hash": "aGVsbG8gd29ybGQ=", "hashing_algorithm": "rabbit_password_hashing_md5"}
        if at % 13 == 0:
            login = {"password_hash": base64.b64encode(bytes(range(68))).decode(), "hashing_algorithm": "rabbit_password_hashing_sha512"}
        broker.put("users", name, tags=TAGS[at % len(TAGS)], **login)
        for vhost in vhosts[at % VHOSTS::7]:
            broker.put("permissions", vhost, name, configure=f"^user-{at}\\.", write=".*" if at % 2 else "^(a|b)$", read="")
        if at % 5 == 0:
            for exchange in ["amq.topic", "topic"]:
                broker.put("topic-permissions", vhosts[at % VHOSTS], name, exchange=exchange, write="^{username}\\.", read=f"^a{at}")
        if at % 9 == 0:
            broker.put("user-limits", name, "max-connections", value=at)
            broker.put("user-limits", name, "max-channels", value=-1)
    for at, vhost in enumerate(vhosts):
        if at % 2:
            broker.put("vhost-limits", vhost, "max-queues", value=1000 + at)
        if at % 5 == 2:
            broker.put("vhost-limits", vhost, "max-connections", value=-1)
        for name, exchange in EXCHANGES:
            broker.put("exchanges", vhost, name, **{"durable": True, **exchange})
        for number, policy in enumerate(POLICIES):
            if (at + number) % 2:
                broker.put("policies", vhost, f"policy {number}", **policy)
        if at % 3 == 1:
            broker.put("operator-policies", vhost, "limits", pattern=".*", apply_to="queues", priority=0,
                       definition={"max-length": 5000, "expires": 604800000, "message-ttl": 3600000})
            broker.put("operator-policies", vhost, "of quorums", pattern="^q", apply_to="quorum_queues", priority=9, definition={"delivery-limit": 50})
        broker.call("POST", "bindings", vhost, "e", "topic", "e", "direct", body={"routing_key": "a.*.#"})
        broker.call("POST", "bindings", vhost, "e", "direct", "e", "inner", body={"routing_key": "in"})
    broker.put("parameters", "vhost-limits", vhosts[4], "limits", value={})
    broker.put("global-parameters", "mine", value={"any": ["thing", 1, None, 2.5]})
    broker.put("global-parameters", "mqtt_port_to_vhost_mapping", value={"1883": "main-1"})
    for at in range(QUEUES):
        vhost, arguments = vhosts[at % VHOSTS], ARGUMENTS[at // VHOSTS % len(ARGUMENTS)]
        quorum = arguments.get("x-queue-type") == "quorum"
        name = f"{'pq'[at % 2]}.{at}{'.quorum' if quorum else ''}{' ü' if at % 50 == 49 else ''}"
        # Where the vhost's own type is quorum, what only classic queues can do says so.
        if at % VHOSTS % 4 == 1 and not quorum:
            arguments = {**arguments, "x-queue-type": "classic"}
        durable = quorum or at % 30 != 3
        broker.put("queues", vhost, name, durable=durable, auto_delete=not quorum and at % 40 == 7, arguments=arguments)

        def bind(exchange, key, fields=None):
            broker.call("POST", "bindings", vhost, "e", exchange, "q", name, body={"routing_key": key, "arguments": fields or {}})

        bind(["direct", "amq.direct"][at % 2], f"key.{at}")
        if at % 3 == 0:
            bind("topic", f"*.{at}.#")
            bind("amq.topic", "")
        if at % 4 == 0:
            bind("headers", "", {"x-match": ["all", "any", "all-with-x", "any-with-x"][at // 4 % 4], "number": at, "text": "t", "flag": False})
            bind("hash", str(1 + at % 3))
        if at % 6 == 0:
            bind("random", ""), bind("recent", "")
            if not quorum:
                bind("local-random", "")
    document = json.loads(broker.call("GET", "definitions"))
    counts = {noun: len(items) for noun, items in document.items() if isinstance(items, list)}
    print(counts)
    assert (counts["vhosts"], counts["users"], counts["queues"]) == (VHOSTS, USERS, QUEUES)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    with open(path, "wb") as file:
        file.write(gzip.compress(text, 9, mtime=0))
    print(len(text), "bytes of JSON")


if __name__ == "__main__":
    main(*sys.argv[1:])
