"""Types of requests, responses and events, generated from docs/openapi.json. Do not edit."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

from typing_extensions import NotRequired


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
    A piece of text as it is being written, and whose it is. Made from plain text by `.into()`.
    """

    content: str
    """The piece."""

    message_id: NotRequired[str]
    """Which message it belongs to."""

    parent_tool_call_id: NotRequired[str]
    """The tool call whose sub-agent speaks."""


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
"""
An amount of US dollars, never negative, in whole millionths: so sums are exact, in whatever order they are made. On the wire a number
of dollars.
"""


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


class CostBudget(TypedDict):
    """
    How much of something was used, of how much.
    """

    used: float
    """
    An amount of US dollars, never negative, in whole millionths: so sums are exact, in whatever order they are made. On the wire a number
    of dollars.
    """

    allowed: NotRequired[float]
    """
    An amount of US dollars, never negative, in whole millionths: so sums are exact, in whatever order they are made. On the wire a number
    of dollars.
    """

    is_own: bool
    """Whether that was set for this user, and is not the server's own."""


class TokenBudget(TypedDict):
    """
    How much of something was used, of how much.
    """

    used: int
    """Tokens, as budgets count them."""

    allowed: NotRequired[int]
    """Tokens, as budgets count them."""

    is_own: bool
    """Whether that was set for this user, and is not the server's own."""


class Problem(TypedDict):
    """
    A refusal, as RFC 9457 has it.
    """

    type: str
    """Always `about:blank`: `code` tells more."""

    title: str
    """The status in words."""

    status: int
    """The status."""

    detail: str
    """What is wrong, for a person. Its words may change."""

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

    field: NotRequired[str]
    """The one field that is at fault."""


class PromptTokens(TypedDict):
    """
    More on the tokens that the model has read.
    """

    cached_tokens: int
    """Those that came from the provider's cache."""


class Question(TypedDict):
    """
    One question to the user.
    """

    text: str
    """The question."""

    options: list[str]
    """Answers to choose from; empty for free text."""

    multiple: bool
    """Whether more than one may be chosen."""


class RequestKind2(TypedDict):
    """
    Something that only a person knows. Answered with answers.
    """

    questions: list[Question]
    """What is asked."""

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
    What a run's processes are held to, as far as anything holds them.
    """

    by: LimitedBy
    """What holds them."""

    memory_bytes: NotRequired[int]
    """Memory, in bytes."""

    processes: NotRequired[int]
    """Processes and threads at once."""

    cpu_weight: NotRequired[int]
    """Share of the processors where there are not enough: 1 to 10000, and 100 is everybody's."""


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
    A piece of the assistant's text.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["token"]


