//! What has to be done so that what is wanted is what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use manifest::nearest;
use serde_json::Value;

use crate::address::Address;
use crate::applyset::Set;
use crate::canonical;
use crate::checks::{self, CheckInput};
use crate::clean_room::{self, CleanRoom, Closed};
use crate::compare::{Comparison, compare, mark_digest};
use crate::estimate;
use crate::finding::{Finding, Severity};
use crate::graph;
use crate::identity::{Generation, client_token};
use crate::kind::{Kind, Layer};
use crate::kinds::{self, route53};
use crate::live;
use crate::observed::{ENDING, Inventory, OTHER_MANAGERS, Observed};
use crate::ordering;
use crate::plan::{Action, Estimates, FORMAT, FieldChange, PinnedBackup, Plan, Step, Target};
use crate::pruning::{self, Pruning};
use crate::reference::{Reference, references, resolve};
use crate::render::{needs, outputs_of};
use crate::resource::{Origin, Resource};
use crate::scenario::{Incident, Scenario};
use crate::secrets;
use crate::taint::{self, Taint};
use crate::teardown;
use crate::traffic::{Rule, Traffic};

/// Everything a plan is made from. The same input gives the same plan, byte for byte, in whatever order its lists come.
#[derive(Clone, Debug)]
pub struct Input {
    /// What should be there, complete: templates, overlays, seed and checks.
    pub desired: Vec<Resource>,
    /// What the providers found.
    pub inventory: Inventory,
    /// What it is made for.
    pub case: Case,
    /// What is built; its places are those the environment expects. `fresh` is set by the planner.
    pub target: Target,
    /// The places the providers found themselves at, by the same keys.
    pub actual: BTreeMap<String, String>,
    /// The time of planning.
    pub created: Timestamp,
    /// The tool's version.
    pub tool: String,
    /// The backup to seed from.
    pub backup: Option<PinnedBackup>,
    /// SHA-256 of every input file and answer, by name.
    pub inputs: BTreeMap<String, String>,
    /// What the environment allows, and its objectives.
    pub policy: Policy,
    /// Which secrets are renewed.
    pub rotate: Rotate,
    /// Median seconds of earlier runs, by `PROVIDER.KIND`; they take precedence over [`Kind::seconds`].
    pub medians: BTreeMap<String, u32>,
}

/// What a plan is made for, and what is known beside what the providers see.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The scenario.
    pub scenario: Scenario,
    /// The breach it answers, where it does.
    pub incident: Option<Incident>,
    /// Remarks of checks that looked at the backup's contents or at the old environment.
    pub remarks: Vec<Finding>,
    /// The old environment's identifiers: nothing wanted may refer to one.
    pub taint: Option<Taint>,
    /// What is built has no way out, and none in, until it is validated.
    pub clean_room: Option<CleanRoom>,
    /// The incident that the generation is named in: no name in DNS is pointed at it.
    pub named_in: Option<String>,
}

/// What the environment allows, and its objectives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Ports that may be open to the whole Internet.
    pub public_ports: BTreeSet<u16>,
    /// How much findings about Kubernetes objects weigh, and for which Kubernetes.
    pub manifests: manifest::Policy,
    /// A backup older than the objective is only a warning.
    pub allow_old_backup: bool,
    /// Kubernetes objects and seeds that are no longer wanted are deleted.
    pub prune: bool,
    /// Recovery time objective, seconds; 0 for none.
    pub rto_seconds: u64,
    /// Recovery point objective, seconds; 0 for none.
    pub rpo_seconds: u64,
}

/// Which secrets are renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// None: a second run keeps them.
    #[default]
    None,
    /// All that nothing seeded is encrypted with.
    All,
    /// Those with these names or addresses.
    Names(BTreeSet<String>),
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The wanted resources don't fit together; each with its place.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
    /// The order of the steps leads in a circle; ids of its steps.
    #[error("the order of the steps leads in a circle: {}", .0.join(" → "))]
    Circle(Vec<String>),
    /// The plan has no JSON form.
    #[error("the plan can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// One thing wrong with a wanted resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{address}`: {message}")]
pub struct Problem {
    /// The resource.
    pub address: String,
    /// Where it was declared, if in a file.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub message: String,
    /// The known name nearest to an unknown one.
    pub nearest: Option<String>,
}

