//! What a server and a shim say to each other, and what a shim writes down.
//!
//! Both speak in lines of JSON over a unix socket, one object a line with one member that names the message. Only [`ShimCommand::Input`]
//! is followed by bytes, as many as it says. The agent's output never travels here: the shim appends it to a file of the run's
//! folder and tells how far that file has come, and the server reads the file. So what is live and what is read again after a
//! restart come by the same way, and a slow server holds nothing in a socket.
//!
//! **Versions.** The server begins with [`ShimCommand::Hello`], the shim answers with [`Report::Hello`] and its own version, and both keep
//! to the lower of the two. Within a version fields may be added, which the other side ignores; a shim ignores an order that it does
//! not know. A server talks to shims of the previous release, because those hold its runs when it is upgraded.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::process::{Containment, Exit, Identity};

/// The version that this program speaks.
pub const PROTOCOL: u32 = 1;

/// Most bytes of one [`InputCommand`], and of all that waits for the agent to read its stdin. A prompt is at most 2 MiB; an agent that
/// is behind by this much has stopped reading, and its stdin is closed.
pub const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// Longest line of either side, in bytes. The longest that there is holds a command line and an environment.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Longest memo, in bytes. With every letter of it escaped it is half of the longest line.
pub const MAX_HANDOVER: usize = 4 * 1024 * 1024;

/// How often a shim tells of more output before the server has taken any of it, while it is [`UNACKED_BYTES`]. An agent that says a word now
/// and then is heard without an answer to each, which would cost both sides as much as the word.
pub const REPORTS_BEFORE_ACK: u32 = 8;

/// Bytes of stdout that were told and are not taken, from which on a shim tells no more of them: of an agent that writes much it is
/// enough to be told when there is time for it.
pub const UNACKED_BYTES: u64 = 16 * 1024;

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimCommand {
    /// The first message of each connection.
    Hello {
        /// The server's version of this protocol.
        protocol: u32,
    },
    /// Starts the agent. Once in a shim's life, after the first hello.
    Start(Box<StartCommand>),
    /// Bytes for the agent's stdin, and a note of why they are said. The shim writes the note down before the agent can see a byte.
    Input(InputCommand),
    /// The server has taken this much of the output: the shim reads on from the agent only while not too much waits to be taken.
    Ack {
        /// Bytes of stdout, from the beginning.
        out: u64,
        /// Bytes of stderr, from the beginning.
        err: u64,
    },
    /// Sets the time limit that the shim keeps by itself, or lifts it. Counted from now by the shim's monotonic clock.
    SetTimeLimit {
        /// Milliseconds that are left.
        left_ms: Option<u64>,
    },
    /// Ends the agent and everything that it started: TERM and CONT, then KILL after the grace. Again with a shorter grace: that counts.
    Stop {
        /// Milliseconds between TERM and KILL; 0 for KILL at once.
        grace_ms: u64,
    },
    /// The server has taken the end, and what the shim remembers is needed no more. Before the end it means nothing.
    Release {},
}

/// What a shim is to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartCommand {
    /// Absolute path of the program.
    pub program: String,
    /// Its arguments, element by element.
    pub args: Vec<String>,
    /// Its whole environment. It may hold secrets, so it comes this way and is written nowhere.
    pub env: Vec<(String, String)>,
    /// File mode mask of the agent.
    pub umask: u32,
    /// Value of the variable that marks the agent's descendants; it is in `env` as well.
    pub marker: String,
    /// Most that is kept of the agent's stdout, in bytes. An agent that writes more is stopped.
    pub max_out: u64,
    /// Most that is kept of its stderr, in bytes. More is read and dropped, but for the end.
    pub max_err: u64,
    /// The first time limit, as in [`ShimCommand::SetTimeLimit`].
    pub left_ms: Option<u64>,
    /// Milliseconds between TERM and KILL when the shim ends the agent of its own accord.
    pub grace_ms: u64,
    /// What the agent and all that it starts are held in.
    #[serde(default)]
    pub containment: Containment,
    /// What a later server has to know and must be written nowhere, in the server's own words, at most [`MAX_HANDOVER`]. The shim gives it
    /// back in its greeting. While it has one it does not go at the agent's end, but waits to be released: for a day after the last
    /// server has gone, not for ever.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handover: String,
}

