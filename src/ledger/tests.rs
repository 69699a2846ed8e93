//! The ledger over files in temporary folders.

use std::path::Path;

use super::*;
use crate::error::Blame;

const URL: &str = "sqlite://./data/ledger.db";

async fn ledger(folder: &Path) -> Ledger {
    Ledger::open_current(URL, folder).await.unwrap()
}

fn key(period: &str) -> SliceKey {
    SliceKey {
        tenant: "acme".into(),
        source: "aws-main".into(),
        kind: "aws_cur2".into(),
        export: "cur2".into(),
        period: period.into(),
    }
}

#[tokio::test]
async fn secrets_of_earlier_versions_are_masked_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let noted = ledger(folder.path()).await;
    let messages = [
        "nothing is at s3://AKIA:planted@bucket/x",
        r#"{"errors": ["`az://box?sv=1&sig=planted` holds a `?`", "kept"]}"#,
    ];
    for (index, message) in messages.iter().enumerate() {
        sqlx::query("INSERT INTO run (run_id, verb, started_at, status, summary_json) VALUES (?, 'run', '2026', 'failed', ?)")
            .bind(index.to_string())
            .bind(message)
            .execute(&noted.pool)
            .await
            .unwrap();
    }
    // As a version before left it.
    sqlx::query("PRAGMA user_version = 0")
        .execute(&noted.pool)
        .await
        .unwrap();
    noted.close().await;

    let opened = ledger(folder.path()).await;
    let kept: Vec<String> = sqlx::query_scalar("SELECT summary_json FROM run ORDER BY run_id")
        .fetch_all(&opened.pool)
        .await
        .unwrap();
    assert_eq!(
        kept,
        [
            "nothing is at s3://***@bucket/x",
            r#"{"errors": ["`az://box?sv=1&sig=***` holds a `?`", "kept"]}"#
        ]
    );
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(7).any(|part| part == b"planted"),
            "{} still holds it",
            path.display()
        );
    }
}

#[tokio::test]
async fn the_schema_goes_up_and_down_and_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(URL, folder.path()).await.unwrap();
    let steps = ledger.status().await.unwrap();
    assert!(steps.iter().all(|step| step.applied_at.is_none()) && steps[0].description == "runs");
    assert_eq!(ledger.migrate().await.unwrap(), steps.len());
    assert_eq!(ledger.migrate().await.unwrap(), 0);
    assert!(
        ledger
            .status()
            .await
            .unwrap()
            .iter()
            .all(|step| step.applied_at.is_some())
    );

    let mut undone = Vec::new();
    while let Some(step) = ledger.rollback().await.unwrap() {
        undone.push(step.version);
    }
    assert_eq!(
        undone,
        steps.iter().rev().map(|step| step.version).collect::<Vec<_>>()
    );
    let left: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations'",
    )
    .fetch_one(&ledger.pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    assert!(
        ledger
            .runs(1)
            .await
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("db migrate")
    );

    assert_eq!(ledger.migrate().await.unwrap(), steps.len());
    ledger.close().await;
    assert!(folder.path().join("data/ledger.db").is_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_may_make_the_schema_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let mut openings = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let base = folder.path().to_path_buf();
            openings.spawn(async move { Ledger::open_current(URL, &base).await });
        }
        for opened in openings.join_all().await {
            let steps = opened.unwrap().status().await.unwrap();
            assert!(steps.iter().all(|step| step.applied_at.is_some()));
        }
    }
}

