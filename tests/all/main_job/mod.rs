//! From an empty cloud to seeded data, on real servers: applied once, looked at with other tools, run again, changed behind its
//! back, killed, refused, destroyed.
//!
//! One environment holds one run at a time, so this is one test with many parts; each part says what it shows.

mod faults;
mod killed;
pub mod looked_at;

use serde_json::Value;

use crate::world::World;

/// The arguments of the main command.
const REBUILD: [&str; 5] = ["--env", "sandbox", "--from-backup", "latest", "--yes"];

/// The arguments of a plan of it.
const PLAN: [&str; 5] = ["plan", "--env", "sandbox", "--from-backup", "latest"];

#[test]
fn from_an_empty_cloud_to_seeded_data() {
    let mut world = World::new();
    faults::nothing_is_begun_without_a_word(&world);
    world.up();
    faults::what_is_misspelt_is_named(&world);
    planned_and_nothing_changed(&world);
    faults::an_edited_plan_is_refused(&world);
    let generation = applied(&world);
    looked_at::by_kubectl(&world, &generation);
    looked_at::by_boto(&world, &generation);
    looked_at::the_seed_opens_with_the_key_in_vault(&world, &generation);
    run_again(&mut world);
    drifted_and_mended(&world, &generation);
    rotated(&world, &generation);
    faults::a_stale_plan_is_refused(&world);
    faults::another_run_holds_the_environment(&world);
    faults::a_seeded_generation_keeps_to_its_backup(&world);
    faults::a_bad_backup_changes_nothing(&world);
    faults::what_is_not_ours_is_never_touched(&world);
    faults::a_place_out_of_order_is_named(&world);
    faults::a_damaged_journal_is_refused(&world);
    destroyed(&world, &generation);
    killed::at_ten_moments(&world);
    looked_at::no_secret_is_left_anywhere(&world);
    told_by_the_doctor(&world);
}

/// The environment as it is, in numbers: what a plan would do, without checks.
fn drift(world: &World) -> Vec<Value> {
    let said = world.rebuild(&["status", "--env", "sandbox", "--format", "json"]);
    said.json()["drift"].as_array().expect("a list").clone()
}

