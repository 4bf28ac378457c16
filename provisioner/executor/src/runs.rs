//! Where runs are kept: `RUNS/RUN-ID/` with `plan.json` and `journal.jsonl`, readable by their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use planner::{Generation, Plan};

use crate::journal::{self, Journal, JournalError};
use crate::state::{Illegal, Status, fold};

/// Largest plan file that is read, bytes.
const LARGEST_PLAN: u64 = 256 << 20;
const PLAN: &str = "plan.json";
const JOURNAL: &str = "journal.jsonl";

/// Why a run's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// Reading or writing failed.
    #[error("can't {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The plan in it is no plan, or was changed.
    #[error("plan {path}: {why}")]
    Plan {
        /// The plan file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Its journal can't be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its journal is not one of its plan.
    #[error("journal {path} does not fit its plan")]
    Illegal {
        /// The journal.
        path: PathBuf,
        /// Which record.
        source: Illegal,
    },
}

/// A run on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// `YYYYMMDDTHHMMSSZ-xxxxxxxx`; the order of ids is that of their making.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
}

impl Run {
    /// Its plan, checked against the hash it carries.
    ///
    /// # Errors
    /// [`RunsError::Io`] or [`RunsError::Plan`].
    pub fn plan(&self) -> Result<Plan, RunsError> {
        let path = self.folder.join(PLAN);
        let fail = |source| RunsError::Io {
            doing: "read",
            path: path.clone(),
            source,
        };
        let refuse = |why: String| {
            Err(RunsError::Plan {
                path: path.clone(),
                why,
            })
        };
        let mut text = Vec::new();
        File::open(&path)
            .map_err(fail)?
            .take(LARGEST_PLAN + 1)
            .read_to_end(&mut text)
            .map_err(fail)?;
        if text.len() as u64 > LARGEST_PLAN {
            return refuse(format!("larger than {LARGEST_PLAN} bytes"));
        }
        let plan: Plan = match serde_json::from_slice(&text) {
            Ok(plan) => plan,
            Err(error) => return refuse(error.to_string()),
        };
        match plan.computed_hash() {
            Ok(hash) if hash == plan.hash => Ok(plan),
            _ => refuse("its hash does not match: it was changed".to_owned()),
        }
    }

    /// Its journal's path.
    pub fn journal_path(&self) -> PathBuf {
        self.folder.join(JOURNAL)
    }

    /// Opens its journal to go on with the run.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(&self) -> Result<Journal, RunsError> {
        Ok(Journal::open(&self.journal_path())?)
    }
}

/// What is known of a run without running it.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The run.
    pub run: Run,
    /// The environment's name.
    pub environment: String,
    /// The generation.
    pub generation: Generation,
    /// The plan's hash.
    pub plan: String,
    /// When its first record was written; `None` when there is none.
    pub started: Option<Timestamp>,
    /// When its last record was written.
    pub ended: Option<Timestamp>,
    /// How far it is. A run under way in another process shows as running, as does a killed one.
    pub status: Status,
    /// Steps done.
    pub done: usize,
    /// Steps in the plan.
    pub steps: usize,
}

/// A run, and what is known of it or what is wrong with it.
pub type Listed = (Run, Result<Summary, RunsError>);

/// The folder of all runs.
#[derive(Clone, Debug)]
pub struct Runs {
    root: PathBuf,
}

impl Runs {
    /// Runs are kept in `root`, which is made when it is first needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes a run: its folder, its plan, an empty journal, all durable.
    ///
    /// # Errors
    /// [`RunsError::Io`] or [`RunsError::Journal`].
    pub fn create(&self, plan: &Plan, now: Timestamp) -> Result<(Run, Journal), RunsError> {
        let id = format!(
            "{}-{:08x}",
            now.strftime("%Y%m%dT%H%M%SZ"),
            fastrand::u32(..)
        );
        let run = Run {
            folder: self.root.join(&id),
            id,
        };
        make(&self.root, true)?;
        make(&run.folder, false)?;
        let path = run.folder.join(PLAN);
        let fail = |source| RunsError::Io {
            doing: "write",
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec(plan).map_err(|error| fail(error.into()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        file.write_all(&text).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        let journal = Journal::create(&run.journal_path())?;
        journal::sync_folder(&self.root).map_err(|source| RunsError::Io {
            doing: "make durable",
            path: self.root.clone(),
            source,
        })?;
        Ok((run, journal))
    }

    /// All runs, the oldest first; one that can't be read is given with what is wrong with it.
    ///
    /// # Errors
    /// [`RunsError::Io`] when the folder can't be read; a folder that is not there holds no runs.
    pub fn list(&self) -> Result<Vec<Listed>, RunsError> {
        let fail = |source| RunsError::Io {
            doing: "list",
            path: self.root.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            if entry.file_type().map_err(fail)?.is_dir()
                && let Ok(id) = entry.file_name().into_string()
            {
                runs.push(Run {
                    id,
                    folder: entry.path(),
                });
            }
        }
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs
            .into_iter()
            .map(|run| (run.clone(), summarise(run)))
            .collect())
    }

    /// The newest run of an environment, if it is one that did something and is not complete. Runs older than a complete one are past.
    ///
    /// # Errors
    /// As [`Runs::list`]; also when the newest run can't be read, since it may be the one to go on with.
    pub fn last_unfinished(&self, environment: &str) -> Result<Option<Summary>, RunsError> {
        for (run, summary) in self.list()?.into_iter().rev() {
            match summary {
                Ok(summary)
                    if summary.environment != environment || summary.status == Status::Empty => {}
                Ok(summary) if summary.status == Status::Complete => return Ok(None),
                Ok(summary) => return Ok(Some(summary)),
                // Without a journal nothing was done: the process ended while it made the folder.
                Err(_) if !run.journal_path().exists() => {}
                // With its plan readable it is known whose run it is.
                Err(error) => match run.plan() {
                    Ok(plan) if plan.target.environment != environment => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(None)
    }
}

fn summarise(run: Run) -> Result<Summary, RunsError> {
    let path = run.journal_path();
    let records = journal::read(&path)?.records;
    let plan = run.plan()?;
    let state = fold(&plan, &records).map_err(|source| RunsError::Illegal { path, source })?;
    Ok(Summary {
        run,
        environment: plan.target.environment.clone(),
        generation: plan.target.generation.clone(),
        plan: plan.hash.clone(),
        started: records.first().map(|record| record.at),
        ended: records.last().map(|record| record.at),
        status: state.status,
        done: state.done(&plan).len(),
        steps: plan.steps.len(),
    })
}

fn make(folder: &Path, existing: bool) -> Result<(), RunsError> {
    DirBuilder::new()
        .recursive(existing)
        .mode(0o700)
        .create(folder)
        .map_err(|source| RunsError::Io {
            doing: "make",
            path: folder.to_owned(),
            source,
        })
}
