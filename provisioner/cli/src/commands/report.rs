//! `rebuild report verify`: whether a signed bundle is as it was sealed. Reads files, asks nobody.

use approval::fingerprint_of;
use evidence::{Folder, verify};
use serde_json::json;

use crate::args::{ReportCommand, ReportVerify};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paths;
use crate::printer::{Format, Printer};

/// Bytes a public key's file may have.
const LARGEST_KEY: usize = 64 << 10;

/// Runs the command.
pub fn run(command: ReportCommand, printer: &Printer) -> Result<Exit, Failure> {
    let ReportCommand::Verify(ReportVerify { bundle, key }) = command;
    let text = paths::read_text(&key, LARGEST_KEY)?;
    let trusted = fingerprint_of(text.trim()).map_err(|error| {
        Failure::of(format!("`{}` holds no public key", key.display()), &error)
            .hint("give the file that ends in .pub: one line, as OpenSSH writes it")
    })?;
    match verify(&Folder::new(&bundle), &trusted) {
        Ok(verified) => {
            let manifest = &verified.manifest;
            let missing = manifest
                .entries
                .iter()
                .filter(|entry| entry.missing.is_some());
            let missing = missing.count();
            match printer.format {
                Format::Json => printer.json(&json!({
                    "verified": true, "environment": manifest.environment, "generations": manifest.generations,
                    "purpose": manifest.purpose, "created": manifest.created, "signer": manifest.signer, "entries": manifest.entries.len(),
                    "missing": missing, "bytes": verified.bytes, "head": manifest.head, "manifest_sha256": verified.manifest_sha256,
                })),
                Format::Text => printer.data(&format!(
                    "verified: {} entries ({missing} could not be read when it was made), {} bytes, of {} {}\nsealed {} with {}\nhead {}",
                    manifest.entries.len(),
                    verified.bytes,
                    manifest.environment,
                    manifest.generations.join(", "),
                    manifest.created,
                    manifest.signer,
                    manifest.head
                )),
            }
            Ok(Exit::Done)
        }
        Err(problems) => {
            let failure = Failure::new(format!("`{}` does not hold", bundle.display()));
            let failure = problems.iter().take(50).fold(failure, |failure, problem| {
                failure.because(format!("{problem} [{}]", problem.code()))
            });
            Err(failure
                .hint("nothing it says is to be believed: get the copy from the place that it was locked in")
                .exit(Exit::Rejected))
        }
    }
}
