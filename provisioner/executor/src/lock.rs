//! One run per environment at a time: a local file lock, a remote lock with a fencing token, and the check before every effect.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::provider::{Error, ErrorKind};

/// A lock file larger than this was not written by us.
const LARGEST_OWNER: u64 = 64 * 1024;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The person: login name, or `uid 1000`.
    pub who: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Which boot and process namespace `pid` is a number in; empty where the system doesn't say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Since when.
    pub since: Timestamp,
}

impl Owner {
    /// This process.
    pub fn current() -> Self {
        let who = ["USER", "LOGNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        Self {
            who: who.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            pid: std::process::id(),
            space: space(),
            since: Timestamp::now(),
        }
    }
}

/// Identifies the set of processes that a process id of ours is one of.
fn space() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} on {} (process {}) since {}",
            self.who, self.host, self.pid, self.since
        )
    }
}

/// Why a lock was not to be had, or is no longer ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("the lock {lock} is held{}", held_by(.owner, .expires))]
    Held {
        /// Path or URL of the lock.
        lock: String,
        /// Who holds it, where that can be read.
        owner: Option<Box<Owner>>,
        /// When it runs out by itself; a local lock ends with its process instead.
        expires: Option<Timestamp>,
    },
    /// It was ours, and another run has taken it since.
    #[error("the lock {lock} is no longer ours: {why}")]
    Lost {
        /// Path or URL of the lock.
        lock: String,
        /// What shows it.
        why: String,
    },
    /// The local lock file can't be used.
    #[error("can't {doing} the lock file {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The remote store failed.
    #[error(transparent)]
    Remote(#[from] Error),
}

fn held_by(owner: &Option<Box<Owner>>, expires: &Option<Timestamp>) -> String {
    let owner = owner
        .as_ref()
        .map(|owner| format!(" by {owner}"))
        .unwrap_or_default();
    let expires = expires
        .map(|at| format!(", until {at}"))
        .unwrap_or_default();
    format!("{owner}{expires}")
}

/// A lock on a file, held until dropped or until the process ends, however it ends.
///
/// The file stays where it is, since removing it would let two processes lock two files of the same name.
#[derive(Debug)]
pub struct LocalLock {
    file: File,
    path: PathBuf,
}

impl LocalLock {
    /// Takes the lock without waiting and writes the owner into it. The folder must exist.
    ///
    /// # Errors
    /// [`LockError::Held`] with the owner when another process has it, [`LockError::Io`] when the file can't be used.
    pub fn acquire(path: &Path, owner: &Owner) -> Result<Self, LockError> {
        let fail = |doing| {
            move |source| LockError::Io {
                doing,
                path: path.to_owned(),
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(path)
            .map_err(fail("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    lock: path.display().to_string(),
                    owner: read_owner(&mut file).map(Box::new),
                    expires: None,
                });
            }
            Err(TryLockError::Error(source)) => return Err(fail("lock")(source)),
        }
        let text = serde_json::to_vec(owner)
            .map_err(io::Error::from)
            .map_err(fail("write"))?;
        file.set_len(0).map_err(fail("write"))?;
        file.rewind().map_err(fail("write"))?;
        file.write_all(&text).map_err(fail("write"))?;
        file.sync_all().map_err(fail("write"))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        // Best effort: the lock itself ends when the file is closed, the owner's name only informs.
        let _ = self.file.set_len(0);
    }
}

fn read_owner(file: &mut File) -> Option<Owner> {
    let mut text = Vec::new();
    file.take(LARGEST_OWNER).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The contents of a remote lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// The person.
    pub owner: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// As [`Owner::space`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub space: String,
    /// Since when this owner has it.
    pub since: Timestamp,
    /// Fencing token: larger than that of every holder before.
    pub token: u64,
    /// When it runs out unless renewed. Until then nobody else may take it.
    pub expires: Timestamp,
}

impl LockRecord {
    /// The record of a new holder.
    pub fn new(owner: &Owner, token: u64, ttl: Duration, now: Timestamp) -> Self {
        Self {
            owner: owner.who.clone(),
            host: owner.host.clone(),
            pid: owner.pid,
            space: owner.space.clone(),
            since: owner.since,
            token,
            expires: after(now, ttl),
        }
    }

