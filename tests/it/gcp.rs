//! Google Cloud: the billing and carbon exports in BigQuery, against bqemulator, and extracts of them as files.

use serde_json::{Value, json};

use crate::support::bigquery::{BigQuery, DATASET, PROJECT};
use crate::support::bigquery_stub::{BigQueryStub, Fault};
use crate::support::memory::{LITTLE_KIB, peak_kib};
use crate::support::project::{plain, source};
use crate::support::{Project, prepared, root};

const BILLING: &str = "gcp_billing_export_resource_v1_01A2B3_C4D5E6_F7A8B9";
const CARBON: &str = "carbon_footprint";

fn fixture(path: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures").join(path)).unwrap()
}

/// The rows of both extracts, each once.
fn bill() -> String {
    let (first, second) = (extract("2025-09-03"), extract("2025-09-04"));
    let new = second
        .lines()
        .filter(|line| !first.lines().any(|known| known == *line));
    first.lines().chain(new).map(|line| format!("{line}\n")).collect()
}

fn extract(day: &str) -> String {
    fixture(&format!("gcp_billing_files/{day}.json"))
}

/// A row of the fixture with other values.
fn changed(line: usize, changes: &[(&str, Value)]) -> String {
    let mut row: Value = serde_json::from_str(bill().lines().nth(line).unwrap()).unwrap();
    for (key, value) in changes {
        row[*key] = value.clone();
    }
    format!("{row}\n")
}

fn table_source(id: &str, kind: &str, table: &str) -> String {
    format!(
        "[[tenant.source]]\nid = \"{id}\"\nkind = \"{kind}\"\ntable = \"{PROJECT}.{DATASET}.{table}\"\n\
         since = \"2025-01\"\nprofile = \"gcp\"\n"
    )
}

fn project(profile: &str, sources: &str) -> Project {
    Project::new(&format!(
        "{profile}\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\nallocation_tags = [\"team\"]\n{sources}"
    ))
    .env("OFFGRIDFLOW_RETRY_MILLISECONDS", "5")
}

/// A server with the fixture's rows, and a project that reads them.
fn billed(server: &BigQuery) -> Project {
    server.create(BILLING, "gcp_billing/schema.json");
    server.insert(BILLING, &bill());
    project(
        &server.profile("gcp"),
        &table_source("gcp", "gcp_billing", BILLING),
    )
}

/// Everything that a line says, but for where it was landed from.
const LINES: &str = "select period, charge_period_start, charge_period_end, charge_category, charge_class, service_code, \
    service_name, service_category, region_id, region_source, availability_zone, resource_id, sku_id, sku_meter, \
    instance_type, vcpus, sub_account_id, usage_quantity, usage_unit, billed_cost, list_cost, billing_currency, invoice_id, \
    tag_value(tags, 'team'), exclusion_reason from normalize.usage order by sku_meter, charge_period_start, billed_cost";

#[test]
fn windows_land_once_and_a_second_run_only_looks_at_the_table() {
    let server = BigQuery::start();
    let project = billed(&server);
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_new"], 2, "{report}");
    assert_eq!(project.billed(), [("USD".into(), "1.224151".into(), 15)]);
    assert_eq!(
        project.rows("select export, period, count(*) from raw.gcp_billing group by 1, 2 order by 1, 2"),
        [
            [format!("{BILLING}/2025-09-03"), "2025-09".into(), "8".into()],
            [format!("{BILLING}/2025-09-04"), "2025-08".into(), "1".into()],
            [format!("{BILLING}/2025-09-04"), "2025-09".into(), "6".into()],
        ]
    );

    let before = server.calls().len();
    let again = project.report();
    assert_eq!(again["sources"][0]["slices_current"], 2, "{again}");
    let table = format!("GET datasets/{DATASET}/tables/{BILLING}");
    assert_eq!(server.calls()[before..], [table]);
}

