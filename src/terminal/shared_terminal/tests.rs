//! Against a terminal emulator: what the child wrote must stand as if the table had never been.

use proptest::prelude::*;

use super::*;
use emulator::{Pair, SIZE, everything};

mod emulator;

const TABLE: &[&str] = &["── table ───────────", "second", "third"];

#[test]
fn the_child_scrolls_above_the_table() {
    let mut pair = Pair::new();
    pair.tick(TABLE);
    for line in 0..30 {
        pair.child(&format!("line {line}\n")).tick(TABLE);
    }
    let screen = pair.screen();
    assert_eq!(
        &screen[..9],
        ["line 22", "line 23", "line 24", "line 25", "line 26", "line 27", "line 28", "line 29", ""]
    );
    assert_eq!(&screen[9..], TABLE);
    pair.finish().assert_no_trace();
}

#[test]
fn the_cursor_stays_within_a_line_of_the_childs() {
    let mut pair = Pair::new();
    pair.child("one\n").tick(TABLE).child("Password: ").tick(TABLE);
    assert_eq!(pair.cursor(), (1, 10));
    pair.child("日本").tick(&["new", "", "lines"]);
    assert_eq!(pair.cursor(), (1, 14));
    assert_eq!(pair.screen()[..2], ["one", "Password: 日本"]);
    pair.child("\r 10%").tick(TABLE).child("\r 20%").tick(TABLE);
    assert_eq!(pair.screen()[1], " 20%word: 日本");
    pair.finish().assert_no_trace();
}

#[test]
fn room_is_made_at_the_bottom_row_and_nowhere_else() {
    let mut pair = Pair::new();
    pair.child("top\n").tick(TABLE);
    assert_eq!((pair.cursor(), pair.screen()[0].as_str()), ((1, 0), "top"));

    let mut pair = Pair::new();
    for line in 0..11 {
        pair.child(&format!("line {line}\n"));
    }
    pair.child("last\r").tick(TABLE);
    assert_eq!(&pair.screen()[7..], ["line 10", "last", TABLE[0], TABLE[1], TABLE[2]]);
    assert_eq!(pair.cursor(), (8, 0));
    pair.child("more\nand more\n").tick(TABLE).finish().assert_no_trace();
}

#[test]
fn a_line_that_does_not_end_is_waited_for_but_not_for_ever() {
    let mut pair = Pair::new();
    pair.child("no newline");
    for _ in 0..PATIENCE {
        assert_eq!(pair.tick(TABLE).screen()[9], "");
    }
    assert_eq!(pair.tick(TABLE).screen()[9..], *TABLE);
    assert_eq!(pair.cursor(), (0, 10));
    pair.finish().assert_no_trace();
}

#[test]
fn a_growing_table_overwrites_nothing() {
    let mut pair = Pair::new();
    pair.tick(&["one"]);
    for line in 0..30 {
        pair.child(&format!("line {line}\n"));
    }
    pair.tick(&["one", "two", "three", "four", "five"]);
    assert_eq!(pair.screen()[4..8], ["line 28", "line 29", "", "one"]);
    pair.tick(&["one"]);
    assert_eq!(pair.screen()[6..], ["", "one", "", "", "", ""]);
    pair.finish().assert_no_trace();
}

#[test]
fn a_resized_terminal_keeps_the_childs_lines() {
    for (rows, columns) in [(8, 20), (5, 20), (20, 20), (12, 40), (30, 60), (7, 30)] {
        for lines in [2, 30] {
            let mut pair = Pair::new();
            for line in 0..lines {
                pair.child(&format!("line {line}\n"));
            }
            pair.tick(TABLE).child("within").tick(TABLE).resize(rows, columns);
            for _ in 0..=PATIENCE {
                pair.tick(TABLE);
            }
            let screen = pair.screen();
            let cursor = usize::from(pair.cursor().0);
            assert_eq!(screen[usize::from(rows) - 3..], *TABLE, "{rows} × {columns}");
            assert_eq!(screen[cursor - 1..=cursor], [format!("line {}", lines - 1).as_str(), "within"]);
            pair.child(" a line\nnext\n").tick(TABLE).finish();
            let left = everything(&mut pair.surface.output.terminal, pair.size).0;
            assert_eq!(left[left.len() - 2..], ["within a line", "next"], "{rows} × {columns}");
            assert!(left.iter().all(|row| !row.contains("table")), "{rows} × {columns}: {left:?}");
        }
    }
}

