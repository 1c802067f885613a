//! The real program against servers that mean it ill: a literal of 4 GiB, lines and floods without end,
//! rubbish, a door that shuts at once, numbers that are given anew each time. It says what is wrong, soon
//! and in little memory, and the other account of the same config never hears of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::turmoil::{Turmoil, hash, letter};
use crate::servers::dovecot::Dovecot;
use crate::terminal::World;

/// What a server does once the client trusts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evil {
    /// Announces a message of 4 GiB, and begins to send it.
    Huge,
    /// Sends a line that never ends.
    Line,
    /// Sends ten million lines.
    Flood,
    /// Greets with rubbish.
    Rubbish,
    /// Closes at once.
    Closes,
    /// Gives all messages new numbers each time the mailbox is opened.
    Renumbers,
}

fn pour(mut stream: &TcpStream, bytes: &[u8], times: usize) -> std::io::Result<()> {
    let many = bytes.repeat((1 << 16) / bytes.len() + 1);
    let mut left = bytes.len().saturating_mul(times);
    while left > 0 {
        let some = &many[..many.len().min(left)];
        stream.write_all(some)?;
        left -= some.len();
    }
    Ok(())
}

/// Serves whoever comes, each in a thread, until the test ends.
fn serve(evil: Evil, session: Session) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that has had enough closes.
            std::thread::spawn(move || drop(session(&stream, evil)));
        }
    });
    port
}

/// What both kinds of server do before anything else.
fn greet(mut stream: &TcpStream, evil: Evil, greeting: &[u8]) -> std::io::Result<bool> {
    match evil {
        Evil::Closes => return Ok(false),
        Evil::Rubbish => pour(stream, b"\x00\xff\x1b]52;c;eA==\x07)(%s\r\n", 1 << 16)?,
        _ => stream.write_all(greeting)?,
    }
    Ok(evil != Evil::Rubbish)
}

