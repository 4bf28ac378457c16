//! What one rendering may make, however little its files say: patches that copy, replacements and variables that
//! repeat, labels on every object multiply what was read.
//!
//! The budget belongs to the rendering that runs on this thread; what is changed outside of one is not counted.

use std::cell::Cell;

use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;
use crate::yaml::node::{Data, Node};

/// Nested collections of a changed object, and parts of a path that makes them.
pub(crate) const DEPTH: usize = 300;

/// Values read from all documents of a rendering.
const NODES: usize = 3_000_000;

/// Bytes that may be made, whatever was read.
const FLOOR: usize = 48 << 20;

/// Bytes that may be made for every value read.
const PER_NODE: usize = 128;

/// What a value counts for, besides its text.
const NODE: usize = 64;

#[derive(Clone, Copy)]
struct Left {
    nodes: usize,
    bytes: usize,
}

const FULL: Left = Left {
    nodes: NODES,
    bytes: FLOOR,
};

thread_local! {
    static LEFT: Cell<Option<Left>> = const { Cell::new(None) };
}

/// Puts the former budget back.
struct Scope(Option<Left>);

impl Drop for Scope {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Runs `render` with a budget of its own.
pub(crate) fn within<T>(render: impl FnOnce() -> T) -> T {
    let _scope = Scope(LEFT.replace(Some(FULL)));
    render()
}

/// How many values a document may still have.
pub(crate) fn nodes_left() -> usize {
    LEFT.get().map_or(NODES, |left| left.nodes)
}

/// Counts the values of a document that was read.
pub(crate) fn read(nodes: usize) {
    if let Some(left) = LEFT.get() {
        LEFT.set(Some(Left {
            nodes: left.nodes.saturating_sub(nodes),
            bytes: left.bytes.saturating_add(nodes.saturating_mul(PER_NODE)),
        }));
    }
}

/// Counts text that is made.
pub(crate) fn text(bytes: usize) -> Result<()> {
    let Some(left) = LEFT.get() else {
        return Ok(());
    };
    match left.bytes.checked_sub(bytes) {
        Some(bytes) => {
            LEFT.set(Some(Left { bytes, ..left }));
            Ok(())
        }
        None => Err(Error::new(
            ErrorKind::Limit,
            "what the overlay makes of its files grows too large",
        )),
    }
}

/// Counts a tree that is copied to a place `depth` collections deep.
pub(crate) fn tree(node: &Node, depth: usize) -> Result<()> {
    let mut weight = Weight::default();
    weight.node(node, depth);
    weight.charge()
}

/// Counts a value that is copied to a place `depth` collections deep.
pub(crate) fn value(value: &Value, depth: usize) -> Result<()> {
    let mut weight = Weight::default();
    weight.value(value, depth);
    weight.charge()
}

/// Refuses paths of more parts than an object may be deep.
pub(crate) fn path(parts: usize) -> Result<()> {
    if parts > DEPTH {
        return Err(too_deep());
    }
    Ok(())
}

fn too_deep() -> Error {
    Error::new(
        ErrorKind::Limit,
        format!("a path or an object is more than {DEPTH} fields deep"),
    )
}

#[derive(Default)]
struct Weight {
    bytes: usize,
    deep: bool,
}

impl Weight {
    fn charge(&self) -> Result<()> {
        if self.deep {
            return Err(too_deep());
        }
        text(self.bytes)
    }

    fn node(&mut self, node: &Node, depth: usize) {
        self.bytes += NODE;
        match &node.data {
            Data::Scalar(text) => self.bytes += text.len(),
            _ if depth >= DEPTH => self.deep = true,
            Data::Seq(items) => items.iter().for_each(|item| self.node(item, depth + 1)),
            Data::Map(entries) => {
                for entry in entries {
                    self.node(&entry.key, depth + 1);
                    self.node(&entry.value, depth + 1);
                }
            }
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        self.bytes += NODE;
        match value {
            Value::String(text) => self.bytes += text.len(),
            Value::List(_) | Value::Map(_) if depth >= DEPTH => self.deep = true,
            Value::List(items) => items.iter().for_each(|item| self.value(item, depth + 1)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.bytes += NODE + key.len();
                    self.value(value, depth + 1);
                }
            }
            _ => {}
        }
    }
}
