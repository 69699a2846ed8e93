use std::sync::Arc;

use datafusion::arrow::array::{
    Decimal128Array, DictionaryArray, Float64Array, Int32Array, TimestampMicrosecondArray,
};

use super::*;
use crate::config::SourceKind;
use crate::land::contract::Contract;

/// 2026-09-01 in microseconds.
const START: i64 = 1_788_220_800_000_000;

const HEADERS: [&str; 6] = [
    "BilledCost",
    "ChargePeriodStart",
    "BillingCurrency",
    "ProviderName",
    "BillingAccountId",
    "SubAccountId",
];

fn checks() -> Checks {
    let headers = [&HEADERS[..], &["ChargeCategory"]]
        .concat()
        .iter()
        .map(|h| h.to_string())
        .collect::<Vec<_>>();
    Checks::new(&Contract::of(SourceKind::Focus), &headers, None, None).unwrap()
}

fn texts(cells: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(cells.to_vec()))
}

fn coded(cells: &[Option<&str>]) -> ArrayRef {
    Arc::new(cells.iter().copied().collect::<DictionaryArray<Int32Type>>())
}

fn columns(make: impl Fn(&[Option<&str>]) -> ArrayRef) -> Vec<ArrayRef> {
    vec![
        Arc::new(Float64Array::from(vec![1.5, -2.0, 0.0])),
        Arc::new(TimestampMicrosecondArray::from(vec![START, START + 1, START + 2]).with_timezone("UTC")),
        make(&[Some("USD"), Some("EUR"), Some("USD")]),
        make(&[Some("AWS"), Some("Microsoft"), Some("AWS")]),
        make(&[Some("1"), Some("2"), Some("1")]),
        make(&[Some("a"), None, Some("b")]),
        make(&[Some("Usage"), Some("Tax"), Some("Usage")]),
    ]
}

fn fields(columns: &[ArrayRef]) -> Vec<Field> {
    let text = |data_type: &DataType| match data_type {
        DataType::Dictionary(..) => DataType::Utf8,
        other => other.clone(),
    };
    columns
        .iter()
        .map(|column| Field::new("", text(column.data_type()), true))
        .collect()
}

fn clean(columns: &[ArrayRef]) -> bool {
    let checks = checks();
    can_be_clean(&checks, &fields(columns)) && is_clean(&checks, |index| &columns[index])
}

#[test]
fn codes_and_texts_have_the_same_bills() {
    let period: Period = "2025-01".parse().unwrap();
    let bills = [columns(texts), columns(coded)].map(|columns| {
        assert!(clean(&columns));
        let mut checks = checks();
        note_bills(&mut checks, |index| &columns[index], 3, period);
        checks.bills()
    });
    assert_eq!(bills[0], bills[1]);
    // Only Microsoft bills accounts below the billing account apart.
    assert_eq!(bills[0].len(), 2);
}

#[test]
fn one_cell_is_enough_to_look_at_every_row() {
    for make in [texts, coded] {
        for (index, column) in [
            (
                0,
                Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1.0])) as ArrayRef,
            ),
            (0, Arc::new(Float64Array::from(vec![1.0, 1e12, 1.0]))),
            (0, Arc::new(Float64Array::from(vec![Some(1.0), None, None]))),
            (
                1,
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, None]).with_timezone("UTC")),
            ),
            (1, texts(&[Some("2025-01-01"); 3])),
            (2, make(&[Some("USD"), None, Some("USD")])),
            (2, make(&[Some("USD"), Some("???"), Some("USD")])),
            (3, Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ] {
            let mut columns = columns(make);
            columns[index] = column;
            assert!(!clean(&columns), "{index}: {:?}", columns[index]);
        }
    }
}

#[test]
fn decimals_are_numbers_of_their_scale() {
    let with = |value: i128, precision: u8, scale: i8| {
        let mut columns = columns(coded);
        let decimals = Decimal128Array::from(vec![value, 0, 1]);
        columns[0] = Arc::new(decimals.with_precision_and_scale(precision, scale).unwrap());
        clean(&columns)
    };
    assert!(with(-99_999_999_999, 38, 0));
    assert!(!with(100_000_000_000, 38, 0));
    assert!(with(123_456, 18, 6));
    assert!(with(10i128.pow(25), 38, 15));
    assert!(!with(10i128.pow(26), 38, 15));
    assert!(!with(1, 38, 16), "finer than quantities are kept");
}
