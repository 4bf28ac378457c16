//! Tests of the whole: the command line as people see it, and runs on real servers.

mod breach;
mod command;
mod contained;
mod failover;
mod help;
mod known_good;
mod main_job;
mod overlays;
mod planned;
mod recovered;
mod verify;
mod world;
