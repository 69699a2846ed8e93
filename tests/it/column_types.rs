//! One type per column, whatever the files of a kind say: every source lands, in any order, to the last digit.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Float32Array, Float64Array, Int64Array, ListBuilder, MapBuilder, NullArray,
    RecordBatch, StringArray, StringBuilder, StructBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion::parquet::arrow::ArrowWriter;

use crate::support::Project;
use crate::support::project::{plain, source};

/// 2026-09-01 and 2026-10-01 in microseconds.
const SEPTEMBER: i64 = 1_788_220_800_000_000;
const OCTOBER: i64 = 1_790_812_800_000_000;

/// A FOCUS file of one provider and account with these columns beside the required ones.
fn focus(provider: &str, start: i64, cost: ArrayRef, others: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let rows = cost.len();
    let same = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
    let mut columns = vec![
        ("BilledCost", cost.clone()),
        ("EffectiveCost", cost),
        ("ProviderName", same(provider)),
        ("BillingAccountId", same(provider)),
        (
            "BillingCurrency",
            same(if provider == "AWS" { "USD" } else { "EUR" }),
        ),
        ("ChargeCategory", same("Usage")),
        (
            "ChargePeriodStart",
            Arc::new(TimestampMicrosecondArray::from(vec![start; rows]).with_timezone("UTC")) as ArrayRef,
        ),
    ];
    columns.extend(others);
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(
        schema.clone(),
        columns.into_iter().map(|(_, column)| column).collect(),
    )
    .unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn decimals(digits: &[i128], scale: i8) -> ArrayRef {
    let column = Decimal128Array::from(digits.to_vec());
    Arc::new(column.with_precision_and_scale(38, scale).unwrap())
}

fn tags_of(entries: &[(&str, &str)]) -> ArrayRef {
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (key, value) in entries {
        tags.keys().append_value(key);
        tags.values().append_value(value);
        tags.append(true).unwrap();
    }
    Arc::new(tags.finish())
}

#[test]
fn doubles_of_one_provider_and_decimals_of_another_land_in_either_order_and_in_one_run() {
    // The second double has 26 fraction digits: 24 are kept, as everywhere for doubles.
    let aws = focus(
        "AWS",
        SEPTEMBER,
        Arc::new(Float64Array::from(vec![0.1, 1.2345678901234567e-10])),
        vec![("Tags", tags_of(&[("team", "data"), ("team", "data")]))],
    );
    let azure = focus(
        "Microsoft",
        SEPTEMBER,
        decimals(&[1_000_000_000_000_000_001, 2_500_000_000_000_000_000], 18),
        vec![(
            "Tags",
            Arc::new(StringArray::from(vec![Some("{\"team\":\"web\"}"), None])),
        )],
    );
    let expected = [
        ("EUR".to_string(), "3.500000000000000001".to_string(), 2),
        ("USD".to_string(), "0.100000000123456789012346".to_string(), 2),
    ];
    for order in [&["aws", "azure"][..], &["azure", "aws"], &["both"]] {
        let mut sources = "allocation_tags = [\"team\"]\n".to_string();
        let project = Project::acme(&sources);
        for (number, step) in order.iter().enumerate() {
            for (id, file) in [("aws", &aws), ("azure", &azure)] {
                if [id, "both"].contains(step) {
                    project.write(&format!("{id}/f.parquet"), file);
                    sources.push_str(&source(id, "focus", id));
                }
            }
            project.configure(&format!(
                "[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{sources}"
            ));
            // What comes first has only to be there.
            match number + 1 == order.len() {
                true => project.run().expect(0),
                false => project.land().expect(0),
            };
        }
        assert_eq!(project.billed(), expected, "{order:?}");
        let rollup = "select tag_team, sum(billed_cost), sum(effective_cost) from rollup.usage_daily group by 1 order by 2";
        let mut sums = project.rows(rollup);
        sums.iter_mut().flatten().for_each(|cell| *cell = plain(cell));
        assert_eq!(
            sums,
            [
                ["data", "0.100000000123456789012346", "0.100000000123456789012346"],
                ["web", "1.000000000000000001", "1.000000000000000001"],
                ["", "2.5", "2.5"],
            ],
            "{order:?}"
        );
        assert!(
            project.report()["models"]
                .as_array()
                .unwrap()
                .iter()
                .all(|m| m["partitions_built"] == 0)
        );
    }
}

#[test]
fn a_month_of_empty_columns_fits_the_month_with_values() {
    let nothing = || Arc::new(NullArray::new(1)) as ArrayRef;
    let august = focus(
        "AWS",
        SEPTEMBER,
        Arc::new(Float64Array::from(vec![1.0])),
        vec![
            ("Tags", nothing()),
            ("InvoiceId", nothing()),
            ("ListCost", nothing()),
            ("ChargePeriodEnd", nothing()),
        ],
    );
    let end = TimestampMicrosecondArray::from(vec![OCTOBER + 3_600_000_000]).with_timezone("UTC");
    let october = focus(
        "AWS",
        OCTOBER,
        Arc::new(Float64Array::from(vec![2.0])),
        vec![
            ("Tags", tags_of(&[("team", "web")])),
            ("InvoiceId", Arc::new(Int64Array::from(vec![4711]))),
            ("ListCost", Arc::new(Float64Array::from(vec![2.5]))),
            ("ChargePeriodEnd", Arc::new(end)),
        ],
    );
    let project = Project::acme(&format!(
        "allocation_tags = [\"team\"]\n{}",
        source("bills", "focus", "bills")
    ));
    project.write("bills/a.parquet", &august);
    project.write("bills/b.parquet", &october);
    project.land().expect(0);
    let read = "select period, billed_cost, list_cost, invoice_id, charge_period_end is null, tag_value(tags, 'team') \
                from normalize.usage order by 1";
    let rows: Vec<Vec<String>> = project
        .rows(read)
        .into_iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["2026-09", "1", "", "", "true", ""],
            ["2026-10", "2", "2.5", "4711", "false", "web"]
        ]
    );
}

