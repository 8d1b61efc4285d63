//! The agents of a server: those that are built in, and those of its settings.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::agent::Registry;
use crate::agent::claude_code::ClaudeCode;
use crate::agent::codex::Codex;
use crate::agent::configured::Configured;
use crate::agent::demo::Demo;
use crate::agent::opencode::OpenCode;
use crate::config::AgentsSettings;

/// The agents that `settings` come to. `get` reads one variable of the server's environment.
///
/// Codex and `OpenCode` are told explicitly where their settings are, so that no file of a repository can move them.
pub fn agents(settings: &AgentsSettings, get: impl Fn(&str) -> Option<OsString>) -> Registry {
    let codex_home = get("CODEX_HOME").map(PathBuf::from);
    let opencode_config = get("OPENCODE_CONFIG_CONTENT").and_then(|text| text.into_string().ok());
    let built_in = Registry::default()
        .with_program(ClaudeCode::new(settings.claude_code.mode))
        .with_program(Codex::new(settings.codex.mode, codex_home))
        .with_program(OpenCode::new(settings.opencode.mode).with_inline_config(opencode_config))
        .with_program(Demo);
    settings.configured.iter().fold(built_in, |registry, definition| registry.with_program(Configured::new(definition.clone())))
}
