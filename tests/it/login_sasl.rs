//! Signing in with SCRAM and with tokens: against Dovecot, and against a small server of the test's
//! own that knows channel bindings, lies about what it knows, or refuses.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use tern::config::{Account, Auth, Paths, Retention, SecretSource, Server, Tls};
use tern::fault::{Again, Cause, Fault};
use tern::login::Secret;
use tern::outbox::smtp::Smtp;
use tern::remote::Connect as _;
use tern::remote::imap::Imap;
use tern::remote::pop3::{SecretProvider, describe};

use crate::servers::certificates::Certificates;
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::servers::free_ports;
use crate::servers::postfix::{Postfix, auth_service};
use crate::support::patience::eventually;
use crate::support::scripted::{Scripted, Step, hear, reply, say};

fn enter(account: &Account, secret: &str) -> Result<(), Fault> {
    let secret = secret.to_owned();
    let mut remote = Imap::new(account, Arc::new(move || Ok(Secret::new(secret.clone())))).connect()?;
    remote.close();
    Ok(())
}

/// Waits until the server has written this into its log.
fn logged(dovecot: &Dovecot, words: &str) {
    eventually(words, || dovecot.log(), |log| log.contains(words));
}

/// An account as a config would make it.
fn account(port: u16, tls: &str, ca: Option<&Path>) -> Account {
    let ca = ca.map_or_else(String::new, |ca| format!(", ca = \"{}\"", ca.display()));
    let text = format!(
        "[accounts.ada]\naddress = \"ada@example.org\"\n\
         imap = {{ host = \"127.0.0.1\", port = {port}, tls = \"{tls}\", user = \"ada\"{ca} }}\n"
    );
    tern::config::parse(&text, &Paths::under(Path::new("/nonexistent"))).accounts.remove(0)
}

#[test]
fn dovecot_takes_scram_and_is_told_no_password() {
    let dovecot = Dovecot::start_with("auth_mechanisms = plain login scram-sha-256\n");
    let mut account = dovecot.account("ada", Tls::Implicit, Path::new("/nonexistent"));
    enter(&account, PASSWORD).unwrap();
    logged(&dovecot, "user=<ada>, method=SCRAM-SHA-256");

    account.imap.as_mut().unwrap().auth = Auth::ScramSha256;
    let fault = enter(&account, "wrong").unwrap_err();
    assert_eq!((fault.cause, fault.again), (Cause::SignInRefused, Again::AfterUser));
    assert!(fault.detail.as_str().ends_with("may keep no password for SCRAM: try `auth = \"plain\"`"), "{fault}");

    for (auth, method) in [(Auth::ScramSha256, "SCRAM-SHA-256"), (Auth::Plain, "PLAIN"), (Auth::Login, "LOGIN")] {
        let server = account.imap.as_mut().unwrap();
        server.auth = auth;
        server.user = method.to_lowercase();
        enter(&account, PASSWORD).unwrap();
        logged(&dovecot, &format!("user=<{}>, method={method}", method.to_lowercase()));
    }
}

#[test]
fn a_server_that_keeps_another_hash_is_shown_the_password_inside_tls_and_that_is_remembered() {
    let dovecot =
        Dovecot::start_knowing(&hash_of(PASSWORD), "auth_mechanisms = plain login scram-sha-256\nauth_verbose = yes\n");
    let mut account = dovecot.account("hashed", Tls::Implicit, Path::new("/nonexistent"));
    enter(&account, PASSWORD).unwrap();
    logged(&dovecot, "user=<hashed>, method=PLAIN");
    // Only what was refused is written down by the passdb.
    let refused = || dovecot.log().lines().filter(|line| line.contains("static(hashed")).count();
    let before = refused();
    enter(&account, PASSWORD).unwrap();
    assert!(before > 0 && refused() == before, "what works is remembered: {}", dovecot.log());

    let fault = enter(&account, "wrong").unwrap_err();
    assert_eq!((fault.cause, fault.again), (Cause::SignInRefused, Again::AfterUser));
    // The config's word is taken as it is.
    account.imap.as_mut().unwrap().auth = Auth::ScramSha256;
    assert_eq!(enter(&account, PASSWORD).unwrap_err().cause, Cause::SignInRefused);
}

