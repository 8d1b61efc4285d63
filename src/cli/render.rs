//! Shows a run's events to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::sanitize;
use crate::types::{
    Cause, DecidedBy, Decision, Delta, FileChangeKind, Level, PlanEntry, PlanStatus, Question, Role, RunDone, RunStarted, StreamEvent,
    ToolCall, ToolKind, ToolStatus, Usage,
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = AnsiColor::Cyan.on_default();

/// Longest line that is shown of what may be long, in characters.
const LINE: usize = 160;
/// Most lines of one diff, or of one piece of a tool's output.
const LINES: usize = 40;
/// Most lines of a tool's result.
const RESULT_LINES: usize = 8;
/// Where text stands beside the words of the first column.
const INDENT: &str = "            ";

/// Writes events readably: text flows as it comes, everything else stands on lines of its own.
///
/// What an agent says is text, whatever it is made of: see [`sanitize`].
pub(super) struct Renderer<W> {
    out: W,
    flow: Option<Flow>,
    /// Whether the next character begins a line.
    rests: bool,
    /// Messages of which tokens were shown, so that the whole is not shown again.
    streamed: BTreeSet<Speech>,
    /// Tool calls of which output was shown.
    heard: BTreeSet<String>,
    /// What the requests are about that nobody has answered.
    asked: BTreeMap<String, String>,
    /// The run's totals, until its end tells them.
    usage: Option<Usage>,
}

/// Text that flows: whose it is, and whether it is said or thought.
#[derive(Clone, PartialEq, Eq)]
struct Flow {
    style: Style,
    parent: Option<String>,
}

/// A message by its id and the sub-agent that speaks.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Speech {
    message: Option<String>,
    parent: Option<String>,
}

impl<W: Write> Renderer<W> {
    pub(super) fn new(out: W) -> Self {
        let (streamed, heard, asked) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self { out, flow: None, rests: true, streamed, heard, asked, usage: None }
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    /// Whether nothing is being written in the line that the cursor is in.
    pub(super) fn rests(&self) -> bool {
        self.rests
    }

    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line(BOLD, "openrunner", text)
    }

    /// Something to a person who is to answer in the same line.
    pub(super) fn prompt(&mut self, text: &str) -> io::Result<()> {
        self.end_flow()?;
        write!(self.out, "{INDENT}{NOTE}{text}{NOTE:#} ")?;
        self.rests = false;
        self.out.flush()
    }

    /// The person has answered, so the terminal is in a new line.
    pub(super) fn prompt_is_over(&mut self) {
        self.rests = true;
    }

