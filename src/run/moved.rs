//! One delivery under two names of one source counts once: a renamed file, a moved export, another kind.
//!
//! What is gone from a source keeps its rows until somebody says otherwise, so what came in its place would count beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::one_bill::arrives;
use super::overlaps::Overlaps;
use super::workspace::Workspace;
use crate::config::Role;
use crate::error::{Error, PlaceKey, Result};
use crate::ledger::{Bill, Content, Listed, SliceKey};

/// Looks for files of one source with the same content, and for bills that an export holds whose place another one took,
/// without slices that are about to land anew. Each is named with the way out.
///
/// # Errors
/// External when the ledger cannot be read.
pub(super) async fn check_beside(
    workspace: &Workspace,
    arriving: &BTreeSet<SliceKey>,
    overlaps: &mut Overlaps,
) -> Result<()> {
    for tenant in workspace.config.selected_tenants() {
        let counts = |source: &str| {
            let mut sources = tenant.sources.iter();
            sources.any(|s| s.id == source && s.role == Role::Counts)
        };
        let mut contents = workspace.ledger.repeated_contents(&tenant.id).await?;
        contents.retain(|content| counts(&content.key.source) && !arrives(arriving, &content.key));
        let listings = Listings::new(workspace.ledger.listings(&tenant.id).await?);
        for of_source in contents.chunk_by(|a, b| a.key.source == b.key.source) {
            same_content(of_source, &listings, overlaps);
        }
        if !listings.has_gone() {
            continue;
        }
        let mut bills = workspace.ledger.bills(&tenant.id).await?;
        bills.retain(|bill| counts(&bill.key.source) && !arrives(arriving, &bill.key));
        same_bill(&bills, &listings, overlaps);
    }
    Ok(())
}

/// Source, kind and export.
type ExportName = (String, String, String);

/// Source, provider, billing account and the account below it.
type Account<'a> = (&'a str, &'a str, &'a str, &'a str);

fn name_of(key: &SliceKey) -> ExportName {
    (key.source.clone(), key.kind.clone(), key.export.clone())
}

struct Listings(BTreeMap<ExportName, Listed>);

impl Listings {
    fn new(listings: Vec<Listed>) -> Self {
        let named = listings.into_iter().map(|listed| {
            let name = (listed.source.clone(), listed.kind.clone(), listed.export.clone());
            (name, listed)
        });
        Listings(named.collect())
    }

    fn of(&self, key: &SliceKey) -> Option<&Listed> {
        self.0.get(&name_of(key))
    }

    fn is_gone(&self, key: &SliceKey) -> bool {
        self.of(key).is_some_and(|listed| listed.gone_at.is_some())
    }

    /// Whether any export is gone whose rows nobody said to keep.
    fn has_gone(&self) -> bool {
        self.0.values().any(|l| l.gone_at.is_some() && !l.kept)
    }

    /// Whether `new` came when `old` was gone: exports that were listed side by side add up. Of an export that the ledger
    /// never saw listed nobody knows: a bill counts once until somebody says that both count.
    fn took_the_place(&self, old: &SliceKey, new: &SliceKey) -> bool {
        let (Some(old), Some(new)) = (self.of(old), self.of(new)) else {
            return false;
        };
        let gone = old.gone_at.as_deref().filter(|_| !old.kept);
        gone.is_some_and(|gone| match gone {
            "" => new.gone_at.is_none(),
            run => new.first_listed.as_str() >= run,
        })
    }
}

/// Of one source's files.
fn same_content(contents: &[Content], listings: &Listings, overlaps: &mut Overlaps) {
    let pairs = contents
        .chunk_by(|a, b| a.digest == b.digest)
        .filter_map(|equal| {
            let (first, others) = equal.split_first()?;
            let is_other = |file: &&Content| {
                (name_of(&file.key), &file.source_uri) != (name_of(&first.key), &first.source_uri)
            };
            Some((first, others.iter().find(is_other)?))
        });
    let pairs: Vec<(&Content, &Content)> = pairs.collect();
    for (first, second) in &pairs {
        overlaps.note(&BTreeSet::from([&first.key, &second.key]), || {
            content_twice(first, second, pairs.len() - 1, listings)
        });
    }
}

