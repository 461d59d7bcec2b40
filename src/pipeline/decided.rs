//! What rules decided about a request, as rows: refusals that counted, and what would have counted in shadow.

use super::trail::Trail;
use crate::base::address::Pseudonym;
use crate::config::Mode;
use crate::script::{Note, Outcome};
use crate::store::{DecisionRow, Label};

/// Most rows of one request.
const ROWS_MAX: usize = 16;

/// The rows of a request.
pub fn rows(
    trail: &Trail,
    client: Option<Pseudonym>,
    user: Option<Pseudonym>,
) -> impl Iterator<Item = DecisionRow> {
    let kept = trail.ledger.notes().iter().filter(|note| is_kept(note)).take(ROWS_MAX);
    kept.map(move |note| DecisionRow {
        time_ms: trail.unix_ms,
        correlation_id: trail.id.clone(),
        plugin: Label::from(note.plugin.clone()),
        hook: note.hook.name(),
        rule: note.rule.clone(),
        code: Label::from(note.code.clone()),
        outcome: note.outcome.word(),
        mode: if note.mode == Mode::Enforce { "enforce" } else { "shadow" },
        route: Label::from(trail.route.clone()),
        client_hash: client.map(|c| *c.bytes()).unwrap_or_default(),
        user_hash: user.map(|u| *u.bytes()),
    })
}

/// Points count with others, and the sum is refused under a code of its own; kept only where nobody sees them otherwise.
fn is_kept(note: &Note) -> bool {
    match note.outcome {
        Outcome::Score(points) => points > 0 && note.mode != Mode::Enforce,
        Outcome::Fault(_) => note.hook.decides(),
        outcome => outcome.refuses(),
    }
}
