//! Drives the screen as a person would: press, type, read. The workers are a world in memory that
//! answers at once, or holds its answers back, or fails.

mod files;
mod lists;
mod outbox;
mod world;

use std::collections::VecDeque;
use std::path::Path;

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use tern::config::{self, Config, Paths};
use tern::job::index::Source;
use tern::job::{Job, OutboxReport, Report, SyncJob, SyncReport};
use tern::keys::{Key, Keymap, Keys};
use tern::mail::draft::Draft;
use tern::mail::ids::Timestamp;
use tern::state::{Event, Model, Viewport, update};
use tern::theme::{Depth, Glyphs, Theme};
use tern::ui;

use files::refuse;
pub(crate) use lists::person;
pub(crate) use outbox::entry;
pub(crate) use world::{World, mailbox};

/// Thursday, 19 November 2026, 14:02 UTC.
pub(crate) const NOW: i64 = 1_795_096_920;

/// A person before a screen.
pub(crate) struct Driver {
    pub(crate) model: Model,
    pub(crate) world: World,
    pub(crate) theme: Theme,
    pub(crate) terminal: Terminal<TestBackend>,
    /// Jobs for those whom the world does not play: sync, outbox, the shell.
    pub(crate) outside: Vec<Job>,
    /// Are the jobs kept waiting?
    pub(crate) hold: bool,
    /// Does the thread `files` refuse every change?
    pub(crate) broken: bool,
    /// What was drawn last.
    pub(crate) cells: Buffer,
    waiting: VecDeque<Job>,
    viewport: Viewport,
}

/// A config with these accounts.
pub(crate) fn config(accounts: &[&str]) -> Config {
    let account = |name: &&str| {
        format!(
            "[accounts.{name}]\naddress = \"{name}@example.org\"\nmaildir = \"~/Mail/{name}\"\n\
             imap = {{ host = \"imap.example.org\" }}\nsmtp = {{ host = \"smtp.example.org\" }}\npassword = {{ prompt = true }}\n"
        )
    };
    let text = format!(
        "[ui]\nconversations = false\nmark_read_after = 0\n{}",
        accounts.iter().map(account).collect::<String>()
    );
    let mut config = config::parse(&text, &Paths::under(Path::new("/home/ada")));
    config.problems.clear();
    config.ui.conversations = false;
    config.ui.mark_read_after = Some(0);
    config
}

impl Driver {
    pub(crate) fn new(world: World, accounts: &[&str], (width, height): (u16, u16)) -> Self {
        Self::with_config(world, &config(accounts), (width, height))
    }

    pub(crate) fn with_config(world: World, config: &Config, (width, height): (u16, u16)) -> Self {
        let (model, jobs) = Model::new(config, Keymap::standard(), Timestamp::new(NOW), TimeZone::UTC);
        let theme = Theme::terminal(Depth::Ansi16).with_glyphs(Glyphs::ASCII);
        let mut driver = Self {
            model,
            world,
            theme,
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            outside: Vec::new(),
            hold: false,
            broken: false,
            cells: Buffer::default(),
            waiting: VecDeque::from(jobs),
            viewport: Viewport::default(),
        };
        driver.settle();
        driver
    }

