//! Users are led to a generation by a plan of its own, with approvals of its own, forth and back; nobody is led to what was not validated or
//! is not trusted, and no name that is not ours is touched: on real servers.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::command::copy_of_project;
use crate::contained::person;
use crate::world::{Said, World, until};

const NAME: &str = "api.natlangchain.example";
const BUILD: [&str; 5] = ["--env", "sandbox", "--from-backup", "latest", "--yes"];
/// Approvals are asked for, and tried by themselves.
const ALONE: [&str; 3] = [
    "--yes",
    "--break-glass",
    "the approvers are asked elsewhere in this test",
];

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn users_are_led_forth_and_back() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    world.project = project;
    world.up();
    let zone = zone(&world);
    let ada = person(world.home(), "ada", 1);
    with_a_name(&world, &zone, &ada.line);
    cut_over(&world, &["--yes"])
        .exits(3)
        .tells(&["[cut-over.nothing]"]);

    // Where nothing serves yet, no time is lost over asking.
    world.rebuild(&BUILD).exits(0);
    let first = newest(&world);
    leads(&world, &zone, &first);
    again(&world);

    let said = world
        .rebuild(&[&BUILD[..], &["--generation", "new"]].concat())
        .exits(0);
    let second = newest(&world);
    assert_ne!(first, second);
    let command = format!("rebuild cut-over --env sandbox --to {second}");
    for page in [&said.out, &report(&said)] {
        assert!(page.contains(&command), "{page}");
    }
    leads(&world, &zone, &first);
    let status = world.rebuild(&["status", "--env", "sandbox"]).exits(0);
    assert!(status.out.contains(&command), "{}", status.out);

    agreed(&world, &zone, (&first, &second), &ada.key);
    again(&world);
    // Back, and a further run of the main command does not undo it.
    switched(&world, &zone, &first);
    again(&world);
    leads(&world, &zone, &first);

    killed_in_between(&world, &zone, &second);
    unproven(&world, &first);
    not_ours(&world, &zone, (&first, &second));
    distrusted(&world, &zone, (&first, &second));
}

/// A zone, as its owner made it.
fn zone(world: &World) -> String {
    let id = world.aws(
        "print(json.dumps(session.client('route53').create_hosted_zone(Name='natlangchain.example', CallerReference='1')['HostedZone']['Id']))",
    );
    let id = id.as_str().expect("an id");
    id.trim_start_matches("/hostedzone/").to_owned()
}

/// The sandbox's environment with a name, and somebody who must agree to switching it.
fn with_a_name(world: &World, zone: &str, approver: &str) {
    let file = world.project.join("environments/sandbox/environment.yaml");
    let mut environment = fs::read_to_string(&file).expect("the environment");
    for (from, to) in [
        (
            "  variables:\n",
            format!(
                "    - dns.tera.yaml\n  variables:\n    dns_zone: {zone}\n    dns_name: {NAME}\n    dns_ttl: 60\n"
            ),
        ),
        // Two generations stand: each is asked by itself.
        (
            "sandbox.standin }}/",
            "sandbox.standin }}/namespaces/{{ namespace }}/".to_owned(),
        ),
    ] {
        assert!(environment.contains(from), "{environment}");
        environment = environment.replace(from, &to);
    }
    environment.push_str(&format!(
        "approvals:\n  needed: {{cut-over: 1}}\n  approvers:\n    - {{name: ada, key: {approver:?}}}\n"
    ));
    fs::write(&file, environment).expect("written");
}

fn cut_over(world: &World, arguments: &[&str]) -> Said {
    world.rebuild(&[&["cut-over", "--env", "sandbox"], arguments].concat())
}

fn newest(world: &World) -> String {
    let found = world.rebuild(&["generations", "--env", "sandbox", "--format", "json"]);
    let found = found.exits(0).json();
    let newest = found.as_array().expect("generations").last();
    let id = newest.expect("a generation")["generation"].as_str();
    id.expect("an id").to_owned()
}

fn report(said: &Said) -> String {
    let folder = said
        .out
        .trim_end()
        .rsplit_once("report: ")
        .expect("a report")
        .1;
    fs::read_to_string(format!("{folder}/report.md")).expect("a report")
}

