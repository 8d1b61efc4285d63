//! The agent's conversation with the server: turns, messages into a turn, and interrupts.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::conversation::{Conversation, Conversations};
use super::wire::{Report, ToAgent};
use super::words::{self, Exit, PACE, Step};
use crate::types::bounds::MAX_QUEUED_MESSAGES;
use crate::types::{Cause, Failure, Level, NoticeCode, StreamEvent, Usage};

/// The agent.
pub(super) struct DemoAgent<O> {
    pub(super) input: Receiver<io::Result<ToAgent>>,
    pub(super) output: O,
    /// The working directory, absolute.
    pub(super) dir: PathBuf,
    /// The pause before each event.
    pub(super) pace: Duration,
    conversations: Option<Conversations>,
    id: String,
    /// Whether the conversation can be stored, as far as known.
    is_stored: bool,
    pub(super) conversation: Conversation,
    /// The instructions of this run.
    pub(super) instructions: Option<String>,
    /// Messages that were added to this turn and not answered yet.
    pub(super) steers: VecDeque<String>,
    pub(super) counters: Counters,
    /// Tools that the user has allowed for the whole run.
    pub(super) allowed: BTreeSet<&'static str>,
    pub(super) usage: Usage,
    /// The text of the last message.
    pub(super) last_message: String,
}

/// How many of each the agent has sent, by which they get their IDs.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) messages: u32,
    pub(super) calls: u32,
    pub(super) requests: u32,
    pub(super) tasks: u32,
}

/// Why a step does not continue.
pub(super) enum Halt {
    /// The user has interrupted the turn.
    Interrupted,
    /// The turn has failed, as the message asked for.
    Failed(Failure),
    /// The process exits now, as the message asked for.
    Exit(Exit),
    /// The server cannot be reached.
    Disconnected(io::Error),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Disconnected(error)
    }
}

/// How the conversation ended.
pub(super) enum End {
    /// The server has closed it.
    Closed,
    /// As a message asked for.
    Exited(Exit),
    /// The server cannot be reached, or does not keep to the protocol.
    Failed(io::Error),
}

impl<O: Write> DemoAgent<O> {
    /// An agent in the directory `dir`, without a conversation yet. Without `conversations` none can be continued.
    pub(super) fn new(input: Receiver<io::Result<ToAgent>>, output: O, dir: PathBuf, conversations: Option<Conversations>) -> Self {
        Self {
            input,
            output,
            dir,
            pace: PACE,
            conversations,
            id: Conversations::new_id(),
            is_stored: true,
            conversation: Conversation::default(),
            instructions: None,
            steers: VecDeque::new(),
            counters: Counters::default(),
            allowed: BTreeSet::new(),
            usage: Usage::default(),
            last_message: String::new(),
        }
    }

    /// Takes part in the conversation until the server closes it.
    pub(super) fn run(mut self) -> End {
        match self.converse() {
            Err(Halt::Exit(exit)) => End::Exited(exit),
            Err(Halt::Disconnected(error)) => End::Failed(error),
            // An interrupt and a failure end only a turn.
            Ok(()) | Err(Halt::Interrupted | Halt::Failed(_)) => End::Closed,
        }
    }

