//! `docs/policy.md` is made from the code, so that it stays true. With `UPDATE_DOCS=1` it is written instead of compared.

use std::fmt::Write as _;
use std::path::PathBuf;

use manifest::{Code, SCHEMA_VERSION};

const INTRODUCTION: &str = "\
# Findings about Kubernetes objects

`rebuild plan` looks at every object of the overlay as it will be sent, together with what the environment adds to it (the Secret that
is filled from Vault, the ConfigMap `rebuild-seed`), before anything is sent. Nobody is asked, so the same files give the same findings.
A finding names the object, the field and the container, and stands among the plan's findings; errors block apply.

The checks are in the crate `manifest`. *baseline* and *restricted* are levels of the
[Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/).

## What an environment may say

```yaml
policy:
  image_digests: error              # severity of image.without-digest
  manifests:
    kubernetes: \"1.37\"              # the cluster's release; VERSION by default
    severities:                     # of any other code
      container.privileged: error
      container.without-limits: note
```

## What is checked

- **Policy**: pods of Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob and PodTemplate, with their
  ordinary, init and ephemeral containers. What a pod says for all its containers counts, and what a LimitRange of the namespace fills in.
  Images are looked for in custom resources too. Of a variable that is named like a secret only the name is told.
- **References**: what pods, Ingresses, StatefulSets, claims, bindings, autoscalers, webhooks and APIServices name must be among the objects.
  `optional: true` is honoured, and what every cluster has (the ServiceAccount `default`, `kube-root-ca.crt`, the roles `system:*`) counts as
  there, like the Secrets that cert-manager, External Secrets and Sealed Secrets make.
- **API versions**: the table is that of the [deprecation guide](https://kubernetes.io/docs/reference/using-api/deprecation-guide/) and of the
  types of Kubernetes VERSION.
- **Form**: built-in kinds by the published types of Kubernetes VERSION, custom resources by the CustomResourceDefinition among the
  objects. Objects are sent by server-side apply, which refuses a field that the type does not have, so an unknown field is an error and
  not a warning. `status` is not sent and not checked. Bounds, patterns and CEL rules are left to the server. A cluster that is older than
  VERSION may lack a field that is known here; for a newer one an unknown kind, field or value is only a warning.

Of one object at most 50 findings are told for each code.

## Codes

This table is made from the code; `UPDATE_DOCS=1 cargo test -p manifest --test documentation` writes it.

| code | severity | meaning | what to do |
|---|---|---|---|
";

#[test]
fn the_table_of_findings_is_true() {
    let mut text = INTRODUCTION.replace("VERSION", &SCHEMA_VERSION.to_string());
    for code in Code::ALL {
        writeln!(
            text,
            "| `{code}` | {} | {} | {} |",
            code.severity(),
            code.meaning(),
            code.hint()
        )
        .unwrap();
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/policy.md is not what the code says; run with UPDATE_DOCS=1"
    );
}

#[test]
fn names_are_stable_and_read_back() {
    for code in Code::ALL {
        let written = serde_json::to_value(code).unwrap();
        assert_eq!(written, code.as_str());
        assert_eq!(serde_json::from_value::<Code>(written).unwrap(), *code);
        assert!(code.meaning().ends_with('.') && !code.hint().is_empty());
    }
}
