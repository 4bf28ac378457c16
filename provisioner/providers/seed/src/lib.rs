//! Seeds the new generation from a verified backup.
//!
//! One pass: the pinned version streams from its store, is verified whole, decrypted, encrypted with the fresh key and streamed to the
//! generation's bucket. Then it is read back and verified against the pin. Memory does not grow with its size.

mod pipe;
mod provider;
mod seeder;
mod store;

pub use provider::{Condition, Seed, Target};
pub use seeder::{Seeder, Source};
pub use store::{Head, MemoryStores, ObjectStores, Reader, Store, Stores};
