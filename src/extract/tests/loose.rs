use super::*;

#[tokio::test]
async fn period_folders_without_a_manifest_are_taken_with_a_warning() {
    let bucket = Bucket::new()
        .data("focus/data/BILLING_PERIOD=2026-01/region=eu/a.parquet")
        .data("focus/data/BILLING_PERIOD=2026-01/region=us/a.parquet")
        .data(&format!("cur/20260901-20261001/{RUN_2}/cur-1.csv.gz"))
        .data(&format!("cur/20260901-20261001/{RUN_1}/cur-1.csv.gz"))
        .data(&format!("costs/20260901-20260930/costs_{RUN_2}.csv"))
        .data(&format!("costs/20260901-20260930/costs_{RUN_1}.csv"));
    let found = bucket.discover("").await;
    assert_eq!(
        clean(&found),
        [
            format!("costs 2026-09: costs/20260901-20260930/costs_{RUN_1}.csv"),
            format!("cur 2026-09: cur/20260901-20261001/{RUN_1}/cur-1.csv.gz"),
            "focus 2026-01: focus/data/BILLING_PERIOD=2026-01/region=eu/a.parquet focus/data/BILLING_PERIOD=2026-01/region=us/a.parquet".into(),
        ]
    );
    assert!(
        found
            .deliveries
            .iter()
            .all(|delivery| delivery.warnings.len() == 1)
    );
    assert!(found.deliveries[1].warnings[0].contains("1 older run is left out"));
    assert_eq!(bucket.discover("cur").await.deliveries[0].export, "cur");
}

#[tokio::test]
async fn of_runs_that_file_names_tell_the_newest_counts() {
    for (names, counts) in [
        (
            &["focus_202609120400.csv", "focus_202609130400.csv"][..],
            &[1][..],
        ),
        (&["202609130400.csv", "202609120400.csv.gz"], &[0]),
        (
            &[
                "exp-20260912T040000Z_part1.csv",
                "exp-20260913T040000Z_part1.csv",
                "exp-20260913T040000Z_part2.csv",
            ],
            &[1, 2],
        ),
        // Numbers of parts, names of two exports, a file without a time: nothing is left out.
        (&["part-00000.csv", "part-00001.csv"], &[0, 1]),
        (&["2026-09-12-0001.csv", "2026-09-12-0002.csv"], &[0, 1]),
        (&["0001000000123456.csv.gz", "0001000000123457.csv.gz"], &[0, 1]),
        (&["a_202609120400.csv", "b_202609130400.csv"], &[0, 1]),
        (&["focus_202609120400.csv", "rest.csv"], &[0, 1]),
        (
            &[
                "20260912_040000_00012_abcde_5d1c.csv",
                "20260913_040000_00012_abcde_7f2a.csv",
            ],
            &[0, 1],
        ),
    ] {
        let key = |name: &&str| format!("exp/billing_period=2026-09/{name}");
        let bucket = names
            .iter()
            .fold(Bucket::new(), |bucket, name| bucket.data(&key(name)));
        let found = bucket.discover_as("", SourceKind::Focus).await;
        let mut expected: Vec<String> = counts.iter().map(|index| key(&names[*index])).collect();
        expected.sort();
        assert_eq!(
            clean(&found),
            [format!("exp 2026-09: {}", expected.join(" "))],
            "{names:?}"
        );
        let warned = found.deliveries[0].warnings.join(" ");
        assert_eq!(
            warned.contains("1 older run is left out"),
            counts.len() < names.len(),
            "{warned}"
        );
    }
}

#[tokio::test]
async fn files_that_differ_by_a_date_alone_add_up_with_a_warning() {
    let of = |names: [&str; 2]| {
        let key = |name: &str| format!("exp/billing_period=2026-09/{name}");
        Bucket::new().data(&key(names[0])).data(&key(names[1]))
    };
    for (names, warns) in [
        (["exp_20260910.csv", "exp_20260911.csv"], true),
        (["exp-2026-09-10.csv.gz", "exp-2026-09-11.csv.gz"], true),
        (["part-0.csv", "part-1.csv"], false),
        (["a-20260910.csv", "b-20260910.csv"], false),
    ] {
        let found = of(names).discover_as("", SourceKind::Focus).await;
        assert_eq!(found.deliveries[0].files.len(), 2, "{names:?}");
        let warned = found.deliveries[0].warnings.join(" ");
        assert_eq!(warned.contains("differ by a date alone"), warns, "{warned}");
    }
}

#[tokio::test]
async fn other_files_stand_alone() {
    let bucket = Bucket::new()
        .data("a.csv")
        .data("deep/B.CSV.GZ")
        .data("c.snappy.parquet")
        .data("_SUCCESS")
        .data(".hidden.csv")
        .data("deep/...odd.csv")
        .data("._a.csv")
        .data("bill.csv.csv")
        .data("export...csv.csv")
        .data("notes.md")
        .data("bill.xlsx")
        .data("deep/other.xlsx");
    let found = bucket.discover_as("", SourceKind::Focus).await;
    assert_eq!(
        clean(&found),
        [
            "a.csv -: a.csv",
            "bill.csv.csv -: bill.csv.csv",
            "c.snappy.parquet -: c.snappy.parquet",
            "deep/B.CSV.GZ -: deep/B.CSV.GZ",
            "export...csv.csv -: export...csv.csv"
        ]
    );
    let [unread, behind_dots] = found.warnings.as_slice() else {
        panic!("{:?}", found.warnings);
    };
    assert!(unread.contains("bill.xlsx"), "{unread}");
    assert!(
        behind_dots.contains("begins with a dot")
            && behind_dots.contains("2 files are passed over: .hidden.csv, deep/...odd.csv;"),
        "{behind_dots}"
    );
}

