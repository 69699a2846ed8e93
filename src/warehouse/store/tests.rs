use std::fmt;
use std::sync::Mutex;

use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use super::*;
use crate::error::{Blame, Retry};

fn open(url: &str, values: &[(&str, &str)]) -> Result<Location> {
    let values = values
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    Location::open_with(url, std::path::Path::new("/base"), "test", &values)
}

fn no_profile() -> Profile {
    Profile {
        name: String::new(),
        values: BTreeMap::new(),
    }
}

fn refused(url: &str, values: &[(&str, &str)]) -> String {
    let error = open(url, values).unwrap_err();
    assert_eq!(error.blame(), Blame::Usage, "{error}");
    assert!(error.hint_text().is_some(), "{error}");
    format!("{error} — {}", error.hint_text().unwrap())
}

#[test]
fn every_scheme_opens_with_its_keys() {
    let s3 = [
        ("endpoint", "http://127.0.0.1:8333"),
        ("allow_http", "true"),
        ("region", "eu-west-1"),
        ("access_key_id", "a"),
        ("secret_access_key", "b"),
        ("session_token", "c"),
    ];
    let location = open("s3://bucket/some/prefix/", &s3).unwrap();
    assert_eq!(location.prefix.as_ref(), "some/prefix");
    assert_eq!(
        location.uri(&location.child("x=1/y.csv").prefix),
        "s3://bucket/some/prefix/x=1/y.csv"
    );
    let azure = [("account_name", "acme"), ("account_key", "YWJj")];
    assert_eq!(open("az://container/p", &azure).unwrap().prefix.as_ref(), "p");
    assert_eq!(open("azure://container/p", &azure).unwrap().prefix.as_ref(), "p");
    let location = open(
        "abfss://container@acme.dfs.core.windows.net/p",
        &[("client_id", "i"), ("client_secret", "s"), ("tenant_id", "t")],
    )
    .unwrap();
    assert_eq!(
        location.uri(&location.prefix),
        "abfss://container@acme.dfs.core.windows.net/p"
    );
    let gcs = [
        ("endpoint", "http://127.0.0.1:4443"),
        ("allow_http", "true"),
        ("disable_oauth", "true"),
    ];
    assert_eq!(open("gs://bucket", &gcs).unwrap().prefix.as_ref(), "");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    assert!(refused("s3://bucket/p", &[("acces_key_id", "x")]).contains("`acces_key_id`"));
    assert!(refused("s3://bucket/p", &[("bucket", "x")]).contains("`bucket`"));
    assert!(refused("az://container/p", &[("region", "x")]).contains("`region`"));
    assert!(refused("gs://bucket/p", &[("access_key_id", "x")]).contains("`access_key_id`"));
    assert!(refused("s3://bucket/p", &[("endpoint", "http://host")]).contains("allow_http"));
    assert!(
        refused(
            "s3://bucket/p",
            &[
                ("role_arn", "r"),
                ("access_key_id", "k"),
                ("secret_access_key", "s")
            ]
        )
        .contains("role_arn")
    );
    assert!(
        refused(
            "s3://bucket/p",
            &[
                ("allow_http", "perhaps"),
                ("access_key_id", "k"),
                ("secret_access_key", "s")
            ]
        )
        .contains("profile")
    );
    assert!(refused("ftp://host/p", &[]).contains("ftp://"));
    assert!(refused("s3:///p", &[]).contains("bucket"));
    assert!(refused("s3://bucket/a#b", &[]).contains("%23"));
}

#[test]
fn secrets_stay_out_of_errors() {
    for values in [
        [("secret_access_key", "hush"), ("nonsense", "hush")],
        [("secret_access_key", "hush"), ("allow_http", "hush-not")],
    ] {
        let error = open("s3://bucket/p", &values[..1])
            .map(|_| ())
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(!error.contains("hush"), "{error}");
        assert!(!refused("s3://bucket/p", &values).contains("`hush`"));
    }
}

#[test]
fn local_paths_begin_at_the_base() {
    for (url, path) in [
        ("file://./x", "base/x"),
        ("file:///abs/x", "abs/x"),
        ("x/y", "base/x/y"),
        ("../x", "x"),
        ("/abs", "abs"),
        ("", "base"),
        ("file://a b#1", "base/a b#1"),
        ("file://50%41", "base/50%41"),
        ("50%", "base/50%"),
    ] {
        let location = open(url, &[]).unwrap();
        assert_eq!(location.prefix.as_ref(), path, "{url}");
        assert_eq!(
            location.local_path(&location.prefix).unwrap(),
            PathBuf::from(format!("/{path}"))
        );
        assert_eq!(location.uri(&location.prefix), format!("file:///{path}"));
    }
    let child = open("file://./x", &[]).unwrap().child("raw/t%1");
    assert_eq!(child.prefix.as_ref(), "base/x/raw/t%1");
    assert_eq!(child.folder_url().as_str(), "file:///base/x/raw/t%251/");
}

