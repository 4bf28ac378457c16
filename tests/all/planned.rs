//! Whole plans from recorded answers: nobody is asked, so what is shown depends on the environment alone.

use crate::command::rebuild;

/// A whole region was lost: nothing of the environment is there.
#[test]
fn production_from_an_empty_cloud() {
    insta::assert_snapshot!(rebuild(&[
        "plan",
        "--env",
        "production",
        "--from-backup",
        "latest",
        "--recorded",
        "tests/fixtures/seen/empty-cloud.json",
    ]));
}
