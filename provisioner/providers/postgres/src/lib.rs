//! PostgreSQL: a verified dump into a fresh database, and the chain read again from its tables.
//!
//! PostgreSQL's own `psql` and `pg_restore` do the work. Passwords reach them in a file that only we may read (libpq, "The Password File")
//! and never as an argument or a variable; a new role's password reaches the server as a SCRAM verifier.

mod chain;
mod dump;
mod mark;
mod provider;
mod rows;
mod tools;

pub use provider::Postgres;
