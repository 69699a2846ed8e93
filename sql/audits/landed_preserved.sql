-- Guards rows and money between landing and the rollup: per slice and currency, every delivered line is
-- counted once and the sums of the billed cost are equal to the last digit.
WITH landed AS (
    SELECT c.tenant, c.source, c.export, c.period, upper(COALESCE(c.currency, s.currency)) AS billing_currency,
        SUM(c.billed_cost) AS billed_cost, COUNT(*) AS line_count
    FROM {{arg1}} AS c
    JOIN settings.source AS s ON s.tenant = c.tenant AND s.source = c.source AND s.role = 'counts'
    GROUP BY c.tenant, c.source, c.export, c.period, upper(COALESCE(c.currency, s.currency))
),
counted AS (
    SELECT tenant, source, export, period, billing_currency, SUM(billed_cost) AS billed_cost, SUM(line_count) AS line_count
    FROM {{table}}
    GROUP BY tenant, source, export, period, billing_currency
)
SELECT
    COALESCE(l.tenant, n.tenant) AS tenant, COALESCE(l.source, n.source) AS source, COALESCE(l.export, n.export) AS export,
    COALESCE(l.period, n.period) AS period, COALESCE(l.billing_currency, n.billing_currency) AS billing_currency,
    l.billed_cost AS landed_cost, n.billed_cost AS counted_cost, l.line_count AS landed_lines, n.line_count AS counted_lines
FROM landed AS l
FULL JOIN counted AS n
    ON n.tenant = l.tenant AND n.source = l.source AND n.export = l.export AND n.period = l.period
    AND n.billing_currency IS NOT DISTINCT FROM l.billing_currency
WHERE (l.billed_cost IS DISTINCT FROM n.billed_cost) OR (l.line_count IS DISTINCT FROM n.line_count)
