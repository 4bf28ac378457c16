//! The append-only record of a run: written and made durable before the effect, and after it.
//!
//! One JSON object a line. Each line begins with `sum`, the SHA-256 of the line before's `sum` and the rest of this line, so a change
//! anywhere, the last line included, is noticed. A line without its line end is what a crash in the middle of a write leaves: it
//! was never durable, no effect followed it, and it is cut off. Nothing else is tolerated.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use planner::Generation;
use planner::canonical::digest_bytes;
use planner::reference::Outputs;
use serde::{Deserialize, Serialize};

use crate::provider::ErrorKind;

/// Longest line, bytes: far above any step's outputs.
const LONGEST_LINE: usize = 8 << 20;
/// Largest journal that is read, bytes.
const LARGEST: u64 = 512 << 20;
const SUM_OPEN: &[u8] = b"{\"sum\":\"";
const SUM_CLOSE: &[u8] = b"\",";
const SUM_LENGTH: usize = 64;
/// The sum before the first line.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why a run stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interruption {
    /// Told to stop; steps in flight were finished.
    Drained,
    /// Told to stop at once; steps in flight are unknown.
    Stopped,
    /// The lock was no longer ours.
    LockLost,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// The run began; always the first.
    Run {
        /// Hash of its plan.
        plan: String,
        /// The environment's name.
        environment: String,
        /// The generation.
        generation: Generation,
    },
    /// The run goes on in another process: what was started and has no end yet is unknown.
    Resumed {},
    /// A step's effect may begin.
    Started {
        /// Its id.
        step: String,
    },
    /// A step's effect is complete.
    ///
    /// A secret value can't get in: the types that hold one do not serialise.
    /// ```compile_fail,E0277
    /// let secret = secrecy::SecretString::from("value");
    /// serde_json::to_value(secret);
    /// ```
    Done {
        /// Its id.
        step: String,
        /// What others refer to; never a secret value.
        outputs: Outputs,
    },
    /// A step was given up; its effect may or may not have come about.
    Failed {
        /// Its id.
        step: String,
        /// Kind of failure.
        kind: ErrorKind,
        /// What failed and why, without secrets.
        why: String,
        /// How often it was tried; 0 when it was refused before any effect.
        attempts: u32,
    },
    /// The run stopped before its end.
    Interrupted {
        /// Why.
        reason: Interruption,
    },
    /// Nothing more could be done.
    Finished {
        /// Steps that are done.
        done: u64,
        /// Steps that failed.
        failed: u64,
        /// Steps not run because one before them failed.
        not_run: u64,
    },
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number, from 0.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub entry: Entry,
}

/// Why a journal can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It is damaged other than by a torn last line.
    #[error("journal {path}, line {line}: {why}")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The disk, or the quota on it, is full.
    #[error("journal {path}: no space left to write record {seq}")]
    Full {
        /// The journal.
        path: PathBuf,
        /// The record that did not fit.
        seq: u64,
    },
    /// Reading or writing failed.
    #[error("journal {path}: can't {doing}")]
    Io {
        /// The journal.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("journal {path}: another process writes it")]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// A record or the whole is larger than is accepted.
    #[error("journal {path}: {what} is larger than {limit} bytes")]
    TooLarge {
        /// The journal.
        path: PathBuf,
        /// Record or file.
        what: &'static str,
        /// The limit, bytes.
        limit: u64,
    },
    /// An append failed before; what the file holds after that is not relied on.
    #[error("journal {path}: closed, since an earlier record could not be written")]
    Closed {
        /// The journal.
        path: PathBuf,
    },
}

/// Where the lines go. A file; in tests also memory.
pub trait Store: Send {
    /// Adds bytes at the end and returns when they are durable.
    ///
    /// # Errors
    /// Then any part of them may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts everything from `length` on, durably.
    ///
    /// # Errors
    /// When the store fails.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl Store for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// What a journal's bytes hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The intact records.
    pub records: Vec<Record>,
    /// Bytes they take; what follows is a torn line.
    pub length: u64,
    /// Whether a torn line follows.
    pub torn: bool,
    sum: String,
}

