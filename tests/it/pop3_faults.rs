//! POP3 against servers that no test can wait for: ids missing or given twice, sizes that lie, a cut at every point,
//! lines without end, rubbish, and bytes slipped in before TLS.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use tern::config::account::Layout;
use tern::config::{
    Account, Auth, DeleteThere, FolderMap, Pop3, PopSignIn, Retention, SecretSource, Server, SyncSettings, Tls,
};
use tern::fault::{Again, Cause, Doing, Fault};
use tern::mail::address::Address;
use tern::mail::ids::AccountId;
use tern::store::maildir::Maildir;
use tern::store::scan;
use tern::sync::Env;
use tern::sync::worker::{Summary, run_once};

use crate::pop3::{Hands, env, odd_letter};
use crate::support::scripted::{Scripted, Step, hear, say};

/// Where a server that is about to fail closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// In the middle of the text of the nth message.
    InText(usize),
    /// Before it answers the nth command of this name, which it does not hear.
    Before(&'static str, usize),
    /// After it did what the nth command of this name says; the answer is lost.
    After(&'static str, usize),
}

/// What a server is like.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    /// The commands that it does not know.
    pub(crate) without: &'static [&'static str],
    /// Does it refuse TOP, which it knows, for now?
    pub(crate) shy: bool,
    /// What is added to each size that it tells.
    lie: i64,
    /// Does it keep what it said it would remove?
    keeps: bool,
    /// What it answers to the password.
    refuses: Option<&'static str>,
    /// Which message never ends?
    endless: Option<usize>,
    pub(crate) cut: Option<Cut>,
}

