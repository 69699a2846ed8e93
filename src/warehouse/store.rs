//! A place in a store: a folder, a bucket prefix or a single file, and how to list, read and fetch it.

#[cfg(feature = "aws-api")]
mod assume_role;
mod cloud;
mod fetch;
pub(super) mod local_listing;
mod local_path;
mod shared_access;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use cloud::Credentials;
pub use fetch::Fetched;
use local_listing::LocalNames;
use writes::Writes;

use crate::config::{Profile, remember_environment};
use crate::error::{Error, Result};
use crate::login::refusal;

/// Listings that are begun before a broken connection counts as a failure.
const LIST_TRIES: u32 = 4;

/// A folder, a bucket prefix or a single file, with the store that holds it.
#[derive(Debug, Clone)]
pub struct Location {
    /// Where it lies; scheme and host say which store, the path is the prefix.
    pub url: Url,
    /// The store; a local one begins at the file system's root.
    pub store: Arc<dyn ObjectStore>,
    /// The folder or file inside the store.
    pub prefix: Path,
}

/// One object as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The path below the location's prefix; the file name when the location is that file.
    pub key: String,
    /// The path inside the store.
    pub path: Path,
    /// Bytes.
    pub size: u64,
    /// The store's mark of this content, where it gives one.
    pub etag: Option<String>,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// What a location holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of their keys.
    pub objects: Vec<Object>,
    /// Local files and folders whose names no store knows, such as one with a line break; they cannot be read.
    pub unknown: Vec<String>,
}

impl Object {
    /// What stands for an answer of an API, which no store holds.
    pub fn asked(name: &str) -> Self {
        Object {
            key: name.to_string(),
            path: Path::from(name),
            size: 0,
            etag: None,
            modified: Utc::now(),
        }
    }
}

impl Location {
    /// Opens a URL (`file://`, `s3://`, `az://`, `abfss://`, `azure://`, `gs://`, `memory://`) or a plain path;
    /// relative ones begin at `base`. Nothing is read yet, so the place need not exist.
    ///
    /// # Errors
    /// Usage when the URL or a key of the profile is not understood, or a secret is missing.
    pub fn open(url: &str, base: &std::path::Path, profile: &Profile) -> Result<Self> {
        // A local path needs no secret, so none is asked for.
        match url.split_once("://") {
            None | Some(("file", _)) => Self::open_with(url, base, &profile.name, &BTreeMap::new()),
            Some(_) => {
                // A store, or what stands in its place, may repeat what it was sent.
                remember_environment();
                Self::open_with(url, base, &profile.name, &profile.expose()?)
            }
        }
    }