/// Makes the plan.
///
/// # Errors
/// When the wanted resources don't fit together (all problems are listed) or their order leads in a circle.
pub fn plan(input: Input) -> Result<Plan, PlanError> {
    let Input {
        desired,
        inventory,
        case,
        mut target,
        actual,
        created,
        tool,
        backup,
        inputs,
        policy,
        rotate,
        medians,
    } = input;
    let mut desired = validated(desired)?;
    undeclarable(&desired)?;
    let mut sorted = Inventory::default();
    sorted.merge(inventory);
    let inventory = sorted;
    let ours = by_address(&inventory, &target.generation);
    target.fresh = ours.is_empty();
    let declared_parents = pruning::widen(&mut desired, &ours);
    let rule = rule(&case);
    let room = case
        .clean_room
        .filter(|_| !clean_room::is_over(&desired, &ours));
    let closed = room
        .as_ref()
        .map(|room| room.close(&desired))
        .unwrap_or_default();

    let traffic = Traffic::new(&inventory, &target, rule);
    let mut planner = Planner::new(&desired, &ours, &traffic, &policy, &medians);
    planner.closed = Some(&closed);
    planner.choose_rotations(&rotate);
    planner.walk()?;
    planner.unwanted();
    let Planner {
        drafts,
        unchanged,
        findings: mut remarks,
        deps,
        ..
    } = planner;

    let mut steps = ordering::arrange(drafts, &deps, &ours)?;
    pruning::narrow(
        &mut steps,
        &declared_parents,
        &desired,
        &ours,
        (&target.generation, &medians),
    );
    let mut estimates = estimate::estimate(&steps);
    estimates.rto_objective_seconds = policy.rto_seconds;
    estimates.rpo_objective_seconds = policy.rpo_seconds;
    estimates.rpo_seconds = backup
        .as_ref()
        .map_or(0, |backup| age(created, backup.written));

    let resources: Vec<&Resource> = desired.values().collect();
    remarks.extend(checks::all(&CheckInput {
        desired: &resources,
        inventory: &inventory,
        target: &target,
        actual: &actual,
        backup: backup.as_ref(),
        created,
        policy: &policy,
        estimates: &estimates,
        steps: &steps,
    }));
    remarks.extend(case.remarks);
    remarks.extend(room.iter().flat_map(|room| room.findings(&desired)));
    if let Some(taint) = &case.taint {
        remarks.extend(taint::check(taint, &desired));
    }
    let mut unchanged: Vec<Address> = unchanged;
    unchanged.sort();
    finish(Plan {
        format: FORMAT,
        tool,
        created,
        scenario: case.scenario,
        incident: case.incident,
        target,
        inputs,
        backup,
        steps,
        unchanged,
        findings: remarks,
        estimates,
        hash: String::new(),
    })
}

/// When names in DNS are pointed at what is built.
fn rule(case: &Case) -> Rule {
    match &case.named_in {
        Some(incident) => Rule::Never(format!("it is named in the incident {incident}")),
        None if case.scenario == Scenario::Breach => {
            Rule::Never("people look at what was built after a breach first".to_owned())
        }
        None => Rule::Build,
    }
}

/// Plans what recovers something that stands, and nothing else: no drift is mended and nothing is pruned. All of `desired` is done, so it
/// holds kinds of [`crate::recovery`], seeds that are missing, and checks; references are filled in ([`crate::recovery::bound`]).
///
/// # Errors
/// As [`plan`].
pub fn recover(input: Input) -> Result<Plan, PlanError> {
    standing(input, false)
}

/// Plans what leads users to a generation that stands, and nothing else: the names of `desired` are held against where they lead now, whoever
/// they belong to, and its checks come first. References are filled in as for [`recover`].
///
/// # Errors
/// As [`plan`].
pub fn cut_over(input: Input) -> Result<Plan, PlanError> {
    standing(input, true)
}

