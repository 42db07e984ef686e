//! The sums of each kind of time: stretches wait here until every GPU has been read beyond them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metrics::{GpuSums, Sums};
use crate::report::{Episode, PhaseKind, whole_energy};

use super::gpu::GpuTrack;
use super::timeline::{Stretch, Timeline, Work};

/// Episodes of each kind that are kept.
const LONGEST: usize = 8;
/// Stretches that wait; beyond it the oldest one is summed up with the readings that there are.
const MOST_WAITING: usize = 50_000;
/// In a burst of lines, so much other time makes the work's place uncertain: seconds, and a share of it.
const UNPLACED_SECONDS: f64 = 0.1;
const UNPLACED_SHARE: f64 = 0.02;
/// Shorter interruptions do not end an episode: seconds, and a share of its length.
const INTERRUPTION_SECONDS: f64 = 0.05;
const INTERRUPTION_SHARE: f64 = 0.02;

/// All time of a run, by kind.
#[derive(Debug, Clone, Default)]
pub struct Phases {
    pub timeline: Timeline,
    /// The newest work, until the next one confirms it: at the log's end it may turn out to have no time.
    newest: Option<Work>,
    kinds: BTreeMap<PhaseKind, PhaseTrack>,
    /// Stretches of work, and those of them whose lines came in a burst.
    works: u64,
    bursts: u64,
    has_restarted: bool,
    /// The longest time between two readings from which a stretch's edge was interpolated, in seconds.
    pub coarsest: f64,
}

/// All time of one kind.
#[derive(Debug, Clone, Default)]
pub struct PhaseTrack {
    pub episodes: u64,
    pub sums: Sums,
    current: Option<Span>,
    longest: Vec<Span>,
}

/// An episode while it goes on.
#[derive(Debug, Clone)]
struct Span {
    stretch: Stretch,
    gpus: BTreeMap<String, GpuSums>,
}

impl Phases {
    /// A run that starts at a moment.
    pub fn starting(at: f64) -> Self {
        Self { timeline: Timeline::starting(at), ..Self::default() }
    }

    /// A line told of a pause.
    pub fn pause(&mut self, at: f64, name: &Arc<str>) {
        // In the middle of a burst, the work around it stays together.
        if self.newest.is_none_or(|newest| !newest.is_together(at)) {
            self.confirm();
        }
        self.timeline.pause(at, name);
    }

    /// Training began again.
    pub fn restart(&mut self, at: Option<f64>) {
        self.timeline.restart(at);
        self.has_restarted = true;
        if let Some((newest, at)) = self.newest.as_mut().zip(at) {
            // The last lines of before were held in a buffer until then.
            newest.is_burst |= newest.is_together(at);
        }
    }

    /// Divides the time before some work.
    pub fn work(&mut self, work: Work) {
        if !self.newest.as_mut().is_some_and(|newest| newest.takes(&work)) {
            self.confirm();
            self.newest = Some(work);
        }
    }

    /// The time of the newest work turned out to be unknown.
    pub fn forget_newest_time(&mut self) {
        self.newest.iter_mut().for_each(|newest| newest.seconds = None);
    }

    /// Divides the time up to the end of the newest work.
    pub fn confirm(&mut self) {
        let Some(work) = self.newest.take() else { return };
        let idle = self.timeline.work(&work);
        let seconds = work.seconds.unwrap_or(0.0);
        self.works += 1;
        self.bursts += u64::from(work.is_burst);
        if work.is_burst && idle > UNPLACED_SECONDS.max(UNPLACED_SHARE * seconds) {
            self.kinds.entry(work.kind).or_default().sums.unplaced_seconds += seconds;
        }
    }

    /// Sums up the stretches that every GPU has been read beyond, and lets the GPUs forget that time.
    /// A GPU that has not been read for `patience` seconds is not waited for.
    pub fn settle(&mut self, gpus: &mut [GpuTrack], now: f64, patience: f64) {
        let ends = gpus.iter().map(|gpu| gpu.integral.curve.end().unwrap_or(f64::NEG_INFINITY));
        let read_until = ends.filter(|end| now - end < patience).fold(now, f64::min);
        while let Some(next) = self.timeline.stretches.front()
            && (next.to <= read_until || self.timeline.stretches.len() > MOST_WAITING)
        {
            self.sum_up_next(gpus);
        }
        let needed = self.timeline.stretches.front().map_or(self.timeline.divided, |next| next.from);
        gpus.iter_mut().for_each(|gpu| gpu.integral.forget_before(needed));
    }

    /// The job took up a GPU only now: the time before counts as unused.
    pub fn joins(&mut self, key: &str) {
        let sums = self.gpu_sums().filter_map(|gpus| gpus.get_mut(key));
        sums.for_each(|sums| *sums = sums.unused());
    }

