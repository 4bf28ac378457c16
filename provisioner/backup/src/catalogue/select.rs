//! Choosing one backup of many by what an operator writes: `latest`, `before:TIME`, an id, or
//! `known-good:before=TIME[,dwell=DURATION]`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::BackupName;

/// One stored version of one backup, as a listing reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The object's key, or a file's path.
    pub key: String,
    /// The version, where the storage keeps versions.
    pub version_id: Option<String>,
    /// Whether this is the version a plain read returns.
    pub is_latest: bool,
    /// Size in bytes.
    pub size: u64,
    /// When the storage took it in. The storage's own clock: a writer can't choose it.
    #[schemars(with = "String")]
    pub last_modified: Timestamp,
    /// Until when nobody can delete or replace this version, where the storage says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub locked_until: Option<Timestamp>,
}

impl Candidate {
    /// What its name says; `None` when it is not a backup of the manager.
    #[must_use]
    pub fn name(&self) -> Option<BackupName> {
        BackupName::parse(&self.key)
    }

    /// The id operators use: from the name if it has one, else the last part of the key.
    #[must_use]
    pub fn id(&self) -> String {
        self.name()
            .map_or_else(|| self.file_name().to_owned(), |name| name.id())
    }

    fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }

    fn answers_to(&self, id: &str) -> bool {
        // Its key, its file name, and whatever lies between.
        self.key
            .strip_suffix(id)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            || self
                .name()
                .is_some_and(|name| name.id() == id || name.manager_id() == id)
    }
}

/// Which backup is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The newest.
    Latest,
    /// The newest that the storage took in before this time.
    Before(Timestamp),
    /// The newest that is known good, which takes verdicts and a lineage: see [`super::known_good()`].
    KnownGood {
        /// When the incident began.
        before: Timestamp,
        /// How long an intruder may have been there before that.
        dwell: SignedDuration,
    },
    /// The one of this id, file name, key or manager's id; with a version after `@` exactly that version.
    Id {
        /// What it is called.
        id: String,
        /// The version wanted, if a certain one is.
        version_id: Option<String>,
    },
}

/// A text that selects nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectorError {
    /// There is nothing to go by.
    #[error("the backup's name is empty")]
    Empty,
    /// The time after `before:` can't be read.
    #[error("{text:?} is no time such as 2026-11-23T03:30:00Z: {reason}")]
    Time {
        /// What was written.
        text: String,
        /// Why it can't be read.
        reason: String,
    },
    /// The duration after `dwell=` can't be read.
    #[error("{text:?} is no duration such as 72h or 14d: {reason}")]
    Duration {
        /// What was written.
        text: String,
        /// Why it can't be read.
        reason: String,
    },
    /// What follows `known-good:` is not understood.
    #[error("{0:?} is not of the form known-good:before=TIME[,dwell=DURATION]")]
    KnownGood(String),
    /// `word:` is none of the ways to select.
    #[error("{0:?} is no way to select a backup")]
    Unknown(String),
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.is_empty() {
            return Err(SelectorError::Empty);
        }
        if text == "latest" {
            return Ok(Self::Latest);
        }
        match text.split_once(':') {
            Some(("before", time)) => read_time(time).map(Self::Before),
            Some(("known-good", rest)) => read_known_good(text, rest),
            Some((word, _)) => Err(SelectorError::Unknown(word.to_owned())),
            None => {
                let (id, version_id) = match text.split_once('@') {
                    Some((id, version)) if !version.is_empty() => (id, Some(version.to_owned())),
                    _ => (text, None),
                };
                Ok(Self::Id {
                    id: id.to_owned(),
                    version_id,
                })
            }
        }
    }
}

fn read_time(text: &str) -> Result<Timestamp, SelectorError> {
    text.parse()
        .map_err(|error: jiff::Error| SelectorError::Time {
            text: text.to_owned(),
            reason: error.to_string(),
        })
}

