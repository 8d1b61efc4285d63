//! Types shared by all layers: ids, events, run specifications, outcomes.
//!
//! No I/O, no async; only [`SystemClock`] reads a clock. Imports no other module of the crate.

mod amount;
mod attachment;
mod audit_action;
pub mod bounds;
mod budget;
mod caller;
mod checkpoint;
mod clock;
mod day;
mod event;
mod host;
mod ids;
mod isolation;
mod json_line;
mod lease;
mod limits;
mod mcp_server;
mod model_endpoint;
mod money;
mod outcome;
mod permission;
mod profile;
mod profile_name;
mod profile_user;
mod project_config;
mod question;
mod quota;
mod rate_limit;
mod recent;
mod scope;
mod secret;
mod session_update;
mod shutdown;
mod spec;
mod spend;
mod string_enum;
mod task;
mod text;
mod tool;
mod trace;
mod withheld;

pub use amount::{Amount, BadAmount};
pub use attachment::{Attachment, AttachmentInfo, AttachmentKind};
pub use audit_action::AuditAction;
pub use budget::{BadTokens, Budget, BudgetChange, Limit, LimitChange, Tokens, Unlimited};
pub use caller::{Caller, UserRef, UserRole};
pub use checkpoint::OutputCheckpoint;
pub use clock::{Clock, SystemClock, Timestamp};
pub use day::{BadDay, Day};
pub use event::{
    Answer, DecidedBy, Decision, Delta, FileChangeKind, Level, LogStream, MessageMode, NetworkReason, NetworkUse, NoticeCode,
    PermissionChoice, PlanEntry, PlanStatus, Role, RunDone, RunStarted, StreamEvent, ToolCall, ToolStatus, Usage,
};
pub use host::{BadHost, HostPattern, HostPort};
pub use ids::{BadUserName, IdError, KeyId, NodeId, RunId, Seq, SessionId, TokenId, UserId, UserName};
pub use isolation::{IsolationLevel, RunIsolation};
pub use json_line::escape_line_breaks;
pub use lease::{Epoch, Lease};
pub use limits::{LimitedBy, RunLimits};
pub use mcp_server::{HttpServer, McpServerSpec, StdioServer};
pub use model_endpoint::{AuthScheme, ModelEndpoint};
pub use money::{BadMoney, Money};
pub use outcome::{Cause, Failure, RunStatus, TurnEnd};
pub use permission::{PermissionMode, RuleSpec, RuleVerdict};
pub use profile::Profile;
pub use profile_name::{BadProfileName, ProfileName};
pub use profile_user::{BadProfileUser, ProfileUser};
pub use project_config::ProjectConfig;
pub use question::{Question, QuestionOption};
pub use quota::{PerQuota, Quota, QuotaChange};
pub use rate_limit::OnRateLimit;
pub use recent::Recent;
pub use scope::{BadScope, Scope};
pub use secret::Secret;
pub use session_update::{AgentCommand, ContextUse, SessionUpdate};
pub use shutdown::OnShutdown;
pub use spec::{McpServer, McpTransport, RunSpec};
pub use spend::{ExceededLimit, SpendKind, SpendLimits};
pub(crate) use string_enum::string_enum;
pub use task::{TaskKind, TaskStatus};
pub use text::is_unsafe_to_display;
pub use tool::ToolKind;
pub use trace::TraceParent;
pub use withheld::{PendingDigest, SplitText, SplitTextKind, Withheld, WithheldText};
