//! `rebuild sandbox …`: the real servers behind `--env sandbox`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use environment::SandboxEndpoints;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sandbox::{Ended, Endpoints, Folders, Launcher, Observer, Progress, Sandbox};

use crate::args::SandboxCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};

/// Runs the command.
pub async fn run(command: SandboxCommand, printer: &Printer) -> Result<Exit, Failure> {
    let sandbox = Sandbox::new(folders()?);
    match command {
        SandboxCommand::Up => {
            let endpoints = up(&sandbox, printer).await?;
            match printer.format {
                Format::Json => printer.json(&endpoints),
                Format::Text => {
                    let lines: Vec<String> = endpoints
                        .env_exports()
                        .iter()
                        .map(ToString::to_string)
                        .collect();
                    printer.data(&lines.join("\n"));
                }
            }
            Ok(Exit::Done)
        }
        SandboxCommand::Down => {
            let ended = sandbox
                .down(observer(printer))
                .await
                .map_err(|error| failed("the sandbox could not be stopped", &error))?;
            ended_note(ended, printer);
            Ok(Exit::Done)
        }
        SandboxCommand::Reset => {
            let ended = sandbox
                .reset(observer(printer))
                .await
                .map_err(|error| failed("the sandbox could not be reset", &error))?;
            ended_note(ended, printer);
            printer.note("what it held is deleted");
            Ok(Exit::Done)
        }
        SandboxCommand::Attack { env } => attack(&sandbox, &env, printer).await,
        SandboxCommand::Status => status(&sandbox, printer),
        // Handled before any runtime starts, see `supervise`.
        SandboxCommand::Supervise { .. } => Ok(Exit::Error),
    }
}

async fn attack(sandbox: &Sandbox, environment: &str, printer: &Printer) -> Result<Exit, Failure> {
    let attack = sandbox
        .attack(environment)
        .await
        .map_err(|error| failed("the sandbox could not be attacked", &error))?;
    match printer.format {
        Format::Json => printer.json(&serde_json::json!({
            "event": "attacked", "planted": attack.planted, "secrets": attack.file,
        })),
        Format::Text => {
            let lines: Vec<String> = attack
                .planted
                .iter()
                .map(|one| format!("planted {}: {}", one.kind, one.name))
                .collect();
            printer.data(&lines.join("\n"));
        }
    }
    printer.note(&format!(
        "what the planted credentials are is in {}",
        attack.file.display()
    ));
    Ok(Exit::Done)
}

/// `rebuild sandbox supervise STATE TOOLS`: holds the servers until it is told to end.
pub fn supervise(state: PathBuf, tools: PathBuf) -> Result<Exit, Failure> {
    sandbox::supervisor::main(Folders { tools, state })
        .map_err(|error| failed("the sandbox's servers could not be held", &error))?;
    Ok(Exit::Done)
}

/// Where the sandbox's servers are, starting them if need be.
pub async fn endpoints(printer: &Printer) -> Result<SandboxEndpoints, Failure> {
    let endpoints = up(&Sandbox::new(folders()?), printer).await?;
    Ok(SandboxEndpoints {
        vault_address: endpoints.vault.address,
        vault_ca: Some(endpoints.vault.ca_file),
        vault_token_file: endpoints.vault.token_file,
        vault_mount: endpoints.vault.mount,
        s3_endpoint: endpoints.objects.endpoint,
        s3_profile: sandbox::PROFILE.to_owned(),
        backup_profile: sandbox::READER_PROFILE.to_owned(),
        aws_endpoint: endpoints.aws,
        aws_profile: sandbox::PROFILE.to_owned(),
        account: endpoints.account,
        region: endpoints.region,
        aws_config_file: endpoints.aws_config_file,
        aws_credentials_file: endpoints.aws_credentials_file,
        kubeconfig: endpoints.kubeconfig,
        context: sandbox::KUBE_CONTEXT.to_owned(),
        control_bucket: endpoints.objects.control_bucket,
        evidence_bucket: endpoints.objects.evidence_bucket,
        standin_url: endpoints.standin,
    })
}

