//! Which machine a name leads to, and which are never asked.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::client::Failure;
use super::url::Url;
use crate::base::metadata::{is_metadata, unwrapped};

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Where clouds hand out credentials to whoever asks from inside, and the addresses of no machine; an IPv4 address that is
/// wrapped in one of IPv6 is judged as itself.
pub fn is_forbidden(address: IpAddr) -> bool {
    let address = unwrapped(address);
    let nobody = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    is_metadata(address) || nobody || address.is_unspecified() || address.is_multicast()
}

/// Connects to the first address of the host that takes the connection. The address that was judged is the one that is
/// spoken to: there is no second look-up in between.
pub(super) async fn connect(url: &Url) -> Result<TcpStream, Failure> {
    let mut refused = false;
    for address in addresses(url).await? {
        if is_forbidden(address.ip()) || !url.permits(address.ip()) {
            refused = true;
            continue;
        }
        if let Ok(stream) = TcpStream::connect(address).await {
            // A small request must not wait for an acknowledgement; where that cannot be set it is only slower.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(if refused { Failure::Forbidden } else { Failure::Unreachable })
}

async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, Failure> {
    if let Some(address) = url.address() {
        return Ok(vec![SocketAddr::new(address, url.port())]);
    }
    let found = tokio::net::lookup_host((url.name(), url.port())).await.map_err(|_| Failure::Unreachable)?;
    Ok(found.take(ADDRESSES_MAX).collect())
}