#[test]
fn late_rows_and_corrections_land_once_with_their_window() {
    let server = BigQuery::start();
    let project = billed(&server);
    project.land().expect(0);
    // One late row joins a known window; one comes weeks later, for an old month.
    server.insert(
        BILLING,
        &changed(
            0,
            &[
                ("export_time", json!("2025-09-03T23:59:59.999999Z")),
                ("cost", json!(1.5)),
            ],
        ),
    );
    server.insert(
        BILLING,
        &changed(
            0,
            &[
                ("export_time", json!("2025-10-20T01:00:00Z")),
                ("usage_start_time", json!("2025-07-31T23:00:00Z")),
                ("usage_end_time", json!("2025-08-01T00:00:00Z")),
                ("cost", json!(-2)),
                ("credits", json!([])),
                ("invoice", json!({"month": "202510"})),
            ],
        ),
    );
    let report = project.land_report();
    let counts =
        ["slices_new", "slices_replaced", "slices_current"].map(|key| report["sources"][0][key].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(1)], "{report}");
    // 1.224151 + (1.5 - 0.0252888) - 2
    assert_eq!(project.billed(), [("USD".into(), "0.6988622".into(), 17)]);
    assert_eq!(
        project.rows("select period, charge_period_start from normalize.usage where billed_cost = -2"),
        [["2025-10", "2025-07-31T23:00:00Z"]]
    );
    // A cost that somebody changed in place: as many rows, and none exported later. The emulator shows a changed table by
    // its number of rows alone.
    server.execute(&format!(
        "UPDATE `{PROJECT}.{DATASET}.{BILLING}` SET cost = -4 WHERE cost = -2"
    ));
    server.insert(
        BILLING,
        &changed(
            0,
            &[
                ("export_time", json!("2025-10-21T01:00:00Z")),
                ("cost", json!(1)),
                ("credits", json!([])),
            ],
        ),
    );
    project.land().expect(0);
    assert_eq!(project.billed(), [("USD".into(), "-0.3011378".into(), 18)]);
    // Nothing else changes when everything is read again.
    project
        .call(&["run", "--full-refresh", "--select", "raw.*"])
        .expect(0);
    assert_eq!(project.billed(), [("USD".into(), "-0.3011378".into(), 18)]);
}

#[test]
fn rows_exported_anew_leave_their_old_window() {
    let server = BigQuery::start();
    let project = billed(&server);
    project.land().expect(0);
    server.execute(&format!(
        "UPDATE `{PROJECT}.{DATASET}.{BILLING}` SET export_time = TIMESTAMP('2025-09-05 00:00:00 UTC') \
         WHERE export_time >= TIMESTAMP('2025-09-04')"
    ));
    server.insert(
        BILLING,
        &changed(
            0,
            &[
                ("cost", json!(0)),
                ("credits", json!([])),
                ("export_time", json!("2025-09-05T09:00:00Z")),
            ],
        ),
    );
    project
        .land()
        .expect(0)
        .says("its rows are no longer in the table");
    assert_eq!(project.billed(), [("USD".into(), "1.224151".into(), 16)]);
    let again = project.land();
    again.expect(0);
    assert!(
        !again.stderr.contains("no longer in the table"),
        "{}",
        again.stderr
    );
}

#[test]
fn the_schema_of_the_table_may_grow() {
    let server = BigQuery::start();
    let project = billed(&server);
    project.land().expect(0);
    server.add_column(
        BILLING,
        "consumption_model STRUCT<id STRING, description STRING>",
        json!({"name": "consumption_model", "type": "RECORD", "mode": "NULLABLE", "fields": [
            {"name": "id", "type": "STRING"}, {"name": "description", "type": "STRING"}]}),
    );
    let grown = changed(
        1,
        &[
            ("export_time", json!("2025-09-06T00:00:00Z")),
            (
                "consumption_model",
                json!({"id": "7754-699E-0EBF", "description": "Default"}),
            ),
        ],
    );
    server.insert(BILLING, &grown);
    project.land().expect(0);
    assert_eq!(
        project.rows(
            "select json_value(consumption_model, 'id'), count(*) from raw.gcp_billing group by 1 order by 2"
        ),
        [["7754-699E-0EBF", "1"], ["", "15"]]
    );
}

#[test]
fn bigquery_and_files_of_every_format_give_the_same_lines() {
    let server = BigQuery::start();
    let from_table = billed(&server);
    from_table.land().expect(0);
    let wanted = from_table.rows(LINES);
    assert_eq!(wanted.len(), 15);

    for format in ["json", "csv", "parquet"] {
        let project = project("", &source("gcp", "gcp_billing_files", "gcp"));
        for day in ["2025-09-03", "2025-09-04"] {
            write_extract(&project, day, format, &extract(day));
        }
        let run = project.land();
        run.expect(0)
            .says("4 of its rows are in earlier files of this extract and count once");
        assert_eq!(project.rows(LINES), wanted, "{format}");
    }
}

