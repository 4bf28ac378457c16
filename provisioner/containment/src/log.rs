//! What was closed and how to take it back, on disk before it is done.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::barrier::Item;

/// One line of the log: canonical order does not matter here, each line stands for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Record {
    /// The run began.
    Began {
        /// When.
        at: jiff::Timestamp,
        /// The environment.
        environment: String,
        /// Who ran it, on which machine.
        by: String,
    },
    /// An item is about to be closed.
    Closing {
        /// When.
        at: jiff::Timestamp,
        /// The place.
        part: String,
        /// The item, with what was there before.
        item: Item,
    },
    /// It is closed.
    Closed {
        /// When.
        at: jiff::Timestamp,
        /// The item's id.
        id: String,
    },
    /// It could not be closed.
    Failed {
        /// When.
        at: jiff::Timestamp,
        /// The item's id.
        id: String,
        /// Why.
        why: String,
    },
    /// A place, or a part of it, could not be looked at.
    Unread {
        /// When.
        at: jiff::Timestamp,
        /// The place.
        part: String,
        /// Why.
        why: String,
    },
}

/// An append-only file of JSON lines, readable by its owner alone.
#[derive(Debug)]
pub struct Log {
    file: File,
}

impl Log {
    /// Creates the file.
    ///
    /// # Errors
    /// When it is there already or can't be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create_new(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { file })
    }

    /// Appends records and waits until they are on disk; one wait for all of them.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        self.file.write_all(&text)?;
        self.file.sync_data()
    }
}

/// The records of a log; a last line that was cut short is left out.
///
/// # Errors
/// When a line before the last is no record.
pub fn read(text: &str) -> Result<Vec<Record>, serde_json::Error> {
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(serde_json::from_str).collect()
}
