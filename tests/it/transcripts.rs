//! Whole commands as a person sees them, word by word.

use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::{Outcome, Project, snapshot};

/// Run ids, seconds and folders differ from run to run.
fn settled(project: &Project, outcome: &Outcome) -> String {
    let mut text = format!(
        "exit code {}\n--- standard output\n{}",
        outcome.code, outcome.stdout
    );
    text.push_str("--- standard error\n");
    text.push_str(&outcome.stderr);
    text = text.replace(&project.path("").display().to_string(), "PROJECT/");
    for (pattern, replacement) in [
        (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "RUN"),
        (r"\d+\.\d s\b", "SECONDS s"),
        (r"[ ]+\n", "\n"),
    ] {
        text = regex::Regex::new(pattern)
            .unwrap()
            .replace_all(&text, replacement)
            .into_owned();
    }
    text
}

fn one_month() -> Project {
    let project = Project::with_source("aws_cur2");
    let lines = [
        Line::instance("2025-01-03", 720),
        Line {
            team: "data",
            ..Line::instance("2025-01-04", 24)
        },
    ];
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[cur2_csv("2025-01", &lines)],
    );
    project
}

#[test]
fn plan_run_and_a_second_run() {
    let project = one_month();
    snapshot("transcript_plan", &settled(&project, &project.call(&["plan"])));
    snapshot("transcript_run", &settled(&project, &project.run()));
    snapshot("transcript_run_again", &settled(&project, &project.run()));
    snapshot(
        "transcript_plan_nothing",
        &settled(&project, &project.call(&["plan"])),
    );
    let query = "select month, component, it_kwh, facility_kwh from estimate.cloud_emissions where charge_date = date '2025-01-03' order by 2";
    let query = query.replace("month, ", "");
    snapshot(
        "transcript_sql",
        &settled(&project, &project.call(&["sql", &query])),
    );
    snapshot(
        "transcript_sql_no_table",
        &settled(
            &project,
            &project.call(&["sql", "select 1 from rollup.usage_dayly"]),
        ),
    );
}

#[test]
fn an_unknown_key_and_an_unknown_verb() {
    let project = Project::acme("");
    project.configure("[engine]\nmemory = \"1GiB\"\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n");
    snapshot("transcript_unknown_key", &settled(&project, &project.run()));
    snapshot(
        "transcript_unknown_verb",
        &settled(&project, &project.call(&["rnu"])),
    );
}
