//! What an agent has asked and nobody has answered yet. Pure: no I/O, and the clock is the caller's.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::redact::Secrets;
use crate::types::{Answer, DecidedBy, Decision, Question, StreamEvent, Timestamp, ToolKind};

/// An open request, as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = OpenRequest)]
pub struct RequestView {
    /// Its id, for the answer.
    pub id: String,
    /// What is asked.
    #[serde(flatten)]
    pub asks: RequestKind,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it is answered by itself: denied, or told that nobody is there.
    pub expires_at: Timestamp,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequestKind {
    /// Whether a tool may be used. Answered with a decision.
    Permission {
        /// The tool call that waits.
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
        /// The agent's name of the tool.
        tool: String,
        /// What sort of tool it is.
        kind: ToolKind,
        /// Exactly what will run if it is allowed.
        input: Value,
        /// The answers that the agent takes.
        options: Vec<Decision>,
    },
    /// Something that only a person knows. Answered with answers.
    Question {
        /// What is asked.
        questions: Vec<Question>,
    },
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The run never asked that.
    #[error("the run has no request {0:?}")]
    Unknown(String),
    /// Somebody or something was quicker.
    #[error("request {0:?} was answered already")]
    AnsweredAlready(String),
    /// A decision where answers are wanted, or the other way round.
    #[error("request {id:?} wants {wanted}")]
    WrongKind {
        /// The request.
        id: String,
        /// What it wants.
        wanted: &'static str,
    },
    /// Not one of the answers that the agent takes.
    #[error("the agent does not take this decision; it takes: {0}")]
    UnknownOption(String),
    /// Not one list of answers for each question, or several answers where one is wanted.
    #[error("{0}")]
    WrongCount(String),
}

/// The open requests of one run.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: Vec<(RequestView, Instant)>,
    /// Every request that was answered. Ids are short, and a run has few of them.
    answered: BTreeSet<String>,
}

impl Requests {
    pub(super) fn open(&mut self, request: RequestView, deadline: Instant) {
        self.open.push((request, deadline));
    }

    /// Remembers a request that was answered at once.
    pub(super) fn answered_at_once(&mut self, id: String) {
        self.answered.insert(id);
    }

    pub(super) fn views(&self) -> Vec<RequestView> {
        self.open.iter().map(|(request, _)| request.clone()).collect()
    }

    /// Whether `answer` is one for the request `id`.
    pub(super) fn check(&self, id: &str, answer: &Answer) -> Result<(), BadAnswer> {
        let Some((request, _)) = self.open.iter().find(|(request, _)| request.id == id) else {
            let id = id.to_owned();
            return Err(if self.answered.contains(&id) { BadAnswer::AnsweredAlready(id) } else { BadAnswer::Unknown(id) });
        };
        match (&request.asks, answer) {
            (RequestKind::Permission { options, .. }, Answer::Permission { decision, .. }) if options.contains(decision) => Ok(()),
            (RequestKind::Permission { options, .. }, Answer::Permission { .. }) => {
                Err(BadAnswer::UnknownOption(options.iter().map(|option| option.as_str()).collect::<Vec<_>>().join(", ")))
            }
            (RequestKind::Question { questions }, Answer::Question { answers }) => {
                if questions.len() != answers.len() {
                    return Err(BadAnswer::WrongCount(format!("there are {} questions and {} answers", questions.len(), answers.len())));
                }
                let too_many = questions.iter().zip(answers).position(|(question, given)| !question.multiple && given.len() > 1);
                too_many.map_or(Ok(()), |at| Err(BadAnswer::WrongCount(format!("question {} takes one answer", at + 1))))
            }
            (RequestKind::Permission { .. }, _) => Err(BadAnswer::WrongKind { id: id.to_owned(), wanted: "a decision" }),
            (RequestKind::Question { .. }, _) => Err(BadAnswer::WrongKind { id: id.to_owned(), wanted: "answers" }),
        }
    }

    /// Takes a request from the open ones. `false` if it is not among them: it was answered before, or never asked.
    pub(super) fn close(&mut self, id: &str) -> bool {
        let Some(at) = self.open.iter().position(|(request, _)| request.id == id) else { return false };
        let (request, _) = self.open.remove(at);
        self.answered.insert(request.id);
        true
    }

    /// When the next request is answered by itself.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|(_, deadline)| *deadline).min()
    }

    /// When the last of the open requests is answered by itself.
    pub(super) fn last_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|(_, deadline)| *deadline).max()
    }

    /// Requests whose time is over, each with the answer that it then has.
    pub(super) fn expired(&self, now: Instant) -> Vec<(String, Answer)> {
        let over = self.open.iter().filter(|(_, deadline)| *deadline <= now);
        over.map(|(request, _)| (request.id.clone(), request.asks.unanswered("nobody answered in time"))).collect()
    }

    /// All open requests, each with the answer that it has when the run ends.
    pub(super) fn void(&mut self) -> Vec<(String, Answer)> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|(request, _)| (request.id, request.asks.unanswered("the run has ended"))).collect()
    }
}

