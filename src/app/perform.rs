//! Who does a job: workers get theirs through their channels, what concerns the terminal and
//! outside programs is done here.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::style::Print;
use tokio::process::Child;

use super::input::Pause;
use super::terminal::Screen;
use super::workers::Workers;
use super::{bug, open, rescue, trouble};
use crate::fault::Fault;
use crate::job::{Job, Report, ShellJob, ShellReport};
use crate::mail::draft::Draft;
use crate::state::{Event, Model, Viewport};
use crate::theme::Theme;
use crate::ui;

/// How long after an editor's end an interrupt may still be its own.
const ECHO: Duration = Duration::from_secs(1);

/// An editor that has the terminal.
struct Editing {
    draft: String,
    file: PathBuf,
    program: String,
    child: Child,
    /// Says to other terns that the text is being edited.
    _claim: std::fs::File,
}

/// The terminal, the programs that borrow it, and the way to the workers.
pub(super) struct Shell<'a> {
    screen: Screen,
    pause: Pause,
    editor: Option<Vec<String>>,
    scratch: PathBuf,
    workers: &'a Workers,
    editing: Option<Editing>,
    /// When an editor last gave the terminal back.
    back_at: Option<Instant>,
    over: bool,
}

impl<'a> Shell<'a> {
    pub(super) fn new(
        screen: Screen,
        pause: Pause,
        editor: Option<Vec<String>>,
        scratch: PathBuf,
        workers: &'a Workers,
    ) -> Self {
        Self { screen, pause, editor, scratch, workers, editing: None, back_at: None, over: false }
    }

    /// Does another program have the terminal?
    pub(super) fn is_lent(&self) -> bool {
        self.editing.is_some()
    }

    /// Does another program have the terminal, or had it until a moment ago? What Ctrl-C sent is heard
    /// a little later than that program's end.
    pub(super) fn is_interrupt_for_another(&self) -> bool {
        self.is_lent() || self.back_at.is_some_and(|at| at.elapsed() < ECHO)
    }

    /// Has the user left?
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Draws a frame.
    pub(super) fn draw(&mut self, model: &Model, theme: &Theme) -> Result<Viewport, Fault> {
        let mut seen = Viewport::default();
        self.screen.draw(|frame| seen = ui::view(model, theme, frame)).map_err(|e| trouble(&e))?;
        Ok(seen)
    }

    /// Hands out jobs; what comes back at once is returned as events.
    pub(super) fn perform(&mut self, jobs: Vec<Job>) -> Vec<Event> {
        let mut events = Vec::new();
        for job in jobs {
            let report = match job {
                Job::Shell(job) => self.shell(job).map(Report::Shell),
                other => self.workers.hand_out(other).err().map(Report::Refused),
            };
            events.extend(report.map(Event::Report));
        }
        events
    }

    fn shell(&mut self, job: ShellJob) -> Option<ShellReport> {
        match job {
            ShellJob::Edit(draft) => {
                let id = draft.id.clone();
                self.start_editor(*draft).err().map(|fault| ShellReport::Edited { draft: id, result: Err(fault) })
            }
            ShellJob::Open(what) => {
                let result = open::open(&what);
                result.is_err().then(|| ShellReport::Ran { what: format!("{what:?}"), result })
            }
            ShellJob::Pipe { command, path } => {
                let result = open::pipe(&command, &path);
                Some(ShellReport::Ran { what: command, result })
            }
            ShellJob::Copy(text) => self.sent(CopyToClipboard::to_clipboard_from(text)),
            ShellJob::Redraw => self.screen.redraw().err().map(|e| ran("redraw", trouble(&e))),
            ShellJob::Suspend => self.suspend(),
            ShellJob::Notify(text) => self.sent(Print(text)),
            ShellJob::Quit => {
                self.over = true;
                None
            }
        }
    }

    fn sent(&mut self, command: impl crossterm::Command) -> Option<ShellReport> {
        self.screen.send(command).err().map(|e| ran("the terminal", trouble(&e)))
    }

    /// Stops the process as Ctrl-z does, and comes back.
    fn suspend(&mut self) -> Option<ShellReport> {
        self.pause.hold();
        let stopped = self
            .screen
            .lend(|| rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP));
        self.pause.release();
        match stopped {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(ran("suspend", trouble(&error.into()))),
            Err(error) => Some(ran("suspend", trouble(&error))),
        }
    }

    fn start_editor(&mut self, draft: Draft) -> Result<(), Fault> {
        let Some(editor) = self.editor.clone() else { return Err(bug("an editor was asked for and none is set")) };
        if self.editing.is_some() {
            return Err(bug("two editors at once"));
        }
        let unwritable = |e| Fault::io(crate::fault::Doing::Storing, &self.scratch.to_string_lossy(), &e);
        let claim = rescue::claim(&self.scratch, &draft.id).map_err(unwritable)?;
        let file = open::editable(&self.scratch, &draft.id, &draft.body).map_err(unwritable)?;
        self.pause.hold();
        self.screen.give_back().map_err(|e| trouble(&e))?;
        match open::editor(&editor, &file) {
            Ok(child) => {
                let program = editor.first().cloned().unwrap_or_default();
                self.editing = Some(Editing { draft: draft.id, file, program, child, _claim: claim });
                Ok(())
            }
            Err(fault) => {
                self.take_back()?;
                Err(fault)
            }
        }
    }

    fn take_back(&mut self) -> Result<(), Fault> {
        let taken = self.screen.take_back().map_err(|e| trouble(&e));
        self.pause.release();
        taken
    }

    /// Waits until the editor ends; for ever where there is none.
    pub(super) async fn editor(&mut self) -> Result<(), Fault> {
        let Some(editing) = &mut self.editing else { return std::future::pending().await };
        let status = editing.child.wait().await;
        open::ended(&editing.program, status)
    }

    /// Tells the editor that the terminal is gone, so that it saves what it has, and waits for its end.
    pub(super) async fn end_editor(&mut self, patience: std::time::Duration) {
        let Some(editing) = &mut self.editing else { return };
        let id = editing.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::HUP);
        }
        // What it wrote is found at the next start.
        let _ = tokio::time::timeout(patience, editing.child.wait()).await;
    }

    /// The editor ended: its text goes to the draft. One that failed changes nothing, and its file
    /// stays until the draft is gone.
    pub(super) fn editor_ended(&mut self, result: Result<(), Fault>) -> Vec<Event> {
        let Some(editing) = self.editing.take() else { return Vec::new() };
        self.back_at = Some(Instant::now());
        let back = self.take_back().err().map(|fault| Event::Report(Report::Shell(ran("the terminal", fault))));
        let result = result.and_then(|()| {
            let bytes = std::fs::read(&editing.file)
                .map_err(|e| Fault::io(crate::fault::Doing::Reading, &editing.file.to_string_lossy(), &e))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        if result.is_ok() {
            rescue::clear(&self.scratch, &editing.draft);
        }
        let edited = Event::Report(Report::Shell(ShellReport::Edited { draft: editing.draft, result }));
        [edited].into_iter().chain(back).collect()
    }
}

fn ran(what: &str, fault: Fault) -> ShellReport {
    ShellReport::Ran { what: what.to_owned(), result: Err(fault) }
}
