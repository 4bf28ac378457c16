//! EC2: networks, instances, volumes, key pairs.
//!
//! - [`provider`]: finds by ownership tags, creates, settles, removes; the same for every kind.
//! - `kinds`: one module per kind says how that kind is described, created, changed in place and deleted.
//! - [`contain`]: cuts networks off.
//! - [`evidence`]: reads what an environment has, before it is destroyed.
//! - `hardening`: what is weak in a finished generation.
//! - `marks`: ownership tags and free tags.

pub mod contain;
pub mod evidence;
mod hardening;
mod kinds;
mod marks;
pub mod provider;

pub use provider::Ec2;
