//! What a caller may ask of a new run, and the check that makes a [`RunSpec`] of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::workspace::{WorkspaceError, Workspaces};
use crate::agent::Agents;
use crate::agent::flags::BadArgs;
use crate::types::{Caller, PermissionMode, RunId, RunSpec};

/// Default of `timeout_secs`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(5);
/// Longest `timeout_secs` and `idle_timeout_secs`: a week.
pub const MAX_TIMEOUT: Duration = Duration::from_hours(7 * 24);
/// Most labels of a run.
const MAX_LABELS: usize = 32;
/// Longest name and value of a label, in bytes.
const MAX_LABEL: usize = 256;
/// Longest name of a model, in bytes.
const MAX_MODEL: usize = 128;

/// A new run as the caller words it. Nothing in it has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// Which agent.
    pub agent_type: String,
    /// What it is to do.
    pub prompt: String,
    /// Where; `None` for a fresh folder.
    pub working_dir: Option<PathBuf>,
    /// Which model; `None` for the agent's own choice.
    pub model: Option<String>,
    /// Further command-line elements.
    pub extra_args: Vec<String>,
    /// Who decides on permissions.
    pub permission_mode: PermissionMode,
    /// Wall-clock limit; `None` for 300 s.
    pub timeout: Option<Duration>,
    /// Limit of silence; `None` for none.
    pub idle_timeout: Option<Duration>,
    /// The caller's own marks.
    pub labels: BTreeMap<String, String>,
    /// Whether the caller is on this machine.
    pub from_this_machine: bool,
}

/// What is wrong with a [`NewRun`]. Nothing was made or started.
#[derive(Debug, thiserror::Error)]
pub enum BadRun {
    /// There is nothing to do.
    #[error("there is nothing to do: it is empty")]
    PromptEmpty,
    /// A text that no program's input can carry.
    #[error("it contains a NUL character, which agents do not take; leave it out")]
    PromptNul,
    /// No such agent.
    #[error("there is no agent {name:?}; there are: {known}")]
    UnknownAgent {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Not the name of a model.
    #[error("not the name of a model: at most {MAX_MODEL} of letters, digits and . _ : / @ + [ ] -, the first a letter or digit")]
    Model,
    /// Arguments that nobody may use.
    #[error("{0}")]
    Args(#[from] BadArgs),
    /// Arguments that only an admin may use.
    #[error("only an admin may use {}: it can widen what the agent may do", flags.join(", "))]
    ArgsNeedAdmin {
        /// The flags.
        flags: Vec<String>,
    },
    /// A folder that cannot be worked in.
    #[error("{0}")]
    WorkingDir(#[from] WorkspaceError),
    /// A time limit outside of what is possible.
    #[error("must be from 1 to {} seconds", MAX_TIMEOUT.as_secs())]
    Timeout {
        /// The field's name.
        field: &'static str,
    },
    /// Labels that are too many or too long.
    #[error("at most {MAX_LABELS} labels, each name and value at most {MAX_LABEL} bytes, and no name empty")]
    Labels,
}

/// Checks `new` and makes the run's working folder if that is missing. Gives the spec and the flags that widened it.
pub(super) fn check(
    new: NewRun,
    id: RunId,
    caller: &Caller,
    agents: &Agents,
    workspaces: &Workspaces,
) -> Result<(RunSpec, Vec<String>), BadRun> {
    if new.prompt.trim().is_empty() {
        return Err(BadRun::PromptEmpty);
    }
    if new.prompt.contains('\0') {
        return Err(BadRun::PromptNul);
    }
    if !agents.contains(&new.agent_type) {
        return Err(BadRun::UnknownAgent { name: new.agent_type, known: agents.names().collect::<Vec<_>>().join(", ") });
    }
    if new.model.as_deref().is_some_and(|model| !is_model(model)) {
        return Err(BadRun::Model);
    }
    let widened = agents.judge_args(&new.agent_type, &new.extra_args)?.0;
    if !widened.is_empty() && !caller.is_admin() {
        return Err(BadRun::ArgsNeedAdmin { flags: widened });
    }
    let possible = |limit: Duration| !limit.is_zero() && limit <= MAX_TIMEOUT;
    if !new.timeout.is_none_or(possible) {
        return Err(BadRun::Timeout { field: "timeout_secs" });
    }
    if !new.idle_timeout.is_none_or(possible) {
        return Err(BadRun::Timeout { field: "idle_timeout_secs" });
    }
    let label_fits = |(name, value): (&String, &String)| !name.is_empty() && name.len() <= MAX_LABEL && value.len() <= MAX_LABEL;
    if new.labels.len() > MAX_LABELS || !new.labels.iter().all(label_fits) {
        return Err(BadRun::Labels);
    }
    // Last, since it may make a folder.
    let working_dir = match &new.working_dir {
        Some(wanted) => workspaces.check(wanted, new.from_this_machine)?,
        None => workspaces.fresh(id)?,
    };
    let spec = RunSpec {
        agent_type: new.agent_type,
        prompt: new.prompt,
        working_dir,
        model: new.model,
        extra_args: new.extra_args,
        permission_mode: new.permission_mode,
        timeout: new.timeout.unwrap_or(DEFAULT_TIMEOUT),
        idle_timeout: new.idle_timeout,
        labels: new.labels,
    };
    Ok((spec, widened))
}

/// S3 of the threat model: a model's name can never be read as a flag, a path upwards or two words.
fn is_model(text: &str) -> bool {
    let first_is_plain = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+[]-".contains(&byte);
    first_is_plain && text.len() <= MAX_MODEL && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_a_models_name_can_never_be_a_flag() {
        for good in ["opus", "claude-opus-4-5[1m]", "openrouter/anthropic/claude:beta", "gpt-5.5", "o3", "accounts/x@y+z"] {
            assert!(is_model(good), "{good}");
        }
        for bad in ["", "-m", "--model", "a b", "a\n", "a\0", "ä", "$(x)", "a;b", "=x", &"x".repeat(129)] {
            assert!(!is_model(bad), "{bad}");
        }
    }
}
