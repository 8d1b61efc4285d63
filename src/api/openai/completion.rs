//! A completion and the models as OpenAI's clients read them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::run::RunView;
use crate::types::{RunId, RunStatus, SessionId, Usage};

/// A finished answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatCompletion)]
pub(in crate::api) struct Completion {
    /// `chatcmpl-` and the id of the run.
    id: String,
    /// Always `chat.completion`.
    object: &'static str,
    /// When the run was made, in seconds since 1970.
    created: i64,
    /// The model, as it was asked for.
    model: String,
    /// Always one.
    choices: [Choice; 1],
    /// What the model has used, where the agent tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CompletionUsage>,
    /// The run behind it.
    openrunner: RunOf,
}

/// The one answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatChoice)]
struct Choice {
    /// Always 0.
    index: u32,
    /// What the agent has come to.
    message: AssistantMessage,
    /// Always null: agents do not tell them.
    #[schema(required)]
    logprobs: Option<()>,
    /// Always `stop`: an answer that was cut is no answer here but a refusal.
    finish_reason: &'static str,
}

/// What the agent has come to.
#[derive(Serialize, ToSchema)]
struct AssistantMessage {
    /// Always `assistant`.
    role: &'static str,
    /// Its final text; empty if it came to none.
    content: String,
    /// Always null.
    #[schema(required)]
    refusal: Option<String>,
}

/// What the model has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct CompletionUsage {
    /// Tokens that it has read, from a cache or not.
    prompt_tokens: u64,
    /// Tokens that it has written, thinking included.
    completion_tokens: u64,
    /// Both together.
    total_tokens: u64,
    /// More on those that it has read.
    prompt_tokens_details: PromptTokens,
    /// More on those that it has written.
    completion_tokens_details: CompletionTokens,
}

/// More on the tokens that the model has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct PromptTokens {
    /// Those that came from the provider's cache.
    cached_tokens: u64,
}

/// More on the tokens that the model has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct CompletionTokens {
    /// Those that were thinking, where the agent tells them apart.
    reasoning_tokens: u64,
}

impl From<&Usage> for CompletionUsage {
    /// OpenAI counts what came from a cache among what was read; we do not.
    fn from(usage: &Usage) -> Self {
        let read = usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
        Self {
            prompt_tokens: read,
            completion_tokens: usage.output_tokens,
            total_tokens: read.saturating_add(usage.output_tokens),
            prompt_tokens_details: PromptTokens { cached_tokens: usage.cache_read_tokens },
            completion_tokens_details: CompletionTokens { reasoning_tokens: usage.reasoning_tokens },
        }
    }
}

/// The run behind a completion.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = CompletionRun)]
pub(super) struct RunOf {
    /// The run, whose events can be read.
    pub(super) run_id: RunId,
    /// Its conversation: give it as `openrunner.session_id` to go on.
    pub(super) session_id: SessionId,
    /// Where it stands.
    pub(super) status: RunStatus,
}

impl Completion {
    /// The completion of a run that has ended well; `model` is what was asked for.
    pub(in crate::api) fn of(run: RunView, model: String) -> Self {
        let (result, usage) = run.end.map(|end| (end.result, end.usage)).unwrap_or_default();
        let message = AssistantMessage { role: "assistant", content: result.unwrap_or_default(), refusal: None };
        Self {
            id: completion_id(run.run_id),
            object: "chat.completion",
            created: run.created_at.as_millis().div_euclid(1000),
            model,
            choices: [Choice { index: 0, message, logprobs: None, finish_reason: "stop" }],
            usage: usage.as_ref().map(CompletionUsage::from),
            openrunner: RunOf { run_id: run.run_id, session_id: run.session_id, status: run.status },
        }
    }
}

/// The id of a run's completion.
pub(super) fn completion_id(run: RunId) -> String {
    format!("chatcmpl-{run}")
}

/// What can be asked for.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// By name.
    data: Vec<Model>,
}

impl ModelList {
    /// The list of these.
    pub(in crate::api) fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self { object: "list", data: names.into_iter().map(Model::of).collect() }
    }
}

/// Something that can be asked for: an agent, or a model of one.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Model {
    /// Its name, as `model` takes it.
    #[schema(example = "claude_code")]
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Always 0: nobody knows since when there has been an agent.
    created: i64,
    /// Always `openrunner`.
    owned_by: &'static str,
}

impl Model {
    /// The one of this name.
    pub(in crate::api) fn of(id: String) -> Self {
        Self { id, object: "model", created: 0, owned_by: "openrunner" }
    }
}
