//! What is weak in a finished generation. The catalogue leaves no way to build an instance without IMDSv2 or a volume without encryption, so
//! those are no findings; what templates can get wrong, or somebody changed afterwards, is.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::finding::{Finding, Severity};
use crate::identity::Generation;
use crate::kinds::ec2::SecurityGroup;
use crate::kinds::iam::{Policy as IamPolicy, Role};
use crate::kinds::s3::Bucket;
use crate::observed::{Inventory, Observed};
use crate::planning::Policy;

/// Looks at everything of a generation as the providers read it back.
pub fn findings(inventory: &Inventory, generation: &Generation, policy: &Policy) -> Vec<Finding> {
    let ours: Vec<&Observed> = inventory
        .objects
        .iter()
        .filter(|object| object.generation == *generation)
        .collect();
    let mut found = Vec::new();
    for object in &ours {
        let mut add = |code: &str, message: String, hint: &str| {
            found.push(Finding {
                severity: Severity::Warning,
                code: code.to_owned(),
                subject: object.address.to_string(),
                message,
                hint: hint.to_owned(),
            });
        };
        match object.address.qualified_kind().as_str() {
            "ec2.security-group" => exposed(object, policy, &mut add),
            "iam.policy" => {
                if let Some(read) = spec::<IamPolicy>(object) {
                    wide(&read.document, &mut add);
                }
            }
            "iam.role" => {
                if let Some(read) = spec::<Role>(object) {
                    trusting(&read.trust, &mut add);
                }
            }
            "s3.bucket" => loose(object, &mut add),
            _ => {}
        }
    }
    found.extend(unguarded(&ours));
    found
}

fn spec<T: serde::de::DeserializeOwned>(object: &Observed) -> Option<T> {
    serde_json::from_value(object.spec.clone()).ok()
}

fn exposed(object: &Observed, policy: &Policy, add: &mut impl FnMut(&str, String, &str)) {
    let Some(group) = spec::<SecurityGroup>(object) else {
        return;
    };
    for rule in &group.ingress {
        let public = rule
            .cidr
            .is_some_and(|cidr: Ipv4Net| cidr.prefix_len() == 0);
        let allowed = rule.protocol == "tcp"
            && rule.from_port == rule.to_port
            && u16::try_from(rule.from_port).is_ok_and(|port| policy.public_ports.contains(&port));
        if public && !allowed {
            add(
                "harden.public",
                format!(
                    "{} {}-{} is open to the whole Internet",
                    rule.protocol, rule.from_port, rule.to_port
                ),
                "close it, or name the port in `policy.public_ports`",
            );
        }
    }
    for rule in &group.egress {
        if rule.protocol == "-1"
            && rule
                .cidr
                .is_some_and(|cidr: Ipv4Net| cidr.prefix_len() == 0)
        {
            add(
                "harden.egress",
                "everything may be sent anywhere".to_owned(),
                "allow only the destinations that are needed, so that a stolen secret can't be carried out",
            );
        }
    }
}

/// A statement that allows every action of a service, or any action, on everything.
fn wide(document: &Value, add: &mut impl FnMut(&str, String, &str)) {
    for statement in listed(document.get("Statement")) {
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            continue;
        }
        let everywhere = texts(statement.get("Resource")).contains(&"*");
        let wide: Vec<&str> = texts(statement.get("Action"))
            .into_iter()
            .filter(|action| *action == "*" || action.ends_with(":*"))
            .collect();
        if statement.get("NotAction").is_some() || (everywhere && !wide.is_empty()) {
            add(
                "harden.wildcard",
                format!(
                    "it allows {} on everything",
                    if wide.is_empty() {
                        "all but some actions".to_owned()
                    } else {
                        wide.join(", ")
                    }
                ),
                "name the actions and the resources that are needed",
            );
        }
    }
}

/// A role that anybody may take.
fn trusting(trust: &Value, add: &mut impl FnMut(&str, String, &str)) {
    for statement in listed(trust.get("Statement")) {
        let principal = statement.get("Principal");
        let anybody = principal.and_then(Value::as_str) == Some("*")
            || texts(principal.and_then(|principal| principal.get("AWS"))).contains(&"*");
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        if allows && anybody && statement.get("Condition").is_none() {
            add(
                "harden.trust",
                "anybody may take this role".to_owned(),
                "name who may, or add a condition",
            );
        }
    }
}

fn loose(object: &Observed, add: &mut impl FnMut(&str, String, &str)) {
    let Some(bucket) = spec::<Bucket>(object) else {
        return;
    };
    if !bucket.versioning {
        add(
            "harden.versioning",
            "old versions are not kept".to_owned(),
            "set `versioning`, so that what is overwritten can be brought back",
        );
    }
    if bucket.object_lock.is_none() {
        add(
            "harden.lock",
            "whoever may write may delete".to_owned(),
            "set `object_lock` where backups or evidence are kept",
        );
    }
    if !bucket.block_public_access {
        add(
            "harden.public",
            "nothing keeps it from being made public".to_owned(),
            "set `block_public_access`",
        );
    }
}

