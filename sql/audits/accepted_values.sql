-- Guards a column's vocabulary: the first argument is the column, the others are its words; null is allowed.
SELECT {{arg1}} AS unknown_value, count(*) AS occurrences
FROM {{table}}
WHERE {{arg1}} IS NOT NULL AND strpos(', {{args}},', concat(', ', {{arg1}}, ',')) = 0
GROUP BY {{arg1}}
