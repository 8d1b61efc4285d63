//! `openrunner config`: the settings that a server would start with.

use serde_json::Value;

use super::commands::LocalArgs;
use super::exit::Exit;
use super::run::print_json;
use super::table;
use crate::config::resolve;

/// Carries out `openrunner config`.
pub(super) fn config(args: LocalArgs) -> anyhow::Result<Exit> {
    let all = resolve(args.flags, &|name| std::env::var_os(name))?;
    if args.form.json {
        return print_json(&serde_json::json!({ "items": all, "next_cursor": null })).map(|()| Exit::Done);
    }
    let rows: Vec<_> = all
        .into_iter()
        .map(|one| {
            let value = match one.value {
                Value::String(text) => text,
                Value::Null => "none".to_owned(),
                other => other.to_string(),
            };
            [one.name.to_owned(), value, one.origin.to_string(), one.variable.unwrap_or("only in the file").to_owned()]
        })
        .collect();
    table::print(["setting", "value", "from", "variable"], &rows)?;
    Ok(Exit::Done)
}
