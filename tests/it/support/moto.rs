//! A moto server of the test's own: AWS's S3, STS, IAM and Cost Explorer with real signatures and policies.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http::{encoded, request};
use super::prepared;

/// The server; killed when dropped, its data with it.
pub struct Moto {
    process: Child,
    /// Where it listens.
    pub port: u16,
}

/// The keys of a user.
#[derive(Debug, Clone)]
pub struct Keys {
    pub id: String,
    pub secret: String,
}

/// The account that moto plays.
pub const ACCOUNT: &str = "123456789012";
const PATIENCE: Duration = Duration::from_secs(90);

impl Moto {
    /// Starts a server that lets everybody in until [`Moto::enforce`].
    pub fn start() -> Moto {
        let program = prepared("OFFGRIDFLOW_TEST_MOTO");
        let port = free_port();
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < PATIENCE, "moto does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Moto { process, port }
    }

    /// From now on every call is checked: key, signature and policy.
    pub fn enforce(&self) {
        self.expect("POST", "/moto-api/reset-auth", &[], b"0");
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The keys of the profile's file, without roles: `keys` come from the environment `TEST_AWS_ID`, `TEST_AWS_SECRET`.
    pub fn profile(&self, name: &str, more: &str) -> String {
        format!(
            "[profile.{name}]\nendpoint = \"{0}\"\nendpoint_url_sts = \"{0}\"\nallow_http = true\nregion = \"us-east-1\"\n\
             access_key_id = \"env:TEST_AWS_ID\"\nsecret_access_key = \"env:TEST_AWS_SECRET\"\n{more}",
            self.url()
        )
    }

    /// A user with keys who may do these actions on everything; none when empty.
    pub fn user(&self, name: &str, actions: &[&str]) -> Keys {
        self.iam("CreateUser", &[("UserName", name)]);
        if !actions.is_empty() {
            let policy = policy(actions);
            self.iam(
                "PutUserPolicy",
                &[
                    ("UserName", name),
                    ("PolicyName", "tests"),
                    ("PolicyDocument", &policy),
                ],
            );
        }
        let answer = self.iam("CreateAccessKey", &[("UserName", name)]);
        Keys {
            id: element(&answer, "AccessKeyId"),
            secret: element(&answer, "SecretAccessKey"),
        }
    }

    /// A role that may do these actions on everything: its ARN.
    pub fn role(&self, name: &str, actions: &[&str]) -> String {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        let answer = self.iam(
            "CreateRole",
            &[("RoleName", name), ("AssumeRolePolicyDocument", trust)],
        );
        if !actions.is_empty() {
            let policy = policy(actions);
            self.iam(
                "PutRolePolicy",
                &[
                    ("RoleName", name),
                    ("PolicyName", "tests"),
                    ("PolicyDocument", &policy),
                ],
            );
        }
        element(&answer, "Arn")
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) {
        self.expect("PUT", &format!("/{name}"), &[credential("s3")], b"");
    }

    /// Puts an object.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = path.replace('=', "%3D");
        self.expect("PUT", &format!("/{path}"), &[credential("s3")], bytes);
    }

    /// The answers of Cost Explorer, in the order in which different requests get them.
    pub fn costs(&self, results: &[String]) {
        let body = format!("{{\"results\":[{}]}}", results.join(","));
        let path = "/moto-api/static/ce/cost-and-usage-results";
        self.expect(
            "POST",
            path,
            &[("Content-Type".to_string(), "application/json".to_string())],
            body.as_bytes(),
        );
    }

    fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut body = format!("Action={action}&Version=2010-05-08");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let form = (
            "Content-Type".to_string(),
            "application/x-www-form-urlencoded".to_string(),
        );
        self.expect("POST", "/", &[credential("iam"), form], body.as_bytes())
    }

    fn expect(&self, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> String {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let (status, answer) = request(self.port, method, path, &headers, body).expect("moto answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The header by which moto tells its services apart; what it signs is not looked at before [`Moto::enforce`].
fn credential(service: &str) -> (String, String) {
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=setup/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    ("Authorization".to_string(), value)
}

fn policy(actions: &[&str]) -> String {
    let actions: Vec<String> = actions.iter().map(|action| format!("\"{action}\"")).collect();
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":[{}],\"Resource\":\"*\"}}]}}",
        actions.join(",")
    )
}

fn element(answer: &str, name: &str) -> String {
    let (_, rest) = answer.split_once(&format!("<{name}>")).expect("moto names it");
    rest.split_once("</").expect("an element ends").0.to_string()
}

/// A port that nobody has now.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
