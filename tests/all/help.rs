//! What `--help` says.

use crate::command::rebuild;

#[test]
fn top() {
    insta::assert_snapshot!(rebuild(&["--help"]));
}

#[test]
fn wrong_usage_is_an_error_not_pending_changes() {
    insta::assert_snapshot!(rebuild(&["--wrong"]));
}

#[test]
fn verify() {
    insta::assert_snapshot!(rebuild(&["backups", "verify", "--help"]));
}

#[test]
fn what_is_global_may_stand_before_a_command() {
    let project = crate::command::root().to_str().expect("UTF-8");
    let said = rebuild(&[
        "--project",
        project,
        "--quiet",
        "--format",
        "json",
        "status",
        "--env",
        "nowhere",
    ]);
    assert!(said.contains("there is no environment `nowhere`"), "{said}");
    assert!(said.contains("\"exit\":1"), "as JSON: {said}");
}

#[test]
fn what_the_main_command_takes_is_refused_before_another() {
    insta::assert_snapshot!(rebuild(&["--env", "here", "status", "--env", "there"]));
}
