//! basic.publish and its content: the hot way in.
//!
//! When method, header and body lie whole in the read buffer and the route is known, a publish is three slices handed to the
//! publisher ([`Channel::publish_whole`]); nothing of it is kept here. Otherwise its parts are collected in [`Content`] and checked
//! when they are complete, in RabbitMQ's order: size, immediate, write permission, exchange, expiration, CC and BCC, topic
//! permission, user-id, routing.

use std::borrow::Cow;

use super::{Channel, Mode};
use crate::auth::Verb;
use crate::broker::exchange::Exchange;
use crate::broker::publish::{Nowhere, Origin, Publish, without_bcc};
use crate::broker::reply_to::ReplyAddresses;
use crate::broker::trace::Traced;
use crate::broker::vhost::{Vhost, Walk};
use crate::connection::context::{Context, NO_ROUTE};
use crate::connection::output::Output;
use crate::exchange::{Kind, extra_keys};
use crate::message::{LARGE_BODY_BYTES, Message};
use crate::queue::arguments;
use crate::wire::content::Header;
use crate::wire::method;
use crate::wire::properties::{Edits, Properties, rewrite};
use crate::wire::reply::Reply;

/// A body buffer that is begun on the word of a header alone; more is allocated as bytes come.
const TRUSTED_BYTES: usize = 1024 * 1024;
/// Half-sent bodies of one connection beyond the largest single message.
pub const HALF_SENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where a channel stands between a publish and the end of its content.
pub enum Content {
    /// No publish is under way.
    None,
    /// The method has come, its header is next.
    Header(Box<Parts>),
    /// The header has come, the body is next.
    Body(Box<Parts>),
}

/// What has come of a publish.
pub struct Parts {
    names: Vec<u8>,
    exchange_len: usize,
    mandatory: bool,
    immediate: bool,
    properties: Vec<u8>,
    body: Vec<u8>,
    body_size: usize,
    /// Bytes of it that the context counts as half-sent.
    counted: usize,
}

impl Parts {
    fn routing_key(&self) -> &[u8] {
        &self.names[2 + self.exchange_len..]
    }

    /// A name that is no text is shown as such, and no exchange has it.
    fn exchange(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.names[1..1 + self.exchange_len])
    }
}

impl Content {
    /// Bytes of a body that is not complete.
    pub fn held(&self) -> usize {
        match self {
            Content::Body(parts) => parts.counted,
            _ => 0,
        }
    }

    /// The body under way, and how many bytes it lacks.
    pub fn body(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match self {
            Content::Body(parts) => {
                let missing = parts.body_size - parts.body.len();
                Some((&mut parts.body, missing))
            }
            _ => None,
        }
    }
}

/// Flag bits of properties whose value decides something at the publish.
const LOOKED_AT: u8 = 1 << 5 /* headers */ | 1 << 1 /* reply-to */ | 1 /* expiration */;
const LOOKED_AT_LOW: u8 = 1 << 4 /* user-id */ | 1 /* continuation */;

impl Channel {
    /// Takes a publish that lies whole in the read buffer, if that needs no more than a look into the route cache.
    #[inline]
    pub(crate) fn publish_whole(
        &mut self,
        cx: &mut Context,
        publish: &method::Publish<'_>,
        header: &Header<'_>,
        body: &[u8],
    ) -> Result<bool, Reply> {
        let &[high, low, ..] = header.properties else {
            return Ok(false);
        };
        if high & LOOKED_AT != 0
            || low & LOOKED_AT_LOW != 0
            || publish.immediate
            || body.len() >= LARGE_BODY_BYTES
            || matches!(self.mode, Mode::Tx(_))
            || body.len() as u64 > cx.settings.max_message_size
            || !cx.publisher.knows(publish.names)
        {
            return Ok(false);
        }
        let properties = Properties::new(header.properties);
        properties.check()?;
        if cx.settles_come_first() {
            cx.flush_settles();
        }
        let origin = self.origin(cx, publish.mandatory);
        cx.publisher.publish_known(
            publish.names,
            header.properties,
            properties.persistent(),
            body,
            origin,
        );
        Ok(true)
    }

