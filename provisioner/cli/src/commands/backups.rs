//! `rebuild backups …`.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use backup::{BlockHash, Options, Verdict, Witness, Word, metadata};
use secrecy::SecretString;

use crate::args::BackupsCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};

/// Runs the command.
pub fn run(command: BackupsCommand, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        BackupsCommand::Verify {
            path,
            key_file,
            head,
        } => verify(&path, key_file.as_deref(), head.as_deref(), printer),
    }
}

fn verify(
    path: &Path,
    key_file: Option<&Path>,
    head: Option<&str>,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut options = Options::at(jiff::Timestamp::now().as_second());
    if let Some(file) = key_file {
        options = options.with_passphrase(passphrase(file)?);
    }
    if let Some(head) = head {
        let mut hash: BlockHash = [0; 32];
        hex::decode_to_slice(head, &mut hash).map_err(|error| {
            Failure::of(format!("`{head}` is no head hash"), &error)
                .hint("give the 64 hex digits that a witness recorded")
        })?;
        options.witness = Witness::of_head(hash);
    }
    let name = path.display();
    let mut file =
        File::open(path).map_err(|error| Failure::of(format!("`{name}` can't be read"), &error))?;
    let verified = backup::verify(&mut file, options).map_err(|error| {
        let failure = Failure::of(format!("`{name}` could not be checked"), &error);
        match error {
            backup::Error::KeyNeeded => {
                failure.hint("name the file that holds its passphrase with --key-file")
            }
            _ => failure,
        }
    })?;
    let mut verdict = verified.verdict;
    beside(path, &mut verdict)?;
    match printer.format {
        Format::Json => printer.json(&verdict),
        Format::Text => printer.data(&text(&verdict)),
    }
    Ok(match verdict.verdict {
        Word::Intact => Exit::Done,
        Word::Suspect => Exit::Refused,
        Word::Rejected => Exit::Rejected,
    })
}

/// The passphrase in a file, without its last line break.
fn passphrase(file: &Path) -> Result<SecretString, Failure> {
    const LONGEST: u64 = 64 << 10;
    let unreadable = |error: &std::io::Error| {
        Failure::of(
            format!("the key file `{}` can't be read", file.display()),
            error,
        )
    };
    let mut text = String::new();
    File::open(file)
        .and_then(|open| open.take(LONGEST).read_to_string(&mut text))
        .map_err(|error| unreadable(&error))?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(SecretString::from(text))
}

/// Cross-checks the metadata file beside the backup, which every backup of the manager has.
fn beside(path: &Path, verdict: &mut Verdict) -> Result<(), Failure> {
    /// Twice what the metadata check reads: a longer file is refused by it.
    const LONGEST: u64 = 128 << 10;
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    if backup::catalogue::BackupName::parse(name).is_none() {
        return Ok(());
    }
    let file = path.with_file_name(format!("{name}{}", metadata::SUFFIX));
    let mut bytes = Vec::new();
    let found = match File::open(&file) {
        Ok(open) => {
            open.take(LONGEST)
                .read_to_end(&mut bytes)
                .map_err(|error| {
                    Failure::of(format!("`{}` can't be read", file.display()), &error)
                })?;
            Some(bytes.as_slice())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Failure::of(
                format!("`{}` can't be read", file.display()),
                &error,
            ));
        }
    };
    let findings = metadata::check(name, found, verdict);
    verdict.extend(findings);
    Ok(())
}

fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    let format = verdict.format.map_or_else(
        || "unknown".to_owned(),
        |format| format!("{format:?}").to_lowercase(),
    );
    let none = || "-".to_owned();
    // Writing to a String can't fail.
    let _ = writeln!(out, "{}", verdict.verdict.as_str());
    let _ = writeln!(
        out,
        "  format   {format}, {} bytes stored, {} bytes plain",
        verdict.bytes, verdict.plain_bytes
    );
    let _ = writeln!(
        out,
        "  chain    {} blocks, {} entries",
        verdict.blocks, verdict.entries
    );
    let _ = writeln!(
        out,
        "  head     {}",
        verdict.head.clone().unwrap_or_else(none)
    );
    let _ = writeln!(
        out,
        "  genesis  {}",
        verdict.genesis.clone().unwrap_or_else(none)
    );
    let _ = writeln!(out, "  sha256   {}", verdict.sha256);
    let signed = &verdict.signatures;
    let _ = writeln!(
        out,
        "  signed   {} valid, {} forged, {} unsigned",
        signed.valid, signed.forged, signed.unsigned
    );
    for finding in &verdict.findings {
        let place = match (finding.block, finding.offset) {
            (Some(block), Some(offset)) => format!(" (block {block}, byte {offset})"),
            (Some(block), None) => format!(" (block {block})"),
            (None, Some(offset)) => format!(" (byte {offset})"),
            (None, None) => String::new(),
        };
        let _ = writeln!(
            out,
            "{}: {}{place} [{}]",
            finding.severity.as_str(),
            finding.message,
            finding.code.as_str()
        );
        let _ = writeln!(out, "  hint: {}", finding.hint);
    }
    for (code, count) in &verdict.omitted {
        let _ = writeln!(out, "note: {count} more of [{}]", code.as_str());
    }
    out
}
