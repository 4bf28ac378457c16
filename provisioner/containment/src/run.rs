//! All places at once, each wave by wave.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use futures::StreamExt;
use futures::future::join_all;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::barrier::{Barrier, Item, State, Survey};
use crate::log::{Log, Record};

/// How long and how much at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A place that has not said by then what it holds is given up.
    pub survey: Duration,
    /// One closing, with its further attempts.
    pub close: Duration,
    /// Closings under way at once in one place.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            survey: Duration::from_secs(30),
            close: Duration::from_secs(30),
            at_once: 8,
        }
    }
}

/// How it ended for one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Closed in this run.
    Closed,
    /// It was closed before.
    Already,
    /// It is still open.
    Failed {
        /// Why.
        why: String,
    },
}

/// How it ended in one place.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// The place.
    pub name: String,
    /// Its items, in the order they were closed in.
    pub items: Vec<(Item, Outcome)>,
    /// What could not be looked at.
    pub unread: Vec<String>,
}

impl Part {
    /// Whether nothing is known to be open and everything was looked at.
    pub fn is_closed(&self) -> bool {
        self.unread.is_empty()
            && self
                .items
                .iter()
                .all(|(_, outcome)| !matches!(outcome, Outcome::Failed { .. }))
    }
}

/// How it ended everywhere.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The places, in the order they were given in.
    pub parts: Vec<Part>,
}

impl Summary {
    /// Whether nothing is known to be open and everything was looked at.
    pub fn is_closed(&self) -> bool {
        self.parts.iter().all(Part::is_closed)
    }

    /// Items that ended as `wanted` says.
    pub fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        let items = self.parts.iter().flat_map(|part| &part.items);
        items.filter(|(_, outcome)| wanted(outcome)).count()
    }
}

/// What happens, as it happens.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A place said what it holds.
    Surveyed {
        /// The place.
        part: &'a str,
        /// Items still open.
        open: usize,
    },
    /// A place, or a part of it, could not be looked at.
    Unread {
        /// The place.
        part: &'a str,
        /// Why.
        why: &'a str,
    },
    /// An item is closed, or is not.
    Ended {
        /// The place.
        part: &'a str,
        /// The item.
        item: &'a Item,
        /// How it ended.
        outcome: &'a Outcome,
    },
}

/// Asks every place what is open, and changes nothing.
pub async fn survey(barriers: &[Arc<dyn Barrier>], limits: Limits) -> Vec<(String, Survey)> {
    let asked = barriers.iter().map(|barrier| async move {
        let survey = ask(barrier.as_ref(), limits).await;
        (barrier.name().to_owned(), survey)
    });
    join_all(asked).await
}

/// Closes everything that is open, in all places at once.
///
/// `now` gives the time for the log. Every item is in `log` before it is closed.
///
/// # Errors
/// When the log can't be written: then nothing more is closed in that place, for what can't be taken back is not done.
pub async fn contain(
    barriers: &[Arc<dyn Barrier>],
    limits: Limits,
    log: Log,
    now: &(dyn Fn() -> jiff::Timestamp + Sync),
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> io::Result<Summary> {
    let log = Mutex::new(log);
    let run = Run {
        limits,
        log: &log,
        now,
        tell,
    };
    let parts = join_all(barriers.iter().map(|barrier| run.part(barrier.as_ref()))).await;
    Ok(Summary {
        parts: parts.into_iter().collect::<io::Result<_>>()?,
    })
}

struct Run<'a> {
    limits: Limits,
    log: &'a Mutex<Log>,
    now: &'a (dyn Fn() -> jiff::Timestamp + Sync),
    tell: &'a (dyn Fn(Event<'_>) + Sync),
}

