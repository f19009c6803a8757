#![allow(missing_docs, unused)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub position: u64,
    pub length: u32,
    pub start: u32,
    pub count: u32,
    pub flags: u8,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Vhost,
    User,
    Permission,
    TopicPermission,
    Exchange,
    Queue,
    Binding,
    Policy,
    Parameter,
}
impl Kind {
    pub fn name(self) -> &'static str {
        ""
    }
}
pub mod write {
    use super::*;
    use std::ops::Range;
    pub fn place(o: &mut Vec<u8>, q: u64, f: u64, t: u64, ttl: Option<u64>, r: &[Run]) {
        o.push(0)
    }
    pub fn settle(o: &mut Vec<u8>, q: u64, r: &[Range<u64>]) {
        o.push(0)
    }
    pub fn requeue(o: &mut Vec<u8>, q: u64, r: &[Range<u64>]) {
        o.push(0)
    }
    pub fn attended(o: &mut Vec<u8>, q: u64) {
        o.push(0)
    }
    pub fn define(o: &mut Vec<u8>, k: Kind, key: &[u8], v: &[u8]) {
        o.push(0)
    }
    pub fn forget(o: &mut Vec<u8>, k: Kind, key: &[u8]) {
        o.push(0)
    }
}
