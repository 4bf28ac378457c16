//! Runs a plan with a crash after every record, with every step failing in turn, and in thousands of seeded sessions of faults and
//! crashes: the end state is always the same.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use executor::journal::{Interruption, Store, parse};
use executor::memory::{Call, Fault, Memory, When, World};
use executor::*;
use planner::identity::client_token;
use planner::plan::{Estimates, Target};
use planner::reference::Outputs;
use planner::{
    Action, Finding, Foreign, Generation, Inventory, Layer, Observed, Plan, Severity, Step,
};
use serde_json::json;

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

fn generation() -> Generation {
    "20261124-7f3a".parse().unwrap()
}

fn scope() -> Scope {
    Scope {
        environment: "sandbox".into(),
        generation: generation(),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    }
}

fn step(action: Action, address: &str, depends_on: &[String], spec: serde_json::Value) -> Step {
    let address: planner::Address = address.parse().unwrap();
    let verb = serde_json::to_value(action).unwrap();
    Step {
        id: format!("{} {address}", verb.as_str().unwrap()),
        action,
        layer: Layer::Network,
        depends_on: depends_on.to_vec(),
        token: client_token(&generation(), &address, &planner::canonical::digest(&spec)),
        address,
        spec,
        object: None,
        changes: Vec::new(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    }
}

fn sealed(steps: Vec<Step>) -> Plan {
    let mut plan = Plan {
        format: planner::plan::FORMAT,
        tool: "test".into(),
        created: "2026-11-24T00:00:00Z".parse().unwrap(),
        scenario: planner::Scenario::FullLoss,
        incident: None,
        target: Target {
            environment: "sandbox".into(),
            generation: generation(),
            fresh: true,
            places: BTreeMap::new(),
        },
        inputs: BTreeMap::new(),
        backup: None,
        steps,
        unchanged: Vec::new(),
        findings: Vec::new(),
        estimates: Estimates::default(),
        hash: String::new(),
    };
    plan.hash = plan.computed_hash().unwrap();
    plan
}

/// 33 steps: creates in layers of diamonds over three providers, an update, a rotation, a chain of deletes, checks at the end.
/// The world holds what is to be updated, rotated and deleted.
fn plan(world: &World) -> (Plan, Options) {
    let old = |name: &str, spec: serde_json::Value| {
        let observed = |id: &str| Observed {
            address: format!("alpha.old.{name}").parse().unwrap(),
            generation: generation(),
            id: id.to_owned(),
            spec: spec.clone(),
            outputs: Outputs::from([("id".to_owned(), json!(id))]),
            digest: None,
            ready: true,
            marks: BTreeMap::new(),
        };
        world.put("sandbox", observed(&format!("mem-old-{name}")))
    };
    let objects = vec![
        old("a", json!({})),
        old("b", json!({"on": "mem-old-a"})),
        old("c", json!({"on": ["mem-old-b", "mem-old-a"]})),
        old("kept", json!({"size": 1})),
        old("secret", json!({"bytes": 32})),
        old("stays", json!({})),
    ];
    let mut steps = Vec::new();
    for layer in 0..6 {
        for column in 0..4 {
            let address = format!("{}.thing.l{layer}c{column}", NAMES[(layer + column) % 3]);
            let below: Vec<String> = match layer {
                0 => Vec::new(),
                _ => [column, (column + 1) % 4]
                    .map(|c| format!("{}.thing.l{}c{c}", NAMES[(layer - 1 + c) % 3], layer - 1))
                    .to_vec(),
            };
            let mut on: Vec<serde_json::Value> = below
                .iter()
                .map(|address| json!({"unknown": format!("{address}/id")}))
                .collect();
            on.push(json!({"unknown": "alpha.old.stays/id"}));
            let depends: Vec<String> = below
                .iter()
                .map(|address| format!("create {address}"))
                .collect();
            steps.push(step(
                Action::Create,
                &address,
                &depends,
                json!({"on": on, "n": layer}),
            ));
        }
    }
    let with_object = |mut step: Step, id: &str| {
        step.object = Some(id.to_owned());
        step
    };
    steps.push(with_object(
        step(
            Action::Update,
            "alpha.old.kept",
            &["create alpha.thing.l0c0".into()],
            json!({"size": 2}),
        ),
        "mem-old-kept",
    ));
    steps.push(with_object(
        step(
            Action::Rotate,
            "alpha.old.secret",
            &[],
            json!({"bytes": 32}),
        ),
        "mem-old-secret",
    ));
    steps.push(with_object(
        step(
            Action::Delete,
            "alpha.old.c",
            &["update alpha.old.kept".into()],
            json!(null),
        ),
        "mem-old-c",
    ));
    steps.push(with_object(
        step(
            Action::Delete,
            "alpha.old.b",
            &["delete alpha.old.c".into()],
            json!(null),
        ),
        "mem-old-b",
    ));
    steps.push(with_object(
        step(
            Action::Delete,
            "alpha.old.a",
            &["delete alpha.old.b".into()],
            json!(null),
        ),
        "mem-old-a",
    ));
    let tops: Vec<String> = (0..4)
        .map(|c| format!("create {}.thing.l5c{c}", NAMES[(5 + c) % 3]))
        .collect();
    for (name, provider) in NAMES.iter().enumerate() {
        steps.push(step(
            Action::Check,
            &format!("{provider}.check.c{name}"),
            &tops,
            json!({}),
        ));
    }
    steps.push(step(
        Action::Seed,
        "beta.chain.main",
        &["rotate alpha.old.secret".into()],
        json!({"from": "backup"}),
    ));
    let mut options = Options::new(scope());
    options.known = objects
        .iter()
        .map(|object| (object.address.clone(), object.outputs.clone()))
        .collect();
    options.objects = objects;
    options.seed = Some(1);
    (sealed(steps), options)
}

/// A provider that takes a random while before and after each effect, so that crashes and stops fall in between.
struct Slow(Memory, Mutex<fastrand::Rng>);

impl Slow {
    async fn pause(&self) {
        let millis = self.1.lock().unwrap().u64(0..40);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

#[async_trait]
impl Provider for Slow {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn budget(&self) -> Budget {
        Budget {
            concurrency: 3,
            rate: 200.0,
            burst: 2,
        }
    }
    async fn identity(&self) -> Result<Identity, Error> {
        self.0.identity().await
    }
    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        self.pause().await;
        self.0.observe(scope).await
    }
    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        self.pause().await;
        let outputs = self.0.ensure(request).await;
        self.pause().await;
        outputs
    }
    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        self.pause().await;
        let removed = self.0.remove(object).await;
        self.pause().await;
        removed
    }
}

