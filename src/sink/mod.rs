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

use std::sync::Arc;
use std::time::Duration;

use crate::config::{OutputOptions, SeriesFile};
use crate::error::Error;
use crate::event::{Clock, Event, StartLatch};
use crate::report::Report;

use listen::Listener;
use openmetrics::TextFile;
use queue::{Opened, Queue, Writing};
use tensorboard::{ScalarPoint, Scalars};

/// Adds a warning to the report.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// How long the end of a run waits for what one sink has still to write.
const PATIENCE: Duration = Duration::from_secs(1);

/// The open sinks, before the command has started.
#[derive(Debug)]
pub struct Sinks {
    tensorboard: Option<Opened<ScalarPoint>>,
    series: Option<Opened<Event>>,
    openmetrics: Option<TextFile>,
    listener: Option<Listener>,
    options: OutputOptions,
    /// Iterations between two points in TensorBoard.
    log_interval: u64,
}

impl Sinks {
    /// Opens every sink of the settings.
    ///
    /// # Errors
    /// A folder or file that cannot be written to, an address that cannot be listened at.
    pub fn open(options: &OutputOptions, log_interval: u64) -> Result<Self, Error> {
        fn opened<T>(sink: Option<Result<T, Error>>, setting: &'static str) -> Result<Option<T>, Error> {
            sink.transpose().map_err(|error| error.of_flag(setting))
        }
        Ok(Self {
            tensorboard: opened(options.tensorboard.as_deref().map(tensorboard::open), "tensorboard")?,
            series: opened(options.series.as_ref().map(SeriesFile::open), "series")?,
            openmetrics: opened(options.openmetrics.as_deref().map(TextFile::prepare), "openmetrics")?,
            listener: opened(options.listen.map(Listener::bind), "listen")?,
            options: options.clone(),
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

    /// The URL of the metrics, if they are served.
    pub fn served_at(&self) -> Option<String> {
        self.listener.as_ref().and_then(Listener::url)
    }

    /// Starts to write, once the run has `started`. `report` makes the present report.
    pub fn start(
        self,
        clock: Clock,
        started: StartLatch,
        report: impl Fn() -> Report + Clone + Send + 'static,
        warn: Warn,
    ) -> RunningSinks {
        let mut columns = self.options.series.map(|file| file.encoder(clock, started));
        let series = self.series.map(|opened| {
            let encode = move |event, to: &mut Vec<u8>| {
                if let Some(columns) = &mut columns {
                    columns.encode(event, to);
                }
            };
            opened.start("effllm-series", encode, warn.clone())
        });
        let mut encoder = tensorboard::EventEncoder::new(clock);
        let tensorboard = self.tensorboard.map(|opened| {
            let encode = move |point, to: &mut Vec<u8>| encoder.encode(point, to);
            opened.start("effllm-tensorboard", encode, warn.clone())
        });
        let openmetrics = self.openmetrics.map(|file| file.start(report.clone(), warn.clone()));
        if let Some(listener) = self.listener {
            listener.start(report, &warn);
        }
        RunningSinks { tensorboard, series, openmetrics }
    }
}

/// The sinks while the command runs.
pub struct RunningSinks {
    tensorboard: Option<Writing<ScalarPoint>>,
    series: Option<Writing<Event>>,
    openmetrics: Option<openmetrics::Replacing>,
}

impl RunningSinks {
    /// Writes the waiting items, and the metrics of the last report at the end of the run.
    pub fn finish(self, report: &Report, ended: f64) {
        if let Some(tensorboard) = self.tensorboard {
            tensorboard.finish(Some(ScalarPoint::last(report, ended)));
        }
        if let Some(series) = self.series {
            series.finish(None);
        }
        if let Some(openmetrics) = self.openmetrics {
            openmetrics.finish();
        }
    }
}
