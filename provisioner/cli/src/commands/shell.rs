//! `rebuild completions` and `rebuild man`.

use std::io::Write;

use clap::CommandFactory;

use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints a shell's completions.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rebuild", &mut text);
    write(&text)
}

/// Prints the man page, every command's after the other (roff).
pub fn man() -> Result<Exit, Failure> {
    let mut text = Vec::new();
    page(Cli::command(), &mut text)
        .map_err(|error| Failure::of("the man page could not be made", &error))?;
    write(&text)
}

fn page(command: clap::Command, text: &mut Vec<u8>) -> std::io::Result<()> {
    let below: Vec<clap::Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .cloned()
        .collect();
    let name = command.get_name().to_owned();
    clap_mangen::Man::new(command).render(text)?;
    for sub in below {
        let full: &'static str = Box::leak(format!("{name}-{}", sub.get_name()).into_boxed_str());
        page(sub.name(full), text)?;
    }
    Ok(())
}

fn write(text: &[u8]) -> Result<Exit, Failure> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::of("stdout can't be written", &error))
        }
        _ => Ok(Exit::Done),
    }
}
