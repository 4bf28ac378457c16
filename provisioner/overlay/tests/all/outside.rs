//! Files outside of what a kustomization may read.

use std::os::unix::fs::symlink;
use std::path::Path;

use overlay::{
    DiskTree, Error, ErrorKind, FileTree as _, LoadRestrictor, Options, TreeError, render,
};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

fn write(directory: &Path, path: &str, content: &str) {
    let path = directory.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn render_in(boundary: &Path, root: &Path, free: bool) -> Result<String, Error> {
    let options = Options {
        load_restrictor: if free {
            LoadRestrictor::None
        } else {
            LoadRestrictor::RootOnly
        },
        ..Options::default()
    };
    let root = root.canonicalize().unwrap();
    render(
        &DiskTree::new(boundary).unwrap(),
        root.to_str().unwrap(),
        &options,
    )
    .map(|rendered| rendered.to_yaml())
}

fn refusal(result: Result<String, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Security, "{error}");
    error.to_string()
}

#[test]
fn a_file_beside_the_root_is_refused() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "a.yaml", CONFIG_MAP);
    write(
        place.path(),
        "root/kustomization.yaml",
        "resources: [../a.yaml]",
    );
    let root = place.path().join("root");
    let told = refusal(render_in(place.path(), &root, false));
    assert!(told.contains("security; file"), "{told}");
    assert!(told.contains("is not in or below"), "{told}");
    assert_eq!(render_in(place.path(), &root, true).unwrap(), CONFIG_MAP);
}

#[test]
fn every_field_that_names_a_file_is_held_to_the_root() {
    for field in [
        "patches: [{path: ../x}]",
        "patchesStrategicMerge: [../x]",
        "patchesJson6902: [{target: {version: v1, kind: ConfigMap, name: a}, path: ../x}]",
        "configMapGenerator: [{name: c, files: [../x]}]",
        "configMapGenerator: [{name: c, envs: [../x]}]",
        "secretGenerator: [{name: c, files: [k=../x]}]",
        "configurations: [../x]",
        "crds: [../x]",
        "openapi: {path: ../x}",
        "replacements: [{path: ../x}]",
    ] {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), "x", "k=v");
        write(place.path(), "root/a.yaml", CONFIG_MAP);
        write(
            place.path(),
            "root/kustomization.yaml",
            &format!("resources: [a.yaml]\n{field}\n"),
        );
        let result = render_in(place.path(), &place.path().join("root"), false);
        let told = match result {
            Ok(output) => panic!("{field} gave\n{output}"),
            Err(error) => error.to_string(),
        };
        assert!(told.contains("security; file"), "{field}: {told}");
    }
}

#[test]
fn a_link_out_of_the_root_is_refused() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "secret/a.yaml", CONFIG_MAP);
    write(
        place.path(),
        "root/kustomization.yaml",
        "resources: [a.yaml]",
    );
    let root = place.path().join("root");
    symlink("../secret/a.yaml", root.join("a.yaml")).unwrap();
    refusal(render_in(place.path(), &root, false));
    // Even unrestricted, nothing leaves the tree.
    let told = refusal(render_in(&root, &root, true));
    assert!(told.contains("outside of the file tree"), "{told}");
}

#[test]
fn a_directory_linked_out_of_the_tree_is_refused() {
    let place = tempfile::tempdir().unwrap();
    write(
        place.path(),
        "base/kustomization.yaml",
        "resources: [a.yaml]",
    );
    write(place.path(), "base/a.yaml", CONFIG_MAP);
    write(place.path(), "root/kustomization.yaml", "resources: [base]");
    let root = place.path().join("root");
    symlink(place.path().join("base"), root.join("base")).unwrap();
    refusal(render_in(&root, &root, false));
    assert_eq!(render_in(place.path(), &root, false).unwrap(), CONFIG_MAP);
}

#[test]
fn links_that_go_round_are_no_file() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "kustomization.yaml", "resources: [a.yaml]");
    symlink("b.yaml", place.path().join("a.yaml")).unwrap();
    symlink("a.yaml", place.path().join("b.yaml")).unwrap();
    let error = render_in(place.path(), place.path(), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "kustomization.yaml", "resources: [zero]");
    symlink("/dev/zero", place.path().join("zero")).unwrap();
    let error = render_in(Path::new("/"), place.path(), true).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn a_file_of_a_gibibyte_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "kustomization.yaml", "resources: [a.yaml]");
    std::fs::File::create(place.path().join("a.yaml"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let error = render_in(place.path(), place.path(), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("a.yaml"), "{error}");
}

#[test]
fn a_tree_gives_nothing_from_outside() {
    let place = tempfile::tempdir().unwrap();
    let tree = DiskTree::new(place.path()).unwrap();
    assert!(matches!(tree.find("/etc"), Err(TreeError::Outside(_))));
    assert!(matches!(
        tree.read("/etc/passwd", 1 << 20),
        Err(TreeError::Outside(_))
    ));
}

#[test]
fn remote_bases_are_refused_by_name() {
    for path in [
        "https://example.com/a.yaml",
        "github.com/example/repository",
        "git@example.com:a/b.git",
        "ssh://git@example.com/a/b",
    ] {
        let place = tempfile::tempdir().unwrap();
        write(
            place.path(),
            "kustomization.yaml",
            &format!("resources: ['{path}']"),
        );
        let error = render_in(place.path(), place.path(), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}
