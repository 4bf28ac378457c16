//! Compares backups and says which agree, which part and where.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::Record;
use super::tree::Tree;
use crate::witness::BlockHash;
use crate::{Code, Finding};

/// Heights asked for at once to narrow a gap.
const ASKED: u64 = 1_024;

/// How far two chains are known to be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Agreement {
    /// The highest block at which they are known to be the same, and with it all below.
    pub same_until: Option<u64>,
    /// The lowest block at which they are known to differ, and with it all above.
    pub differ_from: Option<u64>,
}

impl Agreement {
    /// Whether the block at which they part is known exactly.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.differ_from
            .is_some_and(|differ| differ == self.same_until.map_or(0, |same| same + 1))
    }
}

/// Backups whose chains are all beginnings of the longest of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Branch {
    /// Positions in the list of records, shortest chain first. A backup from before a parting is in several branches.
    pub members: Vec<usize>,
}

/// Two branches, and where they part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Parting {
    /// Positions in the list of branches.
    pub branches: (usize, usize),
    /// Where they part; with no known difference it is open whether they do.
    #[serde(flatten)]
    pub agreement: Agreement,
}

/// In which way a backup contradicts one that was stored before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Already the first block is another one.
    Genesis,
    /// Only the last block of the older chain was replaced.
    Head,
    /// Several blocks at the end of the older chain were replaced.
    Suffix,
    /// Both histories went on after they parted: backups of either were stored later.
    Fork,
}

/// A history that was stored earlier than the one of this backup, and differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Contradiction {
    /// The first backup stored with the other history, as a position in the list of records.
    pub earlier: usize,
    /// In which way.
    pub how: How,
    /// Where they part.
    #[serde(flatten)]
    pub agreement: Agreement,
}

/// How one backup stands among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Standing {
    /// It was not rejected, so that its chain says something.
    pub usable: bool,
    /// The longest chain that this one is proved to extend or to equal.
    pub extends: Option<usize>,
    /// Other histories that were stored before the first backup with this one's.
    pub contradicts: Vec<Contradiction>,
    /// A backup stored clearly earlier whose chain is longer and begins with this one: blocks were removed since.
    pub shorter_than: Option<usize>,
    /// Backups stored earlier with which it could not be compared yet.
    pub open: Vec<usize>,
}

impl Standing {
    /// Whether it is proved to fit all backups that were stored before it.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.usable
            && self.contradicts.is_empty()
            && self.shorter_than.is_none()
            && self.open.is_empty()
    }
}

/// Heights to look up in a backup by verifying it again, because what is known leaves a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Question {
    /// Position in the list of records.
    pub backup: usize,
    /// For [`crate::Options::watch`]; the answer goes to [`Record::learn`].
    pub heights: BTreeSet<u64>,
}

/// What the backups say together. Positions are those in the list it was traced from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lineage {
    /// Every backup, in the order of the list.
    pub standings: Vec<Standing>,
    /// Which backups agree; one branch when all do. The longest chain comes last.
    pub branches: Vec<Branch>,
    /// Where branches part.
    pub partings: Vec<Parting>,
    /// What to look up to make everything exact; nothing when it is.
    pub questions: Vec<Question>,
}

/// Traces the lineage of backups. A shorter chain counts as a rollback only if it was stored more than `tolerance` after
/// the longer one: uploads may overtake each other.
#[must_use]
pub fn trace(records: &[Record], tolerance: SignedDuration) -> Lineage {
    let mut tree = Tree::grow(records);
    let partings = loop {
        let partings = part(records, &tree);
        let facts: Vec<(usize, usize, u64)> = partings
            .iter()
            .filter_map(|parting| {
                let (one, two) = parting.branches;
                let same = parting.agreement.same_until?;
                Some((tree.leaves[one], tree.leaves[two], same))
            })
            .collect();
        if !tree.join(&facts) {
            break partings;
        }
    };
    let branches: Vec<Branch> = tree
        .leaves
        .iter()
        .map(|&leaf| Branch {
            members: tree.line(leaf),
        })
        .collect();
    let mut standings: Vec<Standing> = records
        .iter()
        .enumerate()
        .map(|(index, record)| Standing {
            usable: record.is_usable(),
            extends: tree.parent[index],
            shorter_than: shortened(records, &tree, index, tolerance),
            ..Standing::default()
        })
        .collect();
    let sides = Sides {
        records,
        branches: &branches,
        partings: &partings,
    };
    for parting in &partings {
        let (left, right) = parting.branches;
        for pair in [(left, right), (right, left)] {
            sides.compare(&tree, pair, parting.agreement, &mut standings);
        }
    }
    let questions = questions(records, &tree, &partings);
    Lineage {
        standings,
        branches,
        partings,
        questions,
    }
}

