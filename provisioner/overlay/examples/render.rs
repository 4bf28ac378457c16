//! `render [kustomize's flags] DIR`: prints a rendered overlay, for comparing with other renderers.

use std::path::Path;
use std::process::ExitCode;

use overlay::{DiskTree, LoadRestrictor, Options, Reorder, render};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the command line"
)]
fn main() -> ExitCode {
    let mut options = Options::default();
    let mut directory = ".".to_owned();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--reorder=legacy" => options.reorder = Reorder::Legacy,
            "--reorder=none" => options.reorder = Reorder::None,
            "--load-restrictor=LoadRestrictionsNone" => {
                options.load_restrictor = LoadRestrictor::None
            }
            "--load-restrictor=LoadRestrictionsRootOnly" => {
                options.load_restrictor = LoadRestrictor::RootOnly
            }
            "--enable-managedby-label" => options.managed_by_label = true,
            // Accepted, and nothing foreign is run all the same.
            "--enable-alpha-plugins" | "--enable-helm" | "--enable-exec" => {}
            flag if flag.starts_with("--") => {
                eprintln!("error: unknown flag: {flag}");
                return ExitCode::from(2);
            }
            path => directory = path.to_owned(),
        }
    }
    let path = Path::new(&directory);
    let absolute = if overlay_is_remote(&directory) {
        path.to_path_buf()
    } else {
        std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
    };
    let rendered = DiskTree::new(Path::new("/"))
        .map_err(|e| e.to_string())
        .and_then(|tree| {
            render(&tree, &absolute.display().to_string(), &options).map_err(|e| e.to_string())
        });
    match rendered {
        Ok(rendered) => {
            for warning in &rendered.warnings {
                eprintln!("{warning}");
            }
            print!("{}", rendered.to_yaml());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn overlay_is_remote(directory: &str) -> bool {
    directory.contains("://")
}
