//! The scripted agent of the test suite: it stands in for `claude` and does what each message says, line by line.
//!
//! It speaks the two-way `stream-json` of Claude Code, so the real adapter drives it through the real server. Whatever a test needs
//! to happen (a flood, a crash, a grandchild that holds a pipe, an ignored TERM) is a line of its [`script`].
//!
//! Nothing of it lives longer than [`LIFETIME`], whatever a failing test leaves behind.

mod children;
mod ears;
mod facts;
mod player;
mod script;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use player::Player;

/// How long anything that hangs hangs.
const LIFETIME: Duration = Duration::from_mins(3);

/// Exit code after a script that cannot be carried out: no test expects it.
const BAD_SCRIPT: u8 = 64;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let played = match words.as_slice() {
        ["--version"] => writeln!(io::stdout(), "9.9.9 (Claude Code)").map(|()| ExitCode::SUCCESS),
        ["auth", "status"] => writeln!(io::stdout(), "{{\"loggedIn\": true}}").map(|()| ExitCode::SUCCESS),
        [children::FLAG, words @ ..] => children::be(words),
        [player::GO_ON, script] => Player::default().go_on(script),
        _ => Player::default().play(),
    };
    played.unwrap_or_else(|error| {
        eprintln!("fake_agent: {error}");
        ExitCode::from(BAD_SCRIPT)
    })
}
