//! `rebuild backups list`.

use backup::catalogue::Lock;
use schemars::JsonSchema;
use serde::Serialize;

use super::show::{self, Row};
use crate::args::GlobalArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::sources::choose::locks;
use crate::sources::survey::Survey;

/// Every backup of an environment, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct List {
    /// The environment.
    pub environment: String,
    /// How old the newest backup may be.
    pub rpo_seconds: u32,
    /// The backups.
    pub backups: Vec<Backup>,
    /// Sources that could not be asked, and why.
    pub silent: Vec<String>,
}

/// One backup.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Backup {
    /// What is known of it.
    #[serde(flatten)]
    pub row: Row,
    /// How it is held.
    pub lock: Lock,
    /// Whether a rebuild from it now would lose no more than the objective allows.
    pub within_rpo: bool,
}

/// Runs the command.
pub async fn run(name: &str, global: &GlobalArgs, printer: &Printer) -> Result<Exit, Failure> {
    let blueprint = super::blueprint(name, global, printer).await?;
    let environment = &blueprint.environment;
    let now = jiff::Timestamp::now();
    let survey = Survey::open(environment, &blueprint.resolved, now, printer).await?;
    let locks = locks(&survey).await?;
    let rpo_seconds = environment.document.objectives.rpo.seconds();
    let mut backups: Vec<Backup> = (0..survey.sources.listed.len())
        .map(|position| {
            let row = Row::of(&survey, position, now);
            Backup {
                within_rpo: row.age_seconds <= i64::from(rpo_seconds),
                lock: locks[position],
                row,
            }
        })
        .collect();
    backups.sort_by(|left, right| {
        (right.row.stored, &left.row.location).cmp(&(left.row.stored, &right.row.location))
    });
    let list = List {
        environment: environment.name().to_owned(),
        rpo_seconds,
        backups,
        silent: survey
            .sources
            .silent
            .iter()
            .map(|failure| failure.line())
            .collect(),
    };
    match printer.format {
        Format::Json => printer.json(&list),
        Format::Text => printer.data(&text(&list)),
    }
    Ok(Exit::Done)
}

fn text(list: &List) -> String {
    let rows: Vec<Vec<String>> = list
        .backups
        .iter()
        .map(|backup| {
            let row = &backup.row;
            vec![
                row.name(),
                row.cloud().to_owned(),
                row.stored.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                format!(
                    "{}{}",
                    row.age(),
                    if backup.within_rpo { "" } else { " > RPO" }
                ),
                row.bytes.to_string(),
                show::lock(backup.lock),
                row.word(),
                row.blocks
                    .map_or_else(|| "-".to_owned(), |blocks| blocks.to_string()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no backups\n".to_owned();
    }
    show::table(
        &[
            "BACKUP", "IN", "STORED", "AGE", "BYTES", "LOCK", "VERDICT", "BLOCKS",
        ],
        &rows,
    )
}
