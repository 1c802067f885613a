//! Attaching a file: its path is typed, with Tab to go on with a name, and the file is looked at
//! before it is taken, so that one that is not there is told at once.

use std::path::Path;

use crate::job::files::FilesJob;
use crate::job::{Job, Ticket};
use crate::mail::clean::Clean;

use super::{Input, Level, Model, Overlay, Prompt, PromptKind, files};

/// A path that is being gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completing {
    ticket: Ticket,
    /// What was typed up to the last `/`.
    directory: String,
    /// What was typed behind it.
    start: String,
}

impl Model {
    /// Asks for the file: in the directory of the one before, or with what could not be read.
    pub(super) fn ask_file(&mut self) {
        let typed = self.writing.path.clone().unwrap_or_else(|| "~/".to_owned());
        self.overlay = Some(Overlay::Prompt(Prompt::new(PromptKind::Attach, Input::new(&typed))));
    }

    /// A path was typed: is the file there?
    pub(super) fn look_at_file(&mut self, typed: &str) -> Vec<Job> {
        if typed.trim().is_empty() {
            return Vec::new();
        }
        self.writing.path = Some(typed.trim().to_owned());
        let path = self.path(typed);
        let ticket = self.ticket();
        self.writing.looking.insert(ticket);
        vec![files(FilesJob::Look { ticket, path })]
    }

    /// The file is there.
    pub(super) fn take_file(&mut self, ticket: Ticket, path: &Path, size: u64) -> Vec<Job> {
        if !self.writing.looking.remove(&ticket) || self.compose.is_none() {
            return Vec::new();
        }
        // The next one often lies beside it.
        if let Some(typed) = self.writing.path.take() {
            self.writing.path = typed.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
        }
        if let Some(compose) = &mut self.compose {
            compose.sizes.insert(path.to_owned(), size);
        }
        self.attach(path.to_owned());
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        self.say(Level::Ok, &format!("Attached {}, {}", Clean::line(&name), super::wrap::size(size)));
        self.keep_draft()
    }

    /// Tab in a path: asks for the names that go on from what was typed.
    pub(super) fn complete_path(&mut self) -> Vec<Job> {
        let Some(Overlay::Prompt(prompt)) = &self.overlay else { return Vec::new() };
        let typed = prompt.input.text().to_owned();
        let (directory, start) = match typed.rfind('/').and_then(|at| typed.split_at_checked(at + 1)) {
            Some((directory, start)) => (directory.to_owned(), start.to_owned()),
            None if typed == "~" => ("~/".to_owned(), String::new()),
            None => (String::new(), typed),
        };
        let ticket = self.ticket();
        let path = self.path(&directory);
        self.writing.completing = Some(Completing { ticket, directory, start: start.clone() });
        vec![files(FilesJob::Complete { ticket, directory: path, start })]
    }

    /// Goes on with what all names have in common; shows them where there are several.
    pub(super) fn take_names(&mut self, ticket: Ticket, names: &[String]) {
        let Some(asked) = self.writing.completing.take_if(|asked| asked.ticket == ticket) else { return };
        let Some(Overlay::Prompt(prompt)) = &mut self.overlay else { return };
        let typed = prompt.input.text();
        let same = typed == format!("{}{}", asked.directory, asked.start) || typed == "~";
        let Some(first) = names.first().filter(|_| same) else { return };
        let common = names.iter().fold(first.as_str(), |common, name| shared(common, name));
        prompt.input = Input::new(&format!("{}{common}", asked.directory));
        prompt.choices =
            if names.len() > 1 { names.iter().map(|name| Clean::line(name)).collect() } else { Vec::new() };
    }
}

/// What both begin with.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    one.get(..same.map(|(c, _)| c.len_utf8()).sum()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_share() {
        assert_eq!(shared("plan.md", "plan.pdf"), "plan.");
        assert_eq!(shared("münchen", "mülheim"), "mü");
        assert_eq!(shared("a", "b"), "");
    }
}
