//! From a figure to the estimate rows, factors, rollup rows, source files and row numbers behind it.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::SessionContext;

use super::explain_sql::{self, Shape};
use super::query::{Rows, name, rollup_key, rows, same, tenants};
use super::workspace::Workspace;
use crate::error::{Error, Result};

/// A part of the way.
pub struct Section {
    /// `figure`, `estimate`, `rollup`, `files`, `lines`, `activity`.
    pub name: &'static str,
    /// For people.
    pub title: String,
    /// The rows shown.
    pub rows: Rows,
}

/// Whether a figure is the sum of what stands behind it.
pub struct Check {
    /// What was added up.
    pub what: String,
    /// The figure.
    pub figure: String,
    /// The sum.
    pub sum: String,
    /// Whether they agree.
    pub equal: bool,
}

/// A factor with its row of the reference tables.
pub struct Factor {
    /// Its id, as the estimate names it.
    pub id: String,
    /// The table; empty when the id stands for none.
    pub table: String,
    /// What it says: `column value`, several.
    pub values: String,
    /// ok, undated, assumed, fallback.
    pub quality: String,
    /// The publication.
    pub source: String,
    /// Its licence.
    pub licence: String,
}

/// The whole way.
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
            .hint("publish.emissions_by_…, publish.inventory, estimate.cloud_emissions and estimate.activity_emissions can")
    })?;
    let context = workspace.engine.session();
    let chosen = format!("SELECT * FROM {table} WHERE ({filter}) AND tenant IN ({})", tenants(workspace));
    name(workspace, &context, "figure", &chosen).await.map_err(|e| e.at(format!("filter {filter}")))?;
    let count = rows(workspace, &context, "SELECT COUNT(*) AS n FROM figure").await?;
    let count = texts(&count).first().and_then(|r| r.first().cloned()).unwrap_or_default();
    if count == "0" {
        return Err(Error::usage(format!("no row of {table} matches"))
            .at(format!("filter {filter}"))
            .hint(format!("`offgridflow sql \"select * from {table} limit 5\"` shows what there is")));
    }
    let mut way = Way { workspace, context, limit, done: Explanation { sections: Vec::new(), factors: Vec::new(), checks: Vec::new() } };
    let columns = if count == "1" { "*" } else { shape.figure_columns() };
    let order = shape.figure_order();
    way.section("figure", format!("{table}: {count} rows match"), &format!("SELECT {columns} FROM figure ORDER BY {order} LIMIT {limit}")).await?;
    if let Some(sql) = shape.activity_sql() {
        name(workspace, &way.context, "activity_rows", &sql).await?;
        way.activity(&shape).await?;
    }
    if let Some(sql) = explain_sql::estimate_sql(workspace, &shape, table, filter)? {
        name(workspace, &way.context, "estimates", &sql).await?;
        way.cloud(&shape).await?;
    }
    Ok(way.done)
}

struct Way<'a> {
    workspace: &'a Workspace,
    context: SessionContext,
    limit: u32,
    done: Explanation,
}

