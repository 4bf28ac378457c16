//! `rebuild backups verify`.

use std::fmt::Write;
use std::sync::Arc;

use backup::lineage::Record;
use backup::{BlockHash, Code, Finding, Options, Verdict, Witness, Word};
use executor::SecretSource;
use provider_vault::{Settings, Vault};
use secrecy::SecretString;

use super::input::Input;
use crate::args::{GlobalArgs, KeyArgs, VerifyCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::printer::{Format, Printer};
use crate::session::Blueprint;
use crate::sources::secret;

/// Runs the command.
pub async fn run(
    command: VerifyCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let blueprint = match &command.env {
        Some(name) => Some(super::blueprint(name, global, printer).await?),
        None => None,
    };
    let blueprint = blueprint.as_ref();
    let mut options = Options::at(jiff::Timestamp::now().as_second());
    options.passphrase = passphrase(&command.key, blueprint).await?;
    if let Some(head) = &command.head {
        options.witness = Witness::of_head(head_hash(head)?);
    }
    let asked = command.backup.as_deref().unwrap_or("-");
    let input = Input::find(asked, blueprint, printer).await?;
    let mut witnesses = Vec::new();
    for text in &command.witness {
        let witness = Input::find(text, blueprint, printer).await?;
        let record = testimony(&witness, &options).await?;
        options.watch.extend(record.samples.keys());
        witnesses.push((witness, record));
    }
    let verified = input.read(options.clone()).await?;
    let record = Record::of(&input.candidate(), &verified);
    let mut verdict = verified.verdict;
    if record.is_usable() {
        for (witness, testimony) in witnesses {
            verdict.extend(compare(&record, &witness, testimony, &options).await?);
        }
    }
    match printer.format {
        Format::Json => printer.json(&verdict),
        Format::Text => printer.data(&text(&verdict)),
    }
    Ok(exit(verdict.verdict))
}

/// The exit code of a verdict.
pub fn exit(word: Word) -> Exit {
    match word {
        Word::Intact => Exit::Done,
        Word::Suspect => Exit::Refused,
        Word::Rejected => Exit::Rejected,
    }
}

fn head_hash(text: &str) -> Result<BlockHash, Failure> {
    let mut hash: BlockHash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(|error| {
        Failure::of(format!("`{text}` is no head hash"), &error)
            .hint("give the 64 hex digits that a witness recorded")
    })?;
    Ok(hash)
}

/// Reads a witness, which can be asked again and whose own chain holds.
async fn testimony(witness: &Input, options: &Options) -> Result<Record, Failure> {
    if matches!(witness, Input::Stdin) {
        return Err(Failure::new("stdin is no witness")
            .because("a witness may have to be read twice")
            .hint("write it to a file first"));
    }
    let verified = witness.read(plain(options)).await?;
    let record = Record::of(&witness.candidate(), &verified);
    if record.is_usable() {
        return Ok(record);
    }
    let mut failure = Failure::new(format!("the witness `{}` is no witness", witness.name()));
    for finding in verified.verdict.findings.iter().take(3) {
        failure = failure.because(format!("{} [{}]", finding.message, finding.code.as_str()));
    }
    Err(failure.hint("give a backup that is intact"))
}

/// The options without what is known of the one backup that is verified.
fn plain(options: &Options) -> Options {
    Options {
        witness: Witness::default(),
        watch: Default::default(),
        ..options.clone()
    }
}

/// Whether the two chains are one as far as both go.
async fn compare(
    record: &Record,
    witness: &Input,
    mut testimony: Record,
    options: &Options,
) -> Result<Option<Finding>, Failure> {
    let last = record.blocks.min(testimony.blocks) - 1;
    let mut agreement = record.agreement(&testimony);
    if agreement.differ_from.is_none() && agreement.same_until != Some(last) {
        // The witness goes on further: it has to say what it knows where this chain ends.
        let options = Options {
            watch: [last].into(),
            ..plain(options)
        };
        if !testimony.learn(&witness.read(options).await?) {
            return Err(Failure::new(format!(
                "the witness `{}` changed while it was read",
                witness.name()
            ))
            .hint("run the same command again"));
        }
        agreement = record.agreement(&testimony);
    }
    Ok(agreement.differ_from.map(|differ| {
        let since = match agreement.same_until {
            Some(same) => format!("after block {same}, at block {differ} at the latest"),
            None => format!("at block {differ} at the latest"),
        };
        Finding::new(
            Code::WitnessFork,
            format!("the chain parts from {} {since}", witness.name()),
        )
        .in_block(differ)
    }))
}

pub async fn passphrase(
    given: &KeyArgs,
    blueprint: Option<&Blueprint>,
) -> Result<Option<SecretString>, Failure> {
    if let Some(file) = &given.key_file {
        return secret::file(file).map(Some);
    }
    if let Some(place) = &given.key_from {
        return from_vault(place, blueprint).await.map(Some);
    }
    let key = blueprint.and_then(|blueprint| blueprint.environment.document.backups.key.as_ref());
    key.map(secret::held).transpose()
}

/// A field of a secret in the environment's Vault, or in the one that Vault's own variables name.
async fn from_vault(place: &str, blueprint: Option<&Blueprint>) -> Result<SecretString, Failure> {
    let malformed = || {
        Failure::new(format!("`{place}` names no field of a secret"))
            .hint("give vault:MOUNT/PATH#FIELD, such as vault:secret/backups#passphrase")
    };
    let rest = place.strip_prefix("vault:").ok_or_else(malformed)?;
    let (path, field) = rest.rsplit_once('#').ok_or_else(malformed)?;
    let (mount, path) = path.split_once('/').ok_or_else(malformed)?;
    if mount.is_empty() || path.is_empty() || field.is_empty() {
        return Err(malformed());
    }
    let settings = match blueprint.map(|blueprint| &blueprint.resolved.vault) {
        Some(vault) => Settings {
            address: vault.address.clone(),
            ca_file: vault.ca.clone(),
            token: secret::held(&vault.token)?,
            mounts: Vec::new(),
        },
        None => Settings {
            address: std::env::var("VAULT_ADDR").map_err(|error| {
                Failure::of("no Vault is named", &error)
                    .hint("set VAULT_ADDR and VAULT_TOKEN, or name an environment with --env")
            })?,
            ca_file: std::env::var_os("VAULT_CACERT").map(Into::into),
            token: secret::variable("VAULT_TOKEN")?,
            mounts: Vec::new(),
        },
    };
    let vault: Arc<dyn SecretSource> = Arc::new(
        Vault::connect(&settings).map_err(|error| Failure::of("Vault can't be used", &error))?,
    );
    vault
        .read(mount, path, field)
        .await
        .map_err(|error| hints::of_provider("vault", &error))
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
