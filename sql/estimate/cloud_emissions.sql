/* model
grain     = "one row per key of rollup.usage_daily and component; a usage row without any factor is one row without component"
kind      = "incremental"
partition = ["tenant", "source", "export", "period"]
audits    = ["coverage_reported()",
             "factor_named(it_kwh, power_factor_id)",
             "factor_named(location_gco2e, grid_factor_id)",
             "factor_named(market_gco2e, market_factor_id)",
             "factor_named(embodied_gco2e, embodied_factor_id)",
             "factor_named(pue_match, pue_factor_id)",
             "non_negative_energy_unless_negative_quantity()",
             "accepted_values(component, compute, memory, gpu, storage, network, network_internet, serverless, embodied)",
             "accepted_values(quality, ok, undated, assumed, fallback)",
             "decimal_overflow(facility_kwh)",
             "decimal_overflow(location_gco2e)",
             "decimal_overflow(embodied_gco2e)"]
*/
-- Energy and emissions of every usage row (method points 3 to 16). f64 per row, rounded to exact decimals before any sum.
-- The small tables stand on the left of right joins, where a hash join builds; the rollup streams past them.
WITH factors AS (
    -- The set that was in force; periods that a later set changes nothing of keep its name.
    SELECT f.*, t.factor_set_version
    FROM estimate.applied_usage_factors AS f
    LEFT JOIN settings.tenant AS t ON t.tenant = f.tenant
),
usage_rows AS (
    SELECT *, CAST(usage_quantity AS DOUBLE) AS quantity FROM estimate.usage_row
),
estimated AS (
    SELECT
        u.*,
        f.component,
        f.is_first_component,
        f.has_energy,
        f.low_ratio,
        f.high_ratio,
        f.power_factor_id,
        f.embodied_factor_id,
        f.uncovered_reason,
        f.ok_uncertainty,
        f.undated_uncertainty,
        f.assumed_uncertainty,
        f.fallback_uncertainty,
        f.claimed_market_gco2e_per_kwh,
        f.market_claim_id,
        f.provider_claim_gco2e_per_kwh,
        f.method_version,
        f.factor_set_version,
        p.pue_factor_id,
        p.pue_match,
        p.grid_factor_id,
        p.grid_basis,
        p.grid_year,
        p.factor_year_lag,
        p.intensity_gco2e_per_kwh,
        u.quantity * f.it_kwh_per_unit AS it_kwh,
        -- PUE belongs to the data centre: the internet part has none (method point 7).
        CASE WHEN f.component = 'network_internet' THEN u.quantity * f.it_kwh_per_unit
             ELSE u.quantity * f.it_kwh_per_unit * p.pue_ratio END AS facility_kwh,
        u.quantity * f.embodied_gco2e_per_unit AS embodied_gco2e,
        CASE
            WHEN f.component = 'embodied' THEN f.quality_rank
            WHEN f.component = 'network_internet' THEN greatest(f.quality_rank, p.grid_quality_rank)
            ELSE greatest(f.quality_rank, p.pue_quality_rank, p.grid_quality_rank)
        END AS quality_rank
    FROM estimate.applied_place_factors AS p
    RIGHT JOIN (
        factors AS f
        RIGHT JOIN usage_rows AS u
          ON u.tenant = f.tenant AND u.source = f.source AND u.export = f.export AND u.period = f.period
         AND u.meter_key = f.meter_key
    )
      ON (p.tenant IS NOT DISTINCT FROM u.tenant)
     AND (p.source IS NOT DISTINCT FROM u.source)
     AND (p.export IS NOT DISTINCT FROM u.export)
     AND (p.period IS NOT DISTINCT FROM u.period)
     AND (p.provider_name IS NOT DISTINCT FROM u.provider_name)
     AND (p.region_id IS NOT DISTINCT FROM u.region_id)
     AND (p.usage_year IS NOT DISTINCT FROM u.usage_year)
),
emitted AS (
    SELECT
        *,
        facility_kwh * intensity_gco2e_per_kwh AS location_gco2e,
        -- The supplier's figure, else the grid's (method point 10).
        facility_kwh * COALESCE(claimed_market_gco2e_per_kwh, intensity_gco2e_per_kwh) AS market_gco2e,
        CASE WHEN facility_kwh IS NULL THEN NULL
             WHEN claimed_market_gco2e_per_kwh IS NOT NULL THEN 'supplier'
             WHEN intensity_gco2e_per_kwh IS NOT NULL THEN 'grid' END AS market_method,
        CASE WHEN facility_kwh IS NULL THEN NULL ELSE COALESCE(market_claim_id, grid_factor_id) END AS market_factor_id,
        facility_kwh * provider_claim_gco2e_per_kwh AS provider_claimed_market_gco2e,
        CASE quality_rank WHEN 0 THEN 'ok' WHEN 1 THEN 'undated' WHEN 2 THEN 'assumed' WHEN 3 THEN 'fallback' END
            AS quality,
        CASE quality_rank WHEN 0 THEN ok_uncertainty WHEN 1 THEN undated_uncertainty WHEN 2 THEN assumed_uncertainty
                          WHEN 3 THEN fallback_uncertainty END AS relative_uncertainty
    FROM estimated
),
ranged AS (
    SELECT
        *,
        COALESCE(location_gco2e, embodied_gco2e) * COALESCE(low_ratio, 1 - relative_uncertainty) AS low_gco2e,
        COALESCE(location_gco2e, embodied_gco2e) * COALESCE(high_ratio, 1 + relative_uncertainty) AS high_gco2e
    FROM emitted
)
SELECT
    tenant, source, export, period, charge_date, provider_name, billing_account_id, sub_account_id, service_name,
    service_code, service_category, region_id, from_region_id, to_region_id, sku_id, sku_meter, usage_type, operation,
    instance_type, vcpus, usage_unit, charge_category, charge_class, is_usage, exclusion_reason, billing_currency
    /*{tag_columns}*/,
    component,
    CAST(it_kwh AS DECIMAL(38, 12)) AS it_kwh,
    CAST(facility_kwh AS DECIMAL(38, 12)) AS facility_kwh,
    CAST(location_gco2e AS DECIMAL(38, 9)) AS location_gco2e,
    CAST(market_gco2e AS DECIMAL(38, 9)) AS market_gco2e,
    CAST(embodied_gco2e AS DECIMAL(38, 9)) AS embodied_gco2e,
    CAST(low_gco2e AS DECIMAL(38, 9)) AS low_gco2e,
    CAST(high_gco2e AS DECIMAL(38, 9)) AS high_gco2e,
    CASE WHEN it_kwh IS NOT NULL OR embodied_gco2e IS NOT NULL THEN quality END AS quality,
    CASE WHEN uncovered_reason IS NOT NULL THEN uncovered_reason
         WHEN component <> 'embodied' AND facility_kwh IS NULL THEN 'no_pue_factor'
         WHEN component <> 'embodied' AND location_gco2e IS NULL THEN 'no_grid_factor' END AS uncovered_reason,
    power_factor_id,
    CASE WHEN facility_kwh IS NOT NULL AND component <> 'network_internet' THEN pue_factor_id END AS pue_factor_id,
    CASE WHEN facility_kwh IS NOT NULL AND component <> 'network_internet' THEN pue_match END AS pue_match,
    CASE WHEN facility_kwh IS NOT NULL THEN grid_factor_id END AS grid_factor_id,
    CASE WHEN facility_kwh IS NOT NULL THEN grid_basis END AS grid_basis,
    CASE WHEN facility_kwh IS NOT NULL THEN grid_year END AS grid_year,
    CASE WHEN facility_kwh IS NOT NULL THEN factor_year_lag END AS factor_year_lag,
    market_method,
    market_factor_id,
    CAST(provider_claimed_market_gco2e AS DECIMAL(38, 9)) AS provider_claimed_market_gco2e,
    embodied_factor_id,
    method_version,
    factor_set_version,
    usage_quantity,
    CASE WHEN is_first_component THEN effective_cost END AS carried_effective_cost,
    CASE WHEN is_first_component THEN line_count END AS carried_line_count,
    has_energy
FROM ranged
