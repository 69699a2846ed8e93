//! One poisoned row, one damaged table: what else there is goes on.

use std::fs;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::parquet::arrow::ArrowWriter;

use crate::support::Project;
use crate::support::project::{plain, source};

const HEADER: &str = "ProviderName,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,\
ChargePeriodEnd,ChargeCategory,ServiceName,RegionId,BilledCost,EffectiveCost,ConsumedQuantity,ConsumedUnit\n";

/// A FOCUS line of September 2026.
struct Row {
    account: &'static str,
    service: &'static str,
    start: &'static str,
    end: &'static str,
    cost: &'static str,
    quantity: &'static str,
    unit: &'static str,
}

const ROW: Row = Row {
    account: "1",
    service: "Amazon EC2",
    start: "2026-09-03T00:00:00Z",
    end: "2026-09-04T00:00:00Z",
    cost: "1.5",
    quantity: "2",
    unit: "Hours",
};

fn focus(rows: &[Row]) -> String {
    let mut text = HEADER.to_string();
    for row in rows {
        let Row {
            account,
            service,
            start,
            end,
            cost,
            quantity,
            unit,
        } = row;
        text.push_str(&format!(
            "AWS,{account},USD,2026-09-01T00:00:00Z,{start},{end},Usage,{service},us-east-1,{cost},{cost},{quantity},{unit}\n"
        ));
    }
    text
}

/// Tenants `bad` and `good`, each with a FOCUS bill.
fn two_tenants(bad: &[Row]) -> Project {
    let tenant = |id: &str| {
        format!(
            "[[tenant]]\nid = \"{id}\"\nname = \"{id}\"\n{}",
            source("bill", "focus", id)
        )
    };
    let project = Project::new(&format!("{}{}", tenant("bad"), tenant("good")));
    project.write("bad/bill.csv", focus(bad));
    project.write("good/bill.csv", focus(&[Row { account: "2", ..ROW }]));
    project
}

const PUBLISHED: &str =
    "select tenant, sum(\"BilledCost\") from publish.cost_and_carbon group by 1 order by 1";

fn published(project: &Project) -> Vec<(String, String)> {
    let rows = project.rows(PUBLISHED).into_iter();
    rows.map(|row| (row[0].clone(), plain(&row[1]))).collect()
}

#[test]
fn a_sum_that_overflows_stops_its_own_partition() {
    let large = || Row {
        cost: "90000000000000",
        ..ROW
    };
    let project = two_tenants(&[ROW, large(), large()]);
    // As it was, nobody's models were built.
    let outcome = project.run();
    outcome
        .expect(3)
        .says("tenant=bad/source=bill")
        .says("2026-09-03/AWS/1/")
        .says("10^14")
        .says("bill.csv row 2")
        .says("bill.csv row 3")
        .says("publish.cost_and_carbon, ")
        .says("were not rebuilt for export=bill.csv/period=2026-09/source=bill/tenant=bad")
        .says("deliver them again");
    assert_eq!(published(&project), [("good".into(), "1.5".into())]);
    // A sum of a query is refused, too: as it was, it printed a tenth of it.
    let sum = "select sum(billed_cost) from normalize.usage where tenant = 'bad'";
    project.call(&["sql", sum]).expect(3).says("10^14");

    // A good month keeps its data when a bad one comes beside it, and the way out is another delivery.
    project.write("bad/bill.csv", focus(&[ROW, ROW]));
    project.run().expect(0);
    let both = [
        ("bad".to_string(), "3".to_string()),
        ("good".into(), "1.5".into()),
    ];
    assert_eq!(published(&project), both);
    project.write("bad/bill.csv", focus(&[large(), large(), large()]));
    project.write(
        "good/bill.csv",
        focus(&[Row {
            cost: "2.5",
            account: "2",
            ..ROW
        }]),
    );
    project.run().expect(3).says("bill.csv row 1");
    let kept = [
        ("bad".to_string(), "3".to_string()),
        ("good".into(), "2.5".into()),
    ];
    assert_eq!(published(&project), kept);
}

#[test]
fn a_test_of_models_sees_the_chosen_tenants_rows_alone() {
    let project = two_tenants(&[ROW, Row { cost: "2", ..ROW }]);
    project.write(
        "sql/publish/one_line.sql",
        "/* model\ngrain = \"one row per tenant\"\nkind = \"view\"\naudits = [\"unique(tenant)\"]\n*/\n\
         SELECT tenant, billed_cost FROM normalize.usage\n",
    );
    project.land().expect(0);
    let test = |tenant: &[&str]| project.call(&[tenant, &["models", "test", "publish.one_line"]].concat());
    test(&[]).expect(3);
    test(&["--tenant", "bad"]).expect(3);
    test(&["--tenant", "good"]).expect(0).says("1 passed, 0 failed");
}

