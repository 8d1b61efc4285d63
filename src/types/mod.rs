//! The words that every layer shares: ids, events, what a run asks for and how it ended.
//!
//! Nothing here does I/O or waits, and only [`SystemClock`] reads a clock. Every other module may import this one; it imports none of ours.

mod action;
mod budget;
mod caller;
mod checkpoint;
mod clock;
mod day;
mod event;
mod ids;
mod limits;
mod money;
mod outcome;
mod permission;
mod scope;
mod shutdown;
mod spec;
mod text;
mod trace;
mod withheld;

pub use action::Action;
pub use budget::{BadTokens, Bound, BoundChange, Budget, BudgetChange, Tokens, Unlimited};
pub use caller::{Caller, UserRole};
pub use checkpoint::OutputCheckpoint;
pub use clock::{Clock, SystemClock};
pub use day::{BadDay, Day};
pub use event::{
    Answer, DecidedBy, Decision, Delta, FileChangeKind, Level, LogStream, MessageMode, NoticeCode, PlanEntry, PlanStatus, Question, Role,
    RunDone, RunStarted, StreamEvent, ToolCall, ToolKind, ToolStatus, Usage,
};
pub use ids::{BadUserName, IdError, KeyId, RunId, Seq, SessionId, TokenId, UserName};
pub use limits::{LimitedBy, RunLimits};
pub use money::{BadMoney, Money};
pub use outcome::{Cause, Failure, RunStatus, TurnEnd};
pub use permission::{RuleSpec, RuleVerdict};
pub use scope::{BadScope, Scope};
pub use shutdown::OnShutdown;
pub use spec::{McpServer, McpTransport, PermissionMode, RunSpec, Timestamp};
pub use text::acts_on_a_reader;
pub use trace::TraceParent;
pub use withheld::{PendingDigest, SplitText, SplitTextKind, Withheld, WithheldText};
