//! The open requests of a run: permission requests and questions without an answer. Pure: no I/O; the caller passes the time.

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::redact::Secrets;
use crate::types::bounds::{MAX_ANSWERED_REQUESTS, MAX_OPEN_REQUEST_BYTES, MAX_OPEN_REQUESTS};
use crate::types::{Answer, DecidedBy, Decision, PermissionChoice, Question, Recent, StreamEvent, Timestamp, ToolKind};

/// A permission request or question that the agent is waiting on.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = OpenRequest)]
pub struct RequestView {
    /// ID of the request, used to answer it.
    pub id: String,
    /// The content of the request.
    #[serde(flatten)]
    pub kind: RequestKind,
    /// When the request was opened.
    pub created_at: Timestamp,
    /// When the request expires: a permission request is then denied, a question gets empty answers.
    pub expires_at: Timestamp,
}

/// The content of a request.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequestKind {
    /// A request for permission to use a tool. Answered with `decision`.
    Permission {
        /// ID of the tool call that needs permission.
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
        /// Name of the tool, as the agent reports it.
        tool: String,
        /// Kind of tool.
        kind: ToolKind,
        /// Complete input of the tool call, as it will run if allowed.
        input: Value,
        /// Decisions that the agent accepts.
        options: Vec<Decision>,
        /// The agent's own options, if it names them. An answer may choose one of them by its `id`, as `option_id`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        choices: Vec<PermissionChoice>,
    },
    /// Questions to the user. Answered with `answers`.
    Question {
        /// The questions.
        questions: Vec<Question>,
    },
}

/// Why an answer was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The run has no request with this id.
    #[error("request {0:?} not found")]
    Unknown(String),
    /// The request has been answered, by a client, a rule or a timeout.
    #[error("request {0:?} has already been answered")]
    AlreadyAnswered(String),
    /// A decision for a question, or answers for a permission request.
    #[error("request {id:?} requires `{expected}`")]
    WrongKind {
        /// ID of the request.
        id: String,
        /// The required field.
        expected: &'static str,
    },
    /// A decision that the agent does not accept; contains those that it accepts.
    #[error("the agent does not accept this decision; use one of: {0}")]
    UnknownOption(String),
    /// An option that the request does not have, or that stands for another decision; contains those that it has.
    #[error("{0}")]
    UnknownChoice(String),
    /// Not one list of answers per question, or several answers to a single-choice question.
    #[error("{0}")]
    WrongCount(String),
}

/// The open requests of one run.
#[derive(Debug)]
pub(super) struct Requests {
    open: Vec<OpenRequest>,
    /// Size of all open requests.
    bytes: usize,
    answered: Recent<()>,
}

#[derive(Debug)]
struct OpenRequest {
    view: RequestView,
    deadline: Instant,
    bytes: usize,
}

/// A request cannot be opened because of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LimitReached {
    #[error("{MAX_OPEN_REQUESTS} requests are open, the maximum")]
    Count,
    #[error("the open requests exceed {MAX_OPEN_REQUEST_BYTES} bytes, the maximum")]
    Bytes,
}

impl LimitReached {
    /// The name of the limit in notices.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "open_requests",
            Self::Bytes => "open_request_bytes",
        }
    }

    pub(super) fn max(self) -> usize {
        match self {
            Self::Count => MAX_OPEN_REQUESTS,
            Self::Bytes => MAX_OPEN_REQUEST_BYTES,
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self { open: Vec::new(), bytes: 0, answered: Recent::new(MAX_ANSWERED_REQUESTS) }
    }
}

impl Requests {
    /// Opens a request.
    ///
    /// # Errors
    /// [`LimitReached`] if too many are open.
    pub(super) fn open(&mut self, request: RequestView, deadline: Instant) -> Result<(), LimitReached> {
        if self.open.len() >= MAX_OPEN_REQUESTS {
            return Err(LimitReached::Count);
        }
        if !self.open.is_empty() && self.bytes + size(&request.kind) > MAX_OPEN_REQUEST_BYTES {
            return Err(LimitReached::Bytes);
        }
        self.reopen(request, deadline);
        Ok(())
    }

    /// Opens a request that an earlier server had opened.
    pub(super) fn reopen(&mut self, view: RequestView, deadline: Instant) {
        let bytes = size(&view.kind);
        self.bytes += bytes;
        self.open.push(OpenRequest { view, deadline, bytes });
    }

