//! What only a Terraform state in S3 knows of the old environment is looked for in a breach's plan; a state that is not what it should be
//! ends the planning with a clear word and within bounds: on a real SeaweedFS.

use std::fs;

use crate::breach::noticed;
use crate::command::copy_of_project;
use crate::world::{Said, World};

/// An id that no cloud has: only the state names it.
const OLD: &str = "fs-0f00dfeedf00dfeed";
const BUCKET: &str = "old-states";

struct Case {
    world: World,
    declared: String,
    backup: String,
}

impl Case {
    /// Plans with what is appended to the environment.
    fn planned(&self, breach: &str) -> Said {
        let file = self
            .world
            .project
            .join("environments/sandbox/environment.yaml");
        fs::write(file, format!("{}{breach}", self.declared)).expect("written");
        let arguments = ["plan", "--env", "sandbox", "--scenario", "breach"];
        self.world
            .rebuild(&[&arguments[..], &["--from-backup", &self.backup]].concat())
    }

    /// The same with the state of this key.
    fn with_state(&self, key: &str) -> Said {
        self.planned(&format!(
            "breach: {{terraform_states: [s3://{BUCKET}/{key}]}}\n"
        ))
    }
}

#[test]
fn what_a_terraform_state_names_is_forbidden() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    // Somebody took the old file system's id over by hand.
    let template = project.join("templates/infrastructure/security.tera.yaml");
    let wanted = fs::read_to_string(&template).expect("a template");
    let peered = wanted.replace(
        "      tags: {Name: \"{{ environment }}-{{ generation }}-edge\"}",
        &format!(
            "      tags: {{Name: \"{{{{ environment }}}}-{{{{ generation }}}}-edge\", files: {OLD}}}"
        ),
    );
    assert_ne!(peered, wanted);
    fs::write(&template, peered).expect("written");
    world.project = project;
    world.up();
    world.aws(&format!(
        "s3.create_bucket(Bucket='{BUCKET}')\n\
         disk = {{'mode': 'managed', 'type': 'aws_efs_file_system', 'name': 'edge', 'instances': [{{'attributes': {{'id': '{OLD}'}}}}]}}\n\
         good = {{'version': 4, 'serial': 7, 'lineage': 'x', 'resources': [disk]}}\n\
         def put(key, body): s3.put_object(Bucket='{BUCKET}', Key=key, Body=body)\n\
         put('good', json.dumps(good))\n\
         put('large', b' ' * (129 << 20))\n\
         put('numbers', b'{{\"version\": 4, \"resources\": [' + b'0,' * (60 << 20) + b'0]}}')\n\
         put('deep', b'[' * 1000000 + b']' * 1000000)\n\
         put('text', b'no state at all')\n\
         put('binary', bytes(range(256)) * 16)\n\
         put('former', json.dumps({{'version': 3, 'modules': []}}))\n\
         put('other', json.dumps({{'version': 4}}))"
    ));
    let environment = world.project.join("environments/sandbox/environment.yaml");
    let case = Case {
        declared: fs::read_to_string(environment).expect("the environment"),
        backup: format!("known-good:before={}", noticed(&world)),
        world,
    };
    let untouched = case.world.mutations();
    // Nobody else knows the id.
    case.planned("").exits(2);
    let said = case.with_state("good").exits(3);
    let named = ["taint.old-reference", OLD, "aws_efs_file_system.edge"];
    for text in named {
        assert!(said.out.contains(text) || said.err.contains(text), "{text}");
    }
    let allowed = format!(
        "breach:\n  terraform_states: [s3://{BUCKET}/good]\n  allowed_references:\n    - {{value: {OLD}, reason: a peer that stays}}\n"
    );
    case.planned(&allowed).exits(2);
    hostile(&case);
    assert_eq!(
        case.world.mutations(),
        untouched,
        "planning changes nothing"
    );
}

/// Each with what is said of it.
fn hostile(case: &Case) {
    for (key, why) in [
        ("large", "bytes"),
        ("numbers", "values"),
        ("deep", "recursion limit"),
        ("text", "is not JSON"),
        ("binary", "is not JSON"),
        ("former", "version 3"),
        ("other", "no list `resources`"),
        ("nothing", "there is no such object"),
    ] {
        let said = case.with_state(key);
        said.exits(1).tells(&[why, key]);
    }
}