    /// Presses keys, written as in the config.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for word in keys.split_whitespace() {
            for key in word.parse::<Keys>().unwrap().0 {
                self.event(Event::Key(key));
            }
        }
        self
    }

    /// Types text, letter by letter.
    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.event(Event::Key(Key::char(c)));
        }
        self
    }

    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        let jobs = update(&mut self.model, event);
        self.waiting.extend(jobs);
        self.settle();
        self
    }

    pub(crate) fn report(&mut self, report: Report) -> &mut Self {
        self.event(Event::Report(report))
    }

    /// Lets the clock run.
    pub(crate) fn wait(&mut self, seconds: i64) -> &mut Self {
        let now = self.model.now.plus(seconds);
        self.event(Event::Tick { now })
    }

    /// Lets the workers work again.
    pub(crate) fn release(&mut self) -> &mut Self {
        self.hold = false;
        self.settle();
        self
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            self.draw();
            if self.hold {
                return;
            }
            let Some(job) = self.waiting.pop_front() else { return };
            for report in self.answer(job) {
                let jobs = update(&mut self.model, Event::Report(report));
                self.waiting.extend(jobs);
            }
        }
        panic!("the jobs never end");
    }

    fn answer(&mut self, job: Job) -> Vec<Report> {
        match job {
            Job::Index(job) => self.world.index(job).into_iter().map(Report::Index).collect(),
            Job::Files(job) if self.broken => refuse(&job),
            Job::Outbox(job) => {
                self.outside.push(Job::Outbox(job.clone()));
                self.world.outbox(job).into_iter().map(Report::Outbox).collect()
            }
            Job::Files(job) => self.world.files(job).into_iter().map(Report::Files).collect(),
            Job::Sync(SyncJob::Wish { ticket, mailbox, wish }) => {
                self.outside.push(Job::Sync(SyncJob::Wish { ticket, mailbox: mailbox.clone(), wish }));
                vec![Report::Sync(SyncReport::Wished { ticket, mailbox, wish, result: Ok(()) })]
            }
            other => {
                self.outside.push(other.clone());
                let Job::Sync(job) = other else { return Vec::new() };
                self.world.notes(job, self.broken).map(Report::Sync).into_iter().collect()
            }
        }
    }

    fn draw(&mut self) {
        for _ in 0..3 {
            let mut viewport = Viewport::default();
            let drawn = self.terminal.draw(|frame| viewport = ui::view(&self.model, &self.theme, frame)).unwrap();
            self.cells = drawn.buffer.clone();
            if viewport == self.viewport {
                return;
            }
            self.viewport = viewport;
            let jobs = update(&mut self.model, Event::Viewport(viewport));
            self.waiting.extend(jobs);
        }
        panic!("the drawing never settles");
    }

    /// The screen as text, without blanks at the ends of lines.
    pub(crate) fn screen(&self) -> String {
        let buffer = &self.cells;
        let width = usize::from(buffer.area.width);
        let mut text = String::new();
        for row in buffer.content().chunks(width) {
            let mut skip = 0;
            let mut line = String::new();
            for cell in row {
                if skip == 0 {
                    line.push_str(cell.symbol());
                    skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
                } else {
                    skip -= 1;
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// What is marked as found, piece by piece.
    pub(crate) fn marked(&self) -> Vec<String> {
        let mut pieces: Vec<String> = Vec::new();
        let mut open = false;
        for cell in self.cells.content() {
            let is = cell.bg == self.theme.matched.bg.unwrap_or(cell.bg)
                && cell.modifier.contains(self.theme.matched.add_modifier)
                && cell.style() == cell.style().patch(self.theme.matched);
            match pieces.last_mut() {
                Some(piece) if is && open => piece.push_str(cell.symbol()),
                _ if is => pieces.push(cell.symbol().to_owned()),
                _ => {}
            }
            open = is;
        }
        pieces
    }

    /// The screen says this somewhere.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(screen.contains(text), "`{text}` is not on the screen:\n{screen}");
        self
    }

    /// The screen says this nowhere.
    #[track_caller]
    pub(crate) fn expect_no(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(!screen.contains(text), "`{text}` is on the screen:\n{screen}");
        self
    }

    /// The outbox sends what is in it.
    pub(crate) fn send_all(&mut self) -> &mut Self {
        for (entry, draft) in std::mem::take(&mut self.world.outbox) {
            let account = entry.account.clone();
            let sent = OutboxReport::Sent {
                entry: entry.id,
                account,
                subject: entry.subject,
                answers: draft.in_reply_to,
                forwards: None,
            };
            self.report(Report::Outbox(sent));
        }
        let entries = self.world.entries();
        self.report(Report::Outbox(entries))
    }

    /// What is being written.
    pub(crate) fn draft(&self) -> Draft {
        let compose = self.model.compose.as_ref().expect("nothing is being written");
        Draft { body: compose.editor.text(), ..compose.draft.clone() }
    }

    /// The subject under the cursor.
    pub(crate) fn at(&self) -> String {
        self.model.list.current().map_or_else(String::new, |row| row.subject.to_string())
    }

    /// The subjects of a mailbox, newest first.
    pub(crate) fn subjects(&self, account: &str, name: &str) -> Vec<String> {
        let mails = self.world.in_list(&Source::Mailbox(mailbox(account, name)));
        mails.into_iter().map(|mail| mail.subject.clone()).collect()
    }
}
