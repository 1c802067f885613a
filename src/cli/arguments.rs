//! What can be typed after `tern`. Help and man page are made from this.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::address::Format;

/// Mail in the terminal, whole and offline.
///
/// Without a command the mail client opens.
#[derive(Debug, Parser)]
#[command(name = "tern", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// The config file, instead of the one below `XDG_CONFIG_HOME`
    #[arg(long, global = true, value_name = "FILE", env = "TERN_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// How much is written to the log file: error, warn, info, debug, trace
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    pub(super) log: tracing::Level,
    /// Reach no server
    #[arg(long, global = true)]
    pub(super) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Open the mail client
    Open,
    /// Bring server and Maildir together, once, without a screen
    #[command(after_help = SYNC_CODES)]
    Sync(SyncOptions),
    /// Queue a message from standard input, like sendmail; exit 0 only when it is safe on disk
    Send(SendOptions),
    /// Search the index
    #[command(after_help = SEARCH_HELP)]
    Search(SearchOptions),
    /// List the saved searches with how much they find: unread and all
    Searches(SearchesOptions),
    /// Look at the rules of the config, or let them do what they want with messages that a query finds
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Give messages tags and take tags away, as `notmuch tag` does
    #[command(after_help = TAG_HELP)]
    Tag(TagOptions),
    /// Find addresses by a few letters of name or address, the likeliest first
    #[command(after_help = ADDRESS_HELP)]
    Address(AddressOptions),
    /// Show a message
    Show(ShowOptions),
    /// List the messages of a folder, newest first
    List(ListOptions),
    /// List the folders with their counts, or make, rename and delete them
    #[command(args_conflicts_with_subcommands = true)]
    Folders {
        #[command(subcommand)]
        command: Option<FoldersCommand>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Look at and steer what waits to be sent
    Outbox {
        #[command(subcommand)]
        command: OutboxCommand,
    },
    /// Check the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Bring the index up to date, make it anew, or compare it with the mail
    #[command(after_help = INDEX_HELP)]
    Index(IndexOptions),
    /// Examine config, servers, mail and memory; say what is wrong and what to do. Changes nothing
    Doctor(DoctorOptions),
    /// Show the keys
    Keys {
        #[command(subcommand)]
        command: Option<KeysCommand>,
    },
    /// Try the program on a built-in mailbox; leaves nothing behind
    Demo(DemoOptions),
}

/// What `tern sync` ends with.
const SYNC_CODES: &str = "\
Exit codes, of several the one that stands last:
    0  both sides have met; with --dry-run: there is nothing to do
    1  something was held or failed, and the rest was done; with --dry-run: there is
       something to do or to answer
   75  another program syncs the account, or the server wants to be asked later
   66  there is no folder of that name
   69  the server cannot be reached
   76  the server broke its protocol
   74  the disk is full or cannot be written
   77  sign-in was refused
   78  the configuration is wrong
  130  interrupted; the next sync goes on from there

A plan that would remove much is held: the question is printed to standard error, all else is
done. --go-on, with the account and the folder, answers it.";

/// What `tern tag` understands.
const TAG_HELP: &str = "\
Examples:
    tern tag +todo -inbox from:ada budget
    tern tag -n +work -- -in:archive list:tern
    tern search --ids todo | xargs -d '\\n' tern tag +todo

All that the query finds is tagged, or the messages of the ids that `tern search --ids` prints. Tags are
keywords of the messages; where folders are labels (Gmail), they are labels, and one has to be there.
Some are more: -unread and +unread, +flagged, +replied and +passed set flags; -inbox archives, +inbox moves
to the inbox. Exit codes: 0 done; 1 nothing was found, or a part could not be done.";

/// What `tern search` ends with.
const SEARCH_HELP: &str = "\
Exit codes: 0 something was found; 1 nothing was, or the index could not take in all of the mail, which was said:
what is found may lack something; 2 the query is not understood.";

/// What `tern index` ends with.
const INDEX_HELP: &str = "\
The index is made from the mail and can be lost. --rebuild makes a new one beside it, which takes its place in
one step: until then the old one serves, and programs that have it open move over. One that was interrupted is
gone on with by the next --rebuild.

Exit codes: 0 done; with --verify: index and mail agree
            1 a part could not be read; with --verify: they differ, and it was said how
           75 another program makes the index anew
          130 interrupted";

/// How other programs call `tern address`.
const ADDRESS_HELP: &str = "\
neomutt, mutt:  set query_command = \"tern address --format=mutt %s\"
aerc:           address-book-cmd = tern address --format=aerc %s

It looks in what is indexed (`tern index` and each `tern sync` bring that up to date) and in the address
books of the config. Exit codes: 0 somebody fits; 1 nobody does (with --format=aerc 0, without a line).";