/// The zone's own record sets beside the apex's: name and type, with time to live and values.
fn records(world: &World, zone: &str) -> Value {
    world.aws(&format!(
        "sets = session.client('route53').list_resource_record_sets(HostedZoneId='{zone}')['ResourceRecordSets']\n\
         print(json.dumps({{s['Name'].rstrip('.') + ' ' + s['Type']: [s['TTL'], [r['Value'] for r in s['ResourceRecords']]] for s in sets if s['Type'] not in ('NS', 'SOA')}}))"
    ))
}

/// The name leads to this generation's address, and the record beside it says so.
#[track_caller]
fn leads(world: &World, zone: &str, generation: &str) {
    let address = world.aws(&format!(
        "print(json.dumps([a['PublicIp'] for a in ec2.describe_addresses(Filters=[{{'Name': 'tag:rebuild:generation', 'Values': ['{generation}']}},\
         {{'Name': 'tag:rebuild:address', 'Values': ['ec2.elastic-ip.edge']}}])['Addresses']]))"
    ));
    let there = records(world, zone);
    assert_eq!(there[format!("{NAME} A")], json!([60, address]), "{there}");
    let beside = there[format!("_rebuild-a.{NAME} TXT")].to_string();
    assert!(
        beside.contains(&format!("generation={generation}")),
        "{there}"
    );
    assert_eq!(there.as_object().expect("records").len(), 2, "{there}");
}

/// The main command has nothing to do, and does nothing.
#[track_caller]
fn again(world: &World) {
    let before = world.mutations();
    let said = world.rebuild(&BUILD).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
    assert_eq!(world.mutations(), before);
}

#[track_caller]
fn switched(world: &World, zone: &str, to: &str) -> Said {
    let said = cut_over(world, &[&["--to", to], &ALONE[..]].concat()).exits(0);
    leads(world, zone, to);
    said
}

/// Refused, and nothing was sent that could change anything.
#[track_caller]
fn refused(world: &World, to: &str, why: &[&str]) -> Said {
    let before = world.mutations();
    let said = cut_over(world, &[&["--to", to], &ALONE[..]].concat())
        .exits(3)
        .tells(why);
    assert_eq!(world.mutations(), before);
    said
}

/// Without an approval nothing; the plan that was signed is the one that is applied, and asked for again it changes nothing.
fn agreed(world: &World, zone: &str, (first, second): (&str, &str), key: &Path) {
    let before = world.mutations();
    cut_over(world, &["--yes"])
        .exits(3)
        .tells(&["the plan is not approved: 0 of 1"]);
    let file = world.home().join("cut-over.json");
    let planned = cut_over(world, &["--out", text(&file)]).exits(2);
    for shown in [
        "? check.http.health",
        "~ route53.record.api",
        "it leads to generation",
        "values",
    ] {
        assert!(planned.out.contains(shown), "no {shown}: {}", planned.out);
    }
    assert_eq!(
        world.mutations(),
        before,
        "nothing is sent before somebody agreed"
    );
    let sign = ["approve", text(&file), "--as", "ada", "--key", text(key)];
    world.rebuild(&sign).exits(0);
    let approval = format!("{}.ada.approval", text(&file));
    let apply = ["apply", text(&file), "--yes", "--approval", &approval];
    let said = world.rebuild(&apply).exits(0);
    leads(world, zone, second);
    let report = report(&said);
    let back = format!("rebuild cut-over --env sandbox --to {first}");
    assert!(report.contains(&back), "{report}");
    let again = cut_over(world, &["--yes"]).exits(0);
    assert!(again.out.contains("No changes"), "{}", again.out);
    // What was agreed to is not there any more.
    world.rebuild(&apply).exits(6);
}

