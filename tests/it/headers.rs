//! What a file is and what its columns mean: every spelling of a header, files of another kind, names that are ours.

use crate::support::Project;
use crate::support::bills::{FOCUS_HEADER, focus_csv, focus_row};
use crate::support::project::source;

fn one_row() -> String {
    focus_row("2026-09", "2026-09-03", "sub-1", "", "2", "8.50")
}

fn snake_case(header: &str) -> String {
    let mut text = String::new();
    for (index, c) in header.char_indices() {
        let starts_word = c.is_ascii_uppercase() && index > 0 && !header[..index].ends_with(',');
        if starts_word {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[test]
fn every_spelling_of_the_headers_is_read_and_columns_named_like_ours_or_without_a_name_shift_nothing() {
    let project = Project::with_source("focus");
    for (name, header) in [
        ("snake", snake_case(FOCUS_HEADER)),
        ("upper", FOCUS_HEADER.to_uppercase()),
        (
            "spaced",
            FOCUS_HEADER
                .replace("BilledCost", "Billed Cost")
                .replace("EffectiveCost", "Effective_Cost"),
        ),
    ] {
        project.write(&format!("bills/{name}.csv"), format!("{header}\n{}\n", one_row()));
    }
    project.write(
        "bills/ours.csv",
        format!(
            "{FOCUS_HEADER},tenant,Period,_source_uri\n{},other,2020-01,s3://elsewhere\n",
            one_row()
        ),
    );
    let row = one_row();
    let (first, rest) = row.split_once(',').unwrap();
    let (first_header, header) = FOCUS_HEADER.split_once(',').unwrap();
    project.write(
        "bills/without.csv",
        format!("{first_header},,{header},\n{first},x,{rest},y\n"),
    );
    project.land().expect(0);
    let read = project.rows(
        "select tenant, source, export, period, source_file like concat('%bills/', export), billed_cost = 8.5, \
         effective_cost = billed_cost, provider_name, instance_type from normalize.usage order by export",
    );
    let wanted = ["ours", "snake", "spaced", "upper", "without"].map(|name| {
        let export = format!("{name}.csv");
        [
            "acme",
            "bills",
            &export,
            "2026-09",
            "true",
            "true",
            "true",
            "Google Cloud",
            "n2-standard-4",
        ]
        .map(str::to_string)
    });
    assert_eq!(read, wanted);
    let kept = r#"select tenant__delivered, "Period__delivered", "_source_uri__delivered", column_2 from raw.focus
                  where export in ('ours.csv', 'without.csv') order by export"#;
    assert_eq!(
        project.rows(kept),
        [["other", "2020-01", "s3://elsewhere", ""], ["", "", "", "x"]]
    );
}

#[test]
fn two_spellings_of_the_cost_are_refused_by_name() {
    let project = Project::with_source("focus");
    project.write(
        "bills/f.csv",
        format!("{FOCUS_HEADER},billed_cost\n{},9\n", one_row()),
    );
    project
        .land()
        .expect(3)
        .says("two columns are spellings of the same one")
        .says("`BilledCost` and `billed_cost`");
    assert!(project.billed().is_empty());
}

#[test]
fn files_of_another_kind_are_refused_by_name_and_the_rest_of_the_prefix_lands() {
    let project = Project::with_source("aws_cur2");
    project.write_gzip(
        "bills/legacy/20260901-20261001/legacy-1.csv.gz",
        "bill/PayerAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UnblendedCost,lineItem/CurrencyCode\n\
         999999999999,Usage,2026-09-01T00:00:00Z,1.92,USD\n",
    );
    project.write(
        "bills/focus/data/BILLING_PERIOD=2026-09/f.csv",
        focus_csv(&[one_row()]),
    );
    project.write(
        "bills/cur2/data/BILLING_PERIOD=2026-09/c.csv",
        "bill_payer_account_id,line_item_line_item_type,line_item_usage_start_date,line_item_unblended_cost,\
         line_item_currency_code,resource_tags\n999999999999,Usage,2026-09-01T00:00:00Z,12.25,USD,{}\n",
    );
    let outcome = project.land();
    outcome.expect(3);
    outcome
        .says("legacy-1.csv.gz")
        .says("looks like a legacy Cost and Usage Report (kind `aws_cur`)");
    outcome
        .says("f.csv")
        .says("looks like a FOCUS export (kind `focus`)");
    assert_eq!(project.billed(), [("USD".to_string(), "12.25".to_string(), 1)]);
}

#[test]
fn the_case_of_such_a_column_in_one_file_does_not_lock_out_another() {
    let project = Project::with_source("focus");
    for (name, header) in [("a", "Tenant"), ("b", "tenant"), ("c", "TENANT__DELIVERED")] {
        project.write(
            &format!("bills/{name}.csv"),
            format!("{FOCUS_HEADER},{header}\n{},x\n", one_row()),
        );
        project.land().expect(0);
    }
    assert_eq!(project.billed(), [("USD".to_string(), "25.5".to_string(), 3)]);
}

#[test]
fn activity_data_with_a_column_source_is_published() {
    let project = Project::acme(&source("offices", "activity", "activity"));
    project.write(
        "activity/a.csv",
        "source,activity,quantity,unit,period_start,period_end,country\nmeter 7,electricity,100,kWh,2026-01-01,2026-02-01,DE\n\
         meter 8,unobtainium,1,litres,2026-01-01,2026-02-01,DE\n",
    );
    let nothing = project.call(&["factors", "gaps"]);
    assert!(
        nothing.stdout.contains("Nothing has landed yet"),
        "{}",
        nothing.stdout
    );
    let outcome = project.run();
    outcome.expect(0);
    let told = "1 activity row has no factor: null emissions, see `offgridflow factors gaps`";
    assert!(outcome.stdout.contains(told), "{}", outcome.stdout);
    let rows = "select count(*) > 0 from publish.inventory where activity = 'electricity' and co2e_kg > 0";
    assert_eq!(project.value(rows), "true");
    assert_eq!(
        project.value("select distinct source from normalize.activity"),
        "offices"
    );
}

#[test]
fn usual_columns_that_are_not_there_are_named_once_per_source() {
    let project = Project::with_source("focus");
    for day in ["2026-08-02", "2026-09-02"] {
        project.write(
            &format!("bills/{day}.csv"),
            format!("BilledCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ProviderName\n1,USD,Usage,{day}T00:00:00Z,AWS\n"),
        );
    }
    let report = project.land_report();
    let warnings = report["warnings"].as_array().unwrap();
    let named: Vec<&str> = warnings
        .iter()
        .filter_map(|w| w.as_str())
        .filter(|w| w.contains("lack columns"))
        .collect();
    assert_eq!(named.len(), 1, "{warnings:?}");
    assert!(named[0].starts_with("acme/bills: "), "{named:?}");
    for column in ["EffectiveCost", "Tags", "ConsumedQuantity"] {
        assert!(named[0].contains(column), "{named:?}");
    }
    assert!(!named[0].contains("ProviderName"), "{named:?}");
}

#[test]
fn one_bill_counts_once_whichever_column_names_the_provider() {
    let project = Project::acme(&format!(
        "{}{}",
        source("cur", "aws_cur2", "cur"),
        source("focus", "focus", "focus")
    ));
    project.write(
        "cur/data/BILLING_PERIOD=2026-09/c.csv",
        "bill_payer_account_id,line_item_line_item_type,line_item_usage_start_date,line_item_unblended_cost,\
         line_item_currency_code,resource_tags\n999999999999,Usage,2026-09-01T00:00:00Z,12.25,USD,{}\n",
    );
    project.write(
        "focus/f.csv",
        "BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart,BilledCost,\
         ServiceProviderName,HostProviderName,InvoiceIssuerName\n\
         999999999999,USD,2026-09-01T00:00:00Z,Usage,2026-09-01T00:00:00Z,12.25,Amazon Web Services,AWS,AWS\n",
    );
    project
        .land()
        .expect(2)
        .says("`cur` and `focus` hold the same bill");
}
