//! One bill counts once: per tenant, provider, billing account and period exactly one source.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::Workspace;
use crate::config::Role;
use crate::error::{Error, Result};

/// Looks for bills that two counting sources hold.
///
/// # Errors
/// Usage: names both sources, the account and the periods; nothing has been built.
pub async fn check(workspace: &Workspace) -> Result<()> {
    for tenant in workspace.config.selected_tenants() {
        let counting: BTreeSet<&str> = tenant
            .sources
            .iter()
            .filter(|s| s.role == Role::Counts)
            .map(|s| s.id.as_str())
            .collect();
        let mut holders: BTreeMap<(String, String), BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for bill in workspace.ledger.bills(&tenant.id).await? {
            // Rows without an account name no bill that could be compared.
            if counting.contains(bill.key.source.as_str()) && !bill.billing_account_id.is_empty() {
                let periods = holders
                    .entry((bill.provider_name, bill.billing_account_id))
                    .or_default();
                periods
                    .entry(bill.key.period)
                    .or_default()
                    .insert(bill.key.source);
            }
        }
        for ((provider, account), periods) in holders {
            let twice: Vec<(&String, &BTreeSet<String>)> =
                periods.iter().filter(|(_, sources)| sources.len() > 1).collect();
            let Some((first_period, sources)) = twice.first() else {
                continue;
            };
            let names: Vec<String> = sources.iter().map(|s| format!("`{s}`")).collect();
            let more = if twice.len() > 1 {
                format!(" and {} more", twice.len() - 1)
            } else {
                String::new()
            };
            return Err(
                Error::usage(format!("the sources {} hold the same bill", names.join(" and ")))
                    .at(format!("tenant {}", tenant.id))
                    .at(format!("{provider} account {account}"))
                    .at(format!("period {first_period}{more}"))
                    .hint("one bill counts once: give all but one of these sources role = \"compare\""),
            );
        }
    }
    Ok(())
}
