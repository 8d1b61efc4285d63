//! Whether Codex trusts a working directory, and so takes MCP servers, hooks, rules and settings from its `.codex` (rule P1).
//!
//! Codex decides by `projects.<path>.trust_level` in `config.toml`, for the directory or else for its repository, and asks its user for
//! directories that are not listed. An unlisted directory is not trusted, and its `AGENTS.md` is read. Levels given on the command line take
//! precedence and are not stored (tested with 0.169.0).
//!
//! The `config.toml` is that of the operator. In a sandbox Codex has another one, or none, but never one that an earlier run has written
//! ([`unkept_settings`](crate::agent::Program::unkept_settings)).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::agent::common::{instruction_files, project_directories};
use crate::agent::project_files::read_without_links;
use crate::types::ProjectConfig;

/// Files with instructions for the model. Of each directory the first one counts, as in Codex.
const INSTRUCTIONS: [&str; 2] = ["AGENTS.override.md", "AGENTS.md"];
/// Maximum length of all instructions in bytes, as in Codex.
const MAX_INSTRUCTIONS: usize = 32 * 1024;

/// The flags that make Codex trust `working_dir` or ignore the configuration in it, regardless of its `config.toml`.
pub(super) fn overrides(project_config: ProjectConfig, working_dir: &Path, codex_home: &Path) -> Vec<String> {
    let directories = project_directories(working_dir);
    let ends: Vec<&Path> = [directories.first(), directories.last()].into_iter().flatten().copied().collect();
    match project_config {
        ProjectConfig::Trust => trust_levels(&ends, "trusted"),
        ProjectConfig::Ignore => {
            let config = std::fs::read_to_string(codex_home.join("config.toml")).unwrap_or_default();
            let config: toml::Table = config.parse().unwrap_or_default();
            let trusted = trusted(&config, working_dir, directories.last().copied());
            if trusted.is_empty() {
                return Vec::new();
            }
            // Codex reads no instructions from a directory with this level.
            let paths: Vec<&Path> = ends.into_iter().chain(trusted.iter().map(PathBuf::as_path)).collect();
            let mut flags = trust_levels(&paths, "untrusted");
            let own = config.get("developer_instructions").and_then(toml::Value::as_str).unwrap_or_default();
            let text =
                [own.to_owned(), instructions(&directories)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
            if !text.is_empty() {
                flags.extend(["-c".to_owned(), format!("developer_instructions={}", quoted(&text))]);
            }
            flags
        }
    }
}

/// The listed directories through which Codex would trust `working_dir`.
fn trusted(config: &toml::Table, working_dir: &Path, repository: Option<&Path>) -> Vec<PathBuf> {
    let projects = config.get("projects").and_then(toml::Value::as_table);
    let is_trusted = |project: &toml::Value| project.get("trust_level").and_then(toml::Value::as_str) == Some("trusted");
    // A worktree is trusted through its main repository, wherever that is.
    let is_worktree = repository.is_some_and(|repository| repository.join(".git").is_file());
    let leads_here = |path: &Path| {
        let contains = |path: &Path| working_dir.starts_with(path);
        is_worktree || contains(path) || path.canonicalize().is_ok_and(|path| contains(&path))
    };
    let trusted = projects.into_iter().flatten().filter(|(_, project)| is_trusted(project)).map(|(path, _)| PathBuf::from(path));
    trusted.filter(|path| leads_here(path)).collect()
}

fn trust_levels(directories: &[&Path], level: &str) -> Vec<String> {
    let mut paths: Vec<&str> = directories.iter().filter_map(|path| path.to_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let levels: Vec<String> = paths.into_iter().map(|path| format!("{}={{trust_level={}}}", quoted(path), quoted(level))).collect();
    if levels.is_empty() { Vec::new() } else { vec!["-c".to_owned(), format!("projects={{{}}}", levels.join(","))] }
}

/// A string in TOML. Its escapes are those of JSON, and DEL must be escaped, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The instructions in these directories, which are listed from the inside out, in the reverse order.
fn instructions(directories: &[&Path]) -> String {
    texts_of(&instruction_files(directories, &INSTRUCTIONS))
}

/// The texts of these files, in the reverse order.
fn texts_of(files: &[PathBuf]) -> String {
    let mut texts = String::new();
    for file in files.iter().rev() {
        let left = MAX_INSTRUCTIONS.saturating_sub(texts.len());
        // One that cannot be read is left out, as in Codex; so is one that an agent has replaced with a link since it was found.
        let Ok(bytes) = read_without_links(file, left as u64) else { continue };
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        let _ = writeln!(texts, "# Instructions of {}\n\n{text}", file.display());
    }
    texts
}

#[cfg(test)]
mod tests {
    //! Rules: P1.

    use std::fs;

    use super::*;

    struct Fixture {
        _dir: tempfile::TempDir,
        codex_home: PathBuf,
        repository: PathBuf,
        project: PathBuf,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (codex_home, repository) = (root.join("codex"), root.join("repository"));
        let project = repository.join("project");
        for path in [&codex_home, &repository.join(".git"), &project] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(repository.join("AGENTS.md"), "be \"brief\"").unwrap();
        Fixture { _dir: dir, codex_home, repository, project }
    }

    impl Fixture {
        fn overrides(&self, project_config: ProjectConfig, config: &str) -> Vec<String> {
            fs::write(self.codex_home.join("config.toml"), config).unwrap();
            overrides(project_config, &self.project, &self.codex_home)
        }
    }

    /// The values of `-c` flags as Codex parses them.
    fn parsed(flags: &[String]) -> toml::Table {
        flags.iter().filter(|flag| *flag != "-c").map(|flag| flag.parse::<toml::Table>().unwrap()).fold(
            toml::Table::new(),
            |mut all, one| {
                all.extend(one);
                all
            },
        )
    }

    #[test]
    fn a_trusted_directory_is_trusted_for_this_run() {
        let fixture = fixture();
        let flags = parsed(&fixture.overrides(ProjectConfig::Trust, ""));
        for path in [&fixture.project, &fixture.repository] {
            assert_eq!(flags["projects"][path.to_str().unwrap()]["trust_level"].as_str(), Some("trusted"));
        }
    }

    #[test]
    fn a_directory_that_the_operators_configuration_does_not_trust_needs_nothing() {
        let fixture = fixture();
        let elsewhere = "[projects.\"/elsewhere\"]\ntrust_level = \"trusted\"\n";
        let untrusted = format!("[projects.{:?}]\ntrust_level = \"untrusted\"\n", fixture.repository);
        for config in ["", "not = [toml", elsewhere, &untrusted] {
            assert_eq!(fixture.overrides(ProjectConfig::Ignore, config), [""; 0], "{config}");
        }
    }

    #[test]
    fn a_directory_that_the_operators_configuration_trusts_is_not_trusted_and_its_instructions_are_passed() {
        let fixture = fixture();
        for trusted in [&fixture.repository, &fixture.project, fixture.repository.parent().unwrap()] {
            let config = format!("developer_instructions = \"be kind\"\n[projects.{trusted:?}]\ntrust_level = \"trusted\"\n");
            let flags = parsed(&fixture.overrides(ProjectConfig::Ignore, &config));
            for path in [&fixture.project, &fixture.repository, trusted] {
                assert_eq!(flags["projects"][path.to_str().unwrap()]["trust_level"].as_str(), Some("untrusted"));
            }
            let instructions = flags["developer_instructions"].as_str().unwrap();
            assert!(instructions.starts_with("be kind\n\n") && instructions.contains("be \"brief\""), "{instructions}");
        }
    }

    #[test]
    fn a_worktree_is_not_trusted_through_its_main_repository() {
        let fixture = fixture();
        fs::write(fixture.project.join(".git"), "gitdir: /main/.git/worktrees/x").unwrap();
        let flags = parsed(&fixture.overrides(ProjectConfig::Ignore, "[projects.\"/main\"]\ntrust_level = \"trusted\"\n"));
        assert_eq!(flags["projects"]["/main"]["trust_level"].as_str(), Some("untrusted"));
    }

    #[test]
    fn instructions_are_bounded_and_stay_inside_the_project() {
        let fixture = fixture();
        fs::write(fixture.repository.join("AGENTS.md"), "x".repeat(MAX_INSTRUCTIONS * 2)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", fixture.project.join("AGENTS.md")).unwrap();
        let text = instructions(&[&fixture.project, &fixture.repository]);
        assert!(text.len() < MAX_INSTRUCTIONS + 1024 && !text.contains("root:"), "{}", text.len());
    }

    #[test]
    fn instructions_that_are_replaced_with_a_link_while_they_are_read_stay_inside_the_project() {
        let fixture = fixture();
        fs::create_dir(fixture.project.join("docs")).unwrap();
        fs::write(fixture.project.join("docs/passwd"), "be brief").unwrap();
        std::os::unix::fs::symlink("docs/passwd", fixture.project.join("AGENTS.md")).unwrap();
        let files = instruction_files(&[&fixture.project], &INSTRUCTIONS);
        assert!(texts_of(&files).contains("be brief"));
        // What an agent in the same directory can do at any time.
        fs::remove_dir_all(fixture.project.join("docs")).unwrap();
        std::os::unix::fs::symlink("/etc", fixture.project.join("docs")).unwrap();
        assert_eq!(texts_of(&files), "");
    }
}
