//! Documents agree with each other and with the code: links and anchors exist, examples are valid, and routes, errors, settings, events and
//! notices are those of the code, without omissions or leftovers.
//!
//! Rules: C5.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use openrunner::run::Rule;
use openrunner::types::{RuleSpec, StreamEvent};
use serde_json::Value;

/// One fenced block: the words after its opening fence, and its lines.
#[derive(Debug, PartialEq, Eq)]
struct Fenced {
    info: String,
    text: String,
}

#[test]
fn pages_in_both_languages_have_the_same_code_blocks_apart_from_comments() {
    for (english, chinese) in translations() {
        let blocks = |path: &str| -> Vec<(String, String)> {
            let text = read(path);
            Document::of(&text).blocks.into_iter().map(|block| (block.info.clone(), without_comments(&block))).collect()
        };
        let (ours, theirs) = (blocks(&english), blocks(&chinese));
        for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "{chinese}: code block {number} differs");
        }
        assert_eq!(ours.len(), theirs.len(), "{chinese}: number of code blocks");
    }
}

#[test]
fn pages_in_both_languages_have_the_same_outline() {
    for (english, chinese) in translations() {
        let outline = |path: &str| -> Vec<usize> {
            let text = read(path);
            let headings = Document::of(&text).prose.into_iter().filter(|line| line.starts_with('#'));
            headings.map(|line| line.chars().take_while(|c| *c == '#').count()).collect()
        };
        assert_eq!(outline(&english), outline(&chinese), "{chinese}");
    }
}

#[test]
fn comments_in_the_code_of_chinese_pages_are_chinese() {
    for (_, chinese) in translations() {
        let text = read(&chinese);
        for block in Document::of(&text).blocks {
            for line in block.text.lines() {
                let comment = comment_of(&block, line).map_or("", |at| &line[at..]);
                let words = comment.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 1).count();
                // A name alone, such as that of a product with its address, is the same in every language.
                let is_name = words < 3 || comment.contains("://");
                let is_chinese = comment.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                assert!(is_name || is_chinese, "{chinese}: {line}");
            }
        }
    }
}

/// Pages of which only the essential part exists in Chinese.
const DIGESTS: [&str; 2] = ["operating.md", "settings.md"];

/// The pages that exist in both languages: English, Chinese.
fn translations() -> Vec<(String, String)> {
    let mut pairs = vec![("README.md".to_owned(), "README.zh-CN.md".to_owned())];
    for entry in fs::read_dir(root().join("docs/zh-CN")).expect("a directory of this repository") {
        let name = entry.expect("a directory entry").file_name().to_string_lossy().into_owned();
        if !DIGESTS.contains(&name.as_str()) {
            pairs.push((format!("docs/{name}"), format!("docs/zh-CN/{name}")));
        }
    }
    pairs
}

#[test]
fn chinese_pages_name_only_settings_that_exist_and_have_no_code_of_their_own() {
    let pages = [read("docs/settings.md"), read("docs/cli.md"), read("docs/operating.md")].concat();
    for name in DIGESTS {
        let text = read(&format!("docs/zh-CN/{name}"));
        assert!(Document::of(&text).blocks.is_empty(), "{name}: its code would not be tested");
        for rest in text.split("OPENRUNNER_").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            assert!(name.is_empty() || pages.contains(&format!("`OPENRUNNER_{name}`")), "OPENRUNNER_{name}");
        }
    }
}

/// The lines of a block without their comments, which each page writes in its own language.
fn without_comments(block: &Fenced) -> String {
    let code = block.text.lines().map(|line| comment_of(block, line).map_or(line, |at| &line[..at]).trim_end());
    code.collect::<Vec<_>>().join("\n")
}

/// Where the comment of this line of a block begins.
fn comment_of(block: &Fenced, line: &str) -> Option<usize> {
    let marker = match block.info.as_str() {
        "rust" | "ts" | "json" => "//",
        _ => "#",
    };
    line.match_indices(marker).map(|(at, _)| at).find(|at| line[..*at].ends_with(' ') || *at == 0)
}

#[test]
fn every_relative_link_in_a_document_has_a_target() {
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
fn every_example_in_the_event_reference_is_a_valid_event() {
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
    let examples = contract.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let described = read("src/api/openapi/events.jsonl");
    assert_eq!(examples.collect::<Vec<_>>(), described.lines().collect::<Vec<_>>(), "the API's description has the same examples");
    let sections: BTreeSet<_> = contract.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert_eq!(sections, shown, "each section shows its own event, and each event has a section");
}

#[test]
fn the_documented_agent_versions_are_the_pinned_ones() {
    let (document, versions) = (read("docs/agents.md"), read("scripts/agents.versions"));
    for line in versions.lines().filter(|line| !line.starts_with('#')) {
        let [_, _, package, version] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("four columns: {line}") };
        assert!(document.contains(&format!("`{package}` {version}")), "docs/agents.md does not name {package} {version}");
    }
}

