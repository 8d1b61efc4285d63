//! The bounds of everything in memory that grows with an agent's output or with clients' requests.
//!
//! A bound that an agent reaches is reported in the run's log, once per run, as a notice with the code
//! [`LimitReached`](super::NoticeCode::LimitReached). A client that reaches one gets a typed error.

/// Maximum number of requests that the agent of one run may have open at a time. Each holds the input of a tool call, and clients receive
/// all of them in one response. Agents run a handful of tools in parallel. Further requests are denied.
pub const MAX_OPEN_REQUESTS: usize = 256;

/// Maximum size of the open requests of one run, in bytes, as JSON. A single request may exceed it. Further requests are denied.
pub const MAX_OPEN_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Number of closed requests of one run that are remembered. A late answer to an older one is rejected as unknown instead of as already
/// answered.
pub const MAX_ANSWERED_REQUESTS: usize = 4096;

/// Number of running tool calls of one run whose start is remembered, for the duration in their results.
pub const MAX_TIMED_CALLS: usize = 4096;

/// Maximum number of messages queued for later turns of one run. Further messages are rejected.
pub const MAX_QUEUED_MESSAGES: usize = 64;

/// Maximum number of commands from clients that wait for the driver of one run. Their senders wait when it is reached.
pub const MAX_WAITING_COMMANDS: usize = 16;

/// Maximum number of events of one run that are held in memory while its log cannot be written. Further ones are counted and dropped.
pub const MAX_HELD_EVENTS: usize = 4096;

/// Number of ids of tool calls that are remembered per agent process, in order to tell repeated ones apart.
pub const MAX_CALL_IDS: usize = 4096;

/// Maximum number of hosts that the agent of one run may use at isolation level `sandbox`. Connections to further ones are refused.
pub const MAX_NETWORK_HOSTS: usize = 256;

/// Maximum number of `network` events of one run before its end.
pub const MAX_NETWORK_EVENTS: usize = 4096;