fn planned_and_nothing_changed(world: &World) {
    let before = world.mutations();
    let file = world.home().join("plan.json");
    let file = file.to_str().expect("UTF-8");
    let said = world
        .rebuild(&[&PLAN[..], &["--out", file]].concat())
        .exits(2);
    assert!(said.out.contains("to create"), "{}", said.out);
    assert!(said.out.contains("known after apply"), "{}", said.out);
    assert_eq!(world.mutations(), before, "a plan changes nothing");
    let seen = world.home().join("seen.json");
    let seen = seen.to_str().expect("UTF-8");
    let plan = |further: [&str; 2]| {
        world
            .rebuild(&[&PLAN[..], &["--format", "json"], &further].concat())
            .exits(2)
            .out
    };
    assert_eq!(
        plan(["--record", seen]),
        plan(["--recorded", seen]),
        "the same answers make the same plan, byte for byte"
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file)
        .expect("the plan")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn applied(world: &World) -> String {
    let said = world.rebuild(&REBUILD).exits(0);
    assert!(!said.err.contains("retrying"), "{}", said.err);
    let last = said.out.lines().rev().nth(1).expect("two last lines");
    let generation = last
        .strip_prefix("sandbox ")
        .and_then(|rest| rest.strip_suffix(": complete"))
        .unwrap_or_else(|| panic!("{}", said.out));
    let folder = std::path::Path::new(
        said.out
            .trim_end()
            .rsplit_once("report: ")
            .expect("the report's place")
            .1,
    );
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report"))
            .expect("JSON");
    assert_eq!(report["outcome"], "complete");
    assert_eq!(report["rto"]["met"], true, "{}", report["rto"]);
    assert_eq!(report["rpo"]["met"], true, "{}", report["rpo"]);
    let open: Vec<_> = report["checklist"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|item| item["by"] == "rebuild" && item["done"] != true)
        .collect();
    assert!(open.is_empty(), "{open:?}");
    // The sandbox's nodes run nothing: nobody took a backup, and nobody says so.
    assert_eq!(report["first_backup"]["state"], "open");
    let owed = report["follow_ups"].as_array().expect("follow-ups");
    for source in ["first backup", "checklist", "plan"] {
        assert!(owed.iter().any(|one| one["source"] == source), "{owed:?}");
    }
    assert!(
        owed.iter()
            .all(|one| one["owner"].as_str().is_some_and(|owner| !owner.is_empty())),
        "{owed:?}"
    );
    for name in [
        "report.md",
        "report.html",
        "message-internal.md",
        "message-external.md",
    ] {
        assert!(folder.join(name).exists(), "{name}");
    }
    generation.to_owned()
}

/// Says that nothing changes, and sends nothing that could; after the servers were stopped and started, too.
fn run_again(world: &mut World) {
    world.rebuild(&["sandbox", "down"]).exits(0);
    world.up();
    let before = world.mutations();
    let said = world.rebuild(&REBUILD).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
    assert_eq!(world.mutations(), before, "the servers counted changes");
    let said = world.rebuild(&["status", "--env", "sandbox"]).exits(0);
    assert!(said.out.contains("no drift"), "{}", said.out);
}

/// Whatever somebody changed by hand is seen, field by field, and put right.
fn drifted_and_mended(world: &World, generation: &str) {
    world.shell(&format!(
        "kubectl -n natlangchain-{generation} scale deployment/api --replicas=3"
    ));
    world.aws(&format!(
        "group = ec2.describe_security_groups(Filters=[{{'Name': 'tag:rebuild:address', 'Values': ['ec2.security-group.postgres']}},\
         {{'Name': 'tag:rebuild:generation', 'Values': ['{generation}']}}])['SecurityGroups'][0]['GroupId']\n\
         ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{{'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22,\
         'IpRanges': [{{'CidrIp': '0.0.0.0/0'}}]}}])"
    ));
    let found: Vec<String> = drift(world)
        .iter()
        .map(|step| format!("{} {}", step["action"], step["address"]))
        .collect();
    let expected = [
        "\"update\" \"ec2.security-group.postgres\"".to_owned(),
        format!("\"update\" \"kubernetes.apps/Deployment.natlangchain-{generation}/api\""),
    ];
    assert_eq!(found, expected);
    let said = world.rebuild(&REBUILD).exits(0);
    assert!(said.out.contains("also written by kubectl"), "{}", said.out);
    assert_eq!(drift(world), Vec::<Value>::new());
}

/// One secret is renewed, where it is kept and where it is read; the others stay.
fn rotated(world: &World, generation: &str) {
    let below = format!("rebuild/sandbox/{generation}");
    let before = world.secrets(&below);
    world
        .rebuild(&[&REBUILD[..], &["--rotate", "api-key"]].concat())
        .exits(0);
    let after = world.secrets(&below);
    let changed: Vec<_> = before
        .iter()
        .filter(|(path, value)| after.get(*path) != Some(value))
        .map(|(path, _)| path.clone())
        .collect();
    assert_eq!(changed, [format!("{below}/api-key#value")]);
    let delivered = world.shell(&format!(
        "kubectl -n natlangchain-{generation} get secret natlangchain-secrets \
         -o jsonpath='{{.data.NATLANGCHAIN_API_KEY}}' | base64 -d"
    ));
    assert_eq!(delivered, after[&changed[0]]);
    world
        .rebuild(&[&REBUILD[..], &["--rotate", "api-kee"]].concat())
        .exits(3)
        .tells(&["api-kee", "api-key"]);
}

fn destroy(generation: &str) -> [&str; 6] {
    [
        "destroy",
        "--env",
        "sandbox",
        "--generation",
        generation,
        "--yes",
    ]
}

fn destroyed(world: &World, generation: &str) {
    world.rebuild(&destroy(generation)).exits(0);
    let said = world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0);
    assert!(!said.out.contains(generation), "{}", said.out);
    looked_at::nothing_is_left(world, generation);
}

fn told_by_the_doctor(world: &World) {
    let said = world.rebuild(&["doctor", "--env", "sandbox"]).exits(0);
    for part in ["vault: identity", "ec2: reading", "backups", "lock"] {
        assert!(said.out.contains(&format!("ok   {part}")), "{}", said.out);
    }
}
