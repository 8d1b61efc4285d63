//! Permission requests and questions of a run, and their answers.

use axum::Json as Response;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, FaultCode, Json, Path};
use super::pagination::Page;
use super::params::{RequestPath, RunPath};
use crate::auth::{Principal, Target};
use crate::run::{RequestKind, RequestView};
use crate::types::{Answer, AuditAction, DecidedBy, Decision, RunId};

/// The open requests of a run.
pub(in crate::api) type OpenRequestPage = Page<RequestView>;

/// Lists the open permission requests and questions of a run, oldest first.
#[utoipa::path(get, path = "/api/runs/{id}/requests", operation_id = "list_requests", tag = "runs", params(RunPath),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The open requests. `next_cursor` is always null.",
        body = OpenRequestPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
) -> Result<Response<OpenRequestPage>, ApiError> {
    Ok(Response(Page::complete(app.runs.requests(&principal.caller, run).await?)))
}

/// A decision on a permission request, or the answers to a question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AnswerRequest {
    /// One of the `options` of a permission request.
    decision: Option<Decision>,
    /// The `id` of one of the `choices` of a permission request. The decision is that of the option, so `decision` may be left out.
    option_id: Option<String>,
    /// Explanation for the agent, with a denial.
    message: Option<String>,
    /// The answers to each question.
    answers: Option<Vec<OneOrMore>>,
}

/// The answers to one question.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
enum OneOrMore {
    /// One answer.
    One(String),
    /// Several answers, or none.
    More(Vec<String>),
}

/// Answers a permission request or a question.
///
/// A permission request needs a `decision` or an `option_id`; a question needs `answers`, one entry for each of its questions. Of several answers the first is
/// accepted.
#[utoipa::path(post, path = "/api/runs/{id}/requests/{request}", operation_id = "answer_request", tag = "runs", params(RequestPath),
    request_body(content = AnswerRequest, examples(
        ("permission" = (value = json!({"decision": "deny", "message": "Not in this directory; use /tmp."}))),
        ("question" = (value = json!({"answers": ["red"]}))))),
    extensions(("x-error-codes" = json!(["not_found", "run_ended", "already_answered", "storage"]))),
    responses((status = 200, description = "The answer is stored and is passed on to the agent.", body = AnswerResponse)))]
pub(in crate::api) async fn answer(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path((run, request)): Path<(RunId, String)>,
    Json(body): Json<AnswerRequest>,
) -> Result<Response<AnswerResponse>, ApiError> {
    let option = body.option_id.as_deref().filter(|_| body.decision.is_none());
    let decision = match option {
        Some(option) => decision_of_option(&app.runs.requests(&audit_context.caller(), run).await?, &request, option),
        None => None,
    };
    let answer = body.into_answer(decision)?;
    let response = AnswerResponse::new(&request, &answer);
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::RunAnswer).to(Target::Run(run));
    app.audited(event, move |audit| async move { Ok(runs.answer(&caller, run, request, answer, Some(audit)).await?) }).await?;
    Ok(Response(response))
}

/// The accepted answer, as in the event that resolves the request.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct AnswerResponse {
    /// Id of the request.
    id: String,
    /// Decision on a permission request.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    /// ID of the chosen option, if the answer named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    option_id: Option<String>,
    /// Answers to a question, one list for each of its questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Vec<Vec<String>>>,
    /// Always `user`.
    by: DecidedBy,
}

impl AnswerResponse {
    fn new(id: &str, answer: &Answer) -> Self {
        let (decision, option_id, answers) = match answer {
            Answer::Permission { decision, option_id, .. } => (Some(*decision), option_id.clone(), None),
            Answer::Question { answers } => (None, None, Some(answers.clone())),
        };
        Self { id: id.to_owned(), decision, option_id, answers, by: DecidedBy::User }
    }
}

/// The decision that `option` of `request` stands for. `None` if the request is not open or has no such option.
fn decision_of_option(open: &[RequestView], request: &str, option: &str) -> Option<Decision> {
    match &open.iter().find(|view| view.id == request)?.kind {
        RequestKind::Permission { choices, .. } => choices.iter().find(|choice| choice.id == option).map(|choice| choice.decision),
        RequestKind::Question { .. } => None,
    }
}

impl AnswerRequest {
    /// The answer. `of_option` is the decision of the option that the body names.
    fn into_answer(self, of_option: Option<Decision>) -> Result<Answer, ApiError> {
        // A request that has no such option rejects any decision with it.
        let decision = self.decision.or(of_option).or(self.option_id.as_ref().map(|_| Decision::Deny));
        match (decision, self.answers) {
            (Some(decision), None) => Ok(Answer::Permission { decision, message: self.message, option_id: self.option_id }),
            (None, Some(answers)) => {
                let answers = answers.into_iter().map(|answer| match answer {
                    OneOrMore::One(text) => vec![text],
                    OneOrMore::More(texts) => texts,
                });
                Ok(Answer::Question { answers: answers.collect() })
            }
            (Some(_), Some(_)) => {
                Err(ApiError::invalid_field("answers", FaultCode::Conflict, "give either a decision or answers, not both"))
            }
            (None, None) => Err(ApiError::invalid_field(
                "decision",
                FaultCode::Required,
                "a decision (allow_once, allow_always or deny) is required, or answers for a question",
            )),
        }
    }
}
