//! Rows and messages are the same thing in two forms.

use std::time::Duration;

use super::*;
use crate::alert::test_notice;
use crate::config::{Alert, AlertMeasure, AlertPer, AlertSeverity};

#[test]
fn a_message_that_was_written_down_reads_as_it_was() {
    let alert = Alert {
        name: "a".to_owned(),
        when: When::Forbidden,
        per: AlertPer::All,
        measure: AlertMeasure { count: 1, within: Duration::from_secs(60), factor: None },
        cooldown: Duration::ZERO,
        severity: AlertSeverity::High,
        routes: Vec::new(),
        webhook: None,
    };
    let notice = Notice {
        event: "raised".into(),
        subject: Some("s".to_owned()),
        detail: "n=1".to_owned(),
        ..(*test_notice(&alert, 1_700_000_000_123, 3)).clone()
    };
    let letter = Letter { notice: Arc::new(notice), webhook: None };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("x.db"), crate::store::Options::default()).unwrap();
    store.add_alert(row_of(&letter)).wait().unwrap();
    store.alert_became(letter.notice.id.clone(), "delivered").wait().unwrap();
    store.alert_became("nobody".to_owned(), "failed").wait().unwrap();
    let rows = store.reader().unwrap().alerts(0, 10).unwrap();
    let sent = sent_of(rows[0].clone());
    assert_eq!((sent.notice, &*sent.delivered), (Arc::clone(&letter.notice), "delivered"));
    assert!(store.reader().unwrap().alerts(1_700_000_000_124, 10).unwrap().is_empty());
    let metrics = Arc::new(crate::telemetry::metrics::Metrics::new("test"));
    let alerts = Alerts::new(crate::base::clock::Clock::System, metrics);
    recall(&alerts, &store).unwrap();
    assert_eq!(alerts.recent(10).len(), 1);
}
