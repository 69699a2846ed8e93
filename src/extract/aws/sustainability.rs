//! The Sustainability API: a month's emissions by account, region and service, as its model of the day has them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use aws_sdk_sustainability::Client;
use aws_sdk_sustainability::config::retry::RetryConfig;
use aws_sdk_sustainability::config::{BehaviorVersion, Builder, Config, Credentials, IdentityCache};
use aws_sdk_sustainability::primitives::DateTime;
use aws_sdk_sustainability::types::{
    Dimension, EmissionsType, EstimatedCarbonEmissions, TimeGranularity, TimePeriod,
};

use super::holdings::Holdings;
use super::session::Session;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::connector::{ApiAnswer, Connector, Known, RowWriter};
use crate::extract::{Delivery, Discovery};

const ACTION: &str = "sustainability:GetEstimatedCarbonEmissions";
const COST_OF_A_MONTH: &str = "1 call or more, free of charge";
const PAGE_ROWS: i32 = 1000;

/// The figures of a row, under the names of the carbon export's columns: both are landed into one table.
const FIGURES: [(EmissionsType, &str); 7] = [
    (EmissionsType::TotalLbmCarbonEmissions, "total_lbm_emissions"),
    (EmissionsType::TotalMbmCarbonEmissions, "total_mbm_emissions"),
    (
        EmissionsType::TotalScope1CarbonEmissions,
        "total_scope_1_emissions",
    ),
    (
        EmissionsType::TotalScope2LbmCarbonEmissions,
        "total_scope_2_lbm_emissions",
    ),
    (
        EmissionsType::TotalScope2MbmCarbonEmissions,
        "total_scope_2_mbm_emissions",
    ),
    (
        EmissionsType::TotalScope3LbmCarbonEmissions,
        "total_scope_3_lbm_emissions",
    ),
    (
        EmissionsType::TotalScope3MbmCarbonEmissions,
        "total_scope_3_mbm_emissions",
    ),
];

/// The emissions that one login sees.
#[derive(Debug)]
pub(super) struct Sustainability {
    session: Session,
    client: Client,
}

impl Sustainability {
    /// A connector; nothing is asked yet.
    pub(super) fn new(session: Session) -> Self {
        let mut config: Builder = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(session.region())
            .retry_config(RetryConfig::disabled())
            .timeout_config(Session::timeouts())
            .identity_cache(IdentityCache::no_cache());
        config.set_endpoint_url(session.endpoint().map(String::from));
        Sustainability {
            client: Client::from_conf(config.build()),
            session,
        }
    }

