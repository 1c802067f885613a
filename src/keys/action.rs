//! The action table: one row per action with its name, places, keys, help, hint and the reason why
//! it cannot be done now. Keys, help, hint line, palette and documents are derived from it; the
//! compiler points from a new row to the `match` in the room that carries it out.

/// A place where keys have meanings of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// The list of messages.
    List,
    /// A message.
    View,
    /// The folders.
    Folders,
    /// A list of things with a field to filter it: help, palette, folder picker. Text goes there.
    Menu,
    /// A line of text: search, a path, a password. Text goes there.
    Prompt,
    /// A question.
    Ask,
    /// The hints of links and attachments are on screen. Letters and digits choose one.
    Hints,
    /// Something to read that covers the rest: the log.
    Page,
    /// The outbox.
    Outbox,
    /// A message that is about to be sent.
    Review,
    /// A message that is being written. Text goes there.
    Editor,
    /// An address is typed, and some are offered below. Text goes there.
    Suggest,
}

impl Context {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::List,
        Self::View,
        Self::Folders,
        Self::Menu,
        Self::Prompt,
        Self::Ask,
        Self::Hints,
        Self::Page,
        Self::Outbox,
        Self::Review,
        Self::Editor,
        Self::Suggest,
    ];

    /// The word in the config file: `[keys.WORD]`.
    pub fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::View => "view",
            Self::Folders => "folders",
            Self::Menu => "menu",
            Self::Prompt => "prompt",
            Self::Ask => "ask",
            Self::Hints => "hints",
            Self::Page => "page",
            Self::Outbox => "outbox",
            Self::Review => "review",
            Self::Editor => "editor",
            Self::Suggest => "suggest",
        }
    }

    /// The name on the screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::List => "message list",
            Self::View => "message",
            Self::Folders => "folders",
            Self::Menu => "menu",
            Self::Prompt => "text field",
            Self::Ask => "question",
            Self::Hints => "hints",
            Self::Page => "page",
            Self::Outbox => "outbox",
            Self::Review => "review before sending",
            Self::Editor => "editor",
            Self::Suggest => "suggested addresses",
        }
    }

    /// All words.
    pub fn words() -> Vec<&'static str> {
        Self::ALL.iter().map(|context| context.word()).collect()
    }

    /// The context of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.word() == word)
    }

    /// Do keys that mean nothing go into a text field here? Such a place takes no counts.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Menu | Self::Prompt | Self::Hints | Self::Editor | Self::Suggest)
    }
}

/// What an action is about; the sections of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Acts on folders as a whole.
    Folder,
    /// Acts on messages.
    Message,
    /// Selecting.
    Select,
    /// Moving about.
    Move,
    /// Going to a place.
    Go,
    /// How things are shown.
    Show,
    /// Writing and sending.
    Write,
    /// The program.
    Program,
}

impl Group {
    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Folder => "Folders",
            Self::Message => "Messages",
            Self::Select => "Select",
            Self::Move => "Move",
            Self::Go => "Go to",
            Self::Show => "Show",
            Self::Write => "Write",
            Self::Program => "Program",
        }
    }
}

/// What the program is in, as far as an action must know it to be possible. Made by `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Situation {
    /// How many messages an action would concern: the selection, or the one under the cursor.
    pub targets: usize,
    /// How many are selected.
    pub selected: usize,
    /// Is a message shown?
    pub open: bool,
    /// How many mailing lists it came through.
    pub lists: usize,
    /// How many attachments it has.
    pub attachments: usize,
    /// How many links it has.
    pub links: usize,
    /// How many messages its conversation has.
    pub thread: usize,
    /// How many changes can be undone.
    pub undo: usize,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many rows the list has.
    pub rows: usize,
    /// Is there a search in the open message?
    pub finding: bool,
    /// How many folders there are to go back to.
    pub visited: usize,
    /// How many accounts have a server.
    pub servers: usize,
    /// How many accounts can send.
    pub senders: usize,
    /// How many messages are in the outbox.
    pub outbox: usize,
    /// Has the message under the cursor of the outbox perhaps been sent?
    pub doubtful: bool,
    /// How many messages were not finished.
    pub unfinished: usize,
    /// How many rules there are.
    pub rules: usize,
    /// How many searches that can be saved the list is: one, or none.
    pub searches: usize,
    /// What stands in the way of changing the folder under the cursor.
    pub folder: FolderBars,
}

