//! What a recorded run did for one tenant. A run is the instance's and may have looked after several.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::{Failure, Result};
use crate::ledger::Ledger;
use crate::transform::partitions::tenant_of;

/// The tenant that `--tenant` names, and those that it must not see.
pub struct OneTenant {
    id: String,
    others: BTreeSet<String>,
}

impl OneTenant {
    /// The chosen tenant, beside every other one that is configured or that a run has ever looked after; `None` without
    /// `--tenant`, when everything may be seen.
    ///
    /// # Errors
    /// External when the ledger cannot be read.
    pub async fn of(config: &Config, ledger: &Ledger) -> Result<Option<OneTenant>> {
        let Some(id) = config.selected_tenant.clone() else {
            return Ok(None);
        };
        let mut others: BTreeSet<String> = config.tenants.iter().map(|tenant| tenant.id.clone()).collect();
        let slices = ledger.slices(None).await?;
        others.extend(slices.into_iter().map(|slice| slice.key.tenant));
        let fingerprints = ledger.all_fingerprints().await?;
        let keys = fingerprints.iter().map(|noted| noted.partition_key.as_str());
        others.extend(keys.filter_map(tenant_of).map(str::to_string));
        others.remove(&id);
        Ok(Some(OneTenant { id, others }))
    }

    /// Whether this is the tenant.
    pub fn is(&self, tenant: &str) -> bool {
        self.id == tenant
    }

    /// A run's report with its sources, partitions and messages. Figures over several tenants are null, and a message is
    /// kept when it names this tenant and no other one. `None` when the report cannot be read.
    pub fn report(&self, summary_json: &str) -> Option<String> {
        let whole: Value = serde_json::from_str(summary_json).ok()?;
        let list = |name: &str| whole[name].as_array().into_iter().flatten();
        let source = format!("{}/", self.id);
        let is_own_source = |part: &&Value| part["id"].as_str().is_some_and(|id| id.starts_with(&source));
        let messages = |name: &str| -> Vec<&str> {
            let texts = list(name).filter_map(Value::as_str);
            texts.filter(|text| self.is_told_by(text)).collect()
        };
        let is_own_failure = |failure: &&Value| {
            let failure = Failure::deserialize(*failure);
            failure.is_ok_and(|failure| self.is_told_by(&failure.to_string()))
        };
        let report = json!({
            "run_id": whole["run_id"],
            "status": whole["status"],
            "seconds": whole["seconds"],
            "sources": list("sources").filter(is_own_source).collect::<Vec<_>>(),
            "models": list("models").map(|model| self.model(model)).collect::<Vec<_>>(),
            "audits": list("audits").map(audit).collect::<Vec<_>>(),
            "maintenance": null,
            "coverage": null,
            "row_share": null,
            "activity_rows_without_factor": null,
            "failures": list("failures").filter(is_own_failure).collect::<Vec<_>>(),
            "warnings": messages("warnings"),
        });
        Some(report.to_string())
    }

    fn model(&self, whole: &Value) -> Value {
        let keys = whole["built"].as_array().into_iter().flatten();
        let keys: Vec<&str> = keys.filter_map(Value::as_str).collect();
        let own: Vec<&str> = keys
            .iter()
            .copied()
            .filter(|key| tenant_of(key).is_some_and(|tenant| self.is(tenant)))
            .collect();
        let is_parted = whole["partitions_built"].as_u64() == Some(keys.len() as u64)
            && keys.iter().all(|key| tenant_of(key).is_some());
        let rows = match is_parted {
            true if own.is_empty() => json!(0),
            true if own.len() == keys.len() => whole["rows"].clone(),
            _ => Value::Null,
        };
        let none_is_current = whole["partitions_current"].as_u64() == Some(0);
        json!({
            "name": whole["name"],
            "partitions_built": is_parted.then_some(own.len()),
            "partitions_current": none_is_current.then_some(0),
            "rows": rows,
            "built": own,
        })
    }

    /// Whether a message names this tenant, as `acme/aws`, `tenant acme` or `tenant=acme`, and no other one. One that names
    /// only the first of some partitions counts the others too, whosever they are.
    fn is_told_by(&self, text: &str) -> bool {
        let is_of_id = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let mut is_named = false;
        for (start, _) in text.match_indices(&self.id) {
            let (before, after) = (&text[..start], &text[start + self.id.len()..]);
            let is_of_key = before.ends_with("tenant=") || before.ends_with("tenant ");
            let begins_source = after.starts_with('/')
                && !before.ends_with(|c: char| is_of_id(c) || c == '/' || c == '.' || c == '=');
            is_named |= begins_source || (is_of_key && !after.starts_with(is_of_id));
        }
        let mut words = text.split(|c: char| !is_of_id(c));
        let names_another = words.any(|word| self.others.contains(word))
            || text.split("tenant=").skip(1).any(|rest| {
                let tenant = rest.split(|c: char| !is_of_id(c)).next();
                tenant.is_some_and(|tenant| !self.is(tenant))
            });
        let counts_more = text.contains("tenant=") && text.contains(" more");
        is_named && !names_another && !counts_more
    }
}

