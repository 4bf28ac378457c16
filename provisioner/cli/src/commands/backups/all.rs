//! `rebuild backups verify --all`.

use std::fmt::Write;

use backup::Word;
use indicatif::{ProgressBar, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;

use super::show::{self, Row};
use super::{cluster, verify};
use crate::args::{GlobalArgs, VerifyCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::sources::survey::Survey;

/// Every backup of an environment, verified and compared.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// The environment.
    pub environment: String,
    /// The backups, oldest first.
    pub backups: Vec<Row>,
    /// How many of them were read now; the others were known.
    pub read: usize,
    /// Backups that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Histories: one when all backups agree, each from its shortest chain to its longest.
    pub histories: Vec<Vec<String>>,
    /// Where histories part.
    pub partings: Vec<Parting>,
}

/// A backup that could not be read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Unreadable {
    /// Its address.
    pub location: String,
    /// Version, where the store keeps versions.
    pub version: Option<String>,
    /// Why.
    pub why: Vec<String>,
}

/// Two histories, and where they part.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Parting {
    /// Positions in `histories`.
    pub histories: (usize, usize),
    /// The highest block known to be the same.
    pub same_until: Option<u64>,
    /// The lowest block known to differ.
    pub differ_from: Option<u64>,
}

/// Runs the command.
pub async fn run(
    command: VerifyCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let blueprint = super::blueprint(command.env.as_deref().unwrap_or(""), global, printer).await?;
    let environment = &blueprint.environment;
    let now = jiff::Timestamp::now();
    let mut survey = Survey::open(environment, &blueprint.resolved, now, printer).await?;
    if command.again {
        survey.memory.index = backup::lineage::Index::default();
    }
    if command.on_cluster {
        cluster::fan_out(&mut survey, &blueprint, &command, printer).await?;
    }
    // What the pods left out, or everything where there are none.
    let unread = survey.unread();
    let many = unread.len();
    let bar = printer.live().then(|| bar(many as u64));
    let mut done = 0;
    let failures = survey
        .read(
            unread,
            super::budget(command.budget),
            &mut |candidate, outcome| {
                done += 1;
                let word = outcome.as_ref().map_or("unreadable", |word| word.as_str());
                let line = format!("{done:>5} of {many}  {}: {word}", candidate.id());
                match &bar {
                    Some(bar) => {
                        bar.println(line);
                        bar.inc(1);
                    }
                    None => printer.note(&line),
                }
            },
        )
        .await?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let lineage = survey.lineage().await?;
    let mut positions: Vec<usize> = (0..survey.sources.listed.len())
        .filter(|&position| survey.sources.candidate(position).name().is_some())
        .collect();
    positions.sort_by_key(|&position| {
        let candidate = survey.sources.candidate(position);
        (candidate.last_modified, candidate.key.clone())
    });
    let records = survey.memory.index.records();
    let answer = Answer {
        environment: environment.name().to_owned(),
        backups: positions
            .into_iter()
            .map(|position| Row {
                against: survey.against(&lineage, position),
                ..Row::of(&survey, position, now)
            })
            .collect(),
        read: survey.verdicts.len(),
        unreadable: failures
            .into_iter()
            .map(|(position, failure)| {
                let candidate = survey.sources.candidate(position);
                Unreadable {
                    location: candidate.key.clone(),
                    version: candidate.version_id.clone(),
                    why: [failure.message]
                        .into_iter()
                        .chain(failure.causes)
                        .collect(),
                }
            })
            .collect(),
        histories: lineage
            .branches
            .iter()
            .map(|branch| {
                let names = branch.members.iter().map(|&member| records[member].name());
                names.collect()
            })
            .collect(),
        partings: lineage
            .partings
            .iter()
            .map(|parting| Parting {
                histories: parting.branches,
                same_until: parting.agreement.same_until,
                differ_from: parting.agreement.differ_from,
            })
            .collect(),
    };
    match printer.format {
        Format::Json => printer.json(&answer),
        Format::Text => printer.data(&text(&answer)),
    }
    Ok(exit(&answer))
}

/// The worst decides; what could not be read leaves the question open.
fn exit(answer: &Answer) -> Exit {
    if !answer.unreadable.is_empty() {
        return Exit::Error;
    }
    let of_findings = |row: &Row| Word::of(&row.against);
    let worst = answer
        .backups
        .iter()
        .filter_map(|row| Some(row.verdict?.max(of_findings(row))))
        .max();
    worst.map_or(Exit::Done, verify::exit)
}

fn bar(many: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("verifying {pos}/{len} {elapsed} {wide_bar}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(many).with_style(style)
}

fn text(answer: &Answer) -> String {
    let rows: Vec<Vec<String>> = answer
        .backups
        .iter()
        .map(|row| {
            vec![
                row.name(),
                row.cloud().to_owned(),
                row.stored.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                row.word(),
                row.blocks
                    .map_or_else(|| "-".to_owned(), |blocks| blocks.to_string()),
                row.codes
                    .iter()
                    .copied()
                    .chain(row.against.iter().map(|finding| finding.code))
                    .map(|code| code.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
            ]
        })
        .collect();
    let mut out = show::table(
        &["BACKUP", "IN", "STORED", "VERDICT", "BLOCKS", "WHY"],
        &rows,
    );
    // Writing to a String can't fail.
    for unreadable in &answer.unreadable {
        let _ = writeln!(
            out,
            "could not be read: {}: {}",
            unreadable.location,
            unreadable.why.join(": ")
        );
    }
    let _ = writeln!(
        out,
        "{} backups, {} read now; {}",
        answer.backups.len(),
        answer.read,
        match answer.histories.len() {
            0 => "no history".to_owned(),
            1 => "one history".to_owned(),
            many => format!("{many} histories"),
        }
    );
    for parting in &answer.partings {
        let (one, two) = parting.histories;
        let longest = |at: usize| answer.histories[at].last().map_or("", String::as_str);
        let place = match (parting.same_until, parting.differ_from) {
            (Some(same), Some(differ)) => format!("same until block {same}, differ from {differ}"),
            (None, Some(differ)) => format!("differ from block {differ} or before"),
            (same, None) => format!(
                "not known to differ after block {}",
                same.unwrap_or_default()
            ),
        };
        let _ = writeln!(out, "{} and {}: {place}", longest(one), longest(two));
    }
    out
}
