//! What changed in emissions and why, between the tables of two runs or between two months.
//!
//! Every key with its component is set beside itself: a key that came or went is usage; one that found or lost its
//! factor is coverage; for the rest, the emission at the old rate and the new quantity parts usage from the rate, and
//! the rate's change belongs to the method, the factors or the settings, whichever of the versions differ. Activity data
//! are compared between runs, each group with one reason.

use std::collections::BTreeSet;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;

use super::query::{QueryRows, name, rollup_key, rows, tenants, texts};
use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::ledger::Run;
use crate::warehouse::{DataFile, SnapshotTable, Table};

/// The two sides' differences.
pub struct Difference {
    /// By provider, service, region and currency, with the reasons.
    pub services: QueryRows,
    /// The same summed over everything.
    pub total: QueryRows,
    /// The lines (rollup keys, or meters between months) with the largest effect.
    pub lines: QueryRows,
    /// Activity data by scope, activity, place and unit; none between months, which their periods may span.
    pub activities: Option<QueryRows>,
}

const ROLLUP: &str = "rollup.usage_daily";
const ESTIMATE: &str = "estimate.cloud_emissions";
const ACTIVITY: &str = "estimate.activity_emissions";

/// Compares the tables that two runs left; only files that are not in both are read.
///
/// # Errors
/// Usage when a run did not come to its end, external when a version cannot be read any more.
pub async fn runs(workspace: &Workspace, before: &Run, after: &Run, limit: u32) -> Result<Difference> {
    let context = workspace.engine.session();
    let old = workspace.versions_left_by(before).await?;
    let new = workspace.versions_left_by(after).await?;
    for (table, short) in [(ROLLUP, "usage"), (ESTIMATE, "estimate"), (ACTIVITY, "activity")] {
        let (old, new) = (
            open(workspace, table, old.get(table)).await?,
            open(workspace, table, new.get(table)).await?,
        );
        register(
            workspace,
            &context,
            &format!("before_{short}"),
            table,
            old.as_ref(),
            new.as_ref(),
        )
        .await?;
        register(
            workspace,
            &context,
            &format!("after_{short}"),
            table,
            new.as_ref(),
            old.as_ref(),
        )
        .await?;
    }
    let activities = rows(workspace, &context, &activities(&tenants(workspace), limit)).await?;
    let difference = compare(workspace, &context, &rollup_key(workspace), limit).await?;
    Ok(Difference {
        activities: Some(activities),
        ..difference
    })
}

/// Compares two charge months of the tables as they stand.
///
/// # Errors
/// Usage: a month without any cloud usage, of which nothing is known; what the engine says.
pub async fn months(workspace: &Workspace, before: &str, after: &str, limit: u32) -> Result<Difference> {
    let context = workspace.engine.session();
    let known = format!(
        "SELECT DISTINCT substr(CAST(charge_date AS VARCHAR), 1, 7) AS month FROM {ROLLUP} WHERE tenant IN ({}) ORDER BY month",
        tenants(workspace)
    );
    let known: Vec<String> = texts(&rows(workspace, &context, &known).await?)
        .into_iter()
        .flatten()
        .collect();
    for month in [before, after] {
        if !known.iter().any(|known| known == month) {
            let error = Error::usage(format!("there is no cloud usage in {month}"));
            return Err(match (known.first(), known.last()) {
                (Some(first), Some(last)) => {
                    error.hint(format!("the tables hold usage from {first} to {last}"))
                }
                _ => error.hint("no cloud bill has been landed; activity data are compared between two runs"),
            });
        }
    }
    for (side, month) in [("before", before), ("after", after)] {
        for (table, short) in [(ROLLUP, "usage"), (ESTIMATE, "estimate")] {
            let sql =
                format!("SELECT * FROM {table} WHERE substr(CAST(charge_date AS VARCHAR), 1, 7) = '{month}'");
            name(workspace, &context, &format!("{side}_{short}"), &sql).await?;
        }
    }
    // What a day, an export or an account has in common with the other month's is its meter.
    let meter = [
        "tenant",
        "provider_name",
        "service_name",
        "region_id",
        "sku_meter",
        "usage_type",
        "operation",
        "instance_type",
        "vcpus",
        "usage_unit",
        "charge_category",
        "billing_currency",
    ];
    compare(workspace, &context, &meter.map(str::to_string), limit).await
}

