//! What lies beside the data, and files of the formats that are read: ignored, landed, or named.

use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, focus_csv, focus_row};
use crate::support::project::{gzip, plain, source};

fn zstd(text: &str) -> Vec<u8> {
    zstd::stream::encode_all(text.as_bytes(), 1).unwrap()
}

/// A FOCUS line as JSON; cost and tags are written as they are given.
fn json_line(day: &str, cost: &str, tags: &str) -> String {
    format!(
        r#"{{"BillingAccountId":"billing-1","BillingCurrency":"USD","BillingPeriodStart":"2025-01-01T00:00:00Z","ChargeCategory":"Usage","ChargePeriodStart":"{day}T00:00:00Z","ChargePeriodEnd":"{day}T01:00:00Z","ConsumedQuantity":2,"ConsumedUnit":"Hours","BilledCost":{cost},"EffectiveCost":{cost},"ProviderName":"Vendor","ServiceName":"Functions","RegionId":"iad1","Tags":{tags}}}"#
    )
}

#[test]
fn what_athena_and_copying_tools_write_beside_a_month_is_ignored_without_a_word() {
    let project = Project::with_source("aws_cur2");
    let month = cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)]);
    project.write("bills/r/r/year=2025/month=1/r-1.csv", &month);
    for (name, content) in [
        (
            "r/r/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
            "PAR1 no bill",
        ),
        ("r/r/crawler-cfn.yml", "AWSTemplateFormatVersion: 2010-09-09"),
        ("r/20250101-20250201/r-create-table.sql", "CREATE EXTERNAL TABLE"),
        ("aws-programmatic-access-test-object", "test"),
        ("r/r/year=2025/month=1/_SUCCESS", "x"),
        ("r/r/year=2025/month=1/_metadata", "x"),
        ("r/r/year=2025/month=1/_committed_123", "x"),
        ("r/r/year=2025/month=1/r-1.csv.md5", "x"),
        ("r/r/year=2025/month=1/.r-1.csv.crc", "x"),
    ] {
        project.write(&format!("bills/{name}"), content);
    }
    let run = project.land();
    run.expect(0);
    for word in [
        "status",
        "crawler",
        "create-table",
        "test-object",
        "_metadata",
        "passed over",
    ] {
        assert!(!run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert_eq!(project.billed(), [("USD".to_string(), "4.608".to_string(), 1)]);
}

#[test]
fn focus_lands_as_json_lines_plain_and_packed() {
    let project = Project::with_source("focus");
    let line = |day: &str, cost: &str| json_line(day, cost, r#"{"team":"web","size":{"cpu":2}}"#) + "\n";
    project.write("bills/a.jsonl", line("2025-01-01", "2.00000123"));
    project.write("bills/b.ndjson.gz", gzip(line("2025-01-02", "1e-2").as_bytes()));
    project.write("bills/c.jsonl.zst", zstd(&line("2025-01-03", "0.5")));
    project.write(
        "bills/d.csv.zst",
        zstd(&focus_csv(&[focus_row(
            "2025-01",
            "2025-01-04",
            "a",
            "",
            "1",
            "3",
        )])),
    );
    project.land().expect(0);
    assert_eq!(
        project.billed(),
        [("USD".to_string(), "5.51000123".to_string(), 4)]
    );
    let raw = project.rows(
        "select billed_cost, consumed_quantity, tags from raw.focus where export = 'b.ndjson.gz'"
            .replace("billed_cost", "\"BilledCost\"")
            .replace("consumed_quantity", "\"ConsumedQuantity\"")
            .replace("tags", "\"Tags\"")
            .as_str(),
    );
    assert_eq!(raw, [["1e-2", "2", r#"{"team":"web","size":{"cpu":2}}"#]]);
    assert_eq!(
        project.value("select distinct tags['team'] from normalize.usage where export like '%json%' or export like '%.jsonl%'"),
        "web"
    );
}

#[test]
fn a_json_number_is_rounded_as_the_double_it_is_and_no_object_goes_to_quarantine() {
    let project = Project::with_source("focus");
    let lines = [
        json_line("2025-01-01", "1.234567890123456e-10", "null"),
        "[1, 2]".to_string(),
        json_line("2025-01-02", "0.1", "{}"),
    ];
    project.write("bills/a.jsonl", lines.join("\n"));
    let refused = project.land();
    refused
        .expect(3)
        .says("1 row breaks the contract")
        .says("a.jsonl row 2")
        .says("no JSON object");
    project.configure(
        "[landing]\nmax_rejected = 1\n[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n[[tenant.source]]\nid = \"bills\"\n\
         kind = \"focus\"\nurl = \"file://./bills\"\n",
    );
    project.land().expect(0);
    let costs = project.rows("select billed_cost from normalize.usage order by charge_period_start");
    assert_eq!(costs[0][0], "0.000000000123456789012346");
    assert_eq!(plain(&costs[1][0]), "0.1");
}

#[test]
fn what_is_not_read_is_named_once_with_the_formats_that_are() {
    let project = Project::with_source("focus");
    project.write(
        "bills/a.csv",
        focus_csv(&[focus_row("2025-01", "2025-01-04", "a", "", "1", "3")]),
    );
    for name in ["one.xlsx", "two.xlsx", "deep/three.orc", "deep/four.avro"] {
        project.write(&format!("bills/{name}"), "x");
    }
    let run = project.land();
    run.expect(0)
        .says("4 files are no data")
        .says("deep/four.avro, deep/three.orc, one.xlsx and 1 more")
        .says(".jsonl");
    assert_eq!(run.stderr.matches("passed over").count(), 1, "{}", run.stderr);
}

#[test]
fn a_source_of_nothing_but_files_that_are_not_read_is_refused_by_name() {
    let files = [
        ("json", "focus", "charges.json"),
        ("lines", "aws_cur2", "charges.jsonl"),
        ("sheet", "focus", "bill.xlsx"),
        ("notes", "focus", "README.md"),
    ];
    let project = Project::acme(&files.map(|(id, kind, _)| source(id, kind, id)).concat());
    for (id, _, file) in files {
        project.write(&format!("{id}/{file}"), "{}\n");
    }
    let outcome = project.land();
    outcome.expect(3);
    for (id, kind, file) in &files[..3] {
        let told = outcome.stderr.lines().find(|line| line.contains(file)).unwrap();
        assert!(told.contains(&format!("source acme/{id}")), "{told}");
        assert!(told.contains(kind), "{told}");
    }
    assert_eq!(
        outcome.stderr.matches(".csv (also as .gz, .zst or .zip)").count(),
        4,
        "{}",
        outcome.stderr
    );
    outcome.says("no data file is at").says(".jsonl");
}

#[test]
fn empty_and_broken_files_are_refused_with_what_is_wrong_and_the_rest_lands() {
    let project = Project::with_source("focus");
    let line = json_line("2025-01-01", "2.3", "null");
    project.write("bills/good.jsonl", &line);
    project.write("bills/cut.jsonl", &line[..40]);
    project.write("bills/empty.csv", "");
    let outcome = project.land();
    outcome
        .expect(3)
        .says("no line of the file is a JSON object")
        .says("cut.jsonl, line 1, slice acme/bills cut.jsonl: EOF while parsing a string, character 40")
        .says("empty.csv")
        .says("a month without rows is a file with its header alone");
    assert!(
        !outcome.stderr.contains("lacks required columns"),
        "{}",
        outcome.stderr
    );
    let doctor = project.call(&["doctor"]);
    doctor.expect(3);
    assert!(
        doctor.stdout.contains("deliver the header alone"),
        "{}",
        doctor.stdout
    );
    // Of what was not to be built nothing is said to be up to date.
    assert!(!outcome.stdout.contains("up to date"), "{}", outcome.stdout);
    // A number with a point in a query of one's own equals the money that it names.
    let found =
        project.rows("select count(*), sum(billed_cost) * 1.5 from normalize.usage where billed_cost = 2.3");
    assert_eq!(
        (found[0][0].as_str(), plain(&found[0][1]).as_str()),
        ("1", "3.45")
    );
}
