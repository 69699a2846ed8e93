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
