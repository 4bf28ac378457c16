//! A new generation is not done before it has a backup of its own that was read and extends the seeded one, whatever its Job says.
//!
//! The control plane is real and runs no containers, so the test plays the Job's pod: it stores what the pod would store, and ends it.

use std::path::Path;

use serde_json::{Value, json};

use crate::command::{copy_of_project, fixture};
use crate::world::{Said, World, until};

const MAIN: [&str; 5] = ["--env", "sandbox", "--from-backup", "latest", "--yes"];
const RESUME: [&str; 4] = ["resume", "--env", "sandbox", "--yes"];
const REMINED: &str = "natlangchain_20261127_010000_daily";
const TRUNCATED: &str = "natlangchain_20261127_020000_daily";
const GOOD: &str = "natlangchain_20261127_040000_daily";

/// Mines one more block as the service would, with an entry of somebody new.
const ONE_MORE_BLOCK: &str = r#"
def mined(text):
    data = json.loads(text)
    last = data['chain'][-1]
    entry = {'author': 'newcomer', 'content': 'Hello.', 'intent': 'Greet', 'metadata': {}, 'timestamp': '2025-11-24T16:00:00',
             'validation_status': 'valid', 'validation_paraphrases': []}
    block = {'index': last['index'] + 1, 'timestamp': last['timestamp'], 'entries': [entry], 'previous_hash': last['hash'], 'nonce': 0}
    while True:
        digest = hashlib.sha256(json.dumps(block, sort_keys=True).encode()).hexdigest()
        if digest.startswith('00'):
            break
        block['nonce'] += 1
    data['chain'].append(dict(block, hash=digest))
    return json.dumps(data).encode()
"#;

#[test]
fn a_generation_is_done_when_its_first_backup_is() {
    let mut world = World::new();
    world.project = declared(world.home());
    world.up();
    a_complete_job_that_saved_nothing_is_no_backup(&world);
    let namespace = namespace(&world);
    the_test_plays_the_pod(&world, &namespace);
    let remined = "text = open({file!r}, 'rb').read()";
    let file = fixture("cases/content_remine_suffix.json");
    let remined = remined.replace("{file!r}", &format!("{file:?}"));
    resumed(&world, &namespace, REMINED, &remined, "body")
        .exits(1)
        .tells(&[
            REMINED,
            "does not extend the seeded backup",
            "block 6 is",
            "rebuild resume",
        ]);
    resumed(&world, &namespace, TRUNCATED, "", "body[:-1000]")
        .exits(1)
        .tells(&[TRUNCATED, "it is rejected", "[gzip-truncated]"]);
    let longer = format!("{ONE_MORE_BLOCK}\ntext = mined(text)");
    let said = resumed(&world, &namespace, GOOD, &longer, "body").exits(0);
    told(&said);
    remembered(&world);
    run_again_takes_no_other(&world, &namespace);
}

/// The project, with the smaller chain and a first backup declared.
fn declared(home: &Path) -> std::path::PathBuf {
    let project = home.join("project");
    std::fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let file = project.join("environments/sandbox/environment.yaml");
    let text = std::fs::read_to_string(&file).expect("the environment");
    let source = "prefix: natlangchain/}\n";
    let with = "prefix: natlangchain-small/}\n  first: {cron_job: backup, deadline: 3m}\n  retention: 720h\n";
    let changed = text.replace(source, with);
    assert_ne!(text, changed);
    std::fs::write(&file, changed).expect("the environment");
    project
}

fn namespace(world: &World) -> String {
    let found = world.kubectl("get namespaces -l rebuild.dev/environment=sandbox");
    found["items"][0]["metadata"]["name"]
        .as_str()
        .expect("a namespace")
        .to_owned()
}

fn report(said: &str) -> Value {
    let folder = said
        .trim_end()
        .rsplit_once("report: ")
        .expect("a report")
        .1
        .lines()
        .next()
        .expect("a line");
    let bytes = std::fs::read(format!("{folder}/report.json")).expect("a report");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn follow_up<'a>(report: &'a Value, source: &str) -> &'a Value {
    let all = report["follow_ups"].as_array().expect("follow-ups");
    all.iter()
        .find(|one| one["source"] == source)
        .unwrap_or_else(|| panic!("none of {source} in {all:?}"))
}

/// The sandbox's nodes say of every pod that it succeeded. Nothing came of it, and that is what counts.
fn a_complete_job_that_saved_nothing_is_no_backup(world: &World) {
    let said = world.rebuild(&MAIN).exits(1).tells(&[
        "create backup.job.first",
        "is complete, and no new backup is in s3://natlangchain-backups/natlangchain-small/",
        "the generation serves and has no backup of its own yet",
        "rebuild resume --env sandbox",
    ]);
    let found = world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(
        found[0]["state"], "validated",
        "all before it is done: {found}"
    );
    let report = report(&said.err);
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["first_backup"]["state"], "failed");
    let owed = follow_up(&report, "first backup");
    assert!(
        owed["why"].as_str().expect("why").contains("no new backup"),
        "{owed}"
    );
    assert_eq!(owed["owner"], "unassigned");
    let open = report["checklist"]
        .as_array()
        .expect("a checklist")
        .iter()
        .find(|item| {
            item["item"]
                .as_str()
                .is_some_and(|text| text.contains("first backup"))
        })
        .expect("the item");
    assert_eq!(open["done"], false);
}

/// Pods that no node takes: they wait for the test.
fn the_test_plays_the_pod(world: &World, namespace: &str) {
    let patch = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"nodeSelector": {"played-by": "test"}}}}}}});
    world.shell(&format!(
        "kubectl -n {namespace} patch cronjob backup --type=merge -p '{patch}' >&2"
    ));
}

