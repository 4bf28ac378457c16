//! What is held back until what was built after a breach is validated.

mod support;

use planner::clean_room::{CleanRoom, Opening};
use planner::preview::{self, Style};
use planner::{Action, Input, Plan, Severity, plan};
use serde_json::{Value, json};
use support::*;

const GROUP: &str = "ec2.security-group.web";
const POLICY: &str = "kubernetes.networking.k8s.io/NetworkPolicy.demo/out";
const MARK: &str = "create s3.generation.mark";

fn policy(name: &str, spec: Value) -> planner::Resource {
    object(
        &format!("kubernetes.networking.k8s.io/NetworkPolicy.demo/{name}"),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "demo"}, "spec": spec}),
    )
}

/// The small environment with a group and a policy that lead outside, built after a breach.
fn breached(openings: &[(&str, &str)]) -> Input {
    let mut input = input();
    set(
        &mut input,
        GROUP,
        "/egress",
        json!([
            {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "0.0.0.0/0"},
            {"protocol": "tcp", "from_port": 53, "to_port": 53, "cidr": "198.51.100.7/32"},
            {"protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr": "10.0.0.0/16"},
        ]),
    );
    input.desired.extend([
        policy("deny", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
        policy(
            "out",
            json!({"podSelector": {}, "egress": [
                {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, {"podSelector": {}}], "ports": [{"port": 443}]},
                {"to": [{"ipBlock": {"cidr": "10.0.32.0/24"}}]},
            ]}),
        ),
    ]);
    let openings: Vec<Opening> = openings
        .iter()
        .map(|(cidr, reason)| Opening {
            cidr: cidr.parse().unwrap(),
            reason: (*reason).to_owned(),
        })
        .collect();
    input.case.clean_room = Some(CleanRoom::new(&openings));
    input
}

fn spec(plan: &Plan, id: &str) -> Value {
    plan.steps
        .iter()
        .find(|step| step.id == id)
        .unwrap_or_else(|| panic!("no step {id}"))
        .spec
        .clone()
}

fn cidrs(rules: &Value) -> Vec<&str> {
    rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["cidr"].as_str().unwrap())
        .collect()
}

/// What stands when a run was cut short before anything was opened and, with `mark`, before or after it was validated.
fn cut_short(input: &Input, mark: bool) -> Input {
    let mut first = plan(input.clone()).unwrap();
    first
        .steps
        .retain(|step| step.action != Action::Open && (mark || step.id != MARK));
    let kept: Vec<String> = first.steps.iter().map(|step| step.id.clone()).collect();
    for step in &mut first.steps {
        step.depends_on.retain(|id| kept.contains(id));
    }
    Input {
        inventory: observed_after(&first, &input.inventory),
        ..input.clone()
    }
}

#[test]
fn what_leads_outside_is_added_last() {
    let plan = plan(breached(&[])).unwrap();
    let made = spec(&plan, "create ec2.security-group.web");
    assert_eq!(cidrs(&made["ingress"]), ["10.0.0.0/8"]);
    assert_eq!(cidrs(&made["egress"]), ["10.0.0.0/16"]);
    let opened = spec(&plan, "open ec2.security-group.web");
    assert_eq!(cidrs(&opened["ingress"]), ["0.0.0.0/0", "10.0.0.0/8"]);
    assert_eq!(opened["egress"].as_array().unwrap().len(), 3);

    let made = spec(&plan, &format!("create {POLICY}"));
    assert_eq!(
        made["object"]["spec"],
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [
            {"to": [{"podSelector": {}}], "ports": [{"port": 443}]},
            {"to": [{"ipBlock": {"cidr": "10.0.32.0/24"}}]},
        ]})
    );
    for id in ["open ec2.security-group.web", &format!("open {POLICY}")] {
        assert!(waits(&plan, id, MARK), "{id}");
        assert!(waits(&plan, id, "check check.http.health"), "{id}");
    }
    let shown = preview::text(&plan, &Style::default());
    let (_, exposure) = shown.split_once("\nExposure\n").unwrap();
    insta::assert_snapshot!("clean_room_exposure", exposure);
    assert!(!plan.is_blocked(), "{:?}", plan.findings);
}

