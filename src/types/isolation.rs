//! How far the processes of a run are kept from everything else on the machine.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// How far the processes of a run are kept from everything else on the machine. A later level keeps them from more.
    #[derive(PartialOrd, Ord, ToSchema)]
    pub enum IsolationLevel {
        /// Not at all: they can do everything that the account of the server can do.
        None = "none",
        /// They can open neither the server's own files nor those of other runs, but reach its sockets and see its processes.
        Files = "files",
        /// They can reach neither the server's own files and processes nor those of other runs, and have a `/tmp` of their own.
        Guard = "guard",
        /// They see only the system and its toolchains, their workspace and a private home directory, and have no network except for
        /// the connections that the server allows.
        Sandbox = "sandbox",
    }
}

/// The isolation of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunIsolation {
    /// The level in force.
    pub level: IsolationLevel,
    /// Why no higher level is in force, if one exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The account that the processes run under, if it is not that of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}
