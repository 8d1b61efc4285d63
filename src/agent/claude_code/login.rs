//! Determines the version of an installed `claude` and whether a login or key is configured.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::agent::probe::Prober;
use crate::agent::{Authenticated, Inspection};

/// With any of these set, `claude auth status` reports a login.
const KEYS: [&str; 3] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];

/// The credentials file. Only the presence of a login is read.
#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "claudeAiOauth")]
    oauth: Option<serde::de::IgnoredAny>,
}

/// The output of `claude auth status`, which exits with code 1 if no login is configured.
#[derive(Deserialize)]
struct AuthStatus {
    #[serde(rename = "loggedIn")]
    logged_in: bool,
}

/// Inspects `binary`: 0.01 s for the version, and another 0.3 s if neither variables nor files contain a login.
pub(super) async fn inspect(binary: &Path, prober: &Prober) -> Inspection {
    let (version, authenticated) = tokio::join!(version(binary, prober), authenticated(binary, prober));
    let (version, error) = match version {
        Ok(version) => (Some(version), None),
        Err(error) => (None, Some(error)),
    };
    Inspection { version, variant: "claude_code", authenticated, error }
}

/// The version.
///
/// # Errors
/// Why the program cannot be used.
async fn version(binary: &Path, prober: &Prober) -> Result<String, String> {
    let output = prober.version(binary, "claude").await?;
    parse_version(&output.stdout).map(str::to_owned).ok_or_else(|| "`claude --version` did not print a version of Claude Code".to_owned())
}

/// Parses `2.1.330 (Claude Code)`.
fn parse_version(stdout: &str) -> Option<&str> {
    stdout.trim().strip_suffix("(Claude Code)").map(str::trim).filter(|version| !version.is_empty())
}

async fn authenticated(binary: &Path, prober: &Prober) -> Authenticated {
    if KEYS.iter().any(|key| prober.var(key).is_some()) {
        return Authenticated::Yes;
    }
    // Where the program stores its login on systems without a keyring.
    let config = prober.var("CLAUDE_CONFIG_DIR").map_or_else(|| prober.home().join(".claude"), PathBuf::from);
    if let Some(text) = prober.read(&config.join(".credentials.json")).await
        && has_login(&text)
    {
        return Authenticated::Yes;
    }
    // Only the program knows about the key helpers in its settings, cloud providers and the system's keyring.
    match prober.run(binary, &["auth", "status"]).await {
        Ok(output) => parse_auth_status(&output.stdout),
        Err(_) => Authenticated::Unknown,
    }
}

fn has_login(credentials: &str) -> bool {
    serde_json::from_str::<Credentials>(credentials).is_ok_and(|credentials| credentials.oauth.is_some())
}

fn parse_auth_status(stdout: &str) -> Authenticated {
    match serde_json::from_str::<AuthStatus>(stdout) {
        Ok(AuthStatus { logged_in: true }) => Authenticated::Yes,
        Ok(AuthStatus { logged_in: false }) => Authenticated::No,
        Err(_) => Authenticated::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_version_is_parsed_from_the_output_of_the_program() {
        assert_eq!(parse_version("2.1.330 (Claude Code)\n"), Some("2.1.330"));
        for other in ["", "codex-cli 0.169.0\n", "(Claude Code)", "1.2.3"] {
            assert_eq!(parse_version(other), None, "{other}");
        }
    }

    #[test]
    fn the_output_of_auth_status_is_parsed() {
        assert_eq!(parse_auth_status("{\n  \"loggedIn\": true,\n  \"authMethod\": \"api_key\"\n}\n"), Authenticated::Yes);
        assert_eq!(parse_auth_status("{\n  \"loggedIn\": false,\n  \"authMethod\": \"none\"\n}\n"), Authenticated::No);
        assert_eq!(parse_auth_status("error: unknown command 'auth'"), Authenticated::Unknown);
    }

    #[test]
    fn a_credentials_file_without_a_login_does_not_count() {
        assert!(has_login(r#"{"claudeAiOauth":{"accessToken":"x"}}"#));
        assert!(!has_login(r#"{"claudeAiOauth":null}"#));
        assert!(!has_login("{}"));
        assert!(!has_login("not json"));
    }

    /// A script that answers like the real program in the recording `auth_probe_none`.
    fn fake_program(dir: &Path, logged_in: bool) -> PathBuf {
        let file = dir.join("claude");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n--version) echo '2.1.330 (Claude Code)';;\n'auth status') echo '{{\"loggedIn\": {logged_in}}}'; exit 1;;\nesac\n"
        );
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[tokio::test]
    async fn the_program_is_run_only_if_no_variable_or_file_contains_a_login() {
        let dir = tempfile::tempdir().unwrap();
        let binary = fake_program(dir.path(), false);
        let inspect_with = async |env: &[(&str, &str)]| {
            let env: BTreeMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            inspect(&binary, &Prober::new(env, dir.path().to_owned(), dir.path().to_owned())).await
        };
        let expected = |authenticated| Inspection { version: Some("2.1.330".into()), variant: "claude_code", authenticated, error: None };
        assert_eq!(inspect_with(&[]).await, expected(Authenticated::No));
        assert_eq!(inspect_with(&[("ANTHROPIC_API_KEY", "k")]).await, expected(Authenticated::Yes));
        assert_eq!(inspect_with(&[("ANTHROPIC_API_KEY", "")]).await, expected(Authenticated::No));
        std::fs::create_dir(dir.path().join(".claude")).unwrap();
        std::fs::write(dir.path().join(".claude/.credentials.json"), r#"{"claudeAiOauth":{}}"#).unwrap();
        assert_eq!(inspect_with(&[]).await, expected(Authenticated::Yes));
        assert_eq!(inspect_with(&[("CLAUDE_CONFIG_DIR", "/nonexistent")]).await, expected(Authenticated::No));
    }

    #[tokio::test]
    async fn another_program_of_the_same_name_is_reported_as_unusable() {
        let dir = tempfile::tempdir().unwrap();
        let inspection = inspect(Path::new("/bin/true"), &Prober::new(BTreeMap::new(), dir.path().to_owned(), dir.path().to_owned())).await;
        assert_eq!(inspection.version, None);
        assert!(inspection.error.is_some_and(|error| error.contains("did not print a version of Claude Code")));
    }
}
