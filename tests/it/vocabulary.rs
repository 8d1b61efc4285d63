//! The vocabulary of the project: names and words that were retired stay retired.

use std::fs;
use std::path::{Path, PathBuf};

/// Words and phrases that documents, comments, messages and the console do not use.
const WORDS: [&str; 6] = ["whoever", "somebody", "nobody", "whatever", "of ours", "whomever"];

/// Identifiers that were replaced by the terms of the field.
const NAMES: &[&str] = &[
    "door",
    "Door",
    "Keeper",
    "keeper",
    "Voice",
    "Ladder",
    "ladder",
    "Rung",
    "Surroundings",
    "Hall",
    "Presence",
    "Teller",
    "Wish",
    "Asks",
    "NotTaken",
    "NotAnswered",
    "Cage",
    "cage",
    "Confinement",
    "Deed",
    "PeerFacts",
    "PeerAddress",
    "ClientAddress",
    "patience",
    "Patience",
    "linger",
    "lingered",
    "conceal",
    "task_file",
    "TaskFile",
    "Fate",
    "Speaks",
    "Ledger",
    "Desk",
    "Explained",
    "Remains",
    "Survey",
    "walk_tests",
    "obey",
    "glance",
    "say_farewell",
    "let_go",
    "go_on",
    "nobody_answered",
    "agent_stirs",
    "settle_clock",
    "catch_up",
    "MOST",
    "Place",
    "Asked",
    "Told",
    "Said",
    "Kept",
    "Visit",
    "Charge",
    "Spent",
    "Unsure",
    "line_up",
    "give_up",
    "find_again",
    "queue_again",
    "climb",
    "judge",
    "hear",
    "Birth",
    "Actor",
    "LINGER",
    "PATIENCE",
    "first_word",
    "shortage",
    "Shortage",
    "BadGroup",
    "keeper_of",
    "ProcessTree",
    "ProcessFolder",
    "InputOrder",
    "StartOrder",
];

/// Lines that were reviewed and may contain a word of the list: path and text.
const REVIEWED: &[(&str, &str)] = &[];

#[test]
fn retired_words_are_not_used() {
    let mut found = Vec::new();
    for path in text_files() {
        let text = fs::read_to_string(root().join(&path)).expect("a text file");
        for (line, number) in text.lines().zip(1..) {
            let lower = line.to_lowercase();
            let is_reviewed = REVIEWED.iter().any(|(file, text)| path == Path::new(file) && line.contains(text));
            for word in WORDS.iter().filter(|word| contains_word(&lower, word)) {
                if !is_reviewed {
                    found.push(format!("{}:{number}: {word}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} retired words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn retired_names_are_not_used() {
    let mut found = Vec::new();
    for path in text_files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        if path == Path::new("tests/it/vocabulary.rs") {
            continue;
        }
        let text = fs::read_to_string(root().join(&path)).expect("a source file");
        for (line, number) in text.lines().zip(1..) {
            let code = line.split("//").next().unwrap_or_default();
            found.extend(NAMES.iter().filter(|name| contains_word(code, name)).map(|name| format!("{}:{number}: {name}", path.display())));
            if let Some(name) = code.trim().strip_prefix("fn ").or_else(|| code.trim().strip_prefix("async fn "))
                && has_rule_prefix(name)
            {
                found.push(format!("{}:{number}: {name}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{} retired names:\n{}", found.len(), found.join("\n"));
}

/// Whether a test's name starts with the id of a rule: `d8_`.
fn has_rule_prefix(name: &str) -> bool {
    let Some((id, _)) = name.split_once('_') else { return false };
    id.strip_prefix(|first: char| "disrkwc".contains(first)).is_some_and(|number| number.parse::<u8>().is_ok())
}

/// Whether `text` contains `word`, not as a part of a longer word.
fn contains_word(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word))
}

/// Source code and documents that people of the project write. Recordings, generated and vendored files are not among them.
fn text_files() -> Vec<PathBuf> {
    const EXTENSIONS: [&str; 11] = ["rs", "md", "js", "html", "css", "py", "ts", "sh", "toml", "sql", "yml"];
    const SKIPPED: [&str; 8] = ["target", "node_modules", "vendor", "transcripts", "snapshots", "mock-llm", "corpus", "dist"];
    let (mut files, mut dirs) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root().join(&dir)).expect("a directory of this repository") {
            let name = entry.expect("a directory entry").file_name();
            let (path, name) = (dir.join(&name), name.to_string_lossy().into_owned());
            if root().join(&path).is_dir() && !root().join(&path).is_symlink() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    dirs.push(path);
                }
            } else if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
                && path != Path::new("tests/it/vocabulary.rs")
            {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 500, "the files of this repository were not found");
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
