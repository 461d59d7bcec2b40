//! The page of that name.

use maud::html;

use super::form::Form;
use super::visit::Visit;
use super::{Done, Page};
use crate::base::refusal::Refusal;

#[expect(clippy::unused_async, reason = "its data will come from elsewhere")]
pub(super) async fn page(_visit: &Visit<'_>) -> Result<Page, Refusal> {
    Ok(Page::new("Bans", html! {}))
}

#[expect(clippy::unused_async, reason = "it will wait for the disk")]
pub(super) async fn act(_visit: &Visit<'_>, _form: &Form) -> Result<Done, Refusal> {
    Err(Refusal::NotFound)
}
