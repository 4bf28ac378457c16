//! From an agreed plan to its end: lock, look again, run, report.

use std::path::Path;

use executor::scheduler::{End, Outcome};
use executor::{Journal, Run, Runs, Scope};
use planner::{Action, Inventory, Plan, Rotate, Scenario};

use approval::Authority;
use jiff::SignedDuration;
use notice::Stage;

use crate::args::ConsentArgs;
use crate::breach::{self, Known, Told};
use crate::carry::{self, Held};
use crate::consent;
use crate::cut_over;
use crate::evidence::gate;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prepare::{self, Occasion, Order, Recorded, Wanted, Which};
use crate::printer::{Format, Printer};
use crate::seal::SealedReport;
use crate::session::Session;
use crate::sources::Pinned;
use crate::{notices, paths, report};

/// Shows the plan, and where it may and should be applied asks and applies it.
pub async fn offer(
    session: &mut Session,
    plan: &Plan,
    pinned: Option<Pinned>,
    (consent, yes): (&ConsentArgs, bool),
    printer: &Printer,
) -> Result<Exit, Failure> {
    show(plan, printer);
    refuse_blocked(plan)?;
    if !plan.has_changes() {
        return unchanged(session, plan, printer).await;
    }
    let document = &session.blueprint.environment.document;
    let authority = consent::given(document, plan, consent, jiff::Timestamp::now(), printer)?;
    confirm(plan, yes, printer)?;
    apply(session, plan, pinned, authority.as_ref(), printer).await
}

/// Nothing is to be done. After a breach the old generations are looked at all the same: somebody may have opened them since.
async fn unchanged(session: &Session, plan: &Plan, printer: &Printer) -> Result<Exit, Failure> {
    if plan.incident.is_some() && !plan.target.generation.is_drill() {
        breach::all_closed(plan, &breach::still_open(session, plan, printer).await)?;
    }
    Ok(Exit::Done)
}

/// The plan as a result: text, or one line of JSON.
pub fn show(plan: &Plan, printer: &Printer) {
    match printer.format {
        Format::Json => printer.json(&serde_json::json!({ "event": "planned", "plan": plan })),
        Format::Text => printer.data(&printer.preview(plan)),
    }
}

