//! `rebuild backups identities`.

use std::fmt::Write;

use backup::identities::{Identities, Identity, MOST, new_since};
use backup::{Options, Word};
use environment::schema::AcceptedIdentity;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::Input;
use super::{show, verify};
use crate::args::{GlobalArgs, IdentitiesCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::sources::gate::acceptance;

/// Who and what a backup's data lets in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// The backup.
    pub backup: String,
    /// What verification concluded of it; never *rejected*.
    pub verdict: Word,
    /// The backup it is compared with.
    pub since: Option<String>,
    /// All identities, or those that the other backup lacks.
    pub identities: Vec<Row>,
    /// There are more than were collected.
    pub truncated: bool,
}

/// An identity.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// The identity.
    #[serde(flatten)]
    pub identity: Identity,
    /// Why the environment accepts it, if it does.
    pub accepted: Option<String>,
}

/// Runs the command.
pub async fn run(
    command: IdentitiesCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let blueprint = match &command.env {
        Some(name) => Some(super::blueprint(name, global, printer).await?),
        None => None,
    };
    let blueprint = blueprint.as_ref();
    let mut options = Options::at(Timestamp::now().as_second());
    options.identities = Some(MOST);
    options.passphrase = verify::passphrase(&command.key, blueprint).await?;
    let input = Input::find(&command.backup, blueprint, printer).await?;
    let (verdict, found) = collected(&input, &options).await?;
    let known =
        match &command.since {
            None => None,
            Some(text) => {
                let other = Input::find(text, blueprint, printer).await?;
                let (verdict, known) = collected(&other, &options).await?;
                if verdict != Word::Intact {
                    return Err(Failure::new(format!("`{}` is not known good", other.name()))
                    .because(format!("it is {}", verdict.as_str()))
                    .hint("compare with a backup that is intact: `rebuild backups known-good`")
                    .exit(Exit::Refused));
                }
                Some((other, known))
            }
        };
    let accepted = blueprint.map_or(&[][..], |blueprint| {
        &blueprint.environment.document.breach.accepted_identities
    });
    let new = known.as_ref().map(|(_, known)| new_since(known, &found));
    let answer = Answer {
        backup: input.name(),
        verdict,
        since: known.map(|(other, _)| other.name()),
        identities: rows(new.unwrap_or(found.found), accepted),
        truncated: found.truncated,
    };
    if answer.truncated {
        printer.warn(&format!(
            "the data holds more than {MOST} identities; only the first ones were collected"
        ));
    }
    if verdict != Word::Intact {
        printer.warn(&format!(
            "{} is {}: there may be more in what nothing vouches for",
            answer.backup,
            verdict.as_str()
        ));
    }
    match printer.format {
        Format::Json => printer.json(&answer),
        Format::Text => printer.data(&text(&answer)),
    }
    let open = answer.since.is_some()
        && (answer.truncated || answer.identities.iter().any(|row| row.accepted.is_none()));
    Ok(if open { Exit::Refused } else { Exit::Done })
}

async fn collected(input: &Input, options: &Options) -> Result<(Word, Identities), Failure> {
    let verified = input.read(options.clone()).await?;
    let verdict = verified.verdict;
    match verified.identities {
        Some(found) if verdict.verdict != Word::Rejected => Ok((verdict.verdict, found)),
        _ => {
            let mut failure =
                Failure::new(format!("`{}` is rejected", input.name())).exit(Exit::Rejected);
            for finding in verdict.findings.iter().take(3) {
                failure =
                    failure.because(format!("{} [{}]", finding.message, finding.code.as_str()));
            }
            Err(failure.hint("nobody vouches for what stands in it; take another backup"))
        }
    }
}

fn rows(identities: Vec<Identity>, accepted: &[AcceptedIdentity]) -> Vec<Row> {
    identities
        .into_iter()
        .map(|identity| Row {
            accepted: acceptance(&identity, accepted).map(|one| one.reason.clone()),
            identity,
        })
        .collect()
}

fn text(answer: &Answer) -> String {
    let mut out = String::new();
    let count = answer.identities.len();
    // Writing to a String can't fail.
    let _ = match (&answer.since, count) {
        (None, _) => writeln!(out, "{count} identities in {}", answer.backup),
        (Some(since), 0) => writeln!(out, "nobody in {} is not in {since}", answer.backup),
        (Some(since), _) => writeln!(
            out,
            "{count} identities in {} that are not in {since}",
            answer.backup
        ),
    };
    if count == 0 {
        return out;
    }
    let cells: Vec<Vec<String>> = answer
        .identities
        .iter()
        .map(|row| {
            let identity = &row.identity;
            let time = identity
                .first_time
                .and_then(|time| Timestamp::from_second(time).ok());
            let block = identity
                .first_block
                .map_or_else(|| "-".to_owned(), |block| block.to_string());
            vec![
                identity.kind.to_string(),
                block,
                time.map_or_else(|| "-".to_owned(), |time| time.to_string()),
                match &row.accepted {
                    Some(reason) => format!("{} (accepted: {reason})", identity.name),
                    None => identity.name.clone(),
                },
            ]
        })
        .collect();
    out.push_str(&show::table(&["KIND", "BLOCK", "SINCE", "NAME"], &cells));
    out
}