/// Signs a user in, with a password; tells by what mechanism.
type Enter<'a> = dyn Fn(&str, Tls, &'static str) -> Result<&'static str, Fault> + 'a;

#[test]
fn pop3_and_submission_show_the_password_in_the_same_case_and_in_no_other() {
    let [auth] = free_ports();
    let settings = format!("auth_mechanisms = plain login scram-sha-256\nauth_verbose = yes\n{}", auth_service(auth));
    let dovecot = Dovecot::start_knowing(&hash_of(PASSWORD), &settings);
    let postfix = Postfix::start_beside(&dovecot, auth);
    let refused = |user: &str| {
        let words = format!("static({user}");
        dovecot.log().lines().filter(|line| line.contains(&words)).count()
    };
    let pop3 = |user: &str, tls: Tls, password: &'static str| {
        let account = dovecot.pop3_account(user, tls, Retention::default(), Path::new("/nonexistent"));
        let secret: SecretProvider = Arc::new(move || Ok(Secret::new(password.to_owned())));
        describe(&account, &secret).map(|facts| facts.mechanism)
    };
    let probe = |server: Server, password: &str| {
        let smtp = Smtp::new(server, SecretSource::Prompt, Some(Secret::new(password.to_owned()))).unwrap();
        smtp.probe().map(|reached| reached.mechanism.unwrap())
    };
    let smtp = |user: &str, tls: Tls, password: &'static str| probe(postfix.server(user, tls), password);
    let ways: [(&str, &Enter<'_>); 2] = [("popper", &pop3), ("sender", &smtp)];
    for (user, enter) in ways {
        assert_eq!(enter(user, Tls::Implicit, PASSWORD), Ok("PLAIN"), "{user}");
        let before = refused(user);
        assert_eq!(enter(user, Tls::Implicit, PASSWORD), Ok("PLAIN"), "{user}");
        assert!(before > 0 && refused(user) == before, "what works is remembered: {}", dovecot.log());
        let fault = enter(user, Tls::Implicit, "wrong").unwrap_err();
        assert_eq!((fault.cause, fault.again), (Cause::SignInRefused, Again::AfterUser), "{user}");
        assert_eq!(enter(user, Tls::StartTls, PASSWORD), Ok("PLAIN"), "{user}, after STARTTLS");
        // In the clear it is shown to nobody.
        assert_eq!(pop3(user, Tls::Plain, PASSWORD).unwrap_err().cause, Cause::SignInRefused, "{user}");
    }
    // The config's word is taken as it is.
    let strict = Server { auth: Auth::ScramSha256, ..postfix.server("strict", Tls::Implicit) };
    assert_eq!(probe(strict, PASSWORD).unwrap_err().cause, Cause::SignInRefused);
}

/// The password as many servers keep it.
fn hash_of(password: &str) -> String {
    let out =
        std::process::Command::new("doveadm").args(["pw", "-s", "SHA512-CRYPT", "-p", password]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// A token as Dovecot checks it without asking anybody: HS256, made with `key`, good for an hour.
fn token(key: &[u8]) -> String {
    let url = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let head = url(br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(r#"{{"sub":"eve","email":"eve","iat":{},"exp":{}}}"#, now - 60, now + 3600);
    let signed = format!("{head}.{}", url(claims.as_bytes()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", url(signature.as_ref()))
}

#[test]
fn dovecot_takes_a_token_in_both_ways_and_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let key = b"a key of this test and of nothing else";
    let keys = dir.path().join("keys/default/HS256");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("default"), STANDARD.encode(key)).unwrap();
    let settings = dir.path().join("oauth2.conf");
    let text = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\n\
         username_attribute = email\n",
        dir.path().display()
    );
    fs::write(&settings, text).unwrap();
    let dovecot = Dovecot::start_with(&format!(
        "auth_mechanisms = oauthbearer xoauth2\npassdb {{\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n  \
         args = {}\n}}\n",
        settings.display()
    ));
    let mut account = dovecot.account("eve", Tls::Implicit, Path::new("/nonexistent"));
    account.secret = SecretSource::TokenCommand(vec!["true".to_owned()]);
    for (auth, method) in [(Auth::Auto, "OAUTHBEARER"), (Auth::XOAuth2, "XOAUTH2")] {
        account.imap.as_mut().unwrap().auth = auth;
        enter(&account, &token(key)).unwrap_or_else(|fault| panic!("{fault}\n{}", dovecot.log()));
        logged(&dovecot, &format!("user=<eve>, method={method}"));
        let fault = enter(&account, &token(b"another key")).unwrap_err();
        assert_eq!((fault.cause, fault.again), (Cause::SignInRefused, Again::AfterUser));
        assert!(fault.detail.as_str().contains("the token is not valid or has expired"), "{fault}");
    }
}

/// What the server of the test does with the sign-in.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    /// Says what only one who knows the password could say, wrongly, and lets us in.
    WrongProof,
    /// Lets us in without any proof.
    NoProof,
    /// Makes a nonce of its own.
    OtherNonce,
}

fn line(reader: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while reader.read(&mut byte).ok()? == 1 {
        if byte == *b"\n" {
            return Some(String::from_utf8(bytes).unwrap().trim_end().to_owned());
        }
        bytes.push(byte[0]);
    }
    None
}

/// Plays the server's side of RFC 5802 on a connection whose binding is `binding`. Gives the first
/// message of the client.
fn serve(stream: &mut (impl Read + Write), offers: &str, manner: Manner, binding: &[u8]) -> String {
    write!(stream, "* OK [CAPABILITY IMAP4rev1 SASL-IR {offers}] here\r\n").unwrap();
    let command = line(stream).unwrap();
    let (tag, initial) = (command.split(' ').next().unwrap(), command.rsplit(' ').next().unwrap());
    let first = String::from_utf8(STANDARD.decode(initial).unwrap()).unwrap();
    let bare = &first[first.find("n=").unwrap()..];
    let header = &first[..first.len() - bare.len()];
    let nonce = bare.rsplit("r=").next().unwrap();
    let nonce = if manner == Manner::OtherNonce { "mine".to_owned() } else { format!("{nonce}theirs") };
    let server_first = format!("r={nonce},s={},i=4096", STANDARD.encode(b"salt"));
    write!(stream, "+ {}\r\n", STANDARD.encode(&server_first)).unwrap();
    let answer = STANDARD.decode(line(stream).unwrap()).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    if answer.is_empty() {
        write!(stream, "{tag} OK [CAPABILITY IMAP4rev1] come in\r\n").unwrap();
        return first;
    }
    let (end, proof) = answer.split_once(",p=").unwrap();
    let channel = [header.as_bytes(), if header.starts_with('p') { binding } else { b"" }].concat();
    assert_eq!(end, format!("c={},r={nonce}", STANDARD.encode(channel)), "the binding is that of this connection");

    let mut salted = [0; 32];
    let rounds = NonZeroU32::new(4096).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"salt", b"hunter2", &mut salted);
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    let message = format!("{bare},{server_first},{end}");
    let client_key = hmac::sign(&key(&salted), b"Client Key");
    let stored = digest::digest(&digest::SHA256, client_key.as_ref());
    let signature = hmac::sign(&key(stored.as_ref()), message.as_bytes());
    let expected: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    assert_eq!(STANDARD.decode(proof).unwrap(), expected, "the client knows the password");

    let server_key = hmac::sign(&key(&salted), b"Server Key");
    let proof = match manner {
        Manner::WrongProof => vec![0; 32],
        _ => hmac::sign(&key(server_key.as_ref()), message.as_bytes()).as_ref().to_vec(),
    };
    if manner != Manner::NoProof {
        write!(stream, "+ {}\r\n", STANDARD.encode(format!("v={}", STANDARD.encode(proof)))).unwrap();
        assert_eq!(line(stream).as_deref(), Some(""));
    }
    write!(stream, "{tag} OK [CAPABILITY IMAP4rev1] come in\r\n").unwrap();
    if let Some(logout) = line(stream) {
        write!(stream, "* BYE\r\n{} OK\r\n", logout.split(' ').next().unwrap()).unwrap();
    }
    first
}

fn plain(offers: &'static str, manner: Manner) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, std::thread::spawn(move || serve(&mut listener.accept().unwrap().0, offers, manner, b"")))
}

#[test]
fn a_server_that_does_not_know_the_password_is_left() {
    for (manner, words) in [
        (Manner::WrongProof, "does not prove that it knows the password"),
        (Manner::NoProof, "without proving that it knows the password"),
        (Manner::OtherNonce, "nonce is not made from ours"),
    ] {
        let (port, server) = plain("AUTH=PLAIN AUTH=SCRAM-SHA-256", manner);
        let fault = enter(&account(port, "plain", None), "hunter2").unwrap_err();
        assert_eq!((fault.cause, fault.again), (Cause::Protocol, Again::AfterUser), "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
        server.join().unwrap();
    }
    let (port, server) = plain("AUTH=SCRAM-SHA-256", Manner::Honest);
    enter(&account(port, "plain", None), "hunter2").unwrap();
    assert!(server.join().unwrap().starts_with("n,,n=ada,r="));
}

/// The same over TLS; the binding is computed by the server for itself.
fn secured(
    certificates: &Certificates,
    version: &'static SupportedProtocolVersion,
    offers: &'static str,
) -> (u16, JoinHandle<String>) {
    let chain = CertificateDer::pem_file_iter(&certificates.cert).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificates.key).unwrap();
    let hash = digest::digest(&digest::SHA256, &chain[0]).as_ref().to_vec();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut tcp = listener.accept().unwrap().0;
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut tcp).unwrap();
        }
        let binding = if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap().to_vec()
        } else {
            hash
        };
        serve(&mut StreamOwned::new(session, tcp), offers, Manner::Honest, &binding)
    });
    (port, thread)
}

