//! Input as it should not be: each case with its exit code, a message that names the matter, and the file beside it landed.

use std::io::Write;

use crate::support::Project;
use crate::support::bills::{
    FOCUS_HEADER, Line, cur2_csv, deliver_cur2, deliver_manifest, focus_csv, focus_row,
};
use crate::support::project::gzip;

/// What is delivered beside a good file, and what comes of it.
struct Case {
    name: &'static str,
    file: &'static str,
    bytes: Vec<u8>,
    code: i32,
    /// In the messages of the run.
    says: &'static str,
    /// Rows landed of this file.
    rows: u64,
}

fn row(hours: &str, cost: &str) -> String {
    focus_row("2025-01", "2025-01-10", "account-a", "", hours, cost)
}

fn csv(cost: &str) -> Vec<u8> {
    focus_csv(&[row("24", cost)]).into_bytes()
}

fn case(name: &'static str, bytes: Vec<u8>, code: i32, says: &'static str) -> Case {
    Case {
        name,
        file: "bad.csv",
        bytes,
        code,
        says,
        rows: u64::from(code == 0),
    }
}

/// A file whose rows are as large as a cell may be, many of them, and which compresses to nothing.
fn zip_bomb() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bill.csv", zip::write::SimpleFileOptions::default())
        .unwrap();
    writeln!(zip, "{FOCUS_HEADER},Notes").unwrap();
    let line = format!("{},{}\n", row("24", "1"), "a".repeat(1_000_000));
    for _ in 0..400 {
        zip.write_all(line.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn cases() -> Vec<Case> {
    let good = csv("4.608");
    let text = String::from_utf8(good.clone()).unwrap();
    let many: Vec<String> = (0..2000).map(|n| row("24", &format!("4.{n:04}"))).collect();
    let mut truncated = gzip(focus_csv(&many).as_bytes());
    truncated.truncate(truncated.len() / 2);
    let dates = |first: &str, second: &str| {
        let text = focus_csv(&[row("24", "1"), row("24", "2")]);
        let once = text.replacen("2025-01-10T00:00:00Z", first, 1);
        once.replacen("2025-01-10T00:00:00Z", second, 1).into_bytes()
    };
    let invalid_utf8 = [
        text.replace("Compute Engine", "Compute \u{1}")
            .replace('\u{1}', "")
            .into_bytes(),
        row("1", "1").into_bytes(),
        b"\n".to_vec(),
    ];
    let mut invalid_utf8 = invalid_utf8.concat();
    let position = invalid_utf8.windows(7).rposition(|w| w == b"Compute").unwrap();
    invalid_utf8[position] = 0xff;
    let two_costs = text.replacen("BilledCost,EffectiveCost", "BilledCost,BilledCost", 1);
    let unknown = text
        .replacen(FOCUS_HEADER, &format!("{FOCUS_HEADER},Weather"), 1)
        .trim_end()
        .to_string()
        + ",sunny\n";
    let huge = text.replace("Compute Engine", &"x".repeat(10 << 20));
    let mut all = vec![
        Case {
            file: "bad.csv.gz",
            ..case("truncated gzip", truncated, 3, "truncated")
        },
        Case {
            file: "bad.csv.zip",
            ..case("zip bomb", zip_bomb(), 3, "decompression bomb")
        },
        Case {
            rows: 0,
            ..case(
                "header only",
                format!("{FOCUS_HEADER}\n").into_bytes(),
                0,
                "holds no rows",
            )
        },
        case("unknown column", unknown.into_bytes(), 0, ""),
        case(
            "no cost column",
            text.replacen("BilledCost", "Price", 1).into_bytes(),
            3,
            "no cost column",
        ),
        case(
            "mixed date dialects",
            dates("1/25/2025", "25/1/2025"),
            3,
            "some dates put the month first, others the day",
        ),
        case(
            "only the required columns: no quantity and no effective cost on that day",
            b"BilledCost,ChargePeriodStart,ChargeCategory,BillingCurrency\n1.5,2025-11-02,Usage,USD\n"
                .to_vec(),
            0,
            "",
        ),
        case("an exponent", csv("5e-06"), 0, ""),
        case("not a number", csv("NaN"), 3, "`NaN` is not a plain number"),
        case(
            "a decimal comma",
            csv("\"1,5\""),
            3,
            "`1,5` is not a plain number",
        ),
        case(
            "a negative quantity",
            focus_csv(&[row("-24", "-4.608")]).into_bytes(),
            0,
            "",
        ),
        case(
            "a cell of 10 MB",
            huge.into_bytes(),
            3,
            "the cell has 10485760 bytes",
        ),
        case("invalid UTF-8", invalid_utf8, 3, "not UTF-8"),
        case(
            "a byte order mark",
            [b"\xef\xbb\xbf".as_slice(), &good].concat(),
            0,
            "",
        ),
        case(
            "a NUL byte",
            text.replace("Compute Engine", "Compute\0Engine").into_bytes(),
            3,
            "NUL byte",
        ),
        case(
            "duplicate columns",
            two_costs.into_bytes(),
            3,
            "two columns have the same name",
        ),
        case(
            "too few cells",
            (text.clone() + "a,b\n").into_bytes(),
            3,
            "2 cells instead of",
        ),
        case("no header at all", Vec::new(), 3, "not even a header"),
        case(
            "more money digits than are kept",
            csv("0.0000000000000000000000001"),
            3,
            "more fraction digits",
        ),
    ];
    all.push(case(
        "no currency",
        text.replace(",USD,", ",,").into_bytes(),
        3,
        "no currency",
    ));
    all
}

#[test]
fn each_kind_of_bad_file_is_named_and_the_file_beside_it_lands() {
    let mut failures = Vec::new();
    for Case {
        name,
        file,
        bytes,
        code,
        says,
        rows,
    } in cases()
    {
        let project = Project::with_source("focus");
        project.write("bills/good.csv", csv("1.25"));
        project.write(&format!("bills/{file}"), &bytes);
        let outcome = project.call(&["run", "--select", "raw.*"]);
        let landed = project.rows("select count(*) filter (where export like 'good%'), count(*) filter (where export like 'bad%') from raw.focus");
        let wanted = vec!["1".to_string(), rows.to_string()];
        if outcome.code != code || !outcome.stderr.contains(says) || landed[0] != wanted {
            let stderr: String = outcome.stderr.chars().take(400).collect();
            failures.push(format!(
                "{name}: exit code {} for {code}, landed {landed:?} for {wanted:?}, `{says}` in: {stderr}",
                outcome.code
            ));
        }
        let names_the_file = code == 0 || outcome.stderr.contains(file);
        if !names_the_file {
            failures.push(format!(
                "{name}: the message does not name the file: {}",
                outcome.stderr
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn negative_quantities_give_negative_emissions() {
    let project = Project::with_source("focus");
    project.write("bills/credit.csv", focus_csv(&[row("-100", "-19.42")]));
    project.run().expect(0);
    let kwh =
        project.value("select sum(facility_kwh) from estimate.cloud_emissions where component = 'compute'");
    assert_eq!(crate::support::project::plain(&kwh), "-1.0142");
}

#[test]
fn a_manifest_that_names_a_missing_file_fails_its_period_alone() {
    let project = Project::with_source("aws_cur2");
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[cur2_csv("2025-01", &[Line::instance("2025-01-03", 24)])],
    );
    let missing = "\"s3://billing/exports/cur2/data/BILLING_PERIOD=2025-02/cur2-00001.csv.gz\"";
    deliver_manifest(&project, "bills", "2025-02", "first", missing);
    project
        .call(&["run", "--select", "raw.*"])
        .expect(4)
        .says("BILLING_PERIOD=2025-02/cur2-00001.csv.gz");
    assert_eq!(
        project.rows("select period, count(*) from raw.aws_cur2 group by 1"),
        [["2025-01", "1"]]
    );
}

#[test]
fn an_unknown_key_is_refused_with_file_line_and_a_suggestion_before_anything_runs() {
    let project = Project::with_source("focus");
    project.configure("[landing]\nmax_rejectd = 3\n[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n");
    let outcome = project.run();
    outcome
        .expect(2)
        .says("max_rejectd")
        .says("offgridflow.toml")
        .says("line 4")
        .says("max_rejected");
    assert!(!project.path("data").exists());
}

#[test]
fn own_models_that_no_table_can_hold_are_named_and_the_others_are_built() {
    let project = Project::with_source("focus");
    project.write("bills/good.csv", csv("1.25"));
    let model = |name: &str, front: &str, columns: &str| {
        project.write(
            &format!("sql/publish/{name}.sql"),
            format!("/* model\ngrain = \"one row per line\"\n{front}\n*/\nSELECT {columns} FROM raw.focus"),
        );
    };
    let full = "kind = \"full\"";
    let by_period = "kind = \"incremental\"\npartition = [\"tenant\", \"period\"]";
    model("own_good", full, "tenant, \"BilledCost\" AS cost");
    model("own_narrow", full, "tenant");
    model(
        "own_typed",
        full,
        "tenant, arrow_cast(1, 'Duration(Second)') AS span",
    );
    model("own_cased", full, "tenant, 1 AS cost, 2 AS \"Cost\"");
    model(
        "own_undated",
        "kind = \"full\"\nsplit_by = \"charge_date\"",
        "tenant, 1 AS cost",
    );
    model("own_apart", by_period, "tenant, 1 AS cost");
    project
        .call(&["run", "--select", "raw.*", "--select", "publish.own_*"])
        .expect(2)
        .says("no column besides those that it is partitioned by, model publish.own_narrow")
        .says("no table can have these columns, model publish.own_typed")
        .says("no table can have these columns, model publish.own_cased")
        .says("no column `charge_date`, which its front matter names, model publish.own_undated")
        .says("no column `period`, which its front matter names, model publish.own_apart");
    assert_eq!(project.value("select count(*) from publish.own_good"), "1");

    // Files of another partition than the table's would leave a table that nobody can read.
    model("own_good", by_period, "tenant, period, \"BilledCost\" AS cost");
    project
        .call(&["run", "--select", "publish.own_good"])
        .expect(2)
        .says("the table is partitioned by [tenant], what is built for it by [period, tenant]");
    assert_eq!(project.value("select count(*) from publish.own_good"), "1");
}

#[test]
fn a_second_run_at_the_same_time_names_the_first_and_leaves() {
    let project = Project::with_source("focus");
    project.write("bills/good.csv", csv("1.25"));
    let lock = offgridflow::ledger::RunLock::acquire(&project.path("data"), "01HOLDER").unwrap();
    project
        .land()
        .expect(4)
        .says("another run holds the warehouse")
        .says("01HOLDER");
    drop(lock);
    project.land().expect(0);
}

#[test]
fn a_warehouse_that_cannot_be_written_is_named() {
    // Permissions do not bind root, a path below a file binds everybody.
    let project = Project::with_source("focus").env("OFFGRIDFLOW_WAREHOUSE_URL", "file://./plain-file/data");
    project.write("plain-file", "");
    project.write("bills/good.csv", csv("1.25"));
    project.run().expect(4).says("plain-file");
}

#[test]
fn a_full_disk_ends_the_run_and_a_later_one_with_space_completes_it() {
    let project = Project::with_source("focus");
    let many: Vec<String> = (0..20_000).map(|n| row("24", &format!("4.{n:05}"))).collect();
    project.write("bills/large.csv", focus_csv(&many));
    // The limit on the size of a file fails a write as a full disk does; the signal that comes with it is ignored.
    let run = project.command(&["run"]);
    let mut limited = std::process::Command::new("bash");
    limited
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"")
        .arg(run.get_program())
        .args(run.get_args());
    limited
        .current_dir(project.path(""))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let outcome = crate::support::Outcome::of(limited);
    outcome.expect(4);
    assert!(outcome.stderr.contains("error:"), "{}", outcome.stderr);
    project.run().expect(0);
    assert_eq!(project.value("select count(*) from normalize.usage"), "20000");
}
