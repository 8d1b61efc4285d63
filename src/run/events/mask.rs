//! Hides secrets in events before they are written. Pure, and the only place where that is done.
//!
//! Text that comes in pieces, tokens, thinking, a tool's output, is one text for each message or tool call: what may be the beginning of
//! a secret is held back until the next piece tells, or until the text is over. Every event stays in its place, if need be with an empty
//! piece; what is left of a text at its end comes as one more piece before the event that ends it.
//!
//! **After a restart.** What is held back is the beginning of a secret as like as not, so its text is stored nowhere. Its length and
//! its digest are, with the events, as a [`Withheld`]: a server that knows the secrets finds it among their beginnings, and the next piece
//! is joined to it as if nothing had happened.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::secrets::{PendingDigest, PendingText, Secrets};
use crate::types::{Delta, RunDone, StreamEvent};

/// Texts that may be unfinished at once. An agent that has more of them is not writing to be read: the oldest is taken as finished.
const MAX_OPEN: usize = 256;

/// Hides secrets in one run's events, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Masker {
    secrets: Secrets,
    open: Vec<(Text, PendingText)>,
}

/// One text that comes in pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Text {
    kind: Kind,
    /// Of the message or the tool call.
    id: Option<String>,
    /// The tool call whose sub-agent speaks.
    parent: Option<String>,
}

/// What is held back at a place of a log, in a form that can be stored: it tells nothing to who does not know the secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Withheld(Vec<WithheldText>);

/// What is held back of one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WithheldText {
    #[serde(flatten)]
    of: Text,
    #[serde(flatten)]
    stub: PendingDigest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Token,
    Thinking,
    ToolOutput,
}

/// Events as they may be written, with the masker as it is once they are.
pub(super) type Masked<'a> = (Cow<'a, [StreamEvent]>, Option<Masker>);

