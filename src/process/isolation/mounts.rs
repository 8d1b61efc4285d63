//! What covers what: turns the paths to hide and the paths to keep into mounts, in an order in which they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// What is mounted at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mount {
    /// An empty directory that cannot be written.
    Nothing,
    /// A file that cannot be opened.
    NoFile,
    /// Another directory.
    Instead(PathBuf),
    /// Another file or directory, which cannot be changed.
    Shown(PathBuf),
    /// What is there outside.
    Outside {
        /// Whether it can be changed.
        writable: bool,
        /// Whether it is shown although something above it is covered.
        kept: bool,
        /// Whether it must be a mount point: such a directory can be neither renamed nor removed, so what is covered below it stays
        /// covered.
        pinned: bool,
    },
}

/// Where something is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Its path, relative to the directory in which it has to exist.
    pub path: PathBuf,
    /// Whether it is a directory and not a file.
    pub is_dir: bool,
}

/// Mounts by path.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    by_path: BTreeMap<PathBuf, Mount>,
    /// Whether nothing is there except for these mounts.
    is_bare: bool,
}

impl Mounts {
    /// Mounts in an empty root directory, which cannot be written.
    pub(super) fn bare() -> Self {
        Self { is_bare: true, ..Self::default() }
    }

    /// Covers `path`, which must be canonical and exist unless the root is bare, and pins the directories above it that this account could rename.
    pub(super) fn cover(&mut self, path: &Path, mount: Mount) {
        for above in path.ancestors().skip(1) {
            let Some(parent) = above.parent() else { break };
            if rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).is_ok() {
                self.by_path.entry(above.to_owned()).or_insert(Mount::Outside { writable: true, kept: false, pinned: true });
            }
        }
        self.by_path.insert(path.to_owned(), mount);
    }

    /// Keeps `path`, which must be canonical and exist, visible if something above it is covered. A path that is itself covered is uncovered.
    /// To be called after all calls of [`Mounts::cover`].
    pub(super) fn keep(&mut self, path: &Path, writable: bool) {
        let (was_kept, pinned, was_writable) = match self.by_path.get(path) {
            Some(Mount::Outside { writable, kept, pinned }) => (*kept, *pinned, *writable),
            _ => (false, false, false),
        };
        self.by_path
            .insert(path.to_owned(), Mount::Outside { writable: writable || pinned || (was_kept && was_writable), kept: true, pinned });
    }

    /// Keeps `path` like [`Mounts::keep`], and protects it from changes.
    pub(super) fn protect(&mut self, path: &Path) {
        self.by_path.insert(path.to_owned(), Mount::Outside { writable: false, kept: true, pinned: true });
    }

    /// The arguments of bubblewrap for these mounts.
    ///
    /// # Errors
    /// If a path is not UTF-8.
    pub(super) fn args(&self) -> io::Result<Vec<String>> {
        let mut args = Vec::new();
        let mut add = |words: &[&str], paths: &[&Path]| -> io::Result<()> {
            args.extend(words.iter().map(|word| (*word).to_owned()));
            for path in paths {
                let text = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not valid UTF-8", path.display())))?;
                args.push(text.to_owned());
            }
            Ok(())
        };
        // By path, each directory comes before what is below it.
        let needed: Vec<(&Path, &Mount)> = self.needed();
        let mut made = BTreeSet::new();
        for (index, (path, mount)) in needed.iter().enumerate() {
            // bubblewrap would let only this account enter the directories that it creates on the way to a mount point.
            for dir in self.made_above(&needed[..index], path) {
                if made.insert(dir) {
                    add(&["--perms", "0755", "--dir"], &[dir])?;
                }
            }
            match mount {
                Mount::Nothing => add(&["--perms", "0755", "--tmpfs"], &[path])?,
                Mount::NoFile => add(&["--ro-bind", "/dev/null"], &[path])?,
                Mount::Instead(source) => add(&["--bind"], &[source, path])?,
                Mount::Shown(source) => add(&["--ro-bind"], &[source, path])?,
                Mount::Outside { writable: false, .. } => add(&["--ro-bind"], &[path, path])?,
                Mount::Outside { writable: true, .. } => add(&["--bind"], &[path, path])?,
            }
        }
        // Last, because mount points are created in them.
        for (path, mount) in needed {
            if *mount == Mount::Nothing {
                add(&["--remount-ro"], &[path])?;
            }
        }
        if self.is_bare {
            add(&["--remount-ro"], &[Path::new("/")])?;
        }
        Ok(args)
    }

    /// The directories above `path` that exist only as the way to it, from the top down. `before` are the mounts that precede it.
    fn made_above<'a>(&self, before: &[(&Path, &Mount)], path: &'a Path) -> Vec<&'a Path> {
        let end = match before.iter().rev().find(|(above, _)| path.starts_with(above)) {
            Some((_, Mount::Outside { .. })) => return Vec::new(),
            None if !self.is_bare => return Vec::new(),
            Some((above, _)) => *above,
            None => Path::new("/"),
        };
        let mut made: Vec<&Path> = path.ancestors().skip(1).take_while(|above| *above != end).collect();
        made.reverse();
        made
    }

    /// What is mounted below `dir` and directly in what replaces it: the mount points that have to exist there, relative to it.
    pub(super) fn mount_points_in(&self, dir: &Path) -> Vec<MountPoint> {
        let needed = self.needed();
        let mut points = Vec::new();
        for (index, (path, _)) in needed.iter().enumerate() {
            let above = needed[..index].iter().rev().find(|(above, _)| path.starts_with(above));
            if above.is_some_and(|(above, _)| *above == dir)
                && let Ok(relative) = path.strip_prefix(dir)
            {
                points.push(MountPoint { path: relative.to_owned(), is_dir: path.is_dir() });
            }
        }
        points
    }

    /// The mounts without those that change nothing: a cover below another one, or a path to keep that is there as it is to be.
    fn needed(&self) -> Vec<(&Path, &Mount)> {
        let mut needed: Vec<(&Path, &Mount)> = Vec::new();
        for (path, mount) in &self.by_path {
            let above = needed.iter().rev().find(|(above, _)| path.starts_with(above)).map(|(_, mount)| *mount);
            let is_visible = above.map_or(!self.is_bare, |above| matches!(above, Mount::Outside { .. }));
            let is_read_only = matches!(above, Some(Mount::Outside { writable: false, .. }));
            let is_needed = match mount {
                Mount::Outside { writable, kept, pinned } => {
                    if is_visible {
                        // What cannot be changed needs no protection from being moved.
                        if is_read_only { *kept && *writable } else { *pinned }
                    } else {
                        *kept
                    }
                }
                Mount::Nothing | Mount::NoFile => is_visible,
                Mount::Instead(_) | Mount::Shown(_) => is_visible || self.is_bare,
            };
            if is_needed {
                needed.push((path, mount));
            }
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use super::*;

    fn mounts(entries: &[(&str, Mount)]) -> Vec<String> {
        let by_path = entries.iter().map(|(path, mount)| (PathBuf::from(path), mount.clone())).collect();
        let mounts = Mounts { by_path, is_bare: false };
        mounts.needed().into_iter().map(|(path, _)| path.display().to_string()).collect()
    }

    const KEPT: Mount = Mount::Outside { writable: true, kept: true, pinned: false };
    const PINNED: Mount = Mount::Outside { writable: true, kept: false, pinned: true };

    #[test]
    fn covers_and_kept_paths_alternate_downwards() {
        let all = [
            ("/data", Mount::Nothing),
            ("/data/home", KEPT),
            ("/data/home/.config/openrunner", Mount::Nothing),
            ("/data/workspaces/run", KEPT),
            ("/data/secret", Mount::NoFile),
            ("/srv/project", KEPT),
            ("/tmp", Mount::Instead("/data/tmp".into())),
            ("/tmp/project", KEPT),
        ];
        assert_eq!(
            mounts(&all),
            ["/data", "/data/home", "/data/home/.config/openrunner", "/data/workspaces/run", "/tmp", "/tmp/project"],
            "a cover below a cover and a kept path that is visible are left out"
        );
    }

    #[test]
    fn a_similar_name_is_not_below() {
        assert_eq!(mounts(&[("/data", Mount::Nothing), ("/data-2/x", KEPT), ("/data2", Mount::Nothing)]), ["/data", "/data2"]);
    }

    #[test]
    fn directories_that_could_be_renamed_are_pinned() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(dir.join("a/b/data")).unwrap();
        let mut mounts = Mounts::default();
        mounts.cover(&dir.join("a/b/data"), Mount::Nothing);
        for pinned in ["a", "a/b"] {
            assert_eq!(mounts.by_path.get(&dir.join(pinned)), Some(&PINNED), "{pinned}");
        }
        mounts.keep(&dir.join("a"), false);
        let both = Mount::Outside { writable: true, kept: true, pinned: true };
        assert_eq!(mounts.by_path.get(&dir.join("a")), Some(&both), "keeping it does not let it be moved");
    }

    #[test]
    fn a_pinned_directory_is_mounted_only_where_it_is_visible() {
        let pinned_and_kept = Mount::Outside { writable: true, kept: true, pinned: true };
        assert_eq!(mounts(&[("/data", Mount::Nothing), ("/data/x", PINNED), ("/data/x/y", Mount::Nothing)]), ["/data"]);
        assert_eq!(
            mounts(&[("/data", Mount::Nothing), ("/data/x", pinned_and_kept), ("/data/x/y", Mount::Nothing)]),
            ["/data", "/data/x", "/data/x/y"]
        );
        assert_eq!(mounts(&[("/home/x", PINNED), ("/home/x/data", Mount::Nothing)]), ["/home/x", "/home/x/data"]);
    }

    #[test]
    fn covered_directories_become_read_only_after_all_mount_points_exist() {
        let mounts = Mounts { by_path: [("/data".into(), Mount::Nothing), ("/data/w".into(), KEPT)].into(), is_bare: false };
        let expected = ["--perms", "0755", "--tmpfs", "/data", "--bind", "/data/w", "/data/w", "--remount-ro", "/data"];
        assert_eq!(mounts.args().unwrap(), expected);
    }

    #[test]
    fn directories_on_the_way_to_a_mount_point_can_be_entered_by_other_accounts() {
        let mounts = Mounts { by_path: [("/data".into(), Mount::Nothing), ("/data/w/run".into(), KEPT)].into(), is_bare: false };
        let args = mounts.args().unwrap().join(" ");
        assert!(args.contains("--perms 0755 --dir /data/w --bind /data/w/run /data/w/run"), "{args}");
    }

    #[test]
    fn a_bare_root_contains_only_what_is_kept_and_is_read_only() {
        let read_only = Mount::Outside { writable: false, kept: true, pinned: false };
        let by_path: BTreeMap<PathBuf, Mount> = [
            ("/etc".into(), read_only.clone()),
            ("/etc/ssl".into(), PINNED),
            ("/etc/ssl/private".into(), Mount::Nothing),
            ("/home".into(), PINNED),
            ("/home/me".into(), Mount::Instead("/homes/run".into())),
            ("/home/me/.cargo/bin".into(), read_only.clone()),
            ("/home/me/.ssh".into(), Mount::Nothing),
            ("/opt/tool".into(), read_only.clone()),
            ("/opt/tool/project".into(), KEPT),
        ]
        .into();
        let mounts = Mounts { by_path, is_bare: true };
        let paths: Vec<&str> = mounts.needed().iter().map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/etc", "/etc/ssl/private", "/home/me", "/home/me/.cargo/bin", "/opt/tool", "/opt/tool/project"]);
        let points = mounts.mount_points_in(Path::new("/home/me"));
        assert_eq!(points.iter().map(|point| point.path.to_str().unwrap()).collect::<Vec<_>>(), [".cargo/bin"]);
        let args = mounts.args().unwrap().join(" ");
        assert!(args.contains("--perms 0755 --dir /home --bind /homes/run /home/me --perms 0755 --dir /home/me/.cargo"), "{args}");
        assert!(args.contains("--ro-bind /opt/tool /opt/tool --bind /opt/tool/project") && args.ends_with("--remount-ro /"), "{args}");
    }
}
