//! What stands in for notmuch where the program was built without it: there is never a database to be opened.

use std::path::Path;

use super::engine::{self, Mail, Notmuch, Retagging, Settings};
use crate::fault::{Again, Cause, Doing, Fault};
use crate::job::index::Revision;

/// There is none.
pub(super) enum Reader {}

/// There is none.
pub(super) enum Found {}

/// There is none.
pub(super) enum Batch {}

/// There is none.
pub(super) enum Ignored {}

fn absent() -> Fault {
    let words = "this tern was built without notmuch: build it with `--features notmuch`";
    engine::fault(Doing::Reading, Path::new(""), Cause::Config, words).again(Again::AfterUser)
}

impl Reader {
    pub(super) fn open(_: &Notmuch) -> Result<Self, Fault> {
        Err(absent())
    }

    pub(super) fn settings(&self) -> &Settings {
        match *self {}
    }

    pub(super) fn revision(&self) -> Result<Revision, Fault> {
        match *self {}
    }

    pub(super) fn knows(&self, _: &Path) -> Result<bool, Fault> {
        match *self {}
    }

    pub(super) fn mail_at(&self, _: &Path) -> Result<Option<Mail>, Fault> {
        match *self {}
    }

    pub(super) fn search(&self, _: &str) -> Result<Found, Fault> {
        match *self {}
    }

    pub(super) fn all(&self, _: &str) -> Result<Found, Fault> {
        match *self {}
    }

    pub(super) fn is_locked(&self) -> bool {
        match *self {}
    }
}

impl Ignored {
    pub(super) fn new(_: &[String]) -> Result<Self, String> {
        Err("this tern was built without notmuch".to_owned())
    }

    pub(super) fn passes_over(&self, _: &Path) -> bool {
        match *self {}
    }
}

impl Found {
    pub(super) fn advance(&mut self) -> Result<Option<String>, Fault> {
        match *self {}
    }

    pub(super) fn files(&self) -> Result<Vec<std::path::PathBuf>, Fault> {
        match *self {}
    }

    pub(super) fn tags(&self) -> Result<Vec<String>, Fault> {
        match *self {}
    }
}

impl Batch {
    pub(super) fn open(_: &Notmuch) -> Result<Self, Fault> {
        Err(absent())
    }

    pub(super) fn take_in(&self, _: &Path, _: &Settings) -> Result<(), Fault> {
        match *self {}
    }

    pub(super) fn forget(&self, _: &Path, _: &Settings) -> Result<(), Fault> {
        match *self {}
    }

    pub(super) fn tag(&self, _: (Option<&str>, &Path), _: Retagging<'_>) -> Result<(), Fault> {
        match *self {}
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        match self {}
    }
}
