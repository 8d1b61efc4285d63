//! The scripted agent of the test suite. It stands in for `claude`; each message is a [`script`] that it carries out line by line.
//!
//! It speaks the two-way `stream-json` protocol of Claude Code, so the real adapter drives it through the real server. A test scripts what
//! it needs: a flood of output, a crash, a grandchild that holds a pipe open, an ignored SIGTERM.
//!
//! Neither it nor its children live longer than [`LIFETIME`], even after a failed test.

mod children;
mod facts;
mod player;
mod script;
mod stdin;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use player::Player;

/// Maximum lifetime of hanging processes.
const LIFETIME: Duration = Duration::from_mins(3);

/// Exit code after an invalid script. No test expects it.
const INVALID_SCRIPT: u8 = 64;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["--version"] => writeln!(io::stdout(), "9.9.9 (Claude Code)").map(|()| ExitCode::SUCCESS),
        ["auth", "status"] => writeln!(io::stdout(), "{{\"loggedIn\": true}}").map(|()| ExitCode::SUCCESS),
        [children::FLAG, traits @ ..] => children::run(traits),
        [player::RESUME_FLAG, script] => Player::default().resume(script),
        _ => Player::default().play(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("fake_agent: {error}");
        ExitCode::from(INVALID_SCRIPT)
    })
}
