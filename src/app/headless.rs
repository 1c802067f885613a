//! The same program without a terminal: one frame as text, for documents and tests.

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::{Ready, now, workers::Workers};
use crate::fault::Fault;
use crate::job::Job;
use crate::job::sync::SyncState;
use crate::state::{Event, Model, Viewport, update};
use crate::ui;

/// So long without a report means that nothing more is coming.
const QUIET: Duration = Duration::from_millis(700);

/// Runs until nothing happens any more, at most `patience`, and gives the last frame as text.
pub fn frame(ready: Ready, width: u16, height: u16, patience: Duration) -> Result<String, Fault> {
    let Ready { mut model, jobs, theme, workers, mut reports, .. } = ready;
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let end = Instant::now() + patience;
    let mut viewport = Viewport::default();
    let mut last = Instant::now();
    hand_out(&workers, jobs);
    loop {
        let mut seen = viewport;
        let Ok(_) = terminal.draw(|frame| seen = ui::view(&model, &theme, frame));
        if seen != viewport {
            viewport = seen;
            hand_out(&workers, update(&mut model, Event::Viewport(seen)));
            continue;
        }
        let mut events = Vec::new();
        while let Ok(report) = reports.try_recv() {
            events.push(Event::Report(report));
        }
        if events.is_empty() {
            let over = last.elapsed() > QUIET && is_settled(&model);
            if over || Instant::now() > end {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        last = Instant::now();
        events.push(Event::Tick { now: now() });
        for event in events {
            hand_out(&workers, update(&mut model, event));
        }
    }
    workers.stop(Duration::from_secs(2));
    Ok(text_of(&terminal, width))
}

/// Has every account been synced, or found to be out of reach, and is all of it indexed?
fn is_settled(model: &Model) -> bool {
    let synced = model.status.sync.values().all(|state| {
        matches!(state, SyncState::Local | SyncState::UpToDate { .. } | SyncState::Failed { .. } | SyncState::Elsewhere)
    });
    synced
        && model.status.sync.len() == model.accounts.len()
        && model.status.indexing == 0
        && model.status.renewing.is_none()
}

fn hand_out(workers: &Workers, jobs: Vec<Job>) {
    for job in jobs {
        // There is no terminal, so what concerns it is nobody's; a full queue cannot be: what comes
        // is taken at once.
        let _ = workers.hand_out(job);
    }
}

/// The rows as text, without trailing blanks; a wide character stands once.
fn text_of(terminal: &Terminal<TestBackend>, width: u16) -> String {
    use unicode_width::UnicodeWidthStr as _;
    let mut out = String::new();
    for row in terminal.backend().buffer().content.chunks(usize::from(width)) {
        let mut line = String::new();
        let mut hidden = 0usize;
        for cell in row {
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            hidden = cell.symbol().width().saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
