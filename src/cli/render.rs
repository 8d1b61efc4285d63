//! Renders a run's events as text.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{format, sanitize};
use crate::types::{
    Cause, DecidedBy, Decision, Delta, FileChangeKind, Level, NetworkReason, NetworkUse, PermissionChoice, PlanEntry, PlanStatus, Question,
    Role, RunDone, RunStarted, SessionUpdate, StreamEvent, TaskStatus, ToolCall, ToolKind, ToolStatus, Usage,
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = AnsiColor::Cyan.on_default();

/// Maximum length of a line, in characters.
const MAX_LINE: usize = 160;
/// Maximum number of lines of a diff, or of one piece of a tool's output.
const MAX_LINES: usize = 40;
/// Maximum number of lines of a tool's result.
const MAX_RESULT_LINES: usize = 8;
/// Indentation of text beside the labels.
const INDENT: &str = "            ";

/// Writes events as text: tokens are written as they arrive, everything else on lines of its own.
///
/// All text from agents is [sanitized](sanitize).
pub(super) struct Renderer<W> {
    out: W,
    stream: Option<TextStream>,
    is_at_line_start: bool,
    /// Messages whose tokens were written, so that their full text is not.
    streamed: BTreeSet<MessageKey>,
    /// Tool calls whose output was written.
    with_output: BTreeSet<String>,
    /// Tools of the open permission requests, by request id.
    requested: BTreeMap<String, String>,
    /// The latest totals, for the end.
    usage: Option<Usage>,
}

/// The stream of tokens being written: text or thinking, of the agent or of a sub-agent.
#[derive(Clone, PartialEq, Eq)]
struct TextStream {
    style: Style,
    parent: Option<String>,
}

/// A message, by its id and its sub-agent.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct MessageKey {
    message: Option<String>,
    parent: Option<String>,
}

