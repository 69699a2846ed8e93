-- Guards traceability: factor_named(figure, factor id) – no figure without the factor that it was made with.
SELECT *
FROM {{table}}
WHERE {{arg1}} IS NOT NULL AND COALESCE({{arg2}}, '') = ''
