//! What is planned for what was found.

mod support;

use std::collections::BTreeSet;

use planner::preview::{self, Style};
use planner::{Action, Foreign, Input, PlanError, Rotate, Severity, destroy, plan};
use proptest::prelude::*;
use serde_json::json;
use support::*;

/// The input of a second run after the first was applied.
fn second() -> Input {
    let mut input = input();
    input.inventory = applied(&input);
    input
}

#[test]
fn an_empty_cloud_needs_everything_in_order() {
    let plan = plan(input()).unwrap();
    assert!(plan.target.fresh && plan.unchanged.is_empty());
    assert!(
        plan.steps
            .iter()
            .all(|step| matches!(step.action, Action::Create | Action::Seed | Action::Check))
    );
    for (later, earlier) in [
        ("create ec2.subnet.a", "create ec2.vpc.main"),
        (
            "create ec2.nat-gateway.main",
            "create ec2.internet-gateway.main",
        ),
        ("create ec2.key-pair.main", "create vault.secret.ssh"),
        (
            "create kubernetes.ConfigMap.demo/api",
            "create kubernetes.Namespace.demo",
        ),
        (
            "create kubernetes.Secret.demo/api",
            "create vault.secret.api",
        ),
        (
            "seed seed.object.chain",
            "create kubernetes.ConfigMap.demo/api",
        ),
        ("seed seed.object.chain", "create vault.secret.data"),
        ("seed seed.object.chain", "create s3.bucket.data"),
        ("check check.seed.chain", "seed seed.object.chain"),
        (
            "create kubernetes.apps/Deployment.demo/api",
            "check check.seed.chain",
        ),
        (
            "check check.http.health",
            "create kubernetes.apps/Deployment.demo/api",
        ),
        ("create s3.generation.mark", "check check.http.health"),
        ("create s3.generation.mark", "create ec2.instance.api"),
        (
            "create kubernetes.networking.k8s.io/Ingress.demo/api",
            "create s3.generation.mark",
        ),
    ] {
        assert!(
            waits(&plan, later, earlier),
            "{later} must wait for {earlier}"
        );
    }
    assert!(!waits(
        &plan,
        "create kubernetes.Namespace.demo",
        "create ec2.nat-gateway.main"
    ));
    insta::assert_snapshot!("fresh_preview", preview::text(&plan, &Style::default()));
    insta::assert_snapshot!("fresh_plan", serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn a_second_run_changes_nothing() {
    let plan = plan(second()).unwrap();
    assert_eq!(mutations(&plan), [""; 0]);
    assert!(!plan.has_changes() && !plan.target.fresh);
    assert_eq!(plan.steps.len(), 2, "checks run every time");
    assert_eq!(plan.unchanged.len(), desired().len() - 2);
    assert!(preview::text(&plan, &Style::default()).contains("No changes"));
}

#[test]
fn what_can_not_be_read_back_counts_as_unchanged() {
    let mut input = second();
    for (resource, field) in [
        ("seed.object.chain", "encrypt_with"),
        ("ec2.instance.api", "launch_template"),
        ("ec2.vpc.main", "tags"),
    ] {
        let object = input
            .inventory
            .objects
            .iter_mut()
            .find(|o| o.address == address(resource))
            .unwrap();
        assert!(object.spec.as_object_mut().unwrap().remove(field).is_some());
    }
    assert_eq!(mutations(&plan(input.clone()).unwrap()), [""; 0]);
    set(
        &mut input,
        "ec2.launch-template.api",
        "/instance_type",
        json!("t3.large"),
    );
    assert!(mutations(&plan(input).unwrap()).contains(&"replace ec2.instance.api"));
}

type Change = fn(&mut Input);

const SECRET: &str = "kubernetes.Secret.demo/api";

/// Makes the Secret immutable, there too.
fn seal(input: &mut Input) {
    let secret = input
        .desired
        .iter_mut()
        .find(|resource| resource.address == address(SECRET))
        .unwrap();
    secret.spec["object"]["immutable"] = json!(true);
    input.inventory = applied(&Input {
        inventory: Default::default(),
        ..input.clone()
    });
}

/// A change, and the mutations it brings.
#[test]
fn changes() {
    let cases: &[(&str, Change, &[&str])] = &[
        (
            "tag",
            |i| set(i, "ec2.vpc.main", "/tags", json!({"a": "b"})),
            &["update ec2.vpc.main"],
        ),
        (
            "order of rules",
            |i| {
                let group = i
                    .desired
                    .iter_mut()
                    .find(|r| r.address == address("ec2.security-group.web"))
                    .unwrap();
                group.spec["ingress"].as_array_mut().unwrap().reverse();
            },
            &[],
        ),
        (
            "a rule less",
            |i| {
                let group = i
                    .desired
                    .iter_mut()
                    .find(|r| r.address == address("ec2.security-group.web"))
                    .unwrap();
                group.spec["ingress"].as_array_mut().unwrap().pop();
            },
            &["update ec2.security-group.web"],
        ),
        (
            "policy spelling",
            |i| {
                set(
                    i,
                    "iam.role.api",
                    "/trust/Statement/0/Action",
                    json!("sts:AssumeRole"),
                )
            },
            &[],
        ),
        (
            "policy",
            |i| {
                set(
                    i,
                    "iam.role.api",
                    "/trust/Statement/0/Action",
                    json!("sts:TagSession"),
                )
            },
            &["update iam.role.api"],
        ),
        (
            "user data",
            |i| {
                set(
                    i,
                    "ec2.launch-template.api",
                    "/user_data",
                    json!("#!/bin/sh\necho other\n"),
                )
            },
            &[
                "delete ec2.instance.api",
                "delete ec2.launch-template.api",
                "replace ec2.instance.api",
                "replace ec2.launch-template.api",
            ],
        ),
        (
            "subnet's zone",
            |i| set(i, "ec2.subnet.b", "/zone", json!("us-east-1c")),
            &[
                "delete ec2.subnet.b",
                "replace ec2.subnet.b",
                "update ec2.route-table.private",
            ],
        ),
        (
            "replicas",
            |i| {
                set(
                    i,
                    "kubernetes.apps/Deployment.demo/api",
                    "/object/spec/replicas",
                    json!(3),
                )
            },
            &["update kubernetes.apps/Deployment.demo/api"],
        ),
        (
            "nothing declares it",
            |i| drop(i, "ec2.instance.api"),
            &["delete ec2.instance.api"],
        ),
        (
            "cluster object not declared",
            |i| drop(i, "kubernetes.ConfigMap.demo/api"),
            &[],
        ),
        (
            "cluster object pruned",
            |i| {
                i.policy.prune = true;
                drop(i, "kubernetes.ConfigMap.demo/api")
            },
            &["delete kubernetes.ConfigMap.demo/api"],
        ),
        (
            "rotation",
            |i| i.rotate = Rotate::Names(["api".to_owned()].into()),
            &[
                "rotate vault.secret.api",
                "update kubernetes.Secret.demo/api",
            ],
        ),
        (
            "rotation of a key pair",
            |i| i.rotate = Rotate::Names(["vault.secret.ssh".to_owned()].into()),
            &[
                "delete ec2.instance.api",
                "delete ec2.key-pair.main",
                "delete ec2.launch-template.api",
                "replace ec2.instance.api",
                "replace ec2.key-pair.main",
                "replace ec2.launch-template.api",
                "rotate vault.secret.ssh",
            ],
        ),
        (
            "not ready",
            |i| {
                i.inventory
                    .objects
                    .iter_mut()
                    .filter(|o| o.address == address("ec2.instance.api"))
                    .for_each(|o| o.ready = false)
            },
            &["update ec2.instance.api"],
        ),
        (
            "lost",
            |i| {
                i.inventory
                    .objects
                    .retain(|o| o.address != address("ec2.subnet.b"))
            },
            &["create ec2.subnet.b", "update ec2.route-table.private"],
        ),
        (
            "drift in the cluster",
            |i| {
                let object = i
                    .inventory
                    .objects
                    .iter_mut()
                    .find(|o| o.address == address("kubernetes.ConfigMap.demo/api"))
                    .unwrap();
                object.spec["object"]["data"]["mode"] = json!("off");
            },
            &["update kubernetes.ConfigMap.demo/api"],
        ),
        (
            "being deleted",
            |i| {
                i.inventory
                    .objects
                    .iter_mut()
                    .filter(|o| o.address == address("kubernetes.apps/Deployment.demo/api"))
                    .for_each(|o| {
                        o.marks
                            .insert(planner::observed::ENDING.to_owned(), "yes".to_owned());
                    })
            },
            &["create kubernetes.apps/Deployment.demo/api"],
        ),
        (
            "an immutable Secret's value is renewed",
            |i| {
                seal(i);
                i.rotate = Rotate::Names(["api".to_owned()].into());
            },
            &[
                "delete kubernetes.Secret.demo/api",
                "replace kubernetes.Secret.demo/api",
                "rotate vault.secret.api",
            ],
        ),
        (
            "an immutable Secret reads from elsewhere",
            |i| {
                seal(i);
                set(i, SECRET, "/secrets/key/field", json!("other"));
            },
            &[
                "delete kubernetes.Secret.demo/api",
                "replace kubernetes.Secret.demo/api",
            ],
        ),
        (
            "a Secret reads from elsewhere",
            |i| set(i, SECRET, "/secrets/key/field", json!("other")),
            &["update kubernetes.Secret.demo/api"],
        ),
        (
            "additions in the cluster",
            |i| {
                let object = i
                    .inventory
                    .objects
                    .iter_mut()
                    .find(|o| o.address == address("kubernetes.apps/Deployment.demo/api"))
                    .unwrap();
                object.spec["object"]["spec"]["strategy"] = json!({"type": "RollingUpdate"});
                object.spec["object"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
                    ["cpu"] = json!("1");
            },
            &[],
        ),
        (
            "mark lost",
            |i| {
                i.inventory
                    .objects
                    .iter_mut()
                    .filter(|o| o.address == address("kubernetes.Namespace.demo"))
                    .for_each(|o| o.digest = None)
            },
            &["update kubernetes.Namespace.demo"],
        ),
        (
            "another generation",
            |i| {
                i.inventory.objects.iter_mut().for_each(|o| {
                    if o.address == address("ec2.elastic-ip.nat") {
                        o.generation = "old".parse().unwrap()
                    }
                })
            },
            &[
                "create ec2.elastic-ip.nat",
                "delete ec2.nat-gateway.main",
                "replace ec2.nat-gateway.main",
                "update ec2.route-table.private",
            ],
        ),
    ];
    for (name, change, wanted) in cases {
        let mut input = second();
        change(&mut input);
        let plan = plan(input.clone()).unwrap();
        let found: BTreeSet<&str> = mutations(&plan).into_iter().collect();
        assert_eq!(found, wanted.iter().copied().collect(), "{name}");
        // Applied, nothing is left to do.
        let mut third = input.clone();
        third.rotate = Rotate::None;
        third.inventory = observed_after(&plan, &input.inventory);
        third
            .inventory
            .objects
            .retain(|o| o.generation == third.target.generation);
        let again = planner::plan(third).unwrap();
        assert_eq!(mutations(&again), [""; 0], "{name}, applied");
    }
}

/// The first backup of the small environment.
fn with_first_backup() -> Input {
    let mut input = input();
    let pin = input.backup.clone().unwrap();
    input.desired.push(object(
        "kubernetes.batch/CronJob.demo/backup",
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup", "namespace": "demo"}}),
    ));
    input.desired.push(planner::Resource {
        address: address("backup.job.first"),
        spec: json!({
            "namespace": "demo", "cron_job": "backup", "deadline": 1800, "sha256": pin.sha256, "head": pin.head, "blocks": pin.blocks,
        }),
        depends_on: BTreeSet::from([address("kubernetes.batch/CronJob.demo/backup")]),
        origin: None,
    });
    input
}

#[test]
fn the_first_backup_comes_last_and_once() {
    let first = with_first_backup();
    let fresh = plan(first.clone()).unwrap();
    let backup = "create backup.job.first";
    for earlier in [
        "create kubernetes.networking.k8s.io/Ingress.demo/api",
        "create s3.generation.mark",
        "create ec2.instance.api",
        "create kubernetes.batch/CronJob.demo/backup",
    ] {
        assert!(waits(&fresh, backup, earlier), "it must wait for {earlier}");
    }
    let text = preview::text(&fresh, &Style::default());
    assert!(
        text.contains("Backup\n") && text.contains("+ backup.job.first"),
        "{text}"
    );
    // Users are served before it: it is no part of the time to recovery.
    assert!(!fresh.estimates.critical_path.contains(&backup.to_owned()));
    let without = plan(input()).unwrap();
    let late = fresh.estimates.rto_seconds - without.estimates.rto_seconds;
    assert!(late < 60, "{late}");

    let mut second = first.clone();
    second.inventory = applied(&first);
    let again = plan(second.clone()).unwrap();
    assert_eq!(mutations(&again), [""; 0]);
    // Another deadline or another CronJob takes no second one.
    set(&mut second, "backup.job.first", "/deadline", json!(60));
    set(
        &mut second,
        "backup.job.first",
        "/cron_job",
        json!("backup"),
    );
    assert_eq!(mutations(&plan(second.clone()).unwrap()), [""; 0]);
    // One that was begun and not proven is gone on with.
    let begun = second
        .inventory
        .objects
        .iter_mut()
        .find(|object| object.address.provider() == "backup")
        .unwrap();
    begun.ready = false;
    assert_eq!(mutations(&plan(second.clone()).unwrap()), [backup]);
    // It goes before the namespace does.
    let gone = destroy(second).unwrap();
    assert!(waits(
        &gone,
        "delete kubernetes.Namespace.demo",
        "delete backup.job.first"
    ));
}

#[test]
fn replacing_the_network_replaces_what_stands_in_it() {
    let mut input = second();
    set(&mut input, "ec2.vpc.main", "/cidr", json!("10.0.0.0/8"));
    let plan = plan(input.clone()).unwrap();
    for (later, earlier) in [
        ("replace ec2.subnet.a", "replace ec2.vpc.main"),
        ("delete ec2.vpc.main", "delete ec2.subnet.a"),
        ("delete ec2.vpc.main", "update ec2.internet-gateway.main"),
        ("delete ec2.subnet.a", "delete ec2.instance.api"),
        (
            "replace ec2.nat-gateway.main",
            "delete ec2.nat-gateway.main",
        ),
    ] {
        assert!(
            waits(&plan, later, earlier),
            "{later} must wait for {earlier}"
        );
    }
    let subnet = plan
        .steps
        .iter()
        .find(|step| step.id == "replace ec2.subnet.a")
        .unwrap();
    assert_eq!(subnet.reason, "`ec2.vpc.main` is new");
    assert_eq!(subnet.spec["vpc"], json!({"unknown": "ec2.vpc.main/id"}));
    let first = planner::plan(Input {
        inventory: Default::default(),
        ..input.clone()
    })
    .unwrap();
    let before = first
        .steps
        .iter()
        .find(|step| step.id == "create ec2.subnet.a")
        .unwrap();
    assert_ne!(before.token, subnet.token, "a new identity");
    insta::assert_snapshot!("replace_preview", preview::text(&plan, &Style::default()));
    observed_after(&plan, &input.inventory);
}

#[test]
fn data_keys_of_seeded_data_are_not_rotated() {
    let mut input = second();
    input.rotate = Rotate::All;
    let all = plan(input.clone()).unwrap();
    assert!(!mutations(&all).contains(&"rotate vault.secret.data"));
    assert!(
        all.findings
            .iter()
            .any(|finding| finding.code == "rotate.data-key"
                && finding.severity == Severity::Warning)
    );
    input.rotate = Rotate::Names(["data".to_owned(), "nobody".to_owned()].into());
    let named = plan(input).unwrap();
    let codes: Vec<&str> = named
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| f.code.as_str())
        .collect();
    assert_eq!(codes, ["rotate.data-key", "rotate.unknown"]);
}

#[test]
fn seeded_data_is_never_overwritten() {
    let mut input = second();
    set(
        &mut input,
        "seed.object.chain",
        "/sha256",
        json!("d".repeat(64)),
    );
    let plan = plan(input).unwrap();
    assert!(plan.is_blocked());
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.code == "seed.other-origin")
    );
}

