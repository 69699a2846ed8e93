//! The published sample exports, when they lie beside the checkout: every file lands, and the sums are those of
//! `SOURCES.md` to the last digit. They belong to others and are no part of this repository.

use std::path::PathBuf;

use crate::support::project::plain;
use crate::support::{Project, root};

fn samples() -> Option<PathBuf> {
    let folder = root().join("../shared/samples");
    let there = folder.join("SOURCES.md").is_file();
    if !there {
        eprintln!("the sample exports are absent: {} is not there", folder.display());
    }
    there.then(|| folder.canonicalize().unwrap())
}

/// One tenant per source: some hold the same bill.
fn project(sources: &[(&str, &str)]) -> Option<Project> {
    let folder = samples()?;
    let tenant = |(path, kind): &(&str, &str)| {
        let id = path.split('/').next().unwrap_or(path);
        format!(
            "[[tenant]]\nid = \"{id}\"\nname = \"{id}\"\n[[tenant.source]]\nid = \"{id}\"\nkind = \"{kind}\"\nurl = \"file://{}\"\ncurrency = \"USD\"\n",
            folder.join(path).display()
        )
    };
    Some(Project::new(&sources.iter().map(tenant).collect::<String>()))
}

fn totals(project: &Project, currency: &str) -> Vec<(String, String, String)> {
    let query = format!(
        "select source, sum(billed_cost), count(*) from normalize.usage where billing_currency = '{currency}' group by 1 order by 1"
    );
    project
        .rows(&query)
        .into_iter()
        .map(|r| (r[0].clone(), plain(&r[1]), r[2].clone()))
        .collect()
}

fn owned(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    rows.iter()
        .map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string()))
        .collect()
}

#[test]
fn every_sample_export_lands_with_the_totals_of_its_list() {
    let sources = [
        ("aws_cur_legacy", "aws_cur"),
        ("aws_cur2", "aws_cur2"),
        ("focus", "focus"),
        ("derived", "focus"),
        ("generated_nise/aws", "aws_cur"),
    ];
    let Some(project) = project(&sources) else { return };
    let outcome = project.run();
    // Amounts written `$50,000.00 ` are refused, and so is a manifest whose data files are not there.
    outcome.expect(3).says("$").says("keboola-cur2-Manifest.json");
    let wanted = [
        ("aws_cur2", "0.0652", "4"),
        ("aws_cur_legacy", "143227.89158017174245292635", "13404"),
        ("derived", "20.52022672899", "1000"),
        ("focus", FOCUS_TOTAL, FOCUS_ROWS),
        ("generated_nise", "2304.59677416", "3072"),
    ];
    assert_eq!(totals(&project, "USD"), owned(&wanted));
}

/// The sum of the files under `focus/` that write their amounts as numbers.
const FOCUS_TOTAL: &str = "318902.05162340899005";
const FOCUS_ROWS: &str = "1038";

/// Every dialect of Azure's headers, and a header alone, with the totals of `SOURCES.md`.
const AZURE_DIALECTS: [(&str, &str, &str); 9] = [
    ("koku-azure_version_2.csv", "MC 19.998413754", "5"),
    ("opencost-headersets/BOM.csv", "USD ", "1"),
    ("opencost-headersets/Enterprise.csv", "CAD 0", "1"),
    ("opencost-headersets/German.csv", "USD 0.075", "1"),
    ("opencost-headersets/PayAsYouGo.csv", "USD 0.075", "1"),
    ("opencost-values-Template.csv", "USD 16.393506212224391", "87"),
    ("spruce-native-us-dates.csv", "USD 2.258747", "2"),
    ("toolkit-EA_ActualCost_Small.csv", "USD 8.5450077867419368", "11"),
    ("toolkit-EA_NoRows.csv", "", ""),
];

