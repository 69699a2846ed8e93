/* model
grain  = "one row per tenant, meter and day"
kind   = "full"
audits = ["unique(tenant, meter, date)", "not_null(tenant, meter, date, quantity)"]
*/
-- What usage-based invoices count, per tenant and day. Money meters carry their currency in the meter's name.
-- A day whose figure is unknown has no row of that meter: nothing is billed as zero.
WITH emissions AS (
    SELECT
        tenant,
        charge_date,
        sum(counted_facility_kwh) AS facility_kwh,
        sum(COALESCE(counted_location_gco2e, embodied_gco2e)) AS location_gco2e,
        sum(COALESCE(counted_market_gco2e, embodied_gco2e)) AS market_gco2e
    FROM estimate.published_row
    GROUP BY tenant, charge_date
),
usage_lines AS (
    SELECT tenant, charge_date, sum(line_count) AS line_count FROM rollup.usage_daily GROUP BY tenant, charge_date
),
costs AS (
    SELECT tenant, charge_date, billing_currency, sum(effective_cost) AS effective_cost
    FROM rollup.usage_daily
    GROUP BY tenant, charge_date, billing_currency
)
SELECT tenant, meter, charge_date AS date, quantity
FROM (
    SELECT
        e.tenant, m.meter, e.charge_date,
        CASE m.meter
            WHEN 'facility_kwh' THEN CAST(e.facility_kwh AS DECIMAL(38, 12))
            WHEN 'location_kgco2e' THEN CAST(e.location_gco2e / 1000 AS DECIMAL(38, 12))
            WHEN 'market_kgco2e' THEN CAST(e.market_gco2e / 1000 AS DECIMAL(38, 12))
        END AS quantity
    FROM emissions AS e
    CROSS JOIN (VALUES ('facility_kwh'), ('location_kgco2e'), ('market_kgco2e')) AS m (meter)
) AS metered
WHERE quantity IS NOT NULL
UNION ALL
SELECT tenant, 'usage_lines', charge_date, CAST(line_count AS DECIMAL(38, 12)) FROM usage_lines
UNION ALL
SELECT tenant, concat('effective_cost_', lower(billing_currency)), charge_date, CAST(effective_cost AS DECIMAL(38, 12))
FROM costs
WHERE effective_cost IS NOT NULL
