//! The real Postfix: submission with STARTTLS and with TLS from the first byte, delivery into
//! Maildirs where tests can look at them, a switch to turn it off and on. Needs root, as Postfix
//! does. Nothing it is given leaves this machine: it knows its own domains and no transport out.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tern::config::{Auth, Server, Tls};

use super::certificates::Certificates;
use super::dovecot::Dovecot;

/// Where Debian keeps the daemons.
const DAEMONS: &str = "/usr/lib/postfix/sbin";

/// A Postfix, running or stopped.
pub(crate) struct Postfix {
    dir: TempDir,
    child: Option<Child>,
    certificates: Certificates,
    mail: PathBuf,
    sasl: bool,
    /// The port of SMTP, plain and with STARTTLS.
    pub(crate) smtp: u16,
    /// The port of SMTP with TLS from the first byte.
    pub(crate) smtps: u16,
}

/// The lines that let a Dovecot check passwords for Postfix on that port.
pub(crate) fn auth_service(port: u16) -> String {
    format!("service auth {{\n  inet_listener {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n}}\n")
}

impl Postfix {
    /// Starts one that anybody here may send through. It takes mail for [`USERS`] and delivers it
    /// below its own directory.
    pub(crate) fn start() -> Self {
        Self::start_with(None, None)
    }

    /// Starts one that asks `dovecot` for passwords (see [`auth_service`]) and delivers into its
    /// users' INBOX.
    pub(crate) fn start_beside(dovecot: &Dovecot, auth_port: u16) -> Self {
        let inbox = dovecot.maildir("x", "INBOX");
        let mail = inbox.parent().and_then(Path::parent).expect("the root of the mail").to_owned();
        Self::start_with(Some(mail), Some(auth_port))
    }

    fn start_with(mail: Option<PathBuf>, auth_port: Option<u16>) -> Self {
        let dir = tempfile::Builder::new().prefix("tern-postfix-").tempdir().expect("a directory");
        let root = dir.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("our own directory");
        for sub in ["conf", "queue", "data"] {
            fs::create_dir(root.join(sub)).expect("a directory");
        }
        let mail = mail.unwrap_or_else(|| {
            let own = root.join("mail");
            fs::create_dir(&own).expect("a directory");
            fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).expect("our own directory");
            own
        });
        let owner = Command::new("chown").arg("postfix").arg(root.join("data")).status().expect("chown");
        assert!(owner.success(), "Postfix needs root and its user");
        let certificates = Certificates::make(root);
        let [smtp, smtps] = super::free_ports();
        fs::write(root.join("conf/main.cf"), main_cf(root, &certificates, &mail, auth_port)).expect("main.cf");
        fs::write(root.join("conf/master.cf"), master_cf(smtp, smtps)).expect("master.cf");
        fs::write(root.join("conf/mailboxes"), mailboxes()).expect("the table");
        let mut server = Self { dir, child: None, certificates, mail, sasl: auth_port.is_some(), smtp, smtps };
        server.turn_on();
        server
    }

    /// Starts it, again on the same ports.
    pub(crate) fn turn_on(&mut self) {
        let conf = self.dir.path().join("conf");
        let check = Command::new("/usr/sbin/postfix").arg("-c").arg(&conf).arg("check").output().expect("postfix");
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        let mut command = Command::new(Path::new(DAEMONS).join("master"));
        command.arg("-c").arg(&conf).arg("-d").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = super::spawn(&mut command);
        for port in [self.smtp, self.smtps] {
            super::wait_for_port(port, &mut child, || self.log());
        }
        self.child = Some(child);
    }

    /// Stops it: connections are refused from now on.
    pub(crate) fn turn_off(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // The daemons hold the listening sockets too: all of the group goes, and only when nobody
        // answers any more is it off.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
        let _ = child.wait();
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.smtp)).is_ok() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote into its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("postfix.log")).unwrap_or_default()
    }

    /// The test authority's certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.certificates.ca
    }

    /// How to reach it as `user`.
    pub(crate) fn server(&self, user: &str, tls: Tls) -> Server {
        Server {
            host: "localhost".to_owned(),
            port: if tls == Tls::Implicit { self.smtps } else { self.smtp },
            tls,
            user: user.to_owned(),
            auth: if self.sasl { Auth::Auto } else { Auth::None },
            pin: None,
            ca: (tls != Tls::Plain).then(|| self.ca().to_owned()),
            timeout: Duration::from_secs(20),
            compress: false,
            quirks: tern::config::quirk::Quirks::default(),
        }
    }

    /// Waits until a user has so many messages and gives them as they were submitted: CRLF, without
    /// what the delivery put before them. In the order of their arrival.
    pub(crate) fn arrived(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let new = self.mail.join(user).join("INBOX/new");
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let mut files: Vec<PathBuf> =
                fs::read_dir(&new).map(|dir| dir.map(|e| e.expect("an entry").path()).collect()).unwrap_or_default();
            if files.len() >= count {
                files.sort();
                return files.iter().map(|path| submitted(&fs::read(path).expect("a message"))).collect();
            }
            assert!(Instant::now() < limit, "{user} has {} of {count} messages: {}", files.len(), self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.turn_off();
    }
}