#[test]
fn destroying_goes_backwards() {
    let plan = destroy(second()).unwrap();
    assert!(plan.steps.iter().all(|step| step.action == Action::Delete));
    for (later, earlier) in [
        ("delete ec2.vpc.main", "delete ec2.subnet.a"),
        ("delete ec2.subnet.a", "delete ec2.instance.api"),
        (
            "delete kubernetes.Namespace.demo",
            "delete kubernetes.apps/Deployment.demo/api",
        ),
        (
            "delete kubernetes.apps/Deployment.demo/api",
            "delete kubernetes.networking.k8s.io/Ingress.demo/api",
        ),
        ("delete s3.bucket.data", "delete seed.object.chain"),
        ("delete iam.role.api", "delete iam.instance-profile.api"),
    ] {
        assert!(
            waits(&plan, later, earlier),
            "{later} must wait for {earlier}"
        );
    }
    let mut other = second();
    other.target.generation = "other".parse().unwrap();
    assert!(destroy(other).unwrap().steps.is_empty());
}

const PARENT: &str = "kubernetes.ConfigMap.demo/rebuild-inventory";

fn kinds_listed(spec: &serde_json::Value) -> &str {
    let annotations = &spec["object"]["metadata"]["annotations"];
    annotations[planner::applyset::GROUP_KINDS]
        .as_str()
        .unwrap()
}

