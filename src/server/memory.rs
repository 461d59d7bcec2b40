//! Shedding load before memory runs out: what the process takes is measured a few times a second, and near the limit
//! requests are refused before any work is done for them, then connections too.
//!
//! # Source
//! proc(5), `/proc/self/status`; Linux cgroup v2, `memory.max`; thresholds as in Envoy's guide for edge proxies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::limits::Limits;
use crate::base::memory::give_back;
use crate::config::MemoryMax;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::pressure::Level;

/// How often is measured.
const EVERY: Duration = Duration::from_millis(250);
/// Measurements between two looks at the control group's limit, and between two attempts to give memory back.
const ROUNDS: u32 = 8;

/// Above so many hundredths of the limit requests are shed,
const REQUESTS_PERCENT: u64 = 95;
/// above so many connections too,
const CONNECTIONS_PERCENT: u64 = 98;
/// and below so many everything is taken again.
const AGAIN_PERCENT: u64 = 90;

/// Measures for as long as the process runs.
pub async fn watch_for_ever(gateway: Arc<Gateway>, limits: Arc<Limits>) {
    let mut group_max = None;
    let mut level = Level::None;
    for round in 0_u32.. {
        if round % ROUNDS == 0 {
            group_max = group_limit(Path::new("/"));
        }
        let most = match gateway.live.current().config.server.connections.memory_max {
            MemoryMax::Auto => group_max,
            MemoryMax::Off => None,
            MemoryMax::Bytes(bytes) => Some(bytes),
        };
        let next = most.zip(resident()).map_or(Level::None, |(most, used)| next(level, used, most));
        if next != level {
            tell(&gateway, next);
            limits.set_short_of_memory(next == Level::Connections);
            level = next;
        }
        if level > Level::None && round % ROUNDS == 0 {
            // What was freed may still be held by the allocator; it takes a while to look for it.
            tokio::task::spawn_blocking(give_back);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn tell(gateway: &Gateway, level: Level) {
    gateway.pressure.set(level);
    gateway.metrics.memory_pressure.set(i64::from(level as u8));
    match level {
        Level::None => tracing::info!("memory is no longer short; everything is taken again"),
        Level::Requests => tracing::warn!("memory is short: requests are refused"),
        Level::Connections => tracing::error!("memory is very short: connections are refused"),
    }
}

/// The level that follows, for bytes used of those that may be.
fn next(now: Level, used: u64, most: u64) -> Level {
    let above = |percent: u64| u128::from(used) * 100 > u128::from(most) * u128::from(percent);
    if above(CONNECTIONS_PERCENT) {
        Level::Connections
    } else if above(REQUESTS_PERCENT) {
        // From above it comes down only below this one, so that it does not flutter.
        now.max(Level::Requests)
    } else if above(AGAIN_PERCENT) {
        now.min(Level::Requests)
    } else {
        Level::None
    }
}

/// Memory that the process takes, in bytes.
fn resident() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The least that a control group allows, the process's own or one above it; nothing where none limits. Paths are below
/// `root`.
fn group_limit(root: &Path) -> Option<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let top: PathBuf = root.join("sys/fs/cgroup");
    let own = top.join(own);
    let groups = own.ancestors().take_while(|path| path.starts_with(&top));
    let limits = groups
        .filter_map(|path| std::fs::read_to_string(path.join("memory.max")).ok()?.trim().parse::<u64>().ok());
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pr_04_load_is_shed_near_the_limit_and_taken_again_well_below_it() {
        let mut level = Level::None;
        let mut seen = Vec::new();
        for used in [10, 95, 96, 94, 91, 90, 94, 96, 99, 97, 96, 95, 91, 99, 0] {
            level = next(level, used, 100);
            seen.push(level as u8);
        }
        assert_eq!(seen, [0, 0, 1, 1, 1, 0, 0, 1, 2, 2, 2, 1, 1, 2, 0]);
        assert_eq!(next(Level::None, u64::MAX, u64::MAX), Level::Connections, "no overflow");
        assert_eq!(next(Level::None, 1, 0), Level::Connections);
    }

    #[test]
    fn what_the_process_takes_is_read_from_the_kernel() {
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t   12 kB\nVmX: 1 kB\n"), Some(12 * 1024));
        for odd in ["", "VmRSS: 12 MB", "VmRSS: x kB", "VmRSS: 99999999999999999999 kB"] {
            assert_eq!(resident_in(odd), None, "{odd}");
        }
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn the_least_limit_of_the_control_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("sys/fs/cgroup/system.slice/x.service");
        std::fs::create_dir_all(&group).unwrap();
        std::fs::create_dir_all(root.path().join("proc/self")).unwrap();
        assert_eq!(group_limit(root.path()), None);
        std::fs::write(root.path().join("proc/self/cgroup"), "1:x:/\n0::/system.slice/x.service\n").unwrap();
        assert_eq!(group_limit(root.path()), None);
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(group_limit(root.path()), None);
        std::fs::write(root.path().join("sys/fs/cgroup/system.slice/memory.max"), "4096\n").unwrap();
        assert_eq!(group_limit(root.path()), Some(4096));
        std::fs::write(group.join("memory.max"), "8192\n").unwrap();
        assert_eq!(group_limit(root.path()), Some(4096));
    }
}
