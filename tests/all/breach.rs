//! After an attack on the sandbox the scenario `breach` is run to its end: nothing planted survives, each thing is named, and no old
//! credential opens anything.
//!
//! The sandbox's moto enforces IAM, so planted keys and sessions are tried: allowed before, refused by the server after. That an inactive
//! key is refused is a correction of moto (`moto_corrections.py`); that the deny policy refuses is moto's own judgement, and is tried alone
//! with the key made active again. moto does not look at the time in `aws:TokenIssueTime` and refuses later sessions too, so that this
//! policy spares those is not shown here: its text is AWS's own, and is checked where it is made.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::copy_of_project;
use crate::main_job::looked_at;
use crate::world::{Said, World, until};

const MAIN: [&str; 4] = ["--env", "sandbox", "--yes", "--from-backup"];

#[test]
fn nothing_planted_survives_a_breach() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let file = project.join("environments/sandbox/environment.yaml");
    let declared = fs::read_to_string(&file).expect("the environment");
    // The run does not lock out whom it runs as, so that one stays open.
    let himself = declared.replace("iam_users: [deployer]", "iam_users: [deployer, operator]");
    assert_ne!(himself, declared);
    fs::write(&file, himself).expect("written");
    world.project = project;
    world.up();
    world.rebuild(&[&MAIN[..], &["latest"]].concat()).exits(0);
    let old = newest(&world);
    let old_key = api_key(&world, &old);
    let noticed = noticed(&world);
    let attack = world
        .rebuild(&["sandbox", "attack", "--format", "json"])
        .exits(0)
        .json();
    let planted = attack["planted"].as_array().expect("what was planted");
    let kinds: std::collections::BTreeSet<&str> =
        planted.iter().map(|one| text(&one["kind"])).collect();
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    let secrets = fs::read(text(&attack["secrets"])).expect("the planted credentials");
    let secrets: Vec<Value> = serde_json::from_slice(&secrets).expect("JSON");
    for one in secrets
        .iter()
        .filter(|one| text(&one["kind"]).starts_with("iam-"))
    {
        assert_eq!(
            tried(&world, one),
            ["allowed", "allowed"],
            "{}",
            one["name"]
        );
    }

    let breach = |backup: &str, command: &[&str]| {
        world.rebuild(&[command, &["--scenario", "breach", "--from-backup", backup]].concat())
    };
    let untouched = world.mutations();
    let main = ["--env", "sandbox", "--yes"];
    breach("latest", &main)
        .exits(3)
        .tells(&["a breach needs the time of the incident"]);
    let known_good = format!("known-good:before={noticed}");
    let planned = breach(
        &known_good,
        &["plan", "--env", "sandbox", "--format", "json"],
    )
    .exits(2);
    let plan = planned.json();
    assert_eq!(plan["scenario"], "breach");
    assert_eq!(plan["incident"]["generations"], serde_json::json!([old]));
    assert_ne!(plan["target"]["generation"], old.as_str());
    assert_eq!(world.mutations(), untouched, "planning changes nothing");
    closed_until_validated(&plan);

    let said = breach(&known_good, &main)
        .exits(3)
        .tells(&["not wholly cut off", "user operator: is who runs this"]);
    fs::write(&file, declared).expect("written");
    let folder = said
        .out
        .trim_end()
        .rsplit_once("report: ")
        .expect("a report")
        .1
        .to_owned();
    let new = newest(&world);
    assert_ne!(new, old);
    gone(&world, &new, &secrets);
    opened_in_the_end(&world, &new, Path::new(&folder));
    named(Path::new(&folder), &secrets);
    refused(&world, &old_key);
    let key = world.home().join("state/rebuild/keys/report.pub");
    let key = key.to_str().expect("UTF-8");
    let bundle = format!("{folder}/bundle");
    world
        .rebuild(&["report", "verify", &bundle, "--key", key])
        .exits(0);

    world
        .rebuild(&["evidence", "verify", "--env", "sandbox"])
        .exits(0);
    let destroy = ["destroy", "--env", "sandbox", "--generation", &old, "--yes"];
    world.rebuild(&destroy).exits(3);

    opened_again(&world, &new, &secrets, &|| breach(&known_good, &main));
    assert_eq!(newest(&world), new);
    killed_at_twenty_moments(&world, &new);
    let values = secrets
        .iter()
        .flat_map(|one| [&one["secret"], &one["token"]]);
    for secret in values.filter_map(Value::as_str) {
        assert!(
            !world.printed.borrow().contains(secret),
            "a planted secret was printed"
        );
    }
}

