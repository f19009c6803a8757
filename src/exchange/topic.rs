//! The topic exchange: keys are words between dots; in a binding `*` is any one word, `#` any number of words.
//!
//! A trie of the binding keys. A message is matched by walking all its ways through the trie at once, word by word:
//! the set of nodes reached so far, in which no node is twice, so the work is bounded by words times nodes whatever the
//! patterns are. A node is entered from its parent only, once a word; the exception is a `#` node, which keeps itself
//! alive on every word. Once reached it stays, so those are held apart, in a set that only grows.
//!
//! A thousand bindings cost as much as one: a node finds its child over a word by one comparison or one look-up. Nothing
//! is allocated for a message as long as the sets fit the stack.

use std::collections::HashMap;
use std::hash::Hash;

use smallvec::{SmallVec, smallvec};

use crate::wire::FieldTable;

use super::targets::Targets;
use super::{Depends, Envelope, ExchangeKind, Matcher};

/// The root is nobody's child, so its number says "no such child".
const ROOT: u32 = 0;
const NONE: u32 = 0;

/// Matcher of the topic exchange.
#[derive(Debug)]
pub struct Topic<T> {
    /// `nodes[ROOT]` always exists.
    nodes: Vec<Node<T>>,
    /// Unused places of `nodes`.
    free: Vec<u32>,
    hasher: ahash::RandomState,
}

#[derive(Debug)]
struct Node<T> {
    /// Child over `*`, or NONE.
    star: u32,
    /// Child over `#`, or NONE.
    hash: u32,
    /// Children over words.
    words: Words,
    /// Where bindings lead that end here.
    targets: Targets<T>,
}

/// The children of a node over words; most nodes have one.
#[derive(Debug)]
enum Words {
    None,
    One(Box<[u8]>, u32),
    Many(Box<WordMap>),
}

#[derive(Debug)]
struct WordMap(HashMap<Box<[u8]>, u32, ahash::RandomState>);

impl Words {
    #[inline]
    fn get(&self, word: &[u8]) -> Option<u32> {
        match self {
            Self::None => None,
            Self::One(known, child) => (**known == *word).then_some(*child),
            Self::Many(map) => map.0.get(word).copied(),
        }
    }

    /// Adds a word that is not there.
    fn insert(&mut self, word: &[u8], child: u32, hasher: &ahash::RandomState) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(word.into(), child),
            Self::One(known, other) => {
                let mut map = HashMap::with_hasher(hasher.clone());
                map.insert(known, other);
                map.insert(word.into(), child);
                Self::Many(Box::new(WordMap(map)))
            }
            Self::Many(mut map) => {
                map.0.insert(word.into(), child);
                Self::Many(map)
            }
        };
    }

    /// Takes away a word that is there.
    fn remove(&mut self, word: &[u8]) {
        if let Self::Many(map) = self {
            map.0.remove(word);
            if !map.0.is_empty() {
                return;
            }
        }
        *self = Self::None;
    }
}

/// One way from a node to a child.
#[derive(Clone, Copy)]
enum Step<'a> {
    Star,
    Hash,
    Word(&'a [u8]),
}

impl<T> Node<T> {
    fn new() -> Self {
        Self {
            star: NONE,
            hash: NONE,
            words: Words::None,
            targets: Targets::default(),
        }
    }
}

impl<T> ExchangeKind for Topic<T> {}

impl<T> Default for Topic<T> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new()],
            free: Vec::new(),
            hasher: ahash::RandomState::new(),
        }
    }
}

/// The words of a key: none in the empty key, otherwise one more than there are dots.
#[inline]
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let none = key.is_empty();
    key.split(|&byte| byte == b'.').skip(usize::from(none))
}

fn steps(pattern: &[u8]) -> impl Iterator<Item = Step<'_>> {
    words(pattern).map(|word| match word {
        b"*" => Step::Star,
        b"#" => Step::Hash,
        word => Step::Word(word),
    })
}

impl<T: Clone + Eq + Hash> Topic<T> {
    fn node(&self, number: u32) -> &Node<T> {
        &self.nodes[number as usize]
    }

    fn node_mut(&mut self, number: u32) -> &mut Node<T> {
        &mut self.nodes[number as usize]
    }

    fn child(&self, node: u32, step: Step<'_>) -> Option<u32> {
        let child = match step {
            Step::Star => self.node(node).star,
            Step::Hash => self.node(node).hash,
            Step::Word(word) => self.node(node).words.get(word)?,
        };
        (child != NONE).then_some(child)
    }

