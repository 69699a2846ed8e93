use super::*;

#[tokio::test]
async fn a_legacy_report_delivers_its_newest_assembly_per_period() {
    let period = "billing/cur/20260901-20261001";
    let first = format!("{period}/{RUN_1}/cur-1.csv.gz");
    let second = [
        format!("/{period}/{RUN_2}/cur-1.csv.gz"),
        format!("/{period}/{RUN_2}/cur-2.csv.gz"),
    ];
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    let start = "20260901T000000.000Z";
    let bucket = Bucket::new()
        .data(&format!("{period}/{RUN_1}/cur-1.csv.gz"))
        .data(&format!("{period}/{RUN_1}/cur-2.csv.gz"))
        .legacy(
            &format!("{period}/{RUN_1}/cur-Manifest.json"),
            RUN_1,
            start,
            &[&first],
        )
        .data(&format!("{period}/{RUN_2}/cur-1.csv.gz"))
        .data(&format!("{period}/{RUN_2}/cur-2.csv.gz"))
        .legacy(&format!("{period}/cur-Manifest.json"), RUN_2, start, &second)
        // Younger than the one above it, but not at the top.
        .legacy(
            &format!("{period}/{RUN_1}/cur-Manifest.json"),
            RUN_1,
            start,
            &[&first],
        );
    let expected = |export: &str, above: &str| {
        vec![format!(
            "{export} 2026-09: {above}20260901-20261001/{RUN_2}/cur-1.csv.gz {above}20260901-20261001/{RUN_2}/cur-2.csv.gz"
        )]
    };
    assert_eq!(
        clean(&bucket.discover("").await),
        expected("billing/cur", "billing/cur/")
    );
    assert_eq!(clean(&bucket.discover("billing").await), expected("cur", "cur/"));
    assert_eq!(clean(&bucket.discover("billing/cur").await), expected("cur", ""));
    let found = bucket.discover("billing").await;
    assert!(found.warnings.is_empty() && found.deliveries[0].warnings.is_empty());
    assert!(
        found.deliveries[0].manifests[0]
            .object
            .key
            .ends_with("20260901-20261001/cur-Manifest.json")
    );
}

#[tokio::test]
async fn without_a_top_level_manifest_the_newest_counts() {
    let period = "cur/20260901-20261001";
    let mut bucket = Bucket::new();
    for run in [RUN_2, RUN_1] {
        let key = format!("{period}/{run}/cur-1.csv.gz");
        bucket = bucket.data(&key).legacy(
            &format!("{period}/{run}/cur-Manifest.json"),
            run,
            "20260901T000000.000Z",
            &[&key],
        );
    }
    assert_eq!(
        clean(&bucket.discover("").await),
        [format!("cur 2026-09: {period}/{RUN_1}/cur-1.csv.gz")]
    );
}

#[tokio::test]
async fn the_manifest_knows_the_period_better_than_the_folder_of_dates() {
    let key = "20231201-20240131/cur-1.csv.zip";
    let bucket = Bucket::new().data(key).legacy(
        "20231201-20240131/cur-Manifest.json",
        "",
        "20240101T000000.000Z",
        &[key],
    );
    assert_eq!(clean(&bucket.discover("").await), [format!("cur 2024-01: {key}")]);
}

#[tokio::test]
async fn a_data_export_delivers_what_its_manifest_lists() {
    let data = "p/exp/data/BILLING_PERIOD=2026-01";
    let metadata = "p/exp/metadata/BILLING_PERIOD=2026-01";
    let bucket = Bucket::new()
        .data(&format!("{data}/exp-00001.snappy.parquet"))
        .data(&format!("{data}/exp-00002.snappy.parquet"))
        .export(
            &format!("{metadata}/exp-Manifest.json"),
            "e1",
            &[&format!("s3://bucket/{data}/exp-00001.snappy.parquet")],
        );
    let found = bucket.discover("p").await;
    assert_eq!(
        clean(&found),
        ["exp 2026-01: exp/data/BILLING_PERIOD=2026-01/exp-00001.snappy.parquet"]
    );
    let file = &found.deliveries[0].files[0];
    assert_eq!(
        (file.format, file.compression),
        (Format::Parquet, Compression::None)
    );
    assert!(
        file.uri.starts_with("file:///")
            && file
                .uri
                .ends_with("/p/exp/data/BILLING_PERIOD=2026-01/exp-00001.snappy.parquet")
    );
    // The source may be the export itself: then its own name is taken.
    assert_eq!(
        clean(&bucket.discover("p/exp").await),
        ["exp 2026-01: data/BILLING_PERIOD=2026-01/exp-00001.snappy.parquet"]
    );
}

