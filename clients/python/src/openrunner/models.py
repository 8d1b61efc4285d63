"""Types of requests, responses and events, generated from docs/openapi.json. Do not edit."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

from typing_extensions import NotRequired


class CostBudget(TypedDict):
    """
    Usage and limit of one resource.
    """

    used: float
    """A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars."""

    allowed: NotRequired[float]
    """A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars."""

    is_own: bool
    """Whether the limit was set for this user rather than taken from the server's settings."""


class TokenBudget(TypedDict):
    """
    Usage and limit of one resource.
    """

    used: int
    """A number of tokens, as counted by budgets."""

    allowed: NotRequired[int]
    """A number of tokens, as counted by budgets."""

    is_own: bool
    """Whether the limit was set for this user rather than taken from the server's settings."""


class AssistantMessage(TypedDict):
    """
    What the agent has come to.
    """

    role: str
    """Always `assistant`."""

    content: str
    """Its final text; empty if it came to none."""

    refusal: str | None
    """Always null."""


AuditAction: TypeAlias = Literal[
    "login",
    "logout",
    "password",
    "user.create",
    "user.change",
    "user.delete",
    "key.create",
    "key.delete",
    "ticket",
    "run.create",
    "run.cancel",
    "run.delete",
    "run.message",
    "run.answer",
]


Authenticated: TypeAlias = Literal["yes", "no", "unknown"]


class Capabilities(TypedDict):
    """
    What a client can do with an agent besides giving it a prompt.
    """

    resume: bool
    """Continue a conversation in a later run."""

    messages: bool
    """Send a further message in the same run, once its turn has ended."""

    steer: bool
    """Add a message to a running turn without interrupting it."""

    interrupt: bool
    """Stop a turn without ending the process."""

    permissions: bool
    """Be asked for permission before it uses a tool."""

    questions: bool
    """Be asked a question."""

    models: bool
    """Choose its model."""

    mcp_servers: bool
    """Give it MCP servers."""


Cause: TypeAlias = Literal[
    "ok",
    "agent_error",
    "not_logged_in",
    "rate_limited",
    "model_not_found",
    "not_installed",
    "bad_arguments",
    "crashed",
    "killed",
    "timeout",
    "startup_timeout",
    "idle_timeout",
    "cancelled",
    "shutdown",
    "node_lost",
    "storage",
    "protocol",
    "budget_exceeded",
]


class ChatChoice(TypedDict):
    """
    The one answer.
    """

    index: int
    """Always 0."""

    message: AssistantMessage
    """What the agent has come to."""

    logprobs: Any
    finish_reason: str
    """Always `stop`: an answer that was cut is no answer here but a refusal."""


ChatRole: TypeAlias = Literal["system", "developer", "user", "assistant"]


class ChunkDelta(TypedDict):
    """
    What is new.
    """

    role: NotRequired[str]
    """`assistant`, in the first piece."""

    content: NotRequired[str]
    """Text of the agent."""

    reasoning_content: NotRequired[str]
    """Thinking of the agent, by the name that other servers of this API have given it."""


class CompletionTokens(TypedDict):
    """
    More on the tokens that the model has written.
    """

    reasoning_tokens: int
    """Those that were thinking, where the agent tells them apart."""


class ContentPart(TypedDict):
    """
    A part of a message.
    """

    type: str
    """`text`; images, sounds and files are refused."""

    text: NotRequired[str | None]
    """The text."""


Day: TypeAlias = str


DecidedBy: TypeAlias = Literal["policy", "user", "timeout"]


Decision: TypeAlias = Literal["allow_once", "allow_always", "deny"]


DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed"]


class Delta(TypedDict):
    """
    A delta of a text while it is being written.
    """

    content: str
    """Text of the delta."""

    message_id: NotRequired[str]
    """ID of the message that the delta belongs to."""

    parent_tool_call_id: NotRequired[str]
    """ID of the tool call whose sub-agent writes the text."""


class EventFrame(TypedDict):
    """
    One frame of the stream, as a parser of server-sent events gives it.
    """

    id: NotRequired[str]
    """The event's `seq`; absent of a `GapNotice`, which is no event of the log."""

    event: str
    """The event's `type`."""

    data: str
    """One line of JSON."""


FaultCode: TypeAlias = Literal[
    "required", "unknown_field", "invalid", "out_of_range", "too_long", "too_many", "conflict", "not_found", "not_allowed", "not_supported"
]


class FeedChange1(TypedDict):
    """
    The first event, unless `reset` is. All further changes are reported.
    """

    resumed: bool
    """Whether the feed resumed without loss after the given cursor. If false, list the runs now."""

    type: Literal["ready"]


class FeedChange4(TypedDict):
    """
    Changes were lost: list the runs again. All further changes are reported.
    """

    type: Literal["reset"]


class FeedEvent1(TypedDict):
    """
    The first event, unless `reset` is. All further changes are reported.
    """

    resumed: bool
    """Whether the feed resumed without loss after the given cursor. If false, list the runs now."""

    type: Literal["ready"]


class FeedEvent4(TypedDict):
    """
    Changes were lost: list the runs again. All further changes are reported.
    """

    type: Literal["reset"]


class FeedEvent5(TypedDict):
    """
    One event of the feed with the position after it.
    """

    cursor: str
    """Position after this event. Pass it as `Last-Event-ID` or `after` to resume the feed there."""


class FeedEvent6(FeedEvent1, FeedEvent5):
    """
    One event of the feed with the position after it.
    """


class FeedEvent9(FeedEvent4, FeedEvent5):
    """
    One event of the feed with the position after it.
    """


class FieldError(TypedDict):
    """
    A fault in one field of a request.
    """

    field: str
    """
    The field: a path in the body such as `metadata.labels.team`, or the name of a query parameter or header. `body` or `query` if the
    fault concerns the whole.
    """

    code: FaultCode
    """The kind of fault."""

    detail: str
    """Explanation for people. The wording may change."""


