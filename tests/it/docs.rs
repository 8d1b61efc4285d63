//! The documents hold what they say: commands agree between languages, links lead somewhere, examples are what the code writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use openrunner::types::StreamEvent;
use serde_json::Value;

/// One fenced block: the words after its opening fence, and its lines.
#[derive(Debug, PartialEq, Eq)]
struct Fenced {
    info: String,
    text: String,
}

#[test]
fn both_readmes_show_the_same_code_in_the_same_order() {
    let (english, chinese) = (Document::of(&read("README.md")).blocks, Document::of(&read("README.zh-CN.md")).blocks);
    for (number, (ours, theirs)) in english.iter().zip(&chinese).enumerate() {
        assert_eq!(ours, theirs, "code block {number} differs");
    }
    assert_eq!(english.len(), chinese.len(), "one of them has more code blocks");
}

#[test]
fn every_relative_link_in_a_document_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in Document::of(&text).links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let found =
                target.exists() && (anchor.is_empty() || Document::of(&fs::read_to_string(&target).unwrap()).anchors().contains(anchor));
            if !found {
                broken.push(format!("{} → {link}", document.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_example_in_the_event_contract_is_an_event_of_ours() {
    let contract = read("docs/events.md");
    let mut shown = BTreeSet::new();
    for example in Document::of(&contract).blocks.into_iter().filter(|block| block.info == "json") {
        let Value::Object(mut fields) = serde_json::from_str(&example.text).unwrap() else { panic!("not an object: {}", example.text) };
        assert!(fields.remove("seq").is_some_and(|seq| seq.is_u64()), "no seq: {}", example.text);
        assert!(fields.remove("ts").is_some_and(|ts| ts.is_string()), "no ts: {}", example.text);
        let event: StreamEvent = serde_json::from_value(fields.clone().into()).unwrap();
        shown.insert(event.name());
        assert_eq!(serde_json::to_value(&event).unwrap(), Value::Object(fields), "a field is wrong, missing or too much");
    }
    let sections: BTreeSet<_> = contract.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert_eq!(sections, shown, "each section shows its own event, and each event has a section");
}

#[test]
fn the_documented_agent_versions_are_those_that_get_installed() {
    let (document, versions) = (read("docs/agents.md"), read("scripts/agents.versions"));
    for line in versions.lines().filter(|line| !line.starts_with('#')) {
        let [_, _, package, version] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("four columns: {line}") };
        assert!(document.contains(&format!("`{package}` {version}")), "docs/agents.md does not name {package} {version}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Markdown file that is ours.
fn documents() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of this repository") {
            let path = entry.expect("an entry of it").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !matches!(name.as_str(), "target" | "transcripts") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// A document, taken apart.
#[derive(Default)]
struct Document<'a> {
    blocks: Vec<Fenced>,
    prose: Vec<&'a str>,
}

impl<'a> Document<'a> {
    fn of(text: &'a str) -> Self {
        let (mut document, mut inside) = (Self::default(), false);
        for line in text.lines() {
            match (line.trim_start().strip_prefix("```"), document.blocks.last_mut()) {
                (Some(_), _) if inside => inside = false,
                (Some(info), _) => {
                    document.blocks.push(Fenced { info: info.trim().to_owned(), text: String::new() });
                    inside = true;
                }
                (None, Some(block)) if inside => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, _) => document.prose.push(line),
            }
        }
        assert!(!inside, "a fence is not closed");
        document
    }

    /// The targets of `[text](target)`, outside of code.
    fn links(&self) -> Vec<String> {
        let mut found = Vec::new();
        for line in &self.prose {
            // Every second piece stands between backticks.
            let text: String = line.split('`').step_by(2).collect();
            found.extend(text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
        found
    }

    /// The names that the headings get on the usual forges.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.iter().filter(|line| line.starts_with('#'));
        headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().chars().filter_map(in_anchor).collect()).collect()
    }
}

/// What becomes of a heading's character in its anchor.
fn in_anchor(c: char) -> Option<char> {
    match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    }
}
