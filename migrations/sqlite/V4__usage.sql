-- The model that a run's agent named when it was up.
ALTER TABLE runs ADD COLUMN model TEXT;

-- What a user may use in a day: NULL is as the server's settings have it, -1 is without a bound.
ALTER TABLE users ADD COLUMN tokens_per_day INTEGER;
ALTER TABLE users ADD COLUMN cost_per_day_micros INTEGER;

-- What each run has used, apart for each day (UTC) on which it was told, and on the day of its end how it ended. Names and ids stay when
-- what they name is gone, so nothing here refers to another table. Money is in millionths of a dollar, NULL while nobody has told any.
CREATE TABLE usage (
    run_id             TEXT    NOT NULL,
    day                TEXT    NOT NULL,
    session_id         TEXT    NOT NULL,
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
    PRIMARY KEY (run_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_of_sessions ON usage (session_id);
CREATE INDEX usage_of_owners ON usage (owner, run_id);

-- The same added up, so that a year of runs is a few rows for each of its days.
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

-- Runs of earlier releases count on the day of their end, as their last events tell. Of numbers that no model could have used, so many count
-- as can be added up.
INSERT INTO usage
SELECT id, coalesce(date(ended_at / 1000, 'unixepoch'), '1970-01-01'), session_id, owner, agent_type, coalesce(spec ->> '$.model', ''),
       status = 'completed', status = 'failed', status = 'cancelled', status = 'timed_out', status = 'interrupted',
       done ->> '$.usage' IS NOT NULL AND done ->> '$.usage.cost_usd' IS NULL,
       CAST(min(max(coalesce(done ->> '$.usage.input_tokens', 0), 0), 1000000000000) AS INTEGER),
       CAST(min(max(coalesce(done ->> '$.usage.output_tokens', 0), 0), 1000000000000) AS INTEGER),
       CAST(min(max(coalesce(done ->> '$.usage.cache_read_tokens', 0), 0), 1000000000000) AS INTEGER),
       CAST(min(max(coalesce(done ->> '$.usage.cache_write_tokens', 0), 0), 1000000000000) AS INTEGER),
       CAST(min(max(coalesce(done ->> '$.usage.reasoning_tokens', 0), 0), 1000000000000) AS INTEGER),
       CAST(round(min(max(done ->> '$.usage.cost_usd', 0), 1000000) * 1000000) AS INTEGER),
       coalesce(done ->> '$.usage.cost_is_estimate', 0) AND done ->> '$.usage.cost_usd' IS NOT NULL
FROM runs WHERE json_valid(done) AND json_valid(spec);

INSERT INTO usage_by_day
SELECT day, owner, agent_type, model, sum(completed), sum(failed), sum(cancelled), sum(timed_out), sum(interrupted), sum(unpriced),
       sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens),
       sum(cost_micros), max(is_estimate)
FROM usage GROUP BY owner, day, agent_type, model;
