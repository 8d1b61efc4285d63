//! What a sandboxed agent sees of the machine: the system and the toolchains, without secrets.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directories of the system. Those that are symbolic links, as `/bin` is on most systems, are links inside as well.
pub(super) const SYSTEM_DIRS: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/gnu",
    "/snap",
    "/run/current-system",
    "/sys/devices/system/cpu",
];

/// Directories of toolchains in a home directory. None of these programs stores credentials there.
const IN_HOME: &[&str] = &[
    ".asdf",
    ".bun",
    ".cargo/bin",
    ".deno",
    ".dotnet",
    ".elan",
    ".fnm",
    ".ghcup/bin",
    ".juliaup",
    ".linuxbrew",
    ".local/bin",
    ".local/lib",
    ".local/pipx/venvs",
    ".local/share/claude/versions",
    ".local/share/fnm",
    ".local/share/mise/installs",
    ".local/share/mise/shims",
    ".local/share/pipx/venvs",
    ".local/share/pnpm",
    ".local/share/uv/python",
    ".local/share/uv/tools",
    ".nix-profile",
    ".npm-global",
    ".nvm",
    ".opencode/bin",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".sdkman",
    ".volta",
    "go/bin",
];

/// What belongs to a program next to the `bin` directory that contains it.
const NEXT_TO_BIN: &[&str] = &["lib", "lib64", "libexec", "include", "pyvenv.cfg"];

/// The toolchains outside of the system directories: those in the directories of `search`, those in `home`, and `program` with its package.
/// Canonical paths.
pub(super) fn toolchains(search: &[PathBuf], home: &Path, program: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut add = |path: PathBuf| {
        // A directory above the home directory would show more than tools.
        if let Ok(path) = path.canonicalize()
            && !home.starts_with(&path)
        {
            found.insert(path);
        }
    };
    for dir in search.iter().filter(|dir| dir.is_absolute()) {
        with_prefix(dir, &mut add);
    }
    for name in IN_HOME {
        add(home.join(name));
    }
    for path in [Some(program.to_owned()), program.canonicalize().ok()].into_iter().flatten() {
        // A package of Node.js, with those that it depends on.
        if let Some(modules) = path.ancestors().find(|above| above.file_name().is_some_and(|name| name == "node_modules")) {
            add(modules.to_owned());
        }
        if let Some(dir) = path.parent().filter(|dir| !is_shared(dir)) {
            with_prefix(dir, &mut add);
        }
        // Its own file, where its directory is not shown.
        add(path);
    }
    found
}

/// Adds a directory of programs with what belongs to them.
fn with_prefix(dir: &Path, add: &mut impl FnMut(PathBuf)) {
    add(dir.to_owned());
    let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    if real.file_name().is_some_and(|name| name == "bin")
        && let Some(prefix) = real.parent()
    {
        for name in NEXT_TO_BIN {
            add(prefix.join(name));
        }
    }
}

/// Whether a directory contains temporary files of everyone, or processes.
fn is_shared(dir: &Path) -> bool {
    ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|shared| dir == Path::new(shared)) || dir.starts_with("/proc")
}

/// The files and directories below `dir`, at most `depth` levels down, that not every account of the machine may read: host keys, password hashes, settings with secrets.
/// Symbolic links are not followed. Takes about a microsecond per file.
pub(super) fn private_below(dir: &Path, depth: usize) -> Vec<PathBuf> {
    let mut private = Vec::new();
    let mut directories = vec![(dir.to_owned(), depth)];
    while let Some((directory, depth)) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            let mode = metadata.permissions().mode();
            if metadata.is_dir() {
                if mode & 0o005 != 0o005 {
                    private.push(path);
                } else if depth > 1 {
                    directories.push((path, depth - 1));
                }
            } else if metadata.is_file() && mode & 0o004 == 0 {
                private.push(path);
            }
        }
    }
    private
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_that_not_everyone_may_read_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir_all(dir.join("ssl/private")).unwrap();
        fs::create_dir_all(dir.join("ssl/certs")).unwrap();
        for (path, mode) in [("ssl/private/key", 0o644), ("ssl/certs/ca", 0o644), ("shadow", 0o640), ("passwd", 0o644)] {
            fs::write(dir.join(path), "").unwrap();
            fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        for (path, mode) in [("ssl/private", 0o710), ("ssl/certs", 0o755), ("ssl", 0o755)] {
            fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink(dir.join("shadow"), dir.join("link")).unwrap();
        let mut found = private_below(&dir, usize::MAX);
        found.sort();
        assert_eq!(found, [dir.join("shadow"), dir.join("ssl/private")]);
        assert_eq!(private_below(&dir, 1), [dir.join("shadow")]);
    }

    #[test]
    fn programs_are_found_with_their_packages_and_without_the_home_directory() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap().join("home");
        let package = home.join("versions/1/lib/node_modules/agent");
        for path in [&package, &home.join("versions/1/bin"), &home.join("bin"), &home.join(".rustup"), &home.join(".ssh")] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(package.join("cli.js"), "").unwrap();
        let program = home.join("versions/1/bin/agent");
        symlink(package.join("cli.js"), &program).unwrap();
        let search = [home.join("bin"), home.clone(), PathBuf::from("relative"), home.join("missing")];
        let found = toolchains(&search, &home, &program);
        let expected = [
            home.join(".rustup"),
            home.join("bin"),
            home.join("versions/1/bin"),
            home.join("versions/1/lib"),
            home.join("versions/1/lib/node_modules"),
            package.clone(),
            package.join("cli.js"),
        ];
        assert_eq!(found, expected.into());
    }
}
