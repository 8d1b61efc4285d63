//! What an agent is to the rest of the program.
//!
//! Two traits, one above the other. [`Agent`] is for code of your own: a prompt in, events out. [`Program`] is beneath it, for
//! agents that are programs on this machine: it says how to find one, how to start it and, through its [`Parser`], what its
//! lines mean. Processes, time limits, stops and the log are the same for all programs, so an adapter holds none of that.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::agent::common::{Capabilities, ProgramInfo};
use crate::agent::probe::Prober;
use crate::process::Exit;
use crate::types::{Answer, Failure, McpServer, RunSpec, StreamEvent, TurnEnd};

/// What [`Agent::run`] gives back. Open on purpose: code of your own may fail in any way, and its words become the run's message.
pub type Result<T> = anyhow::Result<T>;

/// An agent that lives in this process.
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
///         // carry out the prompt and send what happens through tx
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
/// Implementors owe: a name that no other agent has; a future that may be dropped at any `.await` (that is how a run is
/// stopped); no `Done` and no `RunQueued` or `RunStarted` events (the driver writes those; one that comes is not recorded).
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// The `agent_type` that clients ask for.
    fn name(&self) -> &str;

    /// Carries out `prompt` and sends what happens through `tx`. `Ok` is a completed run, an error a failed one.
    ///
    /// The channel is bounded: `send` waits while the log is slower than the agent.
    ///
    /// # Errors
    /// Whatever goes wrong; the text becomes the message of the run's end. A failed `send` means that the run is being
    /// stopped, so `?` is the right answer to it.
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

    /// Determines the version, the variant and the login state of `binary`. Runs at most a few short commands through `prober`, none of
    /// which may start work.
    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection;

    /// The arguments and variables for one run.
    ///
    /// # Errors
    /// A [`Failure`] if the program cannot carry out this task, for example because the prompt is too long for a command line.
    fn invocation(&self, task: &Task, installed: &Installed) -> std::result::Result<Invocation, Failure>;

    /// A new parser for one process.
    fn parser(&self, task: &Task, installed: &Installed) -> Box<dyn Parser>;
}

/// How a program is spoken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both sides speak: the program asks for permissions, gives text as it is written, and takes further messages.
    #[default]
    TwoWay,
    /// The prompt goes in, lines come out. The operator's fallback for a release that breaks the two-way protocol: no
    /// permissions, no steering, and, of Codex and `OpenCode`, no text before it is finished.
    OneShot,
}

/// What one run asks of a program.
#[derive(Clone, Debug)]
pub struct Task {
    /// The run's own words.
    pub spec: RunSpec,
    /// The agent's id of the conversation to continue.
    pub resume: Option<String>,
    /// MCP servers to give it, in its own way. They may hold secrets, so they are nowhere else.
    pub mcp_servers: Vec<McpServer>,
}

/// A program that was found and looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Installed {
    /// Absolute path of the file to start.
    pub path: PathBuf,
    /// The version it names.
    pub version: Option<String>,
    /// Which of several programs of one name it is; adapters define the words.
    pub variant: Cow<'static, str>,
    /// Home folder that the program gets.
    pub home: PathBuf,
}

/// What [`Program::inspect`] found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The version it names.
    pub version: Option<String>,
    /// Which of several programs of one name it is.
    pub variant: &'static str,
    /// Whether a login or key is configured. Nobody can tell whether it is valid without a model call.
    pub authenticated: Authenticated,
    /// Why it cannot be used although it is there.
    pub error: Option<String>,
}

/// Whether a login or key is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Authenticated {
    /// One is there.
    Yes,
    /// None is there, and the agent needs one.
    No,
    /// It cannot be told.
    Unknown,
}

/// How to start a program for one run. The working folder, the base environment and the marker come from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Elements of the command line after the program. No shell ever sees them.
    pub args: Vec<String>,
    /// Variables set for this program whatever the server's environment says.
    pub env: Vec<(String, String)>,
}

