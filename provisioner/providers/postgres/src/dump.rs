//! The kind `database.dump`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use executor::provider::{Error, ErrorKind};
use planner::kinds::database::Dump;
use provider_object_store::Archive;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::mark::{self, Mark};
use crate::tools::{Role, bare, literal, name, run};

/// Bytes read at once.
const PIECE: usize = 256 << 10;
/// Entries that a dump's table of contents may have.
const ENTRIES: usize = 100_000;

/// What a dump holds when all it holds is data (`pg_restore --list`). Whatever can run code is not among them.
const PLAIN: [&str; 20] = [
    "ACL",
    "BLOB",
    "BLOBS",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DATABASE",
    "DATABASE PROPERTIES",
    "DEFAULT ACL",
    "ENCODING",
    "FK CONSTRAINT",
    "INDEX",
    "SCHEMA",
    "SEARCHPATH",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "STDSTRINGS",
    "TABLE",
    "TABLE DATA",
];

/// Copies the dump to a file of our own, and holds it against its pin while it streams.
pub(crate) async fn fetch(
    what: &str,
    source: &dyn Archive,
    spec: &Dump,
) -> Result<NamedTempFile, Error> {
    let local = |error: std::io::Error| {
        Error::new(
            ErrorKind::Unavailable,
            what,
            format!("the dump can't be kept here: {error}"),
        )
    };
    let file = NamedTempFile::new().map_err(local)?;
    let mut to = tokio::fs::File::from_std(file.reopen().map_err(local)?);
    let mut from = source
        .open(&spec.key, spec.version.as_deref(), spec.size)
        .await?
        .take(spec.size.saturating_add(1));
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0_u64, vec![0_u8; PIECE]);
    loop {
        let count = from.read(&mut piece).await.map_err(|error| {
            Error::new(
                ErrorKind::Unreachable,
                what,
                format!("{}: {error}", source.url(&spec.key)),
            )
        })?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else {
            break;
        };
        hash.update(read);
        size += count as u64;
        to.write_all(read).await.map_err(local)?;
    }
    to.flush().await.map_err(local)?;
    let sha256 = hex::encode(hash.finalize());
    if sha256 != spec.sha256 || size != spec.size {
        return Err(Error::new(
            ErrorKind::Invalid,
            what,
            format!(
                "{} is not the dump that was pinned: SHA-256 {sha256}, {size} bytes; wanted {}, {} bytes",
                source.url(&spec.key),
                spec.sha256,
                spec.size
            ),
        ));
    }
    Ok(file)
}

/// Reads the table of contents, and refuses a dump that holds more than the data. Returns how many entries of each kind there are.
pub(crate) async fn contents(
    what: &str,
    file: &Path,
    allow: &BTreeSet<String>,
) -> Result<BTreeMap<String, u64>, Error> {
    let mut command = bare("pg_restore");
    command.arg("--list").arg(file);
    let output = run(what, command, &[]).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with(';'))
        .take(ENTRIES + 1)
    {
        *found.entry(kind(line).to_owned()).or_insert(0) += 1;
    }
    if found.values().sum::<u64>() > ENTRIES as u64 {
        return Err(Error::new(
            ErrorKind::Invalid,
            what,
            format!("the dump has more than {ENTRIES} entries"),
        ));
    }
    let beyond: Vec<&str> = found
        .keys()
        .map(String::as_str)
        .filter(|kind| !PLAIN.contains(kind) && !allow.contains(*kind))
        .collect();
    if !beyond.is_empty() {
        return Err(Error::new(
            ErrorKind::Invalid,
            what,
            format!(
                "the dump holds what could run code and is not allowed: {}",
                beyond.join(", ")
            ),
        ));
    }
    if !found.contains_key("TABLE DATA") {
        return Err(Error::new(
            ErrorKind::Invalid,
            what,
            "the dump holds no table's data",
        ));
    }
    Ok(found)
}