#[test]
fn the_inventory_comes_first_and_lists_what_is_pruned_until_it_is_gone() {
    let first = plan(input()).unwrap();
    let create = format!("create {PARENT}");
    assert!(waits(&first, &create, "create kubernetes.Namespace.demo"));
    for step in first.steps.iter().filter(|step| {
        step.address.provider() == "kubernetes" && step.address.kind() != "Namespace"
    }) {
        assert!(waits(&first, &step.id, &create), "{}", step.id);
    }

    let mut input = second();
    input.policy.prune = true;
    drop(&mut input, "kubernetes.networking.k8s.io/Ingress.demo/api");
    drop(&mut input, "kubernetes.ConfigMap.demo/api");
    let declared = object(
        "kubernetes.Service.demo/api",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "demo"}, "spec": {"selector": {"app": "api"}}}),
    );
    input
        .desired
        .retain(|resource| resource.address != address(PARENT));
    input.desired.push(declared);
    planner::applyset::form(&mut input.desired, "demo", "0.1.0").unwrap();
    let plan = plan(input.clone()).unwrap();
    let (wide, narrow) = (
        format!("update {PARENT}"),
        format!("update {PARENT} after pruning"),
    );
    let step = |id: &str| plan.steps.iter().find(|step| step.id == id).unwrap();
    assert_eq!(
        kinds_listed(&step(&wide).spec),
        "ConfigMap,Deployment.apps,Ingress.networking.k8s.io,Secret,Service"
    );
    assert_eq!(
        kinds_listed(&step(&narrow).spec),
        "Deployment.apps,Secret,Service"
    );
    let (ingress, config) = (
        "delete kubernetes.networking.k8s.io/Ingress.demo/api",
        "delete kubernetes.ConfigMap.demo/api",
    );
    for (later, earlier) in [
        ("create kubernetes.Service.demo/api", wide.as_str()),
        (ingress, "create kubernetes.Service.demo/api"),
        (ingress, "check check.http.health"),
        (config, ingress),
        (narrow.as_str(), config),
    ] {
        assert!(
            waits(&plan, later, earlier),
            "{later} must wait for {earlier}"
        );
    }
    // Interrupted before the end, the next plan takes it up again.
    let mut resumed = input.clone();
    resumed.inventory = observed_after(&plan, &input.inventory);
    assert_eq!(mutations(&planner::plan(resumed.clone()).unwrap()), [""; 0]);
    let parent = resumed
        .inventory
        .objects
        .iter_mut()
        .find(|o| o.address == address(PARENT))
        .unwrap();
    parent.spec = step(&wide).spec.clone();
    parent.digest = Some(step(&wide).digest.clone());
    assert_eq!(mutations(&planner::plan(resumed).unwrap()), [wide.as_str()]);
}

