//! From what was asked for to a plan: observe, choose the generation, verify the backup, plan. Changes nothing anywhere.

use std::collections::BTreeMap;
use std::path::Path;

use executor::Scope;
use planner::plan::PinnedBackup;
use planner::recovery::Asked;
use planner::{Generation, Incident, Inventory, Observed, Plan, Rotate, Scenario};
use serde::{Deserialize, Serialize};

use crate::breach::{self, Known, Told};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::{SEEDED, Session};
use crate::sources::{Pinned, gate};
use crate::{cut_over, generation, history, paths, recovery};

/// Which generation.
#[derive(Clone, Debug)]
pub enum Which {
    /// As an operator says it: `current`, `new`, or the id of one that is there.
    Asked(String),
    /// This one, whether it is there yet or not: the plan's.
    Exactly(Generation),
    /// The newest unretired one that is none of these, else a new one.
    Beside(Vec<Generation>),
}

/// All that is asked for.
pub struct Order {
    /// Which generation.
    pub which: Which,
    /// Which backup.
    pub wanted: Wanted,
    /// Which secrets are renewed.
    pub rotate: Rotate,
    /// What it is for.
    pub occasion: Occasion,
}

/// What a plan is for.
pub enum Occasion {
    /// One of the scenarios that need to know nothing more.
    Of(Scenario),
    /// Failed pods or a node.
    Node(Asked),
    /// A breach; `old` are the generations that are not trusted, all others that stand without it.
    Breach {
        /// What is known of the time.
        told: Told,
        /// The generations.
        old: Option<Vec<Generation>>,
    },
}

/// Which backup.
pub enum Wanted {
    /// As an operator says it.
    Asked(String),
    /// The one a plan pins; read and verified again.
    Pinned(PinnedBackup),
    /// Verified in this very run.
    Verified(Pinned),
    /// The one the generation says it was seeded from, not verified: nothing of it will be applied.
    Own,
}

/// All that a plan stands on.
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// What the providers are asked for.
    pub scope: Scope,
    /// What they found.
    pub inventory: Inventory,
    /// The backup, verified.
    pub pinned: Option<Pinned>,
}

/// What was seen when a plan was made, so that it can be made again without asking anybody.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The time of planning.
    pub now: jiff::Timestamp,
    /// The places the providers found themselves at.
    pub places: BTreeMap<String, String>,
    /// What they found.
    pub inventory: Inventory,
    /// The generation.
    pub generation: Generation,
    /// The backup that was verified.
    pub backup: Option<PinnedBackup>,
    /// What else is known.
    #[serde(default)]
    pub known: Known,
}

/// Makes the plan.
pub async fn plan(
    session: &mut Session,
    order: Order,
    printer: &Printer,
) -> Result<(Prepared, Recorded), Failure> {
    let Order {
        which,
        wanted,
        rotate,
        occasion,
    } = order;
    let places = session.places().await?;
    let (scope, inventory) = look(session, &which).await?;
    let chosen = scope.generation.clone();
    let mut remarks = Vec::new();
    let own = match occasion {
        // Its data is lost, so nothing keeps it to the backup it came from.
        Occasion::Of(Scenario::DataLoss) => None,
        _ => seeded(&inventory, &chosen).and_then(own_pin),
    };
    let (pin, pinned) = match (wanted, own) {
        (Wanted::Own, own) => (own, None),
        (Wanted::Verified(pinned), _) => (Some(pinned.pin.clone()), Some(pinned)),
        (Wanted::Asked(asked), Some(own)) if asked == "latest" => {
            printer.note(&format!(
                "generation {chosen} was seeded from {}: that is the backup it keeps to",
                own.id
            ));
            let pinned = session.verified_again(&own, printer).await?;
            (Some(own), Some(pinned))
        }
        (Wanted::Asked(asked), _) => {
            let (pinned, newer) = session.verified(&asked, printer).await?;
            remarks = newer;
            (Some(pinned.pin.clone()), Some(pinned))
        }
        (Wanted::Pinned(pin), _) => {
            let pinned = session.verified_again(&pin, printer).await?;
            (Some(pin), Some(pinned))
        }
    };
    if let (Occasion::Breach { told, .. }, Some(pinned)) = (&occasion, &pinned) {
        let (blueprint, pin) = (&session.blueprint, &pinned.pin);
        remarks.extend(gate::window(pin, told));
        remarks.extend(gate::identities(blueprint, pin, told, session.now(), printer).await?);
    }
    session.seed_from(pinned.clone());
    let mut known = match occasion {
        Occasion::Of(Scenario::DataLoss) => Known {
            scenario: Scenario::DataLoss,
            recovery: Some(
                recovery::look_at_data(session, &inventory, &scope, pin.as_ref()).await?,
            ),
            ..Known::default()
        },
        Occasion::Of(Scenario::Database) => Known {
            scenario: Scenario::Database,
            recovery: Some(recovery::look_at_database(session).await?),
            ..Known::default()
        },
        occasion => known(session, &inventory, &chosen, &places, occasion).await?,
    };
    known.remarks.extend(remarks);
    known.named_in = cut_over::named_in(session, &scope).await?;
    let recorded = Recorded {
        now: session.now(),
        places: places.clone(),
        inventory: inventory.clone(),
        generation: chosen,
        backup: pin.clone(),
        known,
    };
    let plan = session.blueprint.plan(&recorded, rotate)?;
    Ok((
        Prepared {
            plan,
            scope,
            inventory,
            pinned,
        },
        recorded,
    ))
}

