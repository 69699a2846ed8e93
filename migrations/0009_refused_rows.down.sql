ALTER TABLE quarantine DROP COLUMN is_refused;
