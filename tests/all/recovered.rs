//! What stands and failed is recovered in place: a pod that crashes, and data that was lost or damaged.

use serde_json::{Value, json};

use crate::command::copy_of_project;
use crate::world::{Said, World, until};

const ENVIRONMENT: [&str; 2] = ["--env", "sandbox"];

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn report(said: &Said) -> String {
    let folder = said
        .out
        .trim_end()
        .rsplit_once("report: ")
        .expect("a report")
        .1;
    std::fs::read_to_string(format!("{folder}/report.md")).expect("a report")
}

#[test]
fn a_pod_and_the_data_come_back() {
    let mut world = World::new();
    let project = world.home().join("project");
    std::fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let file = project.join("environments/sandbox/environment.yaml");
    let mut environment = std::fs::read_to_string(&file).expect("the environment");
    environment
        .push_str("database:\n  rds: {name: restored, from: {time: {instance: corrupted}}}\n");
    std::fs::write(&file, environment).expect("written");
    world.project = project;
    world.up();
    let none = world.rebuild(&[&ENVIRONMENT[..], &["--scenario", "node", "--yes"]].concat());
    none.exits(3).tells(&["[recover.nothing]"]);
    let main = ["--from-backup", "latest", "--yes"];
    world.rebuild(&[&ENVIRONMENT[..], &main].concat()).exits(0);
    let namespaces = world.kubectl("get namespaces -l rebuild.dev/environment=sandbox");
    let namespace = text(&namespaces["items"][0]["metadata"]["name"]).to_owned();
    usage(&world);
    a_pod(&world, &namespace);
    data(&world, &namespace);
    database(&world);
    // All of them left what the main command wants.
    let said = world.rebuild(&[&ENVIRONMENT[..], &main].concat()).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
}

fn usage(world: &World) {
    world
        .rebuild(&ENVIRONMENT)
        .exits(1)
        .tells(&["--from-backup"]);
    let with =
        |arguments: &[&str]| world.rebuild(&[&ENVIRONMENT[..], &["--yes"], arguments].concat());
    with(&["--scenario", "node", "--from-backup", "latest"])
        .exits(1)
        .tells(&["takes no backup"]);
    with(&["--scenario", "data-loss"])
        .exits(1)
        .tells(&["--from-backup"]);
    with(&["--from-backup", "latest", "--pod", "a/b"])
        .exits(1)
        .tells(&["--scenario node"]);
}

/// Names and identities of the pods of the service.
fn pods(world: &World, namespace: &str) -> Vec<(String, String)> {
    let listed = world.kubectl(&format!(
        "-n {namespace} get pods -l app.kubernetes.io/component=api"
    ));
    let pods = listed["items"].as_array().expect("pods");
    pods.iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            let metadata = &pod["metadata"];
            (
                text(&metadata["name"]).to_owned(),
                text(&metadata["uid"]).to_owned(),
            )
        })
        .collect()
}

fn a_pod(world: &World, namespace: &str) {
    let node = ["--env", "sandbox", "--scenario", "node"];
    let said = world.rebuild(&[&node[..], &["--yes"]].concat()).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
    let before = pods(world, namespace);
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "api", "image": "natlangchain:sandbox", "imageID": "", "ready": false, "restartCount": 9,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
        }],
    }});
    let crash = |pod: &str| {
        world.shell(&format!(
            "kubectl -n {namespace} patch pod {pod} --subresource=status -p '{status}'"
        ));
    };
    let (ill, well) = (&before[0], &before[1]);
    crash(&ill.0);
    let untouched = world.mutations();
    let plan = world
        .rebuild(&[&["plan"], &node[..], &["--format", "json"]].concat())
        .exits(2)
        .json();
    assert_eq!(
        (&plan["scenario"], &plan["backup"]),
        (&json!("node"), &Value::Null)
    );
    assert_eq!(plan["steps"][0]["spec"]["pods"][0]["uid"], ill.1.as_str());
    assert_eq!(world.mutations(), untouched, "planning changes nothing");
    let said = world.rebuild(&[&node[..], &["--yes"]].concat()).exits(0);
    let after = pods(world, namespace);
    assert!(!after.contains(ill), "the one that crashed is gone");
    assert!(after.contains(well), "the one that serves was left alone");
    assert_eq!(after.len(), 2);
    let report = report(&said);
    assert!(
        report.contains("CrashLoopBackOff") && report.contains(&ill.0),
        "{report}"
    );

    for (pod, _) in &after {
        crash(pod);
    }
    let untouched = world.mutations();
    world
        .rebuild(&[&node[..], &["--yes"]].concat())
        .exits(3)
        .tells(&["[node.none-left]"]);
    assert_eq!(world.mutations(), untouched, "an outage is no failed pod");
    world.shell(&format!(
        "kubectl -n {namespace} delete pods --wait -l app.kubernetes.io/component=api >&2"
    ));
    until("two pods serve", || {
        let api = world.kubectl(&format!("-n {namespace} get deployment api"));
        api["status"]["readyReplicas"] == 2
    });
}

