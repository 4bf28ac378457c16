//! Runs a plan's steps: each when those before it are done, within its provider's budget, until done, failed or stopped.
//!
//! # Guarantees
//! A step's start is durable before its effect begins. A failed step stops its dependents and nothing else. Dropping the future at any
//! await leaves a journal that [`Runner::resume`] goes on from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use planner::reference::{Outputs, references, resolve};
use planner::{Action, Address, Observed, Plan, Reference, Step};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attempt::{Attempt, Effect, Ending, tokens};
use crate::budget::Bucket;
use crate::event::{Event, Events, WaitsFor};
use crate::graph::Graph;
use crate::journal::{Entry, Interruption, Journal, JournalError};
use crate::lock::Fence;
use crate::provider::{Budget, Error, ErrorKind, Provider, Scope};
use crate::state::{Illegal, RunState, Status, StepState, fold};
use crate::stop::{Level, Stop};

/// Longest failure text that is kept, bytes.
const LONGEST_WHY: usize = 4096;

/// The providers, by the first part of the addresses they serve.
#[derive(Clone, Default)]
pub struct Providers(BTreeMap<String, Arc<dyn Provider>>);

impl Providers {
    /// Adds one, in place of another of the same name.
    pub fn insert(&mut self, provider: Arc<dyn Provider>) {
        self.0.insert(provider.name().to_owned(), provider);
    }

    /// The provider of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Provider>)> {
        self.0
            .iter()
            .map(|(name, provider)| (name.as_str(), provider))
    }
}

/// What a run needs besides its plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Passed to providers; must be the plan's environment and generation.
    pub scope: Scope,
    /// Outputs of existing objects that the plan leaves as they are.
    pub known: BTreeMap<Address, Outputs>,
    /// All of our objects as observed just before the run: what is not here is gone and needs no removing.
    pub objects: Vec<Observed>,
    /// Budgets that take the place of the providers' own, by provider.
    pub budgets: BTreeMap<String, Budget>,
    /// Attempts at a step, the first included.
    pub attempts: u32,
    /// Longest time for one step, its retries included. A step whose estimate is above a quarter of it gets four times its estimate, and one
    /// that says itself how long it waits (`deadline`, seconds) gets that in addition.
    pub deadline: Duration,
    /// Longest first delay before a retry; it doubles each time.
    pub backoff: Duration,
    /// Longest delay.
    pub backoff_cap: Duration,
    /// Makes delays repeatable, for tests.
    pub seed: Option<u64>,
}

impl Options {
    /// The usual: 8 attempts, half a second doubling up to 20 seconds, 15 minutes.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            known: BTreeMap::new(),
            objects: Vec::new(),
            budgets: BTreeMap::new(),
            attempts: 8,
            deadline: Duration::from_secs(15 * 60),
            backoff: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(20),
            seed: None,
        }
    }
}

/// Why a run did not take place or had to break off. What failed in a step is in the [`Outcome`] instead.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan can't be run.
    #[error("the plan can't be run: {0}")]
    Plan(String),
    /// No such provider.
    #[error("no provider `{0}`, which the plan needs")]
    NoProvider(String),
    /// The journal can't be written; steps in flight were finished, nothing new was begun.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal is not one of this plan.
    #[error("the journal does not fit the plan")]
    Illegal(#[from] Illegal),
    /// The journal holds a run already.
    #[error("the journal holds a run already; it can only be resumed")]
    NotFresh,
    /// What unknown steps left could not be looked at.
    #[error("steps of unknown end could not be looked at")]
    Observe(#[source] Error),
}

/// One failed step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its id.
    pub step: String,
    /// Kind of failure.
    pub kind: ErrorKind,
    /// What failed and why.
    pub why: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is done.
    Complete,
    /// Steps failed; what did not depend on them is done.
    Failed,
    /// Stopped, resumable.
    Interrupted(Interruption),
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Ids of steps done, earlier sessions included.
    pub done: Vec<String>,
    /// What failed in this session.
    pub failures: Vec<Failure>,
    /// Ids of steps not run.
    pub not_run: Vec<String>,
    /// Ids of steps whose end is unknown.
    pub unknown: Vec<String>,
    /// Outputs of the steps done, by address.
    pub outputs: BTreeMap<Address, Outputs>,
}