#[test]
fn output_after_a_resize_does_not_run_through_the_old_table() {
    let mut pair = Pair::new();
    pair.tick(TABLE);
    for line in 0..10 {
        pair.child(&format!("line {line}\n"));
    }
    pair.resize(20, 20).child("a\nb\nc\nd\n").finish();
    let left = pair.screen().join("\n");
    assert!(left.contains("line 9\na\nb\nc\nd\n") && !left.contains("table"), "{left}");
}

#[test]
fn a_table_that_no_longer_fits_goes() {
    let mut pair = Pair::new();
    pair.child("line\n").tick(TABLE).resize(5, 20).tick(&[]);
    assert_eq!(pair.screen(), ["line", "", "", "", ""]);
    pair.finish().assert_no_trace();
}

#[test]
fn nothing_is_written_within_a_sequence_or_a_character() {
    for halves in [["\x1b[3", "1mred"], ["\x1b]0;ti", "tle\x07"], ["\x1bP1$r", "q\x1b\\"]] {
        let mut pair = Pair::new();
        pair.tick(TABLE).child(halves[0]);
        let writes = pair.surface.output.writes;
        pair.tick(&["other"]);
        assert_eq!(pair.surface.output.writes, writes);
        pair.child(halves[1]).tick(&["other"]);
        assert_eq!(pair.screen()[9], "other");
        pair.finish().assert_no_trace();
    }
    let mut pair = Pair::new();
    pair.tick(TABLE).bytes(b"\xe6\x97").tick(&["other"]);
    assert_eq!(pair.screen()[9], TABLE[0]);
    pair.bytes(b"\xa5\n").tick(&["other"]).finish().assert_no_trace();
}

#[test]
fn a_sequence_that_the_child_never_ended_does_not_swallow_the_end() {
    let mut pair = Pair::new();
    pair.tick(TABLE).child("text\x1b]0;title").finish();
    assert_eq!(pair.screen()[0], "text");
    assert_eq!(pair.screen()[9], "");
    pair.surface.print("summary\n").unwrap();
    assert_eq!(pair.screen()[1], "summary");
}

#[test]
fn an_unchanged_table_is_not_written_again() {
    let mut pair = Pair::new();
    pair.tick(TABLE);
    let writes = pair.surface.output.writes;
    pair.tick(TABLE).tick(TABLE);
    assert_eq!(pair.surface.output.writes, writes);
    pair.child("x").tick(TABLE);
    assert_eq!(pair.surface.output.writes, writes + 2);
}

#[test]
fn a_cleared_screen_gets_its_table_back() {
    let mut pair = Pair::new();
    pair.child("old\n").tick(TABLE).child("\x1b[H\x1b[2Jnew\n").tick(TABLE);
    assert_eq!(pair.screen()[0], "new");
    assert_eq!(pair.screen()[9..], *TABLE);
    pair.child("\x1bcreset\n").tick(TABLE);
    assert_eq!(pair.screen()[0], "reset");
    assert_eq!(pair.screen()[9..], *TABLE);
    pair.finish().assert_no_trace();
}

#[test]
fn colours_of_the_childs_go_on_after_the_table() {
    let mut pair = Pair::new();
    pair.tick(TABLE)
        .child("\x1b[31mred ")
        .tick(&["a", "b", "c"])
        .child("still red")
        .finish()
        .assert_no_trace();
}

#[test]
fn a_full_screen_child_has_the_screen_to_itself() {
    let mut pair = Pair::new();
    pair.child("before\n")
        .tick(TABLE)
        .child("x\x1b[?1049hy\x1b[12;1Hbottom\n\x1b[1;1Htop")
        .tick(TABLE)
        .tick(&["a"]);
    let screen = pair.screen();
    assert_eq!(screen, pair.alone.screen().rows(0, 20).collect::<Vec<_>>());
    pair.child("\x1b[?1049l");
    assert_eq!(pair.screen()[9..], *TABLE);
    for line in 0..20 {
        pair.child(&format!("after {line}\n"));
    }
    assert_eq!(pair.screen()[9..], *TABLE);
    pair.tick(&["a", "b", "c"]).finish().assert_no_trace();
}

