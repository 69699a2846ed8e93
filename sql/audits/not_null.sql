-- Guards columns that every row must fill: counts the rows with a gap in any of them.
SELECT count(*) AS all_rows, count({{args}}) AS complete_rows
FROM {{table}}
HAVING count(*) <> count({{args}})
