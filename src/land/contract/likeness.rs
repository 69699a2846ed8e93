//! What kind of export a file looks like, whatever kind its source has.

use std::collections::BTreeSet;

use super::plain;
use crate::config::SourceKind;
use crate::error::{Error, Result};

/// Refuses a file that is plainly of another kind than its source: its columns would be read by the wrong names.
///
/// # Errors
/// Data: names the kind that the file looks like.
pub fn refuse_other_kind(kind: SourceKind, headers: &[String]) -> Result<()> {
    let looks = likeness(headers);
    let fits = match kind {
        // Exports of that type are one of its dialects.
        SourceKind::AzureCost => looks.contains(&SourceKind::AzureCost) || looks.contains(&SourceKind::Focus),
        SourceKind::GcpBilling | SourceKind::GcpBillingFiles => looks.contains(&SourceKind::GcpBillingFiles),
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
fn likeness(headers: &[String]) -> Vec<SourceKind> {
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
        looks.push(SourceKind::AwsCur);
    } else if is_cur && has_maps {
        looks.push(SourceKind::AwsCur2);
    } else if is_cur {
        // A report without tags and maps may be either.
        looks.extend([SourceKind::AwsCur2, SourceKind::AwsCur]);
    }
    if !is_cur && has("billedcost") && (has("chargeperiodstart") || has("chargecategory")) {
        looks.push(SourceKind::Focus);
    }
    if has("costinbillingcurrency")
        || (has("metercategory")
            && ["cost", "pretaxcost", "extendedcost"]
                .iter()
                .any(|cost| has(cost)))
    {
        looks.push(SourceKind::AzureCost);
    }
    if has("usagestarttime")
        && has("cost")
        && (has("sku") || has("skuid") || has("service") || has("serviceid"))
    {
        looks.push(SourceKind::GcpBillingFiles);
    }
    if has("totalmbmemissionsvalue") || has("totallbmemissionsvalue") {
        looks.push(SourceKind::AwsCarbon);
    }
    if ["activity", "quantity", "unit", "periodstart"]
        .iter()
        .all(|name| has(name))
    {
        looks.push(SourceKind::Activity);
    }
    if ["market", "energykwh", "validfrom"].iter().all(|name| has(name)) {
        looks.push(SourceKind::Instruments);
    }
    looks
}

fn description(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::AwsCur => "a legacy Cost and Usage Report",
        SourceKind::AwsCur2 => "a CUR 2.0 export",
        SourceKind::AwsCarbon => "AWS's carbon export",
        SourceKind::AzureCost => "an Azure cost export",
        SourceKind::GcpBilling | SourceKind::GcpBillingFiles => "Google's billing export",
        SourceKind::Activity => "activity data",
        SourceKind::Instruments => "a list of contractual instruments",
        _ => "a FOCUS export",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: SourceKind, header: &str) -> Option<String> {
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
            (SourceKind::AwsCur2, LEGACY, "aws_cur`"),
            (
                SourceKind::AwsCur2,
                "line_item_unblended_cost,resource_tags_user_team",
                "aws_cur`",
            ),
            (
                SourceKind::AwsCur2,
                "LINEITEM/UNBLENDEDCOST,LINEITEM/USAGESTARTDATE",
                "aws_cur`",
            ),
            (
                SourceKind::AwsCur2,
                "line_item_unblended_cost,product_region,product_vcpu",
                "aws_cur`",
            ),
            (SourceKind::AwsCur, CUR2, "aws_cur2`"),
            (SourceKind::AwsCur, FOCUS, "focus`"),
            (SourceKind::AwsCur2, "billed_cost,charge_category", "focus`"),
            (SourceKind::Focus, CUR2, "aws_cur2`"),
            (
                SourceKind::Focus,
                "CostInBillingCurrency,Date,MeterCategory",
                "azure_cost`",
            ),
            (
                SourceKind::Focus,
                "usage_start_time,cost,sku,service",
                "gcp_billing_files`",
            ),
            (SourceKind::GcpBillingFiles, FOCUS, "focus`"),
            (
                SourceKind::Activity,
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
            (SourceKind::AwsCur, LEGACY),
            (SourceKind::AwsCur2, CUR2),
            (SourceKind::Focus, FOCUS),
            (SourceKind::AzureCost, FOCUS),
            (SourceKind::AzureCost, "costInBillingCurrency,date,meterCategory"),
            (
                SourceKind::AwsCur,
                "line_item_unblended_cost,line_item_usage_start_date",
            ),
            (
                SourceKind::AwsCur2,
                "line_item_unblended_cost,line_item_usage_start_date,product_product_name",
            ),
            (SourceKind::Focus, "a,b,c"),
        ] {
            assert_eq!(refusal(kind, header), None, "{kind} {header}");
        }
    }
}
