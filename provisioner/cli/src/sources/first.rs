//! The first backup of a new generation: what came since its Job began, read whole, held against the seeded backup, remembered.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use backup::Word;
use backup::catalogue::Lock;
use backup::identities::{Identity, MOST, new_since};
use backup::lineage::Record;
use environment::{Environment, Resolved};
use executor::{Error, ErrorKind};
use jiff::Timestamp;
use planner::reference::Outputs;
use provider_kubernetes::backup::{Seeded, Sources as Witness};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::place::{Listed, Place, Sources};
use super::survey::Survey;
use crate::failure::Failure;
use crate::printer::Printer;

/// Backups that one place may have taken in within one second; far more than one manager stores.
const AT_ONCE: usize = 1_000;
/// Names that are told one by one.
const SHOWN: usize = 50;
/// Causes that are told of a backup that is no good.
const CAUSES: usize = 5;

/// Looks for first backups in the environment's sources.
pub struct First {
    /// The environment.
    pub environment: Environment,
    /// Where it is.
    pub resolved: Resolved,
    /// Who is told of sources that do not answer.
    pub printer: Printer,
}

/// What is in one place: when its clock took the newest backup in, and which ones it took in then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    newest: Timestamp,
    then: BTreeSet<String>,
}

/// By the place's URL.
type Mark = BTreeMap<String, Before>;

fn version(listed: &Listed) -> String {
    let candidate = &listed.candidate;
    match &candidate.version_id {
        Some(version) => format!("{}@{version}", candidate.key),
        None => candidate.key.clone(),
    }
}

fn urls(sources: &Sources) -> Vec<String> {
    sources.places.iter().map(Place::url).collect()
}

/// What tells the backups in these places from later ones. Times are each place's own and compared with that place's alone.
fn mark(places: &[String], listed: &[Listed]) -> Result<Mark, String> {
    let mut all = Mark::new();
    for (number, url) in places.iter().enumerate() {
        let here = || listed.iter().filter(|listed| listed.place == number);
        let newest = here()
            .map(|listed| listed.candidate.last_modified)
            .max()
            .unwrap_or(Timestamp::MIN);
        let then: BTreeSet<String> = here()
            .filter(|listed| listed.candidate.last_modified == newest)
            .map(version)
            .collect();
        if then.len() > AT_ONCE {
            return Err(format!(
                "{url} took in more than {AT_ONCE} backups in one second, {newest}"
            ));
        }
        all.insert(url.clone(), Before { newest, then });
    }
    Ok(all)
}

/// Positions of the backups by the manager's names that were not there, oldest first. A place that was not asked before tells nothing new.
fn since(places: &[String], all: &[Listed], before: &Mark) -> Vec<usize> {
    let is_new = |listed: &Listed| {
        let before = places.get(listed.place).and_then(|url| before.get(url));
        before.is_some_and(|before| {
            let stored = listed.candidate.last_modified;
            stored > before.newest
                || (stored == before.newest && !before.then.contains(&version(listed)))
        })
    };
    let mut new: Vec<(Timestamp, &str, usize)> = all
        .iter()
        .enumerate()
        .filter(|(_, listed)| listed.candidate.name().is_some() && is_new(listed))
        .map(|(position, listed)| {
            let candidate = &listed.candidate;
            (candidate.last_modified, candidate.key.as_str(), position)
        })
        .collect();
    new.sort_unstable();
    new.into_iter().map(|(_, _, position)| position).collect()
}

/// Why a backup's chain does not extend the seeded one; nothing when it does.
///
/// A block's hash covers all blocks before it, so the seeded head at its height proves the whole beginning, the first block included.
/// What was known of the seeded backup at other heights is compared all the same.
fn parts(record: &Record, seeded: &Seeded, known: Option<&Record>) -> Option<String> {
    let height = seeded.blocks.checked_sub(1)?;
    if record.blocks < seeded.blocks {
        return Some(format!(
            "it has {} blocks, and the seeded backup {}: blocks are missing",
            record.blocks, seeded.blocks
        ));
    }
    let found = record.samples.get(&height).map(hex::encode);
    if found.as_ref() != Some(&seeded.head) {
        return Some(format!(
            "it does not extend the seeded backup: block {height} is {}, and {} was seeded",
            found.unwrap_or_else(|| "not known".to_owned()),
            seeded.head
        ));
    }
    let known = known?;
    if known.genesis().is_some() && known.genesis() != record.genesis() {
        return Some("it begins with another block than the seeded backup".to_owned());
    }
    known
        .agreement(record)
        .differ_from
        .map(|height| format!("block {height} is another one than in the seeded backup"))
}

fn held(lock: Lock) -> String {
    match lock {
        Lock::Unknown => "unknown".to_owned(),
        Lock::None => "none".to_owned(),
        Lock::Compliance { until } => format!("compliance until {until}"),
        Lock::Governance { until } => format!("governance until {until}"),
        Lock::LegalHold => "legal hold".to_owned(),
    }
}

