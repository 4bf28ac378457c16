//! Route 53: names in DNS, which lead users to one generation after the other.

mod companion;
mod provider;
mod sets;

pub use companion::Owner;
pub use provider::Route53;
