//! PostgreSQL's own programs, called with as little as can be.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use planner::kinds::database::Server;
use secrecy::{ExposeSecret, SecretString};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use zeroize::Zeroizing;

/// How long one call may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(3600);
/// Bytes of a complaint that are told.
const COMPLAINT: usize = 2000;

/// A role at a server, with its password in a file that ends with the value.
pub(crate) struct Role<'a> {
    pub server: &'a Server,
    pub name: &'a str,
    folder: TempDir,
}

impl<'a> Role<'a> {
    pub(crate) fn new(
        what: &str,
        server: &'a Server,
        name: &'a str,
        password: &SecretString,
    ) -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            Error::new(
                ErrorKind::Unavailable,
                what,
                format!("no password file: {error}"),
            )
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        // Made for its owner alone.
        let mut file = NamedTempFile::new_in(folder.path()).map_err(failed)?;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(failed)?;
        let escaped = Zeroizing::new(
            password
                .expose_secret()
                .replace('\\', "\\\\")
                .replace(':', "\\:"),
        );
        let line = Zeroizing::new(format!("*:*:*:*:{}\n", escaped.as_str()));
        file.write_all(line.as_bytes()).map_err(failed)?;
        file.persist(folder.path().join("pgpass"))
            .map_err(|error| failed(error.error))?;
        Ok(Self {
            server,
            name,
            folder,
        })
    }

    /// A command that finds the server, the role and the password, and nothing of our own environment beside the search path.
    pub(crate) fn command(&self, program: &str, database: &str) -> Command {
        let mut command = bare(program);
        command
            .env("PGHOST", &self.server.host)
            .env("PGPORT", self.server.port.to_string())
            .env("PGUSER", self.name)
            .env("PGDATABASE", database)
            .env("PGSSLMODE", &self.server.sslmode)
            .env("PGCONNECT_TIMEOUT", "20")
            .env("PGPASSFILE", self.folder.path().join("pgpass"))
            .env("HOME", self.folder.path());
        command
    }

    /// Runs statements, which reach `psql` on its standard input; rows without decoration.
    pub(crate) async fn sql(
        &self,
        what: &str,
        database: &str,
        statements: &str,
    ) -> Result<String, Error> {
        let mut command = self.command("psql", database);
        command
            .args([
                "-X",
                "-w",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                "-",
            ])
            .stdin(Stdio::piped());
        let output = run(what, command, statements.as_bytes()).await?;
        String::from_utf8(output.stdout)
            .map_err(|error| Error::new(ErrorKind::Server, what, error.to_string()))
    }
}

/// Without anything of ours but the search path.
pub(crate) fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end, or says why it did not get there.
pub(crate) async fn run(what: &str, mut command: Command, input: &[u8]) -> Result<Output, Error> {
    let program = Path::new(command.as_std().get_program())
        .display()
        .to_string();
    let mut child = command.spawn().map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            what,
            format!("`{program}` can't be started: {error}; install PostgreSQL's client programs"),
        )
    })?;
    let ended = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends early says why on its own.
            let _ = stdin.write_all(input).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(LIMIT, ended)
        .await
        .map_err(|_| {
            Error::new(
                ErrorKind::Deadline,
                what,
                format!("`{program}` did not end in an hour"),
            )
        })?
        .map_err(|error| Error::new(ErrorKind::Unavailable, what, error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    let why: String = String::from_utf8_lossy(&output.stderr)
        .chars()
        .take(COMPLAINT)
        .collect();
    Err(Error::new(
        classify(&why),
        what,
        format!("{program}: {}", why.trim()),
    ))
}

/// What a complaint of libpq means.
fn classify(why: &str) -> ErrorKind {
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["password authentication failed", "no password supplied"]) {
        ErrorKind::Unauthenticated
    } else if has(&["permission denied", "must be "]) {
        ErrorKind::Denied
    } else if has(&[
        "Connection refused",
        "could not translate host",
        "timeout expired",
        "starting up",
        "server closed the connection",
    ]) {
        ErrorKind::Unreachable
    } else {
        ErrorKind::Invalid
    }
}

/// A name in SQL, quoted (PostgreSQL, "Identifiers and Key Words").
pub(crate) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in SQL, quoted; without backslash escapes whatever the server is set to.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted() {
        assert_eq!(name("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(literal("a'\\b"), "E'a''\\\\b'");
    }

    #[test]
    fn complaints() {
        for (why, kind) in [
            (
                "FATAL:  password authentication failed for user \"x\"",
                ErrorKind::Unauthenticated,
            ),
            (
                "connection to server at \"127.0.0.1\", port 1 failed: Connection refused",
                ErrorKind::Unreachable,
            ),
            (
                "ERROR:  permission denied to create database",
                ErrorKind::Denied,
            ),
            ("ERROR:  relation exists", ErrorKind::Invalid),
        ] {
            assert_eq!(classify(why), kind, "{why}");
        }
    }
}
