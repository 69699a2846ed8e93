//! Runs of Azure that hold a range of days.

use super::*;

/// A run with a manifest, begun at a time; its one file is `part_0_0001.csv`.
fn run(bucket: Bucket, range: &str, time: &str, more: &str) -> Bucket {
    let folder = format!("costs/{range}/{time}/{RUN_1}");
    let manifest = format!(
        r#"{{"blobCount":1,"blobs":[{{"blobName":"{folder}/part_0_0001.csv"}}],"exportConfig":{{"type":"ActualCost"}}{more}}}"#
    );
    bucket
        .data(&format!("{folder}/part_0_0001.csv"))
        .put(&format!("{folder}/manifest.json"), &manifest)
}

/// `period: range for days` of every delivery.
fn days(found: &Discovery) -> Vec<String> {
    let of = |file: &SourceFile| {
        let range = file.object.key.split('/').nth(1).unwrap_or_default();
        match &file.days {
            Some(days) if days.with_strays => format!("{range} for {} and others", days.names()),
            Some(days) => format!("{range} for {}", days.names()),
            None => format!("{range} whole"),
        }
    };
    let line = |delivery: &Delivery| {
        let files: Vec<String> = delivery.files.iter().map(of).collect();
        format!("{}: {}", delivery.period.unwrap(), files.join(", "))
    };
    assert!(found.failures.is_empty(), "{:?}", found.failures);
    found.deliveries.iter().map(line).collect()
}

fn said(found: &Discovery) -> String {
    let of_deliveries = found.deliveries.iter().flat_map(|delivery| &delivery.warnings);
    let all: Vec<&str> = found
        .warnings
        .iter()
        .chain(of_deliveries)
        .map(String::as_str)
        .collect();
    all.join("\n")
}

#[tokio::test]
async fn a_later_run_of_some_days_leaves_the_others() {
    for kind in [SourceKind::AzureCost, SourceKind::Focus] {
        let whole = run(Bucket::new(), "20260601-20260630", "202607010400", "");
        let alone = whole.discover_as("", kind).await;
        assert_eq!(days(&alone), ["2026-06: 20260601-20260630 whole"]);
        assert_eq!(said(&alone), "");
        let both = run(whole, "20260601-20260605", "202607150400", "");
        let found = both.discover_as("", kind).await;
        assert_eq!(
            days(&found),
            ["2026-06: 20260601-20260605 for 2026-06-01 to 2026-06-05, \
              20260601-20260630 for 2026-06-06 to 2026-06-30 and others"]
        );
        assert!(
            said(&found).contains("costs 2026-06 is put together from 2 runs"),
            "{}",
            said(&found)
        );
        assert_ne!(found.deliveries[0].delivery_id, alone.deliveries[0].delivery_id);
        assert_eq!(found.deliveries[0].manifests.len(), 2);
        // The next run of the whole month is all that counts again.
        let after = run(both, "20260601-20260630", "202607160400", "");
        let found = after.discover_as("", kind).await;
        assert_eq!(days(&found), ["2026-06: 20260601-20260630 whole"]);
        assert!(found.deliveries[0].files[0].object.key.contains("202607160400"));
    }
}

#[tokio::test]
async fn runs_of_several_months_give_each_its_days() {
    let bucket = run(Bucket::new(), "20260601-20260630", "202607010400", "");
    let bucket = run(bucket, "20260401-20260615", "202607020400", "");
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert_eq!(
        days(&found),
        [
            "2026-04: 20260401-20260615 for 2026-04-01 to 2026-04-30 and others",
            "2026-05: 20260401-20260615 for 2026-05-01 to 2026-05-31 and others",
            "2026-06: 20260401-20260615 for 2026-06-01 to 2026-06-15, \
             20260601-20260630 for 2026-06-16 to 2026-06-30 and others",
        ]
    );
    assert!(
        said(&found).contains("costs 2026-05: from a run of 2026-04-01 to 2026-06-15"),
        "{}",
        said(&found)
    );
}