    /// The same with the profile's values at hand; without any, the environment is asked.
    ///
    /// # Errors
    /// Usage when the URL or a key is not understood.
    pub fn open_with(
        url: &str,
        base: &std::path::Path,
        profile: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Self> {
        match url.split_once("://") {
            None => Self::local(url.into(), base),
            Some(("file", rest)) => Self::local(local_path::as_it_exists(rest, base), base),
            Some((scheme, _)) => Self::remote(url, scheme, &Credentials { profile, values }),
        }
    }

    fn local(path: PathBuf, base: &std::path::Path) -> Result<Self> {
        let describe = || path.display().to_string();
        let absolute = std::path::absolute(base.join(&path)).map_err(|e| {
            Error::usage("a folder's path cannot be resolved")
                .at(describe())
                .because(e)
        })?;
        let clean = local_path::without_dots(&absolute);
        let prefix = Path::from_absolute_path(&clean).map_err(|e| {
            Error::usage("a path holds characters that are not supported")
                .at(describe())
                .because(e)
        })?;
        let url = Url::from_file_path(&clean)
            .map_err(|()| Error::usage("a folder's path is not absolute").at(describe()))?;
        Ok(Location {
            url,
            store: Writes::to_disk(Arc::new(LocalFileSystem::new())),
            prefix,
        })
    }

    fn remote(text: &str, scheme: &str, credentials: &Credentials<'_>) -> Result<Self> {
        let url = Url::parse(text).map_err(|e| Error::usage(format!("`{text}` is not a URL")).because(e))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::usage(format!("`{text}` holds a `?` or `#`"))
                .hint("write `%3F` for a `?` and `%23` for a `#` that are part of a key"));
        }
        if scheme != "memory" && url.host_str().is_none_or(str::is_empty) {
            return Err(Error::usage(format!("`{text}` names no bucket or container"))
                .hint("write it like s3://bucket/prefix, az://container/prefix or gs://bucket/prefix"));
        }
        let prefix = Path::from_url_path(url.path().trim_matches('/'))
            .map_err(|e| Error::usage(format!("`{text}` has a path that no store knows")).because(e))?;
        let store = match scheme {
            "s3" | "s3a" => cloud::s3(&url, credentials)?,
            "az" | "azure" | "abfs" | "abfss" | "adl" => cloud::azure(&url, credentials)?,
            "gs" => cloud::gcs(&url, credentials)?,
            "memory" => Arc::new(InMemory::new()),
            _ => {
                return Err(Error::usage(format!("`{text}` begins with an unknown scheme"))
                    .hint("use a path, file://, s3://, az://, abfss:// or gs://"));
            }
        };
        Ok(Location {
            url,
            store: Writes::to_service(store),
            prefix,
        })
    }

    /// The place `path` below this one.
    pub fn child(&self, path: &str) -> Location {
        let mut child = self.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            // `Path::child` would escape characters that listed names hold as they are.
            child.prefix = Path::parse(format!("{}/{part}", child.prefix))
                .unwrap_or_else(|_| child.prefix.clone().join(part));
            if let Ok(mut segments) = child.url.path_segments_mut() {
                segments.pop_if_empty().push(part);
            }
        }
        child
    }

    /// The name under which provenance columns and messages show an object.
    pub fn uri(&self, path: &Path) -> String {
        let user = match self.url.username() {
            "" => String::new(),
            user => format!("{user}@"),
        };
        format!(
            "{}://{user}{}/{path}",
            self.url.scheme(),
            self.url.host_str().unwrap_or_default()
        )
    }

    /// The URL with a slash at its end, as a table's root.
    pub fn folder_url(&self) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        url
    }

    /// The path in the file system, for a local location.
    pub fn local_path(&self, path: &Path) -> Option<PathBuf> {
        self.is_local().then(|| PathBuf::from(format!("/{path}")))
    }

    /// Every object below the prefix, or the one object that the prefix names.
    ///
    /// # Errors
    /// External when nothing is there, or the store refuses or fails.
    pub async fn list(&self) -> Result<Listing> {
        let mut tries = 1;
        let mut unknown = Vec::new();
        let metas = loop {
            match self.listed().await {
                Ok(metas) => break metas,
                // The client makes failed requests again, but not one whose answer breaks off in the middle.
                Err(error) if tries < LIST_TRIES && has_broken_off(&error) => {
                    tracing::warn!(%error, tries, "a listing broke and is begun again");
                    tokio::time::sleep(Duration::from_millis(50 << tries)).await;
                    tries += 1;
                }
                Err(object_store::Error::NotFound { .. }) => return Err(self.missing()),
                Err(error) if local_listing::is_name(&error) && self.is_local() => {
                    let names = LocalNames::below(self)?;
                    unknown = names.unknown;
                    break self.heads(&names.known).await?;
                }
                Err(error) => return Err(self.failed(error, &self.prefix)),
            }
        };
        // Some tools write an empty object under the folder's own name: it is no file.
        let mut objects: Vec<Object> = metas
            .into_iter()
            .filter(|meta| meta.location != self.prefix)
            .map(|meta| self.object(meta))
            .collect();
        if objects.is_empty() && unknown.is_empty() {
            match self.single().await? {
                Some(object) => objects.push(object),
                None if self
                    .local_path(&self.prefix)
                    .is_some_and(|folder| folder.is_dir()) => {}
                None => return Err(self.missing()),
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Listing { objects, unknown })
    }

    fn is_local(&self) -> bool {
        self.url.scheme() == "file"
    }

    async fn heads(&self, paths: &[Path]) -> Result<Vec<ObjectMeta>> {
        let mut metas = Vec::with_capacity(paths.len());
        for path in paths {
            match self.store.head(path).await {
                Ok(meta) => metas.push(meta),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed(error, path)),
            }
        }
        Ok(metas)
    }

    /// Every object as the store lists it. A page that comes again would come for ever: it ends the listing.
    async fn listed(&self) -> object_store::Result<Vec<ObjectMeta>> {
        let mut listing = self.store.list(Some(&self.prefix));
        let mut seen = HashSet::new();
        let mut metas: Vec<ObjectMeta> = Vec::new();
        while let Some(meta) = listing.try_next().await? {
            if !seen.insert(meta.location.clone()) {
                return Err(object_store::Error::Generic {
                    store: "listing",
                    source: Box::new(repeats(&meta.location)),
                });
            }
            metas.push(meta);
        }
        Ok(metas)
    }

    /// The object that the prefix itself names.
    async fn single(&self) -> Result<Option<Object>> {
        if self.prefix.is_root() || self.local_path(&self.prefix).is_some_and(|path| path.is_dir()) {
            return Ok(None);
        }
        match self.store.head(&self.prefix).await {
            Ok(meta) => Ok(Some(self.object(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error, &self.prefix)),
        }
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let below = meta
            .location
            .as_ref()
            .strip_prefix(self.prefix.as_ref())
            .unwrap_or_default();
        let key = match below.trim_start_matches('/') {
            "" => meta.location.filename().unwrap_or_default().to_string(),
            key => key.to_string(),
        };
        Object {
            key,
            path: meta.location,
            size: meta.size,
            etag: meta.e_tag,
            modified: meta.last_modified,
        }
    }

    /// The names of the folders directly below the prefix, in order; none when it does not exist.
    ///
    /// # Errors
    /// External when the store refuses or fails.
    pub async fn folders(&self) -> Result<Vec<String>> {
        if self
            .local_path(&self.prefix)
            .is_some_and(|folder| !folder.is_dir())
        {
            return Ok(Vec::new());
        }
        match self.store.list_with_delimiter(Some(&self.prefix)).await {
            Ok(found) => {
                let mut names: Vec<String> = found
                    .common_prefixes
                    .iter()
                    .filter_map(|path| path.filename().map(String::from))
                    .collect();
                names.sort();
                Ok(names)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) if local_listing::is_name(&error) && self.is_local() => {
                let folder = self.local_path(&self.prefix).unwrap_or_default();
                local_listing::folders(&folder).map_err(|error| {
                    Error::external("a folder cannot be read")
                        .at(self.uri(&self.prefix))
                        .because(error)
                })
            }
            Err(error) => Err(self.failed(error, &self.prefix)),
        }
    }

    /// Reads a whole object of at most `limit` bytes.
    ///
    /// # Errors
    /// Data when it is larger, External when it cannot be read.
    pub async fn read_small(&self, path: &Path, limit: usize) -> Result<Vec<u8>> {
        let found = self.store.get(path).await.map_err(|e| self.failed(e, path))?;
        if found.meta.size > limit as u64 {
            return Err(
                Error::data(format!("a file is larger than the {limit} bytes it may have"))
                    .at(self.uri(path))
                    .hint("a file of this kind is small: look at what wrote it"),
            );
        }
        Ok(found.bytes().await.map_err(|e| self.failed(e, path))?.to_vec())
    }

    /// Holds that an object is still the one that was listed.
    ///
    /// # Errors
    /// External, worth another try, when it was replaced or removed meanwhile.
    pub async fn verify_unchanged(&self, object: &Object) -> Result<()> {
        match self.store.head(&object.path).await {
            Ok(meta) if is_same(object, &meta) => Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(self.changed(object)),
            Err(error) => Err(self.failed(error, &object.path)),
        }
    }

    fn changed(&self, object: &Object) -> Error {
        Error::external("a file changed while it was read")
            .at(self.uri(&object.path))
            .retryable()
            .hint("a delivery was under way: run again, the new version is then read whole")
    }

    fn missing(&self) -> Error {
        Error::external(format!("nothing is at {}", self.uri(&self.prefix)))
            .hint("check the source's url, and that its profile may list it (`offgridflow doctor`)")
    }

    /// What a login must be granted to read here, as its cloud calls it.
    fn reading(&self) -> &'static str {
        match self.url.scheme() {
            "gs" => "the role Storage Object Viewer",
            "az" | "azure" | "abfs" | "abfss" | "adl" => "the role Storage Blob Data Reader",
            _ => "s3:ListBucket and s3:GetObject",
        }
    }

    /// A store's failure with the place and what to do; listings give the server's answer only as text.
    fn failed(&self, error: object_store::Error, path: &Path) -> Error {
        let text = error.to_string();
        let uri = self.uri(path);
        let answer = answer_of(&text);
        if let Some(own) = own_error(&error) {
            return own.at(uri);
        }
        if text.contains("status code: 401") || text.contains("status code: 403") {
            let (code, message) = answer.split_once(": ").unwrap_or_default();
            let hint = refusal::hint(self.reading(), code, message).unwrap_or_else(|| {
                "check the profile's keys and the permissions of its role (`offgridflow doctor` tests them)".into()
            });
            return Error::external("the store refused access")
                .at(uri)
                .because(answer)
                .hint(hint);
        }
        if text.contains("status code: 404") {
            return Error::external("the bucket or container does not exist")
                .at(uri)
                .because(answer)
                .hint("check the source's url and the profile's `endpoint` and `region`");
        }
        if text.contains("status code: 400")
            && let Some((code, message)) = answer.split_once(": ")
            && let Some(hint) = refusal::hint(self.reading(), code, message)
        {
            return Error::external("the store refused access")
                .at(uri)
                .because(answer)
                .hint(hint);
        }
        if text.contains("incorrectly configured region") {
            return Error::from(error)
                .at(uri)
                .hint("set `region` in the profile to the bucket's region");
        }
        if local_listing::is_name(&error) {
            return Error::external("the store holds an object whose name cannot be read")
                .at(uri)
                .because(error)
                .hint("rename or remove it: an empty part (`//`), a control character or `..` cannot be part of a name");
        }
        let failed = Error::from(error).at(uri);
        match failed.hint_text() {
            Some(_) => failed,
            None if self.is_local() => {
                failed.hint("look at what lies there (a link in a circle, a folder that may not be read), then run again")
            }
            None => failed.hint(
                "check the network and the profile's `endpoint` (`offgridflow doctor` tests them), then run again",
            ),
        }
    }
}

