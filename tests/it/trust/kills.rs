//! `kill -9` at any moment of a sync, restarted at once or after a second, the server killed at times
//! as well, with both sides changing meanwhile: in the end both have what they must have, once.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::turmoil::Turmoil;
use super::{is_long, seed};
use crate::servers::dovecot::Dovecot;
use crate::terminal::World;

fn start(turmoil: &Turmoil) -> Child {
    let mut command = turmoil.world.command(&["sync", "--quiet"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tern starts")
}

/// Changes both sides until `time` has passed, then kills the program; says whether it had ended.
fn let_run(turmoil: &mut Turmoil, child: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if child.try_wait().expect("our own child").is_some() {
            return true;
        }
        match turmoil.dice.u8(0..40) {
            0 => turmoil.change_there(),
            1 => turmoil.change_here(),
            _ => std::thread::sleep(Duration::from_micros(700)),
        }
    }
    let over = child.try_wait().expect("our own child").is_some();
    let _ = child.kill();
    child.wait().expect("our own child");
    over
}

#[test]
fn killed_at_any_moment_it_loses_and_doubles_nothing() {
    let (letters, kills) = if is_long() { (10_000, 500) } else { (1_000, 40) };
    let seed = seed();
    let begun = Instant::now();
    let dovecot = Dovecot::start();
    let world = World::new(&Turmoil::config(dovecot.imap, ""));
    let mut turmoil = Turmoil::new(letters, seed, world, dovecot);
    let (mut killed, mut ran_out, mut restarts, mut pauses) = (0, 0, 0, 0);
    // How long a run takes. The first one fetches everything, so it is killed at work as well.
    let mut length = Duration::from_millis(u64::from(letters) / 2);
    while killed < kills {
        for _ in 0..turmoil.dice.u8(0..4) {
            if turmoil.dice.bool() { turmoil.change_there() } else { turmoil.change_here() }
        }
        let time = match turmoil.dice.u8(0..10) {
            0 => Duration::from_micros(turmoil.dice.u64(0..20_000)),
            // Now and then it comes to its end, so that there is something to go on from.
            1 if killed > 5 => Duration::from_mins(1),
            _ => length.mul_f64(turmoil.dice.f64() * 1.1),
        };
        let at = Instant::now();
        let mut tern = start(&turmoil);
        let ended = let_run(&mut turmoil, &mut tern, time);
        turmoil.note(format!("-- {} after {:?}", if ended { "ended" } else { "killed" }, at.elapsed()));
        if ended {
            ran_out += 1;
            turmoil.learn_names();
            length = at.elapsed().min(Duration::from_secs(5));
        } else {
            killed += 1;
        }
        if turmoil.dice.u8(0..25) == 0 {
            let hard = turmoil.dice.bool();
            turmoil.hang_up();
            turmoil.dovecot.restart(hard);
            turmoil.note("-- the server was restarted");
            restarts += 1;
        }
        // In the long mode as long as people wait; else enough of it for the order of things.
        if turmoil.dice.u8(0..if is_long() { 2 } else { 12 }) == 0 {
            std::thread::sleep(Duration::from_secs(1));
            pauses += 1;
        }
    }
    turmoil.expect_peace();
    eprintln!(
        "{letters} letters, {killed} kills, {ran_out} runs to the end, {restarts} restarts of the server, {pauses} \
         pauses, seed {seed}: equal after {:.0?}; {}",
        begun.elapsed(),
        turmoil.tally()
    );
}

#[test]
fn a_file_that_was_moved_away_and_back_stays() {
    let dovecot = Dovecot::start();
    let world = World::new(&Turmoil::config(dovecot.imap, ""));
    let mut turmoil = Turmoil::new(30, seed(), world, dovecot);
    turmoil.world.succeed(&["sync", "--quiet"]);
    // With a Message-ID and without, from where they were fetched and back again.
    for (from, to) in [("INBOX", "Archive"), ("Archive", "INBOX")] {
        for number in [3, 6, 30] {
            turmoil.carry_here(number, from, to);
        }
        turmoil.expect_peace();
    }
}