impl<W: Write> Renderer<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            stream: None,
            is_at_line_start: true,
            streamed: BTreeSet::new(),
            with_output: BTreeSet::new(),
            requested: BTreeMap::new(),
            usage: None,
        }
    }

    #[cfg(test)]
    fn into_inner(self) -> W {
        self.out
    }

    /// Whether the cursor is at the start of a line.
    pub(super) fn is_at_line_start(&self) -> bool {
        self.is_at_line_start
    }

    /// Writes a prompt, which is answered on the same line.
    pub(super) fn prompt(&mut self, text: &str) -> io::Result<()> {
        self.end_stream()?;
        write!(self.out, "{INDENT}{NOTE}{text}{NOTE:#} ")?;
        self.is_at_line_start = false;
        self.out.flush()
    }

    /// Records that a line was typed after the prompt.
    pub(super) fn end_prompt(&mut self) {
        self.is_at_line_start = true;
    }

    /// Writes a note of this command, with a label.
    pub(super) fn note(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.end_stream()?;
        // In full: it may hold a command line to copy.
        writeln!(self.out, "{NOTE}{label:>10}{NOTE:#}  {}", sanitize::line(text))?;
        self.out.flush()
    }

    pub(super) fn event(&mut self, event: &StreamEvent) -> io::Result<()> {
        match event {
            StreamEvent::Token { content } => self.token(content),
            StreamEvent::Thinking { content } => self.write_delta(DIM.italic(), content),
            StreamEvent::Message { role, content, message_id, parent_tool_call_id } => {
                let key = MessageKey { message: message_id.clone(), parent: parent_tool_call_id.clone() };
                self.message(*role, content, &key)
            }
            StreamEvent::RunQueued { position: 0 } => Ok(()),
            StreamEvent::RunQueued { position } => self.line(DIM, "queued", &format!("{} ahead", format::count(*position, "run"))),
            StreamEvent::RunStarted(started) => self.started(started),
            StreamEvent::UserMessage { content, attachments, .. } => {
                self.line(BOLD, "you", content)?;
                if attachments.is_empty() {
                    return Ok(());
                }
                let names: Vec<&str> = attachments.iter().map(|attached| attached.name.as_str()).collect();
                self.line(DIM, "attached", &names.join(", "))
            }
            StreamEvent::ToolCall(call) => self.call(call),
            StreamEvent::ToolOutput { id, content } => {
                self.with_output.insert(id.clone());
                self.block(DIM, content, MAX_LINES)
            }
            StreamEvent::Log { content, .. } => self.block(DIM, content, MAX_LINES),
            StreamEvent::ToolResult { id, status, content, duration_ms } => self.result(id, *status, content, *duration_ms),
            StreamEvent::FileChange { path, kind, diff } => self.change(path, *kind, diff.as_deref()),
            StreamEvent::Changes { files, insertions, deletions, .. } => {
                let noun = if *files == 1 { "file" } else { "files" };
                self.line(HEAD, "changes", &format!("{files} {noun}, +{insertions} -{deletions}"))
            }
            StreamEvent::Plan { entries } => self.plan(entries),
            StreamEvent::TaskStarted { title, .. } => self.line(DIM, "background", title),
            StreamEvent::TaskUpdated { message, .. } => self.line(DIM, "background", message),
            StreamEvent::TaskEnded { status, message, .. } => self.task_ended(*status, message.as_deref()),
            StreamEvent::SessionUpdated(update) => self.session(update),
            StreamEvent::PermissionRequest { id, tool, input, choices, expires_at, .. } => {
                self.requested.insert(id.clone(), tool.clone());
                // If a mode or rule decides, the decision follows immediately.
                if expires_at.is_some() { self.request(tool, input, choices) } else { Ok(()) }
            }
            StreamEvent::PermissionResolved { id, decision, by, reason, .. } => self.resolved(id, *decision, *by, reason.as_deref()),
            StreamEvent::Question { questions, .. } => questions.iter().try_for_each(|question| self.question(question)),
            StreamEvent::QuestionResolved { answers, by, .. } => {
                let answers: Vec<String> = answers.iter().map(|answers| answers.join(", ")).collect();
                let answers = if answers.iter().all(String::is_empty) { "none".to_owned() } else { answers.join("; ") };
                self.line(NOTE, "answer", &format!("{answers}, {}", decided_by(*by)))
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
            StreamEvent::Network(network) => self.network(network),
            StreamEvent::AgentError { message, .. } => self.line(BAD, "error", message),
            StreamEvent::Done(done) => self.done(done),
        }
    }

    /// The title and the mode. Commands and the size of the context are for programs.
    fn session(&mut self, update: &SessionUpdate) -> io::Result<()> {
        if let Some(title) = update.title.as_deref().filter(|title| !title.is_empty()) {
            self.line(DIM, "title", title)?;
        }
        update.mode.as_deref().map_or(Ok(()), |mode| self.line(DIM, "mode", mode))
    }

    fn token(&mut self, delta: &Delta) -> io::Result<()> {
        self.streamed.insert(MessageKey { message: delta.message_id.clone(), parent: delta.parent_tool_call_id.clone() });
        // Text of sub-agents is dim, like thinking.
        self.write_delta(if delta.parent_tool_call_id.is_some() { DIM } else { Style::new() }, delta)
    }

    fn write_delta(&mut self, style: Style, delta: &Delta) -> io::Result<()> {
        let stream = TextStream { style, parent: delta.parent_tool_call_id.clone() };
        if self.stream.as_ref() != Some(&stream) {
            self.end_stream()?;
            self.stream = Some(stream);
        }
        let text = sanitize::text(&delta.text);
        // A style that spans a line break would color the rest of the terminal.
        for piece in text.split_inclusive('\n') {
            let (words, end) = piece.strip_suffix('\n').map_or((piece, ""), |words| (words, "\n"));
            write!(self.out, "{style}{words}{style:#}{end}")?;
            self.is_at_line_start = !end.is_empty();
        }
        self.out.flush()
    }

    /// Ends the stream of tokens, and its line.
    fn end_stream(&mut self) -> io::Result<()> {
        self.stream = None;
        if std::mem::replace(&mut self.is_at_line_start, true) { Ok(()) } else { writeln!(self.out) }
    }

    fn message(&mut self, role: Role, content: &str, key: &MessageKey) -> io::Result<()> {
        self.end_stream()?;
        // Tokens without a message id belong to the next message.
        if self.streamed.remove(key) || self.streamed.remove(&MessageKey { message: None, parent: key.parent.clone() }) {
            return Ok(());
        }
        match role {
            Role::Assistant => {
                let style = if key.parent.is_some() { DIM } else { Style::new() };
                for line in sanitize::text(content).lines() {
                    writeln!(self.out, "{style}{line}{style:#}")?;
                }
                self.out.flush()
            }
            // Usually text that the agent program adds to the conversation.
            Role::User | Role::System => self.block(DIM, content, MAX_RESULT_LINES),
        }
    }

    fn started(&mut self, started: &RunStarted) -> io::Result<()> {
        let model = started.model.as_deref().map(|model| format!(", model {model}")).unwrap_or_default();
        let version = started.agent_version.as_deref().unwrap_or("(unknown version)");
        self.line(DIM, "started", &format!("{} {version}{model}, in {}", started.agent_type, started.working_dir.display()))
    }

    fn call(&mut self, call: &ToolCall) -> io::Result<()> {
        let title = if call.title.is_empty() { &call.tool } else { &call.title };
        self.line(HEAD, tool_label(call.kind), title)?;
        match input_line(&call.input, title) {
            Some(input) => self.block(DIM, &sanitize::truncate(&input, MAX_LINE), 1),
            None => Ok(()),
        }
    }

    fn result(&mut self, id: &str, status: ToolStatus, content: &str, duration_ms: Option<u64>) -> io::Result<()> {
        let (style, word) = match status {
            ToolStatus::Ok => (GOOD, "ok"),
            ToolStatus::Error => (BAD, "error"),
            ToolStatus::Denied => (NOTE, "denied"),
        };
        // Output that was written before is not repeated.
        let content = if self.with_output.remove(id) && status == ToolStatus::Ok { "" } else { content.trim_end() };
        let (first, rest) = content.split_once('\n').unwrap_or((content, ""));
        let took = duration_ms.map(|millis| format!("in {}", format::duration(millis))).unwrap_or_default();
        let gap = if first.is_empty() || took.is_empty() { "" } else { " " };
        self.line(style, word, &format!("{}{gap}{took}", sanitize::truncate(first, MAX_LINE - 20)))?;
        if rest.is_empty() { Ok(()) } else { self.block(DIM, rest, MAX_RESULT_LINES) }
    }

    fn change(&mut self, path: &str, kind: FileChangeKind, diff: Option<&str>) -> io::Result<()> {
        let what = match kind {
            FileChangeKind::Create => "new",
            FileChangeKind::Update => "changed",
            FileChangeKind::Delete => "deleted",
        };
        self.line(HEAD, "file", &format!("{path} ({what})"))?;
        let Some(diff) = diff else { return Ok(()) };
        // The two lines with the file name repeat the line above.
        let lines = diff.lines().skip_while(|line| line.starts_with("--- ") || line.starts_with("+++ "));
        let style = |line: &str| match line.as_bytes().first() {
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            Some(b'@') => HEAD,
            _ => DIM,
        };
        self.lines(lines.map(|line| (style(line), line)), MAX_LINES)
    }

    fn plan(&mut self, entries: &[PlanEntry]) -> io::Result<()> {
        self.end_stream()?;
        for entry in entries {
            let (mark, style) = match entry.status {
                PlanStatus::Pending => ("[ ]", DIM),
                PlanStatus::InProgress => ("[>]", BOLD),
                PlanStatus::Completed => ("[x]", GOOD),
            };
            writeln!(self.out, "{INDENT}{style}{mark} {}{style:#}", sanitize::truncate(&entry.content, MAX_LINE))?;
        }
        self.out.flush()
    }

    /// Writes the complete input, untruncated: a person who allows it must have seen all of it.
    fn request(&mut self, tool: &str, input: &Value, choices: &[PermissionChoice]) -> io::Result<()> {
        self.line(NOTE, "permission", &format!("allow {tool}?"))?;
        self.input(input)?;
        for (choice, number) in choices.iter().zip(1..) {
            writeln!(self.out, "{INDENT}{BOLD}{number}{BOLD:#}  {}", sanitize::line(&choice.name))?;
        }
        Ok(())
    }

    fn input(&mut self, input: &Value) -> io::Result<()> {
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
        let name = sanitize::exact(name);
        if !text.contains('\n') {
            return writeln!(self.out, "{INDENT}{BOLD}{name}{BOLD:#}  {}", sanitize::exact(text));
        }
        writeln!(self.out, "{INDENT}{BOLD}{name}{BOLD:#}")?;
        text.split('\n').try_for_each(|line| writeln!(self.out, "{INDENT}  {}", sanitize::exact(line)))
    }

    fn resolved(&mut self, id: &str, decision: Decision, by: DecidedBy, reason: Option<&str>) -> io::Result<()> {
        let tool = self.requested.remove(id).unwrap_or_else(|| "the tool".to_owned());
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        match (decision, by) {
            (Decision::AllowOnce | Decision::AllowAlways, DecidedBy::Policy) => self.line(DIM, "allowed", &format!("{tool}{reason}")),
            (Decision::AllowOnce, _) => self.line(GOOD, "allowed", &format!("{tool} once, {}{reason}", decided_by(by))),
            (Decision::AllowAlways, _) => self.line(GOOD, "allowed", &format!("{tool} always, {}{reason}", decided_by(by))),
            (Decision::Deny, _) => self.line(NOTE, "denied", &format!("{tool}, {}{reason}", decided_by(by))),
        }
    }

    /// Writes connections that were refused or failed. Those that worked are in the log.
    fn network(&mut self, network: &NetworkUse) -> io::Result<()> {
        let NetworkUse { host, port, connections, reason, .. } = network;
        let Some(reason) = reason else { return Ok(()) };
        let reason = match reason {
            NetworkReason::NotAllowed => "not in the list of hosts of this run",
            NetworkReason::PrivateAddress => "not on the public internet",
            NetworkReason::BadRequest => "the request was not understood",
            NetworkReason::TooManyHosts => "too many hosts",
            NetworkReason::Unresolved => "the name cannot be resolved",
            NetworkReason::Unreachable => "cannot be reached",
        };
        let count = if *connections == 1 { String::new() } else { format!(" ({connections} times)") };
        let host = if *port == 0 { host.clone() } else { format!("{host} port {port}") };
        self.line(NOTE, "network", &format!("{host}: {reason}{count}"))
    }

    fn task_ended(&mut self, status: TaskStatus, message: Option<&str>) -> io::Result<()> {
        let (style, word) = match status {
            TaskStatus::Completed => (GOOD, "completed"),
            TaskStatus::Failed => (BAD, "failed"),
            TaskStatus::Stopped => (NOTE, "stopped"),
        };
        let message = message.and_then(|message| message.trim().lines().next()).map(|line| format!(": {line}")).unwrap_or_default();
        self.line(style, "background", &format!("{word}{message}"))
    }

    fn question(&mut self, question: &Question) -> io::Result<()> {
        let header = question.header.as_deref().filter(|header| !header.is_empty()).map(|header| format!("{header}: ")).unwrap_or_default();
        self.line(NOTE, "question", &format!("{header}{}", question.text))?;
        for (option, number) in question.options.iter().zip(1..) {
            let description = option.description.as_deref().filter(|description| !description.is_empty());
            let description = description.map(|description| format!("  {DIM}{}{DIM:#}", sanitize::line(description))).unwrap_or_default();
            writeln!(self.out, "{INDENT}{BOLD}{number}{BOLD:#}  {}{description}", sanitize::line(&option.name))?;
            for line in option.preview.iter().flat_map(|preview| preview.lines()) {
                writeln!(self.out, "{INDENT}   {DIM}{}{DIM:#}", sanitize::line(line))?;
            }
        }
        self.out.flush()
    }

    fn done(&mut self, done: &RunDone) -> io::Result<()> {
        self.end_stream()?;
        if let Some(usage) = done.usage.clone().or_else(|| self.usage.take()) {
            self.line(DIM, "usage", &format::usage(&usage))?;
        }
        let (style, cause) =
            if done.cause == Cause::Ok { (GOOD, String::new()) } else { (BAD, format!(", {}", done.cause.as_str().replace('_', " "))) };
        let message = done.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        self.line(
            style,
            "done",
            &format!("{}{cause}{message} ({})", done.status.as_str().replace('_', " "), format::duration(done.duration_ms)),
        )
    }

    fn line(&mut self, style: Style, label: &str, text: &str) -> io::Result<()> {
        self.end_stream()?;
        writeln!(self.out, "{style}{label:>10}{style:#}  {}", sanitize::truncate(text, MAX_LINE))?;
        self.out.flush()
    }

    fn block(&mut self, style: Style, text: &str, max: usize) -> io::Result<()> {
        self.lines(text.lines().map(|line| (style, line)), max)
    }

    fn lines<'a>(&mut self, mut lines: impl Iterator<Item = (Style, &'a str)>, max: usize) -> io::Result<()> {
        self.end_stream()?;
        for (style, line) in lines.by_ref().take(max) {
            writeln!(self.out, "{INDENT}{style}{}{style:#}", sanitize::truncate(line, MAX_LINE))?;
        }
        let omitted = lines.count();
        if omitted > 0 {
            writeln!(self.out, "{INDENT}{DIM}… {} more{DIM:#}", format::count(omitted as u64, "line"))?;
        }
        self.out.flush()
    }
}

