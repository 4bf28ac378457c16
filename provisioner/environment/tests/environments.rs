//! The environments of the project, as they are checked in.

use std::path::{Path, PathBuf};

use environment::{Environment, SandboxEndpoints, load, resources};
use planner::plan::PinnedBackup;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sandbox() -> SandboxEndpoints {
    SandboxEndpoints {
        vault_address: "https://127.0.0.1:1".into(),
        vault_ca: None,
        vault_token_file: "token".into(),
        vault_mount: "secret".into(),
        s3_endpoint: "http://127.0.0.1:2".into(),
        s3_profile: "environment".into(),
        backup_profile: "reader".into(),
        aws_endpoint: "http://127.0.0.1:3".into(),
        aws_profile: "environment".into(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        aws_config_file: "config".into(),
        aws_credentials_file: "credentials".into(),
        kubeconfig: "kubeconfig".into(),
        context: "sandbox".into(),
        control_bucket: "rebuild-control".into(),
        evidence_bucket: "rebuild-evidence".into(),
        standin_url: "http://127.0.0.1:4".into(),
    }
}

fn pin() -> PinnedBackup {
    PinnedBackup {
        id: "natlangchain_20261123_033004_weekly".into(),
        location:
            "s3://natlangchain-backups/natlangchain/natlangchain_20261123_033004_weekly.json.gz"
                .into(),
        version: None,
        size: 10,
        sha256: "ab".repeat(32),
        format: "natlangchain".into(),
        head: "cd".repeat(32),
        blocks: 7,
        entries: 31,
        written: "2026-11-23T03:30:04Z".parse().unwrap(),
    }
}

fn all() -> Vec<Environment> {
    ["production", "sandbox", "staging"]
        .map(|name| load(&root(), name).unwrap_or_else(|errors| panic!("{errors}")))
        .into()
}

#[test]
fn load_and_render_to_normal_forms() {
    let generation = "20261124-0a1b".parse().unwrap();
    for environment in all() {
        let resolved = environment.resolve(Some(&sandbox())).unwrap();
        let desired = environment
            .desired(&resolved, &generation, Some(&pin()), &[])
            .unwrap_or_else(|error| panic!("{}: {error}", environment.name()));
        for resource in &desired {
            let kind = planner::kinds::of(&resource.address)
                .unwrap_or_else(|| panic!("no kind {}", resource.address));
            let normal = (kind.normalize)(&resource.spec)
                .unwrap_or_else(|error| panic!("{}: {error}", resource.address));
            assert_eq!(normal, resource.spec, "{}", resource.address);
        }
        let addresses: Vec<String> = desired
            .iter()
            .map(|resource| resource.address.to_string())
            .collect();
        insta::assert_snapshot!(environment.name(), addresses.join("\n"));
        assert_eq!(environment.inputs().len(), 6);
    }
}

#[test]
fn what_the_sandbox_gets() {
    let environment = load(&root(), "sandbox").unwrap();
    let resolved = environment.resolve(Some(&sandbox())).unwrap();
    insta::assert_json_snapshot!(
        resources(
            &environment,
            &resolved,
            &"20261124-0a1b".parse().unwrap(),
            Some(&pin()),
            &[]
        )
        .unwrap()
    );
    assert!(environment.resolve(None).is_err());
}

#[test]
fn nothing_is_seeded_or_marked_without_a_pin() {
    let environment = load(&root(), "sandbox").unwrap();
    let resolved = environment.resolve(Some(&sandbox())).unwrap();
    let made = resources(&environment, &resolved, &"g1".parse().unwrap(), None, &[]).unwrap();
    assert!(
        made.iter()
            .all(|resource| !["seed", "s3"].contains(&resource.address.provider()))
    );
}

#[test]
fn a_first_backup_waits_for_its_cron_job_and_extends_the_pin() {
    let environment = load(&root(), "production").unwrap();
    let resolved = environment.resolve(None).unwrap();
    let made = |pin: Option<&PinnedBackup>| {
        let made = resources(&environment, &resolved, &"g1".parse().unwrap(), pin, &[]).unwrap();
        made.into_iter()
            .find(|resource| resource.address.provider() == "backup")
    };
    let first = made(Some(&pin())).unwrap();
    assert_eq!(
        first.depends_on,
        ["kubernetes.batch/CronJob.natlangchain/backup"
            .parse()
            .unwrap()]
        .into()
    );
    assert_eq!(
        first.spec,
        serde_json::json!({
            "namespace": "natlangchain", "cron_job": "backup", "deadline": 3600,
            "sha256": pin().sha256, "head": pin().head, "blocks": pin().blocks,
        })
    );
    assert_eq!(made(None), None, "without a seed nothing is saved");
}

#[test]
fn nothing_of_the_sandbox_leaks_elsewhere() {
    for environment in all()
        .into_iter()
        .filter(|environment| !environment.document.r#where.sandbox)
    {
        assert_eq!(
            environment.resolve(Some(&sandbox())).unwrap(),
            environment.resolve(None).unwrap()
        );
    }
}

#[test]
fn the_schema_is_current() {
    let path = root().join("environments/environment.schema.json");
    let current = serde_json::to_string_pretty(&environment::schema::schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        current,
        "run this test with UPDATE_SCHEMA=1"
    );
}

#[test]
fn every_environment_can_be_planned() {
    for environment in all() {
        let generation: planner::Generation = "20261124-0a1b".parse().unwrap();
        let resolved = environment.resolve(Some(&sandbox())).unwrap();
        // What stands on the overlay's objects is planned with them.
        let alone = |resource: &planner::Resource| resource.address.provider() != "backup";
        let input = planner::Input {
            desired: environment
                .desired(&resolved, &generation, Some(&pin()), &[])
                .unwrap()
                .into_iter()
                .filter(alone)
                .collect(),
            inventory: planner::Inventory::default(),
            case: planner::Case::default(),
            target: planner::plan::Target {
                environment: environment.name().into(),
                generation,
                fresh: true,
                places: resolved.expected(),
            },
            actual: resolved.expected(),
            created: "2026-11-24T02:00:00Z".parse().unwrap(),
            tool: "test".into(),
            backup: Some(pin()),
            inputs: environment.inputs().clone(),
            policy: environment.document.planner_policy(),
            rotate: planner::Rotate::None,
            medians: Default::default(),
        };
        let plan = planner::plan(input).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            !plan.is_blocked(),
            "{}: {:#?}",
            environment.name(),
            plan.findings
        );
    }
}