FileChangeKind: TypeAlias = Literal["create", "update", "delete"]


class Data(TypedDict):
    after: int
    """The number of the last event that the reader has, or says that it has."""

    next: int
    """The number of the event that comes next."""


class HealthResponse(TypedDict):
    """
    How the server is.
    """

    status: str
    """`degraded` while nothing can be written to disk, otherwise `ok`."""

    version: str
    """The server's version."""

    uptime: int
    """Seconds since the start."""


class HttpServer(TypedDict):
    """
    An address that the agent calls.
    """

    name: str
    """The name by which the agent knows it."""

    url: str
    """Its address."""

    headers: NotRequired[dict[str, str]]
    """Headers of each call."""


KeyId: TypeAlias = str


Level: TypeAlias = Literal["info", "warning", "error"]


LimitedBy: TypeAlias = Literal["cgroup", "rlimit"]


LogStream: TypeAlias = Literal["stderr"]


class LoginRequest(TypedDict):
    """
    A name and its password.
    """

    username: str
    """The user's name."""

    password: str
    """The user's password."""


MessageMode: TypeAlias = Literal["queue", "steer", "interrupt"]


class MessageRequest(TypedDict):
    """
    A further message.
    """

    text: str
    """Its text."""

    mode: NotRequired[MessageMode]
    """How it is delivered."""


class Model(TypedDict):
    """
    Something that can be asked for: an agent, or a model of one.
    """

    id: str
    """Its name, as `model` takes it."""

    object: str
    """Always `model`."""

    created: int
    """Always 0: nobody knows since when there has been an agent."""

    owned_by: str
    """Always `openrunner`."""


class ModelList(TypedDict):
    """
    What can be asked for.
    """

    object: str
    """Always `list`."""

    data: list[Model]
    """By name."""


Money: TypeAlias = float


NoticeCode: TypeAlias = Literal[
    "retrying",
    "rate_limited",
    "truncated",
    "invalid_utf8",
    "leaked_pipe",
    "exit_grace_expired",
    "left_behind",
    "resumed",
    "undelivered",
    "weak_guarantee",
    "gap",
    "agent_warning",
    "other",
]


OnBusy: TypeAlias = Literal["queue", "reject", "interrupt"]


OnDisconnect: TypeAlias = Literal["cancel", "continue"]


OneOrMore: TypeAlias = str | list[str]


class Error(TypedDict):
    message: str
    """The same for a person. Its words may change."""

    type: str
    """`invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`."""

    param: str | None
    """The one field that is at fault."""

    code: str
    """Which refusal it is, for programs."""


class OpenAiError(TypedDict):
    """
    A refusal under `/v1`, in OpenAI's form.
    """

    error: Error


class PasswordRequest(TypedDict):
    """
    A new password for oneself.
    """

    current_password: str
    """The present one: a token that was left lying about does not suffice."""

    new_password: str
    """The new one, which is not the name."""


PermissionMode: TypeAlias = Literal["auto", "ask", "read_only"]


PlanStatus: TypeAlias = Literal["pending", "in_progress", "completed"]


class Problem(TypedDict):
    """
    An error as RFC 9457 defines it.
    """

    type: str
    """Always `about:blank`; see `code`."""

    title: str
    """The name of the status."""

    status: int
    """The HTTP status."""

    detail: str
    """Explanation for people. The wording may change."""

    code: Literal[
        "malformed_json",
        "body_missing",
        "body_unreadable",
        "bad_argument",
        "unknown_model",
        "unsupported_parameter",
        "token_missing",
        "token_invalid",
        "token_expired",
        "wrong_credentials",
        "default_password",
        "origin_not_allowed",
        "cross_site",
        "admin_only",
        "scope_missing",
        "own_password_needed",
        "wrong_password",
        "env_not_allowed",
        "working_dir_not_allowed",
        "not_found",
        "model_not_found",
        "method_not_allowed",
        "body_timeout",
        "run_active",
        "run_ended",
        "already_answered",
        "session_busy",
        "cancelled",
        "user_exists",
        "last_admin",
        "body_too_large",
        "not_json",
        "host_not_served",
        "invalid_field",
        "unknown_agent",
        "bad_working_dir",
        "session_mismatch",
        "cannot_resume",
        "cannot_ask",
        "messages_not_supported",
        "idempotency_key_reused",
        "queue_full",
        "budget_exceeded",
        "too_many_messages",
        "too_many_logins",
        "too_many_requests",
        "too_many_streams",
        "rate_limited",
        "internal",
        "agent_error",
        "not_logged_in",
        "not_installed",
        "bad_arguments",
        "crashed",
        "killed",
        "protocol",
        "node_lost",
        "shutting_down",
        "overloaded",
        "timeout",
        "startup_timeout",
        "idle_timeout",
        "storage",
    ]
    """Which refusal it is, for programs."""

    errors: NotRequired[list[FieldError]]
    """All faults of the request, if fields are at fault. A body of the wrong shape is reported with its first fault."""


class PromptTokens(TypedDict):
    """
    More on the tokens that the model has read.
    """

    cached_tokens: int
    """Those that came from the provider's cache."""


class Question(TypedDict):
    """
    A question to the user.
    """

    text: str
    """Text of the question."""

    options: list[str]
    """Suggested answers; empty for free text."""

    multiple: bool
    """Whether several answers are allowed."""


class RequestKind2(TypedDict):
    """
    Questions to the user. Answered with `answers`.
    """

    questions: list[Question]
    """The questions."""

    type: Literal["question"]


Role: TypeAlias = Literal["assistant", "user", "system"]


RuleVerdict: TypeAlias = Literal["allow", "ask", "deny"]


