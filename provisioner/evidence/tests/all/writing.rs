//! What a writer makes, and what it refuses.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use evidence::{Bundle, Kind, Listed, NameError, WriteError, upload_order, verify};

use crate::support::*;

#[test]
fn a_bundle_holds_and_says_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("evidence");
    let sealed = bundle(&folder, &key(1));
    let verified = check(&folder).unwrap();
    assert_eq!(verified.manifest_sha256, sealed.manifest_sha256);
    assert_eq!(verified.manifest.head, sealed.head);
    assert_eq!((sealed.entries, verified.bytes), (4, 48));
    let missing = &verified.manifest.entries[3];
    assert_eq!(missing.missing.as_deref(), Some("denied"));
    assert_eq!(verified.manifest.signer, key(1).fingerprint());
    for (path, mode) in [
        ("", 0o700),
        ("ec2", 0o700),
        ("ec2/groups.json", 0o600),
        ("manifest.json", 0o600),
        ("manifest.sig", 0o600),
    ] {
        let found = std::fs::metadata(folder.join(path)).unwrap().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
    // The same inputs give the same bundle.
    let again = tempfile::tempdir().unwrap();
    assert_eq!(bundle(&again.path().join("again"), &key(1)), sealed);
}

#[test]
fn openssh_verifies_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("evidence");
    bundle(&inside, &key(1));
    let signers = folder.path().join("signers");
    std::fs::write(&signers, format!("auditor {}\n", key(1).public_line())).unwrap();
    for (namespace, holds) in [("rebuild-evidence", true), ("rebuild-approval", false)] {
        let status = Command::new("ssh-keygen")
            .args(["-q", "-Y", "verify", "-I", "auditor", "-n", namespace, "-f"])
            .arg(&signers)
            .arg("-s")
            .arg(inside.join("manifest.sig"))
            .stdin(std::fs::File::open(inside.join("manifest.json")).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("ssh-keygen is needed: the package openssh-client");
        assert_eq!(status.success(), holds, "{namespace}");
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("reset by peer"))
    }
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("evidence");
    let mut writer = begin(&folder);
    let time = at("2026-11-28T10:00:01Z");
    let long = "x".repeat(201);
    for (name, why) in [
        ("", NameError::Empty),
        ("a//b", NameError::Empty),
        ("a/./b", NameError::Empty),
        ("a/", NameError::Empty),
        ("/etc/passwd", NameError::Traversal),
        ("../x", NameError::Traversal),
        ("a/../../x", NameError::Traversal),
        ("a\\..\\x", NameError::Traversal),
        ("a\0b", NameError::Characters),
        ("naïve", NameError::Characters),
        ("manifest.json", NameError::Reserved),
        ("Manifest.sig", NameError::Reserved),
        ("manifest.json.partial", NameError::Reserved),
        ("manifest.json/x", NameError::Reserved),
        (&long, NameError::Length),
    ] {
        let error = writer
            .add(name, source("x"), time, &mut io::empty())
            .unwrap_err();
        assert!(
            matches!(error, WriteError::Name { why: found, .. } if found == why),
            "{name:?}: {error}"
        );
        assert!(writer.note_missing(name, source("x"), time, "no").is_err());
    }
    let failed = writer
        .add("a/b", source("x"), time, &mut Failing)
        .unwrap_err();
    assert!(matches!(failed, WriteError::Read { .. }), "{failed}");
    writer.limit(3);
    let large = writer
        .add("a/b", source("x"), time, &mut &b"four"[..])
        .unwrap_err();
    assert!(
        matches!(large, WriteError::TooLarge { limit: 3, .. }),
        "{large}"
    );
    writer
        .note_missing("a/b", source("x"), time, "reset by peer")
        .unwrap();
    let twice = writer
        .add("A/B", source("x"), time, &mut io::empty())
        .unwrap_err();
    assert!(matches!(twice, WriteError::Duplicate(_)), "{twice}");
    writer.finish(&key(1)).unwrap();
    assert_eq!(check(&folder).unwrap().manifest.entries.len(), 1);
    let again = evidence::Writer::new(&folder, header()).unwrap_err();
    assert!(matches!(again, WriteError::NotEmpty(_)), "{again}");
}

/// The same layout in something that is no folder.
struct Store(BTreeMap<String, Vec<u8>>);

impl Bundle for Store {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let listed = |(name, bytes): (&String, &Vec<u8>)| Listed {
            name: name.clone(),
            kind: Kind::File,
            size: bytes.len() as u64,
        };
        Ok(self.0.iter().map(listed).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Cursor::new(&self.0[name])))
    }
}

#[test]
fn a_copy_elsewhere_holds_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("evidence");
    bundle(&folder, &key(1));
    let files = upload_order(&folder).unwrap();
    assert_eq!(files.last().unwrap().0, "manifest.json");
    let mut store = Store(
        files
            .into_iter()
            .map(|(name, path)| (name, std::fs::read(path).unwrap()))
            .collect(),
    );
    assert!(verify(&store, &key(1).fingerprint()).is_ok());
    store.0.remove("journal.jsonl");
    let problems = verify(&store, &key(1).fingerprint()).unwrap_err();
    assert_eq!(problems[0].code(), "missing");
    assert_eq!(
        serde_json::to_value(&problems).unwrap()[0]["code"],
        "missing"
    );
}
