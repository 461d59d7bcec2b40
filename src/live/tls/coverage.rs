//! Whether the certificates and the hosts of the configuration are of one mind.

use super::certificate::Certificate;
use crate::base::problems::Problems;
use crate::base::target::Host;
use crate::config::{Config, ServerTls};

/// Warns of hosts without a certificate, and of certificates that no route needs.
pub(super) fn check(config: &Config, tls: &ServerTls, certificates: &[Certificate], problems: &mut Problems) {
    let covered = |host: &str| certificates.iter().any(|c| c.names.covers(host));
    let hosts = hosts(config);
    for host in hosts.iter().filter(|host| !covered(host)) {
        let message = format!("no certificate is for `{host}`: browsers will warn of it");
        let told = tls.certificates.first().map(|files| files.certificate.at(message).warning());
        told.into_iter().for_each(|problem| problems.push(problem));
    }
    // A route without a host takes every name, and then every certificate is of use.
    if config.routes.iter().any(|route| route.host.is_none()) || hosts.is_empty() {
        return;
    }
    for (files, certificate) in tls.certificates.iter().zip(certificates) {
        if !hosts.iter().any(|host| certificate.names.covers(host)) {
            problems.push(files.certificate.problem("is for no host of any route").warning());
        }
    }
}

/// The hosts that the configuration names, each once.
pub(super) fn hosts(config: &Config) -> Vec<String> {
    let public = config.gateway.public_url.as_deref().and_then(host_of_url);
    let mut hosts: Vec<String> = config.routes.iter().filter_map(|route| route.host.clone()).collect();
    hosts.extend(public.map(|host| host.name().to_owned()));
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// The host of a serialised origin.
pub(super) fn host_of_url(origin: &str) -> Option<Host> {
    Host::parse(origin.split_once("://")?.1).ok()
}
