//! An Azurite of the test's own: Azure Blob Storage with account keys, shared access signatures and bearer tokens.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::http::{encoded, exchange};
use super::moto::free_port;
use super::prepared;

/// The server; killed when dropped, its data with it.
pub struct Azurite {
    process: Child,
    /// Where it listens.
    pub port: u16,
    /// Over HTTPS, with bearer tokens; the certificate is its own authority.
    certificate: Option<PathBuf>,
    _folder: TempDir,
}

/// The storage account, and what its key is made of.
pub const ACCOUNT: &str = "acmebilling";
const KEY: &[u8] = b"a key that opens nothing but the server of one test, for a while";
const PATIENCE: Duration = Duration::from_secs(60);
/// The version of shared access signatures that [`Azurite::sas`] makes.
const SAS_VERSION: &str = "2019-12-12";

impl Azurite {
    /// Starts a server with an empty container.
    pub fn start(container: &str) -> Azurite {
        Self::start_with(container, false)
    }

    /// Starts a server over HTTPS that takes bearer tokens too.
    pub fn start_with_tokens(container: &str) -> Azurite {
        Self::start_with(container, true)
    }

    fn start_with(container: &str, secure: bool) -> Azurite {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let mut command = Command::new(prepared("OFFGRIDFLOW_TEST_AZURITE"));
        command
            .args([
                "--silent",
                "--disableTelemetry",
                "--inMemoryPersistence",
                "--skipApiVersionCheck",
            ])
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{}", account_key()))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let certificate = secure.then(|| folder.path().join("certificate.pem"));
        if let Some(path) = &certificate {
            let made =
                rcgen::generate_simple_self_signed(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
            let key = folder.path().join("key.pem");
            std::fs::write(path, made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            command
                .args(["--oauth", "basic", "--cert"])
                .arg(path)
                .arg("--key")
                .arg(key);
        }
        let server = Azurite {
            process: command.spawn().unwrap(),
            port,
            certificate,
            _folder: folder,
        };
        let started = Instant::now();
        while server.ask("PUT", &format!("{container}?restype=container"), b"") != Some(201) {
            assert!(started.elapsed() < PATIENCE, "Azurite does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    /// Puts a blob: `container/key`.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = path.split('/').map(encoded).collect::<Vec<_>>().join("/");
        assert_eq!(self.ask("PUT", &path, bytes), Some(201), "Azurite takes {path}");
    }

    /// One request with a shared access signature that may do everything.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Option<u16> {
        let sas = Self::sas("rwdlac", Utc::now() + Duration::from_secs(3600));
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("/{ACCOUNT}/{path}{separator}{sas}");
        let host = format!("127.0.0.1:{}", self.port);
        let headers = [("x-ms-version", "2021-08-06"), ("x-ms-blob-type", "BlockBlob")];
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let answer = match &self.certificate {
            None => exchange(stream, &host, method, &path, &headers, body),
            Some(certificate) => exchange(
                secured(stream, certificate)?,
                &host,
                method,
                &path,
                &headers,
                body,
            ),
        };
        answer.map(|(status, _)| status)
    }

    /// A shared access signature of the account: `rl` may read and list.
    pub fn sas(permissions: &str, expiry: DateTime<Utc>) -> String {
        let expiry = expiry.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let text = format!("{ACCOUNT}\n{permissions}\nb\nsco\n\n{expiry}\n\nhttps,http\n{SAS_VERSION}\n");
        let signature = STANDARD.encode(hmac_sha256(KEY, text.as_bytes()));
        format!(
            "sv={SAS_VERSION}&ss=b&srt=sco&sp={permissions}&se={}&spr=https,http&sig={}",
            encoded(&expiry),
            encoded(&signature)
        )
    }

    /// A bearer token as Entra ID gives it for storage, good until `expiry`. Azurite reads it and checks no signature.
    pub fn token(expiry: DateTime<Utc>) -> String {
        let part = |json: String| URL_SAFE_NO_PAD.encode(json);
        let issued = (expiry - Duration::from_secs(7200)).timestamp();
        let issuer = "https://sts.windows.net/11111111-1111-1111-1111-111111111111/";
        let claims = format!(
            "{{\"aud\":\"https://storage.azure.com\",\"iss\":\"{issuer}\",\"iat\":{issued},\"nbf\":{issued},\"exp\":{}}}",
            expiry.timestamp()
        );
        format!(
            "{}.{}.{}",
            part("{\"alg\":\"RS256\",\"typ\":\"JWT\"}".into()),
            part(claims),
            part("unsigned".into())
        )
    }

    /// The `[profile.<name>]` that reaches this server; `login` are its further lines.
    pub fn profile(&self, name: &str, login: &str) -> String {
        Self::profile_at(self.port, self.certificate.is_some(), name, login)
    }

    /// The same through another port, such as a proxy's.
    pub fn profile_at(port: u16, secure: bool, name: &str, login: &str) -> String {
        let (scheme, plain) = if secure {
            ("https", "")
        } else {
            ("http", "allow_http = true\n")
        };
        format!(
            "[profile.{name}]\naccount_name = \"{ACCOUNT}\"\nendpoint = \"{scheme}://127.0.0.1:{port}/{ACCOUNT}\"\n{plain}{login}"
        )
    }

    /// The `[profile.<name>]` for tables: Azurite lists no objects from a key on, and the client works around that when it
    /// is told; it then finds the server by [`Azurite::url`] in `AZURITE_BLOB_STORAGE_URL`.
    pub fn emulator_profile(name: &str) -> String {
        format!(
            "[profile.{name}]\nuse_emulator = true\naccount_name = \"{ACCOUNT}\"\naccount_key = \"env:TEST_AZURE_KEY\"\n"
        )
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The file that makes the program trust this server, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> String {
        self.certificate.as_ref().unwrap().display().to_string()
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The account's key as Azure shows it.
pub fn account_key() -> String {
    STANDARD.encode(KEY)
}

fn secured(stream: TcpStream, certificate: &PathBuf) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).ok()?).ok()?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").ok()?;
    Some(StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).ok()?,
        stream,
    ))
}

/// RFC 2104; the key is at most a block long.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}
