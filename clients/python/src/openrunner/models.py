"""Types of requests, responses and events, generated from docs/openapi.json. Do not edit."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

from typing_extensions import NotRequired


class Data(TypedDict):
    reason: Literal["expired", "revoked", "forbidden"]
    """`expired`: the token or key has expired. `revoked`: it is no longer valid, or the user was removed. `forbidden`: the user's role has changed."""


class AgentCommand(TypedDict):
    """
    A slash command of an agent.
    """

    name: str
    """Name of the command, without the slash."""

    description: str
    """Description of the command. Long ones are truncated."""

    input_hint: NotRequired[str]
    """What to write after the name, for people. Absent if the command takes no input."""


class QuotaAllowance(TypedDict):
    """
    Usage and limit of one resource.
    """

    used: int
    """Number of things or bytes that a quota or limit allows."""

    allowed: NotRequired[int]
    """Number of things or bytes that a quota or limit allows."""

    is_own: bool
    """Whether the limit was set for this user rather than taken from the server's settings."""


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


Amount: TypeAlias = int


class AssistantMessage(TypedDict):
    """
    The message of the agent.
    """

    role: str
    """Always `assistant`."""

    content: str
    """The final text; empty if there is none."""

    refusal: str | None
    """Always null."""


AttachmentKind: TypeAlias = Literal["image", "file"]


AuditAction: TypeAlias = Literal[
    "login",
    "logout",
    "password",
    "user.create",
    "user.change",
    "user.delete",
    "key.create",
    "key.delete",
    "profile.set",
    "profile.delete",
    "ticket",
    "run.create",
    "run.cancel",
    "run.delete",
    "run.message",
    "run.answer",
    "webhook.retry",
    "run.write",
    "run.revert",
    "session.branch",
    "workspace.remove",
    "file.upload",
    "file.delete",
]


Authenticated: TypeAlias = Literal["yes", "no", "unknown"]


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
    "spend_limit",
    "bad_output",
    "internal",
]


ChangeStatus: TypeAlias = Literal["added", "modified", "deleted", "renamed", "type_changed"]


class ChatChoice(TypedDict):
    """
    The only choice.
    """

    index: int
    """Always 0."""

    message: AssistantMessage
    """The message."""

    logprobs: Any
    finish_reason: str
    """Always `stop`; incomplete runs are errors."""


class ChatFile(TypedDict):
    """
    A file.
    """

    filename: NotRequired[str | None]
    """File name without directories."""

    file_data: NotRequired[str | None]
    """The file as a data URL: `data:application/pdf;base64,…`."""


class ChatFunctionCall(TypedDict):
    """
    A called function.
    """

    name: NotRequired[str | None]
    """Its name."""

    arguments: NotRequired[str | None]
    """Its arguments as JSON."""


class ChatImage(TypedDict):
    """
    An image.
    """

    url: str
    """The image as a data URL: `data:image/png;base64,…`. The server fetches no other URLs."""


ChatRole: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]


class ChatToolCall(TypedDict):
    """
    A call of a tool.
    """

    function: NotRequired[ChatFunctionCall | None]


class ChunkDelta(TypedDict):
    """
    The new content of a chunk.
    """

    role: NotRequired[str]
    """`assistant`, in the first chunk."""

    content: NotRequired[str]
    """Text of the message."""

    reasoning_content: NotRequired[str]
    """Thinking, under the name that other servers of this API use."""


class CommitAuthor(TypedDict):
    """
    The author of a commit.
    """

    name: str
    """Name."""

    email: str
    """Email address."""


class CompletionTokens(TypedDict):
    """
    Details of the output tokens.
    """

    reasoning_tokens: int
    """Thinking tokens, if the agent reports them."""


class ContentPart(TypedDict):
    """
    A part of a message.
    """

    type: str
    """`text`, `image_url`, `file` or, in messages of the assistant, `refusal`. Audio is not supported."""

    text: NotRequired[str | None]
    """The text of a `text` part."""

    refusal: NotRequired[str | None]
    """The text of a `refusal` part."""

    image_url: NotRequired[ChatImage | None]
    file: NotRequired[ChatFile | None]


class ContextUse(TypedDict):
    """
    Use of a model's context window.
    """

    used_tokens: int
    """Number of tokens in the context."""

    max_tokens: int
    """Size of the context window in tokens."""


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
    One frame of the stream, as a parser of server-sent events returns it.
    """

    id: NotRequired[str]
    """The event's `seq`; absent for a `GapNotice` and an `AccessEndedNotice`, which are not part of the log."""

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


class FileChange(TypedDict):
    """
    A file that differs between two snapshots.
    """

    path: str
    """Path, relative to the working directory. Bytes that are not UTF-8 are replaced."""

    old_path: NotRequired[str]
    """The earlier path of a renamed file."""

    status: ChangeStatus
    """What has happened to it."""

    binary: bool
    """Whether its content is not text. Lines are not counted then."""

    insertions: int
    """Lines added."""

    deletions: int
    """Lines removed."""


FileChangeKind: TypeAlias = Literal["create", "update", "delete"]


FileContent: TypeAlias = bytes


FileType: TypeAlias = Literal["file", "directory", "link", "other"]


class Data1(TypedDict):
    after: int
    """Number of the last event that the reader has, according to its request."""

    next: int
    """Number of the next event."""


class HealthResponse(TypedDict):
    """
    The health of the server.
    """

    status: str
    """`degraded` while the server cannot write to disk or open files, otherwise `ok`."""

    version: str
    """Version of the server."""

    uptime: int
    """Seconds since the server started."""

    records_changes: bool
    """Whether changes of working directories are recorded: git is installed, and `OPENRUNNER_CHANGES` is on."""


class HttpServer(TypedDict):
    """
    An MCP server that the agent calls.
    """

    name: str
    """Name of the server."""

    url: str
    """URL of the server."""

    headers: NotRequired[dict[str, str]]
    """Headers of each request."""


IsolationLevel: TypeAlias = Literal["none", "files", "guard", "sandbox"]


class JsonSchemaFormat(TypedDict):
    """
    A schema of the answer. `name`, `description` and `strict` have no effect: the answer is always checked.
    """

    schema: NotRequired[dict[str, Any]]
    """The JSON Schema, at most 64 KiB. Default: any object."""


KeyId: TypeAlias = str


Level: TypeAlias = Literal["info", "warning", "error"]


LimitedBy: TypeAlias = Literal["cgroup", "rlimit"]


LogStream: TypeAlias = Literal["stderr"]


class LoginRequest(TypedDict):
    """
    Credentials.
    """

    username: str
    """User name."""

    password: str
    """Password."""


MessageMode: TypeAlias = Literal["queue", "steer", "interrupt"]


class MessageRequest(TypedDict):
    """
    A message to a live run.
    """

    text: NotRequired[str | None]
    """Text of the message. May be absent if `parts` contains text."""

    parts: NotRequired[list[dict[str, Any]] | None]
    """
    Further parts of the message, as in `input.parts` of a new run. All images and files of the message together have at most 5 MiB,
    and with uploaded files 20 MiB.
    """

    mode: NotRequired[MessageMode]
    """How the message is delivered."""


class Model(TypedDict):
    """
    A model: an agent, or a model of an agent.
    """

    id: str
    """Name of the model."""

    object: str
    """Always `model`."""

    created: int
    """Always 0."""

    owned_by: str
    """Always `openrunner`."""


class ModelList(TypedDict):
    """
    The list of models.
    """

    object: str
    """Always `list`."""

    data: list[Model]
    """The models, by name."""


Money: TypeAlias = float


NetworkReason: TypeAlias = Literal["not_allowed", "private_address", "bad_request", "too_many_hosts", "unresolved", "unreachable"]


