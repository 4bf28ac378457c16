//! `rebuild backups known-good`.

use std::fmt::Write;

use backup::catalogue::{Lock, Reason, Selector};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::show::{self, Row};
use crate::args::{GlobalArgs, KnownGoodCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::sources::choose::{choose, policy};
use crate::sources::pin::need;
use crate::sources::survey::Survey;

/// The newest backup that can be trusted, and why no newer one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// The environment.
    pub environment: String,
    /// The time a backup must have been stored before: that of the incident minus the dwell time.
    #[schemars(with = "String")]
    pub cutoff: Timestamp,
    /// The backup to take; absent when none is known good.
    pub chosen: Option<Row>,
    /// How it is held.
    pub lock: Option<Lock>,
    /// Every newer backup, newest first.
    pub passed_over: Vec<Passed>,
    /// Those among them that have another history at heights the chosen one knows.
    pub disputed_by: Vec<String>,
}

/// A backup that was passed over.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Passed {
    /// The backup.
    pub backup: Row,
    /// All that speaks against it.
    pub reasons: Vec<Reason>,
}

/// Runs the command.
pub async fn run(
    command: KnownGoodCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let asked = format!(
        "known-good:before={},dwell={}",
        command.before, command.dwell
    );
    let dwell = match asked.parse() {
        Ok(Selector::KnownGood { dwell, .. }) => dwell,
        Ok(_) => return Err(Failure::new(format!("`{asked}` selects something else"))),
        Err(error) => {
            return Err(Failure::of("the dwell time can't be read", &error)
                .hint("give a duration such as 72h or 14d"));
        }
    };
    let blueprint = super::blueprint(&command.env, global, printer).await?;
    let environment = &blueprint.environment;
    let now = Timestamp::now();
    let mut survey = Survey::open(environment, &blueprint.resolved, now, printer).await?;
    let policy = policy(
        command.before,
        dwell,
        need(environment.document.backups.lock),
        now,
    );
    let choice = choose(&mut survey, policy, super::budget(command.budget), printer).await?;
    let row = |position: usize| Row::of(&survey, position, now);
    let answer = Answer {
        environment: environment.name().to_owned(),
        cutoff: choice.policy.cutoff(),
        chosen: choice.found.chosen.map(row),
        lock: choice.found.chosen.map(|position| choice.locks[position]),
        passed_over: choice
            .found
            .passed_over
            .into_iter()
            .map(|passed| Passed {
                backup: row(passed.candidate),
                reasons: passed.reasons,
            })
            .collect(),
        disputed_by: choice
            .found
            .disputed_by
            .into_iter()
            .map(|position| row(position).name())
            .collect(),
    };
    match printer.format {
        Format::Json => printer.json(&answer),
        Format::Text => printer.data(&text(&answer)),
    }
    Ok(if answer.chosen.is_some() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn text(answer: &Answer) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    match &answer.chosen {
        Some(row) => {
            let _ = writeln!(out, "{}", row.name());
            let _ = writeln!(out, "  location  {}", row.location);
            let _ = writeln!(out, "  version   {}", row.version.as_deref().unwrap_or("-"));
            let _ = writeln!(out, "  stored    {} ({} ago)", row.stored, row.age());
            let _ = writeln!(
                out,
                "  lock      {}",
                answer.lock.map_or_else(|| "?".to_owned(), show::lock)
            );
            let _ = writeln!(out, "  blocks    {}", row.blocks.unwrap_or(0));
            let _ = writeln!(out, "  head      {}", row.head.as_deref().unwrap_or("-"));
            let _ = writeln!(out, "  sha256    {}", row.sha256.as_deref().unwrap_or("-"));
        }
        None => {
            let _ = writeln!(out, "none of the backups is known good");
        }
    }
    let _ = writeln!(out, "stored before {}", answer.cutoff);
    for passed in &answer.passed_over {
        let _ = writeln!(out, "passed over: {}", passed.backup.name());
        for reason in &passed.reasons {
            let _ = writeln!(out, "  {reason}");
        }
    }
    for name in &answer.disputed_by {
        let _ = writeln!(out, "another history: {name}");
    }
    out
}
