//! Which step waits for which, and the order they are listed in.
//!
//! Steps wait for what their specs refer to, for what they were told to wait for, for the secrets they read, and, since the order is
//! what keeps data safe, for whole groups: namespaces, the inventory, definitions, classes, configuration, seed, its read-back, workloads, checks, the
//! generation's mark, exposure, the first backup. Deletes go the other way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::address::Address;
use crate::graph;
use crate::kind::Layer;
use crate::kinds;
use crate::observed::Observed;
use crate::plan::{Action, Step};
use crate::planning::{Draft, PlanError};
use crate::teardown;

/// Edges between two groups beyond which one step collects the first group for all of the second.
const MOST_EDGES: usize = 4096;

const MARK: u8 = 9;
/// After everything else: what it waits for serves meanwhile.
const BACKUP: u8 = u8::MAX;

/// The group of a step that makes something; infrastructure and secrets have none, their references order them.
fn phase(step: &Step) -> Option<u8> {
    if step.action == Action::Open {
        return Some(MARK.saturating_add(1));
    }
    match (step.address.provider(), step.layer) {
        ("kubernetes", Layer::Workloads) => Some(7),
        ("kubernetes", Layer::Exposure) => {
            Some(kinds::kubernetes::order(&step.address).saturating_add(4))
        }
        ("kubernetes", _) => Some(kinds::kubernetes::order(&step.address)),
        ("seed", _) => Some(5),
        ("check", _) if step.address.kind() == "seed" => Some(6),
        ("check", _) => Some(8),
        ("s3", Layer::Validation) => Some(MARK),
        // After everything in the cluster that users come through.
        ("route53", _) => Some(12),
        ("backup", _) => Some(BACKUP),
        _ => None,
    }
}

type Ours<'a> = BTreeMap<&'a Address, Vec<&'a Observed>>;

/// Settles dependencies and order.
pub(crate) fn arrange(
    drafts: Vec<Draft>,
    deps: &BTreeMap<Address, BTreeSet<Address>>,
    ours: &Ours<'_>,
) -> Result<Vec<Step>, PlanError> {
    let mut drafts = drafts;
    drafts.sort_by(|a, b| sort_key(&a.step).cmp(&sort_key(&b.step)));
    let mut web = Web {
        needs: vec![BTreeSet::new(); drafts.len()],
    };
    let mut main: HashMap<&Address, usize> = HashMap::new();
    let mut opened: Vec<usize> = Vec::new();
    let mut gone: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        if draft.step.action == Action::Delete {
            gone.entry(&draft.step.address).or_default().push(at);
        } else if draft.step.action == Action::Open {
            opened.push(at);
        } else {
            main.insert(&draft.step.address, at);
        }
    }
    for at in opened {
        web.needs[at].extend(main.get(&drafts[at].step.address));
    }
    let mut through = HashMap::new();
    for (&address, &at) in &main {
        for need in deps.get(address).into_iter().flatten() {
            web.needs[at].extend(steps_of(need, &main, deps, &mut through));
        }
        web.needs[at].remove(&at);
    }
    for (address, deletes) in &gone {
        for &delete in deletes {
            if let Some(&at) = main.get(*address) {
                if drafts[delete].first {
                    web.needs[at].insert(delete);
                } else {
                    web.needs[delete].insert(at);
                }
            }
        }
    }
    barriers(&drafts, &mut web);
    deletes(&drafts, &main, &gone, ours, &mut web);
    moves(&drafts, &main, &gone, deps, &mut web);
    if let Some(circle) = web.circle() {
        return Err(PlanError::Circle(
            circle
                .into_iter()
                .map(|at| drafts[at].step.id.clone())
                .collect(),
        ));
    }
    let ids: Vec<String> = drafts.iter().map(|draft| draft.step.id.clone()).collect();
    let mut steps: Vec<Step> = drafts.into_iter().map(|draft| draft.step).collect();
    for (step, needs) in steps.iter_mut().zip(&web.needs) {
        step.depends_on = needs.iter().map(|need| ids[*need].clone()).collect();
        step.depends_on.sort();
    }
    Ok(steps)
}

