//! What a run's agent asks, and the answers.

use axum::Json as Answered;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::actor::Actor;
use super::super::{ApiError, AppState, Json, Path};
use super::page::Page;
use crate::auth::{Principal, Target};
use crate::run::RequestView;
use crate::types::{Action, Answer, DecidedBy, Decision, RunId};

/// `GET /api/runs/{id}/requests`
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
) -> Result<Answered<Page<RequestView, String>>, ApiError> {
    Ok(Answered(Page::whole(app.runs.requests(&principal.caller, run).await?)))
}

/// A decision on a permission, or the answers to a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AnswerRequest {
    decision: Option<Decision>,
    /// What the agent is told with a denial.
    message: Option<String>,
    /// For each question its answers.
    answers: Option<Vec<OneOrMore>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// `POST /api/runs/{id}/requests/{request}`
pub(in crate::api) async fn answer(
    State(app): State<AppState>,
    actor: Actor,
    Path((run, request)): Path<(RunId, String)>,
    Json(body): Json<AnswerRequest>,
) -> Result<Answered<AnswerResponse>, ApiError> {
    let answer = body.into_answer()?;
    let response = AnswerResponse::new(&request, &answer);
    let (runs, caller) = (app.runs.clone(), actor.caller());
    let deed = actor.deed(Action::RunAnswer).to(Target::Run(run));
    app.audited(deed, async move { Ok(runs.answer(&caller, run, request, answer).await?) }).await?;
    Ok(Answered(response))
}

/// The answer as it was taken: what the resolving event tells, too.
#[derive(Serialize)]
pub(in crate::api) struct AnswerResponse {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Vec<Vec<String>>>,
    by: DecidedBy,
}

impl AnswerResponse {
    fn new(id: &str, answer: &Answer) -> Self {
        let (decision, answers) = match answer {
            Answer::Permission { decision, .. } => (Some(*decision), None),
            Answer::Question { answers } => (None, Some(answers.clone())),
        };
        Self { id: id.to_owned(), decision, answers, by: DecidedBy::User }
    }
}

impl AnswerRequest {
    fn into_answer(self) -> Result<Answer, ApiError> {
        match (self.decision, self.answers) {
            (Some(decision), None) => Ok(Answer::Permission { decision, message: self.message }),
            (None, Some(answers)) => {
                let answers = answers.into_iter().map(|answer| match answer {
                    OneOrMore::One(text) => vec![text],
                    OneOrMore::More(texts) => texts,
                });
                Ok(Answer::Question { answers: answers.collect() })
            }
            (Some(_), Some(_)) => {
                Err(ApiError::invalid_field("answers", "a decision and answers are for different requests; give one of them"))
            }
            (None, None) => {
                Err(ApiError::invalid_field("decision", "give a decision (allow_once, allow_always, deny) or, for a question, answers"))
            }
        }
    }
}