/// Everything that carries out a plan.
pub struct Runner<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Who carries it out.
    pub providers: &'a Providers,
    /// How.
    pub options: Options,
    /// Whether we still may.
    pub fence: Arc<dyn Fence>,
    /// Asked to stop here.
    pub stop: Stop,
    /// Told here.
    pub events: Events,
}

impl Runner<'_> {
    /// Runs the plan from its beginning, in a new journal.
    ///
    /// # Errors
    /// [`RunError`]; a failing step is none.
    pub async fn run(&self, journal: &mut Journal) -> Result<Outcome, RunError> {
        if !journal.records().is_empty() {
            return Err(RunError::NotFresh);
        }
        self.resume(journal).await
    }

    /// Goes on with a run where its journal ends; runs it from its beginning if that is empty. Steps that failed are tried again.
    ///
    /// Providers of steps whose end is unknown are asked first what is there.
    ///
    /// # Errors
    /// [`RunError`]; a failing step is none.
    pub async fn resume(&self, journal: &mut Journal) -> Result<Outcome, RunError> {
        let graph = self.check()?;
        let state = fold(self.plan, journal.records())?;
        let mut session = Session::new(self, graph, &state);
        match state.status {
            Status::Complete => return Ok(session.outcome(End::Complete)),
            Status::Empty => {
                let target = &self.plan.target;
                let (environment, generation) =
                    (target.environment.clone(), target.generation.clone());
                journal.append(Entry::Run {
                    plan: self.plan.hash.clone(),
                    environment,
                    generation,
                })?;
                self.events.tell(Event::RunStarted {
                    plan: self.plan.hash.clone(),
                    steps: self.plan.steps.len(),
                });
            }
            Status::Running | Status::Interrupted | Status::Failed => {
                let unknown = state.unknown(self.plan);
                self.events.tell(Event::Resuming {
                    done: state.done(self.plan).len(),
                    failed: state.failed(self.plan),
                    unknown: unknown.clone(),
                });
                session.look(&unknown).await?;
                journal.append(Entry::Resumed {})?;
            }
        }
        session.go(journal).await
    }

    fn check(&self) -> Result<Graph, RunError> {
        let (plan, scope) = (self.plan, &self.options.scope);
        let refuse = |why: &str| Err(RunError::Plan(why.to_owned()));
        if plan.format != planner::plan::FORMAT {
            return refuse("it is of another format");
        }
        match plan.computed_hash() {
            Ok(hash) if hash == plan.hash => {}
            _ => return refuse("its hash does not match: it was changed after planning"),
        }
        if plan.is_blocked() {
            return refuse("a finding forbids it");
        }
        if scope.environment != plan.target.environment
            || scope.generation != plan.target.generation
        {
            return refuse("it is for another environment or generation");
        }
        for step in &plan.steps {
            if self.providers.get(step.address.provider()).is_none() {
                return Err(RunError::NoProvider(step.address.provider().to_owned()));
            }
        }
        Graph::of(plan)
    }
}

/// How long a step may take with all its retries.
fn longest(usual: Duration, step: &Step) -> Duration {
    let waits = step
        .spec
        .get("deadline")
        .and_then(serde_json::Value::as_u64);
    usual
        .max(Duration::from_secs(4 * u64::from(step.seconds)))
        .saturating_add(Duration::from_secs(waits.unwrap_or(0)))
}

/// What limits one provider.
struct Lane {
    concurrency: usize,
    running: usize,
    bucket: Arc<Bucket>,
}