/// Reads a duration; a day has 24 hours.
fn read_duration(text: &str) -> Result<SignedDuration, SelectorError> {
    let wrong = |reason: String| SelectorError::Duration {
        text: text.to_owned(),
        reason,
    };
    let duration = text
        .parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .map_err(|error| wrong(error.to_string()))?;
    if duration.is_negative() {
        return Err(wrong("it is negative".to_owned()));
    }
    Ok(duration)
}

fn read_known_good(whole: &str, rest: &str) -> Result<Selector, SelectorError> {
    let (mut before, mut dwell) = (None, None);
    for part in rest.split(',') {
        match part.split_once('=') {
            Some(("before", time)) if before.is_none() => before = Some(read_time(time)?),
            Some(("dwell", text)) if dwell.is_none() => dwell = Some(read_duration(text)?),
            _ => return Err(SelectorError::KnownGood(whole.to_owned())),
        }
    }
    Ok(Selector::KnownGood {
        before: before.ok_or_else(|| SelectorError::KnownGood(whole.to_owned()))?,
        dwell: dwell.unwrap_or_default(),
    })
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Before(time) => write!(f, "before:{time}"),
            Self::KnownGood { before, dwell } => {
                write!(f, "known-good:before={before}")?;
                if dwell.is_zero() {
                    return Ok(());
                }
                write!(f, ",dwell={dwell}")
            }
            Self::Id {
                id,
                version_id: None,
            } => f.write_str(id),
            Self::Id {
                id,
                version_id: Some(version),
            } => write!(f, "{id}@{version}"),
        }
    }
}

/// Why no backup was chosen.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectError {
    /// Nothing in the listing is a backup.
    #[error("there is no backup among {objects} objects")]
    None {
        /// How many objects were looked at.
        objects: usize,
    },
    /// A listing alone doesn't say which backup is known good.
    #[error("which backup is known good shows only when the backups are read and compared")]
    NeedsVerdicts,
    /// All backups are newer.
    #[error("there is no backup from before {before}; the oldest is {oldest} of {taken_in}")]
    NoneBefore {
        /// The time asked for.
        before: Timestamp,
        /// The id of the oldest backup.
        oldest: String,
        /// When the storage took that in.
        taken_in: Timestamp,
    },
    /// No backup has this id.
    #[error("there is no backup {id:?}{}", nearest_text(nearest))]
    Unknown {
        /// What was asked for.
        id: String,
        /// Ids that look like it, the likeliest first.
        nearest: Vec<String>,
    },
    /// Several backups answer to this id.
    #[error("{id:?} may mean {}", matches.join(" or "))]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// The ids that are meant.
        matches: Vec<String>,
    },
}

fn nearest_text(nearest: &[String]) -> String {
    if nearest.is_empty() {
        String::new()
    } else {
        format!("; similar ones are {}", nearest.join(", "))
    }
}

/// Chooses a backup. Objects whose names are none of the manager's are chosen only by their key or file name.
///
/// *Newest* goes by the time in the name, then by when the storage took it in: an old backup uploaded again stays old.
/// *Before* goes by the storage's clock and, of each key, looks at the newest version from before that time, so that an
/// object replaced later is read as it was.
///
/// # Errors
/// [`SelectError`].
pub fn select<'a>(
    candidates: &'a [Candidate],
    selector: &Selector,
) -> Result<&'a Candidate, SelectError> {
    match selector {
        Selector::Latest => newest(candidates.iter().filter(|candidate| candidate.is_latest))
            .ok_or(SelectError::None {
                objects: candidates.len(),
            }),
        Selector::Before(time) => select_before(candidates, *time),
        Selector::KnownGood { .. } => Err(SelectError::NeedsVerdicts),
        Selector::Id { id, version_id } => select_id(candidates, id, version_id.as_deref()),
    }
}

fn newest<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
    candidates
        .filter_map(|candidate| candidate.name().map(|name| (name, candidate)))
        .max_by(|(left_name, left), (right_name, right)| {
            (left_name.taken, left.last_modified, &left.key).cmp(&(
                right_name.taken,
                right.last_modified,
                &right.key,
            ))
        })
        .map(|(_, candidate)| candidate)
}