#[test]
fn rows_that_would_count_twice_stop_their_own_tenant() {
    let project = two_tenants(&[ROW]);
    project.run().expect(0);
    // A copy beside its original, and with it another month of the same source.
    project.write("bad/copy.csv", focus(&[ROW]));
    let good = |cost: &'static str| {
        let row = Row {
            cost,
            account: "2",
            ..ROW
        };
        project.write("good/bill.csv", focus(&[row]));
    };
    good("2.5");
    let figures = |good: &str| [("bad".into(), "1.5".into()), ("good".into(), good.to_string())];
    for run in 0..2 {
        let outcome = project.run();
        outcome
            .expect(2)
            .says("the exports `copy.csv` and `bill.csv` hold the same content")
            .says("tenant bad, source bill")
            .says("offgridflow maintain --forget bad/bill/copy.csv")
            .says("publish.cost_and_carbon, ")
            .says("because rows would count twice in");
        assert!(!outcome.stderr.contains("add up"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("tenant=good"), "{}", outcome.stderr);
        assert!(!outcome.stdout.contains("nothing: all"), "{}", outcome.stdout);
        assert_eq!(published(&project), figures("2.5"), "run {run}");
    }
    good("3.5");
    let plan = project.call(&["plan"]);
    plan.expect(2)
        .says("hold the same content")
        .says("would not be rebuilt for")
        .says("because rows would count twice in");
    assert!(plan.stdout.contains("tenant=good") && !plan.stdout.contains("tenant=bad"));

    // The same bill in two sources.
    fs::remove_file(project.path("bad/copy.csv")).unwrap();
    project
        .call(&["maintain", "--forget", "bad/bill/copy.csv"])
        .expect(0);
    let config = fs::read_to_string(project.config()).unwrap();
    let other = source("other", "focus", "other");
    let config = config.replace(
        "[[tenant]]\nid = \"good\"",
        &format!("{other}[[tenant]]\nid = \"good\""),
    );
    fs::write(project.config(), config).unwrap();
    project.write("other/bill.csv", focus(&[Row { cost: "1.6", ..ROW }]));
    project
        .run()
        .expect(2)
        .says("the sources `bill` and `other` hold the same bill")
        .says("tenant bad");
    assert_eq!(published(&project), figures("3.5"));
    fs::remove_file(project.path("other/bill.csv")).unwrap();
    project
        .call(&["maintain", "--forget", "bad/other/bill.csv"])
        .expect(0);
    project.write("other/bill.csv", focus(&[Row { account: "3", ..ROW }]));
    project.run().expect(0);
    let all = [
        ("bad".to_string(), "3".to_string()),
        ("good".into(), "3.5".into()),
    ];
    assert_eq!(published(&project), all);
}