impl Run<'_> {
    async fn part(&self, barrier: &dyn Barrier) -> io::Result<Part> {
        let part = barrier.name();
        let Survey { mut items, unread } = ask(barrier, self.limits).await;
        let unread: Vec<String> = unread.iter().map(Error::to_string).collect();
        let records: Vec<Record> = unread
            .iter()
            .map(|why| Record::Unread {
                at: (self.now)(),
                part: part.to_owned(),
                why: why.clone(),
            })
            .collect();
        self.log.lock().await.append(&records)?;
        for why in &unread {
            (self.tell)(Event::Unread { part, why });
        }
        let open = items.iter().filter(|item| item.state == State::Open);
        (self.tell)(Event::Surveyed {
            part,
            open: open.count(),
        });
        items.sort_by(|a, b| (a.wave, &a.id).cmp(&(b.wave, &b.id)));
        let mut ended = Vec::with_capacity(items.len());
        for wave in items.chunk_by(|a, b| a.wave == b.wave) {
            ended.extend(self.wave(barrier, wave).await?);
        }
        Ok(Part {
            name: part.to_owned(),
            items: ended,
            unread,
        })
    }

    async fn wave(
        &self,
        barrier: &dyn Barrier,
        items: &[Item],
    ) -> io::Result<Vec<(Item, Outcome)>> {
        let part = barrier.name();
        let open = || items.iter().filter(|item| item.state == State::Open);
        let records: Vec<Record> = open()
            .map(|item| Record::Closing {
                at: (self.now)(),
                part: part.to_owned(),
                item: item.clone(),
            })
            .collect();
        self.log.lock().await.append(&records)?;
        let mut ended: Vec<(Item, Outcome)> = items
            .iter()
            .filter(|item| item.state == State::Closed)
            .map(|item| (item.clone(), Outcome::Already))
            .collect();
        let mut closing = futures::stream::iter(open())
            .map(|item| async move { (item, close(barrier, item, self.limits).await) })
            .buffer_unordered(self.limits.at_once.max(1));
        let mut broken = None;
        while let Some((item, result)) = closing.next().await {
            let at = (self.now)();
            let id = item.id.clone();
            let (record, outcome) = match result {
                Ok(()) => (Record::Closed { at, id }, Outcome::Closed),
                Err(error) => {
                    let why = error.to_string();
                    let record = Record::Failed {
                        at,
                        id,
                        why: why.clone(),
                    };
                    (record, Outcome::Failed { why })
                }
            };
            // What is under way is heard to its end even when the log can't be written any more.
            let written = self.log.lock().await.append(&[record]);
            broken = broken.or(written.err());
            (self.tell)(Event::Ended {
                part,
                item,
                outcome: &outcome,
            });
            ended.push((item.clone(), outcome));
        }
        drop(closing);
        ended.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        broken.map_or(Ok(ended), Err)
    }
}

async fn ask(barrier: &dyn Barrier, limits: Limits) -> Survey {
    let asked = tokio::time::timeout(limits.survey, barrier.survey()).await;
    match asked {
        Ok(Ok(survey)) => survey,
        Ok(Err(error)) => unread(error),
        Err(_) => unread(late(format!("look at {}", barrier.name()), limits.survey)),
    }
}

fn unread(error: Error) -> Survey {
    Survey {
        items: Vec::new(),
        unread: vec![error],
    }
}

fn late(what: String, limit: Duration) -> Error {
    Error::new(
        ErrorKind::Deadline,
        what,
        format!("no answer within {} s", limit.as_secs()),
    )
}

/// Attempts until the time is up, while the failure is one that another attempt may mend.
async fn close(barrier: &dyn Barrier, item: &Item, limits: Limits) -> Result<(), Error> {
    let mut last = None;
    let attempts = async {
        let mut pause = Duration::from_millis(200);
        loop {
            match barrier.close(item).await {
                Err(error) if error.kind.retryable() => last = Some(error),
                ended => return ended,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    };
    match tokio::time::timeout(limits.close, attempts).await {
        Ok(ended) => ended,
        Err(_) => {
            let late = late(format!("{} {}", item.action, item.id), limits.close);
            Err(last.unwrap_or(late))
        }
    }
}

#[cfg(test)]
mod tests;
