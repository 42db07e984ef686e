//! Inference servers: tokens are divided by the time in which they were generated, without idle time.

use super::frameworks::servers::{Load, sglang, vllm};
use super::program::Program;
use super::truth::Findings;

const LOADS: [&[Load]; 4] = [
    &[Load { busy: 60.0, idle: 40.0 }],
    &[Load { busy: 60.0, idle: 50.0 }, Load { busy: 50.0, idle: 20.0 }],
    &[Load { busy: 55.0, idle: 45.0 }],
    &[Load { busy: 34.0, idle: 13.0 }, Load { busy: 47.0, idle: 96.0 }, Load { busy: 25.0, idle: 5.0 }],
];

#[test]
fn idle_time_of_vllm_generates_nothing() {
    let mut findings = Findings::default();
    for loads in LOADS {
        let mut program = Program::new();
        vllm(&mut program, loads, 100.0);
        findings.measure(format!("{loads:?}"), program);
    }
    findings.assert_none();
}

#[test]
fn idle_time_of_sglang_generates_nothing() {
    let mut findings = Findings::default();
    for loads in LOADS {
        let mut program = Program::new();
        sglang(&mut program, loads, 100.0);
        findings.measure(format!("{loads:?}"), program);
    }
    findings.assert_none();
}
