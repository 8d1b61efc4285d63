//! `openrunner agent ls`

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{field, items};
use crate::cli::output::print_json;
use crate::cli::table;

/// Lists the agents of the server.
pub(in crate::cli) async fn ls(context: &Context) -> anyhow::Result<Exit> {
    let agents = context.connect().await?.get("/health/agents").await?;
    if context.output.json {
        return print_json(&agents).map(|()| Exit::Success);
    }
    let rows: Vec<_> = items(&agents).map(row).collect();
    table::print(context.output, ["agent", "available", "version", "logged in", "path, or what to do"], &rows)?;
    Ok(Exit::Success)
}

fn row(agent: &Value) -> [String; 5] {
    let is_available = agent["available"] == true;
    let authenticated = field(agent, "authenticated");
    let note = match (is_available, authenticated.as_str()) {
        (false, _) if agent["version"].is_null() && agent["install"].is_string() => {
            format!("openrunner agent install {}, or: {}", field(agent, "agent_type"), field(agent, "install"))
        }
        (false, _) => field(agent, "error"),
        (true, "no") => field(agent, "login"),
        (true, _) => field(agent, "path"),
    };
    let version = match field(agent, "version") {
        version if agent["tested"] == false => format!("{version} (not tested)").trim_start().to_owned(),
        version => version,
    };
    let available = if is_available { "yes" } else { "no" };
    [field(agent, "agent_type"), available.to_owned(), version, authenticated, note]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_that_cannot_be_used_shows_what_to_do() {
        let note = |agent: Value| row(&agent)[4].clone();
        let missing = json!({ "agent_type": "codex", "available": false, "install": "npm install x", "error": "not found" });
        let version = |agent: Value| row(&agent)[2].clone();
        assert_eq!(version(json!({ "agent_type": "opencode", "available": true, "version": "2.0", "tested": false })), "2.0 (not tested)");
        assert_eq!(version(json!({ "agent_type": "opencode", "available": true, "version": "1.0", "tested": true })), "1.0");
        assert_eq!(note(missing), "openrunner agent install codex, or: npm install x");
        assert_eq!(note(json!({ "agent_type": "codex", "available": false, "version": "1", "error": "too old" })), "too old");
        assert_eq!(note(json!({ "agent_type": "codex", "available": true, "authenticated": "no", "login": "codex login" })), "codex login");
    }
}
