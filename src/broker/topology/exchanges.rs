//! exchange.declare and exchange.delete, and the exchanges that every vhost has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use amq_protocol::types::FieldTable;

use super::bindings::{BindingKey, Bindings};
use super::clean_name;
use crate::auth::Verb;
use crate::broker::Broker;
use crate::broker::access::Access;
use crate::broker::definitions::Change;
use crate::broker::events::EVENT_EXCHANGE;
use crate::broker::exchange::{Exchange, ExchangeSpec};
use crate::broker::hidden;
use crate::broker::trace::TRACE_EXCHANGE;
use crate::broker::vhost::Vhost;
use crate::exchange::{Kind, alternate, find};
use crate::queue::arguments;
use crate::wire::erlang;
use crate::wire::reply::{Reply, exchange_resource};

/// What exchange.declare asks for, as it came.
pub struct DeclareExchange<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind's name.
    pub kind: &'a str,
    /// Flags as declared.
    pub durable: bool,
    /// Flags as declared.
    pub auto_delete: bool,
    /// Flags as declared.
    pub internal: bool,
    /// The arguments.
    pub arguments: FieldTable,
}

impl Vhost {
    /// Links the exchanges that every vhost has.
    pub(in crate::broker) fn predeclare(&self, broker: &Broker) {
        let exchanges = [
            ("", Kind::Direct, false),
            ("amq.direct", Kind::Direct, false),
            ("amq.fanout", Kind::Fanout, false),
            ("amq.topic", Kind::Topic, false),
            ("amq.headers", Kind::Headers, false),
            ("amq.match", Kind::Headers, false),
            (TRACE_EXCHANGE, Kind::Topic, true),
        ];
        for (name, kind, internal) in exchanges {
            if name.is_empty() {
                self.exchanges
                    .insert(Arc::clone(&self.default.name), Arc::clone(&self.default));
                continue;
            }
            let spec = ExchangeSpec {
                name: name.into(),
                kind: kind.info(),
                durable: true,
                auto_delete: false,
                internal,
                arguments: FieldTable::default(),
                alternate: None,
            };
            self.link_exchange(Exchange::new(broker.next_id(), spec));
        }
        if broker.settings.event_vhost.as_deref() == Some(&*self.name) {
            let spec = ExchangeSpec {
                name: EVENT_EXCHANGE.into(),
                kind: Kind::Topic.info(),
                durable: true,
                auto_delete: false,
                internal: true,
                arguments: FieldTable::default(),
                alternate: None,
            };
            let exchange = Exchange::new(broker.next_id(), spec);
            self.link_exchange(Arc::clone(&exchange));
            broker.events().watch(&exchange);
        }
    }

    /// exchange.declare, not passive.
    pub fn declare_exchange(
        &self,
        broker: &Broker,
        access: &mut Access,
        declare: DeclareExchange<'_>,
    ) -> Result<(), Reply> {
        let kind = find(declare.kind)?;
        if declare.name.is_empty() {
            return Err(Reply::default_exchange());
        }
        let name = clean_name(declare.name);
        access.exchange(Verb::Configure, &name)?;
        let _change = self.bindings.lock();
        self.check_stays()?;
        let resource = exchange_resource(&name, &self.name);
        if let Some(existing) = self.exchange(&name) {
            let Err(reply) = check_equivalent(&existing, &declare, &resource) else {
                return Ok(());
            };
            // Another type would route otherwise: that is no declare of the same exchange.
            let is_relaxed = broker.settings.relaxed_redeclare || existing.is_relaxed();
            if !is_relaxed || existing.kind.name != declare.kind {
                return Err(reply);
            }
            tracing::warn!("redeclare accepted, and without effect: {}", reply.text);
            return Ok(());
        }
        if name.starts_with("amq.") {
            return Err(Reply::reserved_name("exchange", &name));
        }
        let alternate = alternate(&declare.arguments, &resource)?;
        if let Some(alternate) = &alternate {
            access.exchange(Verb::Read, &name)?;
            access.exchange(Verb::Write, alternate)?;
        }
        kind.check_declare(&declare.arguments)?;
        arguments::dedup::check(&declare.arguments, &resource)?;
        if let Some(most) = broker.settings.exchanges_max
            && broker.exchange_count() >= most
        {
            return Err(Reply::exchange_limit(&name, &self.name, most as u64));
        }
        let spec = ExchangeSpec {
            name: name.as_ref().into(),
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            alternate,
            arguments: declare.arguments,
        };
        self.create_exchange(broker, spec, &access.user.name);
        Ok(())
    }

    /// An exchange that is not there yet. The caller holds the topology.
    pub(super) fn create_exchange(&self, broker: &Broker, spec: ExchangeSpec, by: &str) {
        let exchange = Exchange::new(broker.next_id(), spec);
        self.apply_to_exchange(&exchange);
        let mut change = self.definitions.change();
        change.exchange(&self.name, &exchange);
        change.by(by);
        hidden::attach(broker, &self.name, &exchange, &mut change);
        change.commit();
        self.link_exchange(exchange);
    }