/// Why something cannot be done with the folder under the cursor; `None`: it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FolderBars {
    /// Making one beside or below it.
    pub make: Option<&'static str>,
    /// Giving it another name.
    pub rename: Option<&'static str>,
    /// Deleting it.
    pub delete: Option<&'static str>,
    /// Subscribing to it, or ending that.
    pub subscribe: Option<&'static str>,
}

/// Why an action cannot be done now; `None`: it can.
pub type WhyNot = fn(&Situation) -> Option<&'static str>;

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The action.
    pub action: Action,
    /// Its name in the config file, for good.
    pub name: &'static str,
    /// Where it works.
    pub contexts: &'static [Context],
    /// Its keys, unless the user wants others.
    pub keys: &'static [&'static str],
    /// What it is about.
    pub group: Group,
    /// What it does: one line.
    pub help: &'static str,
    /// A word or two for the hint line; empty: it is not shown there.
    pub hint: &'static str,
    /// Why it cannot be done now.
    pub why_not: WhyNot,
}

macro_rules! actions {
    ($($action:ident $name:literal in $contexts:expr; keys $keys:expr; $group:ident; $help:literal; hint $hint:literal; $why:expr;)+) => {
        /// What the user can want.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $(#[doc = $help] $action,)+
        }

        /// The table, in the order of help and hints.
        pub static TABLE: &[Row] = &[
            $(Row {
                action: Action::$action,
                name: $name,
                contexts: $contexts,
                keys: $keys,
                group: Group::$group,
                help: $help,
                hint: $hint,
                why_not: $why,
            },)+
        ];
    };
}

impl Action {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        // The macro makes enum and table from the same lines, so that `index` never misses.
        TABLE.get(self.index()).unwrap_or_else(|| unreachable!("{self:?} has no row"))
    }

    /// Its position in the table.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The action of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.action)
    }
}

use Context::{Ask, Editor, Folders, Hints, List, Menu, Outbox, Page, Prompt, Review, Suggest, View};

const MAIL: &[Context] = &[List, View];
const BROWSE: &[Context] = &[List, View, Folders];
const PLACES: &[Context] = &[List, View, Folders, Outbox];
const LISTS: &[Context] = &[List, View, Folders, Page, Outbox];
const LEAVABLE: &[Context] = &[List, View, Folders, Page, Outbox];

