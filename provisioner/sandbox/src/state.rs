//! What the supervisor writes down about itself, and what can be concluded from it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::endpoints::Endpoints;
use crate::error::Result;
use crate::files;

/// What the supervisor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It starts servers.
    Starting,
    /// All servers were healthy.
    Ready,
    /// A server could not be started, so it stopped the others.
    Failed,
    /// It stops servers.
    Stopping,
    /// It stopped all servers and ended.
    Stopped,
}

/// The supervisor's record of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub phase: Phase,
    pub supervisor: u32,
    /// Tells the supervisor from a later process of the same id.
    pub born: Option<u64>,
    pub started: Timestamp,
    pub servers: Vec<ServerRecord>,
    /// `None` as well when the supervisor is of another version, whose endpoints mean something else.
    #[serde(deserialize_with = "known")]
    pub endpoints: Option<Endpoints>,
    pub error: Option<String>,
}

fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Endpoints>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A server as the supervisor knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerRecord {
    pub name: String,
    pub version: String,
    pub pid: u32,
    /// Tells the process from a later one of the same id.
    pub born: Option<u64>,
    pub log: PathBuf,
    /// How it ended without being asked to.
    pub ended: Option<String>,
}

impl State {
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        files::read_json(path)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        files::write_json(path, self)
    }
}

/// When a process was born, in clock ticks since the machine started; `None` when there is no such process, or when it
/// is dead and only not yet taken notice of (`proc_pid_stat(5)`, fields 3, 20 and 22).
///
/// The first thread of a killed process may be a zombie while others still hold its files and ports: it lives until
/// the last of them is gone.
pub(crate) fn born(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X" | "x");
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    let born = fields.nth(1)?.parse().ok()?;
    (!ended || threads > 1).then_some(born)
}

impl State {
    /// The supervisor's process id, if its process is there.
    pub(crate) fn alive(&self) -> Option<u32> {
        (self.born.is_some() && born(self.supervisor) == self.born).then_some(self.supervisor)
    }
}

impl ServerRecord {
    /// Whether its process is there.
    pub(crate) fn alive(&self) -> bool {
        self.born.is_some() && born(self.pid) == self.born
    }
}

/// How the sandbox is, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Nothing runs, and that is as it should be.
    Down,
    /// Servers are being started.
    Starting,
    /// Everything runs.
    Up,
    /// The supervisor runs, and at least one server has ended, or the supervisor is of another version of this program.
    /// The next `up` stops and starts everything; nothing else does.
    Degraded,
    /// Servers are being stopped.
    Stopping,
    /// The last start failed; nothing runs.
    Failed,
    /// The supervisor was killed, and its servers with it; nothing runs.
    Crashed,
}

/// What `status` reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How it is.
    pub condition: Condition,
    /// The folder of its state.
    pub folder: PathBuf,
    /// The supervisor's process id, while it runs.
    pub supervisor: Option<u32>,
    /// Since when it runs.
    pub since: Option<Timestamp>,
    /// The servers.
    pub servers: Vec<ServerStatus>,
    /// Where they are, while they run.
    pub endpoints: Option<Endpoints>,
    /// Why the last start failed.
    pub error: Option<String>,
    /// What is not as in a real environment, for people to know.
    pub notes: Vec<&'static str>,
}

/// What `status` reports of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Whether its process is there.
    pub running: bool,
    /// How it ended, if it did so by itself.
    pub ended: Option<String>,
    /// Its log.
    pub log: PathBuf,
}

/// What the sandbox can't show.
pub(crate) const NOTES: &[&str] = &[
    "kwok moves pods through their phases and runs no container: behind a Service there is nobody to answer. A stand-in \
     answers for the first user's service, marked by the header x-sandbox-standin, from what the rebuild left in the \
     cluster and in the bucket",
    "moto has no latency, no throttling and no eventual consistency, ignores ClientToken, and creates on DryRun of \
     CreateVpc and CreateSubnet",
    "SeaweedFS has no PublicAccessBlock and no SSE-KMS",
    "etcd does not wait for the disk: its data survives the death of processes, not that of the machine",
];

impl Status {
    pub(crate) fn of(folder: &Path, state: Option<State>, supervised: bool) -> Self {
        let Some(state) = state else {
            return Self {
                condition: if supervised {
                    Condition::Starting
                } else {
                    Condition::Down
                },
                folder: folder.to_owned(),
                supervisor: None,
                since: None,
                servers: Vec::new(),
                endpoints: None,
                error: None,
                notes: NOTES.to_vec(),
            };
        };
        let servers: Vec<_> = state
            .servers
            .iter()
            .map(|server| ServerStatus {
                name: server.name.clone(),
                version: server.version.clone(),
                pid: server.pid,
                running: server.alive(),
                ended: server.ended.clone(),
                log: server.log.clone(),
            })
            .collect();
        let condition = match (supervised, state.phase) {
            (true, Phase::Starting) => Condition::Starting,
            (true, Phase::Ready)
                if state.endpoints.is_some() && servers.iter().all(|server| server.running) =>
            {
                Condition::Up
            }
            (true, Phase::Ready) => Condition::Degraded,
            (true, _) => Condition::Stopping,
            (false, Phase::Stopped) => Condition::Down,
            (false, Phase::Failed) => Condition::Failed,
            (false, _) => Condition::Crashed,
        };
        Self {
            condition,
            folder: folder.to_owned(),
            supervisor: supervised.then_some(state.supervisor),
            since: supervised.then_some(state.started),
            servers: if supervised { servers } else { Vec::new() },
            endpoints: state.endpoints.filter(|_| supervised),
            error: state.error,
            notes: NOTES.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_process_is_known_by_its_birth() {
        let pid = std::process::id();
        assert!(born(pid).is_some());
        assert_eq!(born(pid), born(pid));
        assert_eq!(born(u32::MAX), None);
    }

    #[test]
    fn what_is_concluded_from_the_record_and_the_lock() {
        let record = |phase| State {
            phase,
            supervisor: 1,
            born: None,
            started: Timestamp::UNIX_EPOCH,
            servers: Vec::new(),
            endpoints: None,
            error: None,
        };
        // Of another version: its servers run, and can't be reached by this one.
        let foreign = json!({"vault": 1});
        let mut value = serde_json::to_value(record(Phase::Ready)).unwrap();
        value["endpoints"] = foreign;
        let state: State = serde_json::from_value(value).unwrap();
        assert!(state.endpoints.is_none());
        let cases = [
            (None, false, Condition::Down),
            (None, true, Condition::Starting),
            (Some(Phase::Starting), true, Condition::Starting),
            (Some(Phase::Starting), false, Condition::Crashed),
            (Some(Phase::Ready), true, Condition::Degraded),
            (Some(Phase::Ready), false, Condition::Crashed),
            (Some(Phase::Failed), false, Condition::Failed),
            (Some(Phase::Stopping), true, Condition::Stopping),
            (Some(Phase::Stopping), false, Condition::Crashed),
            (Some(Phase::Stopped), false, Condition::Down),
        ];
        for (phase, supervised, condition) in cases {
            let status = Status::of(Path::new("/x"), phase.map(record), supervised);
            assert_eq!(status.condition, condition, "{phase:?} {supervised}");
        }
    }
}