/// Takes away the header fields that transport and delivery put before a message, and makes the
/// line ends CRLF again.
pub(crate) fn submitted(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() + file.len() / 30);
    let mut at_top = true;
    let mut dropping = false;
    for line in file.split_inclusive(|b| *b == b'\n') {
        if at_top {
            let goes_on = line.starts_with(b" ") || line.starts_with(b"\t");
            let added = [b"Return-Path:".as_slice(), b"X-Original-To:", b"Delivered-To:", b"Received:"];
            dropping = if goes_on { dropping } else { added.iter().any(|name| line.starts_with(name)) };
            if dropping {
                continue;
            }
            at_top = false;
        }
        out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        if line.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

/// Who has a mailbox here, at `example.org` and at `example.net`.
const USERS: [&str; 8] = ["ada", "bob", "eve", "joe", "lin", "mia", "sam", "tom"];

fn mailboxes() -> String {
    let line = |user: &&str| format!("{user}@example.org {user}/INBOX/\n{user}@example.net {user}/INBOX/\n");
    USERS.iter().map(line).collect()
}

fn main_cf(root: &Path, certificates: &Certificates, mail: &Path, auth_port: Option<u16>) -> String {
    let sasl = auth_port.map_or_else(
        || "smtpd_relay_restrictions = permit_mynetworks, reject\n".to_owned(),
        |port| {
            format!(
                "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{port}\n\
                 smtpd_sasl_security_options = noanonymous\n\
                 smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
                 smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n"
            )
        },
    );
    let (root, mail) = (root.display(), mail.display());
    let (cert, key) = (certificates.cert.display(), certificates.key.display());
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
daemon_directory = {DAEMONS}
maillog_file = {root}/postfix.log
maillog_file_prefixes = {root}
mail_owner = postfix
setgid_group = postdrop
myhostname = localhost
myorigin = example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_header_rewrite_clients =
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
virtual_mailbox_domains = example.org, example.net
virtual_mailbox_base = {mail}
virtual_mailbox_maps = texthash:{root}/conf/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
alias_maps =
alias_database =
smtpd_tls_security_level = may
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
{sasl}"
    )
}

fn master_cf(smtp: u16, smtps: u16) -> String {
    format!(
        "127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"
    )
}

/// The harness itself: it starts, stops and starts again.
#[test]
fn postfix_starts_stops_and_starts_again() {
    let mut postfix = Postfix::start();
    postfix.turn_off();
    assert!(TcpStream::connect(("127.0.0.1", postfix.smtp)).is_err());
    postfix.turn_on();
    assert!(TcpStream::connect(("127.0.0.1", postfix.smtp)).is_ok());
}