/// Rules that lead to the whole Internet stand in no step but those that open, which wait for the mark.
fn closed_until_validated(plan: &Value) {
    let steps = plan["steps"].as_array().expect("steps");
    let (open, other): (Vec<&Value>, Vec<&Value>) =
        steps.iter().partition(|step| step["action"] == "open");
    let opened: Vec<&str> = open.iter().map(|step| text(&step["address"])).collect();
    assert_eq!(opened.len(), 3, "{opened:?}");
    for step in open {
        let waits = step["depends_on"].as_array().expect("what it waits for");
        assert!(
            waits.contains(&"create s3.generation.state".into()),
            "{step}"
        );
    }
    for step in other {
        let leads_outside = step["address"].as_str().is_some_and(|address| {
            address.starts_with("ec2.security-group.") || address.contains("NetworkPolicy")
        }) && step["spec"].to_string().contains("0.0.0.0/0");
        assert!(!leads_outside, "{step}");
    }
}

/// What the servers hold at the end, and that it was opened after the checks.
fn opened_in_the_end(world: &World, new: &str, folder: &Path) {
    let rules = world.aws(&format!(
        "print(json.dumps(sorted(rule['CidrIp'] + ' ' + str(one['FromPort']) for group in ec2.describe_security_groups(Filters=[{{'Name': 'tag:rebuild:generation', 'Values': ['{new}']}}])['SecurityGroups'] for one in group['IpPermissionsEgress'] + group['IpPermissions'] for rule in one['IpRanges'] if rule['CidrIp'] == '0.0.0.0/0')))"
    ));
    assert_eq!(
        rules,
        serde_json::json!(["0.0.0.0/0 443", "0.0.0.0/0 443", "0.0.0.0/0 80"])
    );
    let policy = world.kubectl(&format!(
        "-n natlangchain-{new} get networkpolicy https-egress"
    ));
    assert!(policy.to_string().contains("0.0.0.0/0"), "{policy}");
    let journal = fs::read_to_string(folder.join("journal.jsonl")).expect("the journal");
    let at = |word: &str, step: &str| {
        journal
            .lines()
            .position(|line| line.contains(word) && line.contains(&format!("\"{step}\"")))
            .unwrap_or_else(|| panic!("{word} {step} in {journal}"))
    };
    let validated = at("done", "create s3.generation.state");
    for step in [
        "open ec2.security-group.api",
        "open ec2.security-group.edge",
    ] {
        assert!(validated < at("started", step), "{step}");
    }
}

/// Run again there is the same generation and nothing to do; what somebody opened since is found all the same, until it is closed.
fn opened_again(world: &World, new: &str, secrets: &[Value], breach: &dyn Fn() -> Said) {
    let unchanged = |said: Said| assert!(said.out.contains("No changes"), "{}", said.out);
    unchanged(breach().exits(0));
    let key = secrets.iter().find(|one| one["kind"] == "iam-access-key");
    let key = text(&key.expect("a key")["name"]);
    set_status(world, key, "Active");
    unchanged(
        breach()
            .exits(3)
            .tells(&["not wholly cut off", key, "rebuild contain"]),
    );
    world
        .rebuild(&["contain", "--env", "sandbox", "--except", new, "--yes"])
        .exits(0);
    unchanged(breach().exits(0));
}

fn set_status(world: &World, key: &str, status: &str) {
    world.aws(&format!(
        "iam.update_access_key(UserName='deployer', AccessKeyId='{key}', Status='{status}')"
    ));
}

