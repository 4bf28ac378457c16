//! Bytes from a thread that works to a task that writes, a few pieces at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that wait at most.
const WAITING: usize = 4;

/// The end a blocking thread writes to.
pub(crate) struct Input(Sender<io::Result<Bytes>>);

/// The end that is read. An error given to the input comes out here, so that a put that reads it ends without an object.
pub(crate) struct Output {
    pieces: Receiver<io::Result<Bytes>>,
    rest: Bytes,
    ended: bool,
}

pub(crate) fn pipe() -> (Input, Output) {
    let (sender, receiver) = channel(WAITING);
    (
        Input(sender),
        Output {
            pieces: receiver,
            rest: Bytes::new(),
            ended: false,
        },
    )
}

impl Input {
    /// Gives a piece or the end (`None` inside); waits while too many wait. False when nobody reads any more.
    pub fn give(&self, piece: io::Result<Bytes>) -> bool {
        self.0.blocking_send(piece).is_ok()
    }
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() && !self.ended {
            match ready!(self.pieces.poll_recv(context)) {
                // An empty piece is the end that was meant.
                Some(Ok(piece)) if piece.is_empty() => self.ended = true,
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the work broke off",
                    )));
                }
            }
        }
        let count = self.rest.len().min(out.remaining());
        out.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}
