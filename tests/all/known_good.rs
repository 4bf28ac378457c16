//! Backups on real servers: listed, verified, compared, chosen; and what the main command does with bad ones.

use serde_json::Value;

use crate::command::{copy_of_project, fixture};
use crate::failover;
use crate::world::{Said, World, until};

const ORIGINAL: &str = "natlangchain_20261123_032959";
const REMINED: &str = "natlangchain_20261126_030000_daily";
const TAMPERED: &str = "natlangchain_20261126_040000_daily";
const PLANTED: &str = "natlangchain_20261126_060000_daily";
const TRUNCATED: &str = "natlangchain_20261126_050000_daily";

/// The newest of the sandbox's own backups is intact, and those stored after it are each bad in another way.
#[test]
fn a_bad_backup_is_named_and_a_good_one_beside_it() {
    let mut world = World::new();
    world.up();
    world.project = smaller_chain(&world);
    let incident = incident(&world);
    store(&world, REMINED, "cases/content_remine_suffix.json", "body");
    store(&world, TAMPERED, "cases/content_remine_one.json", "body");
    store(&world, TRUNCATED, "chain_50k.json", "body[:-1000]");
    let before = world.mutations();
    the_main_command_refuses_each(&world);
    too_young_is_refused(&world, &incident);
    the_known_good_one_is_chosen(&world, &incident);
    all_are_verified_once(&world);
    they_are_listed(&world);
    one_is_verified_wherever_it_is(&world);
    assert_eq!(world.mutations(), before, "nothing was changed anywhere");
    a_key_comes_from_vault(&world);
    what_was_found_is_believed_only_as_it_was_signed(&world);
    the_work_is_shared_out_on_the_cluster(&world);
    failover::a_copy_serves_when_its_bytes_are_the_same(&world);
}

/// A backup that is intact and extends all others may still let somebody in who was never there before.
#[test]
fn after_a_breach_a_backup_is_judged_by_its_time_and_by_who_is_in_it() {
    let mut world = World::new();
    world.up();
    world.project = smaller_chain(&world);
    let incident = incident(&world);
    let pending = "\"pending_entries\":[";
    let entry = r#"{"content":"c","author":"mallory","intent":"i","metadata":{"api_key":"planted-7d1e"},"timestamp":"2025-11-24T16:00:00","validation_status":"pending","validation_paraphrases":[]},"#;
    let with = format!("{pending}{entry}");
    let planted = format!(
        "gzip.compress(text := text.replace({pending:?}.encode(), {with:?}.encode(), 1), 9)"
    );
    store(&world, PLANTED, "chain_50k.json", &planted);
    let before = world.mutations();
    let plan = |asked: &str, more: &[&str]| {
        let usual = [
            "plan",
            "--env",
            "sandbox",
            "--scenario",
            "breach",
            "--from-backup",
        ];
        world.rebuild(&[&usual[..], &[asked], more].concat())
    };
    let later = "2099-01-01T00:00:00Z";
    let said = plan(PLANTED, &["--incident", later]).exits(3);
    for told in [
        "backup.new-identity",
        "author mallory",
        "credential api-key sha256:",
    ] {
        assert!(said.out.contains(told), "{told}: {}", said.out);
    }
    assert!(!said.out.contains("planted-7d1e") && !said.err.contains("planted-7d1e"));
    let said = plan(PLANTED, &["--incident", &incident]).exits(3);
    assert!(said.out.contains("backup.inside-incident"), "{}", said.out);
    plan(PLANTED, &[])
        .exits(3)
        .tells(&["a breach needs the time", "--incident TIME"]);
    // What was there before is only warned of: all older ones hold the same chain.
    let said = plan(&format!("known-good:before={incident}"), &[]).exits(2);
    assert!(
        said.out.contains("backup.identities-not-compared"),
        "{}",
        said.out
    );
    let since = format!("{ORIGINAL}_daily");
    let listed = backups(
        &world,
        &["identities", PLANTED, "--since", &since, "--format", "json"],
    )
    .exits(3)
    .json();
    let accepted: Vec<Value> = listed["identities"]
        .as_array()
        .expect("identities")
        .iter()
        .map(|one| serde_json::json!({"kind": one["kind"], "name": one["name"], "reason": "looked at"}))
        .collect();
    assert_eq!(accepted.len(), 2, "{listed}");
    let file = world.project.join("environments/sandbox/environment.yaml");
    let text = std::fs::read_to_string(&file).expect("the environment");
    let section = serde_json::json!({ "accepted_identities": accepted });
    std::fs::write(&file, format!("{text}\nbreach: {section}\n")).expect("the environment");
    let said = plan(PLANTED, &["--incident", later]).exits(2);
    assert!(said.out.contains("accepted: looked at"), "{}", said.out);
    assert_eq!(world.mutations(), before, "nothing was changed anywhere");
}