/// What the server answers to calls of IAM and EC2 with a planted credential: `allowed`, or the status and the code.
fn tried(world: &World, one: &Value) -> Vec<String> {
    let file = world.home().join("state/rebuild/sandbox/attack.json");
    let answers = world.aws(&format!(
        "from botocore.exceptions import ClientError\n\
         one = next(one for one in json.load(open({file:?})) if one['name'] == {})\n\
         other = boto3.Session(one['name'], one['secret'], one.get('token'), 'us-east-1')\n\
         def answer(service, call):\n\
         \x20   try:\n\
         \x20       getattr(other.client(service, endpoint_url={:?}), call)()\n\
         \x20       return 'allowed'\n\
         \x20   except ClientError as error:\n\
         \x20       return f\"{{error.response['ResponseMetadata']['HTTPStatusCode']}} {{error.response['Error']['Code']}}\"\n\
         print(json.dumps([answer('iam', 'list_roles'), answer('ec2', 'describe_vpcs')]))",
        one["name"],
        world.endpoints().aws
    ));
    let answers = answers.as_array().expect("answers").iter();
    answers.map(|one| text(one).to_owned()).collect()
}

/// A second attack, and a breach that is killed over and over: one new generation in the end, whole, with everything cut off.
fn killed_at_twenty_moments(world: &World, old: &str) {
    let key = api_key(world, old);
    let noticed = noticed(world);
    world.rebuild(&["sandbox", "attack"]).exits(0);
    let secrets = fs::read(world.home().join("state/rebuild/sandbox/attack.json"));
    let secrets: Vec<Value> =
        serde_json::from_slice(&secrets.expect("the planted credentials")).expect("JSON");
    let known_good = format!("known-good:before={noticed}");
    let arguments = [&MAIN[..], &[&known_good, "--scenario", "breach"]].concat();
    for moment in 0..20 {
        // Where nothing is written yet, so early that the next one begins anew; then a little further than the one before came.
        let lines = progress(world) + 1 + 2 * moment;
        let mut child = world.start(&arguments);
        until("the run gets further", || {
            progress(world) >= lines || child.try_wait().expect("a child").is_some()
        });
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended by itself before moment {moment}"
        );
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }
    let said = world.rebuild(&arguments).exits(0);
    let new = newest(world);
    let last = format!("sandbox {new}: complete");
    assert!(
        said.out.contains(&last) || said.out.contains("No changes"),
        "{}",
        said.out
    );
    let found = generations(world);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_ne!(new, old);
    looked_at::each_once(world, &new);
    gone(world, &new, &secrets);
    refused(world, &key);
    let said = world.rebuild(&arguments).exits(0);
    assert!(said.out.contains("No changes"), "{}", said.out);
}

