//! The home directory of a session in a sandbox, with copies of the files by which its agent is logged in.
//!
//! The agent owns what is in it, so no link in it is followed. Nor is one below the real home directory: agents at lower levels can put it
//! there, and the server may read more than they may.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Mode, OFlags, fchown, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use serde_json::{Map, Value};

use crate::process::Account;
use crate::process::isolation::MountPoint;

/// Maximum size of a login file in bytes. Larger ones are not copied.
const MAX_LOGIN_FILE: u64 = 1024 * 1024;

/// A file by which an agent is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginFile {
    /// Its path below the home directory.
    pub path: &'static str,
    /// The fields of a JSON object that belong to the login. Empty if the whole file does.
    pub fields: &'static [&'static str],
    /// A variable with the directory in which the file is instead, and its path in that directory. A sandbox has no such variable.
    pub moved: Option<(&'static str, &'static str)>,
}

impl LoginFile {
    /// A file that contains nothing but a login.
    pub const fn whole(path: &'static str) -> Self {
        Self { path, fields: &[], moved: None }
    }

    /// The same file, which is at `path` in the directory that `variable` names if it is set.
    #[must_use]
    pub const fn moved_by(self, variable: &'static str, path: &'static str) -> Self {
        Self { moved: Some((variable, path)), ..self }
    }

    /// Where the file is outside of the sandbox: a directory, and the path below it. `env` is the environment of the account.
    fn place(&self, home: &Path, env: &BTreeMap<String, String>) -> (PathBuf, &'static str) {
        let moved =
            self.moved.and_then(|(variable, path)| Some((env.get(variable).map(PathBuf::from).filter(|dir| dir.is_absolute())?, path)));
        moved.unwrap_or_else(|| (home.to_owned(), self.path))
    }
}

/// Creates the private home directory `dir` if it does not exist, and copies the `wanted` logins from `home`, or from where the variables in
/// `env` have moved them, unless the copies are newer:
/// agents renew their logins. Removes the copies of other login files in `all`.
///
/// # Errors
/// If the directory cannot be created, or a file cannot be read or written.
pub(super) fn prepare(
    dir: &Path,
    home: &Path,
    env: &BTreeMap<String, String>,
    all: &[LoginFile],
    wanted: &[LoginFile],
    account: Option<&Account>,
) -> io::Result<()> {
    if let Some(above) = dir.parent() {
        DirBuilder::new().mode(0o700).recursive(true).create(above)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
        Ok(()) => account.map_or(Ok(()), |account| account.take(dir))?,
    }
    for login in all {
        // Codex does not create the directory of its settings. What is in the way there concerns only the agent itself.
        let _ = walk(dir, login.path, |parent, name| match open_dir(parent, name) {
            Err(Errno::NOENT) => make_dir(parent, name, account),
            found => found.map(drop),
        });
        let (base, path) = login.place(home, env);
        let result = if wanted.contains(login) { copy(dir, (&base, path), *login, account) } else { remove(dir, login.path) };
        match result {
            // A link or a file is in the way, which concerns only the agent's own login.
            Err(error)
                if [Errno::LOOP, Errno::NOTDIR, Errno::ISDIR].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) =>
            {
                tracing::warn!(file = login.path, dir = %dir.display(), %error, "could not copy a login into the home directory of a session");
            }
            result => result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", base.join(path).display())))?,
        }
    }
    Ok(())
}

/// Removes settings that an earlier run of the session has left in the private home directory `dir`. Links on the way are replaced with
/// empty directories.
///
/// # Errors
/// If the system refuses.
pub(super) fn remove_settings(dir: &Path, files: &[&str], account: Option<&Account>) -> io::Result<()> {
    for file in files {
        let removed = walk(dir, file, |parent, name| make_dir(parent, name, account))
            .and_then(|(parent, name)| unlinkat(&parent, name, AtFlags::empty()));
        match removed {
            // Settings are not read from a directory.
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(error) => return Err(io::Error::new(io::Error::from(error).kind(), format!("{file} of the session: {error}"))),
        }
    }
    Ok(())
}