fn select_before(candidates: &[Candidate], before: Timestamp) -> Result<&Candidate, SelectError> {
    if let Some(found) = newest(
        candidates
            .iter()
            .filter(|candidate| candidate.last_modified < before),
    ) {
        return Ok(found);
    }
    let oldest = candidates
        .iter()
        .filter(|candidate| candidate.name().is_some())
        .min_by_key(|candidate| candidate.last_modified);
    Err(match oldest {
        Some(oldest) => SelectError::NoneBefore {
            before,
            oldest: oldest.id(),
            taken_in: oldest.last_modified,
        },
        None => SelectError::None {
            objects: candidates.len(),
        },
    })
}

fn select_id<'a>(
    candidates: &'a [Candidate],
    id: &str,
    version_id: Option<&str>,
) -> Result<&'a Candidate, SelectError> {
    let wanted = |candidate: &&Candidate| match version_id {
        Some(version) => candidate.version_id.as_deref() == Some(version),
        None => candidate.is_latest,
    };
    let matches: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.answers_to(id))
        .filter(wanted)
        .collect();
    match matches.as_slice() {
        [one] => Ok(one),
        [] => Err(SelectError::Unknown {
            id: match version_id {
                Some(version) => format!("{id}@{version}"),
                None => id.to_owned(),
            },
            nearest: nearest(candidates, id),
        }),
        several => Err(SelectError::Ambiguous {
            id: id.to_owned(),
            matches: several
                .iter()
                .map(|candidate| candidate.key.clone())
                .collect(),
        }),
    }
}

