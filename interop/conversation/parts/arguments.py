"""Queue arguments: which values are refused with which text, and what counts as the same on redeclaration."""

from wire import Typed


def play(talk):
    link, n = talk.link("g"), talk.name

    def declare(operation, **arguments):
        link.op(f"arguments.{operation}", 1, "queue.declare", queue=n(operation.split(".")[0]),
                arguments={key.replace("_", "-"): value for key, value in arguments.items()})

    most = 315360000000
    declare("ttl-zero.accepted", x_message_ttl=0)
    declare("ttl.negative", x_message_ttl=-1)
    declare("ttl.too-large", x_message_ttl=most + 1)
    declare("ttl-most.accepted", x_message_ttl=most)
    declare("ttl.string", x_message_ttl="1000")
    declare("ttl.bool", x_message_ttl=True)
    declare("ttl.double", x_message_ttl=1.5)
    declare("ttl.void", x_message_ttl=None)
    declare("ttl.table", x_message_ttl={"a": 1})
    declare("expires.zero", x_expires=0)
    declare("expires.negative", x_expires=-2)
    declare("expires.too-large", x_expires=most + 1)
    declare("expires.string", x_expires="a")
    declare("max-length.negative", x_max_length=-1)
    declare("max-length.bool", x_max_length=True)
    declare("max-length.string", x_max_length="10")
    declare("max-length-bytes.negative", x_max_length_bytes=-5)
    declare("max-length-bytes.string", x_max_length_bytes="x")
    declare("overflow.unknown", x_overflow="foo")
    declare("overflow.integer", x_overflow=1)
    declare("overflow-drop-head.accepted", x_overflow="drop-head")
    declare("max-priority.too-high", x_max_priority=256)
    declare("max-priority.negative", x_max_priority=-1)
    declare("max-priority.string", x_max_priority="x")
    declare("dlx.integer", x_dead_letter_exchange=1)
    declare("dlx-key.without-exchange", x_dead_letter_routing_key="k")
    declare("dlx-key.integer", x_dead_letter_exchange="", x_dead_letter_routing_key=1)
    declare("dlx-key-alone.integer", x_dead_letter_routing_key=1)
    declare("sac.string", x_single_active_consumer="yes")
    declare("sac.integer", x_single_active_consumer=1)
    declare("sac-false.accepted", x_single_active_consumer=False)
    declare("mode.unknown", x_queue_mode="foo")
    declare("mode.integer", x_queue_mode=1)
    declare("mode-lazy.accepted", x_queue_mode="lazy")
    declare("mode-default.accepted", x_queue_mode="default")
    declare("version.three", x_queue_version=3)
    declare("version.string", x_queue_version="2")
    declare("version-one.accepted", x_queue_version=1)
    declare("version-two.accepted", x_queue_version=2)
    declare("type.unknown", x_queue_type="foo")
    declare("type.integer", x_queue_type=1)
    declare("type-classic.accepted", x_queue_type="classic")
    declare("type-classic.redeclared-without", **{})
    declare("delivery-limit.on-classic", x_delivery_limit=3)
    declare("max-age.on-classic", x_max_age="1D")
    declare("dlx-strategy.on-classic", x_dead_letter_strategy="at-least-once")
    declare("segment-size.on-classic", x_stream_max_segment_size_bytes=1000)
    declare("group-size.on-classic", x_quorum_initial_group_size=3)
    declare("two-wrong.first-is-named", x_max_length=-1, x_message_ttl=-1)
    declare("two-wrong.expires-and-overflow", x_overflow="foo", x_expires=0)
    declare("two-wrong.not-classic-and-invalid", x_max_age="1D", x_message_ttl=-1)
    declare("unknown.accepted", x_unknown="a", plain=1)
    declare("unknown.not-compared", x_unknown="b")
    declare("ha-policy.accepted", x_ha_policy="all")

    # The same, or not.
    declare("same", x_message_ttl=1000, x_max_length=5)
    declare("same.again", x_message_ttl=1000, x_max_length=5)
    declare("same.other-order-and-width", x_max_length=Typed("s", 5), x_message_ttl=Typed("l", 1000))
    declare("same.other-value", x_message_ttl=2000, x_max_length=5)
    declare("same.missing", x_max_length=5)
    declare("same.added", x_message_ttl=1000, x_max_length=5, x_expires=60000)
    declare("same.other-type", x_message_ttl="1000", x_max_length=5)
    declare("same.all-missing")
    declare("same.invalid-now", x_message_ttl=-1, x_max_length=5)
    declare("bare")
    for case, value in {
        "x-message-ttl": 1000, "x-expires": 60000, "x-max-length": 10, "x-max-length-bytes": Typed("l", 2**40), "x-overflow": "drop-head",
        "x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "k", "x-max-priority": Typed("B", 5), "x-queue-mode": "lazy",
        "x-single-active-consumer": True, "x-queue-version": Typed("s", 2), "x-queue-type": "classic",
    }.items():
        link.op(f"arguments.bare.added-{case}", 1, "queue.declare", queue=n("bare"), arguments={case: value})
    full = {"x-message-ttl": 1000, "x-expires": 60000, "x-max-length": Typed("b", 10), "x-max-length-bytes": Typed("l", 2**40),
            "x-overflow": "drop-head", "x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "k", "x-queue-mode": "lazy"}
    link.op("arguments.full", 1, "queue.declare", queue=n("full-of-arguments"), arguments=full)
    for key in full:
        others = {name: value for name, value in full.items() if name != key}
        link.op(f"arguments.full.without-{key}", 1, "queue.declare", queue=n("full-of-arguments"), arguments=others)
    for key, value in {"x-overflow": "reject-publish", "x-dead-letter-exchange": "other", "x-dead-letter-routing-key": "other",
                       "x-queue-mode": "default", "x-max-length": 11}.items():
        link.op(f"arguments.full.other-{key}", 1, "queue.declare", queue=n("full-of-arguments"), arguments={**full, key: value})
    for case, arguments in [
        ("priority-string", {"x-priority": "high"}), ("priority-bool", {"x-priority": True}), ("stream-offset", {"x-stream-offset": "first"}),
        ("unknown", {"x-unknown": 1}), ("cancel-on-ha", {"x-cancel-on-ha-failover": True}), ("priority", {"x-priority": -5}),
    ]:
        link.op(f"arguments.consume.{case}", 1, "basic.consume", queue=n("bare"), consumer_tag=case, arguments=arguments)
