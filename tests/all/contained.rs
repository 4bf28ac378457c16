//! What people agree to is applied and nothing else is, the report of it is sealed, and what somebody planted is cut off: on real servers.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use approval::PrivateKey;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::command::copy_of_project;
use crate::world::World;

const PLAN: [&str; 5] = ["plan", "--env", "sandbox", "--from-backup", "latest"];

/// A person with a key in a file.
pub struct Person {
    pub name: &'static str,
    pub key: PathBuf,
    pub line: String,
}

/// A person whose key is made of a seed.
pub fn person(folder: &Path, name: &'static str, seed: u8) -> Person {
    let key = PrivateKey::from_seed(&[seed; 32]).expect("a key");
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .expect("a file");
    file.write_all(key.openssh().expect("its form").expose_secret().as_bytes())
        .expect("written");
    Person {
        name,
        key: path,
        line: key.public_line(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn two_people_agree_and_what_was_planted_is_cut_off() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let ada = person(world.home(), "ada", 1);
    let bob = person(world.home(), "bob", 2);
    let eve = person(world.home(), "eve", 3);
    let file = project.join("environments/sandbox/environment.yaml");
    let mut environment = fs::read_to_string(&file).expect("the environment");
    environment.push_str(&format!(
        "approvals:\n  needed: {{full-loss: 2, destroy: 1}}\n  approvers:\n    - {{name: ada, key: {:?}}}\n    - {{name: bob, key: {:?}}}\n",
        ada.line, bob.line
    ));
    fs::write(&file, environment).expect("written");
    world.project = project;
    world.up();
    agreed(&world, [&ada, &bob, &eve]);
    planted_and_cut_off(&world);
}

fn agreed(world: &World, [ada, bob, eve]: [&Person; 3]) {
    let untouched = world.mutations();
    let main = ["--env", "sandbox", "--from-backup", "latest", "--yes"];
    world
        .rebuild(&main)
        .exits(3)
        .tells(&["0 of 2 approvals count", "rebuild approve"]);
    let plan = world.home().join("plan.json");
    let plan = text(&plan);
    world
        .rebuild(&[&PLAN[..], &["--out", plan]].concat())
        .exits(2);
    let approve = |person: &Person, name: &str| {
        let out = world
            .home()
            .join(format!("{}-as-{name}.approval", person.name));
        let arguments = [
            "approve",
            plan,
            "--as",
            name,
            "--key",
            text(&person.key),
            "--out",
            text(&out),
        ];
        world.rebuild(&arguments).exits(0);
        out
    };
    let by_ada = approve(ada, "ada");
    let by_bob = approve(bob, "bob");
    let by_eve = approve(eve, "bob");
    let apply = |approvals: &[&PathBuf]| {
        let mut arguments = vec!["apply", plan, "--yes"];
        for approval in approvals {
            arguments.extend(["--approval", text(approval)]);
        }
        world.rebuild(&arguments)
    };
    apply(&[&by_ada]).exits(3).tells(&["1 of 2"]);
    apply(&[&by_ada, &by_ada])
        .exits(3)
        .tells(&["[same-approver]"]);
    apply(&[&by_ada, &by_eve])
        .exits(3)
        .tells(&["[not-their-key]"]);
    let other = world.home().join("other.json");
    world
        .rebuild(&[&PLAN[..], &["--rotate", "all", "--out", text(&other)]].concat())
        .exits(2);
    let arguments = [
        "apply",
        text(&other),
        "--yes",
        "--approval",
        text(&by_ada),
        "--approval",
        text(&by_bob),
    ];
    world.rebuild(&arguments).exits(3).tells(&["[other-"]);
    assert_eq!(
        world.mutations(),
        untouched,
        "nothing was begun without two people's word"
    );

    let said = apply(&[&by_ada, &by_bob])
        .exits(0)
        .tells(&["approved by ada", "approved by bob"]);
    let folder = said
        .out
        .trim_end()
        .rsplit_once("report: ")
        .expect("the report's place")
        .1;
    sealed(world, Path::new(folder));

    let arguments = [&main[..], &["--rotate", "api-key", "--break-glass"]].concat();
    world
        .rebuild(&[&arguments[..], &["too short"]].concat())
        .exits(3);
    let reason = "both approvers are on the same broken plane";
    let said = world
        .rebuild(&[&arguments[..], &[reason]].concat())
        .exits(0)
        .tells(&["BREAK GLASS"]);
    let folder = said
        .out
        .trim_end()
        .rsplit_once("report: ")
        .expect("the report's place")
        .1;
    let report = fs::read_to_string(Path::new(folder).join("report.md")).expect("a report");
    assert!(
        report.contains("BREAK GLASS") && report.contains(reason),
        "{report}"
    );
}

/// The report says who agreed, and can be checked with one public key until a byte of it is changed.
fn sealed(world: &World, folder: &Path) {
    let report = fs::read(folder.join("report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    let who: Vec<&str> = report["authority"]["accepted"]
        .as_array()
        .expect("approvals")
        .iter()
        .map(|one| one["who"].as_str().expect("a name"))
        .collect();
    assert_eq!(who, ["ada", "bob"]);
    let key = world.home().join("state/rebuild/keys/report.pub");
    let bundle = folder.join("bundle");
    let verify = ["report", "verify", text(&bundle), "--key", text(&key)];
    let verified = world
        .rebuild(&[&verify[..], &["--format", "json"]].concat())
        .exits(0)
        .json();
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["entries"], 9, "{verified}");
    let page = bundle.join("report.md");
    let mut altered = fs::read(&page).expect("a page");
    altered[0] ^= 1;
    fs::write(&page, altered).expect("written");
    world.rebuild(&verify).exits(4).tells(&["report.md"]);
}

fn planted_and_cut_off(world: &World) {
    let planted = world.aws(
        "iam.create_user(UserName='deployer')\n\
         print(json.dumps(iam.create_access_key(UserName='deployer')['AccessKey']['AccessKeyId']))",
    );
    let planted = planted.as_str().expect("a key's id");
    world.aws(
        "for vpc in ec2.describe_vpcs(Filters=[{'Name': 'tag:rebuild:environment', 'Values': ['sandbox']}])['Vpcs']:\n\
         \x20   group = ec2.describe_security_groups(Filters=[{'Name': 'vpc-id', 'Values': [vpc['VpcId']]}])['SecurityGroups'][0]\n\
         \x20   ec2.authorize_security_group_ingress(GroupId=group['GroupId'], IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='198.51.100.0/24')",
    );
    let token = world.shell("bao token create -policy=default -display-name=planted -field=token");
    let token = token.trim();
    let lives = || {
        let line =
            format!("BAO_TOKEN={token} bao token lookup >/dev/null 2>&1 && echo yes || echo no");
        world.shell(&line).trim() == "yes"
    };
    assert!(lives());
    let namespaces = world.kubectl("get namespaces -l rebuild.dev/environment=sandbox");
    let namespace = namespaces["items"][0]["metadata"]["name"]
        .as_str()
        .expect("a namespace");
    world.shell(&format!(
        "kubectl -n {namespace} create serviceaccount planted\n\
         kubectl create clusterrolebinding planted --clusterrole=cluster-admin --serviceaccount={namespace}:planted\n\
         kubectl label --overwrite namespace {namespace} pod-security.kubernetes.io/enforce=privileged\n\
         kubectl -n {namespace} run planted --image=example.test/planted:1 --privileged"
    ));
    let bearer = world.shell(&format!("kubectl -n {namespace} create token planted"));
    let bearer = bearer.trim();
    let before = world.mutations();
    let contain = ["contain", "--env", "sandbox"];
    let said = world
        .rebuild(&[&contain[..], &["--dry-run"]].concat())
        .exits(2);
    assert!(said.out.contains(planted), "{}", said.out);
    assert_eq!(world.mutations(), before, "looking changes nothing");
    world
        .rebuild(&contain)
        .exits(1)
        .tells(&["nobody can be asked"]);
    assert_eq!(world.mutations(), before);

    world.rebuild(&[&contain[..], &["--yes"]].concat()).exits(0);
    let status = world.aws("print(json.dumps(iam.list_access_keys(UserName='deployer')['AccessKeyMetadata'][0]['Status']))");
    assert_eq!(status, "Inactive");
    let rules = world.aws(
        "vpcs = [vpc['VpcId'] for vpc in ec2.describe_vpcs(Filters=[{'Name': 'tag:rebuild:environment', 'Values': ['sandbox']}])['Vpcs']]\n\
         acls = ec2.describe_network_acls(Filters=[{'Name': 'vpc-id', 'Values': vpcs}])['NetworkAcls']\n\
         acls = [acl for acl in acls if acl['Associations']]\n\
         print(json.dumps({'acls': len(acls), 'allow': [entry for acl in acls for entry in acl['Entries'] if entry['RuleAction'] != 'deny']}))",
    );
    assert!(rules["acls"].as_u64() > Some(0), "{rules}");
    assert_eq!(rules["allow"], serde_json::json!([]));

    assert!(!lives());
    assert_eq!(
        world
            .shell("kubectl get clusterrolebinding planted >/dev/null 2>&1 || echo gone")
            .trim(),
        "gone"
    );
    let left = format!(
        "for attempt in $(seq 60); do\n\
         why=$(kubectl --token={bearer} get nodes 2>&1 || true)\n\
         case \"$why\" in *Unauthorized*) break ;; esac\n\
         sleep 1\n\
         done\n\
         echo \"$why\""
    );
    // The server believes a token that it knew for some seconds more, without its rights.
    assert!(world.shell(&left).contains("Unauthorized"));
    let wait = format!("kubectl -n {namespace} wait --for=delete pod --all --timeout=60s >&2");
    world.shell(&wait);

    let folder = world.home().join("state/rebuild/contain/sandbox");
    let logs: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("logs")
        .map(|log| log.expect("a log").path())
        .collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert_eq!(
        fs::metadata(&logs[0]).expect("a log").permissions().mode() & 0o777,
        0o600
    );
    let log = fs::read_to_string(&logs[0]).expect("a log");
    let undo = format!(
        "aws iam update-access-key --user-name deployer --access-key-id {planted} --status Active"
    );
    assert!(log.contains(&undo), "{log}");
    for secret in [token, bearer] {
        assert!(!log.contains(secret));
    }

    let said = world
        .rebuild(&[&contain[..], &["--yes", "--format", "json"]].concat())
        .exits(0)
        .json();
    for part in said["parts"].as_array().expect("parts") {
        for item in part["items"].as_array().expect("items") {
            assert_eq!(item["ended"]["outcome"], "already", "{item}");
        }
    }
}
