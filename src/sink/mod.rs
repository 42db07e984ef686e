//! The outputs that are written while the command runs, besides the report: scalars for TensorBoard, every
//! reading as a series, and the report's metrics as OpenMetrics, in a file or on demand.
//!
//! Everything is opened before the command starts, when a failure is still a usage error. A later failure
//! ends that output alone, with one warning in the report. No source of events waits for a disk: they go
//! through a bounded [`queue`] to a thread that writes, or a thread renders the report when it is due.

pub mod listen;
pub mod openmetrics;
pub mod queue;
pub mod series;
pub mod tensorboard;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::OutputOptions;
use crate::error::Error;
use crate::event::{Clock, Event, StartLatch};
use crate::report::Report;

use openmetrics::Replacing;
use queue::{Opened, Queue, Writing};
use series::SeriesEncoder;
use tensorboard::{EventEncoder, ScalarPoint, Scalars};

/// Adds a warning to the report.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// How long the end of a run waits for what the sinks have still to write.
const PATIENCE: Duration = Duration::from_secs(1);

/// The open sinks, before the command has started.
#[derive(Debug)]
pub struct Sinks {
    tensorboard: Option<Opened<ScalarPoint>>,
    series: Option<Opened<Event>>,
    openmetrics: Option<PathBuf>,
    /// Or why the metrics are not served.
    listener: Option<Result<TcpListener, String>>,
    /// Iterations between two points in TensorBoard.
    log_interval: u64,
}

impl Sinks {
    /// Opens every sink of the settings.
    ///
    /// # Errors
    /// A folder or file that cannot be written to, an address that cannot be listened at.
    pub fn open(options: &OutputOptions, log_interval: u64) -> Result<Self, Error> {
        Ok(Self {
            tensorboard: options.tensorboard.as_deref().map(tensorboard::open).transpose()?,
            series: options.series.as_deref().map(series::open).transpose()?,
            openmetrics: options.openmetrics.clone().map(openmetrics::checked).transpose()?,
            listener: options.listen.map(listen::bind).transpose()?,
            log_interval,
        })
    }

    /// The queue for the sources' events, if there is a series.
    pub fn series(&self) -> Option<Queue<Event>> {
        self.series.as_ref().map(Opened::queue)
    }

    /// The scalars of the metrics at each record of the log, if there is a TensorBoard folder.
    pub fn scalars(&self, clock: Clock) -> Option<Scalars> {
        let points = self.tensorboard.as_ref()?.queue();
        Some(Scalars::new(points, clock, self.log_interval))
    }

    /// The URL of the metrics, if they are to be served, or why they are not.
    pub fn served_at(&self) -> Option<Result<String, &str>> {
        let url =
            |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}/metrics"));
        let listener = self.listener.as_ref()?.as_ref();
        listener.map_or_else(|why| Some(Err(why.as_str())), |listener| url(listener).ok().map(Ok))
    }

    /// Starts to write, once the run has `started`. `report` makes the present report.
    pub fn start(
        self,
        clock: Clock,
        started: StartLatch,
        report: impl Fn() -> Report + Clone + Send + 'static,
        warn: Warn,
    ) -> RunningSinks {
        let series = self.series.map(|opened| {
            let mut encoder = SeriesEncoder::new(&opened.path, clock, started);
            opened.start("effllm-series", move |event, to| encoder.encode(event, to), &warn)
        });
        let tensorboard = self.tensorboard.map(|opened| {
            let mut encoder = EventEncoder::new(clock);
            opened.start("effllm-tensorboard", move |point, to| encoder.encode(point, to), &warn)
        });
        let openmetrics = self.openmetrics.map(|file| openmetrics::start(file, report.clone(), &warn));
        if let Some(Ok(listener)) = self.listener {
            listen::start(listener, report, &warn);
        }
        RunningSinks { tensorboard, series, openmetrics }
    }
}

/// The sinks while the command runs.
pub struct RunningSinks {
    tensorboard: Option<Writing<ScalarPoint>>,
    series: Option<Writing<Event>>,
    openmetrics: Option<Replacing>,
}

impl RunningSinks {
    /// Writes the waiting items, and the metrics of the last report at the end of the run.
    pub fn finish(self, report: &Report, ended: f64) {
        let deadline = Instant::now() + PATIENCE;
        if let Some(tensorboard) = self.tensorboard {
            tensorboard.finish(Some(ScalarPoint::last(report, ended)), deadline);
        }
        if let Some(series) = self.series {
            series.finish(None, deadline);
        }
        if let Some(openmetrics) = self.openmetrics {
            openmetrics.finish(deadline);
        }
    }
}
