//! Single real servers for tests, each in a temporary folder and on free ports.
//!
//! A server ends when its value is dropped, and when the test process ends, however it does: so one may be kept in a
//! `static` [`std::sync::LazyLock`] and shared by all tests of a binary. What a killed test process left in the
//! temporary folder is removed by the next one. Starting blocks, and works inside any runtime or without one.
//!
//! No test may pass because its server is missing: without the tools, starting fails and says how to install them.
//!
//! ```no_run
//! use std::sync::LazyLock;
//!
//! use sandbox::testing::OpenBao;
//!
//! static VAULT: LazyLock<OpenBao> = LazyLock::new(|| OpenBao::start().unwrap());
//! println!("{}", VAULT.address);
//! ```

mod postgres;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::folders::Folders;
use crate::install::{Installed, Installer, Tool};
use crate::pki::Authority;
use crate::ports::{Port, Ports};
use crate::process::Process;
use crate::secrets::Secrets;
use crate::servers::{control_plane, moto, openbao, seaweedfs};
use crate::{aws, background, files, state, supervisor};

pub use postgres::{BLOCKS, Postgres};

/// The names of the folders: the test process, its birth, and a number in it.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A temporary folder that is deleted with its value.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    ports: Ports,
}

impl Place {
    fn new(wanted: &[Port]) -> Result<Self> {
        let root = std::env::temp_dir().join(format!(
            "rebuild-sandbox-tests-{}",
            rustix::process::getuid().as_raw()
        ));
        files::private_dir(&root)?;
        sweep(&root);
        let pid = std::process::id();
        let born = state::born(pid).unwrap_or_default();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = root.join(format!("{pid}.{born}.{count}"));
        files::private_dir(&dir)?;
        let ports = Ports::kept(&ports_file(&dir), wanted)?;
        Ok(Self { dir, ports })
    }
}

fn ports_file(dir: &Path) -> PathBuf {
    dir.join("ports.json")
}

/// Deletes the folders of test processes that are gone.
fn sweep(root: &Path) {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let mut parts = name.to_str().unwrap_or_default().split('.');
        let owner = parts.next().and_then(|pid| pid.parse().ok());
        let born = parts.next().and_then(|born| born.parse().ok());
        if let (Some(owner), Some(born)) = (owner, born)
            && state::born(owner) != Some(born)
        {
            clear(&entry.path());
        }
    }
}

/// What can't be deleted now is tried again by the next one.
fn clear(dir: &Path) {
    if let Ok(Some(ports)) = files::read_json::<Ports>(&ports_file(dir)) {
        seaweedfs::remove_sockets(&ports);
    }
    _ = files::remove_dir(dir);
}

/// A server's processes and folder; stops the ones and deletes the other.
#[derive(Debug)]
struct Owned {
    processes: Vec<Arc<Process>>,
    place: Place,
}

impl Owned {
    fn new(place: Place, processes: Vec<Process>) -> Self {
        Self {
            processes: processes.into_iter().map(Arc::new).collect(),
            place,
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let processes = self.processes.clone();
        // Without mercy: nothing of it is wanted any more. If the thread is gone, so are the processes.
        _ = background::wait(async move {
            for process in &processes {
                process.stop(Duration::ZERO).await;
            }
        });
        clear(&self.place.dir);
    }
}

fn tools(wanted: &[Tool]) -> Result<Installed> {
    let folders = Folders::from_environment()?;
    match Installer::new(folders.tools).locate(wanted) {
        Err(Error::NotInstalled { tools, cache }) => {
            Err(Error::NotInstalledForTests(Box::new(Error::NotInstalled {
                tools,
                cache,
            })))
        }
        located => located,
    }
}

/// OpenBao: sealed storage, TLS, audit log, KV v2 at `secret/`, opened.
#[derive(Debug)]
pub struct OpenBao {
    /// `https://127.0.0.1:…`
    pub address: String,
    /// The CA that signed its certificate.
    pub ca_file: PathBuf,
    /// The token of a limited policy, as the environment has it.
    pub token_file: PathBuf,
    /// The audit log: JSON lines.
    pub audit_log: PathBuf,
    keys_file: PathBuf,
    _owned: Owned,
}

impl OpenBao {
    /// Starts one.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start() -> Result<Self> {
        let tools = tools(&[Tool::OpenBao])?;
        let place = Place::new(Port::VAULT)?;
        let authority = Authority::kept(&place.dir.join("ca"))?;
        let ca_file = authority.path.clone();
        let (place, server) = background::wait(async move {
            let program = tools.program(Tool::OpenBao)?;
            let dir = place.dir.join("openbao");
            let server = openbao::start(program, &dir, &place.ports, &authority).await?;
            Ok::<_, Error>((place, server))
        })??;
        Ok(Self {
            address: server.address,
            ca_file,
            token_file: server.token_file,
            audit_log: server.audit_log,
            keys_file: server.keys_file,
            _owned: Owned::new(place, vec![server.process]),
        })
    }

    /// The root token, for what the environment's may not do.
    ///
    /// # Errors
    /// When its file can't be read.
    pub fn root_token(&self) -> Result<String> {
        Ok(self.keys()?.root_token)
    }

