//! What a plan will cost in time and calls.

use std::collections::{BTreeMap, HashMap};

use crate::address::Address;
use crate::kind::{Kind, Layer};
use crate::plan::{Action, Estimates, Step};

/// Seconds and API calls of one step. Medians of earlier runs count for what they were measured on: making.
pub(crate) fn cost(
    kind: &Kind,
    address: &Address,
    action: Action,
    medians: &BTreeMap<String, u32>,
) -> (u32, u32) {
    let making = medians
        .get(&address.qualified_kind())
        .copied()
        .unwrap_or(kind.seconds);
    match action {
        Action::Update | Action::Open | Action::Rotate if address.provider() != "kubernetes" => {
            (making.min(5), kind.calls.min(3))
        }
        Action::Delete => (making.min(60), kind.calls.min(3)),
        _ => (making, kind.calls),
    }
}

/// The critical path and the calls by provider. The objectives are left to the caller.
pub(crate) fn estimate(steps: &[Step]) -> Estimates {
    let index: HashMap<&str, usize> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.id.as_str(), at))
        .collect();
    let needs: Vec<Vec<usize>> = steps
        .iter()
        .map(|step| {
            step.depends_on
                .iter()
                .filter_map(|id| index.get(id.as_str()).copied())
                .collect()
        })
        .collect();
    let mut finish: Vec<Option<(u64, Option<usize>)>> = vec![None; steps.len()];
    for start in 0..steps.len() {
        let mut open = vec![start];
        while let Some(&at) = open.last() {
            if finish[at].is_some() {
                open.pop();
                continue;
            }
            let missing = open.len();
            open.extend(
                needs[at]
                    .iter()
                    .copied()
                    .filter(|need| finish[*need].is_none()),
            );
            if open.len() > missing {
                continue;
            }
            // Of two equally late needs the one with the smaller id, so that the path is stable.
            let latest = needs[at]
                .iter()
                .filter_map(|need| {
                    finish[*need].map(|(end, _)| (end, std::cmp::Reverse(&steps[*need].id), *need))
                })
                .max();
            let begin = latest.as_ref().map_or(0, |(end, _, _)| *end);
            finish[at] = Some((
                begin + u64::from(steps[at].seconds),
                latest.map(|(_, _, need)| need),
            ));
            open.pop();
        }
    }
    // The first backup is taken while users are served already.
    let serves = |at: &usize| steps[*at].layer != Layer::Backup;
    let last = finish
        .iter()
        .enumerate()
        .filter(|(at, _)| serves(at))
        .filter_map(|(at, end)| end.map(|(end, _)| (end, std::cmp::Reverse(&steps[at].id), at)))
        .max();
    let mut path = Vec::new();
    let mut here = last.as_ref().map(|(_, _, at)| *at);
    while let Some(at) = here {
        path.push(steps[at].id.clone());
        here = finish[at].and_then(|(_, before)| before);
    }
    path.reverse();
    let mut calls = BTreeMap::new();
    for step in steps {
        *calls.entry(step.address.provider().to_owned()).or_insert(0) += u64::from(step.calls);
    }
    Estimates {
        rto_seconds: last.map_or(0, |(end, _, _)| end),
        critical_path: path,
        calls,
        ..Estimates::default()
    }
}
