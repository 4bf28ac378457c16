//! Templates become resources, and every fault is told with its place.

use planner::{RenderError, Resource, Source, render};
use serde_json::json;

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn one(text: &str) -> Result<Vec<Resource>, Vec<RenderError>> {
    render(
        &[source("a.yaml.tera", text)],
        &json!({"name": "x", "zones": ["a", "b"]}),
    )
}

const NETWORK: &str = r#"
resources:
  - address: ec2.vpc.main
    spec: {cidr: 10.0.0.0/16}
{% for zone in zones %}
  - address: ec2.subnet.{{ zone }}
    spec: {vpc: {ref: ec2.vpc.main}, cidr: 10.0.{{ loop.index }}.0/24, zone: us-east-1{{ zone }}}
    depends_on: [ec2.internet-gateway.main]
{% endfor %}
  - address: ec2.internet-gateway.main
    spec: {vpc: {ref: ec2.vpc.main/id}}
"#;

#[test]
fn renders_loops_references_and_defaults() {
    let resources = one(NETWORK).unwrap();
    let names: Vec<String> = resources
        .iter()
        .map(|resource| resource.address.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "ec2.internet-gateway.main",
            "ec2.subnet.a",
            "ec2.subnet.b",
            "ec2.vpc.main"
        ]
    );
    assert_eq!(
        resources[1].spec,
        json!({"vpc": {"unknown": "ec2.vpc.main/id"}, "cidr": "10.0.1.0/24", "zone": "us-east-1a", "public": false, "tags": {}})
    );
    assert_eq!(resources[1].depends_on.len(), 1);
}

#[test]
fn macros_and_includes_come_from_the_given_sources() {
    let sources = [
        source(
            "_macros.tera",
            "{% macro net(n) %}10.{{ n }}.0.0/16{% endmacro net %}",
        ),
        source(
            "_vpc.tera",
            "{% import \"_macros.tera\" as m %}{{ m::net(n=7) }}",
        ),
        source(
            "a.tera",
            "resources:\n- address: ec2.vpc.a\n  spec:\n    cidr: {% include \"_vpc.tera\" %}\n",
        ),
    ];
    assert_eq!(
        render(&sources, &json!({})).unwrap()[0].spec["cidr"],
        "10.7.0.0/16"
    );
}

