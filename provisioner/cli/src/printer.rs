//! The one place that writes to the terminal: stdout is data, stderr is everything else.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; stable.
    Json,
}

/// Writes results and messages.
#[derive(Clone, Debug)]
pub struct Printer {
    /// Chosen form of results.
    pub format: Format,
    /// No progress and no notes.
    pub quiet: bool,
}

impl Printer {
    /// A result: text as it is.
    pub fn data(&self, text: &str) {
        let mut out = anstream::stdout().lock();
        // A closed pipe (`| head`) is the reader's choice, not an error.
        let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    }

    /// A plan as people read it, for this terminal.
    pub fn preview(&self, plan: &planner::Plan) -> String {
        let style = planner::preview::Style {
            color: self.colour(),
            ..planner::preview::Style::default()
        };
        planner::preview::text(plan, &style)
    }

    /// A result as one line of JSON.
    pub fn json<T: Serialize>(&self, value: &T) {
        match serde_json::to_string(value) {
            Ok(line) => self.data(&line),
            Err(error) => self.warn(&format!("a result could not be written as JSON: {error}")),
        }
    }

    /// A note for people.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// Something to be looked at.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(anstream::stderr().lock(), "warning: {text}");
    }

    /// A failed command: text on stderr, and with `--format json` an object on stdout as well.
    pub fn failure(&self, failure: &Failure) {
        let _ = writeln!(anstream::stderr().lock(), "{failure}");
        if self.format == Format::Json {
            self.json(&serde_json::json!({
                "error": { "message": failure.message, "causes": failure.causes, "hints": failure.hints, "exit": failure.exit as u8 }
            }));
        }
    }

    /// Whether colours belong on stdout: a terminal, no `NO_COLOR`.
    pub fn colour(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
    }

    /// Whether stderr is a terminal that can show live progress.
    pub fn live(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether a person sits at both ends and can be asked.
    pub fn interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks on stderr, reads a line from stdin.
    pub fn ask(&self, question: &str) -> std::io::Result<String> {
        write!(anstream::stderr().lock(), "{question} ")?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}
