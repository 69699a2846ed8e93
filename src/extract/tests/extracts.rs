use super::*;

const KIND: SourceKind = SourceKind::GcpBillingFiles;

#[tokio::test]
async fn the_files_of_a_folder_are_one_delivery() {
    let bucket = Bucket::new()
        .data("gcp/b.json.gz")
        .data("gcp/a.jsonl")
        .data("gcp/2026/09/01/c.ndjson")
        .data("gcp/dt=2026-09-02/d.json")
        .data("gcp/manifest.json")
        .data("gcp/detailed/x.parquet");
    let found = bucket.discover_as("gcp", KIND).await;
    assert_eq!(
        clean(&found),
        [
            "detailed -: detailed/x.parquet",
            "gcp -: 2026/09/01/c.ndjson a.jsonl b.json.gz dt=2026-09-02/d.json"
        ]
    );
    assert_eq!(found.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_period_folder_does_not_say_the_month_of_an_invoice() {
    let bucket = Bucket::new()
        .data("20260901-20261001/a.csv")
        .data("20261001-20261101/b.csv");
    let found = bucket.discover_as("", KIND).await;
    assert_eq!(found.deliveries.len(), 1);
    assert_eq!(
        (found.deliveries[0].period, found.deliveries[0].files.len()),
        (None, 2)
    );
}

#[tokio::test]
async fn two_formats_in_one_folder_are_refused_by_name() {
    let bucket = Bucket::new().data("a.csv").data("b.json").data("other/c.json");
    let found = bucket.discover_as("", KIND).await;
    assert_eq!(shown(&found), ["other -: other/c.json"]);
    let error = failure(&found).to_string();
    assert!(error.contains("a.csv") && error.contains("b.json"), "{error}");
}

#[tokio::test]
async fn a_single_file_may_be_of_any_format() {
    let bucket = Bucket::new().data("x/a.json").data("x/a.xlsx").data("x/b.csv");
    assert_eq!(
        clean(&bucket.discover_as("x/a.json", KIND).await),
        ["a.json -: a.json"]
    );
    assert_eq!(
        failure(&bucket.discover_as("x/a.xlsx", KIND).await).blame(),
        Blame::Data
    );
    let passed_over = bucket.discover_as("x", SourceKind::Focus).await;
    assert_eq!(clean(&passed_over), ["b.csv -: b.csv"]);
}
