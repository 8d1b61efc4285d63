//! A disk that can be filled.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system. Unmounted when dropped.
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts a disk of this size at `path`, which is created. `None` if this account may not mount.
    pub(crate) fn mount(path: &Path, megabytes: u32) -> Option<Self> {
        fs::create_dir_all(path).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0700"), "openrunner-test"])
            .arg(path)
            .output();
        let mounted = mounted.expect("a command");
        if !mounted.status.success() {
            let told = String::from_utf8_lossy(&mounted.stderr).into_owned();
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "nothing can be mounted here: {told}");
            eprintln!("NOT TESTED: nothing can be mounted here: {told}");
            return None;
        }
        Some(Self { path: path.to_owned() })
    }

    /// Fills it to the last byte, until the returned file is removed.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = fs::File::create(&path).expect("a file");
        for size in [65_536, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may still be running.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
