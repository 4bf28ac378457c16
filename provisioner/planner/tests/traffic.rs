//! Names in DNS: which plans point one at their generation, and which leave that to a plan of its own.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use planner::{
    Action, Case, Foreign, Generation, Input, Inventory, Observed, Plan, Resource, Scenario,
    Severity, cut_over, destroy, plan,
};
use serde_json::{Value, json};
use support::*;

const NAME: &str = "route53.record.api";
const OLD: &str = "20261120-0001";

fn record(values: Value) -> Value {
    json!({"zone": "Z1", "name": "api.example.com", "record_type": "A", "ttl": 60, "values": values})
}

fn wanted(values: Value) -> Resource {
    Resource {
        address: address(NAME),
        spec: record(values),
        depends_on: BTreeSet::new(),
        origin: None,
    }
}

/// An environment with a name that leads to an address of its own.
fn named() -> Input {
    let mut input = input();
    input
        .desired
        .push(wanted(json!([{"unknown": "ec2.elastic-ip.nat/public-ip"}])));
    input
}

fn observed(at: &str, generation: &str, spec: Value) -> Observed {
    Observed {
        address: address(at),
        generation: generation.parse().unwrap(),
        id: format!("{at} of {generation}"),
        spec,
        outputs: BTreeMap::new(),
        digest: None,
        ready: true,
        marks: BTreeMap::new(),
    }
}

/// The name as it leads to another generation, of which these objects stand.
fn led_elsewhere(input: &mut Input, standing: &[&str]) {
    let mut objects = vec![observed(NAME, OLD, record(json!(["192.0.2.1"])))];
    objects.extend(standing.iter().map(|at| observed(at, OLD, json!({}))));
    input.inventory.merge(Inventory {
        objects,
        foreign: Vec::new(),
    });
}

fn own(input: &Input) -> Generation {
    input.target.generation.clone()
}

fn notes(plan: &Plan) -> Vec<(&str, &str)> {
    let traffic = plan
        .findings
        .iter()
        .filter(|finding| finding.code.starts_with("traffic."));
    traffic
        .map(|finding| (finding.code.as_str(), finding.message.as_str()))
        .collect()
}

fn of_name(plan: &Plan) -> Vec<&planner::Step> {
    let steps = plan.steps.iter();
    steps.filter(|step| step.address == address(NAME)).collect()
}

#[test]
fn a_fresh_generation_gets_its_name_last() {
    let mut input = named();
    let made = plan(input.clone()).unwrap();
    for earlier in [
        "create s3.generation.mark",
        "create kubernetes.networking.k8s.io/Ingress.demo/api",
        "create ec2.elastic-ip.nat",
    ] {
        assert!(
            waits(&made, &format!("create {NAME}"), earlier),
            "{earlier}"
        );
    }
    assert_eq!(notes(&made), []);
    input.inventory = applied(&input);
    let again = plan(input.clone()).unwrap();
    assert!(!again.has_changes() && again.unchanged.contains(&address(NAME)));
    // Changed by hand: put right, since it is this generation's.
    let object = input.inventory.objects.iter_mut();
    let object = object.filter(|object| object.address == address(NAME));
    object.for_each(|object| object.spec["values"] = json!(["198.51.100.7"]));
    assert_eq!(mutations(&plan(input).unwrap()), [format!("update {NAME}")]);
}

#[test]
fn nobody_is_led_away_from_what_can_serve_without_being_asked() {
    let mut input = named();
    led_elsewhere(&mut input, &["ec2.vpc.main", "vault.secret.api"]);
    let held = plan(input.clone()).unwrap();
    assert_eq!(of_name(&held), [] as [&planner::Step; 0]);
    assert!(!held.unchanged.contains(&address(NAME)));
    let [(code, message)] = notes(&held)[..] else {
        panic!("{:?}", held.findings)
    };
    let command = format!("`rebuild cut-over --env demo --to {}`", own(&input));
    assert_eq!(code, "traffic.held");
    assert!(
        message.contains(OLD) && message.contains(&command),
        "{message}"
    );
    assert!(held.target.fresh && !held.is_blocked());

    // All that could serve is lost: no time is lost over asking.
    let mut input = named();
    led_elsewhere(&mut input, &["vault.secret.api", "s3.bucket.data"]);
    let taken = plan(input).unwrap();
    let [step] = of_name(&taken)[..] else {
        panic!()
    };
    assert_eq!(step.action, Action::Update);
    assert_eq!(
        step.object.as_deref(),
        Some(format!("{NAME} of {OLD}").as_str())
    );
    assert_eq!(step.reason, format!("it leads to generation {OLD}"));
    let (before, after): (Vec<_>, Vec<_>) = step
        .changes
        .iter()
        .map(|change| (change.before.clone(), change.after.clone()))
        .unzip();
    assert_eq!(before, [Some(json!("192.0.2.1")), None]);
    assert_eq!(
        after,
        [
            None,
            Some(json!({"unknown": "ec2.elastic-ip.nat/public-ip"}))
        ]
    );
    assert!(waits(&taken, &step.id, "create s3.generation.mark"));
    assert_eq!(notes(&taken), [], "there is no way back to what is lost");
}

