//! The values that this server knows and shows to nobody.

use crate::config::Settings;
use crate::run::events::Secrets;

/// The server's own secrets, those of its environment, of which agents are given some: their providers' keys, and what the operator's own
/// agents are given.
pub(super) fn known_secrets(settings: &Settings) -> Secrets {
    let ours = [&settings.jwt_secret, &settings.admin_password, &settings.webhook_secret]
        .into_iter()
        .flatten()
        .map(|secret| secret.expose().to_owned());
    let given = settings.agents.configured.iter().flat_map(|agent| agent.set_env.values().cloned());
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Secrets::new(ours.chain(given).chain(environment.filter(|(name, _)| names_a_secret(name)).map(|(_, value)| value)))
}

/// Whether a variable of this name holds a secret, as far as a name can tell.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.contains("PASSWORD") || ["_KEY", "_TOKEN", "_SECRET"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_hold_secrets_are_known_by_their_names() {
        for name in
            ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLIENT_SECRET", "OPENRUNNER_ADMIN_PASSWORD", "PGPASSWORD", "db_password_2"]
        {
            assert!(names_a_secret(name), "{name}");
        }
        for name in ["PATH", "KEYBOARD", "TOKENIZER_THREADS", "ANTHROPIC_BASE_URL", "MONKEY"] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
