//! Looks: one field per role, made of a TOML text. `ui` names roles and never a colour. The default
//! uses the terminal's own colours. No file is read here: the text is given.

mod color;
mod load;

use ratatui::style::Style;

pub use color::{Depth, Half, contrast};
pub use load::{BUNDLED, bundled};

macro_rules! roles {
    ($($field:ident $token:literal $doc:literal;)+) => {
        /// The style of each role.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Theme {
            /// Its name.
            pub name: String,
            /// The marks and rules.
            pub glyphs: Glyphs,
            $(#[doc = $doc] pub $field: Style,)+
        }

        /// The names of all roles in a theme file.
        pub const TOKENS: &[&str] = &[$($token,)+];

        impl Theme {
            /// The style of a role by its name in a theme file.
            pub fn token(&self, name: &str) -> Option<Style> {
                match name {
                    $($token => Some(self.$field),)+
                    _ => None,
                }
            }

            fn token_mut(&mut self, name: &str) -> Option<&mut Style> {
                match name {
                    $($token => Some(&mut self.$field),)+
                    _ => None,
                }
            }
        }
    };
}

roles! {
    fg "fg" "Text on the ground.";
    muted "muted" "What is less important.";
    accent "accent" "What stands out.";
    border "border" "Rules between panes.";
    border_focus "border.focus" "The rule of the pane in focus.";
    cursor_row "cursor.row" "The row under the cursor in the pane in focus.";
    cursor_row_away "cursor.row.away" "The row under the cursor in another pane.";
    select_row "select.row" "A selected row.";
    matched "match" "What a search found.";
    list_unread "list.unread" "An unread row.";
    list_read "list.read" "A read row.";
    list_star "list.star" "The star.";
    list_mark "list.mark" "The other marks of a row.";
    list_date "list.date" "The date of a row.";
    list_thread "list.thread" "The number of messages of a conversation.";
    tag "tag" "A tag or label of a message.";
    folder "folder" "A folder.";
    folder_unread "folder.unread" "A folder with unread messages.";
    folder_open "folder.open" "The folder that is shown.";
    folder_account "folder.account" "The name of an account.";
    view_key "view.header.key" "The name of a header field.";
    view_value "view.header.value" "The value of a header field.";
    view_subject "view.subject" "The subject above a message.";
    view_body "view.body" "The text of a message.";
    view_quote1 "view.quote1" "Text that is quoted once.";
    view_quote2 "view.quote2" "Text that is quoted twice.";
    view_quote3 "view.quote3" "Text that is quoted three times.";
    view_quote4 "view.quote4" "Text that is quoted more often.";
    view_sig "view.sig" "The signature.";
    view_link "view.link" "A link.";
    view_code "view.code" "Code.";
    view_heading "view.heading" "A heading.";
    view_note "view.note" "What the program says in a message.";
    view_added "view.diff.add" "A line that a patch adds.";
    view_removed "view.diff.del" "A line that a patch removes.";
    view_hint "view.hint" "The key of a link or attachment.";
    view_warning "view.warning" "A warning about a message.";
    bar "bar" "The bar at the top.";
    bar_account "bar.account" "The account in the bar.";
    bar_progress "bar.progress" "Progress in the bar.";
    hint_key "hint.key" "A key in the hint line.";
    hint_text "hint.text" "What the key does.";
    ok "ok" "Something went well.";
    warn "warn" "Something to look at.";
    error "error" "Something failed.";
    info "info" "Something to know.";
    box_queued "box.queued" "Waits in the outbox.";
    box_sending "box.sending" "Is being sent.";
    box_failed "box.failed" "Could not be sent.";
    box_scheduled "box.scheduled" "Is sent later.";
    popup "popup" "A popup.";
    popup_title "popup.title" "The title of a popup.";
    popup_key "popup.key" "A key in a popup.";
    field "field" "A text field.";
}

impl Theme {
    /// The style of text quoted `depth` times.
    pub fn quote(&self, depth: u8) -> Style {
        match depth {
            0 => self.view_body,
            1 => self.view_quote1,
            2 => self.view_quote2,
            3 => self.view_quote3,
            _ => self.view_quote4,
        }
    }

    /// The same theme with ASCII marks, or with Unicode ones.
    #[must_use]
    pub fn with_glyphs(mut self, glyphs: Glyphs) -> Self {
        self.glyphs = glyphs;
        self
    }
}

/// The marks and rules. Each is one cell wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyphs {
    /// Unread.
    pub unread: &'static str,
    /// The cursor.
    pub cursor: &'static str,
    /// Selected.
    pub selected: &'static str,
    /// It was snoozed, and is back.
    pub returned: &'static str,
    /// Of a muted conversation.
    pub muted: &'static str,
    /// Starred.
    pub star: &'static str,
    /// Only the header is here.
    pub stub: &'static str,
    /// Has an attachment.
    pub attachment: &'static str,
    /// Answered.
    pub replied: &'static str,
    /// Forwarded.
    pub forwarded: &'static str,
    /// A draft.
    pub draft: &'static str,
    /// From a list that can be left.
    pub list: &'static str,
    /// A horizontal rule.
    pub horizontal: &'static str,
    /// A vertical rule.
    pub vertical: &'static str,
    /// The corners of a popup: top left, top right, bottom left, bottom right.
    pub corners: [&'static str; 4],
    /// Something was cut off.
    pub ellipsis: &'static str,
    /// Before quoted text, once per level.
    pub quote: &'static str,
    /// The full part of a progress bar.
    pub full: &'static str,
    /// The empty part of a progress bar.
    pub rest: &'static str,
    /// The last child of a thread.
    pub branch: &'static str,
}

impl Glyphs {
    /// What every terminal and every screen reader knows.
    pub const ASCII: Self = Self {
        unread: "*",
        cursor: ">",
        selected: "x",
        returned: "^",
        muted: "m",
        star: "!",
        stub: "h",
        attachment: "@",
        replied: "r",
        forwarded: "f",
        draft: "d",
        list: "u",
        horizontal: "-",
        vertical: "|",
        corners: ["+", "+", "+", "+"],
        ellipsis: "~",
        quote: "|",
        full: "#",
        rest: "-",
        branch: "`",
    };

    /// Light rules, dots and stars; nothing that is wider than a cell anywhere.
    pub const UNICODE: Self = Self {
        unread: "●",
        cursor: "❯",
        selected: "✓",
        returned: "↑",
        muted: "m",
        star: "★",
        stub: "⇣",
        attachment: "@",
        replied: "↩",
        forwarded: "↪",
        draft: "✎",
        list: "u",
        horizontal: "─",
        vertical: "│",
        corners: ["╭", "╮", "╰", "╯"],
        ellipsis: "…",
        quote: "▏",
        full: "■",
        rest: "·",
        branch: "└",
    };
}

impl Default for Glyphs {
    fn default() -> Self {
        Self::UNICODE
    }
}