async fn open(workspace: &Workspace, name: &str, version: Option<&i64>) -> Result<Option<Table>> {
    match version {
        Some(version) => {
            workspace
                .warehouse
                .open(name, Some(u64::try_from(*version).unwrap_or_default()))
                .await
        }
        None => Ok(None),
    }
}

/// One side: the files that the other side does not have.
async fn register(
    workspace: &Workspace,
    context: &SessionContext,
    name: &str,
    table: &str,
    own: Option<&Table>,
    other: Option<&Table>,
) -> Result<()> {
    if own.is_none() && other.is_none() {
        // Neither run left such a table: its columns, and no row.
        return self::name(
            workspace,
            context,
            name,
            &format!("SELECT * FROM {table} WHERE FALSE"),
        )
        .await;
    }
    let known: BTreeSet<&str> = other
        .map(|t| t.files().iter().map(|f| f.path.as_ref()).collect())
        .unwrap_or_default();
    let provider = match own {
        Some(own) => {
            let files: Vec<DataFile> = own
                .files()
                .iter()
                .filter(|f| !known.contains(f.path.as_ref()))
                .cloned()
                .collect();
            SnapshotTable::of_files(own, &workspace.tables.expected_fields(table), files)
        }
        // A run that left no such table: the columns of the other side and no row.
        None => {
            let columns = other.map(|t| {
                t.file_schema()
                    .fields()
                    .iter()
                    .map(|f| f.as_ref().clone())
                    .collect::<Vec<_>>()
            });
            let partitions = other.map(|t| t.partition_columns().to_vec()).unwrap_or_default();
            SnapshotTable::absent(&columns.unwrap_or_default(), &partitions)
        }
    };
    context.register_table(TableReference::bare(name), std::sync::Arc::new(provider))?;
    Ok(())
}

async fn compare(
    workspace: &Workspace,
    context: &SessionContext,
    key: &[String],
    limit: u32,
) -> Result<Difference> {
    let sql = Sql {
        key: key.join(", "),
        tenants: tenants(workspace),
        internet: workspace.config.method.include_internet_transfer,
    };
    name(workspace, context, "effects", &sql.effects()).await?;
    name(workspace, context, "costs", &sql.costs()).await?;
    Ok(Difference {
        services: rows(
            workspace,
            context,
            &format!(
                "{} LIMIT {limit}",
                sql.services("provider_name, service_name, region_id, billing_currency")
            ),
        )
        .await?,
        total: rows(workspace, context, &sql.services("billing_currency")).await?,
        lines: rows(workspace, context, &sql.lines(limit)).await?,
        activities: None,
    })
}

/// Activity data whose rows or emissions differ, with the reason; location-based, and null where no row has a factor.
fn activities(tenants: &str, limit: u32) -> String {
    const KEY: &str = "scope, scope3_category, activity, category, country, region, unit";
    let side = |side: &str| {
        format!(
            "SELECT {KEY}, '{side}' AS side, quantity, co2e_kg, factor_id, method_version
             FROM {side}_activity WHERE tenant IN ({tenants}) AND method IS DISTINCT FROM 'market'"
        )
    };
    let changed = |column: &str| {
        format!(
            "(MIN(CASE WHEN side = 'before' THEN {column} END) IS DISTINCT FROM MIN(CASE WHEN side = 'after' THEN {column} END))
                OR (MAX(CASE WHEN side = 'before' THEN {column} END) IS DISTINCT FROM MAX(CASE WHEN side = 'after' THEN {column} END))"
        )
    };
    let of = |side: &str| {
        format!(
            "COUNT(CASE WHEN side = '{side}' THEN 1 END) AS rows_{side},
             SUM(CASE WHEN side = '{side}' THEN quantity END) AS quantity_{side},
             CASE WHEN COUNT(CASE WHEN side = '{side}' THEN 1 END) = 0 THEN 0
                  ELSE SUM(CASE WHEN side = '{side}' THEN co2e_kg END) END AS kg_{side}"
        )
    };
    format!(
        "WITH paired AS (
            SELECT {KEY}, {before}, {after}, {method} AS other_method, {factors} AS other_factors
            FROM ({rows_before} UNION ALL {rows_after}) AS stacked GROUP BY {KEY}
         )
         SELECT CASE WHEN rows_before = 0 THEN 'added' WHEN rows_after = 0 THEN 'removed'
                     WHEN (kg_before IS NULL) <> (kg_after IS NULL) THEN 'coverage'
                     WHEN quantity_before IS DISTINCT FROM quantity_after THEN 'usage'
                     WHEN other_method THEN 'method' WHEN other_factors THEN 'factors' ELSE 'usage' END AS change,
            {KEY}, quantity_before, quantity_after, kg_before, kg_after,
            CASE WHEN kg_before IS NOT NULL OR kg_after IS NOT NULL
                 THEN COALESCE(kg_after, 0) - COALESCE(kg_before, 0) END AS change_kg
         FROM paired
         WHERE rows_before <> rows_after OR (quantity_before IS DISTINCT FROM quantity_after) OR (kg_before IS DISTINCT FROM kg_after)
         ORDER BY abs(COALESCE(kg_after, 0) - COALESCE(kg_before, 0)) DESC, {KEY} LIMIT {limit}",
        before = of("before"),
        after = of("after"),
        method = changed("method_version"),
        factors = changed("factor_id"),
        rows_before = side("before"),
        rows_after = side("after"),
    )
}