/// Creates mount points in the private home directory `dir`. What is in the way and not a directory is removed: it would be covered anyway.
///
/// # Errors
/// If the system refuses.
pub(super) fn make_mount_points(dir: &Path, points: &[MountPoint], account: Option<&Account>) -> io::Result<()> {
    for point in points {
        let Some(path) = point.path.to_str() else { continue };
        let with_path = |error: Errno| io::Error::new(io::Error::from(error).kind(), format!("mount point {path}: {error}"));
        let (parent, name) = walk(dir, path, |parent, name| make_dir(parent, name, account)).map_err(with_path)?;
        if point.is_dir {
            make_dir(&parent, name, account).map_err(with_path)?;
        } else {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match openat(&parent, name, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::LOOP) => {
                    unlinkat(&parent, name, AtFlags::empty()).map_err(with_path)?;
                    openat(&parent, name, flags, Mode::RUSR | Mode::WUSR).map_err(with_path)?;
                }
                opened => drop(opened.map_err(with_path)?),
            }
        }
    }
    Ok(())
}

/// Makes sure that `name` is a directory and not a link to one.
fn make_dir(parent: &OwnedFd, name: &str, account: Option<&Account>) -> Result<(), Errno> {
    match open_dir(parent, name) {
        Ok(_) => return Ok(()),
        Err(Errno::NOENT) => {}
        Err(Errno::LOOP | Errno::NOTDIR) => unlinkat(parent, name, AtFlags::empty())?,
        Err(error) => return Err(error),
    }
    mkdirat(parent, name, Mode::RWXU)?;
    let Some(account) = account else { return Ok(()) };
    fchown(open_dir(parent, name)?, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))
}

fn copy(dir: &Path, (base, path): (&Path, &str), login: LoginFile, account: Option<&Account>) -> io::Result<()> {
    let mut file = match open_login(base, path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_LOGIN_FILE {
        return Ok(());
    }
    let (parent, name) = open_parent(dir, login.path, account)?;
    let existing = read_at(&parent, name)?;
    if existing.as_ref().is_some_and(|(_, modified)| *modified >= metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)) {
        return Ok(());
    }
    let mut text = Vec::new();
    (&mut file).take(MAX_LOGIN_FILE).read_to_end(&mut text)?;
    if !login.fields.is_empty() {
        let Some(merged) = merge(&text, existing.as_ref().map(|(text, _)| text.as_slice()), login.fields) else { return Ok(()) };
        text = merged;
    }
    // Under another name first, so that an agent never reads a part of it.
    let temporary = format!("{name}.openrunner");
    match unlinkat(&parent, temporary.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut written = fs::File::from(openat(&parent, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?);
    give(&written, account)?;
    written.write_all(&text)?;
    renameat(&parent, temporary.as_str(), &parent, name)?;
    Ok(())
}

/// Opens a file of the real home directory without following links below it.
fn open_login(home: &Path, path: &str) -> io::Result<fs::File> {
    let (parent, name) = find_parent(&home.canonicalize()?, path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(&parent, name, flags, Mode::empty())?.into())
}

/// The existing object with the fields of the login replaced. `None` if the source is no object.
fn merge(source: &[u8], existing: Option<&[u8]>, fields: &[&str]) -> Option<Vec<u8>> {
    let object = |text: &[u8]| serde_json::from_slice::<Map<String, Value>>(text).ok();
    let mut source = object(source)?;
    let mut merged = existing.and_then(object).unwrap_or_default();
    for field in fields {
        match source.remove(*field) {
            Some(value) => merged.insert((*field).to_owned(), value),
            None => merged.remove(*field),
        };
    }
    serde_json::to_vec(&merged).ok()
}

fn remove(dir: &Path, path: &str) -> io::Result<()> {
    let (parent, name) = match find_parent(dir, path) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The text and the time of the last change of a regular file. `None` if there is none, or if it is too large.
fn read_at(parent: &OwnedFd, name: &str) -> io::Result<Option<(Vec<u8>, SystemTime)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(parent, name, flags, Mode::empty()) {
        Ok(file) => fs::File::from(file),
        // A link is replaced.
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_LOGIN_FILE {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(MAX_LOGIN_FILE).read_to_end(&mut text)?;
    Ok(Some((text, metadata.modified()?)))
}

/// Opens the directory of `path` below `dir`, creating those that are missing.
fn open_parent<'a>(dir: &Path, path: &'a str, account: Option<&Account>) -> io::Result<(OwnedFd, &'a str)> {
    walk(dir, path, |parent, name| {
        match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(()),
            Err(error) => return Err(error),
        }
        let Some(account) = account else { return Ok(()) };
        fchown(open_dir(parent, name)?, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))
    })
    .map_err(io::Error::from)
}

/// Opens the directory of `path` below `dir`.
fn find_parent<'a>(dir: &Path, path: &'a str) -> Result<(OwnedFd, &'a str), Errno> {
    walk(dir, path, |_, _| Ok(()))
}