#[test]
fn one_bad_row_takes_no_good_doubles_with_it_and_narrow_floats_cost_what_they_say() {
    let tiny = [Some(0.1), Some(1.2345678901234567e-10), None];
    let file = |costs: &[Option<f64>]| {
        focus(
            "AWS",
            SEPTEMBER,
            Arc::new(Float64Array::from(costs.to_vec())),
            Vec::new(),
        )
    };
    let files = [
        ("bare", "bare.parquet", file(&tiny[..2])),
        ("month", "data/BILLING_PERIOD=2026-09/f.parquet", file(&tiny[..2])),
        ("dirty", "dirty.parquet", file(&tiny)),
        (
            "dirty-month",
            "data/BILLING_PERIOD=2026-09/dirty.parquet",
            file(&tiny),
        ),
        (
            "narrow",
            "f.parquet",
            focus(
                "AWS",
                SEPTEMBER,
                Arc::new(Float32Array::from(vec![0.1, 2.5])),
                Vec::new(),
            ),
        ),
    ];
    // A tenant for each: one bill counts once.
    let tenants = files
        .iter()
        .map(|(id, ..)| {
            let bills = source("bills", "focus", id);
            format!("[[tenant]]\nid = \"{id}\"\nname = \"{id}\"\n{bills}")
        })
        .collect::<String>();
    let project = Project::new(&format!("[landing]\nmax_rejected = 1\n{tenants}"));
    for (id, path, file) in &files {
        project.write(&format!("{id}/{path}"), file);
    }
    project.land().expect(0);
    let costs = project.rows(
        "select tenant, sum(billed_cost), count(*) as lines, (select count(*) from system.quarantine as q where q.tenant = u.tenant) as rejected \
         from normalize.usage as u group by tenant order by tenant",
    );
    let costs: Vec<Vec<String>> = costs
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let doubles = "0.100000000123456789012346";
    assert_eq!(
        costs,
        [
            ["bare", doubles, "2", "0"],
            ["dirty", doubles, "2", "1"],
            ["dirty-month", doubles, "2", "1"],
            ["month", doubles, "2", "0"],
            ["narrow", "2.6", "2", "0"],
        ]
    );
}

#[test]
fn lists_of_keys_and_values_are_tags_in_both_spellings_and_delivered_columns_take_no_place_beside_another() {
    let project = Project::acme(&format!(
        "allocation_tags = [\"team\"]\n{}",
        source("bills", "focus", "bills")
    ));
    for (name, start, [key, value]) in [
        ("a", SEPTEMBER, ["Key", "Value"]),
        ("b", OCTOBER, ["key", "value"]),
    ] {
        let fields = Fields::from(vec![
            Field::new(key, DataType::Utf8, true),
            Field::new(value, DataType::Utf8, true),
        ]);
        let mut tags = ListBuilder::new(StructBuilder::from_fields(fields, 1));
        let pair = tags.values();
        pair.field_builder::<StringBuilder>(0)
            .unwrap()
            .append_value("team");
        pair.field_builder::<StringBuilder>(1)
            .unwrap()
            .append_value("web");
        pair.append(true);
        tags.append(true);
        let cost: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let others = vec![
            ("Tags", Arc::new(tags.finish()) as ArrayRef),
            ("BilledCost__text", text("100")),
            ("ChargePeriodStart__TEXT", text("2020-01-01")),
        ];
        project.write(
            &format!("bills/{name}.parquet"),
            focus("Google Cloud", start, cost, others),
        );
    }
    project.run().expect(0);
    let teams = "select period, tag_team, line_count, billed_cost = 1 from rollup.usage_daily order by 1";
    assert_eq!(
        project.rows(teams),
        [["2026-09", "web", "1", "true"], ["2026-10", "web", "1", "true"]]
    );
    assert_eq!(project.billed(), [("EUR".to_string(), "2".to_string(), 2)]);
    assert_eq!(
        project.rows("select distinct month from publish.coverage order by 1"),
        [["2026-09"], ["2026-10"]]
    );
}