#[tokio::test]
async fn data_export_executions_lie_in_folders_of_their_own() {
    let mut bucket = Bucket::new();
    for (run, time) in [(RUN_1, "20260115T010203Z"), (RUN_2, "20260116T010203Z")] {
        let key = format!("exp/data/BILLING_PERIOD=2026-01/{time}-{run}/exp-00001.csv.gz");
        let manifest = format!("exp/metadata/BILLING_PERIOD=2026-01/{time}-{run}/exp-Manifest.json");
        bucket = bucket
            .data(&key)
            .export(&manifest, run, &[&format!("s3://elsewhere/other/{key}")]);
    }
    let expected =
        format!("exp 2026-01: exp/data/BILLING_PERIOD=2026-01/20260116T010203Z-{RUN_2}/exp-00001.csv.gz");
    // The keys name another prefix: files are found in the data folder by the end of the key.
    assert_eq!(clean(&bucket.discover("").await), [expected]);
}

#[tokio::test]
async fn no_older_execution_stands_in_for_a_newer_one_that_cannot_be_read() {
    let of = |half: &str, time: &str| format!("exp/{half}/BILLING_PERIOD=2026-01/{time}-{RUN_1}");
    let mut bucket = Bucket::new();
    for time in ["20260115T010203Z", "20260116T010203Z"] {
        let key = format!("{}/exp-00001.csv.gz", of("data", time));
        let manifest = format!("{}/exp-Manifest.json", of("metadata", time));
        bucket = bucket
            .data(&key)
            .export(&manifest, RUN_1, &[&format!("s3://bucket/{key}")]);
    }
    let newest = of("data", "20260116T010203Z");
    std::fs::remove_file(bucket.folder.path().join(format!("{newest}/exp-00001.csv.gz"))).unwrap();
    for kind in [SourceKind::AwsCur2, SourceKind::Focus] {
        let found = bucket.discover_as("", kind).await;
        assert!(found.deliveries.is_empty(), "{:?}", shown(&found));
        assert!(failure(&found).to_string().contains("exp-00001.csv.gz"));
    }
    let newest = of("metadata", "20260116T010203Z");
    let bucket = bucket.put(&format!("{newest}/exp-Manifest.json"), "{");
    for kind in [SourceKind::AwsCur2, SourceKind::Focus] {
        let found = bucket.discover_as("", kind).await;
        assert!(found.deliveries.is_empty(), "{:?}", shown(&found));
        assert!(failure(&found).to_string().contains("a manifest cannot be read"));
    }
}

#[tokio::test]
async fn a_manifest_without_a_list_means_its_data_folder() {
    let bucket = Bucket::new()
        .data("exp/data/BILLING_PERIOD=2026-01/a.csv.gz")
        .data("exp/data/BILLING_PERIOD=2026-01/b.csv.gz")
        .put(
            "exp/metadata/BILLING_PERIOD=2026-01/exp-Manifest.json",
            r#"{"executionId":"e1"}"#,
        );
    let found = bucket.discover("").await;
    assert_eq!(
        clean(&found),
        ["exp 2026-01: exp/data/BILLING_PERIOD=2026-01/a.csv.gz exp/data/BILLING_PERIOD=2026-01/b.csv.gz"]
    );
    assert!(found.deliveries[0].warnings[0].contains("lists no files"));
    // One whose list is empty says that the month is.
    let bucket = bucket.put(
        "exp/metadata/BILLING_PERIOD=2026-01/exp-Manifest.json",
        r#"{"executionId":"e2","dataFiles":[]}"#,
    );
    let found = bucket.discover("").await;
    assert!(found.deliveries[0].files.is_empty());
    assert!(
        found.deliveries[0].warnings[0].contains("its period is empty"),
        "{:?}",
        shown(&found)
    );
}