impl Masker {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, open: Vec::new() }
    }

    /// One that goes on where another one, perhaps of an earlier server, has left off.
    pub(super) fn resumed(secrets: Secrets, withheld: &Withheld) -> Self {
        let open = withheld.0.iter().map(|WithheldText { of, stub }| (of.clone(), secrets.open_again(stub))).collect();
        Self { secrets, open }
    }

    /// What is held back now, unless that is nothing as it was `before`.
    pub(super) fn held_unlike(&self, before: &Self) -> Option<Withheld> {
        if self.open.is_empty() && before.open.is_empty() {
            return None;
        }
        Some(Withheld(self.open.iter().map(|(of, open)| WithheldText { of: of.clone(), stub: open.stub() }).collect()))
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Hides these, too, from now on.
    pub(super) fn add(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    /// `events` without secrets. Without secrets to hide this costs nothing.
    ///
    /// A write can fail and be tried again, so this changes nothing: the masker that goes on from here is in the answer, if it differs.
    pub(super) fn mask<'a>(&self, events: &'a [StreamEvent]) -> Masked<'a> {
        if self.secrets.is_empty() {
            return (Cow::Borrowed(events), None);
        }
        let (mut after, mut masked) = (self.clone(), Vec::with_capacity(events.len()));
        for event in events {
            after.event(event.clone(), &mut masked);
        }
        (Cow::Owned(masked), Some(after))
    }

    /// Hides secrets in what is told of a run's end.
    pub(super) fn done(&self, done: &mut RunDone) {
        let RunDone {
            status: _,
            cause: _,
            message,
            exit_code: _,
            signal: _,
            result,
            usage: _,
            duration_ms: _,
            stderr_tail,
            out_of_memory: _,
        } = done;
        for text in [message, result, stderr_tail].into_iter().flatten() {
            self.secrets.hide(text);
        }
    }

    fn event(&mut self, mut event: StreamEvent, masked: &mut Vec<StreamEvent>) {
        self.finish_texts_before(&event, masked);
        let secrets = &self.secrets;
        match &mut event {
            // What the server says of itself, numbers, and what callers said: if the server dies now, the next one reads that here and
            // gives it to the agent.
            StreamEvent::RunQueued { .. }
            | StreamEvent::RunStarted(_)
            | StreamEvent::Usage(_)
            | StreamEvent::UserMessage { .. }
            | StreamEvent::PermissionResolved { .. }
            | StreamEvent::QuestionResolved { .. } => {}
            StreamEvent::Token { content } => self.piece(Text::of(Kind::Token, content), &mut content.text, masked),
            StreamEvent::Thinking { content } => self.piece(Text::of(Kind::Thinking, content), &mut content.text, masked),
            StreamEvent::ToolOutput { id, content } => self.piece(Text::of_tool(id), content, masked),
            StreamEvent::Message { content, .. } | StreamEvent::ToolResult { content, .. } | StreamEvent::Log { content, .. } => {
                secrets.hide(content);
            }
            StreamEvent::ToolCall(call) => {
                secrets.hide(&mut call.title);
                secrets.hide_in(&mut call.input);
            }
            StreamEvent::FileChange { path, diff, .. } => {
                secrets.hide(path);
                if let Some(diff) = diff {
                    secrets.hide(diff);
                }
            }
            StreamEvent::Plan { entries } => entries.iter_mut().for_each(|entry| secrets.hide(&mut entry.content)),
            StreamEvent::PermissionRequest { input, .. } => secrets.hide_in(input),
            StreamEvent::Question { questions, .. } => {
                let texts = questions.iter_mut().flat_map(|question| std::iter::once(&mut question.text).chain(&mut question.options));
                texts.for_each(|text| secrets.hide(text));
            }
            StreamEvent::Notice { message, data, .. } => {
                secrets.hide(message);
                if let Some(data) = data {
                    secrets.hide_in(data);
                }
            }
            StreamEvent::Raw { line } => secrets.hide(line),
            StreamEvent::AgentError { message, .. } => secrets.hide(message),
            StreamEvent::Done(done) => self.done(done),
        }
        masked.push(event);
    }

    /// The next piece of a text: hides what is secret in it, and holds back what may become that.
    fn piece(&mut self, text: Text, piece: &mut String, masked: &mut Vec<StreamEvent>) {
        let at = self.open.iter().position(|(other, _)| *other == text);
        let mut open = at.map(|at| self.open.remove(at).1).unwrap_or_default();
        *piece = self.secrets.piece(&mut open, piece, false);
        if open.is_empty() {
            return;
        }
        if self.open.len() == MAX_OPEN {
            self.finish(|index, _| index == 0, masked);
        }
        self.open.push((text, open));
    }

    /// Gives what is left of the texts that end with this event. What may stand between two pieces of one text ends none: log lines,
    /// notices, figures, and what other speakers and tools say.
    fn finish_texts_before(&mut self, event: &StreamEvent, masked: &mut Vec<StreamEvent>) {
        if self.open.is_empty() {
            return;
        }
        match event {
            // Of one message's thinking and text, one follows the other.
            StreamEvent::Token { content } => {
                let other = Text::of(Kind::Thinking, content);
                self.finish(|_, text| *text == other, masked);
            }
            StreamEvent::Thinking { content } => {
                let other = Text::of(Kind::Token, content);
                self.finish(|_, text| *text == other, masked);
            }
            StreamEvent::Message { message_id: id, parent_tool_call_id: parent, .. } => {
                let is_its = |text: &Text| text.id == *id || text.id.is_none() || id.is_none();
                self.finish(|_, text| text.kind != Kind::ToolOutput && text.parent == *parent && is_its(text), masked);
            }
            StreamEvent::ToolCall(call) => {
                self.finish(|_, text| text.kind != Kind::ToolOutput && text.parent == call.parent_tool_call_id, masked);
            }
            StreamEvent::ToolResult { id, .. } => {
                let of_tool = Text::of_tool(id);
                self.finish(|_, text| *text == of_tool, masked);
            }
            StreamEvent::Done(_) => self.finish(|_, _| true, masked),
            _ => {}
        }
    }

    fn finish(&mut self, is_over: impl Fn(usize, &Text) -> bool, masked: &mut Vec<StreamEvent>) {
        let mut index = 0;
        let over = self.open.extract_if(.., |(text, _)| {
            index += 1;
            is_over(index - 1, text)
        });
        for (text, mut open) in over {
            let rest = self.secrets.piece(&mut open, "", true);
            if !rest.is_empty() {
                masked.push(text.piece(rest));
            }
        }
    }
}

