//! Tags and labels in every shape that bills write them, with the same result by each way of reading.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::parquet::arrow::ArrowWriter;

use crate::support::Project;
use crate::support::bills::{FOCUS_HEADER, focus_row};
use crate::support::project::{plain, source};

const CUR2: &str = "bill_payer_account_id,bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,\
line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,line_item_usage_type,line_item_usage_amount,\
line_item_currency_code,line_item_unblended_cost,product_region_code,product_instance_type,pricing_unit";

/// 2026-09-02 in microseconds.
const DAY: i64 = 1_788_307_200_000_000;

type Tags = [(&'static str, &'static str)];

/// Lines of an AWS bill: cost, the column `resource_tags` and the column `tags`.
const AWS_LINES: [(&str, &Tags, &Tags); 6] = [
    (
        "1",
        &[],
        &[
            ("resourceTags/team", "web"),
            ("accountTag/env", "prod"),
            ("costCategory/unit", "shop"),
        ],
    ),
    (
        "2",
        &[],
        &[("accountTag/team", "finance"), ("resourceTags/user:team", "data")],
    ),
    ("4", &[], &[("accountTag/team", "finance")]),
    (
        "8",
        &[
            ("user_team", "web"),
            ("user_Team", "Web"),
            ("aws:createdBy", "me"),
        ],
        &[("resourceTags/team", "data"), ("accountTag/env", "prod")],
    ),
    ("16", &[("user_Team", "Web")], &[]),
    ("32", &[("user_team", "first"), ("user:team", "second")], &[]),
];

fn tenant(sources: &str) -> Project {
    Project::acme(&format!("allocation_tags = [\"team\", \"env\"]\n{sources}"))
}

fn json(tags: &Tags) -> String {
    let members: Vec<String> = tags
        .iter()
        .map(|(key, value)| format!("\"{key}\":\"{value}\""))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn aws_csv() -> String {
    let lines = AWS_LINES.iter().map(|(cost, resource_tags, tags)| {
        format!(
            "999999999999,2026-09-01T00:00:00Z,111111111111,Usage,2026-09-02T00:00:00Z,2026-09-02T01:00:00Z,AmazonEC2,\
             BoxUsage:m5.xlarge,1,USD,{cost},us-east-1,m5.xlarge,Hrs,{},{}\n",
            quoted(&json(resource_tags)),
            quoted(&json(tags))
        )
    });
    format!("{CUR2},resource_tags,tags\n{}", lines.collect::<String>())
}

fn maps<'a>(rows: impl Iterator<Item = &'a Tags>) -> ArrayRef {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for tags in rows {
        for (key, value) in tags {
            maps.keys().append_value(key);
            maps.values().append_value(value);
        }
        maps.append(true).unwrap();
    }
    Arc::new(maps.finish())
}

/// Lists of objects with these members.
fn lists(members: [&str; 2], rows: &[&Tags]) -> ArrayRef {
    let entries = || rows.iter().flat_map(|tags| tags.iter());
    let keys: StringArray = entries().map(|(key, _)| Some(*key)).collect();
    let values: StringArray = entries().map(|(_, value)| Some(*value)).collect();
    let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
    let objects = StructArray::from(vec![
        (field(members[0]), Arc::new(keys) as ArrayRef),
        (field(members[1]), Arc::new(values) as ArrayRef),
    ]);
    Arc::new(ListArray::new(
        Arc::new(Field::new("element", objects.data_type().clone(), true)),
        OffsetBuffer::from_lengths(rows.iter().map(|tags| tags.len())),
        Arc::new(objects),
        None,
    ))
}

pub fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

pub fn texts(value: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from(vec![value; rows]))
}

pub fn times(rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![DAY; rows]).with_timezone("UTC"))
}

