//! The sampler on GPUs of a fake source that hangs, answers late, or loses a GPU.

mod fake;

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::unbounded;

use super::*;
use crate::event::GpuSample;
use crate::gpu::source::Failure;
use fake::{Call, fake, identities};

/// Far longer than a test takes.
const LONG: Duration = Duration::from_secs(60);

struct Run {
    sampler: Sampler,
    events: Receiver<Event>,
}

impl Run {
    fn start(choice: &str, sources: Vec<UnopenedSource>) -> Self {
        let (send, events) = unbounded();
        let options = Options {
            choice: choice.parse().unwrap(),
            choice_origin: format!("--gpus {choice}"),
            interval: Duration::from_millis(1),
            library: None,
            variables: Arc::new(|_| None),
            processes: None,
        };
        Self { sampler: spawn(sources, options, send), events }
    }

    /// The next event of which `wanted` makes something.
    fn wait_for<T>(&self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.events.recv_timeout(LONG).expect("an event")) {
                return found;
            }
        }
    }

    fn reason(&self) -> String {
        self.wait_for(|event| match event {
            Event::GpusUnavailable { reason } => Some(reason),
            _ => None,
        })
    }

    fn warning(&self) -> String {
        self.wait_for(|event| match event {
            Event::Warning(warning) => Some(warning),
            _ => None,
        })
    }

    fn found(&self) -> Vec<GpuIdentity> {
        self.wait_for(|event| match event {
            Event::GpusFound(gpus) => Some(gpus),
            _ => None,
        })
    }

    fn sample_of(&self, index: u32) -> GpuSample {
        self.wait_for(|event| match event {
            Event::Gpu(samples) => samples.into_iter().find(|sample| sample.index == index),
            _ => None,
        })
    }
}

fn spawn(sources: Vec<UnopenedSource>, options: Options, events: Sender<Event>) -> Sampler {
    let on_event = Arc::new(move |event| drop(events.send(event)));
    Sampler::spawn_from(sources, Sampling { options, clock: Clock::new(), on_event, verdict: Arc::default() })
}

/// A call that blocks until the sender is dropped, and then answers.
fn hang(until: &Receiver<Infallible>) -> Result<f64, Failure> {
    let _ = until.recv();
    Ok(1.0)
}

fn failure(reason: &str) -> Result<f64, Failure> {
    Err(Failure { reason: reason.to_owned(), is_permanent: false })
}

#[test]
fn gpus_are_found_then_sampled_and_sampled_once_more_at_the_end() {
    let run = Run::start("auto", vec![fake(identities(2), |_| Ok(7.0))]);
    assert_eq!(run.reason(), "Fake did not answer yet");
    let indices: Vec<u32> = run.found().iter().map(|gpu| gpu.index).collect();
    assert_eq!(indices, [0, 1]);
    for gpu in [0, 1] {
        assert_eq!(run.sample_of(gpu).power_watts, Some(7.0));
    }
    assert_eq!(run.sampler.why_unavailable(LONG), None);
    assert!(run.sampler.finish(LONG));
}

#[test]
fn a_run_that_is_over_before_the_source_answers_has_two_samples_of_each_gpu() {
    let (open, opened) = bounded(0);
    let script = move |call| if call == Call::Open { hang(&opened) } else { Ok(7.0) };
    let Run { sampler, events } = Run::start("auto", vec![fake(identities(1), script)]);
    let finish = std::thread::spawn(move || sampler.finish(LONG));
    drop(open);
    assert!(finish.join().unwrap());
    let samples = events.iter().filter(|event| matches!(event, Event::Gpu(_))).count();
    assert!(samples >= 2, "{samples}");
}

#[test]
fn a_source_that_hangs_delays_nothing_and_is_measured_once_it_answers() {
    let (open, opened) = bounded(0);
    let script = move |call| if call == Call::Open { hang(&opened) } else { Ok(7.0) };
    let run = Run::start("0", vec![fake(identities(1), script)]);
    assert_eq!(run.reason(), "Fake did not answer yet");
    assert_eq!(run.sampler.check_list(Duration::ZERO), Ok(()));
    assert_eq!(run.warning(), "--gpus 0: not checked: Fake did not answer within 0 s");
    assert_eq!(run.sampler.why_unavailable(Duration::ZERO), None);
    drop(open);
    assert_eq!(run.found().len(), 1);
    assert_eq!(run.sample_of(0).power_watts, Some(7.0));
}

#[test]
fn a_source_that_hangs_to_the_end_is_left_behind_with_a_warning() {
    let (_open, opened) = bounded(0);
    let Run { sampler, events } = Run::start("auto", vec![fake(identities(1), move |_| hang(&opened))]);
    assert!(!sampler.finish(Duration::ZERO));
    let events: Vec<Event> = events.try_iter().collect();
    let reason = "Fake did not answer yet".to_owned();
    let warning = "Fake did not answer at the end: the last sample may be missing".to_owned();
    assert_eq!(events, [Event::GpusUnavailable { reason }, Event::Warning(warning)]);
}