#[test]
fn a_child_that_resets_the_region_does_not_scroll_the_table_away() {
    let mut pair = Pair::new();
    pair.tick(TABLE).child("\x1b[r");
    for line in 0..30 {
        pair.child(&format!("line {line}\n"));
    }
    assert_eq!(pair.screen()[7..], ["line 29", "", TABLE[0], TABLE[1], TABLE[2]]);
    pair.finish().assert_no_trace();
}

#[test]
fn a_child_with_a_region_of_its_own_is_left_alone_until_it_gives_it_up() {
    let mut pair = Pair::new();
    pair.child("line\n").tick(TABLE).child("\x1b[1;11r\x1b[12;1Hits bar\x1b[2;1H").tick(TABLE);
    let screen = pair.screen();
    assert_eq!((screen[9].as_str(), screen[11].as_str()), ("", "its bar"));
    pair.child("\x1b[12;1H\x1b[K\x1b[r\x1b[2;1H").tick(TABLE);
    for _ in 0..=PATIENCE {
        pair.tick(TABLE);
    }
    assert_eq!(pair.screen()[9..], *TABLE);
    pair.finish().assert_no_trace();
}

#[test]
fn a_child_that_draws_in_the_bottom_rows_gets_them() {
    let mut pair = Pair::new();
    pair.child("line\n").tick(TABLE).child("\x1b[12;1Hstatus\x1b[2;1H").tick(TABLE).child("more\n");
    assert_eq!(pair.screen()[9..], ["", "", "status"]);
    pair.finish().assert_no_trace();
}

#[test]
fn a_saved_cursor_is_not_overwritten() {
    let mut pair = Pair::new();
    pair.child("line\n").tick(TABLE).child("ab\x1b7cdef").tick(&["other"]).child("\x1b8CD").tick(&["other"]);
    assert_eq!(pair.screen()[1], "abCDef");
    assert_eq!(pair.screen()[9], "other");
    pair.finish().assert_no_trace();
}

#[test]
fn while_paused_there_is_no_table() {
    let mut pair = Pair::new();
    pair.child("line\n").tick(TABLE);
    pair.surface.pause(Some(SIZE)).unwrap();
    pair.tick(TABLE).assert_no_trace();
    pair.surface.resume();
    assert_eq!(pair.tick(TABLE).screen()[9..], *TABLE);
    pair.finish();
    pair.surface.resume();
    pair.tick(TABLE).assert_no_trace();
}

#[test]
fn lines_of_ours_go_between_the_childs_lines() {
    let mut pair = Pair::new();
    pair.surface.print("first\n").unwrap();
    pair.child("the child's l");
    pair.surface.print("ours 1\nours 2\n").unwrap();
    pair.child("ine\nand").tick(TABLE).child(" more\n\r 10%");
    assert_eq!(pair.screen()[..6], ["first", "the child's line", "ours 1", "ours 2", "and more", " 10%"]);
    pair.surface.print("ours 3\n").unwrap();
    pair.child("\x1b[K\r 20%");
    assert_eq!(pair.screen()[5..8], [" 10%", "ours 3", " 20%"]);
    pair.surface.print("ours 4\n").unwrap();
    pair.finish();
    pair.surface.print("summary\n").unwrap();
    assert_eq!(pair.screen()[7..], [" 20%", "ours 4", "summary", "", ""]);
}

/// What a child may write that does not leave its line: text, wide and combining characters,
/// colours, and everything that progress bars do.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~]{0,30}",
        1 => "[a-z日本é]{0,12}",
        1 => Just("e\u{301}".to_owned()),
        3 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => prop::sample::select(vec![
            "\r", "\t", "\x08", "\x07", "\x1b[31m", "\x1b[0m", "\x1b[K", "\x1b[1K", "\x1b[5G", "\x1b[3P",
            "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\x1b[?25l", "\x1bPabc\x1b\\",
            "\x1b[2C", "\x1b[4D",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_child_wrote_stands_wherever_the_ticks_fall(
        pieces in prop::collection::vec(piece(), 0..60),
        cuts in prop::collection::vec((1usize..40, any::<bool>()), 1..60),
    ) {
        let text = pieces.concat();
        let mut rest = text.as_bytes();
        let mut pair = Pair::new();
        pair.tick(TABLE);
        for (tick, (length, draw)) in cuts.iter().cycle().enumerate() {
            let (chunk, after) = rest.split_at((*length).min(rest.len()));
            pair.bytes(chunk);
            if *draw {
                pair.tick(&[&format!("tick {tick}"), "", "end"]);
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        pair.finish().assert_no_trace();
    }
}
