/* model
grain  = "one row per tenant, entity, site, scope, category, activity, method, country, month and factor"
kind   = "full"
audits = ["accepted_values(method, location, market, activity)",
          "accepted_values(data_source, estimate, provider, activity, supplier)",
          "factor_named(co2e_kg, factor_id)",
          "inventory_one_side(subcategory)",
          "not_null(tenant, scope, method, month, co2e_kg)"]
*/
-- Every scope, category and method. A total takes one of location and market, and all of activity. Cloud is Scope 3
-- category 1: its electricity stands twice (location, market), its hardware once (activity). The month is the charge
-- month, for activity data that of period_start. energy_kwh stands on both methods like the emissions.
-- Where a tenant takes a provider's own figures, they stand in place of the estimate: its totals, hardware included, once
-- per method, without energy and range. A month or method that the provider has no figure for has no row, and
-- publish.reconciliation names the gap.
-- low_kg and high_kg add up (fully correlated, the careful side). quadrature_low_kg and quadrature_high_kg are the
-- tenant's total of the month for the row's method (location for method activity), with scope and category groups taken
-- as independent of each other: a figure of the month, repeated on its rows, never to be summed.
WITH category_sums AS (
    -- Groups of scope and category per method of a total; what has method activity belongs to both totals.
    SELECT
        i.tenant, i.month, b.basis, i.scope, i.scope3_category,
        sum(CAST(i.co2e_kg AS DOUBLE)) AS co2e_kg,
        sum(CAST(i.co2e_kg - i.low_kg AS DOUBLE)) AS below_kg,
        sum(CAST(i.high_kg - i.co2e_kg AS DOUBLE)) AS above_kg
    FROM estimate.inventory_row AS i
    JOIN (VALUES ('location', 'location'), ('market', 'market'), ('activity', 'location'), ('activity', 'market'))
        AS b (method, basis) ON b.method = i.method
    GROUP BY i.tenant, i.month, b.basis, i.scope, i.scope3_category
),
quadrature AS (
    SELECT
        tenant, month, basis,
        CAST(sum(co2e_kg) - sqrt(sum(below_kg * below_kg)) AS DECIMAL(38, 6)) AS quadrature_low_kg,
        CAST(sum(co2e_kg) + sqrt(sum(above_kg * above_kg)) AS DECIMAL(38, 6)) AS quadrature_high_kg
    FROM category_sums
    GROUP BY tenant, month, basis
)
SELECT
    i.tenant, i.entity, i.site, i.scope, i.scope3_category, i.subcategory, i.activity, i.method, i.country, i.month,
    CAST(i.co2_kg AS DECIMAL(38, 12)) AS co2_kg,
    CAST(i.ch4_kg AS DECIMAL(38, 12)) AS ch4_kg,
    CAST(i.n2o_kg AS DECIMAL(38, 12)) AS n2o_kg,
    CAST(i.other_kg AS DECIMAL(38, 12)) AS other_kg,
    CAST(i.co2e_kg AS DECIMAL(38, 12)) AS co2e_kg,
    CAST(i.low_kg AS DECIMAL(38, 12)) AS low_kg,
    CAST(i.high_kg AS DECIMAL(38, 12)) AS high_kg,
    CAST(i.biogenic_co2_kg AS DECIMAL(38, 12)) AS biogenic_co2_kg,
    CAST(i.energy_kwh AS DECIMAL(38, 12)) AS energy_kwh,
    i.energy_source, i.data_quality, i.data_source, i.factor_id, i.gwp_set,
    q.quadrature_low_kg,
    q.quadrature_high_kg
FROM estimate.inventory_row AS i
LEFT JOIN quadrature AS q
  ON q.tenant = i.tenant AND q.month = i.month
 AND q.basis = CASE WHEN i.method = 'market' THEN 'market' ELSE 'location' END