#[test]
fn every_event_and_every_notice_is_documented() {
    let (code, contract) = (source("src/types/event.rs"), read("docs/events.md"));
    // Only the names of events; decisions follow in the same form.
    let (_, names) = code.split_once("pub fn name(&self)").unwrap();
    let (names, _) = names.split_once("\n    }\n").unwrap();
    let events: BTreeSet<_> = names.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")).collect();
    let sections: BTreeSet<_> = contract.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert_eq!(events, sections);
    let (_, notices) = code.split_once("pub enum NoticeCode {").unwrap();
    let (notices, _) = notices.split_once("\n}").unwrap();
    let notices: BTreeSet<_> = notices.lines().filter_map(|line| line.trim().strip_suffix(',')).map(snake_case).collect();
    let (_, table) = contract.split_once("| code | when | `data` |\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<_> = rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
    assert_eq!(notices, documented);
}

#[test]
fn the_documented_routes_match_the_router() {
    // A unit test checks it against the router.
    let description: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let mut routes = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        routes.extend(item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())));
    }
    let api = read("docs/api.md");
    assert_eq!(routes, endpoints(&api), "docs/api.md");
    for (path, method) in &routes {
        assert!(api.contains(&format!("## `{method} {path}`\n")), "docs/api.md has no section on {method} {path}");
    }
    for page in ["docs/getting-started.md", "docs/zh-CN/getting-started.md"] {
        let shown = endpoints(&read(page));
        let routes = routes.iter().map(|(path, method)| (path.replace('{', ":").replace('}', ""), method.clone()));
        assert_eq!(routes.collect::<BTreeSet<_>>(), shown, "{page}");
    }
}

#[test]
fn the_documented_error_codes_match_the_api() {
    let mut answered = BTreeSet::new();
    for file in sources("src/api") {
        let code = source(&file);
        for after in code.split("StatusCode::").skip(1) {
            let Some((status, rest)) = after.split_once(',') else { continue };
            let is_constant = status.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            if let Some(code) = quoted(rest).filter(|_| is_constant) {
                answered.insert((number_of(status), code.to_owned()));
            }
        }
        answered.extend(code.split("unauthorized(").skip(1).filter_map(|after| Some((401, quoted(after)?.to_owned()))));
    }
    assert!(answered.len() > 20, "the errors were not found: {answered:?}");
    let (api, mut documented) = (read("docs/api.md"), BTreeSet::new());
    for row in api.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", status, codes, _, ""] = cells[..] else { continue };
        let Ok(status) = status.parse::<u16>() else { continue };
        documented.extend(codes.split('`').skip(1).step_by(2).map(|code| (status, code.to_owned())));
    }
    assert_eq!(answered, documented);
    let list = source("src/api/openapi/codes.rs");
    let rows = list.lines().filter_map(|line| line.trim().strip_prefix("code(")?.split_once(", "));
    let described: BTreeSet<_> = rows.filter_map(|(status, rest)| Some((status.parse().ok()?, quoted(rest)?.to_owned()))).collect();
    assert_eq!(answered, described, "src/api/openapi/codes.rs");
}

/// The tables of settings are generated; this is about the variables that are read elsewhere.
#[test]
fn every_variable_that_is_not_a_setting_is_documented() {
    let pages = [read("docs/settings.md"), read("docs/cli.md"), read("docs/operating.md"), read("packaging/install.sh")].concat();
    for variable in openrunner::config::OTHER_VARIABLES {
        assert!(pages.contains(variable), "{variable}");
    }
}

#[test]
fn every_json_example_is_json() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for example in Document::of(&text).blocks.iter().filter(|block| block.info == "json") {
            let parsed = serde_json::from_str::<Value>(&example.text);
            assert!(parsed.is_ok(), "{}: {parsed:?}\n{}", document.display(), example.text);
        }
    }
}

#[test]
fn every_documented_permission_rule_is_valid() {
    let page = read("docs/permissions.md");
    let shown: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| `{")?.split_once("}` |")).collect();
    assert!(shown.len() >= 12, "a dozen worked examples");
    for (rule, _) in shown {
        let spec: RuleSpec = serde_json::from_str(&format!("{{{rule}}}")).unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert!(Rule::new(&spec).is_ok(), "{rule}");
    }
}

/// The rows `| path | METHOD | … |` of a document, where the path may be a link.
fn endpoints(document: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for row in document.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", path, method, _, ""] = cells[..] else { continue };
        if let Some(path) = path.split('`').nth(1).filter(|path| path.starts_with('/')) {
            found.insert((path.to_owned(), method.to_owned()));
        }
    }
    found
}

/// The next quoted text, if only white space precedes it.
fn quoted(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

/// The number of a status constant.
fn number_of(constant: &str) -> u16 {
    let words = constant.replace('_', " ");
    let is_it = |status: &axum::http::StatusCode| status.canonical_reason().is_some_and(|reason| reason.eq_ignore_ascii_case(&words));
    let mut all = (100..600).filter_map(|number| axum::http::StatusCode::from_u16(number).ok());
    all.find(is_it).unwrap_or_else(|| panic!("no status is called {constant}")).as_u16()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// A source file without its unit tests.
fn source(path: &str) -> String {
    let text = read(path);
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// Source files in a directory and below, without test files.
fn sources(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(directory)).expect("a directory of this repository") {
        let path = entry.expect("a directory entry").path();
        let name = format!("{directory}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            found.extend(sources(&name));
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.file_name().is_none_or(|name| name != "tests.rs") {
            found.push(name);
        }
    }
    found
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Markdown file of the project.
pub(crate) fn documents() -> Vec<PathBuf> {
    let (mut found, mut directories) = (Vec::new(), vec![root().to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory of this repository") {
            let path = entry.expect("a directory entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !matches!(name.as_str(), "target" | "transcripts" | "node_modules") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// A parsed document.
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
            // Every second piece is inside backticks.
            let text: String = line.split('`').step_by(2).collect();
            found.extend(text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
        found
    }

    /// Anchors of the headings, as forges generate them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.iter().filter(|line| line.starts_with('#'));
        headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().chars().filter_map(in_anchor).collect()).collect()
    }
}

/// The character of a heading in its anchor.
fn in_anchor(c: char) -> Option<char> {
    match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    }
}
