//! Redacts the events of a run.
//!
//! Tokens, thinking and tool output arrive in pieces; the pieces of one message or tool call form one text. A piece's end that may be the
//! beginning of a secret is withheld until the next piece, or the end of the text, decides. Every event keeps its position, if necessary
//! with an empty piece; what is still withheld at the end of a text becomes an additional piece before the event that ends it.
//!
//! **Restarts.** Withheld text is probably part of a secret, so it is not stored. Its length and digest are stored with the events, as
//! [`Withheld`]: a server that knows the secrets finds the text among their prefixes and joins the next piece to it.

use std::borrow::Cow;

use super::Secrets;
use super::secrets::PendingText;
use crate::types::{Delta, Question, RunDone, SplitText, SplitTextKind, StreamEvent, Withheld, WithheldText};

/// Maximum number of unfinished texts. When it is exceeded, the oldest one is treated as finished.
const MAX_PENDING: usize = 256;

/// Redacts one run's events, in their order.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    secrets: Secrets,
    pending: Vec<(SplitText, PendingText)>,
}

impl Redactor {
    /// A redactor for a new log.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, pending: Vec::new() }
    }

    /// A redactor that continues after another one, possibly of an earlier server, which withheld `withheld`.
    pub fn resume(secrets: Secrets, withheld: &Withheld) -> Self {
        let pending = withheld.0.iter().map(|WithheldText { text, pending }| (text.clone(), secrets.restore_pending(pending))).collect();
        Self { secrets, pending }
    }

    /// What is withheld now; `None` if nothing is and nothing was in `before`, so that there is no change to store.
    pub fn withheld_since(&self, before: &Self) -> Option<Withheld> {
        if self.pending.is_empty() && before.pending.is_empty() {
            return None;
        }
        let withheld = |(text, pending): &(SplitText, PendingText)| WithheldText { text: text.clone(), pending: pending.digest() };
        Some(Withheld(self.pending.iter().map(withheld).collect()))
    }

    /// The secrets that are redacted.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Redacts these secrets from now on, instead of those before.
    pub fn set_secrets(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    /// `events` without secrets, and the redactor for the events after them, if it differs. The redactor itself does not change, so that
    /// a failed write can be repeated. Does not copy the events if there are no secrets.
    pub fn redact<'a>(&self, events: &'a [StreamEvent]) -> (Cow<'a, [StreamEvent]>, Option<Self>) {
        if self.secrets.is_empty() {
            return (Cow::Borrowed(events), None);
        }
        let (mut next, mut redacted) = (self.clone(), Vec::with_capacity(events.len()));
        for event in events {
            next.redact_event(event.clone(), &mut redacted);
        }
        (Cow::Owned(redacted), Some(next))
    }

    /// Redacts the end of a run.
    pub fn redact_done(&self, done: &mut RunDone) {
        let RunDone {
            status: _,
            cause: _,
            message,
            exit_code: _,
            signal: _,
            result,
            output,
            usage: _,
            duration_ms: _,
            stderr_tail,
            out_of_memory: _,
        } = done;
        for text in [message, result, stderr_tail].into_iter().flatten() {
            self.secrets.redact(text);
        }
        if let Some(output) = output {
            self.secrets.redact_json(output);
        }
    }

    fn redact_event(&mut self, mut event: StreamEvent, out: &mut Vec<StreamEvent>) {
        self.finish_texts_before(&event, out);
        let secrets = &self.secrets;
        match &mut event {
            // Written by the server, numbers, or input of the caller, which the next server reads from the log and gives to the agent.
            StreamEvent::RunQueued { .. }
            | StreamEvent::RunStarted(_)
            | StreamEvent::Changes { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::UserMessage { .. }
            | StreamEvent::PermissionResolved { .. }
            | StreamEvent::QuestionResolved { .. } => {}
            StreamEvent::Token { content } => self.redact_piece(delta_text(SplitTextKind::Token, content), &mut content.text, out),
            StreamEvent::Thinking { content } => self.redact_piece(delta_text(SplitTextKind::Thinking, content), &mut content.text, out),
            StreamEvent::ToolOutput { id, content } => self.redact_piece(tool_text(id), content, out),
            StreamEvent::Message { content, .. } | StreamEvent::ToolResult { content, .. } | StreamEvent::Log { content, .. } => {
                secrets.redact(content);
            }
            StreamEvent::ToolCall(call) => {
                secrets.redact(&mut call.title);
                secrets.redact_json(&mut call.input);
            }
            StreamEvent::FileChange { path, diff, .. } => {
                secrets.redact(path);
                if let Some(diff) = diff {
                    secrets.redact(diff);
                }
            }
            StreamEvent::Plan { entries } => entries.iter_mut().for_each(|entry| secrets.redact(&mut entry.content)),
            StreamEvent::TaskStarted { title: text, .. } | StreamEvent::TaskUpdated { message: text, .. } => secrets.redact(text),
            StreamEvent::TaskEnded { message, .. } => {
                if let Some(message) = message {
                    secrets.redact(message);
                }
            }
            StreamEvent::SessionUpdated(update) => update.texts_mut().for_each(|text| secrets.redact(text)),
            StreamEvent::PermissionRequest { input, choices, .. } => {
                secrets.redact_json(input);
                for choice in choices.iter_mut() {
                    secrets.redact(&mut choice.name);
                }
            }
            StreamEvent::Question { questions, .. } => {
                questions.iter_mut().flat_map(Question::texts_mut).for_each(|text| secrets.redact(text));
            }
            StreamEvent::Notice { message, data, .. } => {
                secrets.redact(message);
                if let Some(data) = data {
                    secrets.redact_json(data);
                }
            }
            StreamEvent::Raw { line } => secrets.redact(line),
            StreamEvent::AgentError { message, .. } => secrets.redact(message),
            // The agent chooses the name, so it can be a secret.
            StreamEvent::Network(network) => secrets.redact(&mut network.host),
            StreamEvent::Done(done) => self.redact_done(done),
        }
        out.push(event);
    }

    /// Redacts the next piece of a text, and withholds its end if that may be the beginning of a secret.
    fn redact_piece(&mut self, text: SplitText, piece: &mut String, out: &mut Vec<StreamEvent>) {
        let index = self.pending.iter().position(|(other, _)| *other == text);
        let mut pending = index.map(|index| self.pending.remove(index).1).unwrap_or_default();
        *piece = self.secrets.redact_piece(&mut pending, piece, false);
        if pending.is_empty() {
            return;
        }
        if self.pending.len() == MAX_PENDING {
            self.finish_texts(|index, _| index == 0, out);
        }
        self.pending.push((text, pending));
    }

    /// Emits what is withheld of the texts that end with this event. Events that may occur between two pieces of one text end none: logs,
    /// notices, usage, and the output of other agents and tools.
    fn finish_texts_before(&mut self, event: &StreamEvent, out: &mut Vec<StreamEvent>) {
        if self.pending.is_empty() {
            return;
        }
        match event {
            // The thinking and the text of a message do not overlap.
            StreamEvent::Token { content } => {
                let other = delta_text(SplitTextKind::Thinking, content);
                self.finish_texts(|_, text| *text == other, out);
            }
            StreamEvent::Thinking { content } => {
                let other = delta_text(SplitTextKind::Token, content);
                self.finish_texts(|_, text| *text == other, out);
            }
            StreamEvent::Message { message_id: id, parent_tool_call_id: parent, .. } => {
                let has_id = |text: &SplitText| text.id == *id || text.id.is_none() || id.is_none();
                let ends = |text: &SplitText| text.kind != SplitTextKind::ToolOutput && text.parent_tool_call_id == *parent && has_id(text);
                self.finish_texts(|_, text| ends(text), out);
            }
            StreamEvent::ToolCall(call) => {
                let parent = &call.parent_tool_call_id;
                self.finish_texts(|_, text| text.kind != SplitTextKind::ToolOutput && text.parent_tool_call_id == *parent, out);
            }
            StreamEvent::ToolResult { id, .. } => {
                let ended = tool_text(id);
                self.finish_texts(|_, text| *text == ended, out);
            }
            StreamEvent::Done(_) => self.finish_texts(|_, _| true, out),
            _ => {}
        }
    }

    /// Emits what is withheld of the texts that `ends` selects by index and text.
    fn finish_texts(&mut self, ends: impl Fn(usize, &SplitText) -> bool, out: &mut Vec<StreamEvent>) {
        let mut index = 0;
        let ended = self.pending.extract_if(.., |(text, _)| {
            index += 1;
            ends(index - 1, text)
        });
        for (text, mut pending) in ended {
            let rest = self.secrets.redact_piece(&mut pending, "", true);
            if !rest.is_empty() {
                out.push(piece_event(text, rest));
            }
        }
    }
}

