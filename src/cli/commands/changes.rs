//! `openrunner run changes`

use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::Value;

use crate::cli::client::{Client, resolve_run};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::cli::{sanitize, terminal};

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const HUNK: Style = AnsiColor::Cyan.on_default();
const FILE: Style = Style::new().bold();

/// Maximum number of signs in the histogram of a file.
const MAX_SIGNS: u64 = 40;

/// Arguments of `run changes`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChangesArgs {
    /// Run: an id, the start of one, or `last`
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// Only the changes of this turn, counted from 1
    #[arg(long, value_name = "N")]
    turn: Option<u64>,
    /// Print added and removed lines per file
    #[arg(long, conflicts_with = "patch")]
    stat: bool,
    /// Print a patch that `git apply` takes
    #[arg(long, conflicts_with = "json")]
    patch: bool,
}

/// Prints what a run has changed in its working directory.
pub(in crate::cli) async fn changes(context: &Context, args: ChangesArgs) -> anyhow::Result<Exit> {
    let client = context.connect().await?;
    let id = resolve_run(&client, &args.run).await?;
    let query = [("turn", args.turn.map(|turn| turn.to_string()))];
    if args.patch {
        let patch = client.bytes(&format!("/api/runs/{id}/changes.patch"), &query).await?;
        print_patch(&patch)?;
        return Ok(Exit::Success);
    }
    let [(_, turn)] = query;
    print_list(context, &client, &format!("/api/runs/{id}/changes"), turn, args.stat).await
}

/// Prints a list of changed files, all pages of it.
pub(super) async fn print_list(context: &Context, client: &Client, path: &str, turn: Option<String>, stat: bool) -> anyhow::Result<Exit> {
    let query = [("turn", turn)];
    let mut changes = client.get_with(path, &query).await?;
    let mut cursor = changes["next_cursor"].take();
    while let Some(next) = cursor.as_str().map(str::to_owned) {
        let mut page = client.get_with(path, &[query[0].clone(), ("cursor", Some(next))]).await?;
        cursor = page["next_cursor"].take();
        if let (Some(items), Value::Array(more)) = (changes["items"].as_array_mut(), page["items"].take()) {
            items.extend(more);
        }
    }
    if context.output.json {
        return print_json(&changes).map(|()| Exit::Success);
    }
    print_files(&changes, stat)?;
    let skipped = changes["skipped_total"].as_u64().unwrap_or(0);
    if skipped > 0 {
        context.output.note(&format!("the changes of {skipped} large or unreadable files and directories are not recorded"));
    }
    Ok(Exit::Success)
}

fn print_files(changes: &Value, stat: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let empty = Vec::new();
    let items = changes["items"].as_array().unwrap_or(&empty);
    let names: Vec<String> = items.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let most = items.iter().map(|file| count(file, "insertions") + count(file, "deletions")).max().unwrap_or(0);
    for (file, name) in items.iter().zip(&names) {
        if stat {
            writeln!(out, "{name:width$} | {}", signs(file, most))?;
        } else {
            let (letter, style) = letter(file);
            writeln!(out, "{style}{letter}{style:#} {name}")?;
        }
    }
    let (files, insertions, deletions) = (count(changes, "files"), count(changes, "insertions"), count(changes, "deletions"));
    let noun = if files == 1 { "file" } else { "files" };
    writeln!(out, "{files} {noun} changed, {ADDED}+{insertions}{ADDED:#} {REMOVED}-{deletions}{REMOVED:#}")?;
    Ok(())
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

fn name(file: &Value) -> String {
    let path = sanitize::exact(&field(file, "path"));
    match file["old_path"].as_str() {
        Some(old) => format!("{} → {path}", sanitize::exact(old)),
        None => path,
    }
}

fn letter(file: &Value) -> (char, Style) {
    match file["status"].as_str() {
        Some("added") => ('A', ADDED),
        Some("deleted") => ('D', REMOVED),
        Some("renamed") => ('R', HUNK),
        Some("type_changed") => ('T', HUNK),
        _ => ('M', HUNK),
    }
}

/// The number of changed lines, and signs in proportion to the file with the most.
fn signs(file: &Value, most: u64) -> String {
    if file["binary"] == true {
        return "binary".into();
    }
    let (insertions, deletions) = (count(file, "insertions"), count(file, "deletions"));
    let scaled = |lines: u64| {
        let signs = if most <= MAX_SIGNS { lines } else { (lines * MAX_SIGNS).div_ceil(most) };
        usize::try_from(signs).unwrap_or(0)
    };
    let (plus, minus) = ("+".repeat(scaled(insertions)), "-".repeat(scaled(deletions)));
    format!("{} {ADDED}{plus}{ADDED:#}{REMOVED}{minus}{REMOVED:#}", insertions + deletions)
}

/// Prints a patch byte by byte, or to a terminal as text with colors.
pub(super) fn print_patch(patch: &[u8]) -> anyhow::Result<()> {
    if !terminal::is_stdout() {
        let mut out = std::io::stdout().lock();
        out.write_all(patch)?;
        return Ok(out.flush()?);
    }
    let mut out = anstream::stdout().lock();
    for line in String::from_utf8_lossy(patch).lines() {
        let style = match line.as_bytes() {
            [b'd', b'i', b'f', b'f', ..] | [b'+', b'+', b'+', b' ', ..] | [b'-', b'-', b'-', b' ', ..] => FILE,
            [b'@', ..] => HUNK,
            [b'+', ..] => ADDED,
            [b'-', ..] => REMOVED,
            _ => Style::new(),
        };
        writeln!(out, "{style}{}{style:#}", sanitize::text(line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn signs_are_in_proportion_to_the_file_with_the_most() {
        let text = |file: &Value, most| anstream::adapter::strip_str(&signs(file, most)).to_string();
        assert_eq!(text(&json!({"insertions": 2, "deletions": 1}), 3), "3 ++-");
        assert_eq!(text(&json!({"insertions": 1, "deletions": 0}), 10_000), "1 +");
        assert_eq!(text(&json!({"binary": true}), 3), "binary");
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        let name = name(&json!({"path": "a\u{1b}[2J", "old_path": "b\nc"}));
        assert!(!name.contains('\u{1b}') && !name.contains('\n'), "{name:?}");
    }
}