    /// One line about what this command does or sees.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        self.line(NOTE, "note", text)
    }

    pub(super) fn event(&mut self, event: &StreamEvent) -> io::Result<()> {
        match event {
            StreamEvent::Token { content } => self.speak(Style::new(), content),
            StreamEvent::Thinking { content } => self.flow(DIM.italic(), content),
            StreamEvent::Message { role, content, message_id, parent_tool_call_id } => {
                let speech = Speech { message: message_id.clone(), parent: parent_tool_call_id.clone() };
                self.message(*role, content, &speech)
            }
            StreamEvent::RunQueued { position: 0 } => Ok(()),
            StreamEvent::RunQueued { position } => self.line(DIM, "queued", &format!("{position} before it")),
            StreamEvent::RunStarted(started) => self.started(started),
            StreamEvent::UserMessage { content, .. } => self.line(BOLD, "you", content),
            StreamEvent::ToolCall(call) => self.call(call),
            StreamEvent::ToolOutput { id, content } => {
                self.heard.insert(id.clone());
                self.block(DIM, content, LINES)
            }
            StreamEvent::Log { content, .. } => self.block(DIM, content, LINES),
            StreamEvent::ToolResult { id, status, content, duration_ms } => self.result(id, *status, content, *duration_ms),
            StreamEvent::FileChange { path, kind, diff } => self.change(path, *kind, diff.as_deref()),
            StreamEvent::Plan { entries } => self.plan(entries),
            StreamEvent::PermissionRequest { id, tool, input, expires_at, .. } => {
                self.asked.insert(id.clone(), tool.clone());
                // What a mode or a rule decides is told by the answer, which comes at once.
                if expires_at.is_some() { self.request(tool, input) } else { Ok(()) }
            }
            StreamEvent::PermissionResolved { id, decision, by, reason } => self.resolved(id, *decision, *by, reason.as_deref()),
            StreamEvent::Question { questions, .. } => questions.iter().try_for_each(|question| self.question(question)),
            StreamEvent::QuestionResolved { answers, by, .. } => {
                let answers: Vec<String> = answers.iter().map(|answers| answers.join(", ")).collect();
                let answers = if answers.iter().all(String::is_empty) { "none".to_owned() } else { answers.join("; ") };
                self.line(NOTE, "answer", &format!("{answers}, {}", said_by(*by)))
            }
            StreamEvent::Usage(usage) => {
                self.usage = Some(usage.clone());
                Ok(())
            }
            StreamEvent::Notice { level, message, .. } => match level {
                Level::Info => self.line(DIM, "note", message),
                Level::Warning => self.line(NOTE, "note", message),
                Level::Error => self.line(BAD, "note", message),
            },
            StreamEvent::Raw { line } => self.line(DIM, "raw", line),
            StreamEvent::AgentError { message, .. } => self.line(BAD, "error", message),
            StreamEvent::Done(done) => self.done(done),
        }
    }

    fn speak(&mut self, style: Style, delta: &Delta) -> io::Result<()> {
        self.streamed.insert(Speech { message: delta.message_id.clone(), parent: delta.parent_tool_call_id.clone() });
        // What a sub-agent says is work in progress, and dim like thinking.
        self.flow(if delta.parent_tool_call_id.is_some() { DIM } else { style }, delta)
    }

    fn flow(&mut self, style: Style, delta: &Delta) -> io::Result<()> {
        let flow = Flow { style, parent: delta.parent_tool_call_id.clone() };
        if self.flow.as_ref() != Some(&flow) {
            self.end_flow()?;
            self.flow = Some(flow);
        }
        let text = sanitize::text(&delta.text);
        // A style that reaches over a line's end would colour the rest of the terminal.
        for piece in text.split_inclusive('\n') {
            let (words, end) = piece.strip_suffix('\n').map_or((piece, ""), |words| (words, "\n"));
            write!(self.out, "{style}{words}{style:#}{end}")?;
            self.rests = !end.is_empty();
        }
        self.out.flush()
    }

    fn end_flow(&mut self) -> io::Result<()> {
        self.flow = None;
        if std::mem::replace(&mut self.rests, true) { Ok(()) } else { writeln!(self.out) }
    }

    fn message(&mut self, role: Role, content: &str, speech: &Speech) -> io::Result<()> {
        self.end_flow()?;
        // Tokens that do not say whose they are belong to the message that comes next.
        if self.streamed.remove(speech) || self.streamed.remove(&Speech { message: None, parent: speech.parent.clone() }) {
            return Ok(());
        }
        match role {
            Role::Assistant => {
                let style = if speech.parent.is_some() { DIM } else { Style::new() };
                for line in sanitize::text(content).lines() {
                    writeln!(self.out, "{style}{line}{style:#}")?;
                }
                self.out.flush()
            }
            // Mostly what the agent program puts into the conversation by itself.
            Role::User | Role::System => self.block(DIM, content, RESULT_LINES),
        }
    }

    fn started(&mut self, started: &RunStarted) -> io::Result<()> {
        let model = started.model.as_deref().map(|model| format!(", model {model}")).unwrap_or_default();
        let version = started.agent_version.as_deref().unwrap_or("of unknown version");
        self.line(DIM, "started", &format!("{} {version}{model}, in {}", started.agent_type, started.working_dir.display()))
    }

    fn call(&mut self, call: &ToolCall) -> io::Result<()> {
        let title = if call.title.is_empty() { &call.tool } else { &call.title };
        self.line(HEAD, kind_word(call.kind), title)?;
        match input_beside(&call.input, title) {
            Some(input) => self.block(DIM, &sanitize::short(&input, LINE), 1),
            None => Ok(()),
        }
    }

    fn result(&mut self, id: &str, status: ToolStatus, content: &str, duration_ms: Option<u64>) -> io::Result<()> {
        let (style, word) = match status {
            ToolStatus::Ok => (GOOD, "ok"),
            ToolStatus::Error => (BAD, "error"),
            ToolStatus::Denied => (NOTE, "denied"),
        };
        // What came as output before is not said again.
        let content = if self.heard.remove(id) && status == ToolStatus::Ok { "" } else { content.trim_end() };
        let (first, rest) = content.split_once('\n').unwrap_or((content, ""));
        let took = duration_ms.map(|millis| format!("in {}", time(millis))).unwrap_or_default();
        let gap = if first.is_empty() || took.is_empty() { "" } else { " " };
        self.line(style, word, &format!("{}{gap}{took}", sanitize::short(first, LINE - 20)))?;
        if rest.is_empty() { Ok(()) } else { self.block(DIM, rest, RESULT_LINES) }
    }

    fn change(&mut self, path: &str, kind: FileChangeKind, diff: Option<&str>) -> io::Result<()> {
        let what = match kind {
            FileChangeKind::Create => "new",
            FileChangeKind::Update => "changed",
            FileChangeKind::Delete => "deleted",
        };
        self.line(HEAD, "file", &format!("{path} ({what})"))?;
        let Some(diff) = diff else { return Ok(()) };
        // The two lines with the file's name say nothing new.
        let lines = diff.lines().skip_while(|line| line.starts_with("--- ") || line.starts_with("+++ "));
        let style = |line: &str| match line.as_bytes().first() {
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            Some(b'@') => HEAD,
            _ => DIM,
        };
        self.lines(lines.map(|line| (style(line), line)), LINES)
    }

    fn plan(&mut self, entries: &[PlanEntry]) -> io::Result<()> {
        self.end_flow()?;
        for entry in entries {
            let (mark, style) = match entry.status {
                PlanStatus::Pending => ("[ ]", DIM),
                PlanStatus::InProgress => ("[>]", BOLD),
                PlanStatus::Completed => ("[x]", GOOD),
            };
            writeln!(self.out, "{INDENT}{style}{mark} {}{style:#}", sanitize::short(&entry.content, LINE))?;
        }
        self.out.flush()
    }

    /// Shows all that would run, not a part of it: whoever allows it must have seen it.
    fn request(&mut self, tool: &str, input: &Value) -> io::Result<()> {
        self.line(NOTE, "asks", &format!("may it use {tool}?"))?;
        match input {
            Value::Object(fields) => fields.iter().try_for_each(|(name, value)| match value {
                Value::String(text) => self.field(name, text),
                other => self.field(name, &other.to_string()),
            }),
            Value::Null => Ok(()),
            other => self.field("input", &other.to_string()),
        }
    }

    fn field(&mut self, name: &str, text: &str) -> io::Result<()> {
        let name = sanitize::exactly(name);
        if !text.contains('\n') {
            return writeln!(self.out, "{INDENT}{BOLD}{name}{BOLD:#}  {}", sanitize::exactly(text));
        }
        writeln!(self.out, "{INDENT}{BOLD}{name}{BOLD:#}")?;
        text.split('\n').try_for_each(|line| writeln!(self.out, "{INDENT}  {}", sanitize::exactly(line)))
    }

    fn resolved(&mut self, id: &str, decision: Decision, by: DecidedBy, reason: Option<&str>) -> io::Result<()> {
        let tool = self.asked.remove(id).unwrap_or_else(|| "it".to_owned());
        let why = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        match (decision, by) {
            (Decision::AllowOnce | Decision::AllowAlways, DecidedBy::Policy) => self.line(DIM, "allowed", &format!("{tool}{why}")),
            (Decision::AllowOnce, _) => self.line(GOOD, "allowed", &format!("{tool}, this once, {}{why}", said_by(by))),
            (Decision::AllowAlways, _) => self.line(GOOD, "allowed", &format!("{tool}, always, {}{why}", said_by(by))),
            (Decision::Deny, _) => self.line(NOTE, "denied", &format!("{tool}, {}{why}", said_by(by))),
        }
    }

    fn question(&mut self, question: &Question) -> io::Result<()> {
        self.line(NOTE, "asks", &question.text)?;
        for (option, number) in question.options.iter().zip(1..) {
            writeln!(self.out, "{INDENT}{BOLD}{number}{BOLD:#}  {}", sanitize::line(option))?;
        }
        self.out.flush()
    }

    fn done(&mut self, done: &RunDone) -> io::Result<()> {
        self.end_flow()?;
        if let Some(usage) = done.usage.clone().or_else(|| self.usage.take()) {
            self.line(DIM, "usage", &usage_in_words(&usage))?;
        }
        let (style, cause) =
            if done.cause == Cause::Ok { (GOOD, String::new()) } else { (BAD, format!(", {}", done.cause.as_str().replace('_', " "))) };
        let why = done.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        self.line(style, "done", &format!("{}{cause}{why} ({})", done.status.as_str().replace('_', " "), time(done.duration_ms)))
    }

    fn line(&mut self, style: Style, word: &str, text: &str) -> io::Result<()> {
        self.end_flow()?;
        writeln!(self.out, "{style}{word:>10}{style:#}  {}", sanitize::short(text, LINE))?;
        self.out.flush()
    }

    fn block(&mut self, style: Style, text: &str, most: usize) -> io::Result<()> {
        self.lines(text.lines().map(|line| (style, line)), most)
    }

    fn lines<'a>(&mut self, mut lines: impl Iterator<Item = (Style, &'a str)>, most: usize) -> io::Result<()> {
        self.end_flow()?;
        for (style, line) in lines.by_ref().take(most) {
            writeln!(self.out, "{INDENT}{style}{}{style:#}", sanitize::short(line, LINE))?;
        }
        let rest = lines.count();
        if rest > 0 {
            writeln!(self.out, "{INDENT}{DIM}and {rest} lines more{DIM:#}")?;
        }
        self.out.flush()
    }
}

