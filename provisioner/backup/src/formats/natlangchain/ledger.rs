//! The part of the check that costs arithmetic: hashes and signatures. It takes what the scanner read, in order, and
//! runs on a thread of its own when it may.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use super::chain::{Block, Chain};
use super::signature::{Claim, Notary};
use crate::finding::Findings;
use crate::verdict::Signatures;
use crate::{Code, Finding, Options};

/// Canonical text handed over at once, more only if one entry is longer.
const PIECE: usize = 256 << 10;
/// Pieces that wait: few, because one may be as large as the largest entry.
const WAITING: usize = 1;

/// What the scanner came across.
#[derive(Debug)]
enum Event {
    /// A list of entries begins.
    BeginEntries,
    /// So many more bytes of canonical text of the entries.
    Text(usize),
    /// A block is over.
    Close(Box<Block>),
    /// An entry is signed.
    Claim(Box<Claim>),
    /// Another chain takes the place of the one so far.
    Restart,
}

/// A piece of the scanner's work.
#[derive(Debug, Default)]
struct Piece {
    text: Vec<u8>,
    events: Vec<Event>,
    /// Bytes the events hold besides the text.
    held: usize,
}

/// What the arithmetic found out.
#[derive(Debug)]
pub(super) struct Ledger {
    options: Options,
    hasher: Sha256,
    notary: Notary,
    pub(super) chain: Chain,
    pub(super) signatures: Signatures,
    pub(super) findings: Findings,
}

impl Ledger {
    fn new(options: Options) -> Self {
        Self {
            findings: Findings::new(options.limits.findings_per_code),
            chain: Chain::new(&options),
            options,
            hasher: Sha256::new(),
            notary: Notary::default(),
            signatures: Signatures::default(),
        }
    }

    fn apply(&mut self, piece: &mut Piece) {
        let mut text = piece.text.as_slice();
        for event in piece.events.drain(..) {
            match event {
                Event::BeginEntries => self.hasher = Sha256::new_with_prefix(b"{\"entries\": ["),
                Event::Text(length) => {
                    let (part, rest) = text.split_at(length);
                    self.hasher.update(part);
                    text = rest;
                }
                Event::Close(block) => {
                    let hasher = std::mem::replace(&mut self.hasher, Sha256::new());
                    self.chain
                        .close(*block, hasher, &self.options, &mut self.findings);
                }
                Event::Claim(claim) => {
                    let (signatures, findings) = (&mut self.signatures, &mut self.findings);
                    self.notary.add(*claim, &mut |claim, holds| {
                        judge(signatures, findings, claim, holds)
                    });
                }
                Event::Restart => {
                    self.settle();
                    self.findings.forget_blocks();
                    self.chain = Chain::new(&self.options);
                    self.signatures = Signatures::default();
                }
            }
        }
        piece.text.clear();
        piece.held = 0;
    }

    fn settle(&mut self) {
        let (signatures, findings) = (&mut self.signatures, &mut self.findings);
        self.notary
            .settle(&mut |claim, holds| judge(signatures, findings, claim, holds));
    }

    /// Ends the chain; `whole` when it was read to its end.
    pub(super) fn finish(&mut self, whole: bool) {
        self.settle();
        if whole {
            self.chain.finish(&self.options, &mut self.findings);
        }
    }
}

fn judge(signatures: &mut Signatures, findings: &mut Findings, claim: &Claim, holds: bool) {
    if claim.block.is_some() {
        if holds {
            signatures.valid += 1;
        } else {
            signatures.forged += 1;
        }
    }
    if !holds && findings.wants(Code::SignatureForged) {
        let mut finding = Finding::new(
            Code::SignatureForged,
            match claim.block {
                Some(block) => format!(
                    "the signature of entry {} of block {block} does not verify",
                    claim.place
                ),
                None => format!(
                    "the signature of pending entry {} does not verify",
                    claim.place
                ),
            },
        )
        .at(claim.offset);
        finding.block = claim.block;
        findings.push(finding);
    }
}

/// The scanner's way to the ledger.
#[derive(Debug)]
pub(super) struct Clerk {
    piece: Piece,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Here(Box<Ledger>),
    Thread {
        full: SyncSender<Piece>,
        empty: Receiver<Piece>,
        handle: JoinHandle<Ledger>,
    },
}

impl Clerk {
    /// A ledger on a thread of its own if the options allow it and the system gives one.
    pub(super) fn new(options: &Options) -> Self {
        let spawned = options
            .threaded
            .then(|| spawn(Ledger::new(options.clone())))
            .flatten();
        Self {
            piece: Piece::default(),
            way: spawned.unwrap_or_else(|| Way::Here(Box::new(Ledger::new(options.clone())))),
        }
    }

    pub(super) fn begin_entries(&mut self) {
        self.piece.events.push(Event::BeginEntries);
    }

    /// Adds canonical text of the entries of the block: what `write` appends.
    pub(super) fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.piece.text.len();
        write(&mut self.piece.text);
        let length = self.piece.text.len() - before;
        match self.piece.events.last_mut() {
            Some(Event::Text(so_far)) => *so_far += length,
            _ => self.piece.events.push(Event::Text(length)),
        }
        if self.piece.text.len() >= PIECE {
            self.hand_over();
        }
    }

    pub(super) fn close(&mut self, block: Block) {
        let held = block.size();
        self.event(Event::Close(Box::new(block)), held);
    }

    pub(super) fn claim(&mut self, claim: Box<Claim>) {
        let held = claim.size();
        self.event(Event::Claim(claim), held);
    }

    pub(super) fn restart(&mut self) {
        self.event(Event::Restart, 0);
    }

    fn event(&mut self, event: Event, held: usize) {
        self.piece.events.push(event);
        // Besides what it points to, an event costs about this much itself.
        self.piece.held += held + 256;
        if self.piece.held >= PIECE {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        match &mut self.way {
            Way::Here(ledger) => ledger.apply(&mut self.piece),
            Way::Thread { full, empty, .. } => {
                let next = empty.try_recv().unwrap_or_default();
                // Fails only when the thread has ended, which `finish` reports.
                let _ = full.send(std::mem::replace(&mut self.piece, next));
            }
        }
    }

    /// The ledger with everything entered; nothing when its thread failed.
    pub(super) fn finish(mut self) -> Option<Ledger> {
        self.hand_over();
        match self.way {
            Way::Here(ledger) => Some(*ledger),
            Way::Thread { full, handle, .. } => {
                drop(full);
                handle.join().ok()
            }
        }
    }
}

fn spawn(mut ledger: Ledger) -> Option<Way> {
    let (full, incoming) = sync_channel::<Piece>(WAITING);
    let (back, empty) = sync_channel::<Piece>(WAITING + 2);
    let handle = std::thread::Builder::new()
        .name("backup-hash".to_owned())
        .spawn(move || {
            while let Ok(mut piece) = incoming.recv() {
                ledger.apply(&mut piece);
                // A piece that had to grow for one large entry gives its memory back.
                if piece.text.capacity() <= 2 * PIECE {
                    // Nobody waits for an empty piece; when there is no room it is dropped.
                    let _ = back.try_send(piece);
                }
            }
            ledger
        })
        .ok()?;
    Some(Way::Thread {
        full,
        empty,
        handle,
    })
}