impl Ways {
    fn lacks(&self, command: &str) -> bool {
        self.without.contains(&command)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Letter {
    id: String,
    text: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) letters: Vec<Letter>,
    ways: Ways,
    fetched: Vec<String>,
    sessions: usize,
    /// How many bytes were taken of messages that never end, session by session.
    poured: Vec<usize>,
}

/// A POP3 server in a thread that does what real ones do on their worst day.
#[derive(Clone)]
pub(crate) struct Server3 {
    pub(crate) port: u16,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Server3 {
    pub(crate) fn start(letters: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, state: Arc::default() };
        for (id, text) in letters {
            server.arrive(id, text);
        }
        let state = Arc::clone(&server.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away ends the session, as a cut does.
                let _ = serve(&stream, &state);
            }
        });
        server
    }

    pub(crate) fn arrive(&self, id: &str, text: &[u8]) {
        self.state.lock().unwrap().letters.push(Letter { id: id.to_owned(), text: text.to_vec() });
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.state.lock().unwrap().ways);
    }

    pub(crate) fn left(&self) -> usize {
        self.state.lock().unwrap().letters.len()
    }

    /// The ids of what was fetched since the last time.
    pub(crate) fn fetched(&self) -> Vec<String> {
        let mut fetched = std::mem::take(&mut self.state.lock().unwrap().fetched);
        fetched.sort();
        fetched
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let (letters, ways) = {
        let mut state = state.lock().unwrap();
        state.sessions += 1;
        (state.letters.clone(), state.ways.clone())
    };
    let closed = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut doomed = vec![false; letters.len()];
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    out.write_all(b"+OK ready\r\n")?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let at = words.next().and_then(|word| word.parse::<usize>().ok()).unwrap_or(1) - 1;
        let nth = counts.entry(name.clone()).or_default();
        *nth += 1;
        let is_now = |cut: &Option<Cut>, nth: usize| match cut {
            Some(Cut::Before(cut, n)) => *cut == name && *n == nth,
            _ => false,
        };
        if is_now(&ways.cut, *nth) {
            return Err(closed());
        }
        let size = |letter: &Letter| i64::try_from(letter.text.len()).unwrap() + ways.lie;
        let lines = |lines: Vec<String>| format!("+OK\r\n{}.\r\n", lines.concat()).into_bytes();
        let each = |show: &dyn Fn(&Letter) -> String| {
            lines(letters.iter().enumerate().map(|(n, letter)| format!("{} {}\r\n", n + 1, show(letter))).collect())
        };
        let answer = match name.as_str() {
            "CAPA" if ways.lacks("CAPA") => b"-ERR what?\r\n".to_vec(),
            "CAPA" => {
                let mut known = vec!["USER\r\n", "PIPELINING\r\n", "RESP-CODES\r\n"];
                known.extend((!ways.lacks("UIDL")).then_some("UIDL\r\n"));
                known.extend((!ways.lacks("TOP")).then_some("TOP\r\n"));
                lines(known.into_iter().map(str::to_owned).collect())
            }
            "PASS" => ways.refuses.map_or(b"+OK\r\n".to_vec(), |words| format!("-ERR {words}\r\n").into_bytes()),
            "STAT" => format!("+OK {} 0\r\n", letters.len()).into_bytes(),
            "LIST" => each(&|letter| size(letter).to_string()),
            "UIDL" if !ways.lacks("UIDL") => each(&|letter| letter.id.clone()),
            "TOP" if !ways.lacks("TOP") && !ways.shy => {
                let text = &letters[at].text;
                let end = text.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                [b"+OK\r\n", &text[..end], b".\r\n"].concat()
            }
            "RETR" => {
                state.lock().unwrap().fetched.push(letters[at].id.clone());
                let stuffed = stuffed(&letters[at].text);
                if ways.cut == Some(Cut::InText(*nth)) {
                    out.write_all(b"+OK\r\n")?;
                    out.write_all(&stuffed[..stuffed.len() / 2])?;
                    return Err(closed());
                }
                if ways.endless == Some(at) {
                    out.write_all(b"+OK\r\n")?;
                    let filling = vec![b'x'; 1 << 16];
                    state.lock().unwrap().poured.push(0);
                    loop {
                        out.write_all(&filling)?;
                        *state.lock().unwrap().poured.last_mut().unwrap() += filling.len();
                    }
                }
                [b"+OK\r\n", stuffed.as_slice(), b".\r\n"].concat()
            }
            "DELE" => {
                doomed[at] = true;
                b"+OK\r\n".to_vec()
            }
            "QUIT" => {
                if !ways.keeps {
                    let gone: Vec<String> =
                        letters.iter().zip(&doomed).filter(|(_, gone)| **gone).map(|(l, _)| l.id.clone()).collect();
                    state.lock().unwrap().letters.retain(|letter| !gone.contains(&letter.id));
                }
                b"+OK bye\r\n".to_vec()
            }
            "USER" | "NOOP" => b"+OK\r\n".to_vec(),
            _ => b"-ERR what?\r\n".to_vec(),
        };
        if let Some(Cut::After(cut, n)) = ways.cut
            && (cut, n) == (name.as_str(), *nth)
        {
            return Err(closed());
        }
        out.write_all(&answer)?;
        if name == "QUIT" {
            return Ok(());
        }
    }
}

fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out
}

pub(crate) struct Client {
    pub(crate) home: TempDir,
    pub(crate) clock: Arc<Hands>,
    pub(crate) env: Env,
}

impl Client {
    pub(crate) fn new(port: u16, tls: Tls, retention: Retention) -> Self {
        let (home, clock) = (tempfile::tempdir().unwrap(), Hands::new());
        let server = Server {
            host: "127.0.0.1".to_owned(),
            port,
            tls,
            user: "pat".to_owned(),
            auth: Auth::Auto,
            pin: None,
            ca: None,
            timeout: Duration::from_secs(2),
            compress: false,
            quirks: tern::config::quirk::Quirks::default(),
        };
        let account = Account {
            id: AccountId::new("pat"),
            address: Address { name: String::new(), email: "pat@example.org".to_owned() },
            aliases: Vec::new(),
            maildir: home.path().join("mail"),
            layout: Layout::Nested,
            imap: None,
            pop3: Some(Pop3 { server, sign_in: PopSignIn::Auth, retention }),
            submit: None,
            secret: SecretSource::Prompt,
            sync: SyncSettings { interval: None, ..SyncSettings::default() },
            folders: FolderMap::default(),
            signature: None,
            server_files_sent: false,
        };
        let data: PathBuf = home.path().join("data");
        let env = env(&account, data, &clock, "secret");
        Self { home, clock, env }
    }

