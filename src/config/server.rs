//! `imap = { … }`, `pop3 = { … }` and `smtp = { … }`: ports and TLS by RFC 8314, plain only to this machine.

use std::time::Duration;

use super::account::{Account, Auth, DeleteThere, Pop3, PopSignIn, Retention, Server, Submit, Tls};
use super::check::set;
use super::quirk::{Quirk, Quirks};
use super::raw::{Limit, Never, Notes, Table, Time};
use super::{Paths, value};

/// The usual ports of a protocol.
struct Ports {
    implicit: u16,
    start_tls: u16,
    plain: u16,
    /// Is there APOP?
    apop: bool,
}

const IMAP: Ports = Ports { implicit: 993, start_tls: 143, plain: 143, apop: false };
const POP3: Ports = Ports { implicit: 995, start_tls: 110, plain: 110, apop: true };
const SMTP: Ports = Ports { implicit: 465, start_tls: 587, plain: 25, apop: false };

/// How long to wait where the config does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Hosts of providers that file what is sent through them into the Sent mailbox themselves.
const FILE_SENT: [&str; 4] = ["gmail.com", "googlemail.com", "office365.com", "outlook.com"];

/// Reads `imap`; the error says why the account cannot be used.
pub(super) fn imap(
    account: &Table<'_>,
    user: &str,
    paths: &Paths,
    notes: &mut Notes<'_>,
) -> Result<Option<Server>, String> {
    if account.get("imap").is_none() {
        return Ok(None);
    }
    let table = account.table("imap", "accounts.NAME.imap", notes).ok_or("`imap` is not a table")?;
    let mut server = server(&table, &IMAP, user, paths, notes)?;
    set(&mut server.compress, table.boolean("compress", notes));
    if let Some(table) = table.table("quirks", "accounts.NAME.imap.quirks", notes) {
        for (name, quirk) in Quirk::all() {
            if let Some(has) = table.boolean(name, notes) {
                server.quirks.0.insert(quirk, has);
            }
        }
    }
    Ok(Some(server))
}

/// Reads `pop3`; the error says why the account cannot be used.
pub(super) fn pop3(
    account: &Table<'_>,
    user: &str,
    paths: &Paths,
    notes: &mut Notes<'_>,
) -> Result<Option<Pop3>, String> {
    let Some(span) = account.get("pop3").map(toml::Spanned::span) else { return Ok(None) };
    if account.get("imap").is_some() {
        let message =
            format!("`{}` and `{}` are two ways to the same mail", account.name("imap"), account.name("pop3"));
        notes.error(&span, &message, Some("keep one of them; IMAP can do more, where the server offers it"));
        return Err("it has both `imap` and `pop3`".to_owned());
    }
    let table = account.table("pop3", "accounts.NAME.pop3", notes).ok_or("`pop3` is not a table")?;
    let sign_in = match table.get("auth").and_then(|auth| auth.get_ref().as_str()) {
        Some("apop") => PopSignIn::Apop,
        _ => PopSignIn::Auth,
    };
    let server = server(&table, &POP3, user, paths, notes)?;
    Ok(Some(Pop3 { server, sign_in, retention: retention(&table, notes) }))
}

fn retention(table: &Table<'_>, notes: &mut Notes<'_>) -> Retention {
    let mut retention = Retention::default();
    let ways =
        [("never", DeleteThere::Never), ("at-once", DeleteThere::AtOnce), ("when-deleted", DeleteThere::WhenDeleted)];
    set(&mut retention.delete, table.choice("delete", &ways, notes));
    let range = Duration::from_hours(1)..Duration::from_hours(24 * 3660);
    set(&mut retention.after, table.duration("delete_after", &range, Never::Allowed, notes).map(Time::after));
    set(&mut retention.over, table.size("delete_over", notes).map(Limit::bytes));
    retention
}

/// Reads `smtp`; the error says why the account cannot be used.
pub(super) fn smtp(
    account: &Table<'_>,
    user: &str,
    paths: &Paths,
    notes: &mut Notes<'_>,
) -> Result<Option<Server>, String> {
    if account.get("smtp").is_none() {
        return Ok(None);
    }
    let table = account.table("smtp", "accounts.NAME.smtp", notes).ok_or("`smtp` is not a table")?;
    server(&table, &SMTP, user, paths, notes).map(Some)
}

