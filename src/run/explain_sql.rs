//! Which rows stand behind the rows of a published table.

use super::query::same;
use super::workspace::Workspace;
use crate::error::Result;

/// The kinds of tables that can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Sums of the bill by these columns.
    Emissions(&'static [&'static str]),
    /// Sums by an allocation tag.
    Tag,
    /// Cost and carbon under FOCUS names.
    Focus,
    /// Every scope: cloud and activity rows.
    Inventory,
    /// The estimate itself.
    Cloud,
    /// The estimate of activity data itself.
    Activity,
}

/// The columns of the rollup's key and what `publish.cost_and_carbon` calls them.
const FOCUS_NAMES: [(&str, &str); 22] = [
    ("tenant", "tenant"),
    ("source", "x_Source"),
    ("period", "x_BillingPeriod"),
    ("charge_date", "ChargePeriodStart"),
    ("provider_name", "ProviderName"),
    ("billing_account_id", "BillingAccountId"),
    ("sub_account_id", "SubAccountId"),
    ("service_name", "ServiceName"),
    ("service_code", "x_ServiceCode"),
    ("service_category", "ServiceCategory"),
    ("region_id", "RegionId"),
    ("sku_id", "SkuId"),
    ("sku_meter", "SkuMeter"),
    ("usage_type", "x_UsageType"),
    ("operation", "x_Operation"),
    ("instance_type", "x_InstanceType"),
    ("usage_unit", "ConsumedUnit"),
    ("charge_category", "ChargeCategory"),
    ("charge_class", "ChargeClass"),
    ("is_usage", "x_IsUsage"),
    ("exclusion_reason", "x_ExclusionReason"),
    ("billing_currency", "BillingCurrency"),
];

const BY_TAG: &[&str] = &[
    "tenant",
    "tag_key",
    "tag_value",
    "provider_name",
    "month",
    "billing_currency",
];

/// The shape of a table.
pub fn shape(table: &str) -> Option<Shape> {
    Some(match table {
        "publish.emissions_by_service_region_month" => Shape::Emissions(&[
            "tenant",
            "provider_name",
            "service_name",
            "service_category",
            "region_id",
            "month",
            "billing_currency",
        ]),
        "publish.emissions_by_service_region_day" => Shape::Emissions(&[
            "tenant",
            "provider_name",
            "service_name",
            "service_category",
            "region_id",
            "charge_date",
            "billing_currency",
        ]),
        "publish.emissions_by_account_month" => Shape::Emissions(&[
            "tenant",
            "provider_name",
            "billing_account_id",
            "sub_account_id",
            "month",
            "billing_currency",
        ]),
        "publish.emissions_by_tag_month" => Shape::Tag,
        "publish.cost_and_carbon" => Shape::Focus,
        "publish.inventory" => Shape::Inventory,
        "estimate.cloud_emissions" => Shape::Cloud,
        "estimate.activity_emissions" => Shape::Activity,
        _ => return None,
    })
}

impl Shape {
    /// The columns shown when several rows match.
    pub fn figure_columns(&self) -> &'static str {
        match self {
            Shape::Emissions(_) | Shape::Tag | Shape::Focus => "*",
            Shape::Inventory => {
                "tenant, entity, site, scope, scope3_category, activity, method, country, month, co2e_kg, low_kg, high_kg, \
                 energy_kwh, data_quality, data_source, factor_id"
            }
            Shape::Cloud => {
                "source, charge_date, provider_name, service_name, region_id, usage_type, instance_type, component, \
                 usage_quantity, usage_unit, facility_kwh, location_gco2e, embodied_gco2e, quality, uncovered_reason"
            }
            Shape::Activity => {
                "site, activity, scope, method, quantity, unit, period_start, co2e_kg, quality, uncovered_reason"
            }
        }
    }

    /// The largest first.
    pub fn figure_order(&self) -> &'static str {
        match self {
            Shape::Emissions(_) | Shape::Tag => "total_location_gco2e DESC NULLS LAST",
            Shape::Focus => "\"x_CarbonLocationGrams\" DESC NULLS LAST",
            Shape::Inventory | Shape::Activity => "co2e_kg DESC NULLS LAST",
            Shape::Cloud => "COALESCE(location_gco2e, embodied_gco2e) DESC NULLS LAST",
        }
    }

    /// What the table calls a sum of the bill.
    pub fn column_of(&self, sum: &'static str) -> &'static str {
        match (self, sum) {
            (Shape::Focus, "facility_kwh") => "x_EnergyKwh",
            (Shape::Focus, "location_gco2e") => "x_CarbonLocationGrams",
            (Shape::Focus, "market_gco2e") => "x_CarbonMarketGrams",
            (Shape::Focus, "embodied_gco2e") => "x_CarbonEmbodiedGrams",
            (Shape::Focus, "billed_cost") => "BilledCost",
            (Shape::Focus, "line_count") => "x_LineCount",
            _ => sum,
        }
    }

    /// The rows of `estimate.activity_emissions` behind the figure.
    pub fn activity_sql(&self) -> Option<String> {
        match self {
            Shape::Activity => Some("SELECT * FROM figure".to_string()),
            Shape::Inventory => {
                let pairs = [
                    ("tenant", "tenant"),
                    ("entity", "entity"),
                    ("site", "site"),
                    ("scope", "scope"),
                    ("scope3_category", "scope3_category"),
                    ("subcategory", "subcategory"),
                    ("activity", "activity"),
                    ("method", "method"),
                    ("upper(a.country)", "country"),
                    ("substr(CAST(a.period_start AS VARCHAR), 1, 7)", "month"),
                    ("quality", "data_quality"),
                    ("factor_id", "factor_id"),
                    ("gwp_set", "gwp_set"),
                ];
                let conditions: Vec<String> = pairs
                    .iter()
                    .map(|(own, figure)| {
                        let own = if own.contains('(') {
                            (*own).to_string()
                        } else {
                            format!("a.{own}")
                        };
                        format!("({own} IS NOT DISTINCT FROM f.{figure})")
                    })
                    .collect();
                Some(format!(
                    "SELECT a.* FROM (SELECT * FROM estimate.activity_emissions WHERE co2e_kg IS NOT NULL) AS a JOIN (SELECT DISTINCT \
                     tenant, entity, site, scope, scope3_category, subcategory, activity, method, country, month, data_quality, \
                     factor_id, gwp_set FROM figure WHERE data_source <> 'estimate') AS f ON {}",
                    conditions.join(" AND ")
                ))
            }
            _ => None,
        }
    }
}

fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|c| (*c).to_string()).collect()
}

/// The rows of `estimate.published_row` behind the figure; none where only activity data is.
///
/// # Errors
/// Usage: an unknown placeholder.
pub fn estimate_sql(
    workspace: &Workspace,
    shape: &Shape,
    table: &str,
    filter: &str,
) -> Result<Option<String>> {
    let tenants = super::query::tenants(workspace);
    let sql = match shape {
        Shape::Activity => return Ok(None),
        Shape::Cloud => {
            debug_assert_eq!(table, "estimate.cloud_emissions");
            format!("SELECT * FROM estimate.published_row WHERE ({filter}) AND tenant IN ({tenants})")
        }
        Shape::Emissions(key) => behind("estimate.published_row", key),
        Shape::Tag => tagged("estimate.published_row", ""),
        Shape::Focus => under_focus_names(workspace, "estimate.published_row"),
        Shape::Inventory => INVENTORY.to_string(),
    };
    Ok(Some(workspace.tables.placeholders.render(&sql)?))
}

/// The rows of `rollup.usage_daily` behind the figure.
///
/// # Errors
/// Usage: an unknown placeholder.
pub fn picked_sql(workspace: &Workspace, shape: &Shape, rollup_key: &[String]) -> Result<String> {
    let sql = match shape {
        Shape::Emissions(key) => behind(
            "(SELECT *, substr(CAST(charge_date AS VARCHAR), 1, 7) AS month FROM rollup.usage_daily)",
            key,
        ),
        Shape::Focus => under_focus_names(workspace, "rollup.usage_daily"),
        Shape::Tag => tagged(
            "rollup.usage_daily",
            ", substr(CAST(p.charge_date AS VARCHAR), 1, 7) AS month",
        ),
        _ => format!(
            "SELECT r.* FROM rollup.usage_daily AS r JOIN (SELECT DISTINCT {} FROM estimates) AS k ON {}",
            rollup_key.join(", "),
            same("r", "k", rollup_key)
        ),
    };
    workspace.tables.placeholders.render(&sql)
}

fn behind(table: &str, key: &[&str]) -> String {
    let key = owned(key);
    format!(
        "SELECT r.* FROM {table} AS r JOIN (SELECT DISTINCT {} FROM figure) AS k ON {}",
        key.join(", "),
        same("r", "k", &key)
    )
}

fn under_focus_names(workspace: &Workspace, table: &str) -> String {
    let tags = workspace.tables.placeholders.tags.iter();
    let tags = tags.map(|tag| (tag.column.as_str(), tag.column.as_str()));
    let pairs: Vec<(&str, &str)> = FOCUS_NAMES.into_iter().chain(tags).collect();
    let named: Vec<String> = pairs
        .iter()
        .map(|(own, focus)| format!("\"{focus}\" AS {own}"))
        .collect();
    let key: Vec<String> = pairs.iter().map(|(own, _)| (*own).to_string()).collect();
    format!(
        "SELECT r.* FROM {table} AS r JOIN (SELECT DISTINCT {} FROM figure) AS k ON {}",
        named.join(", "),
        same("r", "k", &key)
    )
}

fn tagged(table: &str, more: &str) -> String {
    let key = owned(BY_TAG);
    format!(
        "SELECT r.* FROM (SELECT p.*, a.tag_key, CASE a.tag_column /*{{tag_cases:p}}*/ END AS tag_value{more} FROM {table} AS p \
         JOIN settings.allocation_tag AS a ON a.tenant = p.tenant) AS r JOIN (SELECT DISTINCT {} FROM figure) AS k ON {}",
        key.join(", "),
        same("r", "k", &key)
    )
}

