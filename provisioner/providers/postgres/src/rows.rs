//! Rows that are blocks, as the file that a backup of the chain would be.

use std::io::{self, Read};

const BEFORE: &[u8] = b"{\"chain\": [";
const AFTER: &[u8] = b"], \"pending_entries\": []}";
/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Rows in COPY's text format (PostgreSQL, "COPY", "Text Format"), one a line, read as one document. COPY is used because `psql`
/// leaves characters out of what it prints otherwise, U+10FFFF for one.
pub(crate) struct Document<R> {
    rows: R,
    /// What is handed out before anything else is read, from `given` on.
    rest: Vec<u8>,
    given: usize,
    /// A row has ended: what follows, if anything does, is another.
    between: bool,
    escaped: bool,
    ended: bool,
}

impl<R: Read> Document<R> {
    pub(crate) fn new(rows: R) -> Self {
        Self {
            rows,
            rest: BEFORE.to_vec(),
            given: 0,
            between: false,
            escaped: false,
            ended: false,
        }
    }

    fn take(&mut self, byte: u8) {
        if std::mem::take(&mut self.between) {
            self.rest.push(b',');
        }
        if std::mem::take(&mut self.escaped) {
            self.rest.push(match byte {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                other => other,
            });
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'\n' {
            self.between = true;
        } else {
            self.rest.push(byte);
        }
    }
}

impl<R: Read> Read for Document<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.given == self.rest.len() && !self.ended {
            self.rest.clear();
            self.given = 0;
            let mut piece = vec![0_u8; PIECE];
            let count = self.rows.read(&mut piece)?;
            if count == 0 {
                self.ended = true;
                self.rest.extend_from_slice(AFTER);
            }
            for byte in piece.into_iter().take(count) {
                self.take(byte);
            }
        }
        let rest = self.rest.get(self.given..).unwrap_or_default();
        let count = rest.len().min(to.len());
        for (to, from) in to.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += count;
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
            ("{}\n", r#"{"chain": [{}], "pending_entries": []}"#),
            (
                "{\\n}\n{\"a\": \"\\\\\\\\n\"}\n",
                "{\"chain\": [{\n},{\"a\": \"\\\\n\"}], \"pending_entries\": []}",
            ),
        ] {
            let mut read = String::new();
            Document::new(rows.as_bytes())
                .read_to_string(&mut read)
                .unwrap();
            assert_eq!(read, wanted);
        }
    }
}
