//! Answers of runs with an output schema: compared with the schema, and corrected once.

use serde_json::{Value, json};

use super::Driver;
use crate::agent::handle::AgentHandle;
use crate::run::output_schema::OutputSchema;
use crate::run::queued_message::QueuedMessage;
use crate::run::store::RunChange;
use crate::types::{Cause, Failure, Level, MessageMode, NoticeCode, StreamEvent, TurnEnd};

impl Driver {
    /// Compares the answer of what may be the last turn with the run's schema. If it does not match, a message to the agent is stored and
    /// queued, once per run; otherwise the turn has failed.
    pub(super) async fn check_output(&mut self, turn: TurnEnd, agent: &AgentHandle) -> TurnEnd {
        // Another turn follows a queued message.
        if self.finishing || !self.queued_messages.is_empty() {
            return turn;
        }
        let checked = self.with_output(turn.clone()).await;
        let Err(Failure { cause: Cause::BadOutput, message: problem }) = &checked else { return checked };
        let takes_messages = self.context.agents.known_capabilities(&self.spec.agent_type).messages;
        if !takes_messages || self.emitted_notices.contains(&NoticeCode::BadOutput) {
            return checked;
        }
        let mut content = format!(
            "Your last answer does not match the JSON Schema of this task: {problem}. Answer again, with a single JSON value that matches the \
             schema and without any other text."
        );
        // Messages are not searched for secrets, but the names of properties in this one are the agent's.
        self.log.secrets().redact(&mut content);
        let notice = StreamEvent::Notice {
            level: Level::Warning,
            code: NoticeCode::BadOutput,
            message: "the answer does not match output_schema; the agent is asked to correct it".to_owned(),
            data: Some(json!({ "problem": problem })),
        };
        let events = [notice, StreamEvent::UserMessage { content: content.clone(), mode: MessageMode::Queue, attachments: Vec::new() }];
        if self.store(&events, RunChange::default(), Some(agent)).await.is_err() {
            return checked;
        }
        self.emitted_notices.push(NoticeCode::BadOutput);
        self.queued_messages.push_back(QueuedMessage::text(content));
        turn
    }

    /// The turn, which fails if its answer does not match the run's schema. Otherwise the answer becomes the run's output.
    pub(super) async fn with_output(&mut self, turn: TurnEnd) -> TurnEnd {
        let text = match &turn {
            Ok(text) if self.spec.has_output_schema => text.clone(),
            _ => return turn,
        };
        match self.output_of(text).await {
            Ok(output) => {
                self.output = Some(output);
                turn
            }
            Err(failure) => Err(failure),
        }
    }

    async fn output_of(&self, text: String) -> Result<Value, Failure> {
        let run = self.log.run();
        let record = self.context.store.run(run).await.map_err(|error| Failure::new(Cause::Storage, error.to_string()))?;
        let schema = record.and_then(|record| record.spec.output_schema);
        let schema = schema.ok_or_else(|| Failure::new(Cause::Storage, "the schema of the run is missing from the store"))?;
        let checking = tokio::task::spawn_blocking(move || {
            let schema = OutputSchema::compile(&schema).map_err(|error| Failure::new(Cause::Internal, error.to_string()))?;
            schema.check(&text).map_err(|problem| Failure::new(Cause::BadOutput, problem))
        });
        checking.await.unwrap_or_else(|panic| Err(Failure::new(Cause::Internal, panic.to_string())))
    }
}
