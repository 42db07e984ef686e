//! A panic in one part of effllm costs that part alone.

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use crate::text::sanitize::plain;
use crate::text::say;
use crate::thread::worker::failpoint_named;

/// Reports panics in one line on stderr.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("unnamed");
        say(&format!(
            "effllm: internal error in thread {name}, whose measurements end here; the command goes on: {}\n",
            plain(&panic.to_string())
        ));
    }));
}

/// Runs a step of effllm's own; `None` if it panics, which the hook reports. The rest goes on.
pub fn isolate_panic<T>(step: impl FnOnce() -> T) -> Option<T> {
    let step = || {
        failpoint_named("end");
        step()
    };
    panic::catch_unwind(AssertUnwindSafe(step)).ok()
}