/// Writes an extract in a format, by way of JSON lines.
fn write_extract(project: &Project, name: &str, format: &str, lines: &str) {
    project.write(&format!("extracts/{name}.json"), lines);
    let target = project.path(&format!("gcp/{name}.{format}"));
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let written = std::process::Command::new(prepared("OFFGRIDFLOW_TEST_PYTHON"))
        .args(["-c", WRITE_EXTRACT])
        .args([project.path(&format!("extracts/{name}.json")), target])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&written.stderr);
    assert!(written.status.success(), "{said}");
}

#[test]
fn overlapping_extracts_count_once_however_they_are_written() {
    let first = extract("2025-09-03");
    let known = first.lines().count();
    // The schema grew: a nested field that old rows lack, and a column that only this extract has.
    let grown: Vec<String> = bill()
        .lines()
        .enumerate()
        .map(|(line, text)| {
            let mut row: Value = serde_json::from_str(text).unwrap();
            row["service"]["parent"] = if line < known { Value::Null } else { json!("root") };
            row["x_extracted_at"] = json!(format!("run {line}"));
            row.to_string()
        })
        .collect();
    // Other writers put blanks between, and leave out what is null.
    let spaced: Vec<String> = grown
        .iter()
        .skip(known)
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let cells = row.as_object_mut().unwrap();
            cells.remove("x_extracted_at");
            // Its query did not name when Google wrote the row.
            cells.remove("export_time");
            cells.retain(|_, cell| !cell.is_null());
            row.to_string().replace("\":", "\": ").replace(",\"", ", \"")
        })
        .collect();
    // The same row twice in one file is there twice.
    let twice = format!("{0}\n{0}\n", first.lines().next().unwrap());

    for format in ["json", "csv", "parquet"] {
        let project = project("", &source("gcp", "gcp_billing_files", "gcp"));
        write_extract(&project, "1", format, &first);
        write_extract(&project, "2", format, &(grown.join("\n") + "\n"));
        write_extract(&project, "3", format, &(spaced.join("\n") + "\n"));
        write_extract(&project, "4", format, &twice);
        project
            .land()
            .expect(0)
            .says("x_extracted_at; rows are told apart without")
            .says(&format!(
                "2.{format}: {known} of its rows are in earlier files of this extract and count once"
            ))
            .says(&format!(
                "3.{format}: {} of its rows are in earlier files",
                spaced.len()
            ))
            .says(&format!("4.{format}: 1 of its rows is in earlier files"));
        // 1.224151 and 0.126444 - 0.0252888 once more.
        assert_eq!(
            project.billed(),
            [("USD".into(), "1.3253062".into(), 16)],
            "{format}"
        );
    }
}

#[test]
fn exports_of_a_source_that_hold_one_bill_are_named() {
    let project = project("", &source("gcp", "gcp_billing_files", "gcp"));
    project.write("gcp/daily/a.json", bill());
    project.land().expect(0);
    // Other text with the same rows: equal files would stop the run.
    project.write("gcp/monthly/a.json", bill().replacen('{', "{ ", 1));
    let run = project.land();
    run.expect(0)
        .says("acme/gcp: `daily`, `monthly` all hold rows of Google Cloud account 01A2B3-C4D5E6-F7A8B9 in 2025-08")
        .says("counts several times");
    let again = project.land();
    again.expect(0);
    assert!(!again.stderr.contains("counts several times"), "{}", again.stderr);
}

