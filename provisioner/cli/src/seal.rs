//! The signed bundle of what a run leaves.

use std::path::PathBuf;

use approval::{Fingerprint, PrivateKey, fingerprint_of};
use evidence::{Header, Purpose, Source, Writer, key};
use executor::Run;
use planner::Plan;

use crate::failure::Failure;
use crate::{carry, paths};

/// Folder of the bundle in the run's folder.
const BUNDLE: &str = "bundle";
/// Bytes a public key's file may have.
const LARGEST_KEY: usize = 64 << 10;

/// A sealed bundle, and the public key that it is checked with.
#[derive(Debug)]
pub struct SealedReport {
    /// Its folder.
    pub bundle: PathBuf,
    /// File of the public key.
    pub public_key: PathBuf,
}

/// Seals these files of the run's folder; those that are not there are noted as missing.
pub fn seal(plan: &Plan, run: &Run, files: &[&str]) -> Result<SealedReport, Failure> {
    let folder = run.folder.join(BUNDLE);
    let unsealed = |error: &dyn std::error::Error| {
        Failure::of("the report is written but not sealed", error)
            .hint("the run itself is over and its journal is kept; mend what is named, then `rebuild resume` or the main command seals the next report")
    };
    let (key, public_key) = signer("report")?;
    if folder.exists() {
        // Of the same run, before it was gone on with.
        std::fs::remove_dir_all(&folder).map_err(|error| unsealed(&error))?;
    }
    let header = Header {
        environment: plan.target.environment.clone(),
        generations: vec![plan.target.generation.to_string()],
        purpose: Purpose::Report,
        created: jiff::Timestamp::now(),
        tool: format!("rebuild {}", env!("CARGO_PKG_VERSION")),
    };
    let mut writer = Writer::new(&folder, header).map_err(|error| unsealed(&error))?;
    for name in files {
        let source = Source {
            call: (*name).to_owned(),
            service: format!("run {}", run.id),
        };
        let now = jiff::Timestamp::now();
        match std::fs::File::open(run.folder.join(name)) {
            Ok(mut file) => writer.add(name, source, now, &mut file),
            Err(error) => writer.note_missing(name, source, now, &error.to_string()),
        }
        .map_err(|error| unsealed(&error))?;
    }
    writer.finish(&key).map_err(|error| unsealed(&error))?;
    Ok(SealedReport {
        bundle: folder,
        public_key,
    })
}

/// This machine's key for a purpose, made on first use, and the file of its public key.
pub fn signer(purpose: &str) -> Result<(PrivateKey, PathBuf), Failure> {
    let path = file(purpose)?;
    let public = path.with_added_extension("pub");
    let unusable = |error: &key::KeyFileError| {
        Failure::of("the key that seals can't be used", error)
            .hint("correct or move the file away; a new key is made then")
    };
    if path.exists() {
        let key = key::load(&path, None).map_err(|error| unusable(&error))?;
        return Ok((key, public));
    }
    if let Some(folder) = path.parent() {
        carry::private_folder(folder)?;
    }
    let made = key::generate().map_err(|error| unusable(&error))?;
    key::store(&made, &path).map_err(|error| unusable(&error))?;
    Ok((made, public))
}

/// The key that bundles sealed here for a purpose are checked with; nothing where there is none.
pub fn trusted(purpose: &str) -> Result<Option<Fingerprint>, Failure> {
    let path = file(purpose)?.with_added_extension("pub");
    if !path.exists() {
        return Ok(None);
    }
    let text = paths::read_text(&path, LARGEST_KEY)?;
    fingerprint_of(text.trim()).map(Some).map_err(|error| {
        Failure::of(format!("`{}` holds no public key", path.display()), &error)
            .hint("put the right file there: one line, as OpenSSH writes it")
    })
}

fn file(purpose: &str) -> Result<PathBuf, Failure> {
    Ok(paths::state()?.join("keys").join(purpose))
}