    /// Sets the requests that an earlier server answered.
    pub(super) fn set_answered(&mut self, answered: Recent<()>) {
        self.answered = answered;
    }

    /// Whether a request is open.
    pub(super) fn is_open(&self, id: &str) -> bool {
        self.open.iter().any(|request| request.view.id == id)
    }

    /// The open requests with the answers that they get when no user answers, for this reason.
    pub(super) fn default_answers(&self, reason: &str) -> Vec<(String, Answer)> {
        self.open.iter().map(|request| (request.view.id.clone(), request.view.kind.default_answer(reason))).collect()
    }

    /// Records a request that was answered without having been open.
    pub(super) fn mark_answered(&mut self, id: &str) {
        self.answered.insert(id, ());
    }

    pub(super) fn views(&self) -> Vec<RequestView> {
        self.open.iter().map(|request| request.view.clone()).collect()
    }

    /// Validates `answer` for the request `id`.
    pub(super) fn check(&self, id: &str, answer: &Answer) -> Result<(), BadAnswer> {
        let Some(request) = self.open.iter().find(|request| request.view.id == id) else {
            let is_answered = self.answered.contains(id);
            return Err(if is_answered { BadAnswer::AlreadyAnswered(id.to_owned()) } else { BadAnswer::Unknown(id.to_owned()) });
        };
        match (&request.view.kind, answer) {
            (RequestKind::Permission { choices, .. }, Answer::Permission { decision, option_id: Some(chosen), .. }) => {
                check_choice(choices, chosen, *decision)
            }
            (RequestKind::Permission { options, .. }, Answer::Permission { decision, .. }) if options.contains(decision) => Ok(()),
            (RequestKind::Permission { options, choices, .. }, Answer::Permission { decision, .. }) => {
                let ambiguous = choices.iter().any(|choice| choice.decision == *decision);
                let hint = if ambiguous { format!("; or name one of its options with option_id: {}", ids(choices)) } else { String::new() };
                let options: Vec<&str> = options.iter().map(|option| option.as_str()).collect();
                Err(BadAnswer::UnknownOption(format!("{}{hint}", options.join(", "))))
            }
            (RequestKind::Question { questions }, Answer::Question { answers }) => {
                if questions.len() != answers.len() {
                    return Err(BadAnswer::WrongCount(format!("expected {} answers, got {}", questions.len(), answers.len())));
                }
                let too_many = questions.iter().zip(answers).position(|(question, given)| !question.multiple && given.len() > 1);
                too_many.map_or(Ok(()), |index| Err(BadAnswer::WrongCount(format!("question {} accepts only one answer", index + 1))))
            }
            (RequestKind::Permission { .. }, _) => Err(BadAnswer::WrongKind { id: id.to_owned(), expected: "decision" }),
            (RequestKind::Question { .. }, _) => Err(BadAnswer::WrongKind { id: id.to_owned(), expected: "answers" }),
        }
    }

    /// Closes an open request. Returns `false` if it is not open: already answered, or unknown.
    pub(super) fn close(&mut self, id: &str) -> bool {
        let Some(index) = self.open.iter().position(|request| request.view.id == id) else { return false };
        self.bytes -= self.open.remove(index).bytes;
        self.answered.insert(id, ());
        true
    }

    /// When the next request expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|request| request.deadline).min()
    }

    /// When the last open request expires.
    pub(super) fn last_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|request| request.deadline).max()
    }

    /// The requests that have expired at `now`, each with its default answer.
    pub(super) fn expired(&self, now: Instant) -> Vec<(String, Answer)> {
        let expired = self.open.iter().filter(|request| request.deadline <= now);
        expired.map(|request| (request.view.id.clone(), request.view.kind.default_answer("no answer in time"))).collect()
    }

    /// Lets no request expire before `at`.
    pub(super) fn postpone(&mut self, at: Instant) {
        for request in &mut self.open {
            request.deadline = request.deadline.max(at);
        }
    }

    /// Closes all requests because the run ends. Returns them with their default answers.
    pub(super) fn close_all(&mut self) -> Vec<(String, Answer)> {
        self.bytes = 0;
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|request| (request.view.id, request.view.kind.default_answer("the run has ended"))).collect()
    }
}

/// Size of a request as JSON, in bytes.
fn size(kind: &RequestKind) -> usize {
    struct Count(usize);

    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Cannot fail: all keys are strings.
    let _ = serde_json::to_writer(&mut count, kind);
    count.0
}