class RunCounts(TypedDict):
    """
    Ended runs by how they ended.
    """

    completed: int
    """Ended well."""

    failed: int
    """Ended badly."""

    cancelled: int
    """Were cancelled."""

    timed_out: int
    """Ran out of time."""

    interrupted: int
    """Their server went away."""


RunId: TypeAlias = str


class RunInput(TypedDict):
    """
    What the agent is to do.
    """

    text: str
    """The prompt."""


class RunLimits(TypedDict):
    """
    Resource limits of a run's processes, as far as they are enforced.
    """

    by: LimitedBy
    """Mechanism that enforces the limits."""

    memory_bytes: NotRequired[int]
    """Memory limit, in bytes."""

    processes: NotRequired[int]
    """Maximum number of concurrent processes and threads."""

    cpu_weight: NotRequired[int]
    """Relative share of CPU time under contention, from 1 to 10000; the system default is 100."""


RunStatus: TypeAlias = Literal[
    "queued", "starting", "running", "waiting", "stopping", "completed", "failed", "cancelled", "timed_out", "interrupted"
]


Scope: TypeAlias = Literal["runs:read", "runs:write", "admin", "metrics"]


Seq: TypeAlias = int


SessionId: TypeAlias = str


class SettingOrigin1(TypedDict):
    """
    The settings file, by its path.
    """

    file: str
    """The settings file, by its path."""


SettingOrigin: TypeAlias = Literal["flag"] | Literal["environment"] | SettingOrigin1 | Literal["default"]


class StdioServer(TypedDict):
    """
    A program that the agent starts.
    """

    name: str
    """The name by which the agent knows it."""

    command: str
    """The program."""

    args: NotRequired[list[str]]
    """Its arguments."""

    env: NotRequired[dict[str, str]]
    """Its further environment."""


class StreamOptions(TypedDict):
    """
    What a stream tells besides.
    """

    include_usage: NotRequired[bool | None]
    """Whether the totals come at its end."""


class TicketResponse(TypedDict):
    """
    A ticket.
    """

    ticket: str
    """What stands for a token in the address of this run's stream, and nowhere else."""

    expires_in: int
    """For how many seconds a stream can be begun with it."""

    events_url: str
    """The address of the stream, with the ticket in it."""


Timestamp: TypeAlias = str


class TokenEvent(Delta):
    """
    A delta of the assistant's text.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["token"]


ToolKind: TypeAlias = Literal["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "other"]


class ToolOutputEvent(TypedDict):
    """
    A delta of a running tool's output.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["tool_output"]
    id: str
    """ID of the tool call."""

    content: str
    """The delta."""


ToolStatus: TypeAlias = Literal["ok", "error", "denied"]


Unlimited: TypeAlias = Literal["unlimited"]


class Usage(TypedDict):
    """
    Usage of the model, in tokens and US dollars.
    """

    input_tokens: int
    """Uncached input tokens."""

    output_tokens: int
    """Output tokens, including thinking."""

    cache_read_tokens: int
    """Tokens read from the provider's cache."""

    cache_write_tokens: int
    """Tokens written to the provider's cache."""

    reasoning_tokens: int
    """Part of `output_tokens` used for thinking, if the agent reports it."""

    cost_usd: NotRequired[float]
    """Cost in US dollars, if the agent reports it or the price is known."""

    cost_is_estimate: bool
    """Whether the cost is computed from list prices rather than billed."""


class UsageEvent(Usage):
    """
    Total usage of the run so far. Each event replaces the previous one.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["usage"]


UsageGroup: TypeAlias = Literal["day", "owner", "agent_type", "model", "session", "run"]


class UsageTotals(TypedDict):
    """
    How much was used.
    """

    runs: int
    """Runs that ended. One that goes on is not counted yet, but what it has used is."""

    by_status: RunCounts
    """Of these, how many ended so."""

    tokens: int
    """Tokens that count against a budget: `input_tokens`, `cache_write_tokens` and `output_tokens`."""

    input_tokens: int
    """Tokens read by the model that no cache held."""

    output_tokens: int
    """Tokens written by the model, thinking included."""

    cache_read_tokens: int
    """Tokens read from the provider's cache."""

    cache_write_tokens: int
    """Tokens written to the provider's cache."""

    reasoning_tokens: int
    """Those of `output_tokens` that were thinking, where the agent tells them apart."""

    cost_usd: NotRequired[Money]
    """US dollars, as far as agents told; absent if none did."""

    cost_is_estimate: bool
    """Whether some of that is computed from list prices, not billed."""

    runs_without_cost: int
    """Runs that ended and told tokens but no cost, which `cost_usd` therefore lacks."""


class UserMessageEvent(TypedDict):
    """
    A further message from the user to a live run.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["user_message"]
    content: str
    """Text of the message."""

    mode: MessageMode
    """How the message is delivered."""


UserName: TypeAlias = str


UserRole: TypeAlias = Literal["admin", "user"]


class WebhookObject(TypedDict):
    """
    Where events are sent, which, and how they are signed.
    """

    url: str
    """The address: http or https, of no network of somebody's own."""

    events: NotRequired[list[str] | None]
    """Types of events; `*` is all that can be sent. By default `run_started`, `permission_request`, `question` and `done`."""

    secret: NotRequired[str | None]
    """What is signed with, as `whsec_` and Base64. By default the server's own."""


class AgentErrorEvent(TypedDict):
    """
    An error reported by the agent that does not end the run.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["agent_error"]
    code: str
    """Machine-readable code, as reported by the agent."""

    message: str
    """Message, as reported by the agent."""

    retryable: bool
    """Whether the agent retries by itself."""


class AgentReport(TypedDict):
    """
    The state of one agent, for people and dashboards.
    """

    agent_type: str
    """The agent's registered name."""

    available: bool
    """Whether a run can be started with it."""

    version: NotRequired[str]
    """The version that the program reports."""

    path: NotRequired[str]
    """Absolute path of the program."""

    authenticated: Authenticated
    """Whether a login or key is configured."""

    install: NotRequired[str]
    """The exact command that installs it."""

    login: NotRequired[str]
    """How to log in."""

    error: NotRequired[str]
    """Why it cannot be used."""


