//! A response in OpenAI's format.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::chat::Chat;
use super::super::completion::CompletionRun;
use super::id::ResponseId;
use crate::run::RunView;
use crate::types::{Cause, RunStatus, Usage};

/// A response: a run in OpenAI's format.
///
/// The parameters of a model that agents do not have are present with the values that OpenAI's clients expect.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct ResponseObject {
    /// `resp_` and the id of the run.
    pub(super) id: ResponseId,
    /// Always `response`.
    object: &'static str,
    /// When the run was created, in seconds since 1970.
    created_at: i64,
    /// When it completed, in seconds since 1970; null if it did not.
    #[schema(required)]
    completed_at: Option<i64>,
    /// Status of the response.
    status: ResponseStatus,
    /// Whether it was requested in the background.
    pub(super) background: bool,
    /// Why it failed; null if it did not.
    #[schema(required)]
    error: Option<ResponseError>,
    /// Always null: an incomplete response has failed.
    #[schema(required)]
    incomplete_details: Option<()>,
    /// Text that was added to the agent's system prompt.
    #[schema(required)]
    instructions: Option<String>,
    /// Always null.
    #[schema(required)]
    max_output_tokens: Option<()>,
    /// Always null.
    #[schema(required)]
    max_tool_calls: Option<()>,
    /// Agent and model: `agent` or `agent/model`.
    model: String,
    /// What the agent wrote: reasoning and messages, in order. Empty until the response has ended.
    pub(super) output: Vec<OutputItem>,
    /// Always true.
    parallel_tool_calls: bool,
    /// The response that this one continues.
    #[schema(required)]
    previous_response_id: Option<ResponseId>,
    /// Always null.
    #[schema(required)]
    prompt_cache_key: Option<()>,
    /// Options of reasoning, all null.
    reasoning: ReasoningOptions,
    /// Always null.
    #[schema(required)]
    safety_identifier: Option<()>,
    /// Always `default`.
    service_tier: &'static str,
    /// Whether the response can be retrieved and continued.
    store: bool,
    /// Always 1.
    temperature: f64,
    /// The format of the answer.
    text: ResponseText,
    /// Always `auto`: agents use their own tools.
    tool_choice: &'static str,
    /// Always empty: the tools of the request are ignored.
    #[schema(value_type = Vec<serde_json::Map<String, Value>>)]
    tools: [(); 0],
    /// Always 0.
    top_logprobs: u32,
    /// Always 1.
    top_p: f64,
    /// Always 0.
    presence_penalty: f64,
    /// Always 0.
    frequency_penalty: f64,
    /// Always `disabled`.
    truncation: &'static str,
    /// Usage; null until the end, or if the agent reports none.
    #[schema(required)]
    usage: Option<ResponseUsage>,
    /// Always null: a user is the label `user` in `metadata`.
    #[schema(required)]
    user: Option<()>,
    /// Labels of the run.
    metadata: BTreeMap<String, String>,
    /// The run of the response.
    openrunner: CompletionRun,
}

/// Status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResponseStatus {
    /// The run waits for a slot or for its session.
    Queued,
    /// The run has started.
    InProgress,
    /// The run has completed.
    Completed,
    /// The run has failed.
    Failed,
    /// The run was cancelled.
    Cancelled,
}

impl From<RunStatus> for ResponseStatus {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Queued => Self::Queued,
            RunStatus::Starting | RunStatus::Running | RunStatus::Waiting | RunStatus::Stopping => Self::InProgress,
            RunStatus::Completed => Self::Completed,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Failed | RunStatus::TimedOut | RunStatus::Interrupted => Self::Failed,
        }
    }
}

/// Why a response failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ResponseError {
    /// `rate_limit_exceeded` for the limit of a provider, otherwise the cause of the run's end.
    code: &'static str,
    /// Explanation for people.
    message: String,
}

impl ResponseError {
    /// The error for a cause; `None` for `ok`.
    pub(super) fn new(cause: Cause, message: Option<&str>) -> Option<Self> {
        let code = match cause {
            Cause::Ok => return None,
            Cause::RateLimited => "rate_limit_exceeded",
            cause => cause.as_str(),
        };
        Some(Self { code, message: message.unwrap_or("no reason given").to_owned() })
    }
}

/// An item of the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = ResponseOutputItem)]
pub(super) enum OutputItem {
    /// A message of the agent.
    Message {
        /// Id of the item.
        id: String,
        /// Status of the item.
        status: ItemStatus,
        /// Always `assistant`.
        role: &'static str,
        /// The text, as one part.
        content: Vec<OutputText>,
    },
    /// What the agent thought.
    Reasoning {
        /// Id of the item.
        id: String,
        /// Status of the item.
        status: ItemStatus,
        /// The text, as one part.
        summary: Vec<SummaryText>,
    },
}

/// Status of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ResponseItemStatus)]
pub(super) enum ItemStatus {
    /// The agent is writing it.
    InProgress,
    /// It is complete.
    Completed,
    /// The run ended before it was complete.
    Incomplete,
}

/// The text of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseOutputText)]
pub(super) struct OutputText {
    /// Always `output_text`.
    r#type: &'static str,
    /// The text.
    pub(super) text: String,
    /// Always empty.
    #[schema(value_type = Vec<serde_json::Map<String, Value>>)]
    annotations: [(); 0],
    /// Always empty.
    #[schema(value_type = Vec<serde_json::Map<String, Value>>)]
    logprobs: [(); 0],
}