#[test]
fn only_what_the_inventory_proves_is_pruned() {
    let lost = "kubernetes.ConfigMap.demo/api";
    fn found<'a>(input: &'a mut Input, text: &str) -> &'a mut serde_json::Value {
        let objects = &mut input.inventory.objects;
        let object = objects.iter_mut().find(|o| o.address == address(text));
        &mut object.unwrap().spec["object"]
    }
    let cases: &[(&str, Change)] = &[
        ("object.kept", |i| {
            let object = found(i, "kubernetes.ConfigMap.demo/api");
            object["metadata"]["annotations"] = json!({"rebuild.dev/prune": "keep"});
        }),
        ("object.not-in-inventory", |i| {
            found(i, "kubernetes.ConfigMap.demo/api")["metadata"]["labels"] = json!({});
        }),
        ("object.not-in-inventory", |i| {
            found(i, PARENT)["metadata"]["annotations"][planner::applyset::GROUP_KINDS] =
                json!("Secret");
        }),
        ("object.not-in-inventory", |i| {
            i.inventory.objects.retain(|o| o.address != address(PARENT));
        }),
        ("object.not-wanted", |i| i.policy.prune = false),
        ("object.not-wanted", |i| {
            i.inventory
                .objects
                .retain(|o| o.address != address("seed.object.chain"));
        }),
    ];
    for (code, change) in cases {
        let mut input = second();
        input.policy.prune = true;
        drop(&mut input, lost);
        change(&mut input);
        let plan = plan(input).unwrap();
        assert!(
            !mutations(&plan).iter().any(|id| id.starts_with("delete ")),
            "{code}: {:?}",
            mutations(&plan)
        );
        let finding = plan.findings.iter().find(|finding| finding.subject == lost);
        assert_eq!(finding.map(|finding| finding.code.as_str()), Some(*code));
    }
}

