//! What the comparison with kubectl on generated trees found, in small: each tree with what kubectl prints.

use overlay::{MemoryTree, Options, render};

use crate::ROOT;

struct Case {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    output: &'static str,
}

#[test]
fn what_was_found_stays_found() {
    check(CASES);
}

#[test]
fn what_only_kubectl_refuses_is_rendered() {
    check(REFUSED);
}

fn check(cases: &[Case]) {
    let problems: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let tree: MemoryTree = case
                .files
                .iter()
                .map(|(path, text)| (format!("{ROOT}/{path}"), text.as_bytes().to_vec()))
                .collect();
            let output = match render(&tree, ROOT, &Options::default()) {
                Ok(rendered) => rendered.to_yaml(),
                Err(error) => format!("error: {error}"),
            };
            (output != case.output).then(|| {
                let (name, wanted) = (case.name, case.output);
                format!("{name}:\n{output}instead of\n{wanted}")
            })
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_cannot_be_rendered_is_an_error() {
    check(ERRORS);
}

const ERRORS: &[Case] = &[
    Case {
        name: "text with a colon in the place of a number between brackets",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
replacements:
- source: {kind: ConfigMap, name: a, fieldPath: metadata.annotations.i}
  targets:
  - select: {kind: ConfigMap, name: a}
    fieldPaths: [data.n]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  annotations: {i: "nginx:1.25"}
data: {n: !!int 1}
"#,
            ),
        ],
        output: "error: ConfigMap.v1.[noGrp]/a.[noNs]: yaml: cannot decode !!str `nginx:1.25` as a !!int",
    },
    Case {
        name: "a hash in the name of a patched kind",
        files: &[(
            "kustomization.yaml",
            r#"secretGenerator:
- name: a
  literals: [k=v]
patches:
- target: {kind: Secret}
  patch: '[{"op": "replace", "path": "/kind", "value": "Widget"}]'
  options: {allowKindChange: true}
"#,
        )],
        output: "error: Widget \"a\" asks for a hash in its name: only a ConfigMap and a Secret have one of their content, that of any other object depends on the lines, columns and comments it was written with",
    },
    Case {
        name: "a date as a key",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- target: {kind: ConfigMap}
  patch: '[{"op": "add", "path": "/metadata/annotations", "value": ["2020-01-01", "x"]}]'
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
"#,
            ),
        ],
        output: r#"error: ConfigMap.v1.[noGrp]/a.[noNs]: json: unsupported type: map[interface {}]interface {}"#,
    },
    Case {
        name: "a configuration that says a key twice",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
configurations: [c.yaml]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata: {name: a}
"#,
            ),
            (
                "c.yaml",
                r#"images:
- path: a
  path: b
"#,
            ),
        ],
        output: r#"error: error converting YAML to JSON: yaml: unmarshal errors:
  line 3: key "path" already set in map"#,
    },
];

const CASES: &[Case] = &[
    Case {
        name: "a merge key as a value",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
commonAnnotations: {a: '<<'}
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  k: "<<"
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  k: <<
kind: ConfigMap
metadata:
  annotations:
    a: <<
  name: a
"#,
    },
    Case {
        name: "dates and nothing between brackets",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
block:
  a: 2001-12-14t21:59:43.10-05:00
  b:
  c: 2020-01-01
flow: {a: 2001-12-14t21:59:43.10-05:00, b: , c: 2020-01-01, d: ~, e: [1, 1:30]}
"#,
            ),
        ],
        output: r#"apiVersion: v1
block:
  a: "2001-12-14T21:59:43.1-05:00"
  b: null
  c: "2020-01-01T00:00:00Z"
flow:
  a: "2001-12-14t21:59:43.10-05:00"
  b: ""
  c: "2020-01-01T00:00:00Z"
  d: null
  e:
  - 1
  - "1:30"
kind: ConfigMap
metadata:
  name: a
"#,
    },
    Case {
        name: "whole numbers that a float can't hold",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- target: {kind: ConfigMap}
  patch: |
    - op: add
      path: /n
      value: [-9223372036854775808, 9007199254740993, 1152921504606846976, 18446744073709551615, 1e20]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
"#,
            ),
        ],
        output: r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
"n":
- -9.223372036854776e+18
- 9007199254740992
- 1152921504606847000
- 1.8446744073709552e+19
- 1e+20
"#,
    },
    Case {
        name: "folded text written again",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  k: >+
    a

  l: >
    a

    b
  m: >-
    a


    b
  o: >
    a b c
      indented
    more

  q: >

    a
  z: >+
    last

"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  k: |+
    a


  l: |
    a
    b
  m: |-
    a

    b
  o: |
    a b c

      indented
    more
  q: |2

    a
  z: |+
    last


kind: ConfigMap
metadata:
  name: a
"#,
    },
    Case {
        name: "a label that another narrows",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
labels:
- pairs: {app: x, tier: '1'}
  includeTemplates: true
- pairs: {tier: '2'}
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: a
spec:
  template:
    metadata:
      labels:
        q: r
    spec: {}
"#,
            ),
        ],
        output: r#"apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: x
    tier: "2"
  name: a
