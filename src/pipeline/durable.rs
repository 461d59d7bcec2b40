//! Where two trades meet: what `auth` must not forget, `store` keeps.

use crate::auth::accounts::Account;
use crate::auth::durable::{AccountLog, Ended, SessionLog, SessionRow, Unavailable, Written};
use crate::auth::ids::SessionId;
use crate::store::Store;
