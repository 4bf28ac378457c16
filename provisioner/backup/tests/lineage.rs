//! Chains of many backups compared: what extends what, where histories part, and which backup is known good.

mod support;

use std::collections::BTreeSet;

use backup::catalogue::{
    Candidate, Evidence, Lock, LockNeed, Policy, Reason, Selector, known_good, select,
};
use backup::lineage::{How, Index, IndexError, IndexKey, Lineage, Record, trace};
use backup::{BlockHash, Code, Options, Samples, Verified, Word, verify};
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use support::NOW;
use support::generator::Generator;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const NONE: SignedDuration = SignedDuration::ZERO;

/// A day of November 2026.
fn day(day: i64) -> Timestamp {
    "2026-11-01T03:00:00Z".parse::<Timestamp>().unwrap()
        + SignedDuration::from_hours(24 * (day - 1))
}

fn candidate(number: i64) -> Candidate {
    Candidate {
        key: format!("natlangchain/natlangchain_202611{number:02}_030000_daily.json.gz"),
        version_id: Some(format!("v{number}")),
        is_latest: true,
        size: 0,
        last_modified: day(number),
        locked_until: None,
    }
}

/// One stored backup of a made-up archive: its day, its blocks, and the heights at which its text takes another turn.
struct Stored {
    candidate: Candidate,
    blocks: u64,
    turns: Vec<(u64, u64)>,
}

fn stored(number: i64, blocks: u64, turns: &[(u64, u64)]) -> Stored {
    Stored {
        candidate: candidate(number),
        blocks,
        turns: turns.to_vec(),
    }
}

impl Stored {
    fn verify(&self, watch: BTreeSet<u64>) -> Verified {
        let options = Options {
            watch,
            ..Options::at(NOW)
        };
        verify(&mut Generator::history(self.blocks, &self.turns), options).unwrap()
    }
}

/// Verifies an archive oldest first, as the index says, and traces it until nothing is open.
fn traced(archive: &[Stored]) -> (Index, Lineage, Vec<Verified>) {
    let mut index = Index::default();
    let mut verdicts = Vec::new();
    for backup in archive {
        let verified = backup.verify(index.watch());
        assert_eq!(verified.verdict.verdict, Word::Intact);
        index.insert(Record::of(&backup.candidate, &verified));
        verdicts.push(verified);
    }
    loop {
        let lineage = trace(index.records(), HOUR);
        if lineage.questions.is_empty() {
            return (index, lineage, verdicts);
        }
        for question in &lineage.questions {
            let record = &mut index.records_mut()[question.backup];
            let backup = archive
                .iter()
                .find(|backup| backup.candidate.key == record.key)
                .unwrap();
            assert!(record.learn(&backup.verify(question.heights.clone())));
        }
    }
}

fn records(archive: &[Stored], verdicts: &[Verified]) -> Vec<Record> {
    archive
        .iter()
        .zip(verdicts)
        .map(|(backup, verified)| Record::of(&backup.candidate, verified))
        .collect()
}

fn codes(index: &Index, lineage: &Lineage) -> Vec<Vec<Code>> {
    (0..index.records().len())
        .map(|position| {
            lineage
                .findings(index.records(), position)
                .iter()
                .map(|finding| finding.code)
                .collect()
        })
        .collect()
}

#[test]
fn honest_backups_form_one_line_without_a_question() {
    let archive: Vec<Stored> = (1..=9)
        .map(|number| stored(number, 30 * number as u64, &[]))
        .collect();
    let mut index = Index::default();
    for backup in &archive {
        let verified = backup.verify(index.watch());
        index.insert(Record::of(&backup.candidate, &verified));
    }
    let lineage = trace(index.records(), HOUR);
    assert!(lineage.questions.is_empty());
    assert!(lineage.partings.is_empty());
    assert_eq!(lineage.branches.len(), 1);
    assert_eq!(lineage.branches[0].members, (0..9).collect::<Vec<_>>());
    for (position, standing) in lineage.standings.iter().enumerate() {
        assert!(standing.is_consistent());
        assert_eq!(standing.extends, position.checked_sub(1));
        assert!(lineage.findings(index.records(), position).is_empty());
    }
}

