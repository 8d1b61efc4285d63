CREATE TABLE users (
    name             TEXT    NOT NULL PRIMARY KEY,
    role             TEXT    NOT NULL,
    password_hash    TEXT    NOT NULL,
    default_password INTEGER NOT NULL,
    generation       INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id            TEXT    NOT NULL PRIMARY KEY,
    owner         TEXT    NOT NULL,
    agent_type    TEXT    NOT NULL,
    working_dir   TEXT    NOT NULL,
    agent_session TEXT,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_owner ON sessions (owner, id);

-- Requests that were carried out under a key of the caller's, so that the same one again is not.
CREATE TABLE idempotency (
    owner       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    run_id      TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT;

CREATE INDEX idempotency_by_run ON idempotency (run_id);

CREATE TABLE runs (
    id         TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL REFERENCES sessions (id),
    owner      TEXT    NOT NULL,
    agent_type TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    spec       TEXT    NOT NULL,
    widened    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    last_seq   INTEGER NOT NULL,
    done       TEXT
) STRICT;

CREATE INDEX runs_by_owner ON runs (owner, id);
CREATE INDEX runs_by_session ON runs (session_id, id);
CREATE INDEX runs_unfinished ON runs (id) WHERE ended_at IS NULL;

-- One row is one committed batch: one JSON object a line, numbered from first_seq to last_seq without gaps.
CREATE TABLE event_chunks (
    run_id    TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    crc32     INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    UNIQUE (run_id, first_seq)
) STRICT;
