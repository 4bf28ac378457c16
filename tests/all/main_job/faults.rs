//! Bad input and bad places: each with its own error, and nothing changed.

use serde_json::{Value, json};

use super::{PLAN, REBUILD};
use crate::command::{copy_of_project, fixture};
use crate::world::World;

/// Somebody who can't be asked is told so before anything is started.
pub fn nothing_is_begun_without_a_word(world: &World) {
    world
        .rebuild(&["--env", "sandbox", "--from-backup", "latest"])
        .exits(1)
        .tells(&["nobody can be asked to confirm", "--yes"]);
    world
        .rebuild(&["--env", "sandbx", "--from-backup", "latest"])
        .exits(1)
        .tells(&["there is no environment `sandbx`"]);
    assert!(!world.home().join("state").exists());
}

pub fn what_is_misspelt_is_named(world: &World) {
    world
        .rebuild(&["plan", "--env", "sandbx", "--from-backup", "latest"])
        .exits(1)
        .tells(&[
            "there is no environment `sandbx`",
            "did you mean `sandbox`?",
        ]);
    world
        .rebuild(&[
            "plan",
            "--env",
            "sandbox",
            "--from-backup",
            "natlangchain_20261123_033004_weakly",
        ])
        .exits(1)
        .tells(&["natlangchain_20261123_033004_weekly"]);
    world
        .rebuild(&["plan", "--env", "sandbox", "--from-backup", "before:noon"])
        .exits(1)
        .tells(&["before:2026-11-20T14:00:00Z"]);
}

/// Whoever changes the plan after it was looked at changes its hash.
pub fn an_edited_plan_is_refused(world: &World) {
    let plan = std::fs::read_to_string(world.home().join("plan.json")).expect("the plan");
    let file = world.home().join("edited.json");
    let file = file.to_str().expect("UTF-8");
    for (from, to, told) in [
        ("t3.micro", "t3.large", "changed after it was made"),
        ("\"format\":2", "\"format\":1", "has format 1"),
        ("{", "[", "not JSON"),
    ] {
        std::fs::write(file, plan.replacen(from, to, 1)).expect("a file");
        world
            .rebuild(&["apply", file, "--yes"])
            .exits(1)
            .tells(&[told, "nothing was changed"]);
    }
}

/// A plan that was made from something else than what is there now.
pub fn a_stale_plan_is_refused(world: &World) {
    let scale = |replicas: u8| {
        world.shell(&format!(
            "kubectl -n $(kubectl get namespace -l rebuild.dev/environment=sandbox -o jsonpath='{{.items[0].metadata.name}}') \
             scale deployment/api --replicas={replicas}"
        ));
    };
    scale(4);
    let file = world.home().join("stale.json");
    let file = file.to_str().expect("UTF-8");
    world
        .rebuild(&[&PLAN[..], &["--out", file]].concat())
        .exits(2);
    scale(2);
    let before = world.mutations();
    world.rebuild(&["apply", file, "--yes"]).exits(6).tells(&[
        "no longer fits",
        "Deployment",
        "not needed any more",
    ]);
    let after = world.mutations();
    // The lock is taken and let go.
    for server in ["kubernetes", "vault", "aws"] {
        assert_eq!(after[server], before[server], "{server}");
    }
}

/// The lock says who holds it, and until when.
pub fn another_run_holds_the_environment(world: &World) {
    let lock = "Bucket='rebuild-control', Key='rebuild/sandbox/lock.json'";
    world.aws(&format!(
        "record = json.loads(s3.get_object({lock})['Body'].read())\n\
         record.update(owner='ada', host='elsewhere', pid=1, space='elsewhere', expires='2099-01-01T00:00:00Z')\n\
         s3.put_object({lock}, Body=json.dumps(record))"
    ));
    world
        .rebuild(&[&REBUILD[..], &["--rotate", "api-key"]].concat())
        .exits(5)
        .tells(&["ada on elsewhere", "2099-01-01", "gives its lock up"]);
    // Looking is allowed.
    world.rebuild(&["status", "--env", "sandbox"]).exits(0);
    world.aws(&format!(
        "record = json.loads(s3.get_object({lock})['Body'].read())\n\
         record.update(expires='2026-01-01T00:00:00Z')\n\
         s3.put_object({lock}, Body=json.dumps(record))"
    ));
}

