//! A stub before bqemulator, our own reading of the API: it gives tokens and asks for them, and answers with a fault where a
//! test wants one. Everything else is the emulator's answer.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::http;

/// What the stub answers instead of the emulator.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A refusal: status, reason, seconds of `Retry-After`.
    Refusal(u16, &'static str, Option<u32>),
    /// The connection ends in the middle of the body.
    CutOff,
    /// A page of a proxy.
    Page(u16),
    /// The token has ended.
    TokenEnded,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    calls: Vec<String>,
    tokens: u32,
    refuses_logins: bool,
}

/// The stub; its threads end with the test.
pub struct BigQueryStub {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl BigQueryStub {
    /// Stands before the emulator at a port.
    pub fn before(emulator: u16) -> BigQueryStub {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || answer(stream, emulator, &state));
            }
        });
        BigQueryStub { port, state }
    }

    /// Faults for the next calls, in order.
    pub fn fail(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults.extend(faults.iter().cloned());
    }

    /// Whether tokens are refused from now on.
    pub fn refuse_logins(&self) {
        self.state.lock().unwrap().refuses_logins = true;
    }

    /// Faults that were not asked for yet.
    pub fn faults_left(&self) -> usize {
        self.state.lock().unwrap().faults.len()
    }

    /// Tokens given so far.
    pub fn tokens(&self) -> u32 {
        self.state.lock().unwrap().tokens
    }

    /// A service account's key whose tokens this stub gives.
    pub fn key(&self) -> String {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        serde_json::json!({
            "type": "service_account",
            "project_id": "acme-billing",
            "private_key": pair.serialize_pem(),
            "client_email": "reader@acme-billing.iam.gserviceaccount.com",
            "token_uri": format!("http://127.0.0.1:{}/token", self.port),
        })
        .to_string()
    }
}

fn answer(mut stream: TcpStream, emulator: u16, state: &Mutex<State>) {
    let Some((head, body)) = request(&mut stream) else {
        return;
    };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if path == "/token" || path.contains("/service-accounts/default/token") {
        let mut state = state.lock().unwrap();
        if state.refuses_logins {
            let refusal = r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#;
            return write(&mut stream, 400, "", refusal.as_bytes());
        }
        state.tokens += 1;
        let token = format!(
            r#"{{"access_token": "token-{}", "expires_in": 3599, "token_type": "Bearer"}}"#,
            state.tokens
        );
        return write(&mut stream, 200, "", token.as_bytes());
    }
    let fault = {
        let mut state = state.lock().unwrap();
        state.calls.push(format!("{method} {path}"));
        let current = format!("bearer token-{}\r\n", state.tokens);
        if !head.to_ascii_lowercase().contains(&current) {
            Some(Fault::TokenEnded)
        } else {
            state.faults.pop_front()
        }
    };
    let refusal = |status: u16, reason: &str| {
        format!(
            r#"{{"error": {{"code": {status}, "message": "the stub says {reason}", "errors": [{{"reason": "{reason}", "message": "m", "domain": "global"}}]}}}}"#
        )
    };
    match fault {
        None => {
            let (status, body) = forward(emulator, method, path, &body);
            write(&mut stream, status, "", body.as_bytes());
        }
        Some(Fault::Refusal(status, reason, seconds)) => {
            let header = seconds.map_or(String::new(), |seconds| format!("Retry-After: {seconds}\r\n"));
            write(&mut stream, status, &header, refusal(status, reason).as_bytes());
        }
        Some(Fault::TokenEnded) => write(&mut stream, 401, "", refusal(401, "authError").as_bytes()),
        Some(Fault::Page(status)) => write(&mut stream, status, "", b"<html>the proxy is tired</html>"),
        Some(Fault::CutOff) => {
            let (status, body) = forward(emulator, method, path, &body);
            let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body.as_bytes()[..body.len() / 2]);
        }
    }
}

/// The emulator's own answer.
fn forward(emulator: u16, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    http::request(
        emulator,
        method,
        path,
        &[("Content-Type", "application/json")],
        body,
    )
    .unwrap_or_default()
}

/// The head, up to its blank line, and the body.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 8192];
    let end = loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_string();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    while bytes.len() < end + length {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
    Some((head, bytes[end..].to_vec()))
}

fn write(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}
