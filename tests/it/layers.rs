//! Imports point down: which module of the crate may use which, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The whole table, from the bottom up. A new arrow is a decision: it belongs here, with its reason where it is not plain.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("types", &[]),
    ("process", &[]),
    // What is counted, by whoever has something to count.
    ("metrics", &["types"]),
    ("agent", &["process", "types"]),
    // `Mode`: how an agent is driven is the agent's word, and the operator's setting. `types` for the rules as they are written.
    ("config", &["agent", "types"]),
    // `process` for the working folder that a run is started in, and for the processes that an earlier server left.
    ("run", &["agent", "metrics", "process", "types"]),
    // `run::store` keeps the users.
    ("auth", &["config", "run", "types"]),
    // `config` for the names that the door lets in.
    ("api", &["auth", "config", "metrics", "run", "types"]),
    ("server", &["agent", "api", "auth", "config", "metrics", "process", "run", "types"]),
    // The program itself: it names the agents, starts the server and is a client of it.
    // `auth` and `run::store` for users and keys, which can be made while no server runs.
    ("cli", &["agent", "auth", "config", "process", "run", "server", "types"]),
];

#[test]
fn imports_point_down() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in sources() {
        let used = found.entry(module.clone()).or_default();
        used.extend(names_used(&text).into_iter().filter(|name| *name != module));
    }
    let names: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        names,
        "a module has no row in the table, or a row has no module"
    );
    for (module, allowed) in MAY_USE {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found[module], allowed, "what `{module}` uses, and what the table says of it");
    }
}

#[test]
fn the_table_has_no_circle() {
    for (row, (module, used)) in MAY_USE.iter().enumerate() {
        let below: Vec<&str> = MAY_USE[..row].iter().map(|(name, _)| *name).collect();
        assert!(used.iter().all(|name| below.contains(name)), "`{module}` uses what is not below it");
    }
}

#[test]
fn names_are_found_in_every_form_of_an_import() {
    let text = "use crate::run::{A, B};\nuse crate::{auth, config::Secret};\n// crate::api is only spoken of\nlet x = crate::process::Exit::Code(0);\n\
                pub(in crate::server) fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::cli::X;\n}\n";
    assert_eq!(names_used(text).into_iter().collect::<Vec<_>>(), ["auth", "config", "process", "run"]);
}

/// Each source file with the module that it belongs to; `lib.rs` and `main.rs` stand above all modules, tests above their own.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the sources") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") && !is_root(&path, &root) {
                let inside = path.strip_prefix(&root).expect("beneath src");
                let module = inside.iter().next().and_then(|name| Path::new(name).file_stem()).expect("a name");
                found.push((module.to_string_lossy().into_owned(), fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    found
}

fn is_root(path: &Path, root: &Path) -> bool {
    ["lib.rs", "main.rs"].map(|name| root.join(name)).contains(&PathBuf::from(path))
}

/// The modules of this crate that a file names, but for its comments and its tests, which stand last.
fn names_used(text: &str) -> BTreeSet<String> {
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut names = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        // `pub(in crate::…)` says who may see, and uses nothing.
        if code[..at].ends_with("pub(in ") {
            continue;
        }
        let rest = &code[at + found.len()..];
        let paths = match rest.strip_prefix('{') {
            Some(group) => top_level(group),
            None => vec![rest],
        };
        names.extend(paths.into_iter().map(|path| path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()));
    }
    names
}

/// The members of a group `{a, b::{c, d}}`, of which the opening brace is gone.
fn top_level(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}
