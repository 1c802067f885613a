//! Canaries: a password and a token that no log, no fault, no observer and no print of ours ever shows, whichever way
//! they go to a server and whatever comes of it. What the server hears tells that the birds can be seen at all.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use tern::config::{Account, Auth, Paths, PopSignIn, SecretSource};
use tern::fault::Fault;
use tern::job::shell::Hidden;
use tern::job::{Job, SyncJob};
use tern::login::Secret;
use tern::login::sasl::{Exchange, Mechanism};
use tern::mail::clean::Clean;
use tern::mail::ids::AccountId;
use tern::mail::submission::Submission;
use tern::outbox::smtp::Smtp;
use tern::outbox::submit::{Observer, Parcel, Submit as _};
use tern::remote::Connect as _;
use tern::remote::imap::Imap;
use tern::remote::pop3;

use crate::servers::dovecot::Dovecot;
use crate::support::scripted::{Scripted, Step, hear, reply, say};
use crate::support::smtp_script::{self, Fake};
use crate::terminal::World;

const PASSWORD: &str = "tweet-tweet-Canary-2716057";
const TOKEN: &str = "ya29.Canary-token-3141592653";

/// How a secret may look: as it is, in hexadecimal, and inside base64 at each of the three places where it may begin.
fn shapes(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut shapes = vec![secret.to_owned(), hex];
    for before in 0..3 {
        let encoded = STANDARD.encode([&vec![0; before], secret.as_bytes()].concat());
        // What is around it colours the digits at both ends.
        shapes.push(encoded[(before * 8).div_ceil(6)..encoded.len() - 4].to_owned());
    }
    shapes
}

fn birds() -> Vec<String> {
    [PASSWORD, TOKEN].into_iter().flat_map(shapes).collect()
}

