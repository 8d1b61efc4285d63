//! What an agent reports about its conversation as a whole.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// New facts about the agent's conversation. An absent field is unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionUpdate {
    /// Title of the conversation, in one line. Empty if it has none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// ID of the agent's session mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Model that the agent uses from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The agent's slash commands, all of them. A prompt that starts with a slash and the name of one runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<AgentCommand>>,
    /// How full the model's context window is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextUse>,
}

/// A slash command of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCommand {
    /// Name of the command, without the slash.
    pub name: String,
    /// Description of the command. Long ones are truncated.
    pub description: String,
    /// What to write after the name, for people. Absent if the command takes no input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_hint: Option<String>,
}

/// Use of a model's context window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextUse {
    /// Number of tokens in the context.
    pub used_tokens: u64,
    /// Size of the context window in tokens.
    pub max_tokens: u64,
}

impl SessionUpdate {
    /// Whether it reports nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The texts that the agent chooses.
    pub(crate) fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { title, mode, model, commands, context: _ } = self;
        let commands = commands.iter_mut().flatten();
        let of_commands =
            commands.flat_map(|command| [&mut command.name, &mut command.description].into_iter().chain(&mut command.input_hint));
        title.iter_mut().chain(mode).chain(model).chain(of_commands)
    }
}
