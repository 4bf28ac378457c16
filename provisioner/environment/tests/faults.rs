//! What is said about faulty environments: place, text and hint.

use std::fmt::Write;
use std::fs;

use environment::load;
use manifest::{Code, Severity};
use tempfile::TempDir;

const GOOD: &str = r#"name: test
what:
  infrastructure: [network.tera.yaml]
  overlay:
    path: templates/kubernetes/overlays/test
    namespace: app
    secret:
      name: app
      data:
        KEY: {secret: api-key}
where: {sandbox: true}
backups:
  format: natlangchain
  sources:
    - {type: s3, bucket: backups}
secrets:
  api-key: {type: random, bytes: 32, encoding: hex}
  ssh: {type: ed25519}
seed: {strategy: object, bucket: data, key: chain.json, encrypt_with: api-key}
validation:
  http:
    - name: health
      url: http://localhost/health
objectives: {rpo: 24h, rto: 4h}
"#;

fn project(text: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("environments/test")).unwrap();
    fs::create_dir_all(root.path().join("templates/infrastructure")).unwrap();
    fs::write(
        root.path()
            .join("templates/infrastructure/network.tera.yaml"),
        "resources: []\n",
    )
    .unwrap();
    fs::write(root.path().join("environments/test/environment.yaml"), text).unwrap();
    root
}

fn said(root: &TempDir, name: &str) -> String {
    let mut out = String::new();
    for error in load(root.path(), name).unwrap_err().0 {
        writeln!(out, "{error}").unwrap();
        if let Some(hint) = error.hint() {
            writeln!(out, "  hint: {hint}").unwrap();
        }
    }
    out
}

#[test]
fn a_good_one() {
    let environment =
        load(project(GOOD).path(), "test").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(environment.document.objectives.rpo.seconds(), 86_400);
    assert_eq!(
        environment.inputs().keys().collect::<Vec<_>>(),
        [
            "environments/test/environment.yaml",
            "templates/infrastructure/network.tera.yaml"
        ]
    );
    assert_eq!(
        (
            environment.origin(&["seed", "bucket"]).line,
            environment.origin(&["seed", "bucket"]).column
        ),
        (19, 26)
    );
}

#[test]
fn severities_of_findings_about_objects() {
    let policy = |text: &str| {
        let project = project(&format!("{GOOD}{text}"));
        let environment = load(project.path(), "test").unwrap_or_else(|errors| panic!("{errors}"));
        environment.document.planner_policy().manifests
    };
    let usual = policy("");
    assert_eq!(usual.kubernetes, manifest::SCHEMA_VERSION);
    assert_eq!(usual.severity(Code::ImageWithoutDigest), Severity::Error);
    assert_eq!(usual.severity(Code::Privileged), Severity::Warning);
    let own = policy(
        "policy: {image_digests: note, manifests: {kubernetes: v1.29.4, severities: {container.privileged: error}}}\n",
    );
    assert_eq!(own.kubernetes.to_string(), "1.29");
    assert_eq!(own.severity(Code::ImageWithoutDigest), Severity::Note);
    assert_eq!(own.severity(Code::Privileged), Severity::Error);
}

