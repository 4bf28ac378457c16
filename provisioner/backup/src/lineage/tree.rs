//! The order of chains by *is a beginning of*, as far as hashes prove it.

use std::collections::BTreeMap;

use super::Record;
use crate::witness::BlockHash;

/// Which chain is proved to begin with which. Nodes are positions in the list of records.
#[derive(Debug)]
pub(super) struct Tree {
    /// The longest chain that is proved to be a beginning of this one.
    pub(super) parent: Vec<Option<usize>>,
    /// Usable records, shortest chain first.
    pub(super) order: Vec<usize>,
    /// Where each record stands in `order`.
    place: Vec<usize>,
    blocks: Vec<u64>,
    /// When a walk through the tree enters and leaves a node.
    span: Vec<(usize, usize)>,
    pub(super) leaves: Vec<usize>,
}

impl Tree {
    pub(super) fn grow(records: &[Record]) -> Self {
        let mut order: Vec<usize> = (0..records.len())
            .filter(|&index| records[index].is_usable())
            .collect();
        order.sort_by_key(|&index| {
            let record = &records[index];
            (record.blocks, record.taken_in, &record.key, index)
        });
        let mut place = vec![0; records.len()];
        for (at, &index) in order.iter().enumerate() {
            place[index] = at;
        }
        let mut parent: Vec<Option<usize>> = vec![None; records.len()];
        for (at, &new) in order.iter().enumerate() {
            // All beginnings of one chain are beginnings of each other, so they form one line. Usually it is known; what
            // this chain knows in addition may join lines that nobody could compare before.
            let mut line: Vec<usize> = Vec::new();
            let mut seen = vec![false; order.len()];
            for &old in order[..at].iter().rev() {
                if seen[place[old]] || !begins_with(&records[new], &records[old]) {
                    continue;
                }
                let mut next = Some(old);
                while let Some(node) = next
                    && !std::mem::replace(&mut seen[place[node]], true)
                {
                    line.push(node);
                    next = parent[node];
                }
            }
            line.sort_by_key(|&node| place[node]);
            for pair in line.windows(2) {
                parent[pair[1]] = Some(pair[0]);
            }
            parent[new] = line.last().copied();
        }
        let mut tree = Self {
            parent,
            order,
            place,
            blocks: records.iter().map(|record| record.blocks).collect(),
            span: Vec::new(),
            leaves: Vec::new(),
        };
        tree.survey();
        tree
    }

    /// Finds leaves and spans anew.
    fn survey(&mut self) {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.parent.len()];
        let mut roots = Vec::new();
        for &index in &self.order {
            match self.parent[index] {
                Some(under) => children[under].push(index),
                None => roots.push(index),
            }
        }
        self.leaves = self
            .order
            .iter()
            .copied()
            .filter(|&index| children[index].is_empty())
            .collect();
        self.span = spans(&roots, &children);
    }

    /// Makes use of the fact that two leaves are the same until a height: what ends below it on either line is a beginning
    /// of both. True when that was news.
    pub(super) fn join(&mut self, facts: &[(usize, usize, u64)]) -> bool {
        let before = self.parent.clone();
        for &(one, two, same) in facts {
            let lines = [self.line(one), self.line(two)];
            for (mine, other) in [(&lines[0], &lines[1]), (&lines[1], &lines[0])] {
                let mut line: Vec<usize> = other
                    .iter()
                    .take_while(|&&node| self.blocks[node] <= same + 1)
                    .chain(mine)
                    .copied()
                    .collect();
                line.sort_by_key(|&node| self.place[node]);
                line.dedup();
                self.link(&line);
            }
        }
        let news = before != self.parent;
        if news {
            self.survey();
        }
        news
    }

    fn link(&mut self, line: &[usize]) {
        for pair in line.windows(2) {
            self.parent[pair[1]] = Some(pair[0]);
        }
    }

    /// Whether the chain of `old` is proved to be a beginning of that of `new`, or the same.
    pub(super) fn is_beginning(&self, old: usize, new: usize) -> bool {
        let ((enters, leaves), (entered, _)) = (self.span[old], self.span[new]);
        enters <= entered && entered < leaves
    }

    /// From the shortest beginning of `leaf` to `leaf` itself.
    pub(super) fn line(&self, leaf: usize) -> Vec<usize> {
        let mut line: Vec<usize> =
            std::iter::successors(Some(leaf), |&node| self.parent[node]).collect();
        line.reverse();
        line
    }

    /// Everything known about the chain of `leaf`, its own hashes and those of its beginnings.
    pub(super) fn known(&self, records: &[Record], leaf: usize) -> BTreeMap<u64, BlockHash> {
        self.line(leaf)
            .into_iter()
            .flat_map(|node| records[node].samples.iter())
            .map(|(height, hash)| (*height, *hash))
            .collect()
    }
}

/// The longer chain has the shorter one's head where that ends.
fn begins_with(long: &Record, short: &Record) -> bool {
    short.head().is_some_and(|head| {
        short
            .blocks
            .checked_sub(1)
            .and_then(|last| long.samples.get(&last))
            == Some(&head)
    })
}

fn spans(roots: &[usize], children: &[Vec<usize>]) -> Vec<(usize, usize)> {
    // Nothing lies within a node that is in no tree.
    let mut span = vec![(usize::MAX, 0); children.len()];
    let mut clock = 0;
    let mut stack: Vec<(usize, bool)> = roots.iter().rev().map(|&root| (root, false)).collect();
    while let Some((node, done)) = stack.pop() {
        if done {
            span[node].1 = clock;
            continue;
        }
        span[node].0 = clock;
        clock += 1;
        stack.push((node, true));
        stack.extend(children[node].iter().rev().map(|&child| (child, false)));
    }
    span
}