/// Lines that all runs and all containments on this machine wrote.
fn progress(world: &World) -> usize {
    let folders = [
        world.runs(),
        world.home().join("state/rebuild/contain/sandbox"),
    ];
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .map(|path| {
            if path.is_dir() {
                path.join("journal.jsonl")
            } else {
                path
            }
        });
    files
        .filter_map(|file| fs::read(file).ok())
        .map(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
        .sum()
}

/// A time between what was done before and what is done after, in seconds as backups count them.
pub fn noticed(world: &World) -> String {
    world.shell("sleep 2");
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    world.shell("sleep 2");
    now
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Every generation, oldest first.
fn generations(world: &World) -> Vec<String> {
    let found = world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let found = found.as_array().expect("generations");
    found
        .iter()
        .map(|one| text(&one["generation"]).to_owned())
        .collect()
}

fn newest(world: &World) -> String {
    generations(world).pop().expect("a generation")
}

fn api_key(world: &World, generation: &str) -> String {
    let line =
        format!("bao kv get -mount=secret -field=value rebuild/sandbox/{generation}/api-key");
    world.shell(&line).trim().to_owned()
}

/// The servers themselves say that what was planted is gone or dead.
fn gone(world: &World, new: &str, secrets: &[Value]) {
    for one in secrets {
        let name = text(&one["name"]);
        match text(&one["kind"]) {
            "backup" => {
                let found =
                    world.kubectl(&format!("-n natlangchain-{new} get configmap rebuild-seed"));
                assert!(!found.to_string().contains("mallory"));
            }
            "iam-access-key" => {
                let status = world.aws("print(json.dumps(sorted({key['Status'] for key in iam.list_access_keys(UserName='deployer')['AccessKeyMetadata']})))");
                assert_eq!(status, serde_json::json!(["Inactive"]));
                let refused = ["403 InvalidClientTokenId", "401 AuthFailure"];
                assert_eq!(tried(world, one), refused);
                // Without the inactive key the policy refuses by itself.
                set_status(world, name, "Active");
                assert_eq!(tried(world, one), ["403 AccessDenied", "403 AccessDenied"]);
                set_status(world, name, "Inactive");
                let policies = world.aws(
                    "print(json.dumps(iam.list_user_policies(UserName='deployer')['PolicyNames']))",
                );
                let denied = policies
                    .as_array()
                    .expect("policies")
                    .iter()
                    .any(|policy| text(policy) != "planted");
                assert!(denied, "{policies}");
            }
            "iam-role-session" => {
                assert_eq!(tried(world, one), ["403 AccessDenied", "403 AccessDenied"]);
            }
            "security-group-rule" => {
                let rules = world.aws(&format!(
                    "print(json.dumps([rule for group in ec2.describe_security_groups(Filters=[{{'Name': 'tag:rebuild:generation', 'Values': ['{new}']}}])['SecurityGroups'] for rule in group['IpPermissions'] if rule.get('FromPort') == 4444]))"
                ));
                assert_eq!(rules, serde_json::json!([]));
            }
            "vault-token" => {
                let token = text(&one["secret"]);
                let line = format!(
                    "BAO_TOKEN={token} bao token lookup >/dev/null 2>&1 && echo alive || echo dead"
                );
                assert_eq!(world.shell(&line).trim(), "dead");
            }
            "cluster-role-binding" => {
                let line =
                    format!("kubectl get clusterrolebinding {name} >/dev/null 2>&1 || echo gone");
                assert_eq!(world.shell(&line).trim(), "gone");
            }
            "privileged-pod" => {
                let (namespace, pod) = name.split_once('/').expect("a namespace");
                world.shell(&format!(
                    "kubectl -n {namespace} wait --for=delete pod/{pod} --timeout=60s >&2"
                ));
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
            "iam-role-session" => text(&one["role"]),
            // An accessor can end a token, so it is not shown.
            "vault-token" => "token-planted",
            "backup" => name.trim_end_matches(".json.gz"),
            _ => name.rsplit('/').next().expect("a name"),
        };
        assert!(report.contains(name), "no {one} in:\n{report}");
        if let Some(secret) = one["secret"].as_str() {
            assert!(!report.contains(secret));
        }
    }
    for stage in [
        "contain",
        "network",
        "seed",
        "validation",
        "prove",
        "harden",
    ] {
        assert!(
            report.contains(&format!("| {stage} |")),
            "no {stage} in:\n{report}"
        );
    }
    let page: Value =
        serde_json::from_slice(&fs::read(folder.join("report.json")).expect("a report"))
            .expect("JSON");
    let weak = page["breach"]["hardening"].as_array().expect("findings");
    let told = |code: &str, subject: &str| {
        weak.iter()
            .any(|one| one["code"] == code && text(&one["subject"]).starts_with(subject))
    };
    // No VPC of the sandbox has a flow log; how the store keeps backups is told, be it that it does not say.
    assert!(told("harden.log-retention", "vpc-"), "{weak:?}");
    assert!(
        told("harden.log-retention", "s3://natlangchain-backups/"),
        "{weak:?}"
    );
    assert!(told("harden.log-retention", "AWS account"), "{weak:?}");
    let owed = page["follow_ups"].as_array().expect("follow-ups");
    for source in ["hardening", "first backup", "checklist"] {
        assert!(owed.iter().any(|one| one["source"] == source), "{owed:?}");
    }
    let rotation = page["rotation"].as_array().expect("old credentials");
    for check in ["rotated", "refused", "sealed"] {
        assert!(
            rotation.iter().any(|one| one["check"] == check),
            "{rotation:?}"
        );
    }
    assert!(
        rotation.iter().all(|one| one["held"] == true),
        "{rotation:?}"
    );
}

/// The old key opens nothing at the service any more.
fn refused(world: &World, key: &str) {
    let url = format!("{}/validate/chain", world.endpoints().standin);
    let line = format!("curl -s -o /dev/null -w '%{{http_code}}' -H 'X-API-Key: {key}' {url}");
    assert_eq!(world.shell(&line).trim(), "403");
}
