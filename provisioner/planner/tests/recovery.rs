//! What is replaced when a pod or a node failed, and what speaks against it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use planner::kinds::recover::Workload;
use planner::recovery::{
    self, Asked, Budget, Cluster, Data, Node, Pod, PodState, Recovered, Scaled,
};
use planner::{Action, Case, Input, Plan, Resource, Scenario, Severity};
use serde_json::json;
use support::{address, input};

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn workload(kind: &str) -> Workload {
    Workload {
        namespace: "demo".to_owned(),
        kind: kind.to_owned(),
        name: "api".to_owned(),
        uid: "w".to_owned(),
    }
}

fn pod(name: &str, node: &str, state: PodState) -> Pod {
    Pod {
        namespace: "demo".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        node: Some(node.to_owned()),
        state,
        labels: BTreeMap::from([("app".to_owned(), "api".to_owned())]),
        workload: Some(workload("Deployment")),
        on_node: Vec::new(),
        pinned: Vec::new(),
        with_pod: Vec::new(),
        claims: BTreeSet::new(),
    }
}

fn node(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        ready: true,
        schedulable: true,
    }
}

fn crashing() -> PodState {
    PodState::Failed("CrashLoopBackOff".to_owned())
}

/// Two serve, on two nodes; a budget lets one go.
fn healthy() -> Cluster {
    Cluster {
        pods: vec![
            pod("a", "one", PodState::Ready),
            pod("b", "two", PodState::Ready),
        ],
        nodes: vec![node("one"), node("two")],
        budgets: vec![Budget {
            namespace: "demo".to_owned(),
            name: "api".to_owned(),
            selector: BTreeMap::from([("app".to_owned(), "api".to_owned())]),
            allowed: 1,
        }],
        workloads: Vec::new(),
    }
}

fn asked(pods: &[&str]) -> Asked {
    Asked::Pods(pods.iter().map(|pod| format!("demo/{pod}")).collect())
}

fn recovered(cluster: &Cluster, asked: &Asked) -> Recovered {
    recovery::node(cluster, asked, now()).unwrap()
}

fn going(recovered: &Recovered) -> Vec<String> {
    let pods = recovered
        .resources
        .iter()
        .filter(|resource| resource.address.kind() == "pods")
        .flat_map(|resource| resource.spec["pods"].as_array().unwrap());
    pods.map(|pod| pod["name"].as_str().unwrap().to_owned())
        .collect()
}

fn errors(recovered: &Recovered) -> Vec<&str> {
    let errors = recovered
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code.as_str()).collect()
}

#[test]
fn the_well_are_left_alone() {
    let found = recovered(&healthy(), &Asked::Failed);
    assert_eq!(found, Recovered::default());
}

#[test]
fn what_counts_as_failed() {
    let since = |text: &str| PodState::NotReady {
        since: Some(text.parse().unwrap()),
        why: "probe".to_owned(),
    };
    for (state, failed) in [
        (crashing(), true),
        (since("2026-11-26T11:50:00Z"), true),
        // It may still be starting.
        (since("2026-11-26T11:58:00Z"), false),
        (
            PodState::NotReady {
                since: None,
                why: String::new(),
            },
            false,
        ),
        (PodState::Ending, false),
    ] {
        let mut cluster = healthy();
        cluster.pods[0].state = state.clone();
        let found = recovered(&cluster, &Asked::Failed);
        assert_eq!(going(&found) == ["a"], failed, "{state:?}");
        assert_eq!(errors(&found), [""; 0], "{state:?}");
    }
}

