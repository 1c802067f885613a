//! An SMTP server that behaves unless told otherwise: a rule may give another answer to any command,
//! so that faults come which no real server produces on demand. What it accepts it keeps.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tern::config::{Auth, Server, Tls};

/// Another answer than the usual one.
pub(crate) enum Answer {
    /// These bytes.
    Say(Vec<u8>),
    /// These bytes, so many times, as long as the client takes them; then the connection is closed.
    Flood(Vec<u8>, usize),
    /// These bytes, and the connection is closed.
    SayAndClose(&'static str),
    /// To the final dot: the message is taken, and the connection closed without a word.
    TakeAndClose,
}

/// Says `text` and a line end.
pub(crate) fn say(text: &str) -> Answer {
    Answer::Say(format!("{text}\r\n").into_bytes())
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The recipients that were accepted.
    pub(crate) recipients: Vec<String>,
    /// The message, unstuffed.
    pub(crate) message: Vec<u8>,
}

/// What is shared with the server's thread.
#[derive(Default)]
struct Seen {
    heard: Vec<String>,
    taken: Vec<Taken>,
}

/// The server. Its thread ends with the test's process.
pub(crate) struct Fake {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Fake {
    /// Starts one. `rule` is asked before each answer with what the client said: a command line,
    /// `(connect)`, or `.` for the final dot; `None` means the usual answer.
    pub(crate) fn start(rule: impl FnMut(&str) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = Arc::clone(&seen);
        let mut rule = rule;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that closes in the middle ends its session and nothing else.
                let _ = serve(&stream, &mut rule, &shared);
            }
        });
        Self { port, seen }
    }

    /// What the clients said, command by command.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.seen.lock().expect("no panic there").heard.clone()
    }

    /// What was taken.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.seen.lock().expect("no panic there").taken.clone()
    }

    /// How to reach it, in the clear.
    pub(crate) fn server(&self, auth: Auth) -> Server {
        Server {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls: Tls::Plain,
            user: "ada".to_owned(),
            auth,
            pin: None,
            ca: None,
            timeout: Duration::from_secs(10),
            compress: false,
            quirks: tern::config::quirk::Quirks::default(),
        }
    }
}

fn serve(
    mut stream: &TcpStream,
    rule: &mut impl FnMut(&str) -> Option<Answer>,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut open = Taken { recipients: Vec::new(), message: Vec::new() };
    let mut line = "(connect)".to_owned();
    loop {
        seen.lock().expect("no panic there").heard.push(line.clone());
        let keep = |open: &mut Taken| {
            let done = std::mem::replace(open, Taken { recipients: Vec::new(), message: Vec::new() });
            seen.lock().expect("no panic there").taken.push(done);
        };
        let ends_data = match rule(&line) {
            Some(Answer::Say(bytes)) => {
                stream.write_all(&bytes)?;
                bytes.starts_with(b"354")
            }
            Some(Answer::Flood(bytes, times)) => {
                for _ in 0..times {
                    stream.write_all(&bytes)?;
                }
                return Ok(());
            }
            Some(Answer::SayAndClose(text)) => return stream.write_all(text.as_bytes()),
            Some(Answer::TakeAndClose) => {
                keep(&mut open);
                return Ok(());
            }
            None => {
                let (usual, last) = usual(&line);
                if line == "." {
                    keep(&mut open);
                }
                if let Some(who) = line.strip_prefix("RCPT TO:<").and_then(|rest| rest.split('>').next()) {
                    open.recipients.push(who.to_owned());
                }
                stream.write_all(usual.as_bytes())?;
                if last {
                    return Ok(());
                }
                line == "DATA"
            }
        };
        if ends_data {
            open.message = read_data(&mut reader)?;
            ".".clone_into(&mut line);
            continue;
        }
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        String::from_utf8_lossy(&bytes).trim_end().clone_into(&mut line);
    }
}

fn usual(line: &str) -> (&'static str, bool) {
    match line.split(' ').next().unwrap_or_default() {
        "(connect)" => ("220 fake ESMTP\r\n", false),
        "EHLO" => {
            ("250-fake\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n", false)
        }
        "AUTH" => ("235 2.7.0 welcome\r\n", false),
        "DATA" => ("354 go on\r\n", false),
        "QUIT" => ("221 2.0.0 bye\r\n", true),
        _ => ("250 2.0.0 ok\r\n", false),
    }
}

/// Reads up to CRLF, dot, CRLF and nothing less; takes the stuffing away.
fn read_data(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut message: Vec<u8> = Vec::new();
    let mut line = Vec::new();
    loop {
        let start = line.len();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if !line.ends_with(b"\r\n") {
            assert!(line.len() > start, "bytes came");
            continue;
        }
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        line.clear();
    }
}
