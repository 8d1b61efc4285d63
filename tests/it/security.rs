//! The rules of `docs/security.md`: each has its tests, and those that only the sources can show are shown here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many rules each letter has.
const RULES: [(char, usize); 7] = [('d', 8), ('i', 8), ('s', 10), ('r', 6), ('k', 4), ('w', 8), ('c', 5)];

/// Rules about things that are not built, so that nothing can be tested.
const NOT_BUILT: [&str; 1] = ["c4"];

#[test]
fn c5_every_rule_has_its_tests_and_every_named_test_is_there() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let written = tests();
    let mut rows = BTreeSet::new();
    for row in page.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", rule, _what, named, _incident, ""] = cells[..] else { continue };
        let Some(rule) = Some(rule.to_lowercase()).filter(|rule| is_rule(rule)) else { continue };
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        assert_eq!(named.is_empty(), NOT_BUILT.contains(&rule.as_str()), "{rule} names no test, or is built by now");
        for name in &named {
            assert!(name.split('_').take_while(|id| is_rule(id)).any(|id| id == rule), "{name} is not named after {rule}");
            assert!(written.contains(*name), "docs/security.md names {name}, which is no test");
        }
        assert!(rows.insert(rule.clone()), "{rule} has two rows");
    }
    let rules: BTreeSet<String> = RULES.iter().flat_map(|(letter, count)| (1..=*count).map(move |n| format!("{letter}{n}"))).collect();
    assert_eq!(rows, rules);
    let unruled: Vec<&String> =
        written.iter().filter(|name| looks_ruled(name) && !is_rule(name.split('_').next().unwrap_or_default())).collect();
    assert!(unruled.is_empty(), "named after rules that there are not: {unruled:?}");
}

#[test]
fn s1_nothing_of_ours_starts_a_shell() {
    let starts = |code: &str| code.contains("Command::new(") || code.contains(".exec()");
    let starting: Vec<(String, String)> = files("src").into_iter().filter(|(_, code)| starts(code)).collect();
    assert!(!starting.is_empty());
    for (path, code) in starting {
        // A person at a terminal asks for it, the script is our own, and its words come from our own list; the server never gets there.
        if path == "src/cli/install.rs" {
            continue;
        }
        assert!(path.starts_with("src/process/"), "{path} starts programs");
        // They start what they are given as a path and a list of elements, and know no program by name.
        for shell in ["\"sh\"", "\"bash\"", "/sh\"", "/bash\"", "\"-c\""] {
            assert!(!code.contains(shell), "{path}: {shell}");
        }
    }
}

#[test]
fn k2_the_wall_clock_is_read_in_one_place_and_measures_nothing() {
    for (path, code) in files("src") {
        for clock in ["SystemTime::now(", "Timestamp::now("] {
            assert!(!code.contains(clock) || path == "src/types/clock.rs", "{path} reads the wall clock");
        }
    }
}

#[test]
fn w3_no_event_rides_on_a_broadcast() {
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

/// Whether a name begins as if it were that of a rule's test.
fn looks_ruled(name: &str) -> bool {
    let (id, _) = name.split_once('_').unwrap_or((name, ""));
    RULES.iter().any(|(letter, _)| id.strip_prefix(*letter).is_some_and(|number| !number.is_empty() && number.parse::<usize>().is_ok()))
}

/// The names of all tests, of the library, of the integration tests and of the end-to-end tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, code) in ["src", "tests"].into_iter().flat_map(|folder| all_files(folder, "rs")) {
        let mut is_test = false;
        for line in code.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                names.extend(rest.split('(').next().map(str::to_owned));
                is_test = false;
            }
        }
    }
    assert!(names.len() > 200, "the tests were not found");
    // The console's are named in their first argument.
    for (_, code) in all_files("console/tests", "js") {
        let rules = code.lines().filter_map(|line| line.trim().strip_prefix("test('")?.split('\'').next());
        names.extend(rules.filter(|name| !name.contains(' ')).map(str::to_owned));
    }
    names
}

/// Source files below a folder, without their unit tests.
fn files(folder: &str) -> Vec<(String, String)> {
    let code = |text: String| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let all = all_files(folder, "rs").into_iter().filter(|(path, _)| !path.ends_with("tests.rs"));
    all.map(|(path, text)| (path, code(text))).collect()
}

/// Files of one extension below a folder, with their texts.
fn all_files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of this repository") {
            let path = folder.join(entry.expect("an entry of it").file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
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