/// Reads and checks a journal's bytes; `path` is for errors only.
///
/// # Errors
/// [`JournalError::Damaged`] for anything but a torn last line.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, JournalError> {
    let mut contents = Contents {
        records: Vec::new(),
        length: 0,
        torn: false,
        sum: GENESIS.to_owned(),
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            contents.torn = true;
            break;
        };
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        let seq = contents.records.len() as u64;
        match parse_line(line, &contents.sum, seq) {
            Ok((record, sum)) => {
                contents.records.push(record);
                contents.sum = sum;
                contents.length += end as u64 + 1;
            }
            // A write cut short whose line end is that of something else: only as the very last, and only when text is missing.
            Err(LineError::CutShort) if after.is_empty() => {
                contents.torn = true;
                break;
            }
            Err(error) => {
                return Err(JournalError::Damaged {
                    path: path.to_owned(),
                    line: seq + 1,
                    why: error.to_string(),
                });
            }
        }
        rest = after;
    }
    Ok(contents)
}

#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error("it is longer than {LONGEST_LINE} bytes")]
    TooLong,
    #[error("it is cut short")]
    CutShort,
    #[error("it does not begin with its checksum")]
    NoSum,
    #[error("its checksum does not match: it, or a line before it, was changed")]
    Sum,
    #[error("it is not a record: {0}")]
    Json(serde_json::Error),
    #[error("it has number {0}, which is out of order")]
    Order(u64),
}

fn parse_line(line: &[u8], before: &str, seq: u64) -> Result<(Record, String), LineError> {
    if line.len() > LONGEST_LINE {
        return Err(LineError::TooLong);
    }
    let cut_short = matches!(serde_json::from_slice::<serde::de::IgnoredAny>(line), Err(error) if error.is_eof());
    if cut_short {
        return Err(LineError::CutShort);
    }
    let rest = line.strip_prefix(SUM_OPEN).ok_or(LineError::NoSum)?;
    let (sum, rest) = rest.split_at_checked(SUM_LENGTH).ok_or(LineError::NoSum)?;
    let rest = rest.strip_prefix(SUM_CLOSE).ok_or(LineError::NoSum)?;
    let computed = chain(before, rest);
    if computed.as_bytes() != sum {
        return Err(LineError::Sum);
    }
    let mut body = Vec::with_capacity(rest.len() + 1);
    body.push(b'{');
    body.extend_from_slice(rest);
    let record: Record = serde_json::from_slice(&body).map_err(LineError::Json)?;
    if record.seq != seq {
        return Err(LineError::Order(record.seq));
    }
    Ok((record, computed))
}

fn chain(before: &str, rest: &[u8]) -> String {
    let mut text = Vec::with_capacity(before.len() + rest.len());
    text.extend_from_slice(before.as_bytes());
    text.extend_from_slice(rest);
    digest_bytes(&text)
}

/// A journal that is being written.
pub struct Journal {
    path: PathBuf,
    store: Box<dyn Store>,
    records: Vec<Record>,
    length: u64,
    sum: String,
    closed: bool,
    cut: bool,
}

