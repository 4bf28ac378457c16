//! Pure planning: desired resources, what the clouds hold, and the one value that says what will be done about the difference.
//!
//! Nothing here performs I/O, reads a clock, draws a random number or is async. The generation id, the time and the medians that
//! estimates are made from are inputs, so the same inputs give the same plan byte for byte.
//!
//! - [`address`], [`reference`](mod@reference), [`resource`]: what is wanted, and how one resource speaks of another.
//! - [`kind`] and [`kinds`]: what each kind of resource looks like, and what can be changed in place.
//! - [`observed`]: what the providers found.
//! - [`plan`](mod@plan): the immutable plan and its steps. [`finding`]: typed remarks on it.
//! - [`canonical`]: the JSON form that digests and hashes are taken over.
//! - [`render`](mod@render): from templates to resources, every fault with its place.
//! - [`planning`]: the plan itself, and the one that takes a generation down. [`checks`]: remarks on it. [`file`](mod@file): the plan on disk.
//! - [`preview`]: the plan as people read it. [`schema`]: its JSON Schema.
//! - [`hardening`]: what is weak in what was built.
//! - [`recovery`]: what is done about something that stands, and failed.
//! - [`scenario`]: what a plan is made for.
//! - [`clean_room`]: what is held back until what was built is validated.
//! - [`taint`]: that nothing new points at the old environment.
//! - [`identity`]: names, client tokens and digests that make every effect idempotent.

pub mod address;
pub mod applyset;
pub mod canonical;
pub mod checks;
pub mod clean_room;
pub mod compare;
mod diff;
pub mod duration;
mod estimate;
pub mod file;
pub mod finding;
mod graph;
pub mod hardening;
pub mod identity;
pub mod kind;
pub mod kinds;
mod live;
pub mod observed;
mod ordering;
pub mod plan;
pub mod planning;
pub mod preview;
mod pruning;
mod quantity;
pub mod recovery;
pub mod reference;
pub mod render;
pub mod resource;
pub mod scenario;
pub mod schema;
mod secrets;
pub mod taint;
mod teardown;
mod template;
mod traffic;
mod yaml;

pub use address::Address;
pub use file::{PlanFileError, stale, verify};
pub use finding::{Finding, Severity};
pub use identity::Generation;
pub use kind::{Kind, Layer};
pub use manifest::nearest;
pub use observed::{Foreign, Inventory, Observed};
pub use plan::{Action, Plan, Step};
pub use planning::{Case, Input, PlanError, Policy, Rotate, cut_over, destroy, plan, recover};
pub use reference::{Late, Reference};
pub use render::{RenderError, Source, render};
pub use resource::Resource;
pub use scenario::{Incident, Scenario};
