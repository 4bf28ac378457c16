//! The reference's own cases, kept outside of this repository.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use overlay::{LoadRestrictor, MemoryTree, Options, Reorder, render};
use regex::Regex;
use serde_json::Value;

/// What the cases write for the directory they stand in.
const TOKEN: &str = "/@ROOT@";
const ROOT: &str = "/cases/root";

#[test]
fn every_case_of_the_reference_passes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kustomize/cases.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("the cases are needed at {}: {e}", path.display()));
    let cases: Value = serde_json::from_str(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() >= 240, "only {} cases", cases.len());
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let told = run(case).err()?;
            Some(format!("{}: {told}", case["id"].as_str().unwrap()))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

fn run(case: &Value) -> Result<(), String> {
    let mut tree = MemoryTree::new();
    let files: BTreeMap<String, Value> = serde_json::from_value(case["files"].clone()).unwrap();
    for (path, content) in &files {
        let content = match content {
            Value::String(text) => text.replace(TOKEN, ROOT).into_bytes(),
            other => base64::engine::general_purpose::STANDARD
                .decode(other["base64"].as_str().unwrap())
                .unwrap(),
        };
        tree.insert(&format!("{ROOT}/{path}"), content);
    }
    let given = &case["options"];
    let options = Options {
        reorder: match given["Reorder"].as_str() {
            Some("legacy" | "unspecified") => Reorder::Legacy,
            _ => Reorder::None,
        },
        load_restrictor: match given["LoadRestrictions"].as_str() {
            Some("none") => LoadRestrictor::None,
            _ => LoadRestrictor::RootOnly,
        },
        managed_by_label: given["AddManagedbyLabel"] == true,
        ..Options::default()
    };
    let directory = format!("{ROOT}/{}", case["path"].as_str().unwrap());
    let result = render(&tree, &directory, &options)
        .map(|rendered| rendered.to_yaml())
        .map_err(|error| error.to_string());
    let recorded;
    let expect = if case["tier"] == "oracle" {
        recorded = recorded_outcome(&case["oracle"]["reorder_none"]);
        &recorded
    } else {
        &case["expect"]
    };
    match (expect["kind"].as_str().unwrap(), result) {
        ("error", Ok(_)) => Err("rendered, where an error is expected".to_owned()),
        ("error", Err(told)) => check_error(expect, &told),
        (_, Err(told)) => Err(format!("an error: {told}")),
        ("success", Ok(_)) => Ok(()),
        ("output_contains", Ok(output)) => check_parts(expect, &output),
        (_, Ok(output)) => check_output(case, expect, output),
    }
}

/// Some cases are written for another way of calling; they are held to what the reference's program printed.
fn recorded_outcome(recorded: &Value) -> Value {
    if recorded["rc"] == 0 {
        serde_json::json!({"kind": "output", "yaml": recorded["stdout"]})
    } else {
        serde_json::json!({"kind": "error"})
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap().replace(TOKEN, ROOT))
        .collect()
}

fn check_output(case: &Value, expect: &Value, mut output: String) -> Result<(), String> {
    for pair in case["normalize"].as_array().into_iter().flatten() {
        let [from, to] = [&pair[0], &pair[1]].map(|v| v.as_str().unwrap());
        output = Regex::new(from)
            .unwrap()
            .replace_all(&output, regex::NoExpand(to))
            .into_owned();
    }
    let wanted = expect["yaml"].as_str().unwrap().replace(TOKEN, ROOT);
    if output == wanted {
        return Ok(());
    }
    let first = output
        .lines()
        .zip(wanted.lines())
        .position(|(a, b)| a != b)
        .unwrap_or_else(|| output.lines().count().min(wanted.lines().count()));
    Err(format!(
        "line {}: {:?} instead of {:?}",
        first + 1,
        output.lines().nth(first),
        wanted.lines().nth(first)
    ))
}

fn check_parts(expect: &Value, output: &str) -> Result<(), String> {
    for part in texts(&expect["contains"]) {
        if !output.contains(&part) {
            return Err(format!("{part:?} is not in the output"));
        }
    }
    for part in texts(&expect["not_contains"]) {
        if output.contains(&part) {
            return Err(format!("{part:?} is in the output"));
        }
    }
    Ok(())
}

fn check_error(expect: &Value, told: &str) -> Result<(), String> {
    let joined = Regex::new(r"\s*\n\s*")
        .unwrap()
        .replace_all(told, " ")
        .into_owned();
    let forms = [told.to_owned(), told.replace(ROOT, ""), joined];
    let wanted = texts(&expect["contains"]).into_iter().chain(
        expect["equals"]
            .as_str()
            .map(|text| text.replace(TOKEN, ROOT)),
    );
    for part in wanted {
        if !forms.iter().any(|form| form.contains(&part)) {
            return Err(format!("{part:?} is not in {told:?}"));
        }
    }
    for pattern in texts(&expect["regex"]) {
        if !Regex::new(&pattern).unwrap().is_match(told) {
            return Err(format!("{told:?} does not match {pattern:?}"));
        }
    }
    Ok(())
}