#[tokio::test]
async fn runs_start_end_and_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    for run_id in ["01AAA", "01BBB"] {
        let run = NewRun {
            run_id,
            verb: "run",
            pipeline: Some("daily"),
            method_version: Some("1"),
            ..NewRun::default()
        };
        ledger.begin_run(run).await.unwrap();
    }
    assert_eq!(ledger.interrupt_stale_runs("01BBB").await.unwrap(), ["01AAA"]);
    ledger
        .finish_run("01BBB", RunStatus::Failed, 3, Some("{}"))
        .await
        .unwrap();

    let last = ledger.run("last").await.unwrap();
    assert_eq!(
        (last.run_id.as_str(), last.status, last.exit_code),
        ("01BBB", RunStatus::Failed, Some(3))
    );
    assert_eq!(
        (last.pipeline.as_deref(), last.factor_set_version),
        (Some("daily"), None)
    );
    assert_eq!(ledger.run("01a").await.unwrap().status, RunStatus::Interrupted);
    assert_eq!(
        ledger.run("01").await.unwrap_err().to_string(),
        "several runs start with `01`"
    );
    let missing = ledger.run("02").await.unwrap_err();
    assert_eq!(
        (missing.blame(), missing.to_string().as_str()),
        (Blame::Usage, "there is no run `02`")
    );

    ledger
        .record_table_versions(
            "01BBB",
            &[("publish.coverage".into(), 4), ("raw.focus".into(), 2)],
        )
        .await
        .unwrap();
    assert_eq!(
        ledger.table_versions("01BBB").await.unwrap()["publish.coverage"],
        4
    );
}

#[tokio::test]
async fn slices_deliveries_and_bills_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    ledger
        .begin_run(NewRun {
            run_id: "01AAA",
            verb: "run",
            ..NewRun::default()
        })
        .await
        .unwrap();
    let mut slice = SliceRecord {
        run_id: "01AAA".into(),
        key: key("2026-01"),
        delivery_id: "one".into(),
        action: SliceAction::Failed,
        rows: 0,
        rejected: 7,
        error: Some("7 rows break the contract".into()),
    };
    let note = async |notes: SliceNotes| ledger.note_slice(&notes).await.unwrap();
    let nothing = || SliceNotes::of(key("2026-01"));
    note(SliceNotes {
        record: Some(slice.clone()),
        ..nothing()
    })
    .await;
    slice = SliceRecord {
        action: SliceAction::New,
        rows: 10,
        rejected: 0,
        error: None,
        ..slice
    };
    note(SliceNotes {
        record: Some(slice.clone()),
        ..nothing()
    })
    .await;
    assert_eq!(ledger.slices(Some("01AAA")).await.unwrap(), [slice]);

    assert_eq!(ledger.delivery_id(&key("2026-01")).await.unwrap(), None);
    for id in ["one", "two"] {
        note(SliceNotes {
            delivery_id: Some(Some(id.into())),
            ..nothing()
        })
        .await;
    }
    assert_eq!(
        ledger.deliveries("acme", "aws-main").await.unwrap(),
        [(key("2026-01"), "two".to_string())]
    );

    let pair = |account: &str| Bill {
        key: key("2026-01"),
        provider_name: "AWS".into(),
        billing_account_id: account.into(),
        sub_account_id: String::new(),
        cost_basis: String::new(),
    };
    for bills in [vec![pair("1"), pair("2"), pair("2")], vec![pair("3")]] {
        note(SliceNotes {
            contents: Some(SliceContents {
                bills,
                files: Vec::new(),
            }),
            ..nothing()
        })
        .await;
    }
    let bills = ledger.bills("acme").await.unwrap();
    assert_eq!(
        bills
            .iter()
            .map(|bill| bill.billing_account_id.as_str())
            .collect::<Vec<_>>(),
        ["3"]
    );

    let slices = ExportSlices {
        tenant: "acme".into(),
        source: "aws-main".into(),
        export: "cur2".into(),
        period: Some("2026-01".into()),
    };
    ledger.forget_deliveries(&slices).await.unwrap();
    ledger.forget_notes(&slices).await.unwrap();
    assert_eq!(
        (
            ledger.bills("acme").await.unwrap().len(),
            ledger.delivery_id(&key("2026-01")).await.unwrap()
        ),
        (0, None)
    );
}