spec:
  template:
    metadata:
      labels:
        app: x
        q: r
        tier: "2"
    spec: {}
"#,
    },
    Case {
        name: "a shared label that a patch changes",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [base]
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: a
      labels:
        app: patched
"#,
            ),
            (
                "base/kustomization.yaml",
                r#"resources: [a.yaml]
commonLabels: {app: x}
"#,
            ),
            (
                "base/a.yaml",
                r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: a
spec:
  template:
    metadata:
      labels:
        q: r
    spec: {}
"#,
            ),
        ],
        output: r#"apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: patched
  name: a
spec:
  selector:
    matchLabels:
      app: patched
  template:
    metadata:
      labels:
        app: patched
        q: r
    spec: {}
"#,
    },
    Case {
        name: "labels that a JSON patch tells apart",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [base]
patches:
- target: {kind: Deployment}
  patch: '[{"op": "add", "path": "/metadata/annotations", "value": {"k": "v"}}]'
labels:
- pairs: {app: z}
"#,
            ),
            (
                "base/kustomization.yaml",
                r#"resources: [a.yaml]
commonLabels: {app: x}
"#,
            ),
            (
                "base/a.yaml",
                r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: a
spec:
  template:
    metadata:
      labels:
        q: r
    spec: {}
"#,
            ),
        ],
        output: r#"apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    k: v
  labels:
    app: z
  name: a
spec:
  selector:
    matchLabels:
      app: x
  template:
    metadata:
      labels:
        app: x
        q: r
    spec: {}
"#,
    },
    Case {
        name: "annotations that are a list",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- target: {kind: ConfigMap}
  patch: '[{"op": "add", "path": "/metadata/annotations", "value": ["b", "c"]}]'
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
"#,
            ),
        ],
        output: r#"apiVersion: v1
kind: ConfigMap
metadata:
  annotations:
    b: c
  name: a
"#,
    },
    Case {
        name: "a replacement into its own source",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
replacements:
- source: {kind: ConfigMap, name: a, fieldPath: metadata.labels}
  targets:
  - select: {kind: ConfigMap}
    fieldPaths: [metadata.labels.app, metadata.labels.own]
    options: {create: true}
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  labels:
    patched: x
"#,
            ),
        ],
        output: r#"apiVersion: v1
kind: ConfigMap
metadata:
  labels:
    app:
      app: {}
      patched: x
    own:
      app:
        app: {}
        patched: x
      own: {}
      patched: x
    patched: x
  name: a
"#,
    },
    Case {
        name: "a replacement that changes its source",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml, b.yaml]
replacements:
- source: {kind: ConfigMap, name: a, fieldPath: data.k}
  targets:
  - select: {kind: ConfigMap, name: a}
    fieldPaths: [data.k]
    options: {delimiter: '-', index: 1}
  - select: {kind: ConfigMap, name: b}
    fieldPaths: [data.k]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  k: x-y-z
"#,
            ),
            (
                "b.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: b
data:
  k: old
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  k: x-x-y-z-z
kind: ConfigMap
metadata:
  name: a
---
apiVersion: v1
data:
  k: x-x-y-z-z
kind: ConfigMap
metadata:
  name: b
"#,
    },
    Case {
        name: "a tag that is written out where the value was quoted",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- patch: |
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: a
    data:
      added: !!int "3"
      plain: !!int "3"
      quoted: !!int "3"
      tagged: 3
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  plain: x
  quoted: "x"
  tagged: !!str x
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  added: 3
  plain: 3
  quoted: "3"
  tagged: 3
kind: ConfigMap
metadata:
  name: a
"#,
    },
    Case {
        name: "folded text with a tab",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  y: >+
    tab	here:a

immutable: true
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  "y": "tab\there:a\n\n\n"
immutable: true
kind: ConfigMap
metadata:
  name: a
"#,
    },
    Case {
        name: "values of a list's objects",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMapList
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: 2020-01-01 10:00:00, l: 'x:y', m: x:y}}
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: b
  data:
    k: >
      x

      y
       z
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  k: "2020-01-01T10:00:00Z"
  l: x:y
  m: x:y
kind: ConfigMap
metadata:
  name: a
---
apiVersion: v1
data:
  k: |
    x
    y
     z
kind: ConfigMap
metadata:
  name: b