#[tokio::test]
async fn a_single_file_is_its_own_export() {
    let bucket = Bucket::new()
        .data("cur/20260901-20261001/cur-1.csv.gz")
        .data("x/.odd.csv")
        .data("x/bill.xlsx");
    assert_eq!(
        clean(&bucket.discover("cur/20260901-20261001/cur-1.csv.gz").await),
        ["cur-1.csv.gz -: cur-1.csv.gz"]
    );
    assert_eq!(
        clean(&bucket.discover("./x/../x/.odd.csv").await),
        [".odd.csv -: .odd.csv"]
    );
    assert_eq!(
        failure(&bucket.discover("x/bill.xlsx").await).blame(),
        Blame::Data
    );
}

#[tokio::test]
async fn activity_knows_no_manifests_or_periods() {
    let bucket = Bucket::new()
        .data("20260101-20260201/meters.csv")
        .put("x-Manifest.json", "{");
    assert_eq!(
        clean(&bucket.discover_as("", SourceKind::Activity).await),
        ["20260101-20260201/meters.csv -: 20260101-20260201/meters.csv"]
    );
}

#[tokio::test]
async fn an_empty_folder_warns_and_a_missing_one_fails() {
    let bucket = Bucket::new();
    assert_eq!(bucket.discover("").await.warnings.len(), 1);
    let location = Location::open("gone", bucket.folder.path(), &no_profile()).unwrap();
    let error = discover(&location, SourceKind::Focus).await.unwrap_err();
    assert_eq!(error.blame(), Blame::External);
    assert!(
        error.to_string().contains("gone") && error.hint_text().is_some(),
        "{error}"
    );
}

#[tokio::test]
async fn the_delivery_id_follows_the_content() {
    let bucket = Bucket::new().data("a.csv").data("b.csv");
    let ids = |found: &Discovery| -> Vec<String> {
        found
            .deliveries
            .iter()
            .map(|delivery| delivery.delivery_id.clone())
            .collect()
    };
    let before = ids(&bucket.discover("").await);
    assert_eq!(ids(&bucket.discover("").await), before);
    assert!(before[0].len() == 64 && before[0] != before[1]);
    let after = ids(&bucket.put("b.csv", "a,b\n1,3\n").discover("").await);
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
}

#[tokio::test]
async fn the_base_and_dots_of_a_url_are_resolved() {
    let bucket = Bucket::new().data("a b/x.csv");
    let base = bucket.folder.path().join("config");
    let open = |url: &str, base: &Path| Location::open(url, base, &no_profile()).unwrap();
    let absolute = bucket.folder.path().display();
    for url in [
        "../a b",
        "file://./../a%20b/",
        "file://../a b",
        &format!("file://{absolute}/a b"),
        &format!("{absolute}/./a b"),
    ] {
        let found = discover(&open(url, &base), SourceKind::Focus).await.unwrap();
        assert_eq!(shown(&found), ["x.csv -: x.csv"], "{url}");
    }
}

#[tokio::test]
async fn a_part_in_two_formats_is_refused() {
    let folder = "focus/billing_period=2026-09";
    let bucket = Bucket::new()
        .data(&format!("{folder}/bill-00001.csv.gz"))
        .data(&format!("{folder}/bill-00002.csv.gz"))
        .data("focus/billing_period=2026-10/bill-00001.csv.gz");
    assert_eq!(clean(&bucket.discover_as("", SourceKind::Focus).await).len(), 2);
    // The export was changed to Parquet, and what it wrote before still lies there.
    let bucket = bucket.data(&format!("{folder}/bill-00001.snappy.parquet"));
    let found = bucket.discover_as("", SourceKind::Focus).await;
    assert_eq!(
        shown(&found),
        ["focus 2026-10: focus/billing_period=2026-10/bill-00001.csv.gz"]
    );
    let error = failure(&found);
    let said = error.to_string();
    assert!(
        said.contains("one part of a bill lies there in two formats")
            && said.contains("bill-00001.csv.gz and focus/billing_period=2026-09/bill-00001.snappy.parquet"),
        "{said}"
    );
    assert_eq!(error.blame(), Blame::Data);
}

#[tokio::test]
async fn parts_of_two_formats_are_told() {
    let bucket = Bucket::new()
        .data("focus/billing_period=2026-09/a.csv")
        .data("focus/billing_period=2026-09/b.parquet");
    let found = bucket.discover_as("", SourceKind::Focus).await;
    assert_eq!(clean(&found).len(), 1);
    let warnings = &found.deliveries[0].warnings;
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("holds Parquet and text files")),
        "{warnings:?}"
    );
}