#[tokio::test]
async fn an_export_that_is_gone_is_noted_once_and_may_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let held = SliceNotes {
        delivery_id: Some(Some("first".into())),
        ..SliceNotes::of(key("2026-01"))
    };
    ledger.note_slice(&held).await.unwrap();
    let see = async |names: &[&str], is_whole: bool, run: &str| {
        let exports = names.iter().map(|name| name.to_string()).collect();
        let seen = SourceListing {
            tenant: "acme",
            source: "aws-main",
            kind: "aws_cur2",
            exports: &exports,
            is_whole,
        };
        ledger.note_listing(&seen, run).await.unwrap();
        let known = ledger.listings("acme").await.unwrap();
        let line = |l: &Listed| {
            format!(
                "{} {}-{}{}",
                l.export,
                l.first_listed,
                l.gone_at
                    .as_deref()
                    .map(|run| format!("gone {run}"))
                    .unwrap_or_default(),
                if l.kept { " kept" } else { "" }
            )
        };
        known.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(see(&["new"], false, "1").await, ["new 1-"]);
    assert_eq!(see(&["new"], true, "2").await, ["cur2 -gone ", "new 1-"]);
    assert!(ledger.keep_export("acme", "aws-main", "cur2").await.unwrap());
    assert!(!ledger.keep_export("acme", "aws-main", "new").await.unwrap());
    assert_eq!(see(&[], true, "3").await, ["cur2 -gone  kept", "new 1-gone 3"]);
    assert_eq!(see(&["cur2"], true, "4").await, ["cur2 -", "new 1-gone 3"]);
}

#[tokio::test]
async fn fingerprints_are_set_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let fingerprint = |partition: &str, value: &str, version| Fingerprint {
        table_name: "publish.coverage".into(),
        partition_key: partition.into(),
        fingerprint: value.into(),
        run_id: "01AAA".into(),
        table_version: version,
    };
    ledger
        .set_fingerprints(&[
            fingerprint("month=2026-01", "a", 1),
            fingerprint("month=2026-02", "b", 1),
        ])
        .await
        .unwrap();
    ledger
        .set_fingerprints(&[fingerprint("month=2026-01", "c", 2)])
        .await
        .unwrap();
    ledger
        .drop_fingerprints("publish.coverage", &["month=2026-02".into()])
        .await
        .unwrap();
    let left = ledger.fingerprints("publish.coverage").await.unwrap();
    assert_eq!((left.len(), &left["month=2026-01"]), (1, &("c".to_string(), 2)));
    assert_eq!(
        ledger.all_fingerprints().await.unwrap(),
        [fingerprint("month=2026-01", "c", 2)]
    );
}

#[tokio::test]
async fn rejected_rows_are_kept_cut_and_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let row = |row_number, period: &str| QuarantineRow {
        run_id: "01AAA".into(),
        key: key(period),
        source_uri: "file:///bills/a.csv".into(),
        row_number,
        column_name: "BilledCost".into(),
        reason: "`1,5` is not a plain number".into(),
        raw_text: "ü".repeat(4000),
    };
    let note = async |period: &str, rows: Vec<QuarantineRow>, kept: &[&str]| {
        let notes = SliceNotes {
            quarantine: Some(RejectedRows {
                rows,
                kept_files: kept.iter().map(|file| file.to_string()).collect(),
                is_refused: false,
                keeps_refused: false,
            }),
            ..SliceNotes::of(key(period))
        };
        ledger.note_slice(&notes).await.unwrap();
    };
    note("2026-01", vec![row(9, "2026-01"), row(2, "2026-01")], &[]).await;
    note("2026-02", vec![row(1, "2026-02")], &[]).await;
    let filter = QuarantineFilter {
        period: Some("2026-01".into()),
        ..QuarantineFilter::default()
    };
    let found = ledger.quarantine(&filter).await.unwrap();
    assert_eq!(found.iter().map(|row| row.row_number).collect::<Vec<_>>(), [2, 9]);
    assert_eq!(found[0].raw_text.len(), 4096);
    let limited = QuarantineFilter {
        limit: Some(1),
        tenant: Some("acme".into()),
        ..QuarantineFilter::default()
    };
    assert_eq!(ledger.quarantine(&limited).await.unwrap().len(), 1);
    note("2026-01", Vec::new(), &["file:///bills/a.csv"]).await;
    assert_eq!(
        ledger
            .quarantine(&QuarantineFilter::default())
            .await
            .unwrap()
            .len(),
        3
    );
    note("2026-01", Vec::new(), &[]).await;
    assert_eq!(
        ledger
            .quarantine(&QuarantineFilter::default())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn tampering_with_the_audit_trail_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    assert_eq!(ledger.verify().await.unwrap(), 0);
    for number in 1..=3 {
        ledger
            .record_event(
                Some("01AAA"),
                "run.finished",
                &serde_json::json!({ "number": number }),
            )
            .await
            .unwrap();
    }
    assert_eq!(ledger.verify().await.unwrap(), 3);
    assert_eq!(ledger.events(1).await.unwrap()[0].id, 3);

    sqlx::query("UPDATE audit_event SET detail_json = '{\"number\":9}' WHERE id = 2")
        .execute(&ledger.pool)
        .await
        .unwrap();
    let error = ledger.verify().await.unwrap_err();
    assert_eq!(error.blame(), Blame::Data);
    assert!(
        error
            .to_string()
            .starts_with("the event was changed after it was written, audit event 2"),
        "{error}"
    );

    sqlx::query("DELETE FROM audit_event WHERE id = 2")
        .execute(&ledger.pool)
        .await
        .unwrap();
    let error = ledger.verify().await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("an event before this one was taken out or put in, audit event 3"),
        "{error}"
    );
}

