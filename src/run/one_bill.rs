//! One bill counts once: per tenant, provider, account and period exactly one source, and one kind of amounts in it.

use std::collections::{BTreeMap, BTreeSet};

use super::overlaps::Overlaps;
use super::workspace::Workspace;
use crate::config::{Role, SourceKind};
use crate::error::{Error, Result};
use crate::ledger::{Bill, SliceKey};

/// Looks for bills that two counting sources hold, or one source as actual, amortized or FOCUS cost at once, without slices
/// that are about to land anew. Each is named with the account and the periods.
///
/// # Errors
/// External when the ledger cannot be read.
pub(super) async fn check_beside(
    workspace: &Workspace,
    arriving: &BTreeSet<SliceKey>,
    overlaps: &mut Overlaps,
) -> Result<()> {
    for tenant in workspace.config.selected_tenants() {
        let counting: BTreeSet<&str> = tenant
            .sources
            .iter()
            .filter(|s| s.role == Role::Counts)
            .map(|s| s.id.as_str())
            .collect();
        let mut bills = workspace.ledger.bills(&tenant.id).await?;
        bills.retain(|bill| counting.contains(bill.key.source.as_str()) && !arrives(arriving, &bill.key));
        check_bills(&tenant.id, &bills, overlaps);
    }
    Ok(())
}

/// Whether a slice is one of `arriving`, or one of the periods of such a bare file.
pub(super) fn arrives(arriving: &BTreeSet<SliceKey>, key: &SliceKey) -> bool {
    let bare = SliceKey {
        period: String::new(),
        ..key.clone()
    };
    arriving.contains(key) || arriving.contains(&bare)
}

/// What is to be known of exports that add up: of each source the first bill that an export of `landed` holds and others of
/// the source hold too. Rows that stand in several of them count several times, and only a person knows whether any do; of
/// those in `overlaps` it is known.
///
/// # Errors
/// External when the ledger cannot be read.
pub async fn added_up(
    workspace: &Workspace,
    landed: &[SliceKey],
    overlaps: &Overlaps,
) -> Result<Vec<String>> {
    let tenants: BTreeSet<&str> = landed.iter().map(|key| key.tenant.as_str()).collect();
    let mut warnings = Vec::new();
    for tenant in tenants {
        warnings.extend(added_up_of(
            tenant,
            &workspace.ledger.bills(tenant).await?,
            landed,
            overlaps,
        ));
    }
    Ok(warnings)
}