struct Sql {
    key: String,
    tenants: String,
    internet: bool,
}

impl Sql {
    /// One row per key and component with its effect on the total (location-based, with embodied), in grams, by reason;
    /// null where neither side has an estimate.
    fn effects(&self) -> String {
        let Sql {
            key,
            tenants,
            internet,
        } = self;
        let side = |table: &str, side: &str| {
            format!(
                "SELECT {key}, component, '{side}' AS side, CAST(usage_quantity AS DOUBLE) AS quantity,
                    CASE WHEN location_gco2e IS NULL AND embodied_gco2e IS NULL THEN NULL
                         WHEN {internet} OR (component IS DISTINCT FROM 'network_internet')
                         THEN COALESCE(CAST(location_gco2e AS DOUBLE), 0) + COALESCE(CAST(embodied_gco2e AS DOUBLE), 0) ELSE 0 END AS gco2e,
                    method_version, factor_set_version,
                    concat_ws('|', power_factor_id, pue_factor_id, grid_factor_id, embodied_factor_id) AS factor_ids
                 FROM {table} WHERE tenant IN ({tenants})"
            )
        };
        let effect = |reason: &str, value: &str| {
            format!(
                "CASE WHEN change IS NULL THEN NULL WHEN reason = '{reason}' THEN {value} ELSE 0 END AS {reason}_effect"
            )
        };
        format!(
            "WITH stacked AS ({before} UNION ALL {after}),
            paired AS (
                SELECT {key}, component,
                    COUNT(CASE WHEN side = 'before' THEN 1 END) AS rows_before,
                    COUNT(CASE WHEN side = 'after' THEN 1 END) AS rows_after,
                    COALESCE(SUM(CASE WHEN side = 'before' THEN quantity END), 0) AS quantity_before,
                    COALESCE(SUM(CASE WHEN side = 'after' THEN quantity END), 0) AS quantity_after,
                    SUM(CASE WHEN side = 'before' THEN gco2e END) AS gco2e_before,
                    SUM(CASE WHEN side = 'after' THEN gco2e END) AS gco2e_after,
                    (MAX(CASE WHEN side = 'before' THEN method_version END) IS DISTINCT FROM
                        MAX(CASE WHEN side = 'after' THEN method_version END)) AS other_method,
                    (MAX(CASE WHEN side = 'before' THEN factor_ids END) IS DISTINCT FROM
                        MAX(CASE WHEN side = 'after' THEN factor_ids END))
                    OR (MAX(CASE WHEN side = 'before' THEN factor_set_version END) IS DISTINCT FROM
                        MAX(CASE WHEN side = 'after' THEN factor_set_version END)) AS other_factors
                FROM stacked GROUP BY {key}, component
            ),
            known AS (
                SELECT *, SUM(rows_before) OVER (PARTITION BY {key}) AS key_before, SUM(rows_after) OVER (PARTITION BY {key}) AS key_after,
                    CASE WHEN gco2e_before IS NOT NULL OR gco2e_after IS NOT NULL
                         THEN COALESCE(gco2e_after, 0) - COALESCE(gco2e_before, 0) END AS change,
                    CASE WHEN gco2e_before IS NULL AND gco2e_after IS NULL THEN NULL
                         WHEN quantity_before <> 0 THEN COALESCE(gco2e_before, 0) * (quantity_after / quantity_before - 1)
                         ELSE COALESCE(gco2e_after, 0) - COALESCE(gco2e_before, 0) END AS at_old_rate
                FROM paired
            ),
            sorted AS (
                SELECT *, CASE
                    WHEN key_before = 0 OR key_after = 0 THEN 'usage'
                    WHEN rows_before = 0 OR rows_after = 0 OR (gco2e_before IS NULL) <> (gco2e_after IS NULL) THEN 'coverage'
                    WHEN other_method THEN 'method'
                    WHEN other_factors THEN 'factors'
                    ELSE 'settings' END AS reason
                FROM known
            )
            SELECT *, {usage}, {factors}, {method}, {settings}, {coverage}
            FROM sorted",
            before = side("before_estimate", "before"),
            after = side("after_estimate", "after"),
            usage = "CASE WHEN change IS NULL THEN NULL WHEN reason = 'usage' THEN change WHEN reason = 'coverage' THEN 0 \
                 ELSE at_old_rate END AS usage_effect",
            factors = effect("factors", "change - at_old_rate"),
            method = effect("method", "change - at_old_rate"),
            settings = effect("settings", "change - at_old_rate"),
            coverage = effect("coverage", "change"),
        )
    }

