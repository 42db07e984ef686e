//! Logs in the formats of real frameworks, and ways to mangle them.

use std::fs;
use std::path::Path;

use crate::harness::ROOT;

/// What is mangled: the fixture logs, the built-in profiles, configurations.
pub fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(ROOT);
    let mut files = Vec::new();
    for (folder, extension) in [("fixtures/logs", "log"), ("src/log/profiles", "toml")] {
        let entries = fs::read_dir(root.join(folder)).expect("a folder of the repository");
        files.extend(
            entries
                .map(|entry| entry.expect("an entry").path())
                .filter(|path| path.extension().is_some_and(|found| found == extension)),
        );
    }
    files.sort();
    let mut seeds: Vec<_> =
        files.iter().map(|file| fs::read(file).expect("a file of the repository")).collect();
    seeds.push(b"report = 'a.json'\ninterval = '500ms'\nparams = '7.6B'\ngpus = '0,1'\nwarmup = 5\nquiet = true\nhistory-size = 10\n".to_vec());
    seeds
}

/// Numbers that are all the same for the same seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Words that logs are broken by.
const WORDS: [&[u8]; 24] = [
    b"0",
    b"-1",
    b"1e309",
    b"nan",
    b"NaN",
    b"inf",
    b"-inf",
    b"999999999999999999999999999999",
    b"1e-320",
    b"0.0",
    b"\0",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b"\r\n",
    b"\x1b[31m",
    b"|",
    b" | ",
    b"/",
    b"\"",
    b"(?P<iteration>",
    b"[[record]]\n",
    b"'",
    b"{",
];

/// Some lines of a seed, or of two, with some of their bytes changed.
pub fn mangle(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..=random.below(2) {
        let seed = &seeds[random.below(seeds.len())];
        let lines: Vec<&[u8]> = seed.split_inclusive(|byte| *byte == b'\n').collect();
        let from = random.below(lines.len());
        let to = (from + 1 + random.below(40)).min(lines.len());
        data.extend(lines[from..to].concat());
    }
    for _ in 0..random.below(12) {
        mutate(&mut data, random);
    }
    data.truncate(16 * 1024);
    data
}

fn mutate(data: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(data.len());
    let end = (at + 1 + random.below(30)).min(data.len());
    match random.below(7) {
        0 => drop(data.drain(at..end)),
        1 => {
            let copy = data[at..end].to_vec();
            let to = random.below(data.len());
            data.splice(to..to, copy);
        }
        2 => drop(data.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
        3 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next() as u8),
        // Another number in the place of one.
        4 | 5 => {
            let digit = |byte: &u8| byte.is_ascii_digit();
            if let Some(from) = data.iter().skip(at).position(digit).map(|offset| at + offset) {
                let to = data[from..].iter().position(|byte| !digit(byte)).map_or(data.len(), |n| from + n);
                let number = match random.below(3) {
                    0 => WORDS[random.below(10)].to_vec(),
                    1 => random.next().to_string().into_bytes(),
                    _ => random.below(100).to_string().into_bytes(),
                };
                data.splice(from..to, number);
            }
        }
        _ => data.truncate(end),
    }
}
