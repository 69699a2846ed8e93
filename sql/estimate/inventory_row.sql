/* model
description = "The rows of the inventory before the range of the month's total stands beside them"
grain = "one row per tenant, entity, site, scope, category, activity, method, country, month and factor"
kind = "view"
small = true
*/
-- The estimate's cloud rows, the providers' own where a tenant takes those, and activity data. What each means stands in
-- publish.inventory.
WITH cloud AS (
    SELECT
        *,
        CASE WHEN component = 'embodied' THEN 'embodied' ELSE 'operational' END AS stage,
        -- The range of the location-based figure, in proportion for another market-based one.
        CASE WHEN market_method = 'grid' THEN counted_low_gco2e
             WHEN counted_location_gco2e <> 0 THEN CAST(CAST(counted_low_gco2e AS DOUBLE)
                * CAST(counted_market_gco2e AS DOUBLE) / CAST(counted_location_gco2e AS DOUBLE) AS DECIMAL(38, 9))
             ELSE counted_market_gco2e END AS market_low_gco2e,
        CASE WHEN market_method = 'grid' THEN counted_high_gco2e
             WHEN counted_location_gco2e <> 0 THEN CAST(CAST(counted_high_gco2e AS DOUBLE)
                * CAST(counted_market_gco2e AS DOUBLE) / CAST(counted_location_gco2e AS DOUBLE) AS DECIMAL(38, 9))
             ELSE counted_market_gco2e END AS market_high_gco2e
    FROM estimate.published_row
    WHERE component IS NOT NULL
),
-- Summed to accounts and factors first: what is joined to mappings and settings below is small.
account_sums AS (
    SELECT
        tenant, billing_account_id, sub_account_id /*{tag_columns}*/, provider_name, service_name, region_id, month,
        stage, quality, grid_factor_id, market_method, market_factor_id, embodied_factor_id,
        sum(counted_facility_kwh) AS facility_kwh,
        sum(counted_location_gco2e) AS location_gco2e,
        sum(counted_market_gco2e) AS market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        sum(counted_low_gco2e) AS low_gco2e,
        sum(counted_high_gco2e) AS high_gco2e,
        sum(market_low_gco2e) AS market_low_gco2e,
        sum(market_high_gco2e) AS market_high_gco2e
    FROM cloud
    GROUP BY
        tenant, billing_account_id, sub_account_id /*{tag_columns}*/, provider_name, service_name, region_id, month,
        stage, quality, grid_factor_id, market_method, market_factor_id, embodied_factor_id
),
-- The many rows come last in each join: what comes first is held in memory.
of_provider AS (
    SELECT a.*
    FROM settings.provider AS s
    RIGHT JOIN account_sums AS a ON a.tenant = s.tenant AND a.provider_name = s.provider_name
    WHERE COALESCE(s.inventory_source, 'estimate') = 'estimate'
),
mapped AS (
    SELECT a.*, m.entity, m.site
    FROM estimate.account_mapping AS m
    RIGHT JOIN of_provider AS a
      ON m.account_key = array_to_string(
          make_array(a.tenant, a.billing_account_id, a.sub_account_id /*{tag_columns:a}*/), chr(31), chr(30))
),
cloud_sums AS (
    SELECT
        tenant, entity, site, provider_name, service_name, region_id, month, stage, quality, grid_factor_id,
        market_method, market_factor_id,
        CASE WHEN stage = 'embodied' THEN min(embodied_factor_id) END AS first_embodied_factor_id,
        count(DISTINCT embodied_factor_id) AS embodied_factors,
        sum(facility_kwh) AS facility_kwh,
        sum(location_gco2e) AS location_gco2e,
        sum(market_gco2e) AS market_gco2e,
        sum(embodied_gco2e) AS embodied_gco2e,
        sum(low_gco2e) AS low_gco2e,
        sum(high_gco2e) AS high_gco2e,
        sum(market_low_gco2e) AS market_low_gco2e,
        sum(market_high_gco2e) AS market_high_gco2e
    FROM mapped
    GROUP BY
        tenant, entity, site, provider_name, service_name, region_id, month, stage, quality, grid_factor_id,
        market_method, market_factor_id
),
places AS (
    SELECT provider_name, region_id, max(country_iso3) AS country_iso3
    FROM estimate.applied_place_factors
    GROUP BY provider_name, region_id
),
cloud_rows AS (
    SELECT
        c.tenant, c.entity, c.site,
        CAST(3 AS BIGINT) AS scope, CAST(1 AS BIGINT) AS scope3_category,
        concat('Cloud: ', c.provider_name) AS subcategory, c.service_name AS activity, k.method,
        n.country_iso2 AS country, c.month,
        CAST(NULL AS DECIMAL(38, 12)) AS co2_kg, CAST(NULL AS DECIMAL(38, 12)) AS ch4_kg,
        CAST(NULL AS DECIMAL(38, 12)) AS n2o_kg, CAST(NULL AS DECIMAL(38, 12)) AS other_kg,
        CAST(CASE k.method WHEN 'location' THEN c.location_gco2e WHEN 'market' THEN c.market_gco2e
             ELSE c.embodied_gco2e END AS DECIMAL(38, 12)) / 1000 AS co2e_kg,
        CAST(CASE k.method WHEN 'market' THEN c.market_low_gco2e
             WHEN 'location' THEN c.low_gco2e ELSE c.low_gco2e END AS DECIMAL(38, 12)) / 1000 AS low_kg,
        CAST(CASE k.method WHEN 'market' THEN c.market_high_gco2e
             WHEN 'location' THEN c.high_gco2e ELSE c.high_gco2e END AS DECIMAL(38, 12)) / 1000 AS high_kg,
        CAST(NULL AS DECIMAL(38, 12)) AS biogenic_co2_kg,
        CASE WHEN k.method <> 'activity' THEN c.facility_kwh END AS energy_kwh,
        CASE WHEN k.method <> 'activity' THEN 'cloud electricity' END AS energy_source,
        c.quality AS data_quality, 'estimate' AS data_source,
        CASE k.method
            WHEN 'location' THEN c.grid_factor_id
            WHEN 'market' THEN c.market_factor_id
            ELSE concat(c.first_embodied_factor_id, CASE WHEN c.embodied_factors > 1
                THEN concat(' and ', CAST(c.embodied_factors - 1 AS VARCHAR), ' more') ELSE '' END)
        END AS factor_id,
        CAST(NULL AS VARCHAR) AS gwp_set
    FROM cloud_sums AS c
    JOIN (VALUES ('operational', 'location'), ('operational', 'market'), ('embodied', 'activity')) AS k (stage, method)
      ON k.stage = c.stage
    LEFT JOIN places AS p
      ON (p.provider_name IS NOT DISTINCT FROM c.provider_name) AND (p.region_id IS NOT DISTINCT FROM c.region_id)
    LEFT JOIN reference.countries AS n ON n.country_iso3 = p.country_iso3
),
provider_rows AS (
    SELECT
        p.tenant, p.entity, p.site,
        CAST(3 AS BIGINT) AS scope, CAST(1 AS BIGINT) AS scope3_category,
        p.subcategory, p.service_name AS activity, k.method, p.country, p.month,
        CAST(sum(CASE k.method WHEN 'location' THEN p.location_gco2e ELSE p.market_gco2e END) AS DECIMAL(38, 12)) / 1000
            AS co2e_kg,
        'provider' AS data_source, p.factor_id
    FROM estimate.provider_inventory AS p
    CROSS JOIN (VALUES ('location'), ('market')) AS k (method)
    GROUP BY p.tenant, p.entity, p.site, p.subcategory, p.service_name, k.method, p.country, p.month, p.factor_id
),
activity_rows AS (
    SELECT
        tenant, entity, site, scope, scope3_category, subcategory, activity, method, upper(country) AS country,
        substr(CAST(period_start AS VARCHAR), 1, 7) AS month,
        sum(co2_kg) AS co2_kg, sum(ch4_kg) AS ch4_kg, sum(n2o_kg) AS n2o_kg, sum(other_kg) AS other_kg,
        sum(co2e_kg) AS co2e_kg, sum(low_kg) AS low_kg, sum(high_kg) AS high_kg,
        sum(biogenic_co2_kg) AS biogenic_co2_kg, sum(energy_kwh) AS energy_kwh,
        CASE WHEN lower(activity) LIKE 'electricity%' THEN
                 CASE WHEN market_method IN ('contract', 'go', 'rec') THEN concat('electricity, ', market_method)
                      ELSE 'electricity' END
             WHEN scope = 2 THEN 'heat and steam'
             WHEN scope = 1 AND sum(energy_kwh) IS NOT NULL THEN lower(activity) END AS energy_source,
        quality AS data_quality,
        CASE WHEN market_method = 'supplier' THEN 'supplier' ELSE 'activity' END AS data_source,
        factor_id, gwp_set
    FROM estimate.activity_emissions
    WHERE co2e_kg IS NOT NULL
    GROUP BY
        tenant, entity, site, scope, scope3_category, subcategory, activity, method, upper(country),
        substr(CAST(period_start AS VARCHAR), 1, 7), quality, market_method, factor_id, gwp_set
)
SELECT * FROM cloud_rows WHERE co2e_kg IS NOT NULL
UNION ALL BY NAME
SELECT * FROM provider_rows WHERE co2e_kg IS NOT NULL
UNION ALL BY NAME
SELECT
    tenant, entity, site, scope, scope3_category, subcategory, activity, method, country, month, co2_kg, ch4_kg,
    n2o_kg, other_kg, co2e_kg, low_kg, high_kg, biogenic_co2_kg, energy_kwh, energy_source, data_quality, data_source,
    factor_id, gwp_set
FROM activity_rows