    /// The same holding, for another `ttl` from `now`.
    pub fn renewed(&self, ttl: Duration, now: Timestamp) -> Self {
        Self {
            expires: after(now, ttl),
            ..self.clone()
        }
    }

    /// Whether it has run out.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether its holder was a process beside `owner` that is gone: it can't come back, so nobody need wait for the lock to run out.
    pub fn abandoned(&self, owner: &Owner) -> bool {
        let Some(pid) = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        else {
            return false;
        };
        !self.space.is_empty()
            && self.space == owner.space
            && rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
    }

    /// Who holds it, for [`LockError::Held`].
    pub fn holder(&self) -> Owner {
        Owner {
            who: self.owner.clone(),
            host: self.host.clone(),
            pid: self.pid,
            space: self.space.clone(),
            since: self.since,
        }
    }
}

fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    SignedDuration::try_from(ttl)
        .ok()
        .and_then(|ttl| now.checked_add(ttl).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A remote lock that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What the lock says.
    pub record: LockRecord,
    /// The store's version of it (an ETag), which the next conditional write names.
    pub revision: String,
}

/// A lock in a store that all who may rebuild the environment can reach.
///
/// # Guarantees asked of an implementation
/// Every write is conditional on the revision read before. A token is larger than every token before it, across releases too: a
/// release leaves the record in place, expired, so that the next holder counts on from it.
#[async_trait]
pub trait RemoteLock: Send + Sync {
    /// Takes the lock when it is free, released or expired.
    ///
    /// # Errors
    /// [`LockError::Held`] when another has it, [`LockError::Remote`] when the store fails.
    async fn acquire(&self, owner: &Owner, ttl: Duration) -> Result<Lease, LockError>;

    /// Holds it for another `ttl`, under the same token.
    ///
    /// # Errors
    /// [`LockError::Lost`] when another has taken it, [`LockError::Remote`] when the store fails.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease, LockError>;

    /// Lets it go. Succeeds when another has taken it meanwhile.
    ///
    /// # Errors
    /// [`LockError::Remote`] when the store fails.
    async fn release(&self, lease: &Lease) -> Result<(), LockError>;

    /// Who has it, for `status` and before breaking it; `None` when it was never taken.
    ///
    /// # Errors
    /// [`LockError::Remote`] when the store fails.
    async fn read(&self) -> Result<Option<LockRecord>, LockError>;

    /// Takes the lock from the holder of `token`, whoever it is, under a larger token; its holder is fenced off from then on.
    ///
    /// # Errors
    /// [`LockError::Held`] when the lock is not that of `token` any more, [`LockError::Remote`] when the store fails.
    async fn take_over(&self, token: u64, owner: &Owner, ttl: Duration)
    -> Result<Lease, LockError>;
}

/// Asked before every effect: may this run still change things?
#[async_trait]
pub trait Fence: Send + Sync {
    /// Whether the lock is still ours.
    ///
    /// # Errors
    /// A retryable error when that could not be found out just now, another one when it is lost.
    async fn held(&self) -> Result<(), Error>;
}

/// The fence of an environment that has no lock but the local one, which the process holds as long as it lives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unfenced;

