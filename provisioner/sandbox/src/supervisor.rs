//! The process that owns the servers of a sandbox.
//!
//! It is the program itself, started again in the background. It starts the servers, writes down what became of them,
//! and stops them when asked to by SIGTERM. Servers can't outlive it: the kernel kills them when it dies. It never
//! starts a server again that ended; `status` shows that it did.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};
use crate::folders::{Folders, Layout};
use crate::install::{Installed, Installer, PINS, Pin, Tool};
use crate::pki::Authority;
use crate::ports::{Port, Ports};
use crate::process::Process;
use crate::progress::{Observer, Progress};
use crate::s3::S3;
use crate::secrets::Secrets;
use crate::servers::{control_plane, moto, openbao, seaweedfs};
use crate::state::{Phase, ServerRecord, State, born};
use crate::{
    ACCOUNT, CONTROL_BUCKET, EVIDENCE_BUCKET, Endpoints, REGION, SOURCE_BUCKET, aws, background,
    files, http, source, standin,
};

/// How long a server may take to end by itself. SeaweedFS takes four seconds.
const GRACE: Duration = Duration::from_secs(10);

/// What the supervisor tells whoever started it: lines of JSON on its standard output, until it is ready.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    Progress(Progress),
    Ready,
    Failed(String),
}

/// Runs the servers of the sandbox in these folders until asked to stop. For the hidden command that
/// [`crate::Launcher`] starts; call it before anything else is running in the process.
///
/// # Errors
/// When another supervisor has the folder, a tool is not installed, or a server can't be started.
pub fn main(folders: Folders) -> Result<()> {
    // Away from the terminal and its signals. It fails only where that is the case already.
    _ = rustix::process::setsid();
    background::wait(run(folders))?
}

async fn run(folders: Folders) -> Result<()> {
    let layout = Layout {
        dir: folders.state.clone(),
    };
    let lock = files::lock_file(&layout.supervisor_lock())?;
    if lock.try_lock().is_err() {
        let pid = State::read(&layout.state())?.map_or(0, |state| state.supervisor);
        return Err(Error::Supervised {
            pid,
            path: layout.dir,
        });
    }
    let mut asked = Stop::new()?;
    let record = Arc::new(Record::new(&layout)?);
    let started = tokio::select! {
        started = start(&folders, &layout, &record) => started,
        () = asked.wait() => Err(Error::Supervisor("it was asked to stop while it started".to_owned())),
    };
    let servers = match started {
        Ok(servers) => servers,
        Err(error) => {
            // Dropped with `start`, the servers' handles have killed what had been started.
            let text = chain(&error);
            record.change(|state| {
                state.phase = Phase::Failed;
                state.error = Some(text.clone());
            })?;
            tell(&Event::Failed(text));
            return Err(error);
        }
    };
    tell(&Event::Ready);
    asked.wait().await;
    record.change(|state| state.phase = Phase::Stopping)?;
    servers.stop().await;
    record.change(|state| state.phase = Phase::Stopped)?;
    drop(lock);
    Ok(())
}

/// The signals that ask the supervisor to stop.
struct Stop(Signal, Signal);