#[test]
fn pods_of_a_lost_node_are_not_waited_for() {
    let mut cluster = healthy();
    cluster.nodes[0].ready = false;
    cluster.pods[0].state = PodState::Ending;
    let found = recovered(&cluster, &Asked::Failed);
    assert_eq!(errors(&found), [""; 0]);
    let pod = &found.resources[0].spec["pods"][0];
    assert_eq!(
        pod,
        &json!({"name": "a", "uid": "uid-a", "serves": false, "node_answers": false})
    );
    // A second one of a StatefulSet would write beside a first that may still run.
    cluster.pods[0].workload = Some(workload("StatefulSet"));
    cluster.pods[1].workload = Some(workload("StatefulSet"));
    assert_eq!(
        errors(&recovered(&cluster, &Asked::Failed)),
        ["node.may-still-run"]
    );
    // A DaemonSet's waits for its node.
    cluster.pods[0].workload = Some(workload("DaemonSet"));
    assert_eq!(going(&recovered(&cluster, &Asked::Failed)), [""; 0]);
}

#[test]
fn somebody_must_go_on_serving() {
    let mut cluster = healthy();
    cluster.pods[0].state = crashing();
    cluster.pods[1].state = crashing();
    assert_eq!(
        errors(&recovered(&cluster, &Asked::Failed)),
        ["node.none-left"]
    );
    assert_eq!(
        errors(&recovered(&cluster, &asked(&["a"]))),
        ["node.none-left"]
    );
    cluster.pods.remove(1);
    cluster.pods[0].state = PodState::Ready;
    assert_eq!(
        errors(&recovered(&cluster, &asked(&["a"]))),
        ["node.none-left"]
    );
}

#[test]
fn others_that_are_ill_are_told() {
    let mut cluster = healthy();
    cluster.pods.push(pod("c", "two", crashing()));
    cluster.pods[0].state = crashing();
    let found = recovered(&cluster, &asked(&["a"]));
    assert_eq!(errors(&found), [""; 0]);
    assert!(
        found
            .findings
            .iter()
            .any(|finding| finding.code == "node.others-ill" && finding.message.contains("demo/c"))
    );
}

#[test]
fn budgets_hold_for_those_that_serve() {
    let mut cluster = healthy();
    cluster.budgets[0].allowed = 0;
    assert_eq!(
        errors(&recovered(&cluster, &asked(&["a"]))),
        ["node.budget"]
    );
    cluster.pods[0].state = crashing();
    assert_eq!(errors(&recovered(&cluster, &asked(&["a"]))), [""; 0]);
}

#[test]
fn data_that_nothing_else_has() {
    type Change = fn(&mut Pod);
    let node_one = Asked::Node("one".to_owned());
    let cases: [(Change, &Asked, &[&str]); 6] = [
        (
            |pod| pod.with_pod.push("tmp".to_owned()),
            &asked(&["a"]),
            &[],
        ),
        (
            |pod| {
                pod.with_pod.push("data".to_owned());
                pod.workload = Some(workload("StatefulSet"));
            },
            &asked(&["a"]),
            &["node.data-in-pod"],
        ),
        (
            |pod| pod.on_node.push("data".to_owned()),
            &asked(&["a"]),
            &["node.data-on-node"],
        ),
        (
            |pod| pod.pinned.push("data".to_owned()),
            &asked(&["a"]),
            &[],
        ),
        (
            |pod| pod.pinned.push("data".to_owned()),
            &node_one,
            &["node.data-on-node"],
        ),
        (|pod| pod.workload = None, &asked(&["a"]), &["node.unowned"]),
    ];
    for (change, asked, wanted) in cases {
        let mut cluster = healthy();
        cluster.pods.iter_mut().for_each(change);
        assert_eq!(errors(&recovered(&cluster, asked)), wanted);
    }
}

#[test]
fn a_node_is_cordoned_first() {
    let found = recovered(&healthy(), &Asked::Node("one".to_owned()));
    assert_eq!(errors(&found), [""; 0]);
    let cordon = address("recover.cordon.one");
    assert_eq!(found.resources[0].address, cordon);
    assert_eq!(found.resources[1].depends_on, BTreeSet::from([cordon]));
    assert_eq!(going(&found), ["a"]);

    assert_eq!(
        errors(&recovered(&healthy(), &Asked::Node("none".to_owned()))),
        ["node.no-node"]
    );
    let mut cluster = healthy();
    cluster.nodes[1].schedulable = false;
    assert_eq!(
        errors(&recovered(&cluster, &Asked::Node("one".to_owned()))),
        ["node.no-other"]
    );
    assert_eq!(
        errors(&recovered(&healthy(), &asked(&["nobody"]))),
        ["node.no-pod"]
    );
}