/// What can be done with folders. It is done in the Maildir; the next sync does the same on the server.
#[derive(Debug, Subcommand)]
pub(super) enum FoldersCommand {
    /// Make a folder
    Create(FolderOptions),
    /// Give a folder another name, and with it those below it
    Rename {
        #[command(flatten)]
        folder: FolderOptions,
        /// The new name
        to: String,
    },
    /// Delete a folder; its mail goes into quarantine for 14 days, and on the server it is deleted
    Delete {
        #[command(flatten)]
        folder: FolderOptions,
        /// Also with mail in it
        #[arg(long)]
        yes: bool,
    },
    /// Subscribe to a folder on the server
    Subscribe(FolderOptions),
    /// End the subscription to a folder; its mail stays
    Unsubscribe(FolderOptions),
}

#[derive(Debug, Args)]
pub(super) struct FolderOptions {
    /// The folder; levels are separated by `/`
    pub(super) folder: String,
    /// The account; the first one where none is given
    #[arg(short = 'A', long, value_name = "NAME")]
    pub(super) account: Option<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line of its own")]
pub(super) struct SyncOptions {
    /// Only this account
    #[arg(short = 'A', long, value_name = "NAME")]
    pub(super) account: Option<String>,
    /// Only this folder (may be given again)
    #[arg(short = 'f', long = "folder", value_name = "FOLDER")]
    pub(super) folders: Vec<String>,
    /// Carry out a plan that would remove much, instead of holding it
    #[arg(long)]
    pub(super) go_on: bool,
    /// Only say what would be done, folder by folder and for both sides; nothing is written or sent
    #[arg(short = 'n', long, conflicts_with = "go_on")]
    pub(super) dry_run: bool,
    /// With --dry-run: each message
    #[arg(short, long, requires = "dry_run")]
    pub(super) verbose: bool,
    /// Do not bring the index up to date afterwards
    #[arg(long)]
    pub(super) no_index: bool,
    /// Send nothing from the outbox
    #[arg(long)]
    pub(super) no_send: bool,
    /// Print only what went wrong
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// One JSON object a folder
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line of its own")]
pub(super) struct SendOptions {
    /// Read the recipients from To, Cc and Bcc as well
    #[arg(short = 't')]
    pub(super) from_header: bool,
    /// A lone dot does not end the message (it never does)
    #[arg(short = 'i')]
    pub(super) ignore_dots: bool,
    /// The envelope sender; chooses the account
    #[arg(short = 'f', value_name = "ADDRESS")]
    pub(super) sender: Option<String>,
    /// The sender's name, where the message has no From
    #[arg(short = 'F', value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Accepted as sendmail does: -oi is -i, all others are passed over
    #[arg(short = 'o', value_name = "OPTION", hide = true)]
    pub(super) option: Vec<String>,
    /// Passed over, as sendmail's clients set it
    #[arg(short = 'B', value_name = "TYPE", hide = true)]
    pub(super) body_type: Option<String>,
    /// Passed over, as sendmail's clients set it
    #[arg(short = 'N', value_name = "DSN", hide = true)]
    pub(super) notify: Option<String>,
    /// Passed over, as sendmail's clients set it
    #[arg(short = 'm', hide = true)]
    pub(super) me_too: bool,
    /// Refused: there is no daemon and no SMTP on standard input
    #[arg(short = 'b', value_name = "MODE", hide = true)]
    pub(super) mode: Option<String>,
    /// The account that sends
    #[arg(short = 'A', long, value_name = "NAME")]
    pub(super) account: Option<String>,
    /// Wait until the server has accepted the message, or said no
    #[arg(long)]
    pub(super) wait: bool,
    /// Only queue: the next `tern` or `tern sync` sends it
    #[arg(long)]
    pub(super) queue_only: bool,
    /// The recipients
    pub(super) recipients: Vec<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line of its own")]
pub(super) struct SearchOptions {
    /// The query, e.g. `from:ada has:attachment budget`; `search:NAME` is a saved search, `to:me` is to you
    #[arg(required = true)]
    pub(super) query: Vec<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(super) limit: usize,
    /// Print only the number of all that is found
    #[arg(long, conflicts_with_all = ["limit", "format", "ids", "paths", "json"])]
    pub(super) count: bool,
    /// Only in this account
    #[arg(short = 'A', long, value_name = "NAME")]
    pub(super) account: Option<String>,
    /// Only in this folder: its name, the last part of it, or what it is for (`sent`); `lists/**` is `lists` and
    /// all below
    #[arg(long = "in", value_name = "FOLDER")]
    pub(super) folder: Option<String>,
    /// What to print of each message
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["ids", "paths", "json"])]
    format: Option<Printed>,
    /// Print only ids: --format=ids
    #[arg(long, conflicts_with_all = ["paths", "json"])]
    ids: bool,
    /// Print only the files' paths: --format=files
    #[arg(long, conflicts_with = "json")]
    paths: bool,
    /// End paths with NUL instead of a line end
    #[arg(short = '0', long)]
    pub(super) null: bool,
    /// One JSON object a line: --format=json
    #[arg(long)]
    json: bool,
}

impl SearchOptions {
    /// What to print.
    pub(super) fn format(&self) -> Printed {
        match self.format {
            Some(format) => format,
            None if self.json => Printed::Json,
            None if self.ids => Printed::Ids,
            None if self.paths => Printed::Files,
            None => Printed::Summary,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Which rules there are, in their order, and what they do
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let the rules look at all that a query finds, as if it had just come; programs are run each time
    Run(RulesRunOptions),
}

#[derive(Debug, Args)]
pub(super) struct RulesRunOptions {
    /// Only say which messages rules match
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// The query
    #[arg(required = true)]
    pub(super) query: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct SearchesOptions {
    /// One JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// What `tern search` prints of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Printed {
    /// Date, marks, who, subject and id
    Summary,
    /// The id that `tern show` takes
    Ids,
    /// The path of the file
    Files,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Args)]
pub(super) struct TagOptions {
    /// Only say what would be done; -n must stand before the tags
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// `+TAG` and `-TAG`, then a query, or ids that `tern search --ids` prints; `--` may stand between
    #[arg(required = true, value_name = "+TAG|-TAG... QUERY|ID")]
    pub(super) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct AddressOptions {
    /// How words of the name or the address begin, e.g. `gr hop`, `grace@`, `@navy`
    #[arg(required = true)]
    pub(super) text: Vec<String>,
    /// What the lines look like
    #[arg(long, value_enum, default_value_t = Format::Aerc, value_name = "FORMAT")]
    pub(super) format: Format,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(super) limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct ShowOptions {
    /// A Message-ID, or an id that `tern search` printed
    pub(super) id: String,
    /// The file as it lies on disk
    #[arg(long, conflicts_with_all = ["headers", "part", "json"])]
    pub(super) raw: bool,
    /// All header fields
    #[arg(long, conflicts_with_all = ["part", "json"])]
    pub(super) headers: bool,
    /// The bytes of attachment N, from 1
    #[arg(long, value_name = "N", conflicts_with = "json")]
    pub(super) part: Option<usize>,
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// The folder; INBOX where none is given
    #[arg(default_value = "INBOX")]
    pub(super) folder: String,
    /// The account; the first one where none is given
    #[arg(short = 'A', long, value_name = "NAME")]
    pub(super) account: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(super) limit: usize,
    /// One JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum OutboxCommand {
    /// What waits, with its state
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Try again now: one entry, or all
    Retry {
        /// The entry's name; all where none is given
        id: Option<String>,
    },
    /// Throw an entry away
    Rm {
        /// The entry's name
        id: String,
    },
    /// Decide about a message of which nobody knows whether it was sent
    Resolve {
        /// The entry's name
        id: String,
        /// It has arrived: `sent`. It has not: `again`
        #[arg(value_parser = ["sent", "again"])]
        verdict: String,
    },
    /// Send what is due, then exit
    Flush,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print everything that is wrong with the config file; exit 78 on errors
    Check {
        /// Exit 78 on warnings too
        #[arg(long)]
        strict: bool,
    },
    /// Print where things lie
    Paths,
}

#[derive(Debug, Args)]
pub(super) struct DoctorOptions {
    /// Only this account
    #[arg(value_name = "ACCOUNT")]
    pub(super) account: Option<String>,
    /// One JSON object a finding
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line of its own")]
pub(super) struct IndexOptions {
    /// Read every message again into a new index beside the one that serves; it takes its place when it is whole
    #[arg(long)]
    pub(super) rebuild: bool,
    /// Tell whether the index is what the mail says, part by part, and what to do where it is not. Changes nothing
    #[arg(long, conflicts_with = "rebuild")]
    pub(super) verify: bool,
    /// With --verify: read every message again, not some hundred of them
    #[arg(long, requires = "verify")]
    pub(super) all: bool,
    /// With --verify: one JSON object a line
    #[arg(long, requires = "verify")]
    pub(super) json: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Print every key with what it does
    Show {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    /// Print one frame of this size as text, then exit
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub(super) screenshot: Option<String>,
    /// Seconds until the demo's server goes away for a while
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub(super) outage_after: u64,
    /// For how many seconds it is away
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) outage_for: u64,
    /// The theme
    #[arg(long, value_name = "NAME")]
    pub(super) theme: Option<String>,
}