async fn known(
    session: &Session,
    inventory: &Inventory,
    chosen: &Generation,
    places: &BTreeMap<String, String>,
    occasion: Occasion,
) -> Result<Known, Failure> {
    let (told, old) = match occasion {
        Occasion::Of(scenario) => {
            return Ok(Known {
                scenario,
                ..Known::default()
            });
        }
        Occasion::Node(asked) => {
            return Ok(Known {
                scenario: Scenario::Node,
                recovery: Some(recovery::look(session, inventory, chosen, asked).await?),
                ..Known::default()
            });
        }
        Occasion::Breach { told, old } => (told, old),
    };
    let standing = || {
        generation::all(inventory)
            .into_iter()
            .map(|found| found.generation)
            .filter(|generation| generation != chosen)
            .collect()
    };
    let incident = Incident {
        began: told.began,
        dwell_seconds: u64::try_from(told.dwell.as_secs()).unwrap_or(0),
        generations: old.unwrap_or_else(standing),
    };
    let blueprint = &session.blueprint;
    let when = (places, session.now());
    let changed = breach::changed(blueprint, inventory, when, &incident.generations)?;
    breach::known(blueprint, inventory, incident, changed).await
}

/// Observes, with what the right generation would take; one observation where the generation can be guessed.
pub async fn look(session: &mut Session, which: &Which) -> Result<(Scope, Inventory), Failure> {
    let last = history::last(session.blueprint.environment.name())?;
    let guess = match which {
        Which::Exactly(generation) => generation.clone(),
        Which::Beside(old) => match &last {
            Some(last) if !old.contains(&last.generation) => last.generation.clone(),
            _ => generation::fresh(session.now())?,
        },
        Which::Asked(asked) => match (asked.as_str(), &last) {
            ("new", _) | ("current", None) => generation::fresh(session.now())?,
            ("current", Some(last)) => last.generation.clone(),
            (id, _) => match id.parse() {
                Ok(generation) => generation,
                Err(_) => generation::fresh(session.now())?,
            },
        },
    };
    let (scope, inventory) = observe(session, &guess).await?;
    let chosen = match which {
        Which::Exactly(generation) => generation.clone(),
        Which::Beside(old) => match generation::newest_beside(old, &inventory) {
            Some(generation) => generation,
            None => match last {
                Some(last) if last.begun && !old.contains(&last.generation) => last.generation,
                _ => generation::fresh(session.now())?,
            },
        },
        Which::Asked(asked) => generation::choose(asked, &inventory, || match last {
            // Begun by a run that was cut short before anything of it could be seen.
            Some(last) if last.begun && asked != "new" => Ok(last.generation.clone()),
            Some(_) => generation::fresh(session.now()),
            None => Ok(guess.clone()),
        })?,
    };
    if chosen == guess {
        return Ok((scope, inventory));
    }
    observe(session, &chosen).await
}

async fn observe(
    session: &mut Session,
    generation: &Generation,
) -> Result<(Scope, Inventory), Failure> {
    let scope = session.blueprint.scope(generation)?;
    session.observe(scope).await
}

/// The seeded data of a generation.
pub fn seeded<'a>(inventory: &'a Inventory, generation: &Generation) -> Option<&'a Observed> {
    inventory.objects.iter().find(|object| {
        object.generation == *generation && object.address.to_string() == SEEDED && object.ready
    })
}

/// The pin a seed carries in its marks.
pub fn own_pin(seed: &Observed) -> Option<PinnedBackup> {
    serde_json::from_str(seed.marks.get("pin")?).ok()
}

/// Reads what `--record` wrote.
pub fn read_recorded(path: &Path) -> Result<Recorded, Failure> {
    let refused = |error: &dyn std::error::Error| {
        Failure::of(format!("`{}` is no recording", path.display()), error)
            .hint("give a file that `rebuild plan --record FILE` wrote")
    };
    let bytes = paths::read_bounded(path, planner::file::LARGEST)?;
    serde_json::from_slice(&bytes).map_err(|error| refused(&error))
}
