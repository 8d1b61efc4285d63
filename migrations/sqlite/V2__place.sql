-- How far the stored events of a run reach in what its agent wrote: a JSON object, absent while nothing of it is stored.
ALTER TABLE runs ADD COLUMN place TEXT;
