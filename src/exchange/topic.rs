//! The topic exchange: keys are words between dots; in a binding `*` is any one word, `#` any number of words.
//!
//! A trie of the binding keys. A message is matched by walking all its ways through the trie at once, word by word:
//! the set of nodes reached so far, in which no node is twice, so the work is bounded by words times nodes whatever the
//! patterns are. A node is entered from its parent only, once a word; the exception is a `#` node, which keeps itself
//! alive on every word. Once reached it stays, so those are held apart, in a set that only grows.
//!
//! A thousand bindings cost as much as one: a word is hashed once to its number, then each node of the set looks up
//! (node, word) in one map. Nothing is allocated for a message as long as the sets fit the stack.

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
    /// Words of bindings, without wildcards. A word of a message that is not here matches wildcards only.
    words: HashMap<Box<[u8]>, Word, ahash::RandomState>,
    free_words: Vec<u32>,
    /// (node, word) to child.
    edges: HashMap<(u32, u32), u32, ahash::RandomState>,
}

#[derive(Debug)]
struct Node<T> {
    /// Child over `*`, or NONE.
    star: u32,
    /// Child over `#`, or NONE.
    hash: u32,
    /// How many children there are over words.
    words: u32,
    /// Where bindings lead that end here.
    targets: Targets<T>,
}

#[derive(Debug)]
struct Word {
    number: u32,
    /// Edges over this word.
    edges: u32,
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
            words: 0,
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
            words: HashMap::with_hasher(ahash::RandomState::new()),
            free_words: Vec::new(),
            edges: HashMap::with_hasher(ahash::RandomState::new()),
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
            Step::Word(word) => *self.edges.get(&(node, self.words.get(word)?.number))?,
        };
        (child != NONE).then_some(child)
    }

    fn grow(&mut self, node: u32, step: Step<'_>) -> u32 {
        let child = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::new());
            self.nodes.len() as u32 - 1
        });
        match step {
            Step::Star => self.node_mut(node).star = child,
            Step::Hash => self.node_mut(node).hash = child,
            Step::Word(word) => {
                self.node_mut(node).words += 1;
                let number = self.number(word);
                self.edges.insert((node, number), child);
            }
        }
        child
    }

    /// The number of a word that gets one more edge.
    fn number(&mut self, word: &[u8]) -> u32 {
        if let Some(known) = self.words.get_mut(word) {
            known.edges += 1;
            return known.number;
        }
        // Numbers in use are 0..n without holes but for the free ones.
        let number = (self.words.len() + self.free_words.len()) as u32;
        let number = self.free_words.pop().unwrap_or(number);
        self.words.insert(word.into(), Word { number, edges: 1 });
        number
    }

    /// Takes an empty leaf away from its parent.
    fn prune(&mut self, parent: u32, step: Step<'_>, leaf: u32) {
        match step {
            Step::Star => self.node_mut(parent).star = NONE,
            Step::Hash => self.node_mut(parent).hash = NONE,
            Step::Word(word) => {
                self.node_mut(parent).words -= 1;
                if let Some(known) = self.words.get_mut(word) {
                    let number = known.number;
                    self.edges.remove(&(parent, number));
                    known.edges -= 1;
                    if known.edges == 0 {
                        self.words.remove(word);
                        self.free_words.push(number);
                    }
                }
            }
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
            let used = node.star != NONE || node.hash != NONE || node.words != 0;
            if used || !node.targets.is_empty() {
                return;
            }
            self.prune(parent, step, leaf);
        }
    }

    fn route(&self, message: &Envelope<'_>, targets: &mut Vec<T>) {
        let mut reached: SmallVec<[u32; 32]> = smallvec![ROOT];
        let mut next: SmallVec<[u32; 32]> = SmallVec::new();
        let mut tails = Tails::default();
        self.enter(ROOT, &mut tails);
        for word in words(message.routing_key) {
            let number = self.words.get(word).map(|word| word.number);
            // Those that `enter` adds below begin with the word after this one.
            for &node in reached.iter().chain(&tails.list) {
                let Node { star, words, .. } = *self.node(node);
                if let (Some(number), 1..) = (number, words)
                    && let Some(&child) = self.edges.get(&(node, number))
                {
                    next.push(child);
                }
                if star != NONE {
                    next.push(star);
                }
            }
            for &node in &next {
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
