//! A STUB of AWS's token service, Cost Explorer and Sustainability API: our own reading of their documented shapes, for what
//! moto cannot do (throttling, resets, expired tokens, page loops, the Sustainability API). It checks no signature.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One call as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GetCostAndUsage`, `AssumeRole`, or the path of a REST call.
    pub name: String,
    /// The key that signed it.
    pub key: String,
    /// The body as it came.
    pub body: String,
}

/// How the stub answers.
pub enum Reply {
    /// Status and body.
    Body(u16, String),
    /// The same with a header.
    Header(u16, (&'static str, &'static str), String),
    /// The first half of the body, then the connection is closed although more was announced.
    Cut(String),
}

type Handler = dyn Fn(&Call, usize) -> Reply + Send + Sync;

/// The server; it ends with the test's process.
pub struct AwsStub {
    /// Where it listens.
    pub port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// The account that the stub plays.
pub const PAYER: &str = "999999999999";

impl AwsStub {
    /// Starts a server; `handler` gets each call that is not for the token service, with the number of calls of its name
    /// before it. Credentials of roles are good for `lifetime`.
    pub fn start(
        lifetime: Duration,
        handler: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static,
    ) -> AwsStub {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (noted, handler): (_, Arc<Handler>) = (calls.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, handler) = (noted.clone(), handler.clone());
                std::thread::spawn(move || serve(stream, lifetime, &noted, handler.as_ref()));
            }
        });
        AwsStub { port, calls }
    }

    /// The calls of a name so far.
    pub fn calls(&self, name: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.name == name).cloned().collect()
    }

    /// All calls so far.
    pub fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The `[profile.<name>]` that reaches this server.
    pub fn profile(&self, name: &str, more: &str) -> String {
        format!(
            "[profile.{name}]\nendpoint = \"http://127.0.0.1:{0}\"\nendpoint_url_sts = \"http://127.0.0.1:{0}\"\n\
             allow_http = true\naccess_key_id = \"env:TEST_AWS_ID\"\nsecret_access_key = \"env:TEST_AWS_SECRET\"\n{more}",
            self.port
        )
    }
}

fn serve(stream: TcpStream, lifetime: Duration, noted: &Mutex<Vec<Call>>, handler: &Handler) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    // Clients keep their connection for the next call.
    loop {
        let call = read(&mut reader)?;
        let before = {
            let mut calls = noted.lock().unwrap();
            let before = calls.iter().filter(|other| other.name == call.name).count();
            calls.push(call.clone());
            before
        };
        let reply = match call.name.as_str() {
            "GetCallerIdentity" => Reply::Body(200, identity()),
            "AssumeRole" => Reply::Body(200, assumed(before, lifetime)),
            _ => handler(&call, before),
        };
        let (status, header, body, cut) = match reply {
            Reply::Body(status, body) => (status, None, body, false),
            Reply::Header(status, header, body) => (status, Some(header), body, false),
            Reply::Cut(body) => (200, None, body, true),
        };
        let header = header.map_or(String::new(), |(name, value)| format!("{name}: {value}\r\n"));
        let content = if body.starts_with('<') {
            "text/xml"
        } else {
            "application/x-amz-json-1.1"
        };
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: {content}\r\nContent-Length: {}\r\n{header}\r\n",
            body.len()
        );
        writer.write_all(head.as_bytes()).ok()?;
        if cut {
            writer.write_all(&body.as_bytes()[..body.len() / 2]).ok()?;
            return None;
        }
        writer.write_all(body.as_bytes()).ok()?;
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_string();
    let (mut length, mut target, mut key) = (0, None, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "x-amz-target" => target = value.trim().rsplit('.').next().map(String::from),
            "authorization" => {
                let (_, rest) = value.split_once("Credential=")?;
                key = rest.split('/').next()?.to_string();
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    let name = target.or(action.map(String::from)).unwrap_or(path);
    Some(Call { name, key, body })
}

fn identity() -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{PAYER}:user/tests</Arn><UserId>AIDATESTS</UserId><Account>{PAYER}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )
}

/// Credentials of their own for each call, so that tests see which ones signed.
fn assumed(number: usize, lifetime: Duration) -> String {
    let until = (chrono::Utc::now() + lifetime).format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>secret{number}</SecretAccessKey>\
         <SessionToken>token{number}</SessionToken><Expiration>{until}</Expiration></Credentials></AssumeRoleResult>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}