#[test]
fn faults_with_place_and_hint() {
    let replace = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    };
    let cases = [
        (
            "no yaml",
            replace("where: {sandbox: true}", "where: {sandbox: true"),
        ),
        (
            "a key twice",
            replace(
                "where: {sandbox: true}",
                "where: {}\nwhere: {sandbox: true}",
            ),
        ),
        ("an alias", replace("rpo: 24h", "rpo: *x")),
        (
            "unknown fields, all of them",
            replace("    namespace: app", "    namespase: app")
                .replace("secrets:\n", "secretz: {}\nsecrets:\n")
                .replace("bytes: 32", "byte: 32"),
        ),
        (
            "an unknown field of a tagged value",
            replace("bucket: backups}", "bucket: backups, prefiks: x}"),
        ),
        ("a wrong type", replace("bytes: 32", "bytes: many")),
        (
            "a missing field",
            replace("seed: {strategy: object, ", "seed: {"),
        ),
        ("no span of time", replace("rto: 4h", "rto: soon")),
        (
            "an unknown finding",
            format!(
                "{GOOD}policy: {{manifests: {{severities: {{container.priviledged: error}}}}}}\n"
            ),
        ),
        (
            "no release of Kubernetes",
            format!("{GOOD}policy: {{manifests: {{kubernetes: latest}}}}\n"),
        ),
        (
            "a severity in two places",
            format!(
                "{GOOD}policy: {{manifests: {{severities: {{image.without-digest: note}}}}}}\n"
            ),
        ),
        (
            "an undeclared secret",
            replace("KEY: {secret: api-key}", "KEY: {secret: api-kee}"),
        ),
        (
            "a field the secret lacks",
            replace("KEY: {secret: api-key}", "KEY: {secret: ssh}"),
        ),
        (
            "an undeclared template",
            replace("[network.tera.yaml]", "[netwerk.tera.yaml]"),
        ),
        (
            "a template outside",
            replace("[network.tera.yaml]", "[network.tera.yaml, ../../secret]"),
        ),
        (
            "several",
            replace("encrypt_with: api-key", "encrypt_with: nothing")
                .replace("name: test\n", "name: toast\n")
                .replace("bytes: 32", "bytes: 8"),
        ),
        (
            "a check twice",
            replace(
                "      url: http://localhost/health\n",
                "      url: http://localhost/health\n    - {name: health, url: http://localhost/}\n",
            ),
        ),
        ("nowhere", replace("where: {sandbox: true}", "where: {}")),
        (
            "two places",
            replace(
                "sandbox: true}",
                "sandbox: true, control: {bucket: b, region: r}}",
            ),
        ),
        (
            "no backups",
            replace(
                "  sources:\n    - {type: s3, bucket: backups}\n",
                "  sources: []\n",
            ),
        ),
        (
            "a first backup of nothing",
            replace(
                "  sources:\n",
                "  first: {cron_job: backup, deadline: 5s}\n  sources:\n",
            )
            .replace(
                "seed: {strategy: object, bucket: data, key: chain.json, encrypt_with: api-key}\n",
                "",
            ),
        ),
        (
            "a reserved variable",
            replace("  overlay:\n", "  variables: {generation: 1}\n  overlay:\n"),
        ),
        ("empty", String::new()),
    ];
    let mut out = String::new();
    for (what, text) in cases {
        writeln!(out, "# {what}\n{}", said(&project(&text), "test")).unwrap();
    }
    insta::assert_snapshot!(out);
}

#[test]
fn unknown_environments_and_hostile_names() {
    let root = project(GOOD);
    assert_eq!(
        said(&root, "tset"),
        "there is no environment `tset`\n  hint: did you mean `test`? There are: `test`\n"
    );
    for name in ["../environments/test", "test/", ".", "", "/etc"] {
        assert!(
            said(&root, name).starts_with("there is no environment"),
            "{name}"
        );
    }
}

#[test]
fn files_that_are_not_used() {
    let root = project(GOOD);
    let template = root
        .path()
        .join("templates/infrastructure/network.tera.yaml");
    fs::remove_file(&template).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &template).unwrap();
    assert!(said(&root, "test").contains("leads out of its folder"));
    fs::remove_file(&template).unwrap();
    fs::write(&template, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(said(&root, "test").contains("larger than 1 MiB"));
    fs::write(&template, [0xff]).unwrap();
    assert!(said(&root, "test").contains("no UTF-8"));
}

#[test]
fn evidence_is_kept_long_enough_and_apart_from_the_lock() {
    let elsewhere = "where:\n  aws: {account: \"123456789012\", region: us-east-1}\n  kubernetes: {kubeconfig: {context: c}}\n  \
                     vault: {address: \"https://vault.test:8200\", token: {env: TOKEN}}\n  control: {bucket: control, region: us-east-1}\n";
    let good = GOOD.replace("where: {sandbox: true}\n", elsewhere);
    let with = |text: &str, evidence: &str| {
        project(&format!(
            "{text}evidence: {{{evidence}, region: eu-central-1}}\n"
        ))
    };
    let root = with(&good, "bucket: apart, retention: 8760h");
    let loaded = load(root.path(), "test").unwrap();
    let kept = loaded.resolve(None).unwrap().evidence.unwrap();
    assert_eq!(
        (kept.bucket.bucket.as_str(), kept.retention),
        ("apart", 31_536_000)
    );
    for (text, evidence, words) in [
        (
            good.as_str(),
            "bucket: control, retention: 24h",
            "bucket of the lock",
        ),
        (
            good.as_str(),
            "bucket: apart, retention: 59m",
            "less than an hour",
        ),
        (
            GOOD,
            "bucket: apart, retention: 24h",
            "the sandbox has its own `evidence`",
        ),
        (good.as_str(), "bucket: apart", "retention"),
    ] {
        let said = said(&with(text, evidence), "test");
        assert!(said.contains(words), "{said}");
    }
}
