//! Carbon reports: one month and one scope a question, every page, and questions split until none reaches the cap.

use std::collections::{BTreeMap, BTreeSet};

use super::management::{Call, Management};
use super::report_shape::{Available, DateRange, Filter, Items, Page, Question, Reply, VERSION, refusals};
use crate::domain::period::Period;
use crate::error::{Error, Result};

const PROVIDER: &str = "providers/Microsoft.Carbon";
/// The greenhouse gas protocol's scopes. A question about several is answered with their sum.
pub const SCOPES: [&str; 3] = ["Scope1", "Scope2", "Scope3"];
/// The most that a question may name.
pub const MOST_SUBSCRIPTIONS: usize = 100;
/// An answer never holds more, however many pages it has: one that holds as many may lack some.
const MOST_RESULTS: usize = 5000;

/// The first and the last month that there are figures for.
///
/// # Errors
/// External: it cannot be asked, or the answer has no dates.
pub async fn available_months(management: &Management) -> Result<(Period, Period)> {
    let url = management.url(&format!(
        "{PROVIDER}/queryCarbonEmissionDataAvailableDateRange?api-version={VERSION}"
    ))?;
    let about = "the months with carbon figures";
    let call = Call {
        url: &url,
        body: Some(b""),
        is_counted: false,
        about,
    };
    let body = management.call(&call).await?.unwrap_or_default();
    let unreadable = || Error::external("the answer names no first and last month").at(about);
    let available: Available = serde_json::from_slice(&body).map_err(|e| unreadable().because(e))?;
    let month = |date: &str| date.get(..7).and_then(|text| text.parse::<Period>().ok());
    month(&available.start_date)
        .zip(month(&available.end_date))
        .ok_or_else(unreadable)
}

/// Every resource's figure of a month and scope, in parts that are each below the cap.
///
/// # Errors
/// External: refused, unreachable, pages in a circle, or more figures than the API gives out.
pub async fn resources(
    management: &Management,
    month: Period,
    scope: &str,
    subscriptions: &[String],
    mut take: impl FnMut(Items) -> Result<()> + Send,
) -> Result<()> {
    let mut pending = vec![Filter {
        subscriptions: subscriptions.to_vec(),
        ..Filter::default()
    }];
    while let Some(filter) = pending.pop() {
        let found = ask(management, month, scope, "Resource", &filter).await?;
        if found.items.len() < MOST_RESULTS {
            take(found)?;
        } else {
            pending.extend(split(management, month, scope, filter).await?);
        }
    }
    Ok(())
}

/// Which of these subscriptions the login may not see, and why.
///
/// # Errors
/// External: refused or unreachable as a whole.
pub async fn denied(
    management: &Management,
    month: Period,
    subscriptions: &[String],
) -> Result<BTreeMap<String, String>> {
    let filter = Filter {
        subscriptions: subscriptions.to_vec(),
        ..Filter::default()
    };
    let question = Question {
        report_type: "OverallSummaryReport",
        filter: &filter,
        carbon_scope_list: &SCOPES,
        date_range: DateRange::of(month),
        page: None,
    };
    let body = post(management, &question, &about(month, &filter)).await?;
    let reply: Reply = serde_json::from_slice(&body)
        .map_err(|e| Error::external("the carbon report cannot be read").because(e))?;
    Ok(refusals(reply.subscription_access_decision_list))
}