impl RequestKind {
    /// Masks secrets in the content shown to clients. The tool call itself, which the agent keeps, is unaffected.
    pub(super) fn hide(&mut self, secrets: &Secrets) {
        match self {
            Self::Permission { input, choices, .. } => {
                secrets.redact_json(input);
                for choice in choices.iter_mut() {
                    secrets.redact(&mut choice.name);
                }
            }
            Self::Question { questions } => questions.iter_mut().flat_map(Question::texts_mut).for_each(|text| secrets.redact(text)),
        }
    }

    /// The answer when no user gives one: deny, or empty answers.
    fn default_answer(&self, reason: &str) -> Answer {
        match self {
            Self::Permission { .. } => Answer::Permission { decision: Decision::Deny, message: Some(reason.to_owned()), option_id: None },
            Self::Question { questions } => Answer::Question { answers: vec![Vec::new(); questions.len()] },
        }
    }
}

fn check_choice(choices: &[PermissionChoice], chosen: &str, decision: Decision) -> Result<(), BadAnswer> {
    match choices.iter().find(|choice| choice.id == chosen) {
        Some(choice) if choice.decision == decision => Ok(()),
        Some(choice) => Err(BadAnswer::UnknownChoice(format!("option {chosen:?} stands for {}", choice.decision.as_str()))),
        None if choices.is_empty() => Err(BadAnswer::UnknownChoice("the request has no options of its own; use `decision`".to_owned())),
        None => Err(BadAnswer::UnknownChoice(format!("the request has no option {chosen:?}; use one of: {}", ids(choices)))),
    }
}

