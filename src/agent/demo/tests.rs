//! The agent and its parser together, without a process: what the agent writes is parsed at once, and answered by a scripted user.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};

use super::conversation::Conversations;
use super::parser::DemoParser;
use super::turn::{DemoAgent, End};
use super::wire::ToAgent;
use super::words::WORDS;
use crate::agent::common::LineReader;
use crate::agent::{Item, Output, Parser, replay};
use crate::types::{Answer, Cause, Decision, Failure, RunSpec, StreamEvent, TaskStatus, ToolStatus, TurnEnd};

/// What the user does when this many events have arrived.
enum Act {
    Interrupt,
    Steer(&'static str),
}

/// The server with its user: parses what the agent writes, and answers.
struct User {
    parser: DemoParser,
    reader: LineReader,
    line: Vec<u8>,
    /// `None` after the server has closed the conversation.
    sender: Option<SyncSender<io::Result<ToAgent>>>,
    decision: Decision,
    act: Option<(usize, Act)>,
    /// Whether what the user did reached the turn.
    acted: bool,
    /// The messages for further turns.
    queue: Vec<&'static str>,
    events: Vec<StreamEvent>,
    turns: Vec<TurnEnd>,
    conversation: Option<String>,
}

impl User {
    fn send(&mut self, out: Output) {
        for line in out.send.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let message = serde_json::from_slice(line).unwrap();
            if let Some(sender) = &self.sender {
                sender.try_send(Ok(message)).unwrap();
            }
        }
        for item in out.items {
            self.handle(item);
        }
    }

    fn handle(&mut self, item: Item) {
        let mut out = Output::default();
        match item {
            Item::Started(started) => self.conversation = started.agent_session,
            Item::SessionChanged(_) => panic!("the conversation stays the same"),
            Item::Event(event) => {
                if self.act.as_ref().is_some_and(|(after, _)| self.events.len() == *after) {
                    self.acted = match self.act.take().unwrap().1 {
                        Act::Interrupt => self.parser.interrupt(&mut out),
                        Act::Steer(text) => self.parser.steer(&text.into(), &mut out),
                    };
                }
                match &event {
                    StreamEvent::PermissionRequest { id, .. } => {
                        let message = (self.decision == Decision::Deny).then(|| "not here".to_owned());
                        self.parser.answer(id, &Answer::Permission { decision: self.decision, message, option_id: None }, &mut out);
                    }
                    StreamEvent::Question { id, questions } => {
                        let first = |options: &[crate::types::QuestionOption]| options.first().map_or("Ann".to_owned(), |o| o.name.clone());
                        let answers = questions.iter().map(|question| vec![first(&question.options)]).collect();
                        self.parser.answer(id, &Answer::Question { answers }, &mut out);
                    }
                    _ => {}
                }
                self.events.push(event);
            }
            Item::TurnEnded(end) => {
                let failed = end.as_ref().is_err_and(|failure| failure.cause != Cause::Cancelled);
                self.turns.push(end);
                if failed || self.queue.is_empty() {
                    self.sender = None;
                } else {
                    let text = self.queue.remove(0);
                    assert!(self.parser.begin_turn(&text.into(), &mut out));
                }
            }
        }
        self.send(out);
    }

    fn names(&self) -> BTreeSet<&'static str> {
        self.events.iter().map(StreamEvent::name).collect()
    }

    /// What `pick` takes of the events.
    fn each<'a, T>(&'a self, pick: impl Fn(&'a StreamEvent) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(pick).collect()
    }

    fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|event| event.name() == name).count()
    }

    fn messages(&self) -> Vec<&str> {
        self.each(|event| if let StreamEvent::Message { content, .. } = event { Some(content.as_str()) } else { None })
    }
}

