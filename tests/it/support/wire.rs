//! A second client of an IMAP server, for tests that change and read mailboxes behind the program's
//! back: plain text on loopback, one command at a time, its own few lines of parsing. What the
//! program itself believes of IMAP is not asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A signed-in connection.
pub(crate) struct Wire {
    reader: BufReader<TcpStream>,
    tags: u32,
    selected: String,
}

/// One line of an answer with the literals in it: the line without them, and their bytes.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) literals: Vec<Vec<u8>>,
}

impl Wire {
    /// Signs in.
    pub(crate) fn connect(port: u16, user: &str, password: &str) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        stream.set_nodelay(true)?;
        let mut wire = Self { reader: BufReader::new(stream), tags: 0, selected: String::new() };
        wire.line()?;
        let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
        wire.run(&format!("LOGIN {user} \"{quoted}\""))?;
        Ok(wire)
    }

    /// Runs a command that must succeed; gives the untagged answers.
    pub(crate) fn run(&mut self, command: &str) -> io::Result<Vec<Answer>> {
        let tag = self.send(command)?;
        self.answers(&tag)
    }

    fn send(&mut self, command: &str) -> io::Result<String> {
        self.tags += 1;
        let tag = format!("w{}", self.tags);
        self.reader.get_mut().write_all(format!("{tag} {command}\r\n").as_bytes())?;
        Ok(tag)
    }

    fn answers(&mut self, tag: &str) -> io::Result<Vec<Answer>> {
        let mut out = Vec::new();
        loop {
            let answer = self.line()?;
            match answer.text.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                Some(rest) if rest.starts_with("OK") => return Ok(out),
                Some(rest) => return Err(io::Error::other(rest.to_owned())),
                None => out.push(answer),
            }
        }
    }

    fn line(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let mut line = Vec::new();
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let length = line.strip_suffix('}').and_then(|l| l.rsplit_once('{')).and_then(|(_, n)| n.parse().ok());
            let Some(length) = length else {
                answer.text.push_str(&line);
                return Ok(answer);
            };
            answer.text.push_str(&line);
            let mut literal = vec![0; length];
            self.reader.read_exact(&mut literal)?;
            answer.literals.push(literal);
        }
    }

    /// Selects a mailbox, if it is not the selected one.
    pub(crate) fn select(&mut self, mailbox: &str) -> io::Result<()> {
        if self.selected != mailbox {
            self.run(&format!("SELECT \"{mailbox}\""))?;
            mailbox.clone_into(&mut self.selected);
        }
        Ok(())
    }

    /// The UIDs of the messages of a mailbox with this text in their subject.
    pub(crate) fn find(&mut self, mailbox: &str, subject: &str) -> io::Result<Vec<u32>> {
        self.select(mailbox)?;
        let answers = self.run(&format!("UID SEARCH HEADER Subject \"{subject}\""))?;
        let numbers = answers.iter().filter_map(|answer| answer.text.strip_prefix("* SEARCH"));
        Ok(numbers.flat_map(|text| text.split_ascii_whitespace().filter_map(|n| n.parse().ok())).collect())
    }

    /// Appends a message.
    pub(crate) fn append(&mut self, mailbox: &str, flags: &str, message: &[u8]) -> io::Result<()> {
        let tag = self.send(&format!("APPEND \"{mailbox}\" ({flags}) {{{}}}", message.len()))?;
        loop {
            let answer = self.line()?;
            if answer.text.starts_with('+') {
                break;
            }
            if answer.text.starts_with(&tag) {
                return Err(io::Error::other(answer.text));
            }
        }
        self.reader.get_mut().write_all(message)?;
        self.reader.get_mut().write_all(b"\r\n")?;
        self.answers(&tag).map(drop)
    }

    /// All messages of a mailbox: flags without `\Recent`, sorted, and bytes.
    pub(crate) fn all(&mut self, mailbox: &str) -> io::Result<Vec<(Vec<String>, Vec<u8>)>> {
        // Anew, so that what others did is seen.
        self.run(&format!("EXAMINE \"{mailbox}\""))?;
        self.selected.clear();
        let answers = self.run("UID FETCH 1:* (FLAGS BODY.PEEK[])")?;
        let message = |answer: Answer| {
            let flags = answer.text.split_once("FLAGS (")?.1.split_once(')')?.0;
            let mut flags: Vec<String> =
                flags.split_ascii_whitespace().filter(|flag| *flag != "\\Recent").map(ToOwned::to_owned).collect();
            flags.sort_unstable();
            Some((flags, answer.literals.into_iter().next()?))
        };
        Ok(answers.into_iter().filter_map(message).collect())
    }
}
