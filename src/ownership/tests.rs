//! Rules: G6.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tempfile::TempDir;

use super::*;

/// An account that this process is not.
const OTHER: u32 = 65_534;

/// A directory with a file in it, both private, and the name of the file.
fn private() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings.toml");
    fs::write(&file, "").unwrap();
    set_mode(&file, 0o600);
    (directory, file)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The message, without the name of the file, and the command.
fn refusal(path: &Path, protection: Protection) -> Option<(String, String)> {
    check(path, protection).err().map(|insecure| (insecure.problem(), insecure.remedy()))
}

#[test]
fn a_file_that_only_this_account_or_root_can_write_is_accepted() {
    let (_directory, file) = private();
    for mode in [0o600, 0o400, 0o644, 0o755] {
        set_mode(&file, mode);
        assert_eq!(refusal(&file, Protection::Write), None, "{mode:o}");
    }
    for path in ["/", "/etc/passwd", "/dev/null", "/nowhere/at/all"] {
        assert_eq!(refusal(Path::new(path), Protection::Write), None, "{path}");
    }
}

#[test]
fn a_file_that_others_can_write_is_refused_with_the_command() {
    let (_directory, file) = private();
    for mode in [0o620, 0o602, 0o666, 0o660] {
        set_mode(&file, mode);
        let (problem, remedy) = refusal(&file, Protection::Write).unwrap();
        assert_eq!(problem, format!("is writable by other accounts (mode {mode:04o})"));
        assert_eq!(remedy, format!("chmod go-w {}", file.display()));
    }
}

#[test]
fn a_file_with_secrets_that_others_can_read_is_refused_with_the_command() {
    let (_directory, file) = private();
    for mode in [0o640, 0o604, 0o644] {
        set_mode(&file, mode);
        let (problem, remedy) = refusal(&file, Protection::ReadAndWrite).unwrap();
        assert_eq!(problem, format!("holds secrets and is readable by other accounts (mode {mode:04o})"));
        assert_eq!(remedy, format!("chmod 600 {}", file.display()));
    }
    set_mode(&file, 0o600);
    assert_eq!(refusal(&file, Protection::ReadAndWrite), None);
}

#[test]
fn a_directory_above_that_others_can_write_is_refused_unless_it_is_sticky() {
    let (directory, file) = private();
    for (mode, is_refused) in [(0o777, true), (0o702, true), (0o1777, false), (0o755, false)] {
        set_mode(directory.path(), mode);
        let command = refusal(&file, Protection::Write).map(|(_problem, command)| command);
        let path = fs::canonicalize(directory.path()).unwrap();
        assert_eq!(command, is_refused.then(|| format!("chmod go-w {}", path.display())), "{mode:o}");
    }
}

#[test]
fn the_directories_above_the_target_of_a_link_count() {
    let (directory, file) = private();
    let open = directory.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::rename(&file, open.join("target")).unwrap();
    // Over two links, one of them relative and with `..`.
    symlink("open/../open/target", directory.path().join("second")).unwrap();
    let link = directory.path().join("first");
    symlink(directory.path().join("second"), &link).unwrap();
    assert_eq!(refusal(&link, Protection::Write), None);
    set_mode(&open, 0o777);
    let (_problem, command) = refusal(&link, Protection::Write).unwrap();
    assert!(command.ends_with("/open"), "{command}");
    symlink("loop", directory.path().join("loop")).unwrap();
    assert_eq!(refusal(&directory.path().join("loop"), Protection::Write), None, "opening it fails");
}

#[test]
fn what_belongs_to_another_account_is_refused_with_the_command() {
    if current_account() != 0 {
        return; // only root can give files away
    }
    let (directory, file) = private();
    let link = directory.path().join("link");
    symlink(&file, &link).unwrap();
    chown(&file, Some(OTHER), None).unwrap();
    for path in [&file, &link] {
        let (problem, remedy) = refusal(path, Protection::Write).unwrap();
        assert!(problem.starts_with("belongs to ") && problem.ends_with(", not to root, the account of this server"), "{problem}");
        assert_eq!(remedy, format!("chown root {}", path.display()));
    }
    chown(&file, Some(0), None).unwrap();
    chown(directory.path(), Some(OTHER), None).unwrap();
    let (_problem, remedy) = refusal(&file, Protection::Write).unwrap();
    assert_eq!(remedy, format!("chown root {}", fs::canonicalize(directory.path()).unwrap().display()));
}

#[test]
fn a_path_is_quoted_for_a_shell() {
    assert_eq!(quoted(Path::new("/srv/openrunner-1/a_b.toml")), "/srv/openrunner-1/a_b.toml");
    assert_eq!(quoted(Path::new("/home/o'neil/my data")), r"'/home/o'\''neil/my data'");
}

#[test]
fn everything_in_a_directory_with_programs_counts_and_the_command_fixes_all_of_it() {
    let (directory, _file) = private();
    let agents = directory.path().join("agents");
    let package = agents.join("lib/node_modules/agent/dist");
    fs::create_dir_all(&package).unwrap();
    fs::create_dir(agents.join("bin")).unwrap();
    let (script, elsewhere) = (package.join("cli.js"), directory.path().join("elsewhere"));
    for file in [&script, &elsewhere] {
        fs::write(file, "").unwrap();
        set_mode(file, 0o755);
    }
    symlink("../lib/node_modules/agent/dist/cli.js", agents.join("bin/agent")).unwrap();
    symlink(&elsewhere, agents.join("bin/other")).unwrap();
    check_programs(&agents).unwrap();
    check_programs(&directory.path().join("missing")).unwrap();
    set_mode(&elsewhere, 0o777);
    check_programs(&agents).unwrap();
    for (path, mode) in [(&script, 0o755), (&package, 0o755), (&agents.join("bin"), 0o755)] {
        set_mode(path, 0o777);
        let insecure = check_programs(&agents).unwrap_err();
        assert!(insecure.finding().contains("is writable by other accounts"), "{insecure}");
        assert!(insecure.to_string().starts_with(&path.display().to_string()), "{insecure}");
        assert_eq!(insecure.remedy(), format!("chmod -R go-w {}", agents.display()));
        set_mode(path, mode);
    }
    if current_account() == 0 {
        chown(&script, Some(OTHER), None).unwrap();
        assert_eq!(check_programs(&agents).unwrap_err().remedy(), format!("chown -R root {}", agents.display()));
    }
}
