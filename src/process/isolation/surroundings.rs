//! What a machine offers besides files by which an agent could leave its isolation: programs that start others on request, raw devices, and
//! the capabilities of root.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Sockets of service managers and container engines: each starts a program outside the isolation for everyone who may connect.
const ENGINE_SOCKETS: &[&str] = &[
    "/run/dbus/system_bus_socket",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/systemd/private",
];

/// The same in the directory of a user's own services, `/run/user/UID`.
const USER_SOCKETS: &[&str] = &["bus", "docker.sock", "podman/podman.sock", "systemd/private"];

/// The directory of systemd's own sockets, whose names depend on its release. It also contains files that programs need.
const SYSTEMD_DIR: &str = "/run/systemd";

/// Devices that an agent of root keeps. Any other could be a disk, or lead to one.
const DEVICES: &[&str] = &["/dev/dri", "/dev/fuse", "/dev/kfd", "/dev/kvm"];
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

/// The sockets at which a program could be started outside, as far as this account can connect to them. Canonical.
pub(super) fn engine_sockets() -> Vec<PathBuf> {
    let user_dir = PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
    let of_systemd = std::fs::read_dir(SYSTEMD_DIR).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let all = ENGINE_SOCKETS.iter().map(PathBuf::from).chain(USER_SOCKETS.iter().map(|name| user_dir.join(name))).chain(of_systemd);
    let is_open = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket()) && access(path, Access::WRITE_OK).is_ok()
    };
    let mut sockets: Vec<PathBuf> = all.filter(is_open).filter_map(|path| path.canonicalize().ok()).collect();
    sockets.sort();
    sockets.dedup();
    sockets
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
