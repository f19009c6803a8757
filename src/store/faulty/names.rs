//! Changes of names that no sync has made safe yet.

use std::collections::BTreeMap;

#[derive(Clone)]
pub(super) enum NameChange {
    Create(String, u64),
    Remove(String, u64),
    Rename(String, String, u64),
}

impl NameChange {
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let (one, two) = match self {
            Self::Create(name, _) | Self::Remove(name, _) => (name, None),
            Self::Rename(from, to, _) => (from, Some(to)),
        };
        std::iter::once(one).chain(two)
    }

    pub fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Remove(name, file) => {
                if names.get(name) == Some(file) {
                    names.remove(name);
                }
            }
            Self::Rename(from, to, file) => {
                if names.get(from) == Some(file) {
                    names.remove(from);
                    names.insert(to.clone(), *file);
                }
            }
        }
    }
}
