//! A breached generation is destroyed only when evidence of it is kept, verifies and can't be deleted, and somebody has agreed: on real
//! servers.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::copy_of_project;
use crate::contained::person;
use crate::world::World;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn generations(world: &World) -> Vec<String> {
    let found = world.rebuild(&["generations", "--env", "sandbox", "--format", "json"]);
    let found = found.exits(0).json();
    let all = found["generations"].as_array().or(found.as_array());
    let names = all.expect("generations").iter();
    names
        .map(|one| one["generation"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn nothing_of_an_incident_is_destroyed_without_evidence_and_consent() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let ada = person(world.home(), "ada", 1);
    let file = project.join("environments/sandbox/environment.yaml");
    let mut environment = fs::read_to_string(&file).expect("the environment");
    // Nobody is needed to destroy; an incident asks for one all the same.
    environment.push_str(&format!(
        "approvals:\n  approvers:\n    - {{name: ada, key: {:?}}}\n",
        ada.line
    ));
    fs::write(&file, environment).expect("written");
    world.project = project;
    world.up();
    world
        .rebuild(&["--env", "sandbox", "--from-backup", "latest", "--yes"])
        .exits(0);
    world.aws("iam.create_user(UserName='deployer')\niam.create_access_key(UserName='deployer')");
    let old = generations(&world).remove(0);
    let destroy = ["destroy", "--env", "sandbox", "--generation", &old];
    let early = world.home().join("early.json");
    world
        .rebuild(&[&destroy[..], &["--out", text(&early)]].concat())
        .exits(2);

    world
        .rebuild(&["contain", "--env", "sandbox", "--yes"])
        .exits(0)
        .tells(&["incident ", &old]);
    let contained = world.mutations();
    world
        .rebuild(&[&destroy[..], &["--yes"]].concat())
        .exits(3)
        .tells(&["[evidence.no-key]", "rebuild evidence collect"]);
    assert_eq!(
        world.mutations(),
        contained,
        "nothing was begun without evidence"
    );

    let first = collected(&world, &old, &contained);
    let second = tampered(&world, &first);
    held(&world, &second);
    consented(&world, &old, &destroy, &ada.key);
}

/// Reads everything, changes nothing of the old environment, and has no secret in it. Returns what was said.
fn collected(
    world: &World,
    old: &str,
    before: &std::collections::BTreeMap<String, usize>,
) -> Value {
    let said = world
        .rebuild(&[
            "evidence", "collect", "--env", "sandbox", "--format", "json",
        ])
        .exits(0)
        .json();
    assert_eq!(said["generations"], serde_json::json!([old]));
    assert_eq!(said["complete"], true, "{said}");
    let missing = said["missing"].as_array().expect("a list");
    assert!(
        missing.iter().all(|one| one["elsewhere"] == true),
        "{missing:?}"
    );
    let after = world.mutations();
    for place in ["kubernetes", "vault", "aws"] {
        assert_eq!(after[place], before[place], "{place} is only read");
    }
    let folder = PathBuf::from(said["bundle"].as_str().expect("a folder"));
    let mut secrets = world.secrets(&format!("rebuild/sandbox/{old}"));
    // Public keys may be shown.
    secrets.retain(|name, _| !name.ends_with("#public-key") && !name.ends_with("#certificate"));
    assert!(secrets.len() >= 3, "{:?}", secrets.keys());
    let mut files = 0;
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an item").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let content = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
            for (name, value) in &secrets {
                assert!(!content.contains(value), "{name} is in {}", path.display());
            }
        }
    }
    assert!(files > 50, "{files} files");
    for name in [
        "ec2/instances.xml",
        "iam/users/deployer/access-keys.xml",
        "vault/mounts.json",
        "s3/buckets.json",
        "kubernetes/cluster/nodes.json",
    ] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    said
}