fn folders() -> Result<Folders, Failure> {
    Folders::from_environment().map_err(|error| failed("the sandbox has no folder", &error))
}

async fn up(sandbox: &Sandbox, printer: &Printer) -> Result<Endpoints, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::of("this program's own path can't be found", &error))?;
    let launcher = Launcher {
        program,
        arguments: vec!["sandbox".into(), "supervise".into()],
    };
    sandbox
        .up(&launcher, observer(printer))
        .await
        .map_err(|error| failed("the sandbox did not come up", &error))
}

fn failed(message: &str, error: &sandbox::Error) -> Failure {
    Failure::of(message, error).hint("`rebuild sandbox status` shows every server with its log; `rebuild sandbox reset` begins anew")
}

fn ended_note(ended: Ended, printer: &Printer) {
    printer.note(match ended {
        Ended::Stopped => "every server is stopped",
        Ended::WasDown => "no server was running",
    });
}

fn status(sandbox: &Sandbox, printer: &Printer) -> Result<Exit, Failure> {
    let status = sandbox
        .status()
        .map_err(|error| failed("the sandbox's state can't be read", &error))?;
    if printer.format == Format::Json {
        printer.json(&status);
        return Ok(Exit::Done);
    }
    let mut out = format!(
        "{}, in {}\n",
        format!("{:?}", status.condition).to_lowercase(),
        status.folder.display()
    );
    for server in &status.servers {
        let state = match (&server.ended, server.running) {
            (_, true) => "running".to_owned(),
            (Some(how), false) => format!("ended: {how}"),
            (None, false) => "not running".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {:<24} {:<8} process {:<8} {state}",
            server.name, server.version, server.pid
        );
    }
    if let Some(error) = &status.error {
        let _ = writeln!(out, "  error: {error}");
    }
    for note in &status.notes {
        let _ = writeln!(out, "note: {note}");
    }
    printer.data(&out);
    Ok(Exit::Done)
}

/// Shows progress: a bar a tool at a terminal, plain lines elsewhere.
fn observer(printer: &Printer) -> Arc<dyn Observer> {
    if printer.live() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Lines(printer.clone()))
    }
}

struct Lines(Printer);

impl Observer for Lines {
    fn notice(&self, progress: &Progress) {
        match progress {
            Progress::Started { what } => self.0.note(&format!("{what} …")),
            Progress::Waiting { what, on } => self.0.note(&format!("{what} waits for {on}")),
            Progress::Finished { what } => self.0.note(&format!("{what}: done")),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Bars {
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    fn bar(&self, what: &str, change: impl FnOnce(&ProgressBar)) {
        // A poisoned lock only means that another thread died while drawing.
        let mut bars = self
            .bars
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bars.entry(what.to_owned()).or_insert_with(|| {
            let style =
                ProgressStyle::with_template("{prefix:<28} {bar:20} {elapsed:>5} {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = self.all.add(ProgressBar::no_length().with_style(style));
            bar.set_prefix(what.to_owned());
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        change(bar);
    }
}

impl Observer for Bars {
    fn notice(&self, progress: &Progress) {
        match progress {
            Progress::Started { what } => self.bar(what, |_| {}),
            Progress::Advanced {
                what,
                done,
                total,
                detail,
            } => self.bar(what, |bar| {
                if let Some(total) = total {
                    bar.set_length(*total);
                }
                bar.set_position(*done);
                bar.set_message(detail.clone());
            }),
            Progress::Waiting { what, on } => {
                self.bar(what, |bar| bar.set_message(format!("waits for {on}")))
            }
            Progress::Finished { what } => self.bar(what, |bar| bar.finish_with_message("done")),
            _ => {}
        }
    }
}