/// Compares the ends of all lines with each other.
fn part(records: &[Record], tree: &Tree) -> Vec<Parting> {
    let mut partings = Vec::new();
    for (left, &one) in tree.leaves.iter().enumerate() {
        if left + 1 == tree.leaves.len() {
            break;
        }
        let known = tree.known(records, one);
        for (right, &two) in tree.leaves.iter().enumerate().skip(left + 1) {
            let agreement = agree(&known, &tree.known(records, two));
            partings.push(Parting {
                branches: (left, right),
                agreement,
            });
        }
    }
    partings
}

/// The heights that would close the gaps.
fn questions(records: &[Record], tree: &Tree, partings: &[Parting]) -> Vec<Question> {
    let mut questions: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for Parting {
        branches: (left, right),
        agreement,
    } in partings
    {
        // Leaves come shortest first.
        let (one, two) = (tree.leaves[*left], tree.leaves[*right]);
        let lowest = agreement.same_until.map_or(0, |same| same + 1);
        let beyond = agreement.differ_from.unwrap_or(records[one].blocks);
        for height in ask(lowest, beyond) {
            questions.entry(one).or_default().insert(height);
            questions.entry(two).or_default().insert(height);
        }
    }
    questions
        .into_iter()
        .map(|(backup, heights)| Question { backup, heights })
        .collect()
}

pub(super) fn agree(one: &BTreeMap<u64, BlockHash>, two: &BTreeMap<u64, BlockHash>) -> Agreement {
    let mut agreement = Agreement::default();
    for (height, hash) in one {
        let Some(other) = two.get(height) else {
            continue;
        };
        if hash != other {
            agreement.differ_from = Some(*height);
            break;
        }
        agreement.same_until = Some(*height);
    }
    agreement
}

/// Evenly spaced heights from `lowest` up to and without `beyond`, the last one always among them.
fn ask(lowest: u64, beyond: u64) -> impl Iterator<Item = u64> {
    let gap = beyond.saturating_sub(lowest);
    let step = gap.div_ceil(ASKED).max(1);
    (0..gap)
        .step_by(usize::try_from(step).unwrap_or(usize::MAX))
        .map(move |index| beyond - 1 - index)
}

/// A chain stored clearly earlier that is longer and begins with this one; the longest.
fn shortened(
    records: &[Record],
    tree: &Tree,
    index: usize,
    tolerance: SignedDuration,
) -> Option<usize> {
    let record = &records[index];
    tree.order.iter().rev().copied().find(|&other| {
        let longer = &records[other];
        longer.blocks > record.blocks
            && tree.is_beginning(index, other)
            && record.taken_in.duration_since(longer.taken_in) > tolerance
    })
}

/// The branches on either side of a parting.
struct Sides<'a> {
    records: &'a [Record],
    branches: &'a [Branch],
    partings: &'a [Parting],
}

/// When something was stored; the position breaks ties.
type Stored = (Timestamp, usize);

