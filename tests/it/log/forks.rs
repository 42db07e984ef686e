//! Lines as forks of the frameworks print them: fields that no profile knows lie between the known ones.

use std::fs;

use serde_json::{Value, json};

use super::profiles::{PROFILES, logs, reader_of};
use crate::library::{Event, LogReader, Stream};

/// Between two fields of a profile's lines, and what a fork puts there.
const FORKS: &[(&str, &str, &str)] = &[
    ("composer", "\n", "\n\t Train zloss/train/total: 1.2M\n"),
    ("deepspeed", ", ", ", zloss=1.2M, "),
    ("deepspeed", " samples/sec", " zloss: 1.2M samples/sec"),
    ("deepspeed", " iter time", " zloss: 1.2M iter time"),
    ("hf-trainer", ", '", ", 'zloss': '1.2M', '"),
    ("lightning", ", ", ", zloss=1.2M, "),
    ("litgpt", ", ", ", zloss: 1.2M, "),
    ("litgpt", " | ", " | zloss: 1.2M | "),
    ("llama-cpp", ", ", ", 1.2M zloss, "),
    ("megatron", " | ", " | zloss: 1.2M | "),
    ("nanogpt", ", ", ", zloss 1.2M, "),
    ("nanogpt", " | ", " | zloss: 1.2M | "),
    ("nemo", " | ", " | zloss: 1.2M | "),
    ("olmo", "\n", "\n    train/zloss=1.2M\n"),
    ("olmo", ",epoch", ",zloss=1.2M,epoch"),
    ("sglang", ", ", ", #zloss: 1.2M, "),
    ("sglang", "\n", "\nZloss (1/s):    1.2M\n"),
    ("tensorrt-llm", ", ", ", zloss = 1.2M, "),
    ("tensorrt-llm", "\n", "\nZloss (1/s):    1.2M\n"),
    ("tgi", "\" ", "\" zloss=\"1.2M\" "),
    ("torchtitan", " loss:", " zloss:  1.2M  loss:"),
    ("torchtitan", " grad_norm:", " zloss:  1.2M  grad_norm:"),
    ("torchtitan", " memory:", " zloss:  1.2M  memory:"),
    ("torchtitan", " tps:", " zloss:  1.2M  tps:"),
    ("torchtitan", " mfu:", " zloss:  1.2M  mfu:"),
    ("torchtune", " lr:", " zloss:1.2M lr:"),
    ("torchtune", " tokens", " zloss:1.2M tokens"),
    ("verl", " - ", " - actor/zloss:1.2M - "),
    ("vllm", ", ", ", Zloss: 1.2M, "),
    ("vllm", "\n", "\nZloss (1/s):    1.2M\n"),
];

fn events(mut reader: LogReader, log: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    reader.push(Stream::Stdout, log, 1.0, &mut events);
    reader.finish(&mut events);
    events.retain(|event| !matches!(event, Event::Facts(_)));
    events
}

/// The lines with a text in the place of the `n`th separator of each.
fn with_field(log: &str, separator: &str, text: &str, n: usize) -> String {
    let insert = |line: &str| match line.match_indices(separator).nth(n) {
        Some((at, _)) => format!("{}{text}{}", &line[..at], &line[at + separator.len()..]),
        None => line.to_owned(),
    };
    log.split_inclusive('\n').map(insert).collect()
}