#[test]
fn an_extract_that_is_gone_takes_no_rows_with_it() {
    let bill = bill();
    let rows = |lines: &[usize]| -> String {
        let of = |line: &usize| format!("{}\n", bill.lines().nth(*line).unwrap());
        lines.iter().map(of).collect()
    };
    for format in ["json", "csv", "parquet"] {
        let project = project("", &source("gcp", "gcp_billing_files", "gcp"));
        let land = || project.call(&["run", "--select", "raw.*"]);
        let gone = |name: &str| {
            std::fs::remove_file(project.path(&format!("gcp/{name}.{format}"))).unwrap();
        };
        write_extract(&project, "a", format, &rows(&[0, 1, 2, 2]));
        write_extract(&project, "b", format, &rows(&[2, 3]));
        land().expect(0);
        let all = project.billed();
        assert_eq!(all[0].2, 5, "{format}");
        // Two of its rows, and one copy of the third, stand in no other extract.
        gone("a");
        land()
            .expect(0)
            .says("acme/gcp gcp: 3 rows")
            .says("stay as they were landed")
            .says(&format!("gcp/a.{format}"))
            .says("maintain --forget acme/gcp/gcp");
        assert_eq!(project.billed(), all, "{format}");
        let again = land();
        again.expect(0);
        assert!(!again.stderr.contains("stay as they were"), "{}", again.stderr);
        // A later extract that holds one of them too delivers it; what only a gone one held stays.
        write_extract(&project, "c", format, &rows(&[1]));
        land().expect(0).says("2 rows");
        gone("b");
        land().expect(0).says("4 rows").says(&format!("gcp/b.{format}"));
        assert_eq!(project.billed(), all, "{format}");
        let sources =
            "select distinct regexp_replace(source_file, '.*/', '') from normalize.usage order by 1";
        let names = ["a", "b", "c"].map(|name| vec![format!("{name}.{format}")]);
        assert_eq!(project.rows(sources), names);
        // Rows of another format are never written alike.
        if format == "json" {
            gone("c");
            write_extract(&project, "d", "csv", &rows(&[1]));
            land()
                .expect(4)
                .says("cannot be told from those that came instead")
                .says("d.csv is of another format");
            std::fs::remove_file(project.path("gcp/d.csv")).unwrap();
            write_extract(&project, "c", format, &rows(&[1]));
        }
        project
            .call(&["maintain", "--forget", "acme/gcp/gcp", "--tenant", "other"])
            .expect(2);
        project.call(&["maintain", "--forget", "acme/gcp/gcp"]).expect(0);
        land().expect(0);
        assert_eq!(project.billed()[0].2, 1, "{format}");
    }
}

/// The extract in the format of the second name: CSV as Python's libraries flatten it, Parquet as BigQuery exports it.
const WRITE_EXTRACT: &str = r#"
import csv, json, shutil, sys
import pyarrow.json, pyarrow.parquet
source, target = sys.argv[1:]
rows = [json.loads(line) for line in open(source)]
if target.endswith(".json"):
    shutil.copy(source, target)
elif target.endswith(".parquet"):
    pyarrow.parquet.write_table(pyarrow.json.read_json(source), target)
else:
    flat = []
    for row in rows:
        cells = {}
        for name, value in row.items():
            if isinstance(value, dict):
                cells |= {f"{name}.{key}": cell for key, cell in value.items()}
            elif value is not None:
                cells[name] = value
        flat.append(cells)
    names = sorted({name for cells in flat for name in cells})
    writer = csv.DictWriter(open(target, "w"), names)
    writer.writeheader()
    writer.writerows(flat)
"#;

#[test]
fn a_damaged_row_of_an_extract_is_quarantined_by_its_column() {
    let project = project("", &source("gcp", "gcp_billing_files", "gcp"));
    project.write(
        "gcp/a.json",
        bill() + &changed(0, &[("credits", json!("[{'amount': nan}]"))]),
    );
    let run = project.land();
    run.expect(3).says("column credits").says("a.json row 16");
    let whole = changed(0, &[("invoice", json!({"month": "September"}))]);
    project.write("gcp/a.json", bill() + &whole);
    project.land().expect(3).says("no date tells the billing period");
    project.write("gcp/a.json", bill());
    project.land().expect(0);
    assert_eq!(project.billed(), [("USD".into(), "1.224151".into(), 15)]);
}

