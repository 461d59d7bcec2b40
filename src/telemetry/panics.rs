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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::base::clock::Clock;
    use crate::config::{Format, Level, Log};
    use crate::telemetry::logs::Logs;

    /// Tells the process that the test starts, which is the test itself, what it is.
    const CHILD: &str = "PLUGINMIND_TEST_PANICS";

    #[test]
    fn lg_02_a_panic_is_told_by_its_place_and_not_by_its_message() {
        if std::env::var_os(CHILD).is_some() {
            return panicking();
        }
        let name = "telemetry::panics::tests::lg_02_a_panic_is_told_by_its_place_and_not_by_its_message";
        let out = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(out.status.success());
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        let line = text.lines().find(|line| line.contains("panicked")).unwrap();
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&read["level"], &read["file"]), (&"ERROR".into(), &file!().into()));
        assert!(!text.contains("canary"), "{text}");
    }

    fn panicking() {
        let config = Log { level: Level::Info, format: Format::Json, access: true, queue_max: 10 };
        let logs = Logs::start(&config, Clock::System).unwrap();
        let panics = IntCounter::new("panics", "panics").unwrap();
        println!();
        install(panics.clone());
        assert!(panic::catch_unwind(|| panic!("canary")).is_err());
        assert_eq!(panics.get(), 1);
        assert!(logs.close(std::time::Duration::from_secs(20)));
    }
}
