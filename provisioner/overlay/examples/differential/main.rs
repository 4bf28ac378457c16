//! `differential KUBECTL SEED COUNT`: renders generated kustomizations here and by kubectl, and compares.
//!
//! A tree depends on nothing but its seed. What differs is written to `differential-SEED` below the system's
//! temporary directory; `differential KUBECTL SEED reduce` also leaves out of a tree what the difference does not need.
//! With `DIFFERENTIAL_ERRORS` set, it also says why kubectl refuses a tree.
//!
//! A tree that kubectl refuses for nothing but a comment is counted by itself: the comment of a key whose value it
//! writes between brackets breaks what it writes, which it then cannot read back. Rendering here has no such limit.
//! So is a tree that it refuses for nothing but a text of several lines that begins with a tab, which it writes as a
//! block that it cannot read back, and a tree that is refused here for the hash of an object that is neither a ConfigMap nor a Secret, and one that
//! kubectl panics on: a crash is no result to equal. It is known to panic when a patch leaves an object that was renamed
//! before without a name or kind: it counts former names, namespaces and kinds, and they are not equally many then.

mod anchors;
mod custom;
mod generate;
mod objects;
mod plugins;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use overlay::{ErrorKind, MemoryTree, Options, render};

/// A tree of files by path.
type Files = BTreeMap<String, String>;

/// The directory that is rendered.
const TOP: &str = "app";

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Text(String),
    Error(String),
    /// Not rendered here, by decision.
    Refused,
    /// kubectl panicked.
    Crashed,
}
use Outcome::{Crashed, Error, Refused, Text};

/// How the two results differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    Output,
    OnlyWeFail,
    OnlyTheyFail,
}

fn compare(ours: &Outcome, theirs: &Outcome) -> Option<Difference> {
    match (ours, theirs) {
        (Text(a), Text(b)) if a != b => Some(Difference::Output),
        (Text(_), Text(_)) | (Error(_), Error(_)) => None,
        (Refused | Crashed, _) | (_, Refused | Crashed) => None,
        (Error(_), Text(_)) => Some(Difference::OnlyWeFail),
        (Text(_), Error(_)) => Some(Difference::OnlyTheyFail),
    }
}

fn ours(files: &Files, root: &Path) -> Outcome {
    let tree: MemoryTree = files
        .iter()
        .map(|(path, text)| (format!("{}/{path}", root.display()), text.clone()))
        .collect();
    let top = format!("{}/{TOP}", root.display());
    let rendered =
        std::panic::catch_unwind(|| render(&tree, &top, &Options::default()).map(|r| r.to_yaml()));
    match rendered {
        Ok(Ok(text)) => Text(text),
        Ok(Err(error)) if error.kind() == ErrorKind::Refused => Refused,
        Ok(Err(error)) => Error(error.to_string()),
        Err(_) => Error("panicked".to_owned()),
    }
}

fn theirs(kubectl: &str, files: &Files, root: &Path) -> std::io::Result<Outcome> {
    if root.exists() {
        std::fs::remove_dir_all(root)?;
    }
    for (path, text) in files {
        let path = root.join(path);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(path, text)?;
    }
    std::fs::create_dir_all(root.join(TOP))?;
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(root.join(TOP))
        .env("GOMAXPROCS", "1")
        .env("GOGC", "off")
        .stdin(Stdio::null())
        .output()?;
    Ok(if output.status.success() {
        Text(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if told.contains("panic: ") && told.contains("\ngoroutine ") {
            Crashed
        } else {
            Error(told)
        }
    })
}

/// What kubectl writes and then cannot read back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    Comment,
    Tab,
}

impl Unreadable {
    /// A file without it.
    fn without(self, text: &str) -> String {
        match self {
            Unreadable::Comment => text.replace(write::COMMENT, ""),
            Unreadable::Tab => text.replace("\\t", "T").replace('\t', "T"),
        }
    }
}

/// What kubectl refuses a tree for: without it, both make the same.
fn unreadable(
    kubectl: &str,
    files: &Files,
    root: &Path,
    told: &str,
) -> std::io::Result<Option<Unreadable>> {
    let mut causes = vec![Unreadable::Comment];
    if told.contains("found a tab character where an indentation space is expected") {
        causes.push(Unreadable::Tab);
    }
    for cause in causes {
        let without: Files = files
            .iter()
            .map(|(path, text)| (path.clone(), cause.without(text)))
            .collect();
        let here = ours(&without, root);
        if matches!(here, Text(_)) && theirs(kubectl, &without, root)? == here {
            return Ok(Some(cause));
        }
    }
    Ok(None)
}