#[tokio::test]
async fn athena_files_lie_by_year_and_month() {
    let key = "r/r/year=2026/month=9/r-00001.snappy.parquet";
    let bucket = Bucket::new()
        .data(key)
        .data("r/r/year=2026/month=9/r-00002.snappy.parquet")
        .legacy(
            "r/20260901-20261001/r-Manifest.json",
            "a1",
            "20260901T000000.000Z",
            &[key],
        )
        .data("r/r/year=2026/month=8/r-00001.snappy.parquet");
    let found = bucket.discover("").await;
    // The second file of September is a leftover; August has no manifest.
    assert_eq!(
        clean(&found),
        [
            format!("r 2026-09: {key}"),
            "r/r 2026-08: r/r/year=2026/month=8/r-00001.snappy.parquet".into()
        ]
    );
}

#[tokio::test]
async fn azure_runs_replace_each_other() {
    let mut bucket = Bucket::new();
    for run in [RUN_1, RUN_2] {
        let folder = format!("root/costs/20260901-20260930/{run}");
        let blobs = serde_json::json!({"blobCount": 1, "blobs": [{"blobName": format!("{folder}/part_0_0001.csv.gz")}]});
        bucket = bucket
            .data(&format!("{folder}/part_0_0001.csv.gz"))
            .put(&format!("{folder}/manifest.json"), &blobs.to_string());
    }
    let expected = format!("root/costs 2026-09: root/costs/20260901-20260930/{RUN_2}/part_0_0001.csv.gz");
    assert_eq!(
        clean(&bucket.discover_as("", SourceKind::Focus).await),
        [expected]
    );
    let found = bucket.discover_as("root/costs", SourceKind::Focus).await;
    assert_eq!(found.deliveries[0].export, "costs");
}

#[tokio::test]
async fn an_empty_list_is_an_empty_period() {
    let bucket = Bucket::new()
        .put(
            "costs/20260901-20260930/manifest.json",
            r#"{"blobCount":0,"blobs":[]}"#,
        )
        .data("costs/20260901-20260930/part_0_0001.csv");
    assert_eq!(clean(&bucket.discover("").await), ["costs 2026-09: "]);
}

#[tokio::test]
async fn a_missing_file_fails_its_delivery_alone() {
    let good = "cur/20260901-20261001/cur-1.csv.gz";
    let bad = "cur/20261001-20261101";
    let bucket = Bucket::new()
        .data(good)
        .legacy(
            "cur/20260901-20261001/cur-Manifest.json",
            "a1",
            "20260901T000000.000Z",
            &[good],
        )
        .data(&format!("{bad}/cur-1.csv.gz"))
        .legacy(
            &format!("{bad}/cur-Manifest.json"),
            "a2",
            "20261001T000000.000Z",
            &[&format!("{bad}/cur-1.csv.gz"), &format!("{bad}/cur-2.csv.gz")],
        );
    let found = bucket.discover("").await;
    assert_eq!(shown(&found), [format!("cur 2026-09: {good}")]);
    let error = failure(&found);
    assert_eq!(error.blame(), Blame::External);
    assert!(
        error.to_string().contains("cur-2.csv.gz")
            && error.to_string().contains("20261001-20261101/cur-Manifest.json"),
        "{error}"
    );
}

#[tokio::test]
async fn another_assemblys_file_of_the_same_name_is_not_taken() {
    let period = "cur/20260901-20261001";
    let bucket = Bucket::new()
        .data(&format!("{period}/{RUN_1}/cur-1.csv.gz"))
        .legacy(
            &format!("{period}/cur-Manifest.json"),
            RUN_2,
            "20260901T000000.000Z",
            &[&format!("{period}/{RUN_2}/cur-1.csv.gz")],
        );
    let found = bucket.discover("").await;
    assert!(found.deliveries.is_empty());
    assert_eq!(failure(&found).blame(), Blame::External);
}

