//! Files that are small and ask for much: refused by name, while the other sources land.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::hostile_generator::hostile;
use crate::support::Project;
use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::memory::measured;
use crate::support::project::source;

const HEADER: &str = "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart,ProviderName";

fn focus_line(period: &str) -> String {
    format!("1,billing-1,USD,{period}-01,Usage,{period}-02,Google\n")
}

/// A Parquet file without rows whose one column lies below `depth` groups: its footer, written by hand.
fn nested_parquet(depth: usize) -> Vec<u8> {
    let mut footer = vec![0x15, 0x02]; // version 1
    footer.extend([0x19, 0xfc]); // the schema: a list of structures
    let mut length = depth as u64 + 2;
    while length > 0x7f {
        footer.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    footer.push(length as u8);
    for _ in 0..=depth {
        footer.extend([0x35, 0x02, 0x18, 0x01, b'n', 0x15, 0x02, 0x00]); // an optional group with one child
    }
    footer.extend([0x15, 0x02, 0x25, 0x02, 0x18, 0x01, b'n', 0x00]); // an optional integer
    footer.extend([0x16, 0x00, 0x19, 0x0c, 0x00]); // no rows, no row groups
    let length = u32::try_from(footer.len()).unwrap();
    let mut file = b"PAR1".to_vec();
    file.extend(footer);
    file.extend(length.to_le_bytes());
    file.extend(b"PAR1");
    file
}

#[test]
fn files_that_ask_for_too_much_are_refused_by_name_and_the_others_land() {
    let names = ["periods", "columns", "deep", "deeper", "broken", "accounts"];
    let sources: String = names.iter().map(|name| source(name, "focus", name)).collect();
    let project = Project::acme(&(sources + &source("cur", "aws_cur2", "cur")));

    let mut periods = format!("{HEADER}\n");
    for year in 1990..2015 {
        for month in 1..=12 {
            periods += &focus_line(&format!("{year}-{month:02}"));
        }
    }
    project.write("periods/bill.csv", periods);
    let mut accounts = format!("{HEADER}\n");
    for account in 0..2_900 {
        let line = focus_line("2026-08").replacen("billing-1", &format!("{account}{}", "x".repeat(6_000)), 1);
        accounts += &line;
    }
    project.write("accounts/bill.csv", accounts);
    let mut columns = HEADER.to_string();
    for number in 0..100_000 {
        write!(columns, ",x{number}").unwrap();
    }
    project.write("columns/bill.csv", columns + "\n" + &focus_line("2026-09"));
    project.write("deep/bill.parquet", nested_parquet(40));
    project.write("deeper/bill.parquet", nested_parquet(200_000));
    project.write(
        "broken/bill.parquet",
        b"PAR1 and nothing that a reader knows PAR1",
    );
    let bill = cur2_csv("2026-09", &[Line::instance("2026-09-02", 5)]);
    deliver_cur2(&project, "cur", "2026-09", "first", &[bill]);

    project
        .land()
        .expect(3)
        .says("more than the 240 that one file may bring")
        .says("the file has 100007 columns, more than the 3000 that one may have")
        .says("nested 41 levels deep, more than the 32 that one may be")
        .says("nested 200001 levels deep")
        .says("the rows belong to have more than 16 MiB together")
        .says("the Parquet file cannot be read");
    assert_eq!(
        project.rows("select source, count(*) from normalize.usage group by 1"),
        [["cur", "1"]]
    );
    assert_eq!(
        project.value("select count(*) from information_schema.columns where table_name = 'focus' and column_name like 'x%'"),
        "0"
    );

    // What a project needs it can allow.
    let sources = source("periods", "focus", "periods");
    project.configure(&format!(
        "[landing]\nmax_periods = 300\n[[tenant]]\nid = \"acme\"\nname = \"ACME\"\n{sources}"
    ));
    project.land().expect(0);
    assert_eq!(
        project.value("select count(distinct period) from normalize.usage where source = 'periods'"),
        "300"
    );
}

/// Where panics in a log happened, as file, line and column; those in the code of a library are left out. The compiler names
/// the files of this program by a path below `src`, those of libraries by where Cargo keeps them.
fn places_of_own_panics(log: &str) -> Vec<&str> {
    let places = log.split("panicked at ").skip(1);
    places
        .filter_map(|told| told.split_whitespace().next())
        .filter(|place| !place.contains("/registry/src/") && !place.contains("/git/checkouts/"))
        .collect()
}

#[test]
fn panics_of_this_program_are_told_from_those_of_libraries() {
    // As the program writes them into its log: its hook hands on what the panic says of itself.
    let log = "2026-09-01T00:00:00Z ERROR offgridflow::cli: panicked at /home/x/.cargo/registry/src/index-1/parquet-1.0.0/src/a.rs:7:9:\n\
               range end index 9 out of range\n\
               2026-09-01T00:00:01Z ERROR offgridflow::cli: panicked at src/land/rows.rs:12:3:\nattempt to add with overflow\n\
               \nthread 'main' (7) panicked at src/model/render.rs:39:82:\nend byte index 40\n";
    assert_eq!(
        places_of_own_panics(log),
        ["src/land/rows.rs:12:3:", "src/model/render.rs:39:82:"]
    );
    assert!(
        places_of_own_panics("error: the file holds bytes that the reader cannot make sense of").is_empty()
    );
}

/// How much memory a run may take, whatever it is sent.
const MOST_KIB: u64 = 1 << 20;

/// Lands some generated files, each as a source of its own, beside a bill that is whole.
fn land_generated(numbers: impl Iterator<Item = usize>) {
    let files: Vec<_> = numbers.map(|number| hostile(20_260_917, number)).collect();
    let sources: String = files
        .iter()
        .map(|file| source(&file.id, file.kind, &file.id))
        .collect();
    let project =
        Project::acme(&(source("good", "aws_cur2", "good") + &sources)).env("OFFGRIDFLOW_LOG", "error");
    for file in &files {
        for (name, bytes) in &file.files {
            project.write(&format!("{}/{name}", file.id), bytes);
        }
    }
    let bill = cur2_csv(
        "2026-09",
        &[Line::instance("2026-09-02", 5), Line::instance("2026-09-03", 2)],
    );
    deliver_cur2(&project, "good", "2026-09", "first", &[bill]);

    let command = project.command(&["run", "--select", "raw.*", "--output", "json"]);
    let (outcome, peak) = measured(command);
    assert!(
        matches!(outcome.code, 2..=4),
        "{}: {}",
        outcome.code,
        outcome.stderr
    );
    // A library may stop at foreign bytes, which is caught and refuses the file. Code of this program must not.
    let own = places_of_own_panics(&outcome.stderr);
    assert!(own.is_empty(), "{own:?}: {}", outcome.stderr);
    let largest = files
        .iter()
        .flat_map(|file| &file.files)
        .map(|(_, bytes)| bytes.len())
        .max();
    eprintln!(
        "{} files, the largest of {largest:?} bytes: {} MiB",
        files.len(),
        peak / 1024
    );
    assert!(peak <= MOST_KIB, "{peak} KiB");

    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let told: BTreeMap<&str, &Value> = report["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| (told["id"].as_str().unwrap(), told))
        .collect();
    let number = |value: &Value| value.as_u64().unwrap();
    let good = told["acme/good"];
    assert_eq!(
        (good["error"].is_null(), number(&good["rows"])),
        (true, 2),
        "{good}"
    );
    let mut landed = 0;
    for file in &files {
        let Some(told) = told.get(format!("acme/{}", file.id).as_str()) else {
            panic!("nothing is said of {}", file.id);
        };
        match told["error"].as_str() {
            Some(error) => {
                // Bytes that a library stops at are a last resort: what is known to do harm has a name.
                assert!(!error.contains("overflow"), "{}: {error}", file.id);
                assert!(error.len() > 20, "{}: {error}", file.id);
            }
            None => {
                landed += 1;
                if let Some(rows) = file.rows {
                    assert_eq!(number(&told["rows"]), rows, "{}: {told}", file.id);
                }
            }
        }
    }
    assert!(landed > 0 && landed < files.len(), "{landed} of {}", files.len());
    // What has landed can be read: no cell of it was made up.
    let strange = project.rows("select distinct provider_name from normalize.usage where source = 'good'");
    assert_eq!(strange, [["AWS"]]);
}

#[test]
fn generated_files_land_right_or_are_refused_by_name_in_little_memory() {
    // All of them in a long test run; else a fifth, of every format and harm.
    match std::env::var("OFFGRIDFLOW_TEST_LONG") {
        Ok(_) => (0..5).for_each(|part| land_generated(part * 100..(part + 1) * 100)),
        Err(_) => land_generated(0..100),
    }
}

#[test]
fn a_wide_table_of_many_periods_takes_little_memory() {
    let project = Project::acme(&(source("wide", "focus", "wide") + &source("long", "focus", "long")));
    let mut wide = HEADER.to_string();
    for number in 0..2_900 {
        write!(wide, ",x{number}").unwrap();
    }
    let periods: Vec<String> = (0..60)
        .map(|month| format!("{}-{:02}", 2010 + month / 12, month % 12 + 1))
        .collect();
    let lines: String = periods.iter().map(|period| focus_line(period)).collect();
    project.write("wide/bill.csv", format!("{wide}\n{lines}"));
    project.write(
        "long/bill.csv",
        format!("{HEADER}\n{}", lines.replace("billing-1", "billing-2")),
    );
    // The long bill has few columns of its own; its table has them all.
    for _ in 0..2 {
        let (outcome, peak) = measured(project.command(&["run", "--select", "raw.*", "--full-refresh"]));
        outcome.expect(0);
        assert!(peak < MOST_KIB, "{peak} KiB");
    }
    assert_eq!(
        project.rows("select source, count(distinct period), sum(billed_cost) = 60 from normalize.usage group by 1 order by 1"),
        [["long", "60", "true"], ["wide", "60", "true"]]
    );
}

#[test]
fn a_query_of_one_tenant_sees_no_other() {
    let tenant = |id: &str| {
        format!(
            "[[tenant]]\nid = \"{id}\"\nname = \"{id}\"\n{}",
            source("bills", "focus", id)
        )
    };
    let project = Project::new(&(tenant("acme") + &tenant("globex")));
    for id in ["acme", "globex"] {
        project.write(
            &format!("{id}/bill.csv"),
            format!("{HEADER}\n{}", focus_line("2026-09")),
        );
    }
    project.run().expect(0);
    let tables = [
        "raw.focus",
        "normalize.usage",
        "rollup.usage_daily",
        "estimate.cloud_emissions",
        "publish.coverage",
        "system.slices",
        "settings.source",
    ];
    let query = tables
        .map(|table| format!("select tenant from {table}"))
        .join(" union ");
    assert_eq!(
        project.rows(&(query.clone() + " order by 1")),
        [["acme"], ["globex"]]
    );
    let outcome = project.call(&["--tenant", "acme", "sql", "--output", "csv", &query]);
    outcome.expect(0);
    assert_eq!(outcome.stdout, "tenant\nacme\n");
    // What the ledger tells: a run over both, of which the other's part failed.
    project.write(
        "globex/secret.csv",
        format!("{HEADER}\n{}", focus_line("2026-10").replacen('1', "x", 1)),
    );
    project.run().expect(3).says("globex/secret.csv");
    let told = "select 'run' as what, run_id, concat_ws('\n', pipeline, summary_json, warnings) as told from system.runs \
        union all select 'slice', run_id, concat_ws('\n', tenant, source, export, delivery_id, error) from system.slices \
        union all select 'key', run_id, partition_key from system.fingerprints \
        union all select 'row', run_id, concat_ws('\n', tenant, source_uri, raw_text) from system.quarantine";
    let everything = project.rows(told);
    let hostile = |rows: &[Vec<String>]| rows.iter().filter(|row| row[2].contains("globex")).count();
    assert!(hostile(&everything) > 4, "{everything:?}");
    let outcome = project.call(&["--tenant", "acme", "sql", "--output", "json", told]);
    outcome.expect(0);
    assert!(!outcome.stdout.contains("globex"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("secret.csv"), "{}", outcome.stdout);
    let seen: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
    let of = |what: &str| {
        let rows = seen.iter().filter(|row| row["what"] == what);
        rows.map(|row| row["told"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("run").len(), 2, "a run over several tenants stays listed");
    assert!(of("run").iter().all(|told| told.contains(r#""id":"acme/bills""#)));
    assert!(
        of("run")
            .iter()
            .any(|told| told.contains("tenant=acme/source=bills"))
    );
    assert!(
        of("run")
            .iter()
            .any(|told| told.contains("acme/bills: files lack columns"))
    );
    assert_eq!((of("slice").len(), of("row").len()), (1, 0));
    assert!(!of("key").is_empty());
    let unknown = project.call(&["--tenant", "acme", "maintain", "--forget", "acme/bills/bil.csv"]);
    unknown.expect(2).says("acme/bills/bill.csv");
    assert!(!unknown.stderr.contains("globex"), "{}", unknown.stderr);
    // A filter that closes the parenthesis around it, and one that asks elsewhere.
    for filter in [
        "1=1) or (tenant='globex'",
        "exists (select 1 from normalize.usage where tenant = 'globex')",
    ] {
        let explain = [
            "--tenant",
            "acme",
            "explain",
            "publish.coverage",
            filter,
            "--output",
            "json",
        ];
        let outcome = project.call(&explain);
        assert!(
            !outcome.stdout.contains("globex\""),
            "{filter}: {}",
            outcome.stdout
        );
    }
}
