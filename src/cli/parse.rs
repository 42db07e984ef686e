//! `effllm parse`: the log half of the main job, on a log that exists.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::log::{LogReader, Source, profiles};
use crate::model::{Event, Facts, Progress, Scope};

/// Read a log that exists, and report what it says
#[derive(Debug, Args)]
pub struct Parse {
    /// The log; standard input if it is left out or `-`
    file: Option<PathBuf>,
    /// Print what was recognised, as JSON Lines: facts first, then one object a record
    #[arg(long)]
    events: bool,
}

impl Parse {
    pub fn run(self) -> Result<ExitCode, Error> {
        let mut reader = LogReader::detecting(profiles::load_all()?).of_a_file();
        let mut events = Vec::new();
        let mut facts = Facts::default();
        let mut records = Vec::new();
        let mut input = open(self.file.as_deref())?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = input.read(&mut buffer).map_err(|e| Error::failed(e.to_string()))?;
            if n == 0 {
                break;
            }
            reader.push(Source::Stdout, &buffer[..n], 0.0, &mut events);
        }
        reader.finish(&mut events);
        for event in events {
            match event {
                Event::Facts(f) => facts = *f,
                Event::Progress(p) if !p.baseline => records.push(p),
                _ => {}
            }
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let profile = reader.profile().map(|p| p.0.to_owned());
        let _ = writeln!(out, "{}", json!({"context": context(&facts), "profile": profile}));
        for r in records {
            let _ = writeln!(out, "{}", progress(&r, profile.as_deref()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn open(path: Option<&Path>) -> Result<Box<dyn Read>, Error> {
    match path {
        Some(path) => Ok(Box::new(File::open(path).map_err(|e| Error::usage(format!("{}: {e}", path.display())))?)),
        None => Ok(Box::new(io::stdin().lock())),
    }
}

fn context(facts: &Facts) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Option<f64>| {
        if let Some(v) = value {
            map.insert(name.into(), number(v));
        }
    };
    put("parameters", facts.model_parameters().map(|p| p.0));
    put("sequence_length", facts.sequence_length);
    put("global_batch_size", facts.global_batch_size);
    put("micro_batch_size", facts.micro_batch_size);
    put("world_size", facts.job_world_size());
    put("total_iterations", facts.total_iterations.map(|n| n as f64));
    Value::Object(map)
}

fn number(v: f64) -> Value {
    if v.fract() == 0.0 && v.abs() < 9e15 { json!(v as i64) } else { json!(v) }
}

fn progress(p: &Progress, profile: Option<&str>) -> Value {
    let mut map = Map::new();
    map.insert("profile".into(), json!(profile));
    macro_rules! put { ($($f:ident => $n:literal),+) => { $( if let Some(v) = p.$f { map.insert($n.into(), number(v as f64)); } )+ } }
    put!(iteration => "iteration", total_iterations => "total_iterations", step_time => "step_time_s", loss => "loss", consumed_samples => "consumed_samples", consumed_tokens => "consumed_tokens", global_batch_size => "global_batch_size");
    if let Some((v, _)) = p.samples_per_s { map.insert("samples_per_s".into(), number(v)); }
    if let Some((v, s)) = p.tokens_per_s { map.insert("tokens_per_s".into(), number(v)); map.insert("tokens_per_s_scope".into(), json!(s)); }
    put!(tflops_per_gpu => "tflops_per_gpu", mfu => "mfu", grad_norm => "grad_norm", learning_rate => "learning_rate", prompt_tokens => "prompt_tokens", generated_tokens => "generated_tokens", prompt_tokens_per_s => "prompt_tokens_per_s", generation_tokens_per_s => "generation_tokens_per_s", requests_running => "requests_running");
    let _ = Scope::Global;
    Value::Object(map)
}