impl Journal {
    /// Makes a new, empty journal, readable by its owner alone. The folder must exist; its entry is made durable too.
    ///
    /// # Errors
    /// [`JournalError::Io`], also when the file exists already; [`JournalError::Full`].
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| failed(path, "create it", source, 0))?;
        hold(path, &file)?;
        file.sync_all()
            .map_err(|source| failed(path, "create it", source, 0))?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)
                .map_err(|source| failed(path, "make its folder durable", source, 0))?;
        }
        Self::on(path.to_owned(), Box::new(file), &[])
    }

    /// Opens a journal to go on with it. A torn last line is cut off.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Busy`], [`JournalError::TooLarge`] or [`JournalError::Io`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut file = OpenOptions::new()
            .append(true)
            .read(true)
            .open(path)
            .map_err(|source| failed(path, "open it", source, 0))?;
        hold(path, &file)?;
        let bytes = read_all(path, &mut file)?;
        Self::on(path.to_owned(), Box::new(file), &bytes)
    }

    /// A journal on any store that holds `bytes` now. A torn last line is cut off.
    ///
    /// # Errors
    /// As [`parse`], and [`JournalError::Io`] when the torn line can't be cut off.
    pub fn on(
        path: PathBuf,
        mut store: Box<dyn Store>,
        bytes: &[u8],
    ) -> Result<Self, JournalError> {
        let contents = parse(&path, bytes)?;
        if contents.torn {
            store
                .truncate(contents.length)
                .map_err(|source| failed(&path, "cut off its torn last line", source, 0))?;
        }
        let Contents {
            records,
            length,
            torn,
            sum,
        } = contents;
        Ok(Self {
            path,
            store,
            records,
            length,
            sum,
            closed: false,
            cut: torn,
        })
    }

    /// Writes one record and returns when it is durable.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::Io`] or [`JournalError::TooLarge`]; the journal is closed then, since what reached the
    /// disk is not known. What was written of the record is cut off where that is possible.
    pub fn append(&mut self, entry: Entry) -> Result<(), JournalError> {
        if self.closed {
            return Err(JournalError::Closed {
                path: self.path.clone(),
            });
        }
        let record = Record {
            seq: self.records.len() as u64,
            at: Timestamp::now(),
            entry,
        };
        let body = serde_json::to_vec(&record)
            .map_err(|error| failed(&self.path, "encode a record", error.into(), record.seq))?;
        let rest = &body[1..];
        let sum = chain(&self.sum, rest);
        let mut line = Vec::with_capacity(rest.len() + SUM_LENGTH + 16);
        line.extend_from_slice(SUM_OPEN);
        line.extend_from_slice(sum.as_bytes());
        line.extend_from_slice(SUM_CLOSE);
        line.extend_from_slice(rest);
        if line.len() > LONGEST_LINE {
            return Err(JournalError::TooLarge {
                path: self.path.clone(),
                what: "a record",
                limit: LONGEST_LINE as u64,
            });
        }
        line.push(b'\n');
        if let Err(source) = self.store.append(&line) {
            self.closed = true;
            if let Err(error) = self.store.truncate(self.length) {
                tracing::warn!(journal = %self.path.display(), %error, "an unfinished record could not be cut off");
            }
            return Err(failed(&self.path, "write a record", source, record.seq));
        }
        self.length += line.len() as u64;
        self.sum = sum;
        self.records.push(record);
        Ok(())
    }

    /// What was written so far.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Whether a torn last line was cut off when it was opened.
    pub fn was_torn(&self) -> bool {
        self.cut
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a journal without changing it, also while another process writes it.
///
/// # Errors
/// [`JournalError::Damaged`], [`JournalError::TooLarge`] or [`JournalError::Io`].
pub fn read(path: &Path) -> Result<Contents, JournalError> {
    let mut file = File::open(path).map_err(|source| failed(path, "open it", source, 0))?;
    let bytes = read_all(path, &mut file)?;
    parse(path, &bytes)
}

fn read_all(path: &Path, file: &mut File) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| failed(path, "read it", source, 0))?;
    if bytes.len() as u64 > LARGEST {
        return Err(JournalError::TooLarge {
            path: path.to_owned(),
            what: "the file",
            limit: LARGEST,
        });
    }
    Ok(bytes)
}

fn hold(path: &Path, file: &File) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::Busy {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(path, "lock it", source, 0)),
    }
}

