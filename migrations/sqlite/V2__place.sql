-- How far the stored events of a run reach in what its agent wrote: a JSON object, absent while nothing of it is stored.
ALTER TABLE runs ADD COLUMN place TEXT;
-- What of its agent's text is held back at that place, since it may be the beginning of a secret: a JSON list, with no part of the text.
ALTER TABLE runs ADD COLUMN held TEXT;
