use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{FlowArg, OutputFlags, SetArg, tcflow, tcgetattr, tcsetattr};

use super::*;
use crate::event::Stream;
use crate::report::samples::training;

fn pty() -> OpenptyResult {
    let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    openpty(Some(&size), None).unwrap()
}

/// Reads what is there until the text has been seen.
fn read_until(from: &mut File, text: &str) -> String {
    let mut seen = String::new();
    let mut bytes = [0; 4096];
    while !seen.contains(text) {
        let read = from.read(&mut bytes).unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    seen
}

#[test]
fn the_table_is_drawn_on_standard_error_and_standard_output_stays_the_childs() {
    let pty = pty();
    let (mut reader, writer) = io::pipe().unwrap();
    let terminal = Arc::new(Terminal::new(writer, pty.slave, LiveMode::Table, false));
    let ticker = terminal.keep_drawing(|| training(2)).unwrap();
    let mut screen = File::from(pty.master);
    let drawn = read_until(&mut screen, "\x1b8");
    assert!(drawn.contains("\x1b[1;24r") && drawn.contains("2 × H100"), "{drawn:?}");
    terminal.write_child(Stream::Stdout, &mut &b"result\x1b[2J"[..]).unwrap();
    terminal.write_child(Stream::Stderr, &mut &b"log\n"[..]).unwrap();
    assert!(read_until(&mut screen, "log\r\n").ends_with("log\r\n"));
    terminal.finish().unwrap();
    assert!(read_until(&mut screen, "\x1b[J\x1b8").contains("\x1b[r"));
    terminal.print("summary\n").unwrap();
    read_until(&mut screen, "summary");
    drop(ticker);
    while Arc::strong_count(&terminal) > 1 {
        thread::sleep(Duration::from_millis(1));
    }
    drop(terminal);
    let mut result = String::new();
    reader.read_to_string(&mut result).unwrap();
    assert_eq!(result, "result\x1b[2J");
}

#[test]
fn the_end_does_not_hang_on_a_terminal_that_takes_nothing() {
    let pty = pty();
    let slave = pty.slave.try_clone().unwrap();
    let terminal = Arc::new(Terminal::new(slave.try_clone().unwrap(), pty.slave, LiveMode::Table, false));
    terminal.tick(&training(2)).unwrap();
    tcflow(&slave, FlowArg::TCOOFF).unwrap();
    let pump = Arc::clone(&terminal);
    let blocked = thread::spawn(move || {
        pump.write_child(Stream::Stdout, &mut ("x".repeat(1 << 16) + "end").as_bytes())
    });
    thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    assert_eq!(terminal.finish().unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < 3 * PATIENCE);
    tcflow(&slave, FlowArg::TCOON).unwrap();
    let mut screen = File::from(pty.master);
    let seen = read_until(&mut screen, "end");
    blocked.join().unwrap().unwrap();
    assert_eq!(seen.matches('x').count(), 1 << 16);
}

#[test]
fn one_terminal_opened_twice_is_one_place() {
    let pty = pty();
    let again = File::options().write(true).open(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap();
    assert!(same_destination(pty.slave.as_fd(), again.as_fd()));
    let (reader, writer) = io::pipe().unwrap();
    assert!(!same_destination(pty.slave.as_fd(), writer.as_fd()));
    drop(reader);
}

#[test]
fn lines_of_ours_begin_at_the_left_on_a_raw_terminal_too() {
    let pty = pty();
    let slave = pty.slave.try_clone().unwrap();
    let terminal = Terminal::new(slave.try_clone().unwrap(), pty.slave, LiveMode::Off, false);
    let mut screen = File::from(pty.master);
    terminal.print("cooked\n").unwrap();
    assert_eq!(read_until(&mut screen, "\n"), "cooked\r\n");
    let mut modes = tcgetattr(&slave).unwrap();
    modes.output_flags.remove(OutputFlags::OPOST);
    tcsetattr(&slave, SetArg::TCSANOW, &modes).unwrap();
    terminal.print("raw\n").unwrap();
    assert_eq!(read_until(&mut screen, "\n"), "raw\r\n");
}
