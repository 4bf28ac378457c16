//! Runs the registries' own clients and listens to what they say.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::error::{Error, Result};
use crate::process;

/// How many of the last lines an error repeats.
const LAST: usize = 6;
/// Longer lines are cut.
const LINE: u64 = 4 << 10;

/// Runs a command to its end. Every line that it writes, to either output, is passed on; those of standard output are
/// returned as well.
///
/// It keeps this process's environment: proxies, mirrors and certificates of the registries are set there. It dies
/// with the calling thread.
pub(super) fn run(
    tool: &str,
    command: &mut Command,
    missing: impl FnOnce() -> Error,
    said: impl FnMut(&str) + Send,
) -> Result<Vec<String>> {
    let program = command.get_program().to_string_lossy().into_owned();
    process::die_with_parent(command);
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        Err(source) => {
            return Err(Error::Start {
                name: program,
                source,
            });
        }
    };
    let heard = Mutex::new((said, Vec::new()));
    let listen = |line: &str| {
        if let Ok(mut heard) = heard.lock() {
            let (said, last) = &mut *heard;
            said(line);
            if !line.trim().is_empty() {
                last.push(line.to_owned());
                if last.len() > LAST {
                    last.remove(0);
                }
            }
        }
    };
    let mut printed = Vec::new();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        if let Some(stderr) = stderr {
            scope.spawn(|| lines(stderr, &listen));
        }
        if let Some(stdout) = stdout {
            lines(stdout, |line| {
                listen(line);
                printed.push(line.to_owned());
            });
        }
    });
    let status = child.wait().map_err(|source| Error::Start {
        name: program.clone(),
        source,
    })?;
    if status.success() {
        return Ok(printed);
    }
    let last = heard.into_inner().map(|(_, last)| last).unwrap_or_default();
    Err(Error::Install {
        tool: tool.to_owned(),
        command: program,
        outcome: process::describe(status),
        last: last.join("\n"),
    })
}

fn lines(from: impl Read, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(String::from_utf8_lossy(&line).trim_end()),
        }
    }
}