/// Goes on with the run; its pod stores a backup of `text`, made by `making`, with a body of `body`.
fn resumed(world: &World, namespace: &str, id: &str, making: &str, body: &str) -> Said {
    let mut begun = world.begin(&RESUME);
    let waiting = |world: &World| -> Option<String> {
        let pods = world.kubectl(&format!(
            "-n {namespace} get pods -l batch.kubernetes.io/job-name --field-selector=status.phase=Pending"
        ));
        let pod = &pods["items"][0];
        let job = world.shell(&format!(
            "kubectl -n {namespace} get jobs -o jsonpath='{{.items[*].metadata.uid}}'"
        ));
        let owner = pod["metadata"]["ownerReferences"][0]["uid"].as_str()?;
        // One of a Job that goes is not the one.
        (pod["metadata"]["deletionTimestamp"].is_null() && job.contains(owner))
            .then(|| pod["metadata"]["name"].as_str().map(str::to_owned))?
    };
    let mut pod = None;
    until("a pod of the Job", || {
        pod = waiting(world);
        pod.is_some() || begun.has_ended()
    });
    let Some(pod) = pod else {
        // What it said tells more than that there was no pod.
        return begun.ends();
    };
    store(world, id, making, body);
    let ended = json!({"status": {"phase": "Succeeded"}});
    world.shell(&format!(
        "kubectl -n {namespace} patch pod {pod} --subresource=status -p '{ended}' >&2"
    ));
    begun.ends()
}

/// Stores a backup as the backup manager does, with figures that fit.
fn store(world: &World, id: &str, making: &str, body: &str) {
    let text = fixture("chain_50k.json");
    let like = fixture("backups/chain_50k/natlangchain_20261123_032959_daily.json.gz.meta.json");
    world.aws(&format!(
        "import gzip, hashlib\ntext = open({text:?}, 'rb').read()\n{making}\nbody = gzip.compress(text, 9)\nbody = {body}\n\
         chain = json.loads(text)['chain']\n\
         key = 'natlangchain-small/{id}.json.gz'\nstamp = '{id}'.split('_')[1] + '{id}'.split('_')[2]\n\
         meta = json.load(open({like:?}))\n\
         meta.update(backup_id='BACKUP-' + stamp, location='{id}.json.gz', size_bytes=len(text),\n\
             chain_blocks=len(chain), chain_entries=sum(len(block['entries']) for block in chain),\n\
             timestamp=f'{{stamp[:4]}}-{{stamp[4:6]}}-{{stamp[6:8]}}T{{stamp[8:10]}}:{{stamp[10:12]}}:{{stamp[12:14]}}.000000',\n\
             compressed_size_bytes=len(body), compression_ratio=len(body) / len(text), checksum_sha256=hashlib.sha256(body).hexdigest())\n\
         s3.put_object(Bucket='natlangchain-backups', Key=key, Body=body)\n\
         s3.put_object(Bucket='natlangchain-backups', Key=key + '.meta.json', Body=json.dumps(meta))"
    ));
}

/// The report says which backup it is, and what is to be looked at in it.
fn told(said: &Said) {
    let report = report(&said.out);
    assert_eq!(report["outcome"], "complete");
    let first = &report["first_backup"];
    assert_eq!(first["state"], "taken", "{first}");
    assert_eq!(first["backup"], GOOD, "{first}");
    assert_eq!(first["blocks"], 8, "{first}");
    assert!(first["version"].is_string(), "{first}");
    assert!(
        first["lock"]
            .as_str()
            .expect("a lock")
            .starts_with("compliance"),
        "{first}"
    );
    assert_eq!(
        first["new_identities"],
        json!(["author newcomer"]),
        "{first}"
    );
    let owed = follow_up(&report, "first backup");
    assert!(
        owed["why"].as_str().expect("why").contains("newcomer"),
        "{owed}"
    );
    let item = report["checklist"]
        .as_array()
        .expect("a checklist")
        .iter()
        .find(|item| {
            item["item"]
                .as_str()
                .is_some_and(|text| text.contains("first backup"))
        })
        .expect("the item");
    assert_eq!(item["done"], true);
}

/// What was read of it is in the signed index, so listing knows it without reading.
fn remembered(world: &World) {
    let listed = world
        .rebuild(&["backups", "list", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let backups = listed["backups"].as_array().expect("backups");
    let of = |id: &str| {
        backups
            .iter()
            .find(|one| one["id"] == id)
            .unwrap_or_else(|| panic!("no {id} in {backups:?}"))
    };
    assert_eq!(of(GOOD)["verdict"], "intact");
    assert_eq!(of(GOOD)["blocks"], 8);
    assert_eq!(of(TRUNCATED)["verdict"], "rejected");
}

fn run_again_takes_no_other(world: &World, namespace: &str) {
    let jobs = || {
        world.shell(&format!(
            "kubectl -n {namespace} get jobs -o jsonpath='{{.items[*].metadata.uid}}'"
        ))
    };
    let (before, stands) = (world.mutations(), jobs());
    let said = world.rebuild(&MAIN).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
    assert_eq!(world.mutations(), before);
    assert_eq!(jobs(), stands);
    let status = world.rebuild(&["status", "--env", "sandbox"]).exits(0);
    assert!(status.out.contains("no drift"), "{}", status.out);
    // Without its Job a generation is asked for a backup again: nothing else remembers.
    world.shell(&format!(
        "kubectl -n {namespace} delete jobs --all --wait >&2"
    ));
    let said = world.rebuild(&["status", "--env", "sandbox"]).exits(2);
    assert!(said.out.contains("backup.job.first"), "{}", said.out);
}