fn data(world: &World, namespace: &str) {
    let place = world.kubectl(&format!("-n {namespace} get configmap rebuild-seed"));
    let (bucket, key) = (text(&place["data"]["bucket"]), text(&place["data"]["key"]));
    let lost = [
        "--env",
        "sandbox",
        "--yes",
        "--scenario",
        "data-loss",
        "--from-backup",
        "latest",
    ];
    let untouched = world.mutations();
    world.rebuild(&lost).exits(3).tells(&["[seed.whole]"]);
    assert_eq!(
        world.mutations(),
        untouched,
        "whole data is not written over"
    );

    let damaged = world.aws(&format!(
        "print(json.dumps(s3.put_object(Bucket='{bucket}', Key='{key}', Body=b'rotten')['VersionId']))"
    ));
    let damaged = text(&damaged);
    let said = world.rebuild(&lost).exits(0);
    let report = report(&said);
    assert!(
        report.contains(damaged),
        "the report names the damaged version:\n{report}"
    );
    let versions = || {
        world.aws(&format!(
            "print(json.dumps([(v['VersionId'], v['IsLatest']) for v in s3.list_object_versions(Bucket='{bucket}', Prefix='{key}')['Versions']]))"
        ))
    };
    let kept = versions();
    let kept = kept.as_array().expect("versions");
    assert!(kept.contains(&json!([damaged, false])), "{kept:?}");
    assert_eq!(kept.len(), 3, "{kept:?}");
    let api = world.kubectl(&format!("-n {namespace} get deployment api"));
    assert_eq!(api["status"]["readyReplicas"], 2);
    assert!(api["metadata"]["annotations"]["rebuild.dev/stopped-replicas"].is_null());

    // Deleted, as somebody does by mistake.
    world.aws(&format!("s3.delete_object(Bucket='{bucket}', Key='{key}')"));
    world.rebuild(&lost).exits(0);
    world.rebuild(&lost).exits(3).tells(&["[seed.whole]"]);
}

fn database(world: &World) {
    let database = ["--env", "sandbox", "--yes", "--scenario", "database"];
    world
        .rebuild(&[&database[..], &["--from-backup", "latest"]].concat())
        .exits(1)
        .tells(&["takes no backup"]);
    world.aws(
        "session.client('rds').create_db_instance(DBInstanceIdentifier='corrupted', Engine='postgres', DBInstanceClass='db.t3.micro',\n\
         \x20   AllocatedStorage=20, MasterUsername='root', MasterUserPassword='nobodys-password')",
    );
    let instances = || {
        let listed = world.aws(
            "print(json.dumps(sorted(i['DBInstanceIdentifier'] for i in session.client('rds').describe_db_instances()['DBInstances'])))",
        );
        let names = listed.as_array().expect("names").iter();
        names.map(|name| text(name).to_owned()).collect::<Vec<_>>()
    };
    let said = world.rebuild(&database).exits(0);
    let after = instances();
    assert_eq!(
        (after.len(), after[0].as_str()),
        (2, "corrupted"),
        "{after:?}"
    );
    assert!(after[1].starts_with("restored-"), "{after:?}");
    assert!(
        report(&said).contains(&after[1]),
        "the report names the new instance"
    );
    // Again: the same one.
    world.rebuild(&database).exits(0);
    assert_eq!(instances(), after);
}
