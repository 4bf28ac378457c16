//! A process that held secrets leaves none of its memory behind.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump is written when it dies, and no other process of the same user may read its memory.
///
/// Either is asked of the system for itself. Both only take something away, so a system that refuses is as it was before, and the command
/// goes on: at 3 a.m. a rebuild matters more.
pub fn keep_to_itself() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