    /// Makes an exchange known.
    pub(in crate::broker) fn link_exchange(&self, exchange: Arc<Exchange>) {
        self.apply_to_exchange(&exchange);
        if exchange.alternate().is_some() {
            self.alternates.fetch_add(1, Ordering::AcqRel);
        }
        let name = Arc::clone(&exchange.name);
        self.exchanges.insert(Arc::clone(&name), exchange);
        self.invalidate_alternates(&name);
    }

    /// An exchange gets the policy that applies now.
    pub(in crate::broker) fn refresh_exchange(&self, broker: &Broker, exchange: &Exchange) {
        let _topology = self.bindings.lock();
        if exchange.is_gone() {
            return;
        }
        self.refresh_policy(exchange);
        let mut change = self.definitions.change();
        hidden::refresh(broker, &self.name, exchange, &mut change);
        change.commit();
    }

    /// The same, but for what it takes to drop duplicates.
    pub(in crate::broker) fn refresh_policy(&self, exchange: &Exchange) {
        let had = exchange.alternate().is_some();
        self.apply_to_exchange(exchange);
        match (had, exchange.alternate().is_some()) {
            (false, true) => self.alternates.fetch_add(1, Ordering::AcqRel),
            (true, false) => self.alternates.fetch_sub(1, Ordering::AcqRel),
            _ => 0,
        };
    }

    /// Takes every exchange but the default one out: the vhost goes.
    pub(in crate::broker) fn remove_exchanges(&self) {
        for exchange in self.exchanges.all() {
            if exchange.name.is_empty() {
                continue;
            }
            let mut bindings = self.bindings.lock();
            let mut change = self.definitions.change();
            self.unlink_exchange(&mut bindings, &exchange, &mut change);
            change.commit();
        }
    }

    /// Exchanges whose alternate has come or gone: their cached routes are void.
    fn invalidate_alternates(&self, name: &str) {
        if self.alternates.load(Ordering::Acquire) == 0 {
            return;
        }
        for exchange in self.exchanges.all() {
            if exchange.alternate().as_deref() == Some(name) {
                exchange.invalidate();
            }
        }
    }

    /// exchange.delete. A missing exchange is a success.
    pub fn delete_exchange(
        &self,
        access: &mut Access,
        name: &str,
        if_unused: bool,
    ) -> Result<(), Reply> {
        let name = clean_name(name);
        if name.is_empty() {
            return Err(Reply::default_exchange());
        }
        if name.starts_with("amq.") {
            return Err(Reply::system_exchange(&name, &self.name));
        }
        access.exchange(Verb::Configure, &name)?;
        let mut bindings = self.bindings.lock();
        let Some(exchange) = self.exchange(&name) else {
            return Ok(());
        };
        if if_unused && bindings.has_source(&exchange) {
            return Err(Reply::exchange_in_use(&name, &self.name));
        }
        let mut change = self.definitions.change();
        self.unlink_exchange(&mut bindings, &exchange, &mut change);
        change.by(&access.user.name);
        change.commit();
        Ok(())
    }

    pub(super) fn unlink_exchange(
        &self,
        bindings: &mut Bindings,
        exchange: &Arc<Exchange>,
        change: &mut Change<'_>,
    ) {
        let mut unlink = vec![Arc::clone(exchange)];
        while let Some(exchange) = unlink.pop() {
            if !self.exchanges.remove(&exchange.name, &exchange) {
                continue;
            }
            exchange.die();
            change.no_exchange(&self.name, &exchange);
            hidden::detach(&exchange, change);
            if exchange.alternate().is_some() {
                self.alternates.fetch_sub(1, Ordering::AcqRel);
            }
            self.invalidate_alternates(&exchange.name);
            let keys: Vec<BindingKey> = bindings
                .by_source
                .get(&exchange.id)
                .map(|own| own.keys().cloned().collect())
                .unwrap_or_default();
            for key in keys {
                bindings.remove(exchange.id, &key, &self.name, change);
            }
            unlink.extend(self.unbind_destination(bindings, exchange.id, change));
        }
    }
}

fn check_equivalent(
    existing: &Exchange,
    declare: &DeclareExchange<'_>,
    resource: &str,
) -> Result<(), Reply> {
    let flags = [
        ("durable", declare.durable, existing.durable),
        ("auto_delete", declare.auto_delete, existing.auto_delete),
        ("internal", declare.internal, existing.internal),
    ];
    if existing.kind.name != declare.kind {
        return Err(Reply::inequivalent(
            "type",
            resource,
            &erlang::atom(declare.kind),
            &erlang::atom(existing.kind.name),
        ));
    }
    for (field, received, current) in flags {
        if received != current {
            return Err(Reply::inequivalent(
                field,
                resource,
                &received.to_string(),
                &current.to_string(),
            ));
        }
    }
    let (current, received) = (existing.arguments.inner(), declare.arguments.inner());
    const ALTERNATE: &str = "alternate-exchange";
    arguments::compare(
        ALTERNATE,
        current.get(ALTERNATE),
        received.get(ALTERNATE),
        resource,
    )
}