/// Killed when it had begun: asked for again it finishes, with one record in the end.
fn killed_in_between(world: &World, zone: &str, to: &str) {
    let lines = || -> usize {
        let runs = fs::read_dir(world.runs()).into_iter().flatten().flatten();
        let journals = runs.map(|run| run.path().join("journal.jsonl"));
        journals
            .filter_map(|journal| fs::read(journal).ok())
            .map(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
            .sum()
    };
    let before = lines();
    let mut child =
        world.start(&[&["cut-over", "--env", "sandbox", "--to", to], &ALONE[..]].concat());
    until("the run has begun", || {
        lines() > before + 1 || child.try_wait().expect("a child").is_some()
    });
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    switched(world, zone, to);
    let said = cut_over(world, &["--to", to, "--yes"]).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
}

/// A generation whose mark is gone counts as one that is being built.
fn unproven(world: &World, generation: &str) {
    let bucket = format!("sandbox-{generation}-data");
    let tag = |keep: &str| {
        world.aws(&format!(
            "tags = s3.get_bucket_tagging(Bucket='{bucket}')['TagSet']\n\
             tags = [tag for tag in tags if tag['Key'] != 'rebuild:state']{keep}\n\
             s3.put_bucket_tagging(Bucket='{bucket}', Tagging={{'TagSet': tags}})"
        ))
    };
    tag("");
    refused(world, generation, &["[cut-over.not-validated]", "building"]);
    tag(" + [{'Key': 'rebuild:state', 'Value': 'validated'}]");
    let drill = "drill-20261128-0001";
    cut_over(world, &["--to", drill, "--yes"]).exits(1);
}

/// A name without its record beside it is nobody's we know; with the record that the refusal asks for, it is ours.
fn not_ours(world: &World, zone: &str, (first, second): (&str, &str)) {
    let beside = |action: &str, set: &Value| {
        let batch = json!({"Changes": [{"Action": action, "ResourceRecordSet": set}]});
        world.aws(&format!(
            "session.client('route53').change_resource_record_sets(HostedZoneId='{zone}', ChangeBatch=json.loads({:?}))",
            batch.to_string()
        ))
    };
    let name = format!("_rebuild-a.{NAME}");
    let there = records(world, zone);
    let old = &there[format!("{name} TXT")];
    let values: Vec<Value> = old[1]
        .as_array()
        .expect("values")
        .iter()
        .map(|value| json!({"Value": value}))
        .collect();
    beside(
        "DELETE",
        &json!({"Name": name, "Type": "TXT", "TTL": old[0], "ResourceRecords": values}),
    );
    let untouched = records(world, zone);
    let said = refused(world, first, &["[object.foreign]", &name]);
    assert_eq!(records(world, zone), untouched);
    let value = said
        .err
        .split_once("with the value ")
        .expect("what to create")
        .1;
    let value = value
        .split_once("address=route53.record.api\"")
        .expect("its end")
        .0;
    let value = format!("{value}address=route53.record.api\"");
    let set =
        json!({"Name": name, "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": value}]});
    beside("CREATE", &set);
    switched(world, zone, first);
    switched(world, zone, second);
}

/// Nobody is led back to a generation that is named in an incident, and a plan after a breach switches nothing.
fn distrusted(world: &World, zone: &str, (first, second): (&str, &str)) {
    world
        .rebuild(&["contain", "--env", "sandbox", "--yes", "--except", second])
        .exits(0)
        .tells(&["incident ", first]);
    refused(world, first, &["[cut-over.incident]"]);
    leads(world, zone, second);
    world.shell("sleep 2");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let backup = format!("known-good:before={now}");
    let breach = [
        "plan",
        "--env",
        "sandbox",
        "--scenario",
        "breach",
        "--from-backup",
        &backup,
        "--format",
        "json",
    ];
    let plan = world.rebuild(&breach).json();
    let steps = plan["steps"].as_array().expect("steps");
    assert!(!steps.is_empty(), "{plan}");
    assert!(
        steps
            .iter()
            .all(|step| step["address"] != "route53.record.api")
    );
    let findings = plan["findings"].as_array().expect("findings");
    let held = findings
        .iter()
        .find(|finding| finding["code"] == "traffic.held");
    let message = held.expect("a note")["message"].as_str().expect("text");
    let to = plan["target"]["generation"].as_str().expect("an id");
    assert!(
        message.contains(&format!("rebuild cut-over --env sandbox --to {to}")),
        "{message}"
    );
}
