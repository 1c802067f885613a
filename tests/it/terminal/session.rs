//! One run of the program in a pty: press keys, wait until the screen says something.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::World;
use crate::servers::starting;

/// How long a test waits for the screen at most; a test that is right never waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running tern with a screen.
pub(crate) struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Box<dyn Write + Send>,
    parser: Arc<Mutex<vt100::Parser>>,
    bytes: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
}

impl Session {
    /// Starts `tern ARGUMENTS` on a screen of `columns` by `rows`.
    pub(crate) fn start(world: &World, arguments: &[&str], columns: u16, rows: u16) -> Self {
        Self::start_with(world, arguments, columns, rows, &[])
    }

    /// The same, with more variables.
    pub(crate) fn start_with(
        world: &World,
        arguments: &[&str],
        columns: u16,
        rows: u16,
        variables: &[(&str, &str)],
    ) -> Self {
        Self::start_program(env!("CARGO_BIN_EXE_tern"), world, arguments, (columns, rows), variables)
    }

    /// Starts another program there: one that tern works for.
    pub(crate) fn start_program(
        program: &str,
        world: &World,
        arguments: &[&str],
        (columns, rows): (u16, u16),
        variables: &[(&str, &str)],
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let alone = starting();
        let pty = native_pty_system().openpty(size).expect("a pty");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        for (name, value) in world.variables() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env("TZ", "UTC");
        for name in ["TERN_CONFIG", "EDITOR", "VISUAL", "NO_COLOR", "COLORTERM"] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        command.cwd(world.home());
        let child = pty.slave.spawn_command(command).expect("the program starts");
        drop(alone);
        drop(pty.slave);
        let mut output = pty.master.try_clone_reader().expect("the pty's output");
        let keys = pty.master.take_writer().expect("the pty's input");
        let parser = Arc::new(Mutex::new(vt100::Parser::new(
            rows.try_into().expect("rows"),
            columns.try_into().expect("columns"),
            0,
        )));
        let bytes = Arc::new(AtomicUsize::new(0));
        let closing = Arc::new(AtomicBool::new(false));
        let (feed, count, over) = (Arc::clone(&parser), Arc::clone(&bytes), Arc::clone(&closing));
        std::thread::spawn(move || {
            let mut buffer = vec![0u8; 65536];
            while let Ok(read) = output.read(&mut buffer) {
                if read == 0 || over.load(Ordering::SeqCst) {
                    break;
                }
                feed.lock().expect("the parser").process(&buffer[..read]);
                count.fetch_add(read, Ordering::SeqCst);
            }
        });
        Self { child, master: Some(pty.master), keys, parser, bytes, closing }
    }

    /// Presses keys: plain characters, and `\r`, `\x1b`, `\t`, `\x0c` … for the others.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the pty takes keys");
        self.keys.flush().expect("the pty takes keys");
    }

    /// What is on the screen, a line each, without trailing blanks.
    pub(crate) fn screen(&self) -> String {
        let parser = self.parser.lock().expect("the parser");
        let screen = parser.screen();
        let (_, columns) = screen.size();
        screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// How many bytes the program has written so far.
    pub(crate) fn written(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Waits until the screen contains `text`; gives the screen.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        self.expect_that(&format!("shows {text:?}"), |screen| screen.contains(text))
    }

    /// Waits until the screen does not contain `text`; gives the screen.
    pub(crate) fn expect_gone(&mut self, text: &str) -> String {
        self.expect_that(&format!("no longer shows {text:?}"), |screen| !screen.contains(text))
    }

    /// Waits until the screen satisfies `holds`; gives the screen.
    pub(crate) fn expect_that(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            let ended = self.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "tern ended with {ended:?} before it {what}; the screen was\n{screen}");
            assert!(start.elapsed() < PATIENCE, "the screen never {what}; it is\n{screen}");
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// Changes the size of the screen.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().expect("the pty").resize(size).expect("a new size");
        let mut parser = self.parser.lock().expect("the parser");
        parser.screen_mut().set_size(rows.try_into().expect("rows"), columns.try_into().expect("columns"));
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Closes the terminal, as a lost SSH connection does, and waits for the end.
    pub(crate) fn hang_up(mut self) {
        // The thread that reads has the terminal too: it lets go of it at the next output.
        self.closing.store(true, Ordering::SeqCst);
        self.press("\x0c");
        self.keys = Box::new(std::io::sink());
        self.master = None;
        self.wait();
    }

    /// Waits for the end of the program; gives whether it ended well.
    pub(crate) fn wait(mut self) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status.success();
            }
            if start.elapsed() > PATIENCE {
                let screen = self.screen();
                let _ = self.child.kill();
                panic!("tern does not end; the screen is\n{screen}");
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
