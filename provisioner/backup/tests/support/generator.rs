//! Makes chains of any length as a stream: the same seed gives the same bytes, and nothing is kept but one block.
//!
//! Text and canonical text are put together separately here, without the code under test.

use std::fmt::Write as _;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// A chain file as a reader.
pub struct Generator {
    random: u64,
    target: u64,
    made: u64,
    height: u64,
    entries_per_block: u64,
    previous: String,
    ready: Vec<u8>,
    taken: usize,
    ended: bool,
    /// Blocks at most.
    most_blocks: u64,
    /// Heights at which the randomness begins anew, with the seed.
    turns: Vec<(u64, u64)>,
}

const WORDS: &[&str] = &[
    "harvest",
    "ledger",
    "agrees",
    "Müller",
    "to",
    "deliver",
    "the",
    "barley",
    "crates",
    "—",
    "before",
    "frost",
    "cooperative",
    "signs",
    "\\\"sealed\\\"",
    "audit",
    "of",
    "roof",
    "and",
    "well",
    "契約",
    "schooner",
    "rigging",
    "in",
    "good",
    "faith",
];

impl Generator {
    /// A chain file of about `target` bytes, in blocks of `entries_per_block` entries.
    pub fn new(seed: u64, target: u64, entries_per_block: u64) -> Self {
        Self {
            random: seed | 1,
            target,
            made: 0,
            height: 0,
            entries_per_block,
            previous: "0".to_owned(),
            ready: b"{\"chain\":[".to_vec(),
            taken: 0,
            ended: false,
            most_blocks: u64::MAX,
            turns: Vec::new(),
        }
    }

    /// A chain of so many blocks whose text begins anew with another seed at these heights: chains with the same turns up
    /// to a height are the same up to there.
    #[allow(dead_code, reason = "the examples need none")]
    pub fn history(blocks: u64, turns: &[(u64, u64)]) -> Self {
        Self {
            most_blocks: blocks,
            turns: turns.to_vec(),
            ..Self::new(1, u64::MAX, 2)
        }
    }

    fn next(&mut self) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn prose(&mut self, words: usize) -> (String, String) {
        let mut text = String::new();
        for index in 0..words {
            if index > 0 {
                text.push(' ');
            }
            let random = self.next();
            if random.is_multiple_of(13) {
                write!(text, "{}", random >> 40).unwrap();
            } else {
                text.push_str(WORDS[(random >> 8) as usize % WORDS.len()]);
            }
        }
        let mut canonical = String::new();
        for character in text.chars() {
            if character.is_ascii() {
                canonical.push(character);
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(canonical, "\\u{unit:04x}").unwrap();
                }
            }
        }
        (text, canonical)
    }

    fn entry(&mut self, time: u64) -> (String, String) {
        let words = 40 + (self.next() % 160) as usize;
        let (content, content_canonical) = self.prose(words);
        let (author, author_canonical) = self.prose(2);
        let (intent, intent_canonical) = self.prose(3);
        let confidence = (self.next() % 9_999) as f64 / 10_000.0 + 0.000_1;
        let seq = self.next() % 100;
        let text = format!(
            "{{\"content\":\"{content}\",\"author\":\"{author}\",\"intent\":\"{intent}\",\"metadata\":{{\"type\":\"prose\",\"seq\":{seq},\
             \"confidence\":{confidence}}},\"timestamp\":\"2025-11-24T16:03:37.{time:06}\",\"validation_status\":\"valid\",\
             \"validation_paraphrases\":[\"{intent}\"]}}"
        );
        let canonical = format!(
            "{{\"author\": \"{author_canonical}\", \"content\": \"{content_canonical}\", \"intent\": \"{intent_canonical}\", \
             \"metadata\": {{\"confidence\": {confidence}, \"seq\": {seq}, \"type\": \"prose\"}}, \
             \"timestamp\": \"2025-11-24T16:03:37.{time:06}\", \"validation_paraphrases\": [\"{intent_canonical}\"], \
             \"validation_status\": \"valid\"}}"
        );
        (text, canonical)
    }

    fn block(&mut self) {
        let height = self.height;
        if let Some((_, seed)) = self.turns.iter().find(|(at, _)| *at == height) {
            self.random = seed | 1;
        }
        let mut text = String::new();
        let mut canonical = String::from("{\"entries\": [");
        for place in 0..self.entries_per_block {
            let (entry, entry_canonical) = self.entry(place % 1_000_000);
            if place > 0 {
                text.push(',');
                canonical.push_str(", ");
            }
            text.push_str(&entry);
            canonical.push_str(&entry_canonical);
        }
        let timestamp = format!("{}.5", 1_764_000_000 + height);
        let before_nonce =
            Sha256::new_with_prefix(format!("{canonical}], \"index\": {height}, \"nonce\": "));
        let mut nonce = 0_u64;
        let hash = loop {
            let mut hasher = before_nonce.clone();
            hasher.update(format!(
                "{nonce}, \"previous_hash\": \"{}\", \"timestamp\": {timestamp}}}",
                self.previous
            ));
            let hash = hex::encode(hasher.finalize());
            if height == 0 || hash.starts_with('0') {
                break hash;
            }
            nonce += 1;
        };
        self.ready.clear();
        self.taken = 0;
        if height > 0 {
            self.ready.push(b',');
        }
        self.ready.extend_from_slice(
            format!(
                "{{\"index\":{height},\"timestamp\":{timestamp},\"entries\":[{text}],\"previous_hash\":\"{}\",\"nonce\":{nonce},\"hash\":\"{hash}\"}}",
                self.previous
            )
            .as_bytes(),
        );
        self.previous = hash;
        self.height += 1;
    }

    fn end(&mut self) {
        self.ready = b"],\"pending_entries\":[],\"derivative_registry\":{\"derivatives\":{},\"parents\":{},\"entry_cache\":{}},\
            \"asset_registry\":{\"ownership\":{},\"pending_transfers\":{},\"transfer_history\":[]},\"entry_fingerprints\":{}}"
            .to_vec();
        self.taken = 0;
        self.ended = true;
    }
}

impl Read for Generator {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            if self.ended {
                return Ok(0);
            }
            if self.made < self.target && self.height < self.most_blocks {
                self.block();
            } else {
                self.end();
            }
            self.made += self.ready.len() as u64;
        }
        let count = out.len().min(self.ready.len() - self.taken);
        out[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
