//! The real Dovecot. Any user's name is good with [`PASSWORD`]; mail lies in Maildirs (LAYOUT=fs)
//! where tests can look at it and drop messages into it.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tern::config::account::Layout;
use tern::config::{Account, Auth, FolderMap, Pop3, PopSignIn, Retention, SecretSource, Server, SyncSettings, Tls};
use tern::mail::address::Address;
use tern::mail::ids::AccountId;

use super::certificates::Certificates;

/// Every user's password.
pub(crate) const PASSWORD: &str = "tr0ub4dor&3\"x";

/// A running Dovecot.
pub(crate) struct Dovecot {
    dir: TempDir,
    child: Child,
    certificates: Certificates,
    /// The port of IMAP, plain and with STARTTLS.
    pub(crate) imap: u16,
    /// The port of IMAP with TLS from the first byte.
    pub(crate) imaps: u16,
    /// The port of POP3, plain and with STLS.
    pub(crate) pop3: u16,
    /// The port of POP3 with TLS from the first byte.
    pub(crate) pop3s: u16,
}

impl Dovecot {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with more lines of config, which win over the harness's own.
    pub(crate) fn start_with(extra: &str) -> Self {
        Self::start_knowing(PASSWORD, extra)
    }

    /// Starts one that keeps every user's password in this way: as it is, or as a hash with its scheme.
    pub(crate) fn start_knowing(password: &str, extra: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("tern-dovecot-").tempdir().expect("a directory");
        let root = dir.path();
        open_to_all(root, 0o755);
        for sub in ["run", "state", "mail"] {
            fs::create_dir(root.join(sub)).expect("a directory");
        }
        open_to_all(&root.join("mail"), 0o777);
        let certificates = Certificates::make(root);
        let ports @ [imap, imaps, pop3, pop3s] = super::free_ports();
        fs::write(root.join("dovecot.conf"), text(root, &certificates, ports, (password, extra))).expect("the config");
        let child = launch(root);
        let mut server = Self { dir, child, certificates, imap, imaps, pop3, pop3s };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&mut self) {
        let log = self.dir.path().to_owned();
        let complaint = || {
            let read = |name: &str| fs::read_to_string(log.join(name)).unwrap_or_default();
            read("stderr") + &read("dovecot.log")
        };
        for port in [self.imap, self.imaps, self.pop3, self.pop3s] {
            super::wait_for_port(port, &mut self.child, complaint);
        }
    }

    /// Ends it with all its processes, by force if `hard`, and starts it again on the same ports.
    pub(crate) fn restart(&mut self, hard: bool) {
        if hard {
            super::kill(&mut self.child);
        } else {
            super::end(&mut self.child);
        }
        // What is left of the old one may hold the ports a moment longer.
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.imap)).is_ok() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        // And a socket that a dying process still listens on would tell the new one that it runs already.
        for left in fs::read_dir(self.dir.path().join("run")).expect("its directory").flatten() {
            let _ = if left.path().is_dir() { fs::remove_dir_all(left.path()) } else { fs::remove_file(left.path()) };
        }
        self.child = launch(self.dir.path());
        self.wait_until_up();
    }

    /// The test authority's certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.certificates.ca
    }

    /// What Dovecot wrote into its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("dovecot.log")).unwrap_or_default()
    }

    /// How to reach it as `user`.
    pub(crate) fn server(&self, user: &str, tls: Tls) -> Server {
        Server {
            host: "localhost".to_owned(),
            port: if tls == Tls::Implicit { self.imaps } else { self.imap },
            tls,
            user: user.to_owned(),
            auth: Auth::Auto,
            pin: None,
            ca: (tls != Tls::Plain).then(|| self.ca().to_owned()),
            timeout: Duration::from_secs(20),
            compress: false,
            quirks: tern::config::quirk::Quirks::default(),
        }
    }

    /// An account of `user` here whose local Maildir is to be `maildir`.
    pub(crate) fn account(&self, user: &str, tls: Tls, maildir: &Path) -> Account {
        Account {
            id: AccountId::new(user),
            address: Address { name: String::new(), email: format!("{user}@example.org") },
            aliases: Vec::new(),
            maildir: maildir.to_owned(),
            layout: Layout::Nested,
            imap: Some(self.server(user, tls)),
            pop3: None,
            submit: None,
            secret: SecretSource::Prompt,
            sync: SyncSettings { interval: None, ..SyncSettings::default() },
            folders: FolderMap::default(),
            signature: None,
            server_files_sent: false,
        }
    }

    /// The same, by POP3.
    pub(crate) fn pop3_account(&self, user: &str, tls: Tls, retention: Retention, maildir: &Path) -> Account {
        let port = if tls == Tls::Implicit { self.pop3s } else { self.pop3 };
        let server = Server { port, ..self.server(user, tls) };
        let pop3 = Some(Pop3 { server, sign_in: PopSignIn::Auth, retention });
        Account { imap: None, pop3, ..self.account(user, tls, maildir) }
    }

    /// The server's own Maildir of a mailbox.
    pub(crate) fn maildir(&self, user: &str, mailbox: &str) -> PathBuf {
        self.dir.path().join("mail").join(user).join(mailbox)
    }

    /// Drops a message into a mailbox as a delivery agent would: a new file in `new/`.
    pub(crate) fn deliver(&self, user: &str, mailbox: &str, message: &[u8]) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let maildir = self.maildir(user, mailbox);
        if !maildir.join("new").is_dir() {
            for sub in ["cur", "new", "tmp"] {
                fs::create_dir_all(maildir.join(sub)).expect("a directory");
            }
            self.hand_over(user);
        }
        let name = format!("17000{:05}.M1P1.test", COUNT.fetch_add(1, Ordering::Relaxed));
        let tmp = maildir.join("tmp").join(&name);
        fs::write(&tmp, message).expect("the message");
        own(&tmp);
        let new = maildir.join("new").join(&name);
        fs::rename(&tmp, &new).expect("the delivery");
        new
    }

    /// Makes everything below a user's directory the mail user's, after files were put there by hand.
    pub(crate) fn hand_over(&self, user: &str) {
        own_all(&self.dir.path().join("mail").join(user));
    }

    /// The files of a mailbox on the server, sorted by name.
    pub(crate) fn files(&self, user: &str, mailbox: &str) -> Vec<PathBuf> {
        let maildir = self.maildir(user, mailbox);
        let mut files: Vec<PathBuf> = ["cur", "new"]
            .iter()
            .filter_map(|sub| fs::read_dir(maildir.join(sub)).ok())
            .flatten()
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        files
    }

    /// Runs `doveadm` for this server and gives what it wrote.
    pub(crate) fn doveadm(&self, args: &[&str]) -> String {
        let out = Command::new("doveadm")
            .arg("-c")
            .arg(self.dir.path().join("dovecot.conf"))
            .args(args)
            .output()
            .expect("doveadm is installed");
        assert!(out.status.success(), "doveadm {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    /// The flags that the server has on each message of a mailbox, by UID.
    pub(crate) fn flags(&self, user: &str, mailbox: &str) -> Vec<(u32, String)> {
        let text = self.doveadm(&["-f", "tab", "fetch", "-u", user, "uid flags", "mailbox", mailbox, "all"]);
        text.lines()
            .skip(1)
            .map(|line| {
                let (uid, flags) = line.split_once('\t').expect("two columns");
                let mut flags: Vec<&str> = flags.split(' ').filter(|flag| *flag != "\\Recent").collect();
                flags.sort_unstable();
                (uid.parse().expect("a uid"), flags.join(" ").trim().to_owned())
            })
            .collect()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        super::end(&mut self.child);
    }
}

fn launch(root: &Path) -> Child {
    let stderr = fs::File::create(root.join("stderr")).expect("a file");
    let mut command = Command::new(program());
    command.args(["-F", "-c"]).arg(root.join("dovecot.conf"));
    super::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr))
}

