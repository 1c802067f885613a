//! Real TLS hand-shakes: a rustls server on loopback with certificates made by the `openssl`
//! command, good ones and each kind of bad one.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use tern::config::{Auth, Server, Tls};
use tern::fault::{Again, Cause, Doing, Fault};
use tern::login;

/// An authority of the test's own, and what it has signed.
struct Authority {
    dir: tempfile::TempDir,
}

/// A certificate with its key, in files.
struct Identity {
    cert: PathBuf,
    key: PathBuf,
}

const CURVE: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

const SETTINGS: &str = "[ca]\ndefault_ca = here\n[here]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                        default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n";

impl Authority {
    fn new() -> Self {
        Self::named("authority")
    }

    fn named(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [("ca.cnf", SETTINGS), ("index", ""), ("serial", "01\n")] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let authority = Self { dir };
        authority.openssl(&format!(
            "req -x509 {CURVE} -days 30 -subj /CN={name} -addext keyUsage=critical,keyCertSign \
             -keyout ca.key -out ca.pem"
        ));
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let out = Command::new("openssl").args(arguments.split_whitespace()).current_dir(self.dir.path()).output();
        let out = out.expect("the openssl command");
        assert!(out.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Signs a certificate for these names (`DNS:…,IP:…`), valid from and to these days (`YYMMDD`).
    fn sign(&self, names: &str, from: &str, to: &str) -> Identity {
        let extensions = format!("subjectAltName = {names}\nextendedKeyUsage = serverAuth\n");
        std::fs::write(self.path("extensions"), extensions).unwrap();
        self.openssl(&format!("req {CURVE} -subj /CN=server -keyout server.key -out server.csr"));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -extfile extensions \
             -startdate {from}000000Z -enddate {to}000000Z -in server.csr -out server.pem"
        ));
        Identity { cert: self.path("server.pem"), key: self.path("server.key") }
    }

    fn good(&self) -> Identity {
        self.sign("DNS:localhost,IP:127.0.0.1", "200101", "491231")
    }

    /// A certificate that a person makes for a box in the cellar: no authority, no names.
    fn self_signed(&self) -> Identity {
        self.openssl(&format!("req -x509 {CURVE} -days 30 -subj /CN=cellar -keyout own.key -out own.pem"));
        Identity { cert: self.path("own.pem"), key: self.path("own.key") }
    }
}

/// Listens, says hello to one client over TLS, says back what it hears, and ends.
fn greeter(identity: &Identity, versions: &[&'static SupportedProtocolVersion]) -> (u16, JoinHandle<()>) {
    let chain = CertificateDer::pem_file_iter(&identity.cert).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let session = ServerConnection::new(Arc::new(config)).unwrap();
    listener(move |stream| {
        let mut stream = StreamOwned::new(session, stream);
        let mut heard = [0; 4];
        // A client that refuses the certificate hangs up here.
        if stream.write_all(b"hello").is_ok() && stream.read_exact(&mut heard).is_ok() {
            let _gone = stream.write_all(&heard);
            stream.conn.send_close_notify();
            let _gone = stream.flush();
        }
    })
}

fn listener(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, std::thread::spawn(move || serve(listener.accept().unwrap().0)))
}

fn server(port: u16, ca: Option<&Path>) -> Server {
    Server {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::Implicit,
        user: "ada".to_owned(),
        auth: Auth::Auto,
        pin: None,
        ca: ca.map(Path::to_path_buf),
        timeout: Duration::from_secs(10),
        compress: false,
        quirks: tern::config::quirk::Quirks::default(),
    }
}

/// Connects, hears the greeting and says something that comes back.
fn talk(server: &Server) -> Result<String, Fault> {
    let mut stream = login::secure(login::dial(server)?, server)?;
    stream.write_all(b"ping").unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    Ok(heard)
}

/// Talks to a server with that certificate.
fn try_with(identity: &Identity, ca: Option<&Path>, change: impl FnOnce(&mut Server)) -> Result<String, Fault> {
    let (port, thread) = greeter(identity, rustls::ALL_VERSIONS);
    let mut server = server(port, ca);
    change(&mut server);
    let result = talk(&server);
    thread.join().unwrap();
    result
}