#[test]
fn findings_of_the_checks() {
    let cases: &[(&str, Severity, Change)] = &[
        ("network.overlap", Severity::Error, |i| {
            set(i, "ec2.subnet.b", "/cidr", json!("10.0.1.128/25"))
        }),
        ("network.outside", Severity::Error, |i| {
            set(i, "ec2.subnet.b", "/cidr", json!("10.1.1.0/24"))
        }),
        ("address.outside", Severity::Error, |i| {
            set(i, "ec2.instance.api", "/private_ip", json!("10.0.1.3"))
        }),
        ("address.duplicate", Severity::Error, |i| {
            let mut twin = i
                .desired
                .iter()
                .find(|r| r.address == address("ec2.instance.api"))
                .unwrap()
                .clone();
            twin.address = address("ec2.instance.twin");
            i.desired.push(twin);
        }),
        ("ingress.world-open", Severity::Error, |i| {
            set(
                i,
                "ec2.security-group.web",
                "/ingress/1/cidr",
                json!("0.0.0.0/0"),
            )
        }),
        ("ingress.world-open", Severity::Error, |i| {
            set(
                i,
                "ec2.security-group.web",
                "/ingress/0/to_port",
                json!(444),
            )
        }),
        ("ingress.world-open", Severity::Error, |i| {
            set(
                i,
                "ec2.security-group.web",
                "/ingress/0/protocol",
                json!("-1"),
            )
        }),
        ("image.without-digest", Severity::Warning, |_| {}),
        ("image.without-digest", Severity::Error, |i| {
            i.policy
                .manifests
                .severities
                .insert(manifest::Code::ImageWithoutDigest, Severity::Error);
        }),
        ("container.runs-as-root", Severity::Warning, |_| {}),
        ("schema.unknown-field", Severity::Error, |i| {
            set(
                i,
                "kubernetes.networking.k8s.io/Ingress.demo/api",
                "/object/spec",
                json!({"rulse": []}),
            )
        }),
        ("backup.old", Severity::Error, |i| i.policy.rpo_seconds = 60),
        ("backup.old", Severity::Warning, |i| {
            i.policy.rpo_seconds = 60;
            i.policy.allow_old_backup = true;
        }),
        ("backup.missing", Severity::Error, |i| i.backup = None),
        ("backup.other-pin", Severity::Error, |i| {
            i.backup.as_mut().unwrap().sha256 = "f".repeat(64)
        }),
        ("backup.future", Severity::Warning, |i| {
            i.backup.as_mut().unwrap().written = "2027-01-01T00:00:00Z".parse().unwrap()
        }),
        ("time.over-objective", Severity::Warning, |i| {
            i.policy.rto_seconds = 5
        }),
        ("place.wrong", Severity::Error, |i| {
            i.actual
                .insert("account".to_owned(), "999999999999".to_owned());
        }),
        ("place.unconfirmed", Severity::Note, |i| {
            i.actual.remove("account");
        }),
        ("reference.not-ours", Severity::Error, |i| {
            set(i, "ec2.subnet.b", "/vpc", json!("vpc-0123456789abcdef0"))
        }),
        ("object.foreign", Severity::Error, |i| {
            i.inventory.foreign.push(Foreign {
                address: address("s3.bucket.data"),
                id: "demo-data".to_owned(),
                why: "no tags".to_owned(),
            })
        }),
        ("bucket.without-lock", Severity::Note, |_| {}),
    ];
    let usual: BTreeSet<(String, Severity)> = plan(input())
        .unwrap()
        .findings
        .into_iter()
        .map(|f| (f.code, f.severity))
        .collect();
    assert_eq!(
        usual,
        [
            ("bucket.without-lock".to_owned(), Severity::Note),
            (
                "container.privilege-escalation".to_owned(),
                Severity::Warning
            ),
            ("container.runs-as-root".to_owned(), Severity::Warning),
            ("image.without-digest".to_owned(), Severity::Warning),
            ("network-policy.missing".to_owned(), Severity::Warning),
        ]
        .into()
    );
    for (code, severity, change) in cases {
        let mut input = input();
        change(&mut input);
        let plan = plan(input).unwrap();
        assert!(
            plan.findings
                .iter()
                .any(|f| f.code == *code && f.severity == *severity),
            "{code}: {:?}",
            plan.findings
        );
        assert!(
            plan.findings
                .windows(2)
                .all(|pair| pair[0].severity >= pair[1].severity)
        );
    }
}

