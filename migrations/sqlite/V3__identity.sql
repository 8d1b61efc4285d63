-- Users that were removed, so that one who is made later under the same name does not inherit tokens that are still about.
CREATE TABLE former_users (
    name       TEXT    NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT;

-- Tokens that were logged out and have time left. A row is of no use any more once its token would have ended anyway.
CREATE TABLE revoked_tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;

-- Keys of programs. The key itself is nowhere; `hash` is its SHA-256. A user's keys go with the user.
CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    owner        TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL,
    scopes       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT;

CREATE INDEX api_keys_by_owner ON api_keys (owner, id);
-- A key is looked up by the beginning of its hash; the whole is compared by the program, in constant time.
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (substr(hash, 1, 8));

-- Who did what. Names and ids stay when what they name is gone, so nothing here refers to another table.
CREATE TABLE audit (
    id          INTEGER NOT NULL PRIMARY KEY,
    at          INTEGER NOT NULL,
    user        TEXT,
    key_id      TEXT,
    address     TEXT,
    action      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    run_id      TEXT,
    target_user TEXT,
    target_key  TEXT,
    detail      TEXT
) STRICT;

CREATE INDEX audit_by_user ON audit (user, id);
CREATE INDEX audit_by_run ON audit (run_id, id) WHERE run_id IS NOT NULL;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;

-- INSERT OR REPLACE takes a row away without asking the trigger above.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
