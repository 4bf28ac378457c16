//! A drill beside what is live: it is timed, compared, leaves a report and nothing else, and what is live is as it was.

use serde_json::Value;

use crate::main_job::looked_at;
use crate::world::World;

#[test]
fn a_drill_leaves_a_report_and_nothing_else() {
    let mut world = World::new();
    world.up();
    world
        .rebuild(&["--env", "sandbox", "--yes", "--from-backup", "latest"])
        .exits(0);
    let live = generations(&world);
    let first = drilled(&world, "breach");
    assert_eq!(first["former"], serde_json::json!([]));
    let again = drilled(&world, "breach");
    assert_eq!(
        again["former"][0]["generation"],
        first["drill"]["generation"]
    );
    drilled(&world, "full-loss");
    for drill in [&first, &again] {
        let generation = drill["drill"]["generation"].as_str().expect("a generation");
        looked_at::nothing_is_left(&world, generation);
    }
    assert_eq!(generations(&world), live, "what is live stays, alone");
    let status = world.rebuild(&["status", "--env", "sandbox", "--format", "json"]);
    assert_eq!(status.exits(0).json()["drift"], serde_json::json!([]));
}

/// The last line that is told.
fn drilled(world: &World, scenario: &str) -> Value {
    let arguments = [
        "drill",
        "--env",
        "sandbox",
        "--scenario",
        scenario,
        "--yes",
        "--format",
        "json",
    ];
    let said = world.rebuild(&arguments).exits(0);
    let last = said.out.lines().last().expect("a line");
    let told: Value = serde_json::from_str(last).expect("JSON");
    let drill = &told["drill"];
    assert_eq!(drill["outcome"], "complete", "{told}");
    assert_eq!(drill["removed"], true);
    assert!(drill["seconds"].as_u64() <= drill["objective_seconds"].as_u64());
    let stages = drill["stages"].as_array().expect("stages");
    for wanted in ["network", "seed", "workloads", "validation"] {
        assert!(stages.iter().any(|stage| stage[0] == wanted), "{stages:?}");
    }
    assert!(
        !stages.iter().any(|stage| stage[0] == "exposure"),
        "{stages:?}"
    );
    told
}

fn generations(world: &World) -> Value {
    world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json()
}
