//! A provider's own carbon figures beside our estimate, and which of the two sides feeds the inventory. The figures are
//! small enough to reckon by hand: tons of an AWS carbon export times 1,000,000 are grams.

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv};
use crate::support::project::{plain, source};

const CARBON_HEADER: &str = "last_refresh_timestamp,location,model_version,payer_account_id,product_code,region_code,\
total_lbm_emissions_unit,total_lbm_emissions_value,total_mbm_emissions_unit,total_mbm_emissions_value,\
total_scope_3_lbm_emissions_unit,total_scope_3_lbm_emissions_value,usage_account_id,usage_period_end,usage_period_start";

/// A row of the carbon export: account, product, region, location-based and market-based total and scope 3, in tons.
type Figure = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// Delivers a month of a model version as AWS Data Exports does, the manifest last.
fn deliver_carbon(project: &Project, folder: &str, version: &str, month: &str, figures: &[Figure]) {
    let mut text = format!("{CARBON_HEADER}\n");
    for (account, product, region, location, market, scope_3) in figures {
        text += &format!(
            "2026-01-20T00:00:00Z,,{version},999999999999,{product},{region},MTCO2e,{location},MTCO2e,{market},MTCO2e,\
             {scope_3},{account},{month}-28T00:00:00Z,{month}-01T00:00:00Z\n"
        );
    }
    let partition = format!("carbon_model_version={version}/usage_period={month}");
    let name = format!("data/{partition}/carbon-00001.csv.gz");
    project.write_gzip(&format!("{folder}/{name}"), &text);
    project.write(
        &format!("{folder}/metadata/{partition}/carbon-Manifest.json"),
        format!(
            "{{\"executionId\":\"{version}-{month}\",\"charset\":\"UTF-8\",\"compression\":\"GZIP\",\
             \"contentType\":\"text/csv\",\"dataFiles\":[\"s3://billing/carbon/{name}\"]}}"
        ),
    );
}

/// Puts and lists on S3, which have no factor.
fn requests(day: &str, cost: &str) -> Line {
    Line {
        usage_type: "Requests-Tier1".into(),
        operation: "PutObject",
        product: "AmazonS3",
        instance_type: "",
        unit: "Requests",
        amount: "1000".into(),
        cost: cost.into(),
        ..Line::instance(day, 0)
    }
}

fn tenant(bill_keys: &str, carbon_keys: &str) -> String {
    format!(
        "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}{bill_keys}\n{}{carbon_keys}\n\
         [[tenant.mapping]]\nwhen = {{ sub_account_id = \"111111111111\" }}\nset = {{ entity = \"ACME GmbH\", site = \"Berlin\" }}\n",
        source("bills", "aws_cur2", "bills"),
        source("carbon", "aws_carbon", "carbon"),
    )
}

/// A bill of March and April 2025; AWS's figures of February and March, of March by two models.
fn company(bill_keys: &str, carbon_keys: &str) -> Project {
    let project = Project::new(&tenant(bill_keys, carbon_keys));
    let march = [Line::instance("2025-03-02", 100), requests("2025-03-03", "0.6")];
    project.write("bills/march.csv", cur2_csv("2025-03", &march));
    project.write(
        "bills/april.csv",
        cur2_csv("2025-04", &[Line::instance("2025-04-02", 100)]),
    );
    let compute = |location, market, scope_3| {
        (
            "111111111111",
            "AmazonEC2",
            "us-east-1",
            location,
            market,
            scope_3,
        )
    };
    deliver_carbon(
        &project,
        "carbon",
        "v3.0.0",
        "2025-02",
        &[compute("0.0000025", "0", "")],
    );
    deliver_carbon(
        &project,
        "carbon",
        "v3.0.0",
        "2025-03",
        &[compute("0.002", "0.002", "")],
    );
    let newest = [
        compute("0.0010005", "0.00050025", "0.0001"),
        ("111111111111", "AmazonS3", "Global", "0.0000205", "", "0.000001"),
    ];
    deliver_carbon(&project, "carbon", "v10", "2025-03", &newest);
    project
}