/// Debian keeps it where a user's PATH does not look.
fn program() -> &'static str {
    if Path::new("/usr/sbin/dovecot").exists() { "/usr/sbin/dovecot" } else { "dovecot" }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who owns the mail: root may not, so a test that runs as root gives it to `nobody`.
fn mail_owner() -> (u32, u32) {
    if is_root() { (65534, 65534) } else { (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()) }
}

fn own(path: &Path) {
    if is_root() {
        let (uid, gid) = mail_owner();
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).expect("root may give files away");
    }
}

fn own_all(path: &Path) {
    own(path);
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            own_all(&entry.expect("an entry").path());
        }
    }
}

fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own directory");
}

fn text(
    root: &Path,
    certificates: &Certificates,
    [imap, imaps, pop3, pop3s]: [u16; 4],
    (password, extra): (&str, &str),
) -> String {
    let (uid, gid) = mail_owner();
    let users = if is_root() {
        "default_login_user = dovenull\ndefault_internal_user = dovecot\n".to_owned()
    } else {
        let name = std::env::var("USER").unwrap_or_else(|_| uid.to_string());
        format!("default_login_user = {name}\ndefault_internal_user = {name}\ndefault_internal_group = {name}\n")
    };
    let root = root.display();
    let cert = certificates.cert.display();
    let key = certificates.key.display();
    format!(
        r"
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
{users}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{root}/mail/%u:LAYOUT=fs:INBOX={root}/mail/%u/INBOX
mail_uid = {uid}
mail_gid = {gid}
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \Sent
  }}
  mailbox Drafts {{
    auto = create
    special_use = \Drafts
  }}
  mailbox Trash {{
    auto = create
    special_use = \Trash
  }}
  mailbox Junk {{
    auto = create
    special_use = \Junk
  }}
  mailbox Archive {{
    auto = create
    special_use = \Archive
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
{extra}
"
    )
}

/// The harness itself: it starts, takes a delivery and ends.
#[test]
fn dovecot_starts_and_takes_a_delivery() {
    let dovecot = Dovecot::start();
    let _ = dovecot.deliver("eve", "INBOX", b"Subject: hello\n\nhi\n");
    assert_eq!(dovecot.flags("eve", "INBOX"), [(1, String::new())]);
    assert_eq!(dovecot.files("eve", "INBOX").len(), 1);
    let listed = dovecot.doveadm(&["mailbox", "list", "-u", "eve"]);
    let mut names: Vec<&str> = listed.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]);
}