class AgentReportPage(TypedDict):
    """
    One page of a list.
    """

    items: list[AgentReport]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class AgentSummary(TypedDict):
    """
    What a client can do with one agent, to choose between agents.
    """

    agent_type: str
    """The agent's registered name."""

    protocol: str
    """How it is driven: `stream-json`, `app-server`, `acp`, `text`, `jsonl`, `demo` or `in-process`."""

    capabilities: Capabilities
    """What a client can do with it besides giving it a prompt."""

    available: bool
    """Whether a run can be started with it."""


class AgentSummaryPage(TypedDict):
    """
    One page of a list.
    """

    items: list[AgentSummary]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class AnswerRequest(TypedDict):
    """
    A decision on a permission, or the answers to a question: one of the two.
    """

    decision: NotRequired[Decision | None]
    message: NotRequired[str | None]
    """What the agent is told with a denial."""

    answers: NotRequired[list[OneOrMore] | None]
    """For each question its answers."""


class AnswerResponse(TypedDict):
    """
    The answer as it was taken: what the resolving event tells, too.
    """

    id: str
    """The request."""

    decision: NotRequired[Decision]
    """The decision on a permission."""

    answers: NotRequired[list[list[str]]]
    """The answers to a question, one list for each of its questions."""

    by: DecidedBy
    """Always `user`."""


class ApiKey(TypedDict):
    """
    A key as its owner and admins see it: without the key itself.
    """

    id: KeyId
    """By which it is revoked."""

    name: str
    """What its owner calls it."""

    owner: UserName
    """Whose it is."""

    scopes: list[Scope]
    """What it may be used for."""

    created_at: Timestamp
    """When it was made."""

    expires_at: NotRequired[Timestamp]
    """When it ends by itself; absent if it does not."""

    last_used_at: NotRequired[Timestamp]
    """About when it was last used, to the minute; absent if it never was."""


class ApiKeyPage(TypedDict):
    """
    One page of a list.
    """

    items: list[ApiKey]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class AuditEntry(TypedDict):
    """
    One thing that was done, or refused.
    """

    id: int
    """Its number in the log."""

    created_at: Timestamp
    """When the action finished."""

    action: AuditAction
    """What was done."""

    outcome: str
    """`ok`, or the code of the refusal."""

    username: UserName | None
    address: str | None
    """The address that the request came from; null for the command line."""

    key_id: NotRequired[KeyId]
    """The API key that it was done with."""

    run_id: NotRequired[RunId]
    """The run that it was done to."""

    target_username: NotRequired[UserName]
    """The user whom it was done to."""

    target_key_id: NotRequired[KeyId]
    """The API key that it was done to."""

    detail: NotRequired[str]
    """What exactly: a user's new role, a key's scopes."""


class AuditEntryPage(TypedDict):
    """
    One page of a list.
    """

    items: list[AuditEntry]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class Budget(TypedDict):
    """
    A user's budget and usage today.
    """

    owner: UserName
    """The user whose budget this is."""

    day: Day
    """Current day, in UTC."""

    resets_at: Timestamp
    """When the day ends and usage starts from zero."""

    tokens: TokenBudget
    """Budget in tokens. Counts uncached input, writes to the provider's cache, and output; reads from the cache do not count."""

    cost_usd: CostBudget
    """Budget in US dollars, as far as agents report their cost."""

    is_used_up: bool
    """Whether new runs and messages are rejected until the day ends."""


ChatContent: TypeAlias = str | list[ContentPart]


class ChatMessage(TypedDict):
    """
    One message of a conversation.
    """

    role: ChatRole
    """Who speaks."""

    content: NotRequired[ChatContent | None]


class ChatRequest(TypedDict):
    """
    One prompt.
    """

    message: str
    """The prompt."""

    model: NotRequired[str | None]
    """`agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. Absent, it is the session's agent, else `claude_code`."""

    session_id: NotRequired[SessionId | None]


class ChatResponse(TypedDict):
    """
    How the run ended.
    """

    run_id: RunId
    """The run, whose events can be read."""

    session_id: SessionId
    """Its conversation."""

    message: str
    """The agent's final text; empty if it came to none."""

    status: RunStatus
    """How the run ended."""

    cause: Cause
    """Why it ended so."""

    error: NotRequired[str]
    """What went wrong."""

    usage: NotRequired[Usage]
    """Totals of the run."""


class ChunkChoice(TypedDict):
    """
    A piece of the one answer.
    """

    index: int
    """Always 0."""

    delta: ChunkDelta
    """What is new."""

    logprobs: Any
    finish_reason: str | None
    """`stop` in the last piece."""


class CompletionRun(TypedDict):
    """
    The run behind a completion.
    """

    run_id: RunId
    """The run, whose events can be read."""

    session_id: SessionId
    """Its conversation: give it as `openrunner.session_id` to go on."""

    status: RunStatus
    """Where it stands."""


class CompletionUsage(TypedDict):
    """
    What the model has used.
    """

    prompt_tokens: int
    """Tokens that it has read, from a cache or not."""

    completion_tokens: int
    """Tokens that it has written, thinking included."""

    total_tokens: int
    """Both together."""

    prompt_tokens_details: PromptTokens
    """More on those that it has read."""

    completion_tokens_details: CompletionTokens
    """More on those that it has written."""


class CreateKeyRequest(TypedDict):
    """
    A key to be made.
    """

    name: str
    """What to call it."""

    scopes: list[Scope]
    """What it may be used for."""

    expires_in: NotRequired[int | None]
    """Seconds until it ends, at most ten years; without it the key lives until it is revoked."""


