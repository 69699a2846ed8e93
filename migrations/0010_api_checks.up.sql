-- The names of the code: a check of an API, and the cursor that it goes on from.

ALTER TABLE look RENAME TO api_check;
ALTER TABLE api_check RENAME COLUMN looked_at TO checked_at;
ALTER TABLE api_check RENAME COLUMN mark TO cursor;
