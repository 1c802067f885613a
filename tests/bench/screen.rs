//! How long a press of `j` takes in a list of 100,000 messages: `update`, `view`, ratatui's
//! comparison with the frame before, and its own way to bytes in the place of the program's. Jobs are
//! answered out of memory.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that fails is to say so and stop"
)]

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport as Fixed};
use tern::config::{self, Paths};
use tern::job::index::{IndexJob, IndexReport, ListSpec, MailboxRow, Row, Source};
use tern::job::{Job, Report, Ticket};
use tern::keys::{Code, Key, Keymap};
use tern::mail::clean::Clean;
use tern::mail::flags::{Flag, Flags};
use tern::mail::ids::{RowId, ThreadId, Timestamp};
use tern::mail::notes::Identity;
use tern::mail::place::{Place, UniqueName};
use tern::state::{Event, Model, Viewport, update};
use tern::theme::{Depth, Glyphs, Theme};
use tern::ui;

/// The size of the mailbox.
const MESSAGES: usize = 100_000;
/// The second of the newest message.
const NOW: i64 = 1_795_000_000;

/// What would go to the terminal.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<u8>>>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A screen and who sits before it.
struct Desk {
    model: Model,
    theme: Theme,
    wire: Wire,
    terminal: Terminal<CrosstermBackend<Wire>>,
    viewport: Viewport,
}

impl Desk {
    fn new(width: u16, height: u16) -> Self {
        let text = "[accounts.ada]\naddress = \"ada@example.org\"\n";
        let config = config::parse(text, &Paths::under(Path::new("/home/ada")));
        let (model, jobs) = Model::new(&config, Keymap::standard(), Timestamp::new(NOW), TimeZone::UTC);
        let wire = Wire::default();
        let options = TerminalOptions { viewport: Fixed::Fixed(Rect::new(0, 0, width, height)) };
        let terminal = Terminal::with_options(CrosstermBackend::new(wire.clone()), options).expect("a terminal");
        let theme = Theme::terminal(Depth::Ansi16).with_glyphs(Glyphs::ASCII);
        let mut desk = Self { model, theme, wire, terminal, viewport: Viewport::default() };
        desk.serve(jobs);
        desk.draw();
        desk
    }

    fn event(&mut self, event: Event) {
        let jobs = update(&mut self.model, event);
        self.serve(jobs);
    }

    fn serve(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let report = match job {
                Job::Index(IndexJob::Rows { ticket, list, first, count, .. }) => rows(ticket, list, first, count),
                Job::Index(IndexJob::Mailboxes) => mailboxes(&self.model),
                _ => continue,
            };
            self.event(Event::Report(Report::Index(report)));
        }
    }

    /// Draws, and again where the drawing found another size.
    fn draw(&mut self) {
        self.wire.0.borrow_mut().clear();
        for _ in 0..2 {
            let mut seen = Viewport::default();
            let (model, theme) = (&self.model, &self.theme);
            self.terminal.draw(|frame| seen = ui::view(model, theme, frame)).expect("a frame");
            if seen == self.viewport {
                break;
            }
            self.viewport = seen;
            self.event(Event::Viewport(seen));
        }
    }

    fn press(&mut self, key: Key) {
        self.event(Event::Key(key));
        self.draw();
    }
}

fn mailboxes(model: &Model) -> IndexReport {
    let mailbox = model.accounts.first().expect("an account").inbox();
    IndexReport::Mailboxes(vec![MailboxRow { mailbox, role: None, total: MESSAGES as u64, unread: 0, shows: None }])
}

fn rows(ticket: Ticket, list: ListSpec, first: usize, count: usize) -> IndexReport {
    let Source::Mailbox(mailbox) = list.source.clone() else { unreachable!("only a mailbox is asked for") };
    let row = |at: usize| {
        let number = i64::try_from(MESSAGES - at).expect("a small number");
        Row {
            message: RowId(number),
            thread: ThreadId(number),
            mailbox: mailbox.clone(),
            place: Place {
                mailbox: mailbox.clone(),
                unique: UniqueName::new(&format!("m{at}")).expect("a legal name"),
            },
            who: Clean::line(&format!("Person {}", at % 97)),
            subject: Clean::line(&format!("Subject number {at}, about this and that and a good deal more")),
            date: Timestamp::new(NOW - i64::try_from(at * 60).expect("a small number")),
            flags: Flags::only(Flag::Seen),
            attachment: at.is_multiple_of(5),
            list: false,
            messages: 1,
            unread: 0,
            size: 18_000,
            depth: 0,
            id: Identity::Bytes(number),
            timing: None,
            unfolded: false,
        }
    };
    let rows = (first..(first + count).min(MESSAGES)).map(row).collect();
    IndexReport::Rows { ticket, list, first, total: MESSAGES, counted: true, rows, anchor: None }
}

fn keys(c: &mut Criterion) {
    for (width, height) in [(80, 24), (200, 50)] {
        let mut desk = Desk::new(width, height);
        c.bench_function(&format!("j, update and view, {width}x{height}"), |b| b.iter(|| desk.press(Key::char('j'))));
        c.bench_function(&format!("page down, update and view, {width}x{height}"), |b| {
            b.iter(|| desk.press(Key::plain(Code::PageDown)));
        });
    }
}

criterion_group!(benches, keys);
criterion_main!(benches);
