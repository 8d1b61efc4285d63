//! Imports point down, and no modules import each other in a cycle. Both are read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The top-level modules from the bottom up, each with those it may import. A new entry is a design decision; its reason stands here
/// unless it is obvious.
const LAYERS: [(&str, &[&str]); 15] = [
    ("types", &[]),
    ("ownership", &[]),
    ("process", &[]),
    // `process` for running git.
    ("workspace", &["process"]),
    ("metrics", &["types"]),
    ("redact", &["types"]),
    // `process` for the port and the name of the socket.
    ("egress", &["process", "types"]),
    ("agent", &["process", "redact", "types"]),
    // `agent` for the protocol of a configured agent; `egress` for credentials; `ownership` for the settings file; `types` for permission rules.
    ("config", &["agent", "egress", "ownership", "types"]),
    // `process` for starting agents, and for processes that an earlier server left.
    ("run", &["agent", "egress", "metrics", "ownership", "process", "redact", "types", "workspace"]),
    // `run` for the stores of users, keys and the audit log.
    ("auth", &["config", "ownership", "run", "types"]),
    // Its tools are requests to the API, which the modules above it carry out.
    ("mcp", &["types"]),
    // `config` for the allowed hosts.
    ("api", &["auth", "config", "mcp", "metrics", "run", "types", "workspace"]),
    ("server", &["agent", "api", "auth", "config", "egress", "metrics", "ownership", "process", "redact", "run", "types", "workspace"]),
    // `auth` and `run::store` for managing users and keys without a server.
    ("cli", &["agent", "auth", "config", "mcp", "ownership", "process", "run", "server", "types"]),
];

/// Modules that must not import others although their layer may.
const FORBIDDEN: [(&str, &[&str]); 1] = [
    // The store's records are its own types, so that a store can be replaced or tested alone.
    ("run::store", &["agent", "run::events"]),
];

#[test]
fn imports_point_down() {
    let modules = Modules::read();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, source) in &modules.0 {
        let imported = source.paths.iter().filter(|path| path[0] == "crate").map(|path| path[1].clone());
        found.entry(module[0].clone()).or_default().extend(imported.filter(|name| *name != module[0]));
    }
    let layers: BTreeSet<&str> = LAYERS.iter().map(|(layer, _)| *layer).collect();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), layers, "LAYERS does not list the modules of src");
    for (layer, allowed) in LAYERS {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found[layer], allowed, "imports of `{layer}`, and what LAYERS lists");
    }
}

#[test]
fn every_layer_imports_only_lower_layers() {
    for (row, (layer, imported)) in LAYERS.iter().enumerate() {
        let lower: Vec<&str> = LAYERS[..row].iter().map(|(name, _)| *name).collect();
        assert!(imported.iter().all(|name| lower.contains(name)), "`{layer}` imports a layer above it");
    }
}

#[test]
fn the_store_imports_neither_agents_nor_the_event_log() {
    let modules = Modules::read();
    for (from, forbidden) in FORBIDDEN {
        for (module, imported) in modules.imports().filter(|(module, _)| is_inside(module, from)) {
            let wrong = forbidden.iter().find(|forbidden| is_inside(imported, forbidden));
            assert_eq!(wrong, None, "`{}` imports `{}`", module.join("::"), imported.join("::"));
        }
    }
}

/// Compares siblings: files of a directory, and directories with everything inside them. A `mod.rs` and its own children count as one
/// unit.
#[test]
fn no_modules_import_each_other_in_a_cycle() {
    let modules = Modules::read();
    let mut siblings: BTreeMap<&[String], BTreeMap<&str, BTreeMap<&str, String>>> = BTreeMap::new();
    for (from, to) in modules.imports() {
        let common = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        if common < from.len() && common < to.len() {
            let graph = siblings.entry(&from[..common]).or_default();
            graph.entry(&from[common]).or_default().insert(&to[common], format!("{} -> {}", from.join("::"), to.join("::")));
        }
    }
    let mut found = String::new();
    for (parent, graph) in &siblings {
        let parent = parent.join("::");
        for cycle in cycles(graph) {
            let edges = cycle.iter().flat_map(|from| graph[from].iter().filter(|(to, _)| cycle.contains(*to)));
            let edges: Vec<&str> = edges.map(|(_, edge)| edge.as_str()).collect();
            let _ = writeln!(found, "in `{parent}`: {cycle:?}\n  {}", edges.join("\n  "));
        }
    }
    assert!(found.is_empty(), "import cycles:\n{found}");
}

