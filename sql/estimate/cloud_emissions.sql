/* model
grain     = "one row per key of rollup.usage_daily and component; a usage row without any factor is one row without component"
kind      = "incremental"
partition = ["tenant", "source", "export", "period"]
audits    = ["factor_named()",
             "non_negative_energy_unless_negative_quantity()",
             "accepted_values(component, compute, memory, gpu, storage, network, network_internet, serverless, embodied)",
             "accepted_values(quality, ok, undated, assumed, fallback)",
             "coverage_reported()",
             "decimal_overflow(facility_kwh, location_gco2e, market_gco2e, embodied_gco2e)"]
*/
-- Energy and emissions of every usage row (method points 3 to 16). f64 per row, rounded to exact decimals before any sum.
WITH usage_rows AS (
    SELECT
        r.*,
        CAST(r.usage_quantity AS DOUBLE) AS quantity,
        CAST(extract(YEAR FROM r.charge_date) AS BIGINT) AS usage_year,
        concat_ws(chr(31), r.tenant, r.provider_name, COALESCE(r.service_name, chr(30)), COALESCE(r.service_code, chr(30)),
            COALESCE(r.usage_type, chr(30)), COALESCE(r.operation, chr(30)), COALESCE(r.sku_meter, chr(30)),
            COALESCE(r.instance_type, chr(30)), COALESCE(CAST(r.vcpus AS VARCHAR), chr(30)), COALESCE(r.usage_unit, chr(30)),
            CAST(r.usage_quantity IS NOT NULL AS VARCHAR)) AS meter_key
    FROM rollup.usage_daily AS r
    WHERE r.is_usage
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
    FROM usage_rows AS u
    LEFT JOIN estimate.usage_factors AS f ON f.meter_key = u.meter_key
    LEFT JOIN estimate.place_factors AS p
      ON (p.provider_name IS NOT DISTINCT FROM u.provider_name)
     AND (p.region_id IS NOT DISTINCT FROM u.region_id)
     AND (p.usage_year IS NOT DISTINCT FROM u.usage_year)
),
emitted AS (
    SELECT
        e.*,
        e.facility_kwh * e.intensity_gco2e_per_kwh AS location_gco2e,
        -- Supplier-specific only if the tenant opted in and names its evidence (method point 10), else the grid's.
        e.facility_kwh * COALESCE(m.factor_gco2e_per_kwh, e.intensity_gco2e_per_kwh) AS market_gco2e,
        CASE WHEN e.facility_kwh IS NULL THEN NULL
             WHEN m.factor_gco2e_per_kwh IS NOT NULL THEN 'supplier'
             WHEN e.intensity_gco2e_per_kwh IS NOT NULL THEN 'grid' END AS market_method,
        CASE WHEN e.facility_kwh IS NULL THEN NULL
             WHEN m.factor_gco2e_per_kwh IS NOT NULL THEN concat('claim:', m.evidence)
             ELSE e.grid_factor_id END AS market_factor_id,
        e.facility_kwh * s.claimed_gco2e_per_kwh AS provider_claimed_market_gco2e,
        CASE e.quality_rank WHEN 0 THEN 'ok' WHEN 1 THEN 'undated' WHEN 2 THEN 'assumed' WHEN 3 THEN 'fallback' END
            AS quality,
        t.method_version,
        t.factor_set_version
    FROM estimated AS e
    LEFT JOIN (
        SELECT * FROM settings.market_claim WHERE evidence IS NOT NULL AND evidence <> ''
    ) AS m ON m.tenant = e.tenant AND m.provider_name = e.provider_name
    LEFT JOIN settings.supplier_claim AS s ON s.provider_name = e.provider_name
    LEFT JOIN settings.tenant AS t ON t.tenant = e.tenant
),
ranged AS (
    SELECT
        e.*,
        COALESCE(e.location_gco2e, e.embodied_gco2e) * COALESCE(e.low_ratio, 1 - n.relative_uncertainty) AS low_gco2e,
        COALESCE(e.location_gco2e, e.embodied_gco2e) * COALESCE(e.high_ratio, 1 + n.relative_uncertainty) AS high_gco2e
    FROM emitted AS e
    LEFT JOIN (
        SELECT quality, max(relative_uncertainty) AS relative_uncertainty FROM reference.uncertainty GROUP BY quality
    ) AS n ON n.quality = e.quality
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
    CASE WHEN is_first_component THEN effective_cost END AS carried_effective_cost,
    CASE WHEN is_first_component THEN line_count END AS carried_line_count,
    has_energy
FROM ranged