impl Write for &mut User {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
            let mut out = Output::default();
            self.reader.handle_line(&line, &mut self.parser, &mut out);
            self.send(out);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A conversation in a directory.
struct Talk<'a> {
    dir: &'a Path,
    messages: Vec<&'static str>,
    decision: Decision,
    act: Option<(usize, Act)>,
    conversation: Option<String>,
    instructions: Option<&'static str>,
}

impl<'a> Talk<'a> {
    fn new(dir: &'a Path, messages: &[&'static str]) -> Self {
        Self { dir, messages: messages.to_vec(), decision: Decision::AllowOnce, act: None, conversation: None, instructions: None }
    }

    fn hold(self) -> (User, End) {
        let (sender, receiver) = mpsc::sync_channel(1024);
        let mut messages = self.messages;
        let spec = RunSpec {
            prompt: messages.remove(0).to_owned(),
            instructions: self.instructions.map(str::to_owned),
            ..replay::task("demo").spec
        };
        let mut parser = DemoParser::new(&spec, self.conversation);
        let mut out = Output::default();
        parser.open(&mut out);
        let mut user = User {
            parser,
            reader: LineReader::default(),
            line: Vec::new(),
            sender: Some(sender),
            decision: self.decision,
            act: self.act,
            acted: false,
            queue: messages,
            events: Vec::new(),
            turns: Vec::new(),
            conversation: None,
        };
        user.send(out);
        let work = self.dir.join("work");
        std::fs::create_dir_all(&work).unwrap();
        let end = DemoAgent::new(receiver, &mut user, work, Some(Conversations::in_dir(self.dir.join("state")))).run();
        (user, end)
    }
}