#[test]
fn every_way_to_rewrite_history_is_named() {
    let whole = stored(1, 200, &[]);
    for (later, code, how, from) in [
        (
            stored(2, 210, &[(0, 7)]),
            Code::LineageGenesisChanged,
            How::Genesis,
            0,
        ),
        (
            stored(2, 200, &[(199, 7)]),
            Code::LineageRemined,
            How::Head,
            199,
        ),
        (
            stored(2, 230, &[(199, 7)]),
            Code::LineageRemined,
            How::Head,
            199,
        ),
        (
            stored(2, 230, &[(131, 7)]),
            Code::LineageRemined,
            How::Suffix,
            131,
        ),
        (
            stored(2, 150, &[(131, 7)]),
            Code::LineageRemined,
            How::Suffix,
            131,
        ),
    ] {
        let blocks = later.blocks;
        let archive = [stored(1, whole.blocks, &whole.turns), later];
        let (index, lineage, _) = traced(&archive);
        assert_eq!(
            codes(&index, &lineage),
            [vec![], vec![code]],
            "{how:?} {blocks}"
        );
        let contradiction = &lineage.standings[1].contradicts[0];
        assert_eq!((contradiction.earlier, contradiction.how), (0, how));
        assert!(contradiction.agreement.is_exact());
        assert_eq!(contradiction.agreement.differ_from, Some(from));
        assert_eq!(lineage.branches.len(), 2);
        assert_eq!(lineage.partings.len(), 1);
    }
    let (index, lineage, _) = traced(&[whole, stored(2, 150, &[])]);
    assert_eq!(
        codes(&index, &lineage),
        [vec![], vec![Code::LineageRollback]]
    );
    assert_eq!(lineage.branches.len(), 1);
    // Uploads may overtake each other.
    let patient = trace(index.records(), SignedDuration::from_hours(48));
    assert_eq!(patient.standings[1].shorter_than, None);
}

#[test]
fn two_histories_that_both_go_on_are_a_fork() {
    let (index, lineage, _) = traced(&[
        stored(1, 40, &[]),
        stored(2, 80, &[]),
        stored(3, 90, &[(60, 7)]),
        stored(4, 100, &[]),
        stored(5, 120, &[(60, 7)]),
    ]);
    assert_eq!(
        codes(&index, &lineage),
        [
            vec![],
            vec![],
            vec![Code::LineageFork],
            vec![],
            vec![Code::LineageFork],
        ]
    );
    let members: Vec<&[usize]> = lineage
        .branches
        .iter()
        .map(|branch| branch.members.as_slice())
        .collect();
    assert_eq!(members, [&[0, 1, 3][..], &[0, 2, 4]]);
    assert_eq!(lineage.partings[0].agreement.differ_from, Some(60));
    assert_eq!(lineage.standings[4].contradicts[0].earlier, 1);
}

#[test]
fn backups_read_in_any_order_are_compared_by_asking() {
    // Newest first: nothing was watched, and chains longer than what a record keeps leave gaps.
    let archive: Vec<Stored> = (1..=4)
        .map(|number| stored(number, 333 * number as u64, &[]))
        .collect();
    let mut index = Index::default();
    for backup in archive.iter().rev() {
        index.insert(Record::of(
            &backup.candidate,
            &backup.verify(BTreeSet::new()),
        ));
    }
    let before = trace(index.records(), HOUR);
    assert!(!before.questions.is_empty());
    assert!(
        before
            .standings
            .iter()
            .any(|standing| !standing.open.is_empty())
    );
    assert!(
        before
            .standings
            .iter()
            .all(|standing| standing.contradicts.is_empty())
    );
    let (index, lineage, _) = traced(&archive);
    assert!(
        lineage
            .standings
            .iter()
            .all(|standing| standing.is_consistent())
    );
    assert_eq!(index.records().len(), 4);
}