    pub(crate) fn sync(&self) -> Result<Summary, Fault> {
        run_once(&self.env, &|_| ())
    }

    /// What lies in INBOX here, sorted.
    pub(crate) fn here(&self) -> Vec<Vec<u8>> {
        let Ok(inbox) = Maildir::open(&self.home.path().join("mail/INBOX")) else { return Vec::new() };
        let entries = scan::scan(&inbox).unwrap().entries;
        let mut texts: Vec<_> = entries.iter().map(|entry| inbox.read_entry(entry).unwrap().unwrap()).collect();
        texts.sort();
        texts
    }

    pub(crate) fn fault(&self) -> (Doing, Cause, Again) {
        let fault = self.sync().unwrap_err();
        assert!(!fault.detail.is_empty(), "{fault:?}");
        (fault.doing, fault.cause, fault.again)
    }
}

fn sorted(numbers: impl IntoIterator<Item = u32>) -> Vec<Vec<u8>> {
    let mut texts: Vec<_> = numbers.into_iter().map(odd_letter).collect();
    texts.sort();
    texts
}

pub(crate) const NEVER: Retention = Retention { delete: DeleteThere::Never, after: None, over: None };
pub(crate) const AT_ONCE: Retention = Retention { delete: DeleteThere::AtOnce, ..NEVER };

#[test]
fn ids_that_are_missing_long_or_given_twice_lose_and_double_nothing() {
    let long = "x".repeat(71);
    for (what, ids, ways) in [
        ("good ids", ["a", "b", "c"], Ways::default()),
        ("one id twice", ["a", "a", "c"], Ways::default()),
        ("ids that are none", ["", &long, "a b\u{7f}"], Ways::default()),
        ("ids like ours", ["header:00", "header:00", "header:1"], Ways::default()),
        ("no UIDL", ["", "", ""], Ways { without: &["UIDL"], ..Ways::default() }),
        ("no CAPA", ["a", "b", "c"], Ways { without: &["CAPA"], ..Ways::default() }),
        ("no CAPA, no UIDL", ["", "", ""], Ways { without: &["CAPA", "UIDL"], ..Ways::default() }),
        ("no CAPA, no UIDL, no TOP", ["", "", ""], Ways { without: &["CAPA", "UIDL", "TOP"], ..Ways::default() }),
        ("no UIDL, no TOP", ["", "", ""], Ways { without: &["UIDL", "TOP"], ..Ways::default() }),
        ("sizes too small", ["a", "b", "c"], Ways { lie: -7, ..Ways::default() }),
        ("sizes too large", ["a", "b", "c"], Ways { lie: 4000, ..Ways::default() }),
    ] {
        let server = Server3::start(&[(ids[0], odd_letter(1)), (ids[1], odd_letter(2)), (ids[2], odd_letter(3))]);
        server.set(|known| *known = ways);
        let client = Client::new(server.port, Tls::Plain, NEVER);
        for round in 0..3 {
            let summary = client.sync().unwrap_or_else(|fault| panic!("{what}: {fault}"));
            assert_eq!(summary.faults, vec![], "{what}");
            assert_eq!(summary.counts.fetched, if round == 0 { 3 } else { 0 }, "{what}, round {round}");
            assert!(client.here() == sorted(1..=3), "{what}, round {round}");
            client.clock.turn(86_400);
        }
        assert_eq!(server.left(), 3, "{what}");
    }
}

