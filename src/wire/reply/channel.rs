//! Replies to methods on a channel: those that end the channel and, where RabbitMQ says so, the connection (BEHAVIOURS
//! 2.1, 2.3, 4). Class and method ids are given where a situation has only one; else the caller adds them with `at`.

use super::Reply;

/// How texts name a queue.
pub fn queue_resource(name: &str, vhost: &str) -> String {
    format!("queue '{name}' in vhost '{vhost}'")
}

/// How texts name an exchange; the default exchange keeps its empty name (see [`Reply::access_refused`]).
pub fn exchange_resource(name: &str, vhost: &str) -> String {
    format!("exchange '{name}' in vhost '{vhost}'")
}

/// Names, existence and permission.
impl Reply {
    /// No such queue.
    pub fn not_found_queue(queue: &str, vhost: &str) -> Self {
        Self::new(404, &format!("no {}", queue_resource(queue, vhost)))
    }

    /// No such exchange.
    pub fn not_found_exchange(exchange: &str, vhost: &str) -> Self {
        Self::new(404, &format!("no {}", exchange_resource(exchange, vhost)))
    }

    /// An empty queue name on a channel that declared none.
    pub fn no_previous_queue() -> Self {
        Self::new(404, "no previously declared queue")
    }

    /// A declare of an `amq.` name; `kind` is `queue` or `exchange`.
    pub fn reserved_name(kind: &str, name: &str) -> Self {
        let text = format!("{kind} name '{name}' contains reserved prefix 'amq.*'");
        Self::new(403, &text)
    }

    /// Declare, delete, bind or unbind of the default exchange.
    pub fn default_exchange() -> Self {
        Self::new(403, "operation not permitted on the default exchange")
    }

    /// Deletion of a predeclared exchange.
    pub fn system_exchange(exchange: &str, vhost: &str) -> Self {
        let resource = exchange_resource(exchange, vhost);
        Self::new(403, &format!("deletion of system {resource} not allowed")).at(40, 20)
    }

    /// No permission; `verb` is `configure`, `write` or `read`. The default exchange goes by `amq.default` here.
    pub fn access_refused(verb: &str, resource: &str, user: &str) -> Self {
        let named;
        let resource = match resource.strip_prefix("exchange ''") {
            Some(rest) => {
                named = format!("exchange 'amq.default'{rest}");
                &named
            }
            None => resource,
        };
        let text = format!("{verb} access to {resource} refused for user '{user}'");
        Self::new(403, &text)
    }

    /// No permission for the routing key; `verb` is `write` or `read`.
    pub fn topic_refused(verb: &str, key: &str, exchange: &str, vhost: &str, user: &str) -> Self {
        let exchange = exchange_resource(exchange, vhost);
        let text =
            format!("{verb} access to topic '{key}' in {exchange} refused for user '{user}'");
        Self::new(403, &text)
    }

    /// Somebody else's exclusive queue, or one declared with another exclusive flag.
    pub fn resource_locked(queue: &str, vhost: &str) -> Self {
        let resource = queue_resource(queue, vhost);
        let text = format!(
            "cannot obtain exclusive access to locked {resource}. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration."
        );
        Self::new(405, &text)
    }

    /// Deletion of a queue that the broker itself uses.
    pub fn protected_queue(queue: &str, vhost: &str) -> Self {
        let resource = queue_resource(queue, vhost);
        Self::new(405, &format!("Cannot delete protected {resource}."))
    }
}

/// Declare, bind, delete.
impl Reply {
    /// Something that must hold does not, in the caller's words.
    pub fn precondition_failed(what: &str) -> Self {
        Self::new(406, what)
    }

    /// A redeclare that differs in a field. `field` is durable, auto_delete, type, internal; values as words.
    pub fn inequivalent(field: &str, resource: &str, received: &str, current: &str) -> Self {
        let text = format!(
            "inequivalent arg '{field}' for {resource}: received '{received}' but current is '{current}'"
        );
        Self::new(406, &text)
    }

