/* model
grain = "one row per row of normalize.activity"
kind  = "view"
split_by = "source_row_number"
*/
-- The activity rows for what takes them one by one: a build beyond the memory limit reads them in parts. What looks at
-- several rows at once (instruments are dealt out in the order of all rows) reads estimate.activity_in_units instead.
SELECT * FROM estimate.activity_in_units
