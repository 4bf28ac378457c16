//! A dump of a real PostgreSQL into a fresh database of it, and the chain out of its tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope, SecretSource};
use planner::kind::Layer;
use planner::reference::Outputs;
use planner::{Action, Step};
use provider_postgres::Postgres;
use provider_seed::MemoryStores;
use secrecy::SecretString;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// One block a row, as JSON, in the chain's order.
const QUERY: &str = "SELECT json_build_object('index', block_index, 'timestamp', timestamp, 'previous_hash', previous_hash, \
    'nonce', nonce, 'hash', hash, 'entries', entries_json::json) FROM blocks ORDER BY block_index";

struct Server {
    child: Child,
    port: u16,
    dir: TempDir,
}

/// Programs of the newest PostgreSQL that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("Debian's package `postgresql` must be installed");
    let mut versions: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    versions.sort();
    versions.pop().expect("a version of PostgreSQL")
}

/// PostgreSQL refuses to run as root.
fn as_nobody(program: &Path, signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]);
    if std::fs::metadata("/proc/self")
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        .unwrap()
        == 0
    {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program);
    command.env("LC_ALL", "C").current_dir("/");
    command
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(dir.path().join("password"), "admin-password\n").unwrap();
        let own = Command::new("chown")
            .args(["-R", "postgres"])
            .arg(dir.path())
            .status();
        assert!(own.unwrap().success());
        let made = as_nobody(&programs().join("initdb"), "KILL")
            .args([
                "--auth=scram-sha-256",
                "--username=admin",
                "--encoding=UTF8",
                "--no-sync",
                "--pwfile",
            ])
            .arg(dir.path().join("password"))
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = as_nobody(&programs().join("postgres"), "INT");
        command
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories=", "-c", "log_statement=all"])
            .args(["-c", &format!("port={port}"), "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).unwrap());
        // The death signal comes when the thread ends that started it, so that must be none of a test.
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            sender.send(command.spawn().unwrap()).unwrap();
            loop {
                std::thread::park();
            }
        });
        let child = receiver.recv().unwrap();

        let server = Self { child, port, dir };
        let deadline = Instant::now() + Duration::from_secs(60);
        while server
            .try_run("psql", &["-c", "SELECT 1"], "postgres")
            .is_err()
        {
            assert!(Instant::now() < deadline, "{}", server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    fn try_run(
        &self,
        program: &str,
        arguments: &[&str],
        database: &str,
    ) -> Result<Vec<u8>, String> {
        let output = Command::new(programs().join(program))
            .env("PGPASSWORD", "admin-password")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "admin")
            .env("PGDATABASE", database)
            .args(arguments)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    #[track_caller]
    fn sql(&self, database: &str, statement: &str) -> String {
        let out = self
            .try_run(
                "psql",
                &["-XAtv", "ON_ERROR_STOP=1", "-c", statement],
                database,
            )
            .unwrap();
        String::from_utf8(out).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

struct Values;

#[async_trait]
impl SecretSource for Values {
    async fn read(&self, _: &str, path: &str, _: &str) -> Result<SecretString, Error> {
        Ok(SecretString::from(match path {
            "admin" => "admin-password".to_owned(),
            other => format!("fresh:pass\\word'of {other}"),
        }))
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/fixtures/natlangchain/chain_50k.json")
}

/// A block with its numbers as they were written: what is read into one of Rust's types could be written differently.
#[derive(serde::Deserialize)]
struct Block {
    index: i64,
    timestamp: Box<RawValue>,
    previous_hash: String,
    nonce: i64,
    hash: String,
    entries: Box<RawValue>,
}

/// The blocks of a chain of the application's own.
fn blocks() -> Vec<Block> {
    #[derive(serde::Deserialize)]
    struct Chain {
        chain: Vec<Block>,
    }
    let text = std::fs::read_to_string(fixture()).unwrap();
    serde_json::from_str::<Chain>(&text).unwrap().chain
}

/// A database as the application has it, dumped by PostgreSQL's own program.
fn dumped(name: &str, more: &str) -> Vec<u8> {
    SERVER.sql("postgres", &format!("CREATE DATABASE {name}"));
    SERVER.sql(name, "CREATE TABLE blocks (block_index integer PRIMARY KEY, timestamp double precision, previous_hash text, nonce bigint, hash text, entries_json text)");
    for block in blocks() {
        let entries = block.entries.get().replace('\'', "''");
        SERVER.sql(
            name,
            &format!(
                "INSERT INTO blocks VALUES ({}, {}, '{}', {}, '{}', '{entries}')",
                block.index, block.timestamp, block.previous_hash, block.nonce, block.hash
            ),
        );
    }
    if !more.is_empty() {
        SERVER.sql(name, more);
    }
    SERVER.try_run("pg_dump", &["-Fc"], name).unwrap()
}

fn provider(dump: &[u8]) -> Postgres {
    let stores = MemoryStores::default();
    stores.insert("backups", "dump", dump.to_vec(), BTreeMap::new());
    let now: jiff::Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
    Postgres::new(
        Some(stores.archive("backups")),
        Arc::new(Values),
        now.as_second(),
    )
}

fn secret(path: &str) -> Value {
    json!({"mount": "secret", "path": path, "field": "value"})
}

fn server() -> Value {
    json!({"host": "127.0.0.1", "port": SERVER.port, "sslmode": "disable"})
}

fn wanted(dump: &[u8], name: &str) -> Value {
    json!({
        "key": "dump", "size": dump.len(), "sha256": hex::encode(Sha256::digest(dump)), "server": server(),
        "admin": "admin", "admin_password": secret("admin"), "name": name, "password": secret(name),
    })
}

async fn ensure(
    provider: &Postgres,
    kind: &str,
    token: &str,
    spec: Value,
) -> Result<Outputs, Error> {
    let scope = Scope {
        environment: "demo".to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    };
    let step = Step {
        id: format!("seed database.{kind}.main"),
        action: Action::Seed,
        address: format!("database.{kind}.main").parse().unwrap(),
        layer: Layer::Seed,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object: None,
        changes: Vec::new(),
        token: token.to_owned(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    };
    provider
        .ensure(Ensure {
            scope: &scope,
            step: &step,
            spec,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_becomes_a_fresh_database_with_a_whole_chain() {
    let dump = dumped("whole", "");
    let provider = provider(&dump);
    let name = "whole_20261124";
    let outputs = ensure(&provider, "dump", "t1", wanted(&dump, name))
        .await
        .unwrap();
    assert_eq!(outputs["name"], name);
    assert_eq!(outputs["entries"]["TABLE DATA"], 1);
    let owner = format!("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(SERVER.sql("postgres", &owner), name);
    let rights = format!(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = '{name}'"
    );
    assert_eq!(SERVER.sql("postgres", &rights), "f|f|f|t");
    assert!(
        !SERVER.log().contains("fresh:pass"),
        "the server was never told the password"
    );

    let chain = json!({"server": server(), "name": name, "password": secret(name), "query": QUERY});
    let outputs = ensure(&provider, "chain", "t1", chain.clone())
        .await
        .unwrap();
    let head = json!(blocks().last().unwrap().hash);
    assert_eq!(
        (&outputs["head"], &outputs["blocks"]),
        (&head, &json!(blocks().len()))
    );

    // Done again, it changes nothing, not even what was written since.
    SERVER.sql(name, "CREATE TABLE later (a integer)");
    ensure(&provider, "dump", "t1", wanted(&dump, name))
        .await
        .unwrap();
    SERVER.sql(name, "SELECT * FROM later");
    // A run that was cut short is done from its beginning.
    SERVER.sql(
        "postgres",
        &format!("COMMENT ON DATABASE {name} IS 'rebuild t1 begun'"),
    );
    ensure(&provider, "dump", "t1", wanted(&dump, name))
        .await
        .unwrap();
    assert!(
        SERVER
            .try_run("psql", &["-c", "SELECT * FROM later"], name)
            .is_err()
    );
    // Another plan's database is not touched.
    let error = ensure(&provider, "dump", "t2", wanted(&dump, name))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Foreign, "{error}");

    SERVER.sql(
        name,
        "UPDATE blocks SET nonce = nonce + 1 WHERE block_index = 2",
    );
    let error = ensure(&provider, "chain", "t1", chain.clone())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(
        error.why.contains("rejected") || error.why.contains("suspect"),
        "{error}"
    );
    let mut writes = chain;
    writes["query"] = json!("DELETE FROM blocks RETURNING '{}'");
    let error = ensure(&provider, "chain", "t1", writes).await.unwrap_err();
    assert!(error.why.contains("read-only"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_pinned_dump_and_only_data() {
    let dump = dumped("pinned", "");
    let mut other = wanted(&dump, "pinned_other");
    other["sha256"] = json!("0".repeat(64));
    let error = ensure(&provider(&dump), "dump", "t1", other)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(
        error.why.contains("not the dump that was pinned"),
        "{error}"
    );

    let evil = dumped(
        "evil",
        "CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER stay BEFORE INSERT ON blocks FOR EACH ROW EXECUTE FUNCTION stay()",
    );
    let error = ensure(&provider(&evil), "dump", "t1", wanted(&evil, "evil_new"))
        .await
        .unwrap_err();
    assert!(error.why.contains("FUNCTION, TRIGGER"), "{error}");
    let made = "SELECT count(*) FROM pg_database WHERE datname IN ('pinned_other', 'evil_new')";
    assert_eq!(SERVER.sql("postgres", made), "0");
    let mut allowed = wanted(&evil, "evil_new");
    allowed["allow"] = json!(["FUNCTION", "TRIGGER"]);
    ensure(&provider(&evil), "dump", "t1", allowed)
        .await
        .unwrap();

    let broken = &dump[..dump.len() / 2];
    let error = ensure(&provider(broken), "dump", "t1", wanted(broken, "broken"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
}
