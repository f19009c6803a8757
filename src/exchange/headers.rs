//! The headers exchange: a binding's arguments are what the message's headers have to be.
//!
//! Equal are values, not types: integers of any width, float and double, string and bytes are each one class. A double
//! equals no integer (RabbitMQ 4), and inside arrays and tables types count as well. Void in a binding asks for presence.
//! Of two headers with one name the last counts (RabbitMQ 4). A timestamp equals the integer of its seconds (RabbitMQ 3.10;
//! 4.0 multiplies the header's, not the binding's, by 1000, so that a timestamp there does not equal itself).
//!
//! The headers are read where they lie in the message. A binding is found through one of its arguments, the rarest for
//! `all`, each for `any`: the hash of name and value leads to the bindings that are worth a comparison, so a thousand
//! bindings that ask for different values cost as much as one.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::SmallVec;

use crate::wire::table::{self, Table, Value};
use crate::wire::{AMQPValue, FieldTable, erlang};

use super::{Depends, Envelope, ExchangeKind, Matcher};
use crate::wire::reply::Reply;

mod wanted;

use wanted::{Class, Wanted};

/// The argument that says how the others are to be taken.
const X_MATCH: &str = "x-match";

/// Matcher of the headers exchange.
#[derive(Debug)]
pub struct Headers<T> {
    bindings: Vec<Option<Binding<T>>>,
    /// Unused places of `bindings`.
    free: Vec<u32>,
    /// Places of each target's bindings.
    by_target: HashMap<T, SmallVec<[u32; 2]>, ahash::RandomState>,
    /// Hash of name and wanted value to the places of bindings that ask for it.
    by_field: HashMap<u64, SmallVec<[u32; 2]>, ahash::RandomState>,
    /// Places of bindings that ask for nothing and take everything.
    unconditional: Vec<u32>,
    hasher: ahash::RandomState,
}

#[derive(Debug)]
struct Binding<T> {
    target: T,
    key: Box<[u8]>,
    /// The arguments as raw bytes, by which the binding is told from others: in these a NaN equals itself.
    arguments: Box<[u8]>,
    all: bool,
    fields: Box<[(Box<[u8]>, Wanted)]>,
    /// Where it stands in `by_field`.
    hashes: SmallVec<[u64; 1]>,
}

impl<T> ExchangeKind for Headers<T> {
    fn check_binding(_key: &[u8], arguments: &FieldTable) -> Result<(), Reply> {
        let word = match arguments.inner().get(X_MATCH) {
            None => return Ok(()),
            Some(AMQPValue::LongString(word)) => word.as_bytes(),
            Some(AMQPValue::ShortString(word)) => word.as_str().as_bytes(),
            Some(other) => {
                let (kind, printed) = (table::type_name(other), erlang::term(other));
                return Err(Reply::invalid_x_match_type(kind, &printed));
            }
        };
        match word {
            b"all" | b"any" | b"all-with-x" | b"any-with-x" => Ok(()),
            other => Err(Reply::invalid_x_match(&erlang::binary(other))),
        }
    }
}