fn nearest(candidates: &[Candidate], id: &str) -> Vec<String> {
    const SHOWN: usize = 3;
    const ALIKE: f64 = 0.7;
    let mut scored: Vec<(f64, String)> = candidates
        .iter()
        .filter(|candidate| candidate.name().is_some())
        .map(|candidate| candidate.id())
        .map(|known| (strsim::normalized_levenshtein(&known, id), known))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|left, right| {
        right
            .0
            .total_cmp(&left.0)
            .then_with(|| left.1.cmp(&right.1))
    });
    scored.dedup_by(|left, right| left.1 == right.1);
    scored
        .into_iter()
        .take(SHOWN)
        .map(|(_, known)| known)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, version: Option<&str>, modified: &str, is_latest: bool) -> Candidate {
        Candidate {
            key: format!("natlangchain/{name}"),
            version_id: version.map(str::to_owned),
            is_latest,
            size: 1,
            last_modified: modified.parse().unwrap(),
            locked_until: None,
        }
    }

    fn listing() -> Vec<Candidate> {
        vec![
            candidate(
                "natlangchain_20261121_030000_daily.json.gz",
                Some("v1"),
                "2026-11-21T03:00:01Z",
                true,
            ),
            candidate(
                "natlangchain_20261122_030000_daily.json.gz",
                Some("v2"),
                "2026-11-22T03:00:01Z",
                false,
            ),
            // Replaced a day later.
            candidate(
                "natlangchain_20261122_030000_daily.json.gz",
                Some("v3"),
                "2026-11-23T22:00:00Z",
                true,
            ),
            candidate(
                "natlangchain_20261123_030000_daily.json.gz",
                Some("v4"),
                "2026-11-23T03:00:01Z",
                true,
            ),
            candidate(
                "natlangchain_20261123_030000_manual.json.gz",
                Some("v5"),
                "2026-11-23T03:00:02Z",
                true,
            ),
            candidate(
                "natlangchain_20261123_030000_daily.json.gz.meta.json",
                None,
                "2026-11-23T03:00:01Z",
                true,
            ),
            // An old backup uploaded again.
            candidate(
                "natlangchain_20261120_030000_daily.json.gz",
                Some("v6"),
                "2026-11-24T00:00:00Z",
                true,
            ),
            candidate("notes.txt", None, "2026-11-24T00:00:00Z", true),
        ]
    }

    fn chosen(selector: &str) -> Result<String, SelectError> {
        let listing = listing();
        let selector: Selector = selector.parse().unwrap();
        select(&listing, &selector)
            .map(|candidate| candidate.version_id.clone().unwrap_or_default())
    }

    #[test]
    fn backups_are_chosen() {
        for (selector, version) in [
            ("latest", "v5"),
            ("before:2026-11-23T00:00:00Z", "v2"),
            ("before:2026-11-21T12:00:02+09:00", "v1"),
            ("natlangchain_20261122_030000_daily", "v3"),
            ("natlangchain_20261122_030000_daily@v2", "v2"),
            ("natlangchain_20261122_030000_daily.json.gz", "v3"),
            (
                "natlangchain/natlangchain_20261121_030000_daily.json.gz",
                "v1",
            ),
            ("BACKUP-20261121030000", "v1"),
        ] {
            assert_eq!(chosen(selector).unwrap(), version, "{selector}");
        }
    }

    #[test]
    fn what_can_not_be_chosen_is_explained() {
        let error = chosen("natlangchain_20261121_030000_dialy").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no backup \"natlangchain_20261121_030000_dialy\"; similar ones are \
             natlangchain_20261121_030000_daily, natlangchain_20261120_030000_daily, natlangchain_20261122_030000_daily"
        );
        assert!(
            matches!(chosen("BACKUP-20261123030000"), Err(SelectError::Ambiguous { matches, .. }) if matches.len() == 2)
        );
        assert!(
            matches!(chosen("nothing-like-it"), Err(SelectError::Unknown { nearest, .. }) if nearest.is_empty())
        );
        assert!(matches!(
            chosen("before:2026-11-21T03:00:01Z"),
            Err(SelectError::NoneBefore { .. })
        ));
        assert!(matches!(
            select(&[], &Selector::Latest),
            Err(SelectError::None { objects: 0 })
        ));
        assert!(
            matches!("newest:x".parse::<Selector>(), Err(SelectorError::Unknown(word)) if word == "newest")
        );
        assert!(matches!(
            "known-good:before=x".parse::<Selector>(),
            Err(SelectorError::Time { .. })
        ));
        for text in ["1", "-3h", "3 fortnights", "1mo"] {
            assert!(matches!(
                format!("known-good:before=2026-11-23T00:00:00Z,dwell={text}").parse::<Selector>(),
                Err(SelectorError::Duration { .. })
            ));
        }
        for text in [
            "",
            "dwell=3h",
            "before",
            "before=2026-11-23T00:00:00Z,",
            "before=2026-11-23T00:00:00Z,before=2026-11-23T00:00:00Z",
        ] {
            assert!(matches!(
                format!("known-good:{text}").parse::<Selector>(),
                Err(SelectorError::KnownGood(_))
            ));
        }
        assert_eq!(
            chosen("known-good:before=2026-11-23T00:00:00Z"),
            Err(SelectError::NeedsVerdicts)
        );
        assert!(matches!(
            "before:yesterday".parse::<Selector>(),
            Err(SelectorError::Time { .. })
        ));
        assert_eq!("".parse::<Selector>(), Err(SelectorError::Empty));
    }

    #[test]
    fn selectors_read_back() {
        for text in [
            "latest",
            "before:2026-11-23T00:00:00Z",
            "known-good:before=2026-11-23T00:00:00Z",
            "known-good:before=2026-11-23T00:00:00Z,dwell=PT72H",
            "some_id",
            "some_id@v",
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
        for (text, hours) in [("72h", 72), ("14d", 336), ("2 weeks", 336), ("P1DT1H", 25)] {
            let Selector::KnownGood { dwell, .. } =
                format!("known-good:before=2026-11-23T00:00:00Z,dwell={text}")
                    .parse()
                    .unwrap()
            else {
                panic!("{text}");
            };
            assert_eq!(dwell, SignedDuration::from_hours(hours));
        }
    }
}
