//! What a kustomization takes from elsewhere.

use std::rc::Rc;

use overlay::{
    Chart, ChartRelease, ErrorKind, FileTree, MemoryTree, Options, RemoteError, Remotes,
    RepositorySpec, render_with,
};

use crate::ROOT;

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

#[test]
fn the_grammar_of_repositories() {
    for (text, repository, path, reference) in [
        ("github.com/o/r", "https://github.com/o/r", "", None),
        (
            "github.com/o/r//a/b?ref=v1",
            "https://github.com/o/r",
            "a/b",
            Some("v1"),
        ),
        (
            "github.com/o/r/a?version=v2",
            "https://github.com/o/r",
            "a",
            Some("v2"),
        ),
        (
            "https://example.com/x/r.git//a?ref=1",
            "https://example.com/x/r.git",
            "a",
            Some("1"),
        ),
        (
            "https://example.com/x/y/r.git/a",
            "https://example.com/x/y/r.git",
            "a",
            None,
        ),
        (
            "git@example.com:o/r.git?ref=b",
            "git@example.com:o/r.git",
            "",
            Some("b"),
        ),
        ("git@github.com:o/r//a", "git@github.com:o/r", "a", None),
        (
            "git::https://example.com/o/r",
            "https://example.com/o/r",
            "",
            None,
        ),
        ("ssh://git@github.com/o/r", "git@github.com:o/r", "", None),
        (
            "https://e.com/o/p/_git/r/a?ref=m%2F1",
            "https://e.com/o/p/_git/r",
            "a",
            Some("m/1"),
        ),
        ("file:///srv/r//a", "file:///srv/r", "a", None),
    ] {
        let spec = RepositorySpec::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(
            (&*spec.repository, &*spec.path, spec.reference.as_deref()),
            (repository, path, reference),
            "{text}"
        );
    }
    for text in [
        "/a/b",
        "../a",
        "a/b.yaml",
        "https://example.com/a.yaml",
        "github.com/o/r//../x",
    ] {
        assert_eq!(RepositorySpec::parse(text), None, "{text}");
    }
}

/// One repository and one file.
struct Listed;

const UNLISTED: &str = "not listed";

impl Remotes for Listed {
    fn repository(&self, spec: &RepositorySpec) -> Result<Rc<dyn FileTree>, RemoteError> {
        match spec.repository.as_str() {
            "https://github.com/o/r" => Ok(Rc::new(MemoryTree::from_iter([
                ("/base/kustomization.yaml", "resources: [../other, a.yaml]"),
                ("/base/a.yaml", CONFIG_MAP),
                (
                    "/other/kustomization.yaml",
                    "nameSuffix: -o\nresources: [a.yaml]",
                ),
                ("/other/a.yaml", CONFIG_MAP),
                ("/out/kustomization.yaml", "resources: [../base/a.yaml]"),
                (
                    "/self/kustomization.yaml",
                    "resources: ['github.com/o/r//self']",
                ),
            ]))),
            "https://example.com/broken/r" => Err(RemoteError::Failed("was changed".to_owned())),
            _ => Err(RemoteError::Unlisted(UNLISTED.to_owned())),
        }
    }

    fn file(&self, url: &str, _limit: u64) -> Result<Vec<u8>, RemoteError> {
        match url {
            "https://example.com/a.yaml" => Ok(CONFIG_MAP.into()),
            _ => Err(RemoteError::Unlisted(UNLISTED.to_owned())),
        }
    }

    fn chart_values(&self, _chart: &Chart) -> Result<Vec<u8>, RemoteError> {
        Ok(b"a: {b: 1, c: 2}\n".to_vec())
    }

    fn template(&self, chart: &Chart, release: &ChartRelease) -> Result<Vec<u8>, RemoteError> {
        assert_eq!(release.values, [b"a:\n  b: 3\n  c: 2\n".to_vec()]);
        Ok(format!("---\n{CONFIG_MAP}data: {{chart: {}}}\n", chart.name).into_bytes())
    }
}

fn rendered(kustomization: &str) -> Result<String, (ErrorKind, String)> {
    let tree = MemoryTree::from_iter([(format!("{ROOT}/kustomization.yaml"), kustomization)]);
    render_with(&tree, ROOT, &Options::default(), &Listed)
        .map(|rendered| rendered.to_yaml())
        .map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn what_is_listed_is_rendered() {
    let both = format!("{CONFIG_MAP}---\n{CONFIG_MAP}-o\n").replace("a\n-o", "a-o");
    for (resource, output) in [
        ("github.com/o/r//base?ref=v1", both.as_str()),
        ("https://github.com/o/r//base", both.as_str()),
        ("https://example.com/a.yaml", CONFIG_MAP),
    ] {
        let output = Ok(output.to_owned());
        assert_eq!(
            rendered(&format!("resources: ['{resource}']")),
            output,
            "{resource}"
        );
    }
}

#[test]
fn what_is_not_as_it_should_be_is_an_error() {
    for (resource, kind, told) in [
        ("github.com/o/other", ErrorKind::Refused, UNLISTED),
        ("https://example.com/b.yaml", ErrorKind::Refused, UNLISTED),
        (
            "https://example.com/broken/r",
            ErrorKind::Corrupt,
            "was changed",
        ),
        ("github.com/o/r//out", ErrorKind::Security, "security; file"),
        (
            "github.com/o/r//self",
            ErrorKind::Security,
            "cycle detected: URI",
        ),
    ] {
        let (found, message) = rendered(&format!("resources: ['{resource}']")).unwrap_err();
        assert!(
            found == kind && message.contains(told),
            "{resource}: {found:?} {message}"
        );
    }
}

#[test]
fn a_chart_gets_its_values_merged() {
    let chart = "helmCharts: [{name: web, repo: 'https://example.com', version: 1.0.0, releaseName: x, valuesInline: {a: {b: 3}}}]";
    let output = "apiVersion: v1\ndata:\n  chart: web\nkind: ConfigMap\nmetadata:\n  name: a\n";
    assert_eq!(rendered(chart), Ok(output.to_owned()));
    let nameless = chart.replace("releaseName: x, ", "");
    assert_eq!(rendered(&nameless).unwrap_err().0, ErrorKind::Refused);
}
