//! The loop: draw, wait, drain, update, hand out jobs. It is the only place with `async`, and the
//! only one that holds handles; it decides nothing about mail. Nothing in it waits for a network
//! or a disk: what blocks runs in a named thread (`workers`) or as a child process.

pub mod book;
mod frame;
pub mod glance;
pub mod headless;
mod input;
pub mod log;
pub mod open;
mod paint;
mod perform;
pub mod refresh;
mod rescue;
pub mod signals;
pub mod start;
mod terminal;
pub mod workers;
mod zone;

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::fault::{Cause, Doing, Fault, Scope};
use crate::job::{Job, Report};
use crate::mail::ids::Timestamp;
use crate::state::{Event, Model, Viewport, update};
use crate::theme::Theme;
use input::{Input, Pause};
use perform::Shell;
use terminal::Screen;
use workers::Workers;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(10);

/// How many events are taken in before the screen is drawn again.
const DRAIN: usize = 256;

/// How long a worker may take to reach the end of its step when the program ends.
const GRACE: Duration = Duration::from_secs(2);

/// How long a half typed sequence of keys waits before the screen shows what may follow.
const PAUSE: Duration = Duration::from_millis(200);

/// Everything that is needed to run: made by [`start`].
pub struct Ready {
    /// What the program knows.
    pub model: Model,
    /// What is to be done first.
    pub jobs: Vec<Job>,
    /// What it looks like.
    pub theme: Theme,
    /// Who does the work.
    pub workers: Workers,
    /// Their reports.
    pub reports: mpsc::Receiver<Report>,
    /// Is the mouse used?
    pub mouse: bool,
    /// The user's editor, where one is set.
    pub editor: Option<Vec<String>>,
    /// A private directory for texts that are edited.
    pub scratch: std::path::PathBuf,
}

/// The time now.
pub fn now() -> Timestamp {
    Timestamp::new(jiff::Timestamp::now().as_second())
}

/// Runs until the user leaves, the terminal is gone or a signal ends the program.
pub fn run(ready: Ready) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| trouble(&e))?;
    let result = runtime.block_on(drive(ready));
    // The reader of a dead terminal never ends by itself: do not wait for it.
    runtime.shutdown_background();
    result
}

fn trouble(error: &std::io::Error) -> Fault {
    Fault::io(Doing::Running, "the terminal", error).scope(Scope::Program)
}

/// What may wake the loop.
enum Woken {
    Input(Option<Input>),
    Report(Option<Report>),
    Tick,
    Signal,
    EditorEnded(Result<(), Fault>),
    FrameDue,
    Pause,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one that ends the program. What Ctrl-C sends while another program has the terminal
    /// is meant for that one.
    async fn any(&mut self, lent: bool) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => if !lent { return },
            }
        }
    }
}

