//! The names that a rule's groups may bear, and what each takes from the text.
//!
//! A group's name is a field's name, with its unit as a suffix where there is a choice:
//! `(?P<step_time_ms>[\d.]+)`, `(?P<parameters_billions>[\d.]+)`, `(?P<mfu_percent>[\d.]+)`,
//! `(?P<tokens_per_s_per_gpu>[\d,]+)`.

use crate::error;
use crate::event::{Facts, LogTime, Progress, Scope, Stated};
use crate::text::units::{half_unit, parse_count, parse_duration, parse_number, scaled};

use super::timestamp;

/// How a field's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whole and not negative: an iteration's number.
    Ordinal,
    /// Not negative, with separators and SI suffixes: tokens, samples, parameters.
    Count,
    /// Seconds, above zero.
    Duration,
    /// Any finite number: a loss.
    Number,
    /// 0 to 1.
    Ratio,
    /// A rate for each second, of the whole job or of one GPU.
    Rate,
    /// A date and time, or any other word.
    Text,
    /// Stated by being there.
    Flag,
}

/// What a group's text is taken for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binding {
    name: &'static str,
    kind: Kind,
    /// Into SI units.
    scale: f64,
    /// Added to what was read: an iteration's number that is counted from zero.
    shift: f64,
    /// A rate is turned into a time, or a time into a rate.
    inverse: bool,
    scope: Scope,
}

/// Every field: its name, how it is read, and what it means (the table of effllm-rules(5)).
const FIELDS: &[(&str, Kind, &str)] = &[
    ("iteration", Kind::Ordinal, "the iteration (optimizer step) that the line reports"),
    ("total_iterations", Kind::Ordinal, "the last iteration that the job will make"),
    (
        "optimizer_step",
        Kind::Ordinal,
        "the optimizer step, where iterations are micro-batches: a batch is what a step takes",
    ),
    ("step_time", Kind::Duration, "time of an iteration, a mean over those since the record before"),
    ("elapsed", Kind::Duration, "time since the job or its progress bar began"),
    ("timestamp", Kind::Text, "the line's own date and time"),
    ("loss", Kind::Number, "training loss"),
    ("learning_rate", Kind::Number, "learning rate"),
    ("grad_norm", Kind::Number, "gradient norm"),
    ("consumed_samples", Kind::Count, "samples since the job's first iteration"),
    ("consumed_tokens", Kind::Count, "tokens since the job's first iteration"),
    ("samples", Kind::Count, "samples since the record before"),
    ("tokens", Kind::Count, "tokens since the record before"),
    ("samples_per_s", Kind::Rate, "samples per second"),
    ("tokens_per_s", Kind::Rate, "tokens per second"),
    ("tflops_per_gpu", Kind::Number, "TFLOP/s of one GPU"),
    ("mfu", Kind::Ratio, "model FLOPs utilization, 0 to 1"),
    ("prompt_tokens", Kind::Count, "prompt tokens since the record before"),
    ("generated_tokens", Kind::Count, "generated tokens since the record before"),
    ("prompt_tokens_per_s", Kind::Count, "prompt tokens per second"),
    ("generation_tokens_per_s", Kind::Count, "generated tokens per second"),
    ("requests_running", Kind::Count, "requests that are being served"),
    ("generation_time", Kind::Duration, "time in which the generated tokens came about"),
    ("epoch", Kind::Ordinal, "epoch; in a later one the iterations begin anew"),
    ("recounts_first", Kind::Flag, "this record's mean counts the first record's iterations again"),
    ("counted_before", Kind::Flag, "consumed samples and tokens are those before this iteration"),
    ("spans_pause", Kind::Flag, "the step time is over what a pause line told of, too"),
    ("parameters", Kind::Count, "parameters of the whole model"),
    ("trainable_parameters", Kind::Count, "parameters that are trained"),
    ("frozen_parameters", Kind::Count, "parameters that are not trained"),
    ("parameters_of_rank", Kind::Count, "parameters that the model-parallel rank `rank` holds"),
    ("parameters_of_largest_rank", Kind::Count, "parameters that the rank with most of them holds"),
    ("rank", Kind::Text, "the name of that rank"),
    ("sequence_length", Kind::Count, "tokens a sample"),
    ("global_batch_size", Kind::Count, "samples an iteration, over the whole job"),
    ("micro_batch_size", Kind::Count, "samples a device takes at a time"),
    ("tokens_per_iteration", Kind::Count, "tokens an iteration, over the whole job"),
    ("world_size", Kind::Count, "processes of the whole job, one a GPU"),
    ("nodes", Kind::Count, "nodes of the job"),
    ("processes_per_node", Kind::Count, "processes on each node"),
    ("tensor_parallel_size", Kind::Count, "tensor-parallel ranks"),
    ("pipeline_parallel_size", Kind::Count, "pipeline-parallel ranks"),
    ("log_interval", Kind::Ordinal, "iterations between two progress lines"),
    ("resume_iteration", Kind::Ordinal, "the iteration that training resumed from"),
];

