//! Shows a run's events to a person.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::types::{
    Cause, DecidedBy, Decision, FileChangeKind, Level, PlanEntry, PlanStatus, RunDone, StreamEvent, ToolStatus, Usage, acts_on_a_reader,
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = AnsiColor::Cyan.on_default();

/// Longest line of a tool's output that is shown, in characters.
const LINE: usize = 160;
/// Most lines of one tool's output or one diff that are shown.
const LINES: usize = 20;

/// Writes events readably: text flows as it comes, everything else stands on lines of its own.
pub(super) struct Renderer<W> {
    out: W,
    flow: Flow,
}

/// What the line that is being written is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Nothing,
    Text,
    Thinking,
}

impl<W: Write> Renderer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, flow: Flow::Nothing }
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line(BOLD, "openrunner", text)
    }

    pub(super) fn event(&mut self, event: &StreamEvent) -> io::Result<()> {
        match event {
            StreamEvent::Token { content } => self.flow(Flow::Text, Style::new(), &content.text),
            StreamEvent::Thinking { content } => self.flow(Flow::Thinking, DIM.italic(), &content.text),
            // Its tokens were shown already.
            StreamEvent::Message { .. } => self.end_flow(),
            StreamEvent::RunQueued { position: 0 } => Ok(()),
            StreamEvent::RunQueued { position } => self.line(DIM, "queued", &format!("{position} before it")),
            StreamEvent::RunStarted(started) => {
                let model = started.model.as_deref().map(|model| format!(", model {model}")).unwrap_or_default();
                let version = started.agent_version.as_deref().unwrap_or("of unknown version");
                self.line(DIM, "started", &format!("{} {version}{model}, in {}", started.agent, started.working_dir.display()))
            }
            StreamEvent::UserMessage { content, .. } => self.line(BOLD, "you", content),
            StreamEvent::ToolCall(call) => self.line(HEAD, "tool", &call.title),
            StreamEvent::ToolOutput { content, .. } | StreamEvent::Log { content, .. } => self.block(DIM, content),
            StreamEvent::ToolResult { status, content, duration_ms, .. } => {
                let (style, word) = match status {
                    ToolStatus::Ok => (GOOD, "ok"),
                    ToolStatus::Error => (BAD, "error"),
                    ToolStatus::Denied => (NOTE, "denied"),
                };
                let took = duration_ms.map(|millis| format!(" in {millis} ms")).unwrap_or_default();
                self.line(style, word, &format!("{}{took}", content.lines().next().unwrap_or_default()))
            }
            StreamEvent::FileChange { path, kind, diff } => {
                let what = match kind {
                    FileChangeKind::Create => "new",
                    FileChangeKind::Update => "changed",
                    FileChangeKind::Delete => "deleted",
                };
                self.line(HEAD, "file", &format!("{path} ({what})"))?;
                diff.as_deref().map_or(Ok(()), |diff| self.diff(diff))
            }
            StreamEvent::Plan { entries } => self.plan(entries),
            StreamEvent::PermissionRequest { tool, .. } => self.line(NOTE, "asks", &format!("may it use {tool}?")),
            StreamEvent::PermissionResolved { decision, by, .. } => {
                let by = match by {
                    DecidedBy::Policy => "by the run's permission mode",
                    DecidedBy::User => "by a user",
                    DecidedBy::Timeout => "since nobody answered in time",
                };
                let answer = match decision {
                    Decision::AllowOnce => "yes, this once,",
                    Decision::AllowAlways => "yes, always,",
                    Decision::Deny => "no,",
                };
                self.line(NOTE, "answer", &format!("{answer} {by}"))
            }
            StreamEvent::Question { questions, .. } => questions.iter().try_for_each(|question| self.line(NOTE, "asks", &question.text)),
            StreamEvent::QuestionResolved { answers, .. } => self.line(NOTE, "answer", &answers.concat().join(", ")),
            StreamEvent::Usage(usage) => self.usage(usage),
            StreamEvent::Notice { level, message, .. } => match level {
                Level::Info => self.line(DIM, "note", message),
                Level::Warning => self.line(NOTE, "note", message),
                Level::Error => self.line(BAD, "note", message),
            },
            StreamEvent::Raw { line } => self.line(DIM, "raw", line),
            StreamEvent::Error { message, .. } => self.line(BAD, "error", message),
            StreamEvent::Done(done) => self.done(done),
        }
    }

    fn flow(&mut self, flow: Flow, style: Style, text: &str) -> io::Result<()> {
        if self.flow != flow {
            self.end_flow()?;
            self.flow = flow;
        }
        write!(self.out, "{style}{}{style:#}", plain(text))?;
        self.out.flush()
    }

    fn end_flow(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.flow, Flow::Nothing) {
            Flow::Nothing => Ok(()),
            Flow::Text | Flow::Thinking => writeln!(self.out),
        }
    }

    fn line(&mut self, style: Style, word: &str, text: &str) -> io::Result<()> {
        self.end_flow()?;
        writeln!(self.out, "{style}{word:>10}{style:#}  {}", short(text))?;
        self.out.flush()
    }

    fn block(&mut self, style: Style, text: &str) -> io::Result<()> {
        self.end_flow()?;
        for line in text.lines().take(LINES) {
            writeln!(self.out, "{:12}{style}{}{style:#}", "", short(line))?;
        }
        let rest = text.lines().count().saturating_sub(LINES);
        if rest > 0 {
            writeln!(self.out, "{:12}{DIM}and {rest} lines more{DIM:#}", "")?;
        }
        self.out.flush()
    }

    fn diff(&mut self, diff: &str) -> io::Result<()> {
        for line in diff.lines().take(LINES) {
            let style = match line.as_bytes().first() {
                Some(b'+') => GOOD,
                Some(b'-') => BAD,
                _ => DIM,
            };
            writeln!(self.out, "{:12}{style}{}{style:#}", "", short(line))?;
        }
        Ok(())
    }

    fn plan(&mut self, entries: &[PlanEntry]) -> io::Result<()> {
        self.end_flow()?;
        for entry in entries {
            let (mark, style) = match entry.status {
                PlanStatus::Pending => ("[ ]", DIM),
                PlanStatus::InProgress => ("[>]", BOLD),
                PlanStatus::Completed => ("[x]", GOOD),
            };
            writeln!(self.out, "{:12}{style}{mark} {}{style:#}", "", short(&entry.content))?;
        }
        Ok(())
    }

    fn usage(&mut self, usage: &Usage) -> io::Result<()> {
        let cost = usage.cost_usd.map(|cost| format!(", ${cost:.4}")).unwrap_or_default();
        self.line(DIM, "usage", &format!("{} tokens in, {} out{cost}", usage.input_tokens, usage.output_tokens))
    }

    fn done(&mut self, done: &RunDone) -> io::Result<()> {
        let style = if done.cause == Cause::Ok { GOOD } else { BAD };
        let why = done.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        let seconds = done.duration_ms / 1000;
        let tenths = done.duration_ms % 1000 / 100;
        self.line(style, "done", &format!("{}{why} ({seconds}.{tenths} s)", done.status.as_str()))
    }
}

