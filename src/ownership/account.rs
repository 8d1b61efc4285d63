//! The account of this process, and the groups that only it is in.

use std::fs;

/// The account whose files this process creates.
pub(super) fn current_account() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The name of an account, or its number if it has none.
pub(super) fn account_name(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().filter_map(Account::parse).find(|account| account.uid == uid).map(|account| account.name.to_owned());
    name.unwrap_or_else(|| uid.to_string())
}

/// Whether no other account than this one and root is in the group. With a umask of 002, as many distributions have it, all files of an
/// account are writable by such a group.
///
/// Only what `/etc/passwd` and `/etc/group` say counts.
pub(super) fn is_private_group(gid: u32) -> bool {
    // Elsewhere these files do not list the accounts.
    if !cfg!(target_os = "linux") {
        return false;
    }
    match (fs::read_to_string("/etc/passwd"), fs::read_to_string("/etc/group")) {
        (Ok(accounts), Ok(groups)) => is_private(gid, current_account(), &accounts, &groups),
        _ => false,
    }
}

fn is_private(gid: u32, account: u32, accounts: &str, groups: &str) -> bool {
    let accounts: Vec<Account<'_>> = accounts.lines().filter_map(Account::parse).collect();
    let is_trusted = |uid: u32| uid == account || uid == 0;
    let is_member = |name: &str| accounts.iter().any(|found| found.name == name && is_trusted(found.uid));
    let members = groups.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let id = fields.nth(2)?.parse::<u32>().ok()?;
        (id == gid).then(|| fields.next().unwrap_or_default())
    });
    let mut members = members.flat_map(|names| names.split(',')).filter(|name| !name.is_empty());
    accounts.iter().all(|found| found.gid != gid || is_trusted(found.uid)) && members.all(is_member)
}

/// Whether a file of this owner belongs to an account outside the user namespace of this process, such as the root of the machine when seen
/// from a rootless container. Nothing inside can act as it.
pub(super) fn is_unmapped_root(uid: u32) -> bool {
    let overflow = fs::read_to_string("/proc/sys/fs/overflowuid").ok().and_then(|text| text.trim().parse::<u32>().ok());
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    overflow == Some(uid) && !map.is_empty() && !is_full(&map)
}

/// Whether every account is mapped, as outside of all namespaces.
fn is_full(map: &str) -> bool {
    map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"]
}

/// A line of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl<'a> Account<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, uid, gid) = (fields.next()?, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { name, uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_if_no_other_account_is_in_it() {
        let accounts =
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/:/bin/sh\nguest:x:1002:1001::/:/bin/sh\n";
        let groups = "root:x:0:\nann:x:1000:\nbob:x:1001:\nteam:x:50:ann,bob\nown:x:51:ann,root\nodd:x:52:unknown\n";
        let private = |gid| is_private(gid, 1000, accounts, groups);
        assert!([1000, 0, 51, 77].into_iter().all(private), "own, root's, own with root, without members");
        assert!(![1001, 50, 52].into_iter().any(private), "another account's, a team's, with an unknown member");
        assert!(!is_private(1001, 1001, accounts, groups), "the primary group of two accounts");
    }

    #[test]
    fn a_namespace_is_recognized_by_its_map() {
        assert!(is_full("         0          0 4294967295\n"));
        assert!(!is_full("0 1000 1\n") && !is_full("0 1000 1\n1 100000 65536\n"));
    }
}
