//! Reads one stored object from its first byte to its last, in ranges, a few at the same time, over connections that break.
//!
//! # Guarantees
//! - What is read is one version: the one asked for, else the one that the first answer names, else, where the store keeps no
//!   versions, what has the entity tag of the first answer. An object replaced meanwhile is [`ErrorKind::Conflict`].
//! - Every answer is held against what was asked: its status, its range, its length, its version.
//! - A connection that breaks or stalls is followed by another that goes on at the very byte.
//! - At most [`Policy::parallel`] ranges are under way or waiting to be read, so memory stays below `parallel × range` bytes,
//!   16 MiB by default, plus the receive buffers of as many connections.
//!
//! An object that is no larger than one range is read with one plain request.

mod source;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use executor::provider::{Error, ErrorKind};
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::io::StreamReader;
use tokio_util::task::AbortOnDropHandle;

use crate::archive::Reader;
use crate::causes::cause;
use crate::retry::{Attempts, Retry};
pub(crate) use source::{Answer, Ask, Pin, Source};

/// How an object is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Bytes asked for at once.
    pub(crate) range: u64,
    /// Ranges under way or waiting to be read.
    pub(crate) parallel: usize,
    /// A connection that brings no byte for so long counts as broken.
    pub(crate) stall: Duration,
    /// When it is given up.
    pub(crate) retry: Retry,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            range: 8 << 20,
            parallel: 2,
            stall: Duration::from_secs(30),
            retry: Retry::default(),
        }
    }
}

/// Opens `size` bytes of a version, or of the latest. What the reader fails with is an [`io::Error`] around an [`Error`]; see
/// [`provider_error`].
///
/// # Errors
/// What the first request fails with: [`ErrorKind::Unavailable`] when the object is not there, [`ErrorKind::Conflict`] when it
/// has another size.
pub(crate) async fn open(
    source: Arc<dyn Source>,
    version: Option<&str>,
    size: u64,
    policy: Policy,
) -> Result<Reader, Error> {
    let pin = version.map_or(Pin::Latest, |version| Pin::Version(version.to_owned()));
    let mut transfer = Transfer {
        source,
        policy,
        size,
        pin,
    };
    let first = 0..size.min(policy.range);
    let mut attempts = Attempts::new(policy.retry);
    let answer = loop {
        match transfer.ask(first.clone()).await {
            Ok(answer) => break answer,
            Err(error) => attempts.again(error).await?,
        }
    };
    transfer.pin = transfer
        .pin
        .settled(&answer)
        .map_err(|error| transfer.located(error, 0))?;
    let mut download = Download {
        next: first.end,
        transfer: Arc::new(transfer),
        runtime: Handle::current(),
        under_way: VecDeque::with_capacity(policy.parallel),
        failed: None,
    };
    download.start(first, Some(answer));
    download.fill();
    let chunks = stream::unfold(download, |mut download| async {
        let chunk = download.chunk().await?;
        Some((chunk.map_err(io::Error::other), download))
    });
    Ok(Box::new(StreamReader::new(Box::pin(chunks))))
}

/// The provider's error inside one that a reader of [`crate::Archive::open`] failed with.
pub fn provider_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What all ranges of a download share.
struct Transfer {
    source: Arc<dyn Source>,
    policy: Policy,
    size: u64,
    pin: Pin,
}

impl Transfer {
    /// The same error, saying what was read and where.
    fn located(&self, error: Error, at: u64) -> Error {
        let what = format!("{}{} from byte {at}", self.source.what(), self.pin);
        Error { what, ..error }
    }

    /// Sends one request and checks what comes before the bytes.
    async fn ask(&self, range: Range<u64>) -> Result<Answer, Error> {
        let at = range.start;
        let whole = range == (0..self.size) && self.size <= self.policy.range;
        let ask = Ask {
            range: (!whole).then_some(range),
            pin: self.pin.clone(),
        };
        let answer = match timeout(self.policy.stall, self.source.get(&ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.broken(format!("no answer in {:?}", self.policy.stall))),
        };
        answer
            .and_then(|answer| answer.checked(&ask, self.size))
            .map_err(|error| self.located(error, at))
    }

    /// Brings a range, whatever number of requests it takes, and passes on each piece as it comes.
    async fn bring(
        &self,
        mut range: Range<u64>,
        mut answer: Option<Answer>,
        chunks: &UnboundedSender<Result<Bytes, Error>>,
    ) -> Result<(), Error> {
        let mut attempts = Attempts::new(self.policy.retry);
        loop {
            let before = range.start;
            let asked = match answer.take() {
                Some(answer) => Ok(answer),
                None => self.ask(range.clone()).await,
            };
            let broken = match asked {
                Ok(answer) => match self.receive(answer, &mut range, chunks).await? {
                    None => return Ok(()),
                    Some(broken) => broken,
                },
                Err(error) => error,
            };
            if range.start > before {
                attempts.progress();
            }
            attempts.again(broken).await?;
        }
    }

