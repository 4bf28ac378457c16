//! The command line, as clap sees it.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use planner::Scenario;

use crate::printer::Format;

const AFTER: &str = "\
Exit codes:
  0    done, nothing to do, or intact
  1    error
  2    changes pending (plan, status)
  3    refused by a finding, or the backup is suspect
  4    the backup is rejected
  5    another run holds the environment
  6    the plan no longer fits what is there
  130  interrupted; `rebuild resume` goes on";

/// The main command, or one of the others; what is global may stand on either side of a command's name.
const USAGE: &str = "\
rebuild [OPTIONS] --env <NAME>
       rebuild [--project <DIR>] [--format <FORM>] [--quiet] <COMMAND>";

/// Brings a lost or breached environment back: fresh infrastructure, fresh secrets, overlays, data from a verified backup.
///
/// Without a command: plan, preview, confirm, apply, validate, report. Run again, it changes nothing; killed and run again, it finishes.
#[derive(Debug, Parser)]
#[command(name = "rebuild", bin_name = "rebuild", version, after_help = AFTER, override_usage = USAGE, subcommand_negates_reqs = true)]
pub struct Cli {
    /// What to do; without it, rebuild.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The main command's own arguments.
    #[command(flatten)]
    pub rebuild: RebuildArgs,
    /// For every command.
    #[command(flatten)]
    pub global: GlobalArgs,
}

impl Cli {
    /// Parses the process's arguments.
    ///
    /// # Errors
    /// What clap refuses, and an argument of the main command before another command: it would say nothing there.
    pub fn parsed() -> Result<Self, clap::Error> {
        Self::of(std::env::args_os())
    }

    fn of(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        // Clap's own `args_conflicts_with_subcommands` would refuse the global ones as well.
        if let Some(named) = matches.subcommand_name() {
            let own = RebuildArgs::augment_args(clap::Command::new(""));
            let given = own.get_arguments().find(|argument| {
                matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine)
            });
            if let Some(given) = given.and_then(clap::Arg::get_long) {
                let message = format!(
                    "`--{given}` before `{named}` belongs to the main command; give what `{named}` takes after its name"
                );
                return Err(command.error(ErrorKind::ArgumentConflict, message));
            }
        }
        Self::from_arg_matches(&matches)
    }
}

/// For every command.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Folder that holds `environments/` and `templates/` [default: the nearest one from here upwards].
    #[arg(long, global = true, value_name = "DIR", env = "REBUILD_PROJECT")]
    pub project: Option<PathBuf>,
    /// Form of results on stdout.
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub format: Format,
    /// No progress, no notes.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Scenarios that can be drilled: those that build a generation.
fn drilled() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new([Scenario::FullLoss, Scenario::Breach].map(Scenario::name))
        .try_map(|name| name.parse::<Scenario>())
}

/// Scenarios that can be asked for; leading users elsewhere and removing a generation have commands of their own.
fn scenario() -> impl TypedValueParser<Value = Scenario> {
    let names = Scenario::ALL
        .into_iter()
        .filter(|scenario| !matches!(scenario, Scenario::CutOver | Scenario::Destroy))
        .map(Scenario::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Scenario>())
}

/// What a plan is made of.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// The environment: a folder below `environments/`.
    #[arg(long, value_name = "NAME", required = true)]
    pub env: Option<String>,
    /// The backup to seed: its id, `latest`, `before:2026-11-20T14:00:00Z`, or `known-good:before=TIME[,dwell=DURATION]`.
    #[arg(
        long,
        value_name = "ID|latest|before:TIME|known-good:before=TIME",
        required_unless_present = "scenario",
        required_if_eq_any = [("scenario", "full-loss"), ("scenario", "breach"), ("scenario", "data-loss")]
    )]
    pub from_backup: Option<String>,
    /// What is to be recovered from; `rebuild scenarios` says what each does and needs.
    #[arg(long, value_name = "NAME", default_value = "full-loss", value_parser = scenario())]
    pub scenario: Scenario,
    /// With `--scenario breach`: when the incident began, or was noticed; needed where --from-backup does not say it.
    #[arg(long, value_name = "TIME")]
    pub incident: Option<jiff::Timestamp>,
    /// With `--scenario breach`: how long an intruder may have been there unnoticed before that: `72h`, `14d`.
    #[arg(long, value_name = "DURATION")]
    pub dwell: Option<String>,
    /// With `--scenario node`: replace this pod, whether it serves or not. Can be given more than once [default: every failed one].
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "node")]
    pub pod: Vec<String>,
    /// With `--scenario node`: cordon this node, and evict every pod of the environment from it.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Which build: `current` (the newest unretired one, else a new one), `new`, or an id.
    #[arg(long, value_name = "ID|current|new", default_value = "current")]
    pub generation: String,
    /// Renew a secret, or `all`. Can be given more than once.
    #[arg(long, value_name = "NAME|all")]
    pub rotate: Vec<String>,
}

