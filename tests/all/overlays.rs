//! The project's own overlays come out as `kubectl kustomize` prints them, and agree with their environments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use overlay::{DiskTree, Options, render};

use crate::command::root;

const ENVIRONMENTS: [&str; 3] = ["sandbox", "staging", "production"];

fn ours(folder: &Path) -> String {
    let folder = folder.canonicalize().expect("the overlay's folder");
    let tree = DiskTree::new(Path::new("/")).expect("a tree of all files");
    render(&tree, folder.to_str().expect("UTF-8"), &Options::default())
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .to_yaml()
}

fn kubectls(folder: &Path) -> String {
    let kubectl =
        sandbox::testing::kubectl().expect("kubectl, which `rebuild sandbox up` installs");
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(folder)
        .output()
        .expect("kubectl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", folder.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Compares, and shows the first lines that differ rather than two whole texts.
fn same(folder: &Path) {
    let (ours, theirs) = (ours(folder), kubectls(folder));
    if ours == theirs {
        return;
    }
    let mut lines = ours.lines().zip(theirs.lines()).zip(1..);
    let place = lines.find(|((ours, theirs), _)| ours != theirs);
    panic!(
        "{} differs: {} bytes, kubectl's {}; first at (ours, kubectl's, line) {place:?}",
        folder.display(),
        ours.len(),
        theirs.len()
    );
}

fn folder(name: &str) -> PathBuf {
    root().join("templates/kubernetes/overlays").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for the copy");
    for entry in fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}

#[test]
fn as_kubectl_renders_them() {
    for name in ENVIRONMENTS {
        same(&folder(name));
    }
}

/// A rebuild wraps an overlay in a kustomization that names the generation's namespace.
#[test]
fn in_the_namespace_of_a_generation() {
    let place = tempfile::tempdir().expect("a folder for the test");
    copy(
        &root().join("templates/kubernetes"),
        &place.path().join("kubernetes"),
    );
    for name in ENVIRONMENTS {
        let wrapper = place.path().join(name);
        fs::create_dir(&wrapper).expect("a folder for the wrapper");
        let kustomization = format!(
            r#"{{"resources": ["../kubernetes/overlays/{name}"], "namespace": "natlangchain-20261124-3f9a"}}"#
        );
        fs::write(wrapper.join("kustomization.yaml"), kustomization).expect("the wrapper");
        same(&wrapper);
        let rendered = ours(&wrapper);
        // The namespace itself, what is in it, and whom its role is bound to: none is left behind.
        assert!(
            rendered.contains("\n  name: natlangchain-20261124-3f9a\n"),
            "{rendered}"
        );
        for line in rendered.lines().map(str::trim) {
            let place = line.strip_prefix("namespace: ");
            assert!(
                place.is_none_or(|place| place == "natlangchain-20261124-3f9a"),
                "{name}: {line}"
            );
        }
    }
}

/// The way to the database is said in two files that can't refer to each other.
#[test]
fn networks_are_those_of_the_environment() {
    for name in ENVIRONMENTS {
        let file = root()
            .join("environments")
            .join(name)
            .join("environment.yaml");
        let environment = fs::read_to_string(&file).expect("the environment's file");
        let wanted: BTreeSet<&str> = environment
            .split("data_cidr: ")
            .skip(1)
            .filter_map(|rest| rest.split(['}', ',', '\n']).next())
            .map(str::trim)
            .collect();
        assert!(
            !wanted.is_empty(),
            "{} names no data subnet",
            file.display()
        );
        let rendered = ours(&folder(name));
        let policy = rendered
            .split("---\n")
            .find(|object| object.contains("\n  name: api-to-postgres\n"))
            .expect("the policy `api-to-postgres`");
        let found: BTreeSet<&str> = policy
            .lines()
            .filter_map(|line| line.trim().strip_prefix("cidr: "))
            .collect();
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn no_secret_value_is_in_a_file() {
    for name in ENVIRONMENTS {
        let rendered = ours(&folder(name));
        assert!(
            !rendered.contains("\nkind: Secret\n"),
            "{name} holds a Secret"
        );
    }
}
