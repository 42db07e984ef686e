//! What holds for every log: no panic, only finite numbers, counts that never fall.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::seeds::{Random, mangle, seeds};
use super::targets::{PROFILES, follow, reader};

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(seeds);

static MEGATRON: LazyLock<usize> =
    LazyLock::new(|| PROFILES.iter().position(|rules| rules.name == "megatron").expect("a profile"));

/// Megatron's line with numbers that nobody has chosen.
fn megatron_line() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<u32>().prop_map(|n| n.to_string()),
        (0u32..100).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        Just("nan".to_owned()),
        Just("-1".to_owned()),
        Just(String::new()),
    ];
    let numbers = prop::collection::vec(number, 6);
    (numbers, any::<bool>()).prop_map(|(n, core)| {
        format!(
            " [2025-03-01 12:00:00{}] iteration {:>8}/{:>8} | consumed samples: {:>12} | elapsed time per \
             iteration (ms): {} | learning rate: 1.0E-05 | global batch size: {:>5} | lm loss: {} |\n",
            if core { ".123456" } else { "" },
            n[0],
            n[1],
            n[2],
            n[3],
            n[4],
            n[5]
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_lead_to_a_report(log in prop::collection::vec(any::<u8>(), 0..2000), profile in any::<u8>()) {
        follow(reader(profile.into()), &log);
    }

    #[test]
    fn any_numbers_in_iteration_lines_lead_to_a_report(lines in prop::collection::vec(megatron_line(), 1..40)) {
        follow(reader(*MEGATRON), lines.concat().as_bytes());
    }

    #[test]
    fn any_mangled_log_leads_to_a_report(seed in any::<u64>(), profile in any::<u8>()) {
        follow(reader(profile.into()), &mangle(&SEEDS, &mut Random(seed)));
    }
}
