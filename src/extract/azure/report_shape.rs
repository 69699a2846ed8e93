//! The questions and answers of carbon reports as they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::period::Period;

/// The version of the API that these are of.
pub const VERSION: &str = "2025-04-01";

/// What a question is about.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// In lower case.
    #[serde(rename = "subscriptionList")]
    pub subscriptions: Vec<String>,
    #[serde(rename = "resourceGroupUrlList", skip_serializing_if = "Vec::is_empty")]
    pub resource_groups: Vec<String>,
    #[serde(rename = "resourceTypeList", skip_serializing_if = "Vec::is_empty")]
    pub resource_types: Vec<String>,
    #[serde(rename = "locationList", skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<String>,
}

/// A question; its page is for reports of single items only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question<'a> {
    pub report_type: &'static str,
    #[serde(flatten)]
    pub filter: &'a Filter,
    pub carbon_scope_list: &'a [&'a str],
    pub date_range: DateRange,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page<'a>>,
}

/// First days of the first and the last month.
#[derive(Serialize)]
pub struct DateRange {
    pub start: String,
    pub end: String,
}

/// Which kind of item, and which part of the list of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<'a> {
    pub category_type: &'static str,
    pub order_by: &'static str,
    pub sort_direction: &'static str,
    pub page_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_token: Option<&'a str>,
}

/// A page of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    #[serde(default)]
    pub subscription_access_decision_list: Vec<Decision>,
    #[serde(default)]
    pub value: Vec<Item>,
    pub skip_token: Option<String>,
}

/// Whether the login may see a subscription.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub subscription_id: String,
    pub decision: String,
    pub denial_reason: Option<String>,
}

/// A resource's figure, or with other categories the name of a group, type or location.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    #[serde(default)]
    pub item_name: String,
    /// Kilograms, as written.
    pub latest_month_emissions: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    #[serde(skip_serializing)]
    pub resource_group_url: Option<String>,
    #[serde(default)]
    pub resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    #[serde(default)]
    pub subscription_id: String,
}

/// An item as it is landed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row<'a> {
    pub api_version: &'static str,
    pub carbon_scope: &'a str,
    #[serde(flatten)]
    pub item: &'a Item,
}

/// What a question gave.
#[derive(Debug, Default)]
pub struct Items {
    /// One for each resource.
    pub items: Vec<Item>,
    /// Subscriptions that were refused inside a successful answer, and why.
    pub denied: BTreeMap<String, String>,
}

/// The months that there are figures for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Available {
    pub start_date: String,
    pub end_date: String,
}

impl Item {
    /// Whose it is, in lower case.
    pub fn subscription(&self) -> String {
        self.subscription_id.to_lowercase()
    }

    /// The row that is landed.
    pub fn row<'a>(&'a self, scope: &'a str) -> Row<'a> {
        Row {
            api_version: VERSION,
            carbon_scope: scope,
            item: self,
        }
    }
}

impl DateRange {
    /// Reports of single resources are of one month: it begins and ends with its first day.
    pub fn of(month: Period) -> DateRange {
        let day = month.first_day().to_string();
        DateRange {
            start: day.clone(),
            end: day,
        }
    }
}

/// The subscriptions that are not allowed, in lower case, and why.
pub fn refusals(decisions: Vec<Decision>) -> BTreeMap<String, String> {
    decisions
        .into_iter()
        .filter(|decision| !decision.decision.eq_ignore_ascii_case("Allowed"))
        .map(|decision| {
            let reason = decision.denial_reason.unwrap_or(decision.decision);
            (decision.subscription_id.to_lowercase(), reason)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_as_documented() {
        let filter = Filter {
            subscriptions: vec!["s".into()],
            ..Filter::default()
        };
        let question = Question {
            report_type: "ItemDetailsReport",
            filter: &filter,
            carbon_scope_list: &["Scope1"],
            date_range: DateRange::of(Period::new(2026, 9).unwrap()),
            page: Some(Page {
                category_type: "Resource",
                order_by: "ItemName",
                sort_direction: "Asc",
                page_size: 5000,
                skip_token: None,
            }),
        };
        assert_eq!(
            serde_json::to_string(&question).unwrap(),
            r#"{"reportType":"ItemDetailsReport","subscriptionList":["s"],"carbonScopeList":["Scope1"],"dateRange":{"start":"2026-09-01","end":"2026-09-01"},"categoryType":"Resource","orderBy":"ItemName","sortDirection":"Asc","pageSize":5000}"#
        );
    }

    #[test]
    fn a_row_repeats_no_figure_of_the_month_before() {
        let item: Item = serde_json::from_str(
            r#"{"itemName":"vm","latestMonthEmissions":0.10,"previousMonthEmissions":0.05,"resourceId":"/r","subscriptionId":"S"}"#,
        )
        .unwrap();
        assert_eq!(
            serde_json::to_string(&item.row("Scope3")).unwrap(),
            r#"{"apiVersion":"2025-04-01","carbonScope":"Scope3","itemName":"vm","latestMonthEmissions":0.10,"resourceId":"/r","subscriptionId":"S"}"#
        );
    }
}
