//! The page of that name.

use maud::html;

use super::Page;
use super::visit::Visit;
use crate::base::refusal::Refusal;

#[expect(clippy::unused_async, reason = "its data will come from elsewhere")]
pub(super) async fn page(_visit: &Visit<'_>) -> Result<Page, Refusal> {
    Ok(Page::new("Reloads", html! {}))
}