#[tokio::test]
async fn rolling_windows_hold_each_day_once_and_missing_days_are_named() {
    let mut bucket = Bucket::new();
    for (range, time) in [
        ("20260628-20260704", "202607050400"),
        ("20260629-20260705", "202607060400"),
        ("20260702-20260708", "202607090400"),
        // All of its days were delivered again.
        ("20260630-20260705", "202607060300"),
    ] {
        bucket = run(bucket, range, time, "");
    }
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert_eq!(
        days(&found),
        [
            "2026-06: 20260628-20260704 for 2026-06-28, 20260629-20260705 for 2026-06-29 to 2026-06-30",
            "2026-07: 20260629-20260705 for 2026-07-01, 20260702-20260708 for 2026-07-02 to 2026-07-08",
        ]
    );
    let said = said(&found);
    assert!(
        said.contains("costs 2026-06: no run holds 2026-06-01 to 2026-06-27")
            && said.contains("costs 2026-07: no run holds 2026-07-09 to 2026-07-31"),
        "{said}"
    );
}

#[tokio::test]
async fn a_run_may_say_that_it_holds_fewer_days_than_its_folder_names() {
    let range = "20260601-20260630";
    let bucket = run(Bucket::new(), range, "202607010400", "");
    let narrow = r#","runInfo":{"startDate":"2026-06-01T00:00:00","endDate":"2026-06-05T00:00:00"}"#;
    let bucket = run(bucket, range, "202607150400", narrow);
    assert_eq!(
        days(&bucket.discover_as("", SourceKind::AzureCost).await),
        [format!(
            "2026-06: {range} for 2026-06-06 to 2026-06-30 and others, {range} for 2026-06-01 to 2026-06-05"
        )]
    );
    // A month to date that ends today is no part of a month that others could complete.
    let to_date = |day: &str| {
        format!(r#","runInfo":{{"startDate":"2026-06-01T00:00:00","endDate":"2026-06-{day}T00:00:00"}}"#)
    };
    let bucket = run(Bucket::new(), range, "202606040400", &to_date("04"));
    let bucket = run(bucket, range, "202606050400", &to_date("05"));
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert_eq!(days(&found), [format!("2026-06: {range} whole")]);
    assert!(found.deliveries[0].files[0].object.key.contains("202606050400"));
    assert_eq!(said(&found), "");
}

#[tokio::test]
async fn a_run_that_cannot_be_read_holds_up_the_months_of_its_days() {
    let bucket = run(Bucket::new(), "20260601-20260630", "202607010400", "");
    let bucket = run(bucket, "20260501-20260531", "202606010400", "");
    let bucket = run(bucket, "20260401-20260430", "202605010400", "");
    let bucket = run(bucket, "20260520-20260605", "202607150400", "");
    let part = format!("costs/20260520-20260605/202607150400/{RUN_1}/part_0_0001.csv");
    std::fs::remove_file(bucket.folder.path().join(&part)).unwrap();
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert!(failure(&found).to_string().contains("part_0_0001.csv"));
    assert_eq!(shown(&found).len(), 1, "{:?}", shown(&found));
    assert!(shown(&found)[0].starts_with("costs 2026-04"));

    let bucket = bucket.put(&part.replace("part_0_0001.csv", "manifest.json"), "{");
    for below in ["", "costs"] {
        let found = bucket.discover_as(below, SourceKind::AzureCost).await;
        assert!(failure(&found).to_string().contains("a manifest cannot be read"));
        assert_eq!(shown(&found).len(), 1, "{:?}", shown(&found));
    }
    // A later run of all its days makes it past.
    let bucket = run(bucket, "20260501-20260630", "202607160400", "");
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert_eq!(days(&found).len(), 3);
}

#[tokio::test]
async fn folders_without_a_manifest_are_laid_over_each_other_too() {
    let bucket = Bucket::new()
        .data(&format!("costs/20260601-20260605/202607150400/{RUN_1}/a.csv"))
        .data(&format!("costs/20260601-20260630/202607010400/{RUN_1}/a.csv"))
        .data(&format!("costs/20260601-20260630/202606300400/{RUN_2}/a.csv"));
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert_eq!(
        days(&found),
        ["2026-06: 20260601-20260605 for 2026-06-01 to 2026-06-05, \
          20260601-20260630 for 2026-06-06 to 2026-06-30 and others"]
    );
    let said_before = said(&found);
    assert!(
        said_before.contains(
            "no manifest speaks for costs 2026-06: its 2 files are taken as they are, 1 older run is left out"
        ),
        "{said_before}"
    );
    // Runs from before there were manifests count; one that is later than a manifest is not finished.
    let bucket = run(bucket, "20260601-20260615", "202607160400", "")
        .data(&format!("costs/20260610-20260616/202607170400/{RUN_1}/a.csv"));
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert_eq!(
        days(&found),
        ["2026-06: 20260601-20260615 for 2026-06-01 to 2026-06-15, \
          20260601-20260630 for 2026-06-16 to 2026-06-30 and others"]
    );
    let said = said(&found);
    assert!(
        said.contains("20260610-20260616/202607170400")
            && said.matches("it is left out as unfinished").count() == 1
            && said.contains("its file is taken as it is"),
        "{said}"
    );
}

#[tokio::test]
async fn months_of_other_providers_are_no_ranges() {
    let bucket = Bucket::new()
        .data("cur/20260901-20261001/cur-1.csv.gz")
        .data("cur/20260801-20260831/cur-1.csv.gz");
    for kind in [SourceKind::AwsCur, SourceKind::Focus] {
        assert_eq!(
            days(&bucket.discover_as("", kind).await),
            [
                "2026-08: 20260801-20260831 whole",
                "2026-09: 20260901-20261001 whole"
            ]
        );
    }
    let key = "cur/20260901-20261001/cur-1.csv.gz";
    let bucket = bucket.legacy(
        "cur/20260901-20261001/cur-Manifest.json",
        RUN_1,
        "20260901T000000.000Z",
        &[key],
    );
    let found = bucket.discover_as("cur", SourceKind::Focus).await;
    assert_eq!(
        clean(&found),
        [
            "cur 2026-08: 20260801-20260831/cur-1.csv.gz",
            "cur 2026-09: 20260901-20261001/cur-1.csv.gz"
        ]
    );
}

#[tokio::test]
async fn runs_of_another_type_of_cost_do_not_complete_each_other() {
    let bucket = run(Bucket::new(), "20260601-20260630", "202607010400", "");
    let folder = format!("costs/20260601-20260605/202607150400/{RUN_1}");
    let manifest = format!(
        r#"{{"blobCount":1,"blobs":[{{"blobName":"{folder}/a.csv"}}],"exportConfig":{{"type":"AmortizedCost"}}}}"#
    );
    let bucket = bucket
        .data(&format!("{folder}/a.csv"))
        .put(&format!("{folder}/manifest.json"), &manifest);
    let found = bucket.discover_as("", SourceKind::AzureCost).await;
    assert!(found.deliveries.is_empty());
    let error = failure(&found).to_string();
    assert!(
        error.contains("hold different costs") && error.contains("20260601-20260605"),
        "{error}"
    );
}

#[tokio::test]
async fn of_runs_of_one_minute_the_one_that_was_asked_for_last_counts() {
    let of = |bucket: Bucket, run: &str, submitted: &str| {
        let folder = format!("costs/20260601-20260630/202607010400/{run}");
        let manifest = format!(
            r#"{{"blobCount":1,"blobs":[{{"blobName":"{folder}/part.csv"}}],"runInfo":{{"submittedTime":"{submitted}"}}}}"#
        );
        bucket
            .data(&format!("{folder}/part.csv"))
            .put(&format!("{folder}/manifest.json"), &manifest)
    };
    let (early, late) = ("2026-07-01T04:00:07.1234567Z", "2026-07-01T04:00:41.1234567Z");
    let without_zone = |time: &'static str| time.trim_end_matches('Z');
    for (first, second, newest) in [
        (early, late, RUN_2),
        (late, early, RUN_1),
        (without_zone(late), without_zone(early), RUN_1),
    ] {
        let bucket = of(of(Bucket::new(), RUN_1, first), RUN_2, second);
        let found = bucket.discover_as("", SourceKind::AzureCost).await;
        assert_eq!(days(&found), ["2026-06: 20260601-20260630 whole"]);
        let key = &found.deliveries[0].files[0].object.key;
        assert!(key.contains(newest), "{key}");
    }
}