fn check(name: &str) -> Resource {
    Resource {
        address: address(&format!("check.http.{name}")),
        spec: json!({"url": "https://demo.example/"}),
        depends_on: BTreeSet::from([address("vault.secret.api")]),
        origin: None,
    }
}

fn planned(mut recovered: Recovered) -> Plan {
    recovered
        .checked(&[check("chain")], &[check("chain"), check("health")])
        .unwrap();
    let mut input: Input = input();
    input.desired = recovered.resources;
    input.backup = None;
    input.case = Case {
        scenario: Scenario::Node,
        remarks: recovered.findings,
        ..Case::default()
    };
    planner::recover(input).unwrap()
}

#[test]
fn checks_stand_before_and_after() {
    let mut cluster = healthy();
    cluster.pods[0].state = crashing();
    let asked = asked(&["a"]);
    let plan = planned(recovered(&cluster, &asked));
    let steps: Vec<(&str, Action, Vec<&str>)> = plan
        .steps
        .iter()
        .map(|step| {
            let needs = step.depends_on.iter().map(String::as_str).collect();
            (step.id.as_str(), step.action, needs)
        })
        .collect();
    let replace = "replace recover.pods.demo/Deployment/api";
    assert_eq!(
        steps,
        [
            (
                replace,
                Action::Replace,
                vec!["check check.http.before-chain"]
            ),
            ("check check.http.before-chain", Action::Check, vec![]),
            ("check check.http.chain", Action::Check, vec![replace]),
            ("check check.http.health", Action::Check, vec![replace]),
        ]
    );
    assert_eq!(plan.scenario, Scenario::Node);
    assert!(plan.backup.is_none() && !plan.is_blocked());
    assert_eq!(recovery::asked(&plan.steps), asked);
    let again = planned(recovered(&cluster, &recovery::asked(&plan.steps)));
    assert_eq!(planner::stale(&plan, &again), []);
    // It serves again: what was agreed to is not needed any more.
    cluster.pods[0].state = PodState::Ready;
    let again = planned(recovered(&cluster, &recovery::asked(&plan.steps)));
    assert_eq!(planner::stale(&plan, &again).len(), 1);
}

#[test]
fn nothing_to_do_is_no_change() {
    let plan = planned(recovered(&healthy(), &Asked::Failed));
    assert!(!plan.has_changes() && plan.steps.is_empty());
}

#[test]
fn no_template_declares_a_recovery() {
    let mut found = recovered(&healthy(), &Asked::Node("one".to_owned()));
    let wanted = vec![found.resources.remove(0)];
    let mut input = input();
    input.desired = wanted;
    let refused = planner::plan(input).unwrap_err();
    assert!(
        refused.to_string().contains("recover.cordon.one"),
        "{refused}"
    );
}

fn damaged(version: Option<&str>) -> Data {
    Data::Damaged {
        place: "data/chain".to_owned(),
        version: version.map(str::to_owned),
        etag: "e".to_owned(),
        why: "garbage".to_owned(),
    }
}

/// The environment's seed and its read-back, bound.
fn seed() -> Vec<Resource> {
    let key = json!({"mount": "secret", "path": "demo/data", "field": "value"});
    let made = |text: &str, spec| Resource {
        address: address(text),
        spec,
        depends_on: BTreeSet::from([address("vault.secret.data")]),
        origin: None,
    };
    vec![
        made(
            "seed.object.chain",
            json!({"bucket": "data", "key": "chain", "encrypt_with": key, "sha256": input().backup.unwrap().sha256}),
        ),
        made(
            "check.seed.chain",
            json!({"bucket": "data", "key": "chain", "decrypt_with": key, "head": "bb", "blocks": 12}),
        ),
    ]
}

fn scaled(kind: &str, replicas: u32, stopped_at: Option<u32>) -> Scaled {
    Scaled {
        workload: workload(kind),
        replicas,
        stopped_at,
        claims: BTreeSet::new(),
    }
}

