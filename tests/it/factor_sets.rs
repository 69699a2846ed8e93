//! Factor sets over time: every run names its own, and an older one named in the configuration gives the older figures.

use serde_json::Value;

use crate::support::bills::{Line, cur2_csv, deliver_cur2};
use crate::support::project::source;
use crate::support::{Project, number};

const FIGURES: [&str; 4] = [
    "select * from estimate.cloud_emissions order by charge_date, component",
    "select * from publish.emissions_by_service_region_month order by service_name",
    "select * from publish.inventory order by scope3_category, method, subcategory, co2e_kg",
    "select tag_value, total_location_gco2e from publish.emissions_by_tag_month order by 1",
];

/// One bill, estimated with the overlay's grid factor and what `[factors]` says besides.
fn configure(project: &Project, factors: &str) {
    project.configure(&format!(
        "[factors]\n{factors}\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\nallocation_tags = [\"team\"]\n{}",
        source("bills", "aws_cur2", "bills")
    ));
}

const OVERLAY: &str = "overlay = \"factors\"";

fn grid(project: &Project, gco2e_per_kwh: &str) {
    project.write(
        "factors/grid_intensity.csv",
        format!(
            "factor_id,provider,region,accounting_method,basis,year,intensity_gco2e_per_kwh,quality\n\
             own/grid,aws,us-east-1,location,average-production-lifecycle,2025,{gco2e_per_kwh},ok\n"
        ),
    );
}

fn project() -> Project {
    let project = Project::acme("");
    configure(&project, OVERLAY);
    let lines = [
        Line::instance("2025-01-03", 720),
        Line {
            team: "data",
            ..Line::instance("2025-01-04", 7)
        },
    ];
    deliver_cur2(
        &project,
        "bills",
        "2025-01",
        "first",
        &[cur2_csv("2025-01", &lines)],
    );
    grid(&project, "301.7");
    project
}

fn figures(project: &Project) -> [Vec<Vec<String>>; 4] {
    FIGURES.map(|query| project.rows(query))
}

/// The version that the newest run recorded.
fn newest_version(project: &Project) -> String {
    project.value("select factor_set_version from system.runs order by started_at desc limit 1")
}

fn newest_run(project: &Project) -> String {
    project.value("select run_id from system.runs order by started_at desc limit 1")
}

#[test]
fn an_older_version_gives_the_older_figures_to_the_last_digit_and_back() {
    let project = project();
    project.run().expect(0);
    let (old_version, old, old_run) = (newest_version(&project), figures(&project), newest_run(&project));

    grid(&project, "299.123456789");
    project.run().expect(0);
    let (new_version, new, new_run) = (newest_version(&project), figures(&project), newest_run(&project));
    assert_ne!(old_version, new_version);
    assert_ne!(old, new);

    // The overlay that made it is not even there any more.
    let pinned = format!("version = \"{old_version}\"");
    configure(&project, &pinned);
    std::fs::remove_dir_all(project.path("factors")).unwrap();
    let planned = project.plan();
    assert!(
        planned
            .iter()
            .any(|(table, ..)| table == "estimate.cloud_emissions"),
        "plan tells that another set rebuilds the estimates: {planned:?}"
    );
    assert!(
        planned.iter().all(|(table, ..)| !table.starts_with("rollup.")),
        "a rollup reads no grid factor: {planned:?}"
    );
    project.run().expect(0);
    assert_eq!(newest_version(&project), old_version);
    assert_eq!(
        figures(&project),
        old,
        "rows name the set, so all columns are equal"
    );
    assert!(
        project.plan().is_empty(),
        "a pinned set is as current as any other"
    );

    grid(&project, "299.123456789");
    configure(&project, OVERLAY);
    project.run().expect(0);
    assert_eq!(
        (newest_version(&project), figures(&project)),
        (new_version.clone(), new)
    );

    // Between the two runs nothing but the factors differs, and `diff` says so.
    let outcome = project.call(&["diff", &old_run, &new_run, "--output", "json"]);
    outcome.expect(0);
    let difference: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let total = &difference["total"][0];
    let kilograms = |reason: &str| number(&total[reason]);
    assert!(kilograms("change_kg") < 0.0, "{difference}");
    assert!(
        (kilograms("factors_kg") - kilograms("change_kg")).abs() < 2e-6,
        "{difference}"
    );
    assert!(kilograms("usage_kg").abs() < 2e-6, "{difference}");

    let outcome = project.call(&["factors", "diff", &old_version, &new_version, "--output", "csv"]);
    outcome.expect(0);
    let changed: Vec<&str> = outcome.stdout.lines().skip(1).collect();
    assert_eq!(
        changed,
        ["grid_intensity,changed,own/grid,intensity_gco2e_per_kwh,301.7,299.123456789"]
    );
}

