use super::*;

fn decision(verdict: &str, status: Option<u16>, code: &str) -> Decision {
    let code = (!code.is_empty()).then(|| code.to_owned());
    Decision { verdict: verdict.to_owned(), status, code, stage: None, rule: None }
}

fn then<'a>(status: u16, code: Option<&'a str>, stage: Option<&'a str>) -> Then<'a> {
    let status = (status != 0).then_some(status);
    Then { status, code, stage, policy: None, asked: &[] }
}

fn verdict(now: &Decision, then: Then<'_>) -> &'static str {
    compare(now, then, false, false).0
}

#[test]
fn the_same_is_the_same_status_and_code_and_what_passed_passes() {
    let refused = decision("refused", Some(403), "mine.no");
    let passes = decision("passes", None, "");
    assert_eq!(verdict(&refused, then(403, Some("mine.no"), Some("on_request"))), "same");
    assert_eq!(
        verdict(&refused, then(403, Some("mine.no"), Some("authorise"))),
        "same",
        "wherever it is decided"
    );
    assert_eq!(verdict(&refused, then(403, Some("other.no"), Some("on_request"))), "differs");
    assert_eq!(verdict(&refused, then(404, Some("mine.no"), Some("on_request"))), "differs");
    assert_eq!(verdict(&refused, then(200, None, None)), "differs");
    assert_eq!(verdict(&passes, then(403, Some("mine.no"), Some("on_request"))), "differs");
    assert_eq!(verdict(&passes, then(200, None, None)), "same");
    assert_eq!(verdict(&passes, then(404, None, None)), "same", "the upstream's own word");
    assert_eq!(verdict(&passes, then(502, Some("UPSTREAM_UNREACHABLE"), Some("upstream"))), "same");
    let dropped = decision("dropped", None, "mine.drop");
    assert_eq!(verdict(&dropped, then(0, Some("mine.drop"), Some("on_request"))), "same");
}

#[test]
fn what_needs_the_answer_or_was_never_decided_is_not_known() {
    let passes = decision("passes", None, "");
    assert_eq!(verdict(&passes, then(451, Some("mine.leak"), Some("on_response"))), "unknown");
    assert_eq!(verdict(&passes, then(0, Some("CLIENT_CLOSED_REQUEST"), None)), "unknown");
    assert_eq!(compare(&passes, then(200, None, None), false, true).0, "unknown", "rules on answers");
    assert_eq!(compare(&passes, then(200, None, None), true, true).0, "same", "with the policy of then");
    let refused = decision("refused", Some(403), "mine.no");
    assert_eq!(
        compare(&refused, then(200, None, None), false, true).0,
        "differs",
        "it does not come to an answer"
    );
}

#[test]
fn without_the_request_only_the_policies_are_compared() {
    assert_eq!(Today::by_policy(Some([1; 8]), [1; 8], None).verdict, "same_policy");
    for then in [Some([2; 8]), None] {
        let today = Today::by_policy(then, [1; 8], None);
        assert_eq!((today.verdict.as_str(), today.why.is_some()), ("unknown", true));
    }
}