/// An audit looks at all rows of a partition's batch: of one that failed nobody can tell whose rows offend.
fn audit(whole: &Value) -> Value {
    let has_passed = whole["passed"].as_bool() == Some(true);
    json!({
        "name": whole["name"],
        "passed": has_passed.then_some(true),
        "failures": has_passed.then_some(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, PlaceKey};

    fn acme() -> OneTenant {
        OneTenant {
            id: "acme".into(),
            others: BTreeSet::from(["globex".to_string(), "acme-labs".to_string()]),
        }
    }

    #[test]
    fn a_report_is_parted_by_tenant() {
        let of_slice =
            |slice: &str| Failure::from(&Error::data("it is no CSV").at_key(PlaceKey::Slice, slice));
        let whole = json!({
            "run_id": "01A", "status": "failed", "seconds": 2.5,
            "sources": [
                {"id": "acme/aws", "rows": 5, "error": null},
                {"id": "acme-labs/aws", "rows": 7},
                {"id": "globex/aws", "rows": 6, "error": "no"},
            ],
            "models": [
                {"name": "rollup.usage_daily", "partitions_built": 2, "partitions_current": 3, "rows": 11,
                 "built": ["tenant=acme/source=aws/export=e/period=2026-09", "tenant=globex/source=a/export=x/tenant=acme/period=2026-09"]},
                {"name": "publish.coverage", "partitions_built": 1, "partitions_current": 0, "rows": 4, "built": ["tenant=acme"]},
                {"name": "publish.inventory", "partitions_built": 1, "partitions_current": 0, "rows": 4, "built": ["tenant=globex"]},
                {"name": "rollup.own", "partitions_built": 1, "partitions_current": 0, "rows": 4, "built": ["month=2026-09"]},
                {"name": "publish.usage_meters", "partitions_built": 0, "partitions_current": 9, "rows": 0},
            ],
            "audits": [
                {"name": "unique, rollup.usage_daily", "passed": true, "failures": 0},
                {"name": "not_null, rollup.usage_daily", "passed": false, "failures": 17},
            ],
            "maintenance": [{"table": "raw.focus", "rows": 99}],
            "coverage": [{"currency": "USD", "cost_share": 0.5}], "row_share": 0.5, "activity_rows_without_factor": 3,
            "failures": [of_slice("acme/aws/e/2026-09"), of_slice("globex/aws/e/2026-09")],
            "warnings": ["acme/aws: 1 row lies in quarantine", "globex/aws: 2 rows lie in quarantine"],
        });
        let part: Value = serde_json::from_str(&acme().report(&whole.to_string()).unwrap()).unwrap();
        assert_eq!(
            part,
            json!({
                "run_id": "01A", "status": "failed", "seconds": 2.5,
                "sources": [{"id": "acme/aws", "rows": 5, "error": null}],
                "models": [
                    {"name": "rollup.usage_daily", "partitions_built": 1, "partitions_current": null, "rows": null,
                     "built": ["tenant=acme/source=aws/export=e/period=2026-09"]},
                    {"name": "publish.coverage", "partitions_built": 1, "partitions_current": 0, "rows": 4, "built": ["tenant=acme"]},
                    {"name": "publish.inventory", "partitions_built": 0, "partitions_current": 0, "rows": 0, "built": []},
                    {"name": "rollup.own", "partitions_built": null, "partitions_current": 0, "rows": null, "built": []},
                    {"name": "publish.usage_meters", "partitions_built": 0, "partitions_current": null, "rows": 0, "built": []},
                ],
                "audits": [
                    {"name": "unique, rollup.usage_daily", "passed": true, "failures": 0},
                    {"name": "not_null, rollup.usage_daily", "passed": null, "failures": null},
                ],
                "maintenance": null, "coverage": null, "row_share": null, "activity_rows_without_factor": null,
                "failures": [of_slice("acme/aws/e/2026-09")],
                "warnings": ["acme/aws: 1 row lies in quarantine"],
            })
        );
        assert_eq!(acme().report("no JSON"), None);
    }

    #[test]
    fn a_message_is_kept_that_names_the_tenant_and_no_other() {
        let own = [
            "acme/aws: files lack columns",
            "the sources `a` and `b` hold the same bill, tenant acme",
            "rollup.usage_daily was not rebuilt for tenant=acme/source=aws, because rows would count twice there",
            "`cur/a` of acme/aws is told apart",
        ];
        let foreign = [
            "globex/aws: files lack columns",
            "acme-labs/aws: files lack columns",
            "the sources `a` and `b` hold the same bill, tenant acme-labs",
            "rollup.usage_daily was not rebuilt for tenant=acme/source=aws, tenant=globex/source=aws, because",
            "rollup.usage_daily was not rebuilt for tenant=acme/source=aws, tenant=gone/source=aws, because",
            "rollup.usage_daily was not rebuilt for tenant=acme/source=aws and 2 more, because",
            "file:///bills/acme/bill.csv holds no rows",
            "the ledger is older than raw.focus",
            "run 01A did not come to its end; it had landed 3 slices",
        ];
        for text in own {
            assert!(acme().is_told_by(text), "{text}");
        }
        for text in foreign {
            assert!(!acme().is_told_by(text), "{text}");
        }
    }
}