#[test]
fn a_second_run_is_turned_away_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = RunLock::acquire(&data, "01AAA").unwrap();
    let error = RunLock::acquire(&data, "01BBB").unwrap_err();
    assert_eq!(error.blame(), Blame::External);
    let start = format!(
        "another run holds the warehouse, run 01AAA, pid {}, since 2",
        std::process::id()
    );
    assert!(error.to_string().starts_with(&start), "{error}");
    assert!(error.hint_text().unwrap().starts_with("wait until it is done"));
    drop(first);
    RunLock::acquire(&data, "01BBB").unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let error = Ledger::open("postgres://me:hunter2@host/ledger", folder.path())
        .await
        .unwrap_err();
    assert_eq!(
        (error.blame(), error.to_string().as_str()),
        (
            Blame::Usage,
            "this version keeps its ledger in SQLite only, [database] url postgres://***@host/ledger"
        )
    );

    std::fs::write(folder.path().join("data"), "a file where a folder should be").unwrap();
    let error = Ledger::open(URL, folder.path()).await.unwrap_err();
    assert_eq!(error.blame(), Blame::External);
    assert!(
        error
            .to_string()
            .starts_with("the ledger's folder cannot be made"),
        "{error}"
    );
    assert!(
        RunLock::acquire(&folder.path().join("data"), "01AAA")
            .unwrap_err()
            .hint_text()
            .is_some()
    );

    std::fs::write(
        folder.path().join("text.db"),
        "this is no database, it is a text of some length\n".repeat(20),
    )
    .unwrap();
    let error = Ledger::open("sqlite://text.db", folder.path()).await.unwrap_err();
    assert_eq!(error.blame(), Blame::External);
    assert!(
        error.hint_text().unwrap().starts_with("move the file aside"),
        "{error}"
    );
}

#[tokio::test]
async fn an_existing_ledger_opens_for_reading() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        Ledger::open_read_only(URL, folder.path())
            .await
            .unwrap()
            .is_none()
    );
    let writer = ledger(folder.path()).await;
    writer
        .begin_run(NewRun {
            run_id: "01AAA",
            verb: "run",
            ..NewRun::default()
        })
        .await
        .unwrap();
    let reader = Ledger::open_read_only(URL, folder.path()).await.unwrap().unwrap();
    assert_eq!(reader.runs(10).await.unwrap().len(), 1);
    let error = reader
        .begin_run(NewRun {
            run_id: "01BBB",
            verb: "run",
            ..NewRun::default()
        })
        .await
        .unwrap_err();
    assert!(error.hint_text().unwrap().contains("write access"), "{error}");

    let memory = Ledger::open_current("sqlite::memory:", folder.path())
        .await
        .unwrap();
    memory
        .begin_run(NewRun {
            run_id: "01AAA",
            verb: "run",
            ..NewRun::default()
        })
        .await
        .unwrap();
    assert_eq!(memory.runs(10).await.unwrap().len(), 1);
}
