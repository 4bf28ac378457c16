//! `rebuild render …`: what would be applied, without asking anybody.

use std::io::Write;

use overlay::{DiskTree, LoadRestrictor, Options, Reorder};

use crate::args::{LoadRestrictions, Order, OverlayArgs, RenderCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs the command.
pub fn run(command: RenderCommand, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        RenderCommand::Overlay(arguments) => overlay(&arguments, printer),
    }
}

/// Prints what `kubectl kustomize` prints.
fn overlay(arguments: &OverlayArgs, printer: &Printer) -> Result<Exit, Failure> {
    let options = Options {
        reorder: match arguments.reorder {
            Order::Legacy => Reorder::Legacy,
            Order::None => Reorder::None,
        },
        load_restrictor: match arguments.load_restrictor {
            LoadRestrictions::LoadRestrictionsRootOnly => LoadRestrictor::RootOnly,
            LoadRestrictions::LoadRestrictionsNone => LoadRestrictor::None,
        },
        managed_by_label: arguments.enable_managedby_label,
        ..Options::default()
    };
    let failed = |error: &dyn std::error::Error| {
        Failure::of(
            format!("`{}` can't be rendered", arguments.dir.display()),
            error,
        )
    };
    let absolute = std::path::absolute(&arguments.dir).map_err(|error| failed(&error))?;
    let tree = DiskTree::new(std::path::Path::new("/")).map_err(|error| failed(&error))?;
    let target = absolute.to_str().ok_or_else(|| {
        Failure::new("the folder's name can't be used").because("it is not UTF-8")
    })?;
    let rendered = overlay::render(&tree, target, &options).map_err(|error| failed(&error))?;
    for warning in &rendered.warnings {
        printer.warn(warning);
    }
    match std::io::stdout()
        .lock()
        .write_all(rendered.to_yaml().as_bytes())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::of("stdout can't be written", &error))
        }
        _ => Ok(Exit::Done),
    }
}
