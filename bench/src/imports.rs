//! Test of the import structure: no module of this program may import itself, directly or through others.
//!
//! A path counts as an import of the innermost module that it names: `crate::agent::run` imports `agent`, `super::protocol::Input` imports the
//! sibling module. `mod` declarations are not imports; re-exports are. Unit tests within a module are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns all modules, named like `driver::server` (the crate root is empty), with their source.
fn modules(directory: &Path, prefix: &str) -> Vec<(String, String)> {
    let mut modules = Vec::new();
    let paths: BTreeSet<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let module = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        if path.is_dir() {
            modules.extend(self::modules(&path, &module));
        } else {
            let module = if ["main", "mod"].contains(&name) { prefix.to_owned() } else { module };
            modules.push((module, fs::read_to_string(&path).unwrap()));
        }
    }
    modules
}

/// Returns all paths in a source that start with `crate`, `self` or `super`, with `{}` groups expanded.
fn paths(source: &str) -> Vec<Vec<String>> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    let mut rest = code.as_str();
    while let Some(start) = ["crate::", "self::", "super::"].iter().filter_map(|prefix| rest.find(prefix)).min() {
        let before = &rest[..start];
        let is_start = !before.ends_with(|last: char| last.is_alphanumeric() || "_:".contains(last)) && !before.ends_with("pub(in ");
        rest = &rest[start..];
        if is_start {
            rest = expand(rest, &[], &mut paths);
        } else {
            rest = &rest[1..];
        }
    }
    paths
}

/// Parses one path at the start of `text`, adds it to `paths` below `prefix`, and returns the text after it.
fn expand<'a>(text: &'a str, prefix: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let end = text.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(text.len());
    let mut path = prefix.to_vec();
    path.extend((end > 0).then(|| text[..end].to_owned()));
    let mut rest = &text[end..];
    let Some(after) = rest.strip_prefix("::") else {
        paths.push(path);
        return rest;
    };
    let Some(mut members) = after.strip_prefix('{') else { return expand(after, &path, paths) };
    loop {
        rest = expand(members.trim_start(), &path, paths).trim_start();
        match rest.strip_prefix(',') {
            Some(more) if !more.trim_start().starts_with('}') => members = more,
            Some(more) => return more.trim_start().strip_prefix('}').unwrap(),
            None => return rest.strip_prefix('}').unwrap_or(rest),
        }
    }
}

/// Returns the innermost module that a path in `module` names.
fn resolve(module: &str, path: &[String], modules: &BTreeSet<String>) -> String {
    let mut target: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    for segment in path {
        match segment.as_str() {
            "crate" => target.clear(),
            "self" => {}
            "super" => drop(target.pop()),
            name => {
                target.push(name);
                if !modules.contains(&target.join("::")) {
                    target.pop();
                    break;
                }
            }
        }
    }
    target.join("::")
}

fn import_graph(sources: &[(String, String)]) -> Graph {
    let modules: BTreeSet<String> = sources.iter().map(|(module, _)| module.clone()).collect();
    let imports = |(module, source): &(String, String)| {
        let targets = paths(source).into_iter().map(|path| resolve(module, &path, &modules));
        (module.clone(), targets.filter(|target| target != module).collect())
    };
    sources.iter().map(imports).collect()
}

/// Returns the modules that are part of a cycle, or depend on one: what is left after removing modules without imports repeatedly.
fn cyclic(mut graph: Graph) -> BTreeSet<String> {
    loop {
        let done: BTreeSet<String> = graph.iter().filter(|(_, imports)| imports.is_empty()).map(|(module, _)| module.clone()).collect();
        if done.is_empty() {
            return graph.into_keys().collect();
        }
        graph.retain(|module, _| !done.contains(module));
        for imports in graph.values_mut() {
            imports.retain(|import| !done.contains(import));
        }
    }
}

#[test]
fn modules_do_not_import_each_other_in_cycles() {
    let sources = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "");
    let graph = import_graph(&sources);
    assert!(graph["driver::scenarios::stream"].contains("driver::server"));
    assert!(graph["agent"].contains("agent::program"));
    assert_eq!(cyclic(graph), BTreeSet::new());
}

#[test]
fn the_check_detects_a_cycle() {
    let source = |module: &str, source: &str| (module.to_owned(), source.to_owned());
    let sources = [
        source("a", "mod b;\nuse self::b::{self, Thing, c::Other};\n"),
        source("a::b", "// crate::a\nfn f() { super::helper() }\n"),
        source("d", "use std::io;\n#[cfg(test)]\nmod tests {\n    use crate::d::*;\n}\n"),
    ];
    let graph = import_graph(&sources);
    assert_eq!(graph["a"], BTreeSet::from(["a::b".to_owned()]));
    assert_eq!(cyclic(graph), BTreeSet::from(["a".to_owned(), "a::b".to_owned()]));
}
