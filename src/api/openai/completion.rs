//! Completions and models in OpenAI's format.

use serde::Serialize;
use utoipa::ToSchema;

use crate::run::RunView;
use crate::types::{RunId, RunStatus, SessionId, Usage};

/// A chat completion.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatCompletion)]
pub(in crate::api) struct Completion {
    /// `chatcmpl-` and the id of the run.
    id: String,
    /// Always `chat.completion`.
    object: &'static str,
    /// When the run was created, in seconds since 1970.
    created: i64,
    /// The requested model.
    model: String,
    /// Always one choice.
    choices: [Choice; 1],
    /// Usage, if the agent reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CompletionUsage>,
    /// The run of the completion.
    openrunner: CompletionRun,
}

/// The only choice.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatChoice)]
struct Choice {
    /// Always 0.
    index: u32,
    /// The message.
    message: AssistantMessage,
    /// Always null: agents do not report them.
    #[schema(required)]
    logprobs: Option<()>,
    /// Always `stop`; incomplete runs are errors.
    finish_reason: &'static str,
}

/// The message of the agent.
#[derive(Serialize, ToSchema)]
struct AssistantMessage {
    /// Always `assistant`.
    role: &'static str,
    /// The final text; empty if there is none.
    content: String,
    /// Always null.
    #[schema(required)]
    refusal: Option<String>,
}

/// Usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct CompletionUsage {
    /// Input tokens, cached or not.
    prompt_tokens: u64,
    /// Output tokens, including thinking.
    completion_tokens: u64,
    /// Sum of both.
    total_tokens: u64,
    /// Details of the input tokens.
    prompt_tokens_details: PromptTokens,
    /// Details of the output tokens.
    completion_tokens_details: CompletionTokens,
}

/// Details of the input tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct PromptTokens {
    /// Input tokens read from the provider's cache.
    cached_tokens: u64,
}

/// Details of the output tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct CompletionTokens {
    /// Thinking tokens, if the agent reports them.
    reasoning_tokens: u64,
}

impl From<&Usage> for CompletionUsage {
    /// OpenAI includes cached tokens in the input tokens; OpenRunner does not.
    fn from(usage: &Usage) -> Self {
        let input = usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
        Self {
            prompt_tokens: input,
            completion_tokens: usage.output_tokens,
            total_tokens: input.saturating_add(usage.output_tokens),
            prompt_tokens_details: PromptTokens { cached_tokens: usage.cache_read_tokens },
            completion_tokens_details: CompletionTokens { reasoning_tokens: usage.reasoning_tokens },
        }
    }
}

/// The run of a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct CompletionRun {
    /// Id of the run. Its events can be read as usual.
    pub(super) run_id: RunId,
    /// Session of the run. Pass it as `openrunner.session_id` to continue.
    pub(super) session_id: SessionId,
    /// Status of the run.
    pub(super) status: RunStatus,
}

impl Completion {
    /// The completion of a completed run; `model` is the requested one. A structured answer is the run's output, otherwise it is the final text.
    pub(in crate::api) fn new(run: RunView, model: String, is_structured: bool) -> Self {
        let (result, output, usage) = run.end.map(|end| (end.result, end.output, end.usage)).unwrap_or_default();
        let output = output.filter(|_| is_structured).map(|output| output.to_string());
        let message = AssistantMessage { role: "assistant", content: output.or(result).unwrap_or_default(), refusal: None };
        Self {
            id: completion_id(run.run_id),
            object: "chat.completion",
            created: run.created_at.as_millis().div_euclid(1000),
            model,
            choices: [Choice { index: 0, message, logprobs: None, finish_reason: "stop" }],
            usage: usage.as_ref().map(CompletionUsage::from),
            openrunner: CompletionRun { run_id: run.run_id, session_id: run.session_id, status: run.status },
        }
    }
}

impl Completion {
    /// The text of the answer.
    pub(in crate::api) fn text(&self) -> &str {
        &self.choices[0].message.content
    }
}

/// The id of the completion of a run.
pub(super) fn completion_id(run: RunId) -> String {
    format!("chatcmpl-{run}")
}

/// The list of models.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models, by name.
    data: Vec<Model>,
}

impl ModelList {
    /// A list of models with these names.
    pub(in crate::api) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { object: "list", data: names.into_iter().map(Model::new).collect() }
    }
}

/// A model: an agent, or a model of an agent.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Model {
    /// Name of the model.
    #[schema(example = "claude_code")]
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Always 0.
    created: i64,
    /// Always `openrunner`.
    owned_by: &'static str,
}

impl Model {
    /// A model with this name.
    pub(in crate::api) fn new(id: String) -> Self {
        Self { id, object: "model", created: 0, owned_by: "openrunner" }
    }
}