/// The user after these messages to an agent with permissions.
fn talk(messages: &[&'static str]) -> User {
    let dir = tempfile::tempdir().unwrap();
    let (user, end) = Talk::new(dir.path(), messages).hold();
    assert!(matches!(end, End::Closed));
    user
}

/// What each word causes besides messages and usage. Stderr is not part of it.
const CAUSED: &[(&str, &[&str])] = &[
    ("create FILE", &["thinking", "plan", "tool_call", "permission_request", "file_change", "tool_result"]),
    ("edit FILE", &["tool_call", "permission_request", "file_change", "tool_result"]),
    ("read FILE", &["tool_call", "permission_request", "tool_result"]),
    ("image", &["tool_call", "permission_request", "file_change", "tool_result"]),
    ("run", &["tool_call", "permission_request", "tool_output", "tool_result"]),
    ("ask", &["tool_call", "permission_request", "tool_result"]),
    ("question", &["question"]),
    ("think", &["thinking"]),
    ("plan", &["plan"]),
    ("background", &["tool_call", "permission_request", "tool_result", "task_started", "task_updated", "task_ended"]),
    ("count to N", &[]),
    ("say TEXT", &[]),
    ("remember TEXT", &[]),
    ("recall", &[]),
    ("title TEXT", &["session_updated"]),
    ("spend USD", &[]),
    ("warn", &["notice"]),
    ("retry", &["notice"]),
    ("error", &["agent_error"]),
    ("log", &[]),
    ("raw", &["raw"]),
    ("fail CAUSE", &[]),
    ("hang", &[]),
    ("slow", &[]),
    ("fast", &[]),
];

#[test]
fn each_word_causes_its_events_and_is_documented() {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/agents.md")).unwrap();
    assert_eq!(WORDS.iter().map(|word| word.usage).collect::<Vec<_>>(), CAUSED.iter().map(|(usage, _)| *usage).collect::<Vec<_>>());
    for (usage, caused) in CAUSED {
        assert!(docs.contains(&format!("| `{usage}` |")), "docs/agents.md does not explain {usage}");
        if ["hang", "slow"].contains(usage) {
            continue;
        }
        let message = format!("fast {}", if *usage == "run" { "create, run" } else { usage }).leak();
        let mut names = talk(&[message]).names();
        let common = ["token", "message", "usage"];
        names.retain(|name| !common.contains(name) && (*usage != "run" || !["thinking", "plan", "file_change"].contains(name)));
        assert_eq!(names, caused.iter().copied().collect(), "{usage}");
    }
    assert!(docs.contains("| `everything` |"));
}

#[test]
fn an_unknown_message_is_answered_with_the_words() {
    let user = talk(&["fast hello"]);
    let [help] = user.messages()[..] else { panic!("{:?}", user.events) };
    for word in WORDS {
        assert!(help.contains(&format!("`{}`", word.usage)), "{help}");
    }
    assert_eq!(user.turns, [Ok(help.to_owned())]);
}

#[test]
fn an_interrupt_at_any_moment_ends_the_turn_and_leaves_nothing_open() {
    let count = talk(&["fast everything"]).events.len();
    let (mut interrupted, mut withdrawn, mut stopped) = (0, 0, 0);
    for after in 0..count {
        let dir = tempfile::tempdir().unwrap();
        let (user, end) =
            Talk { act: Some((after, Act::Interrupt)), ..Talk::new(dir.path(), &["fast everything", "fast say next"]) }.hold();
        assert!(matches!(end, End::Closed));
        let cancelled = Err(Failure::new(Cause::Cancelled, "the turn was interrupted"));
        // The last event follows without a pause, so the turn has ended by itself.
        assert!(user.acted && (user.turns[0] == cancelled || after + 2 >= count), "{after}: {:?}", user.turns);
        assert_eq!(user.turns[1], Ok("next".to_owned()), "{after}");
        interrupted += usize::from(user.turns[0] == cancelled);
        assert_eq!(user.count("tool_call"), user.count("tool_result"), "{after}");
        assert_eq!(user.count("task_started"), user.count("task_ended"), "{after}");
        let is_stopped = |event: &StreamEvent| matches!(event, StreamEvent::TaskEnded { status: TaskStatus::Stopped, .. });
        withdrawn += user.count("permission_resolved") + user.count("question_resolved");
        stopped += user.events.iter().filter(|event| is_stopped(event)).count();
    }
    assert!(interrupted >= count - 2 && withdrawn > 0 && stopped > 0, "{interrupted} {withdrawn} {stopped}");
}

#[test]
fn a_message_into_the_turn_is_answered_once_at_any_moment() {
    let count = talk(&["fast plan, ask and question"]).events.len();
    for after in 0..count {
        let dir = tempfile::tempdir().unwrap();
        let act = Some((after, Act::Steer("say added")));
        let (user, _) = Talk { act, ..Talk::new(dir.path(), &["fast plan, ask and question"]) }.hold();
        assert!(user.acted);
        assert_eq!(user.messages().iter().filter(|text| **text == "added").count(), 1, "{after}: {:?}", user.messages());
        assert_eq!(user.turns, [Ok("added".to_owned())], "{after}");
    }
}

#[test]
fn a_denial_is_visible_with_its_reason_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (user, _) = Talk {
        decision: Decision::Deny,
        ..Talk::new(dir.path(), &["fast create a.py, image, edit a.py, read a.py, run, ask, background"])
    }
    .hold();
    let results = user.each(|event| match event {
        StreamEvent::ToolResult { status, content, .. } => Some((*status, content.as_str())),
        _ => None,
    });
    assert_eq!(results, [(ToolStatus::Denied, "not allowed: not here"); 8]);
    assert!(user.messages()[1].contains("I was not allowed to write a.py, so nothing was changed (not allowed: not here)"));
    assert_eq!(std::fs::read_dir(dir.path().join("work")).unwrap().count(), 0);
    assert!(!user.names().contains("task_started") && !user.names().contains("file_change"));
}

#[test]
fn a_tool_that_is_always_allowed_is_not_asked_about_again_in_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let asked = |decision| {
        let (user, _) = Talk { decision, ..Talk::new(dir.path(), &["fast create a.py", "create b.py and read b.py"]) }.hold();
        assert!(dir.path().join("work/b.py").exists());
        user.count("permission_request")
    };
    assert_eq!((asked(Decision::AllowOnce), asked(Decision::AllowAlways)), (3, 2));
}

