//! After an attack on the sandbox the scenario `breach` is run to its end: nothing planted survives, each thing is named, and no old
//! credential opens anything.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::world::World;

const MAIN: [&str; 4] = ["--env", "sandbox", "--yes", "--from-backup"];

#[test]
fn nothing_planted_survives_a_breach() {
    let mut world = World::new();
    world.up();
    world.rebuild(&[&MAIN[..], &["latest"]].concat()).exits(0);
    let old = newest(&world);
    let old_key = api_key(&world, &old);
    // Backups count by the second they were stored in.
    world.shell("sleep 2");
    let noticed = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    world.shell("sleep 2");
    let attack = world
        .rebuild(&["sandbox", "attack", "--format", "json"])
        .exits(0)
        .json();
    let planted = attack["planted"].as_array().expect("what was planted");
    let kinds: std::collections::BTreeSet<&str> =
        planted.iter().map(|one| text(&one["kind"])).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    let secrets = fs::read(text(&attack["secrets"])).expect("the planted credentials");
    let secrets: Vec<Value> = serde_json::from_slice(&secrets).expect("JSON");

    let breach = |backup: &str, command: &[&str]| {
        world.rebuild(&[command, &["--scenario", "breach", "--from-backup", backup]].concat())
    };
    let untouched = world.mutations();
    let main = ["--env", "sandbox", "--yes"];
    breach("latest", &main)
        .exits(3)
        .tells(&["a breach needs the time of the incident"]);
    let known_good = format!("known-good:before={noticed}");
    let planned = breach(&known_good, &["plan", "--env", "sandbox", "--format", "json"]).exits(2);
    let plan = planned.json();
    assert_eq!(plan["scenario"], "breach");
    assert_eq!(plan["incident"]["generations"], serde_json::json!([old]));
    assert_ne!(plan["target"]["generation"], old.as_str());
    assert_eq!(world.mutations(), untouched, "planning changes nothing");

    let said = breach(&known_good, &main).exits(0);
    let folder = said.out.trim_end().rsplit_once("report: ").expect("a report").1.to_owned();
    let new = newest(&world);
    assert_ne!(new, old);
    gone(&world, &new, &secrets);
    named(Path::new(&folder), &secrets);
    refused(&world, &old_key);
    let key = world.home().join("state/rebuild/keys/report.pub");
    let key = key.to_str().expect("UTF-8");
    let bundle = format!("{folder}/bundle");
    world.rebuild(&["report", "verify", &bundle, "--key", key]).exits(0);

    // Again: the same generation, and nothing to do.
    let said = breach(&known_good, &main).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
    assert_eq!(newest(&world), new);
    for secret in secrets.iter().filter_map(|one| one["secret"].as_str()) {
        assert!(!world.printed.borrow().contains(secret), "a planted secret was printed");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The newest generation.
fn newest(world: &World) -> String {
    let found = world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let found = found["generations"].as_array().expect("generations");
    text(&found.last().expect("one")["generation"]).to_owned()
}

fn api_key(world: &World, generation: &str) -> String {
    let line = format!("bao kv get -mount=secret -field=value rebuild/sandbox/{generation}/api-key");
    world.shell(&line).trim().to_owned()
}

/// The servers themselves say that what was planted is gone or dead.
fn gone(world: &World, new: &str, secrets: &[Value]) {
    for one in secrets {
        let name = text(&one["name"]);
        match text(&one["kind"]) {
            "backup" => {
                let found = world.kubectl(&format!(
                    "-n natlangchain-{new} get configmap rebuild-seed"
                ));
                assert!(!found.to_string().contains("mallory"));
            }
            "iam-access-key" => {
                let status = world.aws("print(json.dumps(iam.list_access_keys(UserName='deployer')['AccessKeyMetadata'][0]['Status']))");
                assert_eq!(status, "Inactive");
                let policies = world.aws("print(json.dumps(iam.list_user_policies(UserName='deployer')['PolicyNames']))");
                let denied = policies.as_array().expect("policies").iter().any(|policy| text(policy) != "planted");
                assert!(denied, "{policies}");
            }
            "security-group-rule" => {
                let rules = world.aws(&format!(
                    "print(json.dumps([rule for group in ec2.describe_security_groups(Filters=[{{'Name': 'tag:rebuild:generation', 'Values': ['{new}']}}])['SecurityGroups'] for rule in group['IpPermissions'] if rule.get('FromPort') == 4444]))"
                ));
                assert_eq!(rules, serde_json::json!([]));
            }
            "vault-token" => {
                let token = text(&one["secret"]);
                let line = format!("BAO_TOKEN={token} bao token lookup >/dev/null 2>&1 && echo alive || echo dead");
                assert_eq!(world.shell(&line).trim(), "dead");
            }
            "cluster-role-binding" => {
                let line = format!("kubectl get clusterrolebinding {name} >/dev/null 2>&1 || echo gone");
                assert_eq!(world.shell(&line).trim(), "gone");
            }
            "privileged-pod" => {
                let (namespace, pod) = name.split_once('/').expect("a namespace");
                world.shell(&format!("kubectl -n {namespace} wait --for=delete pod/{pod} --timeout=60s >&2"));
            }
            "image-digest" => {
                let found = world.kubectl(&format!("-n natlangchain-{new} get deployments"));
                assert!(!found.to_string().contains(name), "{found}");
            }
            "service-account-token" => {
                let token = text(&one["secret"]);
                // The server believes a token that it knew for some seconds more, without its rights.
                let line = format!(
                    "for attempt in $(seq 60); do\n\
                     why=$(kubectl --token={token} get nodes 2>&1 || true)\n\
                     case \"$why\" in *Unauthorized*) break ;; esac\n\
                     sleep 1\n\
                     done\n\
                     echo \"$why\""
                );
                assert!(world.shell(&line).contains("Unauthorized"));
            }
            kind => panic!("nothing says whether a {kind} is gone"),
        }
    }
}

/// The report names what was planted, shows what each stage took, and holds no planted secret.
fn named(folder: &Path, secrets: &[Value]) {
    let report = fs::read_to_string(folder.join("report.md")).expect("a report");
    for one in secrets {
        let name = text(&one["name"]);
        let name = match text(&one["kind"]) {
            "security-group-rule" => "4444",
            "service-account-token" => "planted",
            _ => name.rsplit('/').next().expect("a name"),
        };
        assert!(report.contains(name), "no {one} in:\n{report}");
        if let Some(secret) = one["secret"].as_str() {
            assert!(!report.contains(secret));
        }
    }
    for stage in ["contain", "network", "seed", "validation", "prove", "harden"] {
        assert!(report.contains(&format!("| {stage} |")), "no {stage} in:\n{report}");
    }
    let page: Value = serde_json::from_slice(&fs::read(folder.join("report.json")).expect("a report")).expect("JSON");
    let rotation = page["rotation"].as_array().expect("old credentials");
    for check in ["rotated", "refused", "sealed"] {
        assert!(rotation.iter().any(|one| one["check"] == check), "{rotation:?}");
    }
    assert!(rotation.iter().all(|one| one["held"] == true), "{rotation:?}");
}

/// The old key opens nothing at the service any more.
fn refused(world: &World, key: &str) {
    let url = format!("{}/validate/chain", world.endpoints().standin);
    let line = format!("curl -s -o /dev/null -w '%{{http_code}}' -H 'X-API-Key: {key}' {url}");
    assert_eq!(world.shell(&line).trim(), "403");
}