const DURATION_UNITS: &[(&str, f64)] =
    &[("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("min", 60.0), ("h", 3600.0)];
const COUNT_UNITS: &[(&str, f64)] = &[("thousands", 1e3), ("millions", 1e6), ("billions", 1e9)];

/// Other ways to state a field: the group's name, the field, how the text is read, and what turns it
/// into the field's value.
const ALIASES: &[(&str, &str, Kind, Turn, &str)] = &[
    (
        "iterations_per_s",
        "step_time",
        Kind::Count,
        Turn::Inverse,
        "the step time, stated as iterations per second",
    ),
    ("iteration_before", "iteration", Kind::Ordinal, Turn::Plus(1.0), "the iteration, counted from zero"),
    (
        "time_per_token",
        "generation_tokens_per_s",
        Kind::Duration,
        Turn::Inverse,
        "the rate of generated tokens, stated as the time for each",
    ),
    ("flops_per_gpu", "tflops_per_gpu", Kind::Count, Turn::Times(1e-12), "FLOP/s of one GPU"),
    ("gflops_per_gpu", "tflops_per_gpu", Kind::Count, Turn::Times(1e-3), "GFLOP/s of one GPU"),
];

#[derive(Debug, Clone, Copy)]
enum Turn {
    Times(f64),
    Plus(f64),
    Inverse,
}

/// Every field's name and meaning.
pub fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let aliases = ALIASES.iter().map(|(name, .., meaning)| (*name, *meaning));
    FIELDS.iter().map(|(name, _, meaning)| (*name, *meaning)).chain(aliases)
}

/// What a group of this name takes; an error names the nearest field.
pub fn bind(group: &str) -> Result<Binding, String> {
    let plain =
        |name, kind| Binding { name, kind, scale: 1.0, shift: 0.0, inverse: false, scope: Scope::Global };
    for &(alias, name, kind, turn, _) in ALIASES {
        let Some(binding) = with_suffix(group, alias, plain(name, kind)) else { continue };
        return Ok(match turn {
            Turn::Times(scale) => Binding { scale, ..binding },
            Turn::Plus(shift) => Binding { shift, ..binding },
            Turn::Inverse => Binding { inverse: true, ..binding },
        });
    }
    let found = FIELDS.iter().find_map(|&(name, kind, _)| with_suffix(group, name, plain(name, kind)));
    found.ok_or_else(|| help(group))
}

/// The binding of a group that bears a field's name, with or without a suffix.
fn with_suffix(group: &str, name: &str, plain: Binding) -> Option<Binding> {
    let rest = group.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(plain);
    }
    let suffix = rest.strip_prefix('_')?;
    let unit =
        |units: &[(&str, f64)]| units.iter().find(|(unit, _)| *unit == suffix).map(|(_, scale)| *scale);
    match plain.kind {
        Kind::Duration => Some(Binding { scale: unit(DURATION_UNITS)?, ..plain }),
        Kind::Count if name != "iterations_per_s" => Some(Binding { scale: unit(COUNT_UNITS)?, ..plain }),
        Kind::Ratio if suffix == "percent" => Some(Binding { scale: 0.01, ..plain }),
        Kind::Rate if suffix == "per_gpu" => Some(Binding { scope: Scope::PerGpu, ..plain }),
        _ => None,
    }
}

/// What to do about a group that is no field: a unit may be wrong, or the name misspelt.
fn help(group: &str) -> String {
    let longest = FIELDS
        .iter()
        .filter(|(name, ..)| group.strip_prefix(name).is_some_and(|rest| rest.starts_with('_')))
        .max_by_key(|(name, ..)| name.len());
    let suffixes = longest.and_then(|(name, kind, _)| {
        let list = |units: &[(&str, f64)]| {
            units.iter().map(|(unit, _)| format!("'_{unit}'")).collect::<Vec<_>>().join(", ")
        };
        let known = match kind {
            Kind::Duration => list(DURATION_UNITS),
            Kind::Count => list(COUNT_UNITS),
            Kind::Ratio => "'_percent'".to_owned(),
            Kind::Rate => "'_per_gpu'".to_owned(),
            _ => return None,
        };
        Some(format!("what may follow '{name}' is {known}"))
    });
    let nearest = error::nearest(group, fields().map(|(name, _)| name));
    let nearest = nearest.map(|name| format!("did you mean '{name}'?"));
    match nearest.or(suffixes) {
        Some(hint) => format!("{hint} effllm-rules(5) lists the fields"),
        None => "effllm-rules(5) lists the fields".to_owned(),
    }
}