const fn always(_: &Situation) -> Option<&'static str> {
    None
}
const fn message(at: &Situation) -> Option<&'static str> {
    if at.targets == 0 { Some("there is no message here") } else { None }
}
const fn opened(at: &Situation) -> Option<&'static str> {
    if at.open { None } else { Some("open a message first") }
}
const fn listed(at: &Situation) -> Option<&'static str> {
    if at.open && at.lists == 0 { Some("this message came through no mailing list") } else { message(at) }
}
const fn foldable(at: &Situation) -> Option<&'static str> {
    if at.open || at.rows > 0 { None } else { Some("there is nothing to fold") }
}
// Of a message that is not open nobody knows yet what it has.
const fn attached(at: &Situation) -> Option<&'static str> {
    if at.open && at.attachments == 0 { Some("this message has no attachment") } else { message(at) }
}
const fn hinted(at: &Situation) -> Option<&'static str> {
    if at.open && at.attachments + at.links == 0 {
        Some("this message has no link and no attachment")
    } else {
        message(at)
    }
}
const fn changed(at: &Situation) -> Option<&'static str> {
    if at.undo == 0 { Some("nothing has been changed yet") } else { None }
}
const fn rows(at: &Situation) -> Option<&'static str> {
    if at.rows == 0 { Some("the list is empty") } else { None }
}
const fn account(at: &Situation) -> Option<&'static str> {
    if at.accounts == 0 { Some("there is no account yet") } else { None }
}
const fn served(at: &Situation) -> Option<&'static str> {
    if at.servers > 0 { None } else { Some("no account has a server") }
}
const fn selection(at: &Situation) -> Option<&'static str> {
    if at.selected == 0 { Some("nothing is selected") } else { None }
}
const fn before(at: &Situation) -> Option<&'static str> {
    if at.visited > 0 { None } else { Some("no other folder has been open") }
}
const fn sends(at: &Situation) -> Option<&'static str> {
    if at.senders > 0 { None } else { Some("no account can send") }
}
const fn answerable(at: &Situation) -> Option<&'static str> {
    if at.targets == 0 { Some("there is no message here") } else { sends(at) }
}
const fn unfinished(at: &Situation) -> Option<&'static str> {
    if at.unfinished == 0 { Some("every message is finished") } else { None }
}
const fn waiting(at: &Situation) -> Option<&'static str> {
    if at.outbox == 0 { Some("the outbox is empty") } else { None }
}
const fn doubtful(at: &Situation) -> Option<&'static str> {
    if at.doubtful { None } else { Some("nothing is in doubt about this message") }
}
const fn next_in(at: &Situation) -> Option<&'static str> {
    if at.finding || at.thread > 1 { None } else { Some("no search, and one message only") }
}
const fn ruled(at: &Situation) -> Option<&'static str> {
    if at.rules == 0 { Some("there is no rule in the config") } else { message(at) }
}
const fn searched(at: &Situation) -> Option<&'static str> {
    if at.searches > 0 { None } else { Some("the list is no search") }
}
const fn in_thread(at: &Situation) -> Option<&'static str> {
    if at.thread > 1 { None } else { Some("it is no conversation") }
}
const fn makable(at: &Situation) -> Option<&'static str> {
    if at.accounts == 0 { account(at) } else { at.folder.make }
}
const fn renamable(at: &Situation) -> Option<&'static str> {
    at.folder.rename
}
const fn deletable(at: &Situation) -> Option<&'static str> {
    at.folder.delete
}
const fn subscribable(at: &Situation) -> Option<&'static str> {
    at.folder.subscribe
}