/// Layer, order within it, address, id.
fn sort_key(step: &Step) -> (Layer, u8, &Address, &str) {
    let order = if step.address.provider() == "kubernetes" {
        kinds::kubernetes::order(&step.address)
    } else {
        0
    };
    (step.layer, order, &step.address, &step.id)
}

/// The steps to wait for so that `address` is as wanted: its own, or, where it stays as it is, those of what it stands on.
fn steps_of<'a>(
    address: &'a Address,
    main: &HashMap<&'a Address, usize>,
    deps: &'a BTreeMap<Address, BTreeSet<Address>>,
    through: &mut HashMap<&'a Address, BTreeSet<usize>>,
) -> BTreeSet<usize> {
    if let Some(&at) = main.get(address) {
        return BTreeSet::from([at]);
    }
    if let Some(known) = through.get(address) {
        return known.clone();
    }
    // What stays as it is seldom stands on what changes, so the walk is short; it visits each resource once.
    let (mut found, mut seen, mut open) =
        (BTreeSet::new(), HashSet::from([address]), vec![address]);
    while let Some(here) = open.pop() {
        for need in deps.get(here).into_iter().flatten() {
            match main.get(need) {
                Some(&at) => {
                    found.insert(at);
                }
                None if seen.insert(need) => open.push(need),
                None => {}
            }
        }
    }
    through.insert(address, found.clone());
    found
}

/// Steps by index, with those each one waits for.
struct Web {
    needs: Vec<BTreeSet<usize>>,
}

impl Web {
    /// Makes every step of `after` wait for every step of `before`, with few edges.
    fn barrier(&mut self, before: &[usize], after: &[usize], drafts: &[Draft]) {
        let within: HashSet<usize> = before.iter().copied().collect();
        let needed: HashSet<usize> = before
            .iter()
            .flat_map(|at| self.needs[*at].iter().copied())
            .filter(|need| within.contains(need))
            .collect();
        let sinks: Vec<usize> = before
            .iter()
            .copied()
            .filter(|at| !needed.contains(at))
            .collect();
        let group: HashSet<usize> = after.iter().copied().collect();
        let sources: Vec<usize> = after
            .iter()
            .copied()
            .filter(|at| !self.needs[*at].iter().any(|need| group.contains(need)))
            .collect();
        if sinks.len().saturating_mul(sources.len()) <= MOST_EDGES {
            for source in &sources {
                self.needs[*source].extend(sinks.iter().copied());
            }
            return;
        }
        // The quickest step of either side waits for the first side alone, and the rest of the second side for it.
        let quickest = sinks
            .iter()
            .chain(&sources)
            .copied()
            .min_by_key(|at| (drafts[*at].step.seconds, *at));
        let Some(collector) = quickest else { return };
        self.needs[collector].extend(sinks.iter().copied().filter(|at| *at != collector));
        for source in sources.into_iter().filter(|at| *at != collector) {
            self.needs[source].insert(collector);
        }
    }

    /// Whether `from` waits, directly or not, for `to`.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let (mut open, mut seen) = (vec![from], HashSet::new());
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at) {
                open.extend(self.needs[at].iter().copied());
            }
        }
        false
    }

    /// Makes `later` wait for `earlier` unless the opposite holds already.
    fn soft(&mut self, later: usize, earlier: usize) {
        if later != earlier && !self.reaches(earlier, later) {
            self.needs[later].insert(earlier);
        }
    }

    fn circle(&self) -> Option<Vec<usize>> {
        let edges: BTreeMap<usize, BTreeSet<usize>> =
            self.needs.iter().cloned().enumerate().collect();
        if graph::order(&edges).len() == edges.len() {
            return None;
        }
        let borrowed = edges
            .iter()
            .map(|(at, needs)| (at, needs.iter().collect()))
            .collect();
        graph::cycles(&borrowed)
            .into_iter()
            .next()
            .map(|cycle| cycle.into_iter().copied().collect())
    }
}