class CreateKeyResponse(ApiKey):
    """
    A new key: the only answer that shows it.
    """

    key: str
    """The key, to be sent as `Authorization: Bearer`."""


class CreateRunResponse(TypedDict):
    """
    What was made.
    """

    run_id: RunId
    """The run."""

    session_id: SessionId
    """Its conversation."""

    status: RunStatus
    """Always `queued`: what it was when it was made."""

    events_url: str
    """Where its events are."""


class CreateUserRequest(TypedDict):
    """
    A user to be made.
    """

    username: UserName
    """The name."""

    password: str
    """The password, which is not the name."""

    role: NotRequired[UserRole | None]


class Delivery(TypedDict):
    """
    The delivery of one event to one endpoint.
    """

    id: str
    """The `webhook-id` that the receiver sees, the same for every attempt."""

    run_id: RunId
    """The run."""

    seq: int
    """Number of the event."""

    event: str
    """Type of the event."""

    host: str
    """Host and port of the endpoint. The rest of its URL may contain a secret and is not shown."""

    status: DeliveryStatus
    """Status of the delivery."""

    attempts: int
    """Number of attempts."""

    http_status: NotRequired[int]
    """HTTP status of the last response."""

    error: NotRequired[str]
    """Error of the last attempt."""

    last_attempt_at: Timestamp
    """Time of the last attempt."""

    next_attempt_at: NotRequired[Timestamp]
    """Time of the next attempt."""


class DeliveryPage(TypedDict):
    """
    One page of a list.
    """

    items: list[Delivery]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class FeedChange3(TypedDict):
    """
    A run was deleted.
    """

    run_id: RunId
    """Its id."""

    type: Literal["run_deleted"]


class FeedEvent3(TypedDict):
    """
    A run was deleted.
    """

    run_id: RunId
    """Its id."""

    type: Literal["run_deleted"]


class FeedEvent8(FeedEvent3, FeedEvent5):
    """
    One event of the feed with the position after it.
    """


class FileChangeEvent(TypedDict):
    """
    The agent changed a file.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["file_change"]
    path: str
    """Path of the file, as the agent reports it (usually absolute)."""

    kind: FileChangeKind
    """Kind of change."""

    diff: NotRequired[str]
    """Unified diff, if the agent reports one."""


class GapNotice(TypedDict):
    """
    The log has not reached the number that was asked for, or the events after it were cut. No event of the log, so it has no number and no time.
    """

    type: Literal["notice"]
    """Always `notice`."""

    level: Level
    code: Literal["gap"]
    """Always `gap`."""

    message: str
    """The same for a person."""

    data: Data


CostLimit: TypeAlias = float | Unlimited


TokenLimit: TypeAlias = int | Unlimited


class LogEvent(TypedDict):
    """
    Diagnostic output of the agent.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["log"]
    stream: LogStream
    """Stream that the output came from."""

    content: str
    """One or more lines."""


McpServer: TypeAlias = StdioServer | HttpServer


class Me(TypedDict):
    """
    Who one is, and what one may use.
    """

    username: UserName
    """The name."""

    role: UserRole
    """What the user may do."""

    budget: Budget
    """What the user may use today, and has used."""


class MessageEvent(TypedDict):
    """
    A complete message. Its `token` events precede it.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["message"]
    role: Role
    """Author of the message."""

    content: str
    """Complete text of the message."""

    message_id: NotRequired[str]
    """ID of the message; the same as in its `token` events."""

    parent_tool_call_id: NotRequired[str]
    """ID of the tool call whose sub-agent wrote the message."""


class MessageResponse(TypedDict):
    """
    What was taken.
    """

    run_id: RunId
    """The run that gets the message."""

    mode: MessageMode
    """How it is delivered."""


class NoticeEvent(TypedDict):
    """
    A notice that does not end the run.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["notice"]
    level: Level
    """Severity."""

    code: NoticeCode
    """Code of the notice."""

    message: str
    """Human-readable description."""

    data: NotRequired[Any]
    """Details, depending on the code."""


class OpenRequest1(TypedDict):
    """
    A request for permission to use a tool. Answered with `decision`.
    """

    tool_call_id: NotRequired[str]
    """ID of the tool call that needs permission."""

    tool: str
    """Name of the tool, as the agent reports it."""

    kind: ToolKind
    """Kind of tool."""

    input: Any
    """Complete input of the tool call, as it will run if allowed."""

    options: list[Decision]
    """Decisions that the agent accepts."""

    type: Literal["permission"]


class OpenRequest2(TypedDict):
    """
    Questions to the user. Answered with `answers`.
    """

    questions: list[Question]
    """The questions."""

    type: Literal["question"]


class OpenRequest3(TypedDict):
    """
    A permission request or question that the agent is waiting on.
    """

    id: str
    """ID of the request, used to answer it."""

    created_at: Timestamp
    """When the request was opened."""

    expires_at: Timestamp
    """When the request expires: a permission request is then denied, a question gets empty answers."""


class OpenRequest4(OpenRequest1, OpenRequest3):
    """
    A permission request or question that the agent is waiting on.
    """


class OpenRequest5(OpenRequest2, OpenRequest3):
    """
    A permission request or question that the agent is waiting on.
    """


OpenRequest: TypeAlias = OpenRequest4 | OpenRequest5
"""
A permission request or question that the agent is waiting on.
"""


class OpenRequestPage(TypedDict):
    """
    One page of a list.
    """

    items: list[OpenRequest]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class OwnBudget(TypedDict):
    """
    Daily budget of a user, per UTC day. Limits that are not set default to the server's settings.
    """

    tokens_per_day: NotRequired[TokenLimit]
    """Maximum number of tokens."""

    cost_per_day_usd: NotRequired[CostLimit]
    """Maximum cost in US dollars, as far as agents report their cost."""


