//! Determines the version and the login state. Files first: reading a stored login is one read, `codex doctor` takes 0.2 s.

use std::path::Path;

use serde_json::Value;

use super::command::codex_home;
use crate::agent::probe::Prober;
use crate::agent::{Authenticated, Inspection, Mode};

/// Inspects the program.
pub(super) async fn inspect(mode: Mode, binary: &Path, prober: &Prober) -> Inspection {
    let (version, authenticated) = tokio::join!(version(binary, prober), authenticated(mode, binary, prober));
    match version {
        Ok(version) => Inspection { version: Some(version), variant: "codex", authenticated, error: None },
        Err(error) => Inspection { version: None, variant: "codex", authenticated: Authenticated::Unknown, error: Some(error) },
    }
}

async fn version(binary: &Path, prober: &Prober) -> Result<String, String> {
    let output = prober.version(binary, "codex").await?;
    parse_version(&output.stdout).ok_or_else(|| "`codex --version` did not print a version of Codex".to_owned())
}

/// Parses `codex-cli 0.169.0`.
fn parse_version(stdout: &str) -> Option<String> {
    stdout.lines().find_map(|line| line.trim().strip_prefix("codex-cli ")).map(str::to_owned)
}

async fn authenticated(mode: Mode, binary: &Path, prober: &Prober) -> Authenticated {
    let home = codex_home(prober.var("CODEX_HOME").map(Path::new), prober.home());
    if prober.read(&home.join("auth.json")).await.is_some_and(|text| is_login(&text)) {
        return Authenticated::Yes;
    }
    // It also finds logins in a keyring and keys of custom providers. Its exit code reports any kind of problem and is ignored.
    match prober.run(binary, &["doctor", "--json"]).await {
        Ok(output) => parse_doctor_report(mode, &output.stdout),
        Err(_) => Authenticated::Unknown,
    }
}

/// Whether `auth.json` contains a key or tokens, besides metadata.
fn is_login(text: &str) -> bool {
    let metadata = ["auth_mode", "last_refresh"];
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return false };
    fields.iter().any(|(name, value)| !metadata.contains(&name.as_str()) && !value.is_null())
}

/// The login state in the output of `codex doctor --json`.
///
/// It reports `ok` for a key in the environment. However, `codex exec` sends only `CODEX_API_KEY`, and the app-server none (recordings
/// `builtin_provider_*`, and a test with 0.169.0 in which the model request had no key).
fn parse_doctor_report(mode: Mode, stdout: &str) -> Authenticated {
    let Ok(report) = serde_json::from_str::<Value>(stdout) else { return Authenticated::Unknown };
    let check = &report["checks"]["auth.credentials"];
    match (check["status"].as_str(), check["details"]["auth env vars present"].as_str()) {
        (Some("ok"), None) => Authenticated::Yes,
        (Some("ok"), Some(names)) if mode == Mode::OneShot && names.contains("CODEX_API_KEY") => Authenticated::Yes,
        (Some("ok" | "fail"), _) => Authenticated::No,
        _ => Authenticated::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_parsed_from_the_output_of_the_program() {
        assert_eq!(parse_version("codex-cli 0.169.0\n"), Some("0.169.0".to_owned()));
        assert_eq!(parse_version("WARNING: …\ncodex-cli 0.169.0"), Some("0.169.0".to_owned()));
        assert_eq!(parse_version("0.3.1"), None);
    }

    #[test]
    fn a_stored_login_is_a_key_or_tokens() {
        assert!(is_login(r#"{"auth_mode":"apikey","OPENAI_API_KEY":"sk-test"}"#));
        assert!(is_login(r#"{"OPENAI_API_KEY":null,"tokens":{"id_token":"x"},"last_refresh":"2026-11-22T00:00:00Z"}"#));
        assert!(!is_login(r#"{"OPENAI_API_KEY":null,"tokens":null,"last_refresh":"2026-11-22T00:00:00Z"}"#));
        for broken in ["", "{", "[]", "null"] {
            assert!(!is_login(broken), "{broken}");
        }
    }

    #[test]
    fn keys_that_doctor_accepts_but_codex_does_not_send_are_no_login() {
        // Recorded with 0.169.0, without the irrelevant parts.
        let report = |status: &str, details: Value| {
            json!({ "checks": { "auth.credentials": { "status": status, "details": details } } }).to_string()
        };
        let provider = report("ok", json!({ "auth storage mode": "File", "provider auth env var": "MOCK_KEY (present)" }));
        let nothing = report("fail", json!({ "auth storage mode": "File" }));
        let codex_key = report("ok", json!({ "auth env vars present": "CODEX_API_KEY", "auth storage mode": "File" }));
        let openai_key = report("ok", json!({ "auth env vars present": "OPENAI_API_KEY", "auth storage mode": "File" }));
        for (mode, report, expected) in [
            (Mode::TwoWay, &provider, Authenticated::Yes),
            (Mode::TwoWay, &nothing, Authenticated::No),
            (Mode::TwoWay, &codex_key, Authenticated::No),
            (Mode::OneShot, &codex_key, Authenticated::Yes),
            (Mode::OneShot, &openai_key, Authenticated::No),
        ] {
            assert_eq!(parse_doctor_report(mode, report), expected, "{mode:?} {report}");
        }
        assert_eq!(parse_doctor_report(Mode::TwoWay, "not JSON"), Authenticated::Unknown);
        assert_eq!(parse_doctor_report(Mode::TwoWay, "[]"), Authenticated::Unknown);
    }
}