/// Shows the plan and keeps it in a file, to be approved and applied later.
pub fn save(plan: &Plan, file: &Path, printer: &Printer) -> Result<Exit, Failure> {
    let text = planner::file::text(plan)
        .map_err(|error| Failure::of("the plan has no JSON form", &error))?;
    paths::private_file(file, &text)?;
    show(plan, printer);
    refuse_blocked(plan)?;
    printer.note(&format!(
        "nothing was changed; apply it with `rebuild apply {}`",
        file.display()
    ));
    Ok(if plan.has_changes() {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// A plan with a finding that forbids it goes no further.
pub fn refuse_blocked(plan: &Plan) -> Result<(), Failure> {
    if !plan.is_blocked() {
        return Ok(());
    }
    let mut failure = Failure::new("the plan is refused; nothing was changed").exit(Exit::Refused);
    for finding in plan
        .findings
        .iter()
        .filter(|finding| finding.severity == planner::Severity::Error)
    {
        failure = failure.because(format!(
            "{}: {} [{}]",
            finding.subject, finding.message, finding.code
        ));
        if !failure.hints.contains(&finding.hint) {
            failure = failure.hint(finding.hint.clone());
        }
    }
    Err(failure)
}

/// Without a terminal and without `--yes` nothing is even begun.
pub fn must_be_able_to_ask(yes: bool, printer: &Printer) -> Result<(), Failure> {
    if yes || printer.interactive() {
        return Ok(());
    }
    Err(Failure::new("nobody can be asked to confirm")
        .because("this is not a terminal, and --yes is not given")
        .hint("look at the plan first (`rebuild plan`), then give --yes, or `rebuild apply` a saved plan with --yes"))
}

/// Asks for the environment's name, unless `--yes` is given.
pub fn confirm(plan: &Plan, yes: bool, printer: &Printer) -> Result<(), Failure> {
    must_be_able_to_ask(yes, printer)?;
    if yes {
        return Ok(());
    }
    confirm_name(&plan.target.environment, "apply this plan", printer)
}

/// Asks for the environment's name before something is done to it.
pub fn confirm_name(name: &str, what: &str, printer: &Printer) -> Result<(), Failure> {
    let answer = printer
        .ask(&format!("Type the environment's name to {what} ({name}):"))
        .map_err(|error| Failure::of("no answer could be read", &error))?;
    if answer == name {
        Ok(())
    } else {
        Err(Failure::new("not confirmed; nothing was changed")
            .because(format!("the answer was not `{name}`")))
    }
}

/// Applies the very plan, if it still fits what is there.
pub async fn apply(
    session: &mut Session,
    plan: &Plan,
    pinned: Option<Pinned>,
    authority: Option<&Authority>,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let name = plan.target.environment.clone();
    let held = Held::take(&name, Some(session.lock())).await?;
    let applied = locked(session, plan, (pinned, authority), &held, printer).await;
    let released = held.release(&name).await;
    let exit = applied?;
    released?;
    Ok(exit)
}

async fn locked(
    session: &mut Session,
    plan: &Plan,
    (pinned, authority): (Option<Pinned>, Option<&Authority>),
    held: &Held,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let (fresh, scope, inventory) = again(session, plan, pinned, printer).await?;
    still_fits(plan, &fresh)?;
    gate::pass(session, plan, authority).await?;
    let runs = Runs::new(paths::runs(&plan.target.environment)?);
    let (run, mut journal) = runs.create(plan, session.now()).map_err(|error| {
        Failure::of("the run can't be recorded, so nothing was changed", &error)
            .hint("make room in the state folder, or point XDG_STATE_HOME elsewhere")
    })?;
    if let Some(authority) = authority {
        report::keep_authority(&run, authority)?;
    }
    carried(
        session,
        plan,
        (scope, inventory),
        held,
        &run,
        &mut journal,
        printer,
    )
    .await
}

/// Plans again from a fresh look.
async fn again(
    session: &mut Session,
    plan: &Plan,
    pinned: Option<Pinned>,
    printer: &Printer,
) -> Result<(Plan, Scope, Inventory), Failure> {
    let which = Which::Exactly(plan.target.generation.clone());
    if plan.scenario == Scenario::Destroy {
        let (scope, seen) = destruction(session, &which).await?;
        let fresh = session.blueprint.destroy(&seen)?;
        return Ok((fresh, scope, seen.inventory));
    }
    let wanted = match (pinned, &plan.backup) {
        (Some(pinned), _) => Wanted::Verified(pinned),
        (None, Some(pin)) => Wanted::Pinned(pin.clone()),
        (None, None) => Wanted::Own,
    };
    let occasion = match &plan.incident {
        None if plan.scenario == Scenario::Node => {
            Occasion::Node(planner::recovery::asked(&plan.steps))
        }
        Some(incident) => Occasion::Breach {
            told: Told {
                began: incident.began,
                dwell: SignedDuration::from_secs(
                    i64::try_from(incident.dwell_seconds).unwrap_or(i64::MAX),
                ),
            },
            old: Some(incident.generations.clone()),
        },
        None => Occasion::Of(plan.scenario),
    };
    let order = Order {
        which,
        wanted,
        rotate: rotations(plan),
        occasion,
    };
    let (fresh, _) = prepare::plan(session, order, printer).await?;
    Ok((fresh.plan, fresh.scope, fresh.inventory))
}

/// Looks at what a plan to destroy is made from.
pub async fn destruction(
    session: &mut Session,
    which: &Which,
) -> Result<(Scope, Recorded), Failure> {
    let places = session.places().await?;
    let (scope, inventory) = prepare::look(session, which).await?;
    let seen = Recorded {
        now: session.now(),
        places,
        inventory,
        generation: scope.generation.clone(),
        backup: None,
        known: Known::default(),
    };
    Ok((scope, seen))
}

fn rotations(plan: &Plan) -> Rotate {
    let names: std::collections::BTreeSet<String> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Rotate)
        .map(|step| step.address.to_string())
        .collect();
    if names.is_empty() {
        Rotate::None
    } else {
        Rotate::Names(names)
    }
}

fn still_fits(plan: &Plan, fresh: &Plan) -> Result<(), Failure> {
    let differences = planner::stale(plan, fresh);
    if differences.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("the plan no longer fits what is there; nothing was changed")
        .exit(Exit::Stale);
    for difference in differences.iter().take(10) {
        failure = failure.because(format!("{}: {}", difference.what, difference.how));
    }
    if differences.len() > 10 {
        failure = failure.because(format!("and {} more", differences.len() - 10));
    }
    Err(failure.hint("plan again and look at the difference"))
}

/// Goes on with a run that was cut short.
pub async fn resume(
    session: &mut Session,
    plan: &Plan,
    run: &Run,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let name = plan.target.environment.clone();
    let held = Held::take(&name, Some(session.lock())).await?;
    let resumed = resumed(session, plan, run, &held, printer).await;
    let released = held.release(&name).await;
    let exit = resumed?;
    released?;
    Ok(exit)
}

async fn resumed(
    session: &mut Session,
    plan: &Plan,
    run: &Run,
    held: &Held,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let places = session.places().await?;
    for (place, expected) in &plan.target.places {
        if places.get(place) != Some(expected) {
            return Err(Failure::new("the run can't go on here")
                .because(format!(
                    "its {place} is `{expected}`, and this is `{}`",
                    places.get(place).map_or("unknown", String::as_str)
                ))
                .hint("use the credentials and the context of the environment")
                .exit(Exit::Refused));
        }
    }
    gate::pass_again(session, plan, run).await?;
    cut_over::pass_again(session, plan).await?;
    let seen = prepare::look(session, &Which::Exactly(plan.target.generation.clone())).await?;
    if let Some(pin) = &plan.backup {
        let pinned = session.verified_again(pin, printer).await?;
        session.seed_from(Some(pinned));
    }
    let mut journal = run.open().map_err(|error| {
        Failure::of("the run can't go on", &error)
            .hint("run the main command again: it looks at what is there and makes a new plan")
    })?;
    if journal.was_torn() {
        printer.note(
            "the journal's last line was cut short by the end of the former process; it is dropped",
        );
    }
    carried(session, plan, seen, held, run, &mut journal, printer).await
}

async fn carried(
    session: &mut Session,
    plan: &Plan,
    (scope, inventory): (Scope, Inventory),
    held: &Held,
    run: &Run,
    journal: &mut Journal,
    printer: &Printer,
) -> Result<Exit, Failure> {
    notices::stage(session, plan, run, Stage::Begun, printer).await?;
    if plan.incident.is_some() {
        breach::before(session, plan, run, printer).await?;
        notices::stage(session, plan, run, Stage::Contained, printer).await?;
    }
    let budgets = session.budgets();
    let outcome = carry::out(
        plan,
        session.providers(),
        (scope, &inventory),
        budgets,
        held,
        journal,
        printer,
    )
    .await?;
    let open = breach::after(session, plan, run, &outcome, printer).await?;
    let written = report::write(session, plan, run, journal.records(), &outcome);
    ended(session, plan, run, &outcome, printer).await;
    told(plan, &outcome, run, written, printer)?;
    let exit = carry::verdict(&outcome, &plan.target.environment)?;
    breach::all_closed(plan, &open)?;
    Ok(exit)
}

/// Tells the channels how it ended, in the words of the internal message.
async fn ended(session: &Session, plan: &Plan, run: &Run, outcome: &Outcome, printer: &Printer) {
    let stage = match outcome.end {
        End::Complete => Stage::Complete,
        End::Failed | End::Interrupted(_) => Stage::Failed,
    };
    let text = std::fs::read_to_string(run.folder.join("message-internal.md")).unwrap_or_default();
    notices::send(session, plan, run, (stage, &text), printer).await;
}

/// Says how it ended and where the report is. A report that can't be written fails the command, but only after that was said.
fn told(
    plan: &Plan,
    outcome: &Outcome,
    run: &Run,
    sealed: Result<SealedReport, Failure>,
    printer: &Printer,
) -> Result<(), Failure> {
    let word = report::word(outcome);
    let folder = match &sealed {
        Ok(_) => run.folder.display().to_string(),
        Err(_) => "not sealed".to_owned(),
    };
    match printer.format {
        Format::Json => printer.json(&serde_json::json!({
            "event": "reported", "outcome": word, "generation": plan.target.generation,
            "report": sealed.as_ref().ok().map(|_| &run.folder),
            "bundle": sealed.as_ref().ok().map(|sealed| &sealed.bundle),
            "public_key": sealed.as_ref().ok().map(|sealed| &sealed.public_key),
        })),
        Format::Text if outcome.end == End::Complete => printer.data(&format!(
            "{} {}: {word}\nreport: {folder}",
            plan.target.environment, plan.target.generation
        )),
        Format::Text => printer.note(&format!("report: {folder}")),
    }
    sealed.map(|sealed| {
        printer.note(&format!(
            "sealed: rebuild report verify {} --key {}",
            sealed.bundle.display(),
            sealed.public_key.display()
        ));
    })
}
