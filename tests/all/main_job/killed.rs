//! Killed with SIGKILL at ten moments of a rebuild, and run again: the same objects each time, none twice, none left over.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::drift;
use crate::world::{World, until};

/// The backup that every one of these is seeded from.
const BACKUP: &str = "natlangchain_20261123_033004_weekly";

pub fn at_ten_moments(world: &World) {
    let mut whole: Option<BTreeMap<String, u64>> = None;
    for tenth in 0..10 {
        let generation = killed_and_finished(world, tenth);
        assert_eq!(drift(world), Vec::<Value>::new(), "after moment {tenth}");
        let counts = counts(world, &generation);
        let first = whole.get_or_insert_with(|| counts.clone());
        assert_eq!(&counts, first, "objects after moment {tenth}");
        let namespace = format!("natlangchain-{generation}");
        world.secrets(&format!("rebuild/sandbox/{generation}"));
        super::looked_at::each_once(world, &generation);
        assert!(
            world
                .shell("kubectl get namespaces -o name")
                .contains(&namespace)
        );
        super::destroyed(world, &generation);
    }
}

/// Objects by kind, as `status` counts them.
fn counts(world: &World, generation: &str) -> BTreeMap<String, u64> {
    let said = world
        .rebuild(&["status", "--env", "sandbox", "--format", "json"])
        .exits(0);
    let said = said.json();
    assert_eq!(said["generation"]["generation"], generation);
    assert_eq!(
        said["generations"].as_array().map(Vec::len),
        Some(1),
        "{said}"
    );
    serde_json::from_value(said["objects"].clone()).expect("numbers")
}

/// Starts a rebuild, kills it when its journal has grown by `tenth` tenths, runs it again to its end.
fn killed_and_finished(world: &World, tenth: usize) -> String {
    let before = runs(world);
    let arguments = ["--env", "sandbox", "--from-backup", BACKUP, "--yes"];
    let mut child = world.start(&arguments);
    let mut journal = None;
    until("the run has a journal", || {
        journal = runs(world)
            .into_iter()
            .find(|run| !before.contains(run))
            .map(|run| run.join("journal.jsonl"))
            .filter(|journal| journal.exists());
        journal.is_some()
    });
    let journal = journal.expect("a journal");
    let lines = || {
        std::fs::read(&journal)
            .map(|text| text.iter().filter(|byte| **byte == b'\n').count())
            .unwrap_or(0)
    };
    // A whole run writes a line when a step starts and one when it is done: about 125.
    until("the journal grows", || {
        lines() > tenth * 12 || child.try_wait().expect("a child").is_some()
    });
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    let said = if tenth.is_multiple_of(2) {
        world.rebuild(&arguments)
    } else {
        world.rebuild(&["resume", "--env", "sandbox", "--yes"])
    }
    .exits(0);
    let last = said
        .out
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("sandbox ")?.strip_suffix(": complete"));
    match last {
        Some(generation) => generation.to_owned(),
        None => panic!("{}\n{}", said.out, said.err),
    }
}

fn runs(world: &World) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(world.runs()) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_dir()))
        .collect()
}