#[test]
fn one_that_comes_to_share_an_id_is_not_fetched_again_nor_when_it_has_it_alone_once_more() {
    let server = Server3::start(&[("a", odd_letter(1))]);
    let client = Client::new(server.port, Tls::Plain, NEVER);
    assert_eq!(client.sync().unwrap().counts.fetched, 1);
    server.arrive("a", &odd_letter(2));
    assert_eq!(client.sync().unwrap().counts.fetched, 1);
    server.state.lock().unwrap().letters.remove(0);
    // The second was known by its header; now the id is its alone.
    assert_eq!(client.sync().unwrap().counts.fetched, 0);
    assert!(client.here() == sorted([1, 2]));
}

#[test]
fn two_that_look_the_same_are_both_fetched_and_never_removed() {
    let twin = |body: &str| format!("Subject: twin\r\n\r\n{body}\r\n").into_bytes();
    let server = Server3::start(&[("x", twin("one")), ("x", twin("two")), ("y", odd_letter(1))]);
    let client = Client::new(server.port, Tls::Plain, AT_ONCE);
    for _ in 0..2 {
        client.sync().unwrap();
        assert_eq!(client.here().len(), 3);
        assert_eq!(server.left(), 2, "which of the twins is which nobody can say");
    }
}

#[test]
fn an_id_that_is_given_out_anew_is_another_message() {
    let server = Server3::start(&[("1", odd_letter(1))]);
    let client = Client::new(server.port, Tls::Plain, AT_ONCE);
    client.sync().unwrap();
    assert_eq!(server.left(), 0);
    server.arrive("1", &odd_letter(2));
    client.sync().unwrap();
    assert!(client.here() == sorted([1, 2]), "it was fetched");
    assert_eq!(server.left(), 1, "and is left alone, since ids mean nothing there");
}

#[test]
fn what_is_due_and_cannot_be_looked_at_is_neither_fetched_again_nor_removed() {
    for without in [&[][..], &["CAPA", "TOP"]] {
        let server = Server3::start(&[("x", odd_letter(1))]);
        server.set(|ways| ways.without = without);
        let week = Retention { after: Some(Duration::from_hours(24 * 7)), ..NEVER };
        let client = Client::new(server.port, Tls::Plain, week);
        client.sync().unwrap();
        client.clock.turn(8 * 86_400);
        // Where there is no TOP at all, the whole message is looked at, and goes at once.
        let waits = without.is_empty();
        server.set(|ways| ways.shy = waits);
        for _ in 0..2 {
            assert_eq!(client.sync().unwrap().counts.fetched, 0, "{without:?}");
            assert_eq!(server.left(), usize::from(waits), "{without:?}");
        }
        server.set(|ways| ways.shy = false);
        client.sync().unwrap();
        assert_eq!((server.left(), client.here()), (0, sorted([1])), "{without:?}");
    }
}

#[test]
fn what_took_an_id_over_at_the_same_size_is_not_removed_unseen() {
    let text = |word: &str| format!("Subject: {word}\r\n\r\nbody\r\n").into_bytes();
    let server = Server3::start(&[("x", text("old"))]);
    let week = Retention { after: Some(Duration::from_hours(24 * 7)), ..NEVER };
    let client = Client::new(server.port, Tls::Plain, week);
    client.sync().unwrap();
    server.state.lock().unwrap().letters.clear();
    server.arrive("x", &text("new"));
    client.clock.turn(8 * 86_400);
    client.sync().unwrap();
    let mut here = client.here();
    here.sort();
    assert!(here == [text("new"), text("old")], "it was fetched");
    assert_eq!(server.left(), 1, "and is left alone");
}

#[test]
fn a_server_that_keeps_what_it_said_it_removed_brings_nothing_twice() {
    let server = Server3::start(&[("a", odd_letter(1)), ("b", odd_letter(2))]);
    server.set(|ways| ways.keeps = true);
    let client = Client::new(server.port, Tls::Plain, AT_ONCE);
    for _ in 0..3 {
        client.sync().unwrap();
        assert!(client.here() == sorted([1, 2]));
    }
    assert_eq!(server.fetched(), ["a", "b"]);
    server.set(|ways| ways.keeps = false);
    client.sync().unwrap();
    assert_eq!((server.left(), server.fetched().len()), (0, 0));
}

