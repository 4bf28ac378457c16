//! The hash of a block against a reference that is as simple as possible.
#![no_main]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use backup::{Code, Options, Verdict, Verifier};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const HEAD: &str = r#"{"chain":[{"index":0,"timestamp":1.5,"previous_hash":"0","nonce":0,"entries":[{"author":"a","content":"c","intent":"i","timestamp":"t","metadata":"#;
const TAIL: &str = "}]}]}";

/// Nothing when it looks encrypted.
fn check(text: &[u8], piece: usize) -> Option<Verdict> {
    let mut options = Options::at(1_800_000_000);
    options.threaded = false;
    let mut verifier = Verifier::new(options);
    for piece in text.chunks(piece.max(1)) {
        verifier.push(piece);
    }
    verifier.finish().ok().map(|verified| verified.verdict)
}

fn text(value: &str, out: &mut String) {
    out.push('"');
    for unit in value.encode_utf16() {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x0c => out.push_str("\\f"),
            0x08 => out.push_str("\\b"),
            0x20..0x7f => out.push(char::from(unit as u8)),
            _ => write!(out, "\\u{unit:04x}").expect("a string takes everything"),
        }
    }
    out.push('"');
}

/// `None` where two shortest spellings are equally near, of which std and Python may take different ones.
fn float(value: f64, out: &mut String) -> Option<()> {
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
        return Some(());
    }
    let digits = |text: &str| -> String {
        let mantissa = text.split('e').next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    let scientific = format!("{value:e}");
    if digits(&scientific) != digits(ryu::Buffer::new().format_finite(value)) {
        return None;
    }
    let (mantissa, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if value == 0.0 || (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        out.push_str(&plain);
        if !plain.contains('.') {
            out.push_str(".0");
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{mantissa}e{sign}{:02}", exponent.abs()).expect("a string takes everything");
    }
    Some(())
}

/// `None` when Python would not read it, or when the reference can't say.
fn reference(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => write!(out, "{value}").expect("a string takes everything"),
        Value::Number(number) => {
            let token = number.as_str();
            if token.contains(['.', 'e', 'E']) {
                float(token.parse().ok()?, out)?;
            } else if token.trim_start_matches('-').len() > 4_300 {
                return None;
            } else {
                out.push_str(if token == "-0" { "0" } else { token });
            }
        }
        Value::String(value) => text(value, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                reference(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let members: BTreeMap<&str, &Value> = members
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect();
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                text(key, out);
                out.push_str(": ");
                reference(value, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let piece = usize::from(piece);
    assert_eq!(check(bytes, bytes.len()), check(bytes, piece));
    let file = [HEAD.as_bytes(), bytes, TAIL.as_bytes()].concat();
    let verdict = check(&file, file.len()).expect("it begins like a chain");
    assert_eq!(check(&file, piece).as_ref(), Some(&verdict));
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    // Its number type hides in an object of this name.
    if String::from_utf8_lossy(bytes).contains("$serde_json") {
        return;
    }
    let mut metadata = String::new();
    if reference(&value, &mut metadata).is_none() {
        return;
    }
    if matches!(
        metadata.as_str(),
        "null" | "false" | "0" | "0.0" | "-0.0" | "\"\"" | "[]"
    ) {
        metadata = "{}".to_owned();
    }
    let canonical = format!(
        "{{\"entries\": [{{\"author\": \"a\", \"content\": \"c\", \"intent\": \"i\", \"metadata\": {metadata}, \"timestamp\": \"t\", \
         \"validation_paraphrases\": [], \"validation_status\": \"pending\"}}], \"index\": 0, \"nonce\": 0, \
         \"previous_hash\": \"0\", \"timestamp\": 1.5}}"
    );
    let limited = verdict.findings.iter().any(|finding| {
        matches!(
            finding.code,
            Code::LimitWhitespace | Code::LimitEntrySize | Code::LimitCanonicalSize | Code::LimitMembers | Code::LimitWork
        )
    });
    if !limited {
        assert_eq!(
            verdict.head.as_deref(),
            Some(hex::encode(Sha256::digest(canonical)).as_str()),
            "{:?}",
            verdict.findings
        );
    }
});
