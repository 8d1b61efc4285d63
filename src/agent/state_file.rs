//! The state of a task that a later server needs to decode its agent's output again.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::handle::Restrictions;
use super::{Installed, Task};
use crate::process::shim::ProcessDir;
use crate::types::{Attachment, McpServer, McpTransport, RunSpec};

/// The content of a run's `task.json`: the inputs of its parser that are not part of the run's record.
///
/// It contains no secrets: of MCP servers only the names and transports, on which the parser's messages depend.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StateFile {
    resume: Option<String>,
    #[serde(default)]
    continues: bool,
    installed: Installed,
    mcp_servers: Vec<Server>,
    #[serde(default)]
    input_dir: PathBuf,
    #[serde(flatten)]
    restrictions: Restrictions,
}

#[derive(Debug, Serialize, Deserialize)]
struct Server {
    name: String,
    http: bool,
}

impl StateFile {
    pub(super) fn new(task: &Task, installed: Installed, restrictions: Restrictions) -> Self {
        let server = |server: &McpServer| Server { name: server.name.clone(), http: matches!(server.transport, McpTransport::Http { .. }) };
        Self {
            resume: task.resume.clone(),
            continues: task.continues,
            installed,
            mcp_servers: task.mcp_servers.iter().map(server).collect(),
            input_dir: task.input_dir.clone(),
            restrictions,
        }
    }

    /// What is enforced on the program.
    pub(super) fn restrictions(&self) -> Restrictions {
        self.restrictions.clone()
    }

    /// The task and the program as the parser received them, without the values that are not stored.
    pub(super) fn task(self, spec: RunSpec, attachments: Vec<Attachment>) -> (Task, Installed) {
        let mcp_servers = self.mcp_servers.into_iter().map(|server| McpServer::placeholder(server.name, server.http)).collect();
        let task = Task {
            spec,
            resume: self.resume,
            continues: self.continues,
            mcp_servers,
            endpoint: None,
            attachments,
            input_dir: self.input_dir,
        };
        (task.with_effective_prompt(), self.installed)
    }

    /// Writes it to the directory of a run that is about to start. Must be called before the shim receives its start command.
    pub(super) fn write(&self, dir: &ProcessDir) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.task())?;
        file.write_all(&serde_json::to_vec(self)?)
    }

    /// Reads it. `None` if it is missing or incomplete, in which case no program was started.
    pub(super) fn read(dir: &ProcessDir) -> io::Result<Option<Self>> {
        match std::fs::read(dir.task()) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
