//! Tests of the whole: the command line as people see it, and runs on real servers.

mod breach;
mod canary;
mod command;
mod contained;
mod cut_over;
mod database;
mod drilled;
mod evidence;
mod failover;
mod first_backup;
mod help;
mod identities;
mod known_good;
mod main_job;
mod overlays;
mod planned;
mod recovered;
mod tainted;
mod vendored;
mod verify;
mod world;
