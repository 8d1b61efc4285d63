//! Another account for agents.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The list of accounts.
const PASSWD: &str = "/etc/passwd";

/// An account of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user id. Never 0.
    pub uid: u32,
    /// The id of its group.
    pub gid: u32,
    /// Its home directory.
    pub home: PathBuf,
}

/// Why agents cannot run under another account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The server may not change accounts.
    #[error("only root may start programs under another account, and the server does not run as root")]
    NotRoot,
    /// There is no such account.
    #[error("{PASSWD} lists no account {0}")]
    Unknown(String),
    /// It is the account of root.
    #[error("{0} is root, which is not another account")]
    Root(String),
    /// Its home directory is missing, or belongs to another account.
    #[error("{}, the home directory of {name}, {problem}", home.display())]
    Home {
        /// The account.
        name: String,
        /// Its home directory.
        home: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The list of accounts cannot be read.
    #[error("{PASSWD}: {0}")]
    Io(#[from] io::Error),
}

impl AccountError {
    /// The command that fixes it, or another remedy.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotRoot => "start the server as root, or unset OPENRUNNER_AGENT_USER".to_owned(),
            Self::Unknown(name) => format!("`useradd --create-home {name}`"),
            Self::Root(_) => "name another account".to_owned(),
            Self::Home { name, home, .. } => format!("`mkdir -p {0} && chown {name}: {0}`", home.display()),
            Self::Io(_) => "check that the file can be read".to_owned(),
        }
    }
}

impl Account {
    /// The account `name`, under which this process can start programs.
    ///
    /// # Errors
    /// [`AccountError`], by cause.
    pub fn find(name: &str) -> Result<Self, AccountError> {
        use std::os::unix::fs::MetadataExt;

        let account = Self::parse(name, &std::fs::read_to_string(PASSWD)?).ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
        if account.uid == 0 {
            return Err(AccountError::Root(name.to_owned()));
        }
        if !rustix::process::geteuid().is_root() {
            return Err(AccountError::NotRoot);
        }
        let problem = match std::fs::metadata(&account.home) {
            Ok(metadata) if !metadata.is_dir() => "is not a directory",
            Ok(metadata) if metadata.uid() != account.uid => "belongs to another account",
            Ok(_) => return Ok(account),
            Err(_) => "does not exist",
        };
        Err(AccountError::Home { name: account.name, home: account.home, problem })
    }

    fn parse(name: &str, passwd: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [found, _, uid, gid, _, home, ..] = fields[..] else { return None };
            let home = PathBuf::from(home);
            (found == name && home.is_absolute()).then_some(())?;
            Some(Self { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home })
        })
    }

    /// Starts `command` under this account, without any further group.
    pub(super) fn apply(&self, command: &mut Command) {
        // Of a process of root, std drops all supplementary groups with it.
        command.gid(self.gid).uid(self.uid);
    }

    /// Gives a file or directory to this account. Symbolic links are not followed.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn take(&self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nagent2:x:7:8::/two:\nagent:x:5:6::/home/agent:/bin/sh\n";
        let agent = Account { name: "agent".to_owned(), uid: 5, gid: 6, home: "/home/agent".into() };
        assert_eq!(Account::parse("agent", passwd), Some(agent));
        assert_eq!(Account::parse("agen", passwd), None);
        assert!(matches!(Account::find("root"), Err(AccountError::Root(_))));
        assert!(matches!(Account::find("no such account"), Err(AccountError::Unknown(_))));
    }
}
