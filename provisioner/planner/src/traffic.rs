//! Names in DNS, which lead users to one generation after the other: when a plan may point one at its generation, and when that is left to a
//! plan of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::finding::{Finding, Severity};
use crate::identity::Generation;
use crate::kind::Layer;
use crate::kinds::{self, route53};
use crate::observed::{Inventory, Observed};
use crate::plan::Target;

/// When a name is pointed at the plan's generation.
pub(crate) enum Rule {
    /// As part of building it, unless the name leads to another generation that can serve: nobody is led away from one that works without
    /// being asked.
    Build,
    /// Never; why.
    Never(String),
    /// Whatever it leads to.
    Switch,
}

/// The names that lead elsewhere.
pub(crate) struct Traffic<'a> {
    rule: Rule,
    target: &'a Target,
    elsewhere: BTreeMap<&'a Address, Vec<&'a Observed>>,
    serving: BTreeSet<&'a Generation>,
}

impl<'a> Traffic<'a> {
    pub fn new(inventory: &'a Inventory, target: &'a Target, rule: Rule) -> Self {
        let mut elsewhere: BTreeMap<&Address, Vec<&Observed>> = BTreeMap::new();
        let mut serving = BTreeSet::new();
        for object in &inventory.objects {
            if object.generation == target.generation {
                continue;
            }
            if route53::is_shared(&object.address) {
                elsewhere.entry(&object.address).or_default().push(object);
            } else if serves(&object.address) {
                serving.insert(&object.generation);
            }
        }
        Self {
            rule,
            target,
            elsewhere,
            serving,
        }
    }

    /// The plan's generation.
    pub fn generation(&self) -> &'a Generation {
        &self.target.generation
    }

    /// What stands at a name's address and is another generation's.
    pub fn elsewhere(&self, address: &Address) -> &[&'a Observed] {
        self.elsewhere.get(address).map_or(&[], Vec::as_slice)
    }

    /// Why a name is not pointed at the plan's generation; `leads` is where it leads now.
    pub fn held(&self, address: &Address, leads: Option<&Generation>) -> Option<Finding> {
        let why = match (&self.rule, leads) {
            (Rule::Never(why), _) => why.clone(),
            (Rule::Build, Some(leads)) if self.serving.contains(leads) => {
                "that one can still serve".to_owned()
            }
            _ => return None,
        };
        let now = match leads {
            Some(leads) => format!("users are led to generation {leads} still"),
            None => "no user is led here yet".to_owned(),
        };
        Some(Finding {
            severity: Severity::Note,
            code: "traffic.held".to_owned(),
            subject: address.to_string(),
            message: format!(
                "{now}, and this plan does not switch it, since {why}; once this generation is validated `{}` does",
                self.command(&self.target.generation)
            ),
            hint:
                "look at the new generation first: the switch is a plan with approvals of its own"
                    .to_owned(),
        })
    }

    /// How a switch is undone.
    pub fn way_back(&self, address: &Address, from: &Generation) -> Option<Finding> {
        self.serving.contains(from).then(|| Finding {
            severity: Severity::Note,
            code: "traffic.switched".to_owned(),
            subject: address.to_string(),
            message: format!(
                "users are led away from generation {from}; `{}` leads them back",
                self.command(from)
            ),
            hint: "leave that generation standing until nobody wants to go back".to_owned(),
        })
    }

    fn command(&self, to: &Generation) -> String {
        format!(
            "rebuild cut-over --env {} --to {to}",
            self.target.environment
        )
    }
}

/// Whether users could be served by an object of this kind.
fn serves(address: &Address) -> bool {
    kinds::of(address).is_some_and(|kind| {
        matches!(
            kind.layer,
            Layer::Network | Layer::Compute | Layer::Workloads
        )
    })
}
