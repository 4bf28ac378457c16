//! Recognisable values in every place that a secret can come from, and none of them in anything written, printed, sent to somebody whom it
//! is not for, in the process list, or in a core dump, because there is none.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::command::copy_of_project;
use crate::main_job::looked_at;
use crate::world::{World, until};

/// What everything planted begins with.
const CANARY: &str = "canary-8d1f";

fn canary(place: &str) -> String {
    format!("{CANARY}-{place}-0123456789abcdef")
}

/// A listener in the place of a chat; keeps what it was sent.
fn chat() -> (String, Arc<Mutex<Vec<String>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/{}",
        socket.local_addr().expect("its address"),
        canary("webhook")
    );
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let mut length = 0;
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).expect("a line");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).expect("a body");
            kept.lock()
                .expect("no panic")
                .push(String::from_utf8(body).expect("UTF-8"));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer).expect("an answer");
        }
    });
    (url, heard)
}

fn private(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .expect("a file");
    file.write_all(text.as_bytes()).expect("written");
}

#[test]
fn no_secret_is_found_where_it_does_not_belong() {
    let mut world = World::new();
    let project = world.home().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let (url, heard) = chat();
    let held = world.home().join("chat-url");
    private(&held, &url);
    let file = project.join("environments/sandbox/environment.yaml");
    let mut environment = fs::read_to_string(&file).expect("the environment");
    environment.push_str(&format!(
        "notices:\n  - {{to: webhook, url: {{file: {held:?}}}}}\n  - {{to: slack, url: {{env: CHAT_URL}}}}\n"
    ));
    fs::write(&file, environment).expect("written");
    world.project = project;
    world.up();
    let sandbox = files(&world.home().join("state/rebuild/sandbox"));
    assert!(!sandbox.is_empty());
    // Variables that the tool's libraries would take for credentials, and one of its own.
    let variables: Vec<(&str, String)> = [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "VAULT_TOKEN",
        "BAO_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS_JSON",
    ]
    .into_iter()
    .map(|name| (name, canary(&name.to_ascii_lowercase())))
    .chain([("CHAT_URL", url)])
    .collect();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();

    // Started rather than run, so that the process list can be looked at meanwhile.
    let main = ["--env", "sandbox", "--from-backup", "latest", "--yes"];
    let mut child = world.start_with(&main, &variables);
    let mut listed = BTreeSet::new();
    let mut ended = None;
    until("the rebuild ends", || {
        listed.extend(process_list());
        ended = child.try_wait().expect("a child");
        ended.is_some()
    });
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(listed.iter().any(|line| line.contains("--from-backup")));

    // Secrets that others hold in the same servers.
    let generation = world
        .rebuild(&["generations", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let generation = generation[0]["generation"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.shell(&format!(
        "bao kv put -mount=secret rebuild/sandbox/{generation}/foreign value={} >&2\n\
         kubectl -n natlangchain-{generation} create secret generic foreign --from-literal=value={} >&2",
        canary("vault"),
        canary("cluster")
    ));
    for (command, code) in [
        (&["status", "--env", "sandbox"][..], 0),
        (&["doctor", "--env", "sandbox"], 0),
        (&["contain", "--env", "sandbox", "--dry-run"], 2),
        (
            &[
                "plan",
                "--env",
                "sandbox",
                "--from-backup",
                "latest",
                "--rotate",
                "all",
            ],
            2,
        ),
        // What is missing is about a user that is named and not there.
        (&["evidence", "collect", "--env", "sandbox"], 1),
    ] {
        world.rebuild_with(command, &variables).exits(code);
    }
    world.secrets(&format!("rebuild/sandbox/{generation}"));
    looked_at::no_secret_is_left_anywhere(&world);

    let mut secrets: Vec<String> = world.seen_secrets.borrow().values().cloned().collect();
    secrets.push(CANARY.to_owned());
    let absent = |text: &str, place: &str| {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {place}");
        }
    };
    absent(&world.printed.borrow(), "what was printed");
    for line in &listed {
        absent(line, "the process list");
    }
    for folder in ["runs", "evidence", "keys", "contain", "backups"] {
        for path in files(&world.home().join("state/rebuild").join(folder)) {
            let bytes = fs::read(&path).expect("a file of ours");
            absent(
                &String::from_utf8_lossy(&bytes),
                &path.display().to_string(),
            );
        }
    }
    // What each server was sent: the audit logs hash or leave out what is secret, so what stands in them plainly came in another way.
    let endpoints = world.endpoints();
    for log in [
        &endpoints.kube_audit_log,
        &endpoints.vault.audit_log,
        &endpoints.aws_request_log,
    ] {
        let said = fs::read_to_string(log).expect("a log");
        assert!(!said.is_empty());
        let foreign = said
            .lines()
            // The test's own kubectl and bao put the foreign secrets there.
            .filter(|line| !line.contains("foreign"));
        for line in foreign {
            absent(line, &log.display().to_string());
        }
    }
    let bodies = heard.lock().expect("no panic");
    assert!(bodies.len() >= 4, "{bodies:?}");
    for body in bodies.iter() {
        absent(body, "what the chat was sent");
    }
    drop(bodies);
    aborted_without_a_dump(&world);
}

/// The command line of every process.
fn process_list() -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("processes");
    entries
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        // The sandbox's servers and the tests' own tools are started otherwise.
        .filter(|line| line.contains("rebuild-under-test"))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flat_map(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files(&path)
            } else if path.is_file() {
                vec![path]
            } else {
                Vec::new()
            }
        })
        .collect()
}

/// Killed in the way that asks for a core dump, where a dump of any size is allowed: there is none.
fn aborted_without_a_dump(world: &World) {
    let place = world.home().join("dumps");
    fs::create_dir(&place).expect("a folder");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).expect("ours");
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -c unlimited 2>/dev/null; exec \"$0\" doctor --env sandbox",
        ])
        .arg(env!("CARGO_BIN_EXE_rebuild-under-test"))
        .current_dir(&place)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", world.home())
        .env("XDG_STATE_HOME", world.home().join("state"))
        .env("REBUILD_PROJECT", &world.project)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let limits = format!("/proc/{}/limits", child.id());
    until("it forbids itself a dump", || {
        let limits = fs::read_to_string(&limits).unwrap_or_default();
        let core = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max core file size"));
        core.is_some_and(|core| core.split_whitespace().take(2).all(|limit| limit == "0"))
            || child.try_wait().expect("a child").is_some()
    });
    assert!(
        child.try_wait().expect("a child").is_none(),
        "it ended before it could be killed"
    );
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-ABRT", &pid]).status();
    assert!(killed.expect("kill runs").success());
    let status = child.wait().expect("its end");
    assert_eq!(status.signal(), Some(6), "{status:?}");
    assert!(!status.core_dumped(), "{status:?}");
    let left: Vec<PathBuf> = files(&place);
    assert_eq!(left, Vec::<PathBuf>::new());
}