fn kind_word(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Read => "read",
        ToolKind::Edit => "edit",
        ToolKind::Delete => "delete",
        ToolKind::Move => "move",
        ToolKind::Search => "search",
        ToolKind::Execute => "run",
        ToolKind::Think => "think",
        ToolKind::Fetch => "fetch",
        ToolKind::Other => "tool",
    }
}

fn said_by(by: DecidedBy) -> &'static str {
    match by {
        DecidedBy::Policy => "by the run's permissions",
        DecidedBy::User => "by a user",
        DecidedBy::Timeout => "since nobody answered in time",
    }
}

/// A tool's input, if it tells more than the title does: the command of one that runs something, else all of it.
fn input_beside(input: &Value, title: &str) -> Option<String> {
    let tells_more = |text: &&str| !title.contains(*text) && !text.is_empty();
    if let Some(Value::String(command)) = input.get("command") {
        return Some(command.as_str()).filter(tells_more).map(|command| format!("$ {command}"));
    }
    match input {
        Value::Object(fields) => {
            let is_told = |value: &Value| value.as_str().is_some_and(|text| !tells_more(&text));
            (!fields.values().all(is_told)).then(|| input.to_string())
        }
        Value::Null => None,
        Value::String(text) => Some(text.as_str()).filter(tells_more).map(str::to_owned),
        other => Some(other.to_string()),
    }
}