    /// A redeclare that lacks an argument or has a new one. The missing side prints as `none`, the other with its type.
    pub fn inequivalent_presence(
        key: &str,
        resource: &str,
        received: Option<(&str, &str)>,
        current: Option<(&str, &str)>,
    ) -> Self {
        let print = |side: Option<(&str, &str)>| match side {
            Some((value, kind)) => format!("the value '{value}' of type '{kind}'"),
            None => "none".to_owned(),
        };
        let text = format!(
            "inequivalent arg '{key}' for {resource}: received {} but current is {}",
            print(received),
            print(current)
        );
        Self::new(406, &text)
    }

    /// An exchange type that does not exist. The empty name and `queue` are "invalid" in RabbitMQ's words.
    pub fn unknown_exchange_type(kind: &str) -> Self {
        let word = if matches!(kind, "" | "queue") {
            "invalid"
        } else {
            "unknown"
        };
        Self::new(406, &format!("{word} exchange type '{kind}'")).at(40, 10)
    }

    /// An argument with a bad value; `reason` as in BEHAVIOURS 4.2.
    pub fn invalid_argument(key: &str, resource: &str, reason: &str) -> Self {
        Self::new(
            406,
            &format!("invalid arg '{key}' for {resource}: {reason}"),
        )
    }

    /// An argument of the wrong type, as dead-letter-exchange and alternate-exchange say it.
    pub fn invalid_argument_type(key: &str, resource: &str, kind: &str) -> Self {
        let text = format!("invalid type '{kind}' for arg '{key}' in {resource}");
        Self::new(406, &text)
    }

    /// An argument that only other queue types know; `kind` is e.g. `rabbit_classic_queue`.
    pub fn argument_of_other_type(key: &str, resource: &str, kind: &str) -> Self {
        let text = format!("invalid arg '{key}' for {resource} of queue type {kind}");
        Self::new(406, &text)
    }

    /// A property that this queue type cannot have: `non-durable`, `exclusive-owner`, `auto-delete`.
    pub fn invalid_property(property: &str, resource: &str) -> Self {
        let text = format!("invalid property '{property}' for {resource}");
        Self::new(406, &text).at(50, 10)
    }

    /// An empty name for a queue type that needs one.
    pub fn server_named_queue(kind: &str) -> Self {
        let text = format!("Cannot declare a server-named queue for type {kind}");
        Self::new(406, &text).at(50, 10)
    }

    /// Delete with if-unused of something in use.
    pub fn in_use(resource: &str) -> Self {
        Self::new(406, &format!("{resource} in use"))
    }

    /// queue.delete with if-unused of a queue with consumers.
    pub fn queue_in_use(queue: &str, vhost: &str) -> Self {
        Self::in_use(&queue_resource(queue, vhost)).at(50, 40)
    }

    /// exchange.delete with if-unused of an exchange with bindings.
    pub fn exchange_in_use(exchange: &str, vhost: &str) -> Self {
        Self::in_use(&exchange_resource(exchange, vhost)).at(40, 20)
    }

    /// queue.delete with if-empty of a queue with messages.
    pub fn not_empty(queue: &str, vhost: &str) -> Self {
        let resource = queue_resource(queue, vhost);
        Self::new(406, &format!("{resource} not empty")).at(50, 40)
    }

    /// The virtual host has all the queues it may have.
    pub fn vhost_queue_limit(queue: &str, vhost: &str, limit: u64) -> Self {
        let text = format!(
            "cannot declare queue '{queue}': queue limit in vhost '{vhost}' ({limit}) is reached"
        );
        Self::new(406, &text).at(50, 10)
    }

    /// The node has all the queues it may have.
    pub fn cluster_queue_limit(queue: &str, limit: u64) -> Self {
        let text =
            format!("cannot declare queue '{queue}': queue limit in cluster ({limit}) is reached");
        Self::new(406, &text).at(50, 10)
    }

