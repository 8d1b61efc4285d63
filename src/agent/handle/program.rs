//! An agent that is a program: its process, its pipes and its parser in one task.

use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

use super::{AgentEnd, AgentHandle, Command, Link, Speech, Update, link};
use crate::agent::{Item, Output, Parser};
use crate::process::{Exit, Line, LineSplitter, Pipes, Process, Remains, Tail, Tree, launch};
use crate::types::{Cause, Failure, Level, LogStream, NoticeCode, StreamEvent};

/// Read at once from a pipe; a Linux pipe holds 64 KiB.
const READ_SIZE: usize = 64 * 1024;
/// The end of stderr that is kept for a run that fails.
const STDERR_TAIL: usize = 16 * 1024;
/// Most of an agent's stderr that goes into the log; after it only the tail is kept.
const STDERR_LOG: usize = 1024 * 1024;
/// Most that may wait for an agent to read its stdin. A prompt is at most 2 MiB; an agent that is behind by this much has stopped.
const STDIN_CAP: usize = 64 * 1024 * 1024;
/// How long an interrupted turn may take to end before the program is ended by signals.
const INTERRUPT: Duration = Duration::from_secs(3);
/// How long pipes may stay open after the process has exited: whoever holds them then is killed (R6 of the threat model).
const DRAIN: Duration = Duration::from_secs(2);

/// Time limits of a program's end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a program may stay alive after it was told that no further message comes.
    pub linger: Duration,
    /// How long a program may take to end after TERM.
    pub grace: Duration,
}

/// Hands a started process to a task of its own.
pub(in crate::agent) fn start(
    (process, pipes): (Process, Pipes),
    parser: Box<dyn Parser>,
    limits: Limits,
    tasks: &TaskTracker,
) -> AgentHandle {
    let tree = process.tree();
    let (handle, link) = link(Some(tree.clone()));
    tasks.spawn(Supervisor::new(process, pipes, parser, limits, link).run());
    handle
}

struct Supervisor {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    tree: Tree,
    voice: Voice,
    /// Bytes for the program's stdin that it has not taken yet.
    unsent: Vec<u8>,
    close_stdin: bool,
    exit: Option<Exit>,
    /// KILL did not end it: it hangs in the kernel and is not waited for.
    lost: bool,
    /// The tree is being ended, with this grace.
    ending: Option<Ending>,
    /// The program is to be stopped, with this grace, as soon as its turn is over.
    stop_after_turn: Option<Duration>,
    lingered: bool,
    left_behind: usize,
    deadline: Option<Deadline>,
    limits: Limits,
    link: Link,
}

struct Ending {
    grace: Duration,
    work: Pin<Box<dyn Future<Output = Remains> + Send>>,
}

/// What is to end by when.
#[derive(Clone, Copy)]
enum Deadline {
    /// The turn, after it was interrupted in order to stop the program.
    Interrupted(Instant),
    /// The program, after it was told that no message follows.
    Linger(Instant),
    /// The pipes, after the program's exit.
    Drain(Instant),
    /// The pipes, after their holders were killed: then they are left alone.
    GiveUp(Instant),
}

impl Deadline {
    fn at(self) -> Instant {
        match self {
            Self::Interrupted(at) | Self::Linger(at) | Self::Drain(at) | Self::GiveUp(at) => at,
        }
    }
}

impl Supervisor {
    fn new(process: Process, pipes: Pipes, parser: Box<dyn Parser>, limits: Limits, link: Link) -> Self {
        Self {
            tree: process.tree(),
            process,
            stdin: Some(pipes.stdin),
            stdout: Some(pipes.stdout),
            stderr: Some(pipes.stderr),
            voice: Voice::new(parser),
            unsent: Vec::new(),
            close_stdin: false,
            exit: None,
            lost: false,
            ending: None,
            stop_after_turn: None,
            lingered: false,
            left_behind: 0,
            deadline: None,
            limits,
            link,
        }
    }

