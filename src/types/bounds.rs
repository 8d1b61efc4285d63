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

/// Maximum size of the images in further messages that an adapter keeps per agent process, until the agent has taken the messages. A single
/// message may exceed it. Further messages are queued for later turns.
pub const MAX_KEPT_IMAGE_BYTES: usize = 16 * 1024 * 1024;

/// Maximum number of commands from clients that wait for the driver of one run. Their senders wait when it is reached.
pub const MAX_WAITING_COMMANDS: usize = 16;

/// Maximum number of events of one run that are held in memory while its log cannot be written. Further ones are counted and dropped.
pub const MAX_HELD_EVENTS: usize = 4096;

/// Number of ids of tool calls, and of requests, that are remembered per agent process, in order to tell repeated ones apart.
pub const MAX_CALL_IDS: usize = 4096;

/// Maximum number of hosts that the agent of one run may use at isolation level `sandbox`. Connections to further ones are refused.
pub const MAX_NETWORK_HOSTS: usize = 256;

/// Maximum number of `network` events of one run before its end.
pub const MAX_NETWORK_EVENTS: usize = 4096;

/// Maximum number of tool calls that an adapter keeps per agent process, with their inputs. Agents run a handful of them in parallel. The
/// oldest call is dropped: its result is then unknown.
pub const MAX_KEPT_CALLS: usize = 1024;

/// Maximum size of the tool calls that an adapter keeps per agent process, in bytes. A single one may exceed it. The oldest are dropped.
pub const MAX_KEPT_CALL_BYTES: usize = 32 * 1024 * 1024;

/// Number of denied tool calls without a result that are remembered per agent process. The result of an older one shows an error instead of
/// the denial.
pub const MAX_DENIED_CALLS: usize = 1024;

/// Number of permissions granted for good that an adapter remembers per agent process, if the agent does not. The agent asks again about the
/// oldest.
pub const MAX_ALLOWED_SCOPES: usize = 1024;

/// Maximum number of unfinished tasks in the background per agent process that are reported.
pub const MAX_TASKS: usize = 1024;

/// Maximum number of sub-agents per agent process whose events are attributed to them.
pub const MAX_SUB_AGENTS: usize = 1024;

/// Number of messages of one turn whose thinking is remembered, so that it is not repeated.
pub const MAX_STREAMED_MESSAGES: usize = 4096;

/// Maximum number of steps in the plan of one run. The oldest are dropped.
pub const MAX_PLAN_STEPS: usize = 256;

/// Maximum length of an answer that an adapter assembles from chunks, in bytes. All its tokens are emitted.
pub const MAX_ASSEMBLED_ANSWER: usize = 1024 * 1024;
