//! Cost Explorer: the bill of each linked account by day, service and usage type, where no report is delivered.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::config::retry::RetryConfig;
use aws_sdk_costexplorer::config::{BehaviorVersion, Builder, Config, Credentials, IdentityCache};
use aws_sdk_costexplorer::types::{Expression, GroupDefinition, ResultByTime};

use super::cost_query::{Half, METRICS, Span, group_by};
use super::cost_rows::CostRows;
use super::holdings::Holdings;
use super::session::Session;
use crate::domain::period::Period;
use crate::error::{Error, Result};
use crate::extract::connector::{ApiAnswer, Connector, Known, RowWriter, UNFINISHED};
use crate::extract::{Delivery, Discovery};

const ACTION: &str = "ce:GetCostAndUsage";
/// What a month of an account takes at least: AWS charges a cent for each page.
const COST_OF_A_MONTH: &str = "2 calls or more, USD 0.02 or more";

/// The costs that one login sees.
#[derive(Debug)]
pub(super) struct CostExplorer {
    session: Session,
    client: Client,
    /// The accounts of the configuration; all that have costs when empty.
    accounts: Vec<String>,
}

/// What is listed page by page.
struct Listing {
    span: Span,
    filter: Option<Expression>,
    groups: Vec<GroupDefinition>,
    metrics: Vec<String>,
}

impl CostExplorer {
    /// A connector for these accounts; nothing is asked yet.
    pub(super) fn new(session: Session, accounts: Vec<String>) -> Self {
        let mut config: Builder = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(session.region())
            .retry_config(RetryConfig::disabled())
            .timeout_config(Session::timeouts())
            .identity_cache(IdentityCache::no_cache());
        config.set_endpoint_url(session.endpoint().map(String::from));
        CostExplorer {
            client: Client::from_conf(config.build()),
            session,
            accounts,
        }
    }

    /// Asks for every page of a listing.
    async fn pages(
        &self,
        listing: &Listing,
        mut take: impl FnMut(Vec<ResultByTime>) -> Result<()>,
    ) -> Result<()> {
        let mut token: Option<String> = None;
        let mut seen = HashSet::new();
        loop {
            let call = |credentials: Credentials| {
                let request = self
                    .client
                    .get_cost_and_usage()
                    .time_period(listing.span.interval.clone())
                    .granularity(listing.span.granularity.clone())
                    .set_filter(listing.filter.clone())
                    .set_group_by(Some(listing.groups.clone()))
                    .set_metrics(Some(listing.metrics.clone()))
                    .set_next_page_token(token.clone());
                let login = Config::builder().credentials_provider(credentials);
                request.customize().config_override(login).send()
            };
            let page = self.session.call(ACTION, call).await?;
            take(page.results_by_time.unwrap_or_default())?;
            token = page.next_page_token.filter(|token| !token.is_empty());
            match &token {
                None => return Ok(()),
                Some(next) if !seen.insert(next.clone()) => {
                    return Err(Error::external("Cost Explorer's pages go in a circle")
                        .at(self.uri())
                        .hint("nothing of this month was landed: run again; if it stays, report it to AWS"));
                }
                Some(_) => {}
            }
        }
    }

    /// The accounts with their months: those of the configuration, or those that have costs.
    async fn wanted(&self, known: &Known, found: &mut Discovery) -> Result<BTreeSet<(String, Period)>> {
        // What has not begun has no costs, and asking for it is refused.
        let current = Period::of(known.now.date_naive());
        let months: Vec<Period> = known
            .months()
            .into_iter()
            .filter(|month| *month <= current)
            .collect();
        if !self.accounts.is_empty() {
            let pairs = self
                .accounts
                .iter()
                .flat_map(|account| months.iter().map(move |month| (account.clone(), *month)));
            return Ok(pairs.collect());
        }
        let list = match Holdings::remembered(known) {
            Some(list) => list,
            None => self.listed(known).await?,
        };
        found.cursor = list.cursor();
        let mut pairs = list.pairs();
        // An account whose costs went away is asked once more, or it would keep what it had.
        pairs.extend(
            known
                .checks
                .keys()
                .filter_map(|(account, month)| Some((account.clone(), (*month)?))),
        );
        pairs.retain(|(_, month)| months.contains(month));
        Ok(pairs)
    }

    async fn listed(&self, known: &Known) -> Result<Holdings> {
        let listing = Listing {
            span: Span::months(known.since, known.until)?,
            filter: None,
            groups: vec![group_by("LINKED_ACCOUNT")],
            metrics: vec![METRICS[0].to_string()],
        };
        let mut list = Holdings::new(known);
        self.pages(&listing, |results| {
            for result in &results {
                let month = result.time_period().and_then(|period| period.start().get(..7));
                for group in result.groups() {
                    if let (Some(account), Some(month)) = (group.keys().first(), month) {
                        list.add(account, month);
                    }
                }
            }
            Ok(())
        })
        .await?;
        Ok(list)
    }
}

#[async_trait]
impl Connector for CostExplorer {
    fn uri(&self) -> String {
        self.session
            .endpoint()
            .unwrap_or("https://ce.us-east-1.amazonaws.com")
            .trim_end_matches('/')
            .to_string()
    }

    async fn check(&self) -> Result<String> {
        let account = self.session.account().await?;
        let current = Period::of(chrono::Utc::now().date_naive());
        let listing = Listing {
            span: Span::months(current, current.next())?,
            filter: None,
            groups: vec![group_by("LINKED_ACCOUNT")],
            metrics: vec![METRICS[0].to_string()],
        };
        let mut accounts = 0;
        self.pages(&listing, |results| {
            accounts += results.iter().map(|result| result.groups().len()).sum::<usize>();
            Ok(())
        })
        .await?;
        Ok(format!(
            "account {account} sees costs of {accounts} accounts this month (asking cost USD 0.01)"
        ))
    }

    async fn discover(&self, known: &Known) -> Result<Discovery> {
        let mut found = Discovery::default();
        let wanted = self.wanted(known, &mut found).await?;
        found.deliveries = wanted
            .into_iter()
            .map(|(account, month)| {
                Delivery::answer(
                    &self.uri(),
                    account,
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
            .ok_or_else(|| Error::internal("an answer of Cost Explorer has no month"))?;
        let account = &delivery.export;
        let billing_account = self.session.account().await?;
        let mut unfinished = false;
        for half in Half::ALL {
            let listing = Listing {
                span: Span::days(month)?,
                filter: Some(half.filter(account)),
                groups: vec![group_by("SERVICE"), group_by(half.dimension())],
                metrics: METRICS.map(String::from).to_vec(),
            };
            let mut days = CostRows::new(half, &billing_account, account);
            self.pages(&listing, |results| days.page(results, rows)).await?;
            unfinished |= days.finish(rows)?;
        }
        Ok(ApiAnswer {
            cursor: unfinished.then(|| UNFINISHED.to_string()),
            warnings: Vec::new(),
        })
    }
}