class NetworkUse(TypedDict):
    """
    Connections of an agent to one host.
    """

    host: str
    """Host name or address, without brackets; `*` for a request that names none, and for hosts beyond the number that is listed per run."""

    port: int
    """Port; 0 if `host` is `*`."""

    allowed: bool
    """Whether the connections were allowed."""

    connections: int
    """
    Number of connections. For requests that the server forwards itself, such as those to the model with a key of the operator, number of
    requests.
    """

    bytes_sent: int
    """Bytes from the agent to the host."""

    bytes_received: int
    """Bytes from the host to the agent."""

    reason: NotRequired[NetworkReason]
    """Why the connections were refused or failed."""


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
    "session_changed",
    "session_moved",
    "bad_output",
    "limit_reached",
    "waiting_for_reset",
    "spend_limit",
    "access_ended",
    "agent_warning",
    "changes_incomplete",
    "other",
]


OnBusy: TypeAlias = Literal["queue", "reject", "interrupt"]


OnDisconnect: TypeAlias = Literal["cancel", "continue"]


OnRateLimit: TypeAlias = Literal["fail", "wait"]


OneOrMore: TypeAlias = str | list[str]


class Error(TypedDict):
    message: str
    """Explanation for people. The wording may change."""

    type: str
    """`invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`."""

    param: str | None
    """The first faulty field."""

    code: str
    """Stable code for programs."""


class OpenAiError(TypedDict):
    """
    An error under `/v1`, in OpenAI's format.
    """

    error: Error


class PasswordRequest(TypedDict):
    """
    A password change.
    """

    current_password: str
    """The current password; a token alone is not sufficient."""

    new_password: str
    """The new password. It must differ from the user name."""


class PermissionChoice(TypedDict):
    """
    An option of a permission request, as the agent offers it.
    """

    id: str
    """ID of the option, used to choose it."""

    name: str
    """Name of the option, for people."""

    decision: Decision
    """Decision that the option stands for."""


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
        "isolation_required",
        "not_found",
        "model_not_found",
        "method_not_allowed",
        "body_timeout",
        "run_active",
        "delivery_not_failed",
        "run_ended",
        "already_answered",
        "session_busy",
        "working_dir_gone",
        "no_workspace",
        "no_worktree",
        "uncommitted_work",
        "push_failed",
        "branch_changed",
        "workspace_unusable",
        "cancelled",
        "changes_unavailable",
        "wrong_file_type",
        "file_inaccessible",
        "run_read_only",
        "user_exists",
        "last_admin",
        "profile_read_only",
        "too_many_profiles",
        "body_too_large",
        "not_json",
        "range_not_satisfiable",
        "host_not_served",
        "invalid_field",
        "unknown_agent",
        "unknown_profile",
        "profile_conflict",
        "bad_working_dir",
        "bad_workspace",
        "session_mismatch",
        "cannot_resume",
        "cannot_ask",
        "isolation_unavailable",
        "messages_not_supported",
        "idempotency_key_reused",
        "queue_full",
        "quota_exceeded",
        "budget_exceeded",
        "too_many_messages",
        "too_many_logins",
        "too_many_requests",
        "too_many_searches",
        "too_many_streams",
        "rate_limited",
        "spend_limit",
        "internal",
        "agent_error",
        "not_logged_in",
        "not_installed",
        "bad_arguments",
        "crashed",
        "killed",
        "bad_output",
        "protocol",
        "node_lost",
        "shutting_down",
        "overloaded",
        "search_timeout",
        "timeout",
        "startup_timeout",
        "idle_timeout",
        "storage_quota_exceeded",
        "storage",
    ]
    """Stable code for programs."""

    errors: NotRequired[list[FieldError]]
    """All faults of the request, if fields are at fault. A body of the wrong shape is reported with its first fault."""


ProfileName: TypeAlias = str


ProfileSource: TypeAlias = Literal["settings", "api"]


ProfileUser: TypeAlias = str


ProjectConfig: TypeAlias = Literal["ignore", "trust"]


class PromptTokens(TypedDict):
    """
    Details of the input tokens.
    """

    cached_tokens: int
    """Input tokens read from the provider's cache."""


class QuestionOption(TypedDict):
    """
    A suggested answer to a question.
    """

    name: str
    """Name of the option. Sent as the answer to choose it."""

    description: NotRequired[str]
    """Meaning of the option."""

    preview: NotRequired[str]
    """Text that shows the outcome of the option, such as a mockup or code."""


ReportInterval: TypeAlias = Literal["never", "turn", "call"]


class ResponseAnswerFormat1(TypedDict):
    """
    Text.
    """

    type: Literal["text"]


class ResponseAnswerFormat2(TypedDict):
    """
    JSON that matches a schema.
    """

    name: str
    """Always `output`."""

    schema: dict[str, Any]
    """The JSON Schema."""

    strict: bool
    """Always true: the answer is always checked."""

    type: Literal["json_schema"]


ResponseAnswerFormat: TypeAlias = ResponseAnswerFormat1 | ResponseAnswerFormat2


class ResponseError(TypedDict):
    """
    Why a response failed.
    """

    code: str
    """`rate_limit_exceeded` for the limit of a provider, otherwise the cause of the run's end."""

    message: str
    """Explanation for people."""


class ResponseFormat(TypedDict):
    """
    The format of the answer.
    """

    type: str
    """`text`, `json_object`, or `json_schema`. With the latter two the answer is JSON and nothing else, or the run fails with `bad_output`."""

    json_schema: NotRequired[JsonSchemaFormat | None]


ResponseId: TypeAlias = str


class ResponseInputContent1(TypedDict):
    """
    Text.
    """

    text: str
    """The text."""

    type: Literal["input_text"]


class ResponseInputContent2(TypedDict):
    """
    An image.
    """

    detail: str
    """Always `auto`."""

    type: Literal["input_image"]


class ResponseInputContent3(TypedDict):
    """
    A file.
    """

    filename: str
    """File name."""

    type: Literal["input_file"]


ResponseInputContent: TypeAlias = ResponseInputContent1 | ResponseInputContent2 | ResponseInputContent3


class ResponseInputMessage(TypedDict):
    """
    The prompt as the agent received it: one message, also if the request had several items.
    """

    id: str
    """Id of the item."""

    type: str
    """Always `message`."""

    status: str
    """Always `completed`."""

    role: str
    """Always `user`."""

    content: list[ResponseInputContent]
    """The prompt, and the images and files without their content."""


class ResponseInputPart(TypedDict):
    """
    A part of a message.
    """

    type: str
    """`input_text`, `input_image`, `input_file`, or `output_text` and `refusal` in messages of the assistant."""

    text: NotRequired[str | None]
    """The text of `input_text` and `output_text`."""

    refusal: NotRequired[str | None]
    """The text of a `refusal`."""

    image_url: NotRequired[str | None]
    """The image of an `input_image` as a data URL: `data:image/png;base64,…`. The server fetches no other URLs."""

    filename: NotRequired[str | None]
    """File name of an `input_file`, without directories."""

    file_data: NotRequired[str | None]
    """The file of an `input_file` as a data URL: `data:application/pdf;base64,…`."""


class ResponseInputTokens(TypedDict):
    """
    Details of the input tokens.
    """

    cached_tokens: int
    """Input tokens read from the provider's cache."""


ResponseItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class ResponseOutputText(TypedDict):
    """
    The text of a message.
    """

    type: str
    """Always `output_text`."""

    text: str
    """The text."""

    annotations: list[dict[str, Any]]
    """Always empty."""

    logprobs: list[dict[str, Any]]
    """Always empty."""


class ResponseOutputTokens(TypedDict):
    """
    Details of the output tokens.
    """

    reasoning_tokens: int
    """Thinking tokens, if the agent reports them."""


class ResponseReasoning(TypedDict):
    """
    Options of reasoning, which agents do not have.
    """

    effort: Any
    summary: Any


ResponseStatus: TypeAlias = Literal["queued", "in_progress", "completed", "failed", "cancelled"]


class ResponseSummaryText(TypedDict):
    """
    The text of reasoning.
    """

    type: str
    """Always `summary_text`."""

    text: str
    """The text."""


class ResponseText(TypedDict):
    """
    The format of the answer.
    """

    format: ResponseAnswerFormat
    """The format."""