fn providers(world: &World, seed: u64) -> Providers {
    let mut providers = Providers::default();
    for (at, name) in NAMES.into_iter().enumerate() {
        providers.insert(Arc::new(Slow(
            Memory::new(name, world),
            Mutex::new(fastrand::Rng::with_seed(seed + at as u64)),
        )));
    }
    providers
}

/// A disk that may break: after so many records, it keeps so many bytes of the next and fails.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>, Arc<tokio::sync::Notify>);

struct Writer {
    disk: Disk,
    left: Option<usize>,
    keep: usize,
    broken: bool,
}

impl Store for Writer {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.0.lock().unwrap();
        if self.broken || self.left == Some(0) {
            if !self.broken {
                disk.extend_from_slice(&bytes[..self.keep.min(bytes.len())]);
            }
            self.broken = true;
            self.disk.1.notify_one();
            return Err(io::Error::other("crash"));
        }
        self.left = self.left.map(|left| left - 1);
        disk.extend_from_slice(bytes);
        Ok(())
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("crash"));
        }
        self.disk.0.lock().unwrap().truncate(length as usize);
        Ok(())
    }
}

impl Disk {
    /// A journal that crashes after `left` more records, leaving `keep` bytes of the one after.
    fn journal(&self, left: Option<usize>, keep: usize) -> Journal {
        let bytes = self.0.lock().unwrap().clone();
        Journal::on(
            PathBuf::from("memory"),
            Box::new(Writer {
                disk: self.clone(),
                left,
                keep,
                broken: false,
            }),
            &bytes,
        )
        .unwrap()
    }
    fn records(&self) -> Vec<Record> {
        parse(Path::new("memory"), &self.0.lock().unwrap())
            .unwrap()
            .records
    }
}

fn runner<'a>(plan: &'a Plan, providers: &'a Providers, options: Options) -> Runner<'a> {
    Runner {
        plan,
        providers,
        options,
        fence: Arc::new(Unfenced),
        stop: Stop::default(),
        events: Events::default(),
    }
}