    /// One row per key with quantity, cost and lines of both sides, non-usage lines included.
    fn costs(&self) -> String {
        let Sql { key, tenants, .. } = self;
        let sums = |side: &str| {
            format!(
                "SUM(CASE WHEN side = '{side}' THEN usage_quantity END) AS quantity_{side},
                 SUM(CASE WHEN side = '{side}' THEN effective_cost END) AS cost_{side},
                 SUM(CASE WHEN side = '{side}' THEN line_count END) AS lines_{side}"
            )
        };
        let one = |side: &str| {
            format!(
                "SELECT {key}, '{side}' AS side, usage_quantity, effective_cost, line_count FROM {side}_usage WHERE tenant IN ({tenants})"
            )
        };
        format!(
            "SELECT {key}, {}, {} FROM ({} UNION ALL {}) AS stacked GROUP BY {key}",
            sums("before"),
            sums("after"),
            one("before"),
            one("after")
        )
    }

    /// Kilograms and cost by group, with the reasons.
    fn services(&self, group: &str) -> String {
        let kilograms = |column: &str| {
            format!(
                "round(SUM({column}) / 1000, 6) AS {}",
                column.replace("gco2e", "kg").replace("_effect", "_kg")
            )
        };
        let measures: Vec<String> = [
            "gco2e_before",
            "gco2e_after",
            "usage_effect",
            "factors_effect",
            "method_effect",
            "settings_effect",
            "coverage_effect",
        ]
        .map(kilograms)
        .to_vec();
        let names: Vec<String> = [
            "kg_before",
            "kg_after",
            "usage_kg",
            "factors_kg",
            "method_kg",
            "settings_kg",
            "coverage_kg",
        ]
        .map(str::to_string)
        .to_vec();
        let nothing: Vec<String> = names
            .iter()
            .map(|n| format!("CAST(NULL AS DOUBLE) AS {n}"))
            .collect();
        let summed: Vec<String> = names.iter().map(|n| format!("SUM({n}) AS {n}")).collect();
        // What a side does not have at all emits nothing there; what it has without an estimate is unknown.
        let known = |side: &str| {
            format!(
                "COALESCE(kg_{side}, CASE WHEN rows_{side} IS NULL AND lines_{side} IS NULL THEN 0 END) AS kg_{side}"
            )
        };
        format!(
            "SELECT {group}, {}, {},
                CASE WHEN kg_before IS NOT NULL OR kg_after IS NOT NULL THEN COALESCE(kg_after, 0) - COALESCE(kg_before, 0) END AS change_kg,
                usage_kg, factors_kg, method_kg, settings_kg, coverage_kg, cost_before, cost_after, lines_before, lines_after
             FROM (
                SELECT {group}, {}, SUM(rows_before) AS rows_before, SUM(rows_after) AS rows_after,
                    SUM(cost_before) AS cost_before, SUM(cost_after) AS cost_after,
                    SUM(lines_before) AS lines_before, SUM(lines_after) AS lines_after
                FROM (
                    SELECT {group}, {}, NULLIF(SUM(rows_before), 0) AS rows_before, NULLIF(SUM(rows_after), 0) AS rows_after,
                        CAST(NULL AS DECIMAL(38, 24)) AS cost_before, CAST(NULL AS DECIMAL(38, 24)) AS cost_after,
                        CAST(NULL AS BIGINT) AS lines_before, CAST(NULL AS BIGINT) AS lines_after FROM effects GROUP BY {group}
                    UNION ALL
                    SELECT {group}, {}, CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), SUM(cost_before), SUM(cost_after),
                        SUM(lines_before), SUM(lines_after) FROM costs GROUP BY {group}
                ) AS stacked GROUP BY {group}
             ) AS summed
             WHERE (abs(usage_kg) + abs(factors_kg) + abs(method_kg) + abs(settings_kg) + abs(coverage_kg) >= 0.000001)
                OR (cost_after IS DISTINCT FROM cost_before) OR (lines_after IS DISTINCT FROM lines_before)
             ORDER BY abs(COALESCE(kg_after, 0) - COALESCE(kg_before, 0)) DESC, {group}",
            known("before"),
            known("after"),
            summed.join(", "),
            measures.join(", "),
            nothing.join(", ")
        )
    }

    /// The keys that were added, removed or changed, the largest effect first; emissions without an estimate are null.
    fn lines(&self, limit: u32) -> String {
        let Sql { key, .. } = self;
        format!(
            "WITH stacked AS (
                SELECT {key}, gco2e_before, gco2e_after, rows_before, rows_after, quantity_before AS estimated_before, quantity_after AS estimated_after,
                    CAST(NULL AS DECIMAL(38, 15)) AS quantity_before, CAST(NULL AS DECIMAL(38, 15)) AS quantity_after,
                    CAST(NULL AS DECIMAL(38, 24)) AS cost_before, CAST(NULL AS DECIMAL(38, 24)) AS cost_after,
                    CAST(NULL AS BIGINT) AS lines_before, CAST(NULL AS BIGINT) AS lines_after FROM effects
                UNION ALL
                SELECT {key}, CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE), 0, 0, CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE), quantity_before, quantity_after, cost_before, cost_after, lines_before, lines_after FROM costs
            ),
            folded AS (
                SELECT {key}, SUM(gco2e_before) AS gco2e_before, SUM(gco2e_after) AS gco2e_after,
                    SUM(rows_before) + COALESCE(SUM(lines_before), 0) AS present_before, SUM(rows_after) + COALESCE(SUM(lines_after), 0) AS present_after,
                    COALESCE(CAST(SUM(quantity_before) AS DOUBLE), MAX(estimated_before)) AS quantity_before,
                    COALESCE(CAST(SUM(quantity_after) AS DOUBLE), MAX(estimated_after)) AS quantity_after,
                    SUM(cost_before) AS cost_before, SUM(cost_after) AS cost_after, SUM(lines_before) AS lines_before, SUM(lines_after) AS lines_after
                FROM stacked GROUP BY {key}
            )
            SELECT
                CASE WHEN present_before = 0 THEN 'added' WHEN present_after = 0 THEN 'removed' ELSE 'changed' END AS change,
                {key},
                CASE WHEN present_before > 0 THEN quantity_before END AS quantity_before,
                CASE WHEN present_after > 0 THEN quantity_after END AS quantity_after,
                cost_before, cost_after, lines_before, lines_after,
                CASE WHEN present_before = 0 THEN 0 ELSE round(gco2e_before / 1000, 6) END AS kg_before,
                CASE WHEN present_after = 0 THEN 0 ELSE round(gco2e_after / 1000, 6) END AS kg_after
            FROM folded
            WHERE abs(COALESCE(gco2e_after, 0) - COALESCE(gco2e_before, 0)) >= 0.001 OR (cost_before IS DISTINCT FROM cost_after) OR (lines_before IS DISTINCT FROM lines_after)
                OR abs(COALESCE(quantity_after, 0) - COALESCE(quantity_before, 0)) > 0.000000001
            ORDER BY abs(COALESCE(gco2e_after, 0) - COALESCE(gco2e_before, 0)) DESC, abs(COALESCE(cost_after, 0) - COALESCE(cost_before, 0)) DESC, {key}
            LIMIT {limit}"
        )
    }
}