#[async_trait]
impl Fence for Unfenced {
    async fn held(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Holding {
    /// Ours until then, by our own steady clock.
    Until(Instant),
    Lost(String),
}

/// Keeps a remote lock ours by renewing it three times per `ttl`, and is the [`Fence`] of the run.
///
/// Whether the lock is ours is judged by a steady local clock, from before the request that last renewed it: a stopped process or a
/// wrong wall clock makes us give up early, never late.
pub struct Renewal {
    lock: Arc<dyn RemoteLock>,
    lease: Arc<Mutex<Lease>>,
    holding: watch::Receiver<Holding>,
    task: JoinHandle<()>,
}

impl Renewal {
    /// Acquires the lock and begins to renew it. A lock whose holder is known to be dead is taken over.
    ///
    /// # Errors
    /// As [`RemoteLock::acquire`].
    pub async fn acquire(
        lock: Arc<dyn RemoteLock>,
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Self, LockError> {
        let asked = Instant::now();
        let lease = match lock.acquire(owner, ttl).await {
            Err(held @ LockError::Held { .. }) => match lock.read().await? {
                Some(record) if record.abandoned(owner) => {
                    lock.take_over(record.token, owner, ttl).await?
                }
                _ => return Err(held),
            },
            acquired => acquired?,
        };
        Ok(Self::start(lock, lease, ttl, asked))
    }

    /// Begins to renew a lock that was `asked` for at that moment and is ours for `ttl` from then.
    pub fn start(lock: Arc<dyn RemoteLock>, lease: Lease, ttl: Duration, asked: Instant) -> Self {
        let lease = Arc::new(Mutex::new(lease));
        let (say, holding) = watch::channel(Holding::Until(asked + ttl));
        let task = tokio::spawn(renew(Arc::clone(&lock), Arc::clone(&lease), ttl, say));
        Self {
            lock,
            lease,
            holding,
            task,
        }
    }

    /// The fencing token.
    pub fn token(&self) -> u64 {
        self.lease
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record
            .token
    }

    /// Stops renewing and lets the lock go.
    ///
    /// # Errors
    /// As [`RemoteLock::release`]; the lock then runs out by itself.
    pub async fn release(self) -> Result<(), LockError> {
        self.task.abort();
        let lease = self
            .lease
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.lock.release(&lease).await
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn renew(
    lock: Arc<dyn RemoteLock>,
    lease: Arc<Mutex<Lease>>,
    ttl: Duration,
    say: watch::Sender<Holding>,
) {
    loop {
        tokio::time::sleep(ttl / 3).await;
        let current = lease.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = Instant::now();
        match tokio::time::timeout(ttl, lock.renew(&current, ttl)).await {
            Ok(Ok(renewed)) => {
                *lease.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
                say.send_replace(Holding::Until(asked + ttl));
            }
            Ok(Err(LockError::Remote(error))) => {
                tracing::warn!(%error, "the lock was not renewed; trying again");
            }
            Ok(Err(error)) => {
                say.send_replace(Holding::Lost(error.to_string()));
                return;
            }
            Err(_) => tracing::warn!("the lock was not renewed in time; trying again"),
        }
    }
}

#[async_trait]
impl Fence for Renewal {
    async fn held(&self) -> Result<(), Error> {
        match &*self.holding.borrow() {
            Holding::Until(end) if Instant::now() < *end => Ok(()),
            Holding::Until(_) => Err(Error::new(
                ErrorKind::Conflict,
                "holding the lock",
                "it could not be renewed before it ran out",
            )),
            Holding::Lost(why) => Err(Error::new(
                ErrorKind::Conflict,
                "holding the lock",
                why.clone(),
            )),
        }
    }
}

/// A remote lock in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryLock {
    record: Mutex<Option<(LockRecord, u64)>>,
}

impl MemoryLock {
    fn put(slot: &mut Option<(LockRecord, u64)>, record: LockRecord) -> Lease {
        let revision = slot.as_ref().map_or(1, |(_, revision)| revision + 1);
        *slot = Some((record.clone(), revision));
        Lease {
            record,
            revision: revision.to_string(),
        }
    }

    fn held(record: &LockRecord) -> LockError {
        LockError::Held {
            lock: "memory".to_owned(),
            owner: Some(Box::new(record.holder())),
            expires: Some(record.expires),
        }
    }
}

#[async_trait]
impl RemoteLock for MemoryLock {
    async fn acquire(&self, owner: &Owner, ttl: Duration) -> Result<Lease, LockError> {
        let mut slot = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        let token = match &*slot {
            Some((record, _)) if !record.expired(now) => return Err(Self::held(record)),
            Some((record, _)) => record.token + 1,
            None => 1,
        };
        Ok(Self::put(
            &mut slot,
            LockRecord::new(owner, token, ttl, now),
        ))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease, LockError> {
        let mut slot = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some((_, revision)) if revision.to_string() == lease.revision => {
                let record = lease.record.renewed(ttl, Timestamp::now());
                Ok(Self::put(&mut slot, record))
            }
            Some((record, _)) => Err(LockError::Lost {
                lock: "memory".to_owned(),
                why: format!("{} holds it", record.holder()),
            }),
            None => Err(LockError::Lost {
                lock: "memory".to_owned(),
                why: "it is gone".to_owned(),
            }),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), LockError> {
        let mut slot = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*slot, Some((record, _)) if record.token == lease.record.token) {
            let mut record = lease.record.clone();
            record.expires = Timestamp::now();
            Self::put(&mut slot, record);
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<LockRecord>, LockError> {
        Ok(self
            .record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|(record, _)| record.clone()))
    }

    async fn take_over(
        &self,
        token: u64,
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Lease, LockError> {
        let mut slot = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some((record, _)) if record.token == token => {
                let next = LockRecord::new(owner, token + 1, ttl, Timestamp::now());
                Ok(Self::put(&mut slot, next))
            }
            Some((record, _)) => Err(Self::held(record)),
            None => Err(LockError::Lost {
                lock: "memory".to_owned(),
                why: "it was never taken".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_lock_names_its_holder_and_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let owner = Owner::current();
        let first = LocalLock::acquire(&path, &owner).unwrap();
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        match LocalLock::acquire(&path, &owner) {
            Err(error @ LockError::Held { .. }) => {
                assert!(error.to_string().contains(&owner.host), "{error}")
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        LocalLock::acquire(&path, &owner).unwrap();
    }

    #[test]
    fn a_local_lock_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("precious");
        std::fs::write(&target, "kept").unwrap();
        let path = folder.path().join("lock");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(
            LocalLock::acquire(&path, &Owner::current()),
            Err(LockError::Io { .. })
        ));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "kept");
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_grow_and_a_robbed_holder_is_fenced_off() {
        let ttl = Duration::from_secs(30);
        let lock = Arc::new(MemoryLock::default());
        let owner = Owner::current();
        let first = Renewal::acquire(lock.clone(), &owner, ttl).await.unwrap();
        assert!(matches!(
            lock.acquire(&owner, ttl).await,
            Err(LockError::Held { .. })
        ));
        tokio::time::sleep(ttl * 3).await;
        first.held().await.unwrap();
        let second = lock.take_over(first.token(), &owner, ttl).await.unwrap();
        assert!(second.record.token > first.token());
        tokio::time::sleep(ttl).await;
        assert!(!first.held().await.unwrap_err().kind.retryable());
        lock.release(&second).await.unwrap();
        assert!(lock.acquire(&owner, ttl).await.unwrap().record.token > second.record.token);
    }

    #[tokio::test]
    async fn the_lock_of_a_dead_process_beside_us_is_taken_over() {
        let ttl = Duration::from_secs(30);
        let ours = Owner::current();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = Owner {
            pid: child.id(),
            ..ours.clone()
        };
        child.wait().unwrap();
        let elsewhere = Owner {
            space: "another machine".to_owned(),
            ..dead.clone()
        };
        for (holder, free) in [(&ours, false), (&elsewhere, false), (&dead, true)] {
            let lock = Arc::new(MemoryLock::default());
            let first = lock.acquire(holder, ttl).await.unwrap();
            let second = Renewal::acquire(lock, &ours, ttl).await;
            assert_eq!(second.is_ok(), free, "{holder}");
            if let Ok(second) = second {
                assert!(second.token() > first.record.token);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_store_ends_the_holding_in_time() {
        struct Gone(MemoryLock);
        #[async_trait]
        impl RemoteLock for Gone {
            async fn acquire(&self, owner: &Owner, ttl: Duration) -> Result<Lease, LockError> {
                self.0.acquire(owner, ttl).await
            }
            async fn renew(&self, _: &Lease, _: Duration) -> Result<Lease, LockError> {
                Err(Error::new(ErrorKind::Unreachable, "renew", "gone").into())
            }
            async fn release(&self, lease: &Lease) -> Result<(), LockError> {
                self.0.release(lease).await
            }
            async fn read(&self) -> Result<Option<LockRecord>, LockError> {
                self.0.read().await
            }
            async fn take_over(
                &self,
                token: u64,
                owner: &Owner,
                ttl: Duration,
            ) -> Result<Lease, LockError> {
                self.0.take_over(token, owner, ttl).await
            }
        }
        let ttl = Duration::from_secs(30);
        let held = Renewal::acquire(
            Arc::new(Gone(MemoryLock::default())),
            &Owner::current(),
            ttl,
        )
        .await
        .unwrap();
        tokio::time::sleep(ttl - Duration::from_secs(1)).await;
        held.held().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(held.held().await.is_err());
    }
}
