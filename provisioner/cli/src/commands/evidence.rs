//! `rebuild evidence`: collects evidence before anything is destroyed, lists and verifies what is kept.

use std::collections::BTreeSet;
use std::fmt::Write;

use approval::{Fingerprint, fingerprint_of};
use evidence::{Folder, Problem, Verified};
use planner::Generation;
use serde_json::json;

use crate::args::{EnvironmentOnly, EvidenceCollect, EvidenceCommand, EvidenceVerify, GlobalArgs};
use crate::evidence::{Kept, Made, generations, make};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::session::{Blueprint, blueprint, collectors, control};
use crate::{enact, incident, paths, seal};

/// Bytes a public key's file may have.
const LARGEST_KEY: usize = 64 << 10;

/// Runs the command.
pub async fn run(
    command: EvidenceCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    match command {
        EvidenceCommand::Collect(command) => {
            let blueprint = blueprint(&root, &command.env, printer).await?;
            collect(&command, &blueprint, printer).await
        }
        EvidenceCommand::Verify(command) => {
            let blueprint = blueprint(&root, &command.env, printer).await?;
            verify(&command, &blueprint, printer).await
        }
        EvidenceCommand::List(EnvironmentOnly { env }) => {
            let blueprint = blueprint(&root, &env, printer).await?;
            list(&blueprint, printer).await
        }
    }
}

async fn collect(
    command: &EvidenceCollect,
    blueprint: &Blueprint,
    printer: &Printer,
) -> Result<Exit, Failure> {
    // Before minutes are spent.
    Kept::open(blueprint).await?;
    if command.snapshots && !command.yes {
        enact::must_be_able_to_ask(false, printer)?;
        enact::confirm_name(&command.env, "make snapshots of its volumes", printer)?;
    }
    let about = about(command, blueprint, printer).await?;
    let places = collectors::open(blueprint, &about, command.snapshots).await?;
    let made = make(blueprint, &about, &places, printer).await?;
    told(&made, printer);
    Ok(if made.summary.is_whole() {
        Exit::Done
    } else {
        Exit::Error
    })
}

/// The generations asked for, else those of incidents, else every one that left a mark.
async fn about(
    command: &EvidenceCollect,
    blueprint: &Blueprint,
    printer: &Printer,
) -> Result<BTreeSet<Generation>, Failure> {
    if !command.generation.is_empty() {
        return Ok(command.generation.iter().cloned().collect());
    }
    let control = control(&blueprint.resolved).await;
    let named: BTreeSet<Generation> = match incident::all(&control, &command.env).await {
        Ok(incidents) => incidents
            .into_iter()
            .flat_map(|incident| incident.generations)
            .collect(),
        // Evidence is collected all the same.
        Err(failure) => {
            printer.warn(&failure.message);
            BTreeSet::new()
        }
    };
    if !named.is_empty() {
        return Ok(named);
    }
    let places = collectors::open(blueprint, &BTreeSet::new(), false).await?;
    let found = generations(&places, printer).await;
    if found.is_empty() {
        return Err(Failure::new(format!(
            "no generation of `{}` is to be found anywhere",
            command.env
        ))
        .hint("name it with --generation"));
    }
    Ok(found)
}

fn told(made: &Made, printer: &Printer) {
    let manifest = &made.verified.manifest;
    let missing: Vec<_> = made
        .summary
        .missing()
        .map(|absent| json!({"name": absent.name, "reason": absent.reason, "elsewhere": absent.is_elsewhere()}))
        .collect();
    match printer.format {
        Format::Json => printer.json(&json!({
            "event": "collected", "id": made.id, "environment": manifest.environment, "generations": manifest.generations,
            "entries": manifest.entries.len(), "bytes": made.verified.bytes, "missing": missing, "complete": made.summary.is_whole(),
            "bundle": made.folder, "url": made.url, "held_until": made.held_until, "public_key": made.public_key,
            "manifest_sha256": made.verified.manifest_sha256, "head": manifest.head,
            "places": made.summary.parts.iter().map(|part| json!({"name": part.name, "pieces": part.pieces, "missing": part.missing.len()})).collect::<Vec<_>>(),
        })),
        Format::Text => {
            let mut out = format!(
                "evidence {} of {} {}: {} entries, {} bytes\n",
                made.id,
                manifest.environment,
                manifest.generations.join(", "),
                manifest.entries.len(),
                made.verified.bytes
            );
            // Writing to a String can't fail.
            for part in &made.summary.parts {
                let _ = writeln!(
                    out,
                    "  {:<12} {:>5} read, {} missing",
                    part.name,
                    part.pieces,
                    part.missing.len()
                );
            }
            let _ = write!(
                out,
                "kept and verified: {}\nheld until {}\nmanifest SHA-256 {}",
                made.url, made.held_until, made.verified.manifest_sha256
            );
            printer.data(&out);
        }
    }
}