impl Stop {
    fn new() -> Result<Self> {
        let on = |kind| {
            signal(kind).map_err(|source| Error::Start {
                name: "the supervisor".to_owned(),
                source,
            })
        };
        Ok(Self(
            on(SignalKind::terminate())?,
            on(SignalKind::interrupt())?,
        ))
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

fn tell(event: &Event) {
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        // Whoever started it may have gone; what happened is in the state file as well.
        let mut out = std::io::stdout().lock();
        _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// The state file, written whenever something changes.
struct Record {
    path: PathBuf,
    state: Mutex<State>,
}

impl Record {
    fn new(layout: &Layout) -> Result<Self> {
        let state = State {
            phase: Phase::Starting,
            supervisor: std::process::id(),
            born: born(std::process::id()),
            started: Timestamp::now(),
            servers: Vec::new(),
            endpoints: None,
            error: None,
        };
        let path = layout.state();
        state.write(&path)?;
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = self
            .state
            .lock()
            .map_err(|_| Error::State("a writer of it panicked".to_owned()))?;
        change(&mut state);
        state.write(&self.path)
    }

    /// Writes down that a server runs, and later that it ended.
    fn watch(self: &Arc<Self>, pin: &Pin, process: &Process) -> Result<()> {
        let (name, pid) = (process.name, process.pid);
        self.change(|state| {
            state.servers.push(ServerRecord {
                name: name.to_owned(),
                version: pin.version.to_owned(),
                pid,
                born: born(pid),
                log: process.log.clone(),
                ended: None,
            });
        })?;
        let (record, mut outcome) = (Arc::clone(self), process.watch());
        background::spawn(async move {
            let Ok(ended) = outcome.wait_for(Option::is_some).await.map(|it| it.clone()) else {
                return;
            };
            // Nobody to tell if the disk is full; that the process is gone is seen without it.
            _ = record.change(|state| {
                if matches!(state.phase, Phase::Starting | Phase::Ready) {
                    for server in &mut state.servers {
                        if server.pid == pid {
                            server.ended.clone_from(&ended);
                        }
                    }
                }
            });
        })?;
        Ok(())
    }
}

/// Passes progress on to whoever started the supervisor.
struct Teller;

impl Observer for Teller {
    fn notice(&self, progress: &Progress) {
        tell(&Event::Progress(progress.clone()));
    }
}

/// All servers, running.
struct Servers {
    openbao: openbao::OpenBao,
    objects: seaweedfs::SeaweedFs,
    aws: moto::Moto,
    cluster: control_plane::ControlPlane,
    standin: standin::StandIn,
    ports: Ports,
}

impl Servers {
    async fn stop(&self) {
        let cluster = async {
            // Each before what it talks to.
            for process in self.cluster.processes.iter().rev() {
                process.stop(GRACE).await;
            }
        };
        tokio::join!(
            self.openbao.process.stop(GRACE),
            self.objects.process.stop(GRACE),
            self.aws.process.stop(GRACE),
            cluster,
        );
        seaweedfs::remove_sockets(&self.ports);
    }
}

async fn start(folders: &Folders, layout: &Layout, record: &Arc<Record>) -> Result<Servers> {
    let wanted = Tool::of_the_sandbox();
    let tools = Installer::new(&folders.tools).locate(&wanted)?;
    let authority = Authority::kept(&layout.server("ca"))?;
    let secrets = Secrets::kept(&layout.secrets())?;
    let ports = Ports::kept(&layout.ports(), &Port::all())?;

    let openbao = reported("OpenBao", async {
        let dir = layout.server("openbao");
        let program = tools.program(Tool::OpenBao)?;
        let server = openbao::start(program, &dir, &ports, &authority).await?;
        record.watch(Tool::OpenBao.pin(), &server.process)?;
        Ok(server)
    });
    let objects = reported("SeaweedFS", async {
        let dir = layout.server("seaweedfs");
        let program = tools.program(Tool::SeaweedFs)?;
        let server = seaweedfs::start(program, &dir, &ports, &secrets).await?;
        record.watch(Tool::SeaweedFs.pin(), &server.process)?;
        ensure_source(&server.endpoint, &secrets).await?;
        Ok(server)
    });
    let aws = reported("moto", async {
        let dir = layout.server("moto");
        let server = {
            let program = tools.program(Tool::Moto)?;
            moto::start(program, &dir, &ports, Some(&secrets.environment)).await?
        };
        record.watch(Tool::Moto.pin(), &server.process)?;
        Ok(server)
    });
    let cluster = reported("Kubernetes", async {
        let dir = layout.server("kubernetes");
        let tokens = &secrets.kubernetes;
        let server = control_plane::start(&tools, &dir, &ports, &authority, tokens).await?;
        for process in &server.processes {
            let pin = PINS.iter().find(|pin| pin.name == process.name);
            record.watch(pin.unwrap_or(Tool::KubeApiserver.pin()), process)?;
        }
        Ok(server)
    });
    let (openbao, objects, aws, cluster) = tokio::try_join!(openbao, objects, aws, cluster)?;
    let standin = {
        let objects = S3 {
            client: http::client(None)?,
            endpoint: objects.endpoint.clone(),
            key: secrets.environment.clone(),
        };
        standin::start(ports.of(Port::StandIn), cluster.api.clone(), objects).await?
    };
    let servers = Servers {
        openbao,
        objects,
        aws,
        cluster,
        standin,
        ports,
    };
    let endpoints = describe(&servers, &tools, layout, &authority, &secrets)?;
    record.change(|state| {
        state.phase = Phase::Ready;
        state.endpoints = Some(endpoints);
    })?;
    Ok(servers)
}

async fn reported<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let what = what.to_owned();
    Teller.notice(&Progress::Started { what: what.clone() });
    let done = work.await?;
    Teller.notice(&Progress::Finished { what });
    Ok(done)
}

/// Makes the source bucket complete and its newest backup recent.
pub(crate) async fn ensure_source(endpoint: &str, secrets: &Secrets) -> Result<()> {
    let s3 = S3 {
        client: http::client(None)?,
        endpoint: endpoint.to_owned(),
        key: secrets.environment.clone(),
    };
    source::ensure(&s3, Timestamp::now()).await
}

fn describe(
    servers: &Servers,
    tools: &Installed,
    layout: &Layout,
    authority: &Authority,
    secrets: &Secrets,
) -> Result<Endpoints> {
    let dir = layout.server("aws");
    let (aws_config_file, aws_credentials_file) = aws::write(
        &dir,
        &servers.objects.endpoint,
        &servers.aws.endpoint,
        secrets,
    )?;
    let programs = layout.server("bin");
    files::private_dir(&programs)?;
    link(&programs.join("kubectl"), tools.program(Tool::Kubectl)?)?;
    link(&programs.join("bao"), tools.program(Tool::OpenBao)?)?;
    Ok(Endpoints {
        vault: crate::Vault {
            address: servers.openbao.address.clone(),
            ca_file: authority.path.clone(),
            token_file: servers.openbao.token_file.clone(),
            mount: "secret".to_owned(),
            audit_log: servers.openbao.audit_log.clone(),
        },
        objects: crate::Objects {
            endpoint: servers.objects.endpoint.clone(),
            metrics: servers.objects.metrics.clone(),
            source_bucket: SOURCE_BUCKET.to_owned(),
            control_bucket: CONTROL_BUCKET.to_owned(),
            evidence_bucket: EVIDENCE_BUCKET.to_owned(),
        },
        aws: servers.aws.endpoint.clone(),
        aws_request_log: servers.aws.request_log.clone(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        aws_config_file,
        aws_credentials_file,
        kube_server: servers.cluster.server.clone(),
        kube_audit_log: servers.cluster.audit_log.clone(),
        kubeconfig: servers.cluster.kubeconfig.clone(),
        standin: servers.standin.url.clone(),
        programs,
    })
}

fn link(path: &Path, target: &Path) -> Result<()> {
    files::remove(path)?;
    symlink(target, path).map_err(Error::file("make the link", path))
}
