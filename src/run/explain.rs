//! From a figure to the estimate rows, factors, rollup rows, source files and row numbers behind it.

use datafusion::prelude::SessionContext;

use super::explain_activity;
use super::explain_equations::equations_sql;
use super::explain_sql::{self, Shape};
use super::factor_row::{Factor, factor, split_ids};
use super::query::{QueryRows, keep, name, rollup_key, rows, same, tenants, texts};
use super::workspace::Workspace;
use crate::error::{Error, Result};

/// A part of the explaining.
pub struct Section {
    /// `figure`, `estimate`, `equations`, `rollup`, `files`, `lines`, `activity`, `activity_equations`, `provider`.
    pub name: &'static str,
    /// For people.
    pub title: String,
    /// The rows shown.
    pub rows: QueryRows,
}

/// Whether a figure is the sum of what stands behind it.
pub struct Check {
    /// What was added up.
    pub what: String,
    /// The figure; empty where nothing is known.
    pub figure: String,
    /// The sum; empty likewise.
    pub sum: String,
    /// Whether they agree.
    pub equal: bool,
}

/// The whole explaining.
pub struct Explanation {
    /// In the order from figure to line.
    pub sections: Vec<Section>,
    /// Every factor used.
    pub factors: Vec<Factor>,
    /// Sums.
    pub checks: Vec<Check>,
}

/// Explains the rows of a table that a filter chooses.
///
/// # Errors
/// Usage: a table that cannot be explained, a filter that is no SQL or matches nothing.
pub async fn explain(workspace: &Workspace, table: &str, filter: &str, limit: u32) -> Result<Explanation> {
    let shape = explain_sql::shape(table).ok_or_else(|| {
        Error::usage(format!("`{table}` cannot be explained"))
            .hint("publish.emissions_by_…, publish.cost_and_carbon, publish.inventory, estimate.cloud_emissions and estimate.activity_emissions can")
    })?;
    let context = workspace.engine.session();
    let chosen = format!(
        "SELECT * FROM {table} WHERE ({filter}) AND tenant IN ({})",
        tenants(workspace)
    );
    name(workspace, &context, "figure", &chosen).await.map_err(|e| {
        e.at(format!("filter {filter}")).hint(format!(
            "the filter is SQL over the table's columns: `offgridflow models show {table}` lists them"
        ))
    })?;
    let count = rows(workspace, &context, "SELECT COUNT(*) AS n FROM figure").await?;
    let count = texts(&count)
        .first()
        .and_then(|r| r.first().cloned())
        .unwrap_or_default();
    if count == "0" {
        return Err(Error::usage(format!("no row of {table} matches"))
            .at(format!("filter {filter}"))
            .hint(format!(
                "`offgridflow sql \"select * from {table} limit 5\"` shows what there is"
            )));
    }
    let mut explaining = Explaining {
        workspace,
        context,
        limit,
        done: Explanation {
            sections: Vec::new(),
            factors: Vec::new(),
            checks: Vec::new(),
        },
    };
    let columns = if count == "1" { "*" } else { shape.figure_columns() };
    let order = shape.figure_order();
    explaining
        .section(
            "figure",
            format!(
                "{table}: {count} {}",
                if count == "1" { "row matches" } else { "rows match" }
            ),
            &format!("SELECT {columns} FROM figure ORDER BY {order} LIMIT {limit}"),
        )
        .await?;
    if let Some(sql) = shape.activity_sql() {
        keep(workspace, &explaining.context, "activity_rows", &sql).await?;
        explaining.activity(&shape).await?;
    }
    if matches!(shape, Shape::Inventory) {
        explaining.provider().await?;
    }
    if let Some(sql) = explain_sql::estimate_sql(workspace, &shape, table, filter)? {
        keep(workspace, &explaining.context, "estimates", &sql).await?;
        explaining.cloud(&shape).await?;
    }
    Ok(explaining.done)
}

struct Explaining<'a> {
    workspace: &'a Workspace,
    context: SessionContext,
    limit: u32,
    done: Explanation,
}

