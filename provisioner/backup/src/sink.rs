//! Where decoded content goes: to the checker, here or on a second thread.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::Error;
use crate::content::{Content, Summary};

/// Bytes handed over at once, and how many such pieces may wait: together what bounds the memory of the hand-over.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// The receiving end of decoding.
pub(crate) enum Sink {
    Here(Box<dyn Content>),
    Thread(Worker),
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

pub(crate) struct Worker {
    /// The piece being filled.
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    handle: JoinHandle<Box<dyn Content>>,
}

impl Sink {
    /// Falls back to this thread when the system gives no other.
    pub(crate) fn new(make: impl Fn() -> Box<dyn Content>, threaded: bool) -> Self {
        if threaded && let Some(worker) = Worker::spawn(make()) {
            return Self::Thread(worker);
        }
        Self::Here(make())
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        match self {
            Self::Here(content) => content.push(bytes),
            Self::Thread(worker) => {
                while !bytes.is_empty() {
                    let take = bytes.len().min(PIECE - worker.piece.len());
                    worker.piece.extend_from_slice(&bytes[..take]);
                    bytes = &bytes[take..];
                    if worker.piece.len() == PIECE {
                        worker.hand_over();
                    }
                }
            }
        }
    }

    pub(crate) fn finish(self, complete: bool) -> Result<Summary, Error> {
        match self {
            Self::Here(content) => content.finish(complete).ok_or(Error::Worker),
            Self::Thread(mut worker) => {
                if !worker.piece.is_empty() {
                    worker.hand_over();
                }
                drop(worker.full);
                let content = worker.handle.join().map_err(|_| Error::Worker)?;
                content.finish(complete).ok_or(Error::Worker)
            }
        }
    }
}

impl Worker {
    fn spawn(mut content: Box<dyn Content>) -> Option<Self> {
        let (full, incoming) = sync_channel::<Vec<u8>>(WAITING);
        let (back, empty) = sync_channel::<Vec<u8>>(WAITING + 2);
        let handle = std::thread::Builder::new()
            .name("backup-check".to_owned())
            .spawn(move || {
                while let Ok(mut piece) = incoming.recv() {
                    content.push(&piece);
                    piece.clear();
                    // Nobody waits for an empty piece; when there is no room it is dropped.
                    let _ = back.try_send(piece);
                }
                content
            })
            .ok()?;
        Some(Self {
            piece: Vec::with_capacity(PIECE),
            full,
            empty,
            handle,
        })
    }

    fn hand_over(&mut self) {
        let next = self
            .empty
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let piece = std::mem::replace(&mut self.piece, next);
        // Fails only when the thread has ended, which `finish` reports.
        let _ = self.full.send(piece);
    }
}
