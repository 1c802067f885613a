//! A message prepared for reading: header lines, styled text, numbered links, attachments. Made
//! off the screen's thread; the viewer only wraps and draws it. Everything in it is clean.

use super::address::Address;
use super::clean::Clean;
use super::ids::{MessageId, Timestamp};

/// A message as the viewer shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// The Message-ID.
    pub message_id: Option<MessageId>,
    /// The decoded fields that are always shown, in the order From, To, Cc, Date, Subject …
    pub headers: Vec<(Clean, Clean)>,
    /// All header fields, as written but unfolded and clean.
    pub all_headers: Vec<(Clean, Clean)>,
    /// The identifier of the mailing list through which it came (RFC 2919).
    pub list: Option<Clean>,
    /// Who wrote it; for warnings and the reply.
    pub from: Vec<Address>,
    /// When it was written.
    pub date: Timestamp,
    /// Subject.
    pub subject: Clean,
    /// The text, block by block, unwrapped where it may be wrapped.
    pub lines: Vec<Line>,
    /// Links in the order of their numbers; a [`Span`] refers to them by index.
    pub links: Vec<Link>,
    /// The parts that can be opened or saved, in the order of their numbers.
    pub attachments: Vec<Attachment>,
    /// What a reader should be warned of: broken structure, more than one From, a name that looks
    /// like another address, text that was hidden.
    pub warnings: Vec<Clean>,
    /// The size of the file in bytes.
    pub size: u64,
}

/// One logical line. The viewer wraps it at blanks unless it is `Pre`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// How deep it is quoted: 0 is the author's own text.
    pub quote: u8,
    /// What kind of line it is.
    pub kind: LineKind,
    /// Its text, without the quote marks.
    pub spans: Vec<Span>,
}

/// What kind of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineKind {
    /// Running text.
    #[default]
    Text,
    /// Not to be wrapped at blanks: code, tables, patches.
    Pre,
    /// A line of a patch that adds.
    Added,
    /// A line of a patch that removes.
    Removed,
    /// The signature, from `-- ` on.
    Signature,
    /// Something the program says about the message (a part that is not shown, a caption).
    Note,
    /// A heading of HTML.
    Heading,
}

/// A run of text of one style.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Span {
    /// The text.
    pub text: Clean,
    /// Its look.
    pub style: SpanStyle,
    /// The link it belongs to: an index into [`Document::links`].
    pub link: Option<usize>,
}

/// The look of a run of text, as far as the author chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a look of its own, and any of them go together")]
pub struct SpanStyle {
    /// Bold.
    pub strong: bool,
    /// Italic.
    pub emphasis: bool,
    /// Struck out.
    pub struck: bool,
    /// Monospaced.
    pub code: bool,
    /// Hidden by the author; shown dimmed.
    pub hidden: bool,
}

/// A link of the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Where it goes; http, https or mailto.
    pub target: Clean,
    /// Does its text name another host than its target?
    pub mismatch: bool,
}

/// A part that can be opened or saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// The name to show, and to save under after `store` has made it safe.
    pub name: Clean,
    /// Its media type, e.g. `application/pdf`.
    pub media_type: Clean,
    /// Its size in bytes, decoded; an estimate where decoding would cost.
    pub size: u64,
    /// Is it shown in the text (an inline text part)?
    pub inline: bool,
}
