//! One thread, alive until this process ends, that starts and watches all children.
//!
//! The kernel sends a child its parent-death signal when the *thread* that started it ends, and a runtime may end a
//! thread whenever it likes. So every child is started from this one, whose own little runtime outlives all tests and
//! all other runtimes of the process.

use std::future::Future;
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

static BACKGROUND: OnceLock<std::result::Result<Handle, String>> = OnceLock::new();

fn handle() -> Result<&'static Handle> {
    BACKGROUND
        .get_or_init(|| {
            let (send, receive) = std::sync::mpsc::sync_channel(1);
            let run = move || match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    _ = send.send(Ok(runtime.handle().clone()));
                    runtime.block_on(std::future::pending::<()>());
                }
                Err(error) => _ = send.send(Err(error.to_string())),
            };
            thread::Builder::new()
                .name("sandbox".to_owned())
                .spawn(run)
                .map_err(|error| error.to_string())?;
            receive.recv().map_err(|error| error.to_string())?
        })
        .as_ref()
        .map_err(|error| Error::Start {
            name: "the sandbox's thread".to_owned(),
            source: std::io::Error::other(error.clone()),
        })
}

/// Runs a task on the thread.
pub(crate) fn spawn<F>(task: F) -> Result<JoinHandle<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Ok(handle()?.spawn(task))
}

/// Runs a task on the thread and blocks the calling one until it is done.
pub(crate) fn wait<F>(task: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (send, receive) = std::sync::mpsc::sync_channel(1);
    spawn(async move { _ = send.send(task.await) })?;
    receive
        .recv()
        .map_err(|_| Error::Supervisor("a task of the sandbox's thread panicked".to_owned()))
}
