ALTER TABLE api_check RENAME COLUMN cursor TO mark;
ALTER TABLE api_check RENAME COLUMN checked_at TO looked_at;
ALTER TABLE api_check RENAME TO look;