class PermissionRequestEvent(TypedDict):
    """
    The agent requests permission to use a tool.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["permission_request"]
    id: str
    """ID of the request, used to answer it."""

    tool_call_id: NotRequired[str]
    """ID of the tool call that needs permission."""

    tool: str
    """Name of the tool, as the agent reports it."""

    kind: ToolKind
    """Kind of tool."""

    input: Any
    """Complete input of the tool call, as it will run if allowed."""

    options: list[Decision]
    """Decisions that the agent accepts."""

    expires_at: NotRequired[Timestamp]
    """When the request is denied if it is not answered. Absent if a rule or the permission mode decides."""


class PermissionResolvedEvent(TypedDict):
    """
    A permission request was answered.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["permission_resolved"]
    id: str
    """ID of the request."""

    decision: Decision
    """The decision."""

    by: DecidedBy
    """Who decided."""

    reason: NotRequired[str]
    """Human-readable reason."""


class PlanEntry(TypedDict):
    """
    A step of a plan.
    """

    content: str
    """Description of the step."""

    status: PlanStatus
    """Progress of the step."""


class PlanEvent(TypedDict):
    """
    The agent's complete current plan.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["plan"]
    entries: list[PlanEntry]
    """Steps of the plan, in order."""


class QuestionEvent(TypedDict):
    """
    The agent asks the user one or more questions.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["question"]
    id: str
    """ID of the request, used to answer it."""

    questions: list[Question]
    """The questions."""


class QuestionResolvedEvent(TypedDict):
    """
    Questions were answered.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["question_resolved"]
    id: str
    """ID of the request."""

    answers: list[list[str]]
    """One list of answers for each question."""

    by: DecidedBy
    """Who answered."""


class RawEvent(TypedDict):
    """
    A line of output that the adapter does not recognize.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["raw"]
    line: str
    """The line without its newline. Invalid UTF-8 is replaced."""


class RequestKind1(TypedDict):
    """
    A request for permission to use a tool. Answered with `decision`.
    """

    tool_call_id: NotRequired[str]
    """ID of the tool call that needs permission."""

    tool: str
    """Name of the tool, as the agent reports it."""

    kind: ToolKind
    """Kind of tool."""

    input: Any
    """Complete input of the tool call, as it will run if allowed."""

    options: list[Decision]
    """Decisions that the agent accepts."""

    type: Literal["permission"]


RequestKind: TypeAlias = RequestKind1 | RequestKind2


class RuleSpec(TypedDict):
    """
    A permission rule. An absent field matches everything; all fields must match.
    """

    tool: NotRequired[str | None]
    """Glob pattern for the name of the tool, as the agent reports it: `Bash`, `mcp__*`."""

    kind: NotRequired[ToolKind | None]
    path: NotRequired[str | None]
    """Glob pattern for the files in the request, relative to the working directory or absolute: `src/**`."""

    command: NotRequired[str | None]
    """First words of the command: `git status`."""

    decision: RuleVerdict
    """Decision of the rule."""


class RunDone(TypedDict):
    """
    Outcome of a run.
    """

    status: RunStatus
    """Final status."""

    cause: Cause
    """Cause of the end."""

    message: NotRequired[str]
    """Human-readable description of the failure."""

    exit_code: NotRequired[int]
    """Exit code of the agent program, if it exited."""

    signal: NotRequired[int]
    """Number of the signal that killed the agent program."""

    out_of_memory: NotRequired[bool]
    """Whether the kernel killed a process of the run because it ran out of memory."""

    result: NotRequired[str]
    """Final text of the agent."""

    usage: NotRequired[Usage]
    """Total usage of the run."""

    duration_ms: int
    """Time from creation to end, in milliseconds."""

    stderr_tail: NotRequired[str]
    """Last part of the agent's standard error, if the run failed."""


class RunEnd(TypedDict):
    """
    Fields of the `done` event; only after the run has ended.
    """

    message: NotRequired[str]
    """Human-readable description of the failure."""

    exit_code: NotRequired[int]
    """Exit code of the agent program, if it exited."""

    signal: NotRequired[int]
    """Number of the signal that killed the agent program."""

    out_of_memory: NotRequired[bool]
    """Whether the kernel killed a process of the run because it ran out of memory."""

    result: NotRequired[str]
    """Final text of the agent."""

    usage: NotRequired[Usage]
    """Total usage of the run."""

    duration_ms: NotRequired[int]
    """Time from creation to end, in milliseconds."""

    stderr_tail: NotRequired[str]
    """Last part of the agent's standard error, if the run failed."""


class RunOptions(TypedDict):
    """
    What only runs have. Every field may be absent or null, which means its default.
    """

    session_id: NotRequired[SessionId | None]
    on_busy: NotRequired[OnBusy | None]
    working_dir: NotRequired[str | None]
    """Where the agent works: an absolute path without `..`. By default the session's folder, else a fresh one."""

    permission_mode: NotRequired[PermissionMode | None]
    timeout_secs: NotRequired[int | None]
    """The run ends after that many seconds of the agent's work."""

    idle_timeout_secs: NotRequired[int | None]
    """The run ends after that many seconds without a word from the agent."""

    on_disconnect: NotRequired[OnDisconnect | None]


class RunQueuedEvent(TypedDict):
    """
    The run was created and waits for a slot.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["run_queued"]
    position: int
    """Number of runs ahead in the queue; 0 if the run starts immediately."""


class RunStarted(TypedDict):
    """
    Facts about the agent, known when it is ready.
    """

    agent_type: str
    """Registered name of the agent."""

    agent_version: NotRequired[str]
    """Version that the agent program reports."""

    model: NotRequired[str]
    """Model that the agent uses."""

    session_id: SessionId
    """Session that the run belongs to."""

    working_dir: str
    """Working directory."""

    permission_mode: PermissionMode
    """How permission requests are decided."""

    limits: NotRequired[RunLimits]
    """Resource limits of the agent's processes, if any are enforced."""


