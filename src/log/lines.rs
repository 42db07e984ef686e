//! Bytes as they arrive, cut into lines at `\n` and `\r`.

/// The most that is kept of one line; the rest of a longer one is skipped.
pub const LONGEST_LINE: usize = 64 * 1024;

/// When a line arrived. Its line end does not count: a progress bar is ended only by the carriage return
/// that begins the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Arrival {
    /// The first byte: when a bar was drawn, even if more is printed after it later.
    pub first: f64,
    /// The last byte: when a line was complete, however early it began.
    pub last: f64,
}

/// Cuts a stream of bytes into lines, in bounded memory.
#[derive(Debug, Clone, Default)]
pub struct LineSplitter {
    pending: Vec<u8>,
    /// When the bytes of `pending` arrived.
    arrival: Arrival,
}

impl LineSplitter {
    /// Takes the bytes that arrived at a moment, and hands over each line that they end.
    pub fn push(&mut self, mut bytes: &[u8], at: f64, mut line: impl FnMut(&[u8], Arrival)) {
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let (head, rest) = bytes.split_at(end);
            if self.pending.is_empty() {
                emit(&head[..end.min(LONGEST_LINE)], Arrival { first: at, last: at }, &mut line);
            } else {
                self.keep(head, at);
                emit(&self.pending, self.arrival, &mut line);
                self.pending.clear();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes, at);
    }

    /// Hands over the bytes that no line end followed, at the end of the stream.
    pub fn finish(&mut self, mut line: impl FnMut(&[u8], Arrival)) {
        emit(&self.pending, self.arrival, &mut line);
        self.pending.clear();
    }

    fn keep(&mut self, bytes: &[u8], at: f64) {
        if !bytes.is_empty() {
            if self.pending.is_empty() {
                self.arrival.first = at;
            }
            self.arrival.last = at;
            let room = LONGEST_LINE.saturating_sub(self.pending.len());
            self.pending.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
    }
}

fn emit(line: &[u8], arrival: Arrival, to: &mut impl FnMut(&[u8], Arrival)) {
    if !line.is_empty() {
        to(line, arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, Arrival)> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for (i, chunk) in chunks.iter().enumerate() {
            splitter.push(chunk, i as f64, |line, at| lines.push((line.to_vec(), at)));
        }
        splitter.finish(|line, at| lines.push((line.to_vec(), at)));
        lines
    }

    #[test]
    fn a_bar_carries_the_time_at_which_it_was_drawn() {
        let lines = split(&[b"\r1/3", b"\r2/3", b" warning", b"\r3/3\n", b"done"]);
        let expected: [(&[u8], f64, f64); 4] =
            [(b"1/3", 0.0, 0.0), (b"2/3 warning", 1.0, 2.0), (b"3/3", 3.0, 3.0), (b"done", 4.0, 4.0)];
        let expected = expected.map(|(line, first, last)| (line.to_vec(), Arrival { first, last }));
        assert_eq!(lines, expected);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; 10 * LONGEST_LINE];
        let lines = split(&[&long, &long, b"\nnext\n"]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].0.len(), LONGEST_LINE);
        assert_eq!(lines[1].0, b"next");
    }

    proptest! {
        /// However the bytes are cut into chunks, the lines are those of the whole.
        #[test]
        fn chunks_do_not_matter(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..400),
                                cuts in prop::collection::vec(0usize..400, 0..12)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let lines: Vec<Vec<u8>> = split(&chunks).into_iter().map(|(line, _)| line).collect();
            let whole: Vec<Vec<u8>> = bytes.split(|b| matches!(b, b'\n' | b'\r')).filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(lines, whole);
        }
    }
}