fn lost(workloads: Vec<Scaled>, data: &Data) -> Recovered {
    let cluster = Cluster {
        workloads,
        ..healthy()
    };
    recovery::data(&cluster, data, seed()).unwrap()
}

fn data_plan(mut recovered: Recovered) -> Plan {
    recovered.checked(&[], &[check("chain")]).unwrap();
    let mut input = input();
    input.desired = recovered.resources;
    input.case = Case {
        scenario: Scenario::DataLoss,
        remarks: recovered.findings,
        ..Case::default()
    };
    planner::recover(input).unwrap()
}

#[test]
fn data_comes_back_between_stop_and_start() {
    for (data, over) in [
        (Data::Missing, None),
        (
            damaged(Some("v1")),
            Some(json!({"version": "v1", "etag": "e"})),
        ),
    ] {
        let plan = data_plan(lost(vec![scaled("Deployment", 3, None)], &data));
        let needs = |id: &str| {
            let step = plan.steps.iter().find(|step| step.id == id).unwrap();
            step.depends_on
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
        };
        let (stop, start) = (
            "update recover.stop.demo/Deployment/api",
            "update recover.start.demo/Deployment/api",
        );
        let (seed, read) = ("seed seed.object.chain", "check check.seed.chain");
        assert_eq!(needs(stop), [""; 0]);
        assert_eq!(needs(seed), [stop]);
        assert_eq!(needs(read), [seed]);
        assert_eq!(needs(start), [read, seed]);
        assert!(needs("check check.http.chain").contains(&start));
        assert_eq!(plan.steps.len(), 5);
        let spec = &plan.steps.iter().find(|step| step.id == seed).unwrap().spec;
        assert_eq!(spec.get("over"), over.as_ref());
        let started = plan.steps.iter().find(|step| step.id == start).unwrap();
        assert_eq!(started.spec["replicas"], 3);
        assert!(!plan.is_blocked(), "{:?}", plan.findings);
    }
}

#[test]
fn whole_data_is_not_written_over() {
    let found = lost(vec![scaled("Deployment", 3, None)], &Data::Whole);
    assert_eq!(
        (errors(&found), found.resources.len()),
        (vec!["seed.whole"], 0)
    );
    let found = lost(vec![scaled("Deployment", 3, None)], &damaged(None));
    assert_eq!(
        (errors(&found), found.resources.len()),
        (vec!["seed.no-versions"], 0)
    );
}

#[test]
fn a_damaged_version_is_named() {
    let found = lost(vec![], &damaged(Some("v1")));
    let named = found
        .findings
        .iter()
        .any(|finding| finding.subject == "data/chain" && finding.message.contains("version v1"));
    assert!(named, "{found:?}");
}

#[test]
fn what_an_earlier_run_stopped_is_started() {
    let stopped = || vec![scaled("Deployment", 0, Some(3))];
    // It broke off before the seed: all of it again, with the number from before.
    let plan = data_plan(lost(stopped(), &Data::Missing));
    let replicas = plan
        .steps
        .iter()
        .filter_map(|step| step.spec["replicas"].as_u64());
    assert_eq!(replicas.collect::<Vec<_>>(), [3, 3]);
    // It broke off after the seed.
    let plan = data_plan(lost(stopped(), &Data::Whole));
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "update recover.start.demo/Deployment/api",
            "check check.http.chain",
            "check check.seed.chain"
        ]
    );
    assert!(!plan.is_blocked());
}

#[test]
fn what_has_no_number_of_pods_runs_on_and_is_told() {
    let found = lost(
        vec![scaled("DaemonSet", 2, None), scaled("StatefulSet", 0, None)],
        &Data::Missing,
    );
    assert_eq!(errors(&found), [""; 0]);
    assert!(
        found
            .findings
            .iter()
            .any(|finding| finding.code == "seed.not-stopped")
    );
    assert!(
        found
            .resources
            .iter()
            .all(|resource| resource.address.provider() != "recover")
    );
}
