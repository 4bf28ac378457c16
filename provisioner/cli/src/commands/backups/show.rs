//! What is told of a listed backup, as data and as a row of a table.

use backup::catalogue::Lock;
use backup::lineage::Record;
use backup::{Code, Finding, Word};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::sources::survey::Survey;

/// One version of one backup and what is known of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// What the operator asks for.
    pub id: String,
    /// `s3://BUCKET/KEY` or `gs://BUCKET/KEY`.
    pub location: String,
    /// Version, where the store keeps versions.
    pub version: Option<String>,
    /// The version a plain read gives.
    pub latest: bool,
    /// Size of the stored object.
    pub bytes: u64,
    /// When the storage took it in, by the storage's clock.
    #[schemars(with = "String")]
    pub stored: Timestamp,
    /// How long ago that was.
    pub age_seconds: i64,
    /// What verification concluded; absent when it was never read.
    pub verdict: Option<Word>,
    /// What spoke against it.
    pub codes: Vec<Code>,
    /// Blocks of its chain.
    pub blocks: Option<u64>,
    /// Hash of its last block.
    pub head: Option<String>,
    /// SHA-256 of the stored object.
    pub sha256: Option<String>,
    /// What other backups say against it.
    pub against: Vec<Finding>,
}

impl Row {
    /// The row of a listed backup.
    pub fn of(survey: &Survey, position: usize, now: Timestamp) -> Self {
        let candidate = survey.sources.candidate(position);
        let record = survey.record(position);
        Self {
            id: candidate.id(),
            location: candidate.key.clone(),
            version: candidate.version_id.clone(),
            latest: candidate.is_latest,
            bytes: candidate.size,
            stored: candidate.last_modified,
            age_seconds: now.duration_since(candidate.last_modified).as_secs(),
            verdict: record.map(|record| record.verdict),
            codes: record
                .map(|record| record.codes.clone())
                .unwrap_or_default(),
            blocks: record.map(|record| record.blocks),
            head: record.and_then(Record::head).map(hex::encode),
            sha256: record.map(|record| record.sha256.clone()),
            against: Vec::new(),
        }
    }

    /// The verdict, and in the eyes of the other backups.
    pub fn word(&self) -> String {
        match self.verdict {
            None => "not read".to_owned(),
            Some(word) if self.against.is_empty() => word.as_str().to_owned(),
            Some(word) => format!("{}, disputed", word.as_str()),
        }
    }

    /// The id, with the version where a plain read gives another one.
    pub fn name(&self) -> String {
        match &self.version {
            Some(version) if !self.latest => format!("{}@{version}", self.id),
            _ => self.id.clone(),
        }
    }

    /// `s3` or `gs`.
    pub fn cloud(&self) -> &str {
        self.location
            .split_once("://")
            .map_or("", |(scheme, _)| scheme)
    }

    /// Age in the largest unit that says enough.
    pub fn age(&self) -> String {
        let minutes = self.age_seconds / 60;
        match (minutes / (24 * 60), minutes / 60) {
            (0, 0) => format!("{minutes}m"),
            (0 | 1, hours) => format!("{hours}h"),
            (days, _) => format!("{days}d"),
        }
    }
}

/// How a version is held, in a word or two.
pub fn lock(lock: Lock) -> String {
    let day = |until: Timestamp| until.strftime("%Y-%m-%d").to_string();
    match lock {
        Lock::Unknown => "?".to_owned(),
        Lock::None => "none".to_owned(),
        Lock::Compliance { until } => format!("compliance until {}", day(until)),
        Lock::Governance { until } => format!("governance until {}", day(until)),
        Lock::LegalHold => "hold".to_owned(),
    }
}

/// Columns, each as wide as its widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].len())
            .chain([head[column].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut out = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            out.push_str(&format!("{cell:<width$}  "));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    };
    let mut out = line(head.to_vec());
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::commands::backups::{all, identities, known_good, list};

    /// With `UPDATE_DOCS=1` the file is written instead of compared.
    fn documented(name: &str, schema: schemars::Schema) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs")
            .join(name);
        let text = format!("{:#}\n", schema.to_value());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).expect("docs can be written");
        }
        assert!(
            std::fs::read_to_string(&path).is_ok_and(|found| found == text),
            "docs/{name} is not what the code says; run with UPDATE_DOCS=1"
        );
    }

    #[test]
    fn the_schemas_are_what_the_code_says() {
        documented(
            "backups-list.schema.json",
            schemars::schema_for!(list::List),
        );
        documented(
            "backups-known-good.schema.json",
            schemars::schema_for!(known_good::Answer),
        );
        documented(
            "backups-identities.schema.json",
            schemars::schema_for!(identities::Answer),
        );
        documented(
            "backups-all.schema.json",
            schemars::schema_for!(all::Answer),
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![
            vec!["a".to_owned(), "1".to_owned()],
            vec!["longer".to_owned(), "2".to_owned()],
        ];
        assert_eq!(
            table(&["id", "n"], &rows),
            "id      n\na       1\nlonger  2\n"
        );
    }
}