/// One question to its last page, or until the cap is reached.
async fn ask(
    management: &Management,
    month: Period,
    scope: &str,
    category: &'static str,
    filter: &Filter,
) -> Result<Items> {
    let about = about(month, filter);
    let mut found = Items::default();
    let mut tokens: BTreeSet<String> = BTreeSet::new();
    let mut token: Option<String> = None;
    loop {
        let question = Question {
            report_type: "ItemDetailsReport",
            filter,
            carbon_scope_list: &[scope],
            date_range: DateRange::of(month),
            page: Some(Page {
                category_type: category,
                order_by: "ItemName",
                sort_direction: "Asc",
                page_size: MOST_RESULTS,
                skip_token: token.as_deref(),
            }),
        };
        let body = post(management, &question, &about).await?;
        let reply: Reply = serde_json::from_slice(&body).map_err(|e| {
            Error::external("the carbon report cannot be read")
                .at(about.clone())
                .because(e)
        })?;
        found
            .denied
            .extend(refusals(reply.subscription_access_decision_list));
        found.items.extend(reply.value);
        token = reply.skip_token.filter(|token| !token.is_empty());
        match &token {
            Some(_) if found.items.len() >= MOST_RESULTS => return Ok(found),
            Some(next) if !tokens.insert(next.clone()) => {
                return Err(
                    Error::external("the pages of the carbon report lead back to an earlier one").at(about),
                );
            }
            Some(_) => {}
            None => return Ok(found),
        }
    }
}

/// Where a question lists what it is about.
type List = fn(&mut Filter) -> &mut Vec<String>;

/// From the widest to the narrowest.
const LEVELS: [(&str, List); 4] = [
    ("Subscription", |filter| &mut filter.subscriptions),
    ("ResourceGroup", |filter| &mut filter.resource_groups),
    ("ResourceType", |filter| &mut filter.resource_types),
    ("Location", |filter| &mut filter.locations),
];

/// Smaller questions that together ask the same.
async fn split(
    management: &Management,
    month: Period,
    scope: &str,
    mut filter: Filter,
) -> Result<Vec<Filter>> {
    for (category, list) in LEVELS {
        let all = match list(&mut filter).as_slice() {
            [] => names(management, month, scope, category, &filter).await?,
            [_] => continue,
            many => many.to_vec(),
        };
        let part = |names: &[String]| {
            let mut part = filter.clone();
            *list(&mut part) = names.to_vec();
            part
        };
        return Ok(all.chunks(all.len().div_ceil(2)).map(part).collect());
    }
    let only = [filter.resource_groups, filter.resource_types, filter.locations].concat();
    Err(Error::external(format!(
        "Azure gives out at most {MOST_RESULTS} carbon figures for one question, and there are more"
    ))
    .at(format!("{} {month}, {scope}", filter.subscriptions.concat()))
    .at(only.join(", "))
    .hint("nothing of the month was landed; the rest is in the portal's own export"))
}

/// The names of the groups, types or locations that a question is about.
async fn names(
    management: &Management,
    month: Period,
    scope: &str,
    category: &'static str,
    filter: &Filter,
) -> Result<Vec<String>> {
    let found = ask(management, month, scope, category, filter).await?;
    if found.items.len() >= MOST_RESULTS {
        return Err(Error::external(format!(
            "a subscription has {MOST_RESULTS} names of category {category} or more, which Azure does not list"
        ))
        .at(about(month, filter)));
    }
    let names: BTreeSet<String> = found
        .items
        .into_iter()
        .map(|item| match item.resource_group_url {
            Some(url) if category == "ResourceGroup" => url,
            _ => item.item_name,
        })
        .collect();
    match names.is_empty() {
        false => Ok(names.into_iter().collect()),
        true => Err(
            Error::external(format!("Azure lists no {category} although there are figures"))
                .at(about(month, filter)),
        ),
    }
}

async fn post(management: &Management, question: &Question<'_>, about: &str) -> Result<Vec<u8>> {
    let url = management.url(&format!("{PROVIDER}/carbonEmissionReports?api-version={VERSION}"))?;
    let body =
        serde_json::to_vec(question).map_err(|e| Error::internal("a question is no JSON").because(e))?;
    let call = Call {
        url: &url,
        body: Some(&body),
        is_counted: false,
        about,
    };
    let answer = management.call(&call).await?;
    Ok(answer.unwrap_or_else(|| b"{}".to_vec()))
}

fn about(month: Period, filter: &Filter) -> String {
    match filter.subscriptions.as_slice() {
        [only] => format!("subscription {only} {month}"),
        many => format!("{} subscriptions {month}", many.len()),
    }
}