"#,
    },
    Case {
        name: "minus nothing in a JSON patch",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
namePrefix: a-
patches:
- target: {kind: ConfigMap}
  patch: '[{"op": "replace", "path": "/metadata/name", "value": -0}]'
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  k: x
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  k: x
kind: ConfigMap
metadata:
  name: a--0
"#,
    },
    Case {
        name: "annotations of a file's object with its origin, and a date as a field",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
buildMetadata: [originAnnotations]
patches:
- target: {kind: ConfigMap}
  patch: '[{"op": "add", "path": "/data", "value": {}}]'
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  annotations: {n: 12345678901234567890, o: 0777, p: yes}
2020-01-01: x
"#,
            ),
        ],
        output: r#""2020-01-01": x
apiVersion: v1
data: {}
kind: ConfigMap
metadata:
  annotations:
    config.kubernetes.io/origin: |
      path: a.yaml
    "n": "1.2345678901234567e+19"
    o: "511"
    p: "yes"
  name: a
"#,
    },
    Case {
        name: "merge keys, and annotations said twice",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
labels:
- &a {pairs: {env: x}}
- pairs: {tier: y}
  <<: *a
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  annotations: {a: b}
  annotations: {c: d}
data:
  "<<": dropped
"#,
            ),
        ],
        output: r#"apiVersion: v1
data: {}
kind: ConfigMap
metadata:
  annotations:
    a: b
    c: d
  labels:
    env: x
  name: a
"#,
    },
    Case {
        name: "a next-line character",
        files: &[
            (
                "kustomization.yaml",
                r#"configMapGenerator:
- name: a
  files: [f]
  options: {disableNameSuffixHash: true}
"#,
            ),
            ("f", r#"a  bc"#),
        ],
        output: r#"apiVersion: v1
data:
  f: |-
    a b
    c
kind: ConfigMap
metadata:
  name: a
"#,
    },
];

/// Trees that kubectl refuses: it cannot read what it wrote itself, or tests text where values are asked for.
const REFUSED: &[Case] = &[
    Case {
        name: "a comment beside a key whose value is written between brackets",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- patch: |
    apiVersion: v1
    kind: Pod
    metadata:
      name: a
    spec:
      containers:
      - name: new
        resources:  # said
          limits:
            cpu: 1
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: Pod
metadata:
  name: a
spec: {containers: [{name: main}]}
"#,
            ),
        ],
        // What kubectl prints without the comment.
        output: r#"apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: new
    resources:
      limits:
        cpu: 1
  - name: main
"#,
    },
    Case {
        name: "a comment beside the key of a list that loses all elements",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- patch: |
    apiVersion: v1
    kind: Pod
    metadata:
      name: a
    spec:
      containers:
      - name: new
        ports:  # said
        - containerPort: 80
          $patch: delete
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: main
"#,
            ),
        ],
        // What kubectl prints without the comment.
        output: r#"apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: new
    ports: []
  - name: main
"#,
    },
    Case {
        name: "a file that begins with a tab",
        files: &[
            (
                "kustomization.yaml",
                r#"configMapGenerator:
- name: a
  files: [f]
  options: {disableNameSuffixHash: true}
"#,
            ),
            ("f", "\tx\ny\n"),
        ],
        output: r#"apiVersion: v1
data:
  f: "\tx\ny\n"
kind: ConfigMap
metadata:
  name: a
"#,
    },
    Case {
        name: "a test of values that are written in another way",
        files: &[
            (
                "kustomization.yaml",
                r#"resources: [a.yaml]
patches:
- target: {kind: ConfigMap}
  patch: |-
    [{"op": "test", "path": "/data/k", "value": "a<b"},
     {"op": "test", "path": "/data/n", "value": 1.0}]
"#,
            ),
            (
                "a.yaml",
                r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: a
data:
  k: a<b
  n: 1
"#,
            ),
        ],
        output: r#"apiVersion: v1
data:
  k: a<b
  "n": 1
kind: ConfigMap
metadata:
  name: a
"#,
    },
];

#[test]
fn characters_that_json_leaves_and_yaml_refuses() {
    for (value, fits) in [
        ("\\x01", true),
        ("\\x7F", false),
        ("\\u0080", false),
        ("\\u0085", true),
        ("\\u00A0", true),
        ("\\uFFFE", false),
    ] {
        let tree: overlay::MemoryTree = [
            ("/app/kustomization.yaml", "resources: [a.yaml]\n".to_owned()),
            (
                "/app/a.yaml",
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{k: \"a{value}b\"}}\n"),
            ),
        ]
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect();
        let rendered = overlay::render(&tree, "/app", &overlay::Options::default());
        match rendered {
            Ok(_) => assert!(fits, "{value}"),
            Err(error) => {
                assert!(!fits, "{value}: {error}");
                assert!(
                    error
                        .to_string()
                        .contains("yaml: control characters are not allowed"),
                    "{error}"
                );
            }
        }
    }
}
