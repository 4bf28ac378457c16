//! The servers' log files.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// A log above this size is set aside when its server starts again, so that at most two of them are kept.
const LARGE: u64 = 16 << 20;

/// Opens a log for appending.
pub(crate) fn open(path: &Path) -> Result<File> {
    if path.metadata().is_ok_and(|meta| meta.len() > LARGE) {
        std::fs::rename(path, path.with_extension("log.old"))
            .map_err(Error::file("set aside", path))?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::file("open", path))
}

/// The last lines of a log, empty when it can't be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(8 << 10);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(16 << 10).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        Ok(all[all.len().saturating_sub(lines)..].join("\n"))
    };
    read().unwrap_or_default()
}
