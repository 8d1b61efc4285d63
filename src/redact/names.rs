//! Names of variables whose values are secrets.

/// Whether the name of a variable suggests that its value is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.contains("PASSWORD") || ["_KEY", "_TOKEN", "_SECRET"].iter().any(|end| name.ends_with(end))
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
        for name in ["PATH", "KEYBOARD", "TOKENIZER_THREADS", "ANTHROPIC_BASE_URL", "MONKEY", "NODE_ENV"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
