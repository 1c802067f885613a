//! A server that plays a script: for faults that no real server produces. It says what it is told
//! to, and reads a line of the client where the script says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// One step of a script.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Reads a line of the client, which must contain this, and remembers its tag.
    Hear(&'static str),
    /// Sends these bytes with each `%T` replaced by the tag of the last line heard.
    Reply(Vec<u8>),
    /// Reads a line of the client that has no tag: an answer to a challenge.
    HearAnswer,
    /// As [`Step::Reply`], with the tag of the last line heard that ends in this.
    ReplyTo(&'static str, Vec<u8>),
    /// Reads exactly so many bytes (a literal of the client) and the line end after them.
    Take(usize),
    /// Sends these bytes so many times.
    Repeat(Vec<u8>, usize),
    /// Sends these bytes so many times with a pause between, as long as the client takes them.
    Drip(Vec<u8>, Duration, usize),
    /// Waits until the client has closed the connection.
    AwaitClose,
}

/// Sends `text`.
pub(crate) fn say(text: impl AsRef<[u8]>) -> Step {
    Step::Say(text.as_ref().to_vec())
}

/// Reads a line that must contain `text`.
pub(crate) fn hear(text: &'static str) -> Step {
    Step::Hear(text)
}

/// Sends `text`, `%T` being the tag of the last line heard.
pub(crate) fn reply(text: impl AsRef<[u8]>) -> Step {
    Step::Reply(text.as_ref().to_vec())
}

/// A server that plays its script to the one client that comes.
pub(crate) struct Scripted {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Scripted {
    /// Starts it. After the last step the connection is closed.
    pub(crate) fn play(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            perform(&stream, script)
        });
        Self { port, thread: Some(thread) }
    }

    /// Waits until the script is played and gives the lines that the client sent.
    pub(crate) fn heard(mut self) -> Vec<String> {
        self.thread.take().expect("only here is it taken").join().expect("the script was played to its end")
    }
}

fn perform(stream: &TcpStream, script: Vec<Step>) -> Vec<String> {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    let mut heard = Vec::new();
    let mut tag = String::new();
    for step in script {
        // A client that has had enough closes; what is said after that may fail.
        match step {
            Step::Say(bytes) => {
                let _ = writer.write_all(&bytes);
            }
            Step::Hear(part) => {
                let mut line = String::new();
                let read = reader.read_line(&mut line).unwrap_or(0);
                assert!(read > 0, "the client closed instead of sending {part:?}; before: {heard:?}");
                assert!(line.contains(part), "expected {part:?}, heard {line:?}");
                line.split(' ').next().unwrap_or_default().clone_into(&mut tag);
                heard.push(line.trim_end().to_owned());
            }
            Step::HearAnswer => {
                let mut line = String::new();
                reader.read_line(&mut line).expect("the client's answer");
                heard.push(line.trim_end().to_owned());
            }
            Step::Reply(bytes) => {
                let _ = writer.write_all(&replace(&bytes, b"%T", tag.as_bytes()));
            }
            Step::ReplyTo(end, bytes) => {
                let asked = heard.iter().rev().find(|line| line.ends_with(end)).expect("such a line");
                let tag = asked.split(' ').next().unwrap_or_default();
                let _ = writer.write_all(&replace(&bytes, b"%T", tag.as_bytes()));
            }
            Step::Take(length) => {
                let mut bytes = vec![0; length];
                reader.read_exact(&mut bytes).expect("the client's literal");
                let mut end = Vec::new();
                reader.read_until(b'\n', &mut end).expect("the end of the line");
            }
            Step::Repeat(bytes, times) => {
                for _ in 0..times {
                    if writer.write_all(&bytes).is_err() {
                        break;
                    }
                }
            }
            Step::Drip(bytes, pause, times) => {
                for _ in 0..times {
                    std::thread::sleep(pause);
                    if writer.write_all(&bytes).is_err() {
                        break;
                    }
                }
            }
            Step::AwaitClose => {
                let _ = reader.read_to_end(&mut Vec::new());
            }
        }
    }
    heard
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}
