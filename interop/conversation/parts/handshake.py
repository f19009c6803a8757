"""Connection class, up to open and at the end: protocol header, start-ok, tune-ok, open, close, heartbeats, update-secret.

What makes the broker wait (three seconds after a failed login, ten for a silent client) runs in the background of the
script, all of it at once.
"""

import time

import wire
from peer import CAPABILITIES, CLOSED, Peer
from talk import collect

SLOW = 14.0


def play(talk):
    headers(talk)
    start(talk)
    tune(talk)
    opening(talk)
    running(talk)
    in_background(talk)


def start_ok(response, mechanism="PLAIN", capabilities=CAPABILITIES):
    properties = {"product": "conversation", "capabilities": capabilities}
    return wire.frame(wire.METHOD, 0, wire.method("connection.start-ok", client_properties=properties, mechanism=mechanism,
                                                  response=response, locale="en_US"))


def tune_ok(channel_max=2047, frame_max=131072, heartbeat=0):
    return wire.frame(wire.METHOD, 0, wire.method("connection.tune-ok", channel_max=channel_max, frame_max=frame_max,
                                                  heartbeat=heartbeat))


def open_(vhost):
    return wire.frame(wire.METHOD, 0, wire.method("connection.open", virtual_host=vhost))


def at_start(talk):
    peer = Peer(talk.address)
    peer.send(wire.PROTOCOL_HEADER)
    return peer, peer.need("connection.start")


def at_tune(talk):
    peer, _ = at_start(talk)
    peer.send(start_ok(talk.address.plain))
    peer.need("connection.tune")
    return peer


def headers(talk):
    for case, raw in [
        ("0-9-0", b"AMQP\x00\x00\x09\x00"), ("0-10", b"AMQP\x00\x00\x0a\x00"), ("0-8", b"AMQP\x01\x01\x08\x00"),
        ("http", b"GET / HTTP/1.1\r\n\r\n"), ("garbage", b"\x00\x01\x02\x03\x04\x05\x06\x07"), ("0-9-as-0-9-wrote-it", b"AMQP\x01\x01\x00\x09"),
    ]:
        operation, peer = f"connection.header.{case}", Peer(talk.address)
        talk.begin(operation)
        talk.write(operation, f"> {raw.hex()}")
        peer.send(raw)
        events = collect(peer, CLOSED, 0.5)
        for event in events:
            # The start of a handshake names the broker's version: its content is the next operation's.
            talk.write(operation, f"< {event.name if event.name == 'connection.start' else event}")
        peer.close()


def start(talk):
    """Keys and types of the server properties; the values of those that name the broker are its own."""
    operation = "connection.start"
    talk.begin(operation)
    peer, event = at_start(talk)
    properties = {name: (letter, value) for name, letter, value in event["server_properties"]}
    talk.write(operation, f"< version {event['version_major']}-{event['version_minor']} locales {event['locales'].decode()}")
    for name in sorted(properties):
        letter, value = properties[name]
        shown = wire.show_value(letter, sorted(value)) if letter == "F" else f"{letter} <text>"
        talk.write(operation, f"< server property {name}: {shown}")
    offered = set(event["mechanisms"].decode().split())
    talk.write(operation, f"< mechanisms with PLAIN and AMQPLAIN: {int(offered >= {'PLAIN', 'AMQPLAIN'})}")
    address = talk.address
    talk.raw("connection.start-ok.plain", peer, start_ok(address.plain), "connection.tune", "start-ok PLAIN")
    peer.close()
    peer, _ = at_start(talk)
    login = wire.table([("LOGIN", address.user), ("PASSWORD", address.password)])[4:]
    talk.raw("connection.start-ok.amqplain", peer, start_ok(login, "AMQPLAIN"), "connection.tune", "start-ok AMQPLAIN")
    peer.close()
    peer, _ = at_start(talk)
    login = wire.table([("PASSWORD", address.password.encode()), ("LOGIN", address.user.encode())])[4:]
    talk.raw("connection.start-ok.amqplain-binary", peer, start_ok(login, "AMQPLAIN"), "connection.tune",
             "start-ok AMQPLAIN, values of type x")
    peer.close()
    for case, response in [("wrong-password", "\0guest\0wrong"), ("unknown-user", "\0nobody\0guest"), ("empty-password", "\0guest\0")]:
        peer, _ = at_start(talk)
        talk.raw(f"connection.start-ok.{case}", peer, start_ok(response), "connection.close", f"start-ok PLAIN {response!r}")
        talk.raw(f"connection.start-ok.{case}.close-ok", peer, wire.frame(1, 0, wire.method("connection.close-ok")), CLOSED,
                 "connection.close-ok")
        peer.close()
    peer, _ = at_start(talk)
    login = wire.table([("LOGIN", "guest"), ("PASSWORD", "wrong")])[4:]
    talk.raw("connection.start-ok.amqplain-wrong", peer, start_ok(login, "AMQPLAIN"), "connection.close",
             "start-ok AMQPLAIN, wrong password")
    peer.close()