    async fn run(mut self) {
        self.voice.open();
        self.hear();
        let updates = self.link.updates.clone();
        let mut out = vec![0; READ_SIZE];
        let mut err = vec![0; READ_SIZE / 8];
        while !self.is_over() {
            let deadline = self.deadline.map(Deadline::at);
            tokio::select! {
                permit = updates.reserve(), if self.voice.has_items() => match permit {
                    Ok(permit) => permit.send(Update::Items(self.voice.take_items())),
                    Err(_driver_gone) => return self.abandon().await,
                },
                // Not read while items wait: that is the back-pressure.
                read = read(&mut self.stdout, &mut out), if self.stdout.is_some() && !self.voice.has_items() => match read {
                    0 => { self.stdout = None; self.voice.end_of_output(); self.hear(); }
                    count => { self.voice.stdout(&out[..count]); self.hear(); }
                },
                // Always read: a full pipe would stop the agent (R3).
                read = read(&mut self.stderr, &mut err), if self.stderr.is_some() => match read {
                    0 => { self.stderr = None; self.voice.end_of_stderr(); }
                    count => self.voice.stderr(&err[..count]),
                },
                written = write(&mut self.stdin, &self.unsent), if self.stdin.is_some() && (!self.unsent.is_empty() || self.close_stdin) => {
                    self.sent(written);
                }
                command = self.link.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return self.abandon().await,
                },
                exit = self.process.wait(), if self.exit.is_none() => self.exited(exit.unwrap_or(Exit::Code(-1))),
                remains = finish(&mut self.ending), if self.ending.is_some() => self.tree_ended(remains),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => self.deadline_passed(),
            }
        }
        self.say_farewell().await;
    }

    /// Exit, end of output and end of the tree are three facts, and all of them are awaited.
    fn is_over(&self) -> bool {
        let process_is_over = self.exit.is_some() || self.lost;
        process_is_over && self.stdout.is_none() && self.stderr.is_none() && self.ending.is_none() && !self.voice.has_items()
    }

    /// Takes what the parser wants said.
    fn hear(&mut self) {
        if let Some(grace) = self.stop_after_turn.filter(|_| self.voice.turn_is_over()) {
            self.stop_after_turn = None;
            self.end_tree(grace);
        }
        self.unsent.append(&mut self.voice.output.send);
        self.close_stdin |= std::mem::take(&mut self.voice.output.close_stdin);
        if self.unsent.len() > STDIN_CAP {
            self.voice.fail(Failure::new(Cause::Protocol, "the agent does not read its input"));
            self.end_tree(self.limits.grace);
            self.unsent.clear();
            self.stdin = None;
        }
    }

    fn sent(&mut self, written: std::io::Result<usize>) {
        match written {
            Ok(count) => {
                self.unsent.drain(..count);
                if self.unsent.is_empty() && self.close_stdin {
                    self.stdin = None;
                }
            }
            // The program has closed its stdin. Whether that is bad, its output and its exit tell.
            Err(_closed) => {
                self.unsent.clear();
                self.stdin = None;
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Answer { request, answer } => {
                self.voice.parser.answer(&request, &answer, &mut self.voice.output);
                self.hear();
            }
            Command::Speak { text, how, done } => {
                let said = self.stdin.is_some() && !self.close_stdin && self.voice.speak(&text, how);
                self.hear();
                let _ = done.send(said);
            }
            Command::Interrupt { done } => {
                let _ = done.send(self.interrupt());
            }
            Command::Finish => {
                self.close_stdin = true;
                if self.exit.is_none() && self.deadline.is_none() {
                    self.deadline = Some(Deadline::Linger(Instant::now() + self.limits.linger));
                }
            }
            Command::Stop { grace } => self.stop(grace),
        }
    }

    fn interrupt(&mut self) -> bool {
        let said = self.stdin.is_some() && self.voice.parser.interrupt(&mut self.voice.output);
        self.hear();
        said
    }

    /// Interrupts first: an agent that ends its turn itself ends its tools, too, and keeps its conversation whole.
    fn stop(&mut self, grace: Duration) {
        if self.ending.is_none() && self.stop_after_turn.is_none() && !grace.is_zero() && self.interrupt() {
            self.stop_after_turn = Some(grace);
            self.deadline = Some(Deadline::Interrupted(Instant::now() + grace.min(INTERRUPT)));
        } else {
            self.end_tree(grace);
        }
    }

    fn end_tree(&mut self, grace: Duration) {
        if self.ending.as_ref().is_none_or(|ending| grace < ending.grace) {
            let tree = self.tree.clone();
            self.ending = Some(Ending { grace, work: Box::pin(async move { tree.end(grace).await }) });
        }
    }

    fn exited(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.deadline = Some(Deadline::Drain(Instant::now() + DRAIN));
    }

    fn tree_ended(&mut self, remains: Remains) {
        self.ending = None;
        self.left_behind = remains.left;
        self.deadline = Some(Deadline::GiveUp(Instant::now() + DRAIN));
    }

    fn deadline_passed(&mut self) {
        match self.deadline.take() {
            Some(Deadline::Linger(_)) => {
                self.lingered = true;
                let message = format!("the agent was still running {} s after its result and was stopped", self.limits.linger.as_secs());
                self.voice.notice(Level::Warning, NoticeCode::Lingered, message);
                self.end_tree(self.limits.grace);
            }
            Some(Deadline::Interrupted(_)) => {
                let grace = self.stop_after_turn.take().unwrap_or_default();
                self.end_tree(grace);
            }
            Some(Deadline::Drain(_)) if self.ending.is_none() => {
                let message = "the agent has exited, but something that it started held its output open and was stopped";
                self.voice.notice(Level::Warning, NoticeCode::LeakedPipe, message);
                self.end_tree(Duration::ZERO);
            }
            // Killed and still open: a process that hangs in the kernel, or one that has given the pipe away. What can be read was read.
            Some(Deadline::GiveUp(_)) => {
                self.lost = self.exit.is_none();
                (self.stdout, self.stderr) = (None, None);
                self.voice.end_of_output();
                self.voice.end_of_stderr();
            }
            Some(Deadline::Drain(_)) | None => {}
        }
    }

    /// Ends what a good agent left running, and tells how it all went.
    async fn say_farewell(mut self) {
        // Nobody is heard any more. A driver that waits for an answer must get none now: it may be us who wait for it below.
        self.link.commands.close();
        while self.link.commands.try_recv().is_ok() {}
        if let Some(exit) = self.exit {
            self.voice.parser.exited(exit, &mut self.voice.output);
        }
        let remains = self.tree.end(LEFTOVER_GRACE).await;
        self.left_behind = self.left_behind.max(remains.left);
        if self.left_behind > 0 {
            let message = format!("{} processes of this run could not be ended", self.left_behind);
            self.voice.notice(Level::Error, NoticeCode::LeftBehind, message);
        }
        if self.voice.has_items() && self.link.updates.send(Update::Items(self.voice.take_items())).await.is_err() {
            return;
        }
        let stderr_tail = self.voice.stderr_tail.text();
        let failure = match self.exit {
            Some(exit) if !self.voice.turn_ended => {
                not_started(exit, &stderr_tail).or_else(|| self.voice.parser.diagnose(exit, &stderr_tail))
            }
            _ => None,
        };
        let end = AgentEnd { exit: self.exit, stderr_tail, failure, lingered: self.lingered, left_behind: self.left_behind };
        // A driver that has gone does not want to know.
        let _ = self.link.updates.send(Update::Ended(end)).await;
    }

    /// The handle was dropped: nobody wants this agent any more.
    async fn abandon(self) {
        self.tree.end(Duration::ZERO).await;
    }
}

