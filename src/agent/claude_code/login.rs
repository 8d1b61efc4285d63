//! What an installed `claude` is: its version, and whether it has a login or key.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::agent::probe::Prober;
use crate::agent::{Authenticated, Inspection};

/// With each of these alone, `claude auth status` says that somebody is logged in.
const KEYS: [&str; 3] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];

/// What of the credentials file is looked at: only whether a login is in it.
#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "claudeAiOauth")]
    oauth: Option<serde::de::IgnoredAny>,
}

/// The answer of `claude auth status`, which exits with 1 when nobody is logged in.
#[derive(Deserialize)]
struct AuthStatus {
    #[serde(rename = "loggedIn")]
    logged_in: bool,
}

/// Looks at `binary`: 0.01 s for the version, and another 0.3 s only where neither variables nor files tell of a login.
pub(super) async fn inspect(binary: &Path, prober: &Prober) -> Inspection {
    let (version, authenticated) = tokio::join!(version(binary, prober), authenticated(binary, prober));
    let (version, error) = match version {
        Ok(version) => (Some(version), None),
        Err(error) => (None, Some(error)),
    };
    Inspection { version, variant: "claude_code", authenticated, error }
}

/// The version, or why the program cannot be used.
async fn version(binary: &Path, prober: &Prober) -> Result<String, String> {
    let output = prober.run(binary, &["--version"]).await.map_err(|error| format!("`claude --version`: {error}"))?;
    version_in(&output.stdout).map(str::to_owned).ok_or_else(|| format!("`claude --version` is not Claude Code's: {}", output.exit))
}

/// Reads `2.1.330 (Claude Code)`.
fn version_in(stdout: &str) -> Option<&str> {
    stdout.trim().strip_suffix("(Claude Code)").map(str::trim).filter(|version| !version.is_empty())
}

async fn authenticated(binary: &Path, prober: &Prober) -> Authenticated {
    if KEYS.iter().any(|key| prober.var(key).is_some()) {
        return Authenticated::Yes;
    }
    // The program's own name for the file, on systems without a key ring.
    let config = prober.var("CLAUDE_CONFIG_DIR").map_or_else(|| prober.home().join(".claude"), PathBuf::from);
    if let Some(text) = prober.read(&config.join(".credentials.json")).await
        && has_login(&text)
    {
        return Authenticated::Yes;
    }
    // Key helpers of its settings, cloud providers and a system's key ring are known to the program alone.
    match prober.run(binary, &["auth", "status"]).await {
        Ok(output) => auth_status(&output.stdout),
        Err(_unanswered) => Authenticated::Unknown,
    }
}

fn has_login(credentials: &str) -> bool {
    serde_json::from_str::<Credentials>(credentials).is_ok_and(|credentials| credentials.oauth.is_some())
}

fn auth_status(stdout: &str) -> Authenticated {
    match serde_json::from_str::<AuthStatus>(stdout) {
        Ok(AuthStatus { logged_in: true }) => Authenticated::Yes,
        Ok(AuthStatus { logged_in: false }) => Authenticated::No,
        Err(_other_words) => Authenticated::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_version_is_read_as_the_program_prints_it() {
        assert_eq!(version_in("2.1.330 (Claude Code)\n"), Some("2.1.330"));
        for other in ["", "codex-cli 0.169.0\n", "(Claude Code)", "1.2.3"] {
            assert_eq!(version_in(other), None, "{other}");
        }
    }

    #[test]
    fn the_programs_own_word_on_its_login_is_understood() {
        assert_eq!(auth_status("{\n  \"loggedIn\": true,\n  \"authMethod\": \"api_key\"\n}\n"), Authenticated::Yes);
        assert_eq!(auth_status("{\n  \"loggedIn\": false,\n  \"authMethod\": \"none\"\n}\n"), Authenticated::No);
        assert_eq!(auth_status("error: unknown command 'auth'"), Authenticated::Unknown);
    }

    #[test]
    fn a_credentials_file_counts_only_with_a_login_in_it() {
        assert!(has_login(r#"{"claudeAiOauth":{"accessToken":"x"}}"#));
        assert!(!has_login(r#"{"claudeAiOauth":null}"#));
        assert!(!has_login("{}"));
        assert!(!has_login("not json"));
    }

    /// A program that answers as the real one does in `auth_probe_none`, and says "yes" only to what it is asked.
    fn pretend(dir: &Path, logged_in: bool) -> PathBuf {
        let file = dir.join("claude");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n--version) echo '2.1.330 (Claude Code)';;\n'auth status') echo '{{\"loggedIn\": {logged_in}}}'; exit 1;;\nesac\n"
        );
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[tokio::test]
    async fn a_program_is_asked_only_when_nothing_else_tells_of_a_login() {
        let dir = tempfile::tempdir().unwrap();
        let binary = pretend(dir.path(), false);
        let look = async |env: &[(&str, &str)]| {
            let env: BTreeMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            inspect(&binary, &Prober::new(env, dir.path().to_owned(), dir.path().to_owned())).await
        };
        let found = |authenticated| Inspection { version: Some("2.1.330".into()), variant: "claude_code", authenticated, error: None };
        assert_eq!(look(&[]).await, found(Authenticated::No));
        assert_eq!(look(&[("ANTHROPIC_API_KEY", "k")]).await, found(Authenticated::Yes));
        assert_eq!(look(&[("ANTHROPIC_API_KEY", "")]).await, found(Authenticated::No));
        std::fs::create_dir(dir.path().join(".claude")).unwrap();
        std::fs::write(dir.path().join(".claude/.credentials.json"), r#"{"claudeAiOauth":{}}"#).unwrap();
        assert_eq!(look(&[]).await, found(Authenticated::Yes));
        assert_eq!(look(&[("CLAUDE_CONFIG_DIR", "/nonexistent")]).await, found(Authenticated::No));
    }

    #[tokio::test]
    async fn another_program_of_the_same_name_is_named_as_unusable() {
        let dir = tempfile::tempdir().unwrap();
        let inspection = inspect(Path::new("/bin/true"), &Prober::new(BTreeMap::new(), dir.path().to_owned(), dir.path().to_owned())).await;
        assert_eq!(inspection.version, None);
        assert!(inspection.error.is_some_and(|error| error.contains("not Claude Code")));
    }
}
