//! Settings at the start of a server.

use crate::support::{Setup, live};

#[test]
fn a_misspelled_variable_is_named_at_start_with_the_nearest_real_one() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_PERMISION_TIMEOUT_SECS", 5).start().await;
        let log = server.log();
        let warning = log.lines().find(|line| line.contains("unknown environment variable")).expect("a warning");
        assert!(
            warning.contains("OPENRUNNER_PERMISION_TIMEOUT_SECS") && warning.contains("OPENRUNNER_PERMISSION_TIMEOUT_SECS"),
            "{warning}"
        );
        assert_eq!(log.matches("unknown environment variable").count(), 1, "{log}");
    });
}