#[test]
fn what_does_not_fit_together_is_told() {
    let mut input = input();
    drop(&mut input, "ec2.vpc.main");
    let Err(PlanError::Invalid(problems)) = plan(input) else {
        panic!("no problem found")
    };
    assert!(
        problems
            .iter()
            .any(|problem| problem.address == "ec2.subnet.a" && problem.origin.is_some())
    );
}

#[test]
fn secret_values_never_reach_a_plan() {
    let mut input = input();
    let secret = input
        .desired
        .iter_mut()
        .find(|r| r.address == address("kubernetes.Secret.demo/api"))
        .unwrap();
    secret.spec["object"]["stringData"] = json!({"empty": "", "key": "hunter2"});
    let error = plan(input).unwrap_err().to_string();
    assert!(
        error.contains("`stringData.key`") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn an_order_against_the_groups_is_refused() {
    let mut input = input();
    let config = input
        .desired
        .iter_mut()
        .find(|r| r.address == address("kubernetes.ConfigMap.demo/api"))
        .unwrap();
    config
        .depends_on
        .insert(address("kubernetes.networking.k8s.io/Ingress.demo/api"));
    assert!(matches!(plan(input), Err(PlanError::Circle(_))));
}

#[test]
fn plan_files_are_checked() {
    let made = plan(input()).unwrap();
    let text = planner::file::text(&made).unwrap();
    assert_eq!(planner::verify(text.as_bytes()).unwrap(), made);
    for (from, to, wanted) in [
        ("\"format\":2", "\"format\":1", "format 1"),
        ("10.0.1.0/24", "10.0.3.0/24", "changed after it was made"),
        (
            "\"tool\":",
            "\"more\":1,\"tool\":",
            "changed after it was made",
        ),
        ("{", "[", "not JSON"),
    ] {
        let error = planner::verify(text.replacen(from, to, 1).as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn what_was_waited_for_may_become_ready() {
    let settled = plan(Input {
        inventory: applied(&input()),
        ..input()
    })
    .unwrap();
    for object in applied(&input()).objects {
        let mut waiting = input();
        waiting.inventory = applied(&input());
        waiting
            .inventory
            .objects
            .iter_mut()
            .filter(|other| other.address == object.address)
            .for_each(|other| other.ready = false);
        let waiting = plan(waiting).unwrap();
        assert!(waiting.has_changes(), "{}", object.address);
        assert_eq!(planner::stale(&waiting, &settled), [], "{}", object.address);
        assert_ne!(planner::stale(&settled, &waiting), [], "{}", object.address);
    }
}

#[test]
fn stale_plans_are_told_apart() {
    let made = plan(input()).unwrap();
    let mut later = input();
    later.created = "2026-11-24T03:00:00Z".parse().unwrap();
    assert_eq!(planner::stale(&made, &plan(later.clone()).unwrap()), []);
    later.inputs.insert("new".to_owned(), "x".to_owned());
    later.inventory = applied(&input());
    later
        .inventory
        .objects
        .retain(|object| object.address == address("ec2.vpc.main"));
    let whats: Vec<String> = planner::stale(&made, &plan(later).unwrap())
        .into_iter()
        .map(|d| d.what)
        .collect();
    assert!(
        whats.contains(&"input new".to_owned())
            && whats.contains(&"step create ec2.vpc.main".to_owned()),
        "{whats:?}"
    );
}

#[test]
fn many_objects_need_few_edges() {
    let mut input = input();
    for number in 0..300 {
        let mut config = input
            .desired
            .iter()
            .find(|r| r.address == address("kubernetes.ConfigMap.demo/api"))
            .unwrap()
            .clone();
        config.address = address(&format!("kubernetes.ConfigMap.demo/c{number}"));
        let mut workload = input
            .desired
            .iter()
            .find(|r| r.address == address("kubernetes.apps/Deployment.demo/api"))
            .unwrap()
            .clone();
        workload.address = address(&format!("kubernetes.apps/Deployment.demo/w{number}"));
        input.desired.extend([config, workload]);
    }
    input
        .desired
        .retain(|r| !matches!(r.address.provider(), "seed" | "check" | "s3"));
    let plan = plan(input).unwrap();
    assert!(
        plan.steps
            .iter()
            .map(|step| step.depends_on.len())
            .sum::<usize>()
            < 2500
    );
    assert!(waits(
        &plan,
        "create kubernetes.apps/Deployment.demo/w7",
        "create kubernetes.ConfigMap.demo/c123"
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_of_the_input_means_nothing(desired in Just(desired()).prop_shuffle(), objects in Just(second().inventory.objects).prop_shuffle()) {
        let mut shuffled = second();
        set(&mut shuffled, "ec2.subnet.b", "/zone", json!("us-east-1c"));
        let straight = plan(shuffled.clone()).unwrap();
        shuffled.desired = desired;
        set(&mut shuffled, "ec2.subnet.b", "/zone", json!("us-east-1c"));
        shuffled.inventory.objects = objects;
        prop_assert_eq!(serde_json::to_string(&plan(shuffled).unwrap()).unwrap(), serde_json::to_string(&straight).unwrap());
    }

    #[test]
    fn whatever_is_there_the_plan_leads_to_what_is_wanted(kept in proptest::collection::vec(any::<bool>(), 32), changed in proptest::sample::select(vec!["ec2.vpc.main", "ec2.subnet.a", "ec2.elastic-ip.nat", "none"])) {
        let mut input = second();
        let mut flags = kept.into_iter().cycle();
        input.inventory.objects.retain(|_| flags.next().unwrap_or(true));
        match changed {
            "ec2.vpc.main" => set(&mut input, changed, "/cidr", json!("10.0.0.0/12")),
            "ec2.subnet.a" => set(&mut input, changed, "/zone", json!("us-east-1d")),
            "ec2.elastic-ip.nat" => set(&mut input, changed, "/tags", json!({"x": "y"})),
            _ => {}
        }
        let made = plan(input.clone()).unwrap();
        input.inventory = observed_after(&made, &input.inventory);
        let again = plan(input).unwrap();
        prop_assert_eq!(mutations(&again), [""; 0]);
    }
}