fn imap(mut stream: &TcpStream, evil: Evil) -> std::io::Result<()> {
    static VALIDITY: AtomicU32 = AtomicU32::new(1);
    if !greet(stream, evil, b"* OK ready\r\n")? {
        return Ok(());
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        while let Some(length) = line.trim_end().strip_suffix('}').and_then(|l| l.rsplit_once('{')?.1.parse().ok()) {
            stream.write_all(b"+ go on\r\n")?;
            let mut literal = vec![0; length];
            reader.read_exact(&mut literal)?;
            line.clear();
            reader.read_line(&mut line)?;
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or(("*", ""));
        let is = |word: &str| command.starts_with(word);
        match evil {
            Evil::Line if is("LIST") || is("NAMESPACE") => pour(stream, b"x", usize::MAX)?,
            Evil::Flood if is("SELECT") || is("EXAMINE") => pour(stream, b"* 3 EXISTS\r\n", 10_000_000)?,
            Evil::Huge if command.contains("BODY") => {
                stream.write_all(b"* 1 FETCH (UID 1 RFC822.SIZE 4294967296 BODY[] {4294967296}\r\n")?;
                pour(stream, b"x", 1 << 32)?;
            }
            _ => {}
        }
        let answer = match command {
            _ if is("CAPABILITY") => "* CAPABILITY IMAP4rev1\r\n".to_owned(),
            _ if is("LIST") => "* LIST () \"/\" INBOX\r\n".to_owned(),
            _ if is("SELECT") || is("EXAMINE") => {
                let validity = if evil == Evil::Renumbers { VALIDITY.fetch_add(1, Ordering::Relaxed) } else { 1 };
                format!("* 3 EXISTS\r\n* OK [UIDVALIDITY {validity}] v\r\n* OK [UIDNEXT 4] n\r\n")
            }
            _ if is("UID SEARCH") => "* SEARCH 1 2 3\r\n".to_owned(),
            _ if command.contains("BODY") => String::new(),
            _ if is("UID FETCH") => (1..4)
                .fold(String::new(), |all, n| all + &format!("* {n} FETCH (UID {n} FLAGS () RFC822.SIZE 100)\r\n")),
            _ => String::new(),
        };
        stream.write_all(format!("{answer}{tag} OK done\r\n").as_bytes())?;
    }
}

fn pop3(mut stream: &TcpStream, evil: Evil) -> std::io::Result<()> {
    if !greet(stream, evil, b"+OK ready\r\n")? {
        return Ok(());
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let command = line.trim_end();
        let is = |word: &str| command.starts_with(word);
        match evil {
            Evil::Line if is("UIDL") => pour(stream, b"x", usize::MAX)?,
            Evil::Flood if is("UIDL") => {
                stream.write_all(b"+OK\r\n")?;
                pour(stream, b"1 id\r\n", 10_000_000)?;
            }
            Evil::Huge if is("RETR") => {
                stream.write_all(b"+OK\r\n")?;
                pour(stream, b"Subject: x\r\n", usize::MAX >> 8)?;
            }
            _ => {}
        }
        let answer = match command {
            _ if is("CAPA") => "+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n",
            _ if is("STAT") => "+OK 1 100\r\n",
            _ if is("LIST") => "+OK\r\n1 100\r\n.\r\n",
            _ if is("UIDL") => "+OK\r\n1 id\r\n.\r\n",
            _ => "+OK\r\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
}

/// How a run went.
struct Ran {
    code: Option<i32>,
    said: String,
    /// The most memory that it had at once, in KiB.
    peak: u64,
    took: Duration,
}

/// Runs `tern sync` and watches its memory.
fn sync(world: &World) -> Ran {
    let begun = Instant::now();
    let log = world.path("said");
    let mut command = world.command(&["sync", "--quiet", "--no-index"]);
    command.stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a file"));
    let mut tern = command.spawn().expect("tern starts");
    let status = format!("/proc/{}/status", tern.id());
    let mut peak = 0;
    let ended = loop {
        if let Ok(told) = fs::read_to_string(&status) {
            let most = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            peak = peak.max(most.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        }
        if let Some(ended) = tern.try_wait().expect("our own child") {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ran { code: ended.code(), said: fs::read_to_string(log).expect("a file"), peak, took: begun.elapsed() }
}

/// The config of a good account beside one at an evil server.
fn config(good: u16, kind: &str, evil: u16) -> String {
    let server = format!(
        "{kind} = {{ host = \"127.0.0.1\", port = {evil}, user = \"eve\", tls = \"plain\", timeout = \"5s\" }}"
    );
    Turmoil::config(good, "")
        + &format!(
            "[accounts.eve]\naddress = \"eve@example.org\"\nmaildir = \"{{home}}/mail/eve\"\n{server}\n\
             password = {{ file = \"{{home}}/password\" }}\n"
        )
}

/// Serves one client.
type Session = fn(&TcpStream, Evil) -> std::io::Result<()>;

/// The exit codes that are right for what a server does.
type Right = (Evil, &'static [i32]);

/// What the run against each server may end with.
const KINDS: [(&str, Session, &[Right]); 2] = [
    (
        "imap",
        imap,
        &[
            (Evil::Huge, &[76, 1]),
            (Evil::Line, &[76]),
            (Evil::Flood, &[76]),
            (Evil::Rubbish, &[76]),
            (Evil::Closes, &[69]),
            (Evil::Renumbers, &[0, 1, 76]),
        ],
    ),
    (
        "pop3",
        pop3,
        &[
            (Evil::Huge, &[76, 1]),
            (Evil::Line, &[76]),
            (Evil::Flood, &[76]),
            (Evil::Rubbish, &[76]),
            (Evil::Closes, &[69]),
        ],
    ),
];

#[test]
fn servers_that_mean_it_ill_are_left_soon_with_a_clear_word_and_in_little_memory() {
    let dovecot = Dovecot::start();
    let mut next = 1;
    let mut arrive = || {
        let _ = dovecot.deliver("ada", "INBOX", &letter(next));
        next += 1;
        next - 1
    };
    arrive();
    let calm = {
        let world = World::new(&Turmoil::config(dovecot.imap, ""));
        sync(&world)
    };
    assert_eq!(calm.code, Some(0), "{}", calm.said);
    let world = World::new("");
    let mut told = Vec::new();
    for (kind, session, evils) in KINDS {
        for (evil, codes) in evils {
            let when = format!("{kind}, {evil:?}");
            world.configure(&config(dovecot.imap, kind, serve(*evil, session)));
            let number = arrive();
            let ran = sync(&world);
            told.push(format!(
                "{when}: {:?}, {:.1?}, {} KiB more\n{}",
                ran.code,
                ran.took,
                ran.peak.saturating_sub(calm.peak),
                ran.said
            ));
            assert!(!ran.said.contains("panicked"), "{when}: {}", ran.said);
            assert!(ran.code.is_some_and(|code| codes.contains(&code)), "{when}: {:?}: {}", ran.code, ran.said);
            assert!(ran.code == Some(0) || ran.said.contains("tern: sync: eve: cannot "), "{when}: {}", ran.said);
            assert!(ran.peak < calm.peak + (64 << 10), "{when}: {} KiB, without it {} KiB", ran.peak, calm.peak);
            assert!(ran.took < Duration::from_mins(1), "{when} took {:?}", ran.took);
            let wanted = hash(&letter(number));
            let here = world.files("mail/ada/INBOX");
            let came = here.iter().any(|path| hash(&fs::read(path).expect("a message")) == wanted);
            assert!(came, "{when}: the other account is served: {}", ran.said);
            assert_eq!(world.files("mail/eve/INBOX").len(), 0, "{when}: nothing that is not whole is here");
        }
    }
    eprintln!("without: {} KiB\n{}", calm.peak, told.join("\n"));
}