#[tokio::test]
async fn a_manifest_beside_a_stranger_does_not_hold_it_back() {
    let bucket = Bucket::new()
        .export(
            "mock-Manifest.json",
            "e1",
            &["s3://mock/data/BILLING_PERIOD=2024-09/mock-00001.csv.gz"],
        )
        .data("sample-cur20.csv");
    let found = bucket.discover_as("", SourceKind::AwsCur2).await;
    assert_eq!(shown(&found), ["sample-cur20.csv -: sample-cur20.csv"]);
    assert!(failure(&found).to_string().contains("mock-00001.csv.gz"));
}

#[tokio::test]
async fn a_copied_period_is_found_by_the_end_of_its_keys() {
    let period = "billing/cur/20260901-20261001";
    let bucket = Bucket::new().data(&format!("copy/{RUN_1}/cur-1.csv.gz")).legacy(
        "copy/cur-Manifest.json",
        RUN_1,
        "20260901T000000.000Z",
        &[&format!("/{period}/{RUN_1}/cur-1.csv.gz")],
    );
    assert_eq!(
        clean(&bucket.discover("").await),
        [format!("copy 2026-09: copy/{RUN_1}/cur-1.csv.gz")]
    );
    assert_eq!(
        clean(&bucket.discover("copy").await),
        [format!("cur 2026-09: {RUN_1}/cur-1.csv.gz")]
    );
}

#[tokio::test]
async fn a_broken_manifest_is_named_and_nothing_beside_it_is_landed() {
    for text in ["{", "[]", r#"{"reportKeys": 3}"#] {
        let bucket = Bucket::new()
            .data("cur/20260901-20261001/cur-1.csv.gz")
            .put("cur/20260901-20261001/cur-Manifest.json", text)
            .data("flat/cur-1.csv.gz")
            .data("other/cur-1.csv.gz");
        let found = bucket.discover("").await;
        assert_eq!(
            shown(&found),
            [
                "flat/cur-1.csv.gz -: flat/cur-1.csv.gz",
                "other/cur-1.csv.gz -: other/cur-1.csv.gz"
            ]
        );
        let error = failure(&found);
        assert_eq!(error.blame(), Blame::Data);
        assert!(error.to_string().contains("cur-Manifest.json"), "{error}");
        let found = bucket.put("flat/cur-Manifest.json", text).discover("").await;
        assert_eq!(shown(&found), ["other/cur-1.csv.gz -: other/cur-1.csv.gz"]);
    }
}

#[tokio::test]
async fn a_manifest_without_a_period_or_with_other_files_is_refused() {
    let no_period = Bucket::new()
        .data("a/x.csv")
        .legacy("a/cur-Manifest.json", "r", "", &["a/x.csv"])
        .discover("")
        .await;
    assert!(failure(&no_period).to_string().contains("billing period"));
    assert!(no_period.deliveries.is_empty());
    let key = "a/20260901-20261001/x.orc";
    let other = Bucket::new()
        .data(key)
        .legacy("a/20260901-20261001/cur-Manifest.json", "r", "", &[key])
        .discover("")
        .await;
    assert!(failure(&other).to_string().contains("x.orc"));
}

#[tokio::test]
async fn too_large_a_manifest_is_refused() {
    let bucket = Bucket::new().put(
        "a/20260901-20261001/cur-Manifest.json",
        &" ".repeat((16 << 20) + 1),
    );
    assert_eq!(failure(&bucket.discover("").await).blame(), Blame::Data);
}

#[tokio::test]
async fn a_manifest_names_files_whatever_their_names_begin_with() {
    let month = "cur/data/BILLING_PERIOD=2026-09";
    let named = [
        format!("{month}/...part-1.csv.csv"),
        format!("{month}/.parts/part-2.csv"),
    ];
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let bucket = Bucket::new()
        .data(named[0])
        .data(named[1])
        .data(&format!("{month}/.unfinished.csv"))
        .export(
            "cur/metadata/BILLING_PERIOD=2026-09/cur-Manifest.json",
            RUN_1,
            &named,
        );
    let found = bucket.discover("").await;
    assert_eq!(clean(&found), [format!("cur 2026-09: {} {}", named[0], named[1])]);
    let [left] = found.warnings.as_slice() else {
        panic!("{:?}", found.warnings);
    };
    assert!(
        left.contains("1 file is passed over") && left.contains(".unfinished.csv;"),
        "{left}"
    );
}