#[test]
fn a_field_that_a_fork_adds_changes_no_value() {
    let mut failed = Vec::new();
    for log in logs() {
        let stem = log.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&log).expect("UTF-8");
        for (profile, separator, foreign) in FORKS.iter().filter(|fork| stem.starts_with(fork.0)) {
            let expected = events(reader_of(profile), text.as_bytes());
            let most = text.lines().map(|line| line.matches(separator).count()).max().unwrap_or(0);
            for n in 0..most {
                let forked = with_field(&text, separator, foreign, n);
                let found = events(reader_of(profile), forked.as_bytes());
                if found != expected {
                    let at = found.iter().zip(&expected).position(|(one, other)| one != other);
                    let at = at.unwrap_or(found.len().min(expected.len()));
                    failed.push(format!(
                        "{stem}: gap {n} {separator:?}: {} events of {}\n   {:?}\n   {:?}",
                        found.len(),
                        expected.len(),
                        found.get(at),
                        expected.get(at)
                    ));
                }
            }
            let all = text.replace(separator, foreign);
            let detected = events(LogReader::detecting(PROFILES.clone()).of_a_file(), all.as_bytes());
            let expected = events(reader_of(profile).of_a_file(), text.as_bytes());
            if detected != expected {
                failed.push(format!("{stem}: all gaps {separator:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// The values that the first record of a line states, by the names of `parse --events`.
fn values(profile: &str, line: &str) -> Value {
    let record = events(reader_of(profile), line.as_bytes()).into_iter().find_map(|event| match event {
        Event::Progress(record) if !record.baseline => Some(record),
        _ => None,
    });
    let Some(record) = record else { return Value::Null };
    serde_json::from_str(&effllm::output::events::progress(&record, None)).expect("JSON")
}

#[test]
fn numbers_are_read_however_a_fork_writes_them() {
    for (profile, line, expected) in [
        (
            "megatron",
            " iteration        5/     100 | consumed samples: 1.28K | zloss: 1.2M | consumed tokens: 2.6M | elapsed \
             time per iteration (ms): 1.65K | learning rate: 9.9e-07 | global batch size: 1,024 | lm loss: 9.5 | \
             grad norm: 1.2K |",
            json!({"iteration": 5, "consumed_samples": 1280, "consumed_tokens": 2_600_000, "step_time_s": 1.65,
                   "learning_rate": 9.9e-7, "global_batch_size": 1024, "loss": 9.5, "grad_norm": 1200}),
        ),
        (
            "megatron",
            " [2026-03-02 10:00:10.250000] iteration 1,005/ 100,000 | lm loss: nan | elapsed time per iteration (s): \
             .5 |",
            json!({"iteration": 1005, "total_iterations": 100_000, "step_time_s": 0.5, "loss": null}),
        ),
        (
            "megatron",
            " iteration 5/ 20 (25 %) | consumed samples: 40 (2.0 epochs) | elapsed time per iteration (ms): 120.5 ms | \
             lm loss: 2.5 (ema 2.6) | grad norm: 1.5 clipped |",
            json!({"iteration": 5, "total_iterations": 20, "consumed_samples": 40, "step_time_s": 0.1205, "loss": 2.5,
                   "grad_norm": 1.5}),
        ),
        (
            "hf-trainer",
            "Training, epoch 1:  10%|# | 1.21k/12.4k [00:10<01:30, 1.21kit/s]",
            json!({"iteration": 1210, "total_iterations": 12_400}),
        ),
        (
            "torchtitan",
            "[titan] 2026-01-09 14:00:09,002 - root - INFO - step: 1,000  loss: 2.5  zloss: 1.2M  memory: 20.11GiB  \
             tps: 6.8K  tflops: 1,153.6  mfu: 15.5%",
            json!({"iteration": 1000, "loss": 2.5, "tokens_per_s": 6800, "tflops_per_gpu": 1153.6, "mfu": 0.155}),
        ),
        (
            "nanogpt",
            "step 00004/21400 (0.02%) | gnorm: 3 | loss: 5.5 | lr: 1.2e-3 | dt: 1.1K ms | tok/sec: 529.9K | mfu: 7.4e1",
            json!({"iteration": 4, "loss": 5.5, "step_time_s": 1.1, "tokens_per_s": 529_900, "mfu": 0.74}),
        ),
        (
            "nemo",
            "Training epoch 0, iteration 5/199 | consumed_samples: 1.2K | new: 1 | reduced_train_loss: 1.1E+01 | \
             tokens_per_sec_per_gpu: 13.7K",
            json!({"consumed_samples": 1200, "loss": 11, "tokens_per_s": 13_700}),
        ),
        (
            "olmo",
            "[step=1,000/739,328,epoch=0]\n    throughput/total tokens=1.234B\n    throughput/device/flopsPS=0.41P\n",
            json!({"iteration": 1000, "consumed_tokens": 1_234_000_000, "tflops_per_gpu": 410}),
        ),
        (
            "composer",
            "[batch=1,000/2,000]:\n\t Train time/token: 4.2M\n\t Train throughput/tokens_per_sec: 32,768.5\n",
            json!({"iteration": 1000, "consumed_tokens": 4_200_000, "tokens_per_s": 32_768.5}),
        ),
        (
            "verl",
            "step:2 - perf/total_num_tokens:530K - perf/time_per_step:60.5 - perf/throughput:1,095.5",
            json!({"tokens": 530_000, "step_time_s": 60.5, "tokens_per_s": 1095.5}),
        ),
        (
            "vllm",
            "Engine 000: Avg prompt throughput: 1.2K tokens/s, Avg generation throughput: 4,100.5 tokens/s",
            json!({"prompt_tokens_per_s": 1200, "generation_tokens_per_s": 4100.5}),
        ),
        (
            "sglang",
            "Decode batch, #running-req: 1,024, gen throughput (token/s): 12.5K, #queue-req: 0",
            json!({"requests_running": 1024, "generation_tokens_per_s": 12_500}),
        ),
        (
            "llama-cpp",
            "prompt eval time = 1,200.50 ms / 1,024 tokens ( 1.17 ms per token, 1.2K tokens per second)\n\
                    eval time = 2000.00 ms / 100 runs ( 20.00 ms per token, inf tokens per second)\n",
            json!({"prompt_tokens": 1024, "generated_tokens": 100, "prompt_tokens_per_s": 1200}),
        ),
    ] {
        let found = values(profile, line);
        for (name, value) in expected.as_object().expect("values") {
            assert_eq!(found.get(name).unwrap_or(&Value::Null), value, "{name}: {line}\n{found}");
        }
    }
}

#[test]
fn keys_of_a_dict_may_come_in_any_order_and_be_missing() {
    for dict in [
        "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 1e-05, 'epoch': 0.1}",
        "{'epoch': 0.1, 'learning_rate': 1e-05, 'grad_norm': 1.5, 'loss': 2.5}",
        "{'grad_norm': '1.5', 'zloss': {'a': {'b': 1.2}}, 'loss': '2.5', 'learning_rate': '1e-05'}",
        "{'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 1e-05}",
        "{'train': {'loss': 2.5, 'grad_norm': 1.5, 'learning_rate': 1e-05, 'epoch': 0.1}, 'zloss': {'a': 1.2}}",
    ] {
        let log = format!(" 10%|# | 5/50 [00:10<01:30, 2.00s/it]{dict}\n");
        let found = values("hf-trainer", &log);
        let stated = ["iteration", "loss", "grad_norm", "learning_rate"].map(|name| found[name].as_f64());
        assert_eq!(stated, [Some(5.0), Some(2.5), Some(1.5), Some(1e-5)], "{log}");
    }
    let alone = values("hf-trainer", " 10%|# | 5/50 [00:10<01:30, 2.00s/it]{'loss': 2.5}\n");
    assert_eq!((&alone["iteration"], &alone["loss"]), (&json!(5), &json!(2.5)));
}

#[test]
fn a_bar_that_is_glued_to_the_next_message_is_read() {
    for (profile, bar) in [
        ("hf-trainer", "100%|██████████| 5/5 [00:01<00:00]"),
        ("hf-trainer", "100%|██████████| 5/5 [00:01<00:00,  4.00it/s]"),
        ("hf-trainer", "100%|██████████| 5/5 [00:01<00:00,  4.00it/s, lr=0.1, zloss=1.2M]"),
        ("lightning", "Epoch 0: 100%|██████████| 5/5 [00:01<00:00]"),
        ("lightning", "Epoch 0: 100%|██████████| 5/5 [00:01<00:00,  4.00it/s, zloss=1.2M, v_num=3]"),
        ("composer", "train  Epoch   0:  100%|██████| 5/5 [00:01<00:00, 4.00ba/s, zloss=1.2M]"),
        ("torchtune", "1|5|Loss: 2.5: 100%|██████████| 5/5 [00:01<00:00,  4.00it/s]"),
        ("verl", "Training Progress: 100%|██████████| 5/5 [00:01<00:00,  4.00it/s]"),
    ] {
        let expected = values(profile, &format!("{bar}\n"));
        assert_eq!(expected["iteration"], 5, "{bar}");
        for message in ["Saving model checkpoint to /tmp/5", "[rank0]: done", "{'note': 'saved'}", "100%"] {
            assert_eq!(values(profile, &format!("{bar}{message}\n")), expected, "{bar}{message}");
        }
    }
}

#[test]
fn source_code_and_prose_of_the_frameworks_are_no_progress() {
    for line in [
        "log_string += ' elapsed time per iteration (ms): {:.1f} |'.format(elapsed_time_per_iteration * 1000.0)",
        "log_string = f\" iteration {iteration:8d}/{args.train_iters:8d} |\"",
        "print(f\"iter {iter_num}: loss {lossf:.4f}, time {dt*1000:.2f}ms, mfu {running_mfu*100:.2f}%\")",
        "f\"step {step:05d}/{num_iterations:05d} ({pct_done:.2f}%) | loss: {debiased_smooth_loss:.6f} | dt: {dt}ms\"",
        "\"Avg generation throughput: %.1f tokens/s, \"",
        "msg += f\"gen throughput (token/s): {self.last_gen_throughput:.2f}, \"",
        "self.log({'loss': tr_loss, 'learning_rate': self._get_learning_rate(), 'epoch': self.state.epoch})",
        "config = {'loss': 'mse', 'optimizer': 'adam', 'epoch': 3}",
        "The loss at iteration 5 was 2.5, and at step 10 of 100 it was 2.25.",
        "We train for 100 steps: each iteration 1/10 of an epoch, loss: 2.5.",
        "Prefill batch and decode batch are scheduled apart",
        "prompt eval time = time of the prompt / tokens",
        "Training epoch 3 begins, iteration counts restart",
        "[2024-01-01 10:00:00] Loading checkpoint shards: 100%|##########| 4/4 [00:08<00:00, 2.1s/it]",
        "Map: 100%|##########| 1000/1000 [00:01<00:00, 900.00 examples/s]",
    ] {
        for rules in PROFILES.iter() {
            assert_eq!(values(&rules.name, line), Value::Null, "{}: {line}", rules.name);
        }
    }
}