class ResponseTextFormat(TypedDict):
    """
    A format of the answer. `name`, `description` and `strict` have no effect: the answer is always checked.
    """

    type: str
    """`text`, `json_object`, or `json_schema`. With the latter two the answer is JSON and nothing else, or the run fails with `bad_output`."""

    schema: NotRequired[dict[str, Any]]
    """The JSON Schema, at most 64 KiB, for `json_schema`. Default: any object."""


class ResponseTextOptions(TypedDict):
    """
    Options of the answer.
    """

    format: NotRequired[ResponseTextFormat | None]


class ResponseUsage(TypedDict):
    """
    Usage of a response.
    """

    input_tokens: int
    """Input tokens, cached or not."""

    input_tokens_details: ResponseInputTokens
    """Details of the input tokens."""

    output_tokens: int
    """Output tokens, including thinking."""

    output_tokens_details: ResponseOutputTokens
    """Details of the output tokens."""

    total_tokens: int
    """Sum of both."""


class RevertRequest(TypedDict):
    """
    The state to which a working directory is reverted: after a turn, or that of a snapshot.
    """

    turn: NotRequired[int | None]
    """The turn after which the directory was in the wanted state, counted from 1; 0 stands for the start of the run."""

    snapshot: NotRequired[str | None]
    """Instead of `turn`: a snapshot of the run, or the `undo` of an earlier revert in the same session."""

    paths: NotRequired[list[str] | None]
    """Only these files, and those in these directories; at most 100. Default: all."""


Role: TypeAlias = Literal["assistant", "user", "system"]


RuleVerdict: TypeAlias = Literal["allow", "ask", "deny"]


class RunCounts(TypedDict):
    """
    Ended runs by status.
    """

    completed: int
    """Completed runs."""

    failed: int
    """Failed runs."""

    cancelled: int
    """Cancelled runs."""

    timed_out: int
    """Runs that exceeded a time limit."""

    interrupted: int
    """Interrupted runs."""


RunId: TypeAlias = str


class RunInput(TypedDict):
    """
    The task for the agent.
    """

    text: NotRequired[str | None]
    """The prompt. May be absent if `parts` contains text."""

    parts: NotRequired[list[dict[str, Any]] | None]
    """
    Further parts of the input. The prompt is `text` and the texts of the parts, with blank lines between them; images and files follow it
    in this order. All images and files together have at most 5 MiB, and with uploaded files 20 MiB.
    """


class RunIsolation(TypedDict):
    """
    The isolation of a run.
    """

    level: IsolationLevel
    """The level in force."""

    reason: NotRequired[str]
    """Why no higher level is in force, if one exists."""

    account: NotRequired[str]
    """The account that the processes run under, if it is not that of the server."""


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


class SessionUpdate(TypedDict):
    """
    New facts about the agent's conversation. An absent field is unchanged.
    """

    title: NotRequired[str]
    """Title of the conversation, in one line. Empty if it has none any more."""

    mode: NotRequired[str]
    """ID of the agent's session mode."""

    model: NotRequired[str]
    """Model that the agent uses from here on."""

    commands: NotRequired[list[AgentCommand]]
    """The agent's slash commands, all of them. A prompt that starts with a slash and the name of one runs it."""

    context: NotRequired[ContextUse]
    """How full the model's context window is."""


class SettingOrigin1(TypedDict):
    """
    The settings file, by its path.
    """

    file: str
    """The settings file, by its path."""


SettingOrigin: TypeAlias = Literal["flag"] | Literal["environment"] | SettingOrigin1 | Literal["default"]


SkipReason: TypeAlias = Literal["too_large", "too_many_entries", "path_too_long", "unreadable"]


class Skipped(TypedDict):
    """
    A file or directory that is not part of a snapshot.
    """

    path: str
    """Path, relative to the working directory. Bytes that are not UTF-8 are replaced."""

    reason: SkipReason
    """Why it was skipped."""


class StdioServer(TypedDict):
    """
    An MCP server that the agent starts.
    """

    name: str
    """Name of the server."""

    command: str
    """The program."""

    args: NotRequired[list[str]]
    """Arguments of the program."""

    env: NotRequired[dict[str, str]]
    """Additional environment variables."""


class StreamOptions(TypedDict):
    """
    Options of a stream.
    """

    include_usage: NotRequired[bool | None]
    """Whether to send the usage at the end."""


TaskKind: TypeAlias = Literal["agent", "command", "other"]


TaskStatus: TypeAlias = Literal["completed", "failed", "stopped"]


class TicketResponse(TypedDict):
    """
    A ticket.
    """

    ticket: str
    """The ticket, for `access_token` of this run's event stream only."""

    expires_in: int
    """Seconds within which a stream can be opened with it."""

    events_url: str
    """Path of the event stream, including the ticket."""


Timestamp: TypeAlias = str


class TokenEvent(Delta):
    """
    A delta of the assistant's text.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["token"]


Tokens: TypeAlias = int


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


Untouched: TypeAlias = Literal["not_recorded", "denied"]


class UntouchedFile(TypedDict):
    """
    A file that was left as it is.
    """

    path: str
    """Its path, relative to the working directory. Bytes that are not UTF-8 are replaced."""

    reason: Untouched
    """Why."""


UploadId: TypeAlias = str


class UploadedFile(TypedDict):
    """
    An uploaded file.
    """

    file_id: UploadId
    """ID of the file, for `file_id` in parts of prompts and messages."""

    name: str
    """Its name."""

    type: AttachmentKind
    """What its content is."""

    media_type: str
    """Its media type, according to its content."""

    size: int
    """Its size in bytes."""

    expires_at: Timestamp
    """When it is removed."""


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

    model_calls: NotRequired[int]
    """Number of model calls, including those of sub-agents, if the agent reports them one by one."""

    tokens_are_partial: NotRequired[bool]
    """Whether the tokens are those of a part of the model calls only, because the agent reports no others. Absent if not."""


class UsageEvent(Usage):
    """
    Total usage of the run so far. Each event replaces the previous one.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["usage"]


UsageGroup: TypeAlias = Literal["day", "owner", "agent_type", "model", "session", "run"]


class UsageReports(TypedDict):
    """
    What an agent reports about its usage.
    """

    cost: ReportInterval
    """Its cost (`max_cost_usd`)."""

    tokens: ReportInterval
    """Its tokens (`max_tokens`)."""

    turns: ReportInterval
    """The number of its model calls (`max_turns`)."""

    sub_agents: bool
    """Whether its sub-agents are included."""

    continued_cost: bool
    """Whether its cost is also known in runs that continue a session."""


class UsageTotals(TypedDict):
    """
    Totals.
    """

    runs: int
    """Ended runs. A live run is not counted, but its usage is."""

    by_status: RunCounts
    """Ended runs by status."""

    tokens: int
    """Tokens that count towards a budget: `input_tokens`, `cache_write_tokens` and `output_tokens`."""

    input_tokens: int
    """Input tokens that were not read from a cache."""

    output_tokens: int
    """Output tokens, including thinking."""

    cache_read_tokens: int
    """Input tokens read from the provider's cache."""

    cache_write_tokens: int
    """Tokens written to the provider's cache."""

    reasoning_tokens: int
    """Thinking tokens among `output_tokens`, if the agent reports them."""

    cost_usd: NotRequired[Money]
    """US dollars as reported by agents; absent if none was reported."""

    cost_is_estimate: bool
    """Whether part of the cost is computed from list prices."""

    runs_without_cost: int
    """Ended runs that reported tokens but no cost; `cost_usd` does not include them."""


UserId: TypeAlias = str


UserName: TypeAlias = str


UserRole: TypeAlias = Literal["admin", "user"]


class WebhookObject(TypedDict):
    """
    A webhook with options.
    """

    url: str
    """The URL: http or https, not in a private network unless the operator allows it."""

    events: NotRequired[list[str] | None]
    """
    Event types; `*` selects all that can be sent. Default: `run_started`, `needs_input` (requests that wait for a
    person) and `done`.
    """

    secret: NotRequired[str | None]
    """Signing secret: `whsec_` followed by Base64. Default: the server's secret."""


WorkspaceKind: TypeAlias = Literal["worktree", "clone"]


