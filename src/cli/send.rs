//! `tern send`: takes a message on standard input as sendmail does (RFC 5322, with or without `-t`)
//! and queues it durably. It exits 0 only when the message is safe on disk; sending is the outbox's
//! business and begins at once in a process of its own, unless another program sends already.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::arguments::{Common, SendOptions};
use super::exit::Exit;
use super::{outbox, output, setting};
use crate::config::{Account, Config};
use crate::fault::Fault;
use crate::job::outbox::{EntryId, Outgoing};
use crate::mail::address::{self, Address};
use crate::mail::header::Header;
use crate::mail::ids::MessageId;
use crate::mail::submission::Submission;
use crate::mail::{build, date, wire};
use crate::outbox::queue::Queue;

/// The largest message that is taken, in bytes.
const LARGEST: u64 = 256 << 20;

/// Header fields that name recipients, for `-t`.
const RECIPIENT_FIELDS: [&str; 3] = ["To", "Cc", "Bcc"];

/// Runs the command.
pub(super) fn run(common: &Common, options: &SendOptions) -> Exit {
    if let Some(mode) = &options.mode
        && mode != "m"
    {
        output::error("send", format_args!("-b{} is not offered: tern only takes messages", output::quoted(mode)));
        output::note("  next: see the queue with `tern outbox list`; the mail server does the rest");
        return Exit::Usage;
    }
    let config = match setting::load("send", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let queued = read_input().and_then(|input| queue(&config, options, &input));
    let entry = match queued {
        Ok(entry) => entry,
        Err(exit) => return exit,
    };
    if options.wait {
        return outbox::flush_one(&config, &entry);
    }
    if !options.queue_only && !common.offline {
        send_in_background(common);
    }
    Exit::Done
}

fn read_input() -> Result<Vec<u8>, Exit> {
    let mut input = Vec::new();
    match std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut input) {
        Err(error) => {
            output::error("send", format_args!("cannot read the message from standard input: {error}"));
            Err(Exit::Disk)
        }
        Ok(_) if input.len() as u64 > LARGEST => {
            output::error("send", format_args!("the message is larger than {} MiB", LARGEST >> 20));
            Err(Exit::BadInput)
        }
        Ok(_) if input.iter().all(u8::is_ascii_whitespace) => {
            output::error("send", "there is no message on standard input");
            Err(Exit::BadInput)
        }
        Ok(_) => Ok(input),
    }
}

fn queue(config: &Config, options: &SendOptions, input: &[u8]) -> Result<EntryId, Exit> {
    let refuse = |why: &str| {
        output::error("send", why);
        Exit::BadInput
    };
    let message = wire::canonical(input).ok_or_else(|| refuse("the message holds a NUL byte"))?;
    let header = Header::split(&message);
    let account = choose_account(config, options, &header)?;
    let recipients = recipients(options, &header)?;
    if recipients.is_empty() {
        let hint = if options.from_header { "" } else { " (with -t they are read from To, Cc and Bcc)" };
        output::error("send", format_args!("no recipient is given{hint}"));
        return Err(Exit::Usage);
    }
    let sender = options.sender.as_deref().map_or_else(|| from_field(&header), |text| Some(text.to_owned()));
    let sender = sender.unwrap_or_else(|| account.address.email.clone());
    let sender = Address::bare(sender.trim_matches(['<', '>']))
        .ascii_email()
        .ok_or_else(|| refuse("the sender is no address"))?;
    let completed = complete(&message, &header, options, account);
    let message_id = Header::split(&completed).first("Message-ID").and_then(|f| MessageId::new(&f.unfolded()));
    let subject = header.first("Subject").map(|f| f.text()).unwrap_or_default();
    let outgoing = Outgoing {
        account: account.id.clone(),
        submission: Submission { sender, recipients },
        wire: Arc::from(completed),
        bcc: addresses_in(&header, "Bcc").iter().map(Address::written).collect(),
        message_id,
        hold_until: None,
        answers: None,
        forwards: None,
        draft: None,
    };
    Queue::open(&config.paths.data)
        .and_then(|queue| queue.add(&outgoing, &subject, crate::app::now()))
        .map_err(|fault| not_queued(&fault))
}

