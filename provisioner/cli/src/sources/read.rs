//! Reads one version of one backup whole and verifies it, with the metadata file beside it.

use backup::catalogue::Candidate;
use backup::{Options, Pin, Verified, metadata};
use tokio_util::io::SyncIoBridge;

use super::place::Place;
use crate::failure::Failure;
use crate::hints;

/// Twice what the metadata check reads: a longer file is refused by it.
pub const LONGEST_METADATA: u64 = 128 << 10;

/// Verifies exactly the version listed.
pub async fn read(
    place: &Place,
    candidate: &Candidate,
    mut options: Options,
) -> Result<Verified, Failure> {
    let location = &candidate.key;
    let Some(key) = place.key(location) else {
        return Err(Failure::new(format!("{location} can't be read"))
            .because(format!("it is not in {}", place.url())));
    };
    options.pin = Pin {
        bytes: Some(candidate.size),
        ..Pin::default()
    };
    let failed = |error| hints::of_provider(place.provider(), &error);
    let reader = place
        .archive
        .open(key, candidate.version_id.as_deref(), candidate.size)
        .await
        .map_err(failed)?;
    let beside = if candidate.name().is_some() {
        let name = format!("{key}{}", metadata::SUFFIX);
        let found = place.archive.read(&name, LONGEST_METADATA).await;
        Some(found.map_err(failed)?)
    } else {
        None
    };
    // Verification blocks: it decompresses, hashes, and derives keys.
    let mut bridge = SyncIoBridge::new(reader);
    let mut verified = tokio::task::spawn_blocking(move || backup::verify(&mut bridge, options))
        .await
        .map_err(|error| Failure::of(format!("{location} could not be checked"), &error))?
        .map_err(|error| unchecked(location, &error))?;
    if let Some(beside) = beside {
        let name = key.rsplit('/').next().unwrap_or(key);
        let findings = metadata::check(name, beside.as_deref(), &verified.verdict);
        verified.verdict.extend(findings);
    }
    Ok(verified)
}

/// Why an object could not be checked, and what to do.
pub fn unchecked(location: &str, error: &backup::Error) -> Failure {
    let failure = Failure::of(format!("`{location}` could not be checked"), error);
    match error {
        backup::Error::KeyNeeded => failure.hint(
            "name its passphrase: --key-file or --key-from, or `backups.key` in the environment",
        ),
        backup::Error::Read { .. } => failure.hint("run the same command again"),
        _ => failure,
    }
}
