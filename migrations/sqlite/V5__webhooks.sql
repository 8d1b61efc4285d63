-- Where the events of a run are sent: one row for each place, made together with the run. A place without an address of its own is the
-- server's, which its settings name. The secret is needed to sign what is sent after a restart; it is shown nowhere.
CREATE TABLE webhooks (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id   TEXT    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    url      TEXT,
    secret   TEXT,
    events   TEXT,
    -- active, done or given_up
    state    TEXT    NOT NULL,
    -- Number of the last event that was taken, or passed over.
    cursor   INTEGER NOT NULL,
    -- How often the next one was tried in vain, and when it is tried again.
    attempts INTEGER NOT NULL,
    next_at  INTEGER
) STRICT;

CREATE INDEX webhooks_by_run ON webhooks (run_id);
CREATE INDEX webhooks_active ON webhooks (id) WHERE state = 'active';

-- What was sent, or tried to be: one row for each event and place.
CREATE TABLE webhook_deliveries (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    message_id TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    host       TEXT    NOT NULL,
    -- pending, delivered or failed
    state      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    -- Of the last attempt.
    status     INTEGER,
    error      TEXT,
    last_at    INTEGER NOT NULL,
    next_at    INTEGER,
    UNIQUE (webhook_id, seq)
) STRICT;