/// How long what an agent leaves running may take to end after TERM.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

/// What the parser makes of the program's output, and the bounds around it.
struct Voice {
    parser: Box<dyn Parser>,
    output: Output,
    lines: LineSplitter,
    output_ended: bool,
    turn_ended: bool,
    told_invalid_utf8: bool,
    stderr_tail: Tail,
    stderr_pending: Vec<u8>,
    stderr_logged: usize,
}

impl Voice {
    fn new(parser: Box<dyn Parser>) -> Self {
        Self {
            parser,
            output: Output::default(),
            lines: LineSplitter::default(),
            output_ended: false,
            turn_ended: false,
            told_invalid_utf8: false,
            stderr_tail: Tail::new(STDERR_TAIL),
            stderr_pending: Vec::new(),
            stderr_logged: 0,
        }
    }

    fn open(&mut self) {
        self.parser.open(&mut self.output);
    }

    fn has_items(&self) -> bool {
        !self.output.items.is_empty()
    }

    fn take_items(&mut self) -> Vec<Item> {
        self.turn_ended = self.turn_is_over();
        std::mem::take(&mut self.output.items)
    }

    /// Whether the program has said how its turn went, and has got no further message since.
    fn turn_is_over(&self) -> bool {
        self.turn_ended || self.output.items.iter().any(|item| matches!(item, Item::TurnEnded(_)))
    }