class AccessEndedNotice(TypedDict):
    """
    The reader lost access, and the stream ends. The notice is not part of the log, so it has no number and no time.
    """

    type: Literal["notice"]
    """Always `notice`."""

    level: Level
    code: Literal["access_ended"]
    """Always `access_ended`."""

    message: str
    """Explanation for people."""

    data: Data


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


class AnswerRequest(TypedDict):
    """
    A decision on a permission request, or the answers to a question.
    """

    decision: NotRequired[Decision | None]
    option_id: NotRequired[str | None]
    """The `id` of one of the `choices` of a permission request. The decision is that of the option, so `decision` may be left out."""

    message: NotRequired[str | None]
    """Explanation for the agent, with a denial."""

    answers: NotRequired[list[OneOrMore] | None]
    """The answers to each question."""


class AnswerResponse(TypedDict):
    """
    The accepted answer, as in the event that resolves the request.
    """

    id: str
    """Id of the request."""

    decision: NotRequired[Decision]
    """Decision on a permission request."""

    option_id: NotRequired[str]
    """ID of the chosen option, if the answer named one."""

    answers: NotRequired[list[list[str]]]
    """Answers to a question, one list for each of its questions."""

    by: DecidedBy
    """Always `user`."""


class Attachment(TypedDict):
    """
    An attachment without its content.
    """

    type: AttachmentKind
    """Kind of attachment."""

    media_type: str
    """Its media type, such as `image/png`."""

    name: str
    """Its file name: one component of a path."""

    size: int
    """Size of its content in bytes."""


class AuditEntry(TypedDict):
    """
    An action, successful or rejected.
    """

    id: int
    """Number of the entry in the log."""

    created_at: Timestamp
    """When the action finished."""

    action: AuditAction
    """The action."""

    outcome: str
    """`ok`, or the error code."""

    username: UserName | None
    user_id: NotRequired[UserId]
    """Id of the user, which another user with the same name does not have."""

    address: str | None
    """Address of the client; null for the command line."""

    key_id: NotRequired[KeyId]
    """The API key that was used."""

    run_id: NotRequired[RunId]
    """The affected run."""

    target_user_id: NotRequired[UserId]
    """Id of the affected user."""

    target_username: NotRequired[UserName]
    """The affected user."""

    target_key_id: NotRequired[KeyId]
    """The affected API key."""

    detail: NotRequired[str]
    """Details, such as a user's new role or a key's scopes."""


class AuditEntryPage(TypedDict):
    """
    One page of a list.
    """

    items: list[AuditEntry]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class BranchRequest(TypedDict):
    """
    A commit of a session's work.
    """

    message: str
    """The commit message."""

    author: NotRequired[CommitAuthor | None]
    push: NotRequired[bool | None]
    """Push the branch of a clone to its repository. Default: false."""


class BranchResponse(TypedDict):
    """
    The branch of a session.
    """

    repository: str
    """The directory of the git repository; of a clone, its URL."""

    branch: str
    """The branch."""

    commit: str
    """The commit that it is at."""

    committed: bool
    """Whether that is a new commit; otherwise nothing had changed."""

    pushed: bool
    """Whether the branch was pushed."""

    skipped: list[Skipped]
    """Some of the new files that are not part of the commit."""

    skipped_total: int
    """Number of new files and directories that are not part of the commit."""


class Capabilities(TypedDict):
    """
    What a client can do with an agent besides giving it a prompt.
    """

    resume: bool
    """Continue a conversation in a later run."""

    move_session: bool
    """Continue a conversation in another working directory."""

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

    instructions: bool
    """Add instructions to its system prompt."""

    images: bool
    """Give it images."""

    files: bool
    """Give it files."""

    usage: UsageReports
    """What it reports about its usage, and so which spend limits a run may have."""


class ChangesEvent(TypedDict):
    """
    What the run has changed in its working directory so far, in total. Written after a turn and at the end of the run, if it differs from
    the one before. `GET /api/runs/{id}/changes` lists the files.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["changes"]
    files: int
    """Number of files that were added, changed, renamed or deleted."""

    insertions: int
    """Lines added to text files."""

    deletions: int
    """Lines removed from text files."""

    snapshot: str
    """ID of the snapshot of the directory. Equal contents have equal IDs."""


ChatContent: TypeAlias = str | list[ContentPart]


class ChatMessage(TypedDict):
    """
    A message of the conversation.
    """

    role: ChatRole
    """Role of the author."""

    content: NotRequired[ChatContent | None]
    tool_calls: NotRequired[list[ChatToolCall] | None]
    """Tool calls of an earlier message of the assistant. Agents have none, so they come from the history of another model."""

    function_call: NotRequired[ChatFunctionCall | None]


class ChatRequest(TypedDict):
    """
    A prompt.
    """

    message: str
    """The prompt."""

    model: NotRequired[str | None]
    """`agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. Default: the agent of the session, or `claude_code`."""

    session_id: NotRequired[SessionId | None]
    profile: NotRequired[ProfileName | None]
    on_disconnect: NotRequired[OnDisconnect | None]


class ChatResponse(TypedDict):
    """
    The result of the run.
    """

    run_id: RunId
    """The run. Its events can be read as usual."""

    session_id: SessionId
    """Its session."""

    message: str
    """The agent's final text; empty if there is none."""

    status: RunStatus
    """Status of the ended run."""

    cause: Cause
    """Cause of the status."""

    error: NotRequired[str]
    """Explanation of a failure."""

    usage: NotRequired[Usage]
    """Total usage of the run."""


class ChunkChoice(TypedDict):
    """
    The only choice of a chunk.
    """

    index: int
    """Always 0."""

    delta: ChunkDelta
    """The new content."""

    logprobs: Any
    finish_reason: str | None
    """`stop` in the last chunk, otherwise null."""


class CompletionRun(TypedDict):
    """
    The run of a completion.
    """

    run_id: RunId
    """Id of the run. Its events can be read as usual."""

    session_id: SessionId
    """Session of the run. Pass it as `openrunner.session_id` to continue."""

    status: RunStatus
    """Status of the run."""


class CompletionUsage(TypedDict):
    """
    Usage.
    """

    prompt_tokens: int
    """Input tokens, cached or not."""

    completion_tokens: int
    """Output tokens, including thinking."""

    total_tokens: int
    """Sum of both."""

    prompt_tokens_details: PromptTokens
    """Details of the input tokens."""

    completion_tokens_details: CompletionTokens
    """Details of the output tokens."""


class CreateKeyRequest(TypedDict):
    """
    A new API key.
    """

    name: str
    """Name of the key."""

    scopes: list[Scope]
    """Scopes of the key."""

    owner: NotRequired[UserName | None]
    expires_in: NotRequired[int | None]
    """Lifetime in seconds, at most ten years. Default: until the key is revoked."""

    default_profile: NotRequired[ProfileName | None]
    default_session: NotRequired[str | None]
    """Session of requests of the OpenAI-compatible API that name none, as in the header `OpenRunner-Session`: an id, a name, or `new`."""

    default_directory: NotRequired[str | None]
    """Working directory of requests of the OpenAI-compatible API that name none: an absolute path without `..`."""

    on_disconnect: NotRequired[OnDisconnect | None]


class CreateRunResponse(TypedDict):
    """
    A created run.
    """

    run_id: RunId
    """Id of the run."""

    session_id: SessionId
    """Session of the run."""

    status: RunStatus
    """Always `queued`, the status at creation."""

    events_url: str
    """Path of the event stream."""


class CreateUserRequest(TypedDict):
    """
    A new user.
    """

    username: UserName
    """User name."""

    password: str
    """Password. It must differ from the user name."""

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
    The requested number is ahead of the log, or the events after it were trimmed. The notice is not part of the log, so it has no number and no time.
    """

    type: Literal["notice"]
    """Always `notice`."""

    level: Level
    code: Literal["gap"]
    """Always `gap`."""

    message: str
    """Explanation for people."""

    data: Data1


class KeyDefaults(TypedDict):
    """
    The defaults of an API key.
    """

    default_profile: NotRequired[ProfileName]
    """Profile of the runs that name none; absent for that of the server."""

    default_session: NotRequired[str]
    """Session of requests of the OpenAI-compatible API that name none, as in the header `OpenRunner-Session`."""

    default_directory: NotRequired[str]
    """Working directory of requests of the OpenAI-compatible API that name none."""

    on_disconnect: NotRequired[OnDisconnect]
    """What happens to a run whose client disconnects while it waits for the answer, unless the request states it."""


QuotaLimit: TypeAlias = int | Unlimited


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


class LoginOptions(TypedDict):
    """
    How to log in.
    """

    default_users: list[UserName]
    """
    Users whose password is still the documented default, equal to their name, if the sender of this request may log in with it. Empty
    for all other clients.
    """


McpServer: TypeAlias = StdioServer | HttpServer


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
    An accepted message.
    """

    run_id: RunId
    """The run."""

    mode: MessageMode
    """How the message is delivered."""


class NetworkEvent(NetworkUse):
    """
    The agent used the network, at isolation level `sandbox`. Reported when a connection ends; repeated connections to the same host are
    reported together.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["network"]


class NewWorkspace(TypedDict):
    """
    A workspace to make.
    """

    kind: WorkspaceKind
    """Kind of workspace."""

    repository: NotRequired[str | None]
    """
    The top directory of a git repository on the server; default: `working_dir`. For a clone, a URL such as
    `https://github.com/owner/repository`.
    """

    ref: NotRequired[str | None]
    """
    The branch, tag or commit to begin with, such as `main`, `v1.0`, `origin/main` or 40 hexadecimal digits. Default: what is checked out
    in the repository, or the default branch of a remote one.
    """


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

    choices: NotRequired[list[PermissionChoice]]
    """The agent's own options, if it names them. An answer may choose one of them by its `id`, as `option_id`."""

    type: Literal["permission"]


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