/// A changed byte is seen, in a copy and in the bucket's own.
fn tampered(world: &World, said: &Value) -> Value {
    let folder = said["bundle"].as_str().expect("a folder");
    let copy = world.home().join("copy");
    world.shell(&format!("cp -r {folder} {}", text(&copy)));
    let verify = ["evidence", "verify", "--env", "sandbox"];
    let of_copy = [&verify[..], &["--folder", text(&copy)]].concat();
    world.rebuild(&of_copy).exits(0);
    let page = copy.join("ec2/instances.xml");
    let mut altered = fs::read(&page).expect("a page");
    altered[10] ^= 1;
    fs::write(&page, altered).expect("written");
    world
        .rebuild(&of_copy)
        .exits(4)
        .tells(&["ec2/instances.xml", "[altered]"]);
    let verified = world
        .rebuild(&[&verify[..], &["--format", "json"]].concat())
        .exits(0)
        .json();
    assert_eq!(verified["manifest_sha256"], said["manifest_sha256"]);
    assert_eq!(verified["unheld"], serde_json::json!([]));
    let listed = world
        .rebuild(&["evidence", "list", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(listed["bundles"][0]["id"], said["id"]);
    said.clone()
}

/// Nothing kept can be deleted, and what is put over it or hides it changes nothing.
fn held(world: &World, said: &Value) {
    let url = said["url"].as_str().expect("an address");
    let rest = url.strip_prefix("s3://").expect("an address");
    let (bucket, prefix) = rest.split_once('/').expect("a key");
    let refused = world.aws(&format!(
        "from botocore.exceptions import ClientError\n\
         refused = []\n\
         versions = s3.list_object_versions(Bucket='{bucket}', Prefix='{prefix}')['Versions']\n\
         for one in versions[:5] + [v for v in versions if v['Key'].endswith('manifest.json')]:\n\
         \x20   for bypass in (False, True):\n\
         \x20       try:\n\
         \x20           s3.delete_object(Bucket='{bucket}', Key=one['Key'], VersionId=one['VersionId'], BypassGovernanceRetention=bypass)\n\
         \x20           refused.append(one['Key'])\n\
         \x20       except ClientError as error:\n\
         \x20           refused.append(error.response['Error']['Code'])\n\
         s3.delete_object(Bucket='{bucket}', Key='{prefix}manifest.json')\n\
         s3.put_object(Bucket='{bucket}', Key='{prefix}ec2/instances.xml', Body=b'nothing to see')\n\
         print(json.dumps(refused))"
    ));
    let refused = refused.as_array().expect("answers");
    assert_eq!(refused.len(), 12, "{refused:?}");
    assert!(
        refused.iter().all(|code| code == "AccessDenied"),
        "{refused:?}"
    );
    world
        .rebuild(&["evidence", "verify", "--env", "sandbox"])
        .exits(0);
}

fn consented(world: &World, old: &str, destroy: &[&str], key: &Path) {
    let before = world.mutations();
    world
        .rebuild(&[destroy, &["--yes"]].concat())
        .exits(3)
        .tells(&["0 of 1 approvals count"]);
    let approved = |name: &str| {
        let plan = world.home().join(format!("{name}.json"));
        let shown = world
            .rebuild(&[destroy, &["--out", text(&plan)]].concat())
            .exits(2);
        assert!(shown.out.contains("evidence.kept"), "{}", shown.out);
        assert!(shown.out.contains("iam/cloudtrail"), "{}", shown.out);
        let approval = world.home().join(format!("{name}.approval"));
        let arguments = [
            "approve",
            text(&plan),
            "--as",
            "ada",
            "--key",
            text(key),
            "--out",
            text(&approval),
        ];
        world.rebuild(&arguments).exits(0);
        (plan, approval)
    };
    let (plan, approval) = approved("first");
    let reason = "everybody else is on the same broken plane";
    world
        .rebuild(&["apply", text(&plan), "--yes", "--break-glass", reason])
        .exits(3)
        .tells(&["one person's word"]);
    world
        .rebuild(&["apply", text(&plan), "--yes"])
        .exits(3)
        .tells(&["0 of 1"]);
    assert_eq!(
        world.mutations(),
        before,
        "nothing was begun without consent"
    );
    // A plan that says nothing of evidence was made before the incident; whatever is done with it, it destroys nothing.
    let early = world.home().join("early.json");
    let said = world.rebuild(&["apply", text(&early), "--yes"]);
    assert!(
        matches!(said.code, Some(3 | 6)),
        "{}\n{}",
        said.out,
        said.err
    );
    // Newer evidence: what was agreed to is about another bundle.
    world
        .rebuild(&["evidence", "collect", "--env", "sandbox"])
        .exits(0);
    world
        .rebuild(&["apply", text(&plan), "--yes", "--approval", text(&approval)])
        .exits(3)
        .tells(&["the plan does not say", "[evidence.kept]"]);
    assert_eq!(generations(world), [old]);
    let (plan, approval) = approved("second");
    world
        .rebuild(&["apply", text(&plan), "--yes", "--approval", text(&approval)])
        .exits(0)
        .tells(&["approved by ada"]);
    assert!(generations(world).is_empty());
    world
        .rebuild(&["evidence", "verify", "--env", "sandbox"])
        .exits(0);
}