fn tool_label(kind: ToolKind) -> &'static str {
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

fn decided_by(by: DecidedBy) -> &'static str {
    match by {
        DecidedBy::Policy => "by the run's permissions",
        DecidedBy::User => "by a user",
        DecidedBy::Timeout => "because no answer came in time",
    }
}

/// A tool's input, unless the title contains it: the command if there is one, else all of it.
fn input_line(input: &Value, title: &str) -> Option<String> {
    let adds = |text: &&str| !title.contains(*text) && !text.is_empty();
    if let Some(Value::String(command)) = input.get("command") {
        return Some(command.as_str()).filter(adds).map(|command| format!("$ {command}"));
    }
    match input {
        Value::Object(fields) => {
            let is_in_title = |value: &Value| value.as_str().is_some_and(|text| !adds(&text));
            (!fields.values().all(is_in_title)).then(|| input.to_string())
        }
        Value::Null => None,
        Value::String(text) => Some(text.as_str()).filter(adds).map(str::to_owned),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C2, W7.

    use serde_json::json;

    use super::*;
    use crate::agent::claude_code::ClaudeCode;
    use crate::agent::replay::{self, Action};
    use crate::agent::{Mode, Program};

    fn rendered<'a>(events: impl IntoIterator<Item = &'a StreamEvent>) -> String {
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
    fn tokens_are_written_as_they_arrive_and_everything_else_on_its_own_line() {
        let events = [
            StreamEvent::Thinking { content: "hm ".into() },
            StreamEvent::Token { content: "Hi ".into() },
            StreamEvent::Token { content: "you".into() },
            message("Hi you"),
            StreamEvent::Usage(Usage { input_tokens: 3, output_tokens: 2, cost_usd: Some(0.25), ..Usage::default() }),
            StreamEvent::Done(done(None)),
        ];
        assert_eq!(rendered(&events), "hm \nHi you\n     usage  3 tokens in, 2 out, $0.2500\n      done  completed (12.3 s)\n");
    }

    #[test]
    fn a_message_is_written_once_whether_or_not_it_had_tokens() {
        assert_eq!(rendered(&[message("whole\ntext")]), "whole\ntext\n");
        assert_eq!(rendered(&[StreamEvent::Token { content: "a\n".into() }, message("a\n"), message("b")]), "a\nb\n");
    }

    #[test]
    fn a_result_does_not_repeat_output() {
        let result = |id: &str| StreamEvent::ToolResult {
            id: id.into(),
            status: ToolStatus::Ok,
            content: "one\ntwo\n".into(),
            duration_ms: Some(2100),
        };
        let output = StreamEvent::ToolOutput { id: "a".into(), content: "one\ntwo\n".into() };
        assert_eq!(rendered(&[output, result("a")]), "            one\n            two\n        ok  in 2.1 s\n");
        assert_eq!(rendered(&[result("b")]), "        ok  one in 2.1 s\n            two\n");
    }

    #[test]
    fn the_options_of_a_question_are_shown_with_all_their_texts() {
        let options = json!([{ "name": "red", "description": "seen from afar" }, { "name": "blue", "preview": "a\nb" }]);
        let question = json!({ "text": "Which colour?", "header": "Colour", "options": options, "multiple": false });
        let event = json!({ "type": "question", "id": "q", "questions": [question] });
        let expected = "  question  Colour: Which colour?\n            1  red  seen from afar\n            2  blue\n               a\n               b\n";
        assert_eq!(rendered(&[serde_json::from_value(event).unwrap()]), expected);
    }

    #[test]
    fn a_failed_run_shows_its_cause() {
        assert_eq!(rendered(&[StreamEvent::Done(done(Some("try later")))]), "      done  failed, rate limited: try later (12.3 s)\n");
    }

    #[test]
    fn permission_requests_show_their_complete_input() {
        let command = format!("echo {}\u{202e}\u{1b}[8m; rm -rf x", "y".repeat(500));
        let request = StreamEvent::PermissionRequest {
            id: "r".into(),
            tool_call_id: None,
            tool: "Bash".into(),
            kind: ToolKind::Execute,
            input: json!({ "command": command, "then": "a\n\tb" }),
            options: vec![Decision::Deny],
            choices: vec![PermissionChoice { id: "n".into(), name: "Never\u{1b}[8m".into(), decision: Decision::Deny }],
            expires_at: Some(crate::types::Timestamp::from_millis(0)),
        };
        let text = rendered(&[request]);
        assert!(text.contains(&"y".repeat(500)) && text.contains("<U+202E>␛[8m; rm -rf x"), "{text}");
        assert!(text.contains("1  Never␛[8m\n"), "{text}");
        assert!(text.contains("            then\n              a\n              ␉b\n"), "{text}");
    }

    #[test]
    fn no_event_can_send_control_characters_to_the_terminal() {
        let odd = "\u{1b}]0;title\u{7}\u{1b}[2Jx\u{9b}31m\r";
        let event = |value: Value| serde_json::from_value::<StreamEvent>(value).unwrap();
        let option = json!({ "name": odd, "description": odd, "preview": odd });
        let question = json!({ "text": odd, "header": odd, "options": [option], "multiple": false });
        let events = [
            event(json!({ "type": "task_started", "id": "b", "kind": "agent", "title": odd })),
            event(json!({ "type": "task_updated", "id": "b", "message": odd })),
            event(json!({ "type": "task_ended", "id": "b", "status": "failed", "message": odd })),
            event(json!({ "type": "session_updated", "title": odd, "mode": odd, "model": odd })),
            StreamEvent::Token { content: odd.into() },
            event(json!({ "type": "tool_call", "id": "a", "tool": odd, "kind": "edit", "title": odd, "input": { "x": odd } })),
            event(json!({ "type": "tool_result", "id": "a", "status": "ok", "content": odd })),
            event(json!({ "type": "file_change", "path": odd, "kind": "update", "diff": odd })),
            event(json!({ "type": "plan", "entries": [{ "content": odd, "status": "pending" }] })),
            event(json!({ "type": "question", "id": "q", "questions": [question] })),
            event(json!({ "type": "notice", "level": "info", "code": "other", "message": odd })),
            event(json!({ "type": "log", "stream": "stderr", "content": odd })),
        ];
        let text = rendered(&events);
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
    }

    #[test]
    fn recordings_of_a_real_agent_render_as_expected() {
        let mut snapshots = insta::Settings::clone_current();
        snapshots.set_prepend_module_to_snapshot(false);
        snapshots.bind(|| {
            for name in ["text_partial", "thinking_partial", "edit", "shell", "plan_task_tools", "subagent", "error_401"] {
                let recording = replay::recording("claude_code", name);
                let mode = if recording.two_way { Mode::TwoWay } else { Mode::OneShot };
                let parser =
                    ClaudeCode::new(mode).parser(&replay::task("claude_code"), &replay::installed("claude", "2.1.330", "claude_code"));
                let replayed = replay::replay(&recording, parser, |_| None::<Action>);
                insta::assert_snapshot!(format!("rendered_{name}"), rendered(replayed.events()));
            }
        });
    }
}
