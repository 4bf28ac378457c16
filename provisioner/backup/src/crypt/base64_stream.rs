//! Base64 as the application's decoder takes it: line breaks and foreign characters are skipped, nothing counts after
//! the padding. What was skipped is reported, because something can hide there.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What stood in the text besides base64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// Position of the first character that is neither base64 nor a line break.
    pub(super) garbage: Option<u64>,
    /// Position of the first character after the end that is not white space.
    pub(super) trailing: Option<u64>,
}

/// A decoder fed piece by piece.
#[derive(Debug)]
pub(super) struct Decoder {
    quad: Vec<u8>,
    padding: usize,
    ended: bool,
    position: u64,
    pub(super) oddities: Oddities,
}

/// The text ended in the middle of a group of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incomplete;

const fn is_alphabet(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')
}

impl Decoder {
    /// A decoder whose text begins at byte `position` of the object.
    pub(super) fn new(position: u64) -> Self {
        Self {
            quad: Vec::new(),
            padding: 0,
            ended: false,
            position,
            oddities: Oddities::default(),
        }
    }

    /// Appends the bytes `text` decodes to.
    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Incomplete> {
        let mut rest = text;
        while !rest.is_empty() && !self.ended {
            let run = if self.padding == 0 {
                rest.iter().take_while(|&&byte| is_alphabet(byte)).count()
            } else {
                0
            };
            if run > 0 {
                self.run(&rest[..run], out)?;
                self.position += run as u64;
                rest = &rest[run..];
                continue;
            }
            self.special(rest[0], out)?;
            self.position += 1;
            rest = &rest[1..];
        }
        if let Some(index) = rest
            .iter()
            .position(|byte| !matches!(byte, b'\n' | b'\r' | b' ' | b'\t'))
        {
            self.oddities
                .trailing
                .get_or_insert(self.position + index as u64);
        }
        self.position += rest.len() as u64;
        Ok(())
    }

    fn run(&mut self, mut run: &[u8], out: &mut Vec<u8>) -> Result<(), Incomplete> {
        if !self.quad.is_empty() {
            let take = run.len().min(4 - self.quad.len());
            self.quad.extend_from_slice(&run[..take]);
            run = &run[take..];
            if self.quad.len() < 4 {
                return Ok(());
            }
            let quad = std::mem::take(&mut self.quad);
            decode(&quad, out)?;
        }
        let whole = run.len() / 4 * 4;
        decode(&run[..whole], out)?;
        self.quad.extend_from_slice(&run[whole..]);
        Ok(())
    }

    fn special(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Incomplete> {
        match byte {
            b'\n' | b'\r' => {}
            b'=' if self.quad.len() >= 2 => {
                self.padding += 1;
                if self.quad.len() + self.padding == 4 {
                    let mark = out.len();
                    decode(&self.quad, out)?;
                    // Bits behind the last byte decode to nothing: another place to hide in.
                    if LENIENT
                        .encode(&out[mark..])
                        .trim_end_matches('=')
                        .as_bytes()
                        != self.quad
                    {
                        self.oddities.garbage.get_or_insert(self.position);
                    }
                    self.quad.clear();
                    self.ended = true;
                }
            }
            _ if is_alphabet(byte) => {
                // Padding that was too short is no padding.
                self.oddities.garbage.get_or_insert(self.position);
                self.padding = 0;
                self.run(&[byte], out)?;
            }
            _ => {
                self.oddities.garbage.get_or_insert(self.position);
            }
        }
        Ok(())
    }

    /// Ends the text.
    pub(super) fn finish(&self) -> Result<(), Incomplete> {
        if self.ended || self.quad.is_empty() {
            Ok(())
        } else {
            Err(Incomplete)
        }
    }
}

fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), Incomplete> {
    let mark = out.len();
    out.resize(mark + text.len() / 4 * 3 + 3, 0);
    let written = LENIENT
        .decode_slice(text, &mut out[mark..])
        .map_err(|_| Incomplete)?;
    out.truncate(mark + written);
    Ok(())
}