impl Text {
    fn of(kind: Kind, piece: &Delta) -> Self {
        Self { kind, id: piece.message_id.clone(), parent: piece.parent_tool_call_id.clone() }
    }

    fn of_tool(id: &str) -> Self {
        Self { kind: Kind::ToolOutput, id: Some(id.to_owned()), parent: None }
    }

    /// A piece of it as an event.
    fn piece(self, text: String) -> StreamEvent {
        let Self { kind, id, parent } = self;
        match kind {
            Kind::Token => StreamEvent::Token { content: Delta { text, message_id: id, parent_tool_call_id: parent } },
            Kind::Thinking => StreamEvent::Thinking { content: Delta { text, message_id: id, parent_tool_call_id: parent } },
            Kind::ToolOutput => StreamEvent::ToolOutput { id: id.unwrap_or_default(), content: text },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::types::{
        Cause, Level, LogStream, MessageMode, NoticeCode, PlanEntry, PlanStatus, Question, Role, RunStatus, ToolCall, ToolKind, ToolStatus,
    };

    const SECRET: &str = "tell-nobody-4711";

    fn fresh() -> Masker {
        Masker::new(Secrets::new([SECRET]))
    }

    fn told(writer: &mut Masker, events: &[StreamEvent]) -> Vec<StreamEvent> {
        let (masked, after) = writer.mask(events);
        let masked = masked.into_owned();
        *writer = after.unwrap();
        masked
    }

    fn delta(text: &str, message: &str) -> Delta {
        Delta { text: text.to_owned(), message_id: Some(message.to_owned()), parent_tool_call_id: None }
    }

    fn token(text: &str, message: &str) -> StreamEvent {
        StreamEvent::Token { content: delta(text, message) }
    }

    fn thinking(text: &str, message: &str) -> StreamEvent {
        StreamEvent::Thinking { content: delta(text, message) }
    }

    fn output(text: &str, id: &str) -> StreamEvent {
        StreamEvent::ToolOutput { id: id.into(), content: text.into() }
    }

    fn call(id: &str, input: serde_json::Value) -> StreamEvent {
        let (id, tool, title) = (id.to_owned(), "Bash".to_owned(), format!("echo {SECRET}"));
        StreamEvent::ToolCall(ToolCall { id, tool, kind: ToolKind::Execute, title, input, parent_tool_call_id: None })
    }

    fn message(text: &str, id: Option<&str>) -> StreamEvent {
        let message_id = id.map(str::to_owned);
        StreamEvent::Message { role: Role::Assistant, content: text.into(), message_id, parent_tool_call_id: None }
    }

    fn done(text: &str) -> RunDone {
        RunDone {
            status: RunStatus::Failed,
            cause: Cause::Crashed,
            message: Some(text.to_owned()),
            exit_code: Some(1),
            signal: None,
            result: Some(text.to_owned()),
            usage: None,
            duration_ms: 1,
            stderr_tail: Some(text.to_owned()),
            out_of_memory: false,
        }
    }

    #[test]
    fn a_secret_is_hidden_in_every_text_that_an_event_can_hold() {
        let text = format!("x {SECRET}");
        let question = Question { text: text.clone(), options: vec![text.clone()], multiple: false };
        let events = [
            token(&text, "m"),
            thinking(&text, "m"),
            message(&text, Some("m")),
            call("t", json!({ "command": [text], SECRET: 1 })),
            output(&text, "t"),
            StreamEvent::ToolResult { id: "t".into(), status: ToolStatus::Ok, content: text.clone(), duration_ms: None },
            StreamEvent::FileChange { path: text.clone(), kind: crate::types::FileChangeKind::Update, diff: Some(text.clone()) },
            StreamEvent::Plan { entries: vec![PlanEntry { content: text.clone(), status: PlanStatus::Pending }] },
            StreamEvent::PermissionRequest {
                id: "p".into(),
                tool_call_id: None,
                tool: "Bash".into(),
                kind: ToolKind::Execute,
                input: json!({ "env": { "KEY": SECRET } }),
                options: vec![],
                expires_at: None,
            },
            StreamEvent::Question { id: "q".into(), questions: vec![question] },
            StreamEvent::Notice { level: Level::Info, code: NoticeCode::Other, message: text.clone(), data: Some(json!([text])) },
            StreamEvent::Log { stream: LogStream::Stderr, content: text.clone() },
            StreamEvent::Raw { line: format!(r#"{{"quoted":"{SECRET}"}}"#) },
            StreamEvent::AgentError { code: "c".into(), message: text.clone(), retryable: false },
            StreamEvent::Done(done(&text)),
        ];
        let masked = told(&mut fresh(), &events);
        assert_eq!(masked.len(), events.len());
        for (event, masked) in events.iter().zip(&masked) {
            let json = |event: &StreamEvent| serde_json::to_string(event).unwrap();
            assert!(json(event).contains(SECRET), "else this would show nothing: {event:?}");
            assert_eq!(json(masked), json(event).replace(SECRET, "[masked]"));
        }
    }

    #[test]
    fn what_a_caller_said_is_kept_as_it_was_for_the_agent_to_hear() {
        let (text, by) = (SECRET.to_owned(), crate::types::DecidedBy::User);
        let events = [
            StreamEvent::UserMessage { content: text.clone(), mode: MessageMode::Queue },
            StreamEvent::PermissionResolved { id: "p".into(), decision: crate::types::Decision::Deny, by, reason: Some(text.clone()) },
            StreamEvent::QuestionResolved { id: "q".into(), answers: vec![vec![text]], by },
        ];
        assert_eq!(told(&mut fresh(), &events), events);
    }

    #[test]
    fn a_secret_in_pieces_is_hidden_whatever_comes_between_them() {
        let log = StreamEvent::Log { stream: LogStream::Stderr, content: "aside".into() };
        let events = [token("a tell-", "m"), log.clone(), token("other", "n"), token("no", "m"), token("body-4711 b", "m")];
        let masked = told(&mut fresh(), &events);
        assert_eq!(masked, [token("a ", "m"), log, token("other", "n"), token("", "m"), token("[masked] b", "m")]);
    }

    #[test]
    fn what_is_held_back_is_stored_without_its_text_and_found_by_who_knows_the_secret() {
        let mut writer = fresh();
        told(&mut writer, &[token("a tell-nobody-", "m")]);
        let stored = serde_json::to_string(&writer.held_unlike(&fresh()).unwrap()).unwrap();
        assert!(!stored.contains("tell"), "{stored}");
        let withheld: Withheld = serde_json::from_str(&stored).unwrap();
        let rest = [token("5 b", "m")];
        let knowing = |secret| told(&mut Masker::resumed(Secrets::new([secret]), &withheld), &rest);
        assert_eq!(knowing(SECRET), [token("tell-nobody-5 b", "m")]);
        assert_eq!(knowing("another-secret"), [token("[masked]5 b", "m")]);
        assert_eq!(fresh().held_unlike(&fresh()), None, "nothing is stored where nothing is held back");
    }

    #[test]
    fn what_was_held_back_comes_before_the_end_of_its_text() {
        let mut writer = fresh();
        let begun = [token("a tell", "m"), thinking("b te", "n"), output("c t", "t")];
        assert_eq!(told(&mut writer, &begun), [token("a ", "m"), thinking("b ", "n"), output("c ", "t")]);
        let completions = [thinking("hm", "m"), token("so", "n"), StreamEvent::Usage(crate::types::Usage::default())];
        let expected = [token("tell", "m"), completions[0].clone(), thinking("te", "n"), completions[1].clone(), completions[2].clone()];
        assert_eq!(told(&mut writer, &completions), expected);
        let result = StreamEvent::ToolResult { id: "t".into(), status: ToolStatus::Ok, content: "c t".into(), duration_ms: None };
        assert_eq!(told(&mut writer, std::slice::from_ref(&result)), [output("t", "t"), result]);
        for end in [message("done", Some("m")), message("done", None), call("u", json!({})), StreamEvent::Done(done("over"))] {
            let masked = told(&mut writer, &[token("tel", "m"), end.clone()]);
            assert_eq!(masked[..2], [token("", "m"), token("tel", "m")], "{end:?}");
            assert_eq!(masked.len(), 3);
        }
        assert!(writer.open.is_empty());
    }

    #[test]
    fn texts_without_end_are_bounded() {
        let mut writer = fresh();
        let many: Vec<StreamEvent> = (0..2 * MAX_OPEN).map(|number| token("t", &number.to_string())).collect();
        let masked = told(&mut writer, &many);
        assert_eq!((writer.open.len(), masked.len()), (MAX_OPEN, 3 * MAX_OPEN));
    }

    #[test]
    fn without_secrets_nothing_is_copied() {
        let events = [token("x", "m")];
        assert!(matches!(Masker::default().mask(&events), (Cow::Borrowed(_), None)));
    }

    fn any_event() -> impl Strategy<Value = StreamEvent> {
        let text = || "(tell-nobody|-4711|tell|y|x| ){0,3}";
        let id = || prop_oneof![Just("a"), Just("b")];
        prop_oneof![
            6 => (text(), id()).prop_map(|(text, id)| token(&text, id)),
            2 => (text(), id()).prop_map(|(text, id)| thinking(&text, id)),
            2 => (text(), id()).prop_map(|(text, id)| output(&text, id)),
            1 => (text(), id()).prop_map(|(text, id)| message(&text, Some(id))),
            1 => id().prop_map(|id| call(id, json!({}))),
            1 => text().prop_map(|line| StreamEvent::Raw { line }),
        ]
    }

    /// The text of each message's tokens and thinking, and of each tool's output, from one event that may end a text to the next.
    fn texts(events: &[StreamEvent]) -> BTreeMap<String, String> {
        let (mut texts, mut part, mut before) = (BTreeMap::<String, String>::new(), 0, None);
        for event in events {
            let (key, text) = match event {
                StreamEvent::Token { content } | StreamEvent::Thinking { content } => (format!("{:?}", content.message_id), &content.text),
                StreamEvent::ToolOutput { id, content } => (id.clone(), content),
                StreamEvent::Raw { .. } => continue,
                _ => {
                    part += 1;
                    continue;
                }
            };
            if before.replace(event.name()) != Some(event.name()) {
                part += 1;
            }
            texts.entry(format!("{part} {} {key}", event.name())).or_default().push_str(text);
        }
        texts
    }

    fn letters(events: &[StreamEvent], letter: char) -> usize {
        texts(events).values().map(|text| text.matches(letter).count()).sum()
    }

    proptest! {
        #[test]
        fn batches_and_restarts_change_nothing_and_no_event_is_lost(
            events in proptest::collection::vec(any_event(), 0..30),
            batches in proptest::collection::vec((1_usize..6, any::<bool>()), 0..30),
        ) {
            let mut events = events;
            events.push(StreamEvent::Done(done("over")));
            let whole = told(&mut fresh(), &events);
            let (mut writer, mut written, mut at) = (fresh(), Vec::new(), 0);
            let mut stored = String::from("[]");
            for (size, dies) in batches.into_iter().chain([(usize::MAX, false)]) {
                let end = at + size.min(events.len() - at);
                let before = writer.clone();
                written.extend(told(&mut writer, &events[at..end]));
                at = end;
                if let Some(withheld) = writer.held_unlike(&before) {
                    stored = serde_json::to_string(&withheld).unwrap();
                }
                if dies {
                    writer = Masker::resumed(Secrets::new([SECRET]), &serde_json::from_str(&stored).unwrap());
                }
            }
            prop_assert_eq!(&written, &whole);
            let in_pieces = |event: &&StreamEvent| matches!(event.name(), "token" | "thinking" | "tool_output");
            let kinds = |events: &[StreamEvent]| events.iter().filter(|event| !in_pieces(event)).map(StreamEvent::name).collect::<Vec<_>>();
            prop_assert_eq!(kinds(&whole), kinds(&events));
            prop_assert!(texts(&whole).values().all(|text| !text.contains(SECRET)), "{whole:?}");
            prop_assert_eq!(letters(&whole, 'x'), letters(&events, 'x'));
        }
    }
}