    /// The node has all the exchanges it may have.
    pub fn exchange_limit(exchange: &str, vhost: &str, limit: u64) -> Self {
        let resource = exchange_resource(exchange, vhost);
        let text = format!("cannot declare {resource}: exchange limit of {limit} is reached");
        Self::new(406, &text).at(40, 10)
    }

    /// A headers binding whose x-match is no word of the four; `printed` is the value as an Erlang binary.
    pub fn invalid_x_match(printed: &str) -> Self {
        let text = format!(
            "Invalid x-match field value {printed}; expected all, any, all-with-x, or any-with-x"
        );
        Self::new(406, &text)
    }

    /// A headers binding whose x-match is not a string.
    pub fn invalid_x_match_type(kind: &str, printed: &str) -> Self {
        let text = format!("Invalid x-match field type {kind} (value {printed}); expected longstr");
        Self::new(406, &text)
    }

    /// Something that is known but not offered: closes the connection.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(540, what)
    }

    /// Something that is forbidden: closes the connection.
    pub fn not_allowed(what: &str) -> Self {
        Self::new(530, what)
    }
}

/// Publish.
impl Reply {
    /// A publish to an internal exchange.
    pub fn internal_exchange(exchange: &str, vhost: &str) -> Self {
        let resource = exchange_resource(exchange, vhost);
        Self::new(403, &format!("cannot publish to internal {resource}")).at(60, 40)
    }

    /// The immediate flag.
    pub fn immediate() -> Self {
        Self::not_implemented("immediate=true").at(60, 40)
    }

    /// An expiration that is not a number of milliseconds in range; `reason` as in BEHAVIOURS 2.3.
    pub fn invalid_expiration(expiration: &str, reason: &str) -> Self {
        Self::new(406, &format!("invalid expiration '{expiration}': {reason}")).at(60, 40)
    }

    /// A user-id property that is not the publisher's.
    pub fn user_id_mismatch(property: &str, user: &str) -> Self {
        let text =
            format!("user_id property set to '{property}' but authenticated user was '{user}'");
        Self::new(406, &text).at(60, 40)
    }

    /// CC or BCC that is not an array.
    pub fn unacceptable_header(header: &str, kind: &str) -> Self {
        let text = format!("invalid message: {{unacceptable_type_in_header,\"{header}\",{kind}}}");
        Self::new(406, &text).at(60, 40)
    }

    /// A body over the configured maximum, which at its absolute limit is not named.
    pub fn message_too_large(size: u64, max: u64) -> Self {
        let text = if max >= crate::wire::limits::MESSAGE_BYTES_MAX {
            format!("message size {size} is larger than max size")
        } else {
            format!("message size {size} is larger than configured max size {max}")
        };
        Self::new(406, &text).at(60, 40)
    }
}

/// Consume, settle, transactions.
impl Reply {
    /// ack, nack or reject of a tag that is not outstanding.
    pub fn unknown_delivery_tag(tag: u64) -> Self {
        Self::new(406, &format!("unknown delivery tag {tag}"))
    }

    /// A consumer tag that is in use on the channel.
    pub fn consumer_tag_reused(tag: &str) -> Self {
        let text = format!("attempt to reuse consumer tag '{tag}'");
        Self::not_allowed(&text).at(60, 20)
    }

    /// basic.consume where an exclusive consumer is, or exclusive where any is.
    pub fn exclusive_use(queue: &str, vhost: &str) -> Self {
        let resource = queue_resource(queue, vhost);
        Self::new(403, &format!("{resource} in exclusive use")).at(60, 20)
    }

    /// basic.consume of a quorum queue on a channel whose consumers share a prefetch limit.
    pub fn no_global_qos(resource: &str) -> Self {
        Self::not_implemented(&format!("{resource} does not support global qos")).at(60, 20)
    }

    /// basic.consume of a stream without a prefetch limit.
    pub fn no_prefetch(resource: &str) -> Self {
        Self::precondition_failed(&format!(
            "consumer prefetch count is not set for stream {resource}"
        ))
        .at(60, 20)
    }

