//! JSON strings: reading them as Python does and writing them as `json.dumps` with `ensure_ascii` does.

use super::fault::{Fault, Scan};
use crate::Code;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of `word` that are zero. Bytes above the lowest one marked may be marked wrongly.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// How many bytes from the start of `bytes` stand for themselves in canonical text: 0x20–0x7e without `"` and `\`.
pub(super) fn literal_run(bytes: &[u8]) -> usize {
    let mut count = 0;
    let (words, _) = bytes.as_chunks::<8>();
    for chunk in words {
        let word = u64::from_le_bytes(*chunk);
        let special = (word.wrapping_sub(ONES * 0x20) & !word & HIGHS)
            | (word & HIGHS)
            | zero_bytes(word ^ (ONES * 0x22))
            | zero_bytes(word ^ (ONES * 0x5c))
            | zero_bytes(word ^ (ONES * 0x7f));
        if special != 0 {
            return count + (special.trailing_zeros() / 8) as usize;
        }
        count += 8;
    }
    count
        + bytes[count..]
            .iter()
            .take_while(|&&byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\')
            .count()
}

/// The end of the string whose opening quote is at `start`, after its closing one, if nothing in it is escaped.
pub(super) fn plain_end(input: &[u8], start: usize) -> Option<usize> {
    let end = start + 1 + literal_run(&input[start + 1..]);
    (input.get(end) == Some(&b'"')).then_some(end + 1)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends one UTF-16 code unit the way `json.dumps` escapes it.
fn push_unit(out: &mut Vec<u8>, unit: u16) {
    match unit {
        0x22 => out.extend_from_slice(b"\\\""),
        0x5c => out.extend_from_slice(b"\\\\"),
        0x0a => out.extend_from_slice(b"\\n"),
        0x0d => out.extend_from_slice(b"\\r"),
        0x09 => out.extend_from_slice(b"\\t"),
        0x0c => out.extend_from_slice(b"\\f"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x20..=0x7e => out.push(unit as u8),
        _ => push_escape(out, unit),
    }
}

/// Appends one UTF-16 code unit in hex.
fn push_escape(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(&[
        b'\\',
        b'u',
        HEX[usize::from(unit >> 12)],
        HEX[usize::from(unit >> 8 & 15)],
        HEX[usize::from(unit >> 4 & 15)],
        HEX[usize::from(unit & 15)],
    ]);
}

/// The character `bytes` begins with, whose first byte is `lead`, and its length. `None` when it is not UTF-8 (Unicode
/// 15, table 3-7). When the length is more than there are bytes, the character has not arrived yet and the code means
/// nothing.
fn read_character(bytes: &[u8], lead: u8) -> Option<(u32, usize)> {
    let (length, second, first_bits) = match lead {
        0xc2..=0xdf => (2, 0x80..=0xbf, lead & 0x1f),
        0xe0 => (3, 0xa0..=0xbf, 0),
        0xed => (3, 0x80..=0x9f, lead & 0x0f),
        0xe1..=0xef => (3, 0x80..=0xbf, lead & 0x0f),
        0xf0 => (4, 0x90..=0xbf, 0),
        0xf1..=0xf3 => (4, 0x80..=0xbf, lead & 0x07),
        0xf4 => (4, 0x80..=0x8f, lead & 0x07),
        _ => return None,
    };
    let mut code = u32::from(first_bits);
    for (index, &byte) in bytes[1..bytes.len().min(length)].iter().enumerate() {
        let allowed = if index == 0 {
            second.clone()
        } else {
            0x80..=0xbf
        };
        if !allowed.contains(&byte) {
            return None;
        }
        code = code << 6 | u32::from(byte & 0x3f);
    }
    Some((code, length))
}

/// Appends a code point in UTF-8, surrogates included: byte order is then code point order, as Python sorts.
fn push_code_point(out: &mut Vec<u8>, code: u32) {
    match code {
        0..=0x7f => out.push(code as u8),
        0x80..=0x7ff => {
            out.extend_from_slice(&[0xc0 | (code >> 6) as u8, 0x80 | (code & 0x3f) as u8])
        }
        0x800..=0xffff => out.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
        _ => out.extend_from_slice(&[
            0xf0 | (code >> 18) as u8,
            0x80 | (code >> 12 & 0x3f) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}

/// What reading a string tells besides its text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StringFacts {
    /// Half a surrogate pair stands alone.
    pub(super) lone_surrogate: bool,
}

/// Reads the string whose opening quote is at `start`, appends it with its quotes to `out` in canonical form and, when
/// `decoded` is given, its code points to that. Returns the position after the closing quote.
pub(super) fn read(
    input: &[u8],
    start: usize,
    out: &mut Vec<u8>,
    mut decoded: Option<&mut Vec<u8>>,
    facts: &mut StringFacts,
) -> Result<Scan, Fault> {
    // Most strings stand for themselves to the end, and are copied whole.
    let end = start + 1 + literal_run(&input[start + 1..]);
    if input.get(end) == Some(&b'"') {
        out.extend_from_slice(&input[start..=end]);
        if let Some(decoded) = decoded {
            decoded.extend_from_slice(&input[start + 1..end]);
        }
        return Ok(Scan::Done(end + 1));
    }
    out.push(b'"');
    let mut at = start + 1;
    loop {
        let run = literal_run(&input[at..]);
        let literal = &input[at..at + run];
        out.extend_from_slice(literal);
        if let Some(decoded) = decoded.as_deref_mut() {
            decoded.extend_from_slice(literal);
        }
        at += run;
        match input.get(at) {
            None => return Ok(Scan::More),
            Some(b'"') => {
                out.push(b'"');
                return Ok(Scan::Done(at + 1));
            }
            Some(b'\\') => {
                let Some((units, next)) = read_escape(input, at)? else {
                    return Ok(Scan::More);
                };
                let code = match units {
                    Units::One(unit) => {
                        push_unit(out, unit);
                        facts.lone_surrogate |= (0xd800..0xe000).contains(&unit);
                        u32::from(unit)
                    }
                    Units::Pair(high, low) => {
                        push_unit(out, high);
                        push_unit(out, low);
                        0x1_0000 + (u32::from(high & 0x3ff) << 10) + u32::from(low & 0x3ff)
                    }
                };
                if let Some(decoded) = decoded.as_deref_mut() {
                    push_code_point(decoded, code);
                }
                at = next;
            }
            Some(0x7f) => {
                push_unit(out, 0x7f);
                if let Some(decoded) = decoded.as_deref_mut() {
                    decoded.push(0x7f);
                }
                at += 1;
            }
            Some(&lead @ 0x80..) => {
                let Some((code, length)) = read_character(&input[at..], lead) else {
                    return Err(Fault::new(
                        Code::JsonUtf8Invalid,
                        at,
                        "a string holds bytes that are not UTF-8",
                    ));
                };
                if length > input.len() - at {
                    return Ok(Scan::More);
                }
                if code < 0x1_0000 {
                    push_escape(out, code as u16);
                } else {
                    let code = code - 0x1_0000;
                    push_escape(out, 0xd800 | (code >> 10) as u16);
                    push_escape(out, 0xdc00 | (code & 0x3ff) as u16);
                }
                if let Some(decoded) = decoded.as_deref_mut() {
                    decoded.extend_from_slice(&input[at..at + length]);
                }
                at += length;
            }
            Some(_) => {
                return Err(Fault::new(
                    Code::JsonInvalid,
                    at,
                    "a control character stands unescaped in a string",
                ));
            }
        }
    }
}

enum Units {
    One(u16),
    Pair(u16, u16),
}

/// Reads the escape whose backslash is at `at`; `None` when it may go on in bytes that have not arrived.
fn read_escape(input: &[u8], at: usize) -> Result<Option<(Units, usize)>, Fault> {
    let Some(&letter) = input.get(at + 1) else {
        return Ok(None);
    };
    let simple = match letter {
        b'"' | b'\\' | b'/' => u16::from(letter),
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => 0x0a,
        b'r' => 0x0d,
        b't' => 0x09,
        b'u' => {
            let Some(high) = read_hex(input, at + 2)? else {
                return Ok(None);
            };
            let next = at + 6;
            if !(0xd800..0xdc00).contains(&high) {
                return Ok(Some((Units::One(high), next)));
            }
            return match (input.get(next), input.get(next + 1)) {
                (None, _) | (Some(b'\\'), None) => Ok(None),
                (Some(b'\\'), Some(b'u')) => Ok(match read_hex(input, next + 2)? {
                    None => None,
                    Some(low) if (0xdc00..0xe000).contains(&low) => {
                        Some((Units::Pair(high, low), next + 6))
                    }
                    Some(_) => Some((Units::One(high), next)),
                }),
                _ => Ok(Some((Units::One(high), next))),
            };
        }
        _ => {
            return Err(Fault::new(
                Code::JsonInvalid,
                at,
                "a string holds an unknown escape",
            ));
        }
    };
    Ok(Some((Units::One(simple), at + 2)))
}

fn read_hex(input: &[u8], at: usize) -> Result<Option<u16>, Fault> {
    let mut unit = 0_u16;
    for index in at..at + 4 {
        let Some(&byte) = input.get(index) else {
            return Ok(None);
        };
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => {
                return Err(Fault::new(
                    Code::JsonInvalid,
                    index,
                    "a \\u escape lacks its four hex digits",
                ));
            }
        };
        unit = unit << 4 | u16::from(digit);
    }
    Ok(Some(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_read_as_std_reads_them() {
        // Every first byte with every second one, and what may follow.
        for lead in 0x80..=0xff_u8 {
            for second in 0..=0xff_u8 {
                for rest in [
                    [0x80, 0xbf],
                    [0xbf, 0x80],
                    [0x7f, 0x80],
                    [0x80, 0x7f],
                    [0xc0, 0x80],
                ] {
                    let bytes = [lead, second, rest[0], rest[1]];
                    let ours = read_character(&bytes, lead);
                    let std = (2..=4).find_map(|length| {
                        std::str::from_utf8(&bytes[..length])
                            .ok()
                            .filter(|text| text.chars().count() == 1)
                    });
                    let std =
                        std.map(|text| (text.chars().next().map_or(0, u32::from), text.len()));
                    assert_eq!(ours, std, "{bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn plain_strings_end_at_their_quote() {
        for (text, end) in [
            ("\"\"", Some(2)),
            ("\"a\":1", Some(3)),
            ("\"a", None),
            ("\"", None),
            ("\"\\n\"", None),
            ("\"a\\\"b\"", None),
            ("\"é\"", None),
            ("\"\u{7f}\"", None),
            ("\"a\nb\"", None),
        ] {
            assert_eq!(plain_end(text.as_bytes(), 0), end, "{text:?}");
        }
    }

    #[test]
    fn runs_end_where_they_should() {
        for length in 0..40 {
            for special in 0..=0xff_u8 {
                let mut bytes = vec![b'a'; 40];
                bytes[length] = special;
                let stands_for_itself =
                    matches!(special, 0x20..=0x7e) && special != b'"' && special != b'\\';
                assert_eq!(
                    literal_run(&bytes),
                    if stands_for_itself { 40 } else { length }
                );
            }
        }
    }
}