    /// The key that opens it once it is sealed, in base64.
    ///
    /// # Errors
    /// When its file can't be read.
    pub fn unseal_key(&self) -> Result<String> {
        Ok(self.keys()?.unseal_key)
    }

    fn keys(&self) -> Result<openbao::Keys> {
        files::read_json(&self.keys_file)?
            .ok_or_else(|| Error::State("OpenBao's keys are gone".to_owned()))
    }
}

/// SeaweedFS with the users of the sandbox.
#[derive(Debug)]
pub struct SeaweedFs {
    /// `http://127.0.0.1:…`; addressed by path.
    pub endpoint: String,
    /// An AWS config file with the profiles [`crate::PROFILE`] and [`crate::READER_PROFILE`].
    pub aws_config_file: PathBuf,
    /// The credentials file for them.
    pub aws_credentials_file: PathBuf,
    secrets: Secrets,
    _owned: Owned,
}

impl SeaweedFs {
    /// Starts an empty one.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start() -> Result<Self> {
        let tools = tools(&[Tool::SeaweedFs])?;
        let place = Place::new(Port::WEED)?;
        let secrets = Secrets::new()?;
        let (place, server, secrets) = background::wait(async move {
            let program = tools.program(Tool::SeaweedFs)?;
            let dir = place.dir.join("seaweedfs");
            let server = seaweedfs::start(program, &dir, &place.ports, &secrets).await?;
            Ok::<_, Error>((place, server, secrets))
        })??;
        let dir = place.dir.join("aws");
        let (aws_config_file, aws_credentials_file) =
            aws::write(&dir, &server.endpoint, &server.endpoint, &secrets)?;
        Ok(Self {
            endpoint: server.endpoint,
            aws_config_file,
            aws_credentials_file,
            secrets,
            _owned: Owned::new(place, vec![server.process]),
        })
    }

    /// Makes the source bucket and fills it, as in the sandbox.
    ///
    /// # Errors
    /// When a request fails.
    pub fn ensure_source(&self) -> Result<()> {
        let (endpoint, secrets) = (self.endpoint.clone(), self.secrets.clone());
        background::wait(async move { supervisor::ensure_source(&endpoint, &secrets).await })?
    }

    /// Access key id and secret of the user who may do everything.
    #[must_use]
    pub fn access_key(&self) -> (&str, &str) {
        (
            &self.secrets.environment.id,
            &self.secrets.environment.secret,
        )
    }

    /// Access key id and secret of the user who may read the source bucket.
    #[must_use]
    pub fn reader_key(&self) -> (&str, &str) {
        (&self.secrets.reader.id, &self.secrets.reader.secret)
    }
}

/// moto, for EC2, IAM, STS and what else it serves. Takes any credentials.
#[derive(Debug)]
pub struct Moto {
    /// `http://127.0.0.1:…`
    pub endpoint: String,
    _owned: Owned,
}

impl Moto {
    /// Starts an empty one.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start() -> Result<Self> {
        let tools = tools(&[Tool::Moto])?;
        let place = Place::new(Port::MOTO)?;
        let (place, server) = background::wait(async move {
            let dir = place.dir.join("moto");
            let server = {
                let program = tools.program(Tool::Moto)?;
                moto::start(program, &dir, &place.ports, None).await?
            };
            Ok::<_, Error>((place, server))
        })??;
        Ok(Self {
            endpoint: server.endpoint,
            _owned: Owned::new(place, vec![server.process]),
        })
    }
}

/// A Kubernetes control plane with three ready nodes that run nothing.
#[derive(Debug)]
pub struct ControlPlane {
    /// `https://127.0.0.1:…`
    pub server: String,
    /// Its context is [`crate::KUBE_CONTEXT`], its user is in `system:masters`.
    pub kubeconfig: PathBuf,
    /// `kubectl`.
    pub kubectl: PathBuf,
    _owned: Owned,
}

impl ControlPlane {
    /// Starts one.
    ///
    /// # Errors
    /// When a part of it is not installed or does not start.
    pub fn start() -> Result<Self> {
        let tools = tools(&[
            Tool::Etcd,
            Tool::KubeApiserver,
            Tool::KubeControllerManager,
            Tool::KubeScheduler,
            Tool::Kwok,
            Tool::Kubectl,
        ])?;
        let kubectl = tools.program(Tool::Kubectl)?.to_owned();
        let place = Place::new(Port::CONTROL_PLANE)?;
        let authority = Authority::kept(&place.dir.join("ca"))?;
        let secrets = Secrets::new()?;
        let (place, server) = background::wait(async move {
            let dir = place.dir.join("kubernetes");
            let tokens = &secrets.kubernetes;
            let server =
                control_plane::start(&tools, &dir, &place.ports, &authority, tokens).await?;
            Ok::<_, Error>((place, server))
        })??;
        Ok(Self {
            server: server.server,
            kubeconfig: server.kubeconfig,
            kubectl,
            _owned: Owned::new(place, server.processes),
        })
    }
}

/// Where `kubectl` is, as an oracle for rendering.
///
/// # Errors
/// When it is not installed.
pub fn kubectl() -> Result<PathBuf> {
    Ok(tools(&[Tool::Kubectl])?.program(Tool::Kubectl)?.to_owned())
}
