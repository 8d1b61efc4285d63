//! `openrunner server ls`

use serde_json::json;

use crate::cli::client::{Servers, servers_file};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::output::print_json;
use crate::cli::table;

/// Lists the servers with a stored login.
pub(in crate::cli) fn ls(context: &Context) -> anyhow::Result<Exit> {
    let servers = servers_file().map_or_else(|| Ok(Servers::default()), |path| Servers::load(&path))?;
    let is_default = |name: &String| servers.default.as_ref() == Some(name);
    if context.output.json {
        let items: Vec<_> = servers
            .servers
            .iter()
            .map(|(name, entry)| json!({ "name": name, "url": entry.url, "username": entry.username, "is_default": is_default(name) }))
            .collect();
        return print_json(&json!({ "items": items, "next_cursor": null })).map(|()| Exit::Success);
    }
    let rows: Vec<_> = servers
        .servers
        .iter()
        .map(|(name, entry)| {
            let default = if is_default(name) { "default" } else { "" };
            [name.clone(), entry.url.clone(), entry.username.clone(), default.to_owned()]
        })
        .collect();
    table::print(context.output, ["name", "url", "user", ""], &rows)?;
    Ok(Exit::Success)
}
