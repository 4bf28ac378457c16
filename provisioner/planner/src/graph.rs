//! Order in a graph of dependencies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;

/// Circles among `edges` (node → what it needs), each beginning with its smallest node; one per strongly connected part.
pub(crate) fn cycles<'a, N: Ord>(edges: &BTreeMap<&'a N, BTreeSet<&'a N>>) -> Vec<Vec<&'a N>> {
    let mut done: BTreeSet<&N> = BTreeSet::new();
    let mut cycles = Vec::new();
    for &start in edges.keys() {
        if done.contains(start) {
            continue;
        }
        // Depth first without recursion: the path, and for each node on it what is still to be tried.
        let mut path: Vec<&'a N> = vec![start];
        let mut open: Vec<Vec<&'a N>> = vec![edges[start].iter().rev().copied().collect()];
        let mut on_path: BTreeSet<&N> = BTreeSet::from([start]);
        while let Some(todo) = open.last_mut() {
            match todo.pop() {
                Some(next) if on_path.contains(next) => {
                    let from = path.iter().position(|&node| node == next).unwrap_or(0);
                    let mut cycle = path[from..].to_vec();
                    let smallest = cycle
                        .iter()
                        .enumerate()
                        .min_by_key(|(_, node)| **node)
                        .map_or(0, |(index, _)| index);
                    cycle.rotate_left(smallest);
                    if !cycles.contains(&cycle) {
                        cycles.push(cycle);
                    }
                }
                Some(next) if done.contains(next) => {}
                Some(next) => {
                    if let Some(more) = edges.get(next) {
                        path.push(next);
                        on_path.insert(next);
                        open.push(more.iter().rev().copied().collect());
                    }
                }
                None => {
                    open.pop();
                    if let Some(node) = path.pop() {
                        on_path.remove(node);
                        done.insert(node);
                    }
                }
            }
        }
    }
    cycles
}

/// Nodes with everything they need before them; among the free ones the smallest first. Nodes on circles are left out.
pub(crate) fn order<N: Ord + Hash + Clone + Debug>(edges: &BTreeMap<N, BTreeSet<N>>) -> Vec<N> {
    let mut waiting: HashMap<&N, usize> = HashMap::new();
    let mut needed_by: HashMap<&N, Vec<&N>> = HashMap::new();
    let mut free = BTreeSet::new();
    for (node, needs) in edges {
        let count = needs
            .iter()
            .filter(|need| edges.contains_key(*need))
            .count();
        for need in needs {
            needed_by.entry(need).or_default().push(node);
        }
        if count == 0 {
            free.insert(node);
        } else {
            waiting.insert(node, count);
        }
    }
    let mut ordered = Vec::with_capacity(edges.len());
    while let Some(node) = free.pop_first() {
        ordered.push(node.clone());
        for dependent in needed_by.get(node).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    free.insert(dependent);
                }
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(list: &[(u8, &[u8])]) -> BTreeMap<u8, BTreeSet<u8>> {
        list.iter()
            .map(|(node, needs)| (*node, needs.iter().copied().collect()))
            .collect()
    }

    #[test]
    fn orders_and_finds_circles() {
        assert_eq!(order(&edges(&[(1, &[3]), (2, &[]), (3, &[2])])), [2, 3, 1]);
        let circular = edges(&[(1, &[2]), (2, &[3]), (3, &[1]), (4, &[4]), (5, &[1])]);
        assert_eq!(order(&circular), [0u8; 0]);
        let borrowed = circular
            .iter()
            .map(|(node, needs)| (node, needs.iter().collect()))
            .collect();
        assert_eq!(cycles(&borrowed), [vec![&1, &2, &3], vec![&4]]);
    }
}