/// What a program's lines mean.
///
/// A parser is pure: no I/O, no clock, no randomness. The same calls in the same order always give the same output, so a recorded
/// transcript always gives the same events, and a restarted server rebuilds its place by parsing the spool again.
pub trait Parser: Send {
    /// The process has just been started. Says what we say first.
    fn open(&mut self, out: &mut Output);

    /// Takes one line without its newline. Never fails and never panics, whatever the bytes were: a line that it does not know
    /// becomes a [`StreamEvent::Raw`].
    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome;

    /// The request that a [`StreamEvent::PermissionRequest`] or [`StreamEvent::Question`] of this parser named was answered. An
    /// unknown or already answered request is ignored, and so is an answer of the other kind.
    ///
    /// A request that the program itself takes back is told by an event: [`StreamEvent::PermissionResolved`] or
    /// [`StreamEvent::QuestionResolved`] of the parser's own.
    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        let _ = (request, answer, out);
    }

    /// Begins another turn with a message of the user's. Called only after [`Item::TurnEnded`]. `false` if the program takes no
    /// further messages; nothing was said then.
    fn begin_turn(&mut self, text: &str, out: &mut Output) -> bool {
        let _ = (text, out);
        false
    }

    /// Adds a message of the user's to the turn that goes on. `false` if the program cannot do that, or no turn goes on; nothing was
    /// said then.
    fn steer(&mut self, text: &str, out: &mut Output) -> bool {
        let _ = (text, out);
        false
    }

    /// Asks the program, in its own protocol, to stop the turn that goes on, with its tools. [`Item::TurnEnded`] follows, with a
    /// failure of the cause `cancelled`. `false` if the program cannot do that, or no turn goes on; nothing was said then.
    fn interrupt(&mut self, out: &mut Output) -> bool {
        let _ = out;
        false
    }

    /// The program's output is over: no line follows.
    fn handle_end_of_output(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// The process is over, after the end of its output. For programs whose exit alone says how the turn went: those may end it
    /// only here.
    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        let _ = (exit, out);
    }

    /// What an exit means that came without a [`TurnEnd`]: bad arguments, no login. `None` where only the plain facts are known.
    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let _ = (exit, stderr_tail);
        None
    }
}

/// What became of a line. Together they account for every line that an agent wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineOutcome {
    /// It gave an item or an answer.
    Emitted,
    /// It gave nothing by itself, but changed what the parser knows.
    Buffered,
    /// It is known to tell nothing that other lines do not tell.
    Ignored,
    /// It is not known, and became a [`StreamEvent::Raw`].
    Raw,
}

/// What a parser wants done: filled by its methods, emptied by the caller.
#[derive(Debug, Default)]
pub struct Output {
    /// What happened, in order.
    pub items: Vec<Item>,
    /// Bytes for the program's stdin.
    pub send: Vec<u8>,
    /// After `send`, the program's stdin is closed: there is nothing more to say, whatever comes.
    pub close_stdin: bool,
}

impl Output {
    /// Adds an event.
    pub fn event(&mut self, event: StreamEvent) {
        self.items.push(Item::Event(event));
    }

    /// Adds `line` as a raw event. Gives [`LineOutcome::Raw`], so that a parser can end with it.
    pub fn raw(&mut self, line: &str) -> LineOutcome {
        self.event(StreamEvent::Raw { line: line.to_owned() });
        LineOutcome::Raw
    }

    /// Adds a line for the program's stdin: the JSON of `message` and a newline.
    pub fn send_json(&mut self, message: &serde_json::Value) {
        self.send.extend_from_slice(message.to_string().as_bytes());
        self.send.push(b'\n');
    }

    /// Whether nothing at all is asked for.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.send.is_empty() && !self.close_stdin
    }
}

/// One thing that a parser has understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Something for the log.
    Event(StreamEvent),
    /// The agent is ready, and this is what it says of itself. At most once for each process.
    Started(Started),
    /// A turn is over. No more turns follow unless we send another message.
    TurnEnded(TurnEnd),
}

/// What an agent says of itself when it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// Its id of the conversation, for continuing it.
    pub agent_session: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The model it works with.
    pub model: Option<String>,
}
