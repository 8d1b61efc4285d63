//! Shared by the scenarios: the programs, their home directory, a model service, a server, and `curl` as the client.

mod bench;
mod contract;
mod events;
mod server;
mod watched_process;

use std::fmt;

pub(crate) use bench::{Bench, path, test_program};
pub(crate) use events::{Events, Follow};
pub(crate) use server::{Run, Server, wait_for};

/// The agents of the scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    ClaudeCode,
    Codex,
    OpenCode,
    /// Claude Code behind its ACP adapter, as a configured agent.
    ClaudeAcp,
    /// Codex behind its ACP adapter, as a configured agent.
    CodexAcp,
    /// GitHub Copilot CLI, as a preset.
    Copilot,
    /// Gemini CLI, as a preset.
    Gemini,
    /// Hermes, as a preset.
    Hermes,
}

impl Agent {
    /// The built-in agents.
    pub(crate) const ALL: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::OpenCode];

    /// The `agent_type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude_code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
            Self::ClaudeAcp => "claude_acp",
            Self::CodexAcp => "codex_acp",
            Self::Copilot => "copilot",
            Self::Gemini => "gemini",
            Self::Hermes => "hermes",
        }
    }

    /// The `model` that selects it in `/api/chat`.
    pub(crate) fn chat_name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            other => other.name(),
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Makes a test of each scenario for each built-in agent. A scenario is a function of a server (or of the bench) and an agent; `$server`
/// provides it, or `None` if the tests are skipped.
macro_rules! for_each_agent {
    ($server:expr; $($scenario:ident),+ $(,)?) => {
        $(mod $scenario {
            use super::*;
            use crate::support::test_with;

            test_with!($server, $scenario, claude_code, ClaudeCode);
            test_with!($server, $scenario, codex, Codex);
            test_with!($server, $scenario, opencode, OpenCode);
        })+
    };
}
pub(crate) use for_each_agent;

/// The same with the ACP adapters.
macro_rules! for_each_agent_and_adapter {
    ($server:expr; $($scenario:ident),+ $(,)?) => {
        $(mod $scenario {
            use super::*;
            use crate::support::test_with;

            test_with!($server, $scenario, claude_code, ClaudeCode);
            test_with!($server, $scenario, codex, Codex);
            test_with!($server, $scenario, opencode, OpenCode);
            test_with!($server, $scenario, claude_acp, ClaudeAcp);
            test_with!($server, $scenario, codex_acp, CodexAcp);
        })+
    };
}
pub(crate) use for_each_agent_and_adapter;

/// One scenario with one agent.
macro_rules! test_with {
    ($server:expr, $scenario:ident, $name:ident, $agent:ident) => {
        #[test]
        fn $name() {
            if let Some(server) = $server {
                $scenario(server, Agent::$agent);
            }
        }
    };
}
pub(crate) use test_with;
