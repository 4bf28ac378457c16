//! Many backups: read within a budget, remembered, and compared with each other.

use std::collections::{BTreeMap, BTreeSet};

use backup::catalogue::Candidate;
use backup::identities::Identities;
use backup::lineage::{Index, Lineage, Record, Standing, trace};
use backup::{Options, Verdict, Verified, Word};
use environment::{Environment, Resolved};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::SignedDuration;

use super::budget::Budget;
use super::memory::Memory;
use super::place::Sources;
use super::{read, secret};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// Uploads that overtake each other by less are no rollback.
const OVERTAKING: SignedDuration = SignedDuration::from_hours(6);
/// Rounds of questions; each narrows a gap by a factor of about a thousand.
const ROUNDS: usize = 8;

/// What is told of each backup once it was read.
pub type Told<'a> = &'a mut dyn FnMut(&Candidate, &Result<Word, Failure>);

/// The backups of an environment and what is known of them.
pub struct Survey {
    /// Where they are.
    pub sources: Sources,
    /// What is known of them.
    pub memory: Memory,
    /// Verdicts of this run, by position.
    pub verdicts: BTreeMap<usize, Verdict>,
    options: Options,
}

impl Survey {
    /// Lists every source and remembers what earlier runs found.
    pub async fn open(
        environment: &Environment,
        resolved: &Resolved,
        now: jiff::Timestamp,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let options = options(environment, now)?;
        Ok(Self {
            sources: Sources::list(resolved, printer).await?,
            memory: Memory::open(environment.name(), printer)?,
            verdicts: BTreeMap::new(),
            options,
        })
    }

    /// These backups and no others; nothing is listed.
    pub async fn over(
        environment: &Environment,
        resolved: &Resolved,
        candidates: Vec<Candidate>,
        now: jiff::Timestamp,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        Ok(Self {
            sources: Sources::of(resolved, candidates).await?,
            memory: Memory::open(environment.name(), printer)?,
            verdicts: BTreeMap::new(),
            options: options(environment, now)?,
        })
    }

    /// The passphrase of the environment's backups.
    pub fn passphrase(&self) -> Option<secrecy::SecretString> {
        self.options.passphrase.clone()
    }

    /// What is known of a listed backup: from this run, or from an earlier one if it is provably the same object.
    pub fn record(&self, position: usize) -> Option<&Record> {
        let candidate = self.sources.candidate(position);
        if self.verdicts.contains_key(&position) {
            return self
                .number(position)
                .map(|at| &self.memory.index.records()[at]);
        }
        self.memory.index.find(candidate)
    }

    /// Its place among all records.
    fn number(&self, position: usize) -> Option<usize> {
        let candidate = self.sources.candidate(position);
        self.memory.index.records().iter().position(|record| {
            record.key == candidate.key && record.version_id == candidate.version_id
        })
    }