async fn verify(
    command: &EvidenceVerify,
    blueprint: &Blueprint,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let trusted = trusted(command)?;
    if let Some(folder) = &command.folder {
        let verified = evidence::verify(&Folder::new(folder), &trusted);
        return verdict(&folder.display().to_string(), verified, &[], printer);
    }
    let kept = Kept::open(blueprint).await?;
    let ids = kept.ids().await?;
    let id = match &command.id {
        Some(asked) => ids.iter().find(|id| *id == asked).ok_or_else(|| {
            Failure::new(format!("there is no evidence `{asked}`")).hint(format!(
                "`rebuild evidence list --env {}` lists it",
                command.env
            ))
        })?,
        None => ids.first().ok_or_else(|| {
            Failure::new(format!("no evidence of `{}` is kept", command.env)).hint(format!(
                "collect it with `rebuild evidence collect --env {}`",
                command.env
            ))
        })?,
    };
    let checked = kept.check(id, trusted).await?;
    verdict(&kept.url(id), checked.verified, &checked.unheld, printer)
}

fn trusted(command: &EvidenceVerify) -> Result<Fingerprint, Failure> {
    let Some(path) = &command.key else {
        return seal::trusted("evidence")?.ok_or_else(|| {
            Failure::new("no key is here that evidence could be verified with")
                .hint("give the public key of the machine that collected it with --key")
        });
    };
    let text = paths::read_text(path, LARGEST_KEY)?;
    fingerprint_of(text.trim()).map_err(|error| {
        Failure::of(format!("`{}` holds no public key", path.display()), &error)
            .hint("give the file that ends in .pub: one line, as OpenSSH writes it")
    })
}

fn verdict(
    place: &str,
    verified: Result<Verified, Vec<Problem>>,
    unheld: &[String],
    printer: &Printer,
) -> Result<Exit, Failure> {
    let rejected = |failure: Failure| {
        failure
            .hint(
                "nothing it says is to be believed; another copy may hold: `rebuild evidence list`",
            )
            .exit(Exit::Rejected)
    };
    let verified = verified.map_err(|problems| {
        let failure = Failure::new(format!("`{place}` does not hold"));
        rejected(problems.iter().take(50).fold(failure, |failure, problem| {
            failure.because(format!("{problem} [{}]", problem.code()))
        }))
    })?;
    let manifest = &verified.manifest;
    let missing = manifest.entries.iter().filter_map(|entry| {
        let reason = entry.missing.as_ref()?;
        Some(json!({"name": entry.name, "reason": reason}))
    });
    let missing: Vec<_> = missing.collect();
    match printer.format {
        Format::Json => printer.json(&json!({
            "event": "verified", "verified": true, "place": place, "environment": manifest.environment, "generations": manifest.generations,
            "purpose": manifest.purpose, "created": manifest.created, "signer": manifest.signer, "entries": manifest.entries.len(),
            "missing": missing, "bytes": verified.bytes, "head": manifest.head, "manifest_sha256": verified.manifest_sha256,
            "unheld": unheld,
        })),
        Format::Text => printer.data(&format!(
            "verified: {} entries ({} missing), {} bytes, of {} {}\nsealed {} with {}\nmanifest SHA-256 {}",
            manifest.entries.len(),
            missing.len(),
            verified.bytes,
            manifest.environment,
            manifest.generations.join(", "),
            manifest.created,
            manifest.signer,
            verified.manifest_sha256
        )),
    }
    if let Some(name) = unheld.first() {
        return Err(Failure::new(format!("`{place}` can be deleted"))
            .because(format!(
                "{} objects are not held any more, `{name}` among them",
                unheld.len()
            ))
            .hint("copy it to a bucket that holds it, or collect again")
            .exit(Exit::Refused));
    }
    Ok(Exit::Done)
}

async fn list(blueprint: &Blueprint, printer: &Printer) -> Result<Exit, Failure> {
    let kept = Kept::open(blueprint).await?;
    let mut shown = Vec::new();
    for id in kept.ids().await? {
        shown.push(kept.show(&id).await?);
    }
    match printer.format {
        Format::Json => printer.json(&json!({ "event": "listed", "bundles": shown })),
        Format::Text if shown.is_empty() => printer.note("no evidence is kept"),
        Format::Text => {
            let mut out = String::new();
            for one in &shown {
                let _ = match one.created {
                    Some(_) => writeln!(
                        out,
                        "{}  {}  {} entries, {} missing",
                        one.id,
                        one.generations.join(", "),
                        one.entries,
                        one.missing
                    ),
                    None => writeln!(out, "{}  unfinished: it has no manifest", one.id),
                };
            }
            printer.data(&out);
        }
    }
    Ok(Exit::Done)
}
