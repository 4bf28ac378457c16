//! Child processes that can't outlive their parent.

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, Result};
use crate::{background, files, logs};

/// How long a server's check may take.
const CHECK: Duration = Duration::from_secs(5);
/// Between two checks of a server that is not ready yet.
const PAUSE: Duration = Duration::from_millis(25);

/// What to start.
pub(crate) struct Launch {
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// All of its environment, except for the few harmless variables that every child gets.
    pub environment: Vec<(&'static str, OsString)>,
    /// Its working, home and temporary folder, and where its log is.
    pub dir: PathBuf,
}

impl Launch {
    pub(crate) fn new(name: &'static str, program: PathBuf, dir: PathBuf) -> Self {
        Self {
            name,
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            dir,
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds `NAME=VALUE` as one argument; the value may be a path of any bytes.
    pub(crate) fn option(self, name: &str, value: impl Into<OsString>) -> Self {
        let mut argument = OsString::from(name);
        argument.push("=");
        argument.push(value.into());
        self.argument(argument)
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }
}

/// How a process ended; `None` while it runs.
type Outcome = Option<String>;

/// A running child. It is killed when this is dropped, and by the kernel when this process ends.
pub(crate) struct Process {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    pub(crate) log: PathBuf,
    stop: mpsc::Sender<Duration>,
    outcome: watch::Receiver<Outcome>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Starts a process. Runs on any runtime; the child belongs to the sandbox's own thread.
pub(crate) async fn start(launch: Launch) -> Result<Process> {
    let name = launch.name;
    background::spawn(begin(launch))?
        .await
        .map_err(|error| Error::Start {
            name: name.to_owned(),
            source: std::io::Error::other(error),
        })?
}

async fn begin(launch: Launch) -> Result<Process> {
    let Launch { name, dir, .. } = &launch;
    let name = *name;
    let temporary = dir.join("tmp");
    files::private_dir(&temporary)?;
    let path = launch.log();
    let log = logs::open(&path)?;
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .env_clear()
        .env("HOME", dir)
        .env("TMPDIR", &temporary)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .envs(
            launch
                .environment
                .iter()
                .map(|(name, value)| (*name, value)),
        )
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(Error::file("open", &path))?)
        .stderr(log)
        .kill_on_drop(true);
    die_with_parent(command.as_std_mut());
    let mut child = command.spawn().map_err(|source| Error::Start {
        name: name.to_owned(),
        source,
    })?;
    let pid = child.id().unwrap_or_default();
    let (stop, mut stopping) = mpsc::channel::<Duration>(1);
    let (tell, outcome) = watch::channel(None);
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = child.wait() => ended,
            grace = stopping.recv() => {
                let grace = grace.unwrap_or(Duration::ZERO);
                // The child is not reaped before `wait` returns, so its id can't be another's yet.
                if !grace.is_zero() && let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                    _ = kill_process(pid, Signal::TERM);
                }
                match timeout(grace, child.wait()).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        _ = child.start_kill();
                        child.wait().await
                    }
                }
            }
        };
        tell.send_replace(Some(match ended {
            Ok(status) => describe(status),
            Err(error) => format!("its end could not be seen: {error}"),
        }));
    });
    Ok(Process {
        name,
        pid,
        log: path,
        stop,
        outcome,
    })
}

/// How a process ended, in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for no known reason".to_owned(),
    }
}

/// Has the kernel kill the child when the thread that starts it ends.
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died between fork and the line above: then the signal never comes.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(std::io::ErrorKind::NotConnected.into())
        }
    };
    #[expect(
        unsafe_code,
        reason = "runs between fork and exec: prctl and getppid only, no allocation, no locks"
    )]
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Elsewhere there is no such thing; [`crate::Sandbox::up`] refuses to run there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_: &mut std::process::Command) {}

impl Process {
    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Outcome {
        self.outcome.borrow().clone()
    }

    /// Told when it ends.
    pub(crate) fn watch(&self) -> watch::Receiver<Outcome> {
        self.outcome.clone()
    }

    /// Waits until a check answers. The check returns what is still missing.
    pub(crate) async fn ready<F>(
        &self,
        within: Duration,
        mut check: impl FnMut() -> F,
    ) -> Result<()>
    where
        F: Future<Output = std::result::Result<(), String>>,
    {
        let until = Instant::now() + within;
        loop {
            if let Some(outcome) = self.ended() {
                return Err(Error::Exited {
                    name: self.name.to_owned(),
                    outcome,
                    log: self.log.clone(),
                    last: logs::tail(&self.log, 8),
                });
            }
            let detail = match timeout(CHECK, check()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(detail)) => detail,
                Err(_) => "its check hung".to_owned(),
            };
            if Instant::now() >= until {
                return Err(Error::NotReady {
                    name: self.name.to_owned(),
                    seconds: within.as_secs(),
                    detail,
                    log: self.log.clone(),
                    last: logs::tail(&self.log, 8),
                });
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks it to end, kills it after `grace`, and returns how it ended.
    pub(crate) async fn stop(&self, grace: Duration) -> String {
        _ = self.stop.try_send(grace);
        let mut outcome = self.outcome.clone();
        let ended = match outcome.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone(),
            Err(_) => None,
        };
        ended.unwrap_or_else(|| "killed".to_owned())
    }
}
