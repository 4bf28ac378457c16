//! Overlays made to harm: each ends with a clear error, soon, and in little memory.
//!
//! Every one is rendered in a process of its own, so that running out of stack is seen as what it is and memory
//! can be told apart. Soon means in little work: the system ends a process that has used up its processor time, however
//! long that took on a machine with other things to do.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use overlay::{ErrorKind, MemoryTree, Options, render};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use crate::ROOT;

const CHOSEN: &str = "OVERLAY_HOSTILE_CASE";
const MOST_KIB: u64 = 256 << 10;
/// Of processor time. Without optimisation all is some ten times slower.
const MOST_SECONDS: u64 = if cfg!(debug_assertions) { 10 } else { 1 };

type Files = Vec<(String, Vec<u8>)>;

/// What must come of a case.
enum Outcome {
    /// An error of this kind that says this.
    Error(ErrorKind, &'static str),
    /// It is harmless after all.
    Fine,
}
use Outcome::{Error, Fine};

struct Case {
    name: &'static str,
    files: fn() -> Files,
    outcome: Outcome,
}

fn files<C: Into<Vec<u8>>>(list: impl IntoIterator<Item = (&'static str, C)>) -> Files {
    list.into_iter()
        .map(|(path, content)| (path.to_owned(), content.into()))
        .collect()
}

const DEEP: usize = 100_000;
const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// A kustomization of one file, which is `content`.
fn resource(content: impl Into<Vec<u8>>) -> Files {
    files([
        ("kustomization.yaml", b"resources: [a.yaml]".to_vec()),
        ("a.yaml", content.into()),
    ])
}

/// A harmless object below a kustomization that says more.
fn kustomization(more: impl AsRef<str>) -> Files {
    files([
        (
            "kustomization.yaml",
            format!("resources: [a.yaml]\n{}", more.as_ref()),
        ),
        ("a.yaml", format!("{CONFIG_MAP}data: {{k: v}}\n")),
    ])
}

fn alias_bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let before = level - 1;
        text += &format!("a{level}: &a{level} [");
        text += &vec![format!("*a{before}"); 9].join(", ");
        text += "]\n";
    }
    text
}

fn merge_bomb() -> String {
    let mut text = String::from("a0: &a0 {x: 1}\n");
    for level in 1..30 {
        let before = level - 1;
        text += &format!(
            "a{level}: &a{level} {{<<: [*a{before}, *a{before}], y{level}: *a{before}}}\n"
        );
    }
    text
}

/// A chain in which every base is twice the parent of the next.
fn doubling_components() -> Files {
    let mut all = files([("kustomization.yaml", "components: [c0, c0]")]);
    for level in 0..45 {
        let next = level + 1;
        all.push((
            format!(
                "{}kustomization.yaml",
                (0..=level).map(|n| format!("c{n}/")).collect::<String>()
            ),
            format!("kind: Component\ncomponents: [c{next}, c{next}]").into_bytes(),
        ));
    }
    let last: String = (0..=45).map(|n| format!("c{n}/")).collect();
    all.push((
        format!("{last}kustomization.yaml"),
        b"kind: Component\nnamePrefix: a\n".to_vec(),
    ));
    all
}

fn deep_path(separator: &str) -> String {
    vec!["a"; DEEP].join(separator)
}

