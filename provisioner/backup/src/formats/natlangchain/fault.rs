//! Why reading stopped.

use std::borrow::Cow;

use crate::Code;

/// How far a reader came in the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// It read all it wanted and stopped before this position.
    Done(usize),
    /// What it reads goes on in bytes that have not arrived.
    More,
}

/// Something after which nothing more can be read.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    /// Position in the bytes the reader was given.
    pub(super) at: usize,
    pub(super) message: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(code: Code, at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            at,
            message: message.into(),
        }
    }
}