/// Puts a backup where the newest are, with metadata as the backup manager writes it. `body` is made of `chain`, the newest one's.
fn upload(world: &World, id: &str, body: &str) {
    let newest = fixture("backups/chain_10m/natlangchain_20261123_033004_weekly.json.gz");
    let like = fixture("backups/chain_10m/natlangchain_20261123_033004_weekly.json.gz.meta.json");
    world.aws(&format!(
        "import gzip, hashlib\nchain = gzip.open({newest:?}).read()\nbody = {body}\n\
         key = 'natlangchain/{id}.json.gz'\n\
         meta = json.load(open({like:?}))\n\
         meta['timestamp'] = '2026-11-24T01:01:01.000000'\n\
         meta['backup_id'] = 'BACKUP-20261124010101'\n\
         meta['backup_type'] = 'manual'\n\
         meta['location'] = '{id}.json.gz'\n\
         meta['compressed_size_bytes'] = len(body)\n\
         meta['compression_ratio'] = len(body) / meta['size_bytes']\n\
         meta['checksum_sha256'] = hashlib.sha256(body).hexdigest()\n\
         s3.put_object(Bucket='natlangchain-backups', Key=key, Body=body)\n\
         s3.put_object(Bucket='natlangchain-backups', Key=key + '.meta.json', Body=json.dumps(meta))"
    ));
}

/// Data is never seeded over data.
pub fn a_seeded_generation_keeps_to_its_backup(world: &World) {
    let id = "natlangchain_20261124_010101_manual";
    upload(world, id, "gzip.compress(chain, 1)");
    let before = world.mutations();
    let said = world.rebuild(&REBUILD).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
    world
        .rebuild(&["--env", "sandbox", "--from-backup", id, "--yes"])
        .tells(&["--generation new"])
        .exits(3);
    assert_eq!(world.mutations(), before);
}

/// No intact backup, no apply.
pub fn a_bad_backup_changes_nothing(world: &World) {
    let id = "natlangchain_20261124_010102_manual";
    upload(world, id, "gzip.compress(chain, 1)[:-1000]");
    let before = world.mutations();
    world
        .rebuild(&[
            "--env",
            "sandbox",
            "--from-backup",
            id,
            "--generation",
            "new",
            "--yes",
        ])
        .exits(4)
        .tells(&["is rejected", id]);
    assert_eq!(world.mutations(), before);
}

/// Under a name of ours, without our marks.
pub fn what_is_not_ours_is_never_touched(world: &World) {
    let name = world.aws(
        "key = ec2.describe_key_pairs(Filters=[{'Name': 'tag:rebuild:environment', 'Values': ['sandbox']}])['KeyPairs'][0]['KeyName']\n\
         ec2.delete_key_pair(KeyName=key)\nec2.create_key_pair(KeyName=key)\nprint(json.dumps(key))",
    );
    let name = name.as_str().expect("a name");
    let before = world.mutations();
    world.rebuild(&REBUILD).exits(3).tells(&[
        "ec2.key-pair.operators",
        "is not ours",
        "never touched",
    ]);
    assert_eq!(world.mutations(), before);
    world.aws(&format!("ec2.delete_key_pair(KeyName='{name}')"));
    world.rebuild(&REBUILD).exits(0);
}

