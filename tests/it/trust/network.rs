//! A network that cuts after every so many bytes, goes silent, or delivers what a dead client sent
//! long after it died: nothing is lost, nothing is there twice, and it goes on by itself.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tern::config::Tls;
use tern::fault::Fault;
use tern::login::Secret;
use tern::mail::ids::Timestamp;
use tern::remote::imap::Imap;
use tern::sync::Env;
use tern::sync::env::{Clock, WallClock};
use tern::sync::worker::{Summary, run_once};

use super::turmoil::{Turmoil, words};
use super::{is_long, seed};
use crate::servers::dovecot::{Dovecot, PASSWORD};
use crate::support::patience::eventually;
use crate::support::proxy::{Proxy, Trick};
use crate::terminal::World;

fn behind_proxy(letters: u32) -> (Turmoil, Proxy) {
    let dovecot = Dovecot::start();
    let proxy = Proxy::before(dovecot.imap);
    let world = World::new(&Turmoil::config(proxy.port, ""));
    (Turmoil::new(letters, seed(), world, dovecot), proxy)
}

/// When the server gets what a dead client sent.
enum Landing {
    WhileItWaits,
    AfterItWasSentAgain,
    AfterTheFileWasRemoved,
}

/// Sends a letter, dies before the answer, and comes back. The server gets the letter when `landing` says.
fn dies_while_a_letter_is_on_its_way(landing: &Landing) {
    let (mut turmoil, proxy) = behind_proxy(6);
    turmoil.world.succeed(&["sync", "--quiet"]);
    turmoil.write_here(1);
    proxy.play(Trick::HoldAppend);
    let mut command = turmoil.world.command(&["sync", "--quiet"]);
    let mut tern = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts");
    // All of it is on its way: the command, the letter and the end of the line.
    eventually("the letter is sent", || proxy.held(), |held| *held > 200);
    std::thread::sleep(Duration::from_millis(50));
    tern.kill().expect("our own child");
    tern.wait().expect("our own child");
    // From now on the way is free, but for what is held.
    turmoil.world.configure(&Turmoil::config(turmoil.dovecot.imap, ""));
    let land = || {
        proxy.let_go();
        eventually("the server has it", || proxy.delivered(), |delivered| *delivered);
    };
    match landing {
        Landing::WhileItWaits => {
            let mut command = turmoil.world.command(&["sync", "--quiet"]);
            let mut tern = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts");
            std::thread::sleep(Duration::from_millis(2500));
            land();
            assert!(tern.wait().expect("our own child").success());
        }
        Landing::AfterItWasSentAgain => {
            turmoil.world.succeed(&["sync", "--quiet"]);
            land();
        }
        Landing::AfterTheFileWasRemoved => {
            turmoil.remove_written_here(1);
            turmoil.world.succeed(&["sync", "--quiet"]);
            land();
        }
    }
    turmoil.expect_peace();
}

#[test]
fn a_letter_that_lands_after_its_sender_died_is_found() {
    dies_while_a_letter_is_on_its_way(&Landing::WhileItWaits);
}

#[test]
fn a_letter_that_lands_after_it_was_sent_again_is_there_once() {
    dies_while_a_letter_is_on_its_way(&Landing::AfterItWasSentAgain);
}

#[test]
fn a_letter_that_lands_after_it_was_removed_here_is_removed_there() {
    dies_while_a_letter_is_on_its_way(&Landing::AfterTheFileWasRemoved);
}

/// A clock that lets a pause pass a hundred times as fast: what the wire does is done when it is cut.
struct Hurried;

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        WallClock.now()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time / 100);
    }
}

fn env(turmoil: &Turmoil, port: u16) -> Env {
    let mut account = turmoil.dovecot.account("ada", Tls::Plain, &turmoil.world.path("mail/ada"));
    account.sync.guard = false;
    if let Some(server) = &mut account.imap {
        server.port = port;
        "127.0.0.1".clone_into(&mut server.host);
        server.timeout = Duration::from_secs(1);
    }
    let imap = Imap::new(&account, Arc::new(|| Ok(Secret::new(PASSWORD.to_owned()))));
    let mut env = Env::new(account, Some(Arc::new(imap)), turmoil.world.path("data/tern"));
    env.clock = Arc::new(Hurried);
    env
}

