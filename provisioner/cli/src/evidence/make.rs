//! Making a bundle: every place at once, sealed here, kept in the bucket, read back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evidence::collect::{Collector, Limits, Summary, collect};
use evidence::{Header, Purpose, Sealed, Verified, Writer};
use futures::future::join_all;
use jiff::Timestamp;
use planner::Generation;

use super::Kept;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Blueprint;
use crate::{carry, paths, seal};

/// A place that has not said by then which generations it knows is left out.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bundle that is sealed, kept and verified.
pub struct Made {
    /// Its id.
    pub id: String,
    /// Its folder here.
    pub folder: PathBuf,
    /// Where it is kept.
    pub url: String,
    /// Until when nothing of it can be deleted.
    pub held_until: Timestamp,
    /// File of the public key that it is checked with.
    pub public_key: PathBuf,
    /// How it ended in each place.
    pub summary: Summary,
    /// What was read back.
    pub verified: Verified,
}

/// Every generation that left a mark in one of the places, oldest first; a place that does not answer is warned of.
pub async fn generations(places: &[Arc<dyn Collector>], printer: &Printer) -> BTreeSet<Generation> {
    let asked = places.iter().map(|place| async move {
        let answer = tokio::time::timeout(PATIENCE, place.generations()).await;
        (place.name(), answer)
    });
    let mut found = BTreeSet::new();
    for (name, answer) in join_all(asked).await {
        match answer {
            Ok(Ok(ids)) => found.extend(ids.iter().filter_map(|id| id.parse::<Generation>().ok())),
            Ok(Err(why)) => {
                printer.warn(&format!(
                    "{name} does not say which generations it knows: {why}"
                ));
            }
            Err(_) => printer.warn(&format!(
                "{name} does not say which generations it knows: no answer within {} s",
                PATIENCE.as_secs()
            )),
        }
    }
    found
}

/// Collects, seals, keeps and reads back.
pub async fn make(
    blueprint: &Blueprint,
    generations: &BTreeSet<Generation>,
    places: &[Arc<dyn Collector>],
    printer: &Printer,
) -> Result<Made, Failure> {
    let kept = Kept::open(blueprint).await?;
    let (key, public_key) = seal::signer("evidence")?;
    let name = blueprint.environment.name();
    let now = Timestamp::now();
    let id = now.strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let parent = paths::state()?.join("evidence").join(name);
    carry::private_folder(&parent)?;
    let folder = parent.join(&id);
    let header = Header {
        environment: name.to_owned(),
        generations: generations.iter().map(Generation::to_string).collect(),
        purpose: Purpose::Evidence,
        created: now,
        tool: format!("rebuild {}", env!("CARGO_PKG_VERSION")),
    };
    let unwritten = |error: &evidence::WriteError| {
        Failure::of("the evidence can't be written here", error)
            .hint("make room in the state folder, or point XDG_STATE_HOME elsewhere; then run the same command again")
    };
    let mut writer = Writer::new(&folder, header).map_err(|error| unwritten(&error))?;
    let tell = |_: &str, absent: &evidence::collect::Absent| {
        let text = format!("missing: {}: {}", absent.name, absent.reason);
        if absent.is_elsewhere() {
            printer.note(&text);
        } else {
            printer.warn(&text);
        }
    };
    let summary = collect(&mut writer, places, Limits::default(), &tell)
        .await
        .map_err(|error| unwritten(&error))?;
    let sealed: Sealed = writer.finish(&key).map_err(|error| unwritten(&error))?;
    printer.note(&format!("sealed here: {}", folder.display()));
    let here = |failure: Failure| {
        failure.hint(format!(
            "what was collected is sealed in {}; mend what is named and collect again",
            folder.display()
        ))
    };
    let held_until = kept.put(&id, &folder).await.map_err(here)?;
    let checked = kept.check(&id, key.fingerprint()).await.map_err(here)?;
    let verified = checked.verified.map_err(|problems| {
        let failure = Failure::new(format!("what is kept at {} does not hold", kept.url(&id)));
        here(problems.iter().take(50).fold(failure, |failure, problem| {
            failure.because(format!("{problem} [{}]", problem.code()))
        }))
    })?;
    if verified.manifest_sha256 != sealed.manifest_sha256 {
        return Err(here(
            Failure::new(format!(
                "what is kept at {} is another bundle",
                kept.url(&id)
            ))
            .because("its manifest has another hash than the one that was sealed here"),
        ));
    }
    if let Some(name) = checked.unheld.first() {
        return Err(here(
            Failure::new(format!("what is kept at {} can be deleted", kept.url(&id)))
                .because(format!(
                    "{} objects are not held, `{name}` among them",
                    checked.unheld.len()
                ))
                .hint("give the bucket versioning and Object Lock"),
        ));
    }
    Ok(Made {
        url: kept.url(&id),
        id,
        folder: folder.clone(),
        held_until,
        public_key,
        summary,
        verified,
    })
}
