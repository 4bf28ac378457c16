//! `rebuild scenarios`: what can be recovered from.

use std::fmt::Write;

use planner::Scenario;
use serde::Serialize;

use crate::exit::Exit;
use crate::printer::{Format, Printer};

/// What a scenario does, for people who have to choose one.
#[derive(Debug, Serialize)]
struct Described {
    scenario: Scenario,
    /// When it is the right one.
    when: &'static str,
    /// What is done, in this order.
    stages: &'static [&'static str],
    /// What must be there.
    needs: &'static [&'static str],
    /// How it is begun; `X` stands for the environment.
    command: &'static str,
    /// Its page below `docs/`.
    page: &'static str,
}

const ALL: [Described; 5] = [
    Described {
        scenario: Scenario::FullLoss,
        when: "all infrastructure is gone, or a new place is built",
        stages: &[
            "infrastructure",
            "secrets",
            "seed",
            "workloads",
            "validate",
            "report",
        ],
        needs: &["a verified backup"],
        command: "rebuild --env X --from-backup latest",
        page: "docs/scenarios/full-loss.md",
    },
    Described {
        scenario: Scenario::Breach,
        when: "somebody was in: ransomware, stolen credentials, altered data",
        stages: &[
            "contain the old generations",
            "keep evidence of them",
            "infrastructure, secrets, seed and workloads of a new generation",
            "validate",
            "prove that no old credential works",
            "harden",
            "report",
        ],
        needs: &[
            "the time of the incident",
            "a backup known good before it",
            "the approvals that the environment asks for",
        ],
        command: "rebuild --env X --from-backup known-good:before=TIME --scenario breach",
        page: "docs/scenarios/breach.md",
    },
    Described {
        scenario: Scenario::DataLoss,
        when: "a volume or bucket lost its data, the rest stands",
        stages: &[
            "stop the workloads",
            "seed where the data is missing or damaged, and read it back",
            "start the workloads",
            "validate",
            "report",
        ],
        needs: &["a verified backup", "the generation's infrastructure"],
        command: "rebuild --env X --from-backup latest --scenario data-loss",
        page: "docs/scenarios/data-loss.md",
    },
    Described {
        scenario: Scenario::Database,
        when: "the database is corrupted or lost",
        stages: &[
            "restore into a fresh database, or a new RDS instance",
            "verify the chain from its tables",
            "report",
        ],
        needs: &[
            "`database` in the environment: a dump with its SHA-256, a snapshot, or a point in time",
        ],
        command: "rebuild --env X --scenario database",
        page: "docs/scenarios/database.md",
    },
    Described {
        scenario: Scenario::Node,
        when: "a pod or node failed, its neighbours are well",
        stages: &["check the others", "replace", "await", "validate", "report"],
        needs: &["a cluster that answers"],
        command: "rebuild --env X --scenario node",
        page: "docs/scenarios/node.md",
    },
];

/// Runs the command.
pub fn run(printer: &Printer) -> Exit {
    match printer.format {
        Format::Json => printer.json(&serde_json::json!({ "scenarios": ALL })),
        Format::Text => printer.data(text().trim_end()),
    }
    Exit::Done
}

fn text() -> String {
    let mut out = String::new();
    for one in &ALL {
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "{}: {}\n  does:  {}\n  needs: {}\n  begin: {}\n  more:  {}\n",
            one.scenario,
            one.when,
            one.stages.join(" → "),
            one.needs.join(", "),
            one.command,
            one.page
        );
    }
    out
}