fn server(
    table: &Table<'_>,
    ports: &Ports,
    user: &str,
    paths: &Paths,
    notes: &mut Notes<'_>,
) -> Result<Server, String> {
    let name = table.name("host");
    let Some(written) = table.text("host", notes) else { return Err(format!("it has no usable `{name}`")) };
    let Some(host) = value::host(written.value) else {
        table.wants("host", "a host like \"mail.example.org\"; the port goes into `port`", written.span, notes);
        return Err(format!("it has no usable `{name}`"));
    };
    let ways = [("implicit", Tls::Implicit), ("starttls", Tls::StartTls), ("plain", Tls::Plain)];
    let tls = table.choice("tls", &ways, notes).unwrap_or(Tls::Implicit);
    if tls == Tls::Plain && !value::is_loopback(&host) {
        let span = table.get("tls").map_or(0..0, toml::Spanned::span);
        let message = format!("`{}`: without TLS anyone on the way reads the password and the mail", table.name("tls"));
        notes.error(&span, &message, Some("write \"implicit\" or \"starttls\"; \"plain\" is for this machine alone"));
        return Err(format!("`{}` is \"plain\", and {host} is not this machine", table.name("tls")));
    }
    let default_port = match tls {
        Tls::Implicit => ports.implicit,
        Tls::StartTls => ports.start_tls,
        Tls::Plain => ports.plain,
    };
    let port = table.number("port", &(1..65_536), notes).and_then(|port| u16::try_from(port).ok());
    let mut server = Server {
        host,
        port: port.unwrap_or(default_port),
        tls,
        user: table.line("user", notes).map_or(user, |user| user.value).to_owned(),
        auth: Auth::Auto,
        pin: None,
        ca: table.text("ca", notes).map(|file| paths.resolve(file.value)),
        timeout: TIMEOUT,
        compress: false,
        quirks: Quirks::default(),
    };
    let auths = [
        ("auto", Auth::Auto),
        ("scram-sha-256", Auth::ScramSha256),
        ("plain", Auth::Plain),
        ("login", Auth::Login),
        ("oauthbearer", Auth::OAuthBearer),
        ("xoauth2", Auth::XOAuth2),
        ("none", Auth::None),
        // Its own word is kept beside: it is no SASL mechanism.
        ("apop", Auth::Auto),
    ];
    let known = if ports.apop { auths.as_slice() } else { auths.split_last().map_or(&[][..], |(_, usual)| usual) };
    set(&mut server.auth, table.choice("auth", known, notes));
    let range = Duration::from_secs(1)..Duration::from_mins(10);
    set(&mut server.timeout, table.duration("timeout", &range, Never::Refused, notes).and_then(Time::after));
    if let Some(written) = table.text("pin", notes) {
        server.pin = value::pin(written.value);
        if server.pin.is_none() {
            table.wants("pin", "\"sha256:\" and 64 hexadecimal digits, or base64", written.span, notes);
        }
    }
    Ok(server)
}

/// Does the provider keep a copy of what is sent by itself?
pub(super) fn keeps_sent(imap: Option<&Server>, submit: Option<&Submit>) -> bool {
    let known = |server: &Server| {
        FILE_SENT.iter().any(|known| {
            server.host == *known || server.host.strip_suffix(known).is_some_and(|rest| rest.ends_with('.'))
        })
    };
    submit.and_then(Submit::smtp).is_some_and(known) && imap.is_some_and(known)
}

impl Submit {
    /// The SMTP server, where it is one.
    pub fn smtp(&self) -> Option<&Server> {
        match self {
            Self::Smtp(server) => Some(server),
            Self::Command(_) => None,
        }
    }
}

impl Account {
    /// The SMTP server, where the account sends by one.
    pub fn smtp(&self) -> Option<&Server> {
        self.submit.as_ref().and_then(Submit::smtp)
    }
}
