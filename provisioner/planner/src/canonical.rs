//! Canonical JSON: the one text of a value, for digests and hashes.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The canonical text: keys sorted by code point, no white space, numbers as written.
///
/// The order of RFC 8785 with numbers left as their source text, so no precision is lost.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(&map[key], out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Lower-case hex SHA-256 of the canonical text.
pub fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(text(value).as_bytes()))
}

/// Lower-case hex SHA-256 of bytes.
pub fn digest_bytes(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// [`digest`] of anything that serialises.
///
/// # Errors
/// When the value can't be JSON (a map with keys that are no strings).
pub fn digest_of<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    Ok(digest(&serde_json::to_value(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        assert_eq!(
            text(&json!({"b": [{"z": 1, "a": null}], "a": "\u{7f}é"})),
            "{\"a\":\"\u{7f}é\",\"b\":[{\"a\":null,\"z\":1}]}"
        );
    }
}
