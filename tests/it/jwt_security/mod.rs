//! Tokens that are not what they say: `cargo test jwt_security` runs every row of the threat list about tokens.

mod id_token;
mod session_token;