impl Way<'_> {
    async fn section(&mut self, name: &'static str, title: String, sql: &str) -> Result<usize> {
        let rows = rows(self.workspace, &self.context, sql).await?;
        let count = rows.count();
        if count > 0 {
            self.done.sections.push(Section { name, title, rows });
        }
        Ok(count)
    }

    async fn check(&mut self, what: &str, figure_sql: &str, sum_sql: &str, tolerance: &str) -> Result<()> {
        let sql = format!(
            "SELECT CAST(f.v AS VARCHAR), CAST(s.v AS VARCHAR), abs(f.v - s.v) <= {tolerance} \
             FROM ({figure_sql}) AS f (v) CROSS JOIN ({sum_sql}) AS s (v)"
        );
        for row in texts(&rows(self.workspace, &self.context, &sql).await?) {
            let [figure, sum, equal] = row.as_slice() else { continue };
            self.done.checks.push(Check { what: what.to_string(), figure: figure.clone(), sum: sum.clone(), equal: equal == "true" });
        }
        Ok(())
    }

    async fn activity(&mut self, shape: &Shape) -> Result<()> {
        let limit = self.limit;
        let shown = "SELECT source_file, source_row_number, site, activity, quantity, unit, period_start, period_end, method, \
             scope, co2e_kg, quality, factor_id, market_method, instrument_row, uncovered_reason FROM activity_rows";
        let count = self
            .section("activity", "Activity rows, as delivered, with their estimate".into(), &format!("{shown} ORDER BY co2e_kg DESC NULLS LAST, source_file, source_row_number LIMIT {limit}"))
            .await?;
        if count == 0 {
            return Ok(());
        }
        self.factors("SELECT DISTINCT factor_id FROM activity_rows").await?;
        if matches!(shape, Shape::Inventory) {
            let figure = "SELECT COALESCE(SUM(co2e_kg), 0) FROM figure WHERE data_source IN ('activity', 'supplier')";
            self.check("co2e_kg of activity rows", figure, "SELECT COALESCE(SUM(co2e_kg), 0) FROM activity_rows", "0").await?;
        }
        Ok(())
    }

    async fn cloud(&mut self, shape: &Shape) -> Result<()> {
        let workspace = self.workspace;
        let limit = self.limit;
        let key = rollup_key(workspace);
        name(workspace, &self.context, "picked", &explain_sql::picked_sql(workspace, shape, &key)?).await?;
        let partitions = rows(workspace, &self.context, "SELECT DISTINCT tenant, source, export, period FROM picked").await?;
        let partitions = texts(&partitions);
        if partitions.is_empty() {
            return Ok(());
        }
        self.section(
            "estimate",
            "Estimate: energy and emissions by component and factors".into(),
            &format!(
                "SELECT component, quality, usage_unit, COUNT(*) AS estimate_rows, SUM(usage_quantity) AS usage_quantity, \
                 SUM(it_kwh) AS it_kwh, SUM(facility_kwh) AS facility_kwh, SUM(location_gco2e) AS location_gco2e, \
                 SUM(market_gco2e) AS market_gco2e, SUM(embodied_gco2e) AS embodied_gco2e, power_factor_id, pue_factor_id, \
                 grid_factor_id, market_factor_id, embodied_factor_id, uncovered_reason \
                 FROM estimates GROUP BY component, quality, usage_unit, power_factor_id, pue_factor_id, grid_factor_id, \
                 market_factor_id, embodied_factor_id, uncovered_reason \
                 ORDER BY COALESCE(SUM(location_gco2e), SUM(embodied_gco2e)) DESC NULLS LAST, component, power_factor_id LIMIT {}",
                limit.saturating_mul(2)
            ),
        )
        .await?;
        let ids = ["power_factor_id", "pue_factor_id", "grid_factor_id", "market_factor_id", "embodied_factor_id"];
        let ids: Vec<String> = ids.iter().map(|c| format!("SELECT DISTINCT {c} AS factor_id FROM estimates")).collect();
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
        let within = ["tenant", "source", "export", "period"].iter().enumerate().map(|(index, column)| {
            let mut values: Vec<String> = partitions.iter().map(|p| format!("'{}'", p[index].replace('\'', "''"))).collect();
            values.sort();
            values.dedup();
            format!("{column} IN ({})", values.join(", "))
        });
        let within: Vec<String> = within.collect();
        let sql = format!(
            "SELECT u.* FROM (SELECT *, CAST(charge_period_start AS DATE) AS charge_date /*{{tag_values}}*/ FROM normalize.usage \
             WHERE {}) AS u JOIN (SELECT DISTINCT {} FROM picked) AS k ON {}",
            within.join(" AND "),
            key.join(", "),
            same("u", "k", key)
        );
        name(self.workspace, &self.context, "lines", &self.workspace.tables.placeholders.render(&sql)?).await?;
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
        let figure = |column: &str| format!("SELECT COALESCE(SUM({column}), 0) FROM figure");
        match shape {
            Shape::Inventory => {
                let sum = "SELECT CAST(COALESCE(SUM(CASE method WHEN 'location' THEN counted_location_gco2e WHEN 'market' THEN \
                     counted_market_gco2e ELSE embodied_gco2e END), 0) AS DECIMAL(38, 12)) / 1000 FROM estimates";
                let figure = "SELECT COALESCE(SUM(co2e_kg), 0) FROM figure WHERE data_source = 'estimate'";
                self.check("co2e_kg of cloud rows = estimate rows / 1000", figure, sum, "0.000001").await?;
            }
            Shape::Cloud => {}
            _ => {
                for (column, counted) in [
                    ("facility_kwh", "counted_facility_kwh"),
                    ("location_gco2e", "counted_location_gco2e"),
                    ("market_gco2e", "counted_market_gco2e"),
                    ("embodied_gco2e", "embodied_gco2e"),
                ] {
                    let sum = format!("SELECT COALESCE(SUM({counted}), 0) FROM estimates");
                    self.check(&format!("{column} = estimate rows"), &figure(column), &sum, "0").await?;
                }
                // Published money is rounded once per row.
                let rounded = "(SELECT COUNT(*) * 0.00000000005 FROM figure)";
                let sum = "SELECT COALESCE(SUM(billed_cost), 0) FROM picked";
                self.check("billed_cost = rollup rows, rounded", &figure("billed_cost"), sum, rounded).await?;
                self.check("line_count = rollup rows", &figure("line_count"), "SELECT COALESCE(SUM(line_count), 0) FROM picked", "0").await?;
            }
        }
        let lines = "SELECT COALESCE(SUM(line_count), 0) FROM picked";
        self.check("lines of rollup rows = delivered lines", lines, "SELECT COUNT(*) FROM lines", "0").await?;
        let cost = "SELECT COALESCE(SUM(billed_cost), 0) FROM picked";
        self.check("billed_cost of rollup rows = delivered lines", cost, "SELECT COALESCE(SUM(billed_cost), 0) FROM lines", "0").await
    }

    /// Looks up every id that a query gives.
    async fn factors(&mut self, sql: &str) -> Result<()> {
        let found = rows(self.workspace, &self.context, &format!("SELECT DISTINCT factor_id FROM ({sql}) AS named WHERE factor_id IS NOT NULL ORDER BY 1")).await?;
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

/// The ids in a cell: several are separated by `|`, and `x and 2 more` names the first.
pub fn split_ids(cell: &str) -> Vec<String> {
    if cell.starts_with("claim:") {
        return vec![cell.to_string()];
    }
    let ids = cell.split('|').map(|id| id.split(" and ").next().unwrap_or(id).trim().to_string());
    ids.filter(|id| !id.is_empty()).collect()
}

fn factor(workspace: &Workspace, id: &str) -> Result<Factor> {
    let set = &workspace.tables.factors;
    let names: Vec<String> = set.tables().map(str::to_string).collect();
    for name in names {
        let table = set.rows(&name)?;
        let Some(column) = table.header.iter().position(|c| c == "factor_id") else { continue };
        let Some(row) = table.rows.iter().find(|r| r[column] == id) else { continue };
        let cell = |name: &str| table.header.iter().position(|c| c == name).map(|i| row[i].clone()).unwrap_or_default();
        let numbers = table.header.iter().zip(row).filter(|(name, cell)| cell.parse::<f64>().is_ok() && !name.ends_with("_code"));
        let values: Vec<String> = numbers.map(|(name, cell)| format!("{name} {cell}")).collect();
        return Ok(Factor {
            id: id.to_string(),
            table: format!("reference.{name}"),
            values: values.join(", "),
            quality: cell("quality"),
            source: cell("source"),
            licence: cell("licence"),
        });
    }
    let source = match id.strip_prefix("claim:") {
        Some(evidence) => format!("[[method.supplier_factor]]: {evidence}"),
        None => "not a row of the current factor set: a figure of the delivered file, or of an older set".to_string(),
    };
    let empty = String::new;
    Ok(Factor { id: id.to_string(), table: empty(), values: empty(), quality: empty(), source, licence: empty() })
}

fn texts(rows: &Rows) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for batch in &rows.batches {
        let columns: Vec<_> = batch.columns().iter().filter_map(|c| cast(c, &DataType::Utf8).ok()).collect();
        for row in 0..batch.num_rows() {
            let cell = |c: &datafusion::arrow::array::ArrayRef| if c.is_null(row) { String::new() } else { c.as_string::<i32>().value(row).to_string() };
            all.push(columns.iter().map(cell).collect());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::split_ids;

    #[test]
    fn cells_name_several_factors() {
        assert_eq!(split_ids("a/1|b/2"), ["a/1", "b/2"]);
        assert_eq!(split_ids("emb/x and 3 more"), ["emb/x"]);
        assert_eq!(split_ids("claim:statement|2026"), ["claim:statement|2026"]);
    }
}
