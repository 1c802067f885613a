//! Searches that were saved by a key: one small file in the data directory, a line for each (its name, a tab, its
//! query). Each change writes the file anew beside the old one and then in its place, so that it is whole at any
//! moment. A line that cannot be read is never written over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::fault::{Again, Cause, Doing, Fault, Scope};
use crate::job::files::{SavedSearch, SearchOrder};

/// The longest file that is read.
const LONGEST: u64 = 4 << 20;

/// Reads the searches that were saved; where there is no file there are none.
///
/// # Errors
/// The file cannot be read, or a line of it is no search.
pub fn read(data: &Path) -> Result<Vec<SavedSearch>, Fault> {
    let path = path(data);
    let text = match fs::metadata(&path).and_then(|about| Ok((about.len(), fs::read_to_string(&path)?))) {
        Ok((length, text)) if length <= LONGEST => text,
        Ok(_) => return Err(damaged(&path, "it is too long")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(damaged(&path, "it is not UTF-8")),
        Err(error) => return Err(fault(&path, &error)),
    };
    let mut searches = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let Some((name, query)) = line.split_once('\t').filter(|(name, _)| !name.trim().is_empty()) else {
            let why = format!("line {} has no name, tab and query; mend or remove it", number + 1);
            return Err(damaged(&path, &why));
        };
        searches.push(SavedSearch { name: name.to_owned(), query: query.to_owned() });
    }
    Ok(searches)
}

/// Does what is ordered, durably, and gives back all searches.
///
/// # Errors
/// The file cannot be read or written.
pub fn carry_out(data: &Path, order: &SearchOrder) -> Result<Vec<SavedSearch>, Fault> {
    if *order == SearchOrder::Tell {
        return read(data);
    }
    let gate = beside(&path(data), ".lock");
    // Two programs that save at the same moment must not lose what the other one saved.
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&gate).map_err(|e| fault(&gate, &e))?;
    lock.lock().map_err(|error| fault(&gate, &error))?;
    let mut searches = read(data)?;
    let is = |name: &str, other: &str| name.to_lowercase() == other.to_lowercase();
    match order {
        SearchOrder::Tell => {}
        SearchOrder::Keep(search) => match searches.iter_mut().find(|known| is(&known.name, &search.name)) {
            Some(known) => *known = search.clone(),
            None => searches.push(search.clone()),
        },
        SearchOrder::Rename { from, to } => {
            searches.retain(|known| is(&known.name, from) || !is(&known.name, to));
            if let Some(known) = searches.iter_mut().find(|known| is(&known.name, from)) {
                known.name.clone_from(to);
            }
        }
        SearchOrder::Remove(name) => searches.retain(|known| !is(&known.name, name)),
    }
    write(&path(data), &searches).map_err(|error| fault(&path(data), &error))?;
    Ok(searches)
}

fn write(path: &Path, searches: &[SavedSearch]) -> io::Result<()> {
    let one_line = |text: &str| text.replace(char::is_control, " ");
    let lines = searches.iter().map(|search| format!("{}\t{}\n", one_line(&search.name), one_line(&search.query)));
    let text: String = lines.collect();
    let unfinished = beside(path, ".unfinished");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn path(data: &Path) -> PathBuf {
    data.join("searches")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    path.with_file_name(format!("searches{end}"))
}

fn fault(path: &Path, error: &io::Error) -> Fault {
    Fault::io(Doing::Storing, &path.to_string_lossy(), error).scope(Scope::Program)
}

fn damaged(path: &Path, why: &str) -> Fault {
    Fault::new(Doing::Storing, &path.to_string_lossy(), Cause::Damaged)
        .scope(Scope::Program)
        .again(Again::AfterUser)
        .detail(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(name: &str, query: &str) -> SavedSearch {
        SavedSearch { name: name.to_owned(), query: query.to_owned() }
    }

    #[test]
    fn searches_are_kept_replaced_renamed_and_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let keep = |name, query| SearchOrder::Keep(search(name, query));
        let rename = |from: &str, to: &str| SearchOrder::Rename { from: from.to_owned(), to: to.to_owned() };
        let steps: [(SearchOrder, &[(&str, &str)]); 8] = [
            (SearchOrder::Tell, &[]),
            (keep("to do", "tag:todo"), &[("to do", "tag:todo")]),
            (keep("Boss", "from:\"a\tb\"\n"), &[("to do", "tag:todo"), ("Boss", "from:\"a b\" ")]),
            (keep("BOSS", "from:ada"), &[("to do", "tag:todo"), ("BOSS", "from:ada")]),
            (rename("boss", "Chief"), &[("to do", "tag:todo"), ("Chief", "from:ada")]),
            (rename("chief", "To Do"), &[("To Do", "from:ada")]),
            (rename("nobody", "x"), &[("To Do", "from:ada")]),
            (SearchOrder::Remove("to do".to_owned()), &[]),
        ];
        for (order, expected) in steps {
            carry_out(data.path(), &order).unwrap();
            let expected: Vec<SavedSearch> = expected.iter().map(|(name, query)| search(name, query)).collect();
            assert_eq!(read(data.path()).unwrap(), expected, "{order:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_written_over() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("searches");
        for (text, why) in [("a\tb\n\nno tab\n", "line 3"), ("\t\n", "line 1"), ("a\u{0}b", "line 1")] {
            fs::write(&file, text).unwrap();
            let fault = carry_out(data.path(), &SearchOrder::Remove("a".to_owned())).unwrap_err();
            assert!(fault.cause == Cause::Damaged && fault.detail.as_str().contains(why), "{fault}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        fs::write(&file, b"\xff\tx\n").unwrap();
        assert_eq!(read(data.path()).unwrap_err().cause, Cause::Damaged);
    }
}
