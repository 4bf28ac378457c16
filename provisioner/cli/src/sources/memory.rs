//! What earlier verifications found, kept between runs in the state folder: signed, so that a changed one is not believed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backup::lineage::{Index, IndexKey};

use crate::failure::Failure;
use crate::paths;
use crate::printer::Printer;

/// Larger than any index that would be believed.
const LARGEST: usize = 65 << 20;
/// Work that a crash may cost.
const AT_LEAST_EVERY: Duration = Duration::from_secs(5);

/// The index of one environment.
///
/// It lies on the operator's machine, outside the account that holds the backups. Losing it costs reading the backups
/// again, never safety.
pub struct Memory {
    /// What is known.
    pub index: Index,
    key: IndexKey,
    folder: PathBuf,
    written: Instant,
}

impl Memory {
    /// Opens what is kept for an environment; starts anew, with a warning, when it can't be believed.
    pub fn open(environment: &str, printer: &Printer) -> Result<Self, Failure> {
        let folder = paths::state()?.join("backups").join(environment);
        std::fs::create_dir_all(&folder).map_err(|error| unusable(&folder, &error))?;
        let key = key(&folder)?;
        let kept = folder.join("index.json");
        let index = match std::fs::exists(&kept) {
            Ok(false) => Index::default(),
            _ => {
                let bytes = paths::read_bounded(&kept, LARGEST)?;
                Index::open(&bytes, &key.public(), highest(&folder)).unwrap_or_else(|error| {
                    printer.warn(&format!(
                        "what earlier verifications found is not believed: {error}; the backups are read again"
                    ));
                    Index::default()
                })
            }
        };
        Ok(Self {
            index,
            key,
            folder,
            written: Instant::now(),
        })
    }

    /// Writes it down if that was not done lately.
    pub fn keep(&mut self) -> Result<(), Failure> {
        if self.written.elapsed() < AT_LEAST_EVERY {
            return Ok(());
        }
        self.save()
    }

    /// Writes it down.
    pub fn save(&mut self) -> Result<(), Failure> {
        let bytes = self.index.seal(&self.key);
        write(&self.folder, "index.json", &bytes)?;
        // After the index: a number nothing was written for would make the index seem old.
        let number = self.index.sequence().to_string();
        write(&self.folder, "index.number", number.as_bytes())?;
        self.written = Instant::now();
        Ok(())
    }
}

/// The highest number ever written here; an index with a lower one was put back.
fn highest(folder: &Path) -> u64 {
    std::fs::read_to_string(folder.join("index.number"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

fn key(folder: &Path) -> Result<IndexKey, Failure> {
    let path = folder.join("index.key");
    let mut seed = [0_u8; 32];
    match std::fs::read(&path) {
        Ok(bytes) if bytes.len() == seed.len() => seed.copy_from_slice(&bytes),
        Ok(_) => {
            return Err(Failure::new(format!("`{}` is no key", path.display()))
                .hint("remove it: a new one is made, and the backups are read again once"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            getrandom::fill(&mut seed)
                .map_err(|error| Failure::of("there is no randomness", &error))?;
            write(folder, "index.key", &seed)?;
        }
        Err(error) => return Err(unusable(&path, &error)),
    }
    Ok(IndexKey::from_seed(&seed))
}

/// Whole or not at all, and for its owner only.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let written = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    written().map_err(|error| unusable(&path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::of(format!("`{}` can't be used", path.display()), error)
        .hint("make the state folder writable (XDG_STATE_HOME)")
}