/// `rebuild --env X --from-backup B`.
#[derive(Clone, Debug, Args)]
pub struct RebuildArgs {
    /// What the plan is made of.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Who agreed to it.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Apply without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// Who agreed, where the environment asks for approvals.
#[derive(Clone, Debug, Default, Args)]
pub struct ConsentArgs {
    /// A file that `rebuild approve` wrote. Can be given more than once.
    #[arg(long, value_name = "FILE")]
    pub approval: Vec<PathBuf>,
    /// Go on without the approvals that the environment asks for, and say why (20 characters at least). The report shows it.
    #[arg(long, value_name = "REASON")]
    pub break_glass: Option<String>,
}

/// Commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show what a rebuild would do; change nothing.
    Plan(PlanCommand),
    /// Sign a saved plan's hash, so that it may be applied.
    Approve(ApproveCommand),
    /// Apply a saved plan, if it still fits what is there.
    Apply(ApplyCommand),
    /// Go on with the last unfinished run of an environment.
    Resume(ResumeCommand),
    /// Cut a breached environment off, everywhere at once; needs no backup and no approval.
    Contain(ContainCommand),
    /// What can be recovered from: what each scenario does, in which stages, and what it needs.
    Scenarios,
    /// Evidence of a breached environment, before it is destroyed: collect, verify, list.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// What is there, which generation, what has drifted: by asking the clouds.
    Status(EnvironmentOnly),
    /// Every generation of an environment, by asking the clouds.
    Generations(EnvironmentOnly),
    /// Lead users to a validated generation: switch the environment's names in DNS, forth or back.
    CutOver(CutOverCommand),
    /// Remove one generation, in reverse order, only what is ours.
    Destroy(DestroyCommand),
    /// Rebuild into a generation that is thrown away, time each stage, compare with the drills before, remove it.
    Drill(DrillCommand),
    /// Each endpoint: reachable, who am I, clock, version.
    Doctor(EnvironmentOnly),
    /// The real servers behind `--env sandbox`.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Look at backups.
    #[command(subcommand)]
    Backups(BackupsCommand),
    /// What a run left.
    #[command(subcommand)]
    Report(ReportCommand),
    /// Render without applying.
    #[command(subcommand)]
    Render(RenderCommand),
    /// What overlays take from elsewhere: repositories, files behind URLs, charts.
    #[command(subcommand)]
    Overlays(OverlaysCommand),
    /// Print a shell's completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man,
}

/// `rebuild plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanCommand {
    /// What the plan is made of.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Write the plan here, for `rebuild apply`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write here what was seen, for `--recorded`.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Plan from what `--record` wrote instead of asking anybody.
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub recorded: Option<PathBuf>,
}

/// `rebuild apply`.
#[derive(Clone, Debug, Args)]
pub struct ApplyCommand {
    /// The plan file.
    pub plan: PathBuf,
    /// Who agreed to it.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Apply without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild approve`.
#[derive(Clone, Debug, Args)]
pub struct ApproveCommand {
    /// The plan file.
    pub plan: PathBuf,
    /// Your name, as the environment's `approvals` has it.
    #[arg(long = "as", value_name = "NAME")]
    pub name: String,
    /// Your private key: OpenSSH, or PKCS#8 PEM with Ed25519.
    #[arg(long, value_name = "FILE", required_unless_present = "public_key")]
    pub key: Option<PathBuf>,
    /// File with the passphrase of the key.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub passphrase_file: Option<PathBuf>,
    /// Instead of --key: your OpenSSH public key. Without --signature, the statement is printed that
    /// `ssh-keygen -Y sign -n rebuild-approval` is to sign.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub public_key: Option<PathBuf>,
    /// The statement that was printed before.
    #[arg(long, value_name = "FILE", requires = "signature")]
    pub statement: Option<PathBuf>,
    /// The signature over that statement.
    #[arg(
        long,
        value_name = "FILE",
        requires = "statement",
        requires = "public_key"
    )]
    pub signature: Option<PathBuf>,
    /// How long it shall hold; the environment may end it earlier.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub valid_for: jiff::SignedDuration,
    /// What is to be read with it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub comment: String,
    /// Where to write the approval [default: PLAN.NAME.approval].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `rebuild report …`.
