"""basic.publish and basic.return: what is refused, what is returned, what is dropped in silence."""


def play(talk):
    link, n = talk.link("u"), talk.name
    queue = n("publish")
    link.quietly(1, "queue.declare", queue=queue)
    link.quietly(1, "exchange.declare", exchange=n("ux"), type="direct")

    def op(operation, wait=None, **fields):
        fields.setdefault("routing_key", queue)
        fields.setdefault("body", b"m")
        return link.op(f"publish.{operation}", 1, "basic.publish", wait=wait, **fields)

    op("routed")
    op("empty-body", body=b"")
    op("unroutable", routing_key=n("nobody"))
    op("mandatory-routed", mandatory=True)
    op("mandatory-unroutable", wait="basic.return", mandatory=True, routing_key=n("nobody"))
    op("mandatory-unroutable-empty", wait="basic.return", mandatory=True, routing_key=n("nobody"), body=b"")
    op("mandatory-unroutable-with-properties", wait="basic.return", mandatory=True, exchange=n("ux"), routing_key="k",
       properties={"content_type": "text/plain", "headers": [("a", "x"), ("b", 1)], "delivery_mode": 2, "expiration": "100",
                   "message_id": "1", "timestamp": 1, "type": "t", "app_id": "app"})
    op("mandatory-unroutable-bcc", wait="basic.return", mandatory=True, routing_key=n("nobody"),
       properties={"headers": {"BCC": [n("nobody-either")], "CC": [n("nor-this")]}})
    op("missing-exchange", exchange=n("missing"))
    op("missing-exchange-mandatory", exchange=n("missing"), mandatory=True)
    op("missing-exchange-body", exchange=n("missing"), body=b"x" * 300000)
    op("immediate", immediate=True)
    op("immediate-missing-exchange", immediate=True, exchange=n("missing"))
    op("expiration-word", properties={"expiration": "abc"})
    op("expiration-empty", properties={"expiration": ""})
    op("expiration-unit", properties={"expiration": "5s"})
    op("expiration-negative", properties={"expiration": "-5"})
    op("expiration-too-large", properties={"expiration": "315360000001"})
    op("expiration-fraction", properties={"expiration": "1.5"})
    op("expiration-space", properties={"expiration": " 5"})
    op("expiration-plus", properties={"expiration": "+60000"})
    op("user-id-other", properties={"user_id": "bob"})
    op("user-id-own", properties={"user_id": talk.address.user})
    op("user-id-empty", properties={"user_id": ""})
    op("line-breaks-in-exchange", exchange=n("u\r\nx"), routing_key="k", mandatory=True)
    op("expiration-before-cc", properties={"expiration": "abc", "headers": {"CC": "x"}, "user_id": "bob"})
    op("cc-before-user", properties={"headers": {"CC": "x"}, "user_id": "bob"})
    op("missing-exchange-before-expiration", exchange=n("missing"), properties={"expiration": "abc"})
    link.op("publish.count", 1, "queue.purge", queue=queue)
    link.op("basic.return.from-the-client", 1, "basic.return", reply_code=312, reply_text="x", wait="connection.close", body=b"m")