/// The kind in a line `ID; OID OID KIND SCHEMA NAME OWNER`: the words in capitals.
fn kind(line: &str) -> &str {
    let rest = line.split_once("; ").map_or(line, |(_, rest)| rest);
    let rest = rest.splitn(3, ' ').nth(2).unwrap_or(rest);
    let end = rest
        .split(' ')
        .take_while(|word| {
            !word.is_empty() && word.chars().all(|letter| letter.is_ascii_uppercase())
        })
        .map(|word| word.len() + 1)
        .sum::<usize>();
    rest.get(..end.saturating_sub(1)).unwrap_or(rest)
}

/// A fresh role and a fresh database of its own, with the dump in it. Done again, it changes nothing.
pub(crate) async fn restore(
    what: &str,
    spec: &Dump,
    token: &str,
    file: &Path,
    (admin, fresh): (&SecretString, &SecretString),
) -> Result<(), Error> {
    let boss = Role::new(what, &spec.server, &spec.admin, admin)?;
    let (quoted, text) = (name(&spec.name), literal(&spec.name));
    match mark::of(&boss, what, &spec.name).await? {
        Some(found) if found == Mark::Complete.text(token) => return Ok(()),
        Some(found) if spec.judged && found == Mark::Restored.text(token) => return Ok(()),
        // Ours, broken off before its end.
        Some(found) if found == Mark::Begun.text(token) => {
            boss.sql(
                what,
                "postgres",
                &format!("DROP DATABASE {quoted} WITH (FORCE);"),
            )
            .await?;
        }
        Some(_) => {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                format!(
                    "there is a database `{}` that this plan did not make",
                    spec.name
                ),
            ));
        }
        None => {}
    }
    // The server gets what it would keep, and never the password (RFC 5803).
    let verifier = postgres_protocol::password::scram_sha_256(fresh.expose_secret().as_bytes());
    let role = format!(
        "SELECT 'CREATE ROLE {0}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text}) \\gexec\n\
         ALTER ROLE {quoted} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {1};\n\
         GRANT {quoted} TO CURRENT_USER;\n",
        quoted.replace('\'', "''"),
        literal(&verifier),
    );
    boss.sql(what, "postgres", &role).await?;
    boss.sql(
        what,
        "postgres",
        &format!("CREATE DATABASE {quoted} OWNER {quoted} TEMPLATE template0 ENCODING 'UTF8';"),
    )
    .await?;
    let begun = format!(
        "COMMENT ON DATABASE {quoted} IS {};\nREVOKE ALL ON DATABASE {quoted} FROM PUBLIC;\n",
        literal(&Mark::Begun.text(token))
    );
    boss.sql(what, "postgres", &begun).await?;
    // As the role that owns it, so that nothing in the dump can reach beyond its database.
    let owner = Role::new(what, &spec.server, &spec.name, fresh)?;
    let mut command = owner.command("pg_restore", &spec.name);
    command
        .args([
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            "--exit-on-error",
            "--single-transaction",
            "--no-password",
            "--dbname",
        ])
        .arg(&spec.name)
        .arg(file);
    run(what, command, &[]).await?;
    let done = if spec.judged {
        Mark::Restored
    } else {
        Mark::Complete
    };
    mark::set(&boss, what, &spec.name, &done.text(token)).await
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn kinds_of_entries() {
        for (line, wanted) in [
            ("215; 1259 16386 TABLE public blocks postgres", "TABLE"),
            (
                "3317; 0 16386 TABLE DATA public blocks postgres",
                "TABLE DATA",
            ),
            (
                "3173; 2606 16392 CONSTRAINT public blocks blocks_pkey postgres",
                "CONSTRAINT",
            ),
            (
                "228; 1255 16400 FUNCTION public evil() postgres",
                "FUNCTION",
            ),
            (
                "3400; 3466 16402 EVENT TRIGGER - x postgres",
                "EVENT TRIGGER",
            ),
            (
                "3318; 0 0 SEQUENCE SET public a_id_seq postgres",
                "SEQUENCE SET",
            ),
        ] {
            assert_eq!(kind(line), wanted, "{line}");
        }
    }
}