/// One process's part of a run.
struct Session<'a> {
    runner: &'a Runner<'a>,
    graph: Graph,
    scope: Arc<Scope>,
    states: Vec<StepState>,
    objects: HashMap<(Address, String), Observed>,
    /// Steps that an observation showed something foreign at.
    blocked: HashMap<usize, Error>,
    begun: Vec<Option<Instant>>,
    told_waiting: HashSet<usize>,
    lanes: HashMap<String, Lane>,
    failures: Vec<Failure>,
    running: usize,
    lock_lost: bool,
    journal_error: Option<JournalError>,
    random: fastrand::Rng,
}

impl<'a> Session<'a> {
    fn new(runner: &'a Runner<'a>, graph: Graph, state: &RunState) -> Self {
        let mut lanes = HashMap::new();
        for (name, provider) in runner.providers.iter() {
            let budget = runner
                .options
                .budgets
                .get(name)
                .copied()
                .unwrap_or_else(|| provider.budget());
            lanes.insert(
                name.to_owned(),
                Lane {
                    concurrency: budget.concurrency.max(1),
                    running: 0,
                    bucket: Arc::new(Bucket::new(budget)),
                },
            );
        }
        let objects = runner
            .options
            .objects
            .iter()
            .map(|object| ((object.address.clone(), object.id.clone()), object.clone()))
            .collect();
        Self {
            runner,
            graph,
            scope: Arc::new(runner.options.scope.clone()),
            states: state.steps.clone(),
            objects,
            blocked: HashMap::new(),
            begun: vec![None; state.steps.len()],
            told_waiting: HashSet::new(),
            lanes,
            failures: Vec::new(),
            running: 0,
            lock_lost: false,
            journal_error: None,
            random: runner
                .options
                .seed
                .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
        }
    }