impl First {
    async fn survey(&self) -> Result<Survey, Failure> {
        // The clock now: what is looked for was written after this process began.
        let now = Timestamp::now();
        Survey::open(&self.environment, &self.resolved, now, &self.printer).await
    }

    /// Reads one and says what is wrong with it.
    async fn read(
        &self,
        survey: &mut Survey,
        position: usize,
        seeded: &Seeded,
    ) -> Result<Vec<String>, Failure> {
        let heights = seeded.blocks.checked_sub(1).into_iter().collect();
        let verdict = survey.read_watching(position, heights).await?;
        if verdict.verdict != Word::Intact {
            let found = verdict.findings.iter().take(CAUSES);
            return Ok(
                std::iter::once(format!("it is {}", verdict.verdict.as_str()))
                    .chain(found.map(|one| format!("{} [{}]", one.message, one.code.as_str())))
                    .collect(),
            );
        }
        let known = survey
            .memory
            .index
            .records()
            .iter()
            .find(|record| record.sha256 == seeded.sha256);
        let record = survey.record(position);
        Ok(record
            .and_then(|record| parts(record, seeded, known))
            .into_iter()
            .collect())
    }

    /// Who is in its data and not in the seeded backup's. Once users are let in some of them are new, so that is told and refuses nothing.
    async fn new_identities(
        &self,
        survey: &Survey,
        position: usize,
        seeded: &Seeded,
    ) -> Result<Vec<Identity>, Failure> {
        let from = (0..survey.sources.listed.len()).find(|&other| {
            other != position
                && survey
                    .record(other)
                    .is_some_and(|record| record.sha256 == seeded.sha256)
        });
        let from = from.ok_or_else(|| {
            Failure::new("the seeded backup is in none of the sources that answer")
        })?;
        let (_, known) = survey.identities(from, MOST).await?;
        let (_, found) = survey.identities(position, MOST).await?;
        if known.truncated || found.truncated {
            return Err(Failure::new(format!("there are more than {MOST}")));
        }
        Ok(new_since(&known, &found))
    }

    async fn told(
        &self,
        survey: &mut Survey,
        position: usize,
        seeded: &Seeded,
    ) -> Result<Outputs, Failure> {
        let lineage = survey.lineage().await?;
        // Extending the seed it may still contradict backups that were passed over: a new history begins where they went on.
        let against: Vec<String> = survey
            .against(&lineage, position)
            .iter()
            .take(SHOWN)
            .map(|finding| finding.message.clone())
            .collect();
        let candidate = survey.sources.candidate(position).clone();
        let lock = survey
            .sources
            .place(position)
            .look(&candidate.key, candidate.version_id.as_deref())
            .await?
            .map_or(Lock::Unknown, |(_, lock)| lock);
        let mut outputs = Outputs::from([
            ("backup".to_owned(), json!(candidate.id())),
            ("location".to_owned(), json!(candidate.key)),
            ("version".to_owned(), json!(candidate.version_id)),
            ("stored".to_owned(), json!(candidate.last_modified)),
            ("lock".to_owned(), json!(held(lock))),
            ("against".to_owned(), json!(against)),
        ]);
        match self.new_identities(survey, position, seeded).await {
            Ok(new) => {
                let mut names: Vec<String> =
                    new.iter().take(SHOWN).map(ToString::to_string).collect();
                if new.len() > SHOWN {
                    names.push(format!("and {} more", new.len() - SHOWN));
                }
                outputs.insert("new_identities".to_owned(), json!(names));
            }
            Err(failure) => {
                outputs.insert("identities_unread".to_owned(), json!(failure.line()));
            }
        }
        if let Some(record) = survey.record(position) {
            outputs.extend([
                ("sha256".to_owned(), json!(record.sha256)),
                ("head".to_owned(), json!(record.head().map(hex::encode))),
                ("blocks".to_owned(), json!(record.blocks)),
            ]);
        }
        Ok(outputs)
    }
}

#[async_trait]
impl Witness for First {
    async fn now(&self, what: &str) -> Result<String, Error> {
        let sources = Sources::list(&self.resolved, &self.printer)
            .await
            .map_err(|failure| unavailable(what, &failure))?;
        let invalid = |why: String| Error::new(ErrorKind::Invalid, what, why);
        let mark = mark(&urls(&sources), &sources.listed).map_err(invalid)?;
        serde_json::to_string(&mark).map_err(|error| invalid(error.to_string()))
    }