fn cases() -> Vec<Case> {
    macro_rules! case {
        ($name:literal, $outcome:expr, $files:expr) => {
            Case {
                name: $name,
                files: || $files,
                outcome: $outcome,
            }
        };
    }
    let limit = |told| Error(ErrorKind::Limit, told);
    let syntax = |told| Error(ErrorKind::Syntax, told);
    let invalid = |told| Error(ErrorKind::Invalid, told);
    let security = |told| Error(ErrorKind::Security, told);
    vec![
        case!(
            "a base that is itself",
            security("cycle detected"),
            files([("kustomization.yaml", "resources: [.]")])
        ),
        case!(
            "two bases of each other",
            security("cycle detected"),
            files([
                ("kustomization.yaml", "resources: [b]"),
                ("b/kustomization.yaml", "resources: [../c]"),
                ("c/kustomization.yaml", "resources: [../b]"),
            ])
        ),
        case!(
            "a component that is its parent",
            security("cycle detected"),
            files([
                ("kustomization.yaml", "components: [c]"),
                ("c/kustomization.yaml", "kind: Component\ncomponents: [..]"),
            ])
        ),
        case!(
            "a tree of components",
            limit("kustomizations are read"),
            doubling_components()
        ),
        case!(
            "an alias bomb in an object",
            syntax("excessive aliasing"),
            resource(format!("{CONFIG_MAP}{}", alias_bomb()))
        ),
        case!(
            "an alias bomb in a kustomization",
            syntax("excessive aliasing"),
            kustomization(alias_bomb())
        ),
        case!(
            "a merge bomb in an object",
            syntax("excessive aliasing"),
            resource(format!("{CONFIG_MAP}{}", merge_bomb()))
        ),
        case!(
            "an alias of what it is in",
            syntax("contains itself"),
            resource(format!("{CONFIG_MAP}data: &a {{b: *a}}\n"))
        ),
        case!(
            "deep lists",
            syntax("exceeded max depth"),
            resource(format!("{CONFIG_MAP}data: {}", "[".repeat(DEEP)))
        ),
        case!(
            "deep closed lists",
            syntax("exceeded max depth"),
            resource(format!(
                "{CONFIG_MAP}data: {}{}",
                "[".repeat(DEEP),
                "]".repeat(DEEP)
            ))
        ),
        case!(
            "deep mappings",
            syntax("exceeded max depth"),
            resource(format!("{CONFIG_MAP}data: {}", "{a: ".repeat(DEEP)))
        ),
        case!(
            "deep block lists",
            syntax("exceeded max depth"),
            resource(format!("{CONFIG_MAP}data:\n  {}", "- ".repeat(DEEP)))
        ),
        case!(
            "deep keys",
            syntax("exceeded max depth"),
            resource(format!("{CONFIG_MAP}data:\n  {}", "? ".repeat(DEEP)))
        ),
        case!(
            "a deep kustomization",
            syntax("exceeded max depth"),
            kustomization(format!("patches: {}", "[".repeat(DEEP)))
        ),
        case!(
            "a deep JSON patch",
            syntax("unable to parse SM or JSON patch"),
            kustomization(format!(
                "patches:\n- target: {{kind: ConfigMap}}\n  patch: '{}'\n",
                "[".repeat(DEEP)
            ))
        ),
        case!(
            "a deep field path",
            limit("deep"),
            kustomization(format!(
                "replacements:\n- source: {{kind: ConfigMap, name: a}}\n  targets:\n  - select: {{kind: ConfigMap}}\n    fieldPaths: [{}]\n    options: {{create: true}}\n",
                deep_path(".")
            ))
        ),
        case!("a deep field specification", limit("deep"), {
            let mut all = kustomization("configurations: [c.yaml]\ncommonAnnotations: {a: b}\n");
            all.push((
                "c.yaml".to_owned(),
                format!(
                    "commonAnnotations:\n- path: {}\n  create: true\n",
                    deep_path("/")
                )
                .into_bytes(),
            ));
            all
        }),
        case!("a deep place to add a value at", limit("deep"), {
            let mut all = kustomization("transformers: [t.yaml]\n");
            all.push(("t.yaml".to_owned(), format!(
                "apiVersion: builtin\nkind: ValueAddTransformer\nmetadata: {{name: t}}\nvalue: v\ntargets:\n- fieldPath: {}\n", deep_path("/")
            ).into_bytes()));
            all
        }),
        case!("an object growing deeper by patches", limit("deep"), {
            let mut operations = String::from("- {op: add, path: /data, value: {}}\n");
            for _ in 0..5_000 {
                operations += "- {op: copy, from: /data, path: /next}\n- {op: add, path: /data, value: {}}\n- {op: move, from: /next, path: /data/a}\n";
            }
            kustomization(format!(
                "patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{}",
                indented(&operations)
            ))
        }),
        case!("an object doubling by patches", limit("large"), {
            let mut operations = String::new();
            for _ in 0..40 {
                operations += "- {op: copy, from: /data, path: /data/x}\n- {op: copy, from: /data, path: /data/y}\n";
            }
            kustomization(format!(
                "patches:\n- target: {{kind: ConfigMap}}\n  patch: |\n{}",
                indented(&operations)
            ))
        }),
        case!("a text doubling by replacements", limit("large"), {
            let one = "- source: {kind: ConfigMap, name: a, fieldPath: data.k}\n  targets:\n  - select: {kind: ConfigMap}\n    fieldPaths: [data.k]\n    options: {delimiter: '/', index: 99}\n";
            kustomization(format!("replacements:\n{}", one.repeat(40)))
        }),
        case!(
            "a regular expression of a million states",
            invalid("size limit"),
            kustomization(
                "patches:\n- target: {name: '(((a{1000}){1000}){1000})'}\n  patch: '[{\"op\": \"test\", \"path\": \"/kind\", \"value\": \"ConfigMap\"}]'\n"
            )
        ),
        case!(
            "a regular expression that backtracks",
            Fine,
            kustomization(format!(
                "patches:\n- target: {{name: '(a+)+b|(a|a|aa)*c', labelSelector: '!x'}}\n  patch: |\n    - {{op: add, path: /data/k, value: {}}}\n",
                "a".repeat(10_000)
            ))
        ),
        case!(
            "a deep regular expression",
            limit("regular expression is larger"),
            kustomization(format!(
                "patches:\n- target: {{name: '{}'}}\n  patch: '[{{\"op\": \"test\", \"path\": \"/kind\", \"value\": \"ConfigMap\"}}]'\n",
                "(".repeat(DEEP) + &")".repeat(DEEP)
            ))
        ),
        case!(
            "a file above the limit",
            limit("larger than"),
            resource(vec![b'#'; (8 << 20) + 1])
        ),
        case!("files above the limit together", limit("have more than"), {
            let mut all = files([(
                "kustomization.yaml",
                format!(
                    "resources: [{}]",
                    (0..9)
                        .map(|n| format!("f{n}.yaml"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            )]);
            for n in 0..9 {
                all.push((format!("f{n}.yaml"), vec![b'#'; 8 << 20]));
            }
            all
        }),
        case!(
            "a list of millions",
            syntax("too many nodes"),
            resource(format!("{CONFIG_MAP}data: [{}]", "a,".repeat(4_000_000)))
        ),
        case!(
            "a key a million long",
            Fine,
            resource(format!(
                "{CONFIG_MAP}data: {{? {} : v}}\n",
                "k".repeat(1 << 20)
            ))
        ),
        case!(
            "a key said twice",
            invalid("already"),
            resource(format!("{CONFIG_MAP}data: {{k: v, k: w}}\n"))
        ),
        case!(
            "a field said twice",
            Fine,
            kustomization("namespace: a\nnamespace: b\n")
        ),
        case!(
            "a mapping of many keys",
            Fine,
            resource(format!(
                "{CONFIG_MAP}data: {{{}}}\n",
                (0..50_000)
                    .map(|n| format!("k{n}: v"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))
        ),
        case!(
            "a NUL in an object",
            syntax("control characters are not allowed"),
            resource(format!("{CONFIG_MAP}data: {{k: \"a\0b\"}}\n"))
        ),
        case!(
            "a NUL in a kustomization",
            syntax("control characters are not allowed"),
            kustomization("namespace: \"a\0b\"\n")
        ),
        case!(
            "a NUL in a path",
            Error(ErrorKind::Missing, "no such file"),
            kustomization("configurations: [\"a\\0b\"]\n")
        ),
        case!(
            "text that is no UTF-8",
            syntax("invalid"),
            resource([CONFIG_MAP.as_bytes(), b"data: {k: \"\xff\xfe\"}\n"].concat())
        ),
        case!(
            "a kustomization that is no UTF-8",
            syntax("invalid"),
            files([("kustomization.yaml", b"namespace: \"\xff\"\n".to_vec())])
        ),
        case!(
            "a byte order mark",
            Fine,
            resource(format!("\u{FEFF}{CONFIG_MAP}"))
        ),
        case!(
            "a byte order mark within",
            Fine,
            resource(format!("{CONFIG_MAP}data: {{k: \u{FEFF}a}}\n"))
        ),
        case!("a thousand variables in each other", Fine, {
            let mut text = String::from("vars:\n");
            for n in 0..1000 {
                text += &format!(
                    "- {{name: V{n}, objref: {{apiVersion: v1, kind: ConfigMap, name: a}}, fieldref: {{fieldPath: data.k}}}}\n"
                );
            }
            kustomization(text)
        }),
        case!("many selectors over many objects", Fine, {
            let objects: Vec<String> = (0..300)
                .map(|n| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a{n}}}\n"))
                .collect();
            let patches: String = (0..300).map(|n| format!("- target: {{name: 'a{n}|b.*c.*d.*'}}\n  patch: '[{{\"op\": \"add\", \"path\": \"/data\", \"value\": {{}}}}]'\n")).collect();
            files([
                (
                    "kustomization.yaml",
                    format!("resources: [a.yaml]\npatches:\n{patches}"),
                ),
                ("a.yaml", objects.join("---\n")),
            ])
        }),
    ]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[test]
fn hostile_overlays_end_soon_and_small() {
    let problems: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let problem = watch(case).err()?;
            Some(format!("{}: {problem}", case.name))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Runs one case in a process of its own.
fn watch(case: &Case) -> Result<(), String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["hostile::renders_one", "--exact", "--nocapture"])
        .env(CHOSEN, case.name)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let (status, told) = (output.status, String::from_utf8_lossy(&output.stdout));
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(format!(
            "takes more than {MOST_SECONDS} s of processor time"
        ));
    }
    let Some(report) = told
        .split_once("\x01")
        .and_then(|(_, rest)| rest.split_once("\x02"))
    else {
        return Err(format!(
            "ended with {status}: {}",
            told.chars().take(300).collect::<String>()
        ));
    };
    let parts: Vec<&str> = report.0.splitn(3, '|').collect();
    let [kib, kind, message] = parts.as_slice() else {
        return Err(format!("said {told}"));
    };
    let shown: String = message.chars().take(300).collect();
    match &case.outcome {
        Fine if !kind.is_empty() => return Err(format!("{kind}: {shown}")),
        Error(wanted, says) if *kind != format!("{wanted:?}") || !message.contains(says) => {
            return Err(format!("{kind}: {shown}, not {wanted:?}: {says}"));
        }
        _ => {}
    }
    if kib.parse::<u64>().unwrap() > MOST_KIB {
        return Err(format!("took {kib} KiB"));
    }
    Ok(())
}

/// Does nothing but in the processes that the test of all hostile overlays starts.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "its answer to the process that started it"
)]
fn renders_one() {
    let Ok(chosen) = std::env::var(CHOSEN) else {
        return;
    };
    let limit = Rlimit {
        current: Some(MOST_SECONDS),
        maximum: Some(MOST_SECONDS + 1),
    };
    setrlimit(Resource::Cpu, limit).unwrap();
    let case = cases()
        .into_iter()
        .find(|case| case.name == chosen)
        .unwrap();
    let tree: MemoryTree = (case.files)()
        .into_iter()
        .map(|(path, content)| (format!("{ROOT}/{path}"), content))
        .collect();
    let result = render(&tree, ROOT, &Options::default()).map(|rendered| rendered.to_yaml());
    let (kind, message) = match result {
        Ok(_) => (String::new(), String::new()),
        Err(error) => (format!("{:?}", error.kind()), error.to_string()),
    };
    println!("\x01{}|{kind}|{message}\x02", peak_kib());
}

/// The most memory this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap()
}