#[test]
fn a_breach_and_an_incident_lead_nobody_in() {
    let breach = Case {
        scenario: Scenario::Breach,
        ..Case::default()
    };
    let incident = Case {
        named_in: Some("20261124T000000Z".to_owned()),
        ..Case::default()
    };
    for case in [breach, incident] {
        for leads in [false, true] {
            let mut input = named();
            input.case = case.clone();
            if leads {
                led_elsewhere(&mut input, &[]);
            }
            let held = plan(input.clone()).unwrap();
            assert_eq!(of_name(&held), [] as [&planner::Step; 0], "{case:?}");
            let [(code, message)] = notes(&held)[..] else {
                panic!("{:?}", held.findings)
            };
            assert_eq!(code, "traffic.held");
            assert_eq!(message.contains(OLD), leads, "{message}");
        }
        // Once it was switched, a further run leaves it as it is.
        let mut input = named();
        input.inventory = applied(&input);
        input.case = case;
        let again = plan(input).unwrap();
        assert!(!again.has_changes() && notes(&again).is_empty());
        assert!(again.unchanged.contains(&address(NAME)));
    }
}

fn switch(input: &Input) -> Input {
    let mut input = input.clone();
    input.desired = vec![
        wanted(json!(["203.0.113.5"])),
        Resource {
            address: address("check.http.health"),
            spec: json!({"url": "https://demo.example/health"}),
            depends_on: BTreeSet::new(),
            origin: None,
        },
    ];
    input.case.scenario = Scenario::CutOver;
    input.backup = None;
    input
}

#[test]
fn forth_and_back_and_nothing_else() {
    let mut input = named();
    input.inventory = applied(&{
        let mut without = input.clone();
        drop(&mut without, NAME);
        without
    });
    led_elsewhere(&mut input, &["ec2.vpc.main"]);
    let forth = cut_over(switch(&input)).unwrap();
    assert_eq!(mutations(&forth), [format!("update {NAME}")]);
    assert!(waits(
        &forth,
        &format!("update {NAME}"),
        "check check.http.health"
    ));
    let changes = &of_name(&forth)[0].changes;
    let shown: Vec<_> = changes
        .iter()
        .map(|change| (change.path.as_str(), &change.before, &change.after))
        .collect();
    assert_eq!(
        shown,
        [
            ("values[0]", &Some(json!("192.0.2.1")), &None),
            ("values[0]", &None, &Some(json!("203.0.113.5"))),
        ]
    );
    let [(code, message)] = notes(&forth)[..] else {
        panic!("{:?}", forth.findings)
    };
    let command = format!("`rebuild cut-over --env demo --to {OLD}`");
    assert_eq!(code, "traffic.switched");
    assert!(message.contains(&command), "{message}");

    // Done, and asked for again.
    let mut after = input.clone();
    for object in &mut after.inventory.objects {
        if object.address == address(NAME) {
            object.generation = own(&input);
            object.spec = record(json!(["203.0.113.5"]));
        }
    }
    let again = cut_over(switch(&after)).unwrap();
    assert!(!again.has_changes() && again.unchanged == [address(NAME)]);
    let back = Input {
        target: planner::plan::Target {
            generation: OLD.parse().unwrap(),
            ..after.target.clone()
        },
        ..after
    };
    let mut back = switch(&back);
    back.desired[0] = wanted(json!(["192.0.2.1"]));
    let back = cut_over(back).unwrap();
    let reason = format!("it leads to generation {}", own(&input));
    assert_eq!(of_name(&back)[0].reason, reason);
}

#[test]
fn the_same_values_are_switched_all_the_same() {
    let mut input = named();
    led_elsewhere(&mut input, &[]);
    let mut input = switch(&input);
    input.desired[0] = wanted(json!(["192.0.2.1"]));
    let plan = cut_over(input).unwrap();
    let [step] = of_name(&plan)[..] else { panic!() };
    assert!(step.changes.is_empty() && step.reason.contains(OLD));
}

#[test]
fn what_is_not_ours_is_not_switched() {
    let mut input = switch(&named());
    input.inventory.foreign.push(Foreign {
        address: address(NAME),
        id: "Z1/api.example.com/A".to_owned(),
        why: "no TXT record says whose it is".to_owned(),
    });
    let plan = cut_over(input).unwrap();
    assert!(plan.is_blocked());
    let finding = &plan.findings[0];
    assert_eq!(
        (finding.code.as_str(), finding.severity),
        ("object.foreign", Severity::Error)
    );
}

#[test]
fn a_generation_takes_down_its_own_name_and_first_of_all() {
    let mut input = named();
    input.inventory = applied(&input);
    let down = destroy(input.clone()).unwrap();
    let name = format!("delete {NAME}");
    for later in ["delete ec2.elastic-ip.nat", "delete ec2.vpc.main"] {
        assert!(waits(&down, later, &name), "{later}");
    }
    for object in &mut input.inventory.objects {
        if object.address == address(NAME) {
            object.generation = OLD.parse().unwrap();
        }
    }
    let down = destroy(input).unwrap();
    assert!(of_name(&down).is_empty(), "users are led elsewhere");
}

#[test]
fn another_name_comes_before_the_old_one_goes_and_another_type_after() {
    let changed = |field: &str, value: Value, values: Value| {
        let mut input = named();
        set(&mut input, NAME, "/values", json!(["192.0.2.1"]));
        input.inventory = applied(&input);
        set(&mut input, NAME, "/values", values);
        set(&mut input, NAME, &format!("/{field}"), value);
        plan(input).unwrap()
    };
    let (new, old) = (format!("replace {NAME}"), format!("delete {NAME}"));
    let renamed = changed("name", json!("www.example.com"), json!(["192.0.2.1"]));
    assert!(waits(&renamed, &old, &new));
    let retyped = changed("record_type", json!("CNAME"), json!(["lb.example.com"]));
    assert!(waits(&retyped, &new, &old));
    // A name that another generation has at the address is none of this plan's.
    let mut input = named();
    set(&mut input, NAME, "/name", json!("www.example.com"));
    led_elsewhere(&mut input, &["ec2.vpc.main"]);
    let made = plan(input).unwrap();
    assert_eq!(of_name(&made)[0].action, Action::Create);
}
