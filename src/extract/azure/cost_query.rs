//! `azure_cost_query`: the costs of every subscription, or of one wider scope, by day and month.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;

use super::cost_page::{DIMENSIONS, question, smallest_question, taken_dimensions, write_rows};
use super::limiter::QUERY_UNITS;
use super::management::{Call, Management};
use super::seen::{Seen, named};
use crate::config::{Profile, Source};
use crate::domain::period::Period;
use crate::error::{Error, PlaceKey, Result};
use crate::extract::connector::{ApiAnswer, Connector, Known, RowWriter};
use crate::extract::{Delivery, Discovery};

const QUERY: &str = "providers/Microsoft.CostManagement/query?api-version=2025-03-01";
/// What a refused login lacks.
const ROLE: &str = "Cost Management Reader";
/// Subscriptions that `doctor` tries side by side.
const PARALLEL_CHECKS: usize = 12;

/// Azure's Cost Management, asked month by month.
#[derive(Debug)]
pub struct CostQuery {
    management: Management,
    /// `ActualCost` or `AmortizedCost`.
    cost_type: &'static str,
    /// Subscriptions that the source names.
    subscriptions: Vec<String>,
    /// One wider scope instead of subscriptions, without the slash at its beginning.
    scope: Option<String>,
    /// What the offer can group by, once a query has been refused.
    dimensions: Mutex<Vec<&'static str>>,
    /// Names of subscriptions, for messages.
    names: Mutex<std::collections::BTreeMap<String, String>>,
}

impl CostQuery {
    /// The source as configured.
    ///
    /// # Errors
    /// Usage: its profile is incomplete.
    pub fn open(source: &Source, profile: &Profile) -> Result<CostQuery> {
        let scope = source
            .ask
            .scope
            .as_ref()
            .map(|scope| scope.trim_matches('/').to_string());
        if scope.is_some() && !source.ask.subscriptions.is_empty() {
            return Err(Error::usage("the source names both a scope and subscriptions")
                .at_key(PlaceKey::Source, &source.id)
                .hint("keep one of them: a scope holds the subscriptions below it"));
        }
        Ok(CostQuery {
            management: Management::open(profile, QUERY_UNITS, ROLE)?,
            cost_type: match source.ask.cost_type.as_deref() {
                Some("amortized") => "AmortizedCost",
                _ => "ActualCost",
            },
            subscriptions: source.ask.subscriptions.clone(),
            scope,
            dimensions: Mutex::new(DIMENSIONS.to_vec()),
            names: Mutex::default(),
        })
    }

    async fn seen(&self, known: &Known) -> Result<Seen> {
        let seen = match Seen::earlier(known) {
            Some(seen) if self.subscriptions.is_empty() => seen,
            _ => Seen::now(&self.management, &self.subscriptions).await?,
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.clone_from(&seen.subscriptions);
        drop(names);
        Ok(seen)
    }

    /// What messages call an export: its subscription with its name, or the scope.
    fn about(&self, export: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.scope {
            Some(scope) => format!("scope /{scope}"),
            None => named(export, names.get(export).map_or("", String::as_str)),
        }
    }

    /// Cells that an answer does not repeat in every row: which account it is about.
    fn fixed_cells(&self, export: &str) -> Vec<(&'static str, String)> {
        let Some(scope) = &self.scope else {
            return vec![("SubscriptionId", export.to_string())];
        };
        let account = scope
            .to_lowercase()
            .split_once("billingaccounts/")
            .map(|(before, _)| &scope[before.len() + "billingaccounts/".len()..])
            .and_then(|after| after.split('/').next());
        account
            .map(|id| ("BillingAccountId", id.to_string()))
            .into_iter()
            .collect()
    }

    fn scope_of(&self, export: &str) -> String {
        match &self.scope {
            Some(scope) => scope.clone(),
            None => format!("subscriptions/{export}"),
        }
    }

    fn dimensions(&self) -> Vec<&'static str> {
        let dimensions = self.dimensions.lock().unwrap_or_else(PoisonError::into_inner);
        dimensions.clone()
    }

    /// The first page and the question that was answered: dimensions that the offer does not know are left out.
    async fn first_page(
        &self,
        export: &str,
        month: Period,
        about: &str,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let url = self
            .management
            .url(&format!("{}/{QUERY}", self.scope_of(export)))?;
        let mut dimensions = self.dimensions();
        loop {
            let body = question(self.cost_type, month, &dimensions);
            let call = Call {
                url: &url,
                body: Some(&body),
                is_counted: true,
                about,
            };
            let error = match self.management.call(&call).await {
                Ok(page) => return Ok((body, page)),
                Err(error) => error,
            };
            match taken_dimensions(&error.to_string()) {
                Some(taken) if taken.len() < dimensions.len() => {
                    tracing::info!(?taken, about, "the offer cannot group by every dimension");
                    dimensions.clone_from(&taken);
                    *self.dimensions.lock().unwrap_or_else(PoisonError::into_inner) = taken;
                }
                _ => return Err(error),
            }
        }
    }