fn added_up_of(tenant: &str, bills: &[Bill], landed: &[SliceKey], overlaps: &Overlaps) -> Vec<String> {
    let is_new: BTreeSet<(&str, &str)> = landed
        .iter()
        .filter(|key| key.tenant == tenant)
        .map(|key| (key.source.as_str(), key.export.as_str()))
        .collect();
    // Windows of an API's answers are parts of one table and hold no row twice.
    let files = bills.iter().filter(|bill| {
        SourceKind::ALL
            .iter()
            .any(|kind| kind.name() == bill.key.kind && kind.reads_files())
    });
    let mut holders: BTreeMap<[&str; 5], BTreeSet<&str>> = BTreeMap::new();
    for bill in files.filter(|bill| !bill.billing_account_id.is_empty()) {
        let of = [
            bill.key.source.as_str(),
            bill.key.period.as_str(),
            bill.provider_name.as_str(),
            bill.billing_account_id.as_str(),
            bill.sub_account_id.as_str(),
        ];
        holders.entry(of).or_default().insert(&bill.key.export);
    }
    let mut sources: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for ([source, period, provider, account, sub_account], exports) in holders {
        if exports.len() < 2 || !exports.iter().any(|export| is_new.contains(&(source, *export))) {
            continue;
        }
        if overlaps.tell_of(tenant, source, &exports) {
            continue;
        }
        let names: Vec<String> = exports
            .iter()
            .take(3)
            .map(|export| format!("`{export}`"))
            .collect();
        let others = match exports.len() - names.len() {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let account = match sub_account {
            "" => account.to_string(),
            sub_account => format!("{account} subscription {sub_account}"),
        };
        let first = format!(
            "{tenant}/{source}: {}{others} all hold rows of {provider} account {account} in {period}; exports of a source add up, so a row that stands in several of them counts several times: take a copy out of the source and remove its rows with `offgridflow maintain --forget`",
            names.join(", ")
        );
        sources.entry(source).or_insert((first, 0)).1 += 1;
    }
    let told = sources.into_values().map(|(first, bills)| match bills {
        1 => first,
        _ => format!("{first} ({} more accounts or periods are alike)", bills - 1),
    });
    told.collect()
}

fn check_bills(tenant: &str, bills: &[Bill], overlaps: &mut Overlaps) {
    let place = format!("tenant {tenant}");
    let by_source = |bill: &Bill| (bill.key.source.clone(), format!("`{}`", bill.key.source));
    // A subscription may be exported by itself and within its billing account.
    let mut twice = held_twice(bills, |bill| bill.billing_account_id.clone(), by_source);
    twice.extend(held_twice(bills, |bill| bill.sub_account_id.clone(), by_source));
    for twice in twice {
        overlaps.note(&twice.slices, || {
            let mut hint =
                "one bill counts once: give all but one of these sources role = \"compare\"".to_string();
            if !twice.unnamed.is_empty() {
                hint.push_str(
                    "; if they are bills of two providers, deliver them with a column ProviderName",
                );
            }
            let error = twice.refuse("the sources", "hold the same bill");
            error.hint(hint).at(place.clone())
        });
    }
    let scope = |bill: &Bill| match (bill.cost_basis.as_str(), bill.sub_account_id.as_str()) {
        ("", _) => String::new(),
        (_, "") => bill.billing_account_id.clone(),
        (_, subscription) => subscription.to_string(),
    };
    let by_basis = |bill: &Bill| {
        let name = format!("`{}` ({} cost)", bill.key.export, bill.cost_basis);
        (bill.cost_basis.clone(), name)
    };
    for twice in held_twice(bills, scope, by_basis) {
        overlaps.note(&twice.slices, || {
            let error = twice.refuse("the exports", "hold the same usage");
            error
                .hint("one of actual, amortized and FOCUS cost counts: make each export's folder a source with an id of its own, and give all but one of them role = \"compare\"")
                .at(place.clone())
        });
    }
}

/// An account that has several holders in some periods.
struct Twice<'a> {
    provider: String,
    account: String,
    first_period: String,
    other_periods: usize,
    holders: Vec<String>,
    /// Those of the holders whose rows name no provider.
    unnamed: Vec<String>,
    /// What the holders hold of it, in all such periods.
    slices: BTreeSet<&'a SliceKey>,
}

/// Who holds a period of an account: what sets a holder apart, its name and its slices.
type Holders<'a> = BTreeMap<String, (String, BTreeSet<&'a SliceKey>)>;

