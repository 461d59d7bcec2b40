//! Panics: counted, and told by their place only, for a panic's message may hold anything.

use std::panic;

use prometheus::IntCounter;

/// Makes every panic of the process one log line with its place, and counts it in `panics`.
pub fn install(panics: IntCounter) {
    panic::set_hook(Box::new(move |info| {
        panics.inc();
        let (file, line) = info.location().map_or(("", 0), |at| (at.file(), at.line()));
        let thread = std::thread::current();
        tracing::error!(
            file,
            line,
            thread = thread.name().unwrap_or_default(),
            "a defect: the code panicked"
        );
    }));
}