impl<T> Default for Headers<T> {
    fn default() -> Self {
        Self {
            bindings: Vec::new(),
            free: Vec::new(),
            by_target: HashMap::with_hasher(ahash::RandomState::new()),
            by_field: HashMap::with_hasher(ahash::RandomState::new()),
            unconditional: Vec::new(),
            hasher: ahash::RandomState::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Headers<T> {
    fn binding(&self, place: u32) -> Option<&Binding<T>> {
        self.bindings.get(place as usize)?.as_ref()
    }

    fn compile(&self, key: &[u8], arguments: &FieldTable, target: T) -> Binding<T> {
        let word: &[u8] = match arguments.inner().get(X_MATCH) {
            Some(AMQPValue::LongString(word)) => word.as_bytes(),
            Some(AMQPValue::ShortString(word)) => word.as_str().as_bytes(),
            _ => b"all",
        };
        let (all, with_x) = match word {
            b"any" => (false, false),
            b"any-with-x" => (false, true),
            b"all-with-x" => (true, true),
            _ => (true, false),
        };
        let fields: Box<[(Box<[u8]>, Wanted)]> = arguments
            .into_iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| *name != X_MATCH && (with_x || !name.starts_with("x-")))
            .map(|(name, value)| (name.as_bytes().into(), Wanted::new(value)))
            .collect();
        let mut hashes: SmallVec<[u64; 1]> = fields
            .iter()
            .map(|(name, wanted)| self.hash(name, &wanted.class()))
            .collect();
        if all {
            // Presence is met by more messages than a value is: it is where to look only when nothing else is asked for.
            let crowd = |place: &usize| {
                let others = self.by_field.get(&hashes[*place]);
                (
                    fields[*place].1 == Wanted::Presence,
                    others.map_or(0, SmallVec::len),
                )
            };
            let rarest = (0..hashes.len()).min_by_key(crowd);
            hashes = rarest.map(|place| hashes[place]).into_iter().collect();
        }
        Binding {
            target,
            key: key.into(),
            arguments: table::from_field_table(arguments).into(),
            all,
            fields,
            hashes,
        }
    }

    fn hash(&self, name: &[u8], class: &Class<'_>) -> u64 {
        self.hasher.hash_one((name, class))
    }
}

impl<T: Clone + Eq + Hash + Send + Sync> Matcher<T> for Headers<T> {
    fn bind(&mut self, key: &[u8], arguments: &FieldTable, target: T) {
        let binding = self.compile(key, arguments, target);
        let place = self.free.pop().unwrap_or(self.bindings.len() as u32);
        for hash in &binding.hashes {
            self.by_field.entry(*hash).or_default().push(place);
        }
        if binding.all && binding.fields.is_empty() {
            self.unconditional.push(place);
        }
        let target = binding.target.clone();
        self.by_target.entry(target).or_default().push(place);
        if place as usize == self.bindings.len() {
            self.bindings.push(Some(binding));
        } else {
            self.bindings[place as usize] = Some(binding);
        }
    }

    fn unbind(&mut self, key: &[u8], arguments: &FieldTable, target: &T) {
        let arguments = table::from_field_table(arguments);
        let places = self.by_target.get(target).map_or(&[][..], |places| places);
        let wanted = places.iter().copied().find(|&place| {
            self.binding(place)
                .is_some_and(|found| *found.key == *key && *found.arguments == *arguments)
        });
        let Some(place) = wanted else {
            return;
        };
        let Some(binding) = self.bindings[place as usize].take() else {
            return;
        };
        self.free.push(place);
        self.unconditional.retain(|&other| other != place);
        for hash in &binding.hashes {
            if let Some(places) = self.by_field.get_mut(hash) {
                places.retain(|other| *other != place);
                if places.is_empty() {
                    self.by_field.remove(hash);
                }
            }
        }
        if let Some(places) = self.by_target.get_mut(target) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.by_target.remove(target);
            }
        }
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        for &place in &self.unconditional {
            targets.extend(self.binding(place).map(|binding| binding.target.clone()));
        }
        if self.by_field.is_empty() {
            return;
        }
        let Some(raw) = message.properties.headers() else {
            return;
        };
        let fields = Fields::new(raw);
        for (name, _, value) in &fields.list {
            for class in [Class::Presence, Class::of(value)] {
                let Some(places) = self.by_field.get(&self.hash(name, &class)) else {
                    continue;
                };
                for binding in places.iter().filter_map(|&place| self.binding(place)) {
                    let met = |(name, wanted): &(Box<[u8]>, Wanted)| {
                        fields.find(name).is_some_and(|value| wanted.is(&value))
                    };
                    let met = if binding.all {
                        binding.fields.iter().all(met)
                    } else {
                        binding.fields.iter().any(met)
                    };
                    if met {
                        targets.push(binding.target.clone());
                    }
                }
            }
        }
    }

    fn depends(&self) -> Depends {
        Depends::Message
    }
}

/// Up to here a search through the headers is faster than sorting them.
const SEARCHED_IN_PLACE: usize = 16;

/// A message's headers: name, place, value. Sorted when there are many.
struct Fields<'a> {
    list: SmallVec<[(&'a [u8], u32, Value<'a>); SEARCHED_IN_PLACE]>,
}

impl<'a> Fields<'a> {
    fn new(raw: &'a [u8]) -> Self {
        let fields = Table(raw).iter().zip(0..);
        let mut list: SmallVec<_> = fields
            .map(|((name, value), place)| (name, place, value))
            .collect();
        if list.len() > SEARCHED_IN_PLACE {
            list.sort_unstable_by_key(|&(name, place, _)| (name, place));
        }
        Self { list }
    }

    /// The last header of that name.
    fn find(&self, name: &[u8]) -> Option<Value<'a>> {
        if self.list.len() > SEARCHED_IN_PLACE {
            let after = self.list.partition_point(|&(other, ..)| other <= name);
            let &(found, _, value) = self.list.get(after.checked_sub(1)?)?;
            (found == name).then_some(value)
        } else {
            let mut latest_first = self.list.iter().rev();
            latest_first.find_map(|&(found, _, value)| (found == name).then_some(value))
        }
    }
}

#[cfg(test)]
mod tests;
