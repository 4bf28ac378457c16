//! How an installation is made once, resumed and guarded, with recipes that write small files instead of asking a
//! registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use super::recipe::{Recipe, Report, ensure, find, folder};
use super::*;
use crate::progress::{Progress, Silent};

/// Writes two files; stops between them the first `failures` times.
struct Fake {
    inputs: &'static str,
    failures: AtomicU32,
    made: AtomicU32,
    barrier: Option<Arc<Barrier>>,
}

impl Fake {
    fn new(inputs: &'static str, failures: u32) -> Self {
        Self {
            inputs,
            failures: AtomicU32::new(failures),
            made: AtomicU32::new(0),
            barrier: None,
        }
    }
}

impl Recipe for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn version(&self) -> String {
        "1.0".to_owned()
    }

    fn inputs(&self) -> String {
        self.inputs.to_owned()
    }

    fn make(&self, dir: &Path, report: &Report<'_>) -> Result<Vec<PathBuf>> {
        report.advanced(1, Some(2), "first");
        fs::write(dir.join("first"), self.inputs).unwrap();
        if let Some(barrier) = &self.barrier {
            barrier.wait();
        }
        let failures = self.failures.load(Ordering::SeqCst);
        if failures > 0 {
            self.failures.store(failures - 1, Ordering::SeqCst);
            return Err(Error::State("interrupted".to_owned()));
        }
        fs::write(dir.join("second"), "2").unwrap();
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(vec!["first".into(), "second".into()])
    }
}

#[test]
fn an_interrupted_installation_is_not_taken_for_one_and_is_done_again() {
    let tools = tempfile::tempdir().unwrap();
    let fake = Fake::new("a", 1);
    assert!(ensure(tools.path(), &fake, &Silent).is_err());
    assert!(folder(tools.path(), &fake).join("first").exists());
    assert_eq!(find(tools.path(), &fake).unwrap(), None);
    let dir = ensure(tools.path(), &fake, &Silent).unwrap();
    assert_eq!(find(tools.path(), &fake).unwrap(), Some(dir.clone()));
    assert_eq!(ensure(tools.path(), &fake, &Silent).unwrap(), dir);
    assert_eq!(fake.made.load(Ordering::SeqCst), 1);
}

#[test]
fn other_inputs_or_a_lost_file_make_it_anew() {
    let tools = tempfile::tempdir().unwrap();
    let dir = ensure(tools.path(), &Fake::new("a", 0), &Silent).unwrap();
    let other = Fake::new("b", 0);
    assert_eq!(find(tools.path(), &other).unwrap(), None);
    ensure(tools.path(), &other, &Silent).unwrap();
    assert_eq!(fs::read_to_string(dir.join("first")).unwrap(), "b");
    fs::remove_file(dir.join("second")).unwrap();
    assert_eq!(find(tools.path(), &other).unwrap(), None);
    ensure(tools.path(), &other, &Silent).unwrap();
    assert_eq!(other.made.load(Ordering::SeqCst), 2);
}

#[test]
fn a_torn_stamp_is_no_stamp() {
    let tools = tempfile::tempdir().unwrap();
    let fake = Fake::new("a", 0);
    let dir = ensure(tools.path(), &fake, &Silent).unwrap();
    let stamp = dir.join(".stamp.json");
    let text = fs::read(&stamp).unwrap();
    fs::write(&stamp, &text[..text.len() / 2]).unwrap();
    assert_eq!(find(tools.path(), &fake).unwrap(), None);
}

#[test]
fn a_changed_file_is_refused_and_a_touched_one_is_not() {
    let tools = tempfile::tempdir().unwrap();
    let fake = Fake::new("a", 0);
    let dir = ensure(tools.path(), &fake, &Silent).unwrap();
    let first = dir.join("first");
    fs::remove_file(&first).unwrap();
    fs::write(&first, "a").unwrap();
    assert!(find(tools.path(), &fake).unwrap().is_some());
    fs::write(&first, "x").unwrap();
    fs::File::open(&first)
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    let error = ensure(tools.path(), &fake, &Silent).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}

#[test]
fn of_two_installers_one_works_and_the_other_waits() {
    let tools = tempfile::tempdir().unwrap();
    let barrier = Arc::new(Barrier::new(2));
    let fake = Fake {
        barrier: Some(Arc::clone(&barrier)),
        ..Fake::new("a", 0)
    };
    let notices = Mutex::new(Vec::new());
    // The first is let go on when the second has said that it waits.
    let observer = |progress: &Progress| {
        notices.lock().unwrap().push(progress.clone());
        if matches!(progress, Progress::Waiting { .. }) {
            barrier.wait();
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| ensure(tools.path(), &fake, &observer).unwrap());
        }
    });
    assert_eq!(fake.made.load(Ordering::SeqCst), 1);
    let notices = notices.into_inner().unwrap();
    let count = |wanted: fn(&Progress) -> bool| notices.iter().filter(|it| wanted(it)).count();
    assert_eq!(count(|it| matches!(it, Progress::Started { .. })), 1);
    assert_eq!(count(|it| matches!(it, Progress::Advanced { .. })), 1);
    assert_eq!(count(|it| matches!(it, Progress::Waiting { .. })), 1);
    assert_eq!(count(|it| matches!(it, Progress::Finished { .. })), 1);
}

#[test]
fn what_is_missing_is_named() {
    let tools = tempfile::tempdir().unwrap();
    let installer = Installer {
        tools: tools.path().to_owned(),
        assets: None,
    };
    let error = installer.locate(&[Tool::Etcd, Tool::Moto]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("etcd and moto are not installed in /"),
        "{error}"
    );
}

#[test]
fn kubebuilders_assets_come_first() {
    let tools = tempfile::tempdir().unwrap();
    let assets = tempfile::tempdir().unwrap();
    for name in ["etcd", "kubectl"] {
        fs::write(assets.path().join(name), "").unwrap();
    }
    let installer = Installer {
        tools: tools.path().to_owned(),
        assets: Some(assets.path().to_owned()),
    };
    let wanted = [Tool::Etcd, Tool::Kubectl];
    let installed = installer.install(&wanted, &Silent).unwrap();
    let etcd = installed.program(Tool::Etcd).unwrap();
    assert_eq!(etcd, assets.path().join("etcd"));
    let error = installer.locate(&[Tool::KubeApiserver]).unwrap_err();
    assert!(matches!(error, Error::NotInstalled { .. }), "{error}");
}

#[test]
fn a_failing_command_is_reported_with_its_last_words() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo out; echo oops >&2; exit 3"]);
    let heard = Mutex::new(Vec::new());
    let missing = || Error::State("no shell".to_owned());
    let error = command::run("x", &mut command, missing, |line| {
        heard.lock().unwrap().push(line.to_owned());
    })
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("exit code 3") && text.contains("oops"),
        "{text}"
    );
    let mut heard = heard.into_inner().unwrap();
    heard.sort();
    assert_eq!(heard, ["oops", "out"]);
}

#[test]
fn a_missing_program_says_what_to_install() {
    let mut command = std::process::Command::new("surely-no-such-program");
    let missing = || Error::MissingProgram {
        program: "go",
        wanted: "etcd".to_owned(),
        detail: "install Go".to_owned(),
    };
    let error = command::run("x", &mut command, missing, |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "go is needed to install etcd and was not found: install Go"
    );
}
