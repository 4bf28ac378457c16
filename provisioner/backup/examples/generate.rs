//! Writes a valid chain file of about so many megabytes: `generate MEGABYTES > FILE`. The same size gives the same file.

#![allow(clippy::print_stderr, reason = "this example is a command")]
#![allow(missing_docs, reason = "shared with the tests, which need none")]

#[path = "../tests/support/generator.rs"]
mod generator;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(megabytes) = std::env::args()
        .nth(1)
        .and_then(|text| text.parse::<u64>().ok())
    else {
        eprintln!("usage: generate MEGABYTES > FILE");
        return ExitCode::from(1);
    };
    let mut chain = generator::Generator::new(2026, megabytes * 1_000_000, 22);
    match io::copy(&mut chain, &mut io::stdout().lock()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
