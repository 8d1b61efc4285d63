//! The agents of a server: built-in ones and those from the settings.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio_util::task::TaskTracker;

use crate::agent::claude_code::ClaudeCode;
use crate::agent::codex::Codex;
use crate::agent::configured::{Configured, Definition};
use crate::agent::demo::Demo;
use crate::agent::handle::GracePeriods;
use crate::agent::opencode::OpenCode;
use crate::agent::presets::Preset;
use crate::agent::{Host, IsolationPolicy, Registry, register_in_process};
use crate::config::{AgentsSettings, Settings};
use crate::process::{LimitsPolicy, Spawner};

/// Builds the registry of built-in agents, presets and configured agents. `get` reads a variable of the server's environment.
///
/// Codex and `OpenCode` get the location of their settings explicitly, so that no file in a repository can redirect them.
pub fn build_registry(settings: &AgentsSettings, get: impl Fn(&str) -> Option<OsString>) -> Registry {
    let codex_home = get("CODEX_HOME").map(PathBuf::from);
    let opencode_config = get("OPENCODE_CONFIG_CONTENT").and_then(|text| text.into_string().ok());
    let text = |name: &str| get(name)?.into_string().ok();
    let configured = |mut definition: Definition| {
        let own_config = definition.preset.and_then(|preset| text(preset.config_variable?));
        let own = |name: &str| definition.secret_env.get(name).or_else(|| definition.set_env.get(name)).cloned().or_else(|| text(name));
        let method = definition.preset.and_then(|preset| preset.auth_method(own)).map(str::to_owned);
        definition.auth_method = definition.auth_method.or(method);
        Configured::new(definition).with_own_config(own_config)
    };
    let built_in = Registry::default()
        .with_program(ClaudeCode::new(settings.claude_code.mode))
        .with_program(Codex::new(settings.codex.mode, codex_home))
        .with_program(OpenCode::new(settings.opencode.mode).with_inline_config(opencode_config))
        .with_program(Demo);
    let presets = Preset::all().iter().map(Definition::of_preset);
    let with_presets = presets.fold(built_in, |registry, definition| registry.with_program(configured(definition)));
    let definitions = settings.configured.iter().cloned();
    definitions.fold(register_in_process(with_presets), |registry, definition| registry.with_program(configured(definition)))
}

/// The host environment of agents: this process's environment, no resource limits, no isolation, and a task tracker of its own. Probe
/// commands run in `empty_dir` or below it. It must contain nothing that could affect their output.
pub fn host(settings: &Settings, empty_dir: PathBuf, spawner: Spawner) -> Host {
    Host {
        env: std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect(),
        allowed_env: settings.agent_env.iter().map(|name| name.as_str().to_owned()).collect(),
        agents_dir: settings.agents_dir.clone(),
        empty_dir,
        spawner,
        grace: GracePeriods { exit: settings.exit_grace(), stop: settings.stop_grace() },
        max_output: settings.max_output(),
        limits_policy: LimitsPolicy::default(),
        isolation: IsolationPolicy::default(),
        tasks: TaskTracker::new(),
    }
}
