//! Message in, targets out. An exchange kind is a [`Matcher`]: it holds bindings and finds those that a message meets.
//! `route` walks from exchange to exchange. Pure: no locks, no names of things, no broker; the broker's topology owns the
//! matchers and says what their targets are.
//!
//! A new kind is one file with a matcher, and one line in the table of kinds below.

mod bound;
mod consistent_hash;
mod deduplication;
mod delayed;
mod direct;
mod fanout;
mod headers;
mod local_random;
mod modulus_hash;
mod random;
mod recent_history;
mod route;
mod stable;
mod targets;
mod topic;

pub use deduplication::{Cache, cache};
pub use delayed::{delay_ms, held_properties};
pub use recent_history::{history_length, wants_history};
pub use route::{ExtraKeys, Graph, Scratch, Target, extra_keys, route};
pub use stable::{Stable, hash};

use std::hash::Hash;
use std::sync::Arc;

use crate::wire::properties::Properties;
use crate::wire::reply::Reply;
use crate::wire::{AMQPValue, FieldTable};

/// What routing may look at.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// One of the message's keys: its own, or one of CC and BCC. The latter may be any bytes of any length.
    pub routing_key: &'a [u8],
    /// This is the first of its keys: kinds that choose one target for a message do so now, and add none for the others.
    pub first: bool,
    /// Its properties, checked.
    pub properties: Properties<'a>,
}

/// What a matcher's answer depends on, besides its bindings: who routes may keep an answer for as long as that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depends {
    /// The routing key.
    RoutingKey,
    /// Anything in the message.
    Message,
    /// Not even the message decides.
    Chance,
}

/// The bindings of one exchange, of any kind, to any type of target.
///
/// The caller knows which bindings exist: it calls `bind` once for each (key, arguments, target), not again for one that
/// is there, and `unbind` with the key and arguments that were given to `bind`. A target may have many bindings.
pub trait Matcher<T>: Send + Sync {
    /// Obeys the arguments of exchange.declare, which [`KindInfo::check_declare`] found good; called once, before all else.
    fn configure(&mut self, _arguments: &FieldTable) {}

    /// Adds a binding that [`KindInfo::check_binding`] found good.
    fn bind(&mut self, key: &[u8], arguments: &FieldTable, target: T);

    /// Removes exactly that binding. Without it nothing happens.
    fn unbind(&mut self, key: &[u8], arguments: &FieldTable, target: &T);

    /// Appends the targets of all bindings that the message meets, some perhaps twice.
    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>);

    /// What `route` depends on.
    fn depends(&self) -> Depends;
}

/// What a kind says about arguments, before there is a matcher. The kinds of the specification but for headers take any.
trait ExchangeKind {
    /// Checks the arguments of exchange.declare.
    fn check_declare(_arguments: &FieldTable) -> Result<(), Reply> {
        Ok(())
    }

    /// Checks key and arguments of a binding.
    fn check_binding(_key: &[u8], _arguments: &FieldTable) -> Result<(), Reply> {
        Ok(())
    }
}

/// One row of the table of kinds.
#[derive(Debug)]
pub struct KindInfo {
    /// The name in exchange.declare.
    pub name: &'static str,
    /// What [`matcher`] wants to know.
    pub kind: Kind,
    check_declare: fn(&FieldTable) -> Result<(), Reply>,
    check_binding: fn(&[u8], &FieldTable) -> Result<(), Reply>,
}

impl KindInfo {
    /// Checks the arguments of exchange.declare that this kind knows; all others are taken as they are.
    ///
    /// # Errors
    /// A reply without class and method.
    pub fn check_declare(&self, arguments: &FieldTable) -> Result<(), Reply> {
        (self.check_declare)(arguments)
    }

    /// Checks a binding from an exchange of this kind.
    ///
    /// # Errors
    /// 406 without class and method, texts as RabbitMQ's.
    pub fn check_binding(&self, key: &[u8], arguments: &FieldTable) -> Result<(), Reply> {
        (self.check_binding)(key, arguments)
    }

    /// The kind by which an exchange of this kind with these arguments routes: itself, but for kinds that take another's place.
    pub fn routing(&'static self, arguments: &FieldTable) -> &'static Self {
        match self.kind {
            Kind::Delayed => delayed::underlying(arguments).unwrap_or(self),
            _ => self,
        }
    }
}

/// The table of kinds: `name in exchange.declare => Kind in module`.
macro_rules! kinds {
    ($($name:literal => $kind:ident in $module:ident,)*) => {
        /// An exchange kind that Leveret has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $kind,)*
        }

        static KINDS: &[KindInfo] = &[$(KindInfo {
            name: $name,
            kind: Kind::$kind,
            check_declare: <$module::$kind<()> as ExchangeKind>::check_declare,
            check_binding: <$module::$kind<()> as ExchangeKind>::check_binding,
        },)*];

        /// A matcher of that kind without bindings.
        pub fn matcher<T: Clone + Eq + Hash + Stable + Send + Sync + 'static>(kind: Kind) -> Box<dyn Matcher<T>> {
            match kind {
                $(Kind::$kind => Box::new($module::$kind::default()),)*
            }
        }
    };
}