#[test]
fn rejected_backups_say_nothing_about_others() {
    let good = stored(1, 20, &[]);
    let verified = verify(&mut &b"{\"chain\":[]}"[..], Options::at(NOW)).unwrap();
    let mut index = Index::default();
    index.insert(Record::of(&good.candidate, &good.verify(BTreeSet::new())));
    index.insert(Record::of(&candidate(2), &verified));
    let lineage = trace(index.records(), HOUR);
    assert!(!lineage.standings[1].usable && !lineage.standings[1].is_consistent());
    assert!(lineage.standings[0].is_consistent());
    assert_eq!(lineage.branches.len(), 1);
}

#[test]
fn an_index_is_believed_only_as_it_was_signed() {
    let (mut index, ..) = traced(&[stored(1, 40, &[]), stored(2, 80, &[])]);
    let key = IndexKey::from_seed(&[7; 32]);
    let first = index.seal(&key);
    let second = index.seal(&key);
    assert_eq!(Index::open(&second, &key.public(), 2).unwrap(), index);
    assert!(Index::open(&first, &key.public(), 1).is_ok());
    assert_eq!(
        Index::open(&first, &key.public(), 2),
        Err(IndexError::Older {
            found: 1,
            expected: 2
        })
    );
    let other = IndexKey::from_seed(&[8; 32]);
    assert_eq!(
        Index::open(&second, &other.public(), 0),
        Err(IndexError::OtherKey)
    );
    for at in 0..second.len() {
        let mut altered = second.clone();
        altered[at] ^= 1;
        assert!(
            Index::open(&altered, &key.public(), 0).is_err(),
            "byte {at}"
        );
        if at % 7 == 0 {
            assert!(Index::open(&second[..at], &key.public(), 0).is_err());
        }
    }
    let text = String::from_utf8(second.clone()).unwrap();
    for altered in [
        format!(" {text}"),
        format!("{text}\n"),
        text.replacen(':', ": ", 1),
    ] {
        assert_eq!(
            Index::open(altered.as_bytes(), &key.public(), 0),
            Err(IndexError::Malformed)
        );
    }
    assert_eq!(
        Index::open(b"", &key.public(), 0),
        Err(IndexError::Malformed)
    );
    assert!(!format!("{key:?}").contains("7, 7"));
}

#[test]
fn a_lost_index_costs_reading_and_nothing_else() {
    let archive = [
        stored(1, 40, &[]),
        stored(2, 80, &[]),
        stored(3, 90, &[(60, 7)]),
    ];
    let (mut index, lineage, _) = traced(&archive);
    let mut listing: Vec<Candidate> = archive
        .iter()
        .map(|backup| backup.candidate.clone())
        .collect();
    for (candidate, record) in listing.iter_mut().zip(index.records()) {
        candidate.size = record.bytes;
    }
    assert!(index.unread(&listing).is_empty());
    // Replaced, of another size, or without a version: read again.
    let mut changed = listing.clone();
    changed[0].version_id = Some("another".into());
    changed[1].size += 1;
    changed[2].version_id = None;
    assert_eq!(index.unread(&changed).len(), 3);
    assert_eq!(index.gone(&changed).count(), 2);
    let sealed = index.seal(&IndexKey::from_seed(&[7; 32]));
    let lost =
        Index::open(&sealed[1..], &IndexKey::from_seed(&[7; 32]).public(), 0).unwrap_or_default();
    assert_eq!(lost.unread(&listing).len(), 3);
    let (again, same, _) = traced(&archive);
    assert_eq!((again.records(), same), (index.records(), lineage));
}

