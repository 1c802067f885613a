//! The first screen without an account: what to write into which file, and the demo.

use super::text::Painter;
use crate::mail::clean::Clean;
use crate::state::Model;
use crate::theme::Theme;

/// The smallest config that works, with what the user puts in for these.
const EXAMPLE: [&str; 7] = [
    "[accounts.me]",
    "address = \"you@example.org\"",
    "name = \"Your Name\"",
    "maildir = \"~/Mail/me\"",
    "imap = { host = \"imap.example.org\" }",
    "smtp = { host = \"smtp.example.org\" }",
    "password = { prompt = true }",
];

/// Draws it.
pub(super) fn draw(model: &Model, theme: &Theme, painter: &mut Painter<'_>) {
    let width = painter.area.width.saturating_sub(4);
    let file = Clean::line(&model.config.paths.config_file.display().to_string());
    let mut y = u16::from(painter.area.height > 14);
    painter.text(2, y, width, "No account is set up yet.", theme.view_subject);
    y += 2;
    let x = painter.text(2, y, width, "Write into ", theme.fg);
    painter.text(x, y, width.saturating_sub(x - 2), file.as_str(), theme.accent);
    y += 2;
    for line in EXAMPLE {
        painter.text(4, y, width, line, theme.view_code);
        y += 1;
    }
    y += 1;
    painter.text(2, y, width, "and start tern again. All keys of that file: config.example.toml", theme.fg);
    y += 2;
    let x = painter.text(2, y, width, "tern demo", theme.accent);
    painter.text(x + 1, y, width, "shows tern on a mailbox that is made up.", theme.fg);
}