def tune(talk):
    for case, options in [
        ("asked-for", {}), ("channel-max-1", {"channel_max": 1}), ("frame-max-8192", {"frame_max": 8192}),
        ("frame-max-4096", {"frame_max": 4096}), ("heartbeat-65535", {"heartbeat": 65535}),
    ]:
        peer = at_tune(talk)
        talk.raw(f"connection.tune-ok.{case}", peer, tune_ok(**options) + open_(talk.address.vhost), "connection.open-ok",
                 f"tune-ok {options} and connection.open")
        peer.close()


def opening(talk):
    for case, vhost in [("unknown-vhost", "no/such"), ("empty-vhost", ""), ("leading-slash", "//")]:
        peer = at_tune(talk)
        talk.raw(f"connection.open.{case}", peer, tune_ok() + open_(vhost), "connection.close", f"tune-ok and open {vhost!r}")
        talk.raw(f"connection.open.{case}.close-ok", peer, wire.frame(1, 0, wire.method("connection.close-ok")), CLOSED,
                 "connection.close-ok")
        peer.close()
    peer = at_tune(talk)
    talk.raw("connection.open.channel-first", peer, tune_ok() + wire.frame(1, 1, wire.method("channel.open")), "connection.close",
             "tune-ok and channel.open on channel 1")
    peer.close()


def running(talk):
    link = talk.link("h")
    method = lambda name, **fields: wire.frame(1, 0, wire.method(name, **fields))
    for case, raw, shown in [
        ("open-again", open_("/"), "connection.open"),
        ("tune-ok-again", tune_ok(), "connection.tune-ok"),
        ("start-ok-again", start_ok(talk.address.plain), "connection.start-ok"),
        ("secure-ok", method("connection.secure-ok", response="x"), "connection.secure-ok"),
    ]:
        link.frames(f"connection.running.{case}", f"0 {shown}", raw, "connection.close")
    link.frames("connection.update-secret", "0 connection.update-secret new_secret='s' reason='r'",
                method("connection.update-secret", new_secret="s", reason="r"), "connection.update-secret-ok")
    for case, fields in [("plain", {"reply_code": 200, "reply_text": "Goodbye"}),
                         ("error-code", {"reply_code": 541, "reply_text": "x" * 255, "class_id": 60, "method_id": 40})]:
        peer = Peer(talk.address).handshake()
        peer.open_channel(1)
        talk.raw(f"connection.close.{case}", peer, method("connection.close", **fields), "connection.close-ok",
                 f"connection.close {fields['reply_code']}")
        peer.close()
    # The exclusive queue of a connection is gone before its close-ok.
    peer = Peer(talk.address).handshake()
    peer.open_channel(1)
    queue = talk.name("exclusive-at-close")
    peer.method(1, "queue.declare", queue=queue, exclusive=True)
    peer.need("queue.declare-ok")
    talk.raw("connection.close.with-exclusive-queue", peer, method("connection.close", reply_code=200), "connection.close-ok",
             "connection.close, owning an exclusive queue")
    link.op("connection.close.exclusive-queue-is-gone", 1, "queue.declare", queue=queue, passive=True)
    peer.close()
    # An error acknowledged by the client's own close.
    peer = Peer(talk.address).handshake()
    peer.open_channel(1)
    talk.raw("connection.close.by-the-server", peer, wire.frame(1, 1, wire.method("basic.qos", prefetch_size=1)), "connection.close",
             "basic.qos with prefetch_size")
    talk.raw("connection.close.by-the-server.all-else-is-ignored", peer,
             wire.frame(1, 1, wire.method("channel.flow", active=True)) + wire.frame(1, 2, wire.method("channel.open")) + b"nonsense", "quiet",
             "channel.flow, channel.open and nonsense")
    peer.close()
    peer = Peer(talk.address).handshake()
    peer.open_channel(1)
    peer.method(1, "basic.qos", prefetch_size=1)
    peer.need("connection.close")
    talk.raw("connection.close.by-the-server.answered-by-close", peer, method("connection.close", reply_code=200),
             "connection.close-ok", "connection.close")
    talk.raw("connection.close.by-the-server.close-ok", peer, method("connection.close-ok"), CLOSED, "connection.close-ok")
    peer.close()