    fn converse(&mut self) -> Result<(), Halt> {
        let first = self.input.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))??;
        let ToAgent::Prompt { text, conversation, instructions } = first else { return Err(unexpected_input().into()) };
        self.instructions = instructions;
        self.open(conversation, &text)?;
        self.turn(&text)?;
        while let Ok(message) = self.input.recv() {
            match message? {
                ToAgent::Prompt { text, .. } => self.turn(&text)?,
                // It arrived just after the end of its turn.
                ToAgent::Steer { text } => {
                    self.report(Report::Steered)?;
                    self.turn(&text)?;
                }
                // The turn or request that it is meant for has ended.
                ToAgent::Interrupt | ToAgent::Decision { .. } | ToAgent::Answers { .. } => {}
            }
        }
        Ok(())
    }

    /// Starts a conversation with its first message, or continues one, and reports that the agent is ready.
    fn open(&mut self, continued: Option<String>, text: &str) -> Result<(), Halt> {
        if let Some(id) = continued {
            let loaded = self.conversations.as_ref().ok_or_else(without_home).and_then(|all| all.load(&id));
            match loaded {
                Ok(conversation) => (self.conversation, self.id) = (conversation, id),
                Err(error) => {
                    self.report_ready(None)?;
                    return self.fail(Failure::new(Cause::AgentError, format!("conversation {id} cannot be continued: {error}")));
                }
            }
        }
        // The turn adds the message. It is stored now, so that the session can be continued even if this process is killed.
        self.conversation.add_message(text);
        let saved = self.save();
        self.conversation.messages.pop();
        self.report_ready(saved.is_ok().then(|| self.id.clone()))?;
        Ok(self.report_unsaved(saved)?)
    }

    fn report_ready(&mut self, conversation: Option<String>) -> io::Result<()> {
        self.report(Report::Ready { version: env!("CARGO_PKG_VERSION").to_owned(), model: "none".to_owned(), conversation })
    }

    fn save(&self) -> io::Result<()> {
        self.conversations.as_ref().ok_or_else(without_home)?.save(&self.id, &self.conversation)
    }

    /// Reports that the conversation cannot be stored. It is not tried again.
    fn report_unsaved(&mut self, saved: io::Result<()>) -> io::Result<()> {
        let Err(error) = saved else { return Ok(()) };
        self.is_stored = false;
        let message = format!("a later run of the session will not know of this: the conversation cannot be stored: {error}");
        self.write_event(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message))
    }

    /// Carries out one turn. Returns an error if no further one can follow.
    fn turn(&mut self, text: &str) -> Result<(), Halt> {
        let end = self.answer(text);
        self.steers.clear();
        if self.is_stored {
            let saved = self.save();
            self.report_unsaved(saved)?;
        }
        match end {
            Ok(()) => {
                let result = std::mem::take(&mut self.last_message);
                Ok(self.report(Report::TurnEnded { result })?)
            }
            Err(Halt::Interrupted) => {
                Ok(self.report(Report::TurnFailed { cause: Cause::Cancelled, message: "the turn was interrupted".to_owned() })?)
            }
            Err(Halt::Failed(failure)) => self.fail(failure),
            Err(halt) => Err(halt),
        }
    }

    /// Reports that the turn has failed, and waits until the server has closed the conversation.
    fn fail(&mut self, failure: Failure) -> Result<(), Halt> {
        self.report(Report::TurnFailed { cause: failure.cause, message: failure.message.clone() })?;
        while let Ok(Ok(_)) = self.input.recv() {}
        Err(Halt::Failed(failure))
    }

    /// Answers the message, and those that are added to the turn meanwhile.
    fn answer(&mut self, text: &str) -> Result<(), Halt> {
        let mut next = Some(text.to_owned());
        while let Some(text) = next {
            self.usage.input_tokens += count_words(&text);
            self.conversation.add_message(&text);
            for step in words::steps(&text) {
                self.carry_out(step)?;
            }
            next = self.steers.pop_front();
            if let Some(added) = &next {
                self.send_message(&format!("You added to this turn: {added}"))?;
            }
        }
        // Without a pause, in which another message could be added.
        Ok(self.write_event(StreamEvent::Usage(self.usage.clone()))?)
    }

    fn carry_out(&mut self, step: Step) -> Result<(), Halt> {
        match step {
            Step::Pace(pace) => {
                self.pace = pace;
                Ok(())
            }
            Step::Fail(cause) => {
                Err(Halt::Failed(Failure::new(cause, format!("the message asked for a failure with cause {}", cause.as_str()))))
            }
            Step::Exit(exit) => Err(Halt::Exit(exit)),
            step => self.show(step),
        }
    }

    /// Handles a message that arrives during a turn.
    pub(super) fn take(&mut self, message: ToAgent) -> Result<(), Halt> {
        match message {
            ToAgent::Interrupt => Err(Halt::Interrupted),
            ToAgent::Steer { text } => {
                if self.steers.len() >= MAX_QUEUED_MESSAGES {
                    let message = format!("a message was dropped: {MAX_QUEUED_MESSAGES} others are not answered yet");
                    self.write_event(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message))?;
                } else {
                    self.steers.push_back(text);
                }
                Ok(self.report(Report::Steered)?)
            }
            // The request was withdrawn.
            ToAgent::Decision { .. } | ToAgent::Answers { .. } => Ok(()),
            ToAgent::Prompt { .. } => Err(unexpected_input().into()),
        }
    }
}

/// The error about a line on stdin that the server would not send.
pub(super) fn unexpected_input() -> io::Error {
    io::Error::other("internal command, not meant to be run by hand: OpenRunner starts it for runs of agent_type `demo`")
}

fn without_home() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no home directory")
}

/// The number of words, which stands for the number of tokens.
pub(super) fn count_words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