#[test]
fn a_backup_that_was_removed_still_witnesses() {
    let archive = [
        stored(1, 40, &[]),
        stored(2, 80, &[]),
        // Mined again after the backup that shows it was removed.
        stored(3, 90, &[(60, 7)]),
    ];
    let (index, lineage, verdicts) = traced(&archive);
    let listing = [&archive[0].candidate, &archive[2].candidate].map(Clone::clone);
    let gone: Vec<&str> = index
        .gone(&listing)
        .map(|record| record.key.as_str())
        .collect();
    assert_eq!(gone, [archive[1].candidate.key.as_str()]);
    let records = records(&archive, &verdicts);
    let evidence = [0, 2].map(|position| Evidence {
        candidate: &archive[position].candidate,
        lock: LOCKED,
        record: Some(&records[position]),
        standing: Some(&lineage.standings[position]),
    });
    let policy = Policy::strict(day(9), NONE, day(9));
    let found = known_good(&evidence, &policy);
    assert_eq!(found.chosen, Some(0));
    assert_eq!(found.passed_over.len(), 1);
    assert!(matches!(
        found.passed_over[0].reasons.as_slice(),
        [Reason::Contradicts { from: 60, .. }]
    ));
    // Without the index nothing is left that could tell: the younger one extends what is there. The time it was stored
    // is what protects then.
    let (_, alone, _) = traced(&[stored(1, 40, &[]), stored(3, 90, &[(60, 7)])]);
    assert!(alone.standings[1].is_consistent());
    let before = Policy::strict(day(3), NONE, day(9));
    let evidence = evidence.map(|evidence| Evidence {
        standing: Some(
            &alone.standings[usize::from(evidence.candidate.key != archive[0].candidate.key)],
        ),
        ..evidence
    });
    assert_eq!(known_good(&evidence, &policy).chosen, Some(1));
    assert_eq!(known_good(&evidence, &before).chosen, Some(0));
}

const LOCKED: Lock = Lock::Compliance {
    until: Timestamp::MAX,
};

#[test]
fn the_newest_known_good_backup_is_chosen_and_every_newer_one_explained() {
    let archive = [
        stored(1, 40, &[]),
        stored(2, 80, &[]),
        // Not locked.
        stored(3, 100, &[]),
        // Mined again.
        stored(4, 110, &[(60, 7)]),
        // Rolled back.
        stored(5, 70, &[]),
        // Replaced.
        stored(6, 120, &[]),
        stored(7, 130, &[]),
        stored(20, 140, &[]),
    ];
    let (_, lineage, mut verdicts) = traced(&archive);
    let mut candidates: Vec<Candidate> = archive
        .iter()
        .map(|backup| backup.candidate.clone())
        .collect();
    let mut before = candidates[5].clone();
    before.version_id = Some("before".into());
    before.last_modified -= HOUR;
    before.is_latest = false;
    verdicts[6]
        .verdict
        .extend([backup::Finding::new(Code::HeadHashMissing, "x")]);
    candidates.push(before);
    let records = records(&archive, &verdicts);
    let evidence: Vec<Evidence> = candidates
        .iter()
        .enumerate()
        .map(|(position, candidate)| Evidence {
            candidate,
            lock: if position == 2 { Lock::None } else { LOCKED },
            record: records.get(position),
            standing: lineage.standings.get(position),
        })
        .collect();
    let policy = Policy::strict(day(14), SignedDuration::from_hours(48), day(25));
    let found = known_good(&evidence, &policy);
    assert_eq!(found.chosen, Some(1));
    let passed: Vec<(usize, &Reason)> = found
        .passed_over
        .iter()
        .map(|passed| {
            assert_eq!(
                passed.reasons.len(),
                if passed.candidate == 8 { 2 } else { 1 },
                "{passed:?}"
            );
            (passed.candidate, &passed.reasons[0])
        })
        .collect();
    assert!(
        matches!(
            passed.as_slice(),
            [
                (7, Reason::TooYoung { .. }),
                (
                    6,
                    Reason::NotIntact {
                        verdict: Word::Suspect,
                        ..
                    }
                ),
                (5, Reason::Replacement { .. }),
                (8, Reason::NotRead),
                (4, Reason::ShorterThanBefore),
                (3, Reason::Contradicts { from: 60, .. }),
                (2, Reason::NotLocked { .. }),
            ]
        ),
        "{passed:?}"
    );
    assert_eq!(found.disputed_by, [3]);
    let lenient = Policy {
        lock: LockNeed::None,
        ..policy
    };
    assert_eq!(known_good(&evidence, &lenient).chosen, Some(2));
    // Nothing is old enough.
    let early = Policy::strict(day(1), NONE, day(25));
    let found = known_good(&evidence, &early);
    assert_eq!((found.chosen, found.passed_over.len()), (None, 9));
    let text: Vec<String> = found
        .passed_over
        .iter()
        .flat_map(|passed| &passed.reasons)
        .map(ToString::to_string)
        .collect();
    assert!(text.iter().all(|text| !text.is_empty()));
    let selector: Selector = "known-good:before=2026-11-14T03:00:00Z,dwell=2d"
        .parse()
        .unwrap();
    assert!(matches!(selector, Selector::KnownGood { before, .. } if before == day(14)));
    assert!(select(&candidates, &selector).is_err());
}

