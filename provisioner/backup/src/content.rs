//! What the wrapping layers know about the content: that it takes bytes and sums up.

use crate::finding::Findings;
use crate::identities::Identities;
use crate::verdict::Signatures;
use crate::witness::{BlockHash, Samples};

/// A checker of decoded content. Errors are findings; nothing stops it from taking more bytes.
pub(crate) trait Content: Send {
    /// Takes the next bytes, cut anywhere.
    fn push(&mut self, bytes: &[u8]);
    /// Sums up. `complete` is false when the wrapping broke, so that an early end says nothing about the content.
    ///
    /// Nothing comes out when a thread it used failed.
    fn finish(self: Box<Self>, complete: bool) -> Option<Summary>;
}

/// What a checker found out.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The content began like content of this application.
    pub(crate) recognised: bool,
    /// The content stopped in the middle.
    pub(crate) unfinished: bool,
    pub(crate) blocks: u64,
    pub(crate) entries: u64,
    pub(crate) pending_entries: u64,
    pub(crate) head: Option<BlockHash>,
    pub(crate) genesis: Option<BlockHash>,
    pub(crate) head_time: Option<f64>,
    pub(crate) signatures: Signatures,
    pub(crate) samples: Samples,
    /// Only when they were asked for.
    pub(crate) identities: Option<Identities>,
    pub(crate) findings: Findings,
}

impl Summary {
    /// A summary that says nothing, for content nobody vouches for.
    pub(crate) fn forget(self) -> Self {
        Self {
            recognised: false,
            unfinished: false,
            blocks: 0,
            entries: 0,
            pending_entries: 0,
            head: None,
            genesis: None,
            head_time: None,
            signatures: Signatures::default(),
            samples: Samples::default(),
            identities: None,
            findings: Findings::new(1),
        }
    }
}
