//! What `notmuch new` would pass over (`new.ignore` of notmuch-config(1)): names of files and directories anywhere, and
//! regular expressions between slashes for the path below the mail root.

use std::path::Path;

use regex::RegexSet;

/// What is passed over.
#[derive(Debug)]
pub(super) struct Ignored {
    names: Vec<String>,
    expressions: RegexSet,
}

impl Ignored {
    /// Reads the entries; an expression that cannot be read is an error, since nobody knows what it would pass over.
    pub(super) fn new(entries: &[String]) -> Result<Self, String> {
        let expression = |entry: &String| Some(entry.strip_prefix('/')?.strip_suffix('/')?.to_owned());
        let expressions = entries.iter().filter_map(expression);
        let names = entries.iter().filter(|entry| expression(entry).is_none()).cloned().collect();
        let expressions = RegexSet::new(expressions).map_err(|error| error.to_string())?;
        Ok(Self { names, expressions })
    }

    /// Would `notmuch new` pass over this path below the mail root, or over a directory on the way there?
    pub(super) fn passes_over(&self, below: &Path) -> bool {
        let mut way = std::path::PathBuf::new();
        below.iter().any(|part| {
            way.push(part);
            let named = part.to_str().is_some_and(|part| self.names.iter().any(|name| name == part));
            named || way.to_str().is_some_and(|way| self.expressions.is_match(way))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_anywhere_and_expressions_by_the_path() {
        let entries = [".mbsyncstate", "junk", "/.*/foo$/", "/^work/old/"].map(str::to_owned);
        let ignored = Ignored::new(&entries).unwrap();
        for (path, passed) in [
            ("ada/INBOX/cur/1", false),
            ("ada/junk/cur/1", true),
            ("ada/junkyard/cur/1", false),
            ("ada/INBOX/.mbsyncstate", true),
            ("foo", false),
            ("bar/foo/cur/1", true),
            ("bar/foobar/cur/1", false),
            ("work/old/cur/1", true),
            ("home/work/old/cur/1", false),
        ] {
            assert_eq!(ignored.passes_over(Path::new(path)), passed, "{path}");
        }
        assert!(Ignored::new(&["/(/".to_owned()]).is_err());
        assert!(!Ignored::new(&[]).unwrap().passes_over(Path::new("x")));
    }
}
