//! `[auth.providers.NAME]`: OpenID Connect providers. The table's name is the name in addresses.

use crate::base::document::Table;
use crate::base::problems::Problem;
use crate::base::secret::Secret;

use super::context::Context;
use super::file::read_file;

/// Most providers.
const PROVIDERS_MAX: usize = 32;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 32;
/// Names that are endpoints of the gateway's own below `/auth/`.
const RESERVED: [&str; 7] = ["login", "logout", "logout-all", "callback", "session", "me", "verify"];

/// One provider, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The table's name.
    pub name: String,
    /// The issuer, exactly as the provider writes it; empty where the name alone says it (`google`).
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it.
    pub client_secret: Option<Secret<String>>,
    /// What is asked for; the usual scopes where empty.
    pub scopes: Vec<String>,
    /// Domains of verified addresses that may sign in.
    pub allowed_domains: Vec<String>,
    /// Verified addresses that may sign in.
    pub allowed_emails: Vec<String>,
    /// The one algorithm of its ID tokens; found out where absent.
    pub algorithm: Option<String>,
    /// Whether somebody whose address is not verified may sign in.
    pub unverified_email: bool,
    /// Roles that an account has when it is made at the first sign-in.
    pub roles: Vec<String>,
}

/// Reads every table below `[auth.providers]`.
pub(super) fn read_all(mut table: Table<'_>, context: &mut Context) -> Vec<Provider> {
    let mut providers = Vec::new();
    for (name, inner) in table.named_tables() {
        if inner.exists() && !is_name(&name) {
            let message = format!(
                "`{}` cannot be a provider's name: `a-z`, then `a-z`, `0-9` and `-`, and not an endpoint's",
                name.escape_default()
            );
            inner.report(Problem::at(inner.place(inner.span()), message));
        }
        if providers.len() == PROVIDERS_MAX {
            let message = format!("there are more than {PROVIDERS_MAX} providers");
            inner.report(Problem::at(inner.place(inner.span()), message));
            break;
        }
        providers.push(read(name, inner, context));
    }
    table.finish();
    providers
}

/// Reads `auth.provider_ca`.
pub(super) fn read_authorities(table: &mut Table<'_>, context: &mut Context) -> Option<String> {
    let doc = "A PEM file of further certificate authorities under which providers are believed.";
    let path = table.optional_text("provider_ca", doc)?;
    let path = context.resolve(&path);
    context.files.push(path.clone());
    match read_file(&path) {
        Ok(file) => Some(file.text.clone()),
        Err(why) => {
            let message = format!("`auth.provider_ca`: {}: {why}", path.display());
            table.report(table.problem("provider_ca", message));
            None
        }
    }
}

fn read(name: String, mut table: Table<'_>, context: &mut Context) -> Provider {
    let preset = name == "google";
    let issuer = if preset {
        table.optional_text("issuer", "The issuer, exactly as the provider writes it; `google` needs none.")
    } else {
        Some(
            table.required_text(
                "issuer",
                "The issuer, exactly as the provider writes it; `google` needs none.",
            ),
        )
    };
    let client_id = table.required_text("client_id", "Who the gateway is at the provider.");
    let client_secret = client_secret(&mut table, context);
    let scopes = table.texts("scopes", &["openid", "email", "profile"], "What is asked for.");
    let allowed_domains = table.texts(
        "allowed_domains",
        &[],
        "Domains of verified e-mail addresses that may sign in; with no list everybody known there may.",
    );
    let allowed_emails = table.texts("allowed_emails", &[], "Verified e-mail addresses that may sign in.");
    let algorithms = ["RS256", "ES256", "PS256", "EdDSA"].map(|a| (a, a.to_owned()));
    let algorithm = table.choice(
        "algorithm",
        &algorithms,
        "",
        "The one algorithm of its ID tokens; without it RS256 where the provider has it, else its first.",
    );
    let unverified_email = table.flag(
        "unverified_email",
        false,
        "Whether somebody may sign in whose address the provider did not verify; the address is not used.",
    );
    let roles = table.texts("roles", &[], "Roles that an account has when it is made at the first sign-in.");
    table.finish();
    Provider {
        name,
        issuer: issuer.unwrap_or_default(),
        client_id,
        client_secret,
        scopes,
        allowed_domains: allowed_domains
            .iter()
            .map(|d| d.trim_start_matches('@').to_ascii_lowercase())
            .collect(),
        allowed_emails: allowed_emails.iter().map(|e| e.to_ascii_lowercase()).collect(),
        algorithm,
        unverified_email,
        roles,
    }
}

fn client_secret(table: &mut Table<'_>, context: &mut Context) -> Option<Secret<String>> {
    let inline = table.secret("client_secret", "What proves it; better in a file.");
    let path = table.optional_text("client_secret_file", "A file with the client secret on its first line.");
    let Some(path) = path else { return inline };
    if inline.is_some() {
        let message = "`client_secret` and `client_secret_file` are both set: keep one";
        table.report(table.problem("client_secret_file", message));
        return inline;
    }
    let path = context.resolve(&path);
    context.files.push(path.clone());
    if context.describing {
        return None;
    }
    match read_file(&path) {
        Ok(file) => {
            file.text.lines().next().filter(|line| !line.is_empty()).map(|l| Secret::new(l.to_owned()))
        }
        Err(why) => {
            let message = format!("`client_secret_file`: {}: {why}", path.display());
            table.report(table.problem("client_secret_file", message));
            None
        }
    }
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    first && rest && name.len() <= NAME_BYTES_MAX && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_name_is_a_word_that_is_no_endpoint() {
        for good in ["google", "my-idp", "a1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "Login", "login", "logout", "callback", "session", "me", "verify", "1a", "a/b", "a_b"]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
