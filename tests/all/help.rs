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
