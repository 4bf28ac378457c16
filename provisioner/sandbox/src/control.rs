//! Starting, stopping and looking at the sandbox from another process.

use std::ffi::OsString;
use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::endpoints::Endpoints;
use crate::error::{Error, Result};
use crate::folders::{Folders, Layout};
use crate::install::{Installer, Tool};
use crate::progress::{Observer, Progress};
use crate::secrets::Secrets;
use crate::state::{Condition, Phase, State, Status};
use crate::supervisor::{self, Event};
use crate::{files, logs};

/// The longest that a supervisor may take to start all servers.
const START: Duration = Duration::from_secs(240);
/// The longest that it may take to stop them: each gets its grace, one after another in the control plane.
const STOP: Duration = Duration::from_secs(60);
/// Between two looks at something that can't be waited for.
const PAUSE: Duration = Duration::from_millis(20);
/// The variables that the supervisor keeps: none that may hold a secret.
const KEPT: [&str; 4] = ["HOME", "PATH", "KUBEBUILDER_ASSETS", "RUST_BACKTRACE"];

/// How to start the supervisor: this program again, with a command that calls [`supervisor::main`].
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. The state folder and the tools folder are added as two more.
    pub arguments: Vec<OsString>,
}

/// How `down` found the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ran, and was stopped.
    Stopped,
    /// It did not run.
    WasDown,
}

/// The sandbox of one state folder.
#[derive(Clone, Debug)]
pub struct Sandbox {
    folders: Folders,
    layout: Layout,
}

impl Sandbox {
    /// The sandbox of these folders. Touches nothing.
    #[must_use]
    pub fn new(folders: Folders) -> Self {
        let layout = Layout {
            dir: folders.state.clone(),
        };
        Self { folders, layout }
    }

    /// Its folders.
    #[must_use]
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// Installs what is missing and starts what does not run, and returns when all servers are healthy. Does nothing
    /// when they are.
    ///
    /// A sandbox of which a server has ended is stopped and started again as a whole.
    ///
    /// # Errors
    /// When a tool can't be installed or a server can't be started; nothing keeps running then.
    pub async fn up(&self, launcher: &Launcher, observer: Arc<dyn Observer>) -> Result<Endpoints> {
        if !cfg!(target_os = "linux") {
            return Err(Error::Platform);
        }
        self.own()?;
        let _lock = self.control(&observer).await?;
        match self.status()? {
            status if status.condition == Condition::Up => {
                if let Some(endpoints) = status.endpoints {
                    let secrets = Secrets::kept(&self.layout.secrets())?;
                    supervisor::ensure_source(&endpoints.objects.endpoint, &secrets).await?;
                    return Ok(endpoints);
                }
            }
            // Started by someone who was killed while waiting for it, or not whole any more.
            status if status.supervisor.is_some() => {
                observer.notice(&Progress::Waiting {
                    what: "the sandbox".to_owned(),
                    on: "the former servers' end".to_owned(),
                });
            }
            _ => {}
        }
        self.stop().await?;
        self.install(&observer).await?;
        let child = self.spawn(launcher)?;
        self.follow(child, &*observer).await
    }

    /// Stops all servers and returns when none is left. What they keep stays.
    ///
    /// # Errors
    /// When something does not end, not even killed.
    pub async fn down(&self, observer: Arc<dyn Observer>) -> Result<Ended> {
        if !self.layout.marker().exists() {
            return Ok(Ended::WasDown);
        }
        let _lock = self.control(&observer).await?;
        self.stop().await
    }

    /// Looks at the sandbox. Changes nothing and waits for nothing.
    ///
    /// # Errors
    /// When the state can't be read.
    pub fn status(&self) -> Result<Status> {
        let state = State::read(&self.layout.state())?;
        Ok(Status::of(&self.layout.dir, state, self.supervised()?))
    }

    /// Stops all servers and deletes all that they keep. The tools stay installed.
    ///
    /// # Errors
    /// When the folder is not one that [`Sandbox::up`] made: nothing is deleted then.
    pub async fn reset(&self, observer: Arc<dyn Observer>) -> Result<Ended> {
        let dir = &self.layout.dir;
        if !dir.exists() {
            return Ok(Ended::WasDown);
        }
        if !self.layout.marker().is_file() {
            return Err(Error::NotOurs {
                path: dir.clone(),
                why: "it was not made by the sandbox",
            });
        }
        let _lock = self.control(&observer).await?;
        let ended = self.stop().await?;
        let (dir, spared) = (dir.clone(), [Layout::MARKER, Layout::CONTROL_LOCK]);
        spawn_blocking(move || {
            for entry in std::fs::read_dir(&dir).map_err(Error::file("list", &dir))? {
                let entry = entry.map_err(Error::file("list", &dir))?;
                if spared.iter().any(|name| entry.file_name() == **name) {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    files::remove_dir(&entry.path())?;
                } else {
                    files::remove(&entry.path())?;
                }
            }
            Ok(())
        })
        .await
        .map_err(|error| Error::State(error.to_string()))??;
        Ok(ended)
    }

    /// Installs all tools.
    ///
    /// # Errors
    /// As [`Installer::install`].
    pub async fn install(&self, observer: &Arc<dyn Observer>) -> Result<()> {
        let (tools, observer) = (self.folders.tools.clone(), Arc::clone(observer));
        spawn_blocking(move || {
            let wanted = Tool::of_the_sandbox();
            Installer::new(tools).install(&wanted, &*observer)
        })
        .await
        .map_err(|error| Error::Supervisor(error.to_string()))?
        .map(drop)
    }

