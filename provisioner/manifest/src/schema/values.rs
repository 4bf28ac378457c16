//! Values of scalar types.

use serde_json::{Number, Value};

use super::table::Shape;

/// Whether a value that is no object and no list is of a type.
pub(super) fn is(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Text => value.is_string(),
        Shape::Boolean => value.is_boolean(),
        Shape::Int32 => integer(value).is_some_and(|number| i32::try_from(number).is_ok()),
        Shape::Int64 => integer(value).is_some(),
        Shape::Number => value.is_number(),
        Shape::Quantity => value.is_string() || value.is_number(),
        Shape::IntOrText => {
            value.is_string() || integer(value).is_some_and(|number| i32::try_from(number).is_ok())
        }
        Shape::Object | Shape::Of(_) | Shape::Map(_) => value.is_object(),
        Shape::List(_) => value.is_array(),
    }
}

/// The integer that a value is, `1.0` counting as one.
pub(super) fn integer(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| whole(number))
}

fn whole(number: &Number) -> Option<i64> {
    let text = number.to_string();
    let (digits, fraction) = text.split_once('.')?;
    fraction
        .bytes()
        .all(|byte| byte == b'0')
        .then(|| digits.parse().ok())?
}

/// Whether a text is a quantity, as `apimachinery` defines it:
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
pub(super) fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let is_number = number.bytes().filter(|byte| *byte == b'.').count() <= 1
        && number.bytes().any(|byte| byte.is_ascii_digit());
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_number
        && match suffix {
            "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" => true,
            "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => true,
            _ => suffix.strip_prefix(['e', 'E']).is_some_and(is_exponent),
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{integer, is, is_quantity};
    use crate::schema::table::Shape;

    #[test]
    fn quantities() {
        for text in [
            "0", "1", "500m", "1.5", ".5", "5.", "2Gi", "1e3", "1E-3", "-1", "+128Mi", "4E", "100n",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in [
            "", "m", "1 Gi", "512MB", "2gi", "1K", "1.2.3", ".", "1e", "1e+", "ten", "0x10", "1Gi ",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn integers() {
        assert_eq!(integer(&json!(3)), Some(3));
        assert_eq!(integer(&json!(3.0)), Some(3));
        assert_eq!(integer(&json!(3.5)), None);
        assert_eq!(integer(&json!("3")), None);
        assert!(is(&Shape::Int32, &json!(i32::MAX)) && !is(&Shape::Int32, &json!(1_i64 << 31)));
        assert!(is(&Shape::IntOrText, &json!("http")) && !is(&Shape::IntOrText, &json!(true)));
    }
}
