//! `tern` and `tern open`: the mail client.

use super::arguments::Common;
use super::exit::Exit;
use super::{output, setting};
use crate::app;
use crate::app::start::{self, Ways};

/// Runs the mail client until the user leaves.
pub(super) fn run(common: &Common) -> Exit {
    if std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        output::error("open", "this terminal (TERM=dumb) cannot show the mail client");
        output::note("  next: use the commands: `tern list`, `tern show`, `tern search`, `tern sync`");
        return Exit::Usage;
    }
    let config = match setting::read("open", common) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match start::prepare(&config, &Ways::default()).and_then(app::run) {
        Ok(()) => Exit::Done,
        Err(fault) => {
            output::fault("open", &fault);
            Exit::of(&fault)
        }
    }
}
