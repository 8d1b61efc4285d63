//! How the configuration in a working directory is ignored (rule P1).
//!
//! `OPENCODE_DISABLE_PROJECT_CONFIG` makes the program skip the directory's settings, MCP servers, agents, commands, tools and skills, and
//! also its instructions, which are therefore named explicitly. But 1.18.33 has a second reader of settings that ignores the variable, and
//! imports the plugins of the directory, which is code. The program has no switch against that, so it is not started there.

use std::path::{Path, PathBuf};

use crate::agent::common::{instruction_files, project_directories};
use crate::agent::project_files::read_regular;
use crate::types::{Cause, Failure};

/// Variables that make the program ignore the working directory. The second one stops skills in `.claude` and `.agents`: their `!` lines
/// run when a prompt names them. The third one is the first in previews of version 2.
pub(super) const IGNORE: [(&str, &str); 3] =
    [("OPENCODE_DISABLE_PROJECT_CONFIG", "1"), ("OPENCODE_DISABLE_EXTERNAL_SKILLS", "1"), ("OPENCODE_CONFIG_PROJECT_DISABLE", "1")];

/// Files with instructions for the model. Of each directory the first one counts, as in the program.
const INSTRUCTIONS: [&str; 3] = ["AGENTS.md", "CLAUDE.md", "CONTEXT.md"];
/// Maximum size of a settings file that is examined, in bytes. A larger one is taken for one with plugins.
const MAX_SETTINGS: u64 = 1024 * 1024;

/// Checks that nothing in `working_dir` or above it runs although it is to be ignored. `home` is the program's home directory, whose
/// settings are those of the operator.
///
/// # Errors
/// [`Cause::BadArguments`] with the file that would run.
pub(super) fn check(is_go: bool, working_dir: &Path, home: &Path) -> Result<(), Failure> {
    let found = if is_go {
        // Its settings name MCP servers and language servers.
        Some(working_dir.join(".opencode.json")).filter(|file| working_dir != home && exists(file))
    } else {
        searched_directories(working_dir).into_iter().filter(|dir| *dir != home).find_map(find_plugin)
    };
    match found {
        None => Ok(()),
        Some(file) => Err(Failure::new(
            Cause::BadArguments,
            format!(
                "project_config: opencode would load code named by {}, and cannot be kept from it; set project_config to `trust`, list the \
                 directory in OPENRUNNER_TRUSTED_PROJECTS, or remove the file",
                file.display()
            ),
        )),
    }
}

/// Absolute paths of the files with instructions that the program would read by itself.
pub(super) fn instructions(working_dir: &Path) -> Vec<String> {
    let files = instruction_files(&project_directories(working_dir), &INSTRUCTIONS);
    files.iter().filter_map(|file| file.to_str().map(str::to_owned)).collect()
}

/// The directories that the program searches for settings: those of the repository, or all above one that is in none.
fn searched_directories(working_dir: &Path) -> Vec<&Path> {
    let project = project_directories(working_dir);
    let in_repository = project.last().is_some_and(|root| exists(&root.join(".git")));
    if in_repository { project } else { working_dir.ancestors().collect() }
}

/// A plugin in a directory, or a file that names one.
fn find_plugin(dir: &Path) -> Option<PathBuf> {
    let own = dir.join(".opencode");
    let plugin_dirs = ["plugin", "plugins"].map(|name| own.join(name));
    let settings = [dir, &own].into_iter().flat_map(|dir| ["opencode.json", "opencode.jsonc"].map(|name| dir.join(name)));
    let in_directories = plugin_dirs.into_iter().find(|dir| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()));
    in_directories.or_else(|| settings.into_iter().find(|file| may_name_plugin(file)))
}

/// Texts of a settings file that can name plugins: the word, and what could hide it. OpenCode replaces `{env:NAME}` and `{file:PATH}` before
/// it parses the text.
const MAY_NAME_PLUGINS: [&str; 4] = ["plugin", "\\u", "{env:", "{file:"];

/// Whether a settings file may name plugins. The format allows comments, so it is not parsed.
fn may_name_plugin(file: &Path) -> bool {
    match read_regular(file, MAX_SETTINGS + 1) {
        Err(_) => exists(file),
        Ok(text) if text.len() as u64 > MAX_SETTINGS => true,
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            MAY_NAME_PLUGINS.iter().any(|part| text.contains(part))
        }
    }
}

/// Whether there is anything of that name, even a link that leads nowhere.
fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    //! Rules: P1.

    use std::fs;

    use super::*;

    fn write(file: &Path, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn a_directory_with_code_that_cannot_be_ignored_is_refused() {
        for (file, text) in [
            (".opencode/plugin/a.js", ""),
            (".opencode/plugins/a.ts", ""),
            ("opencode.json", r#"{"plugin": ["./a.js"]}"#),
            ("opencode.jsonc", r#"{"plugins": ["./a.js"] // x"#),
            (".opencode/opencode.json", r#"{"\u0070lugin": ["./a.js"]}"#),
            ("opencode.json", r#"{"plu{env:UNSET}gin": ["./a.js"]}"#),
            ("opencode.jsonc", r#"{"{file:./name}": ["./a.js"]}"#),
            ("../opencode.json", r#"{"plugin": ["./a.js"]}"#),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (repository, project) = (dir.path().join("repository"), dir.path().join("repository/project"));
            fs::create_dir_all(repository.join(".git")).unwrap();
            fs::create_dir_all(&project).unwrap();
            check(false, &project, Path::new("/home/user")).unwrap();
            write(&project.join(file), text);
            let refused = check(false, &project, Path::new("/home/user")).unwrap_err();
            assert!(refused.message.contains("opencode") && refused.message.contains("`trust`"), "{file}: {}", refused.message);
        }
    }

    #[test]
    fn settings_without_code_and_those_of_the_operator_are_no_reason_to_refuse() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        write(&project.join(".git/config"), "");
        write(&project.join("opencode.json"), r#"{"model": "a/b", "mcp": {}}"#);
        write(&project.join(".opencode/command/a.md"), "");
        write(&dir.path().join("opencode.json"), r#"{"plugin": ["./above-the-repository.js"]}"#);
        check(false, &project, Path::new("/home/user")).unwrap();
        write(&project.join(".opencode/plugin/a.js"), "");
        check(false, &project, &project).unwrap();
    }

    #[test]
    fn the_go_program_is_refused_where_it_finds_settings() {
        let dir = tempfile::tempdir().unwrap();
        check(true, dir.path(), Path::new("/home/user")).unwrap();
        write(&dir.path().join(".opencode.json"), "{}");
        assert!(check(true, dir.path(), Path::new("/home/user")).is_err());
    }

    #[test]
    fn instructions_are_read_from_the_repository_and_not_through_links_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let project = root.join("repository/project");
        write(&root.join("repository/.git/config"), "");
        write(&root.join("AGENTS.md"), "");
        write(&root.join("repository/CLAUDE.md"), "");
        write(&project.join("AGENTS.md"), "");
        write(&project.join("CLAUDE.md"), "");
        let names = |names: &[&str]| names.iter().map(|name| root.join(name).to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(instructions(&project), names(&["repository/project/AGENTS.md", "repository/CLAUDE.md"]));
        fs::remove_file(project.join("AGENTS.md")).unwrap();
        std::os::unix::fs::symlink(root.join("AGENTS.md"), project.join("AGENTS.md")).unwrap();
        assert_eq!(instructions(&project), names(&["repository/CLAUDE.md"]));
    }
}
