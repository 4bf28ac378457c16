//! Canonical JSON against what Python itself wrote.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::canonical::Canonical;
use super::fault::Scan;
use super::float;
use super::text::{self, StringFacts};
use crate::Limits;

fn vector(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/natlangchain/vectors")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

pub(super) fn canonical(json: &str) -> String {
    let mut reader = Canonical::new(Limits::default());
    // A number ends only where something else begins.
    let input = format!("{json} ");
    assert_eq!(
        reader.value(input.as_bytes(), 0).unwrap(),
        Scan::Done(json.len()),
        "{json}"
    );
    String::from_utf8(std::mem::take(&mut reader.out)).unwrap()
}

#[test]
fn floats_are_written_as_python_writes_them() {
    for line in vector("floats.tsv").lines() {
        let (bits, expected) = line.split_once('\t').unwrap();
        let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        let mut out = Vec::new();
        float::write(&mut out, value);
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected, "{bits}");
        if value.is_finite() && expected.contains(['.', 'e']) {
            assert_eq!(canonical(expected), expected);
        }
    }
}

#[test]
fn strings_are_written_as_python_writes_them() {
    for line in vector("strings.tsv").lines() {
        let (code, expected) = line.split_once('\t').unwrap();
        let code = u32::from_str_radix(code, 16).unwrap();
        // As an escape.
        assert_eq!(canonical(expected), expected);
        let units: Vec<u16> = match char::from_u32(code) {
            Some(character) => character.encode_utf16(&mut [0; 2]).to_vec(),
            None => vec![code as u16],
        };
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
        assert_eq!(canonical(&format!("\"{escaped}\"")), expected, "{code}");
        // As itself, where JSON allows it.
        if let Some(character) = char::from_u32(code)
            .filter(|character| *character >= ' ' && !['"', '\\'].contains(character))
        {
            assert_eq!(canonical(&format!("\"{character}\"")), expected, "{code}");
        }
    }
}

#[test]
fn blocks_are_hashed_as_python_hashes_them() {
    let mut count = 0;
    for line in vector("canonical_blocks.jsonl").lines() {
        let vector: serde_json::Value = serde_json::from_str(line).unwrap();
        let expected = vector["canonical"].as_str().unwrap();
        let ours = canonical(expected);
        assert_eq!(ours, expected);
        assert_eq!(
            hex::encode(Sha256::digest(&ours)),
            vector["sha256"].as_str().unwrap()
        );
        count += 1;
    }
    assert_eq!(count, 60);
}

#[test]
fn keys_are_ordered_by_code_point_and_the_last_of_equals_wins() {
    for (json, expected) in [
        (r#"{"b":1,"a":2}"#, r#"{"a": 2, "b": 1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
        (
            r#"{"a":1,"b":0,"\u0061":[2,{"d":1,"c":2}]}"#,
            r#"{"a": [2, {"c": 2, "d": 1}], "b": 0}"#,
        ),
        // UTF-16 order would put the astral one before the private one.
        (
            "{\"\u{10000}\":1,\"\u{e000}\":2,\"\\ud800\":3,\"\\udfff\":4,\"\u{d7ff}\":5}",
            r#"{"\ud7ff": 5, "\ud800": 3, "\udfff": 4, "\ue000": 2, "\ud800\udc00": 1}"#,
        ),
        (
            "[ 1 , -0 , -0.0 , 1E5 , 1e16, 1e999, -1e999, NaN, 1e-400 ]",
            "[1, 0, -0.0, 100000.0, 1e+16, Infinity, -Infinity, NaN, 0.0]",
        ),
        // Half way between two spellings: Python takes the even one.
        (
            "[-1110373482676715.25, 1110373482676715.75]",
            "[-1110373482676715.2, 1110373482676715.8]",
        ),
        ("{ }", "{}"),
        ("[\n]", "[]"),
        (r#""\/\u002F\"\\""#, r#""//\"\\""#),
        (
            r#""\ud83d\ude00 \ud83dx \ude00""#,
            r#""\ud83d\ude00 \ud83dx \ude00""#,
        ),
    ] {
        assert_eq!(canonical(json), expected);
    }
}

#[test]
fn what_python_refuses_is_refused() {
    for json in [
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "1e+",
        "tru ",
        "nul1",
        "'a'",
        "{a:1}",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "{\"a\" 1}",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "-NaN",
        "[1}",
        "{\"a\":1]",
        "\"\u{1}\"",
        "nan",
        "INF",
    ] {
        let mut reader = Canonical::new(Limits::default());
        let input = format!("[{json}]                    ");
        assert!(reader.value(input.as_bytes(), 0).is_err(), "{json}");
    }
    let digits = "7".repeat(4_301);
    let mut reader = Canonical::new(Limits::default());
    assert!(reader.value(format!("{digits} ").as_bytes(), 0).is_err());
    assert_eq!(canonical(&digits[1..]), digits[1..]);
    for bytes in [
        &b"\"\xff\" "[..],
        b"\"\xed\xa0\x80\" ",
        b"\"\xc0\x80\" ",
        b"\"\xf4\x90\x80\x80\" ",
        b"\"\xe2\x82\" ",
    ] {
        let mut out = Vec::new();
        assert!(text::read(bytes, 0, &mut out, None, &mut StringFacts::default()).is_err());
    }
}
