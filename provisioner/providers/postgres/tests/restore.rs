//! A dump of a real PostgreSQL into a fresh database of it, and the chain out of its tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope, SecretSource};
use planner::kind::Layer;
use planner::reference::Outputs;
use planner::{Action, Step};
use provider_postgres::Postgres;
use provider_seed::MemoryStores;
use sandbox::testing::{BLOCKS, Postgres as Server};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());

#[track_caller]
fn sql(database: &str, statement: &str) -> String {
    SERVER.sql(database, statement).unwrap()
}

struct Values;

#[async_trait]
impl SecretSource for Values {
    async fn read(&self, _: &str, path: &str, _: &str) -> Result<SecretString, Error> {
        Ok(SecretString::from(match path {
            "admin" => SERVER.password().to_owned(),
            other => format!("fresh:pass\\word'of {other}"),
        }))
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/fixtures/natlangchain/chain_50k.json")
}

/// The blocks of a chain of the application's own.
fn blocks() -> Vec<Value> {
    let chain: Value = serde_json::from_slice(&std::fs::read(fixture()).unwrap()).unwrap();
    chain["chain"].as_array().unwrap().clone()
}

/// A database as the application has it, dumped by PostgreSQL's own program.
fn dumped(name: &str, more: &str) -> Vec<u8> {
    let chain = std::fs::read_to_string(fixture()).unwrap();
    SERVER.chain(name, &chain).unwrap();
    if !more.is_empty() {
        sql(name, more);
    }
    SERVER.dump(name).unwrap()
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
    assert_eq!(sql("postgres", &owner), name);
    let rights = format!(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = '{name}'"
    );
    assert_eq!(sql("postgres", &rights), "f|f|f|t");
    assert!(
        !SERVER.log().unwrap().contains("fresh:pass"),
        "the server was never told the password"
    );

    let chain =
        json!({"server": server(), "name": name, "password": secret(name), "query": BLOCKS});
    let outputs = ensure(&provider, "chain", "t1", chain.clone())
        .await
        .unwrap();
    let head = blocks().last().unwrap()["hash"].clone();
    assert_eq!(
        (&outputs["head"], &outputs["blocks"]),
        (&head, &json!(blocks().len()))
    );

    // Done again, it changes nothing, not even what was written since.
    sql(name, "CREATE TABLE later (a integer)");
    ensure(&provider, "dump", "t1", wanted(&dump, name))
        .await
        .unwrap();
    sql(name, "SELECT * FROM later");
    // A run that was cut short is done from its beginning.
    sql(
        "postgres",
        &format!("COMMENT ON DATABASE {name} IS 'rebuild t1 begun'"),
    );
    ensure(&provider, "dump", "t1", wanted(&dump, name))
        .await
        .unwrap();
    assert!(SERVER.sql(name, "SELECT * FROM later").is_err());
    // Another plan's database is not touched.
    let error = ensure(&provider, "dump", "t2", wanted(&dump, name))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Foreign, "{error}");

    sql(
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
    assert_eq!(sql("postgres", made), "0");
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

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_than_the_one_that_was_written_down_is_dropped_with_its_role() {
    let dump = dumped("rewritten", "DELETE FROM blocks WHERE block_index > 2");
    let provider = provider(&dump);
    let head = |count: usize| blocks()[count - 1]["hash"].clone();
    let judged = |name: &str, head: &Value| {
        let mut restored = wanted(&dump, name);
        restored["judged"] = json!(true);
        let judge = json!({"admin": "admin", "admin_password": secret("admin")});
        let chain = json!({
            "server": server(), "name": name, "password": secret(name), "query": BLOCKS, "head": head, "judge": judge,
        });
        (restored, chain)
    };
    let left = |name: &str| {
        let asked = format!(
            "SELECT (SELECT count(*) FROM pg_database WHERE datname = '{name}') + (SELECT count(*) FROM pg_roles WHERE rolname = '{name}')"
        );
        sql("postgres", &asked)
    };

    let (restored, chain) = judged("rewritten_new", &head(blocks().len()));
    ensure(&provider, "dump", "t1", restored.clone())
        .await
        .unwrap();
    // Done again before it is judged, it is not restored again.
    sql("rewritten_new", "CREATE TABLE later (a integer)");
    ensure(&provider, "dump", "t1", restored).await.unwrap();
    sql("rewritten_new", "SELECT * FROM later");
    assert_eq!(left("rewritten_new"), "2");
    let error = ensure(&provider, "chain", "t1", chain).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(error.why.contains("after 3 blocks; wanted"), "{error}");
    assert!(error.why.contains("are dropped"), "{error}");
    assert_eq!(left("rewritten_new"), "0");

    let (restored, chain) = judged("rewritten_true", &head(3));
    ensure(&provider, "dump", "t1", restored.clone())
        .await
        .unwrap();
    let outputs = ensure(&provider, "chain", "t1", chain.clone())
        .await
        .unwrap();
    assert_eq!(outputs["head"], head(3));
    // Once judged it is in use: what it holds by then is no reason to drop it.
    sql("rewritten_true", "DELETE FROM blocks WHERE block_index > 1");
    ensure(&provider, "dump", "t1", restored).await.unwrap();
    let outputs = ensure(&provider, "chain", "t1", chain.clone())
        .await
        .unwrap();
    assert_eq!(outputs["head"], head(2));
    sql("rewritten_true", "UPDATE blocks SET nonce = nonce + 1");
    ensure(&provider, "chain", "t1", chain).await.unwrap_err();
    assert_eq!(left("rewritten_true"), "2");
}
