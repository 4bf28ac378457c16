//! Texts in texts: gzip, base64, percent-encoding.

use std::io::Read as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;

/// Characters below which base64 is not told from a word.
const SHORTEST: usize = 8;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What is in a text, and whether all of it was read.
pub(super) struct Layer {
    pub(super) how: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Everything that is encoded in `text`, with at most `room` bytes in all; `None` when there is more.
pub(super) fn within(text: &[u8], room: usize) -> Option<Vec<Layer>> {
    if text.starts_with(&[0x1f, 0x8b]) {
        let mut bytes = Vec::new();
        let limit = room as u64 + 1;
        // A stream that breaks off is looked at as far as it goes.
        let _ = MultiGzDecoder::new(text)
            .take(limit)
            .read_to_end(&mut bytes);
        let layer = Layer { how: "gzip", bytes };
        return (layer.bytes.len() <= room).then(|| vec![layer]);
    }
    let mut found = Vec::new();
    let mut left = room;
    let encoded = percent(text).map(|bytes| ("percent-encoding", bytes));
    let runs = runs(text).into_iter().map(|bytes| ("base64", bytes));
    for (how, bytes) in encoded.into_iter().chain(runs) {
        left = left.checked_sub(bytes.len())?;
        found.push(Layer { how, bytes });
    }
    Some(found)
}

/// The text with its percent-encoding undone (RFC 3986, 2.1), if it has any.
fn percent(text: &[u8]) -> Option<Vec<u8>> {
    let hex = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::new();
    let mut any = false;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = (*byte == b'%')
            .then(|| {
                Some((
                    text.get(at + 1).and_then(hex)?,
                    text.get(at + 2).and_then(hex)?,
                ))
            })
            .flatten();
        if let Some((high, low)) = pair {
            any = true;
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    any.then_some(out)
}

/// What each run of base64, plain or URL-safe (RFC 4648), says: each line for itself, and lines of one width with a shorter last one
/// (RFC 2045, 6.8) together.
fn runs(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut block = Block::default();
    let mut at = 0;
    let mut glued = false;
    while at < text.len() {
        let start = at;
        while at < text.len() && is_base64(text[at]) {
            at += 1;
        }
        let run = &text[start..at];
        if run.len() >= SHORTEST {
            found.extend(decode(run));
        }
        if !run.is_empty() {
            if !glued || run.len() > block.width {
                found.extend(block.restart(run));
            } else {
                block.bytes.extend_from_slice(run);
                block.lines += 1;
                // A shorter line ends a block; or the longer one before it was no part of it.
                if run.len() < block.width {
                    found.extend(block.restart(run));
                }
            }
        }
        let gap = at;
        while at < text.len() && !is_base64(text[at]) {
            at += 1;
        }
        let between = &text[gap..at];
        glued = between.contains(&b'\n') && between.iter().all(u8::is_ascii_whitespace);
    }
    found.extend(block.restart(&[]));
    found
}

/// Lines that may be one text.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    width: usize,
    lines: usize,
}

impl Block {
    /// What the lines say together, if there are several; `first` begins the next block.
    fn restart(&mut self, first: &[u8]) -> Option<Vec<u8>> {
        let said = (self.lines > 1).then(|| decode(&self.bytes)).flatten();
        self.bytes.clear();
        self.bytes.extend_from_slice(first);
        self.width = first.len();
        self.lines = 1;
        said
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let mut plain: Vec<u8> = run
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    // One character over says nothing.
    if plain.len() % 4 == 1 {
        plain.pop();
    }
    LENIENT.decode(plain).ok()
}