    fn grow(&mut self, node: u32, step: Step<'_>) -> u32 {
        let child = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::new());
            self.nodes.len() as u32 - 1
        });
        let parent = &mut self.nodes[node as usize];
        match step {
            Step::Star => parent.star = child,
            Step::Hash => parent.hash = child,
            Step::Word(word) => parent.words.insert(word, child, &self.hasher),
        }
        child
    }

    /// Takes an empty leaf away from its parent.
    fn prune(&mut self, parent: u32, step: Step<'_>, leaf: u32) {
        let parent = self.node_mut(parent);
        match step {
            Step::Star => parent.star = NONE,
            Step::Hash => parent.hash = NONE,
            Step::Word(word) => parent.words.remove(word),
        }
        *self.node_mut(leaf) = Node::new();
        self.free.push(leaf);
    }

    /// A node was reached: so are the `#` below it, which match no word as well.
    #[inline]
    fn enter(&self, node: u32, tails: &mut Tails) {
        let mut hash = self.node(node).hash;
        while hash != NONE && tails.insert(hash, self.nodes.len()) {
            hash = self.node(hash).hash;
        }
    }
}

impl<T: Clone + Eq + Hash + Send + Sync> Matcher<T> for Topic<T> {
    fn bind(&mut self, key: &[u8], _arguments: &FieldTable, target: T) {
        let mut node = ROOT;
        for step in steps(key) {
            node = match self.child(node, step) {
                Some(child) => child,
                None => self.grow(node, step),
            };
        }
        self.node_mut(node).targets.add(target);
    }

    fn unbind(&mut self, key: &[u8], _arguments: &FieldTable, target: &T) {
        let mut path: SmallVec<[(u32, Step<'_>, u32); 16]> = SmallVec::new();
        let mut node = ROOT;
        for step in steps(key) {
            let Some(child) = self.child(node, step) else {
                return;
            };
            path.push((node, step, child));
            node = child;
        }
        self.node_mut(node).targets.remove(target);
        while let Some((parent, step, leaf)) = path.pop() {
            let node = self.node(leaf);
            let words = !matches!(node.words, Words::None);
            if node.star != NONE || node.hash != NONE || words || !node.targets.is_empty() {
                return;
            }
            self.prune(parent, step, leaf);
        }
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        let (mut one, mut other): (Reached, Reached) = (smallvec![ROOT], SmallVec::new());
        // Swapped by reference: the sets themselves are too large to move for every word.
        let (mut reached, mut next) = (&mut one, &mut other);
        let mut tails = Tails::default();
        self.enter(ROOT, &mut tails);
        for word in words(message.routing_key) {
            // Those that `enter` adds below begin with the word after this one.
            for &node in reached.iter().chain(&tails.list) {
                let node = self.node(node);
                if let Some(child) = node.words.get(word) {
                    next.push(child);
                }
                if node.star != NONE {
                    next.push(node.star);
                }
            }
            for &node in &*next {
                self.enter(node, &mut tails);
            }
            std::mem::swap(&mut reached, &mut next);
            next.clear();
            if reached.is_empty() && tails.list.is_empty() {
                return;
            }
        }
        for &node in reached.iter().chain(&tails.list) {
            self.node(node).targets.copy_to(targets);
        }
    }

    fn depends(&self) -> Depends {
        Depends::RoutingKey
    }
}

/// Nodes reached with the last word, `#` nodes apart.
type Reached = SmallVec<[u32; 32]>;

/// The `#` nodes reached so far, each once.
#[derive(Default)]
struct Tails {
    list: SmallVec<[u32; 16]>,
    /// One bit a node, once the list is too long to search.
    marks: Vec<u64>,
}

impl Tails {
    /// Whether `node` is new; `nodes` is how many there are.
    #[inline]
    fn insert(&mut self, node: u32, nodes: usize) -> bool {
        let bit = |node: u32| (node as usize / 64, 1u64 << (node % 64));
        if self.marks.is_empty() {
            if self.list.contains(&node) {
                return false;
            }
            if self.list.len() == self.list.inline_size() {
                self.marks = vec![0; nodes.div_ceil(64)];
                for (place, mask) in self.list.iter().chain([&node]).map(|&node| bit(node)) {
                    self.marks[place] |= mask;
                }
            }
        } else {
            let (place, mask) = bit(node);
            if self.marks[place] & mask != 0 {
                return false;
            }
            self.marks[place] |= mask;
        }
        self.list.push(node);
        true
    }
}

#[cfg(test)]
mod tests;
