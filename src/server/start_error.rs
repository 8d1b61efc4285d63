//! Why a server does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::auth::{KeyError, SetupError};
use crate::config::BadCredential;
use crate::process::CgroupError;
use crate::process::isolation_probe::Unavailable;
use crate::run::store::{OpenError, StoreError};
use crate::run::{BadRules, BadWebhook};

/// Why the server did not start. No task or child process of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error("cannot read or write the database")]
    Store(#[from] StoreError),
    /// The key that signs tokens cannot be loaded or created.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The default users or admin's password cannot be set up.
    #[error("cannot set up the users")]
    Users(#[from] SetupError),
    /// Another account controls the directory of agent programs.
    #[error(transparent)]
    Insecure(#[from] crate::ownership::Insecure),
    /// A directory cannot be used.
    #[error("cannot use directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The permission rules in the settings file are invalid.
    #[error("permission_rules in the settings file")]
    Rules(#[source] BadRules),
    /// A profile in the settings file is invalid.
    #[error("profiles.{name}.{problem}")]
    Profile {
        /// Its name.
        name: crate::types::ProfileName,
        /// The field, and what is wrong with it.
        problem: String,
    },
    /// A key in the settings file cannot be used.
    #[error(transparent)]
    Credential(#[from] BadCredential),
    /// The operator's webhook is invalid.
    #[error("OPENRUNNER_WEBHOOK_URL, _SECRET or _EVENTS")]
    Webhook(#[source] BadWebhook),
    /// The control group named in the settings cannot be used.
    #[error("OPENRUNNER_CGROUP names a control group that cannot be used")]
    Group(#[source] CgroupError),
    /// The settings require an isolation level that this machine cannot hold.
    #[error("OPENRUNNER_ISOLATION requires what this machine does not allow: {}; remedy: {}", .0.reason, .0.remedy)]
    Isolation(Unavailable),
    /// Agents cannot run under the accounts in the settings.
    #[error("OPENRUNNER_AGENT_USER: {}; remedy: {}", .0.reason, .0.remedy)]
    Account(Unavailable),
    /// A workspace root does not exist or cannot be read.
    #[error("OPENRUNNER_WORKSPACE_ROOTS names a directory that cannot be used")]
    Workspaces(#[source] std::io::Error),
    /// The address cannot be bound.
    #[error("cannot listen on {addr}; if another program uses it, set OPENRUNNER_ADDR to another address")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The thread that spawns agents cannot be started.
    #[error("cannot start the thread that spawns agents")]
    Spawner(#[source] std::io::Error),
}
