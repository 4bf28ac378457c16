//! Spans of time in words.

/// `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: the two largest units.
pub fn spoken(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = UNITS
        .iter()
        .position(|(length, _)| seconds >= *length)
        .unwrap_or(3);
    let (length, unit) = UNITS[first];
    let mut text = format!("{} {unit}", seconds / length);
    if let Some((smaller, unit)) = UNITS.get(first + 1) {
        let rest = (seconds % length) / smaller;
        if rest > 0 {
            text.push_str(&format!(" {rest} {unit}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (45, "45 s"),
            (200, "3 min 20 s"),
            (7_500, "2 h 5 min"),
            (273_600, "3 d 4 h"),
            (3_601, "1 h"),
        ] {
            assert_eq!(super::spoken(seconds), text);
        }
    }
}