/// What is there, for comparison.
fn end_state(world: &World) -> Vec<(String, String, serde_json::Value, u32)> {
    world
        .objects()
        .into_iter()
        .map(|o| {
            (
                o.observed.address.to_string(),
                o.observed.id,
                o.observed.spec,
                o.changes,
            )
        })
        .collect()
}

/// The end state of an undisturbed run, and its number of records.
async fn undisturbed() -> (Vec<(String, String, serde_json::Value, u32)>, usize, u64) {
    let world = World::default();
    let (plan, options) = plan(&world);
    let (disk, providers) = (Disk::default(), providers(&world, 7));
    let outcome = runner(&plan, &providers, options)
        .run(&mut disk.journal(None, 0))
        .await
        .unwrap();
    assert_eq!(
        (outcome.end, outcome.done.len()),
        (End::Complete, plan.steps.len())
    );
    assert_eq!(
        fold(&plan, &disk.records()).unwrap().status,
        Status::Complete
    );
    (end_state(&world), disk.records().len(), world.mutations())
}

/// Runs until the disk breaks; then everything is dropped, as if killed.
async fn until_crash(
    plan: &Plan,
    providers: &Providers,
    options: Options,
    disk: &Disk,
    left: usize,
    keep: usize,
) -> Option<Outcome> {
    let mut journal = disk.journal(Some(left), keep);
    let runner = runner(plan, providers, options);
    let outcome = tokio::select! {
        biased;
        () = disk.1.notified() => None,
        outcome = runner.resume(&mut journal) => outcome.ok(),
    };
    tokio::task::yield_now().await;
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_every_record_and_in_the_middle_of_it() {
    let (expected, records, mutations) = undisturbed().await;
    assert!(records > 60);
    for left in 0..records {
        for keep in [0, 1, 40, 80, 117, usize::MAX] {
            let world = World::default();
            let (plan, options) = plan(&world);
            let (disk, providers) = (Disk::default(), providers(&world, 7));
            assert!(
                until_crash(&plan, &providers, options.clone(), &disk, left, keep)
                    .await
                    .is_none()
            );
            let outcome = runner(&plan, &providers, options)
                .resume(&mut disk.journal(None, 0))
                .await
                .unwrap();
            assert_eq!(outcome.end, End::Complete, "{left} {keep}: {outcome:?}");
            assert_eq!(end_state(&world), expected, "{left} {keep}");
            assert_eq!(
                world.mutations(),
                mutations,
                "{left} {keep}: an effect came about twice"
            );
            assert_eq!(
                fold(&plan, &disk.records()).unwrap().status,
                Status::Complete
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_can_not_be_written_stops_the_run_before_the_effect() {
    let (expected, records, mutations) = undisturbed().await;
    for left in 0..records {
        let world = World::default();
        let (plan, options) = plan(&world);
        let (disk, providers) = (Disk::default(), providers(&world, 7));
        let result = runner(&plan, &providers, options.clone())
            .run(&mut disk.journal(Some(left), 0))
            .await;
        assert!(
            matches!(result, Err(RunError::Journal(_))),
            "{left}: {result:?}"
        );
        let started = disk
            .records()
            .iter()
            .filter(|record| matches!(record.entry, Entry::Started { .. }))
            .count();
        assert!(
            world.mutations() <= started as u64,
            "{left}: an effect without its record"
        );
        let outcome = runner(&plan, &providers, options)
            .resume(&mut disk.journal(None, 0))
            .await
            .unwrap();
        assert_eq!(
            (outcome.end, end_state(&world), world.mutations()),
            (End::Complete, expected.clone(), mutations)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_failing_in_turn() {
    let (expected, ..) = undisturbed().await;
    let steps = plan(&World::default()).0.steps;
    for failing in &steps {
        for when in [When::Before, When::After] {
            let world = World::default();
            let (plan, options) = plan(&world);
            let (disk, providers) = (Disk::default(), providers(&world, 7));
            let call = if failing.action == Action::Delete {
                Call::Remove
            } else {
                Call::Ensure
            };
            world.fail(Fault {
                call,
                address: Some(failing.address.clone()),
                skip: 0,
                times: 1,
                kind: ErrorKind::Denied,
                when,
            });
            let outcome = runner(&plan, &providers, options.clone())
                .run(&mut disk.journal(None, 0))
                .await
                .unwrap();
            assert_eq!(outcome.end, End::Failed);
            assert_eq!(outcome.failures.len(), 1);
            assert_eq!(
                (&outcome.failures[0].step, outcome.failures[0].attempts),
                (&failing.id, 1)
            );
            let mut behind: HashSet<&str> = HashSet::from([failing.id.as_str()]);
            while let Some(step) = steps.iter().find(|step| {
                !behind.contains(step.id.as_str())
                    && step
                        .depends_on
                        .iter()
                        .any(|on| behind.contains(on.as_str()))
            }) {
                behind.insert(&step.id);
            }
            behind.remove(failing.id.as_str());
            assert_eq!(
                outcome
                    .not_run
                    .iter()
                    .map(String::as_str)
                    .collect::<HashSet<_>>(),
                behind,
                "only what depends on it waits"
            );
            let outcome = runner(&plan, &providers, options)
                .resume(&mut disk.journal(None, 0))
                .await
                .unwrap();
            assert_eq!(outcome.end, End::Complete);
            assert_eq!(end_state(&world), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_schedules_of_faults_crashes_and_stops() {
    let (expected, ..) = undisturbed().await;
    for seed in 0..1000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::default();
        let (plan, mut options) = plan(&world);
        let disk = Disk::default();
        for session in 0..40 {
            let providers = providers(&world, seed * 100 + session);
            options.seed = Some(random.u64(..));
            options.attempts = random.u32(1..5);
            world.fail_randomly(random.u64(..), 0.15);
            if session == 39 {
                world.heal();
                options.attempts = 8;
                let outcome = runner(&plan, &providers, options.clone())
                    .resume(&mut disk.journal(None, 0))
                    .await
                    .unwrap();
                assert_eq!(outcome.end, End::Complete, "seed {seed}: {outcome:?}");
                break;
            }
            let outcome = if random.bool() {
                let (left, keep) = (random.usize(0..40), random.usize(0..400));
                until_crash(&plan, &providers, options.clone(), &disk, left, keep).await
            } else {
                let runner = runner(&plan, &providers, options.clone());
                let stop = runner.stop.clone();
                let (first, second) = (random.u64(0..400), random.u64(0..60));
                let asking = tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(first)).await;
                    assert_eq!(stop.request(), Level::Drain);
                    tokio::time::sleep(Duration::from_millis(second)).await;
                    assert_eq!(stop.request(), Level::Now);
                });
                let outcome = runner.resume(&mut disk.journal(None, 0)).await.ok();
                asking.abort();
                outcome
            };
            if outcome.is_some_and(|outcome| outcome.end == End::Complete) {
                break;
            }
        }
        assert_eq!(end_state(&world), expected, "seed {seed}");
        assert_eq!(
            fold(&plan, &disk.records()).unwrap().status,
            Status::Complete,
            "seed {seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn retries_only_what_may_pass_and_tells_so() {
    for (kind, times, end) in [
        (ErrorKind::Throttled, 3, End::Complete),
        (ErrorKind::Throttled, 99, End::Failed),
        (ErrorKind::Denied, 1, End::Failed),
    ] {
        let world = World::default();
        let plan = sealed(vec![step(Action::Create, "alpha.thing.x", &[], json!({}))]);
        world.fail(Fault {
            call: Call::Ensure,
            address: None,
            skip: 0,
            times,
            kind,
            when: When::After,
        });
        let providers = providers(&world, 1);
        let mut runner = runner(&plan, &providers, Options::new(scope()));
        let (events, mut heard) = Events::channel();
        runner.events = events;
        let outcome = runner
            .run(&mut Disk::default().journal(None, 0))
            .await
            .unwrap();
        assert_eq!(outcome.end, end);
        drop(runner);
        let mut retries = 0;
        while let Some(event) = heard.recv().await {
            let json = serde_json::to_value(&event).unwrap();
            assert!(json["event"].is_string());
            retries += u32::from(matches!(event, Event::StepRetrying { .. }));
        }
        assert_eq!(retries, if kind.retryable() { times.min(7) } else { 0 });
        assert_eq!(world.objects().len(), usize::from(times > 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_never_ends_meets_its_deadline() {
    struct Stuck(Memory);
    #[async_trait]
    impl Provider for Stuck {
        fn name(&self) -> &'static str {
            "alpha"
        }
        fn budget(&self) -> Budget {
            self.0.budget()
        }
        async fn identity(&self) -> Result<Identity, Error> {
            self.0.identity().await
        }
        async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
            self.0.observe(scope).await
        }
        async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
            assert_ne!(request.step.address.name(), "broken", "a provider's bug");
            std::future::pending().await
        }
        async fn remove(&self, object: &Observed) -> Result<(), Error> {
            self.0.remove(object).await
        }
    }
    let mut providers = Providers::default();
    providers.insert(Arc::new(Stuck(Memory::new("alpha", &World::default()))));
    let plan = sealed(vec![
        step(Action::Create, "alpha.thing.x", &[], json!({})),
        step(Action::Create, "alpha.thing.broken", &[], json!({})),
    ]);
    let outcome = runner(&plan, &providers, Options::new(scope()))
        .run(&mut Disk::default().journal(None, 0))
        .await
        .unwrap();
    let kinds: Vec<ErrorKind> = outcome
        .failures
        .iter()
        .map(|failure| failure.kind)
        .collect();
    assert_eq!(
        kinds,
        [ErrorKind::Server, ErrorKind::Deadline],
        "a panic fails its step alone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_lock_stops_before_the_next_effect() {
    struct Twice(Mutex<u32>);
    #[async_trait]
    impl Fence for Twice {
        async fn held(&self) -> Result<(), Error> {
            let mut left = self.0.lock().unwrap();
            *left = left
                .checked_sub(1)
                .ok_or_else(|| Error::new(ErrorKind::Conflict, "lock", "taken over"))?;
            Ok(())
        }
    }
    let world = World::default();
    let (plan, options) = plan(&world);
    let before = world.mutations();
    let providers = providers(&world, 1);
    let disk = Disk::default();
    let mut runner = runner(&plan, &providers, options);
    runner.fence = Arc::new(Twice(Mutex::new(2)));
    let outcome = runner.run(&mut disk.journal(None, 0)).await.unwrap();
    assert_eq!(outcome.end, End::Interrupted(Interruption::LockLost));
    assert_eq!(world.mutations() - before, 2);
    runner.fence = Arc::new(Unfenced);
    assert_eq!(
        runner.resume(&mut disk.journal(None, 0)).await.unwrap().end,
        End::Complete
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_foreign_or_unknown_is_refused_before_the_effect() {
    let world = World::default();
    world.put_foreign(Foreign {
        address: "alpha.thing.x".parse().unwrap(),
        id: "vpc-9".into(),
        why: "no marks".into(),
    });
    let plan = sealed(vec![
        step(Action::Create, "alpha.thing.x", &[], json!({})),
        step(
            Action::Create,
            "alpha.thing.y",
            &[],
            json!({"on": {"unknown": "beta.thing.nowhere/id"}}),
        ),
        step(Action::Delete, "alpha.thing.z", &[], json!(null)),
    ]);
    let providers = providers(&world, 1);
    let disk = Disk::default();
    let outcome = runner(&plan, &providers, Options::new(scope()))
        .run(&mut disk.journal(None, 0))
        .await
        .unwrap();
    let mut failures: Vec<(String, ErrorKind, u32)> = outcome
        .failures
        .into_iter()
        .map(|f| (f.step, f.kind, f.attempts))
        .collect();
    failures.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        failures,
        [
            ("create alpha.thing.x".to_owned(), ErrorKind::Foreign, 1),
            ("create alpha.thing.y".to_owned(), ErrorKind::Invalid, 0),
            ("delete alpha.thing.z".to_owned(), ErrorKind::Invalid, 0)
        ]
    );
    assert_eq!(world.mutations(), 0);
    assert!(
        !disk
            .records()
            .iter()
            .any(|record| matches!(&record.entry, Entry::Started { step } if step.ends_with('y')))
    );
}

#[tokio::test]
async fn bad_plans_are_refused_and_nothing_is_done() {
    let world = World::default();
    let providers = providers(&world, 1);
    let one = || step(Action::Create, "alpha.thing.x", &[], json!({}));
    let needing = |id: &str| step(Action::Create, "alpha.thing.y", &[id.to_owned()], json!({}));
    let mut edited = sealed(vec![one()]);
    edited.steps[0].spec = json!({"public": true});
    let mut blocked = sealed(vec![one()]);
    blocked.findings.push(Finding {
        severity: Severity::Error,
        code: "x".into(),
        subject: "x".into(),
        message: "x".into(),
        hint: "x".into(),
    });
    blocked.hash = blocked.computed_hash().unwrap();
    let mut elsewhere = sealed(vec![one()]);
    elsewhere.target.environment = "production".into();
    elsewhere.hash = elsewhere.computed_hash().unwrap();
    for plan in [
        edited,
        blocked,
        elsewhere,
        sealed(vec![one(), one()]),
        sealed(vec![needing("create alpha.thing.nowhere")]),
        sealed(vec![needing("create alpha.thing.y")]),
        sealed(vec![step(Action::Create, "delta.thing.x", &[], json!({}))]),
    ] {
        let disk = Disk::default();
        let result = runner(&plan, &providers, Options::new(scope()))
            .run(&mut disk.journal(None, 0))
            .await;
        assert!(
            matches!(result, Err(RunError::Plan(_) | RunError::NoProvider(_))),
            "{result:?}"
        );
        assert!(disk.records().is_empty());
    }
    assert_eq!(world.mutations(), 0);
}

#[tokio::test]
async fn runs_are_found_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let runs = Runs::new(folder.path().join("state/runs"));
    assert!(runs.last_unfinished("sandbox").unwrap().is_none());
    let world = World::default();
    let (plan, options) = plan(&world);
    let providers = providers(&world, 1);
    let (run, mut journal) = runs
        .create(&plan, "2026-11-24T01:02:03Z".parse().unwrap())
        .unwrap();
    assert!(run.id.starts_with("20261124T010203Z-"));
    for (path, mode) in [
        (run.folder.clone(), 0o700),
        (run.folder.join("plan.json"), 0o600),
        (run.journal_path(), 0o600),
    ] {
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            mode
        );
    }
    assert!(
        runs.last_unfinished("sandbox").unwrap().is_none(),
        "nothing was done yet"
    );
    world.fail(Fault {
        call: Call::Ensure,
        address: None,
        skip: 9,
        times: 1,
        kind: ErrorKind::Denied,
        when: When::Before,
    });
    let running = runner(&plan, &providers, options.clone());
    assert_eq!(running.run(&mut journal).await.unwrap().end, End::Failed);
    assert!(matches!(
        running.run(&mut journal).await,
        Err(RunError::NotFresh)
    ));
    drop(journal);
    let found = runs.last_unfinished("sandbox").unwrap().unwrap();
    assert_eq!(
        (found.status, found.run.plan().unwrap()),
        (Status::Failed, plan.clone())
    );
    assert!(runs.last_unfinished("production").unwrap().is_none());
    assert_eq!(
        running
            .resume(&mut found.run.open().unwrap())
            .await
            .unwrap()
            .end,
        End::Complete
    );
    assert!(runs.last_unfinished("sandbox").unwrap().is_none());
    assert_eq!(
        running
            .resume(&mut found.run.open().unwrap())
            .await
            .unwrap()
            .end,
        End::Complete
    );
    std::fs::write(run.journal_path(), "not a journal\n").unwrap();
    assert!(runs.last_unfinished("sandbox").is_err());
    assert!(runs.last_unfinished("production").unwrap().is_none());
}

#[test]
fn illegal_sequences_are_rejected() {
    let (plan, _) = plan(&World::default());
    let first = plan.steps[0].id.clone();
    let dependent = plan.steps[5].id.clone();
    let begin = Entry::Run {
        plan: plan.hash.clone(),
        environment: "sandbox".into(),
        generation: generation(),
    };
    let started = |step: &String| Entry::Started { step: step.clone() };
    let done = |step: &String| Entry::Done {
        step: step.clone(),
        outputs: Outputs::new(),
    };
    let failed = |step: &String| Entry::Failed {
        step: step.clone(),
        kind: ErrorKind::Denied,
        why: "x".into(),
        attempts: 1,
    };
    let finished = |done, failed, not_run| Entry::Finished {
        done,
        failed,
        not_run,
    };
    let (all, interrupted) = (
        plan.steps.len() as u64,
        Entry::Interrupted {
            reason: Interruption::Drained,
        },
    );
    let legal = |entries: &[Entry]| {
        let at = "2026-11-24T00:00:00Z".parse().unwrap();
        let records: Vec<Record> = entries
            .iter()
            .enumerate()
            .map(|(seq, entry)| Record {
                seq: seq as u64,
                at,
                entry: entry.clone(),
            })
            .collect();
        fold(&plan, &records).is_ok()
    };
    let b = &begin;
    for entries in [
        vec![],
        vec![b.clone(), started(&first), done(&first)],
        vec![
            b.clone(),
            started(&first),
            Entry::Resumed {},
            started(&first),
            failed(&first),
            finished(0, 1, all - 1),
        ],
        vec![
            b.clone(),
            started(&first),
            interrupted.clone(),
            Entry::Resumed {},
            started(&first),
            done(&first),
        ],
    ] {
        assert!(legal(&entries), "{entries:?}");
    }
    for entries in [
        vec![started(&first)],
        vec![Entry::Resumed {}],
        vec![b.clone(), b.clone()],
        vec![Entry::Run {
            plan: "other".into(),
            environment: "sandbox".into(),
            generation: generation(),
        }],
        vec![b.clone(), done(&first)],
        vec![b.clone(), failed(&first)],
        vec![b.clone(), started(&first), started(&first)],
        vec![
            b.clone(),
            started(&first),
            done(&first),
            Entry::Resumed {},
            started(&first),
        ],
        vec![b.clone(), started(&first), Entry::Resumed {}, done(&first)],
        vec![b.clone(), started(&dependent)],
        vec![b.clone(), started(&"create no.such.step".to_owned())],
        vec![b.clone(), started(&first), finished(0, 0, all)],
        vec![b.clone(), finished(all, 0, 0)],
        vec![b.clone(), interrupted, started(&first)],
    ] {
        assert!(!legal(&entries), "{entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_of_unknown_end_is_looked_at_before_it_is_ensured() {
    let world = World::default();
    let old = Observed {
        address: "alpha.thing.old".parse().unwrap(),
        generation: generation(),
        id: "mem-old".into(),
        spec: json!({}),
        outputs: Outputs::new(),
        digest: None,
        ready: true,
        marks: BTreeMap::new(),
    };
    let mut delete = step(Action::Delete, "alpha.thing.old", &[], json!(null));
    delete.object = Some("mem-old".into());
    let plan = sealed(vec![
        step(Action::Create, "alpha.thing.x", &[], json!({})),
        delete,
    ]);
    let disk = Disk::default();
    let mut journal = disk.journal(None, 0);
    journal
        .append(Entry::Run {
            plan: plan.hash.clone(),
            environment: "sandbox".into(),
            generation: generation(),
        })
        .unwrap();
    for step in &plan.steps {
        journal
            .append(Entry::Started {
                step: step.id.clone(),
            })
            .unwrap();
    }
    // Meanwhile the object to be deleted has gone, and another one has taken the place of the one to be made.
    world.put_foreign(Foreign {
        address: "alpha.thing.x".parse().unwrap(),
        id: "vpc-9".into(),
        why: "no marks".into(),
    });
    world.fail(Fault {
        call: Call::Observe,
        address: None,
        skip: 0,
        times: 1,
        kind: ErrorKind::Server,
        when: When::Before,
    });
    world.fail(Fault {
        call: Call::Remove,
        address: None,
        skip: 0,
        times: 1,
        kind: ErrorKind::Denied,
        when: When::Before,
    });
    let providers = providers(&world, 1);
    let mut options = Options::new(scope());
    options.objects = vec![old];
    let mut runner = runner(&plan, &providers, options);
    let (events, mut heard) = Events::channel();
    runner.events = events;
    let outcome = runner.resume(&mut journal).await.unwrap();
    assert_eq!(outcome.done, ["delete alpha.thing.old"]);
    assert_eq!(
        (outcome.failures[0].kind, outcome.failures[0].attempts),
        (ErrorKind::Foreign, 0)
    );
    assert_eq!(
        fold(&plan, journal.records()).unwrap().status,
        Status::Failed
    );
    let unknown: Vec<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
    assert_eq!(
        heard.recv().await.unwrap(),
        Event::Resuming {
            done: 0,
            failed: vec![],
            unknown: unknown.clone()
        }
    );
    for step in unknown {
        assert_eq!(
            heard.recv().await.unwrap(),
            Event::Observed {
                step,
                present: false
            }
        );
    }
}
