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
SELECT tenant, 'facility_kwh' AS meter, charge_date AS date, CAST(facility_kwh AS DECIMAL(38, 12)) AS quantity
FROM emissions
WHERE facility_kwh IS NOT NULL
UNION ALL
SELECT tenant, 'location_kgco2e', charge_date, CAST(location_gco2e / 1000 AS DECIMAL(38, 12)) FROM emissions
WHERE location_gco2e IS NOT NULL
UNION ALL
SELECT tenant, 'market_kgco2e', charge_date, CAST(market_gco2e / 1000 AS DECIMAL(38, 12)) FROM emissions
WHERE market_gco2e IS NOT NULL
UNION ALL
SELECT tenant, 'usage_lines', charge_date, CAST(line_count AS DECIMAL(38, 12)) FROM usage_lines
UNION ALL
SELECT tenant, concat('effective_cost_', lower(billing_currency)), charge_date, CAST(effective_cost AS DECIMAL(38, 12))
FROM costs
WHERE effective_cost IS NOT NULL