#[test]
fn a_finished_room_stays_open_and_an_unfinished_one_closed() {
    let input = breached(&[]);
    let second = Input {
        inventory: applied(&input),
        ..input.clone()
    };
    assert_eq!(mutations(&plan(second).unwrap()), [""; 0]);

    let closed = plan(cut_short(&input, false)).unwrap();
    assert_eq!(
        mutations(&closed),
        [
            MARK,
            "open ec2.security-group.web",
            &format!("open {POLICY}"),
        ]
    );
    assert!(
        closed
            .steps
            .iter()
            .filter(|step| step.action == Action::Open)
            .all(|step| step.object.is_some())
    );
    let again = Input {
        inventory: observed_after(&closed, &cut_short(&input, false).inventory),
        ..input.clone()
    };
    assert_eq!(mutations(&plan(again).unwrap()), [""; 0]);

    let validated = plan(cut_short(&input, true)).unwrap();
    assert_eq!(
        mutations(&validated),
        ["update ec2.security-group.web", &format!("update {POLICY}"),]
    );
}

#[test]
fn what_somebody_opened_too_early_is_closed_again() {
    let input = breached(&[]);
    let mut early = cut_short(&input, false);
    let group = early
        .inventory
        .objects
        .iter_mut()
        .find(|object| object.address == address(GROUP))
        .unwrap();
    group.spec["egress"].as_array_mut().unwrap().push(
        json!({"protocol": "-1", "from_port": -1, "to_port": -1, "cidr": "0.0.0.0/0", "description": ""}),
    );
    let plan = plan(early).unwrap();
    assert!(mutations(&plan).contains(&"update ec2.security-group.web"));
    assert!(waits(
        &plan,
        "open ec2.security-group.web",
        "update ec2.security-group.web"
    ));
    assert!(!waits(&plan, "update ec2.security-group.web", MARK));
}

#[test]
fn openings_are_not_held_back() {
    let some = plan(breached(&[("198.51.100.0/24", "name servers")])).unwrap();
    let made = spec(&some, "create ec2.security-group.web");
    assert_eq!(cidrs(&made["egress"]), ["198.51.100.7/32", "10.0.0.0/16"]);

    let all = plan(breached(&[("0.0.0.0/0", "images come from there")])).unwrap();
    assert!(all.steps.iter().all(|step| step.action != Action::Open));

    let mut calm = breached(&[]);
    calm.case.clean_room = None;
    let calm = plan(calm).unwrap();
    assert!(calm.steps.iter().all(|step| step.action != Action::Open));
}

#[test]
fn a_drill_opens_nothing() {
    let mut drill = breached(&[]);
    drill.target.generation = "drill-20261124-7f3a".parse().unwrap();
    let plan = plan(drill).unwrap();
    assert!(plan.steps.iter().all(|step| step.action != Action::Open));
    let made = spec(&plan, "create ec2.security-group.web");
    assert_eq!(cidrs(&made["egress"]), ["10.0.0.0/16"]);
}

#[test]
fn peers_that_are_not_said_are_everybody() {
    let mut input = breached(&[]);
    drop(&mut input, POLICY);
    input
        .desired
        .push(policy("out", json!({"podSelector": {}, "egress": [{"ports": [{"port": 53}]}, {"to": [{"ipBlock": {"cidr": "::/0"}}]}]})));
    let plan = plan(input).unwrap();
    let made = spec(&plan, &format!("create {POLICY}"));
    assert_eq!(made["object"]["spec"]["egress"], json!([]));
    assert_eq!(
        made["object"]["spec"]["policyTypes"],
        json!(["Ingress", "Egress"])
    );
}

#[test]
fn what_nothing_holds_back_refuses_the_plan() {
    let gaps = |input: Input| -> Vec<String> {
        plan(input)
            .unwrap()
            .findings
            .into_iter()
            .filter(|finding| finding.code == "clean-room.open")
            .map(|finding| {
                assert_eq!(finding.severity, Severity::Error);
                finding.subject
            })
            .collect()
    };
    assert_eq!(gaps(breached(&[])), [""; 0]);
    let open = || {
        let mut input = breached(&[]);
        drop(&mut input, POLICY);
        drop(
            &mut input,
            "kubernetes.networking.k8s.io/NetworkPolicy.demo/deny",
        );
        set(
            &mut input,
            "ec2.launch-template.api",
            "/security_groups",
            json!([]),
        );
        input
    };
    assert_eq!(
        gaps(open()),
        [
            "ec2.launch-template.api",
            "kubernetes.apps/Deployment.demo/api"
        ]
    );
    let mut allowed = open();
    allowed.case.clean_room = Some(CleanRoom::new(&[Opening {
        cidr: "0.0.0.0/0".parse().unwrap(),
        reason: "no policies here".to_owned(),
    }]));
    assert_eq!(gaps(allowed), [""; 0]);
    // What is in use is not judged any more.
    let mut finished = breached(&[]);
    finished.inventory = applied(&finished);
    drop(
        &mut finished,
        "kubernetes.networking.k8s.io/NetworkPolicy.demo/deny",
    );
    drop(&mut finished, POLICY);
    assert_eq!(gaps(finished), [""; 0]);
}