impl Explaining<'_> {
    async fn section(&mut self, name: &'static str, title: String, sql: &str) -> Result<usize> {
        let rows = rows(self.workspace, &self.context, sql).await?;
        let count = rows.count();
        let title = if count >= self.limit as usize && name != "lines" {
            format!("{title}, the largest {count}")
        } else {
            title
        };
        if count > 0 {
            self.done.sections.push(Section { name, title, rows });
        }
        Ok(count)
    }

    async fn check(&mut self, what: &str, figure_sql: &str, sum_sql: &str, tolerance: &str) -> Result<()> {
        let sql = format!(
            "SELECT CAST(f.v AS VARCHAR), CAST(s.v AS VARCHAR), abs(COALESCE(f.v, 0) - COALESCE(s.v, 0)) <= {tolerance} \
             FROM ({figure_sql}) AS f (v) CROSS JOIN ({sum_sql}) AS s (v)"
        );
        for row in texts(&rows(self.workspace, &self.context, &sql).await?) {
            let [figure, sum, equal] = row.as_slice() else {
                continue;
            };
            self.done.checks.push(Check {
                what: what.to_string(),
                figure: figure.clone(),
                sum: sum.clone(),
                equal: equal == "true",
            });
        }
        Ok(())
    }

    async fn activity(&mut self, shape: &Shape) -> Result<()> {
        let limit = self.limit;
        let shown = "SELECT source_file, source_row_number, site, activity, quantity, unit, period_start, period_end, method, \
             scope, co2e_kg, quality, factor_id, market_method, instrument_row, uncovered_reason FROM activity_rows";
        let count = self
            .section(
                "activity",
                "Activity rows, as delivered, with their estimate".into(),
                &format!(
                    "{shown} ORDER BY co2e_kg DESC NULLS LAST, source_file, source_row_number LIMIT {limit}"
                ),
            )
            .await?;
        if count == 0 {
            return Ok(());
        }
        self.section(
            "activity_equations",
            "Equations of activity rows, with their numbers".into(),
            &explain_activity::equations_sql(limit),
        )
        .await?;
        self.factors("SELECT DISTINCT factor_id FROM activity_rows")
            .await?;
        if matches!(shape, Shape::Inventory) {
            let figure = "SELECT SUM(co2e_kg) FROM figure WHERE data_source IN ('activity', 'supplier')";
            self.check(
                "co2e_kg of activity rows",
                figure,
                "SELECT SUM(co2e_kg) FROM activity_rows",
                "0",
            )
            .await?;
        }
        Ok(())
    }

    async fn provider(&mut self) -> Result<()> {
        keep(
            self.workspace,
            &self.context,
            "provider_totals",
            explain_sql::PROVIDER_TOTALS,
        )
        .await?;
        let sql = format!(
            "SELECT DISTINCT * FROM ({}) AS delivered ORDER BY gco2e DESC NULLS LAST, source_file, source_row_number, scope LIMIT {}",
            explain_sql::PROVIDER_FIGURES,
            self.limit
        );
        let title = "The provider's own figures, as delivered: a total holds its scopes".to_string();
        if self.section("provider", title, &sql).await? == 0 {
            return Ok(());
        }
        self.check(
            "co2e_kg of provider rows = the provider's totals / 1000",
            "SELECT SUM(co2e_kg) FROM figure WHERE data_source = 'provider'",
            "SELECT CAST(SUM(CASE method WHEN 'location' THEN location_gco2e ELSE market_gco2e END) \
             AS DECIMAL(38, 12)) / 1000 FROM provider_totals",
            "0",
        )
        .await
    }

    async fn cloud(&mut self, shape: &Shape) -> Result<()> {
        let workspace = self.workspace;
        let limit = self.limit;
        let key = rollup_key(workspace);
        keep(
            workspace,
            &self.context,
            "picked",
            &explain_sql::picked_sql(workspace, shape, &key)?,
        )
        .await?;
        let partitions = rows(
            workspace,
            &self.context,
            "SELECT DISTINCT tenant, source, export, period FROM picked",
        )
        .await?;
        let partitions = texts(&partitions);
        if partitions.is_empty() {
            return Ok(());
        }
        // Location and market method stand on the same rows.
        let method = if matches!(shape, Shape::Inventory) {
            "method, "
        } else {
            ""
        };
        self.section(
            "estimate",
            "Estimate: energy and emissions by component and factors".into(),
            &format!(
                "SELECT * FROM (SELECT {method}component, quality, usage_unit, COUNT(*) AS estimate_rows, SUM(usage_quantity) AS usage_quantity, \
                 SUM(counted_it_kwh) AS it_kwh, SUM(counted_facility_kwh) AS facility_kwh, SUM(counted_location_gco2e) AS location_gco2e, \
                 SUM(counted_market_gco2e) AS market_gco2e, SUM(embodied_gco2e) AS embodied_gco2e, \
                 SUM(CASE WHEN counted_facility_kwh IS NULL THEN location_gco2e END) AS apart_gco2e, power_factor_id, pue_factor_id, \
                 grid_factor_id, market_factor_id, embodied_factor_id, uncovered_reason \
                 FROM estimates GROUP BY {method}component, quality, usage_unit, power_factor_id, pue_factor_id, grid_factor_id, \
                 market_factor_id, embodied_factor_id, uncovered_reason) AS summed \
                 ORDER BY {method}COALESCE(location_gco2e, embodied_gco2e) DESC NULLS LAST, component, power_factor_id LIMIT {}",
                limit.saturating_mul(2)
            ),
        )
        .await?;
        let made = "How each is made, by meter and component".to_string();
        self.section("equations", made, &equations_sql(method, limit))
            .await?;
        let ids = [
            "power_factor_id",
            "pue_factor_id",
            "grid_factor_id",
            "market_factor_id",
            "embodied_factor_id",
        ];
        let ids: Vec<String> = ids
            .iter()
            .map(|c| format!("SELECT DISTINCT {c} AS factor_id FROM estimates"))
            .collect();
        self.factors(&ids.join(" UNION ALL ")).await?;
        self.section(
            "rollup",
            "Usage per day and key, summed over the days".into(),
            &format!(
                "SELECT source, export, period, COALESCE(usage_type, sku_meter) AS usage, instance_type, operation, charge_category, usage_unit, \
                 COUNT(*) AS rollup_rows, SUM(usage_quantity) AS usage_quantity, SUM(effective_cost) AS effective_cost, \
                 SUM(line_count) AS lines FROM picked GROUP BY source, export, period, COALESCE(usage_type, sku_meter), \
                 instance_type, operation, charge_category, usage_unit ORDER BY effective_cost DESC NULLS LAST, usage LIMIT {limit}"
            ),
        )
        .await?;
        self.lines(&key, &partitions).await?;
        self.sums(shape).await
    }

    /// The delivered lines behind the rollup rows, out of their partitions alone.
    async fn lines(&mut self, key: &[String], partitions: &[Vec<String>]) -> Result<()> {
        let within = ["tenant", "source", "export", "period"]
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let mut values: Vec<String> = partitions
                    .iter()
                    .map(|p| format!("'{}'", p[index].replace('\'', "''")))
                    .collect();
                values.sort();
                values.dedup();
                format!("{column} IN ({})", values.join(", "))
            });
        let within: Vec<String> = within.collect();
        let sql = format!(
            "SELECT u.source_file, u.source_row_number, u.charge_period_start, u.resource_id, u.usage_type, u.sku_meter, u.usage_quantity_raw, \
             u.usage_unit_raw, u.usage_quantity, u.usage_unit, u.billed_cost, u.effective_cost FROM (SELECT *, CAST(charge_period_start AS DATE) AS charge_date /*{{tag_values}}*/ FROM normalize.usage \
             WHERE {}) AS u JOIN (SELECT DISTINCT {} FROM picked) AS k ON {}",
            within.join(" AND "),
            key.join(", "),
            same("u", "k", key)
        );
        keep(
            self.workspace,
            &self.context,
            "lines",
            &self.workspace.tables.placeholders.render(&sql)?,
        )
        .await?;
        let limit = self.limit;
        self.section(
            "files",
            "Source files".into(),
            &format!(
                "SELECT source_file, COUNT(*) AS lines, MIN(source_row_number) AS first_row, MAX(source_row_number) AS last_row, \
                 SUM(billed_cost) AS billed_cost FROM lines GROUP BY source_file ORDER BY source_file LIMIT {limit}"
            ),
        )
        .await?;
        self.section(
            "lines",
            "Lines, the costliest".into(),
            &format!(
                "SELECT source_file, source_row_number AS row, CAST(charge_period_start AS VARCHAR) AS charge_period_start, resource_id, COALESCE(usage_type, sku_meter) AS usage, \
                 usage_quantity_raw, usage_unit_raw, usage_quantity, usage_unit, billed_cost FROM lines \
                 ORDER BY effective_cost DESC NULLS LAST, source_file, source_row_number LIMIT {limit}"
            ),
        )
        .await?;
        Ok(())
    }

    async fn sums(&mut self, shape: &Shape) -> Result<()> {
        let figure = |column: &str| format!("SELECT SUM(\"{column}\") FROM figure");
        match shape {
            Shape::Inventory => {
                let sum = "SELECT CAST(SUM(CASE method WHEN 'location' THEN counted_location_gco2e WHEN 'market' THEN \
                     counted_market_gco2e ELSE embodied_gco2e END) AS DECIMAL(38, 12)) / 1000 FROM estimates";
                let figure = "SELECT SUM(co2e_kg) FROM figure WHERE data_source = 'estimate'";
                self.check(
                    "co2e_kg of cloud rows = estimate rows / 1000",
                    figure,
                    sum,
                    "0.000001",
                )
                .await?;
            }
            Shape::Cloud => {}
            _ => {
                for (sum, counted) in [
                    ("facility_kwh", "counted_facility_kwh"),
                    ("location_gco2e", "counted_location_gco2e"),
                    ("market_gco2e", "counted_market_gco2e"),
                    ("embodied_gco2e", "embodied_gco2e"),
                ] {
                    let column = shape.column_of(sum);
                    let sum = format!("SELECT SUM({counted}) FROM estimates");
                    self.check(&format!("{column} = estimate rows"), &figure(column), &sum, "0")
                        .await?;
                }
                // Published money is rounded once per row.
                let rounded = "(SELECT COUNT(*) * 0.00000000005 FROM figure)";
                let sum = "SELECT SUM(billed_cost) FROM picked";
                let (cost, count) = (shape.column_of("billed_cost"), shape.column_of("line_count"));
                self.check(
                    &format!("{cost} = rollup rows, rounded"),
                    &figure(cost),
                    sum,
                    rounded,
                )
                .await?;
                self.check(
                    &format!("{count} = rollup rows"),
                    &figure(count),
                    "SELECT SUM(line_count) FROM picked",
                    "0",
                )
                .await?;
            }
        }
        let lines = "SELECT SUM(line_count) FROM picked";
        self.check(
            "lines of rollup rows = delivered lines",
            lines,
            "SELECT COUNT(*) FROM lines",
            "0",
        )
        .await?;
        let cost = "SELECT SUM(billed_cost) FROM picked";
        self.check(
            "billed_cost of rollup rows = delivered lines",
            cost,
            "SELECT SUM(billed_cost) FROM lines",
            "0",
        )
        .await
    }

    /// Looks up every id that a query gives.
    async fn factors(&mut self, sql: &str) -> Result<()> {
        let found = rows(
            self.workspace,
            &self.context,
            &format!(
                "SELECT DISTINCT factor_id FROM ({sql}) AS named WHERE factor_id IS NOT NULL ORDER BY 1"
            ),
        )
        .await?;
        for row in texts(&found) {
            let id = row.into_iter().next().unwrap_or_default();
            for id in split_ids(&id) {
                if !self.done.factors.iter().any(|f| f.id == id) {
                    let factor = factor(self.workspace, &id)?;
                    self.done.factors.push(factor);
                }
            }
        }
        Ok(())
    }
}