/// The accounts with a period that has several holders; `holder` gives what sets them apart, and a name. Rows without a
/// provider may be of any.
fn held_twice<'a>(
    bills: &'a [Bill],
    account: impl Fn(&Bill) -> String,
    holder: impl Fn(&Bill) -> (String, String),
) -> Vec<Twice<'a>> {
    let mut accounts: BTreeMap<(&str, String), BTreeMap<&str, Holders<'a>>> = BTreeMap::new();
    for bill in bills {
        let account = account(bill);
        // Rows without an account name no bill that could be compared.
        if !account.is_empty() {
            let (key, name) = holder(bill);
            let periods = accounts.entry((&bill.provider_name, account)).or_default();
            periods
                .entry(&bill.key.period)
                .or_default()
                .entry(key)
                .or_insert((name, BTreeSet::new()))
                .1
                .insert(&bill.key);
        }
    }
    let unnamed: BTreeMap<String, BTreeMap<&str, Holders<'a>>> = accounts
        .iter()
        .filter(|((provider, _), _)| provider.is_empty())
        .map(|((_, account), periods)| (account.to_ascii_lowercase(), periods.clone()))
        .collect();
    let twice = accounts
        .into_iter()
        .filter_map(|((provider, account), mut periods)| {
            let without = unnamed.get(&account.to_ascii_lowercase());
            let without = |period: &str| without.and_then(|periods| periods.get(period));
            for (period, holders) in &mut periods {
                for (key, (name, slices)) in without(period).into_iter().flatten() {
                    let known = holders.entry(key.clone());
                    let known = known.or_insert_with(|| (name.clone(), BTreeSet::new()));
                    known.1.extend(slices);
                }
            }
            let twice = periods.into_iter().filter(|(_, holders)| holders.len() > 1);
            let twice: Vec<(&str, Holders<'a>)> = twice.collect();
            let (first_period, holders) = twice.first()?;
            let unnamed = without(first_period).into_iter().flat_map(Holders::values);
            let slices = twice.iter().flat_map(|(_, holders)| holders.values());
            Some(Twice {
                provider: provider.to_string(),
                account,
                first_period: first_period.to_string(),
                other_periods: twice.len() - 1,
                holders: holders.values().map(|(name, _)| name.clone()).collect(),
                unnamed: unnamed.map(|(name, _)| name.clone()).collect(),
                slices: slices.flat_map(|(_, slices)| slices.iter().copied()).collect(),
            })
        });
    twice.collect()
}

impl Twice<'_> {
    fn refuse(&self, who: &str, what: &str) -> Error {
        let more = match self.other_periods {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let account = format!("{} account {}", self.provider, self.account);
        let error = Error::usage(format!("{who} {} {what}", self.holders.join(" and ")))
            .at(account.trim_start())
            .at(format!("period {}{more}", self.first_period));
        match self.unnamed.as_slice() {
            [] => error,
            unnamed => error.because(format!(
                "rows of {} name no provider and may be of any",
                unnamed.join(" and ")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(source: &str, provider: &str, account: &str, period: &str) -> Bill {
        Bill {
            key: SliceKey {
                tenant: "acme".into(),
                source: source.into(),
                kind: "focus".into(),
                export: "bill".into(),
                period: period.into(),
            },
            provider_name: provider.into(),
            billing_account_id: account.into(),
            sub_account_id: String::new(),
            cost_basis: String::new(),
        }
    }

    #[test]
    fn rows_without_a_provider_may_be_of_any() {
        let refused = |bills: &[Bill]| {
            let mut overlaps = Overlaps::default();
            check_bills("acme", bills, &mut overlaps);
            overlaps.errors.first().map(Error::to_string)
        };
        let cur = bill("cur", "AWS", "1", "2026-09");
        for (provider, account, period, is_refused) in [
            ("", "1", "2026-09", true),
            ("AWS", "1", "2026-09", true),
            ("Oracle", "1", "2026-09", false),
            ("", "2", "2026-09", false),
            ("", "1", "2026-10", false),
            ("", "", "2026-09", false),
        ] {
            let bills = [cur.clone(), bill("focus", provider, account, period)];
            let told = refused(&bills);
            assert_eq!(told.is_some(), is_refused, "{provider} {account} {period}");
            if let Some(told) = told {
                assert!(told.contains("`cur` and `focus` hold the same bill"), "{told}");
                assert_eq!(
                    told.contains("rows of `focus` name no provider"),
                    provider.is_empty()
                );
            }
        }
        // Neither names one, and one source may do both.
        let unnamed = |source: &str| bill(source, "", "1", "2026-09");
        let told = refused(&[unnamed("a"), unnamed("b")]).unwrap();
        assert!(told.contains("`a` and `b` name no provider"), "{told}");
        assert_eq!(refused(&[cur, unnamed("cur")]), None);
    }
}