/// What a group's text said.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(Stated),
    Text(String),
    Flag,
}

impl Binding {
    /// The field's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reads the text; `None` where it is no value of this field (`nan`, a negative time, 10³⁰
    /// tokens): a line may lie, and what cannot be true is not stated.
    pub fn read(&self, text: &str) -> Option<Value> {
        let number = match self.kind {
            Kind::Flag => return Some(Value::Flag),
            Kind::Text => return Some(Value::Text(text.to_owned())),
            Kind::Duration => parse_duration(text)?,
            Kind::Number | Kind::Ratio => parse_number(text)?,
            Kind::Ordinal | Kind::Count | Kind::Rate => parse_count(text)?,
        };
        let number = scaled(number, self.scale) + self.shift;
        let number = if self.inverse { 1.0 / number } else { number };
        let believable = match self.kind {
            _ if self.inverse => number > 0.0 && number <= LARGEST_INVERSE,
            Kind::Ordinal => number.fract() == 0.0 && (0.0..=LARGEST_ORDINAL).contains(&number),
            Kind::Count | Kind::Rate => (0.0..=LARGEST_COUNT).contains(&number),
            Kind::Duration => {
                number > 0.0 && number <= LONGEST_STEP || self.name == "elapsed" && number == 0.0
            }
            Kind::Ratio => (0.0..=1.5).contains(&number),
            Kind::Number | Kind::Text | Kind::Flag => number.is_finite(),
        };
        let half_unit = half_unit(text) * self.scale;
        believable.then_some(Value::Number(Stated { value: number, half_unit }))
    }
}

/// Seconds an iteration, or tokens a second.
const LARGEST_INVERSE: f64 = LONGEST_STEP;
/// Ten years, in seconds.
const LONGEST_STEP: f64 = 3.2e8;
const LARGEST_ORDINAL: f64 = 1e12;
/// A thousand times what the largest runs have trained on.
const LARGEST_COUNT: f64 = 1e18;

/// Puts a value into the record, if the field is one of a record's.
pub fn set_progress(record: &mut Progress, binding: &Binding, value: &Value) {
    let number = match value {
        Value::Number(stated) => stated.value,
        Value::Flag => {
            record.overlaps_first |= binding.name == "recounts_first";
            record.counted_before |= binding.name == "counted_before";
            record.spans_pause |= binding.name == "spans_pause";
            return;
        }
        Value::Text(text) => {
            if binding.name == "timestamp" {
                record.clock = timestamp::parse(text).map(|seconds| LogTime {
                    seconds,
                    resolution: timestamp::resolution(text),
                    is_timestamp: true,
                });
            }
            return;
        }
    };
    let slot = match binding.name {
        "iteration" => return record.iteration = Some(number as u64),
        "total_iterations" => return record.total_iterations = Some(number as u64),
        "optimizer_step" => return record.optimizer_step = Some(number as u64),
        "elapsed" => {
            // A bar prints whole seconds; a time in milliseconds is printed in them.
            let resolution = if binding.scale < 1.0 { binding.scale } else { 1.0 };
            let clock = LogTime { seconds: number, resolution, is_timestamp: false };
            return record.clock = Some(clock);
        }
        "samples_per_s" => return record.samples_per_s = Some((number, binding.scope)),
        "tokens_per_s" => return record.tokens_per_s = Some((number, binding.scope)),
        "step_time" => &mut record.step_time,
        "loss" => &mut record.loss,
        "learning_rate" => &mut record.learning_rate,
        "grad_norm" => &mut record.grad_norm,
        "global_batch_size" => &mut record.global_batch_size,
        "consumed_samples" => &mut record.consumed_samples,
        "consumed_tokens" => &mut record.consumed_tokens,
        "samples" => &mut record.samples,
        "tokens" => &mut record.tokens,
        "tflops_per_gpu" => &mut record.tflops_per_gpu,
        "mfu" => &mut record.mfu,
        "prompt_tokens" => &mut record.prompt_tokens,
        "generated_tokens" => &mut record.generated_tokens,
        "prompt_tokens_per_s" => &mut record.prompt_tokens_per_s,
        "generation_tokens_per_s" => &mut record.generation_tokens_per_s,
        "generation_time" => &mut record.generation_time,
        "requests_running" => &mut record.requests_running,
        "epoch" => &mut record.epoch,
        _ => return,
    };
    *slot = Some(number);
}

