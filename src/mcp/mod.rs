//! The server as an MCP server: another agent, or any other MCP client, starts runs, supervises them and reads their results.
//!
//! Every tool is a few requests to the HTTP API, sent through a [`Backend`]: inside the server (`POST /mcp`) as the caller of the request,
//! or over the network (`openrunner mcp`). So permissions, limits and the audit log are those of the API, and nothing is decided here.
//!
//! A run is also a task of the extension [`io.modelcontextprotocol/tasks`]: its ID is the run's. Nothing is kept between requests, so tasks
//! survive a restart of the server as their runs do.
//!
//! [`io.modelcontextprotocol/tasks`]: https://modelcontextprotocol.io/seps/2663-tasks-extension

mod arguments;
mod backend;
mod bounded_input;
mod events;
mod handler;
mod input_requests;
mod path;
mod resources;
mod summary;
mod tasks;
mod tools;
mod wait;

pub use backend::{Backend, BackendError, ByteStream, Call};
pub use bounded_input::BoundedInput;
pub use handler::McpServer;
