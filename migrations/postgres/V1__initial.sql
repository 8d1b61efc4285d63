-- Conventions: times are milliseconds since the Unix epoch in UTC, days are `YYYY-MM-DD` in UTC, and money is in millionths of a US dollar.
-- Columns named `spec`, `done`, `checkpoint`, `withheld`, `widened`, `scopes`, `defaults`, `events` and `working_dir` hold JSON as text: JSON types
-- refuse escaped NUL characters. All text is compared by its bytes, as SQLite does.

-- Users -------------------------------------------------------------------------------------------------------------------------------

-- What a user owns refers to the id, in columns named `owner` and `user_id`, never to the name: a removed user's name may be given to another
-- user.
CREATE TABLE users (
    id                  text COLLATE "C"    NOT NULL PRIMARY KEY,
    name                text COLLATE "C"    NOT NULL UNIQUE,
    -- `admin` or `user`
    role                text COLLATE "C"    NOT NULL,
    -- Argon2id in PHC format
    password_hash       text COLLATE "C"    NOT NULL,
    -- Whether the password is the documented default, which works only from this machine
    default_password    boolean NOT NULL,
    -- Incremented when a password is set. Tokens of earlier generations are invalid.
    generation          bigint  NOT NULL,
    -- Daily budget. NULL: the server's setting applies; -1: unlimited.
    tokens_per_day      bigint,
    cost_per_day_micros bigint,
    -- Limits of each run, in the same way
    tokens_per_run      bigint,
    cost_per_run_micros bigint,
    turns_per_run       bigint,
    -- Quotas, in the same way
    quota_stored_bytes    bigint,
    quota_workspace_bytes bigint,
    quota_runs            bigint,
    quota_sessions        bigint,
    quota_keys            bigint
);

-- What each user keeps, for quotas. Triggers below keep the sums. A row stays when its user is deleted, since runs stay.
CREATE TABLE quota_use (
    owner           text COLLATE "C"    NOT NULL PRIMARY KEY,
    -- Rows of ended runs, their events, and the output of their agents. Those of live runs are in `run_leases`, so that nodes that append to
    -- runs of one user do not wait for each other.
    stored_bytes    bigint  NOT NULL DEFAULT 0,
    -- Fresh workspaces, as measured last
    workspace_bytes bigint  NOT NULL DEFAULT 0,
    runs            bigint  NOT NULL DEFAULT 0,
    sessions        bigint  NOT NULL DEFAULT 0,
    keys            bigint  NOT NULL DEFAULT 0
);

