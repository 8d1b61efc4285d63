//! The traits that agents implement.
//!
//! [`Agent`] is for code in this process: a prompt in, events out. [`Program`] is for programs on this machine: it describes how to find
//! one, how to start it and, through its [`Parser`], how to parse its output. Processes, time limits, stops and the log work the same for
//! all programs, so an adapter contains none of that.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::agent::message::Message;
use crate::agent::private_home::LoginFile;
use crate::agent::probe::Prober;
use crate::agent::program_info::{Capabilities, ProgramInfo};
use crate::process::Exit;
use crate::types::{Answer, Attachment, AttachmentKind, Failure, McpServer, ModelEndpoint, PermissionMode, RunSpec, StreamEvent, TurnEnd};

/// The result of [`Agent::run`]. Any error type is accepted; its text becomes the run's message.
pub type Result<T> = anyhow::Result<T>;

/// An agent that is code in this process.
///
/// ```
/// # use openrunner::{agent::{Agent, Result}, types};
/// # use tokio::sync::mpsc;
/// use async_trait::async_trait;
/// use crate::types::StreamEvent;
///
/// pub struct MyAgent { /* ... */ }
///
/// #[async_trait]
/// impl Agent for MyAgent {
///     fn name(&self) -> &str { "my_agent" }
///
///     async fn run(&self, prompt: String, tx: mpsc::Sender<StreamEvent>) -> Result<()> {
///         // carry out the prompt and stream events through tx
///         tx.send(StreamEvent::Token { content: "Hello".into() }).await?;
///         Ok(())
///     }
/// }
/// # fn main() {
/// #     let agents = openrunner::agent::Registry::default().with_agent(MyAgent {});
/// #     assert!(agents.names().any(|name| name == "my_agent"));
/// #     let (tx, mut events) = mpsc::channel(1);
/// #     let work = async { (MyAgent {}.run("hi".into(), tx).await, events.recv().await) };
/// #     let (ended, event) = tokio::runtime::Runtime::new().unwrap().block_on(work);
/// #     assert!(ended.is_ok() && event == Some(StreamEvent::Token { content: "Hello".into() }));
/// # }
/// ```
///
/// Implementations must have a unique name, and a future that may be dropped at any `.await`, which is how a run is stopped. They must
/// not send `Done`, `RunQueued` or `RunStarted`: the driver writes those and discards others.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// The `agent_type` that clients request.
    fn name(&self) -> &str;

    /// Carries out `prompt` and sends events through `tx`. `Ok` completes the run, an error fails it.
    ///
    /// The channel is bounded: `send` waits while the log is slower than the agent.
    ///
    /// # Errors
    /// Any failure; its text becomes the message of the run's end. A failed `send` means that the run is being stopped; return it with
    /// `?`.
    async fn run(&self, prompt: String, tx: mpsc::Sender<StreamEvent>) -> Result<()>;
}

/// An agent that is a program on this machine.
#[async_trait]
pub trait Program: Send + Sync + 'static {
    /// The fixed facts about the program.
    fn info(&self) -> &ProgramInfo;

    /// The program to start instead of `found`, for launchers that only start another program. `None` to start `found` itself.
    fn native(&self, found: &Path) -> Option<PathBuf> {
        let _ = found;
        None
    }

    /// What a client can do with it. `variant` is that of its [`Inspection`], or empty before the first one.
    fn capabilities(&self, variant: &str) -> Capabilities {
        let _ = variant;
        self.info().capabilities
    }

    /// Whether the program is listed only if it is installed. Its inspection is then valid as long as its file is the same.
    fn is_optional(&self) -> bool {
        false
    }

    /// Why the program cannot keep a permission mode. `None` if it can. Modes that need permission requests at all are a capability.
    fn unsupported_mode(&self, mode: PermissionMode) -> Option<&'static str> {
        let _ = mode;
        None
    }

    /// The hosts and ports of the model and of the login service of a program that uses its own login, such as `api.example.org:443`.
    fn model_hosts(&self) -> &'static [&'static str] {
        &[]
    }

    /// The files below the home directory by which it is logged in. In a sandbox it gets copies of them.
    fn login_files(&self) -> &'static [LoginFile] {
        &[]
    }

    /// Files below the home directory with settings by which an agent could have its next run trust a directory. In a sandbox they are not
    /// kept between the runs of a session.
    fn unkept_settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it runs commands in a sandbox of its own in this permission mode.
    fn has_own_sandbox(&self, mode: PermissionMode) -> bool {
        let _ = mode;
        false
    }

    /// Whether it takes a JSON Schema of its answer. Otherwise the prompt asks for an answer that matches it.
    fn takes_output_schema(&self, schema: &serde_json::Value) -> bool {
        let _ = schema;
        false
    }

    /// Files that its command line names in every run, which it must be able to read.
    fn command_files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Why configuration in the working directory may have an effect although a run is to ignore it. `None` if it cannot, which is then
    /// the duty of [`Program::invocation`]. `variant` is that of its [`Inspection`].
    fn reads_project_config(&self, variant: &str) -> Option<&'static str> {
        let _ = variant;
        None
    }

    /// Whether the installed program was driven in tests of this release, in any version that behaves like the tested one. `variant` is
    /// that of its [`Inspection`].
    fn is_tested(&self, variant: &str) -> bool {
        let _ = variant;
        true
    }

    /// Values that are masked in the runs of this program, in addition to those that are masked everywhere.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Determines the version, the variant and the login state of `binary`. Runs at most a few short commands through `prober`, none of
    /// which may start work.
    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection;

    /// Has the program carry out `request` outside of any run. Returns `false` if it does not offer that, which is the default.
    ///
    /// # Errors
    /// Why it failed, as a fragment whose subject is the program.
    async fn control(&self, binary: &Path, prober: &Prober, request: ControlRequest<'_>) -> std::result::Result<bool, String> {
        let _ = (binary, prober, request);
        Ok(false)
    }

    /// The arguments and variables for one run.
    ///
    /// # Errors
    /// A [`Failure`] if the program cannot carry out this task, for example because the prompt is too long for a command line.
    fn invocation(&self, task: &Task, installed: &Installed) -> std::result::Result<Invocation, Failure>;

    /// A new parser for one process.
    fn parser(&self, task: &Task, installed: &Installed) -> Box<dyn Parser>;
}