/// A store that breaks off after some bytes, as often as told, and changes its object when told.
#[derive(Debug)]
struct Flaky {
    inner: InMemory,
    breaks: Mutex<u32>,
    ranges: Mutex<Vec<u64>>,
    change_after_break: bool,
}

const BREAK_BYTES: u64 = 1000;

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Flaky {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let start = match &options.range {
            Some(GetRange::Offset(start)) => *start,
            _ => 0,
        };
        let is_read = !options.head;
        let mut result = self.inner.get_opts(path, options).await?;
        let mut breaks = self.breaks.lock().unwrap();
        if !is_read {
            return Ok(result);
        }
        self.ranges.lock().unwrap().push(start);
        if *breaks > 0 {
            *breaks -= 1;
            let bytes = self
                .inner
                .get_range(path, start..(start + BREAK_BYTES).min(result.meta.size));
            let bytes = futures::executor::block_on(bytes)?;
            let broken = object_store::Error::Generic {
                store: "flaky",
                source: "connection reset".into(),
            };
            result.payload =
                GetResultPayload::Stream(futures::stream::iter([Ok(bytes), Err(broken)]).boxed());
            if self.change_after_break {
                futures::executor::block_on(
                    self.inner.put(path, vec![b'x'; result.meta.size as usize].into()),
                )?;
            }
        }
        Ok(result)
    }

    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn flaky(breaks: u32, change_after_break: bool) -> (Location, Arc<Flaky>, Vec<u8>) {
    let bytes: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
    let store = Arc::new(Flaky {
        inner: InMemory::new(),
        breaks: Mutex::new(breaks),
        ranges: Mutex::default(),
        change_after_break,
    });
    store
        .inner
        .put(&Path::from("p/bill.csv"), bytes.clone().into())
        .await
        .unwrap();
    let location = Location {
        url: Url::parse("s3://bucket/p").unwrap(),
        store: store.clone(),
        prefix: Path::from("p"),
    };
    (location, store, bytes)
}

