-- Conventions: times are milliseconds since the Unix epoch in UTC, days are `YYYY-MM-DD` in UTC, booleans are 0 or 1, and money is in
-- millionths of a US dollar. Columns named `spec`, `done`, `checkpoint`, `withheld`, `widened`, `scopes`, `events` and `working_dir` hold
-- JSON.

-- Users -------------------------------------------------------------------------------------------------------------------------------

-- What a user owns refers to the id, in columns named `owner` and `user_id`, never to the name: a removed user's name may be given to another
-- user.
CREATE TABLE users (
    id                  TEXT    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL UNIQUE,
    -- `admin` or `user`
    role                TEXT    NOT NULL,
    -- Argon2id in PHC format
    password_hash       TEXT    NOT NULL,
    -- Whether the password is the documented default, which works only from this machine
    default_password    INTEGER NOT NULL,
    -- Incremented when a password is set. Tokens of earlier generations are invalid.
    generation          INTEGER NOT NULL,
    -- Daily budget. NULL: the server's setting applies; -1: unlimited.
    tokens_per_day      INTEGER,
    cost_per_day_micros INTEGER,
    -- Limits of each run, in the same way
    tokens_per_run      INTEGER,
    cost_per_run_micros INTEGER,
    turns_per_run       INTEGER,
    -- Quotas, in the same way
    quota_stored_bytes    INTEGER,
    quota_workspace_bytes INTEGER,
    quota_runs            INTEGER,
    quota_sessions        INTEGER,
    quota_keys            INTEGER
) STRICT;