#[test]
fn locks_count_for_what_they_hold() {
    let backup = stored(1, 3, &[]);
    let archive = std::slice::from_ref(&backup);
    let (_, lineage, verdicts) = traced(archive);
    let records = records(archive, &verdicts);
    let chosen = |lock: Lock, need: LockNeed| {
        let evidence = Evidence {
            candidate: &backup.candidate,
            lock,
            record: Some(&records[0]),
            standing: Some(&lineage.standings[0]),
        };
        let policy = Policy {
            lock: need,
            ..Policy::strict(day(9), NONE, day(9))
        };
        known_good(&[evidence], &policy).chosen.is_some()
    };
    for (lock, any, unshortenable) in [
        (Lock::Unknown, false, false),
        (Lock::None, false, false),
        (Lock::LegalHold, true, false),
        (Lock::Governance { until: day(10) }, true, false),
        (Lock::Governance { until: day(8) }, false, false),
        (Lock::Compliance { until: day(10) }, true, true),
        (Lock::Compliance { until: day(8) }, false, false),
    ] {
        assert!(chosen(lock, LockNeed::None));
        assert_eq!(chosen(lock, LockNeed::Any), any, "{lock:?}");
        assert_eq!(
            chosen(lock, LockNeed::Unshortenable),
            unshortenable,
            "{lock:?}"
        );
    }
}

/// Chains that need no mining: each hash covers the one before it, which is all a lineage looks at.
fn grow(mut chain: Vec<BlockHash>, blocks: usize, salt: u64) -> Vec<BlockHash> {
    while chain.len() < blocks {
        let mut hasher = Sha256::new_with_prefix(salt.to_le_bytes());
        hasher.update(chain.last().copied().unwrap_or_default());
        chain.push(hasher.finalize().into());
    }
    chain
}

fn samples(chain: &[BlockHash], watch: BTreeSet<u64>) -> Samples {
    let mut samples = Samples::watching(watch);
    for (height, hash) in chain.iter().enumerate() {
        samples.add(height as u64, *hash);
    }
    samples
}

/// What somebody does to an archive: takes the chain of an earlier backup, cuts it, and lets it grow.
#[derive(Clone, Debug)]
struct Act {
    from: usize,
    keep: f64,
    more: usize,
    same_text: bool,
    watched: bool,
}

fn act() -> impl Strategy<Value = Act> {
    (
        any::<usize>(),
        prop_oneof![3 => Just(1.0), 1 => 0.0..1.0],
        prop_oneof![0_usize..4, 0_usize..3_000],
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(from, keep, more, same_text, watched)| Act {
            from,
            keep,
            more,
            same_text,
            watched,
        })
}