/// Bytes for the agent's stdin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputCommand {
    /// How many bytes of stdout the server had understood when it said this. A server that comes later says again only what the
    /// agent's output after this place calls for.
    pub at: u64,
    /// What was done beside reading the agent's output, in the server's own words; `None` for what the agent's output alone calls for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<serde_json::Value>,
    /// After these bytes the agent's stdin is closed.
    #[serde(default)]
    pub close: bool,
    /// How many bytes follow the line, at most [`MAX_INPUT`].
    pub size: u64,
}

/// What a shim says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The answer to [`ShimCommand::Hello`].
    Hello(Greeting),
    /// The agent's process is there.
    Started {
        /// Which one.
        agent: Identity,
    },
    /// There is no process: the system gave none, or the run's folder cannot be used.
    NotStarted {
        /// Why, for a person.
        message: String,
        /// For want of room on the disk, or of descriptors.
        #[serde(default)]
        resource_exhausted: bool,
    },
    /// How far the agent's output has come. Said again when it has grown, as often as [`Greeting::reports_before_ack`] says, and then when the
    /// server has taken something.
    Spooled(Spooled),
    /// The agent's process has ended; its pipes and what it started may still be there.
    Exited {
        /// How.
        exit: Exit,
    },
    /// Everything is over, and written down. The last message, said to each server that comes while the shim waits to be released.
    Ended(Box<ExitRecord>),
}

/// A shim's first word to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The shim's version of this protocol.
    pub protocol: u32,
    /// The agent, once it was started.
    pub agent: Option<Identity>,
    /// How the agent's process ended, if it has.
    pub exit: Option<Exit>,
    /// Milliseconds that are left of the time limit.
    pub left_ms: Option<u64>,
    /// The agent is being ended, for this reason.
    pub stopping: Option<StoppedBy>,
    /// How far its output has come.
    pub spooled: Spooled,
    /// The memo of [`StartCommand`], if there was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handover: String,
    /// How often it tells of more output before the server has taken any: [`REPORTS_BEFORE_ACK`], but 1 of a shim of an earlier release.
    #[serde(default = "once")]
    pub reports_before_ack: u32,
}

fn once() -> u32 {
    1
}

/// Who the processes of a run are: what `process.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The shim's version of this protocol.
    pub protocol: u32,
    /// The shim itself.
    pub shim: Identity,
    /// The agent that it started.
    pub agent: Identity,
    /// The control group of the agent and of all that it starts, if it has one. The shim is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
}

/// How far an agent's output has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// Bytes of stdout in the run's folder.
    pub out: u64,
    /// Bytes of stderr in the run's folder.
    pub err: u64,
    /// No more comes on stdout.
    #[serde(default)]
    pub out_ended: bool,
    /// No more comes on stderr.
    #[serde(default)]
    pub err_ended: bool,
}

/// Why a shim ended its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// The server said so.
    Command,
    /// The time limit, which the shim keeps also when no server is there.
    Limit,
    /// The agent wrote more to stdout than is kept.
    OutputFull,
    /// The disk took no more of its output.
    Disk,
}

/// How it all ended: the last thing that a shim writes, whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// How the agent's process ended; `None` if it hangs in the kernel and was given up.
    pub exit: Option<Exit>,
    /// Why the shim ended it, if it did.
    pub stopped_by: Option<StoppedBy>,
    /// Something held the agent's output open after its exit, and was killed.
    #[serde(default)]
    pub leaked_pipe: bool,
    /// Processes that could not be ended.
    #[serde(default)]
    pub left_behind: usize,
    /// The kernel killed something of it for want of memory. Known only where a control group tells.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Final length of both outputs.
    pub spooled: Spooled,
    /// The end of stderr, at most 16 KiB, also of what was not kept.
    pub stderr_tail: String,
}