#[derive(Clone, Debug, Subcommand)]
pub enum ReportCommand {
    /// Check a signed bundle offline: every file, the chain of entries, the signature.
    Verify(ReportVerify),
}

/// `rebuild report verify`.
#[derive(Clone, Debug, Args)]
pub struct ReportVerify {
    /// The bundle's folder.
    pub bundle: PathBuf,
    /// The public key that is trusted, in a file (one OpenSSH line).
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// `rebuild resume`.
#[derive(Clone, Debug, Args)]
pub struct ResumeCommand {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Go on without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild contain`.
#[derive(Clone, Debug, Args)]
pub struct ContainCommand {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Only show what is open; exit 2 when something is.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Leave this generation open. Can be given more than once.
    #[arg(long, value_name = "GENERATION")]
    pub except: Vec<planner::Generation>,
    /// Cut off without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild evidence …`.
#[derive(Clone, Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Read what every place has, seal it, and keep it where nobody can delete it. Exit 1 when something could not be read; what could is
    /// sealed and kept all the same.
    Collect(EvidenceCollect),
    /// Check a bundle in its bucket: every file, the chain of entries, the signature, and that it is held. Exit 4 when it does not hold.
    Verify(EvidenceVerify),
    /// Every bundle in the bucket, as its manifest tells.
    List(EnvironmentOnly),
}

/// `rebuild evidence collect`.
#[derive(Clone, Debug, Args)]
pub struct EvidenceCollect {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Of this generation; those of incidents without it, else every one there is. Can be given more than once.
    #[arg(long, value_name = "GENERATION")]
    pub generation: Vec<planner::Generation>,
    /// Make a snapshot of every volume that has none of ours; the only thing that is written in the old account.
    #[arg(long)]
    pub snapshots: bool,
    /// Make snapshots without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild evidence verify`.
#[derive(Clone, Debug, Args)]
pub struct EvidenceVerify {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// The bundle; the newest without it.
    pub id: Option<String>,
    /// The public key that is trusted, in a file (one OpenSSH line) [default: this machine's].
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// A copy in this folder instead of the bucket's.
    #[arg(long, value_name = "DIR", conflicts_with = "id")]
    pub folder: Option<PathBuf>,
}

/// A command that needs an environment and nothing else.
#[derive(Clone, Debug, Args)]
pub struct EnvironmentOnly {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
}

/// `rebuild destroy`.
#[derive(Clone, Debug, Args)]
pub struct DestroyCommand {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// The generation to remove.
    #[arg(long, value_name = "ID")]
    pub generation: String,
    /// Write the plan here for `rebuild approve` and `rebuild apply`, and destroy nothing.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Destroy without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild cut-over`.
#[derive(Clone, Debug, Args)]
pub struct CutOverCommand {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// The generation that users are led to [default: the newest unretired one].
    #[arg(long, value_name = "GENERATION")]
    pub to: Option<planner::Generation>,
    /// Write the plan here for `rebuild approve` and `rebuild apply`, and switch nothing.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Who agreed to it.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Switch without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild drill`.
#[derive(Clone, Debug, Args)]
pub struct DrillCommand {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// What is drilled.
    #[arg(long, value_name = "NAME", default_value = "full-loss", value_parser = drilled())]
    pub scenario: Scenario,
    /// The backup to seed [default: `latest`; for a breach `known-good:before=` now].
    #[arg(long, value_name = "ID|latest|before:TIME|known-good:before=TIME")]
    pub from_backup: Option<String>,
    /// Who agreed to it.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Drill without asking.
    #[arg(long, short)]
    pub yes: bool,
}

/// `rebuild sandbox …`.
#[derive(Clone, Debug, Subcommand)]
pub enum SandboxCommand {
    /// Install what is missing, start every server, print the variables for kubectl, bao and aws.
    Up,
    /// Stop every server; what they hold is kept.
    Down,
    /// Which servers run, and where.
    Status,
    /// Stop every server and forget what they hold.
    Reset,
    /// Plant what somebody who got in would leave behind: a user and a key in the newest backup, keys, rules, tokens, rights and pods.
    Attack {
        /// The environment in the sandbox that is attacked.
        #[arg(long, value_name = "NAME", default_value = "sandbox")]
        env: String,
    },
    /// Hold the servers; started by `up`.
    #[command(hide = true)]
    Supervise {
        /// The sandbox's state.
        state: PathBuf,
        /// The installed tools.
        tools: PathBuf,
    },
}

/// `rebuild backups …`.
#[derive(Clone, Debug, Subcommand)]
pub enum BackupsCommand {
    /// Verify a backup: its frame, every hash and link of its chain, what could hide in it.
    Verify(VerifyCommand),
    /// Every version of every backup at every source: age, lock, what is known of it.
    List(EnvironmentOnly),
    /// The newest backup that can be trusted after an incident, and why every newer one was passed over.
    KnownGood(KnownGoodCommand),
    /// Who and what a backup's data lets in again: authors, keys, roles, webhooks, credentials; and what of it another one lacks.
    Identities(IdentitiesCommand),
}

/// `rebuild backups identities`.
#[derive(Clone, Debug, Args)]
pub struct IdentitiesCommand {
    /// A file, `-` for stdin, `s3://BUCKET/KEY[@VERSION]`, `gs://BUCKET/KEY[@VERSION]`, or with --env a backup's id.
    #[arg(value_name = "PATH|URL|ID")]
    pub backup: String,
    /// A backup that is known good: show only what it lacks; exit 3 if the environment does not accept all of it.
    #[arg(long, value_name = "PATH|URL|ID")]
    pub since: Option<String>,
    /// The environment whose sources, credentials, key and accepted identities are used.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Where the passphrase of encrypted backups is.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Where the passphrase of encrypted backups is; without these where the environment says.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// File that holds the passphrase of an encrypted backup.
    #[arg(long, value_name = "FILE", conflicts_with = "key_from")]
    pub key_file: Option<PathBuf>,
    /// Where Vault holds the passphrase; the environment's Vault, or that of VAULT_ADDR and VAULT_TOKEN.
    #[arg(long, value_name = "vault:MOUNT/PATH#FIELD")]
    pub key_from: Option<String>,
}

/// `rebuild backups verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyCommand {
    /// A file, `-` for stdin, `s3://BUCKET/KEY[@VERSION]`, `gs://BUCKET/KEY[@VERSION]`, or with --env a backup's id.
    #[arg(value_name = "PATH|URL|ID", required_unless_present = "all")]
    pub backup: Option<String>,
    /// Verify every backup of the environment and compare them with each other; what is known already is not read again.
    #[arg(long, requires = "env", conflicts_with_all = ["backup", "witness", "head", "key_file", "key_from"])]
    pub all: bool,
    /// The environment whose sources, credentials and key are used.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Where the passphrase is.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Another backup that must tell the same history. Can be given more than once.
    #[arg(long, value_name = "PATH|URL|ID")]
    pub witness: Vec<String>,
    /// The head hash another witness recorded.
    #[arg(long, value_name = "HASH")]
    pub head: Option<String>,
    /// With --all: read also what is known already.
    #[arg(long, requires = "all")]
    pub again: bool,
    /// With --all: share the work out among pods of an Indexed Job on the environment's cluster.
    #[arg(long, requires = "all", requires = "image")]
    pub on_cluster: bool,
    /// With --on-cluster: how many pods.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub shards: u32,
    /// With --on-cluster: an image with this program and the project folder as working directory.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// With --on-cluster: where the Job runs.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
    /// With --on-cluster: the ServiceAccount whose cloud access the pods use.
    #[arg(long, value_name = "NAME")]
    pub service_account: Option<String>,
    /// Set in the pods of such a Job: which run they belong to. Its key is in REBUILD_RUN_KEY, their number in
    /// JOB_COMPLETION_INDEX.
    #[arg(long, hide = true, requires = "all")]
    pub run: Option<String>,
    /// What reading many may take.
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// Bounds on reading many backups.
#[derive(Clone, Copy, Debug, Args)]
pub struct BudgetArgs {
    /// Memory that reading many backups may take, MiB; each takes 64 at most.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub memory: u32,
    /// Connections that reading many backups may take; each takes 2 at most.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub connections: u16,
}

/// `rebuild backups known-good`.
#[derive(Clone, Debug, Args)]
pub struct KnownGoodCommand {
    /// The environment.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// When the incident began, or was noticed: `2026-11-20T14:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub before: jiff::Timestamp,
    /// How long an intruder may have been there unnoticed before that: `72h`, `14d`.
    #[arg(long, value_name = "DURATION", default_value = "0h")]
    pub dwell: String,
    /// What reading many may take.
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// `rebuild overlays …`.
#[derive(Clone, Debug, Subcommand)]
pub enum OverlaysCommand {
    /// Fetch what the overlay takes from elsewhere into `vendor/`, and pin it in the environment's lock file.
    Vendor(VendorCommand),
    /// Read all that is vendored and hold it against the lock file.
    Verify(VendoredCommand),
}

/// `rebuild overlays vendor`.
#[derive(Clone, Debug, Args)]
pub struct VendorCommand {
    /// The environment: a folder below `environments/`.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Look branches, tags, files and charts up anew, also those that are pinned.
    #[arg(long)]
    pub update: bool,
    /// The `helm` that renders charts.
    #[arg(long, value_name = "PROGRAM", default_value = "helm")]
    pub helm: PathBuf,
}

/// `rebuild overlays verify`.
#[derive(Clone, Debug, Args)]
pub struct VendoredCommand {
    /// The environment: a folder below `environments/`.
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Also ask the servers whether they still give what is pinned.
    #[arg(long)]
    pub upstream: bool,
}

/// `rebuild render …`.
#[derive(Clone, Debug, Subcommand)]
pub enum RenderCommand {
    /// Print what `kubectl kustomize DIR` prints.
    Overlay(OverlayArgs),
}

/// `rebuild render overlay`, with kustomize's own flags.
#[derive(Clone, Debug, Args)]
pub struct OverlayArgs {
    /// The folder with the kustomization.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Order of the objects.
    #[arg(long, value_name = "ORDER", default_value = "legacy")]
    pub reorder: Order,
    /// Which files a kustomization may read.
    #[arg(long, value_name = "RULE", default_value = "LoadRestrictionsRootOnly")]
    pub load_restrictor: LoadRestrictions,
    /// Label every object as made by kustomize.
    #[arg(long)]
    pub enable_managedby_label: bool,
    /// Accepted for kustomize's sake; foreign code is never run.
    #[arg(long)]
    pub enable_alpha_plugins: bool,
    /// Accepted for kustomize's sake; foreign code is never run.
    #[arg(long)]
    pub enable_exec: bool,
    /// Accepted for kustomize's sake; foreign code is never run.
    #[arg(long)]
    pub enable_helm: bool,
}

/// Order of rendered objects.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Order {
    /// By kind, then by name.
    Legacy,
    /// As read.
    None,
}

/// Which files a kustomization may read besides other kustomizations.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum LoadRestrictions {
    /// Those in or below its own folder.
    LoadRestrictionsRootOnly,
    /// Any.
    LoadRestrictionsNone,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        Cli::of(line.split(' ').map(Into::into))
    }