ToolKind: TypeAlias = Literal["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "other"]


class ToolOutputEvent(TypedDict):
    """
    A piece of a running tool's output.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["tool_output"]
    id: str
    """Id of the tool call."""

    content: str
    """The piece."""


ToolStatus: TypeAlias = Literal["ok", "error", "denied"]


Unlimited: TypeAlias = Literal["unlimited"]


class Usage(TypedDict):
    """
    What the model has used, in tokens and money.
    """

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

    cost_usd: NotRequired[float]
    """US dollars, where the agent or we know a price."""

    cost_is_estimate: bool
    """Whether the cost is computed from list prices, not billed."""


class UsageEvent(Usage):
    """
    What the run has used so far: totals, so the last one counts.
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
    """Its text."""

    mode: MessageMode
    """How it is delivered."""


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
    """A short word for programs."""

    message: str
    """The agent's words."""

    retryable: bool
    """Whether the agent tries again by itself."""


class AgentReport(TypedDict):
    """
    What is known of one agent, for people and dashboards.
    """

    agent_type: str
    """The agent's registered name."""

    available: bool
    """Whether a run of it can be started."""

    version: NotRequired[str]
    """The version that the program names."""

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


class AgentSummary(TypedDict):
    """
    What a client can do with one agent, for people and programs that choose one.
    """

    agent_type: str
    """The agent's registered name."""

    protocol: str
    """How it is driven: `stream-json`, `app-server`, `acp`, `text`, `jsonl`, `demo` or `in-process`."""

    capabilities: Capabilities
    """What a client can do with it beside giving it a prompt."""

    available: bool
    """Whether a run of it can be started."""


class AgentsHealthResponse(TypedDict):
    """
    What is known of each agent program.
    """

    items: list[AgentReport]
    """The agents, by name."""

    next_cursor: str | None
    """Always null: the list is complete."""


class AgentsResponse(TypedDict):
    """
    Every agent of this server.
    """

    items: list[AgentSummary]
    """By name."""

    next_cursor: str | None
    """Always null: there is one page."""


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
    One page of a listing.
    """

    items: list[ApiKey]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


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
    One page of a listing.
    """

    items: list[AuditEntry]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


CostLimit: TypeAlias = float | Unlimited


TokenLimit: TypeAlias = int | Unlimited


class Budget(TypedDict):
    """
    How a user stands today.
    """

    owner: UserName
    """The user whose budget this is."""

    day: Day
    """Today, in UTC."""

    resets_at: Timestamp
    """When the day is over and everything may be used anew."""

    tokens: TokenBudget
    """
    In tokens: what the model read anew, with what it wrote into the provider's cache, and what it wrote. What it read from the cache does
    not count.
    """

    cost_usd: CostBudget
    """In US dollars, as far as agents tell what they cost."""

    is_used_up: bool
    """Whether no run can begin before the day is over."""


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
    What became of one event at one place.
    """

    id: str
    """The `webhook-id` that the receiver sees: the same at every attempt."""

    run_id: RunId
    """The run."""

    seq: int
    """Number of the event."""

    event: str
    """The event's type."""

    host: str
    """The receiver's host and port. The whole address is shown to nobody, since it may hold a secret."""

    status: DeliveryStatus
    """Where it stands."""

    attempts: int
    """How often it was tried."""

    http_status: NotRequired[int]
    """HTTP status of the last response."""

    error: NotRequired[str]
    """What went wrong at the last attempt."""

    last_attempt_at: Timestamp
    """When it was last tried."""

    next_attempt_at: NotRequired[Timestamp]
    """When it is tried again."""


class DeliveryPage(TypedDict):
    """
    One page of a listing.
    """

    items: list[Delivery]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


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
    """The file, as the agent names it (mostly absolute)."""

    kind: FileChangeKind
    """What was done to it."""

    diff: NotRequired[str]
    """Unified diff, where the agent tells one."""


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


class LogEvent(TypedDict):
    """
    The agent's standard error, as text.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["log"]
    stream: LogStream
    """Where it came from."""

    content: str
    """One line, or several."""


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
    A finished message; its tokens came before it.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["message"]
    role: Role
    """Who speaks."""

    content: str
    """The whole text."""

    message_id: NotRequired[str]
    """The same id as on the tokens that it repeats."""

    parent_tool_call_id: NotRequired[str]
    """The tool call whose sub-agent speaks."""


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
    Something a reader may want to know, which is not the end.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["notice"]
    level: Level
    """How serious it is."""

    code: NoticeCode
    """Which notice it is."""

    message: str
    """The same for a person."""

    data: NotRequired[Any]
    """Details, by code."""


class OpenRequest1(TypedDict):
    """
    Whether a tool may be used. Answered with a decision.
    """

    tool_call_id: NotRequired[str]
    """The tool call that waits."""

    tool: str
    """The agent's name of the tool."""

    kind: ToolKind
    """What sort of tool it is."""

    input: Any
    """Exactly what will run if it is allowed."""

    options: list[Decision]
    """The answers that the agent takes."""

    type: Literal["permission"]


class OpenRequest2(TypedDict):
    """
    Something that only a person knows. Answered with answers.
    """

    questions: list[Question]
    """What is asked."""

    type: Literal["question"]


class OpenRequest3(TypedDict):
    """
    An open request, as clients see it.
    """

    id: str
    """Its id, for the answer."""

    created_at: Timestamp
    """When it was asked."""

    expires_at: Timestamp
    """When it is answered by itself: denied, or told that nobody is there."""


class OpenRequest4(OpenRequest1, OpenRequest3):
    """
    An open request, as clients see it.
    """


class OpenRequest5(OpenRequest2, OpenRequest3):
    """
    An open request, as clients see it.
    """


OpenRequest: TypeAlias = OpenRequest4 | OpenRequest5
"""
An open request, as clients see it.
"""


class OpenRequestPage(TypedDict):
    """
    One page of a listing.
    """

    items: list[OpenRequest]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


class OwnBudget(TypedDict):
    """
    How much a user may use in a day (UTC). Where nothing is set, the server's settings count.
    """

    tokens_per_day: NotRequired[TokenLimit]
    """In tokens."""

    cost_per_day_usd: NotRequired[CostLimit]
    """In US dollars, as far as agents tell what they cost."""


class PermissionRequestEvent(TypedDict):
    """
    The agent asks whether it may do something.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["permission_request"]
    id: str
    """Id of this request, for the answer."""

    tool_call_id: NotRequired[str]
    """The tool call that waits for it."""

    tool: str
    """The agent's name of the tool."""

    kind: ToolKind
    """What sort of tool it is."""

    input: Any
    """Exactly what will run if it is allowed."""

    options: list[Decision]
    """The answers that the agent takes."""

    expires_at: NotRequired[Timestamp]
    """When the request is denied if nobody answers."""


class PermissionResolvedEvent(TypedDict):
    """
    A permission request was answered.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["permission_resolved"]
    id: str
    """Id of the request."""

    decision: Decision
    """The answer."""

    by: DecidedBy
    """Who gave it."""

    reason: NotRequired[str]
    """Why, for a person."""


class PlanEntry(TypedDict):
    """
    One step of a plan.
    """

    content: str
    """What is to be done."""

    status: PlanStatus
    """How far it is."""


class PlanEvent(TypedDict):
    """
    The agent's whole plan as it now stands.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["plan"]
    entries: list[PlanEntry]
    """Its steps in order."""


class QuestionEvent(TypedDict):
    """
    The agent asks its user something.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["question"]
    id: str
    """Id of this request, for the answer."""

    questions: list[Question]
    """What it asks."""


class QuestionResolvedEvent(TypedDict):
    """
    A question was answered.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["question_resolved"]
    id: str
    """Id of the request."""

    answers: list[list[str]]
    """One list of answers for each question."""

    by: DecidedBy
    """Who gave them."""


class RawEvent(TypedDict):
    """
    A line that the adapter does not know. Never dropped, never fatal.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["raw"]
    line: str
    """The line without its newline; bytes that are not UTF-8 are replaced."""


class RequestKind1(TypedDict):
    """
    Whether a tool may be used. Answered with a decision.
    """

    tool_call_id: NotRequired[str]
    """The tool call that waits."""

    tool: str
    """The agent's name of the tool."""

    kind: ToolKind
    """What sort of tool it is."""

    input: Any
    """Exactly what will run if it is allowed."""

    options: list[Decision]
    """The answers that the agent takes."""

    type: Literal["permission"]


RequestKind: TypeAlias = RequestKind1 | RequestKind2


class RuleSpec(TypedDict):
    """
    A rule as it is written, in the settings file and in a run's `permission_rules`. A part that is absent fits everything.
    """

    tool: NotRequired[str | None]
    """The agent's name of the tool, `*` and `?` as in file names: `Bash`, `mcp__*`."""

    kind: NotRequired[ToolKind | None]
    path: NotRequired[str | None]
    """The files that the tool names: `src/**`, relative to the working folder or absolute."""

    command: NotRequired[str | None]
    """How the command begins, word by word: `git status`."""

    decision: RuleVerdict
    """What the rule says."""


class RunDone(TypedDict):
    """
    How a run ended.
    """

    status: RunStatus
    """One of the ended ones."""

    cause: Cause
    """Why."""

    message: NotRequired[str]
    """What went wrong, for a person."""

    exit_code: NotRequired[int]
    """The program's exit code, if it exited by itself."""

    signal: NotRequired[int]
    """The signal that the program died of."""

    out_of_memory: NotRequired[bool]
    """The kernel killed something of the run for want of memory."""

    result: NotRequired[str]
    """The agent's final text."""

    usage: NotRequired[Usage]
    """Totals of the run."""

    duration_ms: int
    """From the run's creation to its end, in milliseconds."""

    stderr_tail: NotRequired[str]
    """The end of the agent's standard error, when the run did not go well."""


class RunEnd(TypedDict):
    """
    What is known only of a run that has ended: its `done` event but for the fields that every run has.
    """

    message: NotRequired[str]
    """What went wrong, for a person."""

    exit_code: NotRequired[int]
    """The program's exit code."""

    signal: NotRequired[int]
    """The signal that the program died of."""

    out_of_memory: NotRequired[bool]
    """The kernel killed something of the run for want of memory."""

    result: NotRequired[str]
    """The agent's final text."""

    usage: NotRequired[Usage]
    """Totals of the run."""

    duration_ms: NotRequired[int]
    """From creation to end, in milliseconds."""

    stderr_tail: NotRequired[str]
    """The end of the agent's standard error, when the run did not go well."""


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
    The run waits for a free place.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["run_queued"]
    position: int
    """How many runs stand before it; 0 starts at once."""


class RunStarted(TypedDict):
    """
    What is known of the agent once it is up.
    """

    agent_type: str
    """The registered name of the agent."""

    agent_version: NotRequired[str]
    """The version that the program names."""

    model: NotRequired[str]
    """The model it works with."""

    session_id: SessionId
    """The session that the run belongs to."""

    working_dir: str
    """Where it works."""

    permission_mode: PermissionMode
    """Who decides on permissions."""

    limits: NotRequired[RunLimits]
    """What its processes are held to, if anything holds them."""


class RunStartedEvent(RunStarted):
    """
    The agent is up.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["run_started"]


class Session(TypedDict):
    """
    One conversation.
    """

    session_id: SessionId
    """Its id."""

    owner: UserName
    """Whose it is."""

    agent_type: str
    """Which agent."""

    working_dir: str
    """Where it works."""

    agent_session: NotRequired[str]
    """The agent's own id of the conversation, once it has told one: with it the agent's own program can go on, too."""

    created_at: Timestamp
    """When its first run was created."""


class SessionPage(TypedDict):
    """
    One page of a listing.
    """

    items: list[Session]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


class Setting(TypedDict):
    """
    One setting as it stands.
    """

    name: str
    """Its name in the file."""

    value: Any
    """Its value; of a secret only that there is one."""

    origin: SettingOrigin
    """Where the value came from."""

    variable: NotRequired[str]
    """The variable that sets it; none for one that is only in the file."""


class Settings(TypedDict):
    """
    The settings in force.
    """

    items: list[Setting]
    """Every setting, as `openrunner config --json` shows them."""

    next_cursor: str | None
    """Always null: the list is complete."""


class ThinkingEvent(Delta):
    """
    A piece of the assistant's thinking.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["thinking"]


class ToolCall(TypedDict):
    """
    One call of a tool.
    """

    id: str
    """Id of the call; results and permissions name it."""

    tool: str
    """The agent's name for the tool."""

    kind: ToolKind
    """What sort of tool it is."""

    title: str
    """One line for a person."""

    input: Any
    """What the tool is given."""

    parent_tool_call_id: NotRequired[str]
    """The tool call whose sub-agent makes this one."""


class ToolCallEvent(ToolCall):
    """
    The agent calls a tool. The input is complete.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["tool_call"]


class ToolResultEvent(TypedDict):
    """
    A tool call is over.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["tool_result"]
    id: str
    """Id of the tool call."""

    status: ToolStatus
    """How it went."""

    content: str
    """What the tool gave back, as text."""

    duration_ms: NotRequired[int]
    """From the `tool_call` event to this one, in milliseconds; filled in by the driver where the agent does not say."""


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
    One page of a listing.
    """

    items: list[Account]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


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

    openrunner: NotRequired[RunOptions]
    """What only runs have; clients of OpenAI's send it as an extra field of the body."""


class DoneEvent(RunDone):
    """
    The run is over. Always the last event, always exactly one.
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
    One run: what it was asked, where it stands, and how it ended.
    """

    run_id: RunId
    """Its id."""

    session_id: SessionId
    """The session that it belongs to."""

    status: RunStatus
    """Where it stands."""

    queue_position: NotRequired[int]
    """How many runs stand before it in the queue now; only while it is there."""

    cause: NotRequired[Cause]
    """Why it ended as it did; absent while it has not."""

    owner: UserName
    """Whose it is."""

    agent_type: str
    """Which agent."""

    model: NotRequired[str]
    """Which model was asked for."""

    prompt: str
    """What it was asked to do."""

    title: str
    """The first line of that which is not empty, at most 120 characters of it."""

    working_dir: str
    """Where it works."""

    permission_mode: PermissionMode
    """Who decides on permissions."""

    permission_rules: NotRequired[list[RuleSpec]]
    """Rules that count before the mode."""

    env: NotRequired[list[str]]
    """Names of the variables that the run adds to the agent's environment."""

    mcp_servers: NotRequired[list[str]]
    """Names of the MCP servers that the agent is given."""

    extra_args: list[str]
    """Further command-line elements."""

    widened: list[str]
    """Those of them that widened what the agent may do."""

    timeout_secs: int
    """Wall-clock limit, in seconds."""

    idle_timeout_secs: NotRequired[int]
    """Limit of silence, in seconds."""

    labels: dict[str, str]
    """The caller's own marks."""

    created_at: Timestamp
    """When it was created."""

    started_at: NotRequired[Timestamp]
    """When its agent was up."""

    ended_at: NotRequired[Timestamp]
    """When it ended."""

    last_seq: int
    """Number of its last event."""


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
    One page of a listing.
    """

    items: list[Run]
    """What was found."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""


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


class UsagePage(TypedDict):
    """
    A page of what was used, and the sum of all pages.
    """

    group_by: UsageGroup
    """By what `items` are added up."""

    items: list[UsageItem]
    """What was found: days, conversations and runs with the latest first, all others by name."""

    next_cursor: str | None
    """The `cursor` by which the next page is asked for; null after the last."""

    total: UsageTotals
    """The sum of all that was asked for, on whatever page."""


class CreateRunRequest(TypedDict):
    """
    A new run.
    """

    input: RunInput
    """What the agent is to do."""

    metadata: NotRequired[RunMetadata]
    """How it is to do it."""


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
