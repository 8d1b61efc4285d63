//! The hosts of a directory's git remotes, read from its configuration as data: git itself is not started, because a repository's
//! configuration can make it start other programs (rule S9).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::types::HostPort;

/// Maximum size of a file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// Maximum number of hosts.
const MAX_HOSTS: usize = 16;

/// The hosts of the remotes of the repository in `dir`. Empty if there is none, or if its configuration cannot be read.
pub fn remote_hosts(dir: &Path) -> Vec<HostPort> {
    let Some(config) = config_of(dir).and_then(|path| read(&path)) else { return Vec::new() };
    let mut hosts = Vec::new();
    for host in remote_urls(&config).iter().flat_map(|url| hosts_of(url)) {
        if hosts.len() < MAX_HOSTS && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Path of the configuration of the repository in `dir`, which may be a linked working tree.
fn config_of(dir: &Path) -> Option<PathBuf> {
    let git = dir.join(".git");
    if git.is_dir() {
        return Some(git.join("config"));
    }
    let text = read(&git)?;
    let git = dir.join(text.strip_prefix("gitdir:")?.trim());
    let common = read(&git.join("commondir")).map_or_else(|| git.clone(), |common| git.join(common.trim()));
    Some(common.join("config"))
}

/// The beginning of a regular file. `O_NONBLOCK`: opening a pipe would wait for a writer.
fn read(path: &Path) -> Option<String> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let file = File::options().read(true).custom_flags(nonblocking).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The values of `remote.*.url` and `remote.*.pushurl`.
fn remote_urls(config: &str) -> Vec<String> {
    let (mut urls, mut is_remote) = (Vec::new(), false);
    for line in config.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            is_remote = section.get(..6).is_some_and(|name| name.eq_ignore_ascii_case("remote"));
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_remote) {
            let name = name.trim();
            if name.eq_ignore_ascii_case("url") || name.eq_ignore_ascii_case("pushurl") {
                urls.push(value.trim().trim_matches('"').to_owned());
            }
        }
    }
    urls
}

/// The host and port of a URL of git. For SSH also the port of HTTPS, at which a credential for the host is used.
fn hosts_of(url: &str) -> Vec<HostPort> {
    let without_user = |authority: &str| authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned();
    if let Some((scheme, rest)) = url.split_once("://") {
        let authority = without_user(rest.split(['/', '?', '#']).next().unwrap_or_default());
        let host = |port| HostPort::parse(&authority, Some(port)).ok();
        return match scheme.to_ascii_lowercase().as_str() {
            "https" => host(443).into_iter().collect(),
            "http" => host(80).into_iter().collect(),
            "ssh" | "git+ssh" => host(22).into_iter().flat_map(with_https).collect(),
            "git" => host(9418).into_iter().collect(),
            _ => Vec::new(),
        };
    }
    // `user@host:path`; `host:path` with a slash before the colon is a path, and `ext::command` starts a program.
    match url.split_once(':') {
        Some((host, path)) if !host.contains('/') && !path.is_empty() && !path.starts_with(':') => {
            HostPort::parse(&format!("{}:22", without_user(host)), None).into_iter().flat_map(with_https).collect()
        }
        _ => Vec::new(),
    }
}

fn with_https(host: HostPort) -> Vec<HostPort> {
    let name = if host.host().contains(':') { format!("[{}]:443", host.host()) } else { format!("{}:443", host.host()) };
    let https = HostPort::parse(&name, None).ok();
    std::iter::once(host).chain(https).collect()
}

#[cfg(test)]
mod tests {
    //! Rules: G4, S9.

    use super::*;

    fn hosts(dir: &Path) -> Vec<String> {
        remote_hosts(dir).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_hosts_of_all_remotes_are_found_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        let config = "[core]\n\turl = https://core.example/\n\tfsmonitor = touch x\n[remote \"origin\"]\n\turl = https://user:pw@GitHub.com/a/b.git\n\
                      \tpushurl = git@gitlab.com:a/b.git\n[Remote \"x\"]\nURL=ssh://git@host.example:2222/a\n  url = \"http://plain.example/a\"\n\
                      url = https://github.com/other\nurl = /srv/git\nurl = ../x\nurl = ext::sh -c x\n[branch \"main\"]\nurl = https://no.example/\n";
        std::fs::write(dir.path().join(".git/config"), config).unwrap();
        let expected = ["github.com:443", "gitlab.com:22", "gitlab.com:443", "host.example:2222", "host.example:443", "plain.example:80"];
        assert_eq!(hosts(dir.path()), expected);
    }

    #[test]
    fn a_linked_working_tree_has_the_remotes_of_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let linked = dir.path().join("main/.git/worktrees/one");
        std::fs::create_dir_all(&linked).unwrap();
        std::fs::create_dir(dir.path().join("one")).unwrap();
        std::fs::write(dir.path().join("main/.git/config"), "[remote \"origin\"]\nurl = https://a.example/x\n").unwrap();
        std::fs::write(linked.join("commondir"), "../..\n").unwrap();
        std::fs::write(dir.path().join("one/.git"), format!("gitdir: {}\n", linked.display())).unwrap();
        assert_eq!(hosts(&dir.path().join("one")), ["a.example:443"]);
    }

    #[test]
    fn a_directory_without_a_readable_configuration_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(hosts(dir.path()).is_empty());
        let pipe = rustix::fs::CWD;
        rustix::fs::mknodat(pipe, dir.path().join(".git"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(hosts(dir.path()).is_empty(), "a pipe does not block");
    }

    #[test]
    fn a_huge_configuration_is_read_in_part_and_yields_a_bounded_number_of_hosts() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        let remotes: Vec<String> = (0..100_000).map(|n| format!("[remote \"r\"]\nurl=https://h{n}.example/\n")).collect();
        std::fs::write(dir.path().join(".git/config"), remotes.concat()).unwrap();
        assert_eq!(hosts(dir.path()).len(), MAX_HOSTS);
    }
}