#[test]
fn carbon_figures_land_by_month_and_restated_months_again() {
    let server = BigQuery::start();
    server.create(CARBON, "gcp_carbon/schema.json");
    server.insert(CARBON, &fixture("gcp_carbon/2025-09.json"));
    let project = project(
        &server.profile("gcp"),
        &table_source("carbon", "gcp_carbon", CARBON),
    );
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_new"], 2, "{report}");
    let figures = "select month, sub_account_id, service_name, region_id, scope, gco2e, model_version from \
                   normalize.gcp_carbon order by 1, 2, 3, 5, 7";
    let rows = project.rows(figures);
    assert_eq!(rows.len(), 24);
    let august: Vec<String> = rows.iter().take(12).map(|row| row[1..6].join(" ")).collect();
    assert_eq!(
        august,
        [
            "100000000002 Cloud Storage us 1 0.000000000",
            "100000000002 Cloud Storage us 2_location 0.123456789",
            "100000000002 Cloud Storage us 2_market 0.000000000",
            "100000000002 Cloud Storage us 3 0.050000000",
            "100000000002 Cloud Storage us total_location 0.173456789",
            "100000000002 Cloud Storage us total_market 0.050000000",
            "web-prod Compute Engine us-central1 1 1.000000000",
            "web-prod Compute Engine us-central1 2_location 1250.000000000",
            "web-prod Compute Engine us-central1 2_market 400.000000000",
            "web-prod Compute Engine us-central1 3 750.000000000",
            "web-prod Compute Engine us-central1 total_location 2001.000000000",
            "web-prod Compute Engine us-central1 total_market 1151.000000000",
        ]
    );

    let before = server.calls().len();
    project.land().expect(0);
    assert_eq!(
        server.calls()[before..],
        [format!("GET datasets/{DATASET}/tables/{CARBON}")]
    );

    // A later model says something else of August: it stands beside the first.
    let restated = fixture("gcp_carbon/2025-09.json")
        .lines()
        .next()
        .unwrap()
        .replace("\"carbon_model_version\":13", "\"carbon_model_version\":14");
    server.insert(CARBON, &restated);
    let report = project.report();
    let counts = ["slices_replaced", "slices_current"].map(|key| report["sources"][0][key].clone());
    assert_eq!(counts, [json!(1), json!(1)], "{report}");
    assert_eq!(
        project.rows("select model_version, count(*) from normalize.gcp_carbon where month = '2025-08' group by 1 order by 1"),
        [["13", "12"], ["14", "6"]]
    );
}

#[test]
fn a_missing_table_is_named_and_the_others_land() {
    let server = BigQuery::start();
    server.create(BILLING, "gcp_billing/schema.json");
    server.insert(BILLING, &bill());
    server.create(CARBON, "gcp_carbon/schema.json");
    let sources = table_source("gone", "gcp_billing", "gcp_billing_export_v1_GONE")
        + &table_source("gcp", "gcp_billing", BILLING)
        + &table_source("other", "gcp_billing", CARBON);
    let project = project(&server.profile("gcp"), &sources);
    let run = project.land();
    run.expect(4)
        .says("BigQuery has no such table")
        .says("gcp_billing_export_v1_GONE")
        .says("the table is no billing export");
    assert_eq!(project.billed(), [("USD".into(), "1.224151".into(), 15)]);
    let doctor = project.call(&["doctor"]);
    doctor.expect(4);
    let said = doctor.stdout + &doctor.stderr;
    assert!(said.contains("15 rows"), "{said}");
    assert!(said.contains("appears some hours after"), "{said}");
}

fn stub_profile(stub: &BigQueryStub) -> String {
    format!(
        "[profile.gcp]\nendpoint = \"http://127.0.0.1:{}\"\nallow_http = true\nservice_account_key = \"env:TEST_GCP_KEY\"\n",
        stub.port
    )
}

#[test]
fn every_fault_ends_with_the_same_rows() {
    let server = BigQuery::start();
    server.create(BILLING, "gcp_billing/schema.json");
    server.insert(BILLING, &bill());
    let stub = BigQueryStub::before(server.port);
    let key = stub.key();
    let faults: [&[Fault]; 6] = [
        &[
            Fault::Refusal(429, "rateLimitExceeded", Some(0)),
            Fault::Refusal(429, "rateLimitExceeded", None),
        ],
        &[
            Fault::Refusal(403, "rateLimitExceeded", None),
            Fault::Refusal(403, "quotaExceeded", None),
        ],
        &[
            Fault::Refusal(503, "backendError", None),
            Fault::Page(502),
            Fault::Refusal(500, "internalError", None),
        ],
        &[Fault::CutOff, Fault::CutOff],
        &[Fault::TokenEnded],
        &[],
    ];
    for faults in faults {
        let project = project(&stub_profile(&stub), &table_source("gcp", "gcp_billing", BILLING))
            .env("TEST_GCP_KEY", &key);
        stub.fail(faults);
        project.land().expect(0);
        assert_eq!(stub.faults_left(), 0, "{faults:?}");
        assert_eq!(
            project.billed(),
            [("USD".into(), "1.224151".into(), 15)],
            "{faults:?}"
        );
    }
    assert!(stub.tokens() > faults.len() as u32, "an ended token is renewed");
}