    /// Asks for every page of the months from `since` to before `until`.
    async fn pages(
        &self,
        since: Period,
        until: Period,
        group_by: &[Dimension],
        mut take: impl FnMut(Vec<EstimatedCarbonEmissions>) -> Result<()>,
    ) -> Result<()> {
        let period = TimePeriod::builder()
            .start(midnight(since))
            .end(midnight(until))
            .build()
            .map_err(|e| Error::internal("a time span is incomplete").because(e))?;
        let group_by = (!group_by.is_empty()).then(|| group_by.to_vec());
        let mut token: Option<String> = None;
        let mut seen = HashSet::new();
        loop {
            let call = |credentials: Credentials| {
                let request = self
                    .client
                    .get_estimated_carbon_emissions()
                    .time_period(period.clone())
                    .granularity(TimeGranularity::Monthly)
                    .set_group_by(group_by.clone())
                    .set_emissions_types(Some(FIGURES.map(|(figure, _)| figure).to_vec()))
                    .max_results(PAGE_ROWS)
                    .set_next_token(token.clone());
                let login = Config::builder().credentials_provider(credentials);
                request.customize().config_override(login).send()
            };
            let page = self.session.call(ACTION, call).await?;
            take(page.results)?;
            token = page.next_token.filter(|token| !token.is_empty());
            match &token {
                None => return Ok(()),
                Some(next) if !seen.insert(next.clone()) => {
                    return Err(
                        Error::external("the pages of the Sustainability API go in a circle")
                            .at(self.uri())
                            .hint(
                                "nothing of this month was landed: run again; if it stays, report it to AWS",
                            ),
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// The months that have figures, each with the version of the model that made them. A new version makes old months
    /// anew: they are landed beside what was there.
    async fn listed(&self, known: &Known) -> Result<Holdings> {
        let mut list = Holdings::new(known);
        // The current month has no figures before its end.
        let until = known.until.min(Period::of(known.now.date_naive()));
        if known.since < until {
            self.pages(known.since, until, &[], |results| {
                for result in results {
                    list.add(&export(&result.model_version), &month_of(&result)?.to_string());
                }
                Ok(())
            })
            .await?;
        }
        Ok(list)
    }
}

#[async_trait]
impl Connector for Sustainability {
    fn uri(&self) -> String {
        self.session
            .endpoint()
            .unwrap_or("https://sustainability.global.api.aws")
            .trim_end_matches('/')
            .to_string()
    }

    async fn check(&self) -> Result<String> {
        let account = self.session.account().await?;
        let current = Period::of(chrono::Utc::now().date_naive());
        let mut months = BTreeSet::new();
        self.pages(current.minus(3), current, &[], |results| {
            for result in results {
                months.insert(month_of(&result)?);
            }
            Ok(())
        })
        .await?;
        Ok(match months.last() {
            Some(newest) => format!("account {account} sees emissions, the newest of {newest}"),
            None => format!("account {account} may ask, but sees no emissions of the last three months"),
        })
    }

    async fn discover(&self, known: &Known) -> Result<Discovery> {
        let mut found = Discovery::default();
        let list = match Holdings::remembered(known) {
            Some(list) => list,
            None => self.listed(known).await?,
        };
        found.cursor = list.cursor();
        found.deliveries = list
            .pairs()
            .into_iter()
            .map(|(export, month)| {
                Delivery::answer(
                    &self.uri(),
                    export,
                    Some(month),
                    known,
                    COST_OF_A_MONTH.to_string(),
                )
            })
            .collect();
        Ok(found)
    }

    async fn read(&self, delivery: &Delivery, rows: &mut RowWriter) -> Result<ApiAnswer> {
        let month = delivery
            .period
            .ok_or_else(|| Error::internal("an answer of the Sustainability API has no month"))?;
        let payer = self.session.account().await?;
        let groups = [Dimension::UsageAccountId, Dimension::Region, Dimension::Service];
        self.pages(month, month.next(), &groups, |results| {
            for result in results {
                if export(&result.model_version) != delivery.export {
                    return Err(Error::external("AWS changed its carbon model while it was asked")
                        .because(format!("{} instead of {}", result.model_version, delivery.export))
                        .hint("run again: the months of the new version are then landed"));
                }
                rows.write(&row(&payer, month, &result))?;
            }
            Ok(())
        })
        .await?;
        Ok(ApiAnswer::default())
    }
}

/// The export of a version: each keeps its months, as the folders of the carbon export do.
fn export(model_version: &str) -> String {
    format!("carbon_model_version={model_version}")
}

fn midnight(month: Period) -> DateTime {
    let days = i64::from(month.first_day().to_epoch_days());
    DateTime::from_secs(days * 86_400)
}

fn month_of(result: &EstimatedCarbonEmissions) -> Result<Period> {
    let seconds = result.time_period().map(|period| period.start().secs());
    seconds
        .and_then(|seconds| Period::of_epoch_day(i32::try_from(seconds.div_euclid(86_400)).ok()?))
        .ok_or_else(|| Error::external("a figure of the Sustainability API names no month"))
}

fn row(payer: &str, month: Period, result: &EstimatedCarbonEmissions) -> BTreeMap<String, String> {
    let mut row = BTreeMap::from([
        ("payer_account_id".to_string(), payer.to_string()),
        ("model_version".to_string(), result.model_version.clone()),
        ("usage_period_start".to_string(), month.first_day().to_string()),
        (
            "usage_period_end".to_string(),
            month.next().first_day().to_string(),
        ),
    ]);
    for (dimension, column) in [
        (Dimension::UsageAccountId, "usage_account_id"),
        (Dimension::Region, "region_code"),
        (Dimension::Service, "product_code"),
    ] {
        if let Some(value) = result.dimensions_values.get(&dimension) {
            row.insert(column.to_string(), value.clone());
        }
    }
    for (figure, column) in FIGURES {
        if let Some(emissions) = result.emissions_values.get(&figure) {
            row.insert(format!("{column}_value"), emissions.value.to_string());
            row.insert(format!("{column}_unit"), emissions.unit.as_str().to_string());
        }
    }
    row
}