#[test]
fn scram_is_bound_to_the_tls_connection_where_it_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    let both = "AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS";
    for (version, offers, auth, begins) in [
        (&rustls::version::TLS13, both, Auth::Auto, "p=tls-exporter,,n=ada,"),
        (&rustls::version::TLS12, both, Auth::Auto, "p=tls-server-end-point,,n=ada,"),
        (&rustls::version::TLS13, "AUTH=SCRAM-SHA-256", Auth::Auto, "y,,n=ada,"),
        (&rustls::version::TLS13, both, Auth::ScramSha256, "n,,n=ada,"),
    ] {
        let (port, server) = secured(&certificates, version, offers);
        let mut account = account(port, "implicit", Some(&certificates.ca));
        account.imap.as_mut().unwrap().auth = auth;
        enter(&account, "hunter2").unwrap();
        let first = server.join().unwrap();
        assert!(first.starts_with(begins), "{first}");
    }
}

#[test]
fn a_refused_token_is_told_with_the_servers_reason() {
    let refusal = STANDARD.encode(br#"{"status":"invalid_token","scope":"mail.read"}"#);
    for (offer, command, ending) in [
        ("AUTH=XOAUTH2 AUTH=OAUTHBEARER", "AUTHENTICATE OAUTHBEARER bixhPWFkYSwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==", "AQ=="),
        ("AUTH=XOAUTH2", "AUTHENTICATE XOAUTH2 dXNlcj1hZGEBYXV0aD1CZWFyZXIgdG9rZW4BAQ==", ""),
    ] {
        let server = Scripted::play(vec![
            say(format!("* OK [CAPABILITY IMAP4rev1 SASL-IR {offer}] here\r\n")),
            hear(command),
            reply(format!("+ {refusal}\r\n")),
            Step::HearAnswer,
            reply("%T NO [AUTHENTICATIONFAILED] no\r\n"),
        ]);
        // The answer to a challenge has no tag: the script's last one is that of AUTHENTICATE.
        let mut account = account(server.port, "plain", None);
        account.secret = SecretSource::TokenCommand(vec!["true".to_owned()]);
        let fault = enter(&account, "token").unwrap_err();
        assert_eq!((fault.cause, fault.again), (Cause::SignInRefused, Again::AfterUser));
        let told = fault.to_string();
        assert!(told.contains("the token is not valid or has expired (status invalid_token)"), "{told}");
        assert!(told.contains("wanted scope: mail.read"), "{told}");
        assert_eq!(server.heard().last().unwrap(), ending);
    }
}