impl OutputText {
    pub(super) fn new(text: String) -> Self {
        Self { r#type: "output_text", text, annotations: [], logprobs: [] }
    }
}

/// The text of reasoning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseSummaryText)]
pub(super) struct SummaryText {
    /// Always `summary_text`.
    r#type: &'static str,
    /// The text.
    pub(super) text: String,
}

impl SummaryText {
    pub(super) fn new(text: String) -> Self {
        Self { r#type: "summary_text", text }
    }
}

/// Options of reasoning, which agents do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseReasoning)]
struct ReasoningOptions {
    /// Always null.
    #[schema(required)]
    effort: Option<()>,
    /// Always null.
    #[schema(required)]
    summary: Option<()>,
}

/// The format of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct ResponseText {
    /// The format.
    format: AnswerFormat,
}

/// The format of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = ResponseAnswerFormat)]
enum AnswerFormat {
    /// Text.
    Text,
    /// JSON that matches a schema.
    JsonSchema {
        /// Always `output`.
        name: &'static str,
        /// The JSON Schema.
        #[schema(value_type = serde_json::Map<String, Value>)]
        schema: Value,
        /// Always true: the answer is always checked.
        strict: bool,
    },
}

/// Usage of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ResponseUsage {
    /// Input tokens, cached or not.
    input_tokens: u64,
    /// Details of the input tokens.
    input_tokens_details: InputTokens,
    /// Output tokens, including thinking.
    output_tokens: u64,
    /// Details of the output tokens.
    output_tokens_details: OutputTokens,
    /// Sum of both.
    total_tokens: u64,
}

/// Details of the input tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseInputTokens)]
struct InputTokens {
    /// Input tokens read from the provider's cache.
    cached_tokens: u64,
}

/// Details of the output tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ResponseOutputTokens)]
struct OutputTokens {
    /// Thinking tokens, if the agent reports them.
    reasoning_tokens: u64,
}

impl From<&Usage> for ResponseUsage {
    /// OpenAI includes cached tokens in the input tokens; OpenRunner does not.
    fn from(usage: &Usage) -> Self {
        let input = usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
        Self {
            input_tokens: input,
            input_tokens_details: InputTokens { cached_tokens: usage.cache_read_tokens },
            output_tokens: usage.output_tokens,
            output_tokens_details: OutputTokens { reasoning_tokens: usage.reasoning_tokens },
            total_tokens: input.saturating_add(usage.output_tokens),
        }
    }
}

impl ResponseObject {
    /// The response of a run in its present state, without output.
    pub(in crate::api) fn new(run: &RunView) -> Self {
        let model = run.model.as_ref().map_or_else(|| run.agent_type.clone(), |model| format!("{}/{model}", run.agent_type));
        let format = run.output_schema.clone().map_or(AnswerFormat::Text, |schema| AnswerFormat::JsonSchema {
            name: "output",
            schema,
            strict: true,
        });
        let mut response = Self {
            id: ResponseId(run.run_id),
            object: "response",
            created_at: run.created_at.as_millis().div_euclid(1000),
            completed_at: None,
            status: run.status.into(),
            background: run.response.is_some_and(|response| response.background),
            error: None,
            incomplete_details: None,
            instructions: run.instructions.clone(),
            max_output_tokens: None,
            max_tool_calls: None,
            model,
            output: Vec::new(),
            parallel_tool_calls: true,
            previous_response_id: run.response.and_then(|response| response.previous).map(ResponseId),
            prompt_cache_key: None,
            reasoning: ReasoningOptions { effort: None, summary: None },
            safety_identifier: None,
            service_tier: "default",
            store: run.response.is_none_or(|response| response.stored),
            temperature: 1.0,
            text: ResponseText { format },
            tool_choice: "auto",
            tools: [],
            top_logprobs: 0,
            top_p: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            truncation: "disabled",
            usage: None,
            user: None,
            metadata: run.labels.clone(),
            openrunner: CompletionRun { run_id: run.run_id, session_id: run.session_id, status: run.status },
        };
        if let (Some(cause), Some(end)) = (run.cause, &run.end) {
            let usage = end.usage.as_ref().map(ResponseUsage::from);
            response.end(run.status, ResponseError::new(cause, end.message.as_deref()), usage, run.created_at.as_millis(), end.duration_ms);
        }
        response
    }

    /// The response while its run has this status.
    pub(super) fn set_status(&mut self, status: RunStatus) {
        (self.status, self.openrunner.status) = (status.into(), status);
    }

    /// The response after the end of its run.
    pub(super) fn end(
        &mut self,
        status: RunStatus,
        error: Option<ResponseError>,
        usage: Option<ResponseUsage>,
        created_at_ms: i64,
        duration_ms: u64,
    ) {
        self.set_status(status);
        let completed_at = created_at_ms.saturating_add_unsigned(duration_ms).div_euclid(1000);
        self.completed_at = error.is_none().then_some(completed_at);
        (self.error, self.usage) = (error, usage);
    }

    /// The digest of the client's chat with this answer.
    pub(in crate::api) fn answer(&self, chat: Chat) -> [u8; 32] {
        chat.answered_by(self.texts())
    }

    /// The texts of the messages.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.output.iter().filter_map(|item| match item {
            OutputItem::Message { content, .. } => content.first().map(|part| part.text.as_str()),
            OutputItem::Reasoning { .. } => None,
        })
    }
}

/// A deleted response.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in crate::api) struct ResponseDeleted {
    /// The response.
    id: ResponseId,
    /// Always `response`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

impl ResponseDeleted {
    /// The response of a deleted run.
    pub(in crate::api) fn new(id: ResponseId) -> Self {
        Self { id, object: "response", deleted: true }
    }
}