/// Fault, with the place and what is told of it.
#[test]
fn faults_have_their_places() {
    let cases: &[(&str, &str, u32, u32, &str)] = &[
        (
            "undefined variable",
            "resources: []\n# {{ name }}\n# {{ nobody }}",
            3,
            6,
            "the variable `nobody` is not defined",
        ),
        (
            "template syntax",
            "resources:\n{% for x in %}",
            2,
            13,
            "expected",
        ),
        (
            "environment",
            "a\nb {{ get_env(name=\"HOME\") }}",
            2,
            6,
            "can't read the process's environment",
        ),
        (
            "long range",
            "{% for i in range(end=1000000) %}x{% endfor %}",
            1,
            13,
            "at most 10000",
        ),
        ("yaml syntax", "resources:\n  - a: [", 3, 0, ""),
        (
            "unknown root",
            "resource: []",
            1,
            1,
            "unknown field `resource`",
        ),
        (
            "no address",
            "resources:\n  - spec: {}",
            2,
            5,
            "no `address`",
        ),
        (
            "bad address",
            "resources:\n  - address: ec2",
            2,
            14,
            "not an address",
        ),
        (
            "unknown kind",
            "resources:\n  - address: ec2.vcp.main\n    spec: {}",
            2,
            14,
            "there is no kind `ec2.vcp`",
        ),
        (
            "no spec",
            "resources:\n  - address: ec2.vpc.main",
            2,
            5,
            "has no `spec`",
        ),
        (
            "unknown field",
            "resources:\n  - address: ec2.vpc.main\n    spec:\n      cidr: 10.0.0.0/16\n      dns_suport: true",
            5,
            7,
            "unknown field `dns_suport`",
        ),
        (
            "wrong type",
            "resources:\n  - address: ec2.vpc.main\n    spec:\n      cidr: 10.0.0.0/16\n      dns_support: 1",
            5,
            7,
            "`dns_support`: invalid type",
        ),
        (
            "bad cidr",
            "resources:\n  - address: ec2.vpc.main\n    spec: {cidr: nonsense}",
            3,
            12,
            "`cidr`",
        ),
        (
            "duplicate",
            "resources:\n  - address: ec2.vpc.main\n    spec: {cidr: 10.0.0.0/16}\n  - address: ec2.vpc.main\n    spec: {cidr: 10.0.0.0/16}",
            4,
            14,
            "declared twice, first at a.yaml.tera:2:14",
        ),
        (
            "missing target",
            "resources:\n  - address: ec2.internet-gateway.main\n    spec: {vpc: {ref: ec2.vpc.main}}",
            3,
            23,
            "there is no resource `ec2.vpc.main`",
        ),
        (
            "missing output",
            "resources:\n  - address: ec2.vpc.main\n    spec: {cidr: 10.0.0.0/16}\n  - address: ec2.internet-gateway.main\n    spec: {vpc: {ref: ec2.vpc.main/arn}}",
            5,
            23,
            "no output `arn`; it has `id`",
        ),
        (
            "missing dependency",
            "resources:\n  - address: ec2.vpc.main\n    spec: {cidr: 10.0.0.0/16}\n    depends_on: [ec2.vpc.mein]",
            4,
            18,
            "there is no resource `ec2.vpc.mein`",
        ),
        (
            "circle",
            "resources:\n  - address: ec2.elastic-ip.a\n    spec: {}\n    depends_on: [ec2.elastic-ip.b]\n  - address: ec2.elastic-ip.b\n    spec: {}\n    depends_on: [ec2.elastic-ip.a]",
            4,
            18,
            "a circle of dependencies: `ec2.elastic-ip.a` → `ec2.elastic-ip.b` → `ec2.elastic-ip.a`",
        ),
        (
            "unknown resource field",
            "resources:\n  - address: ec2.elastic-ip.a\n    spec: {}\n    depend_on: []",
            4,
            5,
            "unknown field `depend_on`",
        ),
    ];
    for (name, text, line, column, message) in cases {
        let errors = one(text).unwrap_err();
        let error = errors.first().unwrap();
        assert!(error.message.contains(message), "{name}: {error}");
        assert_eq!(error.origin.line, *line, "{name}: {error}");
        if *column > 0 {
            assert_eq!(error.origin.column, *column, "{name}: {error}");
        }
    }
}

#[test]
fn nearest_names_are_offered() {
    let nearest = |text: &str| one(text).unwrap_err()[0].nearest.clone();
    assert_eq!(
        nearest("resources:\n  - address: ec2.vcp.main\n    spec: {}").as_deref(),
        Some("ec2.vpc")
    );
    assert_eq!(
        nearest("resources:\n  - address: ec2.vpc.a\n    spec: {cdir: 1}").as_deref(),
        Some("cidr")
    );
}

#[test]
fn all_faults_of_a_spec_are_collected() {
    let errors = one("resources:\n  - address: ec2.vpc.a\n    spec: {cidr: 10.0.0.0/16, one: 1, two: 2}\n  - address: x.y.z\n    spec: {}").unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn public_keys_only_of_key_pairs() {
    let text = |generator: &str| {
        format!(
            "resources:\n  - address: vault.secret.k\n    spec: {{mount: secret, path: k, generator: {generator}}}\n  - address: ec2.key-pair.k\n    spec: {{name: k, public_key: {{ref: vault.secret.k/public-key}}}}"
        )
    };
    assert!(one(&text("{type: ed25519}")).is_ok());
    assert!(
        one(&text("{type: uuid}")).unwrap_err()[0]
            .message
            .contains("no output `public-key`")
    );
    assert!(one(&text("{type: random, bytes: 32, encoding: hex}")).is_err());
}

#[test]
fn templates_without_end_are_refused() {
    for sources in [
        vec![source("a", "{% include \"a\" %}")],
        vec![
            source("a", "{% include \"_b\" %}"),
            source("_b", "{% include \"a\" %}"),
        ],
        vec![
            source("_m", "{% macro f() %}{{ self::f() }}{% endmacro f %}"),
            source("a", "{% import \"_m\" as m %}{{ m::f() }}"),
        ],
        vec![source(
            "a",
            "{% for i in range(end=9999) %}{% for j in range(end=9999) %}xxxxxxxxxx{% endfor %}{% endfor %}",
        )],
    ] {
        assert!(render(&sources, &json!({})).is_err());
    }
}
