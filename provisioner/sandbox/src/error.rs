use std::path::{Path, PathBuf};

/// What can go wrong with the sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read, made or written.
    #[error("could not {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of ours holds something else than it should.
    #[error("{path} is not what the sandbox wrote there")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why it can't be read.
        source: serde_json::Error,
    },
    /// The home folder is unknown, so there is no place for the cache and the state.
    #[error("the home folder is unknown: HOME is not set")]
    NoHome,
    /// Children can only be tied to their parent's life on Linux.
    #[error("the sandbox runs on Linux only: elsewhere its servers could outlive it")]
    Platform,
    /// A tool needed to install others is not there.
    #[error("{program} is needed to install {wanted} and was not found: {detail}")]
    MissingProgram {
        /// The program looked for.
        program: &'static str,
        /// What it would have installed.
        wanted: String,
        /// What to install, or why what is there does not do.
        detail: String,
    },
    /// A tool of the sandbox is not installed.
    #[error("{} not installed in {cache}", join(tools))]
    NotInstalled {
        /// Which tools.
        tools: Vec<&'static str>,
        /// Where they were looked for.
        cache: PathBuf,
    },
    /// A test wants a server that is not installed.
    #[error("{0}; install them once with `cargo run -p sandbox --example sandbox -- install`")]
    NotInstalledForTests(Box<Error>),
    /// An installing command failed.
    #[error("installing {tool} failed: {command} {outcome}: {last}")]
    Install {
        /// What was being installed.
        tool: String,
        /// The command, without its arguments.
        command: String,
        /// How it ended.
        outcome: String,
        /// Its last words.
        last: String,
    },
    /// A finished installation was changed afterwards.
    #[error("{path} is not the file that was installed: {detail}")]
    Changed {
        /// Which file.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// A process could not be started.
    #[error("could not start {name}")]
    Start {
        /// Which one.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// A server ended while it was waited for.
    #[error("{name} ended ({outcome}) before it was ready; the end of {log}:\n{last}")]
    Exited {
        /// Which server.
        name: String,
        /// How it ended.
        outcome: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        last: String,
    },
    /// A server did not become ready in time.
    #[error("{name} was not ready after {seconds} s ({detail}); the end of {log}:\n{last}")]
    NotReady {
        /// Which server.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// What the last check said.
        detail: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        last: String,
    },
    /// A request to a server failed on the way.
    #[error("{what}")]
    Request {
        /// What was asked, of whom.
        what: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// A server answered a request with something else than wanted.
    #[error("{what}: answered {status}: {body}")]
    Answer {
        /// What was asked, of whom.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The start of the body.
        body: String,
    },
    /// Keys or certificates could not be made.
    #[error("could not make {what}")]
    Pki {
        /// Which.
        what: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A request could not be signed.
    #[error("could not sign a request: {0}")]
    Signing(String),
    /// The state kept on disk does not fit together.
    #[error("the sandbox's state is unusable: {0}")]
    State(String),
    /// No free port was found.
    #[error("no free port between {} and {}", .0.start(), .0.end())]
    NoPort(std::ops::RangeInclusive<u16>),
    /// The supervisor ended or reported a failure while it was starting.
    #[error("the sandbox did not come up: {0}")]
    Supervisor(String),
    /// Another supervisor has this folder.
    #[error("another supervisor (process {pid}) has {path}")]
    Supervised {
        /// Its process id, 0 when unknown.
        pid: u32,
        /// The folder.
        path: PathBuf,
    },
    /// Something did not end in time.
    #[error("{what} did not end within {seconds} s")]
    Outlived {
        /// What.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A folder that is not the sandbox's was to be deleted.
    #[error("{path} is not deleted: {why}")]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The sandbox's own results.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn file(
        what: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { what, path, source }
    }
}

fn join(tools: &[&str]) -> String {
    match tools {
        [] => "nothing is".to_owned(),
        [one] => format!("{one} is"),
        [head @ .., last] => format!("{} and {last} are", head.join(", ")),
    }
}
