//! A month of CUR 2.0 lines of any length.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::parquet::arrow::ArrowWriter;

/// Writes a bill of so many lines into a folder.
pub type Write = fn(&Path, u64);

pub const USAGE_TYPES: [(&str, &str, &str, &str); 4] = [
    ("AmazonEC2", "BoxUsage:m5.xlarge", "Hrs", "m5.xlarge"),
    ("AmazonEC2", "EBS:VolumeUsage.gp3", "GB-Mo", ""),
    ("AmazonS3", "TimedStorage-ByteHrs", "GB-Mo", ""),
    ("AWSDataTransfer", "DataTransfer-Out-Bytes", "GB", ""),
];
pub const TEAMS: [&str; 3] = ["web", "data", "search"];

/// A month of CUR 2.0 lines as CSV.
pub fn write_csv(folder: &Path, rows: u64) {
    let mut text = String::from(
        "bill_payer_account_id,line_item_usage_account_id,line_item_line_item_type,line_item_usage_start_date,\
         line_item_usage_end_date,line_item_product_code,line_item_usage_type,line_item_operation,line_item_usage_amount,\
         line_item_currency_code,line_item_unblended_cost,product_region_code,product_instance_type,pricing_unit,resource_tags\n",
    );
    for row in 0..rows {
        let (product, usage_type, unit, instance) = USAGE_TYPES[row as usize % USAGE_TYPES.len()];
        let (day, team) = (row % 28 + 1, TEAMS[row as usize % TEAMS.len()]);
        writeln!(
            text,
            "999999999999,{:012},Usage,2025-01-{day:02}T00:00:00.000Z,2025-01-{day:02}T01:00:00.000Z,{product},{usage_type},\
             Run,1.{row},USD,0.{row},us-east-1,{instance},{unit},\"{{\"\"user_team\"\":\"\"{team}\"\"}}\"",
            row % 7,
        )
        .unwrap();
    }
    std::fs::write(folder.join("bill.csv"), text).unwrap();
}

/// The same as Parquet, with the types AWS delivers.
pub fn write_parquet(folder: &Path, rows: u64) {
    let text = |value: &dyn Fn(u64) -> String| -> ArrayRef {
        Arc::new((0..rows).map(|r| Some(value(r))).collect::<StringArray>())
    };
    let kind = |index: u64| USAGE_TYPES[index as usize % USAGE_TYPES.len()];
    let number = |value: &dyn Fn(u64) -> f64| -> ArrayRef {
        Arc::new((0..rows).map(|r| Some(value(r))).collect::<Float64Array>())
    };
    let start = |row: u64| Some(1_735_689_600_000_000 + (row % 28) as i64 * 86_400_000_000);
    let time: ArrayRef = Arc::new((0..rows).map(start).collect::<TimestampMicrosecondArray>());
    let columns = vec![
        ("bill_payer_account_id", text(&|_| "999999999999".into())),
        ("line_item_usage_account_id", text(&|r| format!("{:012}", r % 7))),
        ("line_item_line_item_type", text(&|_| "Usage".into())),
        ("line_item_usage_start_date", time.clone()),
        ("line_item_usage_end_date", time),
        ("line_item_product_code", text(&|r| kind(r).0.into())),
        ("line_item_usage_type", text(&|r| kind(r).1.into())),
        ("line_item_operation", text(&|_| "Run".into())),
        (
            "line_item_usage_amount",
            number(&|r| 1.0 + (r % 1000) as f64 / 1000.0),
        ),
        ("line_item_currency_code", text(&|_| "USD".into())),
        (
            "line_item_unblended_cost",
            number(&|r| (r % 10_000) as f64 / 10_000.0),
        ),
        ("product_region_code", text(&|_| "us-east-1".into())),
        ("product_instance_type", text(&|r| kind(r).3.into())),
        ("pricing_unit", text(&|r| kind(r).2.into())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(folder.join("bill.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
