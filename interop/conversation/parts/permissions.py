"""What a user may do: configure, write and read, and the topics of topic exchanges."""

from scene import Scene


def play(talk):
    admin, token = talk.admin, talk.token
    user = f"{token}-limited"

    def http(operation, method, *path, **fields):
        return admin.op(f"permissions.{operation}", method, *path, **fields)

    # The stage is the administrator's.
    s = Scene(talk, "pa")
    n, name = s.n, talk.name("")
    for queue in ("own", "write", "read", "other"):
        s.queue(queue)
    for exchange, kind in [("own-x", "fanout"), ("write-x", "fanout"), ("read-x", "fanout"), ("other-x", "fanout"), ("topics", "topic"), ("write-topics", "topic")]:
        s.exchange(exchange, kind)
    admin.quietly("PUT", "users", user, body={"password": user, "tags": ""})
    http("put", "PUT", "permissions", "/", user, body={"configure": rf"^{name}own", "write": rf"^{name}(own|write|topics)", "read": rf"^{name}(own|read|topics)"})
    http("get", "GET", "permissions", "/", user, show=("user", "vhost", "configure", "write", "read"))
    http("put-missing-user", "PUT", "permissions", "/", user + "-missing", body={"configure": "", "write": "", "read": ""})
    http("put-bad-pattern", "PUT", "permissions", "/", user, body={"configure": "(", "write": "", "read": ""})
    http("put-incomplete", "PUT", "permissions", "/", user, body={"configure": ""})
    link = talk.link("pu", user=user)

    def op(operation, method, number=1, **fields):
        return link.op(f"permissions.{operation}", number, method, **fields)

    op("declare.allowed", "queue.declare", queue=n("own-new"))
    op("declare.refused", "queue.declare", queue=n("other-new"))
    op("declare.server-named", "queue.declare", queue="", exclusive=True)
    op("declare.existing-refused", "queue.declare", queue=n("other"))
    op("declare.passive-needs-none", "queue.declare", queue=n("other"), passive=True)
    op("declare.passive-missing", "queue.declare", queue=n("other-missing"), passive=True)
    op("declare.bad-argument-after-permission", "queue.declare", queue=n("other-new"), arguments={"x-message-ttl": -1})
    op("declare.dlx-writable", "queue.declare", queue=n("own-dlx"), arguments={"x-dead-letter-exchange": n("write-x")})
    op("declare.dlx-not-writable", "queue.declare", queue=n("own-dlx-refused"), arguments={"x-dead-letter-exchange": n("read-x")})
    op("declare.dlx-missing", "queue.declare", queue=n("own-dlx-missing"), arguments={"x-dead-letter-exchange": n("other-missing")})
    op("delete.refused", "queue.delete", queue=n("other"))
    op("delete.refused-missing", "queue.delete", queue=n("other-missing"))
    op("delete.allowed", "queue.delete", queue=n("own-new"))
    op("exchange.allowed", "exchange.declare", exchange=n("own-exchange"), type="direct")
    op("exchange.refused", "exchange.declare", exchange=n("other-exchange"), type="direct")
    op("exchange.passive-needs-none", "exchange.declare", exchange=n("other-x"), type="fanout", passive=True)
    op("exchange.alternate-refused", "exchange.declare", exchange=n("own-alternate"), type="direct", arguments={"alternate-exchange": n("read-x")})
    op("exchange.alternate-allowed", "exchange.declare", exchange=n("own-alternate"), type="direct", arguments={"alternate-exchange": n("write-x")})
    op("exchange.delete-refused", "exchange.delete", exchange=n("other-x"))
    op("bind.allowed", "queue.bind", queue=n("write"), exchange=n("read-x"))
    op("bind.queue-not-writable", "queue.bind", queue=n("read"), exchange=n("read-x"))
    op("bind.exchange-not-readable", "queue.bind", queue=n("write"), exchange=n("write-x"))
    op("bind.both-missing", "queue.bind", queue=n("other-missing"), exchange=n("other-missing-x"))
    op("unbind.queue-not-writable", "queue.unbind", queue=n("read"), exchange=n("read-x"))
    op("unbind.allowed", "queue.unbind", queue=n("write"), exchange=n("read-x"))
    op("exchange-bind.destination-not-writable", "exchange.bind", destination=n("read-x"), source=n("read-x"))
    op("exchange-bind.source-not-readable", "exchange.bind", destination=n("write-x"), source=n("write-x"))
    op("exchange-bind.allowed", "exchange.bind", destination=n("write-x"), source=n("read-x"))
    op("publish.allowed", "basic.publish", exchange=n("write-x"), body=b"m")
    op("publish.refused", "basic.publish", exchange=n("read-x"), body=b"m")
    op("publish.refused-missing", "basic.publish", exchange=n("other-missing"), body=b"m")
    op("publish.default-exchange", "basic.publish", routing_key=n("own"), body=b"m")
    op("get.allowed", "basic.get", queue=n("read"), no_ack=True)
    op("get.refused", "basic.get", queue=n("write"), no_ack=True)
    op("get.refused-missing", "basic.get", queue=n("other-missing"), no_ack=True)
    op("consume.allowed", "basic.consume", queue=n("read"), consumer_tag="c")
    op("consume.refused", "basic.consume", queue=n("write"), consumer_tag="d")
    op("purge.allowed", "queue.purge", queue=n("read"))
    op("purge.refused", "queue.purge", queue=n("write"))
    http("put-default-exchange", "PUT", "permissions", "/", user,
         body={"configure": rf"^{name}own", "write": rf"^(amq\.default|{name}(own|write|topics))", "read": rf"^{name}(own|read|topics)"})
    link.again()
    op("publish.default-exchange-allowed", "basic.publish", routing_key=n("own"), body=b"m")

    # Topics.
    q = n("own")
    op("topic.before", "basic.publish", exchange=n("topics"), routing_key="anything", body=b"m")
    http("topic.put", "PUT", "topic-permissions", "/", user, body={"exchange": n("topics"), "write": rf"^(a\.|{{username}}\.|{{vhost}}\.)", "read": r"^b\."})
    http("topic.get", "GET", "topic-permissions", "/", user, show=("user", "vhost", "exchange", "write", "read"))
    http("topic.put-bad", "PUT", "topic-permissions", "/", user, body={"exchange": n("topics"), "write": "(", "read": ""})
    http("topic.put-no-exchange", "PUT", "topic-permissions", "/", user, body={"write": "", "read": ""})
    http("topic.put-missing-user", "PUT", "topic-permissions", "/", user + "-missing", body={"exchange": n("topics"), "write": "", "read": ""})
    link.again()
    op("topic.write-allowed", "basic.publish", exchange=n("topics"), routing_key="a.b", body=b"m")
    op("topic.write-refused", "basic.publish", exchange=n("topics"), routing_key="b.a", body=b"m")
    op("topic.write-empty-key", "basic.publish", exchange=n("topics"), routing_key="", body=b"m")
    op("topic.write-username", "basic.publish", exchange=n("topics"), routing_key=f"{user}.x", body=b"m")
    op("topic.write-vhost", "basic.publish", exchange=n("topics"), routing_key="/.x", body=b"m")
    op("topic.write-cc-refused", "basic.publish", exchange=n("topics"), routing_key="a.b", body=b"m", properties={"headers": {"CC": ["b.a"]}})
    op("topic.write-bcc-refused", "basic.publish", exchange=n("topics"), routing_key="a.b", body=b"m", properties={"headers": {"BCC": ["b.a"]}})
    op("topic.write-cc-allowed", "basic.publish", exchange=n("topics"), routing_key="a.b", body=b"m", properties={"headers": {"CC": ["a.c"]}})
    op("topic.read-allowed", "queue.bind", queue=q, exchange=n("topics"), routing_key="b.*")
    op("topic.read-refused", "queue.bind", queue=q, exchange=n("topics"), routing_key="a.*")
    op("topic.read-wildcard-refused", "queue.bind", queue=q, exchange=n("topics"), routing_key="#")
    op("topic.unbind-refused", "queue.unbind", queue=q, exchange=n("topics"), routing_key="a.*")
    op("topic.exchange-bind-refused", "exchange.bind", destination=n("write-x"), source=n("topics"), routing_key="a.*")
    op("topic.other-exchange", "basic.publish", exchange=n("write-topics"), routing_key="b.a", body=b"m")
    op("topic.not-a-topic-exchange", "basic.publish", exchange=n("write-x"), routing_key="b.a", body=b"m")
    http("topic.put-empty", "PUT", "topic-permissions", "/", user, body={"exchange": n("topics"), "write": "", "read": ""})
    link.again()
    op("topic.empty-is-nothing", "basic.publish", exchange=n("topics"), routing_key="a.b", body=b"m")
    op("topic.empty-key-is-nothing", "basic.publish", exchange=n("topics"), routing_key="", body=b"m")
    http("topic.delete", "DELETE", "topic-permissions", "/", user)
    link.again()
    op("topic.deleted", "basic.publish", exchange=n("topics"), routing_key="b.a", body=b"m")
    http("delete", "DELETE", "permissions", "/", user)
    http("delete-again", "DELETE", "permissions", "/", user)
    # What it declared is deleted by the administrator's connection.
    s.link.queues |= link.queues
    s.link.exchanges |= link.exchanges
    link.peer.close()
    talk.links.pop("pu")
