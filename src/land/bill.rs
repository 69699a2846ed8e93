//! Which bill rows belong to: provider and accounts, in the spelling that every kind of source shares.

use crate::domain::id_text::as_id;

/// A bill that a slice holds rows of.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bill {
    /// The provider in its canonical spelling.
    pub provider: String,
    /// The billing account; empty when the rows name none.
    pub account: String,
    /// The account below it that another source may hold by itself; empty where there is no such thing.
    pub sub_account: String,
}

impl Bill {
    /// Azure writes a billing account and a subscription by their id or by their path; only its subscriptions are also
    /// exported by themselves. Rows without a provider may be its rows: their paths tell.
    pub(super) fn canonical(&self) -> Bill {
        let provider = canonical_provider(&self.provider).to_string();
        let is_path = |id: &str| provider.is_empty() && id.starts_with('/');
        let is_microsoft = provider == "Microsoft" || is_path(&self.account) || is_path(&self.sub_account);
        if !is_microsoft {
            return Bill {
                provider,
                account: as_id(&self.account).into_owned(),
                sub_account: String::new(),
            };
        }
        Bill {
            provider,
            account: id_of_path(as_id(&self.account).as_ref()),
            sub_account: id_of_path(as_id(&self.sub_account).as_ref()),
        }
    }
}

/// `1234567` of `/providers/Microsoft.Billing/billingAccounts/1234567`, in lower case.
fn id_of_path(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let behind = ["billingaccounts/", "subscriptions/"]
        .iter()
        .find_map(|name| lower.split_once(name));
    let id = behind.and_then(|(_, rest)| rest.split('/').next());
    id.unwrap_or(&lower).to_string()
}

/// `AWS`, `Microsoft`, `Google Cloud` or `Oracle` for every spelling of these; others stay as delivered.
fn canonical_provider(provider: &str) -> &str {
    let lower = provider.to_ascii_lowercase();
    if lower == "aws" || lower.starts_with("amazon") {
        "AWS"
    } else if lower.starts_with("microsoft") || lower.starts_with("azure") {
        "Microsoft"
    } else if lower == "gcp" || lower.starts_with("google") {
        "Google Cloud"
    } else if lower == "oci" || lower.starts_with("oracle") {
        "Oracle"
    } else {
        provider
    }
}
