//! Against a real control plane whose nodes are kwok's.

mod admission;
mod backup;
mod conflicts;
mod contain;
mod definitions;
mod endings;
mod evidence;
mod faults;
mod inventory;
mod objects;
mod proxy;
mod recover;
mod replacements;
mod rollouts;
mod support;