fn not_queued(fault: &Fault) -> Exit {
    output::fault("send", fault);
    output::note("  the message was not queued");
    Exit::of(fault)
}

/// The account that is named, else the one whose address sends, else the first one that can send.
fn choose_account<'a>(config: &'a Config, options: &SendOptions, header: &Header<'_>) -> Result<&'a Account, Exit> {
    let accounts = setting::accounts("send", config, options.account.as_deref())?;
    let senders = [options.sender.clone(), from_field(header)];
    let own = senders
        .iter()
        .flatten()
        .find_map(|email| accounts.iter().find(|account| account.submit.is_some() && account.is_own(email)));
    if let Some(account) = own.or_else(|| accounts.iter().find(|account| account.submit.is_some())) {
        return Ok(account);
    }
    output::error("send", "no account has a way to send");
    output::note("  next: add `smtp = { host = … }` to an account in the config file");
    Err(Exit::Config)
}

fn from_field(header: &Header<'_>) -> Option<String> {
    addresses_in(header, "From").into_iter().next().map(|address| address.email)
}

fn addresses_in(header: &Header<'_>, field: &str) -> Vec<Address> {
    header.all(field).flat_map(|f| address::parse_list(&f.unfolded())).collect()
}

/// The recipients of the command line and, with `-t`, of the header; in ASCII, none twice.
fn recipients(options: &SendOptions, header: &Header<'_>) -> Result<Vec<String>, Exit> {
    let mut typed: Vec<Address> = options.recipients.iter().flat_map(|text| address::parse_list(text)).collect();
    if options.from_header {
        typed.extend(RECIPIENT_FIELDS.iter().flat_map(|field| addresses_in(header, field)));
    }
    let mut all = Vec::new();
    for address in typed {
        let Some(email) = address.ascii_email() else {
            output::error("send", format_args!("{} is no address", address.display()));
            return Err(Exit::BadInput);
        };
        if !all.contains(&email) {
            all.push(email);
        }
    }
    Ok(all)
}

/// The message without Bcc, and with the fields that RFC 5322 demands (Date, From) or a reader
/// needs (Message-ID), where they are missing.
fn complete(message: &[u8], header: &Header<'_>, options: &SendOptions, account: &Account) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 256);
    let from = header.first("From").is_none().then(|| {
        let name = options.name.clone().unwrap_or_else(|| account.address.name.clone());
        let email = options.sender.clone().unwrap_or_else(|| account.address.email.clone());
        Address { name, email }
    });
    if let Some(field) = from.as_ref().and_then(build::from_field) {
        out.extend_from_slice(field.as_bytes());
    }
    if header.first("Date").is_none() {
        let zoned = jiff::Zoned::now();
        let offset = zoned.offset().seconds() / 60;
        out.extend_from_slice(format!("Date: {}\r\n", date::format(crate::app::now(), offset)).as_bytes());
    }
    if header.first("Message-ID").is_none() {
        let unique = format!("{:016x}.{:08x}", fastrand::u64(..), std::process::id());
        if let Some(id) = build::message_id(&unique, &account.address) {
            out.extend_from_slice(format!("Message-ID: <{}>\r\n", id.as_str()).as_bytes());
        }
    }
    if header.fields().is_empty() && !message.starts_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(&wire::without_bcc(message));
    out
}

/// Starts `tern outbox flush` in a session of its own. If it cannot be started the message waits
/// for the next `tern` or `tern sync`: it is safe either way.
fn send_in_background(common: &Common) {
    use std::os::unix::process::CommandExt as _;
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = Command::new(program);
    if let Some(file) = &common.config {
        command.arg("--config").arg(file);
    }
    command.args(["outbox", "flush"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    if let Err(error) = command.spawn() {
        tracing::warn!("the outbox could not be flushed at once: {error}");
    }
}