    #[test]
    fn global_arguments_stand_on_either_side_of_a_command() {
        for line in [
            "rebuild --project p --format json -q status --env e",
            "rebuild status --env e --project p --format json -q",
            "rebuild --project p status --format json --env e --quiet",
            "rebuild --project p --quiet evidence --format json list --env e",
        ] {
            let cli = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(cli.command.is_some(), "{line}");
            assert_eq!(cli.global.project, Some(PathBuf::from("p")), "{line}");
            assert_eq!(cli.global.format, Format::Json, "{line}");
            assert!(cli.global.quiet, "{line}");
        }
        // The nearer one counts.
        let cli = parsed("rebuild --project far status --env e --project near").unwrap();
        assert_eq!(cli.global.project, Some(PathBuf::from("near")));
    }

    #[test]
    fn what_the_main_command_takes_is_refused_before_another() {
        for argument in [
            "--env e",
            "--from-backup latest",
            "--scenario full-loss",
            "--generation new",
            "--yes",
            "-y",
            "--approval a",
        ] {
            let error = parsed(&format!("rebuild {argument} status --env e")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{argument}");
            let said = error.to_string();
            assert!(said.contains("belongs to the main command"), "{said}");
        }
        parsed("rebuild --env e --from-backup latest --yes").unwrap();
        parsed("rebuild --env e").unwrap_err();
        parsed("rebuild").unwrap_err();
    }
}
