//! Real servers for tests: each is started on loopback with a private config in a temporary
//! directory and free ports, and ended by its pid when dropped.

#![allow(dead_code, reason = "each test uses a part of what the servers can do")]

pub(crate) mod certificates;
pub(crate) mod dovecot;
pub(crate) mod postfix;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first of the ports that servers of tests listen on.
const FIRST_PORT: u32 = 10_000;
/// How many there are.
const PORTS: u32 = 20_000;

/// Finds ports of loopback that are free now. None is given twice by one run of the tests, and the system gives
/// none of them to anyone who does not care which (those begin at 32768): two servers that start at the same
/// moment must not get into each other's place.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(997) % PORTS;
    std::array::from_fn(|_| {
        let tried = (0..PORTS).map(|_| (start + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS + FIRST_PORT);
        let mut ports = tried.filter_map(|port| u16::try_from(port).ok());
        ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
    })
}

/// Waits until something listens on `port`; says with `complaint` why it may not.
pub(crate) fn wait_for_port(port: u16, child: &mut Child, complaint: impl Fn() -> String) {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return;
        }
        if let Some(status) = child.try_wait().expect("the child's state") {
            panic!("the server ended ({status}) before it listened on {port}: {}", complaint());
        }
        assert!(Instant::now() < limit, "nothing listens on {port}: {}", complaint());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Held while something is started that stays, and while a pty is made: the library that makes it
/// keeps it from children a moment too late, and one that inherits it keeps a closed terminal open.
pub(crate) fn starting() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a server with all its processes to come in a group of their own, so that [`end`] finds them.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _alone = starting();
    command.process_group(0).spawn().expect("the server is installed")
}

/// Ends a server that [`spawn`] started, by asking all its processes at once: Dovecot's master alone
/// would give the others a second.
pub(crate) fn end(child: &mut Child) {
    signal(child, rustix::process::Signal::TERM);
}

/// Ends it as a crash of its machine would: all its processes at once, and none gets to tidy up.
pub(crate) fn kill(child: &mut Child) {
    signal(child, rustix::process::Signal::KILL);
}

fn signal(child: &mut Child, signal: rustix::process::Signal) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, signal);
    }
    let _ = child.wait();
}
