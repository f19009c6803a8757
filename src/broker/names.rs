//! Names of a vhost to what they stand for: a sharded map, read on the publish path, written by declares.

use std::sync::Arc;

use parking_lot::RwLock;

type Shard<T> = RwLock<std::collections::HashMap<Arc<str>, Arc<T>, ahash::RandomState>>;

/// Enough that two cores seldom meet; few enough that a vhost is small.
const SHARDS: usize = 8;

/// A sharded map from names.
pub struct Names<T> {
    hasher: ahash::RandomState,
    shards: [Shard<T>; SHARDS],
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            hasher: ahash::RandomState::new(),
            shards: std::array::from_fn(|_| Shard::default()),
        }
    }
}

impl<T> Names<T> {
    fn shard(&self, name: &str) -> &Shard<T> {
        &self.shards[self.hasher.hash_one(name) as usize % SHARDS]
    }

    /// What the name stands for.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.shard(name).read().get(name).cloned()
    }

    /// Links the name; the caller holds the topology and has seen that it is free.
    pub fn insert(&self, name: Arc<str>, value: Arc<T>) {
        self.shard(&name).write().insert(name, value);
    }

    /// Unlinks the name if it still stands for `value`.
    pub fn remove(&self, name: &str, value: &Arc<T>) -> bool {
        let mut shard = self.shard(name).write();
        if shard
            .get(name)
            .is_some_and(|current| Arc::ptr_eq(current, value))
        {
            shard.remove(name);
            return true;
        }
        false
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>())
            .collect()
    }
}