fn failed(path: &Path, doing: &'static str, source: io::Error, seq: u64) -> JournalError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            JournalError::Full { path, seq }
        }
        _ => JournalError::Io {
            path,
            doing,
            source,
        },
    }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn written(folder: &Path) -> (PathBuf, Vec<u8>) {
        let path = folder.join("journal.jsonl");
        let mut journal = Journal::create(&path).unwrap();
        let generation = "20261124-7f3a".parse().unwrap();
        journal
            .append(Entry::Run {
                plan: "p".into(),
                environment: "sandbox".into(),
                generation,
            })
            .unwrap();
        journal
            .append(Entry::Started {
                step: "create a.b.c".into(),
            })
            .unwrap();
        let outputs = Outputs::from([
            ("id".to_owned(), serde_json::json!("vpc-1")),
            ("n".to_owned(), serde_json::json!(1.50)),
        ]);
        journal
            .append(Entry::Done {
                step: "create a.b.c".into(),
                outputs,
            })
            .unwrap();
        journal.append(Entry::Resumed {}).unwrap();
        journal
            .append(Entry::Finished {
                done: 1,
                failed: 0,
                not_run: 0,
            })
            .unwrap();
        (path.clone(), std::fs::read(&path).unwrap())
    }

    #[test]
    fn reads_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let contents = read(&path).unwrap();
        assert_eq!(contents.records.len(), 5);
        assert!(!contents.torn);
        let mut journal = Journal::open(&path).unwrap();
        assert!(matches!(
            Journal::open(&path),
            Err(JournalError::Busy { .. })
        ));
        journal.append(Entry::Resumed {}).unwrap();
        assert_eq!(read(&path).unwrap().records.len(), 6);
        assert!(matches!(
            Journal::create(&path),
            Err(JournalError::Io { .. })
        ));
    }

    #[test]
    fn any_cut_is_a_torn_line_and_can_be_gone_on_from() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = written(folder.path());
        for length in 0..bytes.len() {
            let whole = bytes[..length]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count();
            let contents = parse(&path, &bytes[..length]).unwrap();
            assert_eq!(contents.records.len(), whole);
            assert_eq!(contents.torn, length > 0 && bytes[length - 1] != b'\n');
        }
        let cut = bytes.len() - 7;
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert!(journal.was_torn());
        journal.append(Entry::Resumed {}).unwrap();
        drop(journal);
        assert_eq!(read(&path).unwrap().records.len(), 5);
    }

    #[test]
    fn any_changed_byte_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = written(folder.path());
        let last_line = bytes[..bytes.len() - 1]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .unwrap()
            + 1;
        for at in 0..bytes.len() - 1 {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                match parse(&path, &changed) {
                    Err(JournalError::Damaged { line, .. }) => {
                        assert_eq!(
                            line as usize,
                            1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count()
                        );
                    }
                    // An opened string or bracket in the last line makes it look cut short; it is dropped, never believed.
                    Ok(contents) => assert!(
                        at >= last_line && contents.torn && contents.records.len() == 4,
                        "byte {at}"
                    ),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn lines_removed_swapped_or_added_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = written(folder.path());
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let join = |order: &[usize]| {
            order
                .iter()
                .flat_map(|&index| lines[index].to_vec())
                .collect::<Vec<u8>>()
        };
        for order in [
            &[1, 2, 3, 4][..],
            &[0, 2, 3, 4],
            &[0, 2, 1, 3, 4],
            &[0, 1, 1, 2, 3, 4],
            &[0, 1, 2, 4],
        ] {
            assert!(
                matches!(
                    parse(&path, &join(order)),
                    Err(JournalError::Damaged { .. })
                ),
                "{order:?}"
            );
        }
        let mut blank = bytes.clone();
        blank.splice(0..0, *b"\n");
        assert!(matches!(
            parse(&path, &blank),
            Err(JournalError::Damaged { line: 1, .. })
        ));
    }

    #[test]
    fn a_full_disk_is_said_and_leaves_the_journal_intact() {
        let mut journal = Journal::on(
            "/dev/full".into(),
            Box::new(OpenOptions::new().append(true).open("/dev/full").unwrap()),
            &[],
        )
        .unwrap();
        let error = journal.append(Entry::Resumed {}).unwrap_err();
        assert!(
            matches!(error, JournalError::Full { seq: 0, .. }),
            "{error}"
        );
        assert!(matches!(
            journal.append(Entry::Resumed {}),
            Err(JournalError::Closed { .. })
        ));
    }
}