#[test]
fn what_cannot_be_helped_is_named_with_what_to_grant() {
    let server = BigQuery::start();
    server.create(BILLING, "gcp_billing/schema.json");
    server.insert(BILLING, &bill());
    let stub = BigQueryStub::before(server.port);
    let project = project(&stub_profile(&stub), &table_source("gcp", "gcp_billing", BILLING))
        .env("TEST_GCP_KEY", &stub.key());
    // The table can be seen, but queries may not be run: one window fails, the other lands, the next run completes it.
    stub.fail(&[Fault::Refusal(403, "accessDenied", None)]);
    project
        .land()
        .expect(4)
        .says("roles/bigquery.dataViewer")
        .says("roles/bigquery.jobUser");
    stub.fail(&[Fault::TokenEnded, Fault::TokenEnded]);
    project.land().expect(4).says("does not accept the login");
    project.land().expect(0);
    assert_eq!(project.billed(), [("USD".into(), "1.224151".into(), 15)]);

    stub.refuse_logins();
    let refused = project.land();
    refused
        .expect(4)
        .says("reader@acme-billing.iam.gserviceaccount.com")
        .says("Invalid JWT Signature");
    assert!(!refused.stderr.contains("PRIVATE KEY"), "{}", refused.stderr);
}

#[test]
fn a_machine_of_google_cloud_needs_no_key() {
    let server = BigQuery::start();
    server.create(BILLING, "gcp_billing/schema.json");
    server.insert(BILLING, &bill());
    let stub = BigQueryStub::before(server.port);
    let profile = format!(
        "[profile.gcp]\nendpoint = \"http://127.0.0.1:{}\"\nallow_http = true\n",
        stub.port
    );
    let project = project(&profile, &table_source("gcp", "gcp_billing", BILLING))
        .env("GCE_METADATA_HOST", &format!("127.0.0.1:{}", stub.port));
    project.land().expect(0);
    assert_eq!((project.billed().len(), stub.tokens()), (1, 1));
    let elsewhere = project.env("GCE_METADATA_HOST", "127.0.0.1:1");
    elsewhere
        .land()
        .expect(4)
        .says("this machine has no Google identity")
        .says("service_account_path");
}

#[test]
fn sums_of_the_extracts_are_those_of_their_texts() {
    let project = project("", &source("gcp", "gcp_billing_files", "gcp"));
    project.write("gcp/a.json", bill());
    project.run().expect(0);
    let landed = project.value("select sum(billed_cost) from normalize.landed_cost");
    assert_eq!(plain(&landed), "1.224151");
}

#[test]
fn a_hundred_thousand_rows_take_little_memory() {
    let server = BigQuery::start();
    let project = project(
        &server.profile("gcp"),
        &[
            table_source("gcp", "gcp_billing", BILLING),
            table_source("carbon", "gcp_carbon", CARBON),
        ]
        .concat(),
    );
    for (table, schema, lines) in [
        (BILLING, "gcp_billing/schema.json", bill()),
        (
            CARBON,
            "gcp_carbon/schema.json",
            fixture("gcp_carbon/2025-09.json"),
        ),
    ] {
        server.create(table, schema);
        server.insert(table, &lines);
        let copies = 100_000 / lines.lines().count();
        let name = format!("`{PROJECT}.{DATASET}.{table}`");
        server.execute(&format!(
            "INSERT INTO {name} SELECT t.* FROM {name} AS t, UNNEST(GENERATE_ARRAY(1, {copies})) AS copy"
        ));
    }
    let peak = peak_kib(
        project
            .command(&["run", "--select", "raw.*", "--quiet"])
            .spawn()
            .unwrap(),
    );
    assert!(peak < LITTLE_KIB, "{} MiB", peak / 1024);
    for kind in ["gcp_billing", "gcp_carbon"] {
        let rows: u64 = project
            .value(&format!("select count(*) from raw.{kind}"))
            .parse()
            .unwrap();
        assert!(rows >= 100_000, "{kind}: {rows}");
    }
}
