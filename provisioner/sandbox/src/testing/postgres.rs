//! PostgreSQL as the system has it installed, with databases as the first user's application keeps them.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Place;
use crate::error::{Error, Result};
use crate::{files, secrets};

/// Where Debian keeps the programs of each version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// The longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions whether it is ready.
const PAUSE: Duration = Duration::from_millis(50);
/// The tables of the first user's application.
const TABLES: &str = "CREATE TABLE blocks (block_index integer PRIMARY KEY, timestamp double precision, previous_hash text, nonce bigint, \
    hash text, entries_json text);";

/// One block a row, as JSON, in the chain's order, out of the tables that [`Postgres::chain`] makes.
pub const BLOCKS: &str = "SELECT json_build_object('index', block_index, 'timestamp', timestamp, 'previous_hash', previous_hash, \
    'nonce', nonce, 'hash', hash, 'entries', entries_json::json) FROM blocks ORDER BY block_index";

/// What the application keeps.
#[derive(Deserialize)]
struct Chain {
    chain: Vec<Block>,
}

/// A block with its numbers as they were written: what is read into one of Rust's types could be written differently, and hash differently.
#[derive(Deserialize)]
struct Block {
    index: i64,
    timestamp: Box<RawValue>,
    previous_hash: String,
    nonce: i64,
    hash: String,
    entries: Box<RawValue>,
}

/// A PostgreSQL server that asks everybody for a password (SCRAM), listens on 127.0.0.1 without TLS and logs every statement.
#[derive(Debug)]
pub struct Postgres {
    /// Its port.
    pub port: u16,
    password: String,
    programs: PathBuf,
    log: PathBuf,
    child: Child,
    place: Place,
}

impl Postgres {
    /// The role that may do everything.
    pub const ADMIN: &str = "admin";

    /// Starts an empty one.
    ///
    /// # Errors
    /// When Debian's package `postgresql` is not installed, or the server does not start.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let place = Place::new(&[])?;
        let dir = place.dir.join("postgres");
        files::private_dir(&dir)?;
        let password = secrets::token()?;
        let (data, pwfile, log) = (dir.join("data"), dir.join("password"), dir.join("log"));
        files::write_private(&pwfile, format!("{password}\n").as_bytes())?;
        files::write_private(&log, b"")?;
        if is_root() {
            // Its own user must reach its folder, and be the only one who reads it.
            succeeds(Command::new("chown").arg("-R").arg("postgres").arg(&dir))?;
            succeeds(Command::new("chmod").arg("o+x").arg(&place.dir))?;
            if let Some(root) = place.dir.parent() {
                succeeds(Command::new("chmod").arg("o+x").arg(root))?;
            }
        }
        let mut initdb = as_its_user(&programs.join("initdb"), "KILL");
        initdb
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"])
            .args(["--username", Self::ADMIN, "--pwfile"])
            .arg(&pwfile)
            .arg(&data);
        succeeds(&mut initdb)?;
        let port = free_port()?;
        let mut command = as_its_user(&programs.join("postgres"), "INT");
        command
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories=", "-c", "log_statement=all"])
            .args(["-c", &format!("port={port}"), "-D"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(append(&log)?);
        let server = Self {
            port,
            password,
            programs,
            log,
            child: spawn(command)?,
            place,
        };
        server.ready()?;
        Ok(server)
    }

    fn ready(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.sql("postgres", "SELECT 1") {
            if Instant::now() >= until {
                return Err(error);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The password of [`Self::ADMIN`].
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// All that it wrote down: every statement that anybody sent.
    ///
    /// # Errors
    /// When its log can't be read.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(&self.log).map_err(Error::file("read", &self.log))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs statements as [`Self::ADMIN`] and returns the rows, a line each.
    ///
    /// # Errors
    /// What the server says against them.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        self.sql_as((Self::ADMIN, &self.password), database, statements)
    }

    /// The same as another role with its password.
    ///
    /// # Errors
    /// As [`Self::sql`].
    pub fn sql_as(
        &self,
        (role, password): (&str, &str),
        database: &str,
        statements: &str,
    ) -> Result<String> {
        let mut command = self.client("psql", role, password, database);
        command.args(["-XAtqw", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        let out = output(&mut command, statements.as_bytes())?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// Makes a database that holds a chain in tables, as the first user's application does; `chain` is the application's JSON.
    ///
    /// # Errors
    /// When it is no chain, and as [`Self::sql`].
    pub fn chain(&self, database: &str, chain: &str) -> Result<()> {
        let chain: Chain = serde_json::from_str(chain)
            .map_err(|error| Error::State(format!("no chain for {database}: {error}")))?;
        let mut statements = TABLES.to_owned();
        for block in chain.chain {
            let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
            statements.push_str(&format!(
                "INSERT INTO blocks VALUES ({}, {}, {}, {}, {}, {});\n",
                block.index,
                block.timestamp,
                quoted(&block.previous_hash),
                block.nonce,
                quoted(&block.hash),
                quoted(block.entries.get())
            ));
        }
        self.sql("postgres", &format!("CREATE DATABASE {database}"))?;
        self.sql(database, &statements).map(drop)
    }

    /// What `pg_dump -Fc` makes of a database.
    ///
    /// # Errors
    /// When it fails.
    pub fn dump(&self, database: &str) -> Result<Vec<u8>> {
        let mut command = self.client("pg_dump", Self::ADMIN, &self.password, database);
        output(command.arg("-Fc"), b"")
    }

    fn client(&self, program: &str, role: &str, password: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env("PGPASSWORD", password)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", role)
            .env("PGDATABASE", database)
            .env("LC_ALL", "C");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = files::remove_dir(&self.place.dir);
    }
}

/// Those of the newest version.
fn programs() -> Result<PathBuf> {
    let missing = || Error::MissingProgram {
        program: "postgres",
        wanted: "PostgreSQL for tests".to_owned(),
        detail: format!("nothing is in {INSTALLED}; install Debian's package `postgresql`"),
    };
    let versions = std::fs::read_dir(INSTALLED).map_err(|_| missing())?;
    versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").is_file())
        .max()
        .ok_or_else(missing)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// PostgreSQL refuses to run as root. A change of the user takes the death signal away, so it is set in between.
fn as_its_user(program: &Path, signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program).env("LC_ALL", "C").current_dir("/");
    command
}

/// The death signal comes when the thread ends that started it, so that must be none of a test.
fn spawn(mut command: Command) -> Result<Child> {
    let (send, receive) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        if send.send(command.spawn()).is_ok() {
            loop {
                std::thread::park();
            }
        }
    });
    let failed = |source| Error::Start {
        name: "PostgreSQL".to_owned(),
        source,
    };
    receive
        .recv()
        .map_err(|_| failed(std::io::ErrorKind::Other.into()))?
        .map_err(failed)
}

fn append(path: &Path) -> Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(Error::file("open", path))
}

fn free_port() -> Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| Error::Start {
            name: "PostgreSQL".to_owned(),
            source,
        })
}

fn succeeds(command: &mut Command) -> Result<()> {
    output(command, b"").map(drop)
}

/// Runs a program to its end with this input, and returns what it printed.
fn output(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |source| Error::Start {
        name: name.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // One that ends early says why on its own.
                _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    })
    .map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::State(format!("{name}: {}", said.trim())))
}