class OwnBudget(TypedDict):
    """
    Budget of a user: per UTC day, and per run. Limits that are not set default to the server's settings.
    """

    tokens_per_day: NotRequired[TokenLimit]
    """Maximum number of tokens."""

    cost_per_day_usd: NotRequired[CostLimit]
    """Maximum cost in US dollars, as far as agents report their cost."""

    tokens_per_run: NotRequired[TokenLimit]
    """Maximum number of tokens of one run. A run may ask for a lower one."""

    cost_per_run_usd: NotRequired[CostLimit]
    """Maximum cost of one run in US dollars. A run may ask for a lower one."""

    turns_per_run: NotRequired[QuotaLimit]
    """Maximum number of model calls of one run. A run may ask for a lower one."""


class OwnQuotas(TypedDict):
    """
    The quotas that a user has instead of the server's defaults. Those that are absent default to the server's settings.
    """

    stored_bytes: NotRequired[QuotaLimit]
    """Runs with their events, and the output of their agents, in bytes."""

    workspace_bytes: NotRequired[QuotaLimit]
    """Content of fresh working directories, in bytes."""

    runs: NotRequired[QuotaLimit]
    """Runs."""

    sessions: NotRequired[QuotaLimit]
    """Sessions."""

    keys: NotRequired[QuotaLimit]
    """API keys."""


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

    choices: NotRequired[list[PermissionChoice]]
    """
    The agent's own options, if it names them. An answer may choose one of them by its `id`. Several with the same `decision` are
    different ways to continue; such a decision is not in `options`, because it would be ambiguous.
    """

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

    option_id: NotRequired[str]
    """ID of the chosen option, if one of `choices` was chosen."""

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


ProfileMcpServer: TypeAlias = str | McpServer


class Question(TypedDict):
    """
    A question to the user.
    """

    text: str
    """Text of the question."""

    header: NotRequired[str]
    """Short label of the question."""

    options: list[QuestionOption]
    """Suggested answers; empty for free text."""

    multiple: bool
    """Whether several answers are allowed."""


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


class Quotas(TypedDict):
    """
    What a user keeps on the server, and may keep.
    """

    owner: UserName
    """The user whose quotas these are."""

    stored_bytes: QuotaAllowance
    """Runs with their events, and the output of their agents, in bytes."""

    workspace_bytes: QuotaAllowance
    """Content of fresh workspaces, in bytes, as measured within the last minutes."""

    runs: QuotaAllowance
    """Runs."""

    sessions: QuotaAllowance
    """Sessions."""

    keys: QuotaAllowance
    """API keys."""


class QuotasRequest(TypedDict):
    """
    Changes to quotas. Absent fields stay unchanged; null restores the server's default.
    """

    stored_bytes: NotRequired[QuotaLimit | None]
    workspace_bytes: NotRequired[QuotaLimit | None]
    runs: NotRequired[QuotaLimit | None]
    sessions: NotRequired[QuotaLimit | None]
    keys: NotRequired[QuotaLimit | None]


class RawEvent(TypedDict):
    """
    Output that the adapter does not recognize: a line, or the part of a line around messages that it does recognize.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["raw"]
    line: str
    """The text without its newline. Invalid UTF-8 is replaced."""


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

    choices: NotRequired[list[PermissionChoice]]
    """The agent's own options, if it names them. An answer may choose one of them by its `id`, as `option_id`."""

    type: Literal["permission"]


class RequestKind2(TypedDict):
    """
    Questions to the user. Answered with `answers`.
    """

    questions: list[Question]
    """The questions."""

    type: Literal["question"]


RequestKind: TypeAlias = RequestKind1 | RequestKind2


class ResponseDeleted(TypedDict):
    """
    A deleted response.
    """

    id: ResponseId
    """The response."""

    object: str
    """Always `response`."""

    deleted: bool
    """Always true."""


class ResponseInputItems(TypedDict):
    """
    The input items of a response, as a page.
    """

    object: str
    """Always `list`."""

    data: list[ResponseInputMessage]
    """The items."""

    first_id: str | None
    """Id of the first item; null if the page is empty."""

    last_id: str | None
    """Id of the last item; null if the page is empty."""

    has_more: bool
    """Always false."""


ResponseInputMessageContent: TypeAlias = str | list[ResponseInputPart]


class ResponseOutputItem1(TypedDict):
    """
    A message of the agent.
    """

    id: str
    """Id of the item."""

    status: ResponseItemStatus
    """Status of the item."""

    role: str
    """Always `assistant`."""

    content: list[ResponseOutputText]
    """The text, as one part."""

    type: Literal["message"]


class ResponseOutputItem2(TypedDict):
    """
    What the agent thought.
    """

    id: str
    """Id of the item."""

    status: ResponseItemStatus
    """Status of the item."""

    summary: list[ResponseSummaryText]
    """The text, as one part."""

    type: Literal["reasoning"]


ResponseOutputItem: TypeAlias = ResponseOutputItem1 | ResponseOutputItem2


class RevertResponse(TypedDict):
    """
    What a revert has done.
    """

    run_id: RunId
    """The run."""

    snapshot: str
    """ID of the snapshot after the revert."""

    undo: str
    """ID of the snapshot from right before. Reverting to it undoes the revert."""

    files: int
    """Number of files that were written or removed."""

    untouched: list[UntouchedFile]
    """Some of the files that differ from the wanted state and were left as they are."""

    untouched_total: int
    """Number of files that were left as they are."""


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


class RunAllowance(TypedDict):
    """
    Limits of each run of a user. Absent if unlimited.
    """

    tokens: NotRequired[Tokens]
    """Maximum of `max_tokens`."""

    cost_usd: NotRequired[Money]
    """Maximum of `max_cost_usd`."""

    turns: NotRequired[Amount]
    """Maximum of `max_turns`."""


RunChanges = TypedDict(
    "RunChanges",
    {
        "items": list[FileChange],
        "next_cursor": str | None,
        "files": int,
        "insertions": int,
        "deletions": int,
        "from": str,
        "snapshot": str,
        "skipped": list[Skipped],
        "skipped_total": int,
    },
)


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

    output: NotRequired[Any]
    """The agent's answer as a value that matches `output_schema`, if the run has one and succeeded."""

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
    """Final text of the agent; in a summary its first 400 characters."""

    output: NotRequired[Any]
    """The agent's answer as a value that matches `output_schema`; absent in summaries."""

    usage: NotRequired[Usage]
    """Total usage of the run."""

    duration_ms: NotRequired[int]
    """Time from creation to end, in milliseconds."""

    stderr_tail: NotRequired[str]
    """Last part of the agent's standard error, if the run failed; absent in summaries."""