/// Namespaces with workloads and without a NetworkPolicy.
fn unguarded(ours: &[&Observed]) -> Vec<Finding> {
    let namespaces = |kinds: &[&str]| -> BTreeSet<String> {
        ours.iter()
            .filter(|object| {
                object.address.provider() == "kubernetes" && kinds.contains(&object.address.kind())
            })
            .filter_map(|object| {
                let (namespace, _) = object.address.name().split_once('/')?;
                Some(namespace.to_owned())
            })
            .collect()
    };
    let guarded = namespaces(&["networking.k8s.io/NetworkPolicy"]);
    namespaces(&["apps/Deployment", "apps/StatefulSet", "apps/DaemonSet"])
        .difference(&guarded)
        .map(|namespace| Finding {
            severity: Severity::Warning,
            code: "harden.network-policy".to_owned(),
            subject: format!("namespace {namespace}"),
            message: "its pods may talk to everybody".to_owned(),
            hint: "add a NetworkPolicy that denies by default".to_owned(),
        })
        .collect()
}

/// One statement may stand without a list around it (IAM JSON policy grammar).
fn listed(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    listed(value)
        .into_iter()
        .filter_map(Value::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(address: &str, spec: Value) -> Observed {
        serde_json::from_value(json!({
            "address": address, "generation": "g1", "id": "x", "spec": spec, "outputs": {}, "digest": null, "ready": true, "marks": {},
        }))
        .unwrap()
    }

    fn codes(objects: Vec<Observed>) -> Vec<String> {
        let inventory = Inventory {
            objects,
            foreign: Vec::new(),
        };
        let policy = Policy {
            public_ports: BTreeSet::from([443]),
            ..Policy::default()
        };
        findings(&inventory, &"g1".parse().unwrap(), &policy)
            .into_iter()
            .map(|finding| finding.code)
            .collect()
    }

    #[test]
    fn what_is_open_is_named_and_what_is_allowed_is_not() {
        let rule = |port: i32, cidr: &str| json!({"protocol": "tcp", "from_port": port, "to_port": port, "cidr": cidr});
        let group = |ingress: Value, egress: Value| {
            object(
                "ec2.security-group.a",
                json!({"vpc": "vpc-1", "description": "d", "ingress": ingress, "egress": egress}),
            )
        };
        assert_eq!(
            codes(vec![group(
                json!([rule(443, "0.0.0.0/0"), rule(22, "10.0.0.0/8")]),
                json!([])
            )]),
            [""; 0]
        );
        let all = json!([{"protocol": "-1", "from_port": -1, "to_port": -1, "cidr": "0.0.0.0/0"}]);
        assert_eq!(
            codes(vec![group(json!([rule(22, "0.0.0.0/0")]), all)]),
            ["harden.public", "harden.egress"]
        );
    }

    #[test]
    fn wide_rights_are_named() {
        let policy = |statement: Value| {
            object(
                "iam.policy.a",
                json!({"name": "a", "document": {"Statement": statement}}),
            )
        };
        let allow = |action: Value, resource: &str| json!({"Effect": "Allow", "Action": action, "Resource": resource});
        assert_eq!(
            codes(vec![policy(allow(json!("s3:GetObject"), "*"))]),
            [""; 0]
        );
        assert_eq!(
            codes(vec![policy(json!([allow(
                json!(["s3:*"]),
                "arn:aws:s3:::a/*"
            )]))]),
            [""; 0]
        );
        assert_eq!(
            codes(vec![policy(json!([allow(json!(["s3:*"]), "*")]))]),
            ["harden.wildcard"]
        );
        assert_eq!(
            codes(vec![policy(allow(json!("*"), "*"))]),
            ["harden.wildcard"]
        );
        let trust = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]});
        assert_eq!(
            codes(vec![object(
                "iam.role.a",
                json!({"name": "a", "trust": trust})
            )]),
            ["harden.trust"]
        );
    }

    #[test]
    fn a_namespace_with_workloads_wants_a_policy() {
        let deployment = || object("kubernetes.apps/Deployment.demo/api", json!({}));
        assert_eq!(codes(vec![deployment()]), ["harden.network-policy"]);
        let guarded = object(
            "kubernetes.networking.k8s.io/NetworkPolicy.demo/deny",
            json!({}),
        );
        assert_eq!(codes(vec![deployment(), guarded]), [""; 0]);
    }

    #[test]
    fn a_loose_bucket_is_named() {
        let bucket = json!({"name": "a", "versioning": false, "block_public_access": false});
        assert_eq!(
            codes(vec![object("s3.bucket.a", bucket)]),
            ["harden.versioning", "harden.lock", "harden.public"]
        );
    }
}
