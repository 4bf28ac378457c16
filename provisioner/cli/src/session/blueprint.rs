//! What an environment wants, and the plans that follow from what was seen. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use environment::{Environment, OldSecret, Resolved};
use executor::Scope;
use planner::kinds::route53;
use planner::plan::{PinnedBackup, Target};
use planner::{Case, Generation, Input, Layer, Plan, Resource, Rotate, Scenario, applyset};

use super::{overlay, vendored};
use crate::failure::Failure;
use crate::prepare::Recorded;
use crate::{cut_over, history, recovery};

fn makes(object: &Resource, namespace: &str) -> bool {
    object.address.qualified_kind() == "kubernetes.Namespace" && object.address.name() == namespace
}

/// An environment and where it is.
pub struct Blueprint {
    /// The project's folder.
    pub root: PathBuf,
    /// The environment.
    pub environment: Environment,
    /// Where it is built.
    pub resolved: Resolved,
}

impl Blueprint {
    /// Everything wanted: templates, secrets, seed, checks, overlay; and the digests of all inputs.
    pub fn desired(
        &self,
        generation: &Generation,
        pin: Option<&PinnedBackup>,
        distrusted: &[OldSecret],
    ) -> Result<(Vec<Resource>, BTreeMap<String, String>), Failure> {
        let mut all = self
            .environment
            .desired(&self.resolved, generation, pin, distrusted)
            .map_err(|error| {
                Failure::of("the environment can't be rendered", &error)
                    .hint("correct the file at the place named")
            })?;
        let mut inputs = self.environment.inputs().clone();
        if let Some(wanted) = &self.environment.document.what.overlay {
            let namespace = self
                .environment
                .namespace(generation)
                .unwrap_or_else(|| wanted.namespace.clone());
            let store = vendored::store(&self.root, &self.environment)?;
            let (objects, files) = overlay::objects(&self.root, &wanted.path, &namespace, &store)?;
            if wanted.namespace_suffix && !objects.iter().any(|one| makes(one, &namespace)) {
                // Of a namespace that is this generation's alone nobody else can have made one.
                all.push(overlay::bare_namespace(&namespace)?);
            }
            all.extend(objects);
            inputs.extend(files);
            applyset::form(&mut all, &namespace, env!("CARGO_PKG_VERSION")).map_err(|error| {
                Failure::of("the objects in the cluster have no inventory", &error)
                    .hint("leave the labels of ApplySets out of the overlay")
            })?;
        }
        if generation.is_drill() {
            // What leads users in leads them to what is live, and what a drill saves would stand among the real backups.
            all.retain(|resource| {
                planner::kinds::of(&resource.address)
                    .is_none_or(|kind| !matches!(kind.layer, Layer::Exposure | Layer::Backup))
            });
        }
        Ok((all, inputs))
    }

    /// What the providers are asked for.
    pub fn scope(&self, generation: &Generation) -> Result<Scope, Failure> {
        let (wanted, _) = self.desired(generation, None, &[])?;
        let mut kinds: BTreeSet<String> = wanted
            .iter()
            .filter(|resource| resource.address.provider() == "kubernetes")
            .map(|resource| resource.address.kind().to_owned())
            .collect();
        if self.environment.document.what.overlay.is_some() {
            // Made beside the overlay, in generations that an older form of the environment made too.
            kinds.extend(["Namespace", "Secret", "ConfigMap"].map(str::to_owned));
        }
        let names = wanted
            .iter()
            .filter_map(|resource| {
                let name = if route53::is_shared(&resource.address) {
                    let record: route53::Record =
                        serde_json::from_value(resource.spec.clone()).ok()?;
                    record.place().to_string()
                } else {
                    let field = |field: &&str| resource.spec.get(field)?.as_str();
                    ["name", "path"].iter().find_map(field)?.to_owned()
                };
                Some((resource.address.clone(), name))
            })
            .collect();
        Ok(Scope {
            environment: self.environment.name().to_owned(),
            generation: generation.clone(),
            kinds: kinds.into_iter().collect(),
            names,
        })
    }

    /// The plan that makes what is wanted out of what was seen.
    pub fn plan(&self, seen: &Recorded, rotate: Rotate) -> Result<Plan, Failure> {
        if seen.known.recovery.is_some() {
            return recovery::plan(self, seen);
        }
        if seen.known.scenario == Scenario::CutOver {
            return cut_over::plan(self, seen);
        }
        let distrusted = seen.known.distrusted(&seen.inventory);
        let (desired, inputs) =
            self.desired(&seen.generation, seen.backup.as_ref(), &distrusted)?;
        let input = Input {
            case: seen.known.case(self)?,
            desired,
            inputs,
            rotate,
            ..self.input(seen)?
        };
        planner::plan(input).map_err(|error| {
            Failure::of("no plan can be made", &error)
                .hint("correct the environment or the template at the place named")
        })
    }

    /// The plan that takes a generation down.
    pub fn destroy(&self, seen: &Recorded) -> Result<Plan, Failure> {
        planner::destroy(self.input(seen)?)
            .map_err(|error| Failure::of("no plan can be made", &error))
    }

    /// What every plan is made from.
    pub fn input(&self, seen: &Recorded) -> Result<Input, Failure> {
        Ok(Input {
            desired: Vec::new(),
            case: Case::default(),
            inventory: seen.inventory.clone(),
            target: Target {
                environment: self.environment.name().to_owned(),
                generation: seen.generation.clone(),
                fresh: true,
                places: self.resolved.expected(),
            },
            actual: seen.places.clone(),
            created: seen.now,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            backup: seen.backup.clone(),
            inputs: BTreeMap::new(),
            policy: self.environment.document.planner_policy(),
            rotate: Rotate::None,
            medians: history::medians(self.environment.name())?,
        })
    }
}