#[test]
fn a_later_process_continues_the_conversation_and_an_unknown_one_fails() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Talk::new(dir.path(), &["fast remember the plum", "create plum.txt"]).hold();
    assert!(first.conversation.is_some());
    let conversation = first.conversation.clone();
    let (second, _) = Talk { conversation, ..Talk::new(dir.path(), &["what did I say? fast", "edit it"]) }.hold();
    assert_eq!(second.conversation, first.conversation);
    for known in ["- fast remember the plum", "- the plum", "- create plum.txt", "- plum.txt"] {
        assert!(second.messages()[0].lines().any(|line| line == known), "{:?}", second.messages());
    }
    let text = std::fs::read_to_string(dir.path().join("work/plum.txt")).unwrap();
    assert_eq!(text.lines().count(), 2, "the file of the conversation was edited: {text}");
    for unknown in ["0198a8f0-c0de-7000-8000-000000000000", "../state"] {
        let (user, _) = Talk { conversation: Some(unknown.to_owned()), ..Talk::new(dir.path(), &["fast say hi"]) }.hold();
        let Err(failure) = &user.turns[0] else { panic!("{:?}", user.turns) };
        assert!(failure.cause == Cause::AgentError && failure.message.contains(unknown), "{failure:?}");
    }
}

#[test]
fn the_instructions_of_a_run_reach_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let (user, _) = Talk { instructions: Some("be brief"), ..Talk::new(dir.path(), &["recall fast"]) }.hold();
    assert!(user.messages()[0].ends_with("My instructions:\n- be brief"), "{:?}", user.messages());
}

#[test]
fn a_failure_has_the_requested_cause_and_ends_the_conversation() {
    for (message, cause) in [("fast fail", Cause::AgentError), ("fast plan and fail not_logged_in", Cause::NotLoggedIn)] {
        let user = talk(&[message, "say next"]);
        assert!(matches!(&user.turns[..], [Err(failure)] if failure.cause == cause), "{:?}", user.turns);
    }
    for message in ["fast fail crashed", "fast fail killed", "fast fail protocol"] {
        let dir = tempfile::tempdir().unwrap();
        let (user, end) = Talk::new(dir.path(), &[message]).hold();
        assert!(matches!(end, End::Exited(_)) && user.turns.is_empty());
    }
}

#[test]
fn a_cost_is_reported_only_on_request_and_adds_up() {
    let cost = |messages: &[&'static str]| {
        let user = talk(messages);
        user.each(|event| if let StreamEvent::Usage(usage) = event { Some(usage.cost_usd) } else { None }).pop().unwrap()
    };
    assert_eq!((cost(&["fast plan"]), cost(&["fast spend 0.25", "spend 0.5"])), (None, Some(0.75)));
}

#[test]
fn a_file_name_is_attributed_to_the_prompt_only_if_the_prompt_contains_it() {
    let thinking = |message: &'static str| {
        let user = talk(&[message]);
        user.each(|event| if let StreamEvent::Thinking { content } = event { Some(content.text.as_str()) } else { None }).concat()
    };
    assert_eq!(thinking("fast create"), "The request names no file, so I will write hello.py and nothing else. ");
    assert_eq!(thinking("fast create notes.txt"), "The request names notes.txt, so I will write that file and nothing else. ");
}

#[test]
fn a_conversation_that_cannot_be_stored_continues_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state"), "a file in the way").unwrap();
    let (user, _) = Talk::new(dir.path(), &["fast say hi", "say there"]).hold();
    assert_eq!((user.conversation.as_ref(), user.turns.len()), (None, 2));
    assert_eq!(user.count("notice"), 1, "{:?}", user.events);
}
