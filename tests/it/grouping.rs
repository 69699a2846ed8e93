//! Grouping by codes gives what the engine's own aggregation gives, to the last digit, and stands where it should.

use offgridflow::model::ModelKind;
use offgridflow::run::observer::Silent;
use offgridflow::run::query;
use offgridflow::transform::Part;

use crate::support::Project;
use crate::support::in_process::InProcess;

/// The rows of a query, in an order of their own.
fn sorted(project: &InProcess, sql: &str, by_codes: bool) -> Vec<Vec<String>> {
    let context = project.workspace.engine.session();
    if !by_codes {
        assert!(context.remove_optimizer_rule("group_by_codes"));
    }
    let found = project
        .runtime
        .block_on(query::rows(&project.workspace, &context, sql));
    let mut rows = query::texts(&found.unwrap_or_else(|error| panic!("{sql}\n{error}")));
    rows.sort();
    rows
}

fn plan_of(project: &InProcess, sql: &str) -> String {
    sorted(project, &format!("explain {sql}"), true)
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

/// Lines whose groups are more than 16 MiB can hold.
const ROWS: usize = 60_000;

/// Aggregates of every shape that people write.
const QUERIES: [&str; 9] = [
    "select provider_name, service_name, tags['team'], cast(charge_period_start as date), sum(billed_cost), count(*) \
     from normalize.usage group by 1, 2, 3, 4",
    "select source, billing_currency, is_usage, sum(effective_cost), sum(usage_quantity), count(1) from normalize.usage \
     where charge_category = 'Usage' and provider_name <> 'AWS' group by 1, 2, 3",
    "select distinct provider_name, region_id, instance_type, vcpus from rollup.usage_daily",
    "select service_name, max(region_id), min(usage_type), sum(line_count) from rollup.usage_daily group by 1",
    "select resource_id is null, region_source, sum(list_cost) from normalize.usage group by 1, 2",
    "select month, component, sum(location_gco2e), sum(case when has_energy then facility_kwh end) \
     from estimate.published_row where provider_name = 'AWS' group by 1, 2 having sum(location_gco2e) > 1",
    "select u.service_name, n.service_category, sum(u.billed_cost) from rollup.usage_daily as u \
     left join reference.service_names as n on n.service_code = u.service_code and n.provider_name = 'AWS' group by 1, 2",
    "select period, sum(billed_cost) from rollup.usage_daily where period = '2025-03' and source = 'aws' group by 1",
    "select period, sum(billed_cost) from rollup.usage_daily where period = 'never' group by 1",
];

#[test]
fn every_model_and_query_gives_what_the_engines_own_aggregation_gives() {
    let project = Project::sample_after_a_run();
    let mut opened = InProcess::open(&project);
    let report = opened.run(&["*"], &Silent);
    assert_eq!(report.exit_code(), 0, "{:?}", report.failures);
    let models: Vec<(String, String)> = opened
        .workspace
        .tables
        .graph
        .ordered()
        .filter(|m| m.kind != ModelKind::View && m.schema() != "estimate")
        .map(|m| (m.name.clone(), opened.workspace.tables.rendered(&m.name).unwrap()))
        .collect();
    for (name, sql) in models {
        let own = sorted(&opened, &sql, false);
        assert!(!own.is_empty(), "{name}");
        assert!(own == sorted(&opened, &sql, true), "{name}");
    }
    for query in QUERIES {
        assert_eq!(
            sorted(&opened, query, false),
            sorted(&opened, query, true),
            "{query}"
        );
    }
}

#[test]
fn a_plan_shows_where_rows_are_grouped_by_codes_and_what_else_stays_with_the_engine() {
    let project = Project::sample_after_a_run();
    let mut opened = InProcess::open(&project);
    assert_eq!(opened.run(&["raw.*"], &Silent).exit_code(), 0);
    let rollup = opened.workspace.tables.rendered("rollup.usage_daily").unwrap();
    let plan = plan_of(&opened, &rollup);
    assert!(plan.contains("GroupByCodesExec"), "{plan}");
    assert!(!plan.contains("AggregateExec"), "{plan}");
    let of_the_engine = [
        "select period, sum(cast(billed_cost as double)) from normalize.usage group by 1",
        "select sum(billed_cost) from normalize.usage",
        "select period, avg(billed_cost) from normalize.usage group by 1",
    ];
    for query in of_the_engine {
        assert!(!plan_of(&opened, query).contains("GroupByCodesExec"), "{query}");
        assert_eq!(
            sorted(&opened, query, false).len(),
            sorted(&opened, query, true).len()
        );
    }
}

#[test]
fn groups_beyond_the_memory_limit_are_left_to_operators_that_spill_and_models_are_built_by_days() {
    let limited = |memory: &str| {
        let project = Project::new(&format!(
            "[engine]\nmemory_limit = \"{memory}\"\nthreads = 2\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
            crate::support::project::source("bills", "aws_cur2", "bills")
        ));
        let mut text = String::from(
            "bill_payer_account_id,line_item_usage_account_id,line_item_line_item_type,line_item_usage_start_date,\
             line_item_usage_end_date,line_item_product_code,line_item_usage_type,line_item_usage_amount,\
             line_item_currency_code,line_item_unblended_cost,pricing_unit\n",
        );
        for row in 0..ROWS {
            let day = row % 28 + 1;
            text += &format!(
                "999999999999,111111111111,Usage,2025-01-{day:02}T00:00:00Z,2025-01-{day:02}T01:00:00Z,AmazonEC2,\
                 BoxUsage:m{row}.large,1,USD,0.{row},Hrs\n"
            );
        }
        project.write("bills/bill.csv", text);
        project
    };
    let sorted = |project: &Project, sql: &str| {
        let mut rows = project.rows(sql);
        rows.sort();
        rows
    };
    let rollup = "select charge_date, usage_type, billed_cost, line_count from rollup.usage_daily";
    let (small, large) = (limited("32MiB"), limited("512MiB"));
    for project in [&small, &large] {
        project.call(&["run", "--select", "+rollup.*"]).expect(0);
    }
    let rows = sorted(&large, rollup);
    assert_eq!(rows.len(), ROWS);
    assert_eq!(sorted(&small, rollup), rows);
    let wide = "select line_item_usage_type, count(*) from raw.aws_cur2 group by 1";
    assert_eq!(sorted(&small, wide), sorted(&large, wide));
}

#[test]
fn seventy_small_files_are_opened_one_after_the_other_and_group_alike() {
    let project = Project::with_source("focus");
    for file in 0..70 {
        project.write(
            &format!("bills/{file}.csv"),
            format!(
                "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargeCategory,\
                 ChargePeriodStart,ChargePeriodEnd,EffectiveCost,ProviderName,ServiceName\n\
                 {file}.25,{file},USD,2026-09-01,2026-10-01,Usage,2026-09-03,2026-09-04,1,AWS,Amazon EC2\n\
                 0.5,{file},USD,2026-09-01,2026-10-01,Usage,2026-09-04,2026-09-05,1,AWS,Amazon S3\n"
            ),
        );
    }
    project.land().expect(0);
    let opened = InProcess::open(&project);
    let sql = "select service_name, cast(charge_period_start as date), sum(billed_cost), count(*) from normalize.usage \
               group by 1, 2";
    assert!(plan_of(&opened, sql).contains("GroupByCodesExec"));
    let rows = sorted(&opened, sql, true);
    assert_eq!(
        rows.iter().map(|row| row[3].as_str()).collect::<Vec<_>>(),
        ["70", "70"]
    );
    assert_eq!(rows, sorted(&opened, sql, false));
}

/// A company's meters and one contract whose kilowatt-hours are used up before the year's end.
fn meters(rows: usize, memory: &str) -> Project {
    let source = crate::support::project::source;
    let project = Project::new(&format!(
        "[engine]\nmemory_limit = \"{memory}\"\nthreads = 2\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}{}",
        source("meters", "activity", "meters"),
        source("contracts", "instruments", "contracts"),
    ));
    let mut text = String::from("activity,quantity,unit,period_start,period_end,country,site\n");
    for row in 0..rows {
        let (activity, unit) = [
            ("Natural gas", "kWh"),
            ("Diesel (average biofuel blend)", "litres"),
            ("electricity", "kWh"),
            ("Straw", "kg"),
        ][row % 4];
        let (month, site) = (row % 12 + 1, row % 70);
        text += &format!("{activity},{row}.5,{unit},2025-{month:02}-01,2025-{month:02}-28,GB,site {site}\n");
    }
    project.write("meters/meters.csv", text);
    let kwh = rows * rows / 40;
    project.write(
        "contracts/contracts.csv",
        format!(
            "kind,market,energy_kwh,factor_kgco2e_per_kwh,vintage,valid_from,valid_to,site,evidence\n\
             contract,GB,{kwh},0,2025,2025-01-01,2026-01-01,,contract 1\n"
        ),
    );
    project
}

const FIGURES: &str = "estimate.activity_emissions";

#[test]
fn activity_rows_in_parts_add_up_to_the_whole() {
    let project = meters(240, "512MiB");
    let mut opened = InProcess::open(&project);
    let report = opened.run(&["+estimate.activity_emissions"], &Silent);
    assert_eq!(report.exit_code(), 0, "{:?}", report.failures);
    let sql = opened.workspace.tables.rendered(FIGURES).unwrap();
    let whole = sorted(&opened, &sql, true);
    assert_eq!(
        opened.rows(&format!("select * from {FIGURES}")).len(),
        whole.len()
    );
    let is_covered = |row: &&Vec<String>| row.iter().any(|cell| cell.starts_with("instrument:"));
    let covered = whole.iter().filter(is_covered).count();
    assert!((1..60).contains(&covered), "{covered} of 60 are covered");
    let mut parts = Vec::new();
    for number in 0..4 {
        opened.workspace.tables.part = Part { number, of: 4 };
        let part = sorted(&opened, &sql, true);
        assert!(
            (1..whole.len()).contains(&part.len()),
            "part {number} has {} rows",
            part.len()
        );
        parts.extend(part);
    }
    parts.sort();
    assert_eq!(parts, whole);
}

/// Long: how many parts it takes depends on which of its operators asks for memory first.
#[test]
fn activity_rows_beyond_the_memory_limit_are_computed_in_parts() {
    if std::env::var("OFFGRIDFLOW_TEST_LONG").is_err() {
        return;
    }
    let figures =
        format!("select method, scope, count(*), sum(co2e_kg), sum(energy_kwh) from {FIGURES} group by 1, 2");
    let (small, large) = (meters(24_000, "128MiB"), meters(24_000, "1GiB"));
    let small = small.env("OFFGRIDFLOW_LOG", "offgridflow=debug");
    let select = ["run", "--select", "+estimate.activity_emissions"];
    small
        .call(&select)
        .expect(0)
        .says("estimate.activity_emissions\" part=1 of=");
    large.call(&select).expect(0);
    let sorted = |project: &Project| {
        let mut rows = project.rows(&figures);
        rows.sort();
        rows
    };
    assert_eq!(sorted(&small), sorted(&large));
}