fn walk<'a>(dir: &Path, path: &'a str, before: impl Fn(&OwnedFd, &str) -> Result<(), Errno>) -> Result<(OwnedFd, &'a str), Errno> {
    let mut parent = rustix::fs::open(dir, DIRECTORY, Mode::empty())?;
    let mut names = Path::new(path).components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let mut name = names.next().ok_or(Errno::INVAL)?;
    for next in names {
        before(&parent, name)?;
        parent = open_dir(&parent, name)?;
        name = next;
    }
    Ok((parent, name))
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn open_dir(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    openat(parent, name, DIRECTORY, Mode::empty())
}

fn give(file: impl AsFd, account: Option<&Account>) -> io::Result<()> {
    let Some(account) = account else { return Ok(()) };
    Ok(fchown(file, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))?)
}

#[cfg(test)]
mod tests {
    //! Rules: G5, P1.

    use std::os::unix::fs::symlink;

    use super::*;

    const LOGIN: LoginFile = LoginFile::whole(".agent/auth.json");
    const PARTIAL: LoginFile = LoginFile { path: ".agent.json", fields: &["account"], moved: None };

    fn unset() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    struct Fixture {
        _dir: tempfile::TempDir,
        home: PathBuf,
        private: PathBuf,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (home, private) = (dir.path().join("home"), dir.path().join("homes/session"));
            fs::create_dir_all(home.join(".agent")).unwrap();
            fs::write(home.join(LOGIN.path), "login 1").unwrap();
            fs::write(home.join(PARTIAL.path), r#"{"account":"me","mcpServers":{"x":{"env":{"KEY":"secret"}}}}"#).unwrap();
            Self { _dir: dir, home, private }
        }

        fn prepare(&self, wanted: &[LoginFile]) {
            prepare(&self.private, &self.home, &unset(), &[LOGIN, PARTIAL], wanted, None).unwrap();
        }

        fn copy(&self, login: LoginFile) -> Option<String> {
            fs::read_to_string(self.private.join(login.path)).ok()
        }

        /// Makes a file newer or older than all others.
        fn date(path: &Path, modified: SystemTime) {
            fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        }
    }

    #[test]
    fn a_login_that_a_variable_has_moved_is_copied_to_where_a_sandboxed_agent_looks_for_it() {
        let fixture = Fixture::new();
        let moved_dir = fixture.home.join("moved");
        fs::create_dir(&moved_dir).unwrap();
        fs::write(moved_dir.join("auth.json"), "moved login").unwrap();
        let login = LOGIN.moved_by("AGENT_HOME", "auth.json");
        for (dir, expected) in [(moved_dir.to_str(), "moved login"), (None, "login 1"), (Some("relative"), "login 1")] {
            let env = dir.iter().map(|dir| ("AGENT_HOME".to_owned(), (*dir).to_owned())).collect();
            prepare(&fixture.private, &fixture.home, &env, &[login], &[], None).unwrap();
            prepare(&fixture.private, &fixture.home, &env, &[login], &[login], None).unwrap();
            assert_eq!(fixture.copy(login).as_deref(), Some(expected), "{dir:?}");
        }
    }

