//! What an unquoted scalar is: the typing rules of both generations of the library.

use super::Dialect;
use super::node::Tag;
use super::parse::{Limits, first_document};

/// A typed scalar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX` only.
    Uint(u64),
    Float(f64),
    /// In RFC 3339.
    Timestamp(String),
    Str,
}

impl Scalar {
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Scalar::Null => Tag::Null,
            Scalar::Bool(_) => Tag::Bool,
            Scalar::Int(_) | Scalar::Uint(_) => Tag::Int,
            Scalar::Float(_) => Tag::Float,
            Scalar::Timestamp(_) => Tag::Timestamp,
            Scalar::Str => Tag::Str,
        }
    }
}

/// The tag of an unquoted scalar.
pub(crate) fn plain_tag(text: &str, dialect: Dialect) -> Tag {
    plain(text, dialect, true).tag()
}

/// The meaning of an unquoted scalar. With an explicit tag other than `!!timestamp`, dates are not looked for.
pub(crate) fn plain(text: &str, dialect: Dialect, dates: bool) -> Scalar {
    match text.as_bytes().first() {
        None => return Scalar::Null,
        Some(b'.' | b'+' | b'-' | b'0'..=b'9') => {}
        Some(b'~' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') => {
            return word(text, dialect);
        }
        Some(_) => return Scalar::Str,
    }
    let special = match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    if let Some(value) = special {
        return Scalar::Float(value);
    }
    if text.starts_with('.') {
        return match parse_float(text, true) {
            Some(value) => Scalar::Float(value),
            None => Scalar::Str,
        };
    }
    if dates && let Some(time) = timestamp(text) {
        return Scalar::Timestamp(time);
    }
    number(&text.replace('_', ""), dialect)
}

fn word(text: &str, dialect: Dialect) -> Scalar {
    let legacy = dialect == Dialect::Legacy;
    match text {
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if legacy => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if legacy => Scalar::Bool(false),
        _ => Scalar::Str,
    }
}

fn number(text: &str, dialect: Dialect) -> Scalar {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = digits.len() != text.len();
    if let Some(magnitude) = integer(digits) {
        if let Some(value) = with_sign(magnitude, negative) {
            return value;
        }
        if !signed && magnitude <= u128::from(u64::MAX) {
            return Scalar::Uint(magnitude as u64);
        }
    }
    if is_float_form(digits)
        && let Some(value) = parse_float(text, false)
    {
        return Scalar::Float(value);
    }
    // A sign inside the digits (`0b-1`) is how the library reads it.
    for (prefix, radix, known) in [("0b", 2, true), ("0o", 8, dialect == Dialect::Current)] {
        if known
            && let Some(rest) = text.strip_prefix(prefix)
            && let Ok(value) = i64::from_str_radix(rest, radix)
        {
            return Scalar::Int(value);
        }
    }
    Scalar::Str
}

fn with_sign(magnitude: u128, negative: bool) -> Option<Scalar> {
    let value = i128::try_from(magnitude).ok()?;
    let value = if negative { -value } else { value };
    i64::try_from(value).ok().map(Scalar::Int)
}

/// Digits in the base their prefix names: `0x`, `0b`, `0o`, `0` (octal) or none.
fn integer(digits: &str) -> Option<u128> {
    let bytes = digits.as_bytes();
    let (radix, rest) = match bytes {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if rest.is_empty() || rest.len() > 100 || !rest.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u128::from_str_radix(rest, radix).ok()
}

/// `.5`, `1`, `1.`, `1.5`, each with an optional exponent.
fn is_float_form(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let all = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => all(fraction),
        Some((whole, fraction)) => all(whole) && (fraction.is_empty() || all(fraction)),
        None => all(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|e| all(e.strip_prefix(['+', '-']).unwrap_or(e)));
    mantissa_ok && exponent_ok
}

/// A decimal float in range. `loose` also takes what the library's own parser takes for text starting with a dot.
fn parse_float(text: &str, loose: bool) -> Option<f64> {
    if loose && !is_float_form(text) {
        return None;
    }
    text.parse::<f64>().ok().filter(|v| v.is_finite())
}

/// Whether the text, written unquoted, would be anything but a string to a YAML 1.1 parser.
pub(crate) fn is_not_a_string(text: &str) -> bool {
    if text.is_empty() || text.contains('\n') {
        return false;
    }
    let simple = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'+'))
        && !text.starts_with('-');
    if simple {
        return !matches!(
            plain(text, Dialect::Legacy, true),
            Scalar::Str | Scalar::Timestamp(_)
        );
    }
    match first_document(text.as_bytes(), Dialect::Legacy, Limits::default()) {
        Ok(Some(node)) => !matches!(
            node.tag,
            Tag::Str | Tag::Timestamp | Tag::Merge | Tag::Binary | Tag::Other(_)
        ),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// A date or a date and time, as RFC 3339 with what the library makes of missing parts.
fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    let mut rest = Cursor { text: bytes, at: 0 };
    let year = rest.number(4, 4)?;
    rest.expect(b'-')?;
    let month = rest.number(1, 2)?;
    rest.expect(b'-')?;
    let day = rest.number(1, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = [
        31,
        if leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    if !(1..=12).contains(&month) || day < 1 || day > days[month as usize - 1] {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.done() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let zoned = match rest.next()? {
        b'T' | b't' => true,
        b' ' => false,
        _ => return None,
    };
    let hour = rest.number(1, 2)?;
    rest.expect(b':')?;
    let minute = rest.number(1, 2)?;
    rest.expect(b':')?;
    let second = rest.number(1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = String::new();
    if matches!(rest.peek(), Some(b'.' | b',')) {
        rest.at += 1;
        while let Some(digit) = rest.peek().filter(u8::is_ascii_digit) {
            fraction.push(char::from(digit));
            rest.at += 1;
        }
        if fraction.is_empty() {
            return None;
        }
        fraction.truncate(9);
        let kept = fraction.trim_end_matches('0').len();
        fraction.truncate(kept);
        if !fraction.is_empty() {
            fraction.insert(0, '.');
        }
    }
    let zone = if zoned {
        match rest.next()? {
            b'Z' => "Z".to_owned(),
            sign @ (b'+' | b'-') => {
                let hours = rest.number(2, 2)?;
                rest.expect(b':')?;
                let minutes = rest.number(2, 2)?;
                if hours > 24 || minutes > 60 {
                    return None;
                }
                if hours == 0 && minutes == 0 {
                    "Z".to_owned()
                } else {
                    format!("{}{hours:02}:{minutes:02}", char::from(sign))
                }
            }
            _ => return None,
        }
    } else {
        "Z".to_owned()
    };
    rest.done()
        .then(|| format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let mut value = 0;
        let mut count = 0;
        while count < most {
            let Some(digit) = self.peek().filter(u8::is_ascii_digit) else {
                break;
            };
            value = value * 10 + u32::from(digit - b'0');
            self.at += 1;
            count += 1;
        }
        (count >= least).then_some(value)
    }

    fn done(&self) -> bool {
        self.at == self.text.len()
    }
}
