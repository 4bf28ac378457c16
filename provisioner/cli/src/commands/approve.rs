//! `rebuild approve`: a person signs a plan's hash. Reads and writes files, asks nobody.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use approval::{Approval, PrivateKey, Statement, fingerprint_of};
use secrecy::SecretString;
use serde_json::json;

use crate::args::ApproveCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::{consent, paths};

/// Bytes a key's, passphrase's, statement's or signature's file may have.
const LARGEST: usize = 64 << 10;

/// Runs the command.
pub fn run(command: ApproveCommand, printer: &Printer) -> Result<Exit, Failure> {
    let plan = consent::saved(&command.plan)?;
    let subject = consent::subject(&plan);
    let unsigned = |error: &dyn std::error::Error| Failure::of("the plan is not approved", error);
    let state = |fingerprint: &approval::Fingerprint| {
        Statement::new(
            &subject,
            &command.name,
            fingerprint,
            jiff::Timestamp::now(),
            command.valid_for,
            &command.comment,
        )
        .map_err(|error| unsigned(&error))
    };
    let signed = match (&command.key, &command.public_key) {
        (Some(key), _) => {
            let passphrase = command.passphrase_file.as_deref().map(secret).transpose()?;
            let passphrase = passphrase.map(|text| SecretString::from(trimmed(&text)));
            let key = PrivateKey::read(&secret(key)?, passphrase.as_ref()).map_err(|error| {
                Failure::of(format!("`{}` can't sign", key.display()), &error).hint(
                    "give an OpenSSH or PKCS#8 key, with --passphrase-file where it has one; a key in a token signs with ssh-keygen: see --public-key",
                )
            })?;
            approval::sign(state(&key.fingerprint())?, &key).map_err(|error| unsigned(&error))?
        }
        (None, Some(public)) => {
            let fingerprint = fingerprint_of(text(public)?.trim()).map_err(|error| {
                Failure::of(
                    format!("`{}` holds no public key", public.display()),
                    &error,
                )
            })?;
            let (Some(statement), Some(signature)) = (&command.statement, &command.signature)
            else {
                let bytes = state(&fingerprint)?.bytes();
                printer.data(&String::from_utf8_lossy(&bytes));
                printer.note("save this line, sign it with `ssh-keygen -Y sign -n rebuild-approval -f KEY FILE`, then give --statement and --signature");
                return Ok(Exit::Done);
            };
            let read: Statement = serde_json::from_str(&text(statement)?).map_err(|error| {
                Failure::of(format!("`{}` is no statement", statement.display()), &error)
            })?;
            if read.subject() != subject || read.approver != command.name {
                return Err(Failure::new("the plan is not approved")
                    .because("the statement is about another plan or by another person")
                    .hint("make the statement anew from this plan, and sign that"));
            }
            Approval::attach(read, &text(signature)?).map_err(|error| unsigned(&error))?
        }
        (None, None) => return Err(Failure::new("there is no key to sign with")),
    };
    let out = command
        .out
        .unwrap_or_else(|| beside(&command.plan, &command.name));
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&out)
        .and_then(|mut file| file.write_all(signed.text().as_bytes()))
        .map_err(|error| {
            Failure::of(format!("`{}` can't be written", out.display()), &error)
                .hint("name another file with --out")
        })?;
    let statement = &signed.statement;
    match printer.format {
        Format::Json => printer.json(&json!({ "approval": out, "statement": statement })),
        Format::Text => printer.data(&format!(
            "{} approves plan {} of {} {} ({}) until {}\n{}",
            statement.approver,
            statement.plan.get(..12).unwrap_or(&statement.plan),
            statement.environment,
            statement.generation,
            statement.scenario,
            statement.expires_at,
            out.display()
        )),
    }
    Ok(Exit::Done)
}

fn text(path: &Path) -> Result<String, Failure> {
    paths::read_text(path, LARGEST)
}

fn secret(path: &Path) -> Result<SecretString, Failure> {
    text(path).map(SecretString::from)
}

/// A passphrase without the line feed that ends its file.
fn trimmed(text: &SecretString) -> String {
    use secrecy::ExposeSecret;
    text.expose_secret()
        .trim_end_matches(['\r', '\n'])
        .to_owned()
}

fn beside(plan: &Path, name: &str) -> PathBuf {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let mut path = plan.as_os_str().to_owned();
    path.push(format!(".{plain}.approval"));
    PathBuf::from(path)
}
