//! Random documents: the streaming hasher against a reference that is as simple as possible.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::vectors::canonical;
use crate::{Code, Options, Verifier};

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Integer(String),
    Float(f64),
    Text(Vec<u16>),
    List(Vec<Json>),
    Object(Vec<(Vec<u16>, Json)>),
}

fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        6 => 0x20_u16..0x7f,
        1 => 0_u16..0x20,
        1 => Just(0x7f_u16),
        1 => Just(0x22_u16),
        1 => Just(0x5c_u16),
        2 => 0x80_u16..0xd800,
        1 => 0xd800_u16..0xe000,
        1 => 0xe000_u16..=0xffff,
    ];
    vec(unit, 0..12)
}

/// Doubles of all sizes. Where two shortest spellings are equally near, std takes another than Python does (which takes
/// the even one, as a case among the vectors shows), so those few are left out of the comparison with std.
fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        (-400_i32..400, 1_u32..1000)
            .prop_map(|(exponent, digits)| format!("{digits}e{exponent}").parse().unwrap()),
        (any::<i32>(), 0_i32..6).prop_map(|(number, shift)| f64::from(number) / 10_f64.powi(shift)),
    ]
    .prop_filter("two spellings are equally near", |value| {
        let significant = |text: String| -> String {
            let mantissa = text.split('e').next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').to_owned()
        };
        !value.is_finite()
            || significant(format!("{value:e}"))
                == significant(ryu::Buffer::new().format_finite(*value).to_owned())
    })
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,40})".prop_map(Json::Integer),
        floats().prop_map(Json::Float),
        units().prop_map(Json::Text),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::List),
            vec(
                (prop_oneof![units(), vec(0x61_u16..0x64, 0..2)], inner),
                0..6
            )
            .prop_map(Json::Object),
        ]
    })
}

/// Code points of UTF-16, lone surrogates as themselves.
fn code_points(units: &[u16]) -> Vec<u32> {
    char::decode_utf16(units.iter().copied())
        .map(|result| result.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from))
        .collect()
}

fn reference_text(units: &[u16]) -> String {
    let mut out = String::from("\"");
    for &unit in units {
        match unit {
            0x22 => out.push_str("\\\""),
            0x5c => out.push_str("\\\\"),
            0x0a => out.push_str("\\n"),
            0x0d => out.push_str("\\r"),
            0x09 => out.push_str("\\t"),
            0x0c => out.push_str("\\f"),
            0x08 => out.push_str("\\b"),
            0x20..0x7f => out.push(char::from(unit as u8)),
            _ => write!(out, "\\u{unit:04x}").unwrap(),
        }
    }
    out + "\""
}