#[test]
fn every_azure_dialect_gives_the_same_columns() {
    let Some(folder) = samples() else { return };
    let file = |(path, ..): &(&str, &str, &str)| {
        let id = path
            .rsplit('/')
            .next()
            .unwrap()
            .trim_end_matches(".csv")
            .to_lowercase();
        format!(
            "[[tenant]]\nid = \"{id}\"\nname = \"{id}\"\n[[tenant.source]]\nid = \"azure\"\nkind = \"azure_cost\"\nurl = \"file://{}\"\ncurrency = \"USD\"\n",
            folder.join("azure_cost_export").join(path).display()
        )
    };
    let project = Project::new(&AZURE_DIALECTS.iter().map(file).collect::<String>());
    project
        .run()
        .expect(0)
        .says("the currency `MC` is not in ISO 4217")
        .says("NoRows.csv holds no rows")
        .says("BOM.csv: 1 row tells no amount at all");
    for (path, total, rows) in AZURE_DIALECTS {
        let found = project.rows(&format!(
            "select billing_currency, sum(billed_cost), count(*) from normalize.usage where source_file like '%/{path}' group by 1"
        ));
        let found: Vec<String> = found
            .into_iter()
            .map(|r| format!("{} {}|{}", r[0], plain(&r[1]), r[2]))
            .collect();
        let wanted = if rows.is_empty() {
            vec![]
        } else {
            vec![format!("{total}|{rows}")]
        };
        assert_eq!(found, wanted, "{path}");
    }
    // The machines of three dialects, the first with its size in AdditionalInfo beside a price by ten hours.
    let machines = project.rows(
        "select tenant, instance_type, usage_unit_raw, usage_quantity, usage_unit, region_id from normalize.usage
         where instance_type is not null and tenant in ('koku-azure_version_2', 'enterprise', 'toolkit-ea_actualcost_small') and service_code = 'Virtual Machines' and is_usage order by 1, 2",
    );
    let machines: Vec<String> = machines
        .into_iter()
        .map(|r| format!("{} {} {} {}", r[1], r[2], plain(&r[3]), r[5]))
        .collect();
    assert_eq!(
        machines,
        [
            "Standard_E4s_v3 10 Hours 100 canadacentral",
            "Standard_D4s_v3 10 Hours 220 northcentralus",
            "Standard_D2s_v3 1 Hour 24 southcentralus",
        ]
    );
}

#[test]
fn of_two_azure_runs_the_second_counts() {
    let Some(project) = project(&[("generated_nise/azure", "azure_cost")]) else {
        return;
    };
    project.run().expect(0);
    let months = || -> Vec<String> {
        let query = "select period, billing_currency, sum(billed_cost), count(*) from normalize.usage group by 1, 2 order by 1";
        project
            .rows(query)
            .into_iter()
            .map(|r| format!("{} {} {} {}", r[0], r[1], plain(&r[2]), r[3]))
            .collect()
    };
    let wanted = [
        "2026-09 USD 20.3023998955979311324 150",
        "2026-10 USD 2.651080059204593625 15",
    ];
    assert_eq!(months(), wanted);
    let report = project.report();
    assert_eq!(report["sources"][0]["slices_current"], 2);
    assert_eq!(months(), wanted);
}

#[test]
fn google_extracts_land_with_the_totals_of_their_list() {
    let Some(folder) = samples() else { return };
    let source = |id: &str, path: &str| {
        format!(
            "[[tenant.source]]\nid = \"{id}\"\nkind = \"gcp_billing_files\"\nurl = \"file://{}\"\n",
            folder.join(path).display()
        )
    };
    let project = Project::acme(&(source("koku", "gcp_billing") + &source("nise", "generated_nise/gcp")));
    project.run().expect(0);
    // The list counts costs before credits.
    let delivered = "select source, currency, sum(double_money(cost)), count(*) from raw.gcp_billing_files \
                     group by 1, 2 order by 1";
    let delivered: Vec<Vec<String>> = project
        .rows(delivered)
        .into_iter()
        .map(|row| vec![row[0].clone(), row[1].clone(), plain(&row[2]), row[3].clone()])
        .collect();
    assert_eq!(
        delivered,
        [
            ["koku", "USD", "0.000032", "25"],
            ["nise", "EUR", "1185.33333408", "840"]
        ]
    );
    let periods = project
        .rows("select period, count(*) from normalize.usage where source = 'nise' group by 1 order by 1");
    assert_eq!(periods.len(), 2);
    assert_eq!(
        (periods[0][0].as_str(), periods[1][0].as_str()),
        ("2026-08", "2026-09")
    );
    // Free trial credits, written as Python prints them, take the whole cost back.
    assert_eq!(
        plain(&project.value("select sum(billed_cost) from normalize.usage where source = 'koku'")),
        "0"
    );
}
