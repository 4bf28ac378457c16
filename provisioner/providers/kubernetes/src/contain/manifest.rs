//! Objects as they are written down: without what the server keeps for itself, and without what may be a secret.

use serde_json::{Value, json};

const WITHHELD: &str = "(withheld)";

/// An object without status and the server's own fields. Annotations whose names speak of secrets lose their values.
pub(super) fn of(object: &Value, api_version: &str, kind: &str) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            for (name, value) in annotations.iter_mut() {
                if speaks_of_secrets(name) {
                    *value = json!(WITHHELD);
                }
            }
        }
    }
    object
}

/// A pod. Values of variables, arguments, headers, annotations and volumes' attributes are withheld: any of them may hold a secret.
pub(super) fn of_pod(pod: &Value) -> Value {
    let mut pod = of(pod, "v1", "Pod");
    withhold(&mut pod);
    pod
}

fn speaks_of_secrets(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "token", "password", "credential", "key"]
        .iter()
        .any(|word| name.contains(word))
}

/// Goes as deep as the JSON reader allowed the answer to be.
fn withhold(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                match (name.as_str(), &mut *value) {
                    ("env" | "httpHeaders", Value::Array(list)) => {
                        for entry in list {
                            if let Some(value) = entry.get_mut("value") {
                                *value = json!(WITHHELD);
                            }
                        }
                    }
                    ("command" | "args", Value::Array(list)) => arguments(list, name == "command"),
                    ("annotations" | "volumeAttributes" | "options", Value::Object(map)) => {
                        map.values_mut().for_each(|value| *value = json!(WITHHELD));
                    }
                    _ => withhold(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(withhold),
        _ => {}
    }
}

/// The program and the names of flags stay.
fn arguments(list: &mut [Value], program_first: bool) {
    for (at, argument) in list.iter_mut().enumerate() {
        let text = argument.as_str().unwrap_or_default();
        let flag = text.split('=').next().unwrap_or_default();
        let is_flag = flag.len() <= 64
            && flag
                .strip_prefix('-')
                .map(|name| name.trim_start_matches('-'))
                .is_some_and(|name| {
                    name.len() > 1
                        && name
                            .bytes()
                            .all(|b| b.is_ascii_lowercase() || b"-_.".contains(&b))
                });
        if is_flag && flag.len() < text.len() {
            *argument = json!(format!("{flag}={WITHHELD}"));
        } else if !(is_flag && text.starts_with("--") || at == 0 && program_first) {
            *argument = json!(WITHHELD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_that_may_be_a_secret_is_kept() {
        let pod = json!({
            "metadata": {
                "name": "p", "uid": "u", "labels": {"app": "x"},
                "annotations": {"note": "s3cret-1", "kubectl.kubernetes.io/last-applied-configuration": "s3cret-2"},
            },
            "spec": {
                "initContainers": [{"name": "i", "env": [{"name": "A", "value": "s3cret-3"}]}],
                "containers": [{
                    "name": "c",
                    "command": ["/bin/app", "s3cret-4", "-ps3cret-5", "-S"],
                    "args": ["s3cret-6", "--password=s3cret-7", "--token", "s3cret-8", "--verbose"],
                    "env": [{"name": "B", "value": "s3cret-9"}, {"name": "C", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}],
                    "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "s3cret-10"}]}},
                    "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "s3cret-11"]}}},
                }],
                "volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"a": "s3cret-12"}}}],
            },
            "status": {"message": "s3cret-13"},
        });
        let kept = of_pod(&pod);
        assert!(!kept.to_string().contains("s3cret"), "{kept}");
        let container = &kept["spec"]["containers"][0];
        assert_eq!(
            container["command"],
            json!(["/bin/app", WITHHELD, WITHHELD, WITHHELD])
        );
        assert_eq!(
            container["args"],
            json!([
                WITHHELD,
                "--password=(withheld)",
                "--token",
                WITHHELD,
                "--verbose"
            ])
        );
        assert_eq!(container["env"][0]["name"], "B");
        assert_eq!(
            container["env"][1]["valueFrom"]["secretKeyRef"]["name"],
            "n"
        );
        assert_eq!(kept["metadata"]["labels"]["app"], "x");
    }

    #[test]
    fn annotations_lose_what_their_names_warn_of() {
        let account = json!({"metadata": {"name": "a", "annotations": {
            "eks.amazonaws.com/role-arn": "arn:x", "vendor/api-key": "s3cret",
        }}});
        let kept = of(&account, "v1", "ServiceAccount");
        assert_eq!(
            kept["metadata"]["annotations"],
            json!({"eks.amazonaws.com/role-arn": "arn:x", "vendor/api-key": WITHHELD})
        );
    }
}
