//! The recorder's options, from the settings.

use crate::config::Settings;
use crate::recorder::{Given, Options};

pub fn recorder_options(settings: &Settings) -> Options {
    let given =
        |value: Option<f64>, key| value.map(|value| Given { value, source: settings.origins.source(key) });
    Options {
        parameters: given(settings.parameters, "params"),
        sequence_length: given(settings.sequence_length, "seq-len"),
        global_batch_size: given(settings.global_batch_size, "global-batch-size"),
        warmup: settings.warmup,
        history_size: settings.history_size,
        interval: settings.interval.as_secs_f64(),
    }
}