#[tokio::test]
async fn a_broken_download_is_taken_up_where_it_broke() {
    let (location, store, bytes) = flaky(3, false).await;
    let spool = tempfile::tempdir().unwrap();
    let objects = location.list().await.unwrap().objects;
    let fetched = location.fetch(&objects[0], spool.path()).await.unwrap();
    assert_eq!(std::fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(*store.ranges.lock().unwrap(), [0, 1000, 2000, 3000]);
    assert!(fetched.is_copy());
    location.verify_unchanged(&objects[0]).await.unwrap();
    drop(fetched);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_download_that_only_breaks_is_given_up() {
    let (location, store, _) = flaky(99, false).await;
    let spool = tempfile::tempdir().unwrap();
    let object = location.list().await.unwrap().objects.remove(0);
    let error = location.fetch(&object, spool.path()).await.unwrap_err();
    assert_eq!((error.blame(), error.retry()), (Blame::External, Retry::Backoff));
    assert_eq!(store.ranges.lock().unwrap().len(), 5);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_change_during_the_download_is_seen() {
    let (location, _, _) = flaky(1, true).await;
    let spool = tempfile::tempdir().unwrap();
    let object = location.list().await.unwrap().objects.remove(0);
    let error = location.fetch(&object, spool.path()).await.unwrap_err();
    assert!(
        error.to_string().contains("changed") && error.retry() == Retry::Backoff,
        "{error}"
    );
    assert!(location.verify_unchanged(&object).await.is_err());
}

#[tokio::test]
async fn a_local_file_is_not_copied_and_its_change_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bill.csv"), "a").unwrap();
    let location = Location::open("bill.csv", folder.path(), &no_profile()).unwrap();
    let object = location.list().await.unwrap().objects.remove(0);
    assert_eq!((object.key.as_str(), object.size), ("bill.csv", 1));
    let fetched = location.fetch(&object, folder.path()).await.unwrap();
    assert_eq!(fetched.path, folder.path().join("bill.csv"));
    assert!(!fetched.is_copy());
    location.verify_unchanged(&object).await.unwrap();
    std::fs::write(&fetched.path, "ab").unwrap();
    assert!(location.verify_unchanged(&object).await.is_err());
    std::fs::remove_file(&fetched.path).unwrap();
    assert_eq!(
        location.verify_unchanged(&object).await.unwrap_err().blame(),
        Blame::External
    );
}

#[tokio::test]
async fn buckets_list_prefixes_single_objects_and_folders() {
    let (location, store, _) = flaky(0, false).await;
    store
        .inner
        .put(&Path::from("p/a/b.csv"), "x".into())
        .await
        .unwrap();
    store
        .inner
        .put(&Path::from("pq/c.csv"), "x".into())
        .await
        .unwrap();
    let keys =
        |listing: Listing| -> Vec<String> { listing.objects.into_iter().map(|object| object.key).collect() };
    assert_eq!(keys(location.list().await.unwrap()), ["a/b.csv", "bill.csv"]);
    assert_eq!(keys(location.child("a/b.csv").list().await.unwrap()), ["b.csv"]);
    assert_eq!(location.folders().await.unwrap(), ["a"]);
    assert!(location.child("none").folders().await.unwrap().is_empty());
    let error = location.child("none").list().await.unwrap_err();
    assert!(
        error.blame() == Blame::External && error.to_string().contains("s3://bucket/p/none"),
        "{error}"
    );
    assert_eq!(
        location.read_small(&Path::from("p/a/b.csv"), 1).await.unwrap(),
        b"x"
    );
    assert_eq!(
        location
            .read_small(&Path::from("p/bill.csv"), 10)
            .await
            .unwrap_err()
            .blame(),
        Blame::Data
    );
}

#[test]
fn a_servers_answer_is_read_from_its_text() {
    let location = open(
        "s3://bucket/p",
        &[("access_key_id", "k"), ("secret_access_key", "s")],
    )
    .unwrap();
    let failed = |status: &str, code: &str| {
        let text = format!(
            "non-2xx status code: {status}: <?xml?><Error><Code>{code}</Code><Message>No.</Message></Error>"
        );
        location.failed(
            object_store::Error::Generic {
                store: "S3",
                source: text.into(),
            },
            &location.prefix,
        )
    };
    let refused = failed("403 Forbidden", "SignatureDoesNotMatch");
    assert_eq!(
        refused.to_string(),
        "the store refused access, s3://bucket/p: SignatureDoesNotMatch: No."
    );
    assert_eq!(refused.retry(), Retry::Never);
    let gone = failed("404 Not Found", "NoSuchBucket");
    assert_eq!(
        gone.to_string(),
        "the bucket or container does not exist, s3://bucket/p: NoSuchBucket: No."
    );
    assert!(gone.hint_text().is_some());
    assert_eq!(failed("500 Oh", "InternalError").retry(), Retry::Backoff);
}

#[tokio::test]
async fn a_name_that_no_store_knows_is_passed_over_and_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("b\u{1}d")).unwrap();
    std::fs::create_dir_all(folder.path().join("good")).unwrap();
    for name in ["a b%20ü.csv", "x\ny.csv", "b\u{1}d/below.csv", "good/bill.csv"] {
        std::fs::write(folder.path().join(name), "a").unwrap();
    }
    let location = Location::open(".", folder.path(), &no_profile()).unwrap();
    let listing = location.list().await.unwrap();
    let keys: Vec<&str> = listing.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["a b%20ü.csv", "good/bill.csv"]);
    assert_eq!(listing.unknown, ["b\\u{1}d", "x\\ny.csv"]);
    assert_eq!(location.folders().await.unwrap(), ["good"]);
    let bytes = location.read_small(&listing.objects[0].path, 10).await.unwrap();
    assert_eq!(bytes, b"a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_breaks_off_is_begun_again() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let body = "<ListBucketResult><Contents><Key>bill.csv</Key><LastModified>2026-09-01T00:00:00.000Z</LastModified>\
                    <Size>1</Size><ETag>e</ETag></Contents></ListBucketResult>";
        for kept in [20, body.len()] {
            let (mut connection, _) = listener.accept().unwrap();
            let _ = connection.read(&mut [0; 8192]).unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(&body.as_bytes()[..kept]).unwrap();
        }
    });
    let values = [
        ("endpoint", endpoint.as_str()),
        ("allow_http", "true"),
        ("region", "eu-west-1"),
        ("access_key_id", "a"),
        ("secret_access_key", "b"),
    ];
    let listing = open("s3://bucket/", &values).unwrap().list().await.unwrap();
    assert_eq!(listing.objects.len(), 1);
    assert_eq!(listing.objects[0].key, "bill.csv");
    server.join().unwrap();
}