/// A plan about what stands, held against it where it is `compared`.
fn standing(input: Input, compared: bool) -> Result<Plan, PlanError> {
    let Input {
        desired,
        inventory,
        case,
        mut target,
        actual,
        created,
        tool,
        backup,
        inputs,
        policy,
        medians,
        ..
    } = input;
    let desired = validated(desired)?;
    let mut sorted = Inventory::default();
    sorted.merge(inventory);
    let mut ours = by_address(&sorted, &target.generation);
    target.fresh = ours.is_empty();
    if !compared {
        ours.clear();
    }
    let traffic = Traffic::new(&sorted, &target, Rule::Switch);
    let mut planner = Planner::new(&desired, &ours, &traffic, &policy, &medians);
    planner.walk()?;
    let Planner {
        drafts,
        deps,
        mut unchanged,
        findings: switched,
        ..
    } = planner;
    unchanged.sort();
    let steps = ordering::arrange(drafts, &deps, &ours)?;
    let estimates = Estimates {
        rto_objective_seconds: policy.rto_seconds,
        rpo_objective_seconds: policy.rpo_seconds,
        rpo_seconds: backup
            .as_ref()
            .map_or(0, |backup| age(created, backup.written)),
        ..estimate::estimate(&steps)
    };
    let resources: Vec<&Resource> = desired.values().collect();
    let looked_at = CheckInput {
        desired: &resources,
        inventory: &sorted,
        target: &target,
        actual: &actual,
        backup: backup.as_ref(),
        created,
        policy: &policy,
        estimates: &estimates,
        steps: &steps,
    };
    let mut findings = case.remarks;
    findings.extend(switched);
    findings.extend(checks::places::check(&looked_at));
    findings.extend(checks::backup::check(&looked_at));
    findings.extend(checks::time::check(&looked_at));
    if compared {
        findings.extend(checks::foreign::check(&looked_at));
    }
    finish(Plan {
        format: FORMAT,
        tool,
        created,
        scenario: case.scenario,
        incident: None,
        target,
        inputs,
        backup,
        steps,
        unchanged,
        findings,
        estimates,
        hash: String::new(),
    })
}

/// Plans the end of one generation: everything of it that is there, in reverse order. Only `inventory`, `target` (with its places),
/// `actual`, `created`, `tool`, `inputs` and `medians` of the input are looked at.
///
/// # Errors
/// When the plan has no JSON form.
pub fn destroy(input: Input) -> Result<Plan, PlanError> {
    let Input {
        inventory,
        mut target,
        actual,
        created,
        tool,
        inputs,
        policy,
        medians,
        ..
    } = input;
    let mut sorted = Inventory::default();
    sorted.merge(inventory);
    let ours = by_address(&sorted, &target.generation);
    target.fresh = ours.is_empty();
    let mut names = BTreeSet::new();
    let drafts = ours
        .values()
        .flatten()
        .map(|observed| draft_delete(observed, &medians, &target.generation, "", &mut names))
        .collect();
    let steps = ordering::arrange(drafts, &BTreeMap::new(), &ours)?;
    let estimates = Estimates {
        rto_objective_seconds: 0,
        rpo_objective_seconds: 0,
        ..estimate::estimate(&steps)
    };
    let findings = checks::places::check(&CheckInput {
        desired: &[],
        inventory: &sorted,
        target: &target,
        actual: &actual,
        backup: None,
        created,
        policy: &policy,
        estimates: &estimates,
        steps: &steps,
    });
    finish(Plan {
        format: FORMAT,
        tool,
        created,
        scenario: Scenario::Destroy,
        incident: None,
        target,
        inputs,
        backup: None,
        steps,
        unchanged: Vec::new(),
        findings,
        estimates,
        hash: String::new(),
    })
}

fn finish(mut plan: Plan) -> Result<Plan, PlanError> {
    plan.findings.sort_by(|a, b| {
        (std::cmp::Reverse(a.severity), a).cmp(&(std::cmp::Reverse(b.severity), b))
    });
    plan.findings.dedup();
    plan.hash = plan.computed_hash()?;
    Ok(plan)
}

fn age(now: Timestamp, then: Timestamp) -> u64 {
    u64::try_from(now.as_second().saturating_sub(then.as_second())).unwrap_or(0)
}

type Ours<'a> = BTreeMap<&'a Address, Vec<&'a Observed>>;

fn by_address<'a>(inventory: &'a Inventory, generation: &Generation) -> Ours<'a> {
    let mut ours: Ours<'a> = BTreeMap::new();
    for object in inventory
        .objects
        .iter()
        .filter(|object| object.generation == *generation)
    {
        ours.entry(&object.address).or_default().push(object);
    }
    ours
}