    async fn is_answered(&self, export: &str) -> Result<()> {
        let url = self
            .management
            .url(&format!("{}/{QUERY}", self.scope_of(export)))?;
        let about = self.about(export);
        let call = Call {
            url: &url,
            body: Some(&smallest_question(self.cost_type)),
            is_counted: true,
            about: &about,
        };
        self.management.call(&call).await.map(drop)
    }
}

#[async_trait]
impl Connector for CostQuery {
    fn uri(&self) -> String {
        let place = self.management.place();
        format!(
            "azure://{place}/Microsoft.CostManagement/query/{}",
            self.cost_type
        )
    }

    async fn check(&self) -> Result<String> {
        let login = self.management.login();
        login.token().await?;
        let exports: Vec<String> = match &self.scope {
            Some(scope) => vec![scope.clone()],
            None => {
                let seen = Seen::now(&self.management, &self.subscriptions).await?;
                let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                names.clone_from(&seen.subscriptions);
                seen.subscriptions.into_keys().collect()
            }
        };
        let count = exports.len();
        let tried: Vec<Result<()>> = futures::stream::iter(exports)
            .map(|export| async move { self.is_answered(&export).await })
            .buffered(PARALLEL_CHECKS)
            .collect()
            .await;
        let failures: Vec<Error> = tried.into_iter().filter_map(Result::err).collect();
        let seen = match &self.scope {
            Some(scope) => format!("login by {}, scope /{scope}", login.name()),
            None => format!(
                "login by {}, {count} {}",
                login.name(),
                if count == 1 {
                    "subscription"
                } else {
                    "subscriptions"
                }
            ),
        };
        match failures.as_slice() {
            [] => Ok(format!("{seen}, costs can be read")),
            [only] => Err(only.clone()),
            [first, ..] => {
                let all: Vec<String> = failures.iter().map(ToString::to_string).collect();
                let error = Error::external(format!(
                    "{} of {count} subscriptions cannot be read",
                    failures.len()
                ))
                .because(all.join("; "));
                Err(error.hint(first.hint_text().unwrap_or_default()))
            }
        }
    }

    async fn discover(&self, known: &Known) -> Result<Discovery> {
        let mut found = Discovery::default();
        let exports: Vec<String> = match &self.scope {
            Some(scope) => vec![scope.clone()],
            None => {
                let seen = self.seen(known).await?;
                found.cursor = Some(seen.cursor()?);
                seen.subscriptions.into_keys().collect()
            }
        };
        // Answers of the other cost type are none to this question.
        let mut known = known.clone();
        known
            .checks
            .retain(|_, check| check.cursor.as_deref() == Some(self.cost_type));
        let months = known.months();
        for export in exports {
            for month in &months {
                found.deliveries.push(Delivery::answer(
                    &self.uri(),
                    export.clone(),
                    Some(*month),
                    &known,
                    "one query, and one more for each 5,000 rows; no charge".to_string(),
                ));
            }
        }
        Ok(found)
    }

    async fn read(&self, delivery: &Delivery, rows: &mut RowWriter) -> Result<ApiAnswer> {
        let month = delivery
            .period
            .ok_or_else(|| Error::internal("a cost query without a month"))?;
        let about = self.about(&delivery.export);
        let fixed = self.fixed_cells(&delivery.export);
        let (body, mut page) = self.first_page(&delivery.export, month, &about).await?;
        let mut followed = HashSet::new();
        while let Some(bytes) = page {
            let next = write_rows(&bytes, month, &fixed, rows).map_err(|e| e.at(about.clone()))?;
            drop(bytes);
            let Some(link) = next else { break };
            if !followed.insert(link.clone()) {
                return Err(
                    Error::external("the pages of the answer lead back to an earlier one")
                        .at(about)
                        .because(format!(
                            "after {} pages and {} rows",
                            followed.len() + 1,
                            rows.rows()
                        ))
                        .hint("nothing of it was landed; run again, and tell Microsoft if it stays"),
                );
            }
            let url = self.management.next_page(&link)?;
            // The link names the page only: the question goes with it again.
            let call = Call {
                url: &url,
                body: Some(&body),
                is_counted: true,
                about: &about,
            };
            page = self.management.call(&call).await?;
        }
        Ok(ApiAnswer {
            cursor: Some(self.cost_type.to_string()),
            warnings: Vec::new(),
        })
    }
}