#[test]
fn all_forms_of_imports_are_found() {
    let text = "use crate::run::{A, b::{C, D as E}};\npub(super) use log::Writer;\nuse crate::{auth, config::Secret};\n// crate::api\n\
                let x = crate::process::Exit::Code(0);\npub(in crate::server) fn f(y: super::Y) {}\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod contract;\n\
                #[cfg(test)]\nmod tests {\n    use crate::cli::X;\n}\n";
    let source = Source::parse(text);
    let paths: Vec<String> = source.paths.iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::run::A",
        "crate::run::b::C",
        "crate::run::b::D",
        "crate::auth",
        "crate::config::Secret",
        "crate::process::Exit::Code",
        "super::Y",
    ];
    assert_eq!(paths, expected);
    assert_eq!(source.names["E"].join("::"), "crate::run::b::D");
    assert_eq!(source.names["Writer"].join("::"), "log::Writer");
    assert_eq!(source.test_modules, BTreeSet::from(["contract".to_owned()]));
}

#[test]
fn imports_are_resolved_through_re_exports() {
    let source = |text: &str| Source::parse(text);
    let module = |path: &str| -> Vec<String> { path.split("::").map(str::to_owned).collect() };
    let modules = Modules(BTreeMap::from([
        (module("run"), source("pub use log::Writer;\n")),
        (module("run::log"), source("pub struct Writer;\n")),
        (module("run::driver"), source("use crate::run::Writer;\n")),
        (module("run::driver::io"), source("use super::super::Writer;\n")),
    ]));
    let imports: Vec<String> = modules.imports().map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::"))).collect();
    assert_eq!(imports, ["run::driver -> run::log", "run::driver::io -> run::log"]);
}

/// The parts of a module's path without `crate`, for example `run` and `store`.
type Module = Vec<String>;

/// The modules of `src` except `lib.rs`, `main.rs` and modules for tests.
struct Modules(BTreeMap<Module, Source>);

/// What one source file refers to.
struct Source {
    /// Paths that begin with `crate` or `super`.
    paths: Vec<Vec<String>>,
    /// The paths of imported and re-exported names.
    names: BTreeMap<String, Vec<String>>,
    /// Submodules that exist only in tests.
    test_modules: BTreeSet<String>,
}

impl Modules {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut modules, mut dirs) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).expect("a source directory") {
                let path = entry.expect("a directory entry").path();
                if path.is_dir() {
                    dirs.push(path);
                    continue;
                }
                let relative = path.strip_prefix(&root).expect("a path inside src").with_extension("");
                let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                module.pop_if(|name| *name == "mod");
                if path.extension().is_some_and(|extension| extension == "rs") && !["lib", "main"].contains(&module[0].as_str()) {
                    modules.insert(module, Source::parse(&fs::read_to_string(&path).expect("a source file")));
                }
            }
        }
        let tests: Vec<Module> = modules
            .iter()
            .flat_map(|(module, source)| source.test_modules.iter().map(|name| [module.as_slice(), std::slice::from_ref(name)].concat()))
            .collect();
        modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self(modules)
    }

    /// Pairs of modules of which the first imports the second.
    fn imports(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.0.iter().flat_map(|(module, source)| {
            let imported: BTreeSet<&Module> = source.paths.iter().filter_map(|path| self.resolve(module, path, 0)).collect();
            imported.into_iter().filter(move |imported| *imported != module).map(move |imported| (module, imported))
        })
    }

    /// The module that defines what `path` in `module` refers to, through at most a few re-exports.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<&Module> {
        let child = |parent: &[String], name: &String| [parent, std::slice::from_ref(name)].concat();
        let (mut current, mut rest) = match path.first()?.as_str() {
            "crate" => (vec![], &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => {
                let supers = path.iter().take_while(|part| *part == "super").count();
                (module[..module.len().checked_sub(supers)?].to_vec(), &path[supers..])
            }
            _ => (module.to_vec(), path),
        };
        if current.is_empty() && path[0] == "super" {
            return None;
        }
        while let Some((name, more)) = rest.split_first() {
            let deeper = child(&current, name);
            if self.0.contains_key(&deeper) {
                (current, rest) = (deeper, more);
                continue;
            }
            let re_export = self.0.get(&current).and_then(|source| source.names.get(name)).filter(|_| depth < 8);
            let re_exported = re_export.filter(|path| path.as_slice() != std::slice::from_ref(name)).and_then(|path| {
                let is_local = ["crate", "super", "self"].contains(&path[0].as_str()) || self.0.contains_key(&child(&current, &path[0]));
                self.resolve(&current, &[path.as_slice(), more].concat(), depth + 1).filter(|_| is_local)
            });
            if re_exported.is_some() {
                return re_exported;
            }
            break;
        }
        self.0.get_key_value(&current).map(|(module, _)| module)
    }
}

