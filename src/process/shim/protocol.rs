//! The protocol between a server and a shim, and the records that a shim writes.
//!
//! Both sides send lines of JSON over a unix socket: one object per line, with one member that names the message. Only
//! [`ShimCommand::Input`] is followed by raw bytes, as many as it declares. The agent's output is never sent over the socket: the shim
//! appends it to a file in the process directory and reports the length of that file, and the server reads the file. Live output and output
//! that is read again after a restart therefore take the same path, and a slow server holds nothing in a socket.
//!
//! **Lent output.** A server that keeps up borrows the pipe of the agent's stdout ([`ShimCommand::Lend`]) and moves the output into the
//! same file itself, which spares each line of output a wake-up of the shim. Only one of the two moves output: the shim waits until the server
//! returns the pipe, or until the connection ends. A server therefore stops using the pipe before it closes the connection, and a server
//! that dies can use it no more when the connection ends. Output is moved by one system call (`splice`), so it is in the pipe or in the file
//! at any moment, also when the server is killed. A server locks the file (`flock`) for each of its moves: a shim whose agent has exited takes
//! the output back from a server that does not return it, which may be stopped, and keeps the lock from then on.
//!
//! **Versions.** The server sends [`ShimCommand::Hello`], the shim answers with [`Report::Hello`] and its own version, and both use the
//! lower of the two. Within a version fields may be added, which the other side ignores; a shim ignores commands that it does not know. A
//! server supports shims of the previous release, because they hold its runs during an upgrade.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::process::{Containment, Exit, Identity};

/// Version of the protocol in this program.
pub const PROTOCOL: u32 = 1;

/// Maximum size of one [`InputCommand`], and of all input that the agent has not read yet, in bytes. A prompt is at most 2 MiB; an agent
/// that is this far behind has stopped reading, and its stdin is closed.
pub const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// Maximum length of a line, in bytes. The longest lines hold a command line and an environment.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Maximum length of the handover, in bytes. With every character escaped, it is half of the longest line.
pub const MAX_HANDOVER: usize = 4 * 1024 * 1024;

/// How many times a shim reports more output without an acknowledgement, while at most [`UNACKED_BYTES`] are unacknowledged. An
/// acknowledgement for every short output would cost both sides as much as the output.
pub const REPORTS_BEFORE_ACK: u32 = 8;

/// Unacknowledged bytes of stdout beyond which a shim sends no further reports: an agent that writes much is read when the server has time
/// for it.
pub const UNACKED_BYTES: u64 = 16 * 1024;

/// Whether shims of this program lend the agent's stdout: `splice` exists on Linux only.
pub const LENDS: bool = cfg!(target_os = "linux");

/// A command from a server to a shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimCommand {
    /// The first message of each connection.
    Hello {
        /// The server's version of this protocol.
        protocol: u32,
    },
    /// Starts the agent. Sent once in the life of a shim, after the first hello.
    Start(Box<StartCommand>),
    /// Bytes for the agent's stdin, with a journal entry. The shim writes the entry to disk before the agent can see a byte.
    Input(InputCommand),
    /// Acknowledges output. The shim stops reading from the agent while too much output is unacknowledged.
    Ack {
        /// Bytes of stdout, from the beginning.
        out: u64,
        /// Bytes of stderr, from the beginning.
        err: u64,
    },
    /// Sets or removes the time limit that the shim enforces by itself. It starts now, by the shim's monotonic clock.
    SetTimeLimit {
        /// Milliseconds that are left.
        left_ms: Option<u64>,
    },
    /// Kills the agent and everything it started: TERM and CONT, then KILL after the grace period. A repeated command can only shorten the
    /// grace period.
    Stop {
        /// Milliseconds between TERM and KILL; 0 for KILL immediately.
        grace_ms: u64,
    },
    /// Asks for the pipe of the agent's stdout. Answered with [`Report::Lent`], or not at all if there is nothing to lend.
    Lend {},
    /// The server has stopped using the pipe, and the file has all that it has taken from it.
    Return {},
    /// The server has stored the end, and the handover is no longer needed. Ignored before the end.
    Release {},
}

/// What a shim starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartCommand {
    /// Absolute path of the program.
    pub program: String,
    /// Arguments, one per element.
    pub args: Vec<String>,
    /// The complete environment. It may contain secrets, so it is sent over the socket and never written to disk.
    pub env: Vec<(String, String)>,
    /// File mode mask of the agent.
    pub umask: u32,
    /// Value of the variable that marks the agent's descendants. It is in `env` as well.
    pub marker: String,
    /// Maximum size of the stored stdout, in bytes. An agent that writes more is killed.
    pub max_out: u64,
    /// Maximum size of the stored stderr, in bytes. Of the rest only the end is kept.
    pub max_err: u64,
    /// The initial time limit, as in [`ShimCommand::SetTimeLimit`].
    pub left_ms: Option<u64>,
    /// Milliseconds between TERM and KILL when the shim itself decides to kill the agent.
    pub grace_ms: u64,
    /// Limits on the agent and everything it starts.
    #[serde(default)]
    pub containment: Containment,
    /// Secrets that a later server needs and that must not be written to disk, in the server's own format, at most [`MAX_HANDOVER`]. The
    /// shim returns them in its greeting. A shim with a handover does not exit at the agent's end, but waits to be released, for at most a
    /// day after the last server has disconnected.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handover: String,
}

