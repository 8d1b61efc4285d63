//! Whether Codex is there and logged in. Files first: a stored login costs one read, `codex doctor` a fifth of a second.

use std::path::Path;

use serde_json::Value;

use super::command::codex_home;
use crate::agent::probe::Prober;
use crate::agent::{Authenticated, Inspection, Mode};

/// Looks at the program.
pub(super) async fn inspect(mode: Mode, binary: &Path, prober: &Prober) -> Inspection {
    let (version, authenticated) = tokio::join!(version(binary, prober), authenticated(mode, binary, prober));
    match version {
        Ok(version) => Inspection { version: Some(version), variant: "codex", authenticated, error: None },
        Err(error) => Inspection { version: None, variant: "codex", authenticated: Authenticated::Unknown, error: Some(error) },
    }
}

async fn version(binary: &Path, prober: &Prober) -> Result<String, String> {
    let output = prober.run(binary, &["--version"]).await.map_err(|error| format!("codex --version {error}"))?;
    if !output.exit.is_success() {
        return Err(format!("codex --version ended with {}", output.exit));
    }
    version_in(&output.stdout).ok_or_else(|| "codex --version does not name a version of Codex".to_owned())
}

/// The version in `codex-cli 0.169.0`.
fn version_in(stdout: &str) -> Option<String> {
    stdout.lines().find_map(|line| line.trim().strip_prefix("codex-cli ")).map(str::to_owned)
}

async fn authenticated(mode: Mode, binary: &Path, prober: &Prober) -> Authenticated {
    let home = codex_home(prober.var("CODEX_HOME").map(Path::new), prober.home());
    if prober.read(&home.join("auth.json")).await.is_some_and(|text| is_login(&text)) {
        return Authenticated::Yes;
    }
    // Knows the login in a keyring and the key of a provider of one's own, too. It says by its exit code that something or other
    // is not in order, so the code does not count.
    match prober.run(binary, &["doctor", "--json"]).await {
        Ok(output) => by_doctor(mode, &output.stdout),
        Err(_) => Authenticated::Unknown,
    }
}

/// Whether `auth.json` holds a key or tokens: anything but the words about them.
fn is_login(text: &str) -> bool {
    let about = ["auth_mode", "last_refresh"];
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return false };
    fields.iter().any(|(name, value)| !about.contains(&name.as_str()) && !value.is_null())
}

/// What `codex doctor --json` says of the login.
///
/// A key in the environment is `ok` for it, but `codex exec` sends only `CODEX_API_KEY`, and the app-server none (recordings
/// `builtin_provider_*` and a trial of 0.169.0: the request to the model went out without a key).
fn by_doctor(mode: Mode, stdout: &str) -> Authenticated {
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
    fn the_version_is_the_word_after_the_name() {
        assert_eq!(version_in("codex-cli 0.169.0\n"), Some("0.169.0".to_owned()));
        assert_eq!(version_in("WARNING: …\ncodex-cli 0.169.0"), Some("0.169.0".to_owned()));
        assert_eq!(version_in("0.3.1"), None);
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
    fn doctors_word_counts_except_for_keys_that_are_not_sent() {
        // As recorded with 0.169.0, without the parts that do not matter.
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
            assert_eq!(by_doctor(mode, report), expected, "{mode:?} {report}");
        }
        assert_eq!(by_doctor(Mode::TwoWay, "no JSON"), Authenticated::Unknown);
        assert_eq!(by_doctor(Mode::TwoWay, "[]"), Authenticated::Unknown);
    }
}