/// A project whose environment `production` is built on the sandbox's servers, but for one place that is out of order.
fn project(world: &World, place: &str, out_of_order: &str) -> tempfile::TempDir {
    let project = tempfile::tempdir().expect("a folder");
    copy_of_project(project.path());
    let file = project
        .path()
        .join("environments/production/environment.yaml");
    let text = std::fs::read_to_string(&file).expect("the environment");
    let (start, rest) = text.split_once("where:\n").expect("where");
    let (_, end) = rest.split_once("secrets:\n").expect("secrets");
    let endpoints = world.endpoints();
    let profile = sandbox::PROFILE;
    let mut places = json!({
        "where": {
            "aws": {"account": endpoints.account, "region": endpoints.region, "profile": profile},
            "kubernetes": {"kubeconfig": {"path": endpoints.kubeconfig, "context": sandbox::KUBE_CONTEXT}},
            "vault": {"address": endpoints.vault.address, "ca": endpoints.vault.ca_file, "mount": endpoints.vault.mount,
                "token": {"file": endpoints.vault.token_file}},
            "control": {"bucket": endpoints.objects.control_bucket, "region": endpoints.region, "profile": profile},
        },
        "backups": {"format": "natlangchain", "sources": [
            {"type": "s3", "bucket": endpoints.objects.source_bucket, "prefix": "natlangchain/", "profile": sandbox::READER_PROFILE},
        ]},
    });
    if !place.is_empty() {
        *places.pointer_mut(place).expect("a place") = Value::from(out_of_order);
    }
    let text = format!(
        "{start}where: {}\nbackups: {}\nsecrets:\n{end}",
        places["where"], places["backups"]
    );
    std::fs::write(&file, text).expect("the environment");
    project
}

fn production(world: &World, place: &str, out_of_order: &str) -> crate::world::Said {
    let project = project(world, place, out_of_order);
    let endpoints = world.endpoints();
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    world.rebuild_with(
        &[
            "plan",
            "--env",
            "production",
            "--from-backup",
            "natlangchain_20261123_033004_weekly",
            "--project",
            &path(project.path()),
        ],
        &[
            ("AWS_CONFIG_FILE", &path(&endpoints.aws_config_file)),
            (
                "AWS_SHARED_CREDENTIALS_FILE",
                &path(&endpoints.aws_credentials_file),
            ),
        ],
    )
}

/// The whole of production, planned against real servers; then with one place at a time out of order.
pub fn a_place_out_of_order_is_named(world: &World) {
    let before = world.mutations();
    let said = production(world, "", "").exits(2);
    for part in [
        "ec2.nat-gateway.main",
        "ec2.instance.api-c1",
        "kubernetes.apps/Deployment.natlangchain/api",
        "seed.object.chain",
        "known after apply",
    ] {
        assert!(said.out.contains(part), "{part}:\n{}", said.out);
    }
    for (place, out_of_order, code, told) in [
        ("/where/aws/account", "999999999999", 3, "999999999999"),
        ("/where/aws/profile", "nobody", 1, "no usable credentials"),
        ("/where/kubernetes/kubeconfig/context", "other", 1, "other"),
        ("/where/vault/address", "https://127.0.0.1:9", 1, "Vault"),
        ("/where/vault/token/file", "/etc/hostname", 1, "Vault"),
        (
            "/backups/sources/0/bucket",
            "no-such-bucket",
            1,
            "no-such-bucket",
        ),
        (
            "/backups/sources/0/profile",
            "nobody",
            1,
            "no usable credentials",
        ),
    ] {
        let said = production(world, place, out_of_order).exits(code);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(told), "{place}: no `{told}` in:\n{all}");
        assert!(code == 3 || all.contains("hint: "), "{place}:\n{all}");
    }
    assert_eq!(world.mutations(), before);
}

/// A last line that was cut short is dropped; damage anywhere else is refused.
pub fn a_damaged_journal_is_refused(world: &World) {
    let newest = std::fs::read_dir(world.runs())
        .expect("runs")
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_dir()))
        .max()
        .expect("a run");
    let copy = world.runs().join("29991231T000000Z-00000000");
    std::fs::create_dir(&copy).expect("a folder");
    std::fs::copy(newest.join("plan.json"), copy.join("plan.json")).expect("the plan");
    let journal = std::fs::read(newest.join("journal.jsonl")).expect("the journal");
    let mut damaged = journal[..journal.len() - 10].to_vec();
    damaged[journal.len() / 2] ^= 1;
    std::fs::write(copy.join("journal.jsonl"), damaged).expect("a journal");
    world
        .rebuild(&["resume", "--env", "sandbox", "--yes"])
        .exits(1)
        .tells(&["journal", "main command again"]);
    std::fs::write(copy.join("journal.jsonl"), &journal[..journal.len() - 10]).expect("a journal");
    world
        .rebuild(&["resume", "--env", "sandbox", "--yes"])
        .exits(0)
        .tells(&["cut short"]);
    std::fs::remove_dir_all(copy).expect("removed");
}
