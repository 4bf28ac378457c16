//! JSON strings: reading them as Python does and writing them as `json.dumps` with `ensure_ascii` does.

use super::fault::{Fault, Scan};
use super::literal::copy_run;
use crate::Code;

/// Every byte in hex.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

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
    let [high, low] = unit.to_be_bytes();
    let ([a, b], [c, d]) = (HEX[usize::from(high)], HEX[usize::from(low)]);
    out.extend_from_slice(&[b'\\', b'u', a, b, c, d]);
}

/// The character `bytes` begins with and its length, if it is one of the frequent ones: of two or three bytes, with three
/// there, and whose second byte is under no condition of its own.
#[inline(always)]
fn read_short(bytes: &[u8]) -> Option<(u32, usize)> {
    let continues = |byte: u8| byte & 0xc0 == 0x80;
    let bits = |byte: u8| u32::from(byte & 0x3f);
    let [
        first @ (0xc2..=0xdf | 0xe1..=0xec | 0xee..=0xef),
        second,
        third,
        ..,
    ] = *bytes
    else {
        return None;
    };
    let three = first >= 0xe0;
    if !continues(second) | (three & !continues(third)) {
        return None;
    }
    let code = u32::from(first & 0x1f) << 6 | bits(second);
    Some(if three {
        (code << 6 | bits(third), 3)
    } else {
        (code, 2)
    })
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
    out.push(b'"');
    let mut at = start + 1;
    loop {
        let literal = at;
        at = copy_run(input, at, out);
        if let Some(decoded) = decoded.as_deref_mut() {
            decoded.extend_from_slice(&input[literal..at]);
        }
        match input.get(at) {
            None => return Ok(Scan::More),
            Some(b'"') => {
                out.push(b'"');
                return Ok(Scan::Done(at + 1));
            }
            // These are spelled the same in canonical text.
            Some(b'\\')
                if decoded.is_none()
                    && matches!(
                        input.get(at + 1),
                        Some(b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f')
                    ) =>
            {
                out.extend_from_slice(&[b'\\', input[at + 1]]);
                at += 2;
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
                let bytes = &input[at..];
                let character = read_short(bytes).or_else(|| read_character(bytes, lead));
                let Some((code, length)) = character else {
                    return Err(Fault::new(
                        Code::JsonUtf8Invalid,
                        at,
                        "a string holds bytes that are not UTF-8",
                    ));
                };
                if length > bytes.len() {
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
                    decoded.extend_from_slice(&bytes[..length]);
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
                    let short = read_short(&bytes);
                    assert!(short.is_none() || short == std, "{bytes:x?}");
                }
            }
        }
    }
}
