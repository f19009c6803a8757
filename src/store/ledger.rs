#![allow(missing_docs, unused)]
use super::record::Run;
use super::*;
use std::ops::Range;
#[derive(Default, Debug)]
pub struct Ledger {
    n: u64,
}
impl Ledger {
    pub fn place(&mut self, f: u64, r: Run, t: u64, ttl: Option<u64>, l: Lease) {
        self.n += 1
    }
    pub fn settle(&mut self, s: u64) {}
    pub fn settle_range(&mut self, r: Range<u64>) {}
    pub fn requeue(&mut self, s: u64) {}
    pub fn attend(&mut self) -> bool {
        false
    }
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }
    pub fn live(&self) -> u64 {
        0
    }
    pub fn bytes(&self) -> u64 {
        0
    }
    pub fn next_sequence(&self) -> u64 {
        0
    }
}