async fn drive(ready: Ready) -> Result<(), Fault> {
    let Ready { mut model, jobs, theme, workers, mut reports, mouse, editor, scratch } = ready;
    let pause = Pause::default();
    let mut inputs = start_input(&pause).map_err(|e| trouble(&e))?;
    let mut signals = Signals::new().map_err(|e| trouble(&e))?;
    let screen = Screen::enter(mouse).map_err(|e| trouble(&e))?;
    let mut shell = Shell::new(screen, pause, editor, scratch, &workers);
    let mut pending = shell.perform(jobs);
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut viewport = Viewport::default();
    let mut drawn = Instant::now() - FRAME;
    let mut stale = true;
    let ended = loop {
        if stale && !shell.is_lent() && drawn.elapsed() >= FRAME {
            let seen = match shell.draw(&model, &theme) {
                Ok(seen) => seen,
                Err(fault) => {
                    // A terminal that takes nothing more is gone: what is being typed is not.
                    hang_up(&mut model, &mut shell, &mut reports).await;
                    break Err(fault);
                }
            };
            drawn = Instant::now();
            stale = false;
            if seen != viewport {
                viewport = seen;
                pending.push(Event::Viewport(seen));
            }
        }
        if pending.is_empty() {
            let frame = (stale && !shell.is_lent()).then(|| drawn + FRAME);
            let half_typed = model.wants_pause().then(|| Instant::now() + PAUSE);
            let due = (frame, half_typed);
            let woken = wait(&mut inputs, &mut reports, &mut ticks, &mut signals, &mut shell, due).await;
            match woken {
                Woken::FrameDue => continue,
                Woken::Signal | Woken::Input(None | Some(Input::Gone)) | Woken::Report(None) => {
                    hang_up(&mut model, &mut shell, &mut reports).await;
                    break Ok(());
                }
                Woken::Tick => pending.push(Event::Tick { now: now() }),
                Woken::Input(Some(input)) => {
                    stale = true;
                    pending.extend(event_of(input));
                }
                Woken::Pause => pending.push(Event::Pause),
                Woken::Report(Some(report)) => pending.push(Event::Report(report)),
                Woken::EditorEnded(result) => pending.extend(shell.editor_ended(result)),
            }
        }
        while pending.len() < DRAIN {
            let more = inputs.try_recv().ok().and_then(event_of);
            let Some(event) = more.or_else(|| reports.try_recv().ok().map(Event::Report)) else { break };
            pending.push(event);
        }
        for event in std::mem::take(&mut pending) {
            stale = true;
            let jobs = update(&mut model, event);
            pending.extend(shell.perform(jobs));
        }
        if shell.is_over() {
            break Ok(());
        }
    };
    // Nobody listens any more, so that nobody waits to be heard.
    drop((shell, reports));
    workers.stop(GRACE);
    ended
}

async fn wait(
    inputs: &mut mpsc::Receiver<Input>,
    reports: &mut mpsc::Receiver<Report>,
    ticks: &mut tokio::time::Interval,
    signals: &mut Signals,
    shell: &mut Shell<'_>,
    (frame, pause): (Option<Instant>, Option<Instant>),
) -> Woken {
    let lent = shell.is_interrupt_for_another();
    tokio::select! {
        biased;
        () = signals.any(lent) => Woken::Signal,
        input = inputs.recv() => Woken::Input(input),
        result = shell.editor() => Woken::EditorEnded(result),
        () = at(frame) => Woken::FrameDue,
        report = reports.recv() => Woken::Report(report),
        _ = ticks.tick() => Woken::Tick,
        () = at(pause) => Woken::Pause,
    }
}

/// Waits until that moment; for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn event_of(input: Input) -> Option<Event> {
    Some(match input {
        Input::Key(key) => Event::Key(key),
        Input::Paste(text) => Event::Paste(text),
        Input::Mouse(act, column, row) => Event::Mouse { act, column, row },
        // The next drawing tells the new size, and what there is room for.
        Input::Resize | Input::Gone => return None,
    })
}

fn start_input(pause: &Pause) -> std::io::Result<mpsc::Receiver<Input>> {
    let (send, receive) = mpsc::channel(1024);
    let pause = pause.clone();
    workers::spawn("input", move || {
        input::read(&pause.wanted, &pause.idle, |input| send.blocking_send(input).is_ok());
    })?;
    Ok(receive)
}

/// The terminal is gone or the program is told to end: an editor is told so too, what is being typed
/// is saved; all of it within a few seconds.
async fn hang_up(model: &mut Model, shell: &mut Shell<'_>, reports: &mut mpsc::Receiver<Report>) {
    shell.end_editor(GRACE / 2).await;
    let jobs = update(model, Event::Report(Report::Shell(crate::job::ShellReport::Hangup)));
    let mut left = jobs.iter().filter(|job| matches!(job, Job::Files(crate::job::FilesJob::KeepDraft(_)))).count();
    shell.perform(jobs);
    let deadline = Instant::now() + GRACE;
    while left > 0 {
        match tokio::time::timeout_at(deadline, reports.recv()).await {
            Ok(Some(Report::Files(crate::job::FilesReport::Kept { .. } | crate::job::FilesReport::Failed { .. }))) => {
                left -= 1;
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
}

/// A fault of the loop itself.
fn bug(what: &str) -> Fault {
    Fault::new(Doing::Running, what, Cause::Bug).scope(Scope::Program)
}