-- What each user keeps, for quotas. Triggers below keep the sums; they clamp every number, so that a damaged one has no effect on writes.
-- A row stays when its user is deleted, since runs stay.
CREATE TABLE quota_use (
    owner           TEXT    NOT NULL PRIMARY KEY,
    -- Rows of runs, their events, and the output of their agents
    stored_bytes    INTEGER NOT NULL DEFAULT 0,
    -- Fresh workspaces, as measured last
    workspace_bytes INTEGER NOT NULL DEFAULT 0,
    runs            INTEGER NOT NULL DEFAULT 0,
    sessions        INTEGER NOT NULL DEFAULT 0,
    keys            INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Removed users. Admins see their runs, sessions, usage and audit entries under these names.
CREATE TABLE former_users (
    id   TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;

CREATE INDEX former_users_by_name ON former_users (name);

CREATE VIEW user_names AS SELECT id, name FROM users UNION ALL SELECT id, name FROM former_users;

-- Tokens that were logged out before they expired. A row is obsolete once its token has expired.
CREATE TABLE revoked_tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;

-- API keys. The key itself is not stored.
CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    owner        TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    -- SHA-256 of the key
    hash         BLOB    NOT NULL,
    scopes       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    -- What requests get unless they state it themselves, as JSON
    defaults     TEXT    NOT NULL
) STRICT;

CREATE TRIGGER api_keys_added AFTER INSERT ON api_keys
BEGIN
    INSERT INTO quota_use (owner, keys) VALUES (NEW.owner, 1) ON CONFLICT (owner) DO UPDATE SET keys = keys + 1;
END;

CREATE TRIGGER api_keys_removed AFTER DELETE ON api_keys
BEGIN
    UPDATE quota_use SET keys = max(0, max(0, keys) - 1) WHERE owner = OLD.owner;
END;

CREATE INDEX api_keys_by_owner ON api_keys (owner, id);
-- A key is looked up by the first 8 bytes of its hash. The program compares the rest in constant time.
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (substr(hash, 1, 8));

-- Profiles that admins store through the API. Unlike those of runs, the settings of their MCP servers are stored.
CREATE TABLE profiles (
    name       TEXT    NOT NULL PRIMARY KEY,
    spec       TEXT    NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Audit log. It has no foreign keys: names and ids stay when what they refer to is deleted.
CREATE TABLE audit (
    id              INTEGER NOT NULL PRIMARY KEY,
    created_at      INTEGER NOT NULL,
    user_id         TEXT,
    username        TEXT,
    key_id          TEXT,
    address         TEXT,
    action          TEXT    NOT NULL,
    -- `ok`, or the code of the error
    outcome         TEXT    NOT NULL,
    run_id          TEXT,
    target_user_id  TEXT,
    target_username TEXT,
    target_key_id   TEXT,
    detail          TEXT
) STRICT;

CREATE INDEX audit_by_username ON audit (username, id);
CREATE INDEX audit_by_run ON audit (run_id, id) WHERE run_id IS NOT NULL;
-- For retention
CREATE INDEX audit_by_time ON audit (created_at, id);

-- The only entries of the audit log that can be removed: those from before this time. One row.
CREATE TABLE audit_retention (
    removable_before INTEGER NOT NULL
) STRICT;

INSERT INTO audit_retention (removable_before) VALUES (0);

CREATE TRIGGER audit_retention_keeps_a_day BEFORE UPDATE ON audit_retention
WHEN NEW.removable_before > (unixepoch() - 86400) * 1000
BEGIN
    SELECT RAISE(ABORT, 'the audit log keeps the entries of the last day');
END;

CREATE TRIGGER audit_retention_has_one_row BEFORE INSERT ON audit_retention
BEGIN
    SELECT RAISE(ABORT, 'the retention of the audit log has one row');
END;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN coalesce(OLD.created_at >= (SELECT removable_before FROM audit_retention), TRUE) OR OLD.id = (SELECT max(id) FROM audit)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- INSERT OR REPLACE deletes a row without firing the trigger above.
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Nodes -------------------------------------------------------------------------------------------------------------------------------

-- The server that works on this database; one row. A restored backup gets a new one.
CREATE TABLE nodes (
    id         TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT;

-- Sessions and runs -------------------------------------------------------------------------------------------------------------------

CREATE TABLE sessions (
    id            TEXT    NOT NULL PRIMARY KEY,
    owner         TEXT    NOT NULL,
    agent_type    TEXT    NOT NULL,
    working_dir   TEXT    NOT NULL,
    -- The agent's own id of the conversation
    agent_session TEXT,
    -- The title that the agent gave the conversation
    title         TEXT,
    -- The run that the session started with. A fresh workspace is named after it and is removed with the session.
    first_run     TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    -- Size of the fresh workspace when it was measured last; NULL if there is none, or if it was emptied
    workspace_bytes INTEGER,
    -- The workspace is not considered for removal again before workspaces unused since this time are removed; NULL if it was not kept
    workspace_kept_until INTEGER,
    -- Number of runs that ended since it was measured
    unmeasured      INTEGER NOT NULL DEFAULT 0,
    -- Keyed digest of the client's chat that the session belongs to, or of what was said in it so far; NULL if there is none
    chat            BLOB
) STRICT;

CREATE INDEX sessions_by_owner ON sessions (owner, id);
CREATE INDEX sessions_by_conversation ON sessions (agent_session, agent_type) WHERE agent_session IS NOT NULL;
CREATE INDEX sessions_by_chat ON sessions (owner, chat) WHERE chat IS NOT NULL;
CREATE INDEX sessions_unmeasured ON sessions (id) WHERE unmeasured > 0;
-- For retention: sessions with a workspace to empty.
CREATE INDEX sessions_with_workspace ON sessions (created_at, id) WHERE workspace_bytes IS NOT NULL;

CREATE TRIGGER sessions_added AFTER INSERT ON sessions
BEGIN
    INSERT INTO quota_use (owner, sessions, workspace_bytes) VALUES (NEW.owner, 1, coalesce(NEW.workspace_bytes, 0))
        ON CONFLICT (owner) DO UPDATE SET sessions = sessions + 1, workspace_bytes = workspace_bytes + excluded.workspace_bytes;
END;

CREATE TRIGGER sessions_removed AFTER DELETE ON sessions
BEGIN
    UPDATE quota_use SET sessions = max(0, max(0, sessions) - 1),
            workspace_bytes = max(0, max(0, workspace_bytes) - max(0, min(coalesce(OLD.workspace_bytes, 0), 1 << 53)))
        WHERE owner = OLD.owner;
END;

CREATE TRIGGER sessions_measured AFTER UPDATE OF workspace_bytes ON sessions
BEGIN
    UPDATE quota_use SET workspace_bytes = max(0, max(0, workspace_bytes)
            + max(0, min(coalesce(NEW.workspace_bytes, 0), 1 << 53)) - max(0, min(coalesce(OLD.workspace_bytes, 0), 1 << 53)))
        WHERE owner = OLD.owner;
END;

CREATE TABLE runs (
    id         TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL REFERENCES sessions (id),
    owner      TEXT    NOT NULL,
    agent_type TEXT    NOT NULL,
    -- The model that the agent reported
    model      TEXT,
    status     TEXT    NOT NULL,
    -- The request, without the values of environment variables and MCP servers
    spec       TEXT    NOT NULL,
    -- Arguments that extend what the agent is allowed to do
    widened    TEXT    NOT NULL,
    -- The lease under which the run may be changed: the node that holds it, and how often it was taken
    node_id    TEXT    NOT NULL,
    epoch      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Set before the agent's program is started: from then on it may have run
    launched_at INTEGER,
    -- Until when the run waits for a limit of the model's provider to reset, if it does
    waits_until INTEGER,
    started_at INTEGER,
    ended_at   INTEGER,
    -- Number of the last event
    last_seq   INTEGER NOT NULL,
    -- Size of the values in this row and of the events, without what retention removed
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    -- Size of the agent's output in the run's directory, and whether retention has left it there
    output_bytes INTEGER NOT NULL DEFAULT 0,
    output_kept  INTEGER NOT NULL DEFAULT 1,
    -- How much of the agent's output the stored events cover; NULL while they cover none
    checkpoint TEXT,
    -- Text that is withheld because it may be the beginning of a secret, as lengths and digests
    withheld   TEXT,
    -- The content of the `done` event
    done       TEXT,
    -- Number of the last event that retention removed from the log; 0 if it removed none
    trimmed_to INTEGER NOT NULL DEFAULT 0,
    -- When retention finished removing all but the end of the log
    trimmed_at INTEGER
) STRICT;

CREATE INDEX runs_by_owner ON runs (owner, id);
CREATE INDEX runs_by_session ON runs (session_id, id);
CREATE INDEX runs_unfinished ON runs (id) WHERE ended_at IS NULL;
-- For retention: ended runs, and those with a log to trim, in the order of their ends.
CREATE INDEX runs_by_end ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_with_output ON runs (ended_at, id) WHERE ended_at IS NOT NULL AND output_kept = 1;
CREATE INDEX runs_untrimmed ON runs (ended_at, id) WHERE ended_at IS NOT NULL AND trimmed_at IS NULL;

CREATE TRIGGER runs_added AFTER INSERT ON runs
BEGIN
    INSERT INTO quota_use (owner, runs, stored_bytes) VALUES (NEW.owner, 1, NEW.stored_bytes + NEW.output_bytes)
        ON CONFLICT (owner) DO UPDATE SET runs = runs + 1, stored_bytes = stored_bytes + excluded.stored_bytes;
END;

CREATE TRIGGER runs_removed AFTER DELETE ON runs
BEGIN
    UPDATE quota_use SET runs = max(0, max(0, runs) - 1), stored_bytes = max(0, max(0, stored_bytes)
            - max(0, min(OLD.stored_bytes, 1 << 53)) - max(0, min(OLD.output_bytes, 1 << 53)))
        WHERE owner = OLD.owner;
END;

CREATE TRIGGER runs_grown AFTER UPDATE OF stored_bytes, output_bytes ON runs
    WHEN NEW.stored_bytes <> OLD.stored_bytes OR NEW.output_bytes <> OLD.output_bytes
BEGIN
    UPDATE quota_use SET stored_bytes = max(0, max(0, stored_bytes)
            + max(0, min(NEW.stored_bytes, 1 << 53)) + max(0, min(NEW.output_bytes, 1 << 53))
            - max(0, min(OLD.stored_bytes, 1 << 53)) - max(0, min(OLD.output_bytes, 1 << 53)))
        WHERE owner = OLD.owner;
END;

-- Batches of events: one JSON object per line, numbered from first_seq to last_seq without gaps. No foreign key: the events of a deleted run
-- are removed in steps, see deleted_runs.
CREATE TABLE event_chunks (
    run_id    TEXT    NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    -- CRC-32 of the body
    crc32     INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    UNIQUE (run_id, first_seq)
) STRICT;

-- Content of the images and files that runs are given with their prompts and with further messages, in their order. It counts towards the
-- `stored_bytes` of the run.
CREATE TABLE attachments (
    run_id   TEXT    NOT NULL,
    -- 0 for the prompt, then the number of the message among those of the run with attachments
    message  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    content  BLOB    NOT NULL,
    UNIQUE (run_id, message, position)
) STRICT;

-- What runs have changed in their working directories.
CREATE TABLE run_changes (
    run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    -- Snapshots and, after the end, the changed files, as JSON
    record TEXT NOT NULL,
    -- The patch after the end, compressed with gzip. NULL: too large, or trimmed
    patch  BLOB
) STRICT;

-- The text of each run that searches look at: the beginning of the prompt, labels, the working directory and the beginning of the answer, all
-- in lower case. Ids ascend in the order in which runs were stored. Rows are removed together with their runs.
CREATE TABLE search_texts (
    id     INTEGER NOT NULL PRIMARY KEY,
    run_id TEXT    NOT NULL UNIQUE,
    owner  TEXT    NOT NULL,
    text   TEXT    NOT NULL
) STRICT;

CREATE INDEX search_texts_by_owner ON search_texts (owner, id);

-- Its index. Every three consecutive characters are a token, so that parts of words and text without spaces between words are found.
CREATE VIRTUAL TABLE search_index USING fts5 (text, content = 'search_texts', content_rowid = 'id', columnsize = 0,
    tokenize = 'trigram case_sensitive 1');

-- Requests that were carried out under an idempotency key. No foreign key: the keys of a deleted run are removed in steps, see deleted_runs;
-- until then they count as unused.
CREATE TABLE idempotency (
    owner       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    -- Hash of the request
    fingerprint BLOB    NOT NULL,
    run_id      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT;

CREATE INDEX idempotency_by_run ON idempotency (run_id);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- Runs that were deleted, whose events and idempotency keys are still to be removed, also after a crash.
CREATE TABLE deleted_runs (
    run_id TEXT NOT NULL PRIMARY KEY
) STRICT;

-- Runs whose directories on disk are to be removed, also after a crash.
CREATE TABLE pending_removals (
    run_id    TEXT    NOT NULL PRIMARY KEY,
    -- 1: the session that started with the run is deleted, and its fresh workspace goes too; 0: only the agent's output goes
    workspace INTEGER NOT NULL
) STRICT;

-- Runs that were live when the backup was made from which this database was restored. Their agents do not belong to this server.
CREATE TABLE orphans (
    run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE
) STRICT;

-- Usage -------------------------------------------------------------------------------------------------------------------------------

-- Usage per run and day on which it was reported; the outcome counts on the day of the end. It has no foreign keys: usage stays when its
-- run, session or user is deleted.
CREATE TABLE usage (
    run_id             TEXT    NOT NULL,
    day                TEXT    NOT NULL,
    session_id         TEXT    NOT NULL,
    owner              TEXT    NOT NULL,
    agent_type         TEXT    NOT NULL,
    -- Empty if neither the request nor the agent named a model
    model              TEXT    NOT NULL,
    -- Number of runs that ended, by status
    completed          INTEGER NOT NULL,
    failed             INTEGER NOT NULL,
    cancelled          INTEGER NOT NULL,
    timed_out          INTEGER NOT NULL,
    interrupted        INTEGER NOT NULL,
    -- Number of ended runs that reported tokens but no cost
    unpriced           INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL,
    -- NULL if no cost was reported
    cost_micros        INTEGER,
    -- Whether a part of the cost is computed from list prices
    is_estimate        INTEGER NOT NULL,
    PRIMARY KEY (run_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_session ON usage (session_id);
CREATE INDEX usage_by_owner ON usage (owner, run_id);

-- The same, summed over runs, so that reports over long periods read few rows.
CREATE TABLE usage_by_day (
    day                TEXT    NOT NULL,
    owner              TEXT    NOT NULL,
    agent_type         TEXT    NOT NULL,
    model              TEXT    NOT NULL,
    completed          INTEGER NOT NULL,
    failed             INTEGER NOT NULL,
    cancelled          INTEGER NOT NULL,
    timed_out          INTEGER NOT NULL,
    interrupted        INTEGER NOT NULL,
    unpriced           INTEGER NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens   INTEGER NOT NULL,
    cost_micros        INTEGER,
    is_estimate        INTEGER NOT NULL,
    PRIMARY KEY (owner, day, agent_type, model)
) STRICT, WITHOUT ROWID;

-- Webhooks ----------------------------------------------------------------------------------------------------------------------------

-- Endpoints that the events of a run are sent to, created together with the run.
CREATE TABLE webhooks (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id          TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- NULL: the endpoint in the server's settings
    url             TEXT,
    -- Needed in clear text to sign requests after a restart. It is never shown. NULL: the secret in the server's settings.
    secret          TEXT,
    -- NULL: the default events
    events          TEXT,
    -- `active`, `done` or `abandoned`
    status          TEXT    NOT NULL,
    -- Number of the last event that was delivered or skipped
    cursor          INTEGER NOT NULL,
    -- Failed attempts for the next event, and when it is retried
    attempts        INTEGER NOT NULL,
    next_attempt_at INTEGER
) STRICT;

CREATE INDEX webhooks_by_run ON webhooks (run_id);
CREATE INDEX webhooks_active ON webhooks (id) WHERE status = 'active';

-- Deliveries: one row per endpoint and event.
CREATE TABLE webhook_deliveries (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    webhook_id      INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message_id      TEXT    NOT NULL,
    seq             INTEGER NOT NULL,
    event           TEXT    NOT NULL,
    host            TEXT    NOT NULL,
    -- `pending`, `delivered` or `failed`
    status          TEXT    NOT NULL,
    attempts        INTEGER NOT NULL,
    -- HTTP status and error of the last attempt
    http_status     INTEGER,
    error           TEXT,
    last_attempt_at INTEGER NOT NULL,
    next_attempt_at INTEGER,
    UNIQUE (webhook_id, seq)
) STRICT;

CREATE INDEX webhook_deliveries_by_message ON webhook_deliveries (message_id);
