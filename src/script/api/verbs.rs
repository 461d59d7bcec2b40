//! The verbs: `deny throttle redirect drop allow`, which end the script, and `score tag`, which do not.

use std::sync::Arc;
use std::time::Duration;

use rhai::{Module, NativeCallContext, export_module, exported_module};

use crate::base::units::parse_duration;
use crate::script::call::{Call, Raised, SCORES_MAX, error};
use crate::script::ledger::{SCORE_MAX, TAGS_MAX};
use crate::script::verdict::{
    CODE_BYTES_MAX, THROTTLE_MAX, Verdict, Word, is_code, is_same_site, public_text,
};

/// A verb as the checker knows it: name, number of arguments, which argument is the code.
pub(in crate::script) const VERBS: [(&str, usize, Option<usize>); 8] = [
    ("deny", 3, Some(1)),
    ("throttle", 3, Some(1)),
    ("redirect", 2, Some(1)),
    ("challenge", 2, Some(1)),
    ("drop", 1, Some(0)),
    ("allow", 1, Some(0)),
    ("score", 2, Some(1)),
    ("tag", 1, None),
];

pub(super) fn register(module: &mut Module) {
    module.combine_flatten(exported_module!(verbs));
}

/// Records a final verb. The result is always an error: that is what ends the script.
fn decide(ctx: &NativeCallContext<'_>, code: &str, word: impl FnOnce() -> Raised<Word>) -> Raised<()> {
    let call = Call::of(ctx)?;
    call.still_open()?;
    if !call.hook.decides() {
        return Err(error(format!("nothing can be decided in {}", call.place())));
    }
    let code = checked_code(&call, code)?;
    let verdict = Verdict { word: word()?, code, rule: call.rule(ctx) };
    Err(call.decide(verdict, ctx.call_position()))
}

/// A code that stands in the plugin's scripts. The checker sees to that for plain calls; a verb called through a
/// function pointer could otherwise say anything, and each new code is a new row in the metrics.
fn checked_code(call: &Call, code: &str) -> Raised<Arc<str>> {
    if !is_code(code) {
        return Err(error("a code is `[a-z0-9_.]+`, at most 64 characters"));
    }
    if call.codes.contains(code) {
        Ok(code.into())
    } else {
        Err(error("a code stands in the script as a text in quotes"))
    }
}

fn throttle_for(after: Result<Duration, String>, message: &str) -> Raised<Word> {
    let after = after.map_err(error)?;
    if after > THROTTLE_MAX {
        return Err(error("a throttle lasts at most 24 hours"));
    }
    Ok(Word::Throttle { after, message: public_text(message) })
}

#[export_module]
mod verbs {
    /// Refuses with a status from 400 to 599. `message` is for the client, `code` for logs, metrics and tests.
    #[rhai_fn(return_raw, volatile)]
    pub fn deny(ctx: NativeCallContext<'_>, status: i64, code: &str, message: &str) -> Raised<()> {
        decide(&ctx, code, || {
            let status = u16::try_from(status).ok().filter(|s| (400..=599).contains(s));
            let status = status.ok_or_else(|| error("the status of a refusal is 400 to 599"))?;
            Ok(Word::Deny { status, message: public_text(message) })
        })
    }

    /// Refuses with 429 and `Retry-After`: a duration such as `"30s"`.
    #[rhai_fn(return_raw, volatile)]
    pub fn throttle(ctx: NativeCallContext<'_>, after: &str, code: &str, message: &str) -> Raised<()> {
        decide(&ctx, code, || throttle_for(parse_duration(after), message))
    }

    /// Refuses with 429 and `Retry-After` in seconds.
    #[rhai_fn(name = "throttle", return_raw, volatile)]
    pub fn throttle_seconds(ctx: NativeCallContext<'_>, after: i64, code: &str, message: &str) -> Raised<()> {
        let after = u64::try_from(after)
            .map(Duration::from_secs)
            .map_err(|_| "a throttle is not negative".to_owned());
        decide(&ctx, code, || throttle_for(after, message))
    }

    /// Sends the client to another path of this site with 302.
    #[rhai_fn(return_raw, volatile)]
    pub fn redirect(ctx: NativeCallContext<'_>, url: &str, code: &str) -> Raised<()> {
        decide(&ctx, code, || {
            if is_same_site(url) {
                Ok(Word::Redirect { location: url.to_owned() })
            } else {
                Err(error("a redirect leads to a path of this site, such as \"/help\""))
            }
        })
    }

    /// Asks for something first: `"login"` answers 401, and sends a person who opens a page to sign in. Whoever is
    /// signed in has passed it.
    #[rhai_fn(return_raw, volatile)]
    pub fn challenge(ctx: NativeCallContext<'_>, kind: &str, code: &str) -> Raised<()> {
        let call = Call::of(&ctx)?;
        call.still_open()?;
        if kind != "login" {
            return Err(error("the only challenge of this version is \"login\""));
        }
        if call.facts.user().is_some() {
            return checked_code(&call, code).map(std::mem::drop);
        }
        decide(&ctx, code, || Ok(Word::Challenge))
    }

    /// Closes the connection without an answer.
    #[rhai_fn(return_raw, volatile)]
    pub fn drop(ctx: NativeCallContext<'_>, code: &str) -> Raised<()> {
        decide(&ctx, code, || Ok(Word::Drop))
    }

    /// This plugin is done with this moment and says why; other plugins still run.
    #[rhai_fn(return_raw, volatile)]
    pub fn allow(ctx: NativeCallContext<'_>, code: &str) -> Raised<()> {
        decide(&ctx, code, || Ok(Word::Allow))
    }

    /// Adds points to the score of the request; thresholds in the configuration decide.
    #[rhai_fn(return_raw, volatile)]
    pub fn score(ctx: NativeCallContext<'_>, points: i64, code: &str) -> Raised<()> {
        let call = Call::of(&ctx)?;
        call.still_open()?;
        if !call.hook.scores() {
            return Err(error(format!("the score is settled before {}", call.place())));
        }
        let code = checked_code(&call, code)?;
        let rule = call.rule(&ctx);
        let mut said = call.said.lock();
        if said.scores.len() >= SCORES_MAX {
            return Err(error(format!("at most {SCORES_MAX} scores in one hook")));
        }
        said.scores.push((points.clamp(-SCORE_MAX, SCORE_MAX), code, rule));
        Ok(())
    }

    /// Marks the request for other rules.
    #[rhai_fn(return_raw, volatile)]
    pub fn tag(ctx: NativeCallContext<'_>, name: &str) -> Raised<()> {
        let call = Call::of(&ctx)?;
        call.still_open()?;
        if !call.hook.decides() {
            return Err(error(format!("nobody reads tags after {}", call.place())));
        }
        let clean =
            !name.is_empty() && name.len() <= CODE_BYTES_MAX && name.bytes().all(|b| b.is_ascii_graphic());
        if !clean {
            return Err(error("a tag is 1 to 64 visible ASCII characters"));
        }
        let rule = call.rule(&ctx);
        let mut said = call.said.lock();
        if said.tags.len() >= TAGS_MAX {
            return Err(error(format!("at most {TAGS_MAX} tags in one hook")));
        }
        said.tags.push((name.to_owned(), rule));
        Ok(())
    }
}