    #[test]
    fn logins_are_copied_without_other_settings_and_renewed_ones_are_kept() {
        let fixture = Fixture::new();
        fixture.prepare(&[LOGIN, PARTIAL]);
        assert_eq!(fixture.copy(LOGIN).as_deref(), Some("login 1"));
        assert_eq!(fixture.copy(PARTIAL).as_deref(), Some(r#"{"account":"me"}"#));
        fs::write(fixture.private.join(LOGIN.path), "renewed by the agent").unwrap();
        Fixture::date(&fixture.home.join(LOGIN.path), SystemTime::UNIX_EPOCH);
        fixture.prepare(&[LOGIN, PARTIAL]);
        assert_eq!(fixture.copy(LOGIN).as_deref(), Some("renewed by the agent"));
        Fixture::date(&fixture.private.join(LOGIN.path), SystemTime::UNIX_EPOCH);
        fs::write(fixture.home.join(LOGIN.path), "login 2").unwrap();
        fixture.prepare(&[LOGIN, PARTIAL]);
        assert_eq!(fixture.copy(LOGIN).as_deref(), Some("login 2"));
        fixture.prepare(&[]);
        assert_eq!((fixture.copy(LOGIN), fixture.copy(PARTIAL)), (None, None), "credentials are inserted outside now");
    }

    #[test]
    fn links_in_the_real_home_are_not_followed() {
        let fixture = Fixture::new();
        let outside = fixture.home.parent().unwrap().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("auth.json"), "the server's key").unwrap();
        fs::remove_file(fixture.home.join(LOGIN.path)).unwrap();
        symlink(outside.join("auth.json"), fixture.home.join(LOGIN.path)).unwrap();
        fixture.prepare(&[LOGIN]);
        assert_eq!(fixture.copy(LOGIN), None, "a link to a file");
        fs::remove_dir_all(fixture.home.join(".agent")).unwrap();
        symlink(&outside, fixture.home.join(".agent")).unwrap();
        fixture.prepare(&[LOGIN]);
        assert_eq!(fixture.copy(LOGIN), None, "a link to a directory");
        let link = fixture.home.parent().unwrap().join("link-to-home");
        symlink(&fixture.home, &link).unwrap();
        prepare(&fixture.private, &link, &unset(), &[PARTIAL], &[PARTIAL], None).unwrap();
        assert!(fixture.copy(PARTIAL).is_some(), "the home directory itself may be a link");
    }

    #[test]
    fn links_in_a_private_home_are_not_followed() {
        let fixture = Fixture::new();
        let outside = fixture.home.parent().unwrap().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("auth.json"), "outside").unwrap();
        Fixture::date(&outside.join("auth.json"), SystemTime::UNIX_EPOCH);
        fixture.prepare(&[]);
        // Also without a login, the directory of the agent's settings exists.
        fs::remove_dir(fixture.private.join(".agent")).unwrap();
        symlink(&outside, fixture.private.join(".agent")).unwrap();
        symlink(outside.join("auth.json"), fixture.private.join(PARTIAL.path)).unwrap();
        fixture.prepare(&[LOGIN, PARTIAL]);
        assert_eq!(fs::read_to_string(outside.join("auth.json")).unwrap(), "outside");
        assert!(!outside.join("auth.json.openrunner").exists());
        assert_eq!(fixture.copy(PARTIAL).as_deref(), Some(r#"{"account":"me"}"#), "the link is replaced");
        fixture.prepare(&[]);
        assert_eq!(fs::read_to_string(outside.join("auth.json")).unwrap(), "outside");
    }

    #[test]
    fn mount_points_replace_links_that_an_earlier_run_has_left() {
        let fixture = Fixture::new();
        fixture.prepare(&[]);
        let outside = fixture.home.parent().unwrap().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, fixture.private.join(".cargo")).unwrap();
        symlink(outside.join("file"), fixture.private.join("tool")).unwrap();
        fs::write(fixture.private.join("go"), "in the way").unwrap();
        let point = |path: &str, is_dir| MountPoint { path: path.into(), is_dir };
        let points = [point(".cargo/bin", true), point("go/bin", true), point("tool", false), point("a/b/file", false)];
        for _ in 0..2 {
            make_mount_points(&fixture.private, &points, None).unwrap();
        }
        for path in [".cargo/bin", "go/bin"] {
            assert!(fixture.private.join(path).is_dir(), "{path}");
        }
        assert!(fixture.private.join("tool").symlink_metadata().unwrap().is_file() && fixture.private.join("a/b/file").is_file());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "no link was followed");
    }

    #[test]
    fn settings_of_an_earlier_run_are_removed_wherever_they_lead() {
        const SETTINGS: &str = ".agent/config.toml";
        let leave: [fn(&Path); 4] = [
            |home| fs::write(home.join(SETTINGS), "trust").unwrap(),
            |home| {
                fs::write(home.join("other.toml"), "trust").unwrap();
                symlink("../other.toml", home.join(SETTINGS)).unwrap();
            },
            |home| {
                fs::remove_dir_all(home.join(".agent")).unwrap();
                fs::create_dir(home.join("other")).unwrap();
                fs::write(home.join("other/config.toml"), "trust").unwrap();
                symlink("other", home.join(".agent")).unwrap();
            },
            |_| {},
        ];
        for (case, leave) in leave.iter().enumerate() {
            let fixture = Fixture::new();
            fixture.prepare(&[LOGIN]);
            leave(&fixture.private);
            remove_settings(&fixture.private, &[SETTINGS], None).unwrap();
            assert!(fs::read(fixture.private.join(SETTINGS)).is_err(), "case {case}");
        }
    }

    #[test]
    fn a_missing_login_is_no_error() {
        let fixture = Fixture::new();
        fs::remove_dir_all(&fixture.home).unwrap();
        fixture.prepare(&[LOGIN, PARTIAL]);
        assert_eq!(fixture.copy(LOGIN), None);
    }
}
