//! One row for each way to tamper.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use approval::detached;
use evidence::{LARGEST_MANIFEST, Manifest};

use crate::support::*;

type Change = Box<dyn Fn(&Path)>;

fn edit(change: impl Fn(&mut Manifest) + 'static) -> Change {
    Box::new(move |folder| {
        rewrite(folder, &change);
    })
}

fn rewrite(folder: &Path, change: &dyn Fn(&mut Manifest)) -> Vec<u8> {
    let path = folder.join("manifest.json");
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    let bytes = (serde_json::to_string(&manifest).unwrap() + "\n").into_bytes();
    fs::write(&path, &bytes).unwrap();
    bytes
}

/// What an inside attacker with the key could do: the signature holds.
fn insider(change: impl Fn(&mut Manifest) + 'static) -> Change {
    Box::new(move |folder| {
        let bytes = rewrite(folder, &change);
        let signature = detached::sign(&key(1), evidence::NAMESPACE, &bytes).unwrap();
        fs::write(folder.join("manifest.sig"), signature).unwrap();
    })
}

fn on(name: &'static str, change: impl Fn(&Path) + 'static) -> Change {
    Box::new(move |folder| change(&folder.join(name)))
}

fn text(from: &'static str, to: &'static str) -> Change {
    on("manifest.json", move |path| {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    })
}

#[test]
fn each_way_to_tamper() {
    let rows: Vec<(&[&str], Change)> = vec![
        (&[], Box::new(|_| {})),
        (
            &["extra"],
            on("ec2/new", |path| fs::write(path, "x").unwrap()),
        ),
        (
            &["extra"],
            on("ec2/flow.json", |path| fs::write(path, "x").unwrap()),
        ),
        (
            &["missing"],
            on("journal.jsonl", |path| fs::remove_file(path).unwrap()),
        ),
        (
            &["altered"],
            on("journal.jsonl", |path| {
                fs::write(path, "One\ntwo\n").unwrap()
            }),
        ),
        (
            &["altered"],
            on("journal.jsonl", |path| {
                fs::write(path, "one\ntwo\nthree\n").unwrap()
            }),
        ),
        (
            &["truncated"],
            on("journal.jsonl", |path| fs::write(path, "one\n").unwrap()),
        ),
        (
            &["renamed"],
            on("journal.jsonl", |path| {
                fs::rename(path, path.with_extension("txt")).unwrap()
            }),
        ),
        (
            &["extra", "missing"],
            on("journal.jsonl", |path| {
                fs::write(path.with_extension("txt"), "One\ntwo\n").unwrap();
                fs::remove_file(path).unwrap();
            }),
        ),
        (
            &["altered", "truncated"],
            Box::new(|folder| {
                let [a, b] =
                    ["ec2/instances.json", "ec2/groups.json"].map(|name| folder.join(name));
                let (x, y) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
                fs::write(a, y).unwrap();
                fs::write(b, x).unwrap();
            }),
        ),
        (
            &["missing", "symlink"],
            on("journal.jsonl", |path| {
                fs::rename(path, path.with_extension("txt")).unwrap();
                let moved = path.parent().unwrap().parent().unwrap().join("away");
                fs::rename(path.with_extension("txt"), &moved).unwrap();
                symlink(moved, path).unwrap();
            }),
        ),
        (
            &["missing", "missing", "symlink"],
            on("ec2", |path| {
                let moved = path.parent().unwrap().parent().unwrap().join("away");
                fs::rename(path, &moved).unwrap();
                symlink(moved, path).unwrap();
            }),
        ),
        (
            &["special"],
            on("socket", |path| {
                std::os::unix::net::UnixListener::bind(path).unwrap();
            }),
        ),
        (
            &["no-manifest"],
            on("manifest.json", |path| fs::remove_file(path).unwrap()),
        ),
        (
            &["no-signature"],
            on("manifest.sig", |path| fs::remove_file(path).unwrap()),
        ),
        (
            &["bad-signature"],
            on("manifest.sig", |path| fs::write(path, "hello").unwrap()),
        ),
        (
            &["bad-signature"],
            on("manifest.sig", |path| {
                fs::write(path, "x".repeat(1 << 20)).unwrap()
            }),
        ),
        (
            &["bad-signature"],
            on("manifest.sig", |path| {
                let bytes = fs::read(path.with_extension("json")).unwrap();
                fs::write(
                    path,
                    detached::sign(&key(1), "rebuild-approval", &bytes).unwrap(),
                )
                .unwrap();
            }),
        ),
        (
            &["wrong-key"],
            on("manifest.sig", |path| {
                let bytes = fs::read(path.with_extension("json")).unwrap();
                fs::write(
                    path,
                    detached::sign(&key(2), evidence::NAMESPACE, &bytes).unwrap(),
                )
                .unwrap();
            }),
        ),
        (
            &["wrong-key", "wrong-signer"],
            Box::new(|folder| {
                fs::remove_dir_all(folder).unwrap();
                bundle(folder, &key(2));
            }),
        ),
        (
            &["manifest-too-large"],
            on("manifest.json", |path| {
                fs::File::create(path)
                    .unwrap()
                    .set_len(LARGEST_MANIFEST + 1)
                    .unwrap();
            }),
        ),
        (
            &["bad-signature", "manifest-malformed"],
            on("manifest.json", |path| fs::write(path, "[[").unwrap()),
        ),
        (
            &["bad-signature", "manifest-malformed"],
            on("manifest.json", |path| {
                fs::write(path, "[".repeat(1 << 20)).unwrap()
            }),
        ),
        (
            &["bad-signature", "manifest-malformed"],
            text("\"format\":1", "\"format\":1,\"more\":1"),
        ),
        (
            &["bad-signature", "manifest-not-canonical"],
            text("\"format\":1", "\"format\": 1"),
        ),
        (
            &["bad-signature", "unknown-version"],
            text("\"format\":1", "\"format\":2"),
        ),
        (
            &["bad-signature"],
            edit(|m| m.environment = "staging".to_owned()),
        ),
        (
            &["bad-signature", "chain-broken"],
            edit(|m| m.entries[1].source.call = "x".to_owned()),
        ),
        (
            &["bad-signature", "chain-end", "extra"],
            edit(|m| m.entries.truncate(2)),
        ),
        (
            &["chain-end"],
            insider(|m| {
                m.entries.pop();
            }),
        ),
        (
            &["reordered", "reordered", "reordered"],
            insider(|m| m.entries.swap(0, 1)),
        ),
        (
            &["extra", "chain-broken"],
            insider(|m| {
                m.entries.remove(1);
            }),
        ),
        (
            &["chain-broken"],
            insider(|m| m.entries[3].missing = Some("never asked".to_owned())),
        ),
        (
            &["chain-end", "chain-broken", "extra", "path-traversal"],
            insider(|m| {
                let last = m.entries.len() - 2;
                m.entries[last].name = "../../etc/passwd".to_owned();
                m.head = "0".repeat(64);
            }),
        ),
        (
            &["chain-broken", "duplicate", "extra"],
            insider(|m| m.entries[2].name = m.entries[1].name.clone()),
        ),
        (
            &["chain-broken", "contradictory", "extra"],
            insider(|m| m.entries[2].size = None),
        ),
        (
            &["chain-broken", "bad-name", "extra"],
            insider(|m| m.entries[2].name = "a b".to_owned()),
        ),
    ];
    for (row, (expected, change)) in rows.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("evidence");
        bundle(&folder, &key(1));
        change(&folder);
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(
            codes(&folder),
            expected,
            "row {row}: {:?}",
            check(&folder).err()
        );
    }
}
