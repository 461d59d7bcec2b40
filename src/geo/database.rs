//! One database in memory.

use std::collections::HashSet;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use maxminddb::{Reader, WithinOptions};
use serde::de::IgnoredAny;

use super::error::GeoError;
use super::record;
use crate::base::location::Location;

/// Networks of a tree for each of its nodes: a tree with more of them has a loop.
const NETWORKS_PER_NODE_MAX: usize = 2;

/// What a database is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Country,
    Asn,
}

/// A database that is whole.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    content: [u8; 32],
    kind: Kind,
}

impl Kind {
    fn things(self) -> &'static str {
        match self {
            Self::Country => "countries",
            Self::Asn => "autonomous systems",
        }
    }

    pub(super) fn absent(self) -> &'static str {
        match self {
            Self::Country => "is not there: `req.geo.country` is \"\" for every request",
            Self::Asn => "is not there: `req.geo.asn` is 0 for every request",
        }
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Country => "docs/OPERATING.md says where to get a free database",
            Self::Asn => "docs/OPERATING.md says where to get a free database of autonomous systems",
        }
    }
}

impl Database {
    /// Takes bytes that are a whole database of that kind: every way through the tree is gone, and every record read once, so
    /// that a damaged file is refused here and not found out by a request.
    pub(super) fn new(bytes: Vec<u8>, kind: Kind) -> Result<Self, GeoError> {
        let content = hash(&bytes);
        let damaged = |error: maxminddb::MaxMindDbError| GeoError::Damaged(error.to_string());
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        let database = Self { reader, content, kind };
        if !database.holds_its_kind()? {
            let found = database.reader.metadata().database_type.chars().take(64);
            let found = found.filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
            return Err(GeoError::WrongType { wanted: kind.things(), found });
        }
        Ok(database)
    }

    /// Whether it was made of these very bytes.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        self.content == hash(bytes)
    }

    /// Adds what it knows of an address. A record that cannot be read is as good as none.
    pub(super) fn fill(&self, location: &mut Location, address: IpAddr) {
        let Ok(record) = self.reader.lookup(address) else { return };
        match self.kind {
            Kind::Country => record::fill_country(location, &record),
            Kind::Asn => record::fill_asn(location, &record),
        }
        record::fill_traits(location, &record);
    }

    /// Reads everything, and says whether any record holds what the database is asked for. What a database calls itself
    /// says little: there are dozens of names.
    fn holds_its_kind(&self) -> Result<bool, GeoError> {
        let damaged = |error: maxminddb::MaxMindDbError| GeoError::Damaged(error.to_string());
        let nodes = usize::try_from(self.reader.metadata().node_count).unwrap_or(usize::MAX);
        let mut left = nodes.saturating_mul(NETWORKS_PER_NODE_MAX);
        let (mut seen, mut holds) = (HashSet::new(), false);
        for record in self.reader.networks(WithinOptions::default()).map_err(damaged)? {
            let record = record.map_err(damaged)?;
            left = left.checked_sub(1).ok_or_else(|| GeoError::Damaged("its tree has a loop".to_owned()))?;
            if !record.offset().is_some_and(|offset| seen.insert(offset)) {
                continue;
            }
            record.decode::<IgnoredAny>().map_err(damaged)?;
            let mut location = Location::default();
            match self.kind {
                Kind::Country => record::fill_country(&mut location, &record),
                Kind::Asn => record::fill_asn(&mut location, &record),
            }
            holds |= location != Location::default();
        }
        Ok(holds)
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
