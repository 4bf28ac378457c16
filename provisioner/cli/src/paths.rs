//! Where things live: the project, run records, caches.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder that holds `environments/` and `templates/`: `--project`, else the nearest one above the working directory.
pub fn project(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return if folder.join("environments").is_dir() {
            Ok(folder.to_path_buf())
        } else {
            Err(Failure::new(format!("`{}` is no project folder", folder.display()))
                .because("it has no `environments` folder")
                .hint("name the folder that holds `environments/` and `templates/` with --project"))
        };
    }
    let here = std::env::current_dir()
        .map_err(|error| Failure::of("the working directory can't be read", &error))?;
    here.ancestors()
        .find(|folder| folder.join("environments").is_dir() && folder.join("templates").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            Failure::new("no project found here")
                .because(format!(
                    "neither `{}` nor a folder above it holds `environments/` and `templates/`",
                    here.display()
                ))
                .hint("change to the project's folder, or name it with --project")
        })
}

/// `$XDG_STATE_HOME/rebuild` or `~/.local/state/rebuild` (XDG Base Directory Specification 0.8).
pub fn state() -> Result<PathBuf, Failure> {
    base("XDG_STATE_HOME", ".local/state")
}

/// Run records of one environment.
pub fn runs(environment: &str) -> Result<PathBuf, Failure> {
    Ok(state()?.join("runs").join(environment))
}

/// A whole file of at most `limit` bytes.
pub fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::of(format!("`{}` can't be read", path.display()), error)
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&error))?;
    if bytes.len() > limit {
        return Err(Failure::new(format!("`{}` can't be read", path.display()))
            .because(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// A whole text file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: usize) -> Result<String, Failure> {
    String::from_utf8(read_bounded(path, limit)?)
        .map_err(|error| Failure::of(format!("`{}` is no text", path.display()), &error))
}

fn base(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let set = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder = match set {
        Some(folder) => folder,
        None => PathBuf::from(std::env::var_os("HOME").ok_or_else(|| {
            Failure::new("no home folder")
                .because("HOME is not set")
                .hint(format!("set HOME or {variable}"))
        })?)
        .join(below_home),
    };
    Ok(folder.join("rebuild"))
}

/// Writes a file that only its owner reads, whole or not at all.
pub fn private_file(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::of(format!("`{}` can't be written", path.display()), error)
            .hint("choose another place, or make room")
    };
    let part = path.with_added_extension("part");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // What is left of it is of no use; that it can't be removed either adds nothing.
        let _ = std::fs::remove_file(&part);
        failed(&error)
    })
}
