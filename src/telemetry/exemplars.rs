//! How long requests take, by route, and of each bucket the trace of a request that fell into it not long ago.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use prometheus::{Histogram, HistogramVec};

use crate::base::trace_context::TraceId;

/// A request that stands for those of its bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// How long it took.
    pub seconds: f64,
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
}

/// As it stands behind a bucket.
impl fmt::Display for Exemplar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.unix_ms.div_euclid(1_000), self.unix_ms.rem_euclid(1_000));
        write!(f, "# {{trace_id=\"{}\"}} {} {seconds}.{ms:03}", self.trace, self.seconds)
    }
}

/// One route's times.
struct Timed {
    histogram: Histogram,
    /// One place a bucket, the last for what is slower than all bounds.
    recent: Box<[Mutex<Option<Exemplar>>]>,
}

/// The times of all routes.
pub(super) struct RequestTimes {
    family: HistogramVec,
    bounds: &'static [f64],
    routes: RwLock<HashMap<Arc<str>, Timed>>,
}

impl RequestTimes {
    pub(super) fn new(family: HistogramVec, bounds: &'static [f64]) -> Self {
        Self { family, bounds, routes: RwLock::default() }
    }

    /// Counts a request. Its exemplar is left out where somebody else is writing one to the same place: any will do.
    pub(super) fn observe(&self, route: &Arc<str>, exemplar: Exemplar) {
        if let Some(timed) = self.routes.read().get(route) {
            self.note(timed, exemplar);
            return;
        }
        let fresh = || Timed {
            histogram: self.family.with_label_values(&[&**route]),
            recent: (0..=self.bounds.len()).map(|_| Mutex::default()).collect(),
        };
        self.note(self.routes.write().entry(Arc::clone(route)).or_insert_with(fresh), exemplar);
    }

    fn note(&self, timed: &Timed, exemplar: Exemplar) {
        timed.histogram.observe(exemplar.seconds);
        let place = self.bounds.partition_point(|bound| *bound < exemplar.seconds);
        if let Some(mut last) = timed.recent.get(place).and_then(Mutex::try_lock) {
            *last = Some(exemplar);
        }
    }

    /// The exemplars of a route, one place a bucket.
    pub(super) fn exemplars(&self, route: &str) -> Vec<Option<Exemplar>> {
        let routes = self.routes.read();
        routes
            .get(route)
            .map_or_else(Vec::new, |timed| timed.recent.iter().map(|place| *place.lock()).collect())
    }

    /// Keeps the series of these routes alone.
    pub(super) fn retain(&self, stays: &dyn Fn(&str) -> bool) {
        let mut routes = self.routes.write();
        routes.retain(|route, _| {
            let stays = stays(route);
            if !stays {
                // An error says that it was not there.
                self.family.remove_label_values(&[&**route]).ok();
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;
    use crate::base::trace_context::TraceContext;

    const BOUNDS: &[f64] = &[0.1, 1.0];

    fn times() -> RequestTimes {
        let opts = HistogramOpts::new("t", "t").buckets(BOUNDS.to_vec());
        RequestTimes::new(HistogramVec::new(opts, &["route"]).unwrap(), BOUNDS)
    }

    fn took(seconds: f64) -> Exemplar {
        Exemplar { trace: TraceContext::begin("a", 1.0).trace, seconds, unix_ms: 1_700_000_000_007 }
    }

    #[test]
    fn each_bucket_keeps_the_last_request_that_fell_into_it() {
        let times = times();
        let route = Arc::from("api");
        for seconds in [0.05, 0.1, 0.7, 0.5, 3.0] {
            times.observe(&route, took(seconds));
        }
        let kept: Vec<f64> = times.exemplars("api").into_iter().map(|e| e.unwrap().seconds).collect();
        assert_eq!(kept, [0.1, 0.5, 3.0]);
        assert_eq!(times.family.with_label_values(&["api"]).get_sample_count(), 5);
        assert!(times.exemplars("other").is_empty());
    }

    #[test]
    fn a_place_that_somebody_writes_to_is_left_alone() {
        let times = times();
        let route = Arc::from("api");
        times.observe(&route, took(0.05));
        {
            let routes = times.routes.read();
            let _held = routes["api"].recent[0].lock();
            times.observe(&route, took(0.06));
        }
        assert_eq!(times.exemplars("api")[0], Some(took(0.05)));
        assert_eq!(times.family.with_label_values(&["api"]).get_sample_count(), 2, "it counts all the same");
    }

    #[test]
    fn a_route_that_is_gone_has_no_series_and_begins_anew_when_it_comes_back() {
        let times = times();
        for route in ["stays", "goes"] {
            times.observe(&Arc::from(route), took(0.05));
        }
        times.retain(&|route| route == "stays");
        assert!(times.exemplars("goes").is_empty() && !times.exemplars("stays").is_empty());
        times.observe(&Arc::from("goes"), took(0.05));
        assert_eq!(times.family.with_label_values(&["goes"]).get_sample_count(), 1);
    }

    #[test]
    fn an_exemplar_is_written_as_the_format_wants_it() {
        let written = took(0.05).to_string();
        let trace = TraceContext::begin("a", 1.0).trace;
        assert_eq!(written, format!("# {{trace_id=\"{trace}\"}} 0.05 1700000000.007"));
    }
}
