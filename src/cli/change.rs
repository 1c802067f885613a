//! Changes files of the Maildirs as the program does on screen, by the same worker, and waits until that is done.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use crate::app::start;
use crate::config::Config;
use crate::fault::Fault;
use crate::job::Changed;
use crate::job::files::{FilesJob, FilesReport};
use crate::store;

/// Does these jobs in order. Gives back what changed, and what could not be done.
pub(super) fn files(config: &Config, jobs: Vec<FilesJob>) -> (Vec<Changed>, Vec<Fault>) {
    if jobs.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let env = store::worker::Env {
        // At its end it empties what was opened from there, which may be another run's.
        runtime: config.paths.runtime.join("change"),
        ..start::files_env(config, &start::zone())
    };
    let (send, receive) = sync_channel(jobs.len());
    // Nobody else holds the channel, and it has room for all of them.
    for job in jobs {
        drop(send.send(job));
    }
    drop(send);
    let told = Mutex::new((Vec::new(), Vec::new()));
    store::worker::run(env, &receive, &|report| {
        let Ok(mut told) = told.lock() else { return };
        match report {
            FilesReport::Changed(changed) => told.0.push(changed),
            FilesReport::Failed { fault, .. } => told.1.push(fault),
            _ => {}
        }
    });
    told.into_inner().unwrap_or_default()
}
