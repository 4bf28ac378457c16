//! A working provider that keeps its objects in memory: for the executor's own tests and for trying the planner without a cloud.
//!
//! It behaves as a cloud does where that matters: creates are idempotent by token, a spec may name only objects that exist, an object
//! that another one names can't be removed, what is not ours is not touched. Calls can be made to fail before or after their effect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use planner::canonical::digest_bytes;
use planner::reference::Outputs;
use planner::{Action, Address, Foreign, Inventory, Observed};
use serde_json::Value;

use crate::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};

/// Every object's id begins so.
const ID: &str = "mem-";

/// Which calls a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Provider::ensure`].
    Ensure,
    /// [`Provider::remove`].
    Remove,
    /// [`Provider::observe`].
    Observe,
}

/// Whether the effect came about all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It did not.
    Before,
    /// It did; only the answer was lost.
    After,
}

/// A failure to come.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Meets these calls.
    pub call: Call,
    /// Meets calls on this address only.
    pub address: Option<Address>,
    /// Lets so many such calls pass first.
    pub skip: u32,
    /// Then fails so many.
    pub times: u32,
    /// With this kind.
    pub kind: ErrorKind,
    /// Before or after the effect.
    pub when: When,
}

/// An object, as the memory keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Whose it is.
    pub environment: String,
    /// What observing shows.
    pub observed: Observed,
    /// Token of the step that last changed it.
    pub token: String,
    /// How often it was changed since it was made.
    pub changes: u32,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, Object>,
    foreign: Vec<Foreign>,
    faults: Vec<Fault>,
    random: Option<(fastrand::Rng, f64)>,
    mutations: u64,
}

/// What exists, shared by all providers made on it.
#[derive(Clone, Debug, Default)]
pub struct World(Arc<Mutex<Inner>>);

impl World {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Plans a failure.
    pub fn fail(&self, fault: Fault) {
        self.with(|inner| inner.faults.push(fault));
    }

    /// Lets every call fail with this probability, before or after its effect, retryably or not, as the seed says.
    pub fn fail_randomly(&self, seed: u64, probability: f64) {
        self.with(|inner| inner.random = Some((fastrand::Rng::with_seed(seed), probability)));
    }

    /// Ends all failures.
    pub fn heal(&self) {
        self.with(|inner| {
            inner.faults.clear();
            inner.random = None;
        });
    }

    /// Puts something that is not ours in an address's place.
    pub fn put_foreign(&self, foreign: Foreign) {
        self.with(|inner| inner.foreign.push(foreign));
    }

    /// Puts an object of ours there, as if an earlier run had made it, and gives it back.
    pub fn put(&self, environment: &str, observed: Observed) -> Observed {
        let object = Object {
            environment: environment.to_owned(),
            observed: observed.clone(),
            token: String::new(),
            changes: 0,
        };
        self.with(|inner| inner.objects.insert(observed.id.clone(), object));
        observed
    }

    /// All objects.
    pub fn objects(&self) -> Vec<Object> {
        self.with(|inner| inner.objects.values().cloned().collect())
    }

    /// How many effects there were; a call that found everything done is none.
    pub fn mutations(&self) -> u64 {
        self.with(|inner| inner.mutations)
    }

    fn fault(&self, call: Call, address: Option<&Address>) -> Option<(ErrorKind, When)> {
        self.with(|inner| {
            for fault in &mut inner.faults {
                let meets = fault.call == call
                    && (fault.address.is_none() || fault.address.as_ref() == address);
                if !meets || fault.times == 0 {
                    continue;
                }
                if fault.skip > 0 {
                    fault.skip -= 1;
                    continue;
                }
                fault.times -= 1;
                return Some((fault.kind, fault.when));
            }
            let (random, probability) = inner.random.as_mut()?;
            if random.f64() >= *probability {
                return None;
            }
            let kind = *random.choice(
                [
                    ErrorKind::Server,
                    ErrorKind::Throttled,
                    ErrorKind::Unreachable,
                    ErrorKind::NotYet,
                    ErrorKind::Denied,
                ]
                .iter(),
            )?;
            Some((
                kind,
                if random.bool() {
                    When::Before
                } else {
                    When::After
                },
            ))
        })
    }
}

/// A provider of the objects whose addresses begin with its name.
#[derive(Clone, Debug)]
pub struct Memory {
    name: &'static str,
    world: World,
    budget: Budget,
}

impl Memory {
    /// A provider on a world, without a limit to its rate.
    pub fn new(name: &'static str, world: &World) -> Self {
        Self {
            name,
            world: world.clone(),
            budget: Budget {
                concurrency: 8,
                rate: 0.0,
                burst: 1,
            },
        }
    }

    /// The same with another budget.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }
}