fn shows(text: &str) -> bool {
    birds().iter().any(|bird| text.contains(bird.as_str()))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs it and gives all that was logged meanwhile, at the most verbose level.
fn listening<T>(run: impl FnOnce() -> T) -> (T, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let out = tracing::subscriber::with_default(subscriber, run);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (out, text)
}

/// An account as a config makes it, which speaks in the clear to a port of this machine.
fn account(table: &str, port: u16, auth: Auth, secret: &str) -> Account {
    let text = format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\n\
         {table} = {{ host = \"127.0.0.1\", port = {port}, tls = \"plain\", user = \"ada\" }}\n"
    );
    let mut account = tern::config::parse(&text, &Paths::under(Path::new("/nonexistent"))).accounts.remove(0);
    if secret == TOKEN {
        account.secret = SecretSource::TokenCommand(vec!["true".to_owned()]);
    }
    let server = account.imap.as_mut().or(account.pop3.as_mut().map(|pop3| &mut pop3.server)).unwrap();
    server.auth = auth;
    account
}

/// A refusal of a token with its reason, which asks for one more answer.
fn reason() -> Step {
    say(format!("+ {}\r\n", STANDARD.encode(r#"{"status":"401","scope":"mail"}"#)))
}

fn told(fault: &Fault) -> String {
    format!("{fault} {fault:?} {:?}", fault.advice())
}

#[test]
fn imap_shows_no_secret_to_anybody_but_the_server() {
    let no = || reply("%T NO [AUTHENTICATIONFAILED] no\r\n");
    let user = || say("+ VXNlcm5hbWU6\r\n");
    let table: Vec<(&str, Auth, &str, bool, Vec<Step>)> = vec![
        ("", Auth::Auto, PASSWORD, true, vec![hear("LOGIN"), no()]),
        ("SASL-IR AUTH=PLAIN", Auth::Auto, PASSWORD, true, vec![hear("AUTHENTICATE PLAIN "), no()]),
        (
            "AUTH=PLAIN",
            Auth::Auto,
            PASSWORD,
            true,
            vec![hear("AUTHENTICATE PLAIN"), say("+ \r\n"), Step::HearAnswer, no()],
        ),
        (
            "AUTH=LOGIN",
            Auth::Login,
            PASSWORD,
            true,
            vec![hear("AUTHENTICATE LOGIN"), user(), Step::HearAnswer, user(), Step::HearAnswer, no()],
        ),
        ("SASL-IR AUTH=SCRAM-SHA-256", Auth::Auto, PASSWORD, false, vec![hear("AUTHENTICATE SCRAM"), no()]),
        (
            "SASL-IR AUTH=OAUTHBEARER",
            Auth::Auto,
            TOKEN,
            true,
            vec![hear("AUTHENTICATE OAUTHBEARER"), reason(), Step::HearAnswer, no()],
        ),
        (
            "SASL-IR AUTH=XOAUTH2",
            Auth::Auto,
            TOKEN,
            true,
            vec![hear("AUTHENTICATE XOAUTH2"), reason(), Step::HearAnswer, no()],
        ),
    ];
    for (offers, auth, secret, is_shown, steps) in table {
        let greeting = say(format!("* OK [CAPABILITY IMAP4rev1 {offers}] here\r\n"));
        let server = Scripted::play([vec![greeting], steps].concat());
        let account = account("imap", server.port, auth, secret);
        let imap = Imap::new(&account, Arc::new(move || Ok(Secret::new(secret.to_owned()))));
        let (fault, log) = listening(|| imap.connect().err().expect("it is refused"));
        let heard = server.heard().join("\n");
        assert_eq!(shows(&heard), is_shown, "{offers}: {heard}");
        assert!(log.contains("(signing in)"), "{offers}: {log}");
        let all = format!("{log}{}{account:?}", told(&fault));
        assert!(!shows(&all), "{offers}: {all}");
    }
}

#[test]
fn pop3_shows_no_secret_to_anybody_but_the_server() {
    let no = || say("-ERR [AUTH] no\r\n");
    let table: Vec<(&str, Auth, &str, bool, Vec<Step>)> = vec![
        ("USER", Auth::Auto, PASSWORD, true, vec![hear("USER"), say("+OK\r\n"), hear("PASS"), no()]),
        ("SASL PLAIN", Auth::Auto, PASSWORD, true, vec![hear("AUTH PLAIN"), no()]),
        (
            "SASL LOGIN",
            Auth::Login,
            PASSWORD,
            true,
            vec![
                hear("AUTH LOGIN"),
                say("+ VXNlcm5hbWU6\r\n"),
                Step::HearAnswer,
                say("+ UGFzc3dvcmQ6\r\n"),
                Step::HearAnswer,
                no(),
            ],
        ),
        ("SASL SCRAM-SHA-256", Auth::Auto, PASSWORD, false, vec![hear("AUTH SCRAM"), no()]),
        ("APOP", Auth::Auto, PASSWORD, false, vec![hear("APOP"), no()]),
        ("SASL XOAUTH2", Auth::Auto, TOKEN, true, vec![hear("AUTH XOAUTH2"), reason(), Step::HearAnswer, no()]),
        ("SASL OAUTHBEARER", Auth::Auto, TOKEN, true, vec![hear("AUTH OAUTHBEARER"), reason(), Step::HearAnswer, no()]),
    ];
    for (offers, auth, secret, is_shown, steps) in table {
        let begin = vec![say("+OK <1.2@example.org>\r\n"), hear("CAPA"), say(format!("+OK\r\n{offers}\r\n.\r\n"))];
        let server = Scripted::play([begin, steps].concat());
        let mut account = account("pop3", server.port, auth, secret);
        if offers == "APOP" {
            account.pop3.as_mut().unwrap().sign_in = PopSignIn::Apop;
        }
        let provider: pop3::SecretProvider = Arc::new(move || Ok(Secret::new(secret.to_owned())));
        let (fault, log) = listening(|| pop3::describe(&account, &provider).unwrap_err());
        let heard = server.heard().join("\n");
        assert_eq!(shows(&heard), is_shown, "{offers}: {heard}");
        let all = format!("{log}{}{account:?}", told(&fault));
        assert!(!shows(&all), "{offers}: {all}");
    }
}

/// Who writes down what is said while a message is submitted.
#[derive(Default)]
struct Notes(Vec<String>);

impl Observer for Notes {
    fn dot(&mut self, _: &[String]) -> Result<(), Fault> {
        Ok(())
    }

    fn line(&mut self, line: Clean) {
        self.0.push(line.to_string());
    }
}

#[test]
fn submission_shows_no_secret_to_anybody_but_the_server() {
    for (auth, secret, in_two) in
        [(Auth::Plain, PASSWORD, false), (Auth::Login, PASSWORD, true), (Auth::XOAuth2, TOKEN, false)]
    {
        for welcome in ["235 2.7.0 come in", "535 5.7.8 no", "454 4.7.0 later"] {
            let mut asked = 0;
            let fake = Fake::start(move |line| {
                let is_answer = !line.contains(' ') && asked > 0 && asked < 3 && line != "(connect)";
                if in_two && (line.starts_with("AUTH") || is_answer) {
                    asked += 1;
                    return Some(smtp_script::say(if asked < 3 { "334 VXNlcm5hbWU6" } else { welcome }));
                }
                line.starts_with("AUTH").then(|| smtp_script::say(welcome))
            });
            let source = if secret == TOKEN {
                SecretSource::TokenCommand(vec!["echo".to_owned(), TOKEN.to_owned()])
            } else {
                SecretSource::Prompt
            };
            let mut smtp = Smtp::new(fake.server(auth), source, Some(Secret::new(secret.to_owned()))).unwrap();
            let submission =
                Submission { sender: "ada@example.org".to_owned(), recipients: vec!["b@example.org".to_owned()] };
            let id = tern::job::outbox::EntryId::new("1-2-3").unwrap();
            let wire = b"Subject: x\r\n\r\nx\r\n";
            let mut notes = Notes::default();
            let (outcome, log) =
                listening(|| smtp.submit(&Parcel { id: &id, submission: &submission, wire }, &mut notes));
            assert!(shows(&fake.heard().join("\n")), "{auth:?}: {:?}", fake.heard());
            assert!(notes.0.iter().any(|line| line.starts_with("C: AUTH")), "{:?}", notes.0);
            let all = format!("{log}{}{outcome:?}", notes.0.join("\n"));
            assert!(!shows(&all), "{auth:?}, {welcome}: {all}");
        }
    }
}

#[test]
fn nothing_that_holds_a_secret_prints_it() {
    let (password, token) = (Secret::new(PASSWORD.to_owned()), Secret::new(TOKEN.to_owned()));
    let mut printed = format!("{password:?} {token:?} {:?}", Hidden(PASSWORD.to_owned()));
    let job = Job::Sync(SyncJob::Password { account: AccountId::new("ada"), secret: Hidden(PASSWORD.to_owned()) });
    printed += &format!("{job:?}");
    for (mechanism, secret) in [
        (Mechanism::ScramSha256, &password),
        (Mechanism::Plain, &password),
        (Mechanism::Login, &password),
        (Mechanism::OAuthBearer, &token),
        (Mechanism::XOAuth2, &token),
    ] {
        let mut exchange = Exchange::new(mechanism, "ada", secret).unwrap();
        let said = [exchange.initial(), Some(exchange.answer(b"r=x,s=c2FsdA==,i=4096")), Some(exchange.answer(b"?"))];
        printed += &format!("{exchange:?} {said:?}");
        let shown = said.iter().flatten().any(|said| shows(said.expose()));
        assert_eq!(shown, mechanism != Mechanism::ScramSha256, "{mechanism:?}");
    }
    assert!(!shows(&printed), "{printed}");
}

#[test]
fn the_programs_own_words_and_files_hold_no_secret() {
    // Who is refused often waits longer each time, by default.
    let dovecot = Dovecot::start_with(
        "auth_mechanisms = plain login scram-sha-256\nauth_failure_delay = 0\nservice anvil {\n  \
         unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n",
    );
    let ca = dovecot.ca().display();
    let server = |port| format!("{{ host = \"localhost\", port = {port}, user = \"ada\", ca = \"{ca}\" }}");
    let config = |name: &str, table: &str, port| {
        format!(
            "[accounts.{name}]\naddress = \"ada@example.org\"\nmaildir = \"{{home}}/{name}\"\n{table} = {}\n\
             password = {{ file = \"{{home}}/password\" }}\n",
            server(port)
        )
    };
    let world = World::new(&(config("one", "imap", dovecot.imaps) + &config("two", "pop3", dovecot.pop3s)));
    world.write("password", PASSWORD);
    for arguments in [&["doctor", "--json"][..], &["doctor"], &["sync", "--log", "trace"], &["config", "check"]] {
        let output = world.run(arguments);
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(!shows(&told), "{arguments:?}: {told}");
        if arguments[0] != "config" {
            assert!(told.contains("sign in"), "it was tried: {arguments:?}: {told}");
        }
    }
    let mut open = vec![world.home().to_owned()];
    let mut looked = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path != world.path("password") {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                assert!(!shows(&text), "{}", path.display());
                looked.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    assert!(looked.iter().any(|name| name == "tern.log"), "{looked:?}");
}
