//! What to do next, by kind of failure. Libraries say what failed; advice is given here and nowhere else.

use executor::ErrorKind;
use executor::lock::LockError;

use crate::exit::Exit;
use crate::failure::Failure;

/// Advice for a provider's failure.
pub fn provider(name: &str, kind: ErrorKind) -> String {
    if name == "backup" && matches!(kind, ErrorKind::Invalid | ErrorKind::Deadline) {
        return "the generation serves and has no backup of its own yet: look at the Job, its pods and what they stored (`rebuild backups verify`), put it right; resuming takes another".to_owned();
    }
    match kind {
        ErrorKind::Unreachable => format!("check that {} can be reached from here; `rebuild doctor` tries every endpoint", place(name)),
        ErrorKind::Throttled => "wait a minute and run the same command again; what is done stays done".to_owned(),
        ErrorKind::Server => "run the same command again; if it goes on, look at the service's own health page".to_owned(),
        ErrorKind::NotYet => "run the same command again in a minute: what was made is not visible yet".to_owned(),
        ErrorKind::Unauthenticated => format!("renew the credentials for {}; `rebuild doctor` says who you are", place(name)),
        ErrorKind::Denied => format!("ask for the missing permission on {}, then run the same command again", place(name)),
        ErrorKind::Invalid => "correct the template or the environment, then plan again".to_owned(),
        ErrorKind::Foreign => "it is not ours and is never touched: rename it, remove it by hand, or take another name in the template".to_owned(),
        ErrorKind::Conflict => "somebody changed it meanwhile: plan again and look at the difference".to_owned(),
        ErrorKind::Deadline => "look at the object's own events; `rebuild resume` waits for it again".to_owned(),
        ErrorKind::NotFound => format!("see in {} whether it was removed or is called otherwise", place(name)),
        ErrorKind::Unavailable => format!("put {} in order (unseal it, create what is missing), then run the same command again", place(name)),
    }
}

fn place(provider: &str) -> &'static str {
    match provider {
        "ec2" | "iam" | "rds" | "route53" => "AWS",
        "s3" | "seed" => "the object store",
        "gcs" => "Google Cloud Storage",
        "vault" => "Vault",
        "kubernetes" => "the cluster",
        _ => "the service",
    }
}

/// Everything wrong with an environment, each fault with its place and its hint.
pub fn of_environment(name: &str, errors: &environment::Errors) -> Failure {
    let mut failure = Failure::new(match errors.0.as_slice() {
        [environment::Error::Unknown { .. }] => format!("`{name}` can't be rebuilt"),
        [_] => format!("the environment `{name}` has a fault"),
        many => format!("the environment `{name}` has {} faults", many.len()),
    });
    for error in &errors.0 {
        failure = failure.because(error.to_string());
        if let Some(hint) = error.hint()
            && !failure.hints.contains(&hint)
        {
            failure = failure.hint(hint);
        }
    }
    if failure.hints.is_empty() {
        failure = failure.hint("correct the file at the place named");
    }
    failure
}

/// A provider's failure as the command line shows it.
pub fn of_provider(name: &str, error: &executor::Error) -> Failure {
    Failure::new(error.what.clone())
        .because(error.why.clone())
        .hint(provider(name, error.kind))
}

/// A lock's failure, with the exit code for a held one.
pub fn of_lock(environment: &str, error: &LockError) -> Failure {
    let failure = Failure::of(
        format!("the environment `{environment}` can't be locked"),
        error,
    );
    match error {
        LockError::Held { expires: Some(_), .. } => failure
            .exit(Exit::Locked)
            .hint("wait for that run to end; a run that died gives its lock up at the time named, by itself"),
        LockError::Held { .. } => {
            failure.exit(Exit::Locked).hint("wait for that run to end, or stop its process: the lock goes with it")
        }
        LockError::Lost { .. } => failure.exit(Exit::Locked).hint("another run took over; look at `rebuild status` before going on"),
        LockError::Io { .. } => failure.hint("make the state folder writable (XDG_STATE_HOME)"),
        LockError::Remote(error) => failure.hint(provider("s3", error.kind)),
    }
}
