-- Rejected rows of a delivery that was refused as a whole: they stand beside those of the delivery that the slice holds, until
-- one lands or the one that it holds is there again.
ALTER TABLE quarantine ADD COLUMN is_refused BOOLEAN NOT NULL DEFAULT FALSE;