/// Leaves out files, then documents, then blocks of lines, as long as the results still differ in the same way.
fn reduce(kubectl: &str, mut files: Files, root: &Path) -> std::io::Result<Files> {
    let differ = |files: &Files| -> std::io::Result<Option<Difference>> {
        Ok(compare(&ours(files, root), &theirs(kubectl, files, root)?))
    };
    let Some(wanted) = differ(&files)? else {
        return Ok(files);
    };
    for path in files.keys().cloned().collect::<Vec<_>>() {
        let mut without = files.clone();
        without.remove(&path);
        if differ(&without)? == Some(wanted) {
            files = without;
        }
    }
    for block in [document_end, block_end, line_end] {
        loop {
            let before = files.clone();
            for path in files.keys().cloned().collect::<Vec<_>>() {
                let mut at = 0;
                loop {
                    let lines: Vec<&str> = files[&path].split_inclusive('\n').collect();
                    if at >= lines.len() {
                        break;
                    }
                    let end = block(&lines, at);
                    let mut without = files.clone();
                    without.insert(path.clone(), lines[..at].concat() + &lines[end..].concat());
                    if differ(&without)? == Some(wanted) {
                        files = without;
                    } else {
                        at += 1;
                    }
                }
            }
            if files == before {
                break;
            }
        }
    }
    Ok(files)
}

fn document_end(lines: &[&str], at: usize) -> usize {
    if at > 0 && !lines[at].starts_with("---") {
        return at;
    }
    let rest = lines[at + 1..].iter();
    at + 1 + rest.take_while(|line| !line.starts_with("---")).count()
}

/// The end of the lines that are indented below a line.
fn block_end(lines: &[&str], at: usize) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (own, item) = (indent(lines[at]), lines[at].trim_start().starts_with("- "));
    let rest = lines[at + 1..].iter();
    at + 1
        + rest
            .take_while(|line| {
                let more = indent(line) > own || line.trim().is_empty();
                more || (!item && indent(line) == own && line.trim_start().starts_with("- "))
            })
            .count()
}

fn line_end(_: &[&str], at: usize) -> usize {
    at + 1
}

#[expect(clippy::print_stdout, reason = "a program for the command line")]
fn show(seed: u64, files: &Files, ours: &Outcome, theirs: &Outcome) {
    println!("== {seed}: {:?}", compare(ours, theirs));
    for (path, text) in files {
        println!("--- file {path}\n{text}");
    }
    match (ours, theirs) {
        (Text(a), Text(b)) => {
            let at = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
            let around = |text: &str| {
                text.lines()
                    .skip(at.saturating_sub(2))
                    .take(8)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            println!("--- here\n{}\n--- there\n{}", around(a), around(b));
        }
        (Error(told), _) => println!("--- error here\n{told}"),
        (_, Error(told)) => println!("--- error there\n{told}"),
        (Refused, _) | (_, Refused) => println!("--- refused here"),
        (Crashed, _) | (_, Crashed) => println!("--- crashed there"),
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the command line"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubectl, seed, count] = arguments.as_slice() else {
        eprintln!("usage: differential KUBECTL SEED COUNT|reduce");
        return ExitCode::from(2);
    };
    let first: u64 = seed.parse().unwrap_or_default();
    let reducing = count == "reduce";
    let count: u64 = count.parse().unwrap_or(1);
    let (mut differing, mut failing, mut commented, mut tabbed, mut refused, mut crashed) =
        (Vec::new(), 0, 0, 0, 0, 0);
    for seed in first..first + count {
        let root: PathBuf = std::env::temp_dir().join(format!("differential-{seed}"));
        let mut files = generate::tree(seed, |files| matches!(ours(files, &root), Error(_)));
        if reducing {
            files = match reduce(kubectl, files, &root) {
                Ok(files) => files,
                Err(error) => {
                    eprintln!("{}: {error}", root.display());
                    return ExitCode::from(2);
                }
            };
        }
        let theirs = match theirs(kubectl, &files, &root) {
            Ok(outcome) => outcome,
            Err(error) => {
                eprintln!("{}: {error}", root.display());
                return ExitCode::from(2);
            }
        };
        let ours = ours(&files, &root);
        failing += u64::from(matches!(theirs, Error(_)));
        refused += u64::from(ours == Refused);
        crashed += u64::from(theirs == Crashed);
        if std::env::var_os("DIFFERENTIAL_ERRORS").is_some()
            && let Error(told) = &theirs
        {
            println!("{seed}: {told}");
        }
        let mut difference = compare(&ours, &theirs);
        if let (Some(Difference::OnlyTheyFail), Error(told)) = (difference, &theirs) {
            match unreadable(kubectl, &files, &root, told) {
                Ok(Some(cause)) => {
                    commented += u64::from(cause == Unreadable::Comment);
                    tabbed += u64::from(cause == Unreadable::Tab);
                    difference = None;
                }
                Ok(None) => {}
                Err(error) => {
                    eprintln!("{}: {error}", root.display());
                    return ExitCode::from(2);
                }
            }
        }
        if reducing || difference.is_some() {
            show(seed, &files, &ours, &theirs);
            differing.push(seed);
        } else {
            let _ = std::fs::remove_dir_all(&root);
        }
    }
    println!(
        "{count} trees, {failing} of them refused by kubectl ({commented} for a comment only, {tabbed} for a tab only), {crashed} that it panics on, {refused} refused here, {} differing: {differing:?}",
        differing.len()
    );
    if differing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