impl Inner {
    fn apply(&mut self, request: &Ensure<'_>) -> Result<Outputs, Error> {
        let (step, scope) = (request.step, request.scope);
        let fail = |kind, why: String| Err(Error::new(kind, &step.id, why));
        if let Some(foreign) = self
            .foreign
            .iter()
            .find(|foreign| foreign.address == step.address)
        {
            return fail(
                ErrorKind::Foreign,
                format!("{}: {}", foreign.id, foreign.why),
            );
        }
        if step.action == Action::Check {
            return Ok(Outputs::new());
        }
        let mut named = Vec::new();
        ids(&request.spec, &mut named);
        if let Some(missing) = named.iter().find(|id| !self.objects.contains_key(*id)) {
            return fail(ErrorKind::Invalid, format!("there is no `{missing}`"));
        }
        if step.action == Action::Open {
            let object = self.objects.values_mut().find(|object| {
                object.environment == scope.environment
                    && object.observed.generation == scope.generation
                    && object.observed.address == step.address
            });
            let Some(object) = object else {
                return fail(ErrorKind::Conflict, "the object is gone".to_owned());
            };
            if object.observed.spec != request.spec {
                object.observed.spec = request.spec.clone();
                object.changes += 1;
                self.mutations += 1;
            }
            return Ok(object.observed.outputs.clone());
        }
        if matches!(step.action, Action::Update | Action::Rotate) {
            let object = step.object.as_ref().and_then(|id| self.objects.get_mut(id));
            let Some(object) = object.filter(|object| object.environment == scope.environment)
            else {
                return fail(ErrorKind::Conflict, "the object is gone".to_owned());
            };
            if object.token != step.token {
                object.token.clone_from(&step.token);
                object.observed.spec = request.spec.clone();
                object.changes += 1;
                object
                    .observed
                    .outputs
                    .insert("version".to_owned(), Value::from(object.changes));
                self.mutations += 1;
            }
            return Ok(object.observed.outputs.clone());
        }
        let key = format!(
            "{}\n{}\n{}\n{}",
            scope.environment, scope.generation, step.address, step.token
        );
        let id = format!("{ID}{}", &digest_bytes(key.as_bytes())[..12]);
        if let Some(object) = self.objects.get(&id) {
            return Ok(object.observed.outputs.clone());
        }
        let taken = self.objects.values().any(|object| {
            object.environment == scope.environment
                && object.observed.generation == scope.generation
                && object.observed.address == step.address
        });
        if taken && step.action != Action::Replace {
            return fail(
                ErrorKind::Conflict,
                "it exists already with another spec".to_owned(),
            );
        }
        let outputs = Outputs::from([
            ("id".to_owned(), Value::from(id.as_str())),
            ("version".to_owned(), Value::from(0)),
        ]);
        let observed = Observed {
            address: step.address.clone(),
            generation: scope.generation.clone(),
            id: id.clone(),
            spec: request.spec.clone(),
            outputs: outputs.clone(),
            digest: (!step.digest.is_empty()).then(|| step.digest.clone()),
            ready: true,
            marks: BTreeMap::new(),
        };
        self.objects.insert(
            id,
            Object {
                environment: scope.environment.clone(),
                observed,
                token: step.token.clone(),
                changes: 0,
            },
        );
        self.mutations += 1;
        Ok(outputs)
    }

    fn remove(&mut self, object: &Observed) -> Result<(), Error> {
        for (id, other) in &self.objects {
            let mut named = Vec::new();
            ids(&other.observed.spec, &mut named);
            if *id != object.id && named.contains(&object.id) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("remove {}", object.address),
                    format!("`{id}` still uses it"),
                ));
            }
        }
        if self.objects.remove(&object.id).is_some() {
            self.mutations += 1;
        }
        Ok(())
    }
}

/// Every id of ours that a spec names.
fn ids(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with(ID) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Object(map) => map.values().for_each(|item| ids(item, found)),
        _ => {}
    }
}

#[async_trait]
impl Provider for Memory {
    fn name(&self) -> &'static str {
        self.name
    }

    fn budget(&self) -> Budget {
        self.budget
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity {
            principal: "memory".to_owned(),
            ..Identity::default()
        })
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        if let Some((kind, _)) = self.world.fault(Call::Observe, None) {
            return Err(Error::new(
                kind,
                format!("observe {}", self.name),
                "injected",
            ));
        }
        self.world.with(|inner| {
            let objects = inner
                .objects
                .values()
                .filter(|object| {
                    object.environment == scope.environment
                        && object.observed.address.provider() == self.name
                })
                .map(|object| object.observed.clone())
                .collect();
            let foreign = inner
                .foreign
                .iter()
                .filter(|foreign| foreign.address.provider() == self.name)
                .cloned()
                .collect();
            let mut inventory = Inventory::default();
            inventory.merge(Inventory { objects, foreign });
            Ok(inventory)
        })
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let fault = self.world.fault(Call::Ensure, Some(&request.step.address));
        let injected = |kind| Err(Error::new(kind, &request.step.id, "injected"));
        if let Some((kind, When::Before)) = fault {
            return injected(kind);
        }
        tokio::task::yield_now().await;
        let outputs = self.world.with(|inner| inner.apply(&request))?;
        tokio::task::yield_now().await;
        match fault {
            Some((kind, _)) => injected(kind),
            None => Ok(outputs),
        }
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let fault = self.world.fault(Call::Remove, Some(&object.address));
        let injected = |kind| {
            Err(Error::new(
                kind,
                format!("remove {}", object.address),
                "injected",
            ))
        };
        if let Some((kind, When::Before)) = fault {
            return injected(kind);
        }
        tokio::task::yield_now().await;
        self.world.with(|inner| inner.remove(object))?;
        tokio::task::yield_now().await;
        match fault {
            Some((kind, _)) => injected(kind),
            None => Ok(()),
        }
    }
}