fn parting(one: &[BlockHash], two: &[BlockHash]) -> Option<u64> {
    one.iter()
        .zip(two)
        .position(|(left, right)| left != right)
        .map(|height| height as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_hashes_prove_is_what_whole_chains_say(
        first in 1_usize..5_000,
        acts in vec(act(), 0..9),
        shuffle in any::<u64>(),
    ) {
        let mut chains = vec![grow(Vec::new(), first, 0)];
        let mut watched = vec![false];
        for (number, act) in acts.iter().enumerate() {
            let source = &chains[act.from % chains.len()];
            let kept = ((source.len() as f64 * act.keep) as usize).min(source.len());
            let salt = if act.same_text { 0 } else { number as u64 + 1 };
            let blocks = (kept + act.more).max(1);
            let next = grow(source[..kept].to_vec(), blocks, salt);
            chains.push(next);
            watched.push(act.watched);
        }
        // The storage's clock need not follow the order of making.
        let times: Vec<i64> = (0..chains.len())
            .map(|index| (shuffle.rotate_left(index as u32 * 7) % 1_000) as i64 * 10 + index as i64)
            .collect();
        let mut index = Index::default();
        for (number, chain) in chains.iter().enumerate() {
            let watch = if watched[number] { index.watch() } else { BTreeSet::new() };
            index.insert(Record {
                blocks: chain.len() as u64,
                bytes: 1,
                key: number.to_string(),
                samples: samples(chain, watch).thinned(64),
                sha256: String::new(),
                taken_in: Timestamp::from_second(times[number]).unwrap(),
                codes: Vec::new(),
                verdict: Word::Intact,
                version_id: None,
            });
        }
        let chain = |records: &[Record], position: usize| {
            let number: usize = records[position].key.parse().unwrap();
            (number, &chains[number])
        };
        let mut rounds = 0;
        let lineage = loop {
            let lineage = trace(index.records(), NONE);
            // Whatever is claimed on the way is true.
            for parting_of in &lineage.partings {
                let ends = [parting_of.branches.0, parting_of.branches.1]
                    .map(|branch| *lineage.branches[branch].members.last().unwrap());
                let (one, two) = (chain(index.records(), ends[0]).1, chain(index.records(), ends[1]).1);
                let truly = parting(one, two);
                if let Some(differ) = parting_of.agreement.differ_from {
                    prop_assert!(truly.is_some_and(|truly| truly <= differ));
                }
                if let Some(same) = parting_of.agreement.same_until {
                    prop_assert!(truly.is_none_or(|truly| truly > same));
                }
            }
            if lineage.questions.is_empty() {
                break lineage;
            }
            rounds += 1;
            prop_assert!(rounds <= 4);
            for question in lineage.questions {
                let (_, whole) = chain(index.records(), question.backup);
                let answer = samples(whole, question.heights).thinned(64);
                index.records_mut()[question.backup].samples.extend(answer);
            }
        };
        let records = index.records();
        for (position, standing) in lineage.standings.iter().enumerate() {
            let (_, mine) = chain(records, position);
            let others = || (0..records.len()).filter(|&other| other != position);
            prop_assert!(standing.usable);
            prop_assert!(standing.open.is_empty());
            let longest = others()
                .filter(|&other| {
                    let (_, theirs) = chain(records, other);
                    parting(mine, theirs).is_none()
                        && (theirs.len() < mine.len()
                            || (theirs.len() == mine.len()
                                && (records[other].taken_in, other) < (records[position].taken_in, position)))
                })
                .map(|other| chain(records, other).1.len())
                .max();
            prop_assert_eq!(standing.extends.map(|other| chain(records, other).1.len()), longest);
            let stored = |other: usize| (records[other].taken_in, other);
            // The first backup stored with the block that `other` has at this height.
            let first = |other: usize, height: u64| {
                let height = height as usize;
                let block = chain(records, other).1[height];
                (0..records.len())
                    .filter(|&any| chain(records, any).1.get(height) == Some(&block))
                    .map(stored)
                    .min()
            };
            let contradicted: Vec<usize> = others()
                .filter(|&other| {
                    parting(mine, chain(records, other).1)
                        .is_some_and(|height| first(other, height) < first(position, height))
                })
                .collect();
            prop_assert_eq!(standing.contradicts.is_empty(), contradicted.is_empty());
            for contradiction in &standing.contradicts {
                prop_assert!(contradicted.contains(&contradiction.earlier));
                prop_assert!(contradiction.agreement.is_exact());
                prop_assert_eq!(
                    contradiction.agreement.differ_from,
                    parting(mine, chain(records, contradiction.earlier).1)
                );
            }
            let longer = others()
                .filter(|&other| {
                    let (_, theirs) = chain(records, other);
                    theirs.len() > mine.len()
                        && parting(mine, theirs).is_none()
                        && records[other].taken_in < records[position].taken_in
                })
                .map(|other| chain(records, other).1.len())
                .max();
            prop_assert_eq!(standing.shorter_than.map(|other| chain(records, other).1.len()), longer);
        }
        let key = IndexKey::from_seed(&[1; 32]);
        let mut sealed = index.clone();
        let bytes = sealed.seal(&key);
        prop_assert_eq!(Index::open(&bytes, &key.public(), 1).unwrap(), sealed);
    }
}