kinds! {
    "direct" => Direct in direct,
    "fanout" => Fanout in fanout,
    "topic" => Topic in topic,
    "headers" => Headers in headers,
    "x-consistent-hash" => ConsistentHash in consistent_hash,
    "x-delayed-message" => Delayed in delayed,
    "x-local-random" => LocalRandom in local_random,
    "x-message-deduplication" => Deduplication in deduplication,
    "x-modulus-hash" => ModulusHash in modulus_hash,
    "x-random" => Random in random,
    "x-recent-history" => RecentHistory in recent_history,
}

impl Kind {
    /// The kind's row.
    pub fn info(self) -> &'static KindInfo {
        &KINDS[self as usize]
    }
}

/// Finds a kind by the name in exchange.declare.
///
/// # Errors
/// 406 on the channel for a name that nobody knows.
pub fn find(name: &str) -> Result<&'static KindInfo, Reply> {
    let found = KINDS.iter().find(|info| info.name == name);
    found.ok_or_else(|| Reply::unknown_exchange_type(name))
}

/// All kinds, in the order in which they are shown.
pub fn kinds() -> &'static [KindInfo] {
    KINDS
}

/// The alternate exchange that an exchange's arguments name; `resource` is the exchange in texts.
///
/// # Errors
/// 406 without class and method when the argument is no string.
pub fn alternate(arguments: &FieldTable, resource: &str) -> Result<Option<Arc<str>>, Reply> {
    const KEY: &str = "alternate-exchange";
    match arguments.inner().get(KEY) {
        None => Ok(None),
        Some(AMQPValue::ShortString(name)) => Ok(Some(name.as_str().into())),
        // A name that is no text is the name of no exchange, which is what its replacement is.
        Some(AMQPValue::LongString(name)) => {
            Ok(Some(String::from_utf8_lossy(name.as_bytes()).into()))
        }
        Some(other) => {
            let kind = crate::wire::table::type_name(other);
            Err(Reply::invalid_argument_type(KEY, resource, kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::reply::Scope;

    pub(super) fn arguments(pairs: &[(&str, &str)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (key, value) in pairs {
            table.insert((*key).into(), AMQPValue::LongString((*value).into()));
        }
        table
    }

    pub(super) fn envelope<'a>(routing_key: &'a [u8], properties: &'a [u8]) -> Envelope<'a> {
        Envelope {
            routing_key,
            first: true,
            properties: Properties::new(properties),
        }
    }

    /// Where a message without properties goes, sorted.
    pub(super) fn routed<T: Ord>(matcher: &dyn Matcher<T>, key: &[u8]) -> Vec<T> {
        let mut targets = Vec::new();
        matcher.route(&envelope(key, &[0, 0]), &mut targets);
        targets.sort_unstable();
        targets
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_makes_a_matcher() {
        for info in kinds() {
            assert_eq!(find(info.name).unwrap().kind, info.kind);
            assert_eq!(info.kind.info().name, info.name);
            let given = [
                ("any", "thing"),
                ("x-delayed-type", "fanout"),
                ("x-cache-size", "5"),
            ];
            assert!(info.check_declare(&arguments(&given)).is_ok());
            let key: &[u8] = match info.kind {
                Kind::ConsistentHash => b"1",
                Kind::LocalRandom => b"",
                _ => b"k",
            };
            assert!(info.check_binding(key, &FieldTable::default()).is_ok());
            let mut matcher = matcher::<u8>(info.kind);
            matcher.bind(key, &FieldTable::default(), 1);
            assert_eq!(routed(&*matcher, key), [1], "{}", info.name);
        }
    }

    #[test]
    fn an_unknown_kind_closes_the_channel_with_406() {
        for (name, text) in [
            ("foo", "PRECONDITION_FAILED - unknown exchange type 'foo'"),
            (
                "Direct",
                "PRECONDITION_FAILED - unknown exchange type 'Direct'",
            ),
            ("", "PRECONDITION_FAILED - invalid exchange type ''"),
        ] {
            let reply = find(name).unwrap_err();
            assert_eq!((reply.scope, reply.code), (Scope::Channel, 406));
            assert_eq!((reply.class, reply.method), (40, 10));
            assert_eq!(reply.text, text);
        }
    }

    #[test]
    fn the_alternate_exchange_is_a_string() {
        let named = arguments(&[("alternate-exchange", "ae")]);
        assert_eq!(alternate(&named, "r"), Ok(Some("ae".into())));
        assert_eq!(alternate(&FieldTable::default(), "r"), Ok(None));
        let mut wrong = FieldTable::default();
        wrong.insert("alternate-exchange".into(), AMQPValue::LongInt(1));
        let reply = alternate(&wrong, "exchange 'x' in vhost '/'").unwrap_err();
        assert_eq!(
            reply.text,
            "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
        );
    }
}