/// The fault of a certificate that is refused until the user does something.
fn refusal(result: Result<String, Fault>) -> String {
    let fault = result.unwrap_err();
    assert_eq!((fault.doing, fault.cause, fault.again), (Doing::Securing, Cause::Certificate, Again::AfterUser));
    fault.detail.to_string()
}

/// What a refusal offers as the pin.
fn offered_pin(detail: &str) -> [u8; 32] {
    let text = detail.split("pin = \"sha256:").nth(1).and_then(|rest| rest.split('"').next()).expect(detail);
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    std::array::from_fn(|index| byte(index * 2))
}

#[test]
fn a_certificate_of_a_known_authority_is_good_for_each_of_its_names() {
    let authority = Authority::new();
    let identity = authority.good();
    let ca = authority.path("ca.pem");
    assert_eq!(try_with(&identity, Some(&ca), |_| ()).unwrap(), "helloping");
    assert_eq!(try_with(&identity, Some(&ca), |server| server.host = "localhost".to_owned()).unwrap(), "helloping");
    let (port, thread) = greeter(&identity, &[&rustls::version::TLS12]);
    assert_eq!(talk(&server(port, Some(&ca))).unwrap(), "helloping");
    thread.join().unwrap();
}

#[test]
fn an_authority_that_nobody_knows_is_refused() {
    let known = Authority::named("known");
    for (name, expected) in [
        ("stranger", "the certificate is not from an authority that is trusted here"),
        ("known", "the certificate's signature is wrong"),
    ] {
        let detail = refusal(try_with(&Authority::named(name).good(), Some(&known.path("ca.pem")), |_| ()));
        assert!(detail.starts_with(expected), "{detail}");
    }
}

#[test]
fn an_expired_certificate_is_refused_and_the_day_told() {
    let authority = Authority::new();
    let identity = authority.sign("IP:127.0.0.1", "200101", "200315");
    let detail = refusal(try_with(&identity, Some(&authority.path("ca.pem")), |_| ()));
    assert!(detail.starts_with("the certificate expired on 2020-03-15"), "{detail}");
}

#[test]
fn a_certificate_of_the_future_is_refused() {
    let authority = Authority::new();
    let identity = authority.sign("IP:127.0.0.1", "480101", "491231");
    let detail = refusal(try_with(&identity, Some(&authority.path("ca.pem")), |_| ()));
    assert!(detail.starts_with("the certificate is not valid before 2048-01-01"), "{detail}");
}

#[test]
fn a_certificate_for_another_name_is_refused_and_its_names_told() {
    let authority = Authority::new();
    let identity = authority.sign("DNS:mail.example.org,DNS:*.example.net,IP:10.0.0.1", "200101", "491231");
    let ca = authority.path("ca.pem");
    for host in ["127.0.0.1", "localhost"] {
        let detail = refusal(try_with(&identity, Some(&ca), |server| server.host = host.to_owned()));
        let expected = "the certificate is for another name: mail.example.org, *.example.net, 10.0.0.1;";
        assert!(detail.starts_with(expected), "{detail}");
    }
}

#[test]
fn a_self_signed_certificate_is_refused_with_its_pin_and_good_with_it() {
    let authority = Authority::new();
    let own = authority.self_signed();
    let detail = refusal(try_with(&own, Some(&authority.path("ca.pem")), |_| ()));
    assert!(detail.starts_with("the certificate is self-signed; "), "{detail}");
    let pin = offered_pin(&detail);
    // What is offered is what openssl says.
    authority.openssl("x509 -in own.pem -noout -pubkey -out own.pub");
    authority.openssl("pkey -pubin -in own.pub -outform DER -out own.der");
    authority.openssl("dgst -sha256 -binary -out own.sha own.der");
    assert_eq!(std::fs::read(authority.path("own.sha")).unwrap(), pin);
    assert_eq!(try_with(&own, None, |server| server.pin = Some(pin)).unwrap(), "helloping");
    let (port, thread) = greeter(&own, &[&rustls::version::TLS12]);
    assert_eq!(talk(&Server { pin: Some(pin), ..server(port, None) }).unwrap(), "helloping");
    thread.join().unwrap();
}

