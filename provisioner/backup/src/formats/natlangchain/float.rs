//! Doubles written as Python's `repr` writes them.

/// Appends `value` as `json.dumps` spells it: shortest digits that read back the same, plain notation for exponents
/// from −4 to 15 and always with a fraction, else scientific with at least two exponent digits.
pub(super) fn write(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        out.extend_from_slice(b"Infinity");
        return;
    }
    if value == 0.0 {
        out.extend_from_slice(b"0.0");
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let (digits, count, point) = decompose(buffer.format_finite(value.abs()).as_bytes());
    let digits = &digits[..count];
    write_digits(out, digits, point);
}

/// Whether a decimal number of JSON is already spelled as [`write`] would spell it. False says nothing.
///
/// Decimals of up to 15 significant digits survive as doubles (C's `DBL_DIG`), so no shorter one reads back the same and
/// only the notation is left to be looked at.
pub(super) fn is_canonical(token: &[u8]) -> bool {
    /// The point counts too.
    const LONGEST: usize = 16;
    let number = token.strip_prefix(b"-").unwrap_or(token);
    number.len() <= LONGEST
        && number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
        && (!number.ends_with(b"0") || number.ends_with(b".0"))
        && !number.starts_with(b"0.0000")
}

/// Splits a positive decimal number into its significant digits and the place of the decimal point relative to their
/// start. A double has at most 17 significant digits; `ryu` pads integers with zeros, which are dropped here.
fn decompose(text: &[u8]) -> ([u8; 32], usize, i32) {
    let (mantissa, exponent) = match text.iter().position(|&byte| byte == b'e') {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])),
        None => (text, 0),
    };
    let mut digits = [0_u8; 32];
    let mut count = 0;
    let mut point = 0;
    let mut seen_point = false;
    for &byte in mantissa {
        if byte == b'.' {
            seen_point = true;
            continue;
        }
        if count == 0 && byte == b'0' {
            // A zero in front: it is no digit, but after the point it moves the point.
            if seen_point {
                point -= 1;
            }
            continue;
        }
        if count < digits.len() {
            digits[count] = byte;
            count += 1;
        }
        if !seen_point {
            point += 1;
        }
    }
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    (digits, count, point + exponent)
}

fn parse_exponent(text: &[u8]) -> i32 {
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        _ => (false, text),
    };
    let magnitude = digits.iter().fold(0_i32, |sum, &byte| {
        sum * 10 + i32::from(byte.wrapping_sub(b'0'))
    });
    if negative { -magnitude } else { magnitude }
}

fn write_digits(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    if (-3..=16).contains(&point) {
        if point <= 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
            out.extend_from_slice(digits);
            return;
        }
        let whole = point.unsigned_abs() as usize;
        if whole >= digits.len() {
            out.extend_from_slice(digits);
            out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
            out.extend_from_slice(b".0");
        } else {
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
        return;
    }
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    let exponent = point - 1;
    out.push(b'e');
    out.push(if exponent < 0 { b'-' } else { b'+' });
    let magnitude = exponent.unsigned_abs();
    if magnitude >= 100 {
        out.push(b'0' + (magnitude / 100) as u8);
    }
    out.push(b'0' + (magnitude / 10 % 10) as u8);
    out.push(b'0' + (magnitude % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_canonical_is_what_would_be_written() {
        let written = |token: &str| {
            let mut out = Vec::new();
            write(&mut out, token.parse().unwrap());
            String::from_utf8(out).unwrap()
        };
        for whole in ["0", "1", "9", "10", "1000", "999999999", "99999999999999"] {
            for fraction in [
                "0",
                "00",
                "1",
                "10",
                "01",
                "0001",
                "00001",
                "00000",
                "99999",
                "123456789012345",
            ] {
                for sign in ["", "-"] {
                    let token = format!("{sign}{whole}.{fraction}");
                    if is_canonical(token.as_bytes()) {
                        assert_eq!(written(&token), token);
                    }
                }
            }
        }
        for (token, canonical) in [
            ("0.2744", true),
            ("-0.0", true),
            ("0.0001", true),
            ("0.00001", false),
            ("1.50", false),
            ("100.0", true),
            ("1e5", false),
            ("1.0E5", false),
            ("0.30010000000000003", false),
        ] {
            assert_eq!(is_canonical(token.as_bytes()), canonical, "{token}");
        }
    }
}
