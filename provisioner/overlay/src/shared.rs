//! Scalars that are one and the same in several places.
//!
//! A label put into several fields of an object is one value there, as the reference has it: whatever changes it in
//! one of the places later on, be it a narrower label or a patch, changes it in the others too. Such scalars carry the
//! number of their group, changes are noted while a transformer runs, and carried over when it is done.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::resmap::ResMap;
use crate::yaml::node::{Data, Node};

thread_local! {
    static LAST: Cell<u32> = const { Cell::new(0) };
    static CHANGED: RefCell<Vec<Node>> = const { RefCell::new(Vec::new()) };
}

/// The number of a new group.
pub(crate) fn group() -> u32 {
    LAST.set(LAST.get().wrapping_add(1).max(1));
    LAST.get()
}

/// Forgets what was noted by a rendering that failed.
pub(crate) fn forget() {
    CHANGED.take();
}

/// Notes that a scalar of a group was changed to what it is now.
pub(crate) fn changed(node: &Node) {
    if node.group != 0 {
        CHANGED.with_borrow_mut(|all| all.push(node.clone()));
    }
}

/// Makes the scalars of every group equal to the one that was changed last.
pub(crate) fn settle(map: &mut ResMap) {
    let changed: HashMap<u32, Node> = CHANGED
        .take()
        .into_iter()
        .map(|node| (node.group, node))
        .collect();
    if !changed.is_empty() {
        for resource in map.items_mut() {
            carry(&mut resource.node, &changed);
        }
    }
}

fn carry(node: &mut Node, changed: &HashMap<u32, Node>) {
    if node.group != 0
        && let Some(other) = changed.get(&node.group)
    {
        node.clone_from(other);
        return;
    }
    match &mut node.data {
        Data::Scalar(_) => {}
        Data::Seq(items) => items.iter_mut().for_each(|item| carry(item, changed)),
        Data::Map(entries) => {
            for entry in entries {
                carry(&mut entry.value, changed);
            }
        }
    }
}

/// A copy is not the same any more.
pub(crate) fn detach(node: &mut Node) {
    node.group = 0;
    match &mut node.data {
        Data::Scalar(_) => {}
        Data::Seq(items) => items.iter_mut().for_each(detach),
        Data::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| detach(&mut entry.value)),
    }
}