#[test]
fn a_cut_at_any_point_loses_nothing_and_fetches_nothing_twice_that_is_here() {
    let mut cuts = vec![];
    for nth in 1..=3 {
        cuts.extend([Cut::InText(nth), Cut::Before("RETR", nth), Cut::Before("DELE", nth), Cut::After("DELE", nth)]);
    }
    for name in ["CAPA", "USER", "PASS", "STAT", "LIST", "UIDL", "QUIT"] {
        cuts.extend([Cut::Before(name, 1), Cut::After(name, 1)]);
    }
    for cut in cuts {
        let server = Server3::start(&[("a", odd_letter(1)), ("b", odd_letter(2)), ("c", odd_letter(3))]);
        server.set(|ways| ways.cut = Some(cut));
        let client = Client::new(server.port, Tls::Plain, AT_ONCE);
        client.sync().unwrap_err();
        let (here, left) = (client.here(), server.left());
        if left < 3 {
            assert!(here == sorted(1..=3), "{cut:?}: removed only what is here");
        }
        assert!(left == 3 || cut == Cut::After("QUIT", 1), "{cut:?}: removed by a good-bye alone");
        server.set(|ways| ways.cut = None);
        let before = server.fetched();
        client.sync().unwrap();
        assert!(client.here() == sorted(1..=3), "{cut:?}");
        assert_eq!(server.left(), 0, "{cut:?}");
        assert_eq!(server.fetched().len(), 3 - here.len(), "{cut:?}: what was here was not fetched again ({before:?})");
        assert!(client.sync().unwrap().counts.is_zero(), "{cut:?}");
    }
}

#[test]
fn refusals_say_when_it_is_worth_trying_again() {
    let server = Server3::start(&[]);
    let client = Client::new(server.port, Tls::Plain, NEVER);
    for (words, cause, again) in [
        ("[IN-USE] locked", Cause::Busy, Again::Later),
        ("[LOGIN-DELAY] wait", Cause::RefusedForNow, Again::Later),
        ("[SYS/TEMP] broken", Cause::RefusedForNow, Again::Later),
        ("[SYS/PERM] broken", Cause::Refused, Again::AfterUser),
        ("[AUTH] no", Cause::SignInRefused, Again::AfterUser),
        ("no", Cause::SignInRefused, Again::AfterUser),
    ] {
        server.set(|ways| ways.refuses = Some(words));
        assert_eq!(client.fault(), (Doing::SigningIn, cause, again), "{words}");
    }
}

fn against(script: Vec<Step>, tls: Tls) -> (Doing, Cause, Again) {
    let server = Scripted::play(script);
    let client = Client::new(server.port, tls, NEVER);
    let fault = client.fault();
    drop(server);
    fault
}

/// A session up to where it is signed in.
pub(crate) fn signed_in(more: Vec<Step>) -> Vec<Step> {
    let mut script = vec![
        say("+OK\r\n"),
        hear("CAPA"),
        say("+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n"),
        hear("USER"),
        say("+OK\r\n"),
        hear("PASS"),
        say("+OK\r\n"),
        hear("STAT"),
    ];
    script.extend(more);
    script
}