/// Checks that the wanted resources fit together, and brings every spec to normal form.
fn validated(desired: Vec<Resource>) -> Result<BTreeMap<Address, Resource>, PlanError> {
    let mut problems = Vec::new();
    let mut known: BTreeMap<Address, Resource> = BTreeMap::new();
    let mut list = desired;
    list.sort_by(|a, b| {
        a.address
            .cmp(&b.address)
            .then_with(|| canonical::text(&a.spec).cmp(&canonical::text(&b.spec)))
    });
    for mut resource in list {
        let problem = |message: String, near| Problem {
            address: resource.address.to_string(),
            origin: resource.origin.clone(),
            message,
            nearest: near,
        };
        let Some(kind) = kinds::of(&resource.address) else {
            let name = resource.address.qualified_kind();
            problems.push(problem(
                format!("there is no kind `{name}`"),
                nearest(&name, kinds::all().map(|kind| kind.name)),
            ));
            continue;
        };
        match (kind.normalize)(&resource.spec) {
            Ok(spec) => resource.spec = spec,
            Err(error) => {
                problems.push(problem(error.to_string(), None));
                continue;
            }
        }
        if let Some(key) = secrets::literal(&resource) {
            problems.push(problem(
                format!("the Secret holds a literal value at `{key}`, which would stand in the plan; name its place in Vault under `secrets`"),
                None,
            ));
            continue;
        }
        if let Some(first) = known.get(&resource.address) {
            let place = first.origin.as_ref().map_or(String::new(), |origin| {
                format!(
                    ", first at {}:{}:{}",
                    origin.file, origin.line, origin.column
                )
            });
            problems.push(Problem {
                address: resource.address.to_string(),
                origin: resource.origin.clone(),
                message: format!("it is declared twice{place}"),
                nearest: None,
            });
            continue;
        }
        known.insert(resource.address.clone(), resource);
    }
    for resource in known.values() {
        let problem = |message: String, near| Problem {
            address: resource.address.to_string(),
            origin: resource.origin.clone(),
            message,
            nearest: near,
        };
        for reference in references(&resource.spec) {
            let target = known.get(&reference.address);
            if target.is_none() {
                problems.push(problem(
                    format!("it refers to `{}`, which does not exist", reference.address),
                    near_address(&reference.address, &known),
                ));
            } else if let Some(outputs) =
                outputs_of(&reference.address, target.map(|target| &target.spec))
                && !outputs.contains(&reference.attribute.as_str())
            {
                problems.push(problem(
                    format!(
                        "`{}` has no output `{}`",
                        reference.address, reference.attribute
                    ),
                    nearest(&reference.attribute, outputs),
                ));
            }
        }
        for address in resource
            .depends_on
            .iter()
            .filter(|address| !known.contains_key(address))
        {
            problems.push(problem(
                format!("it waits for `{address}`, which does not exist"),
                near_address(address, &known),
            ));
        }
    }
    let owned: BTreeMap<&Address, BTreeSet<Address>> = known
        .values()
        .map(|resource| (&resource.address, needs(resource)))
        .collect();
    let edges: BTreeMap<&Address, BTreeSet<&Address>> = owned
        .iter()
        .map(|(address, needs)| (*address, needs.iter().collect()))
        .collect();
    for cycle in graph::cycles(&edges) {
        let shown: Vec<String> = cycle
            .iter()
            .chain(cycle.first())
            .map(|address| format!("`{address}`"))
            .collect();
        let Some(first) = cycle.first().and_then(|address| known.get(*address)) else {
            continue;
        };
        problems.push(Problem {
            address: first.address.to_string(),
            origin: first.origin.clone(),
            message: format!("a circle of dependencies: {}", shown.join(" → ")),
            nearest: None,
        });
    }
    if problems.is_empty() {
        Ok(known)
    } else {
        Err(PlanError::Invalid(problems))
    }
}

/// What recovers something is planned from what was seen failing, and never declared.
fn undeclarable(desired: &BTreeMap<Address, Resource>) -> Result<(), PlanError> {
    let problems: Vec<Problem> = desired
        .values()
        .filter(|resource| matches!(resource.address.provider(), "recover" | "database" | "rds"))
        .map(|resource| Problem {
            address: resource.address.to_string(),
            origin: resource.origin.clone(),
            message: "it is planned by a scenario and can't be declared".to_owned(),
            nearest: None,
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(PlanError::Invalid(problems))
    }
}

fn near_address(address: &Address, known: &BTreeMap<Address, Resource>) -> Option<String> {
    let names: Vec<String> = known.keys().map(Address::to_string).collect();
    nearest(&address.to_string(), names.iter().map(String::as_str))
}

/// A step before the order is settled.
pub(crate) struct Draft {
    pub step: Step,
    /// For a delete: its counterpart goes first because both can't be there at once.
    pub first: bool,
}

struct Planner<'a> {
    desired: &'a BTreeMap<Address, Resource>,
    ours: &'a Ours<'a>,
    traffic: &'a Traffic<'a>,
    generation: &'a Generation,
    policy: &'a Policy,
    medians: &'a BTreeMap<String, u32>,
    /// What a clean room holds back.
    closed: Option<&'a BTreeMap<Address, Closed>>,
    /// What each resource stands on: references, `depends_on`, secrets it reads.
    deps: BTreeMap<Address, BTreeSet<Address>>,
    /// Secrets read, by reader.
    reads: BTreeMap<Address, BTreeSet<Address>>,
    rotating: BTreeSet<Address>,
    /// Made by this plan: none of their outputs is known.
    made: BTreeMap<Address, Action>,
    /// Outputs of what stays.
    kept: HashMap<Address, &'a Observed>,
    /// Replaced with the old object going first.
    going_first: BTreeSet<Address>,
    drafts: Vec<Draft>,
    names: BTreeSet<String>,
    unchanged: Vec<Address>,
    findings: Vec<Finding>,
}

