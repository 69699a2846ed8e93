//! What has no factor, and what it would take.

use super::query::{QueryRows, tenants};
use super::sql::read_only;
use super::workspace::Workspace;
use crate::error::Result;

/// Usage and activity of the chosen tenants without an estimate, the costliest first, at most `limit` rows.
///
/// # Errors
/// What the engine says.
pub async fn rows_without_factor(workspace: &Workspace, limit: u32) -> Result<QueryRows> {
    let sql = GAPS_SQL
        .replace("{{tenants}}", &tenants(workspace))
        .replace("{{limit}}", &limit.to_string());
    read_only(workspace, &sql).await
}

const GAPS_SQL: &str = "
WITH usage_gaps AS (
    SELECT
        provider_name AS provider,
        service_name AS service,
        COALESCE(instance_type, sku_meter, usage_type, operation) AS what,
        usage_unit AS unit,
        component,
        uncovered_reason AS reason,
        billing_currency AS currency,
        CAST(SUM(carried_effective_cost) AS DOUBLE) AS cost,
        CAST(SUM(COALESCE(carried_line_count, 0)) AS BIGINT) AS lines,
        COUNT(*) AS estimate_rows
    FROM estimate.cloud_emissions
    WHERE uncovered_reason IS NOT NULL AND tenant IN ({{tenants}})
    GROUP BY 1, 2, 3, 4, 5, 6, 7
),
activity_gaps AS (
    SELECT
        'activity' AS provider,
        activity AS service,
        concat_ws(' ', site, country) AS what,
        unit,
        CAST(NULL AS VARCHAR) AS component,
        uncovered_reason AS reason,
        CAST(NULL AS VARCHAR) AS currency,
        CAST(NULL AS DOUBLE) AS cost,
        COUNT(*) AS lines,
        COUNT(*) AS estimate_rows
    FROM estimate.activity_emissions
    WHERE uncovered_reason IS NOT NULL AND tenant IN ({{tenants}})
    GROUP BY 1, 2, 3, 4, 6
)
SELECT * FROM (SELECT * FROM usage_gaps UNION ALL SELECT * FROM activity_gaps) AS gaps
ORDER BY cost DESC NULLS LAST, estimate_rows DESC, provider, service, what
LIMIT {{limit}}";

/// What would give a row with this reason an estimate.
pub fn remedy(reason: &str) -> &'static str {
    match reason {
        "unknown_unit" => {
            "the bill's unit is not in units.csv: add a row with its canonical unit and multiplier"
        }
        "unknown_instance_type" => {
            "the instance type is not in instance_types.csv: add it with its vCPU count, or its family to instance_families.csv"
        }
        "no_storage_class" => {
            "no row of storage_coefficients.csv fits the service: add one with energy per TB-hour and replication"
        }
        "no_transfer_class" => {
            "no row of transfer_classes.csv tells where the bytes go: add the usage type or meter"
        }
        "no_platform" => {
            "memory or embodied emissions need the platform's size: add it to instance_types.csv"
        }
        "no_memory_size" => "add the instance type's memory to instance_types.csv",
        "no_memory_baseline" => {
            "compute_power.csv has no memory baseline for the microarchitecture: add memory_gb_per_chip_baseline"
        }
        "no_gpu_factor" => "the accelerator is not in gpu_power.csv: add its idle and full watts",
        "no_pue_factor" => {
            "the provider is not in pue.csv: add a row for the region, or a default for the provider"
        }
        "no_grid_factor" => {
            "no grid intensity for the region or country: add the region to regions.csv or a row to grid_intensity.csv"
        }
        "no_quantity" => {
            "the bill or file states no quantity: nothing to multiply; the provider must deliver it"
        }
        "unknown_charge_type" => "the line's charge type is none that this version knows: please report it",
        "no_factor" => {
            "no published energy figure for this kind of service: a coefficient of your own in [factors] overlay"
        }
        "ambiguous_factor" => {
            "several rows of activity_factors.csv fit: name scope, category or method_hint in the file"
        }
        _ => "a row of your own in [factors] overlay",
    }
}