    /// Makes the folder the sandbox's, unless something else is in it.
    fn own(&self) -> Result<()> {
        let dir = &self.layout.dir;
        files::private_dir(dir)?;
        if self.layout.marker().exists() {
            return Ok(());
        }
        let mut entries = std::fs::read_dir(dir).map_err(Error::file("list", dir))?;
        if entries.next().is_some() {
            return Err(Error::NotOurs {
                path: dir.clone(),
                why: "it holds something else, and is not used either",
            });
        }
        std::fs::set_permissions(dir, Permissions::from_mode(0o700))
            .map_err(Error::file("close to others", dir))?;
        files::write_private(
            &self.layout.marker(),
            b"This folder belongs to `rebuild sandbox`; its reset empties it.\n",
        )
    }

    /// One at a time starts or stops.
    async fn control(&self, observer: &Arc<dyn Observer>) -> Result<File> {
        let path = self.layout.control_lock();
        let lock = files::lock_file(&path)?;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => observer.notice(&Progress::Waiting {
                what: "the sandbox".to_owned(),
                on: "another command that starts or stops it".to_owned(),
            }),
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", &path)(source)),
        }
        spawn_blocking(move || lock.lock().map(|()| lock))
            .await
            .map_err(|error| Error::State(error.to_string()))?
            .map_err(Error::file("lock", self.layout.control_lock()))
    }

    /// Whether a supervisor lives.
    fn supervised(&self) -> Result<bool> {
        let path = self.layout.supervisor_lock();
        if !path.exists() {
            return Ok(false);
        }
        match files::lock_file(&path)?.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(Error::file("lock", &path)(source)),
        }
    }

    fn spawn(&self, launcher: &Launcher) -> Result<Child> {
        let log = logs::open(&self.layout.supervisor_log())?;
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)));
        Command::new(&launcher.program)
            .args(&launcher.arguments)
            .arg(&self.folders.state)
            .arg(&self.folders.tools)
            .env_clear()
            .envs(kept)
            .current_dir(&self.layout.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|source| Error::Start {
                name: "the supervisor".to_owned(),
                source,
            })
    }

    /// Listens to a starting supervisor until it is ready.
    async fn follow(&self, mut child: Child, observer: &dyn Observer) -> Result<Endpoints> {
        let listen = async {
            let Some(stdout) = child.stdout.take() else {
                return Err(Error::Supervisor("it has no standard output".to_owned()));
            };
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str(&line) {
                    Ok(Event::Progress(progress)) => observer.notice(&progress),
                    Ok(Event::Ready) => return Ok(()),
                    Ok(Event::Failed(error)) => return Err(Error::Supervisor(error)),
                    // A program that prints something of its own before it becomes the supervisor.
                    Err(_) => {}
                }
            }
            let last = logs::tail(&self.layout.supervisor_log(), 4);
            Err(Error::Supervisor(format!("its process ended: {last}")))
        };
        let ready = match tokio::time::timeout(START, listen).await {
            Ok(ready) => ready,
            Err(_) => Err(Error::Outlived {
                what: "the start of the sandbox".to_owned(),
                seconds: START.as_secs(),
            }),
        };
        if let Err(error) = ready {
            self.stop().await?;
            return Err(error);
        }
        let state = State::read(&self.layout.state())?;
        state
            .and_then(|state| state.endpoints)
            .ok_or_else(|| Error::State("it has no endpoints".to_owned()))
    }

    /// Ends the supervisor, if there is one, and waits until it and its servers are gone.
    async fn stop(&self) -> Result<Ended> {
        let running = self.supervised()?;
        let until = Instant::now() + STOP;
        let mut asked = None;
        while self.supervised()? {
            // It takes the lock before it writes its id, so the id in the file may be a former one's: the state is
            // read again each time, and an id is asked once.
            let state = State::read(&self.layout.state())?;
            let pid = state
                .filter(|state| !matches!(state.phase, Phase::Stopped | Phase::Failed))
                .and_then(|state| state.alive());
            if pid.is_some() && pid != asked {
                asked = pid;
                signal(pid, Signal::TERM);
            }
            if Instant::now() >= until {
                // The servers die with it.
                signal(pid, Signal::KILL);
                break;
            }
            sleep(PAUSE).await;
        }
        self.gone().await?;
        Ok(if running {
            Ended::Stopped
        } else {
            Ended::WasDown
        })
    }

    /// Waits until nothing is left. The kernel kills the servers of a dead supervisor; that takes a moment.
    async fn gone(&self) -> Result<()> {
        let until = Instant::now() + STOP;
        loop {
            let state = State::read(&self.layout.state())?;
            let left: Vec<String> = state
                .iter()
                .flat_map(|state| &state.servers)
                .filter(|server| server.alive())
                .map(|server| format!("{} (process {})", server.name, server.pid))
                .collect();
            if left.is_empty() && !self.supervised()? {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Error::Outlived {
                    what: left.join(", "),
                    seconds: STOP.as_secs(),
                });
            }
            sleep(PAUSE).await;
        }
    }
}

fn signal(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        // Gone already: that is what was wanted.
        _ = kill_process(pid, signal);
    }
}
