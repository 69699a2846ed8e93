/* model
grain = "one row per name of a leaked gas, in comparable form"
kind  = "view"
few_rows = true
*/
-- R-410A, R410A, HFC-410A and "Refrigerant R410A" are one gas: letters and digits in lower case, without the word
-- refrigerant, and R for the family's letters before a number. Names that say it in other words stand in gas_aliases.
WITH named AS (
    SELECT species AS name, species AS gas, 1 AS choice FROM reference.gwp
    UNION ALL
    SELECT blend AS name, blend AS gas, 1 AS choice FROM reference.refrigerant_blends
    UNION ALL
    SELECT activity AS name, activity AS gas, 1 AS choice
    FROM reference.activity_factors
    WHERE lower(category) LIKE 'refrigerant%'
    UNION ALL
    SELECT alias AS name, gas, 0 AS choice FROM reference.gas_aliases
),
comparable AS (
    SELECT
        regexp_replace(regexp_replace(lower(name), 'refrigerants?|[^a-z0-9]', '', 'g'),
                       '^(r|hfc|hcfc|cfc|pfc|hfo)([0-9])', 'r\2') AS name_key,
        regexp_replace(regexp_replace(lower(gas), 'refrigerants?|[^a-z0-9]', '', 'g'),
                       '^(r|hfc|hcfc|cfc|pfc|hfo)([0-9])', 'r\2') AS gas_key,
        choice
    FROM named
)
SELECT name_key, gas_key
FROM (
    SELECT name_key, gas_key, row_number() OVER (PARTITION BY name_key ORDER BY choice, gas_key) AS place
    FROM comparable
) AS ranked
WHERE place = 1