/// Python's `repr` by way of Rust's own scientific notation.
fn reference_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if (-4..16).contains(&exponent) || value == 0.0 {
        let plain = format!("{value}");
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn reference(json: &Json) -> String {
    match json {
        Json::Null => "null".into(),
        Json::Bool(value) => value.to_string(),
        Json::Integer(digits) if digits == "-0" => "0".into(),
        Json::Integer(digits) => digits.clone(),
        Json::Float(value) => reference_float(*value),
        Json::Text(units) => reference_text(units),
        Json::List(items) => format!(
            "[{}]",
            items.iter().map(reference).collect::<Vec<_>>().join(", ")
        ),
        Json::Object(members) => {
            let map: BTreeMap<Vec<u32>, (&Vec<u16>, &Json)> = members
                .iter()
                .map(|(key, value)| (code_points(key), (key, value)))
                .collect();
            let members: Vec<String> = map
                .values()
                .map(|(key, value)| format!("{}: {}", reference_text(key), reference(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Spells a document in one of many ways; `dice` decides about white space and escapes.
fn spell(json: &Json, dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
    let space = |dice: &mut dyn FnMut(usize) -> usize, out: &mut String| {
        out.push_str(["", " ", "\n\t", "\r\n  "][dice(4)])
    };
    match json {
        Json::Float(value) if value.is_finite() && dice(2) == 0 => {
            let text = format!("{value:e}");
            out.push_str(&if dice(2) == 0 {
                text.replace('e', "E+").replace("E+-", "E-")
            } else {
                text
            });
        }
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) => match json {
            Json::Integer(digits) => out.push_str(digits),
            other => out.push_str(&reference(other)),
        },
        Json::Text(units) => spell_text(units, dice, out),
        Json::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                space(dice, out);
                spell(item, dice, out);
                space(dice, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                space(dice, out);
                spell_text(key, dice, out);
                space(dice, out);
                out.push(':');
                space(dice, out);
                spell(value, dice, out);
                space(dice, out);
            }
            out.push('}');
        }
    }
}

fn spell_text(units: &[u16], dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
    out.push('"');
    for result in char::decode_utf16(units.iter().copied()) {
        match result {
            Ok(character)
                if character >= ' ' && character != '"' && character != '\\' && dice(3) > 0 =>
            {
                out.push(character)
            }
            Ok('/') => out.push_str("\\/"),
            Ok(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    if dice(2) == 0 {
                        write!(out, "\\u{unit:04x}").unwrap();
                    } else {
                        write!(out, "\\u{unit:04X}").unwrap();
                    }
                }
            }
            Err(lone) => write!(out, "\\u{:04x}", lone.unpaired_surrogate()).unwrap(),
        }
    }
    out.push('"');
}

fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % sides
    }
}

/// `json.dumps` of the reference text has separators that a spelled text lacks, so both sides spell the same document.
fn spelled(json: &Json, seed: u64) -> String {
    let mut out = String::new();
    spell(json, &mut dice(seed), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn canonical_text_equals_the_reference(json in json(), seed in any::<u64>()) {
        prop_assert_eq!(canonical(&spelled(&json, seed)), reference(&json));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn block_hashes_equal_the_reference(
        entries in vec((units(), units(), json(), proptest::option::of(json())), 0..4),
        order in any::<u64>(),
        piece in 1_usize..200,
    ) {
        let text = |word: &str| Json::Text(word.encode_utf16().collect());
        let key = |word: &str| word.encode_utf16().collect::<Vec<u16>>();
        let mut dice = dice(order);
        let truthy = |json: &Json| {
            !matches!(reference(json).as_str(), "null" | "false" | "0" | "0.0" | "-0.0" | "\"\"" | "[]" | "{}")
        };
        let mut hashed = Vec::new();
        let mut stored = Vec::new();
        for (content, author, metadata, refs) in entries {
            let mut fields = vec![
                (key("content"), Json::Text(content)),
                (key("author"), Json::Text(author)),
                (key("intent"), text("Offer")),
                (key("timestamp"), text("2025-11-24T16:00:00")),
            ];
            let mut kept = fields.clone();
            kept.push((key("metadata"), if truthy(&metadata) { metadata.clone() } else { Json::Object(vec![]) }));
            kept.push((key("validation_status"), text("pending")));
            kept.push((key("validation_paraphrases"), Json::List(vec![])));
            fields.push((key("metadata"), metadata));
            if let Some(refs) = refs {
                if truthy(&refs) {
                    kept.push((key("parent_refs"), refs.clone()));
                }
                fields.push((key("parent_refs"), refs));
            }
            for index in (1..fields.len()).rev() {
                fields.swap(index, dice(index + 1));
            }
            hashed.push(Json::Object(kept));
            stored.push(Json::Object(fields));
        }
        let scalars = [
            (key("index"), Json::Integer("0".into())),
            (key("previous_hash"), text("0")),
            (key("timestamp"), Json::Float(1_764_000_000.25)),
        ];
        let mut block = vec![(key("entries"), Json::List(hashed)), (key("nonce"), Json::Integer("0".into()))];
        block.extend(scalars.clone());
        let hash = hex::encode(Sha256::digest(reference(&Json::Object(block))));
        let mut block = vec![(key("entries"), Json::List(stored)), (key("hash"), text(&hash))];
        block.extend(scalars);
        for index in (1..block.len()).rev() {
            block.swap(index, dice(index + 1));
        }
        let file = spelled(&Json::Object(vec![(key("chain"), Json::List(vec![Json::Object(block)]))]), order);
        let mut options = Options::at(1_800_000_000);
        options.threaded = false;
        let mut verifier = Verifier::new(options);
        for piece in file.as_bytes().chunks(piece) {
            verifier.push(piece);
        }
        let verdict = verifier.finish().unwrap().verdict;
        prop_assert_eq!(verdict.head.as_deref(), Some(hash.as_str()), "{:?}", verdict.findings);
        prop_assert!(verdict.findings.iter().all(|finding| finding.code != Code::BlockHashMismatch));
    }

    #[test]
    fn no_bytes_make_it_fail(bytes in vec(any::<u8>(), 0..300), start in 0_usize..4, piece in 1_usize..50) {
        let head: &[u8] = [&b""[..], b"{\"chain\":[{\"entries\":[{", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"{\"pending_entries\":["][start];
        let mut options = Options::at(0);
        options.threaded = false;
        let all = [head, &bytes].concat();
        let mut verifier = Verifier::new(options.clone());
        verifier.push(&all);
        let whole = verifier.finish();
        let mut verifier = Verifier::new(options);
        for piece in all.chunks(piece) {
            verifier.push(piece);
        }
        match (whole, verifier.finish()) {
            (Ok(whole), Ok(cut)) => prop_assert_eq!(whole, cut),
            (Err(_), Err(_)) => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