class RunStartedEvent(RunStarted):
    """
    The agent is ready.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["run_started"]


class Session(TypedDict):
    """
    A session: a conversation of one or more runs.
    """

    session_id: SessionId
    """ID of the session."""

    owner: UserName
    """Username of the owner."""

    agent_type: str
    """Name of the agent."""

    working_dir: str
    """Working directory."""

    agent_session: NotRequired[str]
    """The agent's own ID of the conversation, once reported. The agent program can resume the conversation with it."""

    created_at: Timestamp
    """When the first run was created."""


class SessionPage(TypedDict):
    """
    One page of a list.
    """

    items: list[Session]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class Setting(TypedDict):
    """
    One setting in effect.
    """

    name: str
    """Name in the settings file."""

    value: Any
    """Value; null if there is none, `***` for a secret."""

    origin: SettingOrigin
    """Source of the value."""

    variable: NotRequired[str]
    """Environment variable; absent for a setting that only the file can hold."""


class SettingPage(TypedDict):
    """
    One page of a list.
    """

    items: list[Setting]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class ThinkingEvent(Delta):
    """
    A delta of the assistant's thinking.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["thinking"]


class ToolCall(TypedDict):
    """
    A tool call.
    """

    id: str
    """ID of the call, referenced by results and permission requests."""

    tool: str
    """Name of the tool, as the agent reports it."""

    kind: ToolKind
    """Kind of tool."""

    title: str
    """Human-readable summary in one line."""

    input: Any
    """Input of the tool."""

    parent_tool_call_id: NotRequired[str]
    """ID of the tool call whose sub-agent makes this call."""


class ToolCallEvent(ToolCall):
    """
    The agent called a tool. The input is complete.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["tool_call"]


class ToolResultEvent(TypedDict):
    """
    A tool call ended.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["tool_result"]
    id: str
    """ID of the tool call."""

    status: ToolStatus
    """Status of the tool call."""

    content: str
    """Output of the tool, as text."""

    duration_ms: NotRequired[int]
    """Duration in milliseconds, as reported by the agent or measured from the `tool_call` event."""


class UsageKey(TypedDict):
    """
    What one day, user, agent, model, conversation or run has used: it has the one of these fields that was grouped by.
    """

    day: NotRequired[Day]
    """The day, in UTC."""

    owner: NotRequired[UserName]
    """The owner of the runs."""

    agent_type: NotRequired[str]
    """The agent."""

    model: NotRequired[str]
    """The model that the agent named, or that was asked for; empty where neither is known."""

    session_id: NotRequired[SessionId]
    """The conversation."""

    run_id: NotRequired[RunId]
    """The run."""


class User(TypedDict):
    """
    A user.
    """

    username: UserName
    """The name."""

    role: UserRole
    """What the user may do."""


Webhook: TypeAlias = str | WebhookObject


class Account(TypedDict):
    """
    A user, as admins see them.
    """

    username: UserName
    """The name."""

    role: UserRole
    """What the user may do."""

    default_password: bool
    """Whether the password is still the documented default, which works from this machine only."""

    budget: NotRequired[OwnBudget]
    """What the user may use in a day, as far as that was set for this one; absent if nothing was."""


class AccountPage(TypedDict):
    """
    One page of a list.
    """

    items: list[Account]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class BudgetRequest(TypedDict):
    """
    What the user may use in a day (UTC). What is absent stays as it is; null is as the server's settings have it.
    """

    tokens_per_day: NotRequired[TokenLimit | None]
    cost_per_day_usd: NotRequired[CostLimit | None]


class ChangeUserRequest(TypedDict):
    """
    What is to become of a user. What is absent stays as it is.
    """

    password: NotRequired[str | None]
    """A new password, which is not the name. It ends all tokens of the user."""

    role: NotRequired[UserRole | None]
    budget: NotRequired[BudgetRequest]
    """A new budget."""


class ChatCompletion(TypedDict):
    """
    A finished answer.
    """

    id: str
    """`chatcmpl-` and the id of the run."""

    object: str
    """Always `chat.completion`."""

    created: int
    """When the run was made, in seconds since 1970."""

    model: str
    """The model, as it was asked for."""

    choices: list[ChatChoice]
    """Always one."""

    usage: NotRequired[CompletionUsage]
    """What the model has used, where the agent tells it."""

    openrunner: CompletionRun
    """The run behind it."""


class ChatCompletionChunk(TypedDict):
    """
    A piece of a streamed answer.
    """

    id: str
    """`chatcmpl-` and the id of the run: the same in all chunks."""

    object: str
    """Always `chat.completion.chunk`."""

    created: int
    """When the run was made, in seconds since 1970."""

    model: str
    """The model, as it was asked for."""

    choices: list[ChunkChoice]
    """One, but none in the chunk that tells the totals."""

    usage: NotRequired[CompletionUsage]
    """The totals, in the last chunk, if they were asked for."""

    openrunner: NotRequired[CompletionRun]
    """The run behind it: in the first chunk and in the one that tells the end."""


class ChatCompletionRequest(TypedDict):
    """
    A request for a completion.

    A promise that an agent cannot keep is refused: tools, several choices, log probabilities, a form of the answer, anything but text. A
    preference is passed over, such as `temperature`, and so is whatever is not known here.
    """

    model: str
    """`agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`."""

    messages: list[ChatMessage]
    """The conversation; the last message is the user's."""

    stream: NotRequired[bool | None]
    """Whether the answer comes as a stream."""

    stream_options: NotRequired[StreamOptions | None]
    user: NotRequired[str | None]
    """Becomes the run's label `user`, if it is at most 256 bytes long."""

    metadata: NotRequired[dict[str, str]]
    """Becomes the run's labels."""

    openrunner: NotRequired[RunOptions | None]