    async fn since(
        &self,
        what: &str,
        then: &str,
        seeded: &Seeded,
    ) -> Result<Option<Outputs>, Error> {
        let failed = |failure: Failure| unavailable(what, &failure);
        let before: Mark = serde_json::from_str(then).map_err(|error| {
            let why = format!("what was there before the Job can't be read from it: {error}");
            Error::new(ErrorKind::Invalid, what, why)
        })?;
        let mut survey = self.survey().await.map_err(failed)?;
        let new = since(&urls(&survey.sources), &survey.sources.listed, &before);
        let mut bad = Vec::new();
        for &position in &new {
            let wrong = self
                .read(&mut survey, position, seeded)
                .await
                .map_err(failed)?;
            if !wrong.is_empty() {
                let id = survey.sources.candidate(position).id();
                bad.push(format!("{id}: {}", wrong.join("; ")));
            }
        }
        if !bad.is_empty() {
            let why = format!("the new backup is no good: {}", bad.join("; "));
            return Err(Error::new(ErrorKind::Invalid, what, why));
        }
        match new.last() {
            None => Ok(None),
            Some(&newest) => {
                let told = self.told(&mut survey, newest, seeded).await;
                told.map(Some).map_err(failed)
            }
        }
    }

    fn places(&self) -> String {
        let named: Vec<String> = self
            .resolved
            .backups
            .iter()
            .map(|source| {
                use environment::schema::BackupSource as Source;
                match source {
                    Source::S3 { bucket, prefix, .. } => format!("s3://{bucket}/{prefix}"),
                    Source::Gcs { bucket, prefix, .. } => format!("gs://{bucket}/{prefix}"),
                }
            })
            .collect();
        named.join(", ")
    }
}

fn unavailable(what: &str, failure: &Failure) -> Error {
    Error::new(ErrorKind::Unavailable, what, failure.line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup::catalogue::Candidate;

    const A: &str = "natlangchain_20261123_033004_daily.json.gz";
    const B: &str = "natlangchain_20261124_033004_daily.json.gz";

    fn listed(place: usize, key: &str, version: &str, stored: &str) -> Listed {
        let candidate = Candidate {
            key: format!("s3://{place}/{key}"),
            version_id: Some(version.to_owned()),
            is_latest: true,
            size: 1,
            last_modified: stored.parse().expect("a time"),
            locked_until: None,
        };
        Listed { place, candidate }
    }

    fn places(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_came_later_or_in_the_same_second_is_new_and_nothing_else_is() {
        let (then, later) = ("2026-11-28T10:00:00Z", "2026-11-28T10:00:01Z");
        let old = vec![
            listed(0, A, "1", then),
            listed(0, B, "1", "2026-11-27T00:00:00Z"),
        ];
        let both = places(&["s3://0/", "s3://1/"]);
        let before = mark(&both, &old).expect("a mark");
        let written = serde_json::to_string(&before).expect("JSON");
        let before: Mark = serde_json::from_str(&written).expect("a mark");
        assert_eq!(since(&both, &old, &before), [0_usize; 0]);
        let mut now = old;
        now.extend([
            // Another version of what was there, in the very second of the newest.
            listed(0, A, "2", then),
            // An older one put back: not new by the store's clock.
            listed(0, B, "3", "2026-11-27T12:00:00Z"),
            listed(0, B, "4", later),
            listed(0, "notes.txt", "1", later),
            // A place that was empty.
            listed(1, A, "9", then),
        ]);
        assert_eq!(since(&both, &now, &before), [2, 6, 4]);
        // A place that did not answer before.
        let alone = mark(&places(&["s3://0/"]), &[]).expect("a mark");
        assert_eq!(
            since(&both, &[listed(1, A, "9", later)], &alone),
            [0_usize; 0]
        );
    }

    fn record(blocks: u64, hashes: &[(u64, u8)]) -> Record {
        Record {
            blocks,
            bytes: 1,
            codes: Vec::new(),
            key: "k".to_owned(),
            samples: hashes
                .iter()
                .map(|(height, byte)| (*height, [*byte; 32]))
                .collect(),
            sha256: "ab".to_owned(),
            taken_in: Timestamp::UNIX_EPOCH,
            verdict: Word::Intact,
            version_id: None,
        }
    }

    #[test]
    fn a_backup_extends_the_seed_or_says_where_it_parts() {
        let seeded = Seeded {
            sha256: "ab".to_owned(),
            head: hex::encode([6; 32]),
            blocks: 7,
        };
        let known = record(7, &[(0, 0), (3, 3), (6, 6)]);
        for (blocks, hashes, says) in [
            (7, &[(0, 0), (6, 6)][..], None),
            (9, &[(0, 0), (6, 6), (8, 8)], None),
            (6, &[(0, 0), (5, 5)], Some("blocks are missing")),
            (9, &[(0, 0), (6, 9), (8, 8)], Some("block 6 is 0909")),
            (9, &[(0, 0), (8, 8)], Some("block 6 is not known")),
            (
                9,
                &[(0, 1), (6, 6), (8, 8)],
                Some("begins with another block"),
            ),
            (9, &[(0, 0), (3, 4), (6, 6)], Some("block 3 is another one")),
        ] {
            let found = parts(&record(blocks, hashes), &seeded, Some(&known));
            match says {
                None => assert_eq!(found, None),
                Some(says) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(says)),
                    "{says}: {found:?}"
                ),
            }
        }
        assert_eq!(parts(&record(7, &[(0, 0), (6, 6)]), &seeded, None), None);
    }
}