#[test]
fn rubbish_silence_and_endless_talk_are_clear_faults() {
    let close = Step::AwaitClose;
    let table: Vec<(&str, Vec<Step>, (Doing, Cause))> = vec![
        ("another protocol", vec![say("220 smtp\r\n"), close.clone()], (Doing::Connecting, Cause::Protocol)),
        ("silence", vec![close.clone()], (Doing::Connecting, Cause::TimedOut)),
        ("a close", vec![], (Doing::Connecting, Cause::Closed)),
        ("busy at once", vec![say("-ERR [SYS/TEMP] later\r\n")], (Doing::Connecting, Cause::RefusedForNow)),
        (
            "an endless line",
            vec![Step::Repeat(vec![b'x'; 4096], 64), close.clone()],
            (Doing::Connecting, Cause::Protocol),
        ),
        (
            "an endless list of abilities",
            vec![say("+OK\r\n"), hear("CAPA"), say("+OK\r\n"), Step::Repeat(b"X\r\n".to_vec(), 5000), close.clone()],
            (Doing::Connecting, Cause::Protocol),
        ),
        (
            "rubbish for a count",
            signed_in(vec![say("\u{0}\u{ff}\r\n"), close.clone()]),
            (Doing::Comparing, Cause::Protocol),
        ),
        (
            "more messages than there are",
            signed_in(vec![say("+OK 2 2\r\n+OK\r\n"), Step::Repeat(b"1 5\r\n".to_vec(), 5000), close.clone()]),
            (Doing::Comparing, Cause::Protocol),
        ),
        (
            "a list that stops",
            signed_in(vec![say("+OK 1 5\r\n+OK\r\n1 5\r\n"), close]),
            (Doing::Comparing, Cause::TimedOut),
        ),
    ];
    for (what, script, (doing, cause)) in table {
        let found = against(script, Tls::Plain);
        assert_eq!((found.0, found.1), (doing, cause), "{what}");
    }
}

#[test]
fn a_message_without_end_is_cut_off_and_the_others_come() {
    let server = Server3::start(&[("a", odd_letter(1)), ("b", odd_letter(2)), ("c", odd_letter(3))]);
    server.set(|ways| ways.endless = Some(2));
    let client = Client::new(server.port, Tls::Plain, AT_ONCE);
    let fault = client.sync().unwrap_err();
    assert_eq!((fault.doing, fault.cause), (Doing::Fetching, Cause::Protocol));
    // On a second connection, where it comes last.
    assert!(client.here() == sorted([1, 2]));
    assert_eq!(server.left(), 3);
    // Once it may be an honest one of which the server does not know the size.
    client.sync().unwrap_err();
    let poured = server.state.lock().unwrap().poured.clone();
    let (soon, late): (Vec<usize>, Vec<usize>) = poured.iter().partition(|bytes| **bytes < 24 << 20);
    assert!(late.len() <= 1 && soon.len() >= 2, "what is far over its size is cut off soon: {poured:?}");
    server.set(|ways| ways.endless = None);
    client.sync().unwrap();
    assert!(client.here() == sorted([1, 2, 3]));
    assert_eq!(server.left(), 0);
}

#[test]
fn bytes_slipped_in_before_tls_end_it() {
    let injected = vec![say("+OK\r\n"), hear("STLS"), say("+OK begin\r\n+OK injected\r\n"), Step::AwaitClose];
    assert_eq!(against(injected, Tls::StartTls), (Doing::Securing, Cause::Protocol, Again::AfterUser));
    let without = vec![say("+OK\r\n"), hear("STLS"), say("-ERR no\r\n"), Step::AwaitClose];
    assert_eq!(against(without, Tls::StartTls), (Doing::Securing, Cause::NotOffered, Again::AfterUser));
}

#[test]
fn apop_is_used_where_it_is_asked_for_and_shows_no_password() {
    let script = vec![
        say("+OK <1896.697170952@dbc.mtview.ca.us>\r\n"),
        hear("CAPA"),
        say("-ERR\r\n"),
        hear("APOP pat "),
        say("+OK\r\n"),
        hear("STAT"),
        say("+OK 0 0\r\n"),
        hear("LIST"),
        say("+OK\r\n.\r\n"),
        hear("UIDL"),
        say("+OK\r\n.\r\n"),
        hear("QUIT"),
        say("+OK\r\n"),
    ];
    let server = Scripted::play(script);
    let mut client = Client::new(server.port, Tls::Plain, NEVER);
    client.env.account.pop3.as_mut().unwrap().sign_in = PopSignIn::Apop;
    client.env = env(&client.env.account, client.home.path().join("data"), &client.clock, "secret");
    assert!(client.sync().unwrap().counts.is_zero());
    assert!(server.heard().iter().all(|line| !line.contains("secret")));
}
