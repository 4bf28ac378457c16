//! Who is told what at which stage: drafts beside the report, and messages to the channels that the environment names.

use environment::schema::{Notice as Declared, NoticeTo};
use executor::Run;
use jiff::Timestamp;
use notice::{Channel, Notice, PAGERDUTY, Sender, Stage};
use planner::Plan;
use secrecy::SecretString;
use serde_json::json;

use crate::failure::Failure;
use crate::paths::private_file;
use crate::printer::Printer;
use crate::report;
use crate::session::Session;
use crate::sources::secret;

const TEMPLATE: &str = "templates/communications/stage.md.tera";

/// Drafts the message of a stage before the end, and sends it where it is wanted.
pub async fn stage(
    session: &Session,
    plan: &Plan,
    run: &Run,
    stage: Stage,
    printer: &Printer,
) -> Result<(), Failure> {
    let blueprint = &session.blueprint;
    let context = json!({
        "plan": plan, "stage": stage, "contacts": blueprint.environment.document.contacts,
    });
    let name = format!("message-{}.md", stage.name());
    let text = report::render(&blueprint.root, &name, TEMPLATE, &context)?;
    private_file(&run.folder.join(&name), &text)?;
    send(session, plan, run, (stage, &text), printer).await;
    Ok(())
}

/// Sends a message to every channel that wants to hear of the stage. One that does not take it holds nothing up.
pub async fn send(
    session: &Session,
    plan: &Plan,
    run: &Run,
    (stage, text): (Stage, &str),
    printer: &Printer,
) {
    let declared = &session.blueprint.environment.document.notices;
    let wanted: Vec<&Declared> = declared
        .iter()
        .filter(|declared| declared.at.is_empty() || declared.at.contains(&stage))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let sender = match Sender::new() {
        Ok(sender) => sender,
        Err(error) => return printer.warn(&format!("nobody was told: {error}")),
    };
    let notice = Notice {
        environment: plan.target.environment.clone(),
        generation: plan.target.generation.to_string(),
        scenario: plan.scenario.to_string(),
        run: run.id.to_string(),
        stage,
        at: Timestamp::now(),
        text: text.to_owned(),
    };
    let told = wanted.into_iter().map(|declared| {
        let (sender, notice) = (&sender, &notice);
        async move {
            let channel = match channel(declared) {
                Ok(channel) => channel,
                Err(failure) => {
                    return printer.warn(&format!("not told: {}", failure.line()));
                }
            };
            match sender.send(&channel, notice).await {
                Ok(()) => printer.note(&format!("told {}: {}", channel.name(), notice.summary())),
                Err(error) => printer.warn(&format!("not told: {error}")),
            }
        }
    });
    futures::future::join_all(told).await;
}

fn channel(declared: &Declared) -> Result<Channel, Failure> {
    let url = declared.url.as_ref().map(secret::held).transpose()?;
    let address = || {
        url.clone().ok_or_else(|| {
            Failure::new("a channel in `notices` has no address")
                .because("it has no `url`")
                .hint("name the variable or file that holds it")
        })
    };
    Ok(match declared.to {
        NoticeTo::Webhook => Channel::Webhook { url: address()? },
        NoticeTo::Slack => Channel::Slack { url: address()? },
        NoticeTo::Pagerduty => Channel::PagerDuty {
            routing_key: secret::held(declared.routing_key.as_ref().ok_or_else(|| {
                Failure::new("PagerDuty in `notices` has no integration key")
                    .because("it has no `routing_key`")
                    .hint("name the variable or file that holds it")
            })?)?,
            url: url.unwrap_or_else(|| SecretString::from(PAGERDUTY)),
        },
    })
}
