//! The secret values that the server knows and masks everywhere.

use crate::config::Settings;
use crate::redact::Secrets;

/// Collects the server's own secrets, the secrets in its environment (some of which agents receive, such as provider keys), and the
/// environment values of configured agents.
pub(super) fn known_secrets(settings: &Settings) -> Secrets {
    let own = [&settings.jwt_secret, &settings.admin_password, &settings.webhook_secret]
        .into_iter()
        .flatten()
        .map(|secret| secret.expose().to_owned());
    let agent_values = settings.agents.configured.iter().flat_map(|agent| agent.set_env.values().cloned());
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let values = environment.flat_map(|(name, value)| if is_secret_name(&name) { vec![value] } else { otlp_header_values(&name, &value) });
    Secrets::new(own.chain(agent_values).chain(values))
}

/// Whether the name of a variable suggests that its value is a secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.contains("PASSWORD") || ["_KEY", "_TOKEN", "_SECRET"].iter().any(|end| name.ends_with(end))
}

/// The values in an OTLP headers variable (`name=value`, comma-separated), which often hold an API key.
fn otlp_header_values(name: &str, value: &str) -> Vec<String> {
    if !["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"].contains(&name) {
        return Vec::new();
    }
    value.split(',').filter_map(|header| Some(header.split_once('=')?.1.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_variables_are_recognized_by_name() {
        for name in
            ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLIENT_SECRET", "OPENRUNNER_ADMIN_PASSWORD", "PGPASSWORD", "db_password_2"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        assert_eq!(otlp_header_values("OTEL_EXPORTER_OTLP_HEADERS", "x-key= 12345678 ,b=c"), ["12345678", "c"]);
        assert!(otlp_header_values("OTEL_RESOURCE_ATTRIBUTES", "a=b").is_empty());
        for name in ["PATH", "KEYBOARD", "TOKENIZER_THREADS", "ANTHROPIC_BASE_URL", "MONKEY"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