fn sync(turmoil: &Turmoil, port: u16) -> Result<Summary, Fault> {
    run_once(&env(turmoil, port), &|_| ())
}

/// What happens on both sides before each session.
fn stir(turmoil: &mut Turmoil) {
    for _ in 0..3 {
        turmoil.change_there();
        turmoil.change_here();
    }
}

#[test]
fn a_connection_that_is_cut_after_any_byte_loses_and_doubles_nothing() {
    let (mut turmoil, proxy) = behind_proxy(20);
    sync(&turmoil, proxy.port).expect("the first sync");
    // How long a session is.
    turmoil.learn_names();
    stir(&mut turmoil);
    proxy.play(Trick::Pass);
    sync(&turmoil, proxy.port).expect("an undisturbed one");
    let (down, up) = proxy.passed();
    let cuts = if is_long() { down + up } else { 300 };
    let (mut faults, mut calm) = (0, 0);
    for cut in 0..cuts {
        stir(&mut turmoil);
        let at = cut * (down + up) / cuts;
        let trick = if at < down { Trick::CutDown(at) } else { Trick::CutUp(at - down) };
        turmoil.note(format!("-- {trick:?}"));
        proxy.play(trick);
        match sync(&turmoil, proxy.port) {
            Ok(_) => calm += 1,
            Err(fault) => {
                faults += 1;
                let text = fault.to_string();
                assert!(text.contains("127.0.0.1") || text.contains("ada"), "it says where: {text}");
                assert!(!fault.detail.as_str().contains("panic"), "{text}");
            }
        }
        if cut % 10 == 9 {
            proxy.play(Trick::Pass);
            sync(&turmoil, proxy.port).expect("in peace it goes on by itself");
            sync(&turmoil, proxy.port).expect("in peace it goes on by itself");
            turmoil.learn_names();
            turmoil.expect_equal();
        }
    }
    proxy.play(Trick::Pass);
    turmoil.expect_peace();
    assert!(faults > cuts / 2, "{faults} of {cuts} were cut at work");
    eprintln!(
        "{cuts} cuts within {down} bytes down and {up} up: {faults} faults, {calm} came through, both sides equal"
    );
}

#[test]
fn a_server_that_goes_silent_or_drips_is_left_and_met_again() {
    let (mut turmoil, proxy) = behind_proxy(20);
    // The greeting, the sign-in, the list, within a message.
    for at in [0, 30, 700, 4000] {
        for trick in [Trick::Silence(at), Trick::Drip(at)] {
            turmoil.change_there();
            proxy.play(trick);
            let begun = Instant::now();
            let ended = sync(&turmoil, proxy.port);
            // A line may drip as long as it is short; a literal may not.
            assert!(begun.elapsed() < Duration::from_secs(25), "{trick:?} took {:?}", begun.elapsed());
            if let (Trick::Silence(_), Err(fault)) = (trick, &ended) {
                assert_eq!(fault.cause, tern::fault::Cause::TimedOut, "{trick:?}: {fault}");
            }
            proxy.play(Trick::Pass);
        }
    }
    turmoil.expect_peace();
}

#[test]
fn numbers_given_anew_in_the_middle_lose_and_double_nothing() {
    let (mut turmoil, proxy) = behind_proxy(40);
    for round in 0..3 {
        proxy.play(Trick::CutDown(6_000 + round * 4_000));
        let _ = turmoil.world.run(&["sync", "--quiet"]);
        turmoil.renumber("INBOX");
        proxy.play(Trick::Pass);
        let output = turmoil.world.run(&["sync", "--quiet"]);
        assert!(output.status.success(), "{}", words(&output));
        turmoil.renumber("Archive");
    }
    turmoil.expect_peace();
}