/// Of the estimates' table: billing period and the set that its rows name.
fn sets_of_periods(project: &Project) -> Vec<Vec<String>> {
    project.rows("select distinct period, factor_set_version from estimate.cloud_emissions order by 1")
}

/// The figures, and no word about the set.
fn sums(project: &Project) -> Vec<Vec<String>> {
    project.rows(
        "select period, charge_date, component, grid_factor_id, location_gco2e, market_gco2e, embodied_gco2e, high_gco2e \
         from estimate.cloud_emissions order by period, charge_date, component, location_gco2e",
    )
}

/// What a run built, by its own report.
fn built(project: &Project) -> Vec<String> {
    let outcome = project.call(&["run", "--output", "json"]);
    outcome.expect(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let models = report["models"].as_array().unwrap().iter();
    let built = models.filter(|m| m["partitions_built"] != 0);
    built.map(|m| m["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_changed_factor_makes_those_periods_again_that_use_it() {
    let project = project();
    let in_europe = Line {
        region: "eu-central-1",
        ..Line::instance("2025-02-03", 720)
    };
    let bill = cur2_csv("2025-02", &[in_europe]);
    deliver_cur2(&project, "bills", "2025-02", "first", &[bill]);
    project.run().expect(0);
    let (first, before) = (newest_version(&project), sums(&project));
    assert_eq!(
        sets_of_periods(&project),
        [["2025-01", &first], ["2025-02", &first]]
    );

    // A place without any usage: what is applied is looked up again and found to be the same.
    let overlay = std::fs::read_to_string(project.path("factors/grid_intensity.csv")).unwrap();
    let elsewhere = overlay
        .replace("us-east-1", "af-south-1")
        .replace("own/grid", "own/far");
    let elsewhere = elsewhere.lines().nth(1).unwrap();
    project.write("factors/grid_intensity.csv", format!("{overlay}{elsewhere}\n"));
    let planned = project.call(&["plan"]);
    planned.expect(0);
    let told = |table: &str, reason: &str| {
        let mut lines = planned.stdout.lines();
        lines.any(|line| line.contains(table) && line.contains(reason))
    };
    assert!(told("estimate.applied_place_factors", "factors"), "{planned:?}");
    assert!(
        told(
            "estimate.cloud_emissions",
            "estimate.applied_place_factors may change"
        ),
        "{planned:?}"
    );
    assert_eq!(built(&project), ["estimate.applied_place_factors"]);
    assert_ne!(newest_version(&project), first, "the run names the new set");
    assert_eq!((sums(&project), project.plan().len()), (before.clone(), 0));
    assert_eq!(
        sets_of_periods(&project),
        [["2025-01", &first], ["2025-02", &first]]
    );

    // A place of the first period alone.
    grid(&project, "17.5");
    let again = built(&project);
    assert!(again.contains(&"publish.inventory".to_string()), "{again:?}");
    let third = newest_version(&project);
    assert_eq!(
        sets_of_periods(&project),
        [["2025-01", &third], ["2025-02", &first]]
    );
    let (after, in_second) = (sums(&project), |row: &&Vec<String>| row[0] == "2025-02");
    assert_ne!(after, before);
    assert!(after.iter().filter(in_second).eq(before.iter().filter(in_second)));
    // It is what a build from nothing gives.
    project.call(&["run", "--full-refresh"]).expect(0);
    assert_eq!(sums(&project), after);
    assert_eq!(
        sets_of_periods(&project),
        [["2025-01", &third], ["2025-02", &third]]
    );
}

#[test]
fn a_version_that_is_not_kept_is_refused_and_those_that_are_kept_are_named() {
    let project = project();
    project.run().expect(0);
    let (version, before) = (newest_version(&project), figures(&project));
    configure(&project, "version = \"fs-000000000000\"");
    project
        .run()
        .expect(2)
        .says("fs-000000000000")
        .says("[factors] version")
        .says(&version);

    let archive = project.path(&format!("data/factor_sets/{version}.json"));
    let kept = std::fs::read_to_string(&archive).unwrap();
    configure(&project, &format!("version = \"{version}\""));
    std::fs::remove_file(&archive).unwrap();
    project
        .run()
        .expect(2)
        .says(&version)
        .says("this warehouse keeps none yet");

    // A set whose tables were changed by hand is not the one that its name says.
    std::fs::write(&archive, kept.replace("301.7", "1.7")).unwrap();
    project
        .run()
        .expect(4)
        .says("is not as a run left it")
        .says(&format!("{version}.json"));
    std::fs::write(&archive, &kept[..kept.len() / 2]).unwrap();
    project.run().expect(4).says("is not as a run left it");

    std::fs::write(&archive, kept).unwrap();
    project.run().expect(0);
    assert_eq!(figures(&project), before, "nothing was touched meanwhile");
}
