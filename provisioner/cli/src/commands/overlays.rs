//! `rebuild overlays …`: fetches what overlays take from elsewhere, and verifies it. The only commands that do; planning and
//! applying use what is vendored.

use std::collections::BTreeSet;
use std::path::Path;

use environment::Environment;
use serde_json::json;
use vendor::{Lock, Problem, Store, Vendoring};

use crate::args::{GlobalArgs, OverlaysCommand, VendorCommand, VendoredCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::session::{overlay, vendored};
use crate::{hints, paths};

/// Runs the command.
pub fn run(
    command: OverlaysCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    match command {
        OverlaysCommand::Vendor(command) => vendor(command, &root, printer),
        OverlaysCommand::Verify(command) => verify(&command, &root, printer),
    }
}

/// The environment, the folder of its overlay and a namespace to render it into, which does not change what it takes.
fn wanted(root: &Path, name: &str) -> Result<(Environment, String, String), Failure> {
    let environment =
        environment::load(root, name).map_err(|errors| hints::of_environment(name, &errors))?;
    let Some(overlay) = environment.document.what.overlay.as_ref() else {
        return Err(
            Failure::new(format!("the environment `{name}` has no overlay"))
                .because("it has no section `what.overlay`"),
        );
    };
    let (path, namespace) = (overlay.path.clone(), overlay.namespace.clone());
    Ok((environment, path, namespace))
}

fn vendor(command: VendorCommand, root: &Path, printer: &Printer) -> Result<Exit, Failure> {
    let (environment, path, namespace) = wanted(root, &command.env)?;
    let _alone = alone(root)?;
    let lock_file = vendored::lock_file(root, environment.name());
    let store = vendored::store(root, &environment)?;
    let vendoring = Vendoring::new(store, command.update, command.helm);
    overlay::render(root, &path, &namespace, &vendoring).map_err(|mut failure| {
        failure.hints = vec![if command.update {
            "allow what is to be fetched in `what.overlay.remotes`, or correct what the kustomization names".to_owned()
        } else {
            "allow what is to be fetched in `what.overlay.remotes`, correct what the kustomization names, or take what servers give now with --update".to_owned()
        }];
        failure
    })?;
    let outcome = vendoring
        .finish(&lock_file)
        .map_err(|error| Failure::of("what was fetched is not pinned", &error))?;
    // With what is pinned now, and nothing else.
    let store = vendored::store(root, &environment)?;
    overlay::render(root, &path, &namespace, &store)?;
    let removed = prune(root, printer)?;

    for (what, files) in &outcome.left_out {
        for file in files {
            printer.warn(&format!("left out of {what}: {file}"));
        }
    }
    if printer.format == Format::Json {
        let changes: Vec<_> = outcome
            .changes
            .iter()
            .map(|change| json!({ "what": change.what, "was": change.was, "now": change.now }))
            .collect();
        printer.json(&json!({ "environment": environment.name(), "changes": changes, "left_out": outcome.left_out, "removed": removed }));
        return Ok(Exit::Done);
    }
    for change in &outcome.changes {
        printer.data(&match (&change.was, &change.now) {
            (None, Some(now)) => format!("+ {}\n    {now}", change.what),
            (Some(was), None) => format!("- {}\n    {was}", change.what),
            (was, now) => format!(
                "~ {}\n    {} -> {}",
                change.what,
                was.as_deref().unwrap_or_default(),
                now.as_deref().unwrap_or_default()
            ),
        });
    }
    if outcome.changes.is_empty() {
        printer.note("nothing changed");
    } else {
        printer.note("look at what changed in `vendor/` and the lock file before you commit both");
    }
    Ok(Exit::Done)
}

/// Waits until no other run vendors into this project: what one has fetched and not yet pinned another would remove.
fn alone(root: &Path) -> Result<std::fs::File, Failure> {
    std::fs::File::open(root.join("environments"))
        .and_then(|folder| folder.lock().map(|()| folder))
        .map_err(|error| Failure::of("`environments/` can't be locked against other runs", &error))
}

/// Removes the trees that no environment pins. An unreadable lock file keeps all of them.
fn prune(root: &Path, printer: &Printer) -> Result<Vec<String>, Failure> {
    let folder = root.join("environments");
    let failed = |error: &dyn std::error::Error| {
        Failure::of(
            "what is not needed any more can't be removed from `vendor/`",
            error,
        )
    };
    let mut trees = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| failed(&error))? {
        let name = entry.map_err(|error| failed(&error))?.file_name();
        let path = folder.join(name).join(vendor::LOCK_FILE);
        if !path.is_file() {
            continue;
        }
        match Lock::load(&path) {
            Ok(lock) => trees.extend(lock.trees().into_keys()),
            Err(error) => {
                printer.warn(&format!("nothing is removed from `vendor/`: {error}"));
                return Ok(Vec::new());
            }
        }
    }
    vendored::shelf(root)
        .prune(&|digest| trees.contains(digest))
        .map_err(|error| failed(&error))
}

fn verify(command: &VendoredCommand, root: &Path, printer: &Printer) -> Result<Exit, Failure> {
    let (environment, path, namespace) = wanted(root, &command.env)?;
    let store = vendored::store(root, &environment)?;
    let mut problems = store.verify();
    if problems.is_empty() {
        problems.extend(unrendered(root, &path, &namespace, &store));
    }
    if command.upstream {
        problems.extend(vendor::upstream(&store));
    }
    let pinned = store.lock().trees().len();
    if printer.format == Format::Json {
        let problems: Vec<_> = problems
            .iter()
            .map(|problem| json!({ "what": problem.what, "reason": problem.reason }))
            .collect();
        printer.json(
            &json!({ "environment": environment.name(), "trees": pinned, "problems": problems }),
        );
    } else {
        for problem in &problems {
            printer.data(&format!("{}\n    {}", problem.what, problem.reason));
        }
    }
    if problems.is_empty() {
        printer.note(&format!(
            "{pinned} vendored trees are what the lock file pins"
        ));
        return Ok(Exit::Done);
    }
    Ok(Exit::Refused)
}

/// Whether the overlay takes what is not vendored.
fn unrendered(root: &Path, path: &str, namespace: &str, store: &Store) -> Option<Problem> {
    let failure = overlay::render(root, path, namespace, store).err()?;
    Some(Problem {
        what: path.to_owned(),
        reason: failure.causes.join(": "),
    })
}