impl Sides<'_> {
    fn stored(&self, index: usize) -> Stored {
        (self.records[index].taken_in, index)
    }

    /// The first backup stored that has the block which `branch` has at this height.
    fn first(&self, branch: usize, height: u64) -> Option<Stored> {
        let same = self.partings.iter().filter_map(|parting| {
            let (left, right) = parting.branches;
            let other = match (left == branch, right == branch) {
                (true, _) => right,
                (_, true) => left,
                _ => return None,
            };
            (parting.agreement.same_until >= Some(height)).then_some(other)
        });
        same.chain([branch])
            .flat_map(|branch| &self.branches[branch].members)
            .filter(|&&node| self.records[node].blocks > height)
            .map(|&node| self.stored(node))
            .min()
    }

    /// Adds to the standings of the backups of one branch what another branch says about them.
    fn compare(
        &self,
        tree: &Tree,
        (mine, other): (usize, usize),
        agreement: Agreement,
        standings: &mut [Standing],
    ) {
        let same = agreement.same_until.map_or(0, |same| same + 1);
        let differ = agreement.differ_from;
        let firsts = differ.and_then(|differ| {
            let (mine, other) = (self.first(mine, differ)?, self.first(other, differ)?);
            (other < mine).then_some((mine, other))
        });
        let others = &self.branches[other].members;
        for &index in &self.branches[mine].members {
            let record = &self.records[index];
            let earlier = others.iter().copied().filter(|&node| {
                self.stored(node) < self.stored(index)
                    && !tree.is_beginning(node, index)
                    && !tree.is_beginning(index, node)
            });
            let standing = &mut standings[index];
            let mut longest = 0;
            for node in earlier {
                let blocks = self.records[node].blocks;
                if differ.is_some_and(|differ| blocks.min(record.blocks) > differ) {
                    longest = longest.max(blocks);
                } else if blocks.min(record.blocks) > same && !standing.open.contains(&node) {
                    standing.open.push(node);
                }
            }
            let (Some(differ), Some((first, (_, earlier)))) = (differ, firsts) else {
                continue;
            };
            // The same backup may stand against several branches this one belongs to.
            if record.blocks <= differ
                || standing
                    .contradicts
                    .iter()
                    .any(|known| known.earlier == earlier)
            {
                continue;
            }
            let went_on = others
                .iter()
                .any(|&node| self.records[node].blocks > differ && self.stored(node) > first);
            let how = if differ == 0 {
                How::Genesis
            } else if went_on {
                How::Fork
            } else if agreement.is_exact() && longest == differ + 1 {
                How::Head
            } else {
                How::Suffix
            };
            standing.contradicts.push(Contradiction {
                earlier,
                how,
                agreement,
            });
        }
    }
}

impl Lineage {
    /// What is to be said about the backup at `position`, for its verdict.
    #[must_use]
    pub fn findings(&self, records: &[Record], position: usize) -> Vec<Finding> {
        let standing = &self.standings[position];
        let mut findings = Vec::new();
        for contradiction in &standing.contradicts {
            let (code, what) = match contradiction.how {
                How::Genesis => (Code::LineageGenesisChanged, "begins with another block"),
                How::Head => (Code::LineageRemined, "has another last block"),
                How::Suffix => (Code::LineageRemined, "has other blocks"),
                How::Fork => (Code::LineageFork, "goes on with other blocks"),
            };
            let earlier = &records[contradiction.earlier];
            let Agreement {
                same_until,
                differ_from,
            } = contradiction.agreement;
            let place = match (contradiction.agreement.is_exact(), same_until) {
                (true, _) => String::new(),
                (false, Some(same)) => format!(" (they part after block {same})"),
                (false, None) => " (they part before that)".to_owned(),
            };
            let differ = differ_from.unwrap_or_default();
            findings.push(
                Finding::new(
                    code,
                    format!(
                        "{}, stored earlier, {what} at {differ}{place}",
                        earlier.name()
                    ),
                )
                .in_block(differ),
            );
        }
        if let Some(longer) = standing.shorter_than {
            findings.push(
                Finding::new(
                    Code::LineageRollback,
                    format!(
                        "the chain has {} blocks, {}, stored earlier, has {}",
                        records[position].blocks,
                        records[longer].name(),
                        records[longer].blocks
                    ),
                )
                .in_block(records[position].blocks),
            );
        }
        if let Some(&open) = standing.open.first() {
            findings.push(Finding::new(
                Code::LineageUnproved,
                format!(
                    "it is not known yet whether the chain fits {} backup(s) stored earlier, such as {}",
                    standing.open.len(),
                    records[open].name()
                ),
            ));
        }
        findings
    }
}