    /// Leaves a GPU out of all sums.
    pub fn leave_out(&mut self, key: &str) {
        self.gpu_sums().for_each(|gpus| {
            gpus.remove(key);
        });
    }

    /// The GPUs' sums of each kind of time, and of each episode that is kept.
    fn gpu_sums(&mut self) -> impl Iterator<Item = &mut BTreeMap<String, GpuSums>> {
        self.kinds.values_mut().flat_map(|phase| {
            let spans = phase.longest.iter_mut().chain(&mut phase.current);
            spans.map(|span| &mut span.gpus).chain([&mut phase.sums.gpus])
        })
    }

    /// The phases as they are if the run ends at a moment.
    #[must_use]
    pub fn ending(&self, at: f64, gpus: &[GpuTrack]) -> Self {
        let mut ended = self.clone();
        ended.timeline.end(at);
        while !ended.timeline.stretches.is_empty() {
            ended.sum_up_next(gpus);
        }
        // Where training began again, the lines of before and after may have come in one burst.
        if self.has_restarted && self.bursts * 10 > self.works {
            ended.kinds.values_mut().for_each(|phase| phase.sums.unplaced_seconds = phase.sums.seconds);
        }
        ended
    }

    pub fn kinds(&self) -> impl Iterator<Item = (PhaseKind, &PhaseTrack)> {
        self.kinds.iter().map(|(kind, phase)| (*kind, phase))
    }

    /// The time and the GPUs' sums of some kinds together.
    pub fn sums(&self, wanted: impl Fn(PhaseKind) -> bool) -> Sums {
        self.kinds()
            .filter(|(kind, _)| wanted(*kind))
            .fold(Sums::default(), |sums, (_, phase)| sums.then(&phase.sums))
    }

    fn sum_up_next(&mut self, gpus: &[GpuTrack]) {
        let Some(stretch) = self.timeline.stretches.pop_front() else { return };
        let coarsest = gpus.iter().map(|gpu| gpu.integral.curve.resolution(stretch.from)).fold(0.0, f64::max);
        self.coarsest = self.coarsest.max(coarsest);
        let sums =
            gpus.iter().map(|gpu| (gpu.facts.key.as_str(), gpu.integral.between(stretch.from, stretch.to)));
        self.kinds.entry(stretch.kind).or_default().add(&stretch, sums);
    }
}

impl PhaseTrack {
    /// The longest episodes in order of time, in seconds since `origin`.
    pub fn longest(&self, origin: f64) -> Vec<Episode> {
        let mut spans: Vec<&Span> = self.longest.iter().chain(&self.current).collect();
        spans.sort_by(|a, b| b.length().total_cmp(&a.length()));
        spans.truncate(LONGEST);
        spans.sort_by(|a, b| a.stretch.from.total_cmp(&b.stretch.from));
        spans.into_iter().map(|span| span.episode(origin)).collect()
    }

    fn add<'a>(&mut self, stretch: &Stretch, sums: impl Iterator<Item = (&'a str, GpuSums)>) {
        self.sums.seconds += stretch.to - stretch.from;
        let goes_on = self.current.as_ref().is_some_and(|span| span.goes_on_with(stretch));
        if !goes_on {
            self.episodes += 1;
            let next = Span { stretch: stretch.clone(), gpus: BTreeMap::new() };
            self.longest.extend(self.current.replace(next));
            self.keep_the_longest();
        }
        let Some(span) = &mut self.current else { return };
        span.stretch.to = stretch.to;
        for (key, sums) in sums {
            for gpus in [&mut self.sums.gpus, &mut span.gpus] {
                let known = gpus.entry(key.to_owned()).or_default();
                *known = *known + sums;
            }
        }
    }

    fn keep_the_longest(&mut self) {
        if self.longest.len() <= LONGEST {
            return;
        }
        let lengths = self.longest.iter().map(Span::length).enumerate();
        if let Some((shortest, _)) = lengths.min_by(|a, b| a.1.total_cmp(&b.1)) {
            self.longest.remove(shortest);
        }
    }
}

impl Span {
    fn length(&self) -> f64 {
        self.stretch.to - self.stretch.from
    }

    fn goes_on_with(&self, stretch: &Stretch) -> bool {
        let interruption = INTERRUPTION_SECONDS.max(INTERRUPTION_SHARE * self.length());
        self.stretch.name == stretch.name && stretch.from - self.stretch.to <= interruption
    }

    fn episode(&self, origin: f64) -> Episode {
        Episode {
            name: self.stretch.name.as_deref().map(str::to_owned),
            from_seconds: self.stretch.from - origin,
            to_seconds: self.stretch.to - origin,
            energy_joules: whole_energy(&self.gpus, self.length()),
        }
    }
}
