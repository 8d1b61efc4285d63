//! What the scenarios stand on: the programs, their home, a model service, a server, and a client that is `curl`.

mod bench;
mod contract;
mod events;
mod kept;
mod server;

use std::fmt;

pub(crate) use bench::Bench;
pub(crate) use events::{Events, Follow};
pub(crate) use server::{Run, Server, wait_for};

/// The agents that are programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    ClaudeCode,
    Codex,
    OpenCode,
}

impl Agent {
    pub(crate) const ALL: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::OpenCode];

    /// The `agent_type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude_code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        }
    }

    /// The `model` by which `/api/chat` knows it.
    pub(crate) fn chat_name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Makes a test of each scenario for each agent. A scenario is a function of a server (or of the bench) and an agent; `$server`
/// gives it what it needs, or `None` where the tests are to be skipped.
macro_rules! for_each_agent {
    ($server:expr; $($scenario:ident),+ $(,)?) => {
        $(mod $scenario {
            use super::*;

            #[test]
            fn claude_code() {
                if let Some(server) = $server {
                    $scenario(server, Agent::ClaudeCode);
                }
            }

            #[test]
            fn codex() {
                if let Some(server) = $server {
                    $scenario(server, Agent::Codex);
                }
            }

            #[test]
            fn opencode() {
                if let Some(server) = $server {
                    $scenario(server, Agent::OpenCode);
                }
            }
        })+
    };
}
pub(crate) use for_each_agent;
