//! Kubernetes quantities, as far as comparing two needs it.

/// Whether two texts are the same quantity: `1000m` and `1`, `1024Mi` and `1Gi`.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    matches!((nanos(a), nanos(b)), (Some(a), Some(b)) if a == b)
}

/// Billionths of the unit, if the text is a quantity of at most 18 digits.
fn nanos(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale: i128 = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => 1_000_000_000,
        "k" => 1_000_000_000_000,
        "M" => 1_000_000_000_000_000,
        "G" => 1_000_000_000_000_000_000,
        "T" => 1_000_000_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000_000_000,
        "Ki" => 1_000_000_000 << 10,
        "Mi" => 1_000_000_000 << 20,
        "Gi" => 1_000_000_000 << 30,
        "Ti" => 1_000_000_000_i128 << 40,
        "Pi" => 1_000_000_000_i128 << 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() > 18
        || fraction.len() > 9
        || whole.trim_start_matches(['+', '-']).is_empty() && fraction.is_empty()
    {
        return None;
    }
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let digits = whole.trim_start_matches(['+', '-']);
    let whole: i128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let part: i128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let part = part.checked_mul(scale)? / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(sign * whole.checked_mul(scale)?.checked_add(part)?)
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn quantities() {
        for (a, b) in [
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("0.5", "500m"),
            ("1k", "1000"),
            ("-1.5", "-1500m"),
        ] {
            assert!(equal(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("1", "2"),
            ("1M", "1Mi"),
            ("", ""),
            ("a", "a"),
            ("1.2.3", "1.2.3"),
            ("-", "-"),
        ] {
            assert!(!equal(a, b), "{a} {b}");
        }
    }
}