fn repeats(path: &Path) -> Error {
    Error::external("the store lists an object twice: its pages go in a circle")
        .at(path.to_string())
        .retryable()
        .hint("run again; if it stays, tell the operator of the store, or of the proxy before it")
}

/// An error of ours that passed through the store, such as a role that may not be assumed.
fn own_error(error: &object_store::Error) -> Option<Error> {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = below {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.clone());
        }
        below = error.source();
    }
    None
}

/// `Code: Message` of a server's XML answer on one line, with the detail that Azure adds; or the text as it is.
fn answer_of(text: &str) -> String {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let lines: Vec<&str> = rest.split_once("</")?.0.split_whitespace().collect();
        Some(lines.join(" "))
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => match element("AuthenticationErrorDetail") {
            Some(detail) => format!("{code}: {message} {detail}"),
            None => format!("{code}: {message}"),
        },
        _ => text.to_string(),
    }
}

/// Whether a fresh look shows the content that was listed.
fn is_same(object: &Object, now: &ObjectMeta) -> bool {
    if object.size != now.size {
        return false;
    }
    match (&object.etag, &now.e_tag) {
        // Azure quotes etags in headers and not in listings.
        (Some(then), Some(now)) => bare_etag(then) == bare_etag(now),
        // Listings give fractions of seconds, headers do not.
        _ => object.modified.timestamp() == now.last_modified.timestamp(),
    }
}

fn bare_etag(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

/// Whether the answer to a request ended in the middle, or could not be read to its end.
fn has_broken_off(error: &object_store::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return matches!(http.kind(), HttpErrorKind::Interrupted | HttpErrorKind::Decode);
        }
        cause = error.source();
    }
    false
}