actions! {
    Send "review.send" in &[Review]; keys &["y"]; Write; "Send, after the time in which it can be taken back"; hint "send"; always;
    EditBody "review.edit" in &[Review]; keys &["e", "Enter", "Esc"]; Write; "Go on with the text"; hint "edit"; always;
    Attach "review.attach" in &[Review]; keys &["a"]; Write; "Attach a file"; hint "attach"; always;
    KeepDraft "review.keep" in &[Review]; keys &["q", "p"]; Write; "Close and keep it as a draft"; hint "keep as draft"; always;
    SendAtOnce "review.send-now" in &[Review]; keys &["Y"]; Write; "Send at once"; hint "send now"; always;
    EditTo "review.to" in &[Review]; keys &["t"]; Write; "Change To"; hint ""; always;
    EditCc "review.cc" in &[Review]; keys &["c"]; Write; "Change Cc"; hint "cc"; always;
    EditBcc "review.bcc" in &[Review]; keys &["b"]; Write; "Change Bcc"; hint ""; always;
    EditSubject "review.subject" in &[Review]; keys &["s"]; Write; "Change the subject"; hint ""; always;
    EditFrom "review.from" in &[Review]; keys &["f"]; Write; "From: the next of your addresses"; hint ""; always;
    EditReplyTo "review.reply-to" in &[Review]; keys &["r"]; Write; "Change Reply-To"; hint ""; always;
    RemindDraft "review.remind" in &[Review]; keys &["w"]; Write; "Remind me if nobody answers in time (machines do not count)"; hint ""; always;
    Detach "review.detach" in &[Review]; keys &["d"]; Write; "Take the last file off; with a count that one"; hint ""; always;
    Discard "review.discard" in &[Review]; keys &["D"]; Write; "Throw it away, after a question"; hint "discard"; always;
    ScrollDown "review.down" in &[Review]; keys &["j", "Down"]; Move; "Scroll the text down"; hint ""; always;
    ScrollUp "review.up" in &[Review]; keys &["k", "Up"]; Move; "Scroll the text up"; hint ""; always;

    EditorDone "editor.done" in &[Editor]; keys &["Esc"]; Write; "Done: look at it before it goes"; hint "review and send"; always;
    NextField "editor.next" in &[Editor]; keys &["Tab"]; Write; "Next field, then the text"; hint "next field"; always;
    TakeSuggestion "suggest.take" in &[Suggest]; keys &["Tab", "Enter"]; Write; "Take the address that is marked"; hint "take"; always;
    NextSuggestion "suggest.next" in &[Suggest]; keys &["Down", "Ctrl-n"]; Move; "Next address"; hint "next"; always;
    PreviousSuggestion "suggest.previous" in &[Suggest]; keys &["Up", "Ctrl-p"]; Move; "Previous address"; hint ""; always;
    CloseSuggestions "suggest.close" in &[Suggest]; keys &["Esc", "Ctrl-c"]; Write; "Take none of them"; hint "none of them"; always;
    PreviousField "editor.previous" in &[Editor, Suggest]; keys &["Shift-Tab"]; Write; "Previous field"; hint ""; always;

    WasSent "outbox.was-sent" in &[Outbox]; keys &["A"]; Write; "It has arrived: forget it and keep the copy"; hint "it arrived"; doubtful;
    SendAgain "outbox.send-again" in &[Outbox]; keys &["S"]; Write; "It has not arrived: send it again"; hint "send again"; doubtful;
    Retry "outbox.retry" in &[Outbox]; keys &["r"]; Write; "Try to send it now"; hint "retry"; waiting;
    EditEntry "outbox.edit" in &[Outbox]; keys &["e"]; Write; "Take it back and edit it"; hint "edit"; waiting;
    HoldEntry "outbox.hold" in &[Outbox]; keys &["p"]; Write; "Hold it, or let it go on"; hint "hold"; waiting;
    RemoveEntry "outbox.remove" in &[Outbox]; keys &["d"]; Write; "Throw it away, after a question"; hint "discard"; waiting;
    Transcript "outbox.transcript" in &[Outbox]; keys &["Enter", "i"]; Show; "What was said to the server and by it"; hint "transcript"; waiting;
    RetryAll "outbox.retry-all" in &[Outbox]; keys &["R"]; Write; "Try to send all of them now"; hint "all"; waiting;

    Open "go.open" in &[List, Folders]; keys &["Enter"]; Go; "Open what is under the cursor"; hint "open"; account;
    SaveSearch "search.save" in &[List, Prompt]; keys &["F2"]; Go; "Save the search under a name, as a folder"; hint "save search"; searched;
    NewFolder "folder.new" in &[Folders]; keys &["n"]; Folder; "Make a folder, below the one under the cursor or elsewhere"; hint "new"; makable;
    RenameFolder "folder.rename" in &[Folders]; keys &["r"]; Folder; "Rename the folder, and with it those below it; or the saved search"; hint "rename"; renamable;
    DeleteFolder "folder.delete" in &[Folders]; keys &["d", "Del"]; Folder; "Delete the folder (its mail goes into quarantine, after a question), or forget the saved search"; hint "delete"; deletable;
    Subscribe "folder.subscribe" in &[Folders]; keys &["s"]; Folder; "Subscribe to the folder on the server"; hint ""; subscribable;
    Unsubscribe "folder.unsubscribe" in &[Folders]; keys &["S"]; Folder; "End the subscription on the server; its mail stays"; hint ""; subscribable;
    Archive "message.archive" in MAIL; keys &["a", "e"]; Message; "Archive: move to the archive folder"; hint "archive"; message;
    Trash "message.trash" in MAIL; keys &["d", "Del"]; Message; "Move to the trash"; hint "trash"; message;
    Reply "message.reply" in MAIL; keys &["r"]; Write; "Answer the author"; hint "reply"; answerable;
    ReplyAll "message.reply-all" in MAIL; keys &["R"]; Write; "Answer the author and all recipients"; hint "all"; answerable;
    OpenHint "message.hints" in MAIL; keys &["o"]; Show; "Open a link (letter) or an attachment (digit)"; hint "open link"; hinted;
    SaveAttachment "attachment.save" in MAIL; keys &["S"]; Show; "Save an attachment"; hint "save"; attached;
    Compose "mail.new" in PLACES; keys &["m"]; Write; "Write a new message"; hint "write"; sends;
    Search "go.search" in BROWSE; keys &["/"]; Go; "Search; in a message: find in its text"; hint "search"; account;
    MoveTo "message.move" in MAIL; keys &["s"]; Message; "Move to a folder that you choose"; hint "move"; message;
    Forward "message.forward" in MAIL; keys &["f"]; Write; "Pass the message on"; hint "forward"; answerable;
    Star "message.star" in MAIL; keys &["F"]; Message; "Star, or take the star away"; hint "star"; message;
    ToggleRead "message.read" in MAIL; keys &["U"]; Message; "Mark as read, or as unread"; hint "read/unread"; message;
    Spam "message.spam" in MAIL; keys &["!"]; Message; "Spam: move to the junk folder, or from there to the inbox"; hint "spam"; message;
    Undo "change.undo" in PLACES; keys &["u"]; Message; "Undo the last change"; hint "undo"; changed;
    ReplyList "message.reply-list" in MAIL; keys &["L"]; Write; "Answer the mailing list"; hint ""; answerable;
    ResumeUnsent "mail.resume" in PLACES; keys &["gw"]; Write; "Go on with a message that was not finished"; hint ""; unfinished;
    ArchiveThread "message.archive-thread" in MAIL; keys &["A"]; Message; "Archive the whole conversation"; hint ""; message;
    Label "message.label" in MAIL; keys &["+"]; Message; "Give a tag or label, or take it away"; hint ""; message;
    Snooze "message.snooze" in MAIL; keys &["Z"]; Message; "Snooze: out of the way until a time that you choose"; hint "snooze"; message;
    Remind "message.remind" in MAIL; keys &["W"]; Message; "Remind me if nobody answers in time (machines do not count)"; hint ""; message;
    Mute "thread.mute" in MAIL; keys &["tm"]; Message; "Mute the conversation, or listen to it again"; hint ""; message;
    BreakThread "thread.break" in MAIL; keys &["tb", "#"]; Message; "Begin a new conversation with this message, or put it back"; hint ""; message;
    JoinThreads "thread.join" in MAIL; keys &["tj"]; Message; "Put the selected conversations into this one"; hint ""; selection;
    RunRules "message.rules" in MAIL; keys &[";"]; Message; "Run the rules of the config on it"; hint ""; ruled;
    DeleteForever "message.delete" in MAIL; keys &["D"]; Message; "Delete for ever, after a question"; hint ""; message;

    Down "move.down" in LISTS; keys &["j", "Down"]; Move; "Go down one row"; hint ""; always;
    Up "move.up" in LISTS; keys &["k", "Up"]; Move; "Go up one row"; hint ""; always;
    Top "move.top" in LISTS; keys &["gg", "Home"]; Move; "First row, or the row of the count"; hint ""; always;
    Bottom "move.bottom" in LISTS; keys &["G", "End"]; Move; "Last row"; hint ""; always;
    Part "move.part" in &[List]; keys &["%"]; Move; "The middle of the list, or with a count so many per cent down"; hint ""; rows;
    HalfDown "move.half-down" in LISTS; keys &["Ctrl-d"]; Move; "Go down half a page"; hint ""; always;
    HalfUp "move.half-up" in LISTS; keys &["Ctrl-u"]; Move; "Go up half a page"; hint ""; always;
    PageDown "move.page-down" in LISTS; keys &["PgDn", "Ctrl-f"]; Move; "Go down a page"; hint ""; always;
    PageUp "move.page-up" in LISTS; keys &["PgUp", "Ctrl-b"]; Move; "Go up a page"; hint ""; always;
    NextMessage "message.next" in MAIL; keys &["J"]; Move; "Open the next message of the list"; hint ""; rows;
    PreviousMessage "message.previous" in MAIL; keys &["K"]; Move; "Open the previous message of the list"; hint ""; rows;
    NextMatch "view.next" in &[View]; keys &["n"]; Move; "Next match, or next message of the conversation"; hint ""; next_in;
    PreviousMatch "view.previous" in &[View]; keys &["N"]; Move; "Previous match, or previous message of the conversation"; hint ""; next_in;
    NextUnread "go.next-unread" in BROWSE; keys &["Tab"]; Move; "Next unread message, also in the folders that follow"; hint "next unread"; account;
    PreviousUnread "go.previous-unread" in BROWSE; keys &["Shift-Tab"]; Move; "Previous unread message"; hint ""; account;
    TurnMessage "view.fold-message" in &[View]; keys &["Enter"]; Show; "Unfold or fold the message of the conversation"; hint ""; in_thread;
    PageOn "view.page-on" in &[View]; keys &["Space"]; Move; "A page down; at the end the next unread message"; hint "page"; opened;
    Left "move.left" in BROWSE; keys &["h", "Left"]; Move; "To the pane on the left"; hint ""; always;
    Right "move.right" in &[List, Folders]; keys &["l", "Right"]; Move; "To the pane on the right; on a row: open it"; hint ""; always;
    Back "go.back" in LEAVABLE; keys &["Esc"]; Go; "Back one level; clears the selection and a message below"; hint ""; always;
    Leave "go.leave" in LEAVABLE; keys &["q"]; Go; "Back one level; from the list: end the program"; hint ""; always;

    Select "select.toggle-down" in &[List]; keys &["Space"]; Select; "Select and go down"; hint ""; message;
    SelectHere "select.toggle" in &[List]; keys &["x"]; Select; "Select, or not"; hint ""; message;
    SelectRange "select.range" in &[List]; keys &["v"]; Select; "Begin or end a range"; hint ""; message;
    SelectNone "select.none" in &[List]; keys &["*n"]; Select; "Select nothing"; hint ""; selection;
    SelectShown "select.shown" in &[List]; keys &["*a"]; Select; "Select the rows on screen"; hint ""; rows;
    SelectUnread "select.unread" in &[List]; keys &["*u"]; Select; "Select the unread rows on screen"; hint ""; rows;
    SelectStarred "select.starred" in &[List]; keys &["*s"]; Select; "Select the starred rows on screen"; hint ""; rows;
    SelectInvert "select.invert" in &[List]; keys &["*i"]; Select; "Turn the selection of the rows on screen round"; hint ""; rows;

    GoFolder "go.folder" in PLACES; keys &["c", "gf"]; Go; "A folder that you choose"; hint "folder"; account;
    GoInbox "go.inbox" in PLACES; keys &["gi"]; Go; "Inbox of this account"; hint ""; account;
    GoUnified "go.unified" in PLACES; keys &["gu"]; Go; "All inboxes as one"; hint ""; account;
    GoStarred "go.starred" in BROWSE; keys &["gF"]; Go; "Starred messages of all folders"; hint ""; account;
    GoUnread "go.unread" in BROWSE; keys &["gU"]; Go; "Unread messages of all folders"; hint ""; account;
    FromSender "go.sender" in MAIL; keys &["@"]; Go; "All mail from the sender of this message"; hint ""; message;
    MailingList "go.mailing-list" in MAIL; keys &["&"]; Go; "All mail of the mailing list of this message"; hint ""; listed;
    GoSent "go.sent" in PLACES; keys &["gs"]; Go; "Sent"; hint ""; account;
    GoDrafts "go.drafts" in PLACES; keys &["gd"]; Go; "Drafts"; hint ""; account;
    GoArchive "go.archive" in PLACES; keys &["ga"]; Go; "Archive"; hint ""; account;
    GoJunk "go.junk" in PLACES; keys &["gj"]; Go; "Junk"; hint ""; account;
    GoTrash "go.trash" in PLACES; keys &["gt"]; Go; "Trash"; hint ""; account;
    GoOutbox "go.outbox" in PLACES; keys &["go"]; Go; "What waits to be sent"; hint ""; always;
    GoSnoozed "go.snoozed" in PLACES; keys &["gz"]; Go; "What is snoozed"; hint ""; account;
    GoWaiting "go.waiting" in PLACES; keys &["gr"]; Go; "What waits for an answer"; hint ""; account;
    GoLast "go.last" in PLACES; keys &["g."]; Go; "The folder before this one"; hint ""; before;
    GoLog "go.log" in PLACES; keys &["gl"]; Go; "What the program said so far"; hint ""; always;
    GoAccount "go.account" in PLACES; keys &["Alt-1", "Alt-2", "Alt-3", "Alt-4", "Alt-5", "Alt-6", "Alt-7", "Alt-8", "Alt-9"]; Go; "Inbox of that account"; hint ""; account;

    Threads "show.threads" in BROWSE; keys &["T"]; Show; "Conversations, or single messages"; hint ""; always;
    SortList "list.sort" in &[List]; keys &["\\o"]; Show; "Sort the list: by date, conversation, sender, subject, size"; hint ""; account;
    OnlyUnread "list.unread" in &[List]; keys &["\\u"]; Show; "Unread messages only, or all again"; hint ""; account;
    OnlyStarred "list.starred" in &[List]; keys &["\\s"]; Show; "Starred messages only, or all again"; hint ""; account;
    Headers "show.headers" in MAIL; keys &["H"]; Show; "All header fields, or the usual ones"; hint ""; message;
    FoldHere "show.fold" in MAIL; keys &["za"]; Show; "Unfold a conversation in the list; in a message the next quote"; hint ""; foldable;
    FoldAll "show.fold-all" in MAIL; keys &["zM"]; Show; "Fold all conversations of the list; in a message all quotes"; hint ""; foldable;
    UnfoldAll "show.unfold-all" in MAIL; keys &["zR"]; Show; "Unfold the conversations on screen; in a message all quotes"; hint ""; foldable;
    Source "show.source" in MAIL; keys &["zs"]; Show; "The message as it is written"; hint ""; message;
    CopyAddress "copy.address" in MAIL; keys &["ya"]; Show; "Copy the sender's address"; hint ""; message;
    CopySubject "copy.subject" in MAIL; keys &["ys"]; Show; "Copy the subject"; hint ""; message;
    CopyId "copy.id" in MAIL; keys &["yi"]; Show; "Copy the Message-ID"; hint ""; message;
    CopyText "copy.text" in MAIL; keys &["yy"]; Show; "Copy the text of the message"; hint ""; message;

    SyncNow "sync.now" in PLACES; keys &["$"]; Program; "Look for new mail now"; hint ""; served;
    Palette "program.palette" in PLACES; keys &[":"]; Program; "Find an action by its name and do it"; hint "command"; always;
    Help "program.help" in &[List, View, Folders, Page, Outbox, Review, Ask]; keys &["?", "F1"]; Program; "Help for this place"; hint "help"; always;
    Redraw "program.redraw" in &[List, View, Folders, Menu, Prompt, Ask, Hints, Page, Outbox, Review, Editor, Suggest]; keys &["Ctrl-l"]; Program; "Draw the screen again"; hint ""; always;
    Suspend "program.suspend" in &[List, View, Folders, Page, Outbox]; keys &["Ctrl-z"]; Program; "Stop the program; `fg` brings it back"; hint ""; always;
    Quit "program.quit" in &[List, View, Folders, Page, Outbox]; keys &["Q"]; Program; "End the program"; hint ""; always;

    Accept "field.accept" in &[Menu, Prompt]; keys &["Enter"]; Program; "Take what is there"; hint "take"; always;
    Cancel "field.cancel" in &[Menu, Prompt, Hints]; keys &["Esc", "Ctrl-c"]; Program; "Close without doing anything"; hint "close"; always;
    MenuDown "menu.down" in &[Menu, Prompt]; keys &["Down", "Ctrl-n"]; Move; "Next row"; hint ""; always;
    MenuUp "menu.up" in &[Menu, Prompt]; keys &["Up", "Ctrl-p"]; Move; "Previous row"; hint ""; always;
    MenuPageDown "menu.page-down" in &[Menu]; keys &["PgDn"]; Move; "A page down"; hint ""; always;
    MenuPageUp "menu.page-up" in &[Menu]; keys &["PgUp"]; Move; "A page up"; hint ""; always;
    Widen "search.widen" in &[Prompt]; keys &["Tab"]; Go; "Search: elsewhere; a path: go on with the name"; hint ""; always;

    Yes "ask.yes" in &[Ask]; keys &["y"]; Program; "Yes"; hint "yes"; always;
    No "ask.no" in &[Ask]; keys &["n", "Esc", "q", "Ctrl-c"]; Program; "No"; hint "no"; always;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::key::Keys;

    #[test]
    fn names_are_unlike_and_rows_are_whole() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(row.name.contains('.') && row.name.is_ascii(), "{}", row.name);
            assert!(row.help.len() > 1, "{}", row.name);
            assert!(!row.contexts.is_empty(), "{}", row.name);
            assert!(!row.help.ends_with('.'), "{}", row.name);
            assert_eq!(row.action.index(), at, "{}", row.name);
            assert_eq!(Action::from_name(row.name), Some(row.action));
            assert_eq!(row.action.row().name, row.name);
            for keys in row.keys {
                assert_eq!(keys.parse::<Keys>().unwrap().to_string(), *keys, "{}", row.name);
            }
        }
    }

    #[test]
    fn no_key_has_two_meanings_in_one_place_and_none_hides_another() {
        for context in Context::ALL {
            let mut bound: Vec<(Keys, &str)> = Vec::new();
            for row in TABLE.iter().filter(|row| row.contexts.contains(&context)) {
                bound.extend(row.keys.iter().map(|keys| (keys.parse().unwrap(), row.name)));
            }
            for (at, (keys, name)) in bound.iter().enumerate() {
                for (others, other) in &bound[at + 1..] {
                    let (short, long) = if keys.0.len() < others.0.len() { (keys, others) } else { (others, keys) };
                    assert!(!long.0.starts_with(&short.0), "{context:?}: {keys} is {name} and {others} is {other}");
                }
            }
        }
    }

    #[test]
    fn reasons_fit_the_situation() {
        let nothing = Situation::default();
        let reason = |action: Action| (action.row().why_not)(&nothing);
        assert_eq!(reason(Action::Archive), Some("there is no message here"));
        assert_eq!(reason(Action::SaveAttachment), Some("there is no message here"));
        let on = |open| (Action::SaveAttachment.row().why_not)(&Situation { targets: 1, open, ..nothing });
        assert_eq!((on(false), on(true)), (None, Some("this message has no attachment")));
        assert_eq!(reason(Action::Help), None);
        assert_eq!((Action::Undo.row().why_not)(&Situation { undo: 1, ..nothing }), None);
    }
}
