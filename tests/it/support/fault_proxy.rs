//! A proxy between the program and a real server: it does to single calls what networks and busy services do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one call.
pub enum Fault {
    /// This answer instead of the server's: status, header lines with their line ends, body.
    Answer(u16, &'static str, String),
    /// The server's answer up to the middle of its body, then the connection is reset.
    Reset,
    /// The server takes the call, and nothing of its answer arrives.
    Lost,
    /// The server's answer, announced longer than it is.
    Longer,
    /// The server's answer, announced and sent shorter than it is.
    Shorter,
    /// The server's answer in pieces with pauses.
    Slow,
    /// The server's answer with another body, which is remembered for [`Fault::Repeated`].
    Changed(fn(String) -> String),
    /// The last changed answer once more.
    Repeated,
}

/// One call as the program made it.
pub struct Call {
    /// `GET`, `HEAD`, `PUT`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// How many calls there were before it.
    pub number: usize,
}

impl Call {
    /// Whether it lists a bucket or container.
    pub fn lists(&self) -> bool {
        self.target.contains("list-type=2") || self.target.contains("comp=list")
    }

    /// Whether it reads an object whose key holds this.
    pub fn reads(&self, part: &str) -> bool {
        self.method == "GET" && !self.lists() && self.target.contains(part)
    }
}

type Plan = dyn Fn(&Call, usize) -> Option<Fault> + Send + Sync;

struct Shared {
    server: u16,
    plan: Mutex<Option<Arc<Plan>>>,
    /// Calls and faults since the plan was made.
    counts: Mutex<(usize, usize)>,
    remembered: Mutex<Vec<u8>>,
}

/// The proxy; it ends with the test's process.
pub struct FaultProxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Starts a proxy before the server at this port; it only passes on.
    pub fn start(server: u16) -> FaultProxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            plan: Mutex::default(),
            counts: Mutex::default(),
            remembered: Mutex::default(),
        });
        let of_server = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = of_server.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        FaultProxy { port, shared }
    }

    /// From now on `plan` says what happens to a call; it gets the number of faults so far.
    pub fn disturb(&self, plan: impl Fn(&Call, usize) -> Option<Fault> + Send + Sync + 'static) {
        *self.shared.counts.lock().unwrap() = (0, 0);
        *self.shared.plan.lock().unwrap() = Some(Arc::new(plan));
    }

    /// The calls so far, or since the last plan was made.
    pub fn calls(&self) -> usize {
        self.shared.counts.lock().unwrap().0
    }

    /// From now on everything passes; tells how many faults there were.
    pub fn heal(&self) -> usize {
        *self.shared.plan.lock().unwrap() = None;
        self.shared.counts.lock().unwrap().1
    }
}

impl Shared {
    /// One call over a connection of its own.
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let (head, body) = request(&mut client)?;
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
        let plan = self.plan.lock().unwrap().clone();
        let fault = {
            let mut counts = self.counts.lock().unwrap();
            let (number, faults) = *counts;
            let fault = plan.and_then(|plan| {
                plan(
                    &Call {
                        method,
                        target,
                        number,
                    },
                    faults,
                )
            });
            *counts = (number + 1, faults + usize::from(fault.is_some()));
            fault
        };
        if let Some(Fault::Answer(status, header, body)) = fault {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Fault\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            client.write_all(head.as_bytes()).ok()?;
            client.write_all(body.as_bytes()).ok()?;
            // The rest of the request is taken, so that the connection is closed and not reset.
            let _ = client.read(&mut [0]);
            return Some(());
        }
        if let Some(Fault::Repeated) = fault {
            let _ = client.read(&mut [0]);
            let remembered = self.remembered.lock().unwrap().clone();
            return client.write_all(&remembered).ok();
        }
        let answer = ask(self.server, &head, &body)?;
        let lines = |length: usize| {
            format!(
                "{}Content-Length: {length}\r\nConnection: close\r\n\r\n",
                answer.head
            )
        };
        let whole = answer.length.unwrap_or(answer.body.len());
        match fault {
            None => {
                client.write_all(lines(whole).as_bytes()).ok()?;
                client.write_all(&answer.body).ok()?;
            }
            Some(Fault::Reset) => {
                client.write_all(lines(whole).as_bytes()).ok()?;
                client.write_all(&answer.body[..answer.body.len() / 2]).ok()?;
                client.flush().ok()?;
                // What was sent shall arrive before the reset, which a byte of the request makes that nobody read.
                std::thread::sleep(Duration::from_millis(50));
                return None;
            }
            Some(Fault::Lost) => return None,
            Some(Fault::Longer) => {
                client.write_all(lines(whole + 100).as_bytes()).ok()?;
                client.write_all(&answer.body).ok()?;
            }
            Some(Fault::Shorter) => {
                let shorter = whole - whole / 4;
                client.write_all(lines(shorter).as_bytes()).ok()?;
                client.write_all(&answer.body[..shorter]).ok()?;
            }
            Some(Fault::Slow) => {
                client.write_all(lines(whole).as_bytes()).ok()?;
                for piece in answer.body.chunks((answer.body.len() / 20).max(1)) {
                    client.write_all(piece).ok()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            Some(Fault::Changed(change)) => {
                let body = change(String::from_utf8(answer.body.clone()).ok()?);
                let changed = [lines(body.len()).into_bytes(), body.into_bytes()].concat();
                client.write_all(&changed).ok()?;
                *self.remembered.lock().unwrap() = changed;
            }
            Some(Fault::Answer(..) | Fault::Repeated) => {}
        }
        let _ = client.read(&mut [0]);
        Some(())
    }
}

/// Head and body of a request. The last byte of a request without a body is left unread: a connection that is dropped
/// with such a byte is reset.
fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    client.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length: usize = header(&head, "content-length").map_or(Some(0), |text| text.parse().ok())?;
    let mut body = Vec::new();
    if length > 0 {
        body.resize(length + 1, 0);
        client.read_exact(&mut body).ok()?;
        body.remove(0);
    }
    Some((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A server's answer: the lines of its head without those about length and connection, and the body as it is.
struct Answer {
    head: String,
    /// What was announced; an answer to `HEAD` has a length and no body.
    length: Option<usize>,
    body: Vec<u8>,
}

fn ask(server: u16, head: &str, body: &[u8]) -> Option<Answer> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let lines = head
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    server
        .write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
        .ok()?;
    server.write_all(body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body = answer.split_off(end);
    let head = String::from_utf8(answer).ok()?;
    let body = match header(&head, "transfer-encoding") {
        Some(encoding) if encoding.contains("chunked") => unchunked(&body)?,
        _ => body,
    };
    let length = header(&head, "content-length").and_then(|text| text.parse().ok());
    const OWN: [&str; 4] = [
        "content-length:",
        "transfer-encoding:",
        "connection:",
        "keep-alive:",
    ];
    let kept = head.trim_end().lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !OWN.iter().any(|name| line.starts_with(name))
    });
    let head = kept.map(|line| format!("{line}\r\n")).collect();
    Some(Answer { head, length, body })
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let start = end + 2;
        body.extend_from_slice(bytes.get(start..start + size)?);
        bytes = bytes.get(start + size + 2..)?;
    }
}