class RunFile(TypedDict):
    """
    A file or directory in the working directory of a run.
    """

    path: str
    """Its path, relative to the working directory. Bytes that are not UTF-8 are replaced."""

    type: FileType
    """Its kind."""

    size: NotRequired[int]
    """Size of a file in bytes; of a link, the length of its target."""

    modified_at: NotRequired[Timestamp]
    """When its content was changed. Absent for an earlier state."""

    executable: bool
    """Whether its owner may execute it."""


class RunFilePage(TypedDict):
    """
    One page of a directory, in the order of names.
    """

    items: list[RunFile]
    """The files and directories. `.git` is left out."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class RunOptions(TypedDict):
    """
    Options of the run. Every field may be absent or null, which means its default.
    """

    session_id: NotRequired[SessionId | None]
    on_busy: NotRequired[OnBusy | None]
    working_dir: NotRequired[str | None]
    """Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one."""

    permission_mode: NotRequired[PermissionMode | None]
    isolation: NotRequired[IsolationLevel | None]
    project_config: NotRequired[ProjectConfig | None]
    timeout_secs: NotRequired[int | None]
    """Time limit in seconds. Default: 300. Time spent waiting for answers does not count."""

    idle_timeout_secs: NotRequired[int | None]
    """Time limit in seconds without any output of the agent."""

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

    isolation: NotRequired[RunIsolation]
    """Isolation of the agent's processes. Absent for an agent that is part of the server."""

    project_config: NotRequired[ProjectConfig]
    """Whether the agent's configuration in the working directory has an effect. Absent for an agent that is part of the server."""


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

    title: NotRequired[str]
    """Title that the agent gave the conversation."""

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


class SessionUpdatedEvent(SessionUpdate):
    """
    The agent reported new facts about its conversation: title, session mode, model, slash commands or context size.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["session_updated"]


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


class SpendLimits(TypedDict):
    """
    The spend limits of one run. They cover everything that the agent reports, including its sub-agents.
    """

    max_cost_usd: NotRequired[Money]
    """Maximum cost in US dollars."""

    max_tokens: NotRequired[Tokens]
    """Maximum number of tokens, as budgets count them: without reads from the provider's cache."""

    max_turns: NotRequired[Amount]
    """Maximum number of model calls."""


class TaskEndedEvent(TypedDict):
    """
    A task in the background ended.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["task_ended"]
    id: str
    """ID of the task."""

    status: TaskStatus
    """How the task ended."""

    message: NotRequired[str]
    """Outcome of the task, as the agent reports it."""


class TaskStartedEvent(TypedDict):
    """
    A task started in the background: a sub-agent or a command that the agent does not wait for.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["task_started"]
    id: str
    """ID of the task."""

    kind: TaskKind
    """Kind of task."""

    title: str
    """Human-readable summary in one line."""

    tool_call_id: NotRequired[str]
    """ID of the tool call that started the task."""


class TaskUpdatedEvent(TypedDict):
    """
    A task in the background made progress.
    """

    seq: Seq
    ts: Timestamp
    type: Literal["task_updated"]
    id: str
    """ID of the task."""

    message: str
    """Current activity of the task."""


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
    The group of a usage item: exactly the field that `group_by` selects.
    """

    day: NotRequired[Day]
    """The day (UTC)."""

    owner: NotRequired[UserName]
    """The owner of the runs."""

    agent_type: NotRequired[str]
    """The agent."""

    model: NotRequired[str]
    """The model reported by the agent, or the requested one; empty if neither is known."""

    session_id: NotRequired[SessionId]
    """The session."""

    run_id: NotRequired[RunId]
    """The run."""


class User(TypedDict):
    """
    A user.
    """

    username: UserName
    """User name."""

    role: UserRole
    """Role of the user."""


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

    attachments: NotRequired[list[Attachment]]
    """Its images and files."""


Webhook: TypeAlias = str | WebhookObject


class Workspace(TypedDict):
    """
    The workspace of a session that is more than a directory.
    """

    kind: WorkspaceKind
    """Kind of workspace."""

    repository: str
    """The directory of the git repository; of a clone, its URL."""

    git_dir: str | None
    """The directory of its branches and objects; null for a clone."""

    ref: str
    """The branch, tag or commit that the workspace began with, as requested."""

    base: str | None
    """The commit that this was; null for a clone, which begins with what the branch is at when the first run starts."""

    branch: str
    """Branch of the workspace in the repository."""


class Account(TypedDict):
    """
    A user with account details.
    """

    username: UserName
    """User name."""

    user_id: UserId
    """Id of the user. A user who is created under the name of a removed user has another one."""

    role: UserRole
    """Role of the user."""

    default_password: bool
    """Whether the user still has the default password, which works only on the server's own machine."""

    budget: NotRequired[OwnBudget]
    """The user's own budget; absent if the server's default applies."""

    quotas: NotRequired[OwnQuotas]
    """The user's own quotas; absent if the server's defaults apply."""


class AccountPage(TypedDict):
    """
    One page of a list.
    """

    items: list[Account]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class AgentReport(TypedDict):
    """
    The state of one agent. Without a token: only its name and whether it is available.
    """

    agent_type: str
    """The agent's registered name."""

    available: bool
    """Whether a run can be started with it."""

    version: NotRequired[str]
    """The version that the program reports."""

    path: NotRequired[str]
    """Absolute path of the program."""

    authenticated: NotRequired[Authenticated]
    """Whether a login or key is configured. Present with a token."""

    capabilities: NotRequired[Capabilities]
    """What a client can do with it besides giving it a prompt. Present with a token."""

    tested: NotRequired[bool]
    """
    Whether the installed program is one that was tested with this release of OpenRunner. One that is not may not keep to a permission
    mode. Present with a token.
    """

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


class ApiKey(KeyDefaults):
    """
    An API key without its secret.
    """

    id: KeyId
    """Id, for revoking the key."""

    name: str
    """Name given by the owner."""

    owner: UserName
    """Owner of the key."""

    scopes: list[Scope]
    """Scopes of the key."""

    created_at: Timestamp
    """When the key was created."""

    expires_at: NotRequired[Timestamp]
    """When the key expires; absent if it does not."""

    last_used_at: NotRequired[Timestamp]
    """When the key was last used, accurate to a minute; absent if never."""


class ApiKeyPage(TypedDict):
    """
    One page of a list.
    """

    items: list[ApiKey]
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

    per_run: RunAllowance
    """Limits of each run."""


class BudgetRequest(TypedDict):
    """
    Changes to a budget: per day (UTC), and per run. Absent fields stay unchanged; null restores the server's default.
    """

    tokens_per_day: NotRequired[TokenLimit | None]
    cost_per_day_usd: NotRequired[CostLimit | None]
    tokens_per_run: NotRequired[TokenLimit | None]
    cost_per_run_usd: NotRequired[CostLimit | None]
    turns_per_run: NotRequired[QuotaLimit | None]


class ChangeUserRequest(TypedDict):
    """
    Changes to a user. Absent fields stay unchanged.
    """

    password: NotRequired[str | None]
    """New password. It must differ from the user name. All tokens of the user are revoked."""

    role: NotRequired[UserRole | None]
    budget: NotRequired[BudgetRequest]
    """Changes to the budget."""

    quotas: NotRequired[QuotasRequest]
    """Changes to the quotas."""


class ChatCompletion(TypedDict):
    """
    A chat completion.
    """

    id: str
    """`chatcmpl-` and the id of the run."""

    object: str
    """Always `chat.completion`."""

    created: int
    """When the run was created, in seconds since 1970."""

    model: str
    """The requested model."""

    choices: list[ChatChoice]
    """Always one choice."""

    usage: NotRequired[CompletionUsage]
    """Usage, if the agent reports it."""

    openrunner: CompletionRun
    """The run of the completion."""


