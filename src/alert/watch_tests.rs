//! When an alert is told, held back, and over.

use super::*;
use crate::base::address::Pseudonymiser;
use crate::base::clock::Clock;
use crate::config::{AlertMeasure, AlertPer, AlertSeverity, When};

const MINUTE: Duration = Duration::from_secs(60);

fn alert(count: u64, factor: Option<f64>) -> Alert {
    Alert {
        name: "a".to_owned(),
        when: When::RateLimited,
        per: AlertPer::All,
        measure: AlertMeasure { count, within: MINUTE, factor },
        cooldown: MINUTE * 10,
        severity: AlertSeverity::Medium,
        routes: Vec::new(),
        webhook: None,
    }
}

struct Scene {
    clock: Clock,
    watch: Watch,
}

impl Scene {
    fn of(alert: Alert) -> Self {
        let clock = Clock::manual(0);
        let watch = Watch::new(Arc::new(alert), clock.now(), clock.now());
        Self { clock, watch }
    }

    fn happens(&self, subject: &Subject) -> Option<Turn> {
        self.watch.happened(self.clock.now(), subject.clone(), 1).map(|told| told.turn)
    }

    fn is(&self, on: bool) -> Option<Turn> {
        self.watch.is(self.clock.now(), Subject::All, on).map(|told| told.turn)
    }

    fn later(&self, by: Duration) -> Vec<Told> {
        self.clock.advance(by);
        self.watch.tick(self.clock.now())
    }
}

fn person(n: u32) -> Subject {
    Subject::Hash(Pseudonymiser::new(&[7; 32]).user(&n.to_string()))
}

#[test]
fn the_count_th_within_the_time_is_told_once() {
    let scene = Scene::of(alert(20, None));
    for _ in 0..19 {
        assert_eq!(scene.happens(&Subject::All), None);
    }
    assert_eq!(scene.happens(&Subject::All), Some(Turn::Raised));
    assert!((0..100).all(|_| scene.happens(&Subject::All).is_none()));
}

#[test]
fn what_happens_too_slowly_is_never_told() {
    let scene = Scene::of(alert(20, None));
    for _ in 0..200 {
        assert_eq!(scene.happens(&Subject::All), None);
        assert!(scene.later(MINUTE / 15).is_empty());
    }
}

#[test]
fn it_is_over_when_it_was_away_for_a_window_and_that_is_told_with_the_most_it_came_to() {
    let scene = Scene::of(alert(3, None));
    for _ in 0..5 {
        scene.happens(&Subject::All);
    }
    assert!(scene.later(MINUTE).is_empty(), "the window still holds them");
    assert!(scene.later(MINUTE / 2).is_empty(), "away, but for less than a window");
    let told = scene.later(MINUTE);
    assert_eq!(told, [Told { turn: Turn::Recovered, subject: Subject::All, count: 5 }]);
    assert!(scene.later(MINUTE).is_empty());
}

#[test]
fn within_the_cooldown_it_is_held_back_and_told_later_if_it_still_holds() {
    let scene = Scene::of(alert(2, None));
    let burst = || [scene.happens(&Subject::All), scene.happens(&Subject::All)];
    assert_eq!(burst(), [None, Some(Turn::Raised)]);
    scene.later(MINUTE);
    assert_eq!(scene.later(MINUTE * 2).len(), 1, "over");
    assert_eq!(burst(), [None, None], "again, within ten minutes");
    scene.later(MINUTE);
    assert!(scene.later(MINUTE * 2).is_empty(), "what was not told is not told to be over");
    for _ in 0..3 {
        assert_eq!(burst(), [None, None]);
        scene.later(MINUTE);
    }
    assert_eq!(scene.watch.active(), []);
    let told: Vec<_> =
        (0..3).flat_map(|_| [burst()[1], scene.later(MINUTE).first().map(|t| t.turn)]).flatten().collect();
    assert_eq!(told, [Turn::Raised]);
}

#[test]
fn each_user_is_counted_alone_and_those_without_room_together() {
    let scene = Scene::of(alert(2, None));
    let keys = u32::try_from(KEYS_MAX).unwrap();
    for n in 0..keys {
        assert_eq!(scene.happens(&person(n)), None);
    }
    let told = scene.watch.happened(scene.clock.now(), person(0), 1).unwrap();
    assert_eq!(told.subject, person(0));
    assert_eq!(scene.happens(&person(keys)), None);
    let told = scene.watch.happened(scene.clock.now(), person(keys + 1), 1).unwrap();
    assert_eq!(told.subject, Subject::Others);
    for n in keys..keys * 3 {
        scene.happens(&person(n));
    }
    assert!(scene.watch.keys() <= KEYS_MAX + 1);
    scene.clock.advance(MINUTE * 2);
    assert_eq!(scene.happens(&person(keys)), None, "there is room again: it stands alone, with one");
    scene.later(MINUTE * 20);
    scene.later(MINUTE * 20);
    assert_eq!(scene.watch.keys(), 0, "nobody is remembered for ever");
}

#[test]
fn a_factor_compares_with_what_is_usual_and_never_tells_below_the_count() {
    let scene = Scene::of(alert(20, Some(5.0)));
    let minute_of = |times: u32| {
        let told = scene.watch.happened(scene.clock.now(), Subject::All, times).map(|told| told.turn);
        scene.later(MINUTE);
        told
    };
    for _ in 0..61 {
        assert_eq!(minute_of(1), None);
    }
    assert_eq!(minute_of(15), None, "fifteen over one is no spike: the count is the floor");
    assert_eq!(minute_of(20), Some(Turn::Raised));
    let busy = Scene::of(alert(20, Some(5.0)));
    for _ in 0..61 {
        assert!(
            busy.watch.happened(busy.clock.now(), Subject::All, 50).is_none(),
            "nothing is known, then it is usual"
        );
        busy.later(MINUTE);
    }
    busy.later(MINUTE * 3);
    assert!(busy.watch.happened(busy.clock.now(), Subject::All, 249).is_none());
    assert!(busy.watch.happened(busy.clock.now(), Subject::All, 1).is_some());
}

#[test]
fn a_state_is_told_when_it_begins_and_when_it_ends() {
    let scene = Scene::of(alert(1, None));
    assert_eq!(scene.is(false), None);
    assert_eq!(scene.is(true), Some(Turn::Raised));
    assert_eq!(scene.is(true), None);
    assert!(scene.later(MINUTE * 60).is_empty(), "it lasts");
    assert_eq!(scene.is(false), Some(Turn::Recovered));
    assert_eq!(scene.is(true), Some(Turn::Raised), "the cooldown was over long ago");
    assert_eq!(scene.is(false), Some(Turn::Recovered));
    assert_eq!(scene.is(true), None, "it comes and goes: held back");
    assert_eq!(scene.is(false), None);
    assert_eq!(scene.is(true), None);
    let told = scene.later(MINUTE * 11);
    assert_eq!(told.iter().map(|t| t.turn).collect::<Vec<_>>(), [Turn::Raised], "it still holds");
}