fn delta_text(kind: SplitTextKind, piece: &Delta) -> SplitText {
    SplitText { kind, id: piece.message_id.clone(), parent_tool_call_id: piece.parent_tool_call_id.clone() }
}

fn tool_text(id: &str) -> SplitText {
    SplitText { kind: SplitTextKind::ToolOutput, id: Some(id.to_owned()), parent_tool_call_id: None }
}

/// The event for another piece of a text.
fn piece_event(text: SplitText, piece: String) -> StreamEvent {
    let SplitText { kind, id, parent_tool_call_id } = text;
    match kind {
        SplitTextKind::Token => StreamEvent::Token { content: Delta { text: piece, message_id: id, parent_tool_call_id } },
        SplitTextKind::Thinking => StreamEvent::Thinking { content: Delta { text: piece, message_id: id, parent_tool_call_id } },
        SplitTextKind::ToolOutput => StreamEvent::ToolOutput { id: id.unwrap_or_default(), content: piece },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::types::{
        AgentCommand, Cause, Level, LogStream, MessageMode, NoticeCode, PermissionChoice, PlanEntry, PlanStatus, QuestionOption, Role,
        RunStatus, SessionUpdate, TaskKind, TaskStatus, ToolCall, ToolKind, ToolStatus,
    };

    const SECRET: &str = "correct-horse-4711";

    fn fresh() -> Redactor {
        Redactor::new(Secrets::new([SECRET]))
    }

    fn redact(redactor: &mut Redactor, events: &[StreamEvent]) -> Vec<StreamEvent> {
        let (redacted, next) = redactor.redact(events);
        let redacted = redacted.into_owned();
        *redactor = next.unwrap();
        redacted
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
            output: Some(text.into()),
            usage: None,
            duration_ms: 1,
            stderr_tail: Some(text.to_owned()),
            out_of_memory: false,
        }
    }

    #[test]
    fn every_text_in_an_event_is_redacted() {
        let text = format!("x {SECRET}");
        let some = || Some(text.clone());
        let option = QuestionOption { name: text.clone(), description: some(), preview: some() };
        let question = Question { text: text.clone(), header: some(), options: vec![option], multiple: false };
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
                choices: vec![PermissionChoice { id: "c".into(), name: text.clone(), decision: crate::types::Decision::Deny }],
                expires_at: None,
            },
            StreamEvent::TaskStarted { id: "b".into(), kind: TaskKind::Command, title: text.clone(), tool_call_id: None },
            StreamEvent::TaskUpdated { id: "b".into(), message: text.clone() },
            StreamEvent::TaskEnded { id: "b".into(), status: TaskStatus::Completed, message: some() },
            StreamEvent::SessionUpdated(SessionUpdate {
                title: some(),
                mode: some(),
                model: some(),
                commands: Some(vec![AgentCommand { name: text.clone(), description: text.clone(), input_hint: some() }]),
                context: None,
            }),
            StreamEvent::Question { id: "q".into(), questions: vec![question] },
            StreamEvent::Notice { level: Level::Info, code: NoticeCode::Other, message: text.clone(), data: Some(json!([text])) },
            StreamEvent::Log { stream: LogStream::Stderr, content: text.clone() },
            StreamEvent::Raw { line: format!(r#"{{"quoted":"{SECRET}"}}"#) },
            StreamEvent::AgentError { code: "c".into(), message: text.clone(), retryable: false },
            StreamEvent::Done(done(&text)),
        ];
        let redacted = redact(&mut fresh(), &events);
        assert_eq!(redacted.len(), events.len());
        for (event, redacted) in events.iter().zip(&redacted) {
            let json = |event: &StreamEvent| serde_json::to_string(event).unwrap();
            assert!(json(event).contains(SECRET), "test event without a secret: {event:?}");
            assert_eq!(json(redacted), json(event).replace(SECRET, "[masked]"));
        }
    }

    #[test]
    fn input_of_the_caller_is_not_redacted() {
        let (text, by) = (SECRET.to_owned(), crate::types::DecidedBy::User);
        let events = [
            StreamEvent::UserMessage { content: text.clone(), mode: MessageMode::Queue, attachments: Vec::new() },
            StreamEvent::PermissionResolved {
                id: "p".into(),
                decision: crate::types::Decision::Deny,
                option_id: None,
                by,
                reason: Some(text.clone()),
            },
            StreamEvent::QuestionResolved { id: "q".into(), answers: vec![vec![text]], by },
        ];
        assert_eq!(redact(&mut fresh(), &events), events);
    }

    #[test]
    fn a_secret_in_pieces_is_redacted_across_other_events() {
        let log = StreamEvent::Log { stream: LogStream::Stderr, content: "aside".into() };
        let events = [token("a correct-", "m"), log.clone(), token("other", "n"), token("ho", "m"), token("rse-4711 b", "m")];
        let redacted = redact(&mut fresh(), &events);
        assert_eq!(redacted, [token("a ", "m"), log, token("other", "n"), token("", "m"), token("[masked] b", "m")]);
    }

    #[test]
    fn withheld_text_is_stored_as_a_digest_and_restored_with_the_secret() {
        let mut redactor = fresh();
        redact(&mut redactor, &[token("a correct-horse-", "m")]);
        let stored = serde_json::to_string(&redactor.withheld_since(&fresh()).unwrap()).unwrap();
        assert!(!stored.contains("correct"), "{stored}");
        let withheld: Withheld = serde_json::from_str(&stored).unwrap();
        let rest = [token("5 b", "m")];
        let resume = |secret| redact(&mut Redactor::resume(Secrets::new([secret]), &withheld), &rest);
        assert_eq!(resume(SECRET), [token("correct-horse-5 b", "m")]);
        assert_eq!(resume("another-secret"), [token("[masked]5 b", "m")]);
        assert_eq!(fresh().withheld_since(&fresh()), None, "nothing is stored if nothing is withheld");
    }

    #[test]
    fn withheld_text_is_emitted_before_the_end_of_its_text() {
        let mut redactor = fresh();
        let begun = [token("a corr", "m"), thinking("b co", "n"), output("c c", "t")];
        assert_eq!(redact(&mut redactor, &begun), [token("a ", "m"), thinking("b ", "n"), output("c ", "t")]);
        let events = [thinking("hm", "m"), token("so", "n"), StreamEvent::Usage(crate::types::Usage::default())];
        let expected = [token("corr", "m"), events[0].clone(), thinking("co", "n"), events[1].clone(), events[2].clone()];
        assert_eq!(redact(&mut redactor, &events), expected);
        let result = StreamEvent::ToolResult { id: "t".into(), status: ToolStatus::Ok, content: "c c".into(), duration_ms: None };
        assert_eq!(redact(&mut redactor, std::slice::from_ref(&result)), [output("c", "t"), result]);
        for end in [message("done", Some("m")), message("done", None), call("u", json!({})), StreamEvent::Done(done("over"))] {
            let redacted = redact(&mut redactor, &[token("cor", "m"), end.clone()]);
            assert_eq!(redacted[..2], [token("", "m"), token("cor", "m")], "{end:?}");
            assert_eq!(redacted.len(), 3);
        }
        assert!(redactor.pending.is_empty());
    }

    #[test]
    fn the_number_of_unfinished_texts_is_bounded() {
        let mut redactor = fresh();
        let many: Vec<StreamEvent> = (0..2 * MAX_PENDING).map(|number| token("c", &number.to_string())).collect();
        let redacted = redact(&mut redactor, &many);
        assert_eq!((redactor.pending.len(), redacted.len()), (MAX_PENDING, 3 * MAX_PENDING));
    }

    #[test]
    fn events_are_not_copied_without_secrets() {
        let events = [token("x", "m")];
        assert!(matches!(Redactor::default().redact(&events), (Cow::Borrowed(_), None)));
    }

    fn any_event() -> impl Strategy<Value = StreamEvent> {
        let text = || "(correct-horse|-4711|corr|y|x| ){0,3}";
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

    /// The tokens and thinking of each message and the output of each tool, joined between events that may end a text.
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
        fn batches_and_restarts_do_not_change_the_result(
            events in proptest::collection::vec(any_event(), 0..30),
            batches in proptest::collection::vec((1_usize..6, any::<bool>()), 0..30),
        ) {
            let mut events = events;
            events.push(StreamEvent::Done(done("over")));
            let whole = redact(&mut fresh(), &events);
            let (mut redactor, mut written, mut at) = (fresh(), Vec::new(), 0);
            let mut stored = String::from("[]");
            for (size, restarts) in batches.into_iter().chain([(usize::MAX, false)]) {
                let end = at + size.min(events.len() - at);
                let before = redactor.clone();
                written.extend(redact(&mut redactor, &events[at..end]));
                at = end;
                if let Some(withheld) = redactor.withheld_since(&before) {
                    stored = serde_json::to_string(&withheld).unwrap();
                }
                if restarts {
                    redactor = Redactor::resume(Secrets::new([SECRET]), &serde_json::from_str(&stored).unwrap());
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
