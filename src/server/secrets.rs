//! The values that this server knows and shows to nobody.

use crate::config::Settings;
use crate::redact::Secrets;

/// The server's own secrets, those of its environment, of which agents are given some: their providers' keys, and what the operator's own
/// agents are given.
pub(super) fn known_secrets(settings: &Settings) -> Secrets {
    let ours = [&settings.jwt_secret, &settings.admin_password, &settings.webhook_secret]
        .into_iter()
        .flatten()
        .map(|secret| secret.expose().to_owned());
    let given = settings.agents.configured.iter().flat_map(|agent| agent.set_env.values().cloned());
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let values = environment.flat_map(|(name, value)| if names_a_secret(&name) { vec![value] } else { in_headers(&name, &value) });
    Secrets::new(ours.chain(given).chain(values))
}

/// Whether a variable of this name holds a secret, as far as a name can tell.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.contains("PASSWORD") || ["_KEY", "_TOKEN", "_SECRET"].iter().any(|end| name.ends_with(end))
}

/// What a collector of traces is told with each request: `name=value` with commas between, often a key.
fn in_headers(name: &str, value: &str) -> Vec<String> {
    if !["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"].contains(&name) {
        return Vec::new();
    }
    value.split(',').filter_map(|header| Some(header.split_once('=')?.1.trim().to_owned())).collect()
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
        assert_eq!(in_headers("OTEL_EXPORTER_OTLP_HEADERS", "x-key= 12345678 ,b=c"), ["12345678", "c"]);
        assert!(in_headers("OTEL_RESOURCE_ATTRIBUTES", "a=b").is_empty());
        for name in ["PATH", "KEYBOARD", "TOKENIZER_THREADS", "ANTHROPIC_BASE_URL", "MONKEY"] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