#[test]
fn what_no_model_takes_is_refused_by_row() {
    let project = Project::new(&format!(
        "[landing]\nmax_rejected = 9\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("bill", "focus", "bills")
    ));
    let quantity = |quantity: &'static str, unit: &'static str| Row {
        quantity,
        unit,
        ..ROW
    };
    const LONG_NAME: &str = match std::str::from_utf8(&[b'n'; 9_000]) {
        Ok(name) => name,
        Err(_) => "",
    };
    project.write(
        "bills/bill.csv",
        focus(&[
            ROW,
            quantity("99999999999999999999999", "Hours"),
            quantity("1e22", "Hours"),
            quantity("1e22", "byte-seconds"),
            Row {
                start: "9999-12-31T00:00:00Z",
                ..ROW
            },
            Row {
                start: "0001-01-01T00:00:00Z",
                ..ROW
            },
            Row {
                cost: "100000000000000",
                ..ROW
            },
            Row {
                end: "9999-12-31T00:00:00Z",
                ..ROW
            },
            Row {
                service: LONG_NAME,
                ..ROW
            },
        ]),
    );
    // The same of typed columns, that are checked as a whole where they can be.
    let texts = |texts: [&str; 4]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let numbers = |numbers: [f64; 4]| Arc::new(Float64Array::from(numbers.to_vec())) as ArrayRef;
    let usual = 1_788_220_800_000_000_i64;
    let times = |times: [i64; 4]| {
        Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC")) as ArrayRef
    };
    let far = 253_402_214_400_000_000;
    let columns = vec![
        ("ProviderName", texts(["AWS"; 4])),
        ("BillingAccountId", texts(["1"; 4])),
        ("BillingCurrency", texts(["USD"; 4])),
        ("ChargeCategory", texts(["Usage"; 4])),
        ("ServiceName", texts(["Amazon EC2"; 4])),
        ("BillingPeriodStart", times([usual; 4])),
        ("ChargePeriodStart", times([usual, usual, far, usual])),
        ("ChargePeriodEnd", times([usual, usual, usual, far])),
        ("BilledCost", numbers([1.0; 4])),
        ("EffectiveCost", numbers([1.0; 4])),
        ("ConsumedQuantity", numbers([1.0, 1e22, 1.0, 1.0])),
        ("ConsumedUnit", texts(["Hours"; 4])),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    project.write("bills/typed.parquet", writer.into_inner().unwrap());

    project.run().expect(0);
    let refused = project.rows(
        "select split_part(source_uri, '/', -1), row_number, column_name, reason from system.quarantine order by 1, 2",
    );
    let named: Vec<String> = refused.iter().map(|row| row[..3].join(" ")).collect();
    assert_eq!(
        named,
        [
            "bill.csv 2 ConsumedQuantity",
            "bill.csv 3 ConsumedQuantity",
            "bill.csv 5 ChargePeriodStart",
            "bill.csv 6 ChargePeriodStart",
            "bill.csv 7 BilledCost",
            "bill.csv 9 ServiceName",
            "typed.parquet 2 ConsumedQuantity",
            "typed.parquet 3 ChargePeriodStart",
        ]
    );
    for row in &refused {
        let limit = match row[2].as_str() {
            "ChargePeriodStart" => "1990 to 2100",
            "ServiceName" => "[landing] max_names",
            _ => "less than 10^14",
        };
        assert!(row[3].contains(limit), "{row:?}");
    }
    let landed = project.rows(
        "select count(*), count(charge_period_end), sum(billed_cost), max(usage_quantity) from normalize.usage",
    );
    assert_eq!(landed[0][..2], ["5", "3"]);
    assert_eq!(
        (plain(&landed[0][2]).as_str(), plain(&landed[0][3]).as_str()),
        ("6.5", "10000000000000")
    );
}

#[test]
fn a_damaged_table_fails_what_reads_it() {
    let project = two_tenants(&[ROW]);
    project.run().expect(0);
    let data = |path: &str| project.path("data").join(path);
    // What people leave in a warehouse.
    fs::create_dir_all(data("raw/backup")).unwrap();
    fs::write(data("raw/backup/note.txt"), "mine").unwrap();
    fs::write(data("raw/.DS_Store"), "finder").unwrap();
    let copy = data("raw/focus (copy)/_delta_log");
    fs::create_dir_all(&copy).unwrap();
    let log = "00000000000000000000.json";
    fs::copy(data("raw/focus/_delta_log").join(log), copy.join(log)).unwrap();
    // One log of many is no longer one.
    let published_log = data("publish/cost_and_carbon/_delta_log").join(log);
    let kept = fs::read(&published_log).unwrap();
    fs::write(&published_log, "{\"metaData\":{\"id\":").unwrap();
    project
        .call(&["sql", PUBLISHED])
        .expect(4)
        .says("publish.cost_and_carbon")
        .says("_delta_log");
    assert_eq!(project.value("select count(*) from publish.coverage"), "2");
    project.write(
        "good/bill.csv",
        focus(&[Row {
            cost: "2.5",
            account: "2",
            ..ROW
        }]),
    );
    let plan = project.call(&["plan"]);
    plan.expect(4)
        .says("the table publish.cost_and_carbon cannot be read")
        .says("hint: restore its folder")
        .says("publish.cost_and_carbon would not be rebuilt because publish.cost_and_carbon failed");
    let lines = || plan.stdout.lines();
    assert!(lines().any(|line| line.contains("publish.coverage") && line.contains("tenant=good")));
    assert!(
        !plan.stdout.contains("publish.cost_and_carbon"),
        "{}",
        plan.stdout
    );
    let outcome = project.run();
    outcome
        .expect(4)
        .says("the table publish.cost_and_carbon cannot be read")
        .says("raw.focus (copy)");
    let coverage = "select sum(effective_cost) from publish.coverage where tenant = 'good'";
    assert_eq!(plain(&project.value(coverage)), "2.5");
    // Each way out that the hint names.
    fs::write(&published_log, kept).unwrap();
    project.run().expect(0);
    assert_eq!(published(&project)[1].1, "2.5");
    fs::remove_dir_all(data("publish/cost_and_carbon")).unwrap();
    project.run().expect(0);
    assert_eq!(published(&project)[1].1, "2.5");
}

#[test]
fn reading_needs_no_ledger_that_can_be_written() {
    let project = Project::with_source("focus");
    project.write("bills/bill.csv", focus(&[ROW]));
    project.run().expect(0);
    // No folder can be made below a file.
    let ledger = format!("sqlite://{}/ledger.db", project.config().display());
    let project = project.env("OFFGRIDFLOW_DATABASE_URL", &ledger);
    assert_eq!(
        plain(&project.value("select sum(billed_cost) from normalize.usage")),
        "1.5"
    );
    for arguments in [
        &["models", "list"][..],
        &["plan"],
        &["quarantine", "list"],
        &["factors", "gaps"],
    ] {
        project.call(arguments).expect(0);
    }
    project.run().expect(4);
}