const SIDES: &str = "select month, service_name, region_id, estimate_location_gco2e, provider_location_gco2e, \
    estimate_market_gco2e, provider_market_gco2e, difference_gco2e, provider_model_version, note \
    from publish.reconciliation order by month, service_name, region_id";

/// What the emissions tables hold for instances of a month, in grams with nine digits.
fn estimate(project: &Project, month: &str) -> String {
    project.value(&format!(
        "select total_location_gco2e from publish.emissions_by_service_region_month \
         where month = '{month}' and service_name = 'Amazon Elastic Compute Cloud'"
    ))
}

fn nano_grams(figure: &str) -> i128 {
    let (whole, fraction) = figure.split_once('.').unwrap();
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

#[test]
fn both_sides_stand_beside_each_other_with_what_explains_them() {
    let project = company("", "");
    project.run().expect(0);
    let [march, april] = ["2025-03", "2025-04"].map(|month| estimate(&project, month));
    let rows = project.rows(SIDES);
    let row = |index: usize| rows[index].iter().map(String::as_str).collect::<Vec<_>>();
    let (ec2, s3) = ("Amazon Elastic Compute Cloud", "Amazon Simple Storage Service");
    assert_eq!(
        row(0),
        [
            "2025-02",
            ec2,
            "us-east-1",
            "",
            "2.500000000",
            "",
            "0.000000000",
            "",
            "v3.0.0",
            "no usage of this month on a bill"
        ]
    );
    let difference = nano_grams(&march) - nano_grams("1000.5");
    assert_eq!(nano_grams(&rows[1][7]), difference);
    assert_eq!(
        [&row(1)[..7], &row(1)[8..]].concat(),
        [
            "2025-03",
            ec2,
            "us-east-1",
            &march,
            "1000.500000000",
            &march,
            "500.250000000",
            "v10",
            "both sides with scope 3 (embodied); model v10 replaces v3.0.0; the month before is of model v3.0.0"
        ]
    );
    assert_eq!(
        row(2),
        [
            "2025-03",
            s3,
            "global",
            "",
            "20.500000000",
            "",
            "",
            "",
            "v10",
            "the bill has usage of this service in other regions; the provider has no market-based figure; \
             model v10 replaces v3.0.0; the month before is of model v3.0.0"
        ]
    );
    assert_eq!(
        row(3),
        [
            "2025-03",
            s3,
            "us-east-1",
            "",
            "",
            "",
            "",
            "",
            "",
            "the provider has this service in other regions; no estimate: no_factor"
        ]
    );
    assert_eq!(
        row(4),
        [
            "2025-04",
            ec2,
            "us-east-1",
            &april,
            "",
            &april,
            "",
            "",
            "",
            "the provider's figure is not published yet"
        ]
    );
    assert_eq!(rows.len(), 5);
    let ratio: f64 = project
        .value("select ratio from publish.reconciliation where ratio is not null")
        .parse()
        .unwrap();
    assert!(
        (ratio - nano_grams(&march) as f64 / 1000.5e9).abs() < 1e-12,
        "{ratio}"
    );
}

#[test]
fn a_new_model_restates_a_month_and_the_old_one_stays_to_be_read() {
    let project = company("", "");
    project.run().expect(0);
    let figures = "select scope, gco2e, model_version, is_latest_model from normalize.provider_emissions \
        where month = '2025-03' and service_name = 'Amazon Elastic Compute Cloud' and scope <> '3' order by scope, model_version";
    let row = |cells: [&str; 4]| cells.map(str::to_string).to_vec();
    let expected = [
        row(["total_location", "1000.500000000", "v10", "true"]),
        row(["total_location", "2000.000000000", "v3.0.0", "false"]),
        row(["total_market", "500.250000000", "v10", "true"]),
        row(["total_market", "2000.000000000", "v3.0.0", "false"]),
    ];
    assert_eq!(project.rows(figures), expected);
    let restated = [(
        "111111111111",
        "AmazonEC2",
        "us-east-1",
        "0.0009",
        "0.0001",
        "0.0001",
    )];
    deliver_carbon(&project, "carbon", "v11.2", "2025-03", &restated);
    project.run().expect(0);
    let march = "select provider_location_gco2e, provider_market_gco2e, provider_model_version from publish.reconciliation \
        where month = '2025-03' and provider_model_version is not null";
    assert_eq!(project.rows(march), [["900.000000000", "100.000000000", "v11.2"]]);
}

/// Side, month, method and kilograms of the cloud rows.
const INVENTORY: &str = "select data_source, month, method, entity, sum(co2e_kg) from publish.inventory \
    where subcategory = 'Cloud: AWS' group by 1, 2, 3, 4 order by 2, 3";

#[test]
fn one_side_feeds_the_inventory_never_both() {
    let project = company("", "");
    project.run().expect(0);
    let estimated = project.rows(INVENTORY);
    assert!(
        estimated
            .iter()
            .all(|row| row[0] == "estimate" && row[3] == "ACME GmbH")
    );
    assert_eq!(estimated.len(), 6, "two months by location, market and hardware");
    project.configure(&tenant("inventory_source = \"provider\"", ""));
    project.run().expect(0);
    let row = |month: &str, method: &str, kilograms: &str| {
        ["provider", month, method, "ACME GmbH", kilograms]
            .map(str::to_string)
            .to_vec()
    };
    let provided: Vec<Vec<String>> = project.rows(INVENTORY);
    let provided: Vec<Vec<String>> = provided
        .into_iter()
        .map(|row| [&row[..4], &[plain(&row[4])]].concat())
        .collect();
    assert_eq!(
        provided,
        [
            row("2025-02", "location", "0.0025"),
            row("2025-02", "market", "0"),
            row("2025-03", "location", "1.021"),
            row("2025-03", "market", "0.50025"),
        ]
    );
    let figures = "data_source = 'provider' and month = '2025-03'";
    let explained = project.call(&["explain", "publish.inventory", figures]);
    explained.expect(0);
    for told in [
        "carbon-00001.csv.gz",
        "total_location",
        "1000.5",
        "co2e_kg of provider rows",
    ] {
        assert!(
            explained.stdout.contains(told),
            "{told} is not in {}",
            explained.stdout
        );
    }
    let gaps =
        "select month, note from publish.reconciliation where note like '%gap%' order by month, service_name";
    assert_eq!(
        project.rows(gaps),
        [
            [
                "2025-03",
                "the bill has usage of this service in other regions; the provider has no market-based figure, \
                 a gap in the market-based inventory; model v10 replaces v3.0.0; the month before is of model v3.0.0"
            ],
            [
                "2025-04",
                "the provider's figure is not published yet; a gap in the inventory, which takes the provider's figures"
            ]
        ]
    );
    project.configure(&tenant("", "inventory_source = \"estimate\""));
    project.run().expect(0);
    assert_eq!(project.rows(INVENTORY), estimated);
}

#[test]
fn figures_that_are_only_compared_are_reconciled_and_never_in_the_inventory() {
    let project = company("", "role = \"compare\"");
    project.run().expect(0);
    assert_eq!(
        project.value("select count(*) from publish.reconciliation where difference_gco2e is not null"),
        "1"
    );
    project.configure(&tenant("inventory_source = \"provider\"", "role = \"compare\""));
    project
        .run()
        .expect(2)
        .says("no counting source brings AWS's own carbon figures")
        .says("line 10");
}

#[test]
fn two_sources_of_the_same_figures_are_named() {
    let project = company("", "");
    project.run().expect(0);
    let again = source("again", "aws_carbon", "again");
    project.configure(&tenant("", "").replace("[[tenant.mapping]]", &format!("{again}[[tenant.mapping]]")));
    let march = [("111111111111", "AmazonEC2", "us-east-1", "0.5", "0.5", "")];
    deliver_carbon(&project, "again", "v10", "2025-03", &march);
    project.run().expect(3).says("one_source_per_account_month");
    let published = "select sum(provider_location_gco2e) from publish.reconciliation where month = '2025-03'";
    assert_eq!(
        project.value(published),
        "1021.000000000",
        "the last good data stands"
    );
}

#[test]
fn the_reconciliation_holds_every_gram_of_both_sides() {
    let project = company("", "");
    let products = [
        ("AmazonEC2", "BoxUsage:m5.xlarge"),
        ("AmazonRDS", "InstanceUsage:db.m5.xlarge"),
    ];
    let lines: Vec<Line> = (0..120)
        .map(|number| {
            let (product, usage_type) = products[number % 2];
            Line {
                account: ["111111111111", "222222222222", "333333333333"][number % 3],
                product,
                usage_type: usage_type.into(),
                region: ["us-east-1", "eu-central-1", "", "eu-north-1", "xx-none-1"][number % 5],
                ..Line::instance(&format!("2025-05-{:02}", number % 28 + 1), number as u32 * 7 + 1)
            }
        })
        .collect();
    project.write("bills/may.csv", cur2_csv("2025-05", &lines));
    let may = [
        (
            "111111111111",
            "AmazonEC2",
            "us-east-1",
            "0.123456789",
            "0.000000001",
            "",
        ),
        ("333333333333", "AmazonRDS", "eu-north-1", "0.000000007", "0", ""),
        ("444444444444", "AWSLambda", "eu-west-1", "0.2", "0.1", ""),
    ];
    deliver_carbon(&project, "carbon", "v10", "2025-05", &may);
    project.run().expect(0);
    let reconciled = "select month, sum(estimate_location_gco2e), sum(estimate_market_gco2e), sum(provider_location_gco2e) \
        from publish.reconciliation where month >= '2025-03' group by 1 order by 1";
    let reconciled = project.rows(reconciled);
    for table in ["account", "service_region"] {
        let published = format!(
            "select month, sum(total_location_gco2e), sum(total_market_gco2e) from publish.emissions_by_{table}_month \
             group by 1 order by 1"
        );
        let sides: Vec<Vec<String>> = reconciled.iter().map(|row| row[..3].to_vec()).collect();
        assert_eq!(sides, project.rows(&published), "{table}");
    }
    assert_eq!(reconciled[2][3], "323456.796000000");
}

#[test]
fn a_provider_without_location_based_figures_is_compared_market_based() {
    let project = Project::acme(&source("bills", "focus", "bills"));
    let header = "BillingAccountId,SubAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart,\
        ChargePeriodEnd,ConsumedQuantity,ConsumedUnit,BilledCost,EffectiveCost,ProviderName,ServiceName,RegionId,SkuPriceDetails";
    let line = "billing-1,/subscriptions/AAAA-1,EUR,2025-03-01T00:00:00Z,Usage,2025-03-02T00:00:00Z,2025-03-03T00:00:00Z,24,Hours,\
        4.8,4.8,Microsoft,Virtual Machines,westeurope,\"{\"\"InstanceType\"\":\"\"Standard_D4s_v3\"\"}\"";
    project.write("bills/bill.csv", format!("{header}\n{line}\n"));
    // The answers of Azure's API in the place of its view: scopes 1, 2 (market-based) and 3, no total.
    project.write(
        "sql/normalize/azure_carbon.sql",
        "/* model\ngrain = \"one row per figure\"\nkind = \"view\"\n*/\n\
         SELECT 'acme' AS tenant, 'bills' AS source, 'Microsoft' AS provider_name, CAST(NULL AS VARCHAR) AS billing_account_id, \
         'aaaa-1' AS sub_account_id, '2025-03' AS month, 'Virtual Machines' AS service_name, 'westeurope' AS region_id, scope, \
         CAST(gco2e AS DECIMAL(38, 9)) AS gco2e, CAST(NULL AS VARCHAR) AS model_version, 'f' AS source_file, \
         CAST(1 AS BIGINT) AS source_row_number FROM (VALUES ('1', 1), ('2_market', 20), ('3', 300)) AS v (scope, gco2e)",
    );
    project.run().expect(0);
    let row = project.rows(
        "select sub_account_id, provider_location_gco2e, provider_market_gco2e, difference_basis, \
         estimate_market_gco2e - provider_market_gco2e = difference_gco2e, note from publish.reconciliation",
    );
    assert_eq!(
        row,
        [[
            "aaaa-1",
            "",
            "321.000000000",
            "market",
            "true",
            "the provider has no location-based figure; both sides with scope 3 (embodied)"
        ]]
    );
}