#[test]
fn a_gpu_that_hangs_when_it_is_identified_is_listed_with_a_reason_and_the_others_are_sampled() {
    let (_answer, answered) = bounded(0);
    let script = move |call| if call == Call::Identify(1) { hang(&answered) } else { Ok(7.0) };
    let run = Run::start("auto", vec![fake(identities(2), script)]);
    let [gpu, silent] = &run.found()[..] else { panic!("two GPUs") };
    assert_eq!(gpu.uuid.as_deref(), Some("GPU-0"));
    let reason = "Fake did not answer when it was asked for this GPU";
    assert_eq!(silent.unavailable.get("uuid").map(String::as_str), Some(reason));
    assert_eq!(silent.unavailable.get("power_watts").map(String::as_str), Some(reason));
    assert_eq!(run.sample_of(0).power_watts, Some(7.0));
}

#[test]
fn a_gpu_whose_readings_hang_does_not_delay_the_others() {
    let (_answer, answered) = bounded(0);
    let script = move |call| if matches!(call, Call::Read(1, _)) { hang(&answered) } else { Ok(7.0) };
    let run = Run::start("auto", vec![fake(identities(2), script)]);
    for _ in 0..3 {
        assert_eq!(run.sample_of(0).power_watts, Some(7.0));
    }
}

#[test]
fn a_gpu_that_is_lost_becomes_null_with_a_reason_that_is_given_once() {
    let is_lost = Arc::new(AtomicBool::new(false));
    let script = {
        let is_lost = is_lost.clone();
        move |_| if is_lost.load(Ordering::SeqCst) { failure("lost") } else { Ok(7.0) }
    };
    let run = Run::start("auto", vec![fake(identities(1), script)]);
    assert_eq!(run.sample_of(0).power_watts, Some(7.0));
    is_lost.store(true, Ordering::SeqCst);
    let lost = run.wait_for(|event| match event {
        Event::Gpu(samples) => samples.into_iter().find(|sample| sample.power_watts.is_none()),
        _ => None,
    });
    assert!(lost.unavailable.contains(&("power_watts", "lost".to_owned())), "{lost:?}");
    run.sample_of(0); // the GPU may have been lost in the middle of the reading before
    let later = run.sample_of(0);
    assert_eq!(later, GpuSample { at: later.at, ..GpuSample::default() });
}

#[test]
fn a_listed_gpu_that_is_not_there_is_an_error() {
    let run = Run::start("0,5", vec![fake(identities(2), |_| Ok(7.0))]);
    let error = run.sampler.check_list(LONG).unwrap_err();
    assert_eq!(
        (error.exit, error.message.as_str()),
        (crate::error::USAGE, "'5' is not a GPU of this machine")
    );
    assert_eq!(run.sampler.why_unavailable(LONG), Some("'5' is not a GPU of this machine".to_owned()));
}

#[test]
fn a_listed_gpu_that_turns_out_missing_after_the_start_is_a_warning() {
    let (open, opened) = bounded(0);
    let script = move |call| if call == Call::Open { hang(&opened) } else { Ok(7.0) };
    let run = Run::start("5", vec![fake(identities(2), script)]);
    assert_eq!(run.sampler.check_list(Duration::ZERO), Ok(()));
    drop(open);
    run.warning(); // that the list was not checked
    assert_eq!(
        run.warning(),
        "--gpus 5: no GPU is measured: '5' is not a GPU of this machine; 'effllm gpus' lists the GPUs"
    );
    assert_eq!(run.reason(), "'5' is not a GPU of this machine");
}

#[test]
fn the_vendors_variable_chooses_where_the_user_does_not() {
    let (send, events) = unbounded();
    let options = Options {
        processes: None,
        choice: GpuChoice::Auto,
        choice_origin: String::new(),
        interval: LONG,
        library: None,
        variables: Arc::new(|name| (name == "FAKE_VISIBLE").then(|| "1".to_owned())),
    };
    let sources = vec![fake(identities(3), |_| Ok(7.0))];
    let found = Run { sampler: spawn(sources, options, send), events }.found();
    assert_eq!(found.iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [1]);
    assert_eq!(found[0].selected_because, "FAKE_VISIBLE=1");
}

#[test]
fn gpus_of_other_users_are_left_out() {
    let hidden = |call| if call == Call::Identify(0) { failure("no permission") } else { Ok(7.0) };
    let run = Run::start("all", vec![fake(identities(2), hidden)]);
    assert_eq!(run.found().iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [1]);
}

#[test]
fn the_next_source_is_tried_and_each_gives_its_reason() {
    let broken = || fake(identities(1), |_| failure("broken"));
    let run = Run::start("auto", vec![broken(), fake(identities(1), |_| Ok(7.0))]);
    assert_eq!(run.found().len(), 1);
    let run = Run::start("auto", vec![broken(), fake(identities(0), |_| Ok(7.0))]);
    assert_eq!(run.sampler.why_unavailable(LONG), Some("broken; Fake shows no GPU on this node".to_owned()));
}

#[test]
fn none_is_not_measured_and_the_source_is_left_alone() {
    let run = Run::start("none", vec![fake(identities(1), |call| panic!("{call:?}"))]);
    assert_eq!(run.reason(), "--gpus none");
    assert_eq!(run.sampler.why_unavailable(Duration::ZERO), Some("--gpus none".to_owned()));
    assert!(run.sampler.finish(Duration::ZERO));
}
