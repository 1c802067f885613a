//! One connection to the server that speaks Gmail's dialect: lines in and out, and the two commands that are more
//! than a line, IDLE (RFC 2177) and APPEND (RFC 3501 §6.3.11).

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::{CAPABILITIES, Gmail, Home, Rule, strings};

impl Gmail {
    /// One connection, until either side ends it. A client may be gone at any moment.
    pub(super) fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        let mut selected = String::new();
        if self.state().is_down {
            return Ok(());
        }
        write!(writer, "* OK [CAPABILITY {CAPABILITIES} SASL-IR AUTH=PLAIN] Gimap ready\r\n")?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            let command = line.trim_end().to_owned();
            line.clear();
            let (tag, rest) = command.split_once(' ').unwrap_or((&command, ""));
            {
                let mut state = self.state();
                if state.is_down {
                    return Ok(());
                }
                state.heard.push(if rest == "IDLE" { format!("IDLE in {selected}") } else { rest.to_owned() });
            }
            let (untagged, status) = match rest.split_once(' ') {
                None if rest == "IDLE" => self.idle(&mut reader, stream, &selected)?,
                Some(("APPEND", rest)) => self.append(rest, &mut reader, stream)?,
                _ => self.answer(rest, &mut selected),
            };
            writer.write_all(format!("{untagged}{tag} {status}\r\n").as_bytes())?;
            if rest == "LOGOUT" {
                break;
            }
        }
        Ok(())
    }

    /// Tells of each change in the mailbox until the client has heard enough.
    fn idle(
        &self,
        reader: &mut BufReader<TcpStream>,
        mut writer: &TcpStream,
        selected: &str,
    ) -> std::io::Result<(String, String)> {
        let now = || {
            let state = self.state();
            let seen = |id: &u64| state.messages[id].modseq;
            let uids = &state.mailboxes[selected].uids;
            (state.is_down, uids.iter().map(|(uid, id)| (*uid, seen(id))).collect::<Vec<_>>())
        };
        write!(writer, "+ idling\r\n")?;
        writer.set_read_timeout(Some(Duration::from_millis(5)))?;
        let (mut told, mut line) = (now().1, String::new());
        loop {
            match reader.read_line(&mut line) {
                Ok(_) => break,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            let (is_down, there) = now();
            if is_down {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            if there != told {
                write!(writer, "* {} EXISTS\r\n", there.len())?;
                told = there;
            }
        }
        writer.set_read_timeout(None)?;
        Ok((String::new(), "OK IDLE terminated (Success)".to_owned()))
    }

    /// Takes a message in. One that it has, byte by byte, in the same place is that one.
    fn append(
        &self,
        rest: &str,
        reader: &mut BufReader<TcpStream>,
        mut writer: &TcpStream,
    ) -> std::io::Result<(String, String)> {
        let (rest, length) = rest.trim_end_matches('}').rsplit_once('{').expect("a literal");
        let to = strings(rest).swap_remove(0);
        if !length.ends_with('+') {
            write!(writer, "+ go ahead\r\n")?;
        }
        let mut bytes = vec![0; length.trim_end_matches('+').parse().expect("a length")];
        reader.read_exact(&mut bytes)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        let mut state = self.state();
        if !state.mailboxes.contains_key(&to) {
            return Ok((String::new(), "NO [TRYCREATE] Folder doesn't exist. (Failure)".to_owned()));
        }
        let (home, label) = match self.rule(&to) {
            Some(Rule::Home(home)) => (home, None),
            Some(Rule::Label(label)) => (Home::All, Some(label.to_owned())),
            None => (Home::All, Some(to.clone())),
        };
        let twin = state.messages.iter().find(|(_, known)| known.bytes == bytes && known.home == home);
        let id = match twin.map(|(id, _)| *id) {
            Some(id) => id,
            None => self.take_in(&mut state, &bytes, BTreeSet::new(), home),
        };
        let flags = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(flags, _)| flags);
        self.flag(&mut state, id, '+', &strings(flags));
        self.label(&mut state, id, '+', label.as_slice());
        let uid = state.mailboxes[&to].uid_of(id).expect("it was put there");
        Ok((String::new(), format!("OK [APPENDUID 11 {uid}] (Success)")))
    }
}
