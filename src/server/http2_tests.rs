use super::*;
use crate::config::Config;