    fn speak(&mut self, text: &str, how: Speech) -> bool {
        match how {
            Speech::NextTurn if self.turn_is_over() => {
                let said = self.parser.say(text, &mut self.output);
                self.turn_ended &= !said;
                said
            }
            Speech::IntoTurn if !self.turn_is_over() => self.parser.steer(text, &mut self.output),
            Speech::NextTurn | Speech::IntoTurn => false,
        }
    }

    fn notice(&mut self, level: Level, code: NoticeCode, message: impl Into<String>) {
        self.output.event(StreamEvent::notice(level, code, message));
    }

    fn fail(&mut self, failure: Failure) {
        self.output.items.push(Item::TurnEnded(Err(failure)));
    }

    fn stdout(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |line| self.line(line));
        self.lines = lines;
    }

    fn end_of_output(&mut self) {
        if std::mem::replace(&mut self.output_ended, true) {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.finish(|line| self.line(line));
        self.parser.end_of_output(&mut self.output);
    }

    fn line(&mut self, line: Line<'_>) {
        let (text, replaced) = line.text();
        if let Some(size) = line.cut_from {
            // Half a line is no message of the agent's protocol: it is shown, not understood.
            self.output.raw(&text);
            let message = format!("a line of {size} bytes was cut to {}", line.bytes.len());
            let data = json!({ "kept": line.bytes.len(), "size": size });
            self.output.event(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Truncated, message, data: Some(data) });
        } else {
            self.parser.line(&text, &mut self.output);
        }
        if replaced && !std::mem::replace(&mut self.told_invalid_utf8, true) {
            let message = "the agent wrote bytes that are not UTF-8; they were replaced, here and wherever they come again";
            self.notice(Level::Warning, NoticeCode::InvalidUtf8, message);
        }
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.stderr_tail.push(bytes);
        let room = STDERR_LOG.saturating_sub(self.stderr_logged);
        if room == 0 {
            return;
        }
        self.stderr_pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.stderr_logged += bytes.len().min(room);
        // Whole lines only, so that a reader never sees half a word; a line without end goes when it is long enough.
        let whole = match memchr::memrchr(b'\n', &self.stderr_pending) {
            Some(newline) => newline + 1,
            None if self.stderr_pending.len() > READ_SIZE => self.stderr_pending.len(),
            None => 0,
        };
        self.log_stderr(whole);
        if self.stderr_logged == STDERR_LOG {
            let message = "the agent wrote more than 1 MiB to its standard error; only the end of the rest is kept";
            self.notice(Level::Warning, NoticeCode::Truncated, message);
        }
    }

    fn end_of_stderr(&mut self) {
        self.log_stderr(self.stderr_pending.len());
    }

    fn log_stderr(&mut self, length: usize) {
        let rest = self.stderr_pending.split_off(length);
        let text = std::mem::replace(&mut self.stderr_pending, rest);
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            self.output.event(StreamEvent::Log { stream: LogStream::Stderr, content: text.to_owned() });
        }
    }
}

/// Our own launcher said that it could not become the agent.
fn not_started(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    let told = stderr_tail.lines().find(|line| line.starts_with(launch::COMPLAINT))?;
    (exit == Exit::Code(launch::NOT_STARTED)).then(|| Failure::new(Cause::NotInstalled, told))
}

/// Reads once. A broken pipe is an ended one.
async fn read(pipe: &mut Option<impl AsyncReadExt + Unpin>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

async fn write(pipe: &mut Option<ChildStdin>, bytes: &[u8]) -> std::io::Result<usize> {
    match pipe {
        Some(_) if bytes.is_empty() => Ok(0),
        Some(pipe) => pipe.write(bytes).await,
        None => std::future::pending().await,
    }
}

async fn finish(ending: &mut Option<Ending>) -> Remains {
    match ending {
        Some(ending) => ending.work.as_mut().await,
        None => std::future::pending().await,
    }
}