class ChatCompletionChunk(TypedDict):
    """
    A chunk of a streamed completion.
    """

    id: str
    """`chatcmpl-` and the id of the run: the same in all chunks."""

    object: str
    """Always `chat.completion.chunk`."""

    created: int
    """When the run was created, in seconds since 1970."""

    model: str
    """The requested model."""

    choices: list[ChunkChoice]
    """One choice; none in the chunk with the usage."""

    usage: NotRequired[CompletionUsage]
    """Usage, in the last chunk, if requested."""

    openrunner: NotRequired[CompletionRun]
    """The run, in the first chunk and in the one with the finish reason."""


class ChatCompletionRequest(TypedDict):
    """
    A request for a completion.

    Parameters that change the result and that agents do not support are rejected: a required tool call, several choices, log probabilities,
    anything but text. Preferences such as `temperature`, offered `tools` and unknown parameters are ignored.
    """

    model: str
    """`agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`."""

    messages: list[ChatMessage]
    """The conversation. The last message should have the role `user`; otherwise the agent continues the conversation."""

    stream: NotRequired[bool | None]
    """Whether to stream the response."""

    stream_options: NotRequired[StreamOptions | None]
    user: NotRequired[str | None]
    """Becomes the label `user` of the run, if it has at most 256 bytes."""

    metadata: NotRequired[dict[str, str]]
    """Becomes the labels of the run."""

    response_format: NotRequired[ResponseFormat | None]
    tool_choice: NotRequired[str | None]
    """`auto` or `none`: agents use their own tools, never those of the request. A required tool is rejected."""

    openrunner: NotRequired[RunOptions | None]


class CreateKeyResponse(ApiKey):
    """
    A created API key. Only this response contains its secret.
    """

    key: str
    """The secret, to be sent as `Authorization: Bearer`."""


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
    | ChangesEvent
    | PlanEvent
    | TaskStartedEvent
    | TaskUpdatedEvent
    | TaskEndedEvent
    | SessionUpdatedEvent
    | PermissionRequestEvent
    | PermissionResolvedEvent
    | QuestionEvent
    | QuestionResolvedEvent
    | UsageEvent
    | NoticeEvent
    | LogEvent
    | RawEvent
    | NetworkEvent
    | AgentErrorEvent
    | DoneEvent
)


class LoginResponse(TypedDict):
    """
    A token for the `Authorization` header of further requests.
    """

    token: str
    """The token."""

    token_type: str
    """Always `Bearer`."""

    expires_in: int
    """Lifetime of the token in seconds."""

    user: User
    """The user."""


class Me(TypedDict):
    """
    The caller, with their budget.
    """

    username: UserName
    """User name."""

    role: UserRole
    """Role of the user."""

    budget: Budget
    """Today's budget."""


class OpenRequest2(TypedDict):
    """
    Questions to the user. Answered with `answers`.
    """

    questions: list[Question]
    """The questions."""

    type: Literal["question"]


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


class Profile(TypedDict):
    """
    What a profile sets for its runs. What is absent is left to the request.

    A request may set what the profile leaves open, and may narrow what it sets: a stricter mode, a lower limit, a higher isolation level.
    """

    name: NotRequired[ProfileName | None]
    source: NotRequired[ProfileSource | None]
    updated_at: NotRequired[Timestamp | None]
    description: NotRequired[str | None]
    """Description for people."""

    agent_type: NotRequired[str | None]
    """The agent."""

    model: NotRequired[str | None]
    """The model."""

    instructions: NotRequired[str | None]
    """Text that is added to the agent's system prompt. That of the request follows it."""

    permission_mode: NotRequired[PermissionMode | None]
    permission_rules: NotRequired[list[RuleSpec] | None]
    """Rules that precede those of the request."""

    mcp_servers: NotRequired[list[ProfileMcpServer] | None]
    """MCP servers for the agent, also in runs of users who are no admins."""

    isolation: NotRequired[IsolationLevel | None]
    timeout_secs: NotRequired[int | None]
    """Time limit of the run in seconds. A request may choose a lower one."""

    idle_timeout_secs: NotRequired[int | None]
    """Time limit in seconds without output. A request may choose a lower one."""

    max_cost_usd: NotRequired[Money | None]
    max_tokens: NotRequired[Tokens | None]
    max_turns: NotRequired[Amount | None]
    users: NotRequired[list[ProfileUser] | None]
    """The users who may use the profile, besides admins. Empty for all users."""


class ProfileView(TypedDict):
    """
    A profile without the settings of its MCP servers, which may contain secrets. Absent fields are left to the request.
    """

    name: ProfileName
    """Name of the profile."""

    source: ProfileSource
    """Where it is defined."""

    description: NotRequired[str]
    """Description for people."""

    agent_type: NotRequired[str]
    """The agent."""

    model: NotRequired[str]
    """The model."""

    instructions: NotRequired[str]
    """Text that is added to the agent's system prompt, before that of the request."""

    permission_mode: NotRequired[PermissionMode]
    """How permission requests are decided, unless the request chooses a stricter mode."""

    permission_rules: NotRequired[list[RuleSpec]]
    """Rules that precede those of the request."""

    mcp_servers: NotRequired[list[str]]
    """Names of the MCP servers."""

    isolation: NotRequired[IsolationLevel]
    """The isolation level, unless the request chooses a higher one."""

    timeout_secs: NotRequired[int]
    """Time limit of the run in seconds, unless the request chooses a lower one."""

    idle_timeout_secs: NotRequired[int]
    """Time limit in seconds without output, unless the request chooses a lower one."""

    max_cost_usd: NotRequired[Money]
    """Maximum cost of a run in US dollars, unless the request chooses a lower limit."""

    max_tokens: NotRequired[Tokens]
    """Maximum number of tokens of a run, unless the request chooses a lower limit."""

    max_turns: NotRequired[Amount]
    """Maximum number of model calls of a run, unless the request chooses a lower limit."""

    users: NotRequired[list[ProfileUser]]
    """
    The users who may use the profile, besides admins: their names, and the ids of those who were removed. Only for admins; absent for all
    users.
    """

    updated_at: NotRequired[Timestamp]
    """When it was last changed; absent for one of the settings file."""


class ProfileViewPage(TypedDict):
    """
    One page of a list.
    """

    items: list[ProfileView]
    """The items."""

    next_cursor: str | None
    """The `cursor` of the next page; null on the last page."""


class ResponseInputItem(TypedDict):
    """
    An item of the input.

    Messages, calls of functions with their output, and references to output items of this server. Other items, such as reasoning and the calls
    of a model's built-in tools, are ignored.
    """

    type: NotRequired[str | None]
    """`message` if absent, `function_call`, `function_call_output`, `custom_tool_call`, `custom_tool_call_output`, `item_reference`, …"""

    id: NotRequired[str | None]
    """Id of the item. If it is an output item of this server, the session of its run is continued."""

    role: NotRequired[ChatRole | None]
    content: NotRequired[ResponseInputMessageContent | None]
    name: NotRequired[str | None]
    """Name of a called function."""

    arguments: NotRequired[str | None]
    """Arguments of a called function, as JSON."""

    input: NotRequired[str | None]
    """Input of a called custom tool."""

    output: NotRequired[str | None]
    """Output of a called function: a text, or parts."""