#[test]
fn a_key_that_is_not_the_pinned_one_is_refused_however_good_its_certificate() {
    let authority = Authority::new();
    let result = try_with(&authority.good(), Some(&authority.path("ca.pem")), |server| server.pin = Some([7; 32]));
    let detail = refusal(result);
    let expected = format!("its key is not the pinned one; pinned: sha256:{}, found: sha256:", "07".repeat(32));
    assert!(detail.starts_with(&expected), "{detail}");
    assert_eq!(detail.matches("sha256:").count(), 2, "both in full and no word of how to go on: {detail}");
}

#[test]
fn a_pinned_certificate_without_its_key_is_no_good() {
    let authority = Authority::new();
    let own = authority.self_signed();
    let detail = refusal(try_with(&own, Some(&authority.path("ca.pem")), |_| ()));
    let pin = offered_pin(&detail);
    // The same certificate, shown by somebody who does not have its key: rustls would not let a
    // server do so, so the signature is made with another key behind its back.
    let other = authority.good();
    let chain = vec![CertificateDer::from_pem_file(&own.cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&other.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let signer = provider.key_provider.load_private_key(key).unwrap();
    let stolen = Arc::new(rustls::sign::CertifiedKey::new(chain, signer));
    for version in rustls::ALL_VERSIONS {
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(&stolen))));
        let session = ServerConnection::new(Arc::new(config)).unwrap();
        let (port, thread) = listener(move |stream| {
            let _refused = StreamOwned::new(session, stream).write_all(b"hello");
        });
        let fault = talk(&Server { pin: Some(pin), ..server(port, None) }).unwrap_err();
        assert_eq!(fault.cause, Cause::Certificate, "{version:?}: {fault}");
        thread.join().unwrap();
    }
}

#[test]
fn a_server_without_tls_on_that_port_is_told_from_a_bad_certificate() {
    let (port, thread) = listener(|mut stream| {
        let _gone = stream.write_all(b"* OK ready\r\n");
        let _gone = stream.read_to_end(&mut Vec::new());
    });
    let fault = talk(&Server { pin: Some([0; 32]), ..server(port, None) }).unwrap_err();
    assert_eq!((fault.doing, fault.cause), (Doing::Securing, Cause::Protocol));
    assert!(fault.detail.as_str().contains("starttls"), "{fault}");
    thread.join().unwrap();
}

#[test]
fn a_server_that_hangs_up_and_one_that_is_silent() {
    let (port, thread) = listener(drop);
    let fault = talk(&Server { pin: Some([0; 32]), ..server(port, None) }).unwrap_err();
    assert_eq!((fault.doing, fault.cause, fault.again), (Doing::Securing, Cause::Closed, Again::Later));
    thread.join().unwrap();

    let (port, thread) = listener(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let impatient = Server { pin: Some([0; 32]), timeout: Duration::from_millis(50), ..server(port, None) };
    let fault = talk(&impatient).unwrap_err();
    assert_eq!((fault.doing, fault.cause, fault.again), (Doing::Securing, Cause::TimedOut, Again::Later));
    thread.join().unwrap();
}

#[test]
fn a_port_where_nobody_listens_and_a_host_that_is_none() {
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let fault = login::dial(&server(port, None)).unwrap_err();
    assert_eq!((fault.doing, fault.cause), (Doing::Connecting, Cause::Unreachable));
    assert_eq!(fault.subject.as_str(), format!("127.0.0.1:{port}"));
    // An empty label is refused before anybody is asked, so this needs no name server.
    let fault = login::dial(&Server { host: "no..where".to_owned(), ..server(port, None) }).unwrap_err();
    assert_eq!((fault.doing, fault.cause), (Doing::Connecting, Cause::UnknownHost));
}

#[test]
fn a_file_of_authorities_that_is_none_is_told_by_its_name() {
    let authority = Authority::new();
    for (name, text) in
        [("empty.pem", ""), ("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")]
    {
        std::fs::write(authority.path(name), text).unwrap();
        let fault = login::client_config(&server(1, Some(&authority.path(name)))).unwrap_err();
        assert!(fault.subject.as_str().ends_with(name), "{fault}");
        assert_eq!(fault.again, Again::AfterUser);
    }
    let fault = login::client_config(&server(1, Some(&authority.path("nowhere.pem")))).unwrap_err();
    assert_eq!(fault.cause, Cause::Missing);
}
