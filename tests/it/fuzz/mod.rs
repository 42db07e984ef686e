//! The fuzz targets over mangled logs and rules, the same for the same seed, for as many seconds as
//! `EFFLLM_FUZZ_SECONDS` says (default 2). `EFFLLM_FUZZ_SEED` begins elsewhere.
//!
//! libFuzzer does it better (`fuzz/`, whose first lines say how); what it has found worth keeping is
//! tried here each time.

use std::env;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::harness::ROOT;
use seeds::{Random, mangle, seeds};

mod properties;
mod seeds;
#[path = "../../../fuzz/targets.rs"]
pub mod targets;

#[test]
fn no_target_fails_on_a_mangled_log() {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = Duration::from_secs(number("EFFLLM_FUZZ_SECONDS").unwrap_or(2));
    let first = number("EFFLLM_FUZZ_SEED").unwrap_or(1);
    let seeds = seeds();
    let begun = Instant::now();
    // At least once each, whatever the time.
    for seed in first.. {
        let data = mangle(&seeds, &mut Random(seed));
        for (name, target) in targets::TARGETS {
            if panic::catch_unwind(AssertUnwindSafe(|| target(&data))).is_err() {
                panic!("target {name}, EFFLLM_FUZZ_SEED={seed}: {:?}", String::from_utf8_lossy(&data));
            }
        }
        if begun.elapsed() >= seconds {
            println!("{} inputs", seed - first + 1);
            break;
        }
    }
}

#[test]
fn no_target_fails_on_what_libfuzzer_has_kept() {
    for (name, target) in targets::TARGETS {
        let folder = format!("{ROOT}/fuzz/corpus/{name}");
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let data = fs::read(&file).expect("a file of the repository");
            let tried = panic::catch_unwind(AssertUnwindSafe(|| target(&data)));
            assert!(tried.is_ok(), "{}", file.display());
        }
    }
}
