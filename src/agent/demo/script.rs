//! The process of the demo agent: blocking code on stdin and stdout.

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::process::{Signal, getpid, kill_process};

use super::conversation::Conversations;
use super::turn::{DemoAgent, End, unexpected_input};
use super::wire::ToAgent;
use super::words::Exit;

pub use super::command::SUBCOMMAND;

/// How many messages from the server are read ahead.
const READ_AHEAD: usize = 16;

/// Runs the demo agent on this process's stdin and stdout, in its current directory.
///
/// # Errors
/// If the current directory is unknown, if stdin or stdout is closed during a turn, if a line on stdin is not part of the demo protocol, or if a message asks for a crash.
pub fn run() -> io::Result<()> {
    let agent = DemoAgent::new(read_stdin(), io::stdout().lock(), std::env::current_dir()?, Conversations::of_this_account());
    match agent.run() {
        End::Closed | End::Exited(Exit::Silent) => Ok(()),
        End::Exited(Exit::Crashed) => Err(io::Error::other("the demo agent crashed, as the message asked for")),
        End::Exited(Exit::Killed) => Ok(kill_process(getpid(), Signal::KILL)?),
        End::Failed(error) => Err(error),
    }
}

/// The messages on stdin, read by a thread of its own, so that an interrupt is noticed during a pause. It ends with the process.
fn read_stdin() -> Receiver<io::Result<ToAgent>> {
    let (sender, receiver) = mpsc::sync_channel(READ_AHEAD);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let message = line.and_then(|line| serde_json::from_str(&line).map_err(|_| unexpected_input()));
            let is_last = message.is_err();
            if sender.send(message).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}
