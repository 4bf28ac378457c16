//! Registries beside the chain, which no hash covers, compared with the chain they speak of.

use super::entry::EntryReader;
use crate::Finding;

/// What registries say, and what the chain says about the same things.
#[derive(Debug, Default)]
pub(super) struct Registry {}

impl Registry {
    pub(super) fn begin(&mut self, _name: &[u8]) {}
    pub(super) fn key(&mut self, _depth: usize, _key: &[u8]) {}
    pub(super) fn scalar(&mut self, _depth: usize, _text: &[u8]) {}
    pub(super) fn leave(&mut self, _depth: usize) {}
    pub(super) fn mined(&mut self, _block: u64, _place: u64, _entry: &EntryReader) {}
    pub(super) fn pending(&mut self, _entry: &EntryReader) {}
    pub(super) fn finish(&mut self, _blocks: u64) -> Vec<Finding> {
        Vec::new()
    }
}
