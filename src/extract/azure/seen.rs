//! Which subscriptions a login sees, listed once and remembered while the list is good.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::management::{Call, Management};
use crate::error::{Error, Result};
use crate::extract::connector::Known;

const LIST: &str = "/subscriptions?api-version=2022-12-01";

/// What was seen of a source as a whole; it becomes the cursor of its discovery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    at: DateTime<Utc>,
    /// Ids in lower case, in order, with the names they have in the portal.
    pub subscriptions: BTreeMap<String, String>,
    /// The months that the API has figures for, first and last; only of the carbon API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Subscription>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    subscription_id: String,
    #[serde(default)]
    display_name: String,
}

impl Seen {
    /// What was seen earlier, if it is still good.
    pub fn earlier(known: &Known) -> Option<Seen> {
        let seen: Seen = serde_json::from_str(known.cursor.as_deref()?).ok()?;
        let age = (known.now - seen.at).to_std().ok()?;
        (!known.force && age < known.refresh).then_some(seen)
    }

    /// The subscriptions that the source names, else all that the login sees.
    ///
    /// # Errors
    /// External: they cannot be listed, or there is none.
    pub async fn now(management: &Management, named: &[String]) -> Result<Seen> {
        let subscriptions = match named {
            [] => list(management).await?,
            named => named
                .iter()
                .map(|id| (id.trim().to_lowercase(), String::new()))
                .collect(),
        };
        Ok(Seen {
            at: Utc::now(),
            subscriptions,
            months: None,
        })
    }

    /// The text that is remembered.
    ///
    /// # Errors
    /// Internal.
    pub fn cursor(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a cursor is no JSON").because(e))
    }
}

/// How a subscription is named in messages: `subscription <id> (<name>)`.
pub fn named(id: &str, name: &str) -> String {
    match name {
        "" => format!("subscription {id}"),
        name => format!("subscription {id} ({name})"),
    }
}

async fn list(management: &Management) -> Result<BTreeMap<String, String>> {
    let mut subscriptions = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut url = management.url(LIST)?;
    loop {
        if !seen.insert(url.to_string()) {
            return Err(Error::external(
                "the pages of the list of subscriptions lead back to an earlier one",
            )
            .at(management.place()));
        }
        let call = Call {
            url: &url,
            body: None,
            is_counted: false,
            about: "the list of subscriptions",
        };
        let body = management.call(&call).await?.unwrap_or_default();
        let page: Page = serde_json::from_slice(&body).map_err(|e| {
            Error::external("the list of subscriptions cannot be read")
                .at(management.place())
                .because(e)
        })?;
        for subscription in page.value {
            subscriptions.insert(
                subscription.subscription_id.to_lowercase(),
                subscription.display_name,
            );
        }
        match page.next_link.filter(|link| !link.is_empty()) {
            Some(link) => url = management.next_page(&link)?,
            None if subscriptions.is_empty() => {
                return Err(Error::external("the login sees no subscription")
                    .at(management.place())
                    .hint(
                        "grant it the role `Reader` or the API's own role on the subscriptions that count",
                    ));
            }
            None => return Ok(subscriptions),
        }
    }
}
