//! Rows that are blocks, as the file that a backup of the chain would be.

use std::io::{self, Read};

const BEFORE: &[u8] = b"{\"chain\": [";
const AFTER: &[u8] = b"], \"pending_entries\": []}";

/// Rows, each ended by a zero byte, read as one document. No text in PostgreSQL holds a zero byte.
pub(crate) struct Document<R> {
    rows: R,
    /// What is handed out before anything else is read.
    rest: Vec<u8>,
    /// A row has ended: what follows, if anything does, is another.
    between: bool,
    ended: bool,
}

impl<R: Read> Document<R> {
    pub(crate) fn new(rows: R) -> Self {
        Self {
            rows,
            rest: BEFORE.to_vec(),
            between: false,
            ended: false,
        }
    }
}

impl<R: Read> Read for Document<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            let mut piece = vec![0_u8; 64 << 10];
            let count = self.rows.read(&mut piece)?;
            if count == 0 {
                self.ended = true;
                self.rest.extend_from_slice(AFTER);
            }
            for byte in piece.into_iter().take(count) {
                if byte == 0 {
                    self.between = true;
                    continue;
                }
                if std::mem::take(&mut self.between) {
                    self.rest.push(b',');
                }
                self.rest.push(byte);
            }
        }
        let count = self.rest.len().min(to.len());
        for (to, from) in to.iter_mut().zip(self.rest.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_document() {
        for (rows, wanted) in [
            ("", r#"{"chain": [], "pending_entries": []}"#),
            ("{}\0", r#"{"chain": [{}], "pending_entries": []}"#),
            ("{\n}\0{\"a\": 1}\0", "{\"chain\": [{\n},{\"a\": 1}], \"pending_entries\": []}"),
        ] {
            let mut read = String::new();
            Document::new(rows.as_bytes()).read_to_string(&mut read).unwrap();
            assert_eq!(read, wanted);
        }
    }
}
