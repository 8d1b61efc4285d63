//! The flags of `opencode acp` and `opencode run`, from the `--help` of 1.18.33, and of the archived Go program (commit f0571f5).
//!
//! Each table covers both programs, since the installed one may change while the server runs. For a letter with two meanings the stricter
//! class counts.

use crate::agent::flags::Flag;
use crate::agent::flags::Takes::{Many, Nothing, One};

/// `opencode acp`.
pub(super) const TWO_WAY: &[Flag] = &[
    Flag::reserved(&["--help", "-h"], Nothing),
    Flag::reserved(&["--version", "-v"], Nothing),
    Flag::plain(&["--print-logs"], Nothing),
    Flag::plain(&["--log-level"], One),
    Flag::plain(&["--pure"], Nothing),
    // It listens on a port, which must stay private.
    Flag::widening(&["--port"], One),
    Flag::widening(&["--hostname"], One),
    Flag::widening(&["--mdns"], Nothing),
    Flag::widening(&["--mdns-domain"], One),
    Flag::widening(&["--cors"], Many),
    // `-c` in the Go program.
    Flag::reserved(&["--cwd", "-c"], One),
    // The Go program.
    Flag::reserved(&["--prompt", "-p"], One),
    Flag::reserved(&["--output-format", "-f"], One),
    Flag::reserved(&["--quiet", "-q"], Nothing),
    Flag::plain(&["--debug", "-d"], Nothing),
    // Of `opencode run`: rejected here instead of by the program.
    Flag::reserved(&["--model", "-m"], One),
    Flag::reserved(&["--session", "-s"], One),
    Flag::reserved(&["--format"], One),
];

/// `opencode run`.
pub(super) const ONE_SHOT: &[Flag] = &[
    Flag::reserved(&["--help", "-h"], Nothing),
    Flag::reserved(&["--version", "-v"], Nothing),
    Flag::reserved(&["--print-logs"], Nothing),
    Flag::reserved(&["--log-level"], One),
    Flag::plain(&["--pure"], Nothing),
    // Runs a command of the project instead of the prompt.
    Flag::widening(&["--command"], One),
    Flag::reserved(&["--continue", "-c"], Nothing),
    Flag::reserved(&["--session", "-s"], One),
    Flag::reserved(&["--fork"], Nothing),
    // Publishes the conversation.
    Flag::widening(&["--share"], Nothing),
    Flag::reserved(&["--model", "-m"], One),
    Flag::plain(&["--agent"], One),
    Flag::reserved(&["--format"], One),
    Flag::widening(&["--file"], Many),
    // `--file` in this program, the output format in the Go program.
    Flag::reserved(&["-f"], Many),
    Flag::plain(&["--title"], One),
    Flag::widening(&["--attach"], One),
    Flag::reserved(&["--password"], One),
    Flag::reserved(&["--username", "-u"], One),
    Flag::reserved(&["--dir"], One),
    Flag::widening(&["--port"], One),
    Flag::plain(&["--variant"], One),
    Flag::reserved(&["--thinking"], Nothing),
    Flag::reserved(&["--interactive", "-i"], Nothing),
    Flag::reserved(&["--auto"], Nothing),
    // The Go program.
    Flag::reserved(&["--prompt", "-p"], One),
    Flag::reserved(&["--output-format"], One),
    Flag::reserved(&["--quiet", "-q"], Nothing),
    Flag::reserved(&["--cwd"], One),
    Flag::plain(&["--debug", "-d"], Nothing),
];
