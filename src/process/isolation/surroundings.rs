//! What a machine offers besides files by which an agent could leave its isolation: programs that start others on request, raw devices, and
//! the capabilities of root.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Sockets of service managers, container engines and virtual machines: each starts a program outside the isolation for everyone who may
/// connect. Where a directory belongs to such a service alone, it is the directory: a service that restarts replaces its socket.
const ENGINES: &[&str] = &[
    "/run/buildkit",
    "/run/containerd",
    "/run/cri-dockerd.sock",
    "/run/crio",
    "/run/dbus",
    "/run/docker",
    "/run/docker.sock",
    "/run/dockershim.sock",
    "/run/incus",
    "/run/k3s",
    "/run/libvirt",
    "/run/lxd",
    "/run/podman",
    "/run/snapd-snap.socket",
    "/run/snapd.socket",
    "/run/systemd/machine",
    "/run/systemd/private",
    "/var/lib/incus/unix.socket",
    "/var/lib/incus/unix.socket.user",
    "/var/lib/lxd/unix.socket",
    "/var/lib/lxd/unix.socket.user",
    "/var/snap/docker/current/run",
    "/var/snap/lxd/common/lxd-user/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/snap/microk8s/common/run",
];

/// The same in the directory of a user's own services, `/run/user/UID`.
const USER_ENGINES: &[&str] = &[
    "buildkit",
    "buildkit-default",
    "bus",
    "containerd-rootless",
    "docker",
    "docker.sock",
    "k3s",
    "libvirt",
    "podman",
    "snapd-session-agent.socket",
    "systemd",
];

/// The same in the home directory: of engines in virtual machines, which see the files outside.
const HOME_ENGINES: &[&str] =
    &[".colima", ".docker/desktop", ".docker/run", ".lima", ".local/share/containers/podman/machine", ".minikube", ".rd"];

/// The directory of systemd's own sockets, whose names depend on its release. It also contains files that programs need.
const SYSTEMD_DIR: &str = "/run/systemd";

/// Devices that an agent of root keeps. Any other could be a disk, or lead to one.
const DEVICES: &[&str] = &["/dev/dri", "/dev/fuse", "/dev/kfd", "/dev/kvm"];
/// Devices that lead to nothing but memory and terminals.
const PLAIN_DEVICES: &[&str] = &["full", "mqueue", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero"];

const DEVICE_PREFIXES: &[&str] = &["nvidia"];

/// Files of the kernel that root can write without any capability. Some take the path of a program to execute, outside of all namespaces.
const KERNEL_FILES: &[&str] = &["/proc/acpi", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/scsi", "/proc/sys", "/proc/sysrq-trigger"];

/// Capabilities that an agent of root keeps: those of a container, without those that give access to raw devices and to the network traffic
/// of other programs. `CAP_SETFCAP` is needed to map root into a user namespace, as agents' own sandboxes do.
pub(super) const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The sockets at which a program could be started outside, and the directories of such sockets, as far as this account can reach them.
/// `home` is the home directory of the agent. Canonical.
pub(super) fn engines(home: &Path) -> Vec<PathBuf> {
    let own = format!("/run/user/{}", rustix::process::getuid().as_raw());
    let user_dirs = [Some(own.into()), std::env::var_os("XDG_RUNTIME_DIR")].into_iter().flatten().map(PathBuf::from);
    let of_user = user_dirs.filter(|dir| dir.is_absolute()).flat_map(|dir| USER_ENGINES.iter().map(move |name| dir.join(name)));
    let of_systemd = std::fs::read_dir(SYSTEMD_DIR).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let of_systemd = of_systemd.filter(|path| !path.is_dir());
    let in_home = HOME_ENGINES.iter().map(|name| home.join(name));
    let all = ENGINES.iter().map(PathBuf::from).chain(of_user).chain(of_systemd).chain(in_home);
    reachable(all)
}

/// The sockets of [`engines`]: at each, a program can be started outside now.
pub(super) fn services(home: &Path) -> Vec<PathBuf> {
    let is_socket = |path: &Path| path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = Vec::new();
    for path in engines(home) {
        // Sockets lie in such a directory or one level below.
        let below = entries(&path).flat_map(|path| entries(&path).chain([path]).collect::<Vec<_>>());
        found.extend(below.chain([path.clone()]).filter(|path| is_socket(path)));
    }
    found
}

/// The sockets and directories among `paths` that this account can reach, sorted, links resolved.
fn reachable(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let is_open = |path: &PathBuf| {
        let Ok(kind) = path.metadata().map(|metadata| metadata.file_type()) else { return false };
        kind.is_socket() && access(path, Access::WRITE_OK).is_ok() || kind.is_dir() && access(path, Access::EXEC_OK).is_ok()
    };
    let mut found: Vec<PathBuf> = paths.filter_map(|path| path.canonicalize().ok()).filter(is_open).collect();
    found.sort();
    found.dedup();
    found
}

/// Whether this account can read a disk as a device, and with it every file.
pub(super) fn can_read_disks() -> bool {
    let mut devices = std::fs::read_dir("/dev").into_iter().flatten().filter_map(Result::ok);
    rustix::process::getuid().is_root()
        || devices.any(|entry| entry.file_type().is_ok_and(|kind| kind.is_block_device()) && access(entry.path(), Access::READ_OK).is_ok())
}

/// The devices that an agent keeps where disks are hidden from it.
pub(super) fn kept_devices() -> Vec<PathBuf> {
    let named = std::fs::read_dir("/dev").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        DEVICE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    });
    DEVICES.iter().map(PathBuf::from).filter(|path| path.exists()).chain(named).collect()
}

/// What an agent gets of `/dev` where disks are hidden from it and `/dev` is not replaced.
pub(super) fn safe_devices() -> Vec<PathBuf> {
    let plain = PLAIN_DEVICES.iter().map(|name| Path::new("/dev").join(name)).filter(|path| path.exists());
    plain.chain(kept_devices()).collect()
}

/// Files of the kernel that an agent must not write, if it runs as root.
pub(super) fn kernel_files(is_root: bool) -> impl Iterator<Item = &'static str> {
    KERNEL_FILES.iter().copied().filter(move |path| is_root && Path::new(path).exists())
}

/// A directory whose files OpenSSH rejects, because their owner, root, is not mapped. `None` where it is.
pub(super) fn ssh_config_dir() -> Option<&'static Path> {
    if rustix::process::getuid().is_root() {
        return None;
    }
    let dir = Path::new("/etc/ssh/ssh_config.d");
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()).then_some(dir)
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_and_directories_of_engines_are_found_behind_links_and_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("podman")).unwrap();
        let _listener = UnixListener::bind(root.join("docker.sock")).unwrap();
        std::os::unix::fs::symlink("docker.sock", root.join("link.sock")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        let names = ["podman", "link.sock", "docker.sock", "file", "missing"];
        assert_eq!(reachable(names.iter().map(|name| root.join(name))), [root.join("docker.sock"), root.join("podman")]);
    }

    #[test]
    fn engines_in_the_home_directory_of_the_agent_are_found() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join(".docker/desktop")).unwrap();
        std::fs::create_dir_all(home.join(".docker/cli-plugins")).unwrap();
        let found: Vec<PathBuf> = engines(&home).into_iter().filter(|path| path.starts_with(&home)).collect();
        assert_eq!(found, [home.join(".docker/desktop")]);
    }

    #[test]
    fn the_lists_of_engines_are_sorted_and_name_nothing_twice() {
        for list in [ENGINES, USER_ENGINES, HOME_ENGINES] {
            assert!(list.is_sorted_by(|one, next| one < next), "{list:?}");
        }
    }
}