    /// How a listed backup stands among the others.
    pub fn standing<'a>(&self, lineage: &'a Lineage, position: usize) -> Option<&'a Standing> {
        self.record(position)?;
        lineage.standings.get(self.number(position)?)
    }

    /// What the other backups say against a listed one.
    pub fn against(&self, lineage: &Lineage, position: usize) -> Vec<backup::Finding> {
        match self.number(position) {
            Some(number) if self.record(position).is_some() => {
                lineage.findings(self.memory.index.records(), number)
            }
            _ => Vec::new(),
        }
    }

    /// Backups by the manager's names of which nothing is known, oldest first.
    pub fn unread(&self) -> Vec<usize> {
        let mut unread: Vec<usize> = (0..self.sources.listed.len())
            .filter(|&position| {
                self.sources.candidate(position).name().is_some() && self.record(position).is_none()
            })
            .collect();
        unread.sort_by_key(|&position| {
            let candidate = self.sources.candidate(position);
            (candidate.last_modified, candidate.key.clone())
        });
        unread
    }

    /// Reads one backup and remembers what it showed.
    pub async fn read_one(&mut self, position: usize) -> Result<Verdict, Failure> {
        self.read_watching(position, BTreeSet::new()).await
    }

    /// The same, and remembers its hashes at these heights too.
    pub async fn read_watching(
        &mut self,
        position: usize,
        heights: BTreeSet<u64>,
    ) -> Result<Verdict, Failure> {
        let mut watch = self.memory.index.watch();
        watch.extend(heights);
        let verified = self.reading(position, watch).await?;
        self.learn(position, &verified)?;
        self.memory.save()?;
        Ok(verified.verdict)
    }

    /// Reads one backup again and collects the identities in its data, this many at most.
    pub async fn identities(
        &self,
        position: usize,
        most: usize,
    ) -> Result<(Verdict, Identities), Failure> {
        let candidate = self.sources.candidate(position);
        let options = Options {
            identities: Some(most),
            ..self.options.clone()
        };
        let verified = read::read(self.sources.place(position), candidate, options).await?;
        let found = verified.identities.ok_or_else(|| {
            Failure::new(format!("the identities in {} can't be told", candidate.key))
                .because("what was decrypted is not what was encrypted")
                .hint("`rebuild backups verify` says what is wrong with it")
                .exit(Exit::Rejected)
        })?;
        Ok((verified.verdict, found))
    }

    /// Reads backups side by side, as many as the budget allows, and remembers each as soon as it is done, so that a run
    /// that is cut short goes on where it was. Those that could not be read are returned.
    pub async fn read(
        &mut self,
        positions: Vec<usize>,
        budget: Budget,
        told: Told<'_>,
    ) -> Result<Vec<(usize, Failure)>, Failure> {
        let mut failures = Vec::new();
        let mut waiting = positions.into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < budget.at_once()
                && let Some(position) = waiting.next()
            {
                let reading = self.reading(position, self.memory.index.watch());
                running.push(async move { (position, reading.await) });
            }
            let Some((position, outcome)) = running.next().await else {
                break;
            };
            let word = match &outcome {
                Ok(verified) => {
                    self.learn(position, verified)?;
                    self.memory.keep()?;
                    Ok(verified.verdict.verdict)
                }
                Err(_) => outcome.map(|verified| verified.verdict.verdict),
            };
            told(self.sources.candidate(position), &word);
            if let Err(failure) = word {
                failures.push((position, failure));
            }
        }
        self.memory.save()?;
        Ok(failures)
    }

    /// Remembers what somebody else found of backups that are listed here as they were there.
    pub fn take(&mut self, found: &Index) {
        for listed in &self.sources.listed {
            if let Some(record) = found.find(&listed.candidate) {
                self.memory.index.insert(record.clone());
            }
        }
    }

    /// Compares everything known; where chains part, reads again what tells exactly where.
    pub async fn lineage(&mut self) -> Result<Lineage, Failure> {
        let mut lineage = trace(self.memory.index.records(), OVERTAKING);
        for _ in 0..ROUNDS {
            let mut news = false;
            for question in std::mem::take(&mut lineage.questions) {
                let record = &self.memory.index.records()[question.backup];
                let listed = (0..self.sources.listed.len()).find(|&position| {
                    let candidate = self.sources.candidate(position);
                    candidate.key == record.key && candidate.version_id == record.version_id
                });
                // What is gone, or can't be read now, answers no more; the comparison stays open there.
                let Some(position) = listed else { continue };
                if let Ok(verified) = self.reading(position, question.heights).await {
                    news |= self.memory.index.records_mut()[question.backup].learn(&verified);
                }
            }
            if !news {
                break;
            }
            self.memory.save()?;
            lineage = trace(self.memory.index.records(), OVERTAKING);
        }
        Ok(lineage)
    }

    fn learn(&mut self, position: usize, verified: &Verified) -> Result<(), Failure> {
        let candidate = self.sources.candidate(position);
        self.memory.index.insert(Record::of(candidate, verified));
        self.verdicts.insert(position, verified.verdict.clone());
        Ok(())
    }

    fn reading(
        &self,
        position: usize,
        watch: BTreeSet<u64>,
    ) -> impl Future<Output = Result<Verified, Failure>> + use<> {
        let place = self.sources.place(position).clone();
        let candidate = self.sources.candidate(position).clone();
        let options = Options {
            watch,
            ..self.options.clone()
        };
        async move { read::read(&place, &candidate, options).await }
    }
}

fn options(environment: &Environment, now: jiff::Timestamp) -> Result<Options, Failure> {
    let mut options = Options::at(now.as_second());
    if let Some(key) = &environment.document.backups.key {
        options.passphrase = Some(secret::held(key)?);
    }
    Ok(options)
}