/// What an agent says is text, whatever bytes it is made of: only line breaks and tabs keep their meaning on our terminal. Everything
/// else that could move, turn or hide something is spelled out, as `\u{202e}`.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts_on_a_reader(letter) && !matches!(letter, '\n' | '\t') {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// One line, not too long.
fn short(text: &str) -> String {
    let one_line = plain(text).replace('\n', " ");
    match one_line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Role;

    fn shown(events: &[StreamEvent]) -> String {
        let mut renderer = Renderer::new(anstream::StripStream::new(Vec::new()));
        for event in events {
            renderer.event(event).unwrap();
        }
        String::from_utf8(renderer.into_inner().into_inner()).unwrap()
    }

    #[test]
    fn text_flows_and_everything_else_stands_on_its_own_line() {
        let message = StreamEvent::Message { role: Role::Assistant, content: "Hi you".into(), message_id: None, parent_tool_call_id: None };
        let events = [
            StreamEvent::Thinking { content: "hm ".into() },
            StreamEvent::Token { content: "Hi ".into() },
            StreamEvent::Token { content: "you".into() },
            message,
            StreamEvent::Usage(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() }),
        ];
        assert_eq!(shown(&events), "hm \nHi you\n     usage  3 tokens in, 2 out\n");
    }

    #[test]
    fn w7_an_agents_control_characters_do_not_reach_the_terminal() {
        let shown = shown(&[StreamEvent::Token { content: "\u{1b}]0;title\u{7}\u{1b}[2Jx\u{9b}31m\r".into() }]);
        assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\n'), "{shown:?}");
    }

    #[test]
    fn c2_what_could_look_like_something_else_is_spelled_out() {
        let input = serde_json::json!({ "command": "rm \u{202e}txt.exe\u{2066} \u{200b}\u{e0041} 👩\u{200d}💻" });
        let call = crate::types::ToolCall {
            id: "t".into(),
            name: "Bash".into(),
            kind: crate::types::ToolKind::Execute,
            title: input["command"].as_str().unwrap().to_owned(),
            input,
            parent_tool_call_id: None,
        };
        let shown = shown(&[StreamEvent::ToolCall(call)]);
        assert_eq!(shown, "      tool  rm \\u{202e}txt.exe\\u{2066} \\u{200b}\\u{e0041} 👩\u{200d}💻\n");
    }
}