/// How a program is driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In both directions: the program asks for permission, streams text, and takes further messages.
    #[default]
    TwoWay,
    /// Prompt in, lines out. A fallback for releases that break the two-way protocol: no permissions, no steering and, for Codex and
    /// `OpenCode`, no streaming of text.
    OneShot,
}

/// The task of one run.
#[derive(Clone, Debug)]
pub struct Task {
    /// The run's specification.
    pub spec: RunSpec,
    /// The agent's id of the conversation to continue.
    pub resume: Option<String>,
    /// Whether the agent continues the work of an earlier process of the same run, which has received the prompt. It then gets
    /// [`Task::CONTINUE`] instead.
    pub continues: bool,
    /// The MCP servers to give it. They may contain secrets and are stored nowhere else.
    pub mcp_servers: Vec<McpServer>,
    /// Where it reaches its model. `None` to use its own configuration and login. Stored nowhere; parsers must not depend on it.
    pub endpoint: Option<ModelEndpoint>,
    /// The images and files that are given to it with the prompt.
    pub attachments: Vec<Attachment>,
    /// Where the program finds the files of its [`Invocation`].
    pub input_dir: PathBuf,
}

impl Task {
    /// What an agent is told that continues its work.
    pub const CONTINUE: &'static str = "Continue. Your work was interrupted by a usage limit, which has been reset.";

    /// The prompt with its images and files.
    pub(super) fn message(&self) -> Message {
        Message::new(self.spec.prompt.clone(), None, &self.attachments, &self.input_dir)
    }

    /// The task with the prompt that its agent gets. The images are part of a conversation that is continued; the files were removed with the
    /// earlier process, and are given again.
    #[must_use]
    pub(super) fn with_effective_prompt(mut self) -> Self {
        if self.continues {
            Self::CONTINUE.clone_into(&mut self.spec.prompt);
            self.attachments.retain(|attachment| attachment.info.kind == AttachmentKind::File);
        }
        self
    }
}

/// A program that was found and inspected.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Installed {
    /// Absolute path of the file to start.
    pub path: PathBuf,
    /// The version that it reports.
    pub version: Option<String>,
    /// Which of several programs with the same name it is, as defined by its adapter.
    pub variant: Cow<'static, str>,
    /// The home directory of the program.
    pub home: PathBuf,
    /// Whether that is the home directory of another account, or of a sandbox. The server's variables that move the directory of an agent's
    /// settings do not apply there.
    #[serde(default)]
    pub has_other_home: bool,
}

/// A request to a program outside of any run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRequest<'a> {
    /// Delete the conversation with this id of its own.
    DeleteConversation(&'a str),
    /// Remove its login.
    LogOut,
}

/// The result of [`Program::inspect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The version that it reports.
    pub version: Option<String>,
    /// Which of several programs with the same name it is.
    pub variant: &'static str,
    /// Whether a login or key is configured. Only a model call could tell whether it is valid.
    pub authenticated: Authenticated,
    /// Why it cannot be used although it is installed.
    pub error: Option<String>,
}

/// Whether a login or key is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Authenticated {
    /// One is configured.
    Yes,
    /// None is configured, and the agent needs one.
    No,
    /// The agent offers no way to find out.
    Unknown,
}

/// How to start a program for one run, without the working directory, the base environment and the marker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The arguments after the program. They are never passed through a shell.
    pub args: Vec<String>,
    /// Variables to set, overriding the server's environment.
    pub env: Vec<(String, String)>,
    /// Files to write into [`Task::input_dir`] before the start.
    pub files: Vec<InputFile>,
}

/// A file that is given to a program with its task, and removed with the run's directory for temporary files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Its name: one component of a path.
    pub name: String,
    /// Its content.
    pub content: Bytes,
}