/// That two files hold the same, and that `more` pairs of the source do.
fn content_twice(first: &Content, second: &Content, more: usize, listings: &Listings) -> Error {
    // What is no longer there is what may go, else what came later.
    let age = |content: &Content| {
        let listed = listings.of(&content.key);
        let first = listed.map(|listed| listed.first_listed.as_str());
        (listings.is_gone(&content.key), first.unwrap_or_default())
    };
    let (stays, goes) = match age(first) > age(second) {
        true => (second, first),
        false => (first, second),
    };
    let what = match stays.key == goes.key {
        true => "two files of one export have the same content".to_string(),
        false => format!(
            "the exports {} and {} hold the same content",
            shown(&goes.key, &stays.key),
            shown(&stays.key, &goes.key)
        ),
    };
    let mut error = Error::usage(what)
        .at_key(PlaceKey::Tenant, &goes.key.tenant)
        .at_key(PlaceKey::Source, &goes.key.source);
    error = match stays.source_uri == goes.source_uri {
        true => error.at(goes.source_uri.clone()),
        false => error.at(format!("{} and {}", goes.source_uri, stays.source_uri)),
    };
    if more > 0 {
        error = error.at(format!("and {more} more such files"));
    }
    let is_gone = listings.is_gone(&goes.key);
    let forget = forget(&goes.key, is_gone);
    let way_out = if stays.key == goes.key {
        "take one of the files out of the source, then run again".to_string()
    } else if is_gone {
        format!("`{forget}` removes those under the name that is no longer delivered; then run again")
    } else {
        format!(
            "take one of the files out of the source and remove its rows, for example `{forget}`; then run again"
        )
    };
    error.hint(format!("the same rows count once: {way_out}"))
}

fn same_bill(bills: &[Bill], listings: &Listings, overlaps: &mut Overlaps) {
    let mut holders: BTreeMap<Account<'_>, BTreeMap<&str, Vec<&SliceKey>>> = BTreeMap::new();
    for bill in bills {
        let account = (bill.billing_account_id.as_str(), bill.sub_account_id.as_str());
        // Rows without an account name no bill that could be compared.
        if account != ("", "") {
            let key = (
                bill.key.source.as_str(),
                bill.provider_name.as_str(),
                account.0,
                account.1,
            );
            let periods = holders.entry(key).or_default();
            periods.entry(&bill.key.period).or_default().push(&bill.key);
        }
    }
    for ((_, provider, account, sub_account), periods) in holders {
        let twice = periods.into_iter().filter_map(|(period, keys)| {
            let pairs = keys
                .iter()
                .flat_map(|old| keys.iter().map(move |new| (*old, *new)));
            let (old, new) = pairs
                .filter(|(old, new)| name_of(old) != name_of(new))
                .find(|(old, new)| listings.took_the_place(old, new))?;
            Some((period, old, new))
        });
        let twice: Vec<_> = twice.collect();
        let account = if account.is_empty() { sub_account } else { account };
        for (period, old, new) in &twice {
            overlaps.note(&BTreeSet::from([*old, *new]), || {
                let error = came_in_its_place(old, new).at(format!("{provider} account {account}"));
                match twice.len() - 1 {
                    0 => error.at_key(PlaceKey::Period, period),
                    others => error.at(format!("period {period} and {others} more")),
                }
            });
        }
    }
}

/// That an export holds the bill of another one whose place it took.
fn came_in_its_place(old: &SliceKey, new: &SliceKey) -> Error {
    let (forget, name) = (forget(old, true), argument(old, true));
    Error::usage(format!(
        "the export {} is no longer delivered, but holds the same bill as {}, which came in its place",
        shown(old, new),
        shown(new, old)
    ))
    .at_key(PlaceKey::Tenant, &old.tenant)
    .at_key(PlaceKey::Source, &old.source)
    .hint(format!(
        "one bill counts once: if it was renamed or moved, `{forget}` removes the rows under the old name, then run again; if both count, `offgridflow maintain --keep {name}` says so"
    ))
}

/// An export as messages name it beside another one.
fn shown(key: &SliceKey, other: &SliceKey) -> String {
    let mut text = format!("`{}`", key.export);
    if key.export == other.export && !key.period.is_empty() && key.period != other.period {
        text.push_str(&format!(" {}", key.period));
    }
    if key.kind != other.kind {
        text.push_str(&format!(" (kind {})", key.kind));
    }
    text
}

fn forget(key: &SliceKey, whole: bool) -> String {
    format!("offgridflow maintain --forget {}", argument(key, whole))
}

/// The name of an export, or of one of its periods, as an argument.
fn argument(key: &SliceKey, whole: bool) -> String {
    let mut name = format!("{}/{}/{}", key.tenant, key.source, key.export);
    if !whole && !key.period.is_empty() {
        name.push_str(&format!("/{}", key.period));
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '=' | ':' | '+' | ',');
    match name.chars().all(plain) {
        true => name,
        false => format!("'{}'", name.replace('\'', "'\\''")),
    }
}
