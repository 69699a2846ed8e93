-- Guards completeness: every usage line of the rollup stands in the estimate exactly once, with figures or with a reason.
WITH used AS (
    SELECT tenant, source, export, period, sum(line_count) AS used_lines
    FROM rollup.usage_daily
    WHERE is_usage
    GROUP BY tenant, source, export, period
),
answered AS (
    SELECT
        tenant, source, export, period,
        sum(carried_line_count) AS answered_lines,
        sum(CASE WHEN it_kwh IS NULL AND embodied_gco2e IS NULL AND uncovered_reason IS NULL THEN 1 ELSE 0 END) AS silent_rows
    FROM {{table}}
    GROUP BY tenant, source, export, period
)
SELECT
    COALESCE(u.tenant, a.tenant) AS tenant,
    COALESCE(u.source, a.source) AS source,
    COALESCE(u.export, a.export) AS export,
    COALESCE(u.period, a.period) AS period,
    u.used_lines,
    a.answered_lines,
    a.silent_rows
FROM used AS u
FULL JOIN answered AS a
  ON a.tenant = u.tenant AND a.source = u.source AND a.export = u.export AND a.period = u.period
WHERE COALESCE(u.used_lines, 0) <> COALESCE(a.answered_lines, 0) OR a.silent_rows > 0