    /// Passes on what one answer brings and moves the range's start along. Returns why it ended too early, if it did.
    async fn receive(
        &self,
        answer: Answer,
        range: &mut Range<u64>,
        chunks: &UnboundedSender<Result<Bytes, Error>>,
    ) -> Result<Option<Error>, Error> {
        let mut body = answer.body;
        loop {
            let left = range.end - range.start;
            let bytes = match timeout(self.policy.stall, body.next()).await {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(None) if left == 0 => return Ok(None),
                // All of it is passed on already: what fails now is the client library's check of it.
                Ok(Some(Err(error))) if left == 0 => {
                    let error = Error::new(ErrorKind::Invalid, "", cause(&error));
                    return Err(self.located(error, range.end));
                }
                Err(_) if left == 0 => return Ok(None),
                Ok(Some(Err(error))) => return Ok(Some(self.broken_at(cause(&error), range))),
                Ok(None) => {
                    let why = format!("the connection ended {left} bytes early");
                    return Ok(Some(self.broken_at(why, range)));
                }
                Err(_) => {
                    let why = format!("no byte in {:?}", self.policy.stall);
                    return Ok(Some(self.broken_at(why, range)));
                }
            };
            if bytes.len() as u64 > left {
                let why = format!("{} bytes came where {left} were left", bytes.len());
                let error = Error::new(ErrorKind::Invalid, "", why);
                return Err(self.located(error, range.start));
            }
            range.start += bytes.len() as u64;
            // A copy of its own: what the client hands out keeps a receive buffer alive that may be several times as large.
            let bytes = Bytes::copy_from_slice(&bytes);
            // Nobody listens when the reader is gone, and then this task ends with it.
            if !bytes.is_empty() {
                let _ = chunks.send(Ok(bytes));
            }
        }
    }

    fn broken(&self, why: String) -> Error {
        Error::new(ErrorKind::Unreachable, self.source.what(), why)
    }

    fn broken_at(&self, why: String, range: &Range<u64>) -> Error {
        self.located(self.broken(why), range.start)
    }
}

/// A range under way.
struct UnderWay {
    /// Bytes of it not yet read.
    left: u64,
    /// No more than the range's bytes are ever in there.
    chunks: UnboundedReceiver<Result<Bytes, Error>>,
    _task: AbortOnDropHandle<()>,
}

/// The ranges under way, in their order.
struct Download {
    transfer: Arc<Transfer>,
    /// Where it was opened: it may be read from a thread that knows of no runtime.
    runtime: Handle,
    /// The first byte that no range was begun for.
    next: u64,
    under_way: VecDeque<UnderWay>,
    /// Once it failed it never ends well: an end would look like the object's.
    failed: Option<Error>,
}

impl Download {
    fn start(&mut self, range: Range<u64>, answer: Option<Answer>) {
        let (sender, chunks) = unbounded_channel();
        let left = range.end - range.start;
        let transfer = Arc::clone(&self.transfer);
        let task = self.runtime.spawn(async move {
            if let Err(error) = transfer.bring(range, answer, &sender).await {
                let _ = sender.send(Err(error));
            }
        });
        self.under_way.push_back(UnderWay {
            left,
            chunks,
            _task: AbortOnDropHandle::new(task),
        });
    }

    /// Begins as many ranges as may be under way.
    fn fill(&mut self) {
        let Policy {
            range, parallel, ..
        } = self.transfer.policy;
        while self.next < self.transfer.size && self.under_way.len() < parallel {
            let end = self.next.saturating_add(range).min(self.transfer.size);
            self.start(self.next..end, None);
            self.next = end;
        }
    }

    /// The next piece; `None` after the last byte.
    async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        loop {
            let front = self.under_way.front_mut()?;
            let error = match front.chunks.recv().await {
                Some(Ok(bytes)) => {
                    front.left = front.left.saturating_sub(bytes.len() as u64);
                    return Some(Ok(bytes));
                }
                None if front.left == 0 => {
                    self.under_way.pop_front();
                    self.fill();
                    continue;
                }
                Some(Err(error)) => error,
                None => self
                    .transfer
                    .broken("the task that brings it ended".to_owned()),
            };
            self.under_way.clear();
            self.failed = Some(error.clone());
            return Some(Err(error));
        }
    }
}
