//! `azure_carbon`: what Azure states of the emissions of every subscription's resources, by month and scope.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::batch::Batch;
use super::limiter::PAUSES_ONLY;
use super::management::Management;
use super::report::{MOST_SUBSCRIPTIONS, available_months, denied};
use super::seen::{Seen, named};
use crate::config::{Profile, Source};
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::connector::{ApiAnswer, Connector, Known, RowWriter};
use crate::extract::{Delivery, Discovery};

/// What a refused login lacks.
const ROLE: &str = "Carbon Optimization Reader";

/// Azure's Carbon Optimization.
#[derive(Debug)]
pub struct Carbon {
    management: Management,
    /// Subscriptions that the source names.
    subscriptions: Vec<String>,
    /// What is asked together, by subscription and month.
    batches: Mutex<BTreeMap<(String, Period), Arc<Batch>>>,
    /// Names of subscriptions, for messages.
    names: Mutex<BTreeMap<String, String>>,
}

impl Carbon {
    /// The source as configured.
    ///
    /// # Errors
    /// Usage: its profile is incomplete.
    pub fn open(source: &Source, profile: &Profile) -> Result<Carbon> {
        Ok(Carbon {
            management: Management::open(profile, PAUSES_ONLY, ROLE)?,
            subscriptions: source.ask.subscriptions.clone(),
            batches: Mutex::default(),
            names: Mutex::default(),
        })
    }

    /// Subscriptions and months, asked for anew unless what was seen is still good.
    async fn seen(&self, known: &Known) -> Result<Seen> {
        let earlier = Seen::earlier(known).filter(|seen| {
            let names_these = |id: &String| seen.subscriptions.contains_key(&id.trim().to_lowercase());
            seen.months.is_some() && self.subscriptions.iter().all(names_these)
        });
        let seen = match earlier {
            Some(seen) => seen,
            None => {
                let mut seen = Seen::now(&self.management, &self.subscriptions).await?;
                let (first, last) = available_months(&self.management).await?;
                seen.months = Some((first.to_string(), last.to_string()));
                seen
            }
        };
        self.remember_names(&seen);
        Ok(seen)
    }

    fn remember_names(&self, seen: &Seen) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.clone_from(&seen.subscriptions);
    }

    fn refused(&self, subscription: &str, reason: &str) -> Error {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let about = named(subscription, names.get(subscription).map_or("", String::as_str));
        Error::external("Azure denies the carbon figures")
            .at(about.clone())
            .because(reason)
            .hint(format!("grant the login the role `{ROLE}` on {about}"))
    }

    fn batch(&self, subscription: &str, month: Period) -> Arc<Batch> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches
            .entry((subscription.to_string(), month))
            .or_insert_with(|| Arc::new(Batch::new(month, vec![subscription.to_string()])))
            .clone()
    }
}

#[async_trait]
impl Connector for Carbon {
    fn uri(&self) -> String {
        let place = self.management.place();
        format!("azure://{place}/Microsoft.Carbon/carbonEmissionReports")
    }

    async fn check(&self) -> Result<String> {
        let login = self.management.login();
        login.token().await?;
        let seen = Seen::now(&self.management, &self.subscriptions).await?;
        self.remember_names(&seen);
        let (_, last) = available_months(&self.management).await?;
        let all: Vec<String> = seen.subscriptions.into_keys().collect();
        let mut refused = BTreeMap::new();
        for some in all.chunks(MOST_SUBSCRIPTIONS) {
            refused.extend(denied(&self.management, last, some).await?);
        }
        let mut errors = refused.iter().map(|(id, reason)| self.refused(id, reason));
        match (errors.next(), refused.len()) {
            (None, _) => Ok(format!(
                "login by {}, {} {}, figures until {last}",
                login.name(),
                all.len(),
                if all.len() == 1 {
                    "subscription"
                } else {
                    "subscriptions"
                }
            )),
            (Some(only), 1) => Err(only),
            (Some(_), count) => {
                let ids: Vec<&str> = refused.keys().map(String::as_str).collect();
                Err(Error::external(format!(
                    "{count} of {} subscriptions deny their carbon figures",
                    all.len()
                ))
                .because(ids.join(", "))
                .hint(format!("grant the login the role `{ROLE}` on each of them")))
            }
        }
    }

    async fn discover(&self, known: &Known) -> Result<Discovery> {
        let seen = self.seen(known).await?;
        let available = |month: &Period| {
            seen.months.as_ref().is_some_and(|(first, last)| {
                let month = month.to_string();
                *first <= month && month <= *last
            })
        };
        let mut found = Discovery {
            cursor: Some(seen.cursor()?),
            ..Discovery::default()
        };
        let mut batches = BTreeMap::new();
        for month in known.months().into_iter().filter(available) {
            let mut due = Vec::new();
            for subscription in seen.subscriptions.keys() {
                let delivery = Delivery::answer(
                    &self.uri(),
                    subscription.clone(),
                    Some(month),
                    known,
                    "three calls for each 100 subscriptions; no charge".to_string(),
                );
                if delivery.asks.is_some() {
                    due.push(subscription.clone());
                }
                found.deliveries.push(delivery);
            }
            for some in due.chunks(MOST_SUBSCRIPTIONS) {
                let batch = Arc::new(Batch::new(month, some.to_vec()));
                batches.extend(some.iter().map(|id| ((id.clone(), month), batch.clone())));
            }
        }
        *self.batches.lock().unwrap_or_else(PoisonError::into_inner) = batches;
        found
            .deliveries
            .sort_by(|a, b| (&a.export, a.period).cmp(&(&b.export, b.period)));
        Ok(found)
    }

    async fn read(&self, delivery: &Delivery, rows: &mut RowWriter) -> Result<ApiAnswer> {
        let month = delivery
            .period
            .ok_or_else(|| Error::internal("a carbon report without a month"))?;
        let answered = self
            .batch(&delivery.export, month)
            .answer(&self.management)
            .await?;
        if let Some(reason) = answered.denied.get(&delivery.export) {
            return Err(self.refused(&delivery.export, reason));
        }
        answered.write(&delivery.export, rows)?;
        Ok(ApiAnswer::default())
    }
}
