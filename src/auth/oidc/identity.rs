//! Who a provider says somebody is.

use std::fmt;

/// A person at a provider. The key of an account is the pair of issuer and subject, never the address.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's issuer, as configured.
    pub issuer: String,
    /// The provider's name for the person, unique there and never given to another.
    pub subject: String,
    /// The address in lower case, only where the provider verified it.
    pub email: Option<String>,
    /// The name to show.
    pub name: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