    /// Counts a publish that is taken, and says who made it.
    #[inline(always)]
    fn origin(&self, cx: &mut Context, mandatory: bool) -> Origin {
        let confirm = match self.mode {
            Mode::Confirm => cx.confirms.published(self.number),
            _ => None,
        };
        Origin::new(self.number, mandatory, confirm)
    }

    /// The method of a publish whose content is still to come.
    pub(crate) fn publish_begins(&mut self, publish: &method::Publish<'_>) {
        self.content = Content::Header(Box::new(Parts {
            names: publish.names.to_vec(),
            exchange_len: publish.exchange.len(),
            mandatory: publish.mandatory,
            immediate: publish.immediate,
            properties: Vec::new(),
            body: Vec::new(),
            body_size: 0,
            counted: 0,
        }));
    }

    /// The content header.
    pub(crate) fn content_header(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        header: &Header<'_>,
    ) -> Result<(), Reply> {
        let Content::Header(mut parts) = std::mem::replace(&mut self.content, Content::None) else {
            return Err(Reply::expected_method());
        };
        Properties::new(header.properties).check()?;
        if header.body_size > cx.settings.max_message_size {
            return Err(
                Reply::message_too_large(header.body_size, cx.settings.max_message_size)
                    .at_id(method::BASIC_PUBLISH),
            );
        }
        parts.properties = header.properties.to_vec();
        parts.body_size = header.body_size as usize;
        if parts.body_size == 0 {
            return self.publish_complete(cx, out, *parts);
        }
        parts.body = Vec::with_capacity(parts.body_size.min(TRUSTED_BYTES));
        let properties = parts.properties.len();
        self.content = Content::Body(parts);
        self.content_grew(cx, out, properties)
    }

    /// Part of the body.
    pub(crate) fn content_body(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        part: &[u8],
    ) -> Result<(), Reply> {
        let Content::Body(parts) = &mut self.content else {
            return Err(Reply::expected_method());
        };
        if part.len() > parts.body_size - parts.body.len() {
            return Err(Reply::expected_content_body().at_id(method::BASIC_PUBLISH));
        }
        parts.body.extend_from_slice(part);
        self.content_grew(cx, out, part.len())
    }

    /// `count` bytes have been added to the body.
    pub(crate) fn content_grew(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        count: usize,
    ) -> Result<(), Reply> {
        let Content::Body(parts) = &mut self.content else {
            // The channel was closed in the middle of a frame.
            return Ok(());
        };
        parts.counted += count;
        cx.half_sent += count;
        let most = cx.settings.max_message_size as usize + HALF_SENT_BYTES_MAX;
        if cx.half_sent > most {
            return Err(Reply::resource_error(&format!(
                "half-sent bodies of this connection exceed {most} bytes"
            )));
        }
        if self.content.body().is_some_and(|(_, missing)| missing == 0)
            && let Content::Body(parts) = std::mem::replace(&mut self.content, Content::None)
        {
            cx.half_sent -= parts.counted;
            return self.publish_complete(cx, out, *parts);
        }
        Ok(())
    }

    fn publish_complete(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        parts: Parts,
    ) -> Result<(), Reply> {
        cx.flush_settles();
        self.publish_checked(cx, out, parts)
            .map_err(|reply| reply.at_id(method::BASIC_PUBLISH))
    }