fn ids(choices: &[PermissionChoice]) -> String {
    choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// The event that records an answer.
pub(super) fn resolved_event(id: &str, answer: &Answer, by: DecidedBy) -> StreamEvent {
    match answer {
        Answer::Permission { decision, message, option_id } => StreamEvent::PermissionResolved {
            id: id.to_owned(),
            decision: *decision,
            option_id: option_id.clone(),
            by,
            reason: message.clone(),
        },
        Answer::Question { answers } => StreamEvent::QuestionResolved { id: id.to_owned(), answers: answers.clone(), by },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission(id: &str) -> RequestView {
        let kind = RequestKind::Permission {
            tool_call_id: None,
            tool: "Write".into(),
            kind: ToolKind::Edit,
            input: Value::Null,
            options: vec![Decision::AllowOnce, Decision::Deny],
            choices: vec![],
        };
        RequestView { id: id.into(), kind, created_at: Timestamp::from_millis(0), expires_at: Timestamp::from_millis(1) }
    }

    fn question(id: &str) -> RequestView {
        let one = Question { text: "which?".into(), options: vec!["a".into()], ..Question::default() };
        let several = Question { multiple: true, ..one.clone() };
        RequestView { kind: RequestKind::Question { questions: vec![one, several] }, ..permission(id) }
    }

    fn allow() -> Answer {
        Answer::Permission { decision: Decision::AllowOnce, message: None, option_id: None }
    }

    fn answers(answers: &[&[&str]]) -> Answer {
        Answer::Question { answers: answers.iter().map(|given| given.iter().map(|text| (*text).to_owned()).collect()).collect() }
    }

    #[test]
    fn an_answer_must_match_its_request() {
        let mut requests = Requests::default();
        let now = Instant::now();
        requests.open(permission("p"), now).unwrap();
        requests.open(question("q"), now).unwrap();
        assert_eq!(requests.check("p", &allow()), Ok(()));
        let always = Answer::Permission { decision: Decision::AllowAlways, message: None, option_id: None };
        assert_eq!(requests.check("p", &always), Err(BadAnswer::UnknownOption("allow_once, deny".into())));
        assert!(matches!(requests.check("p", &answers(&[])), Err(BadAnswer::WrongKind { expected: "decision", .. })));
        assert!(matches!(requests.check("q", &allow()), Err(BadAnswer::WrongKind { expected: "answers", .. })));
        assert_eq!(requests.check("q", &answers(&[&["free text"], &["a", "b"]])), Ok(()));
        assert!(matches!(requests.check("q", &answers(&[&["a"]])), Err(BadAnswer::WrongCount(_))));
        assert!(matches!(requests.check("q", &answers(&[&["a", "b"], &[]])), Err(BadAnswer::WrongCount(_))));
        assert!(matches!(requests.check("x", &allow()), Err(BadAnswer::Unknown(_))));
        assert!(requests.close("p"));
        assert!(matches!(requests.check("p", &allow()), Err(BadAnswer::AlreadyAnswered(_))));
    }

    #[test]
    fn an_answer_may_name_one_of_several_options_of_the_same_decision() {
        let choice = |id: &str, decision| PermissionChoice { id: id.into(), name: id.to_uppercase(), decision };
        let choices = vec![choice("a", Decision::AllowOnce), choice("b", Decision::AllowOnce), choice("n", Decision::Deny)];
        let mut request = permission("p");
        if let RequestKind::Permission { options, choices: offered, .. } = &mut request.kind {
            (*options, *offered) = (vec![Decision::Deny], choices);
        }
        let mut requests = Requests::default();
        requests.open(request, Instant::now()).unwrap();
        let choose = |option: &str, decision| Answer::Permission { decision, message: None, option_id: Some(option.into()) };
        for (option, decision) in [("a", Decision::AllowOnce), ("b", Decision::AllowOnce), ("n", Decision::Deny)] {
            assert_eq!(requests.check("p", &choose(option, decision)), Ok(()), "{option}");
        }
        for (option, decision) in [("a", Decision::Deny), ("n", Decision::AllowOnce), ("c", Decision::AllowOnce)] {
            let checked = requests.check("p", &choose(option, decision));
            assert!(matches!(checked, Err(BadAnswer::UnknownChoice(_))), "{option}: {checked:?}");
        }
        let ambiguous = BadAnswer::UnknownOption("deny; or name one of its options with option_id: a, b, n".into());
        assert_eq!(requests.check("p", &allow()), Err(ambiguous));
    }

    #[test]
    fn open_requests_are_bounded_by_number_and_size() {
        let mut requests = Requests::default();
        let now = Instant::now();
        for number in 0..MAX_OPEN_REQUESTS {
            assert_eq!(requests.open(permission(&number.to_string()), now), Ok(()));
        }
        assert_eq!(requests.open(permission("more"), now), Err(LimitReached::Count));
        assert!(requests.close("7"));
        assert_eq!(requests.open(permission("more"), now), Ok(()));
        requests.close_all();
        let large = |id: &str| {
            let mut request = permission(id);
            let RequestKind::Permission { input, .. } = &mut request.kind else { panic!("not a permission") };
            *input = Value::String("x".repeat(MAX_OPEN_REQUEST_BYTES));
            request
        };
        assert_eq!(requests.open(large("one"), now), Ok(()), "a single request may be large");
        assert_eq!(requests.open(permission("small"), now), Err(LimitReached::Bytes));
        assert!(requests.close("one"));
        assert_eq!((requests.open(permission("small"), now), requests.bytes > 0), (Ok(()), true));
    }

    #[test]
    fn only_the_most_recent_answered_requests_are_remembered() {
        let mut requests = Requests::default();
        for number in 0..=MAX_ANSWERED_REQUESTS {
            requests.mark_answered(&number.to_string());
        }
        assert!(matches!(requests.check("0", &allow()), Err(BadAnswer::Unknown(_))));
        assert!(matches!(requests.check("1", &allow()), Err(BadAnswer::AlreadyAnswered(_))));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Open(u8),
        Answer(u8),
        Withdraw(u8),
        Expire,
        End,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..6).prop_map(Step::Open),
            (0_u8..6).prop_map(Step::Answer),
            (0_u8..6).prop_map(Step::Withdraw),
            Just(Step::Expire),
            Just(Step::End)
        ]
    }

    proptest! {
        #[test]
        fn every_request_is_resolved_exactly_once_in_any_order_of_steps(steps in proptest::collection::vec(any_step(), 0..40)) {
            let mut requests = Requests::default();
            let now = Instant::now();
            let (mut opened, mut resolved) = (Vec::new(), Vec::new());
            for step in steps.into_iter().chain([Step::End]) {
                match step {
                    Step::Open(id) => {
                        let id = format!("{id}-{}", opened.len());
                        requests.open(permission(&id), now).unwrap();
                        opened.push(id);
                    }
                    Step::Answer(which) | Step::Withdraw(which) => {
                        let Some(id) = opened.get(usize::from(which)).cloned() else { continue };
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
                    Step::End => resolved.extend(requests.close_all().into_iter().map(|(id, _)| id)),
                }
            }
            resolved.sort();
            opened.sort();
            prop_assert_eq!(resolved, opened);
            prop_assert!(requests.views().is_empty());
        }
    }
}