impl Source {
    fn parse(text: &str) -> Self {
        let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let after_test = lines.iter().enumerate().filter(|(_, line)| line.trim() == "#[cfg(test)]").map(|(index, _)| &lines[index + 1..]);
        let item = |lines: &[&str]| lines.iter().find(|line| !line.trim_start().starts_with("#[")).and_then(|line| declared_module(line));
        let test_modules = after_test.filter_map(item).collect();
        let mut source = Self { paths: vec![], names: BTreeMap::new(), test_modules };
        let (mut code, mut lines) = (String::new(), lines.into_iter());
        while let Some(line) = lines.next() {
            let Some(declaration) = after_visibility(line).strip_prefix("use ") else {
                code.push_str(line);
                code.push('\n');
                continue;
            };
            let mut declaration = declaration.to_owned();
            while !declaration.contains(';') {
                let Some(more) = lines.next() else { break };
                declaration.push_str(more.trim());
            }
            for path in expand(declaration.trim_end_matches(';')) {
                source.add(&path);
            }
        }
        for (at, found) in code.match_indices("crate::").chain(code.match_indices("super::")) {
            let before = code[..at].chars().next_back();
            // `pub(in crate::…)` names who may use an item, and a path is read from its first part.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') || code[..at].ends_with("pub(in ") {
                continue;
            }
            let end = code[at + found.len()..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            source.add(code[at..end.map_or(code.len(), |end| at + found.len() + end)].trim_end_matches(':'));
        }
        source
    }

    /// Adds a path, which may end with ` as name`.
    fn add(&mut self, path: &str) {
        let (path, alias) = path.split_once(" as ").map_or((path, None), |(path, alias)| (path, Some(alias.trim())));
        let mut parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).filter(|part| part != "*").collect();
        parts.pop_if(|part| part == "self");
        let Some(name) = parts.last() else { return };
        self.names.insert(alias.unwrap_or(name).to_owned(), parts.clone());
        if parts.len() > 1 && ["crate", "super"].contains(&parts[0].as_str()) {
            self.paths.push(parts);
        }
    }
}

/// The paths of a `use` declaration, for example `a::b` and `a::c` for `a::{b, c}`.
fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut members, mut depth) = (vec![String::new()], 0_i32);
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => members.push(String::new()),
            c => members.last_mut().expect("at least one member").push(c),
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members.iter().flat_map(|member| expand(member.trim())).map(|path| format!("{}{path}", prefix.trim())).collect()
}

fn after_visibility(line: &str) -> &str {
    let line = line.trim_start();
    let Some(rest) = line.strip_prefix("pub") else { return line };
    match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')').map_or(line, |(_, rest)| rest.trim_start()),
        None => rest.trim_start(),
    }
}

fn declared_module(line: &str) -> Option<String> {
    Some(after_visibility(line).strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
}

fn is_inside(module: &[String], parent: &str) -> bool {
    module.iter().map(String::as_str).take(parent.split("::").count()).eq(parent.split("::"))
}

/// The groups of nodes that reach each other.
fn cycles<'a>(graph: &BTreeMap<&'a str, BTreeMap<&'a str, String>>) -> BTreeSet<BTreeSet<&'a str>> {
    let reachable = |from: &'a str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(node) = open.pop() {
            for next in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(*next) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|node| (*node, reachable(node))).collect();
    let group = |node: &&'a str| -> BTreeSet<&'a str> {
        reached[node].iter().copied().filter(|other| reached.get(other).is_some_and(|back| back.contains(node))).collect()
    };
    graph.keys().map(group).filter(|group| group.len() > 1).collect()
}