def in_background(talk):
    """The slow ones, each in its thread; the transcript has them at its end, in this order."""
    address = talk.address
    wrong_plain = "\0guest\0wrong"

    def prepared(at, raw):
        def begin():
            peer = at_tune(talk) if at == "tune" else at_start(talk)[0] if at == "start" else Peer(address)
            peer.send(raw)
            return peer
        return begin

    without_capability = {key: True for key in CAPABILITIES if key != "authentication_failure_close"}
    for case, at, raw in [
        ("start-ok.wrong-password-without-capability", "start", start_ok(wrong_plain, capabilities=without_capability)),
        ("start-ok.unknown-mechanism", "start", start_ok("x", "SCRAM-NOPE")),
        ("start-ok.plain-with-authzid", "start", start_ok("zz\0guest\0guest")),
        ("start-ok.plain-without-nul", "start", start_ok("guest")),
        ("start-ok.amqplain-without-login", "start", start_ok(wire.table([("PASSWORD", "guest")])[4:], "AMQPLAIN")),
        ("tune-ok.channel-max-too-high", "tune", tune_ok(channel_max=2048)),
        ("tune-ok.channel-max-zero", "tune", tune_ok(channel_max=0)),
        ("tune-ok.frame-max-too-high", "tune", tune_ok(frame_max=131073)),
        ("tune-ok.frame-max-too-low", "tune", tune_ok(frame_max=4095)),
        ("tune-ok.frame-max-zero", "tune", tune_ok(frame_max=0)),
        ("handshake.silent-after-header", "start", b""),
        ("handshake.silent-from-the-start", "connect", b""),
        ("handshake.half-a-header", "connect", b"AMQP"),
    ]:
        talk.background(f"connection.{case}", raw.hex() if len(raw) < 40 else "connection.start-ok", prepared(at, raw), ends)
    talk.background("connection.heartbeat.silent-client", "heartbeat 1 agreed, then nothing",
                    lambda: Peer(address).handshake(heartbeat=1), dies)
    talk.background("connection.heartbeat.client-beats", "heartbeat 1 agreed, a heartbeat every half second for five seconds",
                    lambda: Peer(address).handshake(heartbeat=1), lives)


def ends(peer):
    """What came, and how the stream ended, in steps of the waits that RabbitMQ has."""
    began = time.monotonic()
    lines = [str(event) for event in collect(peer, CLOSED, SLOW)]
    took = time.monotonic() - began
    return lines + ["at once" if took < 1.5 else "after about 3 s" if took < 6 else "after about 10 s" if took < SLOW - 1 else "never"]


def dies(peer):
    began, beats = time.monotonic(), 0
    while (event := peer.next(SLOW)) is not None and event.name == "heartbeat":
        beats += 1
    took = time.monotonic() - began
    return [f"heartbeats came: {int(beats > 0)}", str(event), f"between 1.5 s and 5 s: {int(1.5 < took < 5)}"]


def lives(peer):
    deadline, beats = time.monotonic() + 5, 0
    while time.monotonic() < deadline:
        peer.send(wire.frame(wire.HEARTBEAT, 0, b""))
        event = peer.next(0.5)
        if event is not None and event.name != "heartbeat":
            return [str(event)]
        beats += event is not None
    return [f"still open, heartbeats came: {int(beats >= 4)}"]
