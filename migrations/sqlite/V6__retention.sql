-- When a run's log was cut, after which only its end is left; absent while nothing or not all of that was done.
ALTER TABLE runs ADD COLUMN cut_at INTEGER;

-- What retention looks for: the runs that have ended, oldest end first, and those of them that have a log to cut.
CREATE INDEX runs_by_end ON runs (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_uncut ON runs (ended_at, id) WHERE ended_at IS NOT NULL AND cut_at IS NULL;

-- Folders on disk whose runs are gone, or have no log any more: they go next, also if the server dies in between.
CREATE TABLE remains (
    run_id    TEXT    NOT NULL PRIMARY KEY,
    workspace INTEGER NOT NULL
) STRICT;

-- Runs that were live when the backup was made that this database was restored from. Their agents are not this server's.
CREATE TABLE orphans (
    run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE
) STRICT;