/// The sandbox, with the smaller chain as its backups: that one has a twin whose end was mined again.
fn smaller_chain(world: &World) -> std::path::PathBuf {
    let project = world.home().join("project");
    std::fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let file = project.join("environments/sandbox/environment.yaml");
    let text = std::fs::read_to_string(&file).expect("the environment");
    let smaller = text.replace("prefix: natlangchain/", "prefix: natlangchain-small/");
    assert_ne!(text, smaller);
    std::fs::write(&file, smaller).expect("the environment");
    project
}

/// A moment after the sandbox's own backups were stored; waited for, so that what is stored next is younger.
fn incident(world: &World) -> String {
    let now = || jiff::Timestamp::now().as_second();
    let begun = now();
    until("the next second", || now() > begun + 1);
    let listed = world
        .rebuild(&["backups", "list", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let backups = listed["backups"].as_array().expect("backups");
    assert_eq!(backups.len(), 4);
    for backup in backups {
        assert_eq!(backup["lock"]["kind"], "compliance", "{backup}");
        assert!(backup["version"].is_string(), "{backup}");
        assert!(backup["verdict"].is_null(), "{backup}");
    }
    jiff::Timestamp::from_second(begun + 1)
        .expect("a time")
        .to_string()
}

/// Stores a backup of a file's text as the backup manager does, with figures that fit. `body` is made of the compressed text.
fn store(world: &World, id: &str, file: &str, body: &str) {
    let text = fixture(file);
    let like = fixture(&format!(
        "backups/chain_50k/{ORIGINAL}_daily.json.gz.meta.json"
    ));
    world.aws(&format!(
        "import gzip, hashlib\ntext = open({text:?}, 'rb').read()\nbody = gzip.compress(text, 9)\nbody = {body}\n\
         key = 'natlangchain-small/{id}.json.gz'\nstamp = '{id}'.split('_')[1] + '{id}'.split('_')[2]\n\
         meta = json.load(open({like:?}))\n\
         meta.update(backup_id='BACKUP-' + stamp, location='{id}.json.gz', size_bytes=len(text),\n\
             timestamp=f'{{stamp[:4]}}-{{stamp[4:6]}}-{{stamp[6:8]}}T{{stamp[8:10]}}:{{stamp[10:12]}}:{{stamp[12:14]}}.000000',\n\
             compressed_size_bytes=len(body), compression_ratio=len(body) / len(text), checksum_sha256=hashlib.sha256(body).hexdigest())\n\
         s3.put_object(Bucket='natlangchain-backups', Key=key, Body=body)\n\
         s3.put_object(Bucket='natlangchain-backups', Key=key + '.meta.json', Body=json.dumps(meta))"
    ));
}

fn backups(world: &World, arguments: &[&str]) -> Said {
    world.rebuild(&[&["backups"], arguments, &["--env", "sandbox"]].concat())
}

fn the_main_command_refuses_each(world: &World) {
    for (asked, id, code, told) in [
        ("latest", TRUNCATED, 4, "[gzip-truncated]"),
        (TAMPERED, TAMPERED, 4, "[block-link-broken]"),
        (REMINED, REMINED, 4, "[lineage-remined]"),
    ] {
        let instead = format!("take `--from-backup {ORIGINAL}");
        world
            .rebuild(&["--env", "sandbox", "--from-backup", asked, "--yes"])
            .exits(code)
            .tells(&[
                id,
                "is rejected",
                told,
                &instead,
                "instead: intact, 7 blocks",
            ]);
    }
}

fn too_young_is_refused(world: &World, incident: &str) {
    let long_ago = "known-good:before=2026-01-01T00:00:00Z";
    world
        .rebuild(&["--env", "sandbox", "--from-backup", long_ago, "--yes"])
        .exits(3)
        .tells(&[ORIGINAL, "not before 2026-01-01T00:00:00Z"]);
    // What an operator would take is taken, and every younger one explained.
    let asked = format!("known-good:before={incident}");
    world
        .rebuild(&["plan", "--env", "sandbox", "--from-backup", &asked])
        .exits(2)
        .tells(&[
            &format!("passed over {TRUNCATED}: stored"),
            &format!("not before {incident}"),
            "other blocks than an earlier backup",
        ]);
    world
        .rebuild(&[
            "plan",
            "--env",
            "sandbox",
            "--from-backup",
            "known-good:before=noon",
        ])
        .exits(1)
        .tells(&["known-good:before=2026-11-20T14:00:00Z"]);
}

fn the_known_good_one_is_chosen(world: &World, incident: &str) {
    // Even if all were stored before the incident, none of the bad ones is taken.
    let later = "2099-01-01T00:00:00Z";
    let answer = backups(
        world,
        &["known-good", "--before", later, "--format", "json"],
    )
    .exits(0)
    .json();
    let chosen = answer["chosen"]["id"].as_str().expect("one is chosen");
    assert!(chosen.starts_with(ORIGINAL), "{answer}");
    assert_eq!(answer["lock"]["kind"], "compliance");
    let passed: Vec<(&str, &str)> = answer["passed_over"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|passed| {
            let reason = &passed["reasons"][0];
            let text = |value: &'_ Value| value.as_str().map(str::to_owned);
            assert!(text(&reason["reason"]).is_some());
            (
                passed["backup"]["id"].as_str().expect("an id"),
                passed["reasons"][0]["reason"].as_str().expect("a reason"),
            )
        })
        .collect();
    assert_eq!(
        passed,
        [
            (TRUNCATED, "not-intact"),
            (TAMPERED, "not-intact"),
            (REMINED, "contradicts")
        ]
    );
    assert_eq!(answer["disputed_by"][0], REMINED);
    // The dwell time moves the cutoff before all of them.
    let said = backups(
        world,
        &["known-good", "--before", incident, "--dwell", "365d"],
    )
    .exits(3);
    assert!(
        said.out.contains("none of the backups is known good"),
        "{}",
        said.out
    );
}

fn all_are_verified_once(world: &World) {
    let first = backups(world, &["verify", "--all", "--format", "json"])
        .exits(4)
        .json();
    assert_eq!(first["backups"].as_array().expect("backups").len(), 7);
    assert_eq!(
        first["read"], 0,
        "what choosing read is known already: {first}"
    );
    assert_eq!(first["histories"].as_array().expect("histories").len(), 2);
    let parting = &first["partings"][0];
    assert_eq!(
        parting["differ_from"].as_u64(),
        parting["same_until"]
            .as_u64()
            .map_or(Some(0), |same| Some(same + 1))
    );
    let again = backups(
        world,
        &[
            "verify",
            "--all",
            "--again",
            "--format",
            "json",
            "--memory",
            "128",
            "--connections",
            "8",
        ],
    )
    .exits(4)
    .tells(&[&format!("{REMINED}: intact"), "7 of 7"])
    .json();
    assert_eq!(again["read"], 7);
    assert_eq!(again["histories"], first["histories"]);
}

fn they_are_listed(world: &World) {
    let said = backups(world, &["list"]).exits(0);
    let line = |id: &str| {
        said.out
            .lines()
            .find(|line| line.starts_with(id))
            .unwrap_or_else(|| panic!("no {id} in:\n{}", said.out))
            .to_owned()
    };
    for (id, word) in [
        (TRUNCATED, "rejected"),
        (TAMPERED, "rejected"),
        (ORIGINAL, "intact"),
    ] {
        let line = line(id);
        assert!(
            line.contains(word) && line.contains("compliance until"),
            "{line}"
        );
    }
}

fn one_is_verified_wherever_it_is(world: &World) {
    let original = format!("{ORIGINAL}_daily");
    backups(world, &["verify", &original]).exits(0);
    let url = format!("s3://natlangchain-backups/natlangchain-small/{original}.json.gz");
    let said = backups(world, &["verify", &url, "--format", "json"]).exits(0);
    assert_eq!(said.json()["blocks"], 7);
    // Alone the twin is consistent in itself; a witness tells.
    backups(world, &["verify", REMINED]).exits(0);
    let said = backups(
        world,
        &[
            "verify",
            REMINED,
            "--witness",
            &original,
            "--format",
            "json",
        ],
    )
    .exits(4);
    assert_eq!(said.json()["findings"][0]["code"], "witness-fork");
    let file = fixture("chain_50k.json");
    let file = file.to_str().expect("UTF-8");
    backups(world, &["verify", file, "--witness", &url]).exits(0);
    backups(world, &["verify", "natlangchain_20261123_032959_dialy"])
        .exits(1)
        .tells(&[&original, "backups list"]);
    backups(world, &["verify", "s3://natlangchain-backups/nowhere"])
        .exits(1)
        .tells(&["there is no s3://natlangchain-backups/nowhere"]);
}

fn a_key_comes_from_vault(world: &World) {
    let file = fixture("formats/chain_50k.encgz");
    let file = file.to_str().expect("UTF-8");
    for (passphrase, code) in [("correct-horse-battery-staple-2026", 0), ("another", 4)] {
        world.shell(&format!(
            "bao kv put -mount=secret old/backups passphrase={passphrase} >/dev/null"
        ));
        backups(
            world,
            &[
                "verify",
                file,
                "--key-from",
                "vault:secret/old/backups#passphrase",
            ],
        )
        .exits(code);
    }
    backups(
        world,
        &["verify", file, "--key-from", "vault:secret/nothing#here"],
    )
    .exits(1)
    .tells(&["secret/nothing", "hint: "]);
    backups(world, &["verify", file, "--key-from", "secret/old"])
        .exits(1)
        .tells(&["vault:MOUNT/PATH#FIELD"]);
}

/// Whoever changes what is remembered costs time: the backups are read again.
fn what_was_found_is_believed_only_as_it_was_signed(world: &World) {
    let index = world
        .home()
        .join("state/rebuild/backups/sandbox/index.json");
    let text = std::fs::read_to_string(&index).expect("the index");
    let forged = text.replacen("rejected", "suspect", 1);
    assert_ne!(text, forged);
    std::fs::write(&index, forged).expect("a file");
    let said = backups(world, &["verify", "--all", "--format", "json"])
        .exits(4)
        .tells(&["is not believed", "read again"]);
    assert_eq!(said.json()["read"], 7);
}

/// The Job runs on the real API server. Its pods are run here, as the manifest says, because the sandbox's nodes run none.
fn the_work_is_shared_out_on_the_cluster(world: &World) {
    let known = world
        .home()
        .join("state/rebuild/backups/sandbox/index.json");
    std::fs::remove_file(known).expect("the index");
    let begun = world.begin(&[
        "backups",
        "verify",
        "--all",
        "--env",
        "sandbox",
        "--on-cluster",
        "--image=registry.example/rebuild@sha256:0000",
        "--shards=3",
        "--format=json",
    ]);
    let job = |world: &World| {
        let jobs = world.kubectl("get jobs -l app.kubernetes.io/component=verify-backups");
        jobs["items"][0].clone()
    };
    until("a Job", || job(world).is_object());
    let job = job(world);
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(
        (&spec["completions"], &spec["parallelism"]),
        (&3.into(), &3.into())
    );
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example/rebuild@sha256:0000");
    assert_eq!(container["command"], serde_json::json!(["rebuild"]));
    let name = job["metadata"]["name"].as_str().expect("a name");
    let secret = world.kubectl(&format!("get secret {name}"));
    let key = secret["data"]["key"].as_str().expect("a key");
    let key = world.shell(&format!("printf %s {key} | base64 -d"));
    let text = job.to_string();
    assert!(!text.contains(&key), "the key is in the Secret alone");
    let arguments: Vec<&str> = container["args"]
        .as_array()
        .expect("arguments")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    // One share twice, as after a node was lost.
    for number in ["0", "1", "1", "2"] {
        world
            .rebuild_with(
                &arguments,
                &[("REBUILD_RUN_KEY", &key), ("JOB_COMPLETION_INDEX", number)],
            )
            .exits(0);
    }
    let said = begun.ends().exits(4).tells(&["7 backups in 3 shares"]);
    let answer = said.json();
    assert_eq!(answer["read"], 0, "the pods read all: {answer}");
    assert_eq!(answer["backups"].as_array().expect("backups").len(), 7);
    assert!(
        answer["backups"]
            .as_array()
            .expect("backups")
            .iter()
            .all(|one| one["verdict"].is_string())
    );
    assert_eq!(answer["histories"].as_array().expect("histories").len(), 2);
    until("the Job is gone", || !job_is_there(world, name));
}

fn job_is_there(world: &World, name: &str) -> bool {
    let found = world.shell(&format!(
        "kubectl get job,secret {name} --ignore-not-found -o name"
    ));
    !found.trim().is_empty()
}
