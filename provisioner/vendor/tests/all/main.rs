//! Vendoring against real servers: git's own HTTP backend, a server of files, the program `helm`.

mod charts;
mod files;
mod project;
mod repositories;
mod server;