/// Tokens and money, for a person.
pub(super) fn usage_in_words(usage: &Usage) -> String {
    let cached = usage.cache_read_tokens + usage.cache_write_tokens;
    let cached = if cached > 0 { format!(" ({cached} more by the cache)") } else { String::new() };
    let about = if usage.cost_is_estimate { "about " } else { "" };
    let cost = usage.cost_usd.map(|cost| format!(", {about}${cost:.4}")).unwrap_or_default();
    format!("{} tokens in{cached}, {} out{cost}", usage.input_tokens, usage.output_tokens)
}

/// A time in milliseconds, for a person.
pub(super) fn time(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::claude_code::ClaudeCode;
    use crate::agent::replay::{self, Action};
    use crate::agent::{Mode, Program};

    fn shown<'a>(events: impl IntoIterator<Item = &'a StreamEvent>) -> String {
        let mut renderer = Renderer::new(anstream::StripStream::new(Vec::new()));
        for event in events {
            renderer.event(event).unwrap();
        }
        String::from_utf8(renderer.into_inner().into_inner()).unwrap()
    }

    fn message(content: &str) -> StreamEvent {
        StreamEvent::Message { role: Role::Assistant, content: content.into(), message_id: None, parent_tool_call_id: None }
    }

    fn done(message: Option<&str>) -> RunDone {
        serde_json::from_value(json!({
            "status": if message.is_some() { "failed" } else { "completed" },
            "cause": if message.is_some() { "rate_limited" } else { "ok" },
            "message": message, "duration_ms": 12_345,
        }))
        .unwrap()
    }

    #[test]
    fn text_flows_and_everything_else_stands_on_its_own_line() {
        let events = [
            StreamEvent::Thinking { content: "hm ".into() },
            StreamEvent::Token { content: "Hi ".into() },
            StreamEvent::Token { content: "you".into() },
            message("Hi you"),
            StreamEvent::Usage(Usage { input_tokens: 3, output_tokens: 2, cost_usd: Some(0.25), ..Usage::default() }),
            StreamEvent::Done(done(None)),
        ];
        assert_eq!(shown(&events), "hm \nHi you\n     usage  3 tokens in, 2 out, $0.2500\n      done  completed (12.3 s)\n");
    }

    #[test]
    fn a_message_without_tokens_is_shown_and_one_with_tokens_is_not_repeated() {
        assert_eq!(shown(&[message("whole\ntext")]), "whole\ntext\n");
        assert_eq!(shown(&[StreamEvent::Token { content: "a\n".into() }, message("a\n"), message("b")]), "a\nb\n");
    }

    #[test]
    fn output_that_was_shown_is_not_repeated_by_its_result() {
        let result = |id: &str| StreamEvent::ToolResult {
            id: id.into(),
            status: ToolStatus::Ok,
            content: "one\ntwo\n".into(),
            duration_ms: Some(2100),
        };
        let output = StreamEvent::ToolOutput { id: "a".into(), content: "one\ntwo\n".into() };
        assert_eq!(shown(&[output, result("a")]), "            one\n            two\n        ok  in 2.1 s\n");
        assert_eq!(shown(&[result("b")]), "        ok  one in 2.1 s\n            two\n");
    }

    #[test]
    fn why_a_run_failed_is_said() {
        assert_eq!(shown(&[StreamEvent::Done(done(Some("try later")))]), "      done  failed, rate limited: try later (12.3 s)\n");
    }

    #[test]
    fn c2_all_that_is_asked_for_is_shown_with_nothing_hidden() {
        let command = format!("echo {}\u{202e}\u{1b}[8m; rm -rf x", "y".repeat(500));
        let request = StreamEvent::PermissionRequest {
            id: "r".into(),
            tool_call_id: None,
            tool: "Bash".into(),
            kind: ToolKind::Execute,
            input: json!({ "command": command, "then": "a\n\tb" }),
            options: vec![Decision::Deny],
            expires_at: Some(crate::types::Timestamp::from_millis(0)),
        };
        let shown = shown(&[request]);
        assert!(shown.contains(&"y".repeat(500)) && shown.contains("<U+202E>␛[8m; rm -rf x"), "{shown}");
        assert!(shown.contains("            then\n              a\n              ␉b\n"), "{shown}");
    }

    #[test]
    fn w7_an_agents_control_characters_do_not_reach_the_terminal() {
        let odd = "\u{1b}]0;title\u{7}\u{1b}[2Jx\u{9b}31m\r";
        let event = |value: Value| serde_json::from_value::<StreamEvent>(value).unwrap();
        let events = [
            StreamEvent::Token { content: odd.into() },
            event(json!({ "type": "tool_call", "id": "a", "tool": odd, "kind": "edit", "title": odd, "input": { "x": odd } })),
            event(json!({ "type": "tool_result", "id": "a", "status": "ok", "content": odd })),
            event(json!({ "type": "file_change", "path": odd, "kind": "update", "diff": odd })),
            event(json!({ "type": "plan", "entries": [{ "content": odd, "status": "pending" }] })),
            event(json!({ "type": "question", "id": "q", "questions": [{ "text": odd, "options": [odd], "multiple": false }] })),
            event(json!({ "type": "notice", "level": "info", "code": "other", "message": odd })),
            event(json!({ "type": "log", "stream": "stderr", "content": odd })),
        ];
        let shown = shown(&events);
        assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\n'), "{shown:?}");
    }

    #[test]
    fn recordings_of_a_real_agent_read_well() {
        let mut snapshots = insta::Settings::clone_current();
        snapshots.set_prepend_module_to_snapshot(false);
        snapshots.bind(|| {
            for name in ["text_partial", "thinking_partial", "edit", "shell", "plan_task_tools", "subagent", "error_401"] {
                let recording = replay::recording("claude_code", name);
                let mode = if recording.two_way { Mode::TwoWay } else { Mode::OneShot };
                let parser =
                    ClaudeCode::new(mode).parser(&replay::task("claude_code"), &replay::installed("claude", "2.1.330", "claude_code"));
                let replayed = replay::replay(&recording, parser, |_| None::<Action>);
                insta::assert_snapshot!(format!("shown_{name}"), shown(replayed.events()));
            }
        });
    }
}
