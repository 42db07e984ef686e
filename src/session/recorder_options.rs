//! The recorder's options, from the settings.

use crate::config::Settings;
use crate::recorder::Options;
use crate::report::Sourced;

pub fn recorder_options(settings: &Settings) -> Options {
    let model = &settings.options.model;
    let given = |value: Option<f64>, key| {
        let source = value.map(|_| settings.origins.source(key));
        Sourced { value, source }
    };
    Options {
        parameters: given(model.params, "params"),
        sequence_length: given(model.seq_len, "seq-len"),
        global_batch_size: given(model.global_batch_size, "global-batch-size"),
        warmup: model.warmup,
        history_size: settings.options.report.history_size as usize,
        interval: settings.options.gpus.interval.as_secs_f64(),
    }
}
