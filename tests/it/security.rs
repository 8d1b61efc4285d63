//! The table of rules in `docs/security.md`, and the rules that only the source code can prove.
//!
//! Rules: S1, K2, W3, C5.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many rules each letter has.
const RULES: [(char, usize); 9] = [('d', 13), ('i', 11), ('s', 13), ('r', 7), ('k', 4), ('w', 8), ('c', 9), ('g', 6), ('p', 5)];

/// Rules about features that do not exist yet, so that nothing can be tested.
const NOT_BUILT: [&str; 1] = ["c4"];

/// Rules that are not implemented yet and have no row.
const PLANNED: [&str; 0] = [];

#[test]
fn every_rule_names_the_files_that_prove_it() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let proved = rules_by_file();
    let mut rows = BTreeSet::new();
    for row in page.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", rule, _requirement, files, _incident, ""] = cells[..] else { continue };
        let Some(rule) = Some(rule.to_lowercase()).filter(|rule| is_rule(rule)) else { continue };
        let files: Vec<&str> = files.split('`').skip(1).step_by(2).collect();
        assert_eq!(files.is_empty(), NOT_BUILT.contains(&rule.as_str()), "{rule} names no file, or is built by now");
        for file in files {
            let rules = proved.get(file).unwrap_or_else(|| panic!("docs/security.md names {file}, which does not exist"));
            assert!(rules.contains(&rule), "{file} does not list {rule} after `Rules:`");
        }
        assert!(rows.insert(rule.clone()), "{rule} has two rows");
    }
    let rules = RULES.iter().flat_map(|(letter, count)| (1..=*count).map(move |n| format!("{letter}{n}")));
    let rules: BTreeSet<String> = rules.filter(|rule| !PLANNED.contains(&rule.as_str())).collect();
    assert_eq!(rows, rules);
    for (file, rules) in proved {
        let unknown: Vec<String> = rules.into_iter().filter(|rule| !is_rule(rule)).collect();
        assert!(unknown.is_empty(), "{file} lists rules that do not exist: {unknown:?}");
    }
}

#[test]
fn no_code_starts_a_shell() {
    let starts_programs = |code: &str| code.contains("Command::new(") || code.contains(".exec()");
    let launchers: Vec<(String, String)> = files("src").into_iter().filter(|(_, code)| starts_programs(code)).collect();
    assert!(!launchers.is_empty());
    for (path, code) in launchers {
        // Only the command line reaches it; the script and its arguments are built in.
        if path == "src/cli/commands/agent_install.rs" {
            continue;
        }
        // The process of the demo agent, not the server, runs one fixed program with permission.
        assert!(path.starts_with("src/process/") || path == "src/agent/demo/tools.rs", "{path} starts programs");
        // It starts the program that it is given, and names none itself.
        for shell in ["\"sh\"", "\"bash\"", "/sh\"", "/bash\"", "\"-c\""] {
            assert!(!code.contains(shell), "{path}: {shell}");
        }
    }
}

#[test]
fn the_wall_clock_is_read_in_one_place_only() {
    for (path, code) in files("src") {
        for clock in ["SystemTime::now(", "Timestamp::now("] {
            assert!(!code.contains(clock) || path == "src/types/clock.rs", "{path} reads the wall clock");
        }
    }
}

#[test]
fn no_event_is_sent_through_a_broadcast_channel() {
    for (path, code) in files("src") {
        assert!(!code.contains("broadcast::"), "{path} has a broadcast");
    }
}

/// Whether this is the id of a rule: `d1`.
fn is_rule(id: &str) -> bool {
    let mut letters = id.chars();
    let letter = letters.next().and_then(|first| RULES.iter().find(|(letter, _)| *letter == first));
    let number = letters.as_str().parse::<usize>();
    matches!((letter, number), (Some((_, count)), Ok(number)) if (1..=*count).contains(&number))
}

/// The rules that each source and test file lists after `Rules:`, and those in the names of its tests.
fn rules_by_file() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for (directory, extension) in [("src", "rs"), ("tests", "rs"), ("console/tests", "js")] {
        for (path, code) in all_files(directory, extension) {
            let listed =
                code.lines().filter(|line| line.trim_start().starts_with(['/', '*'])).filter_map(|line| line.split_once("Rules: "));
            let listed = listed.flat_map(|(_, ids)| ids.split('.').next().unwrap_or_default().split(", ")).map(str::to_lowercase);
            let tests = code.lines().filter_map(|line| line.trim_start().split_once("fn ")?.1.split('(').next());
            let named = tests.flat_map(|name| name.split('_').take_while(|id| is_rule(id))).map(str::to_owned);
            found.insert(path, listed.chain(named).collect());
        }
    }
    assert!(found.len() > 100, "the sources were not found");
    found
}

/// Source files below a directory, without their unit tests.
fn files(directory: &str) -> Vec<(String, String)> {
    let code = |text: String| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let all = all_files(directory, "rs").into_iter().filter(|(path, _)| !path.ends_with("tests.rs") && !path.contains("/tests/"));
    all.map(|(path, text)| (path, code(text))).collect()
}

/// Files of one extension below a directory, with their texts.
fn all_files(directory: &str, extension: &str) -> Vec<(String, String)> {
    let (mut found, mut directories) = (Vec::new(), vec![PathBuf::from(directory)]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).expect("a directory of this repository") {
            let path = directory.join(entry.expect("a directory entry").file_name());
            if root().join(&path).is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(root().join(&path)).expect("a source file");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