class DoneEvent(RunDone):
    """
    The run ended. Exactly one per run, always the last event.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["done"]


Event: TypeAlias = (
    RunQueuedEvent
    | RunStartedEvent
    | TokenEvent
    | ThinkingEvent
    | MessageEvent
    | UserMessageEvent
    | ToolCallEvent
    | ToolOutputEvent
    | ToolResultEvent
    | FileChangeEvent
    | PlanEvent
    | PermissionRequestEvent
    | PermissionResolvedEvent
    | QuestionEvent
    | QuestionResolvedEvent
    | UsageEvent
    | NoticeEvent
    | LogEvent
    | RawEvent
    | AgentErrorEvent
    | DoneEvent
)


class LoginResponse(TypedDict):
    """
    A token, for the `Authorization` header of later requests.
    """

    token: str
    """The token."""

    token_type: str
    """Always `Bearer`."""

    expires_in: int
    """For how long the token is good, in seconds."""

    user: User
    """Whose it is."""


class Run(RunEnd):
    """
    A run: its specification, status and outcome.
    """

    run_id: RunId
    """ID of the run."""

    session_id: SessionId
    """Session that the run belongs to."""

    status: RunStatus
    """Current status."""

    queue_position: NotRequired[int]
    """Number of runs ahead in the queue; only while the run is queued."""

    cause: NotRequired[Cause]
    """Cause of the end; only after the run has ended."""

    owner: UserName
    """Username of the owner."""

    agent_type: str
    """Name of the agent."""

    model: NotRequired[str]
    """Requested model."""

    prompt: str
    """The prompt."""

    title: str
    """First non-empty line of the prompt, at most 120 characters."""

    working_dir: str
    """Working directory."""

    permission_mode: PermissionMode
    """How permission requests are decided."""

    permission_rules: NotRequired[list[RuleSpec]]
    """Permission rules of the run, which precede the mode."""

    env: NotRequired[list[str]]
    """Names of the additional environment variables. The values are not stored."""

    mcp_servers: NotRequired[list[str]]
    """Names of the MCP servers."""

    extra_args: list[str]
    """Additional command-line arguments of the agent."""

    widened: list[str]
    """Fields and arguments of the request that extended the agent's permissions."""

    timeout_secs: int
    """Time limit of the run, in seconds."""

    idle_timeout_secs: NotRequired[int]
    """Time limit without output, in seconds."""

    labels: dict[str, str]
    """Labels for filtering."""

    created_at: Timestamp
    """When the run was created."""

    started_at: NotRequired[Timestamp]
    """When the agent was ready."""

    ended_at: NotRequired[Timestamp]
    """When the run ended."""

    last_seq: int
    """Sequence number of the last event."""


class RunMetadata(TypedDict):
    """
    Every field may be absent or null, which means its default.
    """

    agent_type: NotRequired[str | None]
    """Which agent: one of `GET /api/agents`. By default the session's, else `claude_code`."""

    working_dir: NotRequired[str | None]
    """Where it works: an absolute path without `..`. By default the session's folder, else a fresh one."""

    cwd: NotRequired[str | None]
    """Another name of `working_dir`."""

    timeout_secs: NotRequired[int | None]
    """The run ends after that many seconds of the agent's work."""

    idle_timeout_secs: NotRequired[int | None]
    """The run ends after that many seconds without a word from the agent."""

    model: NotRequired[str | None]
    """The model, in the agent's own words."""

    extra_args: NotRequired[list[str] | None]
    """Further command-line elements for the agent's program."""

    session_id: NotRequired[SessionId | None]
    on_busy: NotRequired[OnBusy | None]
    permission_mode: NotRequired[PermissionMode | None]
    permission_rules: NotRequired[list[RuleSpec] | None]
    """Rules that count before the mode."""

    env: NotRequired[dict[str, str]]
    """Variables for the agent's environment."""

    mcp_servers: NotRequired[list[McpServer] | None]
    """MCP servers for the agent; for admins."""

    labels: NotRequired[dict[str, str]]
    """Your own marks, at most 32, by which runs can be listed."""

    webhook: NotRequired[Webhook | None]


class RunPage(TypedDict):
    """
    One page of a list.
    """

    items: list[Run]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class SessionWithRuns(Session):
    """
    A conversation with its runs.
    """

    runs: list[Run]
    """Its newest 200, newest first."""


class UsageItem(UsageKey, UsageTotals):
    """
    What one of a group has used.
    """


class UsageItemPage(TypedDict):
    """
    One page of a list.
    """

    items: list[UsageItem]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class UsagePage(UsageItemPage):
    """
    A page of what was used, and the sum of all pages.
    """

    group_by: UsageGroup
    """By what `items` are added up."""

    total: UsageTotals
    """The sum of all that was asked for, on whatever page."""


class CreateRunRequest(TypedDict):
    """
    A new run.
    """

    input: RunInput
    """What the agent is to do."""

    metadata: NotRequired[RunMetadata | None]


class FeedChange2(TypedDict):
    """
    A run was created or has changed.
    """

    run: Run
    """The run's current state."""

    type: Literal["run"]


FeedChange: TypeAlias = FeedChange1 | FeedChange2 | FeedChange3 | FeedChange4


class FeedEvent2(TypedDict):
    """
    A run was created or has changed.
    """

    run: Run
    """The run's current state."""

    type: Literal["run"]


class FeedEvent7(FeedEvent2, FeedEvent5):
    """
    One event of the feed with the position after it.
    """


FeedEvent: TypeAlias = FeedEvent6 | FeedEvent7 | FeedEvent8 | FeedEvent9
"""
One event of the feed with the position after it.
"""