/// Bytes for the agent's stdin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputCommand {
    /// Bytes of stdout that the server had parsed when it sent this. A later server repeats only input that follows from output after this
    /// offset.
    pub at: u64,
    /// Journal entry: the command that caused this input, in the server's own format; `None` for input that follows from the agent's output
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<serde_json::Value>,
    /// Whether the agent's stdin is closed after these bytes.
    #[serde(default)]
    pub close: bool,
    /// Number of bytes that follow the line, at most [`MAX_INPUT`].
    pub size: u64,
}

/// A report from a shim to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The answer to [`ShimCommand::Hello`].
    Hello(Greeting),
    /// The agent has been started.
    Started {
        /// Its process.
        agent: Identity,
    },
    /// The agent could not be started: the system created no process, or the process directory cannot be used.
    NotStarted {
        /// The reason, for people.
        message: String,
        /// Whether the reason is a full disk or a lack of file descriptors.
        #[serde(default)]
        resource_exhausted: bool,
    },
    /// Length of the agent's output. Repeated when it has grown, as often as [`Greeting::reports_before_ack`] allows, and after each
    /// acknowledgement.
    Spooled(Spooled),
    /// The pipe of the agent's stdout, sent along with this report. The server is to append its content to the file.
    Lent {
        /// Present length of the file.
        out: u64,
        /// Length beyond which the server returns the pipe, so that the shim stops the agent.
        max_out: u64,
    },
    /// The agent's process has exited. Its pipes and its descendants may still exist.
    Exited {
        /// How it exited.
        exit: Exit,
    },
    /// The run's processes have ended, and the record is on disk. The last message, sent to every server that connects while the shim waits
    /// to be released.
    Ended(Box<ExitRecord>),
}

/// A shim's first message to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The shim's version of this protocol.
    pub protocol: u32,
    /// The agent, once started.
    pub agent: Option<Identity>,
    /// How the agent's process exited, if it has.
    pub exit: Option<Exit>,
    /// Milliseconds that are left of the time limit.
    pub left_ms: Option<u64>,
    /// Why the agent is being killed, if it is.
    pub stopping: Option<StoppedBy>,
    /// Length of its output.
    pub spooled: Spooled,
    /// The handover of [`StartCommand`], if there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handover: String,
    /// How many times it reports more output without an acknowledgement: [`REPORTS_BEFORE_ACK`], or 1 for a shim of an earlier release.
    #[serde(default = "once")]
    pub reports_before_ack: u32,
    /// Whether it knows [`ShimCommand::Lend`].
    #[serde(default)]
    pub lends: bool,
}

fn once() -> u32 {
    1
}

/// Identity of the processes of a run: the content of `process.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The shim's version of this protocol.
    pub protocol: u32,
    /// The shim.
    pub shim: Identity,
    /// The agent.
    pub agent: Identity,
    /// Control group of the agent and its descendants, if there is one. The shim is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
    /// The boot of the machine in which the identities are valid, where the system has an id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

/// Length of an agent's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// Bytes of stdout in the process directory.
    pub out: u64,
    /// Bytes of stderr in the process directory.
    pub err: u64,
    /// Whether stdout has ended.
    #[serde(default)]
    pub out_ended: bool,
    /// Whether stderr has ended.
    #[serde(default)]
    pub err_ended: bool,
}

/// Why a shim killed its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// On command of the server.
    Command,
    /// The time limit has passed. The shim enforces it also without a server.
    Limit,
    /// The agent exceeded the maximum size of stdout.
    OutputFull,
    /// The output could not be written to disk.
    Disk,
}

/// How the run's processes ended: the last record that a shim writes, atomically.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// How the agent's process exited; `None` if it is blocked in the kernel and was abandoned.
    pub exit: Option<Exit>,
    /// Why the shim killed it, if it did.
    pub stopped_by: Option<StoppedBy>,
    /// Whether a process held the agent's output open after its exit, and was killed.
    #[serde(default)]
    pub leaked_pipe: bool,
    /// Number of processes that could not be killed.
    #[serde(default)]
    pub left_behind: usize,
    /// Whether the kernel killed one of the processes for lack of memory. Known only with a control group.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Final length of both outputs.
    pub spooled: Spooled,
    /// The end of stderr, at most 16 KiB, including output that was not stored.
    pub stderr_tail: String,
    /// The boot of the machine in which it was written, where the system has an id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Whether the outputs, the journal and the server's state were on the disk before this record. After a crash of the machine a record
    /// without it proves nothing.
    #[serde(default)]
    pub durable: bool,
}
