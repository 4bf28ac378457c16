//! Killed with SIGKILL at ten moments of a rebuild, and run again: the same objects each time, none twice, none left over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{destroy, destroyed, drift, looked_at};
use crate::world::{World, until};

/// The backup that every one of these is seeded from.
const BACKUP: &str = "natlangchain_20261123_033004_weekly";
const MOMENTS: usize = 10;

pub fn at_ten_moments(world: &World) {
    let mut whole: Option<(BTreeMap<String, u64>, BTreeSet<String>)> = None;
    let mut generations = Vec::new();
    for moment in 0..MOMENTS {
        let generation = killed_and_finished(world, moment);
        assert_eq!(drift(world), Vec::<Value>::new(), "after moment {moment}");
        let found = (
            counts(world, &generation),
            looked_at::each_once(world, &generation),
        );
        let first = whole.get_or_insert_with(|| found.clone());
        assert_eq!(&found, first, "objects after moment {moment}");
        world.secrets(&format!("rebuild/sandbox/{generation}"));
        generations.push(generation);
    }
    // What a killed run left without marks is in no generation's numbers, but in these.
    let all = world.aws(
        "live = [one for all in ec2.describe_instances()['Reservations'] for one in all['Instances'] if one['State']['Name'] == 'running']\n\
         print(json.dumps({'vpcs': len([one for one in ec2.describe_vpcs()['Vpcs'] if not one['IsDefault']]), 'instances': len(live),\
         'addresses': len(ec2.describe_addresses()['Addresses']), 'keys': len(ec2.describe_key_pairs()['KeyPairs']),\
         'volumes': len([one for one in ec2.describe_volumes()['Volumes'] if one.get('Tags') and not one['Attachments'][0].get('DeleteOnTermination')]),\
         'roles': len(iam.list_roles(PathPrefix='/rebuild/')['Roles']), 'buckets': len([one for one in s3.list_buckets()['Buckets'] if one['Name'].startswith('sandbox-')])}))",
    );
    let times = |each: usize| Value::from(each * MOMENTS);
    for (kind, each) in [
        ("vpcs", 1),
        ("instances", 3),
        ("addresses", 1),
        ("keys", 1),
        ("roles", 1),
        ("buckets", 1),
    ] {
        assert_eq!(all[kind], times(each), "{kind}: {all}");
    }
    let namespaces = world.shell("kubectl get namespaces -o name");
    let namespaces = namespaces.matches("natlangchain-").count();
    assert_eq!(namespaces, MOMENTS);
    taken_down_in_two_goes(world, &generations[0]);
}

/// Objects by kind, as `status` counts them.
fn counts(world: &World, generation: &str) -> BTreeMap<String, u64> {
    let said = world
        .rebuild(&["status", "--env", "sandbox", "--format", "json"])
        .exits(0);
    let said = said.json();
    assert_eq!(said["generation"]["generation"], generation);
    assert_eq!(said["generation"]["state"], "validated");
    serde_json::from_value(said["objects"].clone()).expect("numbers")
}

/// Starts a rebuild, kills it when its journal has grown by so many tenths, and has it finished: by going on with the run, by
/// the main command, or by the main command on a machine that knows nothing of the run.
fn killed_and_finished(world: &World, moment: usize) -> String {
    // A whole run writes a line when a step starts and one when it is done: about 125.
    let run = killed(
        world,
        &[
            "--env",
            "sandbox",
            "--from-backup",
            BACKUP,
            "--generation",
            "new",
            "--yes",
        ],
        moment * 12,
    );
    let plan = std::fs::read(run.join("plan.json")).expect("the plan");
    let plan: Value = serde_json::from_slice(&plan).expect("JSON");
    let generation = plan["target"]["generation"].as_str().expect("an id");
    let again = ["--env", "sandbox", "--from-backup", BACKUP, "--yes"];
    let elsewhere = world.home().join("elsewhere");
    let sandbox = world.home().join("state/rebuild/sandbox");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let said = match moment % 3 {
        0 => world.rebuild(&["resume", "--env", "sandbox", "--yes"]),
        1 => world.rebuild(&again),
        _ => world.rebuild_with(
            &again,
            &[
                ("XDG_STATE_HOME", &text(&elsewhere)),
                ("REBUILD_SANDBOX_DIR", &text(&sandbox)),
            ],
        ),
    };
    let said = said.exits(0);
    let last = format!("sandbox {generation}: complete");
    assert!(
        said.out.contains(&last) || said.out.contains("No changes"),
        "no `{last}` in:\n{}\n{}",
        said.out,
        said.err
    );
    generation.to_owned()
}

fn taken_down_in_two_goes(world: &World, generation: &str) {
    killed(world, &destroy(generation), 50);
    destroyed(world, generation);
}

/// Starts a command and kills it when the journal of its run has more than so many lines. Returns the run's folder.
fn killed(world: &World, arguments: &[&str], lines: usize) -> PathBuf {
    let before = runs(world);
    let mut child = world.start(arguments);
    let mut run = None;
    until("the run has a journal", || {
        run = runs(world)
            .into_iter()
            .find(|run| !before.contains(run) && run.join("journal.jsonl").exists());
        run.is_some()
    });
    let run = run.expect("a run");
    until("the journal grows", || {
        let journal = std::fs::read(run.join("journal.jsonl")).unwrap_or_default();
        journal.iter().filter(|byte| **byte == b'\n').count() > lines
            || child.try_wait().expect("a child").is_some()
    });
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    run
}

fn runs(world: &World) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(world.runs()) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_dir()))
        .collect()
}