/// The rows of `normalize.provider_emissions` behind figures of the inventory that are a provider's own.
pub const PROVIDER_FIGURES: &str = "
SELECT e.source_file, e.source_row_number, e.sub_account_id, e.month, e.service_name, e.region_id, e.scope, e.gco2e, e.model_version
FROM normalize.provider_emissions AS e
JOIN provider_totals AS p
  ON (p.tenant IS NOT DISTINCT FROM e.tenant)
 AND (p.source IS NOT DISTINCT FROM e.source)
 AND (p.provider_name IS NOT DISTINCT FROM e.provider_name)
 AND (p.billing_account_id IS NOT DISTINCT FROM e.billing_account_id)
 AND (p.sub_account_id IS NOT DISTINCT FROM e.sub_account_id)
 AND (p.month IS NOT DISTINCT FROM e.month)
 AND (p.service_name IS NOT DISTINCT FROM e.service_name)
 AND (p.region_id IS NOT DISTINCT FROM e.region_id)
WHERE e.is_latest_model";

/// The totals that these figures add up to.
pub const PROVIDER_TOTALS: &str = "
SELECT p.*, f.method
FROM estimate.provider_inventory AS p
JOIN (
    SELECT DISTINCT tenant, entity, site, subcategory, activity, method, country, month, factor_id
    FROM figure
    WHERE data_source = 'provider'
) AS f
  ON (f.tenant IS NOT DISTINCT FROM p.tenant)
 AND (f.entity IS NOT DISTINCT FROM p.entity)
 AND (f.site IS NOT DISTINCT FROM p.site)
 AND (f.subcategory IS NOT DISTINCT FROM p.subcategory)
 AND (f.activity IS NOT DISTINCT FROM p.service_name)
 AND (f.country IS NOT DISTINCT FROM p.country)
 AND (f.month IS NOT DISTINCT FROM p.month)
 AND (f.factor_id IS NOT DISTINCT FROM p.factor_id)";

/// As `publish.inventory` sums them: with the entity and site of the account, the country of the region.
const INVENTORY: &str = "
WITH places AS (
    SELECT p.provider_name, p.region_id, max(n.country_iso2) AS country
    FROM estimate.applied_place_factors AS p
    LEFT JOIN reference.countries AS n ON n.country_iso3 = p.country_iso3
    GROUP BY p.provider_name, p.region_id
),
cloud AS (
    SELECT e.*, m.entity, m.site, p.country,
        concat('Cloud: ', e.provider_name) AS subcategory,
        CASE WHEN e.component = 'embodied' THEN 'embodied' ELSE 'operational' END AS stage
    FROM estimate.published_row AS e
    LEFT JOIN estimate.account_mapping AS m
      ON m.account_key = array_to_string(
          make_array(e.tenant, e.billing_account_id, e.sub_account_id /*{tag_columns:e}*/), chr(31), chr(30))
    LEFT JOIN places AS p
      ON (p.provider_name IS NOT DISTINCT FROM e.provider_name) AND (p.region_id IS NOT DISTINCT FROM e.region_id)
    WHERE e.counted_location_gco2e IS NOT NULL OR e.embodied_gco2e IS NOT NULL
),
by_method AS (
    SELECT *, 'location' AS method, grid_factor_id AS figure_factor_id FROM cloud WHERE stage = 'operational'
    UNION ALL
    SELECT *, 'market' AS method, market_factor_id AS figure_factor_id FROM cloud WHERE stage = 'operational'
    UNION ALL
    -- A row of hardware names the first of its factors.
    SELECT *, 'activity' AS method, CAST(NULL AS VARCHAR) AS figure_factor_id FROM cloud WHERE stage = 'embodied'
)
SELECT c.*
FROM by_method AS c
JOIN (
    SELECT DISTINCT tenant, entity, site, subcategory, activity, method, country, month, data_quality,
        CASE WHEN method = 'activity' THEN NULL ELSE factor_id END AS figure_factor_id
    FROM figure
    WHERE data_source = 'estimate'
) AS f
  ON (f.tenant IS NOT DISTINCT FROM c.tenant)
 AND (f.entity IS NOT DISTINCT FROM c.entity)
 AND (f.site IS NOT DISTINCT FROM c.site)
 AND (f.subcategory IS NOT DISTINCT FROM c.subcategory)
 AND (f.activity IS NOT DISTINCT FROM c.service_name)
 AND (f.method IS NOT DISTINCT FROM c.method)
 AND (f.country IS NOT DISTINCT FROM c.country)
 AND (f.month IS NOT DISTINCT FROM c.month)
 AND (f.data_quality IS NOT DISTINCT FROM c.quality)
 AND (f.figure_factor_id IS NOT DISTINCT FROM c.figure_factor_id)";
