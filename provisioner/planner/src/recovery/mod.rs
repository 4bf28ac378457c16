//! Plans that recover something that stands: what is replaced, stopped, seeded and started. Decided here, from what was seen.

mod cluster;
mod data;
mod node;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use cluster::{Budget, Cluster, Node, Pod, PodState, Scaled};
pub use data::{Data, data};
pub use node::{Asked, asked, node};

use crate::address::{Address, AddressError};
use crate::checks::finding;
use crate::finding::{Finding, Severity};
use crate::identity::Generation;
use crate::observed::Inventory;
use crate::reference::{Reference, references, resolve};
use crate::resource::Resource;

/// What has to be done, and what speaks against it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Resources of the kinds `recover.*` and `seed.*`.
    pub resources: Vec<Resource>,
    /// Remarks; errors forbid applying.
    pub findings: Vec<Finding>,
}

impl Recovered {
    /// The environment's checks around it: copies of those in `before` first, where given, and `after` when all is done.
    ///
    /// # Errors
    /// When a name can't be part of an address.
    pub fn checked(&mut self, before: &[Resource], after: &[Resource]) -> Result<(), AddressError> {
        if self.resources.is_empty() {
            return Ok(());
        }
        let mut first = BTreeSet::new();
        let mut copies = Vec::new();
        for check in before {
            let name = format!("before-{}", check.address.name());
            let address = Address::new(check.address.provider(), check.address.kind(), &name)?;
            first.insert(address.clone());
            copies.push(Resource {
                address,
                depends_on: BTreeSet::new(),
                ..check.clone()
            });
        }
        for resource in &mut self.resources {
            resource.depends_on.extend(first.iter().cloned());
        }
        let done: BTreeSet<Address> = self
            .resources
            .iter()
            .map(|resource| resource.address.clone())
            .collect();
        self.resources.extend(copies);
        let names: BTreeSet<&Address> = after.iter().map(|check| &check.address).collect();
        for check in after {
            let mut check = check.clone();
            check
                .depends_on
                .retain(|address| names.contains(address) && *address != check.address);
            check.depends_on.extend(done.iter().cloned());
            self.resources.push(check);
        }
        Ok(())
    }
}

fn resource(kind: &str, name: &str, spec: &impl Serialize) -> Result<Resource, AddressError> {
    Ok(Resource {
        address: Address::new("recover", kind, name)?,
        // Plain structs of texts and numbers; the planner refuses the spec of one that would fail.
        spec: serde_json::to_value(spec).unwrap_or_default(),
        depends_on: BTreeSet::new(),
        origin: None,
    })
}

/// Resources as they stand in a generation: what they refer to is there, so it is filled in. One that refers to something missing is left
/// out and remarked on.
pub fn bound(
    resources: Vec<Resource>,
    inventory: &Inventory,
    generation: &Generation,
) -> Recovered {
    let known: BTreeMap<&Address, _> = inventory
        .objects
        .iter()
        .filter(|object| object.generation == *generation)
        .map(|object| (&object.address, object))
        .collect();
    let output = |reference: &Reference| {
        let object = known.get(&reference.address)?;
        match object.outputs.get(&reference.attribute) {
            None if reference.attribute == "id" => Some(object.id.as_str().into()),
            found => found.cloned(),
        }
    };
    let mut found = Recovered::default();
    for mut resource in resources {
        resource.spec = resolve(&resource.spec, &output);
        match references(&resource.spec).first() {
            None => found.resources.push(resource),
            Some(missing) => found.findings.push(finding(
                Severity::Error,
                "recover.missing",
                &resource.address,
                format!("it stands on `{}`, which is not there", missing.address),
                "use the main command without a scenario: it makes what is missing",
            )),
        }
    }
    found
}
