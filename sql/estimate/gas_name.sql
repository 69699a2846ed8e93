/* model
grain = "one row per name under which the factor tables or activity rows write a gas"
kind  = "view"
small = true
*/
-- R-410A, R410A, 410A, HFC-410A, "Refrigerant R410A" and "R-410A (HFC blend)" are one gas: letters and digits in lower
-- case, digits also where they stand below the line (SF₆), without words that name no gas, and R for the family's letters
-- before a number. What stands in brackets is left out where the whole is no gas. Names that say it in other words stand
-- in gas_aliases.
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
written AS (
    SELECT name FROM named
    UNION
    SELECT gas AS name FROM named
    UNION
    SELECT COALESCE(activity, subcategory) AS name FROM reference.activity_factors
    UNION
    SELECT activity AS name FROM normalize.activity
),
bare AS (
    SELECT name, regexp_replace(name, '[(][^)]*[)]', '', 'g') AS without_brackets FROM written
),
comparable AS (
    SELECT
        text,
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(translate(lower(text), '₀₁₂₃₄₅₆₇₈₉', '0123456789'),
            '(refrigerants?|freon|genetron|suva|forane|klea)[^a-z0-9]*([0-9])', 'r\2', 'g'),
            'refrigerants?|\b(gas|blend|freon|genetron|suva|forane|klea)\b|[^a-z0-9]', '', 'g'),
            '^(r|hfc|hcfc|cfc|pfc|hfo)+([0-9])', 'r\2'),
            -- A number alone is no gas, 410A is.
            '^([0-9]+[a-z])', 'r\1') AS text_key
    FROM (SELECT name AS text FROM bare UNION SELECT without_brackets AS text FROM bare) AS texts
),
gases AS (
    SELECT text_key, gas_key
    FROM (
        SELECT
            n.text_key,
            g.text_key AS gas_key,
            row_number() OVER (PARTITION BY n.text_key ORDER BY named.choice, g.text_key) AS place
        FROM named
        JOIN comparable AS n ON n.text = named.name
        JOIN comparable AS g ON g.text = named.gas
    ) AS ranked
    WHERE place = 1
)
SELECT b.name, COALESCE(whole.gas_key, part.gas_key) AS gas_key
FROM bare AS b
JOIN comparable AS w ON w.text = b.name
JOIN comparable AS p ON p.text = b.without_brackets
LEFT JOIN gases AS whole ON whole.text_key = w.text_key
LEFT JOIN gases AS part ON part.text_key = p.text_key
WHERE COALESCE(whole.gas_key, part.gas_key) IS NOT NULL