    fn step(&self, at: usize) -> &'a Step {
        &self.runner.plan.steps[at]
    }

    /// Observes what steps of unknown end have left. What it finds takes the place of what the caller observed there.
    async fn look(&mut self, unknown: &[String]) -> Result<(), RunError> {
        let steps: Vec<usize> = unknown
            .iter()
            .filter_map(|id| self.graph.index.get(id).copied())
            .filter(|&at| self.step(at).action.mutates())
            .collect();
        let mut names: Vec<&str> = steps
            .iter()
            .map(|&at| self.step(at).address.provider())
            .collect();
        names.sort_unstable();
        names.dedup();
        let runner = self.runner;
        for name in names {
            let provider = runner
                .providers
                .get(name)
                .ok_or_else(|| RunError::NoProvider(name.to_owned()))?;
            let mut attempt = 1;
            let inventory = loop {
                match provider.observe(&self.scope).await {
                    Ok(inventory) => break inventory,
                    Err(error)
                        if error.kind.retryable() && attempt < self.runner.options.attempts =>
                    {
                        let factor = f64::from(attempt) * self.random.f64();
                        tokio::time::sleep(
                            self.runner
                                .options
                                .backoff
                                .mul_f64(factor)
                                .min(self.runner.options.backoff_cap),
                        )
                        .await;
                        attempt += 1;
                    }
                    Err(error) => return Err(RunError::Observe(error)),
                }
            };
            self.objects
                .retain(|(address, _), _| address.provider() != name);
            for (at, step) in steps
                .iter()
                .map(|&at| (at, &runner.plan.steps[at]))
                .filter(|(_, step)| step.address.provider() == name)
            {
                let present = inventory.objects.iter().any(|object| {
                    object.address == step.address && object.generation == self.scope.generation
                });
                self.runner.events.tell(Event::Observed {
                    step: step.id.clone(),
                    present,
                });
                let foreign = inventory
                    .foreign
                    .iter()
                    .find(|foreign| foreign.address == step.address);
                if let (Some(foreign), true) = (foreign, step.action != Action::Delete) {
                    self.blocked.insert(
                        at,
                        Error::new(
                            ErrorKind::Foreign,
                            &step.id,
                            format!("{}: {}", foreign.id, foreign.why),
                        ),
                    );
                }
            }
            self.objects.extend(
                inventory
                    .objects
                    .into_iter()
                    .map(|object| ((object.address.clone(), object.id.clone()), object)),
            );
        }
        Ok(())
    }

    async fn go(mut self, journal: &mut Journal) -> Result<Outcome, RunError> {
        let stop = self.runner.stop.clone();
        let mut tasks: JoinSet<Ending> = JoinSet::new();
        let mut at_task: HashMap<tokio::task::Id, usize> = HashMap::new();
        let mut told = Level::Run;
        loop {
            let level = stop.level();
            if level > told {
                told = level;
                let why = if level == Level::Now {
                    "told to stop now"
                } else {
                    "told to stop"
                };
                self.runner.events.tell(Event::Stopping {
                    running: self.running,
                    why: why.to_owned(),
                });
            }
            if level == Level::Now {
                tasks.shutdown().await;
                break;
            }
            let mut wake = None;
            if level == Level::Run && !self.lock_lost && self.journal_error.is_none() {
                wake = self.launch(journal, &mut tasks, &mut at_task);
            }
            if tasks.is_empty() && wake.is_none() {
                break;
            }
            let next = if told == Level::Run {
                Level::Drain
            } else {
                Level::Now
            };
            tokio::select! {
                biased;
                () = stop.reached(next) => {}
                Some(joined) = tasks.join_next_with_id() => {
                    let (id, ending) = match joined {
                        Ok((id, ending)) => (id, ending),
                        Err(error) => {
                            let error_text = if error.is_panic() { "the provider panicked" } else { "the step was cancelled" };
                            (error.id(), Ending::Failed { error: Error::new(ErrorKind::Server, "step", error_text), attempts: 1 })
                        }
                    };
                    if let Some(at) = at_task.remove(&id) {
                        self.ended(at, ending, journal);
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
        self.finish(journal)
    }

    /// Begins every step that may begin. Says when a step that waits for its provider's rate may.
    fn launch(
        &mut self,
        journal: &mut Journal,
        tasks: &mut JoinSet<Ending>,
        at_task: &mut HashMap<tokio::task::Id, usize>,
    ) -> Option<Instant> {
        let mut wake: Option<Instant> = None;
        for at in self.graph.order.clone() {
            let ready = self.begun[at].is_none()
                && !matches!(self.states[at], StepState::Done(_))
                && self.graph.dependencies[at]
                    .iter()
                    .all(|&on| matches!(self.states[on], StepState::Done(_)));
            if !ready {
                continue;
            }
            let step = self.step(at);
            let name = step.address.provider();
            // Asked first, since it is cheap and mostly true while much is ready.
            if self
                .lanes
                .get(name)
                .is_some_and(|lane| lane.running >= lane.concurrency)
            {
                self.waiting(at, WaitsFor::Concurrency);
                continue;
            }
            let effect = match self.effect(at) {
                Ok(effect) => effect,
                Err(error) => {
                    self.begun[at] = Some(Instant::now());
                    self.fail(at, &error, 0, journal);
                    if self.journal_error.is_some() {
                        return None;
                    }
                    continue;
                }
            };
            let taken = self
                .lanes
                .get(name)
                .map_or(Ok(()), |lane| lane.bucket.take(tokens(step)));
            if let Err(wait) = taken {
                let until = Instant::now() + wait.min(Duration::from_secs(3600));
                wake = Some(wake.map_or(until, |wake| wake.min(until)));
                self.waiting(at, WaitsFor::Rate);
                continue;
            }
            if let Err(error) = journal.append(Entry::Started {
                step: step.id.clone(),
            }) {
                self.journal_error = Some(error);
                return None;
            }
            let attempt = self.attempt(at, effect);
            if let (Some(lane), Some(attempt)) = (self.lanes.get_mut(name), attempt) {
                lane.running += 1;
                self.running += 1;
                self.begun[at] = Some(Instant::now());
                self.states[at] = StepState::Started;
                self.runner.events.tell(Event::StepStarted {
                    step: step.id.clone(),
                    address: step.address.clone(),
                    layer: step.layer,
                });
                at_task.insert(tasks.spawn(attempt.perform()).id(), at);
            }
        }
        wake
    }

    fn waiting(&mut self, at: usize, waits_for: WaitsFor) {
        if self.told_waiting.insert(at) {
            self.runner.events.tell(Event::Waiting {
                step: self.step(at).id.clone(),
                waits_for,
            });
        }
    }

    fn attempt(&mut self, at: usize, effect: Effect) -> Option<Attempt> {
        let (runner, step) = (self.runner, self.step(at));
        let options = &runner.options;
        Some(Attempt {
            step: step.clone(),
            effect,
            provider: Arc::clone(runner.providers.get(step.address.provider())?),
            scope: Arc::clone(&self.scope),
            fence: Arc::clone(&runner.fence),
            bucket: Arc::clone(&self.lanes.get(step.address.provider())?.bucket),
            stop: runner.stop.clone(),
            events: runner.events.clone(),
            attempts: options.attempts.max(1),
            deadline: longest(options.deadline, step),
            backoff: (options.backoff, options.backoff_cap),
            seed: self.random.u64(..),
        })
    }

    /// What is to be done for a step, its inputs filled in.
    fn effect(&self, at: usize) -> Result<Effect, Error> {
        let step = self.step(at);
        if let Some(error) = self.blocked.get(&at) {
            return Err(error.clone());
        }
        if step.action == Action::Delete {
            let Some(id) = &step.object else {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    &step.id,
                    "the plan does not say which object is to be deleted",
                ));
            };
            let found = self.objects.get(&(step.address.clone(), id.clone()));
            return Ok(found.map_or(Effect::Nothing, |object| {
                Effect::Remove(Box::new(object.clone()))
            }));
        }
        let spec = resolve(&step.spec, &|reference| self.lookup(reference));
        match references(&spec).first() {
            None => Ok(Effect::Ensure(spec)),
            Some(reference) => Err(Error::new(
                ErrorKind::Invalid,
                &step.id,
                format!("`{reference}` is not known when it is needed"),
            )),
        }
    }

    /// The value of a reference: of the steps done here if the plan touches that address at all, of what existed before otherwise.
    fn lookup(&self, reference: &Reference) -> Option<Value> {
        let mut planned = false;
        for (step, state) in self.runner.plan.steps.iter().zip(&self.states) {
            if step.address != reference.address
                || step.action == Action::Delete
                || !step.action.mutates()
            {
                continue;
            }
            planned = true;
            if let StepState::Done(outputs) = state
                && let Some(value) = outputs.get(&reference.attribute)
            {
                return Some(value.clone());
            }
        }
        if planned {
            None
        } else {
            self.runner
                .options
                .known
                .get(&reference.address)?
                .get(&reference.attribute)
                .cloned()
        }
    }

    fn ended(&mut self, at: usize, ending: Ending, journal: &mut Journal) {
        let step = self.step(at);
        self.running -= 1;
        if let Some(lane) = self.lanes.get_mut(step.address.provider()) {
            lane.running -= 1;
        }
        match ending {
            Ending::Done(outputs) => {
                // With a journal that can't be written the step's end stays unknown, as the next run will see it.
                if !self.write(
                    Entry::Done {
                        step: step.id.clone(),
                        outputs: outputs.clone(),
                    },
                    journal,
                ) {
                    return;
                }
                self.states[at] = StepState::Done(outputs);
                let took = self.begun[at]
                    .map(|begun| begun.elapsed())
                    .unwrap_or_default();
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                self.runner.events.tell(Event::StepDone {
                    step: step.id.clone(),
                    millis,
                });
            }
            Ending::Failed { error, attempts } => self.fail(at, &error, attempts, journal),
            Ending::Left => self.runner.events.tell(Event::StepLeft {
                step: step.id.clone(),
            }),
            Ending::LockLost(error) => {
                self.lock_lost = true;
                self.runner.events.tell(Event::Stopping {
                    running: self.running,
                    why: error.to_string(),
                });
                self.runner.events.tell(Event::StepLeft {
                    step: step.id.clone(),
                });
            }
        }
        self.progress();
    }

    fn fail(&mut self, at: usize, error: &Error, attempts: u32, journal: &mut Journal) {
        let step = self.step(at).id.clone();
        let mut why = error.to_string();
        why.truncate(why.floor_char_boundary(LONGEST_WHY));
        let kind = error.kind;
        self.states[at] = StepState::Failed {
            kind,
            why: why.clone(),
        };
        self.failures.push(Failure {
            step: step.clone(),
            kind,
            why: why.clone(),
            attempts,
        });
        self.write(
            Entry::Failed {
                step: step.clone(),
                kind,
                why: why.clone(),
                attempts,
            },
            journal,
        );
        self.runner.events.tell(Event::StepFailed {
            step,
            kind,
            why,
            attempts,
        });
    }

    /// Writes a record; after the first failure nothing more is begun or written.
    fn write(&mut self, entry: Entry, journal: &mut Journal) -> bool {
        if self.journal_error.is_some() {
            return false;
        }
        match journal.append(entry) {
            Ok(()) => true,
            Err(error) => {
                self.runner.events.tell(Event::Stopping {
                    running: self.running,
                    why: error.to_string(),
                });
                self.journal_error = Some(error);
                false
            }
        }
    }

    fn count(&self, test: fn(&StepState) -> bool) -> usize {
        self.states.iter().filter(|state| test(state)).count()
    }

    fn progress(&self) {
        self.runner.events.tell(Event::Progress {
            done: self.count(|state| matches!(state, StepState::Done(_))),
            failed: self.failures.len(),
            running: self.running,
            total: self.states.len(),
        });
    }

    fn finish(mut self, journal: &mut Journal) -> Result<Outcome, RunError> {
        if let Some(error) = self.journal_error {
            return Err(error.into());
        }
        let done = self.count(|state| matches!(state, StepState::Done(_)));
        let level = self.runner.stop.level();
        let failed = self.failures.len();
        let not_run = self.states.len() - done - failed;
        let end = if done == self.states.len() {
            End::Complete
        } else if self.lock_lost {
            End::Interrupted(Interruption::LockLost)
        } else if level == Level::Now {
            End::Interrupted(Interruption::Stopped)
        } else if level == Level::Drain {
            End::Interrupted(Interruption::Drained)
        } else {
            End::Failed
        };
        let entry = match end {
            End::Interrupted(reason) => Entry::Interrupted { reason },
            _ => Entry::Finished {
                done: done as u64,
                failed: failed as u64,
                not_run: not_run as u64,
            },
        };
        if !self.write(entry, journal)
            && let Some(error) = self.journal_error
        {
            return Err(error.into());
        }
        self.runner.events.tell(Event::RunFinished {
            done,
            failed,
            not_run,
        });
        Ok(self.outcome(end))
    }

    fn outcome(self, end: End) -> Outcome {
        let mut outcome = Outcome {
            end,
            done: Vec::new(),
            failures: self.failures,
            not_run: Vec::new(),
            unknown: Vec::new(),
            outputs: BTreeMap::new(),
        };
        let tried: HashSet<&str> = outcome
            .failures
            .iter()
            .map(|failure| failure.step.as_str())
            .collect();
        for (step, state) in self.runner.plan.steps.iter().zip(self.states) {
            match state {
                StepState::Done(outputs) => {
                    outcome.done.push(step.id.clone());
                    outcome
                        .outputs
                        .entry(step.address.clone())
                        .or_default()
                        .extend(outputs);
                }
                StepState::Started => outcome.unknown.push(step.id.clone()),
                StepState::Failed { .. } if tried.contains(step.id.as_str()) => {}
                StepState::Pending | StepState::Failed { .. } => {
                    outcome.not_run.push(step.id.clone())
                }
            }
        }
        outcome
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