/// Puts the values that one pattern took from a line into the facts.
pub fn set_facts(facts: &mut Facts, values: &[(&Binding, Value)]) {
    let rank = values.iter().find_map(|(binding, value)| match value {
        Value::Text(text) if binding.name == "rank" => Some(text.as_str()),
        _ => None,
    });
    for (binding, value) in values {
        let Value::Number(stated) = value else { continue };
        let whole = Some(stated.value as u64);
        match binding.name {
            "parameters" => facts.parameters = Some(finer(facts.parameters, *stated)),
            "parameters_of_largest_rank" => facts.parameters_of_largest_rank = Some(*stated),
            "trainable_parameters" => facts.trainable_parameters = Some(*stated),
            "frozen_parameters" => facts.frozen_parameters = Some(*stated),
            "parameters_of_rank" => add_rank(facts, rank.unwrap_or_default(), stated.value),
            "total_iterations" => facts.total_iterations = whole,
            "resume_iteration" => facts.resume_iteration = whole,
            "log_interval" => facts.log_interval = whole.filter(|interval| *interval > 0),
            size => {
                if let Some(slot) = size_slot(facts, size).filter(|_| stated.value > 0.0) {
                    *slot = Some(stated.value);
                }
            }
        }
    }
}

/// Adds what a rank said it holds; bounded, since a log that lies must not fill the memory.
fn add_rank(facts: &mut Facts, rank: &str, parameters: f64) {
    let rank: String = rank.chars().take(64).collect();
    if facts.parameters_by_rank.len() < 4096 || facts.parameters_by_rank.contains_key(&rank) {
        facts.parameters_by_rank.insert(rank, parameters);
    }
}

fn size_slot<'a>(facts: &'a mut Facts, name: &str) -> Option<&'a mut Option<f64>> {
    Some(match name {
        "sequence_length" => &mut facts.sequence_length,
        "global_batch_size" => &mut facts.global_batch_size,
        "micro_batch_size" => &mut facts.micro_batch_size,
        "tokens_per_iteration" => &mut facts.tokens_per_iteration,
        "world_size" => &mut facts.world_size,
        "nodes" => &mut facts.nodes,
        "processes_per_node" => &mut facts.processes_per_node,
        "tensor_parallel_size" => &mut facts.tensor_parallel_size,
        "pipeline_parallel_size" => &mut facts.pipeline_parallel_size,
        _ => return None,
    })
}

/// Of two statements of the same value the one printed with more digits; else the newer one.
fn finer(known: Option<Stated>, new: Stated) -> Stated {
    match known {
        Some(known)
            if (known.value - new.value).abs() <= new.half_unit && known.half_unit < new.half_unit =>
        {
            known
        }
        _ => new,
    }
}

/// Whether a field belongs to the record of a line rather than to the job's facts.
pub fn is_of_record(name: &str) -> bool {
    let of_record = FIELDS.iter().take_while(|(field, ..)| *field != "parameters").map(|(field, ..)| *field);
    of_record.chain(ALIASES.iter().map(|(alias, ..)| *alias)).any(|field| field == name)
        || name == "global_batch_size"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(group: &str, text: &str) -> Option<f64> {
        match bind(group).ok()?.read(text)? {
            Value::Number(stated) => Some(stated.value),
            _ => None,
        }
    }

    #[test]
    fn a_unit_is_a_suffix_of_the_groups_name() {
        assert_eq!(read("step_time_ms", "1147.6"), Some(1.1476));
        assert_eq!(read("step_time", "58.76s"), Some(58.76));
        assert_eq!(read("iterations_per_s", "4"), Some(0.25));
        assert_eq!(read("parameters_billions", "0.49"), Some(0.49e9));
        assert_eq!(read("mfu_percent", "39.73"), Some(0.3973));
        assert_eq!(bind("tokens_per_s_per_gpu").map(|b| b.scope), Ok(Scope::PerGpu));
        assert_eq!(read("iteration_before", "41"), Some(42.0));
        assert_eq!(read("time_per_token_ms", "40"), Some(25.0));
        assert_eq!(read("time_per_token", "40ms"), Some(25.0));
        assert_eq!(read("flops_per_gpu", "412e12"), Some(412.0));
    }

    #[test]
    fn values_that_cannot_be_true_are_not_stated() {
        for (group, text) in [
            ("step_time_ms", "-5"),
            ("step_time_s", "0"),
            ("loss", "nan"),
            ("consumed_tokens", "1000000000000000000000000000000"),
            ("iteration", "1.5"),
            ("iteration", "99999999999999999999"),
            ("mfu_percent", "-100"),
            ("iterations_per_s", "0"),
        ] {
            assert_eq!(read(group, text), None, "{group} {text}");
        }
    }

    #[test]
    fn a_misspelt_field_is_answered_with_the_nearest_one() {
        let help = bind("tokns").expect_err("no field");
        assert!(help.contains("'tokens'"), "{help}");
        let help = bind("step_time_parsecs").expect_err("no unit");
        assert!(help.contains("'_ms'"), "{help}");
    }
}
