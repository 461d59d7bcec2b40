//! Words, signatures and lanes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::shape::render;
use super::*;
use crate::alert::{Letter, test_notice};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::config::{Alert, AlertMeasure, AlertPer, AlertSeverity, AlertShape, Webhook, When};
use crate::outbound::Trust;
use crate::telemetry::metrics::Metrics;

fn alert(url: &str, shape: AlertShape) -> Alert {
    let secret = Some(Secret::new(b"secret-of-the-test".to_vec()));
    Alert {
        name: "down".to_owned(),
        when: When::UpstreamDown,
        per: AlertPer::All,
        measure: AlertMeasure { count: 1, within: Duration::from_secs(60), factor: None },
        cooldown: Duration::ZERO,
        severity: AlertSeverity::High,
        routes: Vec::new(),
        webhook: Some(Webhook { url: Secret::new(url.to_owned()), shape, secret }),
    }
}

fn letter(url: &str) -> Letter {
    let alert = alert(url, AlertShape::Json);
    Letter { notice: test_notice(&alert, 0, 1), webhook: alert.webhook }
}

/// A receiver that gives these answers, one after the other, and none at all to what comes after them.
async fn receiver(answers: &'static [u16]) -> (String, Rc<RefCell<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let record = Rc::clone(&seen);
    tokio::task::spawn_local(async move {
        let mut answers = answers.iter();
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 8_192];
            let length = stream.read(&mut bytes).await.unwrap();
            record.borrow_mut().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            if let Some(status) = answers.next() {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            } else {
                held.push(stream);
            }
        }
    });
    (url, seen)
}

type Fates = Rc<RefCell<Vec<Fate>>>;

fn lanes(pause: Duration) -> (Lanes, Fates, Arc<Metrics>) {
    let fates = Fates::default();
    let (told, metrics) = (Rc::clone(&fates), Arc::new(Metrics::new("test")));
    let courier = Arc::new(Courier::new(Trust::built_in()));
    let done = move |_: &_, fate| told.borrow_mut().push(fate);
    (Lanes::new(courier, Arc::clone(&metrics), Clock::System, [pause; 4], done), fates, metrics)
}

async fn settled(fates: &Fates, number: usize) {
    while fates.borrow().len() < number {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_message_is_tried_five_times_and_no_more() {
    run(async {
        let (url, seen) = receiver(&[500, 503, 429, 408, 500, 200]).await;
        let (mut lanes, fates, _) = lanes(Duration::from_millis(1));
        lanes.carry(letter(&url));
        settled(&fates, 1).await;
        assert_eq!((*fates.borrow()).as_slice(), [Fate::Failed]);
        assert_eq!(seen.borrow().len(), 5);
    });
}

#[test]
fn what_the_receiver_refuses_or_sends_elsewhere_is_not_tried_again() {
    run(async {
        let (url, seen) = receiver(&[400, 302, 410, 204]).await;
        let (mut lanes, fates, _) = lanes(Duration::from_millis(1));
        (0..4).for_each(|_| lanes.carry(letter(&url)));
        settled(&fates, 4).await;
        assert_eq!((*fates.borrow()).as_slice(), [Fate::Failed, Fate::Failed, Fate::Failed, Fate::Delivered]);
        assert_eq!(seen.borrow().len(), 4);
    });
}

#[test]
fn a_receiver_that_hangs_holds_up_no_other_and_its_lane_has_an_end() {
    run(async {
        let (hangs, seen) = receiver(&[]).await;
        let (fine, _) = receiver(&[200, 200, 200]).await;
        let (mut lanes, fates, metrics) = lanes(Duration::from_millis(1));
        lanes.carry(letter(&hangs));
        while seen.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (0..LANE_MAX + 3).for_each(|_| lanes.carry(letter(&hangs)));
        assert_eq!((*fates.borrow()).as_slice(), [Fate::Dropped; 3]);
        (0..3).for_each(|_| lanes.carry(letter(&fine)));
        settled(&fates, 6).await;
        assert_eq!(fates.borrow()[3..], [Fate::Delivered; 3]);
        assert_eq!((seen.borrow().len(), metrics.alerts_dropped.get()), (1, 3));
    });
}

#[test]
fn at_the_end_what_waits_is_tried_once_and_nobody_is_waited_for_for_long() {
    run(async {
        let (url, seen) = receiver(&[503, 200]).await;
        let (hangs, _) = receiver(&[]).await;
        let (mut lanes, fates, _) = lanes(Duration::from_secs(3_600));
        lanes.carry(letter(&url));
        while seen.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        lanes.carry(letter(&hangs));
        lanes.finish(Duration::from_millis(300)).await;
        assert_eq!((*fates.borrow()).as_slice(), [Fate::Delivered]);
    });
}

#[test]
fn there_are_only_so_many_lanes() {
    run(async {
        let (mut lanes, fates, _) = lanes(Duration::from_millis(1));
        // Nobody has run yet: every lane has something that waits.
        for n in 0..LANES_MAX + 2 {
            lanes.carry(letter(&format!("http://127.0.0.1:1/{n}")));
        }
        assert_eq!((*fates.borrow()).as_slice(), [Fate::Dropped; 2]);
    });
}

#[test]
fn rt_16_a_receiver_behind_a_forbidden_address_is_never_asked() {
    run(async {
        let courier = Courier::new(Trust::built_in());
        for url in ["https://169.254.169.254/", "http://192.0.2.1/", "http://[fd00:ec2::254]/"] {
            let letter = letter(url);
            let sent = courier.send(&letter.webhook.unwrap(), &letter.notice, 0).await;
            assert_eq!(sent, Err(Undelivered::Address), "{url}");
            assert!(!Undelivered::Address.may_pass());
        }
    });
}

#[test]
fn every_try_is_signed_with_its_own_time() {
    run(async {
        let (url, seen) = receiver(&[200]).await;
        let courier = Courier::new(Trust::built_in());
        let letter = letter(&url);
        courier.send(&letter.webhook.unwrap(), &letter.notice, 1_700_000_000).await.unwrap();
        let seen = seen.borrow();
        let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
        let expected = signature(b"secret-of-the-test", 1_700_000_000, body.as_bytes());
        assert!(head.contains(&format!("{SIGNATURE}: {expected}")), "{head}");
        assert!(head.contains(&format!("{EVENT_ID}: {}", letter.notice.id)), "{head}");
    });
}

#[test]
fn no_receiver_takes_what_a_rule_says_for_a_link_or_a_mention() {
    let mut notice = (*test_notice(&alert("https://a", AlertShape::Slack), 0, 1)).clone();
    notice.title = "<!channel> @everyone & <https://evil.example|click>".to_owned();
    let text = |shape| String::from_utf8(render(&notice, shape).body.to_vec()).unwrap();
    assert!(text(AlertShape::Slack).contains("&lt;!channel&gt; @everyone &amp; &lt;https:"));
    assert!(text(AlertShape::Discord).contains(r#""allowed_mentions":{"parse":[]}"#));
    notice.detail = "x\r\nTitle: forged".to_owned();
    let headers = render(&notice, AlertShape::Ntfy).headers;
    assert_eq!(headers.len(), 3, "what rules say stands in the body: {headers:?}");
    notice.title = "ü".repeat(3_000);
    let discord: serde_json::Value = serde_json::from_str(&{
        let body = render(&notice, AlertShape::Discord).body;
        String::from_utf8(body.to_vec()).unwrap()
    })
    .unwrap();
    assert_eq!(discord["content"].as_str().unwrap().chars().count(), 2_000);
}
