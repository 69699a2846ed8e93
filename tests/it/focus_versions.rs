//! FOCUS files of later versions, and spellings of one currency.

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv};
use crate::support::project::{plain, source};
use crate::tags::{numbers, parquet, texts, times};

#[test]
fn focus_1_4_names_its_provider_in_other_columns_and_a_currency_in_lower_case_is_the_same() {
    let project = Project::acme(
        &(source("versions", "focus", "versions")
            + &source("bills", "focus", "bills")
            + &source("more", "focus", "more")
            + "currency = \"eur\"\n"),
    );
    let header = "BilledCost,EffectiveCost,BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,\
         ChargePeriodStart,ChargePeriodEnd,ConsumedQuantity,ConsumedUnit,ServiceName,RegionId,SkuMeter";
    let line = "19.2,19.2,9,2,USD,2026-09-01T00:00:00Z,Usage,2026-09-02T00:00:00Z,2026-09-03T00:00:00Z,100,Hours,\
         Amazon Elastic Compute Cloud,us-east-1,BoxUsage:m5.xlarge";
    for (name, columns, values) in [
        (
            "all",
            "ServiceProviderName,HostProviderName,InvoiceIssuerName",
            "Amazon Web Services,AWS,AWS",
        ),
        ("service", "ServiceProviderName", "AWS"),
        ("host", "HostProviderName,InvoiceIssuerName", "Amazon,A reseller"),
        ("issuer", "InvoiceIssuerName", "Amazon Web Services"),
        (
            "old",
            "ProviderName,PublisherName,InvoiceIssuerName",
            "AWS,A vendor,A reseller",
        ),
    ] {
        let text = format!("{header},{columns}\n{line},{values}\n");
        project.write(&format!("versions/{name}.csv"), text);
    }
    let header =
        "BilledCost,BillingAccountId,BillingPeriodStart,ChargeCategory,ChargePeriodStart,ProviderName";
    let priced = |cost: &str, account: &str| {
        format!("{cost},{account},2026-09-01T00:00:00Z,Usage,2026-09-02T00:00:00Z,AWS")
    };
    let (one, two, three) = (priced("1", "1"), priced("2", "1"), priced("4", "2"));
    project.write(
        "bills/bill.csv",
        format!("{header},BillingCurrency\n{one},usd\n{two},USD\n"),
    );
    project.write("more/bill.csv", format!("{header}\n{three}\n"));
    project.run().expect(0);
    let names = project.rows(
        "select export, provider_name, publisher_name from normalize.usage where source = 'versions' order by export",
    );
    let wanted = [
        ["all", "AWS", "AWS"],
        ["host", "AWS", "Amazon"],
        ["issuer", "AWS", ""],
        ["old", "AWS", "A vendor"],
        ["service", "AWS", "AWS"],
    ];
    let names: Vec<Vec<&str>> = names
        .iter()
        .map(|row| {
            let export = row[0].rsplit('/').next().unwrap();
            vec![export.trim_end_matches(".csv"), row[1].as_str(), row[2].as_str()]
        })
        .collect();
    assert_eq!(names, wanted);
    let powered = "select count(*) from estimate.cloud_emissions where component = 'compute' and it_kwh > 0";
    assert_eq!(project.value(powered), "5");
    let costs = "select billing_currency, sum(billed_cost), count(*) from normalize.usage where source <> 'versions' \
                 group by 1 order by 1";
    let costs: Vec<Vec<String>> = project
        .rows(costs)
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    assert_eq!(costs, [["EUR", "4", "1"], ["USD", "3", "2"]]);
}

#[test]
fn an_id_written_as_a_double_is_the_same_account_and_rows_without_a_provider_may_be_of_any() {
    let sources = source("cur", "aws_cur2", "cur") + &source("focus", "focus", "focus");
    let project = Project::acme(&sources);
    let line = Line {
        account: "700000000001.0",
        ..Line::instance("2026-09-02", 1)
    };
    project.write(
        "cur/data/BILLING_PERIOD=2026-09/a.csv",
        cur2_csv("2026-09", &[line]),
    );
    let bill = parquet(vec![
        ("BilledCost", numbers([1.0])),
        ("BillingAccountId", texts("888888888888.0", 1)),
        ("SubAccountId", numbers([700_000_000_001.0])),
        ("BillingCurrency", texts("USD", 1)),
        ("ChargeCategory", texts("Usage", 1)),
        ("ChargePeriodStart", times(1)),
        ("ProviderName", texts("AWS", 1)),
    ]);
    project.write("focus/billing_period=2026-09/a.parquet", bill);
    project.run().expect(0);
    let accounts = "select source, billing_account_id, sub_account_id from normalize.usage order by source";
    assert_eq!(
        project.rows(accounts),
        [
            ["cur", "999999999999", "700000000001"],
            ["focus", "888888888888", "700000000001"]
        ]
    );
    project.write(
        "focus/billing_period=2026-09/b.csv",
        "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart\n\
         1,9.99999999999E11,USD,2026-09-01,Usage,2026-09-02\n",
    );
    project
        .run()
        .expect(2)
        .says("`cur` and `focus` hold the same bill")
        .says("AWS account 999999999999")
        .says("rows of `focus` name no provider");
}
