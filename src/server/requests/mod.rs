//! Requests of the past: found again, shown, and explained. Read from the database, so that a gateway need not run; the
//! command line, the admin API and the console say the same of a request because all of them ask here.

mod asked;
mod explained;
mod person;
mod search;
mod view;

pub use self::asked::{Asked, LIMIT_DEFAULT, LIMIT_MAX, Wrong, id as correlation_id};
pub use self::explained::{Decided, Explained, Past, explain};
pub use self::search::{Following, SearchError, search};
pub use self::view::RequestView;
