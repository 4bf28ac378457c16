//! Verifies one file, or standard input for `-`: `verify PATH [KEY_FILE]` prints the verdict as JSON and exits with 0
//! (intact), 3 (suspect), 4 (rejected) or 1 (could not be checked).

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this example is a command"
)]

use std::error::Error;
use std::fs::File;
use std::io;
use std::process::ExitCode;

use backup::{Options, verify};
use secrecy::SecretString;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

fn run() -> Result<u8, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("usage: verify PATH [KEY_FILE]")?;
    let mut options = Options::at(jiff::Timestamp::now().as_second());
    if let Some(key_file) = arguments.next() {
        let key = std::fs::read_to_string(key_file)?;
        options = options.with_passphrase(SecretString::from(key.trim_end_matches('\n')));
    }
    let verified = if path == "-" {
        verify(&mut io::stdin().lock(), options)?
    } else {
        verify(&mut File::open(path)?, options)?
    };
    println!("{}", serde_json::to_string_pretty(&verified.verdict)?);
    Ok(verified.verdict.verdict.exit_code())
}