/// Parses a program's output and produces its input.
///
/// A parser is pure: no I/O, no clock, no randomness. The same calls in the same order always yield the same output. A recorded transcript
/// therefore always yields the same events, and a restarted server recovers its position by parsing the spool again.
pub trait Parser: Send {
    /// Whether each line is one JSON object. Lines with other bytes around their objects are then repaired before they are parsed.
    fn reads_json(&self) -> bool {
        true
    }

    /// Produces the first input. Called once, when the process has been started.
    fn open(&mut self, out: &mut Output);

    /// Parses one line without its newline. Never fails and never panics: an unknown line becomes a [`StreamEvent::Raw`].
    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome;

    /// Answers the request of a [`StreamEvent::PermissionRequest`] or [`StreamEvent::Question`] that this parser emitted. Unknown and
    /// already answered requests are ignored, as are answers of the wrong kind.
    ///
    /// If the program withdraws a request, the parser emits [`StreamEvent::PermissionResolved`] or [`StreamEvent::QuestionResolved`]
    /// itself.
    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        let _ = (request, answer, out);
    }

    /// Starts another turn with a message from the user. Called only after [`Item::TurnEnded`]. Returns `false`, without any output, if
    /// the program takes no further messages, or not the images of this one.
    fn begin_turn(&mut self, message: &Message, out: &mut Output) -> bool {
        let _ = (message, out);
        false
    }

    /// Adds a message from the user to the current turn. Returns `false`, without any output, if the program does not support that or no
    /// turn is running.
    fn steer(&mut self, message: &Message, out: &mut Output) -> bool {
        let _ = (message, out);
        false
    }

    /// Interrupts the current turn and its tools in the program's own protocol. [`Item::TurnEnded`] follows, with a failure of cause
    /// `cancelled`. Returns `false`, without any output, if the program does not support that or no turn is running.
    fn interrupt(&mut self, out: &mut Output) -> bool {
        let _ = out;
        false
    }

    /// Produces the last input, after which the program's stdin is closed. Called once, after [`Item::TurnEnded`], when no further turn
    /// follows. The program's response is not awaited.
    fn finish(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// How long the program may be silent until [`Parser::handle_silence`] is called: without output, and without input from this parser.
    /// `None` if its silence means nothing now. Asked again after every call.
    fn max_silence(&self) -> Option<Duration> {
        None
    }

    /// Handles that the program has been silent for [`Parser::max_silence`]. The time is measured outside of the parser, and the call is
    /// journaled like an answer, so that a later server repeats it at the same position in the output.
    fn handle_silence(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// Handles the end of the program's output. No line follows.
    fn handle_end_of_output(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// Handles the exit of the process, after the end of its output. Programs that report the outcome of a turn only by their exit end it
    /// here.
    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        let _ = (exit, out);
    }

    /// The reason for an exit without a [`TurnEnd`], such as bad arguments or a missing login. `None` if it is unknown.
    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let _ = (exit, stderr_tail);
        None
    }
}

/// The outcome of parsing a line. Every line has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineOutcome {
    /// It yielded an item or input for the program.
    Emitted,
    /// It yielded nothing by itself, but changed the parser's state.
    Buffered,
    /// It is known to contain nothing that other lines do not contain.
    Ignored,
    /// It is unknown and became a [`StreamEvent::Raw`].
    Raw,
}

/// The output of a parser: filled by its methods, emptied by the caller.
#[derive(Debug, Default)]
pub struct Output {
    /// Items in order.
    pub items: Vec<Item>,
    /// Bytes for the program's stdin.
    pub send: Vec<u8>,
    /// Close the program's stdin after `send`. No input follows.
    pub close_stdin: bool,
}

impl Output {
    /// Adds an event.
    pub fn emit(&mut self, event: StreamEvent) {
        self.items.push(Item::Event(event));
    }

    /// Adds `line` as a raw event. Returns [`LineOutcome::Raw`], so that it can be a parser's last expression.
    pub fn emit_raw(&mut self, line: &str) -> LineOutcome {
        self.emit(StreamEvent::Raw { line: line.to_owned() });
        LineOutcome::Raw
    }

    /// Adds a line for the program's stdin: `message` as JSON and a newline.
    pub fn send_json(&mut self, message: &serde_json::Value) {
        self.send.extend_from_slice(message.to_string().as_bytes());
        self.send.push(b'\n');
    }

    /// Whether it contains neither items nor input.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.send.is_empty() && !self.close_stdin
    }
}

/// One unit of a parser's output.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An event for the log.
    Event(StreamEvent),
    /// The agent is ready. At most once per process.
    Started(Started),
    /// The agent works in the conversation with this id of its own from here on. The next run of the session resumes it.
    SessionChanged(String),
    /// A turn has ended: its result has arrived, and nothing that it started continues in the background. No turn follows without a
    /// further message.
    TurnEnded(TurnEnd),
}

/// What an agent reports when it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// Its id of the conversation, for resuming it.
    pub agent_session: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The model it works with.
    pub model: Option<String>,
}
