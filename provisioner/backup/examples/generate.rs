//! Writes a valid chain file of about so many bytes to standard output, as a stream that never holds more than a block:
//! `generate --bytes N [--seed S]`. The same size and seed give the same file.

#![allow(clippy::print_stderr, reason = "this example is a command")]
#![allow(missing_docs, reason = "shared with the tests, which need none")]

#[path = "../tests/support/generator.rs"]
mod generator;

use std::io;
use std::process::ExitCode;

/// About as many as a block of the first user's chains has.
const ENTRIES_PER_BLOCK: u64 = 22;

struct Arguments {
    bytes: u64,
    seed: u64,
}

fn arguments() -> Option<Arguments> {
    let (mut bytes, mut seed) = (None, 2026);
    let mut rest = std::env::args().skip(1);
    while let Some(name) = rest.next() {
        let value = rest.next()?.replace('_', "").parse().ok()?;
        match name.as_str() {
            "--bytes" => bytes = Some(value),
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some(Arguments {
        bytes: bytes?,
        seed,
    })
}

fn main() -> ExitCode {
    let Some(Arguments { bytes, seed }) = arguments() else {
        eprintln!("usage: generate --bytes N [--seed S] > FILE");
        return ExitCode::from(1);
    };
    let mut chain = generator::Generator::new(seed, bytes, ENTRIES_PER_BLOCK);
    match io::copy(&mut chain, &mut io::stdout().lock()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