pub fn numbers(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn aws_parquet() -> Vec<u8> {
    let rows = AWS_LINES.len();
    parquet(vec![
        ("bill_payer_account_id", texts("999999999998", rows)),
        ("line_item_usage_account_id", texts("111111111111", rows)),
        ("line_item_line_item_type", texts("Usage", rows)),
        ("line_item_usage_start_date", times(rows)),
        ("line_item_usage_end_date", times(rows)),
        ("line_item_product_code", texts("AmazonEC2", rows)),
        ("line_item_usage_type", texts("BoxUsage:m5.xlarge", rows)),
        ("line_item_usage_amount", numbers(vec![1.0; rows])),
        ("line_item_currency_code", texts("USD", rows)),
        (
            "line_item_unblended_cost",
            numbers(AWS_LINES.iter().map(|(cost, ..)| cost.parse().unwrap())),
        ),
        ("product_region_code", texts("us-east-1", rows)),
        ("product_instance_type", texts("m5.xlarge", rows)),
        ("pricing_unit", texts("Hrs", rows)),
        ("resource_tags", maps(AWS_LINES.iter().map(|(_, tags, _)| *tags))),
        ("tags", maps(AWS_LINES.iter().map(|(_, _, tags)| *tags))),
    ])
}

/// The cost by source and tag, out of the rollup and out of the lines.
fn by_tag(project: &Project, tag: &str) -> Vec<Vec<String>> {
    let of = |table: &str, value: &str| {
        let sql = format!(
            "select source, {value}, sum(billed_cost), count(*) > 0 from {table} group by 1, 2 order by 1, 2 nulls last"
        );
        let mut rows = project.rows(&sql);
        rows.iter_mut().for_each(|row| row[2] = plain(&row[2]));
        rows
    };
    let rolled_up = of("rollup.usage_daily", &format!("tag_{tag}"));
    assert_eq!(rolled_up, of("normalize.usage", &format!("tags['{tag}']")));
    rolled_up.into_iter().map(|row| row[..3].to_vec()).collect()
}

#[test]
fn aws_tags_are_one_map_out_of_both_columns_in_csv_and_parquet() {
    let sources = source("csv", "aws_cur2", "csv") + &source("parquet", "aws_cur2", "parquet");
    let project = tenant(&sources);
    project.write("csv/data/BILLING_PERIOD=2026-09/a.csv", aws_csv());
    project.write("parquet/data/BILLING_PERIOD=2026-09/a.parquet", aws_parquet());
    project.run().expect(0);
    for source in ["csv", "parquet"] {
        let tags = project.rows(&format!(
            "select cast(cast(billed_cost as int) as varchar) as cost, array_to_string(map_keys(tags), ' '), \
             array_to_string(map_values(tags), ' ') from normalize.usage where source = '{source}' order by billed_cost"
        ));
        let wanted = [
            ["1", "costCategory/unit env team", "shop prod web"],
            ["2", "team", "data"],
            ["4", "team", "finance"],
            ["8", "Team aws:createdBy env team", "Web me prod web"],
            ["16", "Team", "Web"],
            ["32", "team", "first"],
        ];
        assert_eq!(tags, wanted, "{source}");
    }
    let of = |source: &str, rows: &[(&str, &str)]| -> Vec<Vec<String>> {
        rows.iter()
            .map(|(tag, cost)| vec![source.to_string(), (*tag).to_string(), (*cost).to_string()])
            .collect()
    };
    let teams = [
        ("data", "2"),
        ("finance", "4"),
        ("first", "32"),
        ("web", "9"),
        ("", "16"),
    ];
    assert_eq!(
        by_tag(&project, "team"),
        [of("csv", &teams), of("parquet", &teams)].concat()
    );
    let environments = [("prod", "9"), ("", "54")];
    assert_eq!(
        by_tag(&project, "env"),
        [of("csv", &environments), of("parquet", &environments)].concat()
    );
}

/// Google's own FOCUS table: labels and machines are lists of structs, and there are no Tags.
fn google(members: [&str; 2]) -> Vec<u8> {
    let labels: [&Tags; 3] = [&[("team", "web")], &[], &[]];
    let project_labels: [&Tags; 3] = [&[("team", "platform")], &[("team", "platform")], &[]];
    let tags: [&Tags; 3] = [&[("env", "prod")], &[("team", "tagged")], &[]];
    let system: [&Tags; 3] = [
        &[
            ("compute.googleapis.com/machine_spec", "n2-standard-4"),
            ("compute.googleapis.com/cores", "4"),
        ],
        &[],
        &[],
    ];
    parquet(vec![
        ("BilledCost", numbers([1.5, 2.0, 0.5])),
        ("BillingAccountId", texts("billing-1", 3)),
        ("SubAccountId", texts("project-1", 3)),
        ("BillingCurrency", texts("eur", 3)),
        ("ChargeCategory", texts("Usage", 3)),
        (
            "ChargeDescription",
            texts("N2 Instance Core running in Frankfurt", 3),
        ),
        ("ChargePeriodStart", times(3)),
        ("ChargePeriodEnd", times(3)),
        ("ConsumedQuantity", numbers([8.0, 0.0, 0.0])),
        ("ConsumedUnit", texts("Hours", 3)),
        ("ProviderName", texts("Google Cloud", 3)),
        ("RegionId", texts("europe-west3", 3)),
        ("ServiceName", texts("Compute Engine", 3)),
        ("x_Labels", lists(members, &labels)),
        ("x_ProjectLabels", lists(members, &project_labels)),
        ("x_Tags", lists(members, &tags)),
        ("x_SystemLabels", lists(members, &system)),
    ])
}

#[test]
fn googles_labels_are_tags_and_its_system_labels_name_the_machine() {
    let project = tenant(&source("gcp", "focus", "gcp"));
    project.write(
        "gcp/billing_period=2026-09/shard-0.parquet",
        google(["Key", "Value"]),
    );
    project.run().expect(0);
    let cost = |tag: &str| {
        let rows = by_tag(&project, tag);
        rows.into_iter()
            .map(|row| (row[1].clone(), row[2].clone()))
            .collect::<Vec<_>>()
    };
    let pair = |tag: &str, cost: &str| (tag.to_string(), cost.to_string());
    assert_eq!(
        cost("team"),
        [pair("platform", "2"), pair("web", "1.5"), pair("", "0.5")]
    );
    assert_eq!(cost("env"), [pair("prod", "1.5"), pair("", "2.5")]);
    let machine = "select instance_type, vcpus, usage_unit, billing_currency from normalize.usage where tags['env'] = 'prod'";
    assert_eq!(
        project.rows(machine),
        [["n2-standard-4", "4.0", "vcpu_hour", "EUR"]]
    );
    let components = "select string_agg(component, ' ' order by component) from estimate.cloud_emissions where it_kwh <> 0";
    assert_eq!(project.value(components), "compute memory");
}

#[test]
fn a_list_of_pairs_and_an_object_of_tags_are_told_apart() {
    let project = tenant(&source("saas", "focus", "saas"));
    let shapes = [
        ("1", r#"{"key": "team", "value": "web"}"#),
        ("2", r#"[{"key": "team", "value": "web"}]"#),
        (
            "4",
            r#"[{"Key": "team", "Value": "web"}, {"Key": "key", "Value": "a"}]"#,
        ),
        ("8", r#"{"team": "data", "team": "late"}"#),
        ("16", r#""Team": "web","env": "prod""#),
    ];
    let rows = shapes.map(|(cost, tags)| {
        let row = focus_row("2026-09", "2026-09-02", "a", "", "1", cost);
        format!("{row},{}\n", quoted(tags))
    });
    project.write(
        "saas/focus.csv",
        format!("{FOCUS_HEADER},Tags\n{}", rows.concat()),
    );
    project.run().expect(0);
    let teams = by_tag(&project, "team");
    let teams: Vec<_> = teams
        .iter()
        .map(|row| (row[1].as_str(), row[2].as_str()))
        .collect();
    assert_eq!(teams, [("data", "8"), ("web", "6"), ("", "17")]);
    let named = "select tags['key'], tags['value'] from normalize.usage where billed_cost = 1";
    assert_eq!(project.rows(named), [["team", "web"]]);
}

/// Lines of a FOCUS bill in Parquet, with tags of any type.
fn tagged(costs: &[f64], tags: ArrayRef) -> Vec<u8> {
    let rows = costs.len();
    parquet(vec![
        ("BilledCost", numbers(costs.iter().copied())),
        ("BillingAccountId", texts("billing-1", rows)),
        ("BillingCurrency", texts("EUR", rows)),
        ("ChargeCategory", texts("Usage", rows)),
        ("ChargePeriodStart", times(rows)),
        ("ProviderName", texts("AWS", rows)),
        ("Tags", tags),
    ])
}

#[test]
fn other_shapes_are_read_and_what_cannot_be_read_is_told_once() {
    let project = tenant(&source("saas", "focus", "saas"));
    let shapes = [
        ("1", "team=web;env=prod"),
        ("2", "{team=web, env=prod}"),
        ("4", r#"[{"team": "web"}]"#),
        ("8", r#"[["team", "web"]]"#),
        ("16", "team:web"),
    ];
    let rows = shapes.map(|(cost, tags)| {
        let row = focus_row("2026-09", "2026-09-02", "a", "", "1", cost);
        format!("{row},{}\n", quoted(tags))
    });
    project.write(
        "saas/billing_period=2026-09/a.csv",
        format!("{FOCUS_HEADER},Tags\n{}", rows.concat()),
    );
    let unreadable = Arc::new(StringArray::from(vec!["team=web", "web", "team: web"]));
    project.write(
        "saas/billing_period=2026-09/b.parquet",
        tagged(&[32.0, 64.0, 128.0], unreadable),
    );
    let entries = maps([&[("team", "web")][..], &[("env", "prod")][..]].into_iter());
    let lists = ListArray::new(
        Arc::new(Field::new("element", entries.data_type().clone(), true)),
        OffsetBuffer::from_lengths([2]),
        entries,
        None,
    );
    project.write(
        "saas/billing_period=2026-09/c.parquet",
        tagged(&[256.0], Arc::new(lists)),
    );
    let report = project.report();
    let warnings = report["warnings"].as_array().unwrap().iter();
    let told: Vec<_> = warnings
        .filter_map(|w| w.as_str())
        .filter(|w| w.contains("tags cannot"))
        .collect();
    assert_eq!(
        told,
        [
            "acme/saas: tags cannot be read and count as none: `Tags` in 3 rows (`team:web`); JSON, key=value pairs and maps are read"
        ]
    );
    let cost = |tag: &str| {
        let rows = by_tag(&project, tag).into_iter();
        rows.map(|row| row[1..].join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(cost("team"), ["web 303", " 208"]);
    assert_eq!(cost("env"), ["prod 259", " 252"]);
}

#[test]
fn a_source_without_any_allocation_tag_is_warned_of_once_when_it_is_rolled_up() {
    let project = tenant(&(source("plain", "focus", "plain") + &source("tagged", "focus", "tagged")));
    let row = |account: &str| focus_row("2026-09", "2026-09-02", account, "", "1", "2");
    project.write("plain/a.csv", format!("{FOCUS_HEADER}\n{}\n", row("a")));
    project.write("plain/b.csv", format!("{FOCUS_HEADER}\n{}\n", row("b")));
    project.write(
        "tagged/a.csv",
        format!(
            "{FOCUS_HEADER},Tags\n{},{}\n",
            row("c").replace("billing-1", "billing-2"),
            quoted(r#"{"env": "prod"}"#)
        ),
    );
    let told = |report: &serde_json::Value| {
        let warnings = report["warnings"].as_array().unwrap().iter();
        let warnings = warnings
            .filter_map(|w| w.as_str())
            .filter(|w| w.contains("untagged"));
        warnings.map(str::to_string).collect::<Vec<_>>()
    };
    let warnings = told(&project.report());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("acme/plain: no line has a tag `env` or `team`"),
        "{warnings:?}"
    );
    assert_eq!(told(&project.report()), Vec::<String>::new());
}

#[test]
fn tags_may_be_named_key_and_value() {
    let project = Project::acme(&format!(
        "allocation_tags = [\"key\", \"value\"]\n{}",
        source("bills", "focus", "bills")
    ));
    let row = focus_row("2026-09", "2026-09-03", "sub-1", "", "2", "3");
    let tags = "\"{\"\"key\"\":\"\"y\"\",\"\"value\"\":\"\"x\"\"}\"";
    project.write("bills/f.csv", format!("{FOCUS_HEADER},Tags\n{row},{tags}\n"));
    project.run().expect(0);
    let split =
        "select tag_key, tag_value, cast(billed_cost as int) from publish.emissions_by_tag_month order by 1";
    assert_eq!(project.rows(split), [["key", "y", "3"], ["value", "x", "3"]]);
}

/// Values that together are larger than what the engine may hold, as a resource's id in a tag is: nothing that has a row for
/// each of them may be the side of a join that is held in memory.
#[test]
fn an_allocation_tag_may_have_a_value_for_every_line() {
    let project = Project::new(&format!(
        "[engine]\nmemory_limit = \"64MiB\"\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\nallocation_tags = [\"team\"]\n{}\
         [[tenant.mapping]]\nwhen = {{ billing_account_id = \"1\" }}\nset = {{ entity = \"ACME GmbH\" }}\n",
        source("bill", "focus", "bills")
    ));
    let mut csv = "ProviderName,BillingAccountId,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,\
         ServiceName,RegionId,BilledCost,EffectiveCost,ConsumedQuantity,ConsumedUnit,SkuMeter,x_UsageType,Tags\n"
        .to_string();
    let long = "x".repeat(3000);
    for line in 0..4000 {
        csv.push_str(&format!(
            "AWS,1,USD,2026-09-03T00:00:00Z,2026-09-03T01:00:00Z,Usage,Amazon Elastic Compute Cloud,us-east-1,0.5,0.5,1,\
             Hours,BoxUsage:m5.large,BoxUsage:m5.large,\"{{\"\"team\"\": \"\"{line}-{long}\"\"}}\"\n"
        ));
    }
    project.write("bills/bill.csv", csv);
    project.run().expect(0);
    assert_eq!(
        project.rows("select distinct entity from publish.inventory"),
        [["ACME GmbH"]]
    );
    assert_eq!(
        project.value("select count(distinct tag_value) from publish.emissions_by_tag_month"),
        "4000"
    );
}
