//! The kind `database.chain`.

use std::process::Stdio;

use backup::{Code, Options, Verdict, Word};
use executor::provider::{Error, ErrorKind};
use planner::kinds::database::Chain;
use planner::reference::Outputs;
use secrecy::SecretString;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio_util::io::SyncIoBridge;

use crate::mark::{self, Mark};
use crate::rows::Document;
use crate::tools::{LIMIT, Role, name};

/// Verifies the chain. The first time, it decides whether the database stays: one that is refused is dropped with its role.
pub(crate) async fn judge(
    what: &str,
    spec: &Chain,
    (password, admin): (&SecretString, Option<&SecretString>),
    now: i64,
) -> Result<Outputs, Error> {
    let (Some(judge), Some(admin)) = (&spec.judge, admin) else {
        return verify(what, spec, spec.head.as_deref(), password, now).await;
    };
    let boss = Role::new(what, &spec.server, &judge.admin, admin)?;
    let comment = mark::of(&boss, what, &spec.name).await?;
    let Some(token) = comment.as_deref().and_then(mark::waiting) else {
        return verify(what, spec, None, password, now).await;
    };
    match verify(what, spec, spec.head.as_deref(), password, now).await {
        Ok(outputs) => {
            mark::set(&boss, what, &spec.name, &Mark::Complete.text(token)).await?;
            Ok(outputs)
        }
        // What could not be read is no verdict, and is read again.
        Err(mut error) if error.kind == ErrorKind::Invalid => {
            let quoted = name(&spec.name);
            let gone =
                format!("DROP DATABASE {quoted} WITH (FORCE);\nDROP ROLE IF EXISTS {quoted};\n");
            error.why = match boss.sql(what, "postgres", &gone).await {
                Ok(_) => format!("{}; the database and its role are dropped", error.why),
                Err(failed) => format!("{}; it could not be dropped: {failed}", error.why),
            };
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Reads the blocks out of the tables and verifies them as a backup is, in constant memory.
async fn verify(
    what: &str,
    spec: &Chain,
    head: Option<&str>,
    password: &SecretString,
    now: i64,
) -> Result<Outputs, Error> {
    let failed = |why: String| Error::new(ErrorKind::Unavailable, what, why);
    let role = Role::new(what, &spec.server, &spec.name, password)?;
    let mut command = role.command("psql", &spec.name);
    // The query comes from the environment: it may read, and nothing else.
    let query = spec.query.trim().trim_end_matches(';');
    command
        .args(["-X", "-w", "-q", "-v", "ON_ERROR_STOP=1"])
        .args(["-c", "SET default_transaction_read_only = on"])
        .args(["-c", "SET client_encoding = 'UTF8'"])
        .arg("-c")
        .arg(format!("COPY ({query}) TO STDOUT"))
        .stdin(Stdio::null());
    let mut child = command.spawn().map_err(|error| {
        failed(format!(
            "`psql` can't be started: {error}; install PostgreSQL's client programs"
        ))
    })?;
    let rows = child
        .stdout
        .take()
        .ok_or_else(|| failed("psql has no output".to_owned()))?;
    let complaint = child.stderr.take();
    let said = tokio::spawn(async move {
        let mut text = Vec::new();
        if let Some(complaint) = complaint {
            // A complaint that can't be read is only missing from the message.
            let _ = complaint.take(2000).read_to_end(&mut text).await;
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    });
    let work = tokio::task::spawn_blocking(move || {
        backup::verify(
            &mut Document::new(SyncIoBridge::new(rows)),
            Options::at(now),
        )
    });
    let (verified, status) =
        tokio::time::timeout(LIMIT, async { tokio::join!(work, child.wait()) })
            .await
            .map_err(|_| {
                Error::new(
                    ErrorKind::Deadline,
                    what,
                    "the chain was not read in an hour",
                )
            })?;
    let status = status.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        let why = said.await.unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Invalid,
            what,
            format!("the query failed: {why}"),
        ));
    }
    let verified = verified
        .map_err(|error| failed(format!("the work broke off: {error}")))?
        .map_err(|error| failed(error.to_string()))?;
    fits(&verified.verdict, head).map_err(|why| Error::new(ErrorKind::Invalid, what, why))?;
    Ok(Outputs::from([
        ("head".to_owned(), json!(verified.verdict.head)),
        ("blocks".to_owned(), json!(verified.verdict.blocks)),
    ]))
}

fn fits(verdict: &Verdict, wanted: Option<&str>) -> Result<(), String> {
    // A registry is derived from the chain and stands in no row of it, so the one thing that is missing is expected.
    let beyond: Vec<Code> = verdict
        .codes()
        .into_iter()
        .filter(|code| *code != Code::RegistryMismatch)
        .collect();
    if verdict.verdict == Word::Rejected || !beyond.is_empty() {
        let why = verdict
            .findings
            .iter()
            .find(|finding| beyond.contains(&finding.code))
            .map_or("nothing says why", |finding| finding.message.as_str());
        return Err(format!(
            "the restored chain is {}: {why}",
            format!("{:?}", verdict.verdict).to_lowercase()
        ));
    }
    match wanted {
        Some(wanted) if verdict.head.as_deref() != Some(wanted) => Err(format!(
            "the restored chain has the head {} after {} blocks; wanted {wanted}",
            verdict.head.as_deref().unwrap_or("none"),
            verdict.blocks
        )),
        _ => Ok(()),
    }
}
