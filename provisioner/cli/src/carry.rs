//! Carries a plan out: locks, journal, scheduler, progress, Ctrl-C.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use executor::lock::{Fence, LocalLock, Owner, RemoteLock, Renewal, Unfenced};
use executor::scheduler::{End, Options, Outcome, Runner};
use executor::stop::{Level, Stop};
use executor::{Budget, Events, Providers, Scope};
use planner::{Inventory, Plan};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::{hints, paths, progress};

/// How long the remote lock holds without being renewed.
const LEASE: Duration = Duration::from_secs(60);

/// One run per environment at a time: held until dropped, by this process and, where there is a control bucket, against all others.
pub struct Held {
    _local: LocalLock,
    remote: Option<Arc<Renewal>>,
}

impl Held {
    /// Takes both locks, or says who has them.
    pub async fn take(
        environment: &str,
        remote: Option<Arc<dyn RemoteLock>>,
    ) -> Result<Self, Failure> {
        let owner = Owner::current();
        let folder = paths::runs(environment)?;
        private_folder(&folder)?;
        let local = LocalLock::acquire(&folder.join("lock"), &owner)
            .map_err(|error| hints::of_lock(environment, &error))?;
        let remote = match remote {
            Some(lock) => Some(Arc::new(
                Renewal::acquire(lock, &owner, LEASE)
                    .await
                    .map_err(|error| hints::of_lock(environment, &error))?,
            )),
            None => None,
        };
        Ok(Self {
            _local: local,
            remote,
        })
    }

    fn fence(&self) -> Arc<dyn Fence> {
        match &self.remote {
            Some(renewal) => Arc::clone(renewal) as Arc<dyn Fence>,
            None => Arc::new(Unfenced),
        }
    }

    /// Lets the remote lock go.
    pub async fn release(self, environment: &str) -> Result<(), Failure> {
        match self.remote.and_then(Arc::into_inner) {
            Some(renewal) => renewal
                .release()
                .await
                .map_err(|error| hints::of_lock(environment, &error)),
            None => Ok(()),
        }
    }
}

/// Makes a folder of run records, readable by its owner only.
pub fn private_folder(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| {
            Failure::of(
                format!("the folder `{}` can't be made", folder.display()),
                &error,
            )
        })
}

/// Runs the plan to its end, or resumes it where its journal ends.
pub async fn out(
    plan: &Plan,
    providers: &Providers,
    (scope, inventory): (Scope, &Inventory),
    budgets: BTreeMap<String, Budget>,
    held: &Held,
    journal: &mut executor::Journal,
    printer: &Printer,
) -> Result<Outcome, Failure> {
    let mut options = Options::new(scope);
    options.budgets = budgets;
    let ours = |object: &&planner::Observed| object.generation == plan.target.generation;
    options.known = inventory
        .objects
        .iter()
        .filter(ours)
        .map(|object| (object.address.clone(), object.outputs.clone()))
        .collect::<BTreeMap<_, _>>();
    options.objects = inventory.objects.iter().filter(ours).cloned().collect();
    let stop = Stop::default();
    let (events, heard) = Events::channel();
    let runner = Runner {
        plan,
        providers,
        options,
        fence: held.fence(),
        stop: stop.clone(),
        events,
    };
    let interrupts = tokio::spawn(interrupts(stop, printer.clone()));
    let (outcome, ()) = tokio::join!(
        async {
            let outcome = runner.resume(journal).await;
            drop(runner);
            outcome
        },
        progress::show(plan, heard, printer)
    );
    interrupts.abort();
    outcome.map_err(|error| {
        Failure::of("the run broke off", &error).hint(format!(
            "what is done stays done; put it right and run `rebuild resume --env {}`",
            plan.target.environment
        ))
    })
}

/// First Ctrl-C: finish what is in flight. Second: stop now.
async fn interrupts(stop: Stop, printer: Printer) {
    while tokio::signal::ctrl_c().await.is_ok() {
        match stop.request() {
            Level::Run => {}
            Level::Drain => {
                printer.note("stopping when what is in flight is done; Ctrl-C again stops now")
            }
            Level::Now => {
                printer.note("stopping now; `rebuild resume` looks at what was in flight")
            }
        }
    }
}

/// What an outcome means for the exit code.
pub fn verdict(outcome: &Outcome, environment: &str) -> Result<Exit, Failure> {
    match &outcome.end {
        End::Complete => Ok(Exit::Done),
        End::Interrupted(_) => Err(Failure::new("interrupted")
            .because(format!(
                "{} steps done, {} not run, {} of unknown end",
                outcome.done.len(),
                outcome.not_run.len(),
                outcome.unknown.len()
            ))
            .hint(format!("go on with `rebuild resume --env {environment}`"))
            .exit(Exit::Interrupted)),
        End::Failed => {
            let mut failure = Failure::new(format!(
                "{} steps failed, {} were not run",
                outcome.failures.len(),
                outcome.not_run.len()
            ));
            for failed in &outcome.failures {
                failure = failure.because(format!(
                    "{} ({} attempts): {}",
                    failed.step, failed.attempts, failed.why
                ));
            }
            let mut advice: Vec<String> = outcome
                .failures
                .iter()
                .map(|failed| {
                    let provider = failed
                        .step
                        .split_once(' ')
                        .and_then(|(_, address)| address.split('.').next())
                        .unwrap_or_default();
                    hints::provider(provider, failed.kind)
                })
                .collect();
            advice.sort();
            advice.dedup();
            for hint in advice {
                failure = failure.hint(hint);
            }
            Err(failure.hint(format!(
                "then go on with `rebuild resume --env {environment}`"
            )))
        }
    }
}
