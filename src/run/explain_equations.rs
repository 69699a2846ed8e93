//! The numbers that an estimate is made of: quantity, factors and what they give, by meter and component.

use super::query::same;

/// The numbers of the equations, as `estimate.applied_usage_factors` keeps them; each where a component's equation has it.
const NUMBERS: [&str; 20] = [
    "utilisation",
    "min_watts",
    "max_watts",
    "vcpu_count",
    "zone_copies",
    "hours_per_unit",
    "vcpu_hours_per_unit",
    "burstable_ratio",
    "memory_gb",
    "platform_memory_gb",
    "platform_memory_gb_in_watts",
    "memory_kwh_per_gb_hour",
    "gpu_count",
    "stored_gb_per_unit",
    "watt_hours_per_tb_hour",
    "replication_ratio",
    "kwh_per_gb",
    "serverless_value",
    "platform_embodied_kgco2e",
    "embodied_platform_vcpu_count",
];

/// Method points 3 to 7 and 11 in words; the SQL that computes them is estimate.usage_factors.
const EQUATION: &str = "CASE
    WHEN f.method_kind = 'gpu_meter'
        THEN 'it_kwh = usage_quantity × (min_watts + utilisation × (max_watts − min_watts)) / 1000'
    WHEN f.component = 'compute' THEN 'it_kwh = usage_quantity × (min_watts + utilisation × (max_watts − min_watts)) \
        × vcpu_hours_per_unit / 1000 × burstable_ratio'
    WHEN f.component = 'memory' THEN 'it_kwh = usage_quantity × max(0, platform_memory_gb − platform_memory_gb_in_watts) \
        × memory_gb / platform_memory_gb × hours_per_unit × memory_kwh_per_gb_hour'
    WHEN f.component = 'gpu' THEN 'it_kwh = usage_quantity × (min_watts + utilisation × (max_watts − min_watts)) \
        × gpu_count × hours_per_unit / 1000'
    WHEN f.component = 'storage'
        THEN 'it_kwh = usage_quantity × stored_gb_per_unit / 1000 × watt_hours_per_tb_hour × replication_ratio / 1000'
    WHEN f.component IN ('network', 'network_internet') THEN 'it_kwh = usage_quantity × kwh_per_gb'
    WHEN f.method_kind = 'lambda' THEN 'it_kwh = usage_quantity × (min_watts + utilisation × (max_watts − min_watts)) \
        / 3600 × 1024 / serverless_value / 1000'
    WHEN f.method_kind IN ('aurora_serverless', 'glue') AND f.usage_unit = 'vcpu_hour'
        THEN 'it_kwh = usage_quantity × (min_watts + utilisation × (max_watts − min_watts)) / 1000'
    WHEN f.method_kind IN ('aurora_serverless', 'glue')
        THEN 'it_kwh = usage_quantity × (min_watts + utilisation × (max_watts − min_watts)) × serverless_value / 1000'
    WHEN f.component = 'serverless' THEN 'it_kwh = usage_quantity × serverless_value'
    WHEN f.component = 'embodied' THEN 'embodied_gco2e = usage_quantity × platform_embodied_kgco2e × 1000 \
        × vcpu_hours_per_unit / 35040 / embodied_platform_vcpu_count'
END";

/// What makes a meter, beside its component.
const METER: [&str; 13] = [
    "tenant",
    "source",
    "export",
    "period",
    "provider_name",
    "service_name",
    "service_code",
    "usage_type",
    "operation",
    "sku_meter",
    "instance_type",
    "vcpus",
    "usage_unit",
];

/// The equations of the rows named `estimates`, the largest emissions first. `method` is a column to tell the rows apart by
/// and a comma, or nothing.
pub fn equations_sql(method: &str, limit: u32) -> String {
    let meter: Vec<String> = METER
        .iter()
        .chain(&["component"])
        .map(|c| (*c).to_string())
        .collect();
    let place: Vec<String> = [
        "tenant",
        "source",
        "export",
        "period",
        "provider_name",
        "region_id",
    ]
    .map(str::to_string)
    .to_vec();
    let numbers: Vec<String> = NUMBERS.iter().map(|n| format!("f.{n}")).collect();
    let key = format!(
        "{method}COALESCE(e.usage_type, e.sku_meter), e.instance_type, e.region_id, e.component, e.usage_unit, {}, {EQUATION}, \
         f.it_kwh_per_unit, f.embodied_gco2e_per_unit, CASE WHEN e.component NOT IN ('embodied', 'network_internet') THEN p.pue_ratio END, \
         CASE WHEN e.component <> 'embodied' THEN p.intensity_gco2e_per_kwh END, \
         CASE WHEN e.component <> 'embodied' THEN COALESCE(f.claimed_market_gco2e_per_kwh, p.intensity_gco2e_per_kwh) END",
        numbers.join(", ")
    );
    format!(
        "SELECT {method}COALESCE(e.usage_type, e.sku_meter) AS usage, e.instance_type, e.region_id, e.component, \
         SUM(e.usage_quantity) AS usage_quantity, e.usage_unit, {}, {EQUATION} AS equation, f.it_kwh_per_unit, \
         f.embodied_gco2e_per_unit, SUM(e.it_kwh) AS it_kwh, \
         CASE WHEN e.component NOT IN ('embodied', 'network_internet') THEN p.pue_ratio END AS pue_ratio, \
         SUM(e.facility_kwh) AS facility_kwh, \
         CASE WHEN e.component <> 'embodied' THEN p.intensity_gco2e_per_kwh END AS location_gco2e_per_kwh, \
         SUM(e.location_gco2e) AS location_gco2e, \
         CASE WHEN e.component <> 'embodied' THEN COALESCE(f.claimed_market_gco2e_per_kwh, p.intensity_gco2e_per_kwh) END \
         AS market_gco2e_per_kwh, SUM(e.market_gco2e) AS market_gco2e, SUM(e.embodied_gco2e) AS embodied_gco2e \
         FROM estimates AS e JOIN estimate.applied_usage_factors AS f ON {} \
         LEFT JOIN estimate.applied_place_factors AS p ON {} \
         AND (p.usage_year IS NOT DISTINCT FROM CAST(extract(YEAR FROM e.charge_date) AS BIGINT)) \
         WHERE e.component IS NOT NULL GROUP BY {key} \
         ORDER BY {method}COALESCE(SUM(e.location_gco2e), SUM(e.embodied_gco2e)) DESC NULLS LAST, usage, component LIMIT {limit}",
        numbers.join(", "),
        same("f", "e", &meter),
        same("p", "e", &place),
    )
}

/// Whether a column of the equations is one of their numbers.
pub fn is_number(column: &str) -> bool {
    NUMBERS.contains(&column)
}
