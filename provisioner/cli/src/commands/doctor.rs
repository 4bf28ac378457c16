//! `rebuild doctor`: each endpoint, whether it answers, who we are there, what we may see, its clock and version. Changes nothing.

use std::fmt::Write;
use std::time::Instant;

use executor::provider::Identity;
use serde::Serialize;

use crate::args::{EnvironmentOnly, GlobalArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prepare::{self, Which};
use crate::printer::{Format, Printer};
use crate::session::{self, Session};
use crate::{generation, hints, paths};

/// Clocks further apart than this break signatures and leases, seconds.
const SKEW: i64 = 60;

/// One thing looked at.
#[derive(Debug, Serialize)]
struct Look {
    /// What.
    endpoint: String,
    /// Whether all is well.
    ok: bool,
    /// What was found.
    detail: String,
    /// What to do, when it is not well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    /// How long the answer took.
    millis: u128,
}

/// Runs the command.
pub async fn run(
    command: EnvironmentOnly,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    let mut session = Session::open(&root, &command.env, printer).await?;
    let scope = session
        .blueprint
        .scope(&generation::fresh(session.now())?)?;
    let mut looks = Vec::new();
    for (name, provider) in session.providers().iter() {
        let began = Instant::now();
        looks.push(match provider.identity().await {
            Ok(identity) if identity == Identity::default() => continue,
            Ok(identity) => who(name, &identity, &session, began),
            Err(error) => failed(
                format!("{name}: identity"),
                &hints::of_provider(name, &error),
                began,
            ),
        });
        let began = Instant::now();
        looks.push(match provider.observe(&scope).await {
            Ok(seen) => Look {
                endpoint: format!("{name}: reading"),
                ok: true,
                detail: format!("{} objects of this environment", seen.objects.len()),
                hints: Vec::new(),
                millis: began.elapsed().as_millis(),
            },
            Err(error) => failed(
                format!("{name}: reading"),
                &hints::of_provider(name, &error),
                began,
            ),
        });
    }
    let began = Instant::now();
    looks.push(match session.holder().await {
        Ok(detail) => Look {
            endpoint: "lock".to_owned(),
            ok: true,
            detail,
            hints: Vec::new(),
            millis: began.elapsed().as_millis(),
        },
        Err(failure) => failed("lock".to_owned(), &failure, began),
    });
    let began = Instant::now();
    looks.push(match session.verified("latest", printer).await {
        Ok((source, _)) => Look {
            endpoint: "backups".to_owned(),
            ok: true,
            detail: format!(
                "the newest, {}, is intact: {} blocks, written {}",
                source.pin.id, source.pin.blocks, source.pin.written
            ),
            hints: Vec::new(),
            millis: began.elapsed().as_millis(),
        },
        Err(failure) => failed("backups".to_owned(), &failure, began),
    });
    // Whether an observation of everything holds together is what a plan needs.
    if looks.iter().all(|look| look.ok) {
        prepare::look(&mut session, &Which::Asked("current".to_owned())).await?;
    }
    let well = looks.iter().all(|look| look.ok);
    match printer.format {
        Format::Json => printer.json(&looks),
        Format::Text => printer.data(&text(&looks)),
    }
    Ok(if well { Exit::Done } else { Exit::Error })
}

fn who(name: &str, identity: &Identity, session: &Session, began: Instant) -> Look {
    let expected = session.blueprint.resolved.expected();
    let mut detail = Vec::new();
    let mut hints = Vec::new();
    if !identity.principal.is_empty() {
        detail.push(format!("as {}", identity.principal));
    }
    for (key, found) in &session::places(identity.places.clone()) {
        detail.push(format!("{key} {found}"));
        if let Some(wanted) = expected.get(key).filter(|wanted| *wanted != found) {
            hints.push(format!(
                "the environment's {key} is `{wanted}`: use its credentials and context"
            ));
        }
    }
    if let Some(version) = &identity.version {
        detail.push(format!("version {version}"));
    }
    if let Some(skew) = identity.clock_skew {
        detail.push(format!("clock {skew:+} s"));
        if skew.abs() > SKEW {
            hints.push("set this machine's clock: signatures and leases depend on it".to_owned());
        }
    }
    Look {
        endpoint: format!("{name}: identity"),
        ok: hints.is_empty(),
        detail: detail.join(", "),
        hints,
        millis: began.elapsed().as_millis(),
    }
}

fn failed(endpoint: String, failure: &Failure, began: Instant) -> Look {
    let mut detail = failure.message.clone();
    for cause in &failure.causes {
        let _ = write!(detail, ": {cause}");
    }
    Look {
        endpoint,
        ok: false,
        detail,
        hints: failure.hints.clone(),
        millis: began.elapsed().as_millis(),
    }
}

fn text(looks: &[Look]) -> String {
    let mut out = String::new();
    for look in looks {
        let mark = if look.ok { "ok  " } else { "FAIL" };
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "{mark} {:<22} {:>5} ms  {}",
            look.endpoint, look.millis, look.detail
        );
        for hint in &look.hints {
            let _ = writeln!(out, "     hint: {hint}");
        }
    }
    out
}