class ResponseObject(TypedDict):
    """
    A response: a run in OpenAI's format.

    The parameters of a model that agents do not have are present with the values that OpenAI's clients expect.
    """

    id: ResponseId
    """`resp_` and the id of the run."""

    object: str
    """Always `response`."""

    created_at: int
    """When the run was created, in seconds since 1970."""

    completed_at: int | None
    """When it completed, in seconds since 1970; null if it did not."""

    status: ResponseStatus
    """Status of the response."""

    background: bool
    """Whether it was requested in the background."""

    error: ResponseError | None
    incomplete_details: Any
    instructions: str | None
    """Text that was added to the agent's system prompt."""

    max_output_tokens: Any
    max_tool_calls: Any
    model: str
    """Agent and model: `agent` or `agent/model`."""

    output: list[ResponseOutputItem]
    """What the agent wrote: reasoning and messages, in order. Empty until the response has ended."""

    parallel_tool_calls: bool
    """Always true."""

    previous_response_id: ResponseId | None
    prompt_cache_key: Any
    reasoning: ResponseReasoning
    """Options of reasoning, all null."""

    safety_identifier: Any
    service_tier: str
    """Always `default`."""

    store: bool
    """Whether the response can be retrieved and continued."""

    temperature: float
    """Always 1."""

    text: ResponseText
    """The format of the answer."""

    tool_choice: str
    """Always `auto`: agents use their own tools."""

    tools: list[dict[str, Any]]
    """Always empty: the tools of the request are ignored."""

    top_logprobs: int
    """Always 0."""

    top_p: float
    """Always 1."""

    presence_penalty: float
    """Always 0."""

    frequency_penalty: float
    """Always 0."""

    truncation: str
    """Always `disabled`."""

    usage: ResponseUsage | None
    user: Any
    metadata: dict[str, str]
    """Labels of the run."""

    openrunner: CompletionRun
    """The run of the response."""


class Run(SpendLimits, RunEnd):
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
    """The prompt; in a summary its first 2,000 characters."""

    attachments: NotRequired[list[Attachment]]
    """The images and files that were given to the agent with the prompt, without their content."""

    output_schema: NotRequired[dict[str, Any]]
    """JSON Schema of the answer; absent in summaries."""

    instructions: NotRequired[str]
    """Text that was added to the agent's system prompt; absent in summaries."""

    title: str
    """First non-empty line of the prompt, at most 120 characters."""

    working_dir: str
    """Working directory."""

    workspace: NotRequired[Workspace]
    """What the working directory is, if it is more than a directory."""

    profile: NotRequired[ProfileName]
    """Profile that the run was created with. Its values at that time are in the other fields."""

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

    on_rate_limit: OnRateLimit
    """What the run does at a rate or usage limit of the model's provider."""

    max_wait_secs: NotRequired[int]
    """How long the run may wait for such a limit to reset, in seconds; only with `on_rate_limit` `wait`."""

    waits_until: NotRequired[Timestamp]
    """Until when the run waits for a limit to reset; only while it does."""

    isolation: NotRequired[IsolationLevel]
    """Requested isolation level; absent for the server's default."""

    egress: NotRequired[list[str]]
    """Hosts that the agent may reach besides its model; only at isolation level `sandbox`."""

    project_config: ProjectConfig
    """Whether the agent's configuration in the working directory has an effect."""

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

    summary: NotRequired[bool]
    """
    Whether this is a summary, as in lists and in the stream of changes: long texts are truncated or absent. `GET /api/runs/{id}` returns
    them.
    """


class RunMetadata(TypedDict):
    """
    Options of a run. Every field may be absent or null, which means its default.
    """

    agent_type: NotRequired[str | None]
    """The agent, one of `GET /api/agents`. Default: the agent of the session, or `claude_code`."""

    output_schema: NotRequired[dict[str, Any] | None]
    """JSON Schema of the answer, at most 64 KiB. The run's `output` is then the answer as a value that matches it."""

    instructions: NotRequired[str | None]
    """Text that is added to the agent's system prompt in this run, at most 64 KiB."""

    working_dir: NotRequired[str | None]
    """
    Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one. Some agents can continue a
    session in another directory.
    """

    cwd: NotRequired[str | None]
    """Alias of `working_dir`."""

    workspace: NotRequired[NewWorkspace | None]
    timeout_secs: NotRequired[int | None]
    """Time limit in seconds. Default: 300. Time spent waiting for answers does not count."""

    idle_timeout_secs: NotRequired[int | None]
    """Time limit in seconds without any output of the agent."""

    on_rate_limit: NotRequired[OnRateLimit | None]
    max_wait_secs: NotRequired[int | None]
    """
    How long the run may wait for such a limit to reset, in seconds, with `on_rate_limit` `wait`. Default and maximum: the server's
    setting.
    """

    max_cost_usd: NotRequired[Money | None]
    max_tokens: NotRequired[Tokens | None]
    max_turns: NotRequired[Amount | None]
    model: NotRequired[str | None]
    """The model, as the agent names it."""

    extra_args: NotRequired[list[str] | None]
    """Additional command-line arguments for the agent."""

    session_id: NotRequired[SessionId | None]
    on_busy: NotRequired[OnBusy | None]
    profile: NotRequired[ProfileName | None]
    permission_mode: NotRequired[PermissionMode | None]
    permission_rules: NotRequired[list[RuleSpec] | None]
    """Rules that take precedence over the mode."""

    isolation: NotRequired[IsolationLevel | None]
    egress: NotRequired[list[str] | None]
    """
    Hosts that the agent may reach at isolation level `sandbox`, besides its model, as `host:port`. Default: the git remotes of the working
    directory, as far as the operator allows them.
    """

    project_config: NotRequired[ProjectConfig | None]
    env: NotRequired[dict[str, str]]
    """Environment variables for the agent. Their values are never shown or stored."""

    mcp_servers: NotRequired[list[McpServer] | None]
    """MCP servers for the agent; admins only."""

    labels: NotRequired[dict[str, str]]
    """Labels for filtering, at most 32."""

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
    A session with its runs.
    """

    runs: list[Run]
    """Summaries of the newest 200 runs, newest first."""


class UsageItem(UsageKey, UsageTotals):
    """
    Usage of one group.
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
    A page of usage, and the totals of all pages.
    """

    group_by: UsageGroup
    """What `items` are grouped by."""

    total: UsageTotals
    """Totals of all matching usage, not only this page."""

    quotas: Quotas
    """What the caller keeps and may keep; with `owner`, that user."""


class CreateRunRequest(TypedDict):
    """
    A new run.
    """

    input: RunInput
    """The task for the agent."""

    metadata: NotRequired[RunMetadata | None]


class FeedChange2(TypedDict):
    """
    A run was created or has changed.
    """

    run: Run
    """The run's current state, as a summary."""

    type: Literal["run"]


FeedChange: TypeAlias = FeedChange1 | FeedChange2 | FeedChange3 | FeedChange4


class FeedEvent2(TypedDict):
    """
    A run was created or has changed.
    """

    run: Run
    """The run's current state, as a summary."""

    type: Literal["run"]


class FeedEvent7(FeedEvent2, FeedEvent5):
    """
    One event of the feed with the position after it.
    """


FeedEvent: TypeAlias = FeedEvent6 | FeedEvent7 | FeedEvent8 | FeedEvent9
"""
One event of the feed with the position after it.
"""


ResponseInput: TypeAlias = str | list[ResponseInputItem]


class ResponseRequest(TypedDict):
    """
    A request for a response.

    Parameters that change the result and that agents do not support are rejected: a required tool call, log probabilities, stored
    conversations and prompts. Preferences such as `temperature`, offered `tools` and unknown parameters are ignored.
    """

    model: str
    """`agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`."""

    input: ResponseInput
    """The task: a text, or the items of a conversation."""

    instructions: NotRequired[str | None]
    """Text that is added to the agent's system prompt in this response."""

    previous_response_id: NotRequired[str | None]
    """The response to continue, in its session. If the session has continued since, a new one begins with the conversation up to it."""

    store: NotRequired[bool | None]
    """Whether the response can be retrieved and continued. The run is stored in any case. Default: true."""

    background: NotRequired[bool | None]
    """Whether to return before the end of the run. Requires `store`."""

    stream: NotRequired[bool | None]
    """Whether to stream the response."""

    text: NotRequired[ResponseTextOptions | None]
    metadata: NotRequired[dict[str, str]]
    """Becomes the labels of the run."""

    user: NotRequired[str | None]
    """Becomes the label `user` of the run, if it has at most 256 bytes."""

    tool_choice: NotRequired[str | None]
    """`auto` or `none`: agents use their own tools, never those of the request. A required tool is rejected."""

    openrunner: NotRequired[RunOptions | None]
