//! Floating-point numbers as text, in the two forms the reference writes them.

/// Decimal digits and exponent of the shortest text that reads back as `value`: `d.ddd × 10^exponent`.
fn shortest(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse().unwrap_or(0))
}

fn fixed(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        format!("{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        format!("{}.{}", &digits[..whole], &digits[whole..])
    }
}

fn scientific(digits: &str, exponent: i32, pad: usize) -> String {
    let fraction = if digits.len() > 1 {
        format!(".{}", &digits[1..])
    } else {
        String::new()
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}{fraction}e{sign}{:0pad$}", &digits[..1], exponent.abs())
}

/// As YAML is written: `1e+06`, `0.5`, `.inf`.
pub(crate) fn general(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = shortest(value.abs());
    let body = if (-4..6).contains(&exponent) {
        fixed(&digits, exponent)
    } else {
        scientific(&digits, exponent, 2)
    };
    format!("{sign}{body}")
}

/// As JSON is written: fixed between 1e-6 and 1e21, else with a short exponent. Not for infinities.
pub(crate) fn json(value: f64) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let magnitude = value.abs();
    let (digits, exponent) = shortest(magnitude);
    let body = if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        scientific(&digits, exponent, if exponent < 0 { 1 } else { 2 })
    } else {
        fixed(&digits, exponent)
    };
    format!("{sign}{body}")
}