impl RequestKind {
    /// Hides secrets in what is shown. What runs if it is allowed is the agent's own and stays as it is.
    pub(super) fn hide(&mut self, secrets: &Secrets) {
        match self {
            Self::Permission { input, .. } => secrets.redact_json(input),
            Self::Question { questions } => {
                let texts = questions.iter_mut().flat_map(|question| std::iter::once(&mut question.text).chain(&mut question.options));
                texts.for_each(|text| secrets.redact(text));
            }
        }
    }

    fn unanswered(&self, why: &str) -> Answer {
        match self {
            Self::Permission { .. } => Answer::Permission { decision: Decision::Deny, message: Some(why.to_owned()) },
            Self::Question { questions } => Answer::Question { answers: vec![Vec::new(); questions.len()] },
        }
    }
}

/// The event that tells of an answer.
pub(super) fn resolved(id: &str, answer: &Answer, by: DecidedBy) -> StreamEvent {
    match answer {
        Answer::Permission { decision, message } => {
            StreamEvent::PermissionResolved { id: id.to_owned(), decision: *decision, by, reason: message.clone() }
        }
        Answer::Question { answers } => StreamEvent::QuestionResolved { id: id.to_owned(), answers: answers.clone(), by },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission(id: &str) -> RequestView {
        let asks = RequestKind::Permission {
            tool_call_id: None,
            tool: "Write".into(),
            kind: ToolKind::Edit,
            input: Value::Null,
            options: vec![Decision::AllowOnce, Decision::Deny],
        };
        RequestView { id: id.into(), asks, created_at: Timestamp::from_millis(0), expires_at: Timestamp::from_millis(1) }
    }

    fn question(id: &str) -> RequestView {
        let one = Question { text: "which?".into(), options: vec!["a".into()], multiple: false };
        let several = Question { multiple: true, ..one.clone() };
        RequestView { asks: RequestKind::Question { questions: vec![one, several] }, ..permission(id) }
    }

    fn allow() -> Answer {
        Answer::Permission { decision: Decision::AllowOnce, message: None }
    }

    fn answers(answers: &[&[&str]]) -> Answer {
        Answer::Question { answers: answers.iter().map(|given| given.iter().map(|text| (*text).to_owned()).collect()).collect() }
    }

    #[test]
    fn an_answer_must_fit_what_was_asked() {
        let mut requests = Requests::default();
        let now = Instant::now();
        requests.open(permission("p"), now);
        requests.open(question("q"), now);
        assert_eq!(requests.check("p", &allow()), Ok(()));
        let always = Answer::Permission { decision: Decision::AllowAlways, message: None };
        assert_eq!(requests.check("p", &always), Err(BadAnswer::UnknownOption("allow_once, deny".into())));
        assert!(matches!(requests.check("p", &answers(&[])), Err(BadAnswer::WrongKind { wanted: "a decision", .. })));
        assert!(matches!(requests.check("q", &allow()), Err(BadAnswer::WrongKind { wanted: "answers", .. })));
        assert_eq!(requests.check("q", &answers(&[&["free text"], &["a", "b"]])), Ok(()));
        assert!(matches!(requests.check("q", &answers(&[&["a"]])), Err(BadAnswer::WrongCount(_))));
        assert!(matches!(requests.check("q", &answers(&[&["a", "b"], &[]])), Err(BadAnswer::WrongCount(_))));
        assert!(matches!(requests.check("x", &allow()), Err(BadAnswer::Unknown(_))));
        assert!(requests.close("p"));
        assert!(matches!(requests.check("p", &allow()), Err(BadAnswer::AnsweredAlready(_))));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask(u8),
        Answer(u8),
        Withdraw(u8),
        Expire,
        End,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..6).prop_map(Step::Ask),
            (0_u8..6).prop_map(Step::Answer),
            (0_u8..6).prop_map(Step::Withdraw),
            Just(Step::Expire),
            Just(Step::End)
        ]
    }

    proptest! {
        #[test]
        fn every_request_is_resolved_once_whatever_comes_when(steps in proptest::collection::vec(any_step(), 0..40)) {
            let mut requests = Requests::default();
            let now = Instant::now();
            let (mut asked, mut resolved) = (Vec::new(), Vec::new());
            for step in steps.into_iter().chain([Step::End]) {
                match step {
                    Step::Ask(id) => {
                        let id = format!("{id}-{}", asked.len());
                        requests.open(permission(&id), now);
                        asked.push(id);
                    }
                    Step::Answer(which) | Step::Withdraw(which) => {
                        let Some(id) = asked.get(usize::from(which)).cloned() else { continue };
                        let open = requests.check(&id, &allow()).is_ok();
                        prop_assert_eq!(requests.close(&id), open);
                        if open { resolved.push(id); }
                    }
                    Step::Expire => {
                        for (id, _) in requests.expired(now) {
                            prop_assert!(requests.close(&id));
                            resolved.push(id);
                        }
                    }
                    Step::End => resolved.extend(requests.void().into_iter().map(|(id, _)| id)),
                }
            }
            resolved.sort();
            asked.sort();
            prop_assert_eq!(resolved, asked);
            prop_assert!(requests.views().is_empty());
        }
    }
}