    /// basic.consume of a stream for a group that is to be named by the consumer tag, of which there is none.
    pub fn unnamed_group(resource: &str) -> Self {
        let reason = "\"the consumer has no tag to name the group\"";
        Self::invalid_argument("x-stream-group", resource, reason).at(60, 20)
    }

    /// 540: a consumer of a stream that does not acknowledge.
    pub fn no_ack_from_stream(resource: &str) -> Self {
        Self::not_implemented(&format!(
            "automatic acknowledgement not supported by stream {resource}"
        ))
        .at(60, 20)
    }

    /// 540: a method that streams do not have.
    pub fn not_for_streams(method: &str, resource: &str) -> Self {
        Self::not_implemented(&format!(
            "{method} not supported by stream queues {resource}"
        ))
    }

    /// basic.get of a quorum queue with a single active consumer.
    pub fn get_from_single_active(resource: &str) -> Self {
        let text = format!(
            "cannot obtain access to locked {resource}. basic.get operations are not supported by quorum queues with single active consumer"
        );
        Self::new(405, &text).at(60, 70)
    }

    /// queue.delete of a quorum queue with a condition, `empty` or `unused`.
    pub fn conditional_delete(resource: &str, condition: &str) -> Self {
        let text = format!(
            "cannot delete {resource}. queue.delete operations with if-{condition} flag set are not supported by quorum queues"
        );
        Self::not_implemented(&text).at(50, 40)
    }

    /// The channel has all the consumers it may have.
    pub fn consumer_limit(limit: u64) -> Self {
        let text = format!("reached maximum ({limit}) of consumers per channel");
        Self::not_allowed(&text).at(60, 20)
    }

    /// basic.qos with a prefetch size.
    pub fn prefetch_size(size: u32) -> Self {
        Self::not_implemented(&format!("prefetch_size!=0 ({size})")).at(60, 10)
    }

    /// basic.recover without requeue.
    pub fn recover_without_requeue() -> Self {
        Self::not_implemented("requeue=false")
    }

    /// channel.flow that asks us to stop.
    pub fn flow_inactive() -> Self {
        Self::not_implemented("active=false").at(20, 20)
    }

    /// A delivery that was not acknowledged in time.
    pub fn consumer_timeout(channel: u16, timeout_ms: u64) -> Self {
        let text = format!(
            "delivery acknowledgement on channel {channel} timed out. Timeout value used: {timeout_ms} ms. This timeout value can be configured, see consumers doc guide to learn more"
        );
        Self::new(406, &text)
    }

    /// tx.commit or tx.rollback without tx.select.
    pub fn not_transactional() -> Self {
        Self::new(406, "channel is not transactional")
    }

    /// confirm.select on a transactional channel.
    pub fn tx_to_confirm() -> Self {
        Self::new(406, "cannot switch from tx to confirm mode").at(85, 10)
    }

    /// tx.select on a confirming channel.
    pub fn confirm_to_tx() -> Self {
        Self::new(406, "cannot switch from confirm to tx mode").at(90, 10)
    }

    /// tx.commit of which a queue refused a part.
    pub fn partial_tx() -> Self {
        Self::new(406, "partial tx completion").at(90, 20)
    }

    /// A second consumer on `amq.rabbitmq.reply-to`.
    pub fn reply_consumer_set() -> Self {
        Self::new(406, "reply consumer already set").at(60, 20)
    }

    /// A consumer on `amq.rabbitmq.reply-to` that wants to acknowledge.
    pub fn reply_consumer_acknowledges() -> Self {
        Self::new(406, "reply consumer cannot acknowledge").at(60, 20)
    }

    /// A publish with reply-to `amq.rabbitmq.reply-to` on a channel that consumes no replies.
    pub fn no_reply_consumer() -> Self {
        Self::new(406, "fast reply consumer does not exist").at(60, 40)
    }
}
