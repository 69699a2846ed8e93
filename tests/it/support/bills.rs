//! Generated bills: small enough to reckon by hand, whole enough to land as a provider's export.

use std::fmt::Write as _;

use super::project::Project;

/// A line of a CUR 2.0 export.
#[derive(Debug, Clone)]
pub struct Line {
    pub account: &'static str,
    pub day: String,
    pub usage_type: String,
    pub operation: &'static str,
    pub product: &'static str,
    pub region: &'static str,
    pub instance_type: &'static str,
    pub unit: &'static str,
    pub amount: String,
    pub cost: String,
    pub team: &'static str,
}

impl Line {
    /// Hours of an m5.xlarge in us-east-1 at 0.192 USD.
    pub fn instance(day: &str, hours: u32) -> Line {
        let millicents = u64::from(hours) * 192;
        Line {
            account: "111111111111",
            day: day.into(),
            usage_type: "BoxUsage:m5.xlarge".into(),
            operation: "RunInstances",
            product: "AmazonEC2",
            region: "us-east-1",
            instance_type: "m5.xlarge",
            unit: "Hrs",
            amount: hours.to_string(),
            cost: format!("{}.{:03}", millicents / 1000, millicents % 1000),
            team: "web",
        }
    }
}

/// The header of [`cur2_csv`].
pub const CUR2_HEADER: &str = "bill_payer_account_id,bill_billing_period_start_date,line_item_usage_account_id,\
line_item_line_item_type,line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,\
line_item_usage_type,line_item_operation,line_item_usage_amount,line_item_currency_code,line_item_unblended_cost,\
product_region_code,product_instance_type,pricing_unit,resource_tags";

/// The lines as CSV of one billing period.
pub fn cur2_csv(period: &str, lines: &[Line]) -> String {
    let mut text = format!("{CUR2_HEADER}\n");
    for line in lines {
        let Line {
            account,
            day,
            usage_type,
            operation,
            product,
            region,
            instance_type,
            unit,
            amount,
            cost,
            team,
        } = line;
        writeln!(
            text,
            "999999999999,{period}-01T00:00:00.000Z,{account},Usage,{day}T00:00:00.000Z,{day}T01:00:00.000Z,{product},\
             {usage_type},{operation},{amount},USD,{cost},{region},{instance_type},{unit},\"{{\"\"user_team\"\":\"\"{team}\"\"}}\"",
        )
        .unwrap();
    }
    text
}

/// Delivers a billing period as AWS Data Exports does: data files and a manifest written last.
pub fn deliver_cur2(project: &Project, folder: &str, period: &str, execution: &str, parts: &[String]) {
    let mut names = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let name = format!("data/BILLING_PERIOD={period}/cur2-{:05}.csv.gz", number + 1);
        project.write_gzip(&format!("{folder}/{name}"), part);
        names.push(format!("\"s3://billing/exports/cur2/{name}\""));
    }
    deliver_manifest(project, folder, period, execution, &names.join(","));
}

/// The manifest alone.
pub fn deliver_manifest(project: &Project, folder: &str, period: &str, execution: &str, quoted_names: &str) {
    let manifest = format!(
        "{{\"executionId\":\"{execution}\",\"exportArn\":\"arn:aws:bcm-data-exports:us-east-1:999999999999:export/cur2\",\
         \"reportName\":\"cur2\",\"charset\":\"UTF-8\",\"compression\":\"GZIP\",\"contentType\":\"text/csv\",\
         \"billingPeriod\":{{\"start\":\"{period}-01T00:00:00.000Z\",\"end\":\"{}-01T00:00:00.000Z\"}},\
         \"dataFiles\":[{quoted_names}]}}",
        next(period)
    );
    project.write(
        &format!("{folder}/metadata/BILLING_PERIOD={period}/cur2-Manifest.json"),
        manifest,
    );
}

fn next(period: &str) -> String {
    period
        .parse::<offgridflow::domain::period::Period>()
        .unwrap()
        .next()
        .to_string()
}

/// The header of [`focus_row`].
pub const FOCUS_HEADER: &str = "BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,\
ChargeClass,ChargePeriodStart,ChargePeriodEnd,ConsumedQuantity,ConsumedUnit,BilledCost,EffectiveCost,ProviderName,\
ServiceName,RegionId,SkuPriceDetails";

/// One FOCUS line: hours of an n2-standard-4 in us-central1.
pub fn focus_row(period: &str, day: &str, account: &str, class: &str, hours: &str, cost: &str) -> String {
    format!(
        "billing-1,{account},USD,{period}-01T00:00:00Z,Usage,{class},{day}T00:00:00Z,{day}T01:00:00Z,{hours},Hours,{cost},{cost},\
         Google,Compute Engine,us-central1,\"{{\"\"InstanceType\"\":\"\"n2-standard-4\"\"}}\""
    )
}

/// A FOCUS file.
pub fn focus_csv(rows: &[String]) -> String {
    format!("{FOCUS_HEADER}\n{}\n", rows.join("\n"))
}