    fn publish_checked(
        &mut self,
        cx: &mut Context,
        out: &mut Output,
        mut parts: Parts,
    ) -> Result<(), Reply> {
        if parts.immediate {
            return Err(Reply::immediate());
        }
        let name = parts.exchange().into_owned();
        let name = name.as_str();
        cx.access.exchange(Verb::Write, name)?;
        let exchange = if name.is_empty() {
            cx.vhost.default.clone()
        } else {
            cx.vhost.existing_exchange(name)?
        };
        if exchange.internal {
            return Err(Reply::internal_exchange(name, &cx.vhost.name));
        }
        self.check_properties(cx, &exchange, &parts)?;
        if Properties::new(&parts.properties).reply_to() == Some(ReplyAddresses::QUEUE.as_bytes()) {
            let address = self.reply_address()?;
            let edits = Edits {
                reply_to: Some(address.as_bytes()),
                ..Edits::default()
            };
            parts.properties = rewrite(&parts.properties, &edits);
        }
        if let Mode::Tx(_) = self.mode {
            return self.publish_later(cx, &exchange, &parts);
        }
        let body = std::mem::take(&mut parts.body);
        let publish = Publish {
            names: &parts.names,
            routing_key: parts.routing_key(),
            properties: &parts.properties,
            body,
            origin: self.origin(cx, parts.mandatory),
        };
        let unrouted = cx.publisher.publish(&cx.broker, &exchange, publish).err();
        if let Some(Nowhere { body }) = unrouted.filter(|_| parts.mandatory) {
            let properties = Properties::new(&parts.properties);
            let stripped = extra_keys(properties)?
                .has_bcc
                .then(|| without_bcc(properties));
            let properties = stripped.as_deref().unwrap_or(&parts.properties);
            method::write_return(out.bytes(), self.number, NO_ROUTE, "NO_ROUTE", &parts.names);
            out.plain_content(self.number, properties, &body, cx.tuned.frame_max);
        }
        Ok(())
    }

    fn check_properties(
        &mut self,
        cx: &mut Context,
        exchange: &Exchange,
        parts: &Parts,
    ) -> Result<(), Reply> {
        let properties = Properties::new(&parts.properties);
        if let Some(expiration) = properties.expiration() {
            arguments::expiration(expiration)?;
        }
        let extra = extra_keys(properties)?;
        if exchange.kind.kind == Kind::Topic {
            for key in extra.after(parts.routing_key()) {
                cx.access.topic(Verb::Write, &exchange.name, key)?;
            }
        }
        if let Some(user) = properties.user_id() {
            cx.access.check_user_id(user)?;
        }
        Ok(())
    }

    /// A publish of a transaction is routed now and placed at the commit.
    fn publish_later(
        &mut self,
        cx: &mut Context,
        exchange: &std::sync::Arc<Exchange>,
        parts: &Parts,
    ) -> Result<(), Reply> {
        let properties = Properties::new(&parts.properties);
        let extra = extra_keys(properties)?;
        let keys = extra.after(parts.routing_key());
        let stripped = extra.has_bcc.then(|| without_bcc(properties));
        let message = Message::from_parts(
            &parts.names,
            stripped.as_deref().unwrap_or(&parts.properties),
            &parts.body,
            extra.bcc.iter().copied(),
        );
        let mut queues = Vec::new();
        let to_reply_address =
            exchange.name.is_empty() && Vhost::is_reply_address(parts.routing_key());
        if to_reply_address
            && cx
                .broker
                .reply_addresses
                .send(parts.routing_key(), message.clone())
        {
            return Ok(());
        }
        let Mode::Tx(tx) = &mut self.mode else {
            return Ok(());
        };
        let mut walk = Walk::new(cx.vhost.clone());
        tx.lend_claimed(&mut walk);
        walk.route_once(exchange, &keys, properties, &mut queues, cx.now);
        walk.remember(|| message.clone());
        let claims = tx.take_claims(&mut walk, !queues.is_empty());
        if cx.vhost.is_traced() {
            let traced = Traced {
                connection: cx.id,
                channel: self.number,
                exchange: &exchange.name,
                keys: &keys,
                properties,
                body: &parts.body,
            };
            traced.published(&cx.broker, &cx.vhost, &queues);
        }
        if queues.is_empty() {
            if parts.mandatory && !walk.has_dropped() {
                tx.return_later(message)?;
            }
            return Ok(());
        }
        tx.publish(message, queues, claims)
    }
}
