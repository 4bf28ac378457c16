//! A small bundle.

use std::path::Path;

use approval::PrivateKey;
use evidence::{Folder, Header, Problem, Purpose, Sealed, Source, Verified, Writer, verify};
use jiff::Timestamp;

pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn source(call: &str) -> Source {
    Source {
        call: call.to_owned(),
        service: "ec2.eu-central-1".to_owned(),
    }
}

pub fn header() -> Header {
    Header {
        environment: "production".to_owned(),
        generations: vec!["20261128-9dc4".to_owned()],
        purpose: Purpose::Evidence,
        created: at("2026-11-28T10:00:00Z"),
        tool: "rebuild 0.1.0".to_owned(),
    }
}

pub fn begin(folder: &Path) -> Writer {
    Writer::new(folder, header()).unwrap()
}

/// Three files and one that is missing.
pub fn bundle(folder: &Path, signer: &PrivateKey) -> Sealed {
    let mut writer = begin(folder);
    let time = at("2026-11-28T10:00:01Z");
    for (name, content) in [
        ("ec2/instances.json", "{\"Reservations\":[]}"),
        ("ec2/groups.json", "{\"SecurityGroups\":[]}"),
        ("journal.jsonl", "one\ntwo\n"),
    ] {
        writer
            .add(name, source("Describe"), time, &mut content.as_bytes())
            .unwrap();
    }
    writer
        .note_missing("ec2/flow.json", source("DescribeFlowLogs"), time, "denied")
        .unwrap();
    writer.finish(signer).unwrap()
}

pub fn check(folder: &Path) -> Result<Verified, Vec<Problem>> {
    verify(&Folder::new(folder), &key(1).fingerprint())
}

pub fn codes(folder: &Path) -> Vec<&'static str> {
    let mut codes: Vec<&str> = match check(folder) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::code).collect(),
    };
    codes.sort_unstable();
    codes
}
