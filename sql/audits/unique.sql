-- Guards the grain: the named columns together occur once. Nulls count as equal.
SELECT {{args}}, count(*) AS occurrences
FROM {{table}}
GROUP BY {{args}}
HAVING count(*) > 1