impl<'a> Planner<'a> {
    fn new(
        desired: &'a BTreeMap<Address, Resource>,
        ours: &'a Ours<'a>,
        traffic: &'a Traffic<'a>,
        policy: &'a Policy,
        medians: &'a BTreeMap<String, u32>,
    ) -> Self {
        let reads = secrets::readers(desired);
        let mut deps: BTreeMap<Address, BTreeSet<Address>> = desired
            .values()
            .map(|resource| (resource.address.clone(), needs(resource)))
            .collect();
        for (reader, read) in &reads {
            if let Some(needs) = deps.get_mut(reader) {
                needs.extend(read.iter().filter(|secret| *secret != reader).cloned());
            }
        }
        Self {
            desired,
            ours,
            traffic,
            generation: traffic.generation(),
            policy,
            medians,
            closed: None,
            deps,
            reads,
            rotating: BTreeSet::new(),
            made: BTreeMap::new(),
            kept: HashMap::new(),
            going_first: BTreeSet::new(),
            drafts: Vec::new(),
            names: BTreeSet::new(),
            unchanged: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Which of the secrets that are there are renewed. A key that seeded data is encrypted with is not: the data could not be read any more.
    fn choose_rotations(&mut self, rotate: &Rotate) {
        let data_keys = secrets::data_keys(self.desired);
        let secret = |address: &Address| address.qualified_kind() == "vault.secret";
        let mut unknown: BTreeSet<String> = if let Rotate::Names(names) = rotate {
            names.clone()
        } else {
            BTreeSet::new()
        };
        for address in self.desired.keys().filter(|address| secret(address)) {
            let named = [address.name().to_owned(), address.to_string()];
            let asked = match rotate {
                Rotate::None => false,
                Rotate::All => true,
                Rotate::Names(names) => named.iter().any(|name| names.contains(name)),
            };
            named.iter().for_each(|name| {
                unknown.remove(name);
            });
            if !asked || !self.ours.contains_key(address) {
                continue;
            }
            if let Some(seed) = data_keys
                .get(address)
                .filter(|seed| self.ours.contains_key(*seed))
            {
                let explicit = matches!(rotate, Rotate::Names(_));
                self.findings.push(Finding {
                    severity: if explicit { Severity::Error } else { Severity::Warning },
                    code: "rotate.data-key".to_owned(),
                    subject: address.to_string(),
                    message: format!("`{seed}` is encrypted with it, so it is not rotated: the seeded data could not be read any more"),
                    hint: "seed a new generation to change the data key".to_owned(),
                });
                continue;
            }
            self.rotating.insert(address.clone());
        }
        for name in unknown {
            let names: Vec<&str> = self
                .desired
                .keys()
                .filter(|address| secret(address))
                .map(Address::name)
                .collect();
            let hint = nearest(&name, names).map_or_else(
                || "name a declared vault.secret, or `all`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            self.findings.push(Finding {
                severity: Severity::Error,
                code: "rotate.unknown".to_owned(),
                subject: name.clone(),
                message: "there is no secret of this name to rotate".to_owned(),
                hint,
            });
        }
    }

    fn volatile(&self, reference: &Reference) -> bool {
        match self.made.get(&reference.address) {
            Some(Action::Rotate) => reference.attribute != "id",
            Some(Action::Update | Action::Check) | None => false,
            Some(_) => true,
        }
    }

    /// The value of an output, if it stays what it is.
    fn known(&self, reference: &Reference) -> Option<Value> {
        if self.volatile(reference) {
            return None;
        }
        let observed = self.kept.get(&reference.address)?;
        match observed.outputs.get(&reference.attribute) {
            Some(value) => Some(value.clone()),
            None if reference.attribute == "id" => Some(Value::from(observed.id.as_str())),
            None => None,
        }
    }

    fn walk(&mut self) -> Result<(), PlanError> {
        let order = graph::order(&self.deps);
        if order.len() != self.deps.len() {
            let left: Vec<String> = self
                .deps
                .keys()
                .filter(|address| !order.contains(address))
                .map(Address::to_string)
                .collect();
            return Err(PlanError::Circle(left));
        }
        for address in order {
            let (Some(resource), Some(kind)) = (self.desired.get(&address), kinds::of(&address))
            else {
                continue;
            };
            match self.closed.and_then(|closed| closed.get(&address)) {
                None => self.one(resource, kind),
                Some(closed) => {
                    self.one(&closed.resource, kind);
                    // What is thrown away again has nobody to let in, and holds the data of what is live.
                    if !self.generation.is_drill() {
                        self.open(resource, kind, closed);
                    }
                }
            }
        }
        Ok(())
    }

    /// Plans what is added to a resource once everything is validated.
    fn open(&mut self, resource: &'a Resource, kind: &'static Kind, closed: &Closed) {
        self.unchanged
            .retain(|address| *address != resource.address);
        let before = self
            .drafts
            .last()
            .map(|draft| &draft.step)
            .filter(|step| step.address == resource.address && step.action != Action::Delete);
        let (token, object) = match (before, self.kept.get(&resource.address)) {
            // The object that the step before makes is known by that step's token.
            (Some(before), _) => (before.token.clone(), before.object.clone()),
            (None, there) => (
                client_token(
                    self.generation,
                    &resource.address,
                    &canonical::digest(&resource.spec),
                ),
                there.map(|observed| observed.id.clone()),
            ),
        };
        let (seconds, calls) = estimate::cost(kind, &resource.address, Action::Open, self.medians);
        let spec = resolve(&resource.spec, &|reference: &Reference| {
            self.known(reference)
        });
        self.drafts.push(Draft {
            step: Step {
                id: format!("{} {}", verb(Action::Open), resource.address),
                action: Action::Open,
                address: resource.address.clone(),
                layer: Layer::Exposure,
                depends_on: Vec::new(),
                spec,
                object,
                changes: closed.held.clone(),
                token,
                digest: mark_digest(kind, &resource.address, &resource.spec),
                reason: "held back until the generation is validated".to_owned(),
                seconds,
                calls,
            },
            first: false,
        });
    }

    fn one(&mut self, resource: &'a Resource, kind: &'static Kind) {
        let resolved = resolve(&resource.spec, &|reference: &Reference| {
            self.known(reference)
        });
        if resource.address.provider() == "check" {
            return self.push(
                resource,
                kind,
                Action::Check,
                resolved,
                None,
                Vec::new(),
                String::new(),
            );
        }
        let recovering = match resource.address.provider() {
            "recover" => Some(kinds::recover::action(resource.address.kind())),
            "database" | "rds" => Some(kinds::database::action(resource.address.kind())),
            _ => None,
        };
        if let Some(action) = recovering {
            return self.push(
                resource,
                kind,
                action,
                resolved,
                None,
                Vec::new(),
                String::new(),
            );
        }
        let candidates = self
            .ours
            .get(&resource.address)
            .cloned()
            .unwrap_or_default();
        if resource.address.provider() == "backup" {
            // One that is not ready was begun and not proven; whoever makes it goes on with it.
            if candidates.iter().any(|observed| observed.ready) {
                self.unchanged.push(resource.address.clone());
                return;
            }
            return self.push(
                resource,
                kind,
                Action::Create,
                resolved,
                None,
                Vec::new(),
                String::new(),
            );
        }
        if candidates.is_empty() && route53::is_shared(&resource.address) {
            return self.lead(resource, kind, resolved);
        }
        let mut compared: Vec<(&'a Observed, Comparison)> = candidates
            .iter()
            .filter(|observed| !observed.marks.contains_key(ENDING))
            .map(|observed| {
                (
                    *observed,
                    compare(
                        kind,
                        &resource.spec,
                        &resolved,
                        observed,
                        &|reference: &Reference| self.volatile(reference),
                    ),
                )
            })
            .collect();
        // After an interrupted replacement two objects have the address: the one that fits stays.
        compared.sort_by_key(|(observed, comparison)| {
            (
                comparison.replaces(),
                !comparison.is_same(),
                observed.id.clone(),
            )
        });
        let mut compared = compared.into_iter();
        let Some((observed, comparison)) = compared.next() else {
            let action = if resource.address.provider() == "seed" {
                Action::Seed
            } else {
                Action::Create
            };
            return self.push(
                resource,
                kind,
                action,
                resolved,
                None,
                Vec::new(),
                String::new(),
            );
        };
        for (extra, _) in compared {
            self.push_delete(extra, "another object has its address", false);
        }
        let renewed = self.renewed_secrets(&resource.address);
        let sealed = observed.spec.get("object").is_some_and(live::is_sealed);
        let renewed_for_good = !renewed.is_empty() && sealed;
        if comparison.replaces() || renewed_for_good {
            let also = renewed_for_good.then(|| {
                let secrets = renewed.join(", ");
                format!("reads {secrets}, which this plan renews, and is immutable")
            });
            return self.replace(
                resource,
                kind,
                resolved,
                observed,
                (comparison.changes, also),
            );
        }
        self.kept.insert(resource.address.clone(), observed);
        if self.rotating.contains(&resource.address) {
            return self.push(
                resource,
                kind,
                Action::Rotate,
                resolved,
                Some(observed),
                comparison.changes,
                "rotation was asked for".to_owned(),
            );
        }
        let reason = if comparison.reason.is_empty()
            && !renewed.is_empty()
            && resource.address.provider() == "kubernetes"
        {
            format!("reads {}, which this plan renews", renewed.join(", "))
        } else if comparison.reason.is_empty()
            && !comparison.changes.is_empty()
            && let Some(others) = observed.marks.get(OTHER_MANAGERS)
        {
            format!("also written by {others}, who loses the fields that differ")
        } else {
            comparison.reason
        };
        if comparison.changes.is_empty() && reason.is_empty() {
            self.unchanged.push(resource.address.clone());
        } else {
            self.push(
                resource,
                kind,
                Action::Update,
                resolved,
                Some(observed),
                comparison.changes,
                reason,
            );
        }
    }

    /// A name that does not lead to this generation: taken over from where it leads, made, or left alone.
    fn lead(&mut self, resource: &'a Resource, kind: &'static Kind, resolved: Value) {
        let address = &resource.address;
        let traffic = self.traffic;
        let taken = traffic.elsewhere(address).iter().find_map(|observed| {
            let volatile = |reference: &Reference| self.volatile(reference);
            let comparison = compare(kind, &resource.spec, &resolved, observed, &volatile);
            // Of another name that an older template had at the address nothing is taken.
            (!comparison.replaces()).then_some((*observed, comparison))
        });
        let leads = taken.as_ref().map(|(observed, _)| &observed.generation);
        if let Some(finding) = traffic.held(address, leads) {
            return self.findings.push(finding);
        }
        let Some((observed, comparison)) = taken else {
            let (changes, reason) = (Vec::new(), String::new());
            return self.push(
                resource,
                kind,
                Action::Create,
                resolved,
                None,
                changes,
                reason,
            );
        };
        self.findings
            .extend(traffic.way_back(address, &observed.generation));
        self.kept.insert(address.clone(), observed);
        let reason = format!("it leads to generation {}", observed.generation);
        let changes = comparison.changes;
        self.push(
            resource,
            kind,
            Action::Update,
            resolved,
            Some(observed),
            changes,
            reason,
        );
    }

    /// Addresses of the secrets it reads whose values this plan makes anew.
    fn renewed_secrets(&self, address: &Address) -> Vec<String> {
        let read = self.reads.get(address).into_iter().flatten();
        read.filter(|secret| {
            matches!(
                self.made.get(*secret),
                Some(Action::Create | Action::Replace | Action::Rotate)
            )
        })
        .map(|secret| format!("`{secret}`"))
        .collect()
    }

    fn replace(
        &mut self,
        resource: &'a Resource,
        kind: &'static Kind,
        resolved: Value,
        observed: &'a Observed,
        (changes, also): (Vec<FieldChange>, Option<String>),
    ) {
        let causes: Vec<String> = changes
            .iter()
            .filter(|change| change.forces_replacement)
            .map(|change| self.cause(change))
            .chain(also)
            .collect();
        let reason = causes.join("; ");
        if resource.address.provider() == "seed" {
            self.findings.push(Finding {
                severity: Severity::Error,
                code: "seed.other-origin".to_owned(),
                subject: resource.address.to_string(),
                message: format!("the generation is seeded already, and seeding it again would overwrite its data ({reason})"),
                hint: "use `--generation new` to rebuild from another backup".to_owned(),
            });
        }
        let first = kind.named
            || teardown::in_the_way(&resource.address, &resolved, &observed.spec)
            || self.blocked_by_replacement(resource);
        if first {
            self.going_first.insert(resource.address.clone());
        }
        self.push_delete(observed, &format!("replaced: {reason}"), first);
        self.push(
            resource,
            kind,
            Action::Replace,
            resolved,
            Some(observed),
            changes,
            reason,
        );
    }

    /// Whether something it stands on goes first, and can't while the old object of this resource is there.
    fn blocked_by_replacement(&self, resource: &Resource) -> bool {
        references(&resource.spec).iter().any(|reference| {
            self.going_first.contains(&reference.address) && teardown::holds_on(&reference.address)
        })
    }

    fn cause(&self, change: &FieldChange) -> String {
        let replaced = change
            .after
            .iter()
            .flat_map(references)
            .find(|reference| self.volatile(reference));
        match replaced {
            Some(reference) => format!("`{}` is new", reference.address),
            None => format!("`{}` can't be changed in place", change.path),
        }
    }

    fn push_delete(&mut self, observed: &'a Observed, reason: &str, first: bool) {
        let mut draft = draft_delete(
            observed,
            self.medians,
            self.generation,
            reason,
            &mut self.names,
        );
        draft.first = first;
        self.drafts.push(draft);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one step, each from its own source"
    )]
    fn push(
        &mut self,
        resource: &Resource,
        kind: &Kind,
        action: Action,
        spec: Value,
        observed: Option<&Observed>,
        changes: Vec<FieldChange>,
        reason: String,
    ) {
        self.made.insert(resource.address.clone(), action);
        // A replacement or a rotation is another effect than the one that made the old value, though the declaration may be the same.
        let earlier = match (action, observed) {
            (Action::Replace, Some(observed)) => observed.id.clone(),
            (Action::Rotate, Some(observed)) => observed
                .outputs
                .get("version")
                .map(Value::to_string)
                .unwrap_or_default(),
            _ => String::new(),
        };
        let digest = canonical::digest(&resource.spec);
        let effect = if earlier.is_empty() {
            digest
        } else {
            canonical::digest_bytes(format!("{digest}\n{earlier}").as_bytes())
        };
        let (seconds, calls) = estimate::cost(kind, &resource.address, action, self.medians);
        self.drafts.push(Draft {
            step: Step {
                id: format!("{} {}", verb(action), resource.address),
                action,
                address: resource.address.clone(),
                layer: kind.layer,
                depends_on: Vec::new(),
                spec,
                object: observed
                    .filter(|_| action != Action::Replace)
                    .map(|observed| observed.id.clone()),
                changes,
                token: client_token(self.generation, &resource.address, &effect),
                digest: mark_digest(kind, &resource.address, &resource.spec),
                reason,
                seconds,
                calls,
            },
            first: false,
        });
    }

    /// Objects of this generation that nothing declares.
    fn unwanted(&mut self) {
        let sets = Set::all(self.ours);
        let pruning = Pruning {
            allowed: self.policy.prune,
            rebuilds: self.made.values().any(|action| *action == Action::Seed),
            sets: &sets,
        };
        for (address, objects) in self.ours {
            if self.desired.contains_key(*address) {
                continue;
            }
            for observed in objects {
                match pruning.stays(observed) {
                    Some(finding) => self.findings.push(finding),
                    None => self.push_delete(observed, "nothing declares it", false),
                }
            }
        }
    }
}

/// The word an action has in a step's id.
pub(crate) fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Open => "open",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Rotate => "rotate",
        Action::Seed => "seed",
        Action::Check => "check",
    }
}

fn draft_delete(
    observed: &Observed,
    medians: &BTreeMap<String, u32>,
    generation: &Generation,
    reason: &str,
    names: &mut BTreeSet<String>,
) -> Draft {
    let kind = kinds::of(&observed.address);
    let (seconds, calls) = kind.map_or((1, 1), |kind| {
        estimate::cost(kind, &observed.address, Action::Delete, medians)
    });
    let plain = format!("delete {}", observed.address);
    // Two leftovers may have one address; ids stay unique.
    let id = if names.insert(plain.clone()) {
        plain
    } else {
        format!("{plain} {}", observed.id)
    };
    Draft {
        step: Step {
            id,
            action: Action::Delete,
            address: observed.address.clone(),
            layer: kind.map_or(Layer::Network, |kind| kind.layer),
            depends_on: Vec::new(),
            spec: Value::Null,
            object: Some(observed.id.clone()),
            changes: Vec::new(),
            token: client_token(
                generation,
                &observed.address,
                &canonical::digest_bytes(format!("delete\n{}", observed.id).as_bytes()),
            ),
            digest: String::new(),
            reason: reason.to_owned(),
            seconds,
            calls,
        },
        first: false,
    }
}