-- Adds to what a user keeps.
CREATE FUNCTION quota_add(of_owner text, bytes bigint, workspace bigint, added_runs bigint, added_sessions bigint, added_keys bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO quota_use AS q (owner, stored_bytes, workspace_bytes, runs, sessions, keys)
        VALUES (of_owner, greatest(0, bytes), greatest(0, workspace), greatest(0, added_runs), greatest(0, added_sessions),
                greatest(0, added_keys))
        ON CONFLICT (owner) DO UPDATE SET stored_bytes = greatest(0, q.stored_bytes + bytes),
            workspace_bytes = greatest(0, q.workspace_bytes + workspace), runs = greatest(0, q.runs + added_runs),
            sessions = greatest(0, q.sessions + added_sessions), keys = greatest(0, q.keys + added_keys)
$$;

-- Removed users. Admins see their runs, sessions, usage and audit entries under these names.
CREATE TABLE former_users (
    id   text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL
);

CREATE INDEX former_users_by_name ON former_users (name);

CREATE VIEW user_names AS SELECT id, name FROM users UNION ALL SELECT id, name FROM former_users;

-- Tokens that were logged out before they expired. A row is obsolete once its token has expired.
CREATE TABLE revoked_tokens (
    id         text COLLATE "C"   NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL
);

-- API keys. The key itself is not stored.
CREATE TABLE api_keys (
    id           text COLLATE "C"   NOT NULL PRIMARY KEY,
    owner        text COLLATE "C"   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         text COLLATE "C"   NOT NULL,
    -- SHA-256 of the key
    hash         bytea  NOT NULL,
    scopes       text COLLATE "C"   NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint,
    last_used_at bigint,
    -- What requests get unless they state it themselves, as JSON
    defaults     text COLLATE "C"   NOT NULL
);

CREATE INDEX api_keys_by_owner ON api_keys (owner, id);
-- A key is looked up by the first 8 bytes of its hash. The program compares the rest in constant time.
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (substr(hash, 1, 8));

CREATE FUNCTION api_keys_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM quota_add(NEW.owner, 0, 0, 0, 0, 1);
    ELSE
        PERFORM quota_add(OLD.owner, 0, 0, 0, 0, -1);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER api_keys_counted AFTER INSERT OR DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_keys_counted();

-- Profiles that admins store through the API. Unlike those of runs, the settings of their MCP servers are stored.
CREATE TABLE profiles (
    name       text COLLATE "C"   NOT NULL PRIMARY KEY,
    spec       text COLLATE "C"   NOT NULL,
    updated_at bigint NOT NULL
);

-- Audit log. It has no foreign keys: names and ids stay when what they refer to is deleted.
CREATE TABLE audit (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    created_at      bigint NOT NULL,
    user_id         text COLLATE "C",
    username        text COLLATE "C",
    key_id          text COLLATE "C",
    address         text COLLATE "C",
    action          text COLLATE "C"   NOT NULL,
    -- `ok`, or the code of the error
    outcome         text COLLATE "C"   NOT NULL,
    run_id          text COLLATE "C",
    target_user_id  text COLLATE "C",
    target_username text COLLATE "C",
    target_key_id   text COLLATE "C",
    detail          text COLLATE "C"
);

CREATE INDEX audit_by_username ON audit (username, id);
CREATE INDEX audit_by_run ON audit (run_id, id) WHERE run_id IS NOT NULL;
-- For retention
CREATE INDEX audit_by_time ON audit (created_at, id);

-- The only entries of the audit log that can be removed: those from before this time. One row.
CREATE TABLE audit_retention (
    one_row          boolean NOT NULL PRIMARY KEY DEFAULT TRUE CHECK (one_row),
    removable_before bigint  NOT NULL
);

INSERT INTO audit_retention (removable_before) VALUES (0);

-- A day ago, in milliseconds.
CREATE FUNCTION day_ago() RETURNS bigint LANGUAGE sql AS $$
    SELECT (floor(extract(epoch FROM clock_timestamp()))::bigint - 86400) * 1000
$$;

CREATE FUNCTION audit_retention_keeps_a_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.removable_before > day_ago() THEN
        RAISE EXCEPTION 'the audit log keeps the entries of the last day';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_retention_keeps_a_day BEFORE UPDATE ON audit_retention
FOR EACH ROW EXECUTE FUNCTION audit_retention_keeps_a_day();

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.created_at < (SELECT removable_before FROM audit_retention) AND OLD.id < (SELECT max(id) FROM audit) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- Nodes -------------------------------------------------------------------------------------------------------------------------------

-- The server that works on this database; one row.
CREATE TABLE nodes (
    id         text COLLATE "C"   NOT NULL PRIMARY KEY,
    created_at bigint NOT NULL,
    -- Changes when a server starts. A server that lost its connection and finds another value here was replaced, and stops writing.
    instance   text COLLATE "C"
);

-- Sessions and runs -------------------------------------------------------------------------------------------------------------------

CREATE TABLE sessions (
    id            text COLLATE "C"   NOT NULL PRIMARY KEY,
    owner         text COLLATE "C"   NOT NULL,
    agent_type    text COLLATE "C"   NOT NULL,
    working_dir   text COLLATE "C"   NOT NULL,
    -- The agent's own id of the conversation
    agent_session text COLLATE "C",
    -- The title that the agent gave the conversation
    title         text COLLATE "C",
    -- The run that the session started with. A fresh workspace is named after it and is removed with the session.
    first_run     text COLLATE "C"   NOT NULL,
    created_at    bigint NOT NULL,
    -- Size of the fresh workspace when it was measured last; NULL if there is none, or if it was emptied
    workspace_bytes bigint,
    -- Number of runs that ended since it was measured
    unmeasured      bigint NOT NULL DEFAULT 0,
    -- Until when retention keeps a workspace although it expired; NULL if it has not been kept
    workspace_kept_until bigint,
    -- Keyed digest of the client's chat that the session belongs to, or of what was said in it so far; NULL if there is none
    chat            bytea
);

CREATE INDEX sessions_by_owner ON sessions (owner, id);
CREATE INDEX sessions_by_conversation ON sessions (agent_session, agent_type) WHERE agent_session IS NOT NULL;
CREATE INDEX sessions_by_chat ON sessions (owner, chat) WHERE chat IS NOT NULL;
CREATE INDEX sessions_unmeasured ON sessions (id) WHERE unmeasured > 0;
-- For retention: sessions with a workspace to empty.
CREATE INDEX sessions_with_workspace ON sessions (created_at, id) WHERE workspace_bytes IS NOT NULL;

CREATE FUNCTION sessions_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM quota_add(NEW.owner, 0, coalesce(NEW.workspace_bytes, 0), 0, 1, 0);
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM quota_add(OLD.owner, 0, -coalesce(OLD.workspace_bytes, 0), 0, -1, 0);
    ELSE
        PERFORM quota_add(NEW.owner, 0, coalesce(NEW.workspace_bytes, 0) - coalesce(OLD.workspace_bytes, 0), 0, 0, 0);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER sessions_counted AFTER INSERT OR DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION sessions_counted();
CREATE TRIGGER sessions_measured AFTER UPDATE OF workspace_bytes ON sessions
FOR EACH ROW WHEN (NEW.workspace_bytes IS DISTINCT FROM OLD.workspace_bytes) EXECUTE FUNCTION sessions_counted();

CREATE TABLE runs (
    id         text COLLATE "C"   NOT NULL PRIMARY KEY,
    session_id text COLLATE "C"   NOT NULL REFERENCES sessions (id),
    owner      text COLLATE "C"   NOT NULL,
    agent_type text COLLATE "C"   NOT NULL,
    -- The model that the agent reported, and the one that was requested
    model      text COLLATE "C",
    requested_model text COLLATE "C",
    status     text COLLATE "C"   NOT NULL,
    -- The request, without the values of environment variables and MCP servers
    spec       text COLLATE "C"   NOT NULL,
    -- Its labels, each as a JSON array of name and value
    labels     text[] NOT NULL,
    -- Arguments that extend what the agent is allowed to do
    widened    text COLLATE "C"   NOT NULL,
    created_at bigint NOT NULL,
    -- Set before the agent's program is started: from then on it may have run
    launched_at bigint,
    -- Until when the run waits for a limit of the model's provider to reset, if it does
    waits_until bigint,
    started_at bigint,
    ended_at   bigint,
    -- Whether retention has left the agent's output in the run's directory
    output_kept boolean NOT NULL DEFAULT TRUE,
    -- The content of the `done` event
    done       text COLLATE "C",
    -- Number of the last event that retention removed from the log; 0 if it removed none
    trimmed_to bigint NOT NULL DEFAULT 0,
    -- When retention finished removing all but the end of the log
    trimmed_at bigint
);

CREATE INDEX runs_by_owner ON runs (owner, id);
CREATE INDEX runs_by_session ON runs (session_id, id);
CREATE INDEX runs_by_labels ON runs USING gin (labels);
CREATE INDEX runs_unfinished ON runs (id) WHERE ended_at IS NULL;
-- For retention: ended runs, and those with a log to trim, in the order of their ends.
CREATE INDEX runs_by_end ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_with_output ON runs (ended_at, id) WHERE ended_at IS NOT NULL AND output_kept;
CREATE INDEX runs_untrimmed ON runs (ended_at, id) WHERE ended_at IS NOT NULL AND trimmed_at IS NULL;

CREATE FUNCTION runs_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM quota_add(NEW.owner, 0, 0, 1, 0, 0);
    ELSE
        PERFORM quota_add(OLD.owner, 0, 0, -1, 0, 0);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_counted AFTER INSERT OR DELETE ON runs FOR EACH ROW EXECUTE FUNCTION runs_counted();

-- What changes with each batch of events, apart from the rest of a run's row, so that such an update writes one short row and no index.
CREATE TABLE run_leases (
    run_id  text COLLATE "C"    NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    owner   text COLLATE "C"    NOT NULL,
    -- The lease under which the run may be changed: the node that holds it, and how often it was taken. NULL: it does not expire.
    node_id text COLLATE "C"    NOT NULL,
    epoch   bigint  NOT NULL,
    lease_until bigint,
    -- Whether the run has ended: it changes no more
    ended   boolean NOT NULL DEFAULT FALSE,
    -- Number of the last event
    tip     bigint  NOT NULL,
    -- Size of the values in the run's row and of the events, without what retention removed
    stored_bytes bigint NOT NULL DEFAULT 0,
    -- Size of the agent's output in the run's directory
    output_bytes bigint NOT NULL DEFAULT 0,
    -- How much of the agent's output the stored events cover; NULL while they cover none
    checkpoint text COLLATE "C",
    -- Text that is withheld because it may be the beginning of a secret, as lengths and digests
    withheld   text COLLATE "C"
) WITH (fillfactor = 50);

CREATE INDEX run_leases_live ON run_leases (owner) WHERE NOT ended;

CREATE FUNCTION run_leases_counted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change bigint := 0;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.ended THEN
        change := -(OLD.stored_bytes + OLD.output_bytes);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.ended THEN
        change := change + NEW.stored_bytes + NEW.output_bytes;
    END IF;
    IF change <> 0 THEN
        PERFORM quota_add(CASE WHEN TG_OP = 'DELETE' THEN OLD.owner ELSE NEW.owner END, change, 0, 0, 0, 0);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER run_leases_added AFTER INSERT ON run_leases FOR EACH ROW WHEN (NEW.ended) EXECUTE FUNCTION run_leases_counted();
CREATE TRIGGER run_leases_removed AFTER DELETE ON run_leases FOR EACH ROW WHEN (OLD.ended) EXECUTE FUNCTION run_leases_counted();
CREATE TRIGGER run_leases_changed AFTER UPDATE ON run_leases
FOR EACH ROW WHEN (OLD.ended OR NEW.ended) EXECUTE FUNCTION run_leases_counted();

-- Batches of events: one JSON object per line, numbered from first_seq to last_seq without gaps. No foreign key: the events of a deleted run
-- are removed in steps, see deleted_runs.
CREATE TABLE event_chunks (
    run_id    text COLLATE "C"   NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL,
    -- CRC-32 of the body
    crc32     bigint NOT NULL,
    body      bytea  NOT NULL,
    PRIMARY KEY (run_id, first_seq)
);

-- Compressing each chunk would cost more than it saves.
ALTER TABLE event_chunks ALTER COLUMN body SET STORAGE EXTERNAL;

-- Content of the images and files that runs are given with their prompts and with further messages, in their order. It counts towards the
-- `stored_bytes` of the run.
CREATE TABLE attachments (
    run_id   text COLLATE "C"   NOT NULL,
    -- 0 for the prompt, then the number of the message among those of the run with attachments
    message  bigint NOT NULL,
    position bigint NOT NULL,
    content  bytea  NOT NULL,
    PRIMARY KEY (run_id, message, position)
);

ALTER TABLE attachments ALTER COLUMN content SET STORAGE EXTERNAL;

-- What runs have changed in their working directories.
CREATE TABLE run_changes (
    run_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    -- Snapshots and, after the end, the changed files, as JSON
    record text COLLATE "C" NOT NULL,
    -- The patch after the end, compressed with gzip. NULL: too large, or trimmed
    patch  bytea
);

ALTER TABLE run_changes ALTER COLUMN patch SET STORAGE EXTERNAL;

-- The text of each run that searches look at: the beginning of the prompt, labels, the working directory and the beginning of the answer, all
-- in lower case. Ids ascend in the order in which runs were stored. Rows are removed together with their runs.
CREATE TABLE search_texts (
    id     bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL UNIQUE,
    owner  text COLLATE "C" NOT NULL,
    text   text COLLATE "C" NOT NULL
);

CREATE INDEX search_texts_by_owner ON search_texts (owner, id);

-- Requests that were carried out under an idempotency key. No foreign key: the keys of a deleted run are removed in steps, see deleted_runs;
-- until then they count as unused.
CREATE TABLE idempotency (
    owner       text COLLATE "C"   NOT NULL,
    key         text COLLATE "C"   NOT NULL,
    -- Hash of the request
    fingerprint bytea  NOT NULL,
    run_id      text COLLATE "C"   NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (owner, key)
);

CREATE INDEX idempotency_by_run ON idempotency (run_id);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- Runs that were deleted, whose events and idempotency keys are still to be removed, also after a crash.
CREATE TABLE deleted_runs (
    run_id       text COLLATE "C"   NOT NULL PRIMARY KEY,
    -- Size of what is still to be removed
    stored_bytes bigint NOT NULL DEFAULT 0
);

-- Runs whose directories on disk are to be removed, also after a crash.
CREATE TABLE pending_removals (
    run_id    text COLLATE "C"    NOT NULL PRIMARY KEY,
    -- TRUE: the session that started with the run is deleted, and its fresh workspace goes too; FALSE: only the agent's output goes
    workspace boolean NOT NULL
);

-- Runs that were live when the backup was made from which this database was restored. Their agents do not belong to this server.
CREATE TABLE orphans (
    run_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE
);

-- Size of what was removed since the tables were vacuumed last. One row.
CREATE TABLE store_space (
    one_row boolean NOT NULL PRIMARY KEY DEFAULT TRUE CHECK (one_row),
    freed   bigint  NOT NULL
);

INSERT INTO store_space (freed) VALUES (0);

-- Usage -------------------------------------------------------------------------------------------------------------------------------

-- Usage per run and day on which it was reported; the outcome counts on the day of the end. It has no foreign keys: usage stays when its
-- run, session or user is deleted.
CREATE TABLE usage (
    run_id             text COLLATE "C"    NOT NULL,
    day                text COLLATE "C"    NOT NULL,
    session_id         text COLLATE "C"    NOT NULL,
    owner              text COLLATE "C"    NOT NULL,
    agent_type         text COLLATE "C"    NOT NULL,
    -- Empty if neither the request nor the agent named a model
    model              text COLLATE "C"    NOT NULL,
    -- Number of runs that ended, by status
    completed          bigint  NOT NULL,
    failed             bigint  NOT NULL,
    cancelled          bigint  NOT NULL,
    timed_out          bigint  NOT NULL,
    interrupted        bigint  NOT NULL,
    -- Number of ended runs that reported tokens but no cost
    unpriced           bigint  NOT NULL,
    input_tokens       bigint  NOT NULL,
    output_tokens      bigint  NOT NULL,
    cache_read_tokens  bigint  NOT NULL,
    cache_write_tokens bigint  NOT NULL,
    reasoning_tokens   bigint  NOT NULL,
    -- NULL if no cost was reported
    cost_micros        bigint,
    -- Whether a part of the cost is computed from list prices
    is_estimate        boolean NOT NULL,
    PRIMARY KEY (run_id, day)
);

CREATE INDEX usage_by_session ON usage (session_id);
CREATE INDEX usage_by_owner ON usage (owner, run_id);

-- The same, summed over runs, so that reports over long periods read few rows.
CREATE TABLE usage_by_day (
    day                text COLLATE "C"    NOT NULL,
    owner              text COLLATE "C"    NOT NULL,
    agent_type         text COLLATE "C"    NOT NULL,
    model              text COLLATE "C"    NOT NULL,
    completed          bigint  NOT NULL,
    failed             bigint  NOT NULL,
    cancelled          bigint  NOT NULL,
    timed_out          bigint  NOT NULL,
    interrupted        bigint  NOT NULL,
    unpriced           bigint  NOT NULL,
    input_tokens       bigint  NOT NULL,
    output_tokens      bigint  NOT NULL,
    cache_read_tokens  bigint  NOT NULL,
    cache_write_tokens bigint  NOT NULL,
    reasoning_tokens   bigint  NOT NULL,
    cost_micros        bigint,
    is_estimate        boolean NOT NULL,
    PRIMARY KEY (owner, day, agent_type, model)
);

-- Webhooks ----------------------------------------------------------------------------------------------------------------------------

-- Endpoints that the events of a run are sent to, created together with the run.
CREATE TABLE webhooks (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    run_id          text COLLATE "C"   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- NULL: the endpoint in the server's settings
    url             text COLLATE "C",
    -- Needed in clear text to sign requests after a restart. It is never shown. NULL: the secret in the server's settings.
    secret          text COLLATE "C",
    -- NULL: the default events
    events          text COLLATE "C",
    -- `active`, `done` or `abandoned`
    status          text COLLATE "C"   NOT NULL,
    -- Number of the last event that was delivered or skipped
    cursor          bigint NOT NULL,
    -- Failed attempts for the next event, and when it is retried
    attempts        bigint NOT NULL,
    next_attempt_at bigint
);

CREATE INDEX webhooks_by_run ON webhooks (run_id);
CREATE INDEX webhooks_active ON webhooks (id) WHERE status = 'active';

-- Deliveries: one row per endpoint and event.
CREATE TABLE webhook_deliveries (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    webhook_id      bigint NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message_id      text COLLATE "C"   NOT NULL,
    seq             bigint NOT NULL,
    event           text COLLATE "C"   NOT NULL,
    host            text COLLATE "C"   NOT NULL,
    -- `pending`, `delivered` or `failed`
    status          text COLLATE "C"   NOT NULL,
    attempts        bigint NOT NULL,
    -- HTTP status and error of the last attempt
    http_status     bigint,
    error           text COLLATE "C",
    last_attempt_at bigint NOT NULL,
    next_attempt_at bigint,
    UNIQUE (webhook_id, seq)
);

CREATE INDEX webhook_deliveries_by_message ON webhook_deliveries (message_id);

-- Functions of the store --------------------------------------------------------------------------------------------------------------

-- Records an idempotency key for a run. Fails with OR001 if it was used before; an earlier use that is still there is that of a deleted run.
CREATE FUNCTION claim_key(of_owner text, the_key text, hash bytea, for_run text, at bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO idempotency AS i (owner, key, fingerprint, run_id, created_at) VALUES (of_owner, the_key, hash, for_run, at)
        ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint, run_id = excluded.run_id, created_at = excluded.created_at
        WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = i.run_id);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the idempotency key was used before' USING ERRCODE = 'OR001';
    END IF;
END
$$;

-- Adds entries of the audit log, given as the values of their columns one after the other.
CREATE FUNCTION add_audit(entries text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audit (created_at, user_id, username, key_id, address, action, outcome, run_id, target_user_id, target_username,
                       target_key_id, detail)
    SELECT entries[n]::bigint, entries[n + 1], entries[n + 2], entries[n + 3], entries[n + 4], entries[n + 5], entries[n + 6],
           entries[n + 7], entries[n + 8], entries[n + 9], entries[n + 10], entries[n + 11]
    FROM generate_series(1, coalesce(array_length(entries, 1), 0), 12) AS n ORDER BY n
$$;

-- Counts the total usage that a run reported at this day, and its final status. Only what exceeds the usage counted before is added. Tokens:
-- input, output, cache read, cache write, reasoning; NULL if nothing was reported.
CREATE FUNCTION record_usage(of_run text, on_day text, tokens bigint[], cost bigint, estimate boolean, outcome text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    known       record;
    added       bigint[] := '{0,0,0,0,0}';
    added_cost  bigint;
    of          record;
    is_unpriced bigint := (outcome IS NOT NULL AND tokens IS NOT NULL AND cost IS NULL)::int;
    most        CONSTANT bigint := 9007199254740991;
BEGIN
    SELECT coalesce(sum(input_tokens), 0) AS i, coalesce(sum(output_tokens), 0) AS o, coalesce(sum(cache_read_tokens), 0) AS r,
           coalesce(sum(cache_write_tokens), 0) AS w, coalesce(sum(reasoning_tokens), 0) AS t, sum(cost_micros) AS c
        INTO known FROM usage WHERE run_id = of_run;
    IF tokens IS NOT NULL THEN
        added := ARRAY[greatest(0, tokens[1] - known.i), greatest(0, tokens[2] - known.o), greatest(0, tokens[3] - known.r),
                       greatest(0, tokens[4] - known.w), greatest(0, tokens[5] - known.t)];
    END IF;
    added_cost := greatest(0, cost - coalesce(known.c, 0));
    -- An unchanged cost is not new.
    IF added_cost = 0 AND known.c IS NOT NULL OR cost IS NULL THEN
        added_cost := NULL;
    END IF;
    IF outcome IS NULL AND added = '{0,0,0,0,0}' AND added_cost IS NULL THEN
        RETURN;
    END IF;
    SELECT session_id, owner, agent_type, coalesce(model, requested_model, '') AS model INTO of FROM runs WHERE id = of_run;
    INSERT INTO usage AS u VALUES (of_run, on_day, of.session_id, of.owner, of.agent_type, of.model,
            coalesce((outcome = 'completed')::int, 0), coalesce((outcome = 'failed')::int, 0), coalesce((outcome = 'cancelled')::int, 0),
            coalesce((outcome = 'timed_out')::int, 0), coalesce((outcome = 'interrupted')::int, 0), is_unpriced,
            added[1], added[2], added[3], added[4], added[5], added_cost, added_cost IS NOT NULL AND estimate)
        ON CONFLICT (run_id, day) DO UPDATE SET
            completed = least(u.completed + excluded.completed, most), failed = least(u.failed + excluded.failed, most),
            cancelled = least(u.cancelled + excluded.cancelled, most), timed_out = least(u.timed_out + excluded.timed_out, most),
            interrupted = least(u.interrupted + excluded.interrupted, most), unpriced = least(u.unpriced + excluded.unpriced, most),
            input_tokens = least(u.input_tokens + excluded.input_tokens, most),
            output_tokens = least(u.output_tokens + excluded.output_tokens, most),
            cache_read_tokens = least(u.cache_read_tokens + excluded.cache_read_tokens, most),
            cache_write_tokens = least(u.cache_write_tokens + excluded.cache_write_tokens, most),
            reasoning_tokens = least(u.reasoning_tokens + excluded.reasoning_tokens, most),
            cost_micros = CASE WHEN u.cost_micros IS NULL THEN excluded.cost_micros
                               ELSE least(u.cost_micros + coalesce(excluded.cost_micros, 0), most) END,
            is_estimate = u.is_estimate OR excluded.is_estimate;
    INSERT INTO usage_by_day AS u VALUES (on_day, of.owner, of.agent_type, of.model,
            coalesce((outcome = 'completed')::int, 0), coalesce((outcome = 'failed')::int, 0), coalesce((outcome = 'cancelled')::int, 0),
            coalesce((outcome = 'timed_out')::int, 0), coalesce((outcome = 'interrupted')::int, 0), is_unpriced,
            added[1], added[2], added[3], added[4], added[5], added_cost, added_cost IS NOT NULL AND estimate)
        ON CONFLICT (owner, day, agent_type, model) DO UPDATE SET
            completed = least(u.completed + excluded.completed, most), failed = least(u.failed + excluded.failed, most),
            cancelled = least(u.cancelled + excluded.cancelled, most), timed_out = least(u.timed_out + excluded.timed_out, most),
            interrupted = least(u.interrupted + excluded.interrupted, most), unpriced = least(u.unpriced + excluded.unpriced, most),
            input_tokens = least(u.input_tokens + excluded.input_tokens, most),
            output_tokens = least(u.output_tokens + excluded.output_tokens, most),
            cache_read_tokens = least(u.cache_read_tokens + excluded.cache_read_tokens, most),
            cache_write_tokens = least(u.cache_write_tokens + excluded.cache_write_tokens, most),
            reasoning_tokens = least(u.reasoning_tokens + excluded.reasoning_tokens, most),
            cost_micros = CASE WHEN u.cost_micros IS NULL THEN excluded.cost_micros
                               ELSE least(u.cost_micros + coalesce(excluded.cost_micros, 0), most) END,
            is_estimate = u.is_estimate OR excluded.is_estimate;
END
$$;

-- Appends to a log and changes the run, in one statement: a node that is suspended in the middle of a transaction would hold the lease.
-- Returns FALSE, and changes nothing, if the lease is void, the batch is not the next one, or the run has ended. NULL keeps a value.
CREATE FUNCTION append_and_change(
    of_run text, of_node text, of_epoch bigint, before bigint, last bigint, new_checkpoint text, new_withheld text, grown bigint,
    output bigint, firsts bigint[], lasts bigint[], crcs bigint[], bodies bytea[],
    new_status text, launched bigint, started bigint, wait text, wait_until bigint, conversation text, new_title text, new_model text,
    ended bigint, new_done text, answer text,
    usage_day text, tokens bigint[], cost bigint, estimate boolean, outcome text,
    key_owner text, the_key text, fingerprint bytea, key_at bigint, entries text[], new_record text, new_patch bytea,
    of_message bigint, contents bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    of_session text;
BEGIN
    UPDATE run_leases SET tip = coalesce(last, tip), checkpoint = CASE WHEN wait = 'parked' THEN NULL ELSE coalesce(new_checkpoint, checkpoint) END,
            withheld = coalesce(new_withheld, withheld), stored_bytes = stored_bytes + grown,
            output_bytes = coalesce(output, output_bytes), ended = append_and_change.ended IS NOT NULL
        WHERE run_id = of_run AND node_id = of_node AND epoch = of_epoch AND tip = coalesce(before, tip) AND NOT run_leases.ended;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE runs SET status = coalesce(new_status, status),
            launched_at = CASE WHEN wait = 'parked' THEN NULL ELSE coalesce(launched, launched_at) END,
            started_at = coalesce(started, started_at), model = coalesce(new_model, model),
            waits_until = CASE WHEN wait IS NULL THEN waits_until ELSE wait_until END,
            ended_at = append_and_change.ended, done = new_done
        WHERE id = of_run RETURNING session_id INTO of_session;
    IF conversation IS NOT NULL OR new_title IS NOT NULL OR append_and_change.ended IS NOT NULL THEN
        UPDATE sessions SET agent_session = coalesce(conversation, agent_session),
                title = CASE WHEN new_title IS NULL THEN title ELSE nullif(new_title, '') END,
                unmeasured = unmeasured + (append_and_change.ended IS NOT NULL AND workspace_bytes IS NOT NULL)::int
            WHERE id = of_session;
    END IF;
    IF new_record IS NOT NULL THEN
        INSERT INTO run_changes (run_id, record, patch) VALUES (of_run, new_record, new_patch)
            ON CONFLICT (run_id) DO UPDATE SET record = excluded.record, patch = excluded.patch;
    END IF;
    IF answer <> '' THEN
        UPDATE search_texts SET text = text || E'\n' || answer WHERE run_id = of_run;
    END IF;
    IF usage_day IS NOT NULL THEN
        PERFORM record_usage(of_run, usage_day, tokens, cost, estimate, outcome);
    END IF;
    INSERT INTO attachments (run_id, message, position, content)
        SELECT of_run, of_message, a.n - 1, a.c FROM unnest(contents) WITH ORDINALITY AS a (c, n)
        ON CONFLICT (run_id, message, position) DO UPDATE SET content = excluded.content;
    IF the_key IS NOT NULL THEN
        PERFORM claim_key(key_owner, the_key, append_and_change.fingerprint, of_run, key_at);
    END IF;
    INSERT INTO event_chunks (run_id, first_seq, last_seq, crc32, body)
        SELECT of_run, c.f, c.l, c.c, c.b FROM unnest(firsts, lasts, crcs, bodies) AS c (f, l, c, b);
    PERFORM add_audit(entries);
    RETURN TRUE;
END
$$;

-- The search index finds text also in the middle of words. Without the extension, searches read the texts of all runs.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXECUTE 'CREATE INDEX search_texts_by_text ON search_texts USING gin (text gin_trgm_ops)';
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'no index for searches: %', SQLERRM;
END
$$;
