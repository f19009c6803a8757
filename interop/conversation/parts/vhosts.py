"""Virtual hosts: how many connections and queues they and their users may have, their default queue type, and their end."""

import wire
from peer import Peer
from scene import Scene
from talk import collect


def play(talk):
    admin, token = talk.admin, talk.token
    vhost = f"{token}.vhost"

    def http(operation, method, *path, **fields):
        return admin.op(f"vhosts.{operation}", method, *path, **fields)

    def opens(operation, vhost, user=None):
        """connection.open by a fresh connection, which closes again when it got in."""
        peer = Peer(talk.address)
        peer.send(wire.PROTOCOL_HEADER)
        peer.need("connection.start")
        response = f"\0{user}\0{user}" if user else talk.address.plain
        peer.method(0, "connection.start-ok", mechanism="PLAIN", response=response, locale="en_US",
                    client_properties={"capabilities": {"authentication_failure_close": True}})
        peer.need("connection.tune")
        peer.method(0, "connection.tune-ok", channel_max=100, frame_max=131072, heartbeat=0)
        talk.raw(f"vhosts.{operation}", peer, wire.frame(wire.METHOD, 0, wire.method("connection.open", virtual_host=vhost)), "connection.open-ok",
                 f"connection.open {vhost!r}{' as ' + user if user else ''}")
        peer.method(0, "connection.close", reply_code=200)
        collect(peer, "connection.close-ok", 2)
        peer.close()

    http("put", "PUT", "vhosts", vhost, body={})
    http("put-again", "PUT", "vhosts", vhost, body={"description": "d", "tags": "a,b"})
    http("get", "GET", "vhosts", vhost, show=("name", "description", "tags", "tracing"))
    http("get-missing", "GET", "vhosts", vhost + ".missing")
    http("permissions", "PUT", "permissions", vhost, talk.address.user, body={"configure": ".*", "write": ".*", "read": ".*"})
    opens("open", vhost)
    opens("open-missing", vhost + ".missing")

    # Queues.
    s = Scene(talk, "vq", vhost=vhost)
    http("max-queues.two", "PUT", "vhost-limits", vhost, "max-queues", body={"value": 2})
    for number in range(3):
        s.declare(f"max-queues.declare-{number}", f"q{number}")
    s.op("max-queues.server-named", "queue.declare", queue="")
    s.declare("max-queues.exclusive", "mine", exclusive=True)
    s.declare("max-queues.known-one", "q1")
    s.declare("max-queues.known-one-other-arguments", "q1", x_message_ttl=1)
    s.declare("max-queues.invalid-argument-first", "q3", x_message_ttl=-1)
    s.passive("max-queues.passive", s.n("q1"))
    s.declare("max-queues.quorum", "quorum", durable=True, x_queue_type="quorum")
    s.op("max-queues.delete-one", "queue.delete", queue=s.n("q0"))
    s.declare("max-queues.room-again", "q4")
    http("max-queues.zero", "PUT", "vhost-limits", vhost, "max-queues", body={"value": 0})
    s.declare("max-queues.none", "q5")
    http("max-queues.unlimited", "PUT", "vhost-limits", vhost, "max-queues", body={"value": -1})
    s.declare("max-queues.all", "q5")
    http("max-queues.show", "GET", "vhost-limits", vhost, show=("vhost", "value"))
    http("max-queues.delete", "DELETE", "vhost-limits", vhost, "max-queues")

    # Connections; the one of `s` counts.
    http("max-connections.one", "PUT", "vhost-limits", vhost, "max-connections", body={"value": 1})
    opens("max-connections.second", vhost)
    s.op("max-connections.first-goes-on", "queue.declare", queue="", exclusive=True)
    http("max-connections.two", "PUT", "vhost-limits", vhost, "max-connections", body={"value": 2})
    opens("max-connections.second-of-two", vhost)
    http("max-connections.zero", "PUT", "vhost-limits", vhost, "max-connections", body={"value": 0})
    opens("max-connections.none", vhost)
    http("max-connections.delete", "DELETE", "vhost-limits", vhost, "max-connections")
    opens("max-connections.all", vhost)
    for case, name, body in [("string", "max-queues", {"value": "5"}), ("unknown", "max-apples", {"value": 5}), ("no-value", "max-queues", {}),
                             ("null", "max-queues", {"value": None}), ("double", "max-queues", {"value": 1.5})]:
        http(f"limit.{case}", "PUT", "vhost-limits", vhost, name, body=body)
    http("limit.missing-vhost", "PUT", "vhost-limits", vhost + ".missing", "max-queues", body={"value": 5})

    # Users.
    user = f"{token}-user"
    http("user.put", "PUT", "users", user, body={"password": user, "tags": ""})
    opens("user.no-permissions", vhost, user)
    http("user.permissions", "PUT", "permissions", vhost, user, body={"configure": ".*", "write": ".*", "read": ".*"})
    opens("user.open", vhost, user)
    http("user.max-connections", "PUT", "user-limits", user, "max-connections", body={"value": 0})
    opens("user.max-connections-open", vhost, user)
    http("user.max-connections-delete", "DELETE", "user-limits", user, "max-connections")
    http("user.max-channels", "PUT", "user-limits", user, "max-channels", body={"value": 1})
    limited = talk.link("vu", vhost=vhost, user=user)
    limited.channel(1)
    limited.frames("vhosts.user.max-channels-second", "vu 2 channel.open", wire.frame(wire.METHOD, 2, wire.method("channel.open")), "channel.open-ok", number=1)
    http("user.limit-unknown", "PUT", "user-limits", user, "max-apples", body={"value": 1})
    http("user.limit-string", "PUT", "user-limits", user, "max-channels", body={"value": "x"})
    http("user.limit-missing-user", "PUT", "user-limits", user + "-missing", "max-channels", body={"value": 1})

    # The default queue type.
    typed = f"{token}.typed"
    http("default-type.put", "PUT", "vhosts", typed, body={"default_queue_type": "quorum"})
    admin.quietly("PUT", "permissions", typed, talk.address.user, body={"configure": ".*", "write": ".*", "read": ".*"})
    t = Scene(talk, "vt", vhost=typed)
    t.queue("durable", durable=True)
    t.declare("default-type.durable-is-quorum", "durable", durable=True, x_queue_type="quorum")
    t.declare("default-type.durable-is-not-classic", "durable", durable=True, x_queue_type="classic")
    t.declare("default-type.same-without", "durable", durable=True)
    t.queue("transient")
    t.declare("default-type.transient-is-classic", "transient", x_queue_type="classic")
    t.declare("default-type.exclusive", "exclusive", durable=True, exclusive=True)
    t.declare("default-type.auto-delete", "auto", durable=True, auto_delete=True)
    t.declare("default-type.explicit", "classic", durable=True, x_queue_type="classic")
    t.declare("default-type.classic-argument", "priority", durable=True, x_max_priority=5)
    http("default-type.bad", "PUT", "vhosts", typed + ".bad", body={"default_queue_type": "foo"})

    # The end: those who are connected are told.
    http("delete", "DELETE", "vhosts", vhost)
    told(talk, s.link)
    talk.links.pop("vu").peer.close()
    opens("delete.open", vhost)
    http("delete.again", "DELETE", "vhosts", vhost)


def told(talk, link):
    operation = "vhosts.delete.told"
    talk.begin(operation)
    talk.write(operation, f"> {link.label} (listens)")
    for event in collect(link.peer, "connection.close", 6):
        # RabbitMQ says "is deleted" or "is down", whichever of two of its processes is first.
        talk.write(operation, f"< {link.label} {event}".replace("' is down", "' is deleted"))
    link.peer.method(0, "connection.close-ok")
    link.peer.close()
    talk.links.pop(link.label)
