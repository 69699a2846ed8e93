//! What kind of export a file looks like, whatever kind its source has.

use std::collections::BTreeSet;

use super::plain;
use crate::config::Kind;
use crate::error::{Error, Result};

/// Refuses a file that is plainly of another kind than its source: its columns would be read by the wrong names.
///
/// # Errors
/// Data: names the kind that the file looks like.
pub fn refuse_other_kind(kind: Kind, headers: &[String]) -> Result<()> {
    let looks = likeness(headers);
    let fits = match kind {
        // Exports of that type are one of its dialects.
        Kind::AzureCost => looks.contains(&Kind::AzureCost) || looks.contains(&Kind::Focus),
        Kind::GcpBilling | Kind::GcpBillingFiles => looks.contains(&Kind::GcpBillingFiles),
        _ => looks.contains(&kind),
    };
    match looks.first().filter(|_| !fits && kind.reads_files()) {
        Some(other) => Err(Error::data(format!(
            "the file looks like {} (kind `{other}`), but its source is of kind `{kind}`",
            description(*other)
        ))
        .hint(format!(
            "point the source's url at the {kind} export alone, and give these files a source of their own with kind = \"{other}\""
        ))),
        None => Ok(()),
    }
}

/// The kinds whose unmistakable columns are among the headers.
fn likeness(headers: &[String]) -> Vec<Kind> {
    let plains: BTreeSet<String> = headers.iter().map(|header| plain(header)).collect();
    let has = |name: &str| plains.contains(name);
    let is_cur = has("lineitemunblendedcost") || has("lineitemusagestartdate") || has("lineitemlineitemtype");
    // CUR 2.0 holds these as maps; the legacy report has a column for each of their keys.
    let has_maps = ["resourcetags", "product", "costcategory", "discount", "tags"]
        .iter()
        .any(|map| has(map));
    let starts_with = |start: &str| {
        let mut heads = headers.iter().filter_map(|header| header.get(..start.len()));
        heads.any(|head| head.eq_ignore_ascii_case(start))
    };
    let has_slashes = starts_with("lineItem/");
    // CUR 2.0 has no product_region.
    let has_legacy_columns =
        starts_with("resource_tags_user_") || (has("productregion") && !has("productregioncode"));
    let mut looks = Vec::new();
    if is_cur && (has_slashes || (has_legacy_columns && !has_maps)) {
        looks.push(Kind::AwsCur);
    } else if is_cur && has_maps {
        looks.push(Kind::AwsCur2);
    } else if is_cur {
        // A report without tags and maps may be either.
        looks.extend([Kind::AwsCur2, Kind::AwsCur]);
    }
    if !is_cur && has("billedcost") && (has("chargeperiodstart") || has("chargecategory")) {
        looks.push(Kind::Focus);
    }
    if has("costinbillingcurrency")
        || (has("metercategory")
            && ["cost", "pretaxcost", "extendedcost"]
                .iter()
                .any(|cost| has(cost)))
    {
        looks.push(Kind::AzureCost);
    }
    if has("usagestarttime")
        && has("cost")
        && (has("sku") || has("skuid") || has("service") || has("serviceid"))
    {
        looks.push(Kind::GcpBillingFiles);
    }
    if has("totalmbmemissionsvalue") || has("totallbmemissionsvalue") {
        looks.push(Kind::AwsCarbon);
    }
    if ["activity", "quantity", "unit", "periodstart"]
        .iter()
        .all(|name| has(name))
    {
        looks.push(Kind::Activity);
    }
    if ["market", "energykwh", "validfrom"].iter().all(|name| has(name)) {
        looks.push(Kind::Instruments);
    }
    looks
}

fn description(kind: Kind) -> &'static str {
    match kind {
        Kind::AwsCur => "a legacy Cost and Usage Report",
        Kind::AwsCur2 => "a CUR 2.0 export",
        Kind::AwsCarbon => "AWS's carbon export",
        Kind::AzureCost => "an Azure cost export",
        Kind::GcpBilling | Kind::GcpBillingFiles => "Google's billing export",
        Kind::Activity => "activity data",
        Kind::Instruments => "a list of contractual instruments",
        _ => "a FOCUS export",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: Kind, header: &str) -> Option<String> {
        let headers: Vec<String> = header.split(',').map(str::to_string).collect();
        refuse_other_kind(kind, &headers)
            .err()
            .map(|error| error.to_string())
    }

    const LEGACY: &str = "lineItem/UnblendedCost,lineItem/UsageStartDate,product/ProductName";
    const CUR2: &str = "line_item_unblended_cost,line_item_usage_start_date,resource_tags,product";
    const FOCUS: &str = "BilledCost,ChargePeriodStart,ChargeCategory";

    #[test]
    fn another_kind_is_named() {
        for (kind, header, looks) in [
            (Kind::AwsCur2, LEGACY, "aws_cur`"),
            (
                Kind::AwsCur2,
                "line_item_unblended_cost,resource_tags_user_team",
                "aws_cur`",
            ),
            (
                Kind::AwsCur2,
                "LINEITEM/UNBLENDEDCOST,LINEITEM/USAGESTARTDATE",
                "aws_cur`",
            ),
            (
                Kind::AwsCur2,
                "line_item_unblended_cost,product_region,product_vcpu",
                "aws_cur`",
            ),
            (Kind::AwsCur, CUR2, "aws_cur2`"),
            (Kind::AwsCur, FOCUS, "focus`"),
            (Kind::AwsCur2, "billed_cost,charge_category", "focus`"),
            (Kind::Focus, CUR2, "aws_cur2`"),
            (
                Kind::Focus,
                "CostInBillingCurrency,Date,MeterCategory",
                "azure_cost`",
            ),
            (
                Kind::Focus,
                "usage_start_time,cost,sku,service",
                "gcp_billing_files`",
            ),
            (Kind::GcpBillingFiles, FOCUS, "focus`"),
            (
                Kind::Activity,
                "kind,market,energy_kwh,valid_from,valid_to",
                "instruments`",
            ),
        ] {
            let said = refusal(kind, header).unwrap_or_default();
            assert!(said.contains(looks), "{kind} {header}: {said}");
        }
    }

    #[test]
    fn its_own_kind_and_what_tells_nothing_pass() {
        for (kind, header) in [
            (Kind::AwsCur, LEGACY),
            (Kind::AwsCur2, CUR2),
            (Kind::Focus, FOCUS),
            (Kind::AzureCost, FOCUS),
            (Kind::AzureCost, "costInBillingCurrency,date,meterCategory"),
            (
                Kind::AwsCur,
                "line_item_unblended_cost,line_item_usage_start_date",
            ),
            (
                Kind::AwsCur2,
                "line_item_unblended_cost,line_item_usage_start_date,product_product_name",
            ),
            (Kind::Focus, "a,b,c"),
        ] {
            assert_eq!(refusal(kind, header), None, "{kind} {header}");
        }
    }
}