fn barriers(drafts: &[Draft], web: &mut Web) {
    let mut groups: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    let mut infrastructure = Vec::new();
    for (at, draft) in drafts
        .iter()
        .enumerate()
        .filter(|(_, draft)| draft.step.action != Action::Delete)
    {
        match phase(&draft.step) {
            Some(phase) => groups.entry(phase).or_default().push(at),
            None => infrastructure.push(at),
        }
    }
    let order: Vec<(u8, Vec<usize>)> = groups.into_iter().collect();
    for pair in order.windows(2) {
        web.barrier(&pair[0].1, &pair[1].1, drafts);
    }
    // Neither is a generation called validated nor are users let in before the infrastructure is complete.
    if let Some((_, late)) = order.iter().find(|(phase, _)| *phase >= MARK) {
        web.barrier(&infrastructure, late, drafts);
    }
}

/// An old object goes when nothing uses it any more; what is unwanted goes in the order of [`teardown::rank`].
fn deletes(
    drafts: &[Draft],
    main: &HashMap<&Address, usize>,
    gone: &BTreeMap<&Address, Vec<usize>>,
    ours: &Ours<'_>,
    web: &mut Web,
) {
    if gone.is_empty() {
        return;
    }
    let mut unwanted: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    for (address, deletes) in gone
        .iter()
        .filter(|(address, _)| !main.contains_key(**address))
    {
        unwanted
            .entry(teardown::rank(address))
            .or_default()
            .extend(deletes);
    }
    let ranks: Vec<Vec<usize>> = unwanted.into_values().collect();
    for pair in ranks.windows(2) {
        web.barrier(&pair[0], &pair[1], drafts);
    }
    // What is pruned from a cluster goes when everything else is as wanted: until then it may be what still serves.
    let pruned: Vec<usize> = ranks
        .iter()
        .flatten()
        .copied()
        .filter(|at| drafts[*at].step.address.provider() == "kubernetes")
        .collect();
    let wanted: Vec<usize> = (0..drafts.len())
        .filter(|at| drafts[*at].step.action != Action::Delete)
        .collect();
    web.barrier(&wanted, &pruned, drafts);
    // Who speaks of an id that goes: its own delete, and the step that turns it to something else, come first.
    let by_id: HashMap<&str, usize> = gone
        .values()
        .flatten()
        .filter_map(|&at| Some((drafts[at].step.object.as_deref()?, at)))
        .collect();
    for (address, objects) in ours {
        let here = main.get(*address).copied();
        for observed in objects {
            let own = by_id.get(observed.id.as_str()).copied();
            if here.is_none() && own.is_none() {
                continue;
            }
            let mut texts = Vec::new();
            strings(&observed.spec, &mut texts);
            let mut targets: Vec<usize> = texts
                .iter()
                .filter_map(|text| by_id.get(text).copied())
                .collect();
            targets.sort_unstable();
            targets.dedup();
            for target in targets.into_iter().filter(|target| Some(*target) != own) {
                if let Some(own) = own {
                    let both_unwanted =
                        here.is_none() && !main.contains_key(&drafts[target].step.address);
                    if !both_unwanted {
                        web.soft(target, own);
                    }
                }
                if let Some(here) = here {
                    web.soft(target, here);
                }
            }
        }
    }
}

/// What moves elsewhere in place lets go only when the old objects that used it are gone (an internet gateway with mapped addresses).
fn moves(
    drafts: &[Draft],
    main: &HashMap<&Address, usize>,
    gone: &BTreeMap<&Address, Vec<usize>>,
    deps: &BTreeMap<Address, BTreeSet<Address>>,
    web: &mut Web,
) {
    for (address, deletes) in gone {
        for &delete in deletes.iter().filter(|delete| drafts[**delete].first) {
            for need in deps.get(*address).into_iter().flatten() {
                if let Some(&at) = main
                    .get(need)
                    .filter(|at| drafts[**at].step.action == Action::Update)
                {
                    web.soft(at, delete);
                }
            }
        }
    }
}

fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(map) => map.values().for_each(|item| strings(item, found)),
        _ => {}
    }
}
