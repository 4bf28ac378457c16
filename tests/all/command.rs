//! Runs the binary in a hermetic environment and shows all that came out.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the first user's data.
pub fn fixture(path: &str) -> PathBuf {
    root().join("tests/fixtures/natlangchain").join(path)
}

/// A copy of the project's own environments and templates, to be changed.
pub fn copy_of_project(to: &Path) {
    for folder in ["environments", "templates"] {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(root().join(folder))
            .arg(to)
            .status()
            .expect("cp runs");
        assert!(copied.success());
    }
}

/// Runs `rebuild` in an empty home folder and returns exit code, stdout and stderr as one text.
pub fn rebuild(arguments: &[&str]) -> String {
    let home = tempfile::tempdir().expect("a folder for the test");
    let output = Command::new(env!("CARGO_BIN_EXE_rebuild-under-test"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .env("HOME", home.path())
        .env("COLUMNS", "120")
        .output()
        .expect("the binary runs");
    format!(
        "exit: {}\n--- stdout\n{}--- stderr\n{}",
        output
            .status
            .code()
            .map_or_else(|| "signal".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}
