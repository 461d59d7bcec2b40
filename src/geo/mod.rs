//! Floor 3: where addresses are. Databases in `MaxMind`'s format are read into memory once, and again only when their file
//! has changed; a request is looked up when a rule asks, and not before.

mod database;
mod error;
mod file;
mod record;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use self::database::{Database, Kind};
use self::file::Stamp;
use crate::base::location::{Locate, Location};
use crate::base::problems::Problems;
use crate::config::{self, GeoFile};

pub use self::error::GeoError;
pub use self::file::FILE_BYTES_MAX;

/// The databases of one snapshot; both may be absent, and then nothing is known.
#[derive(Clone, Default)]
pub struct Geo {
    country: Option<Loaded>,
    asn: Option<Loaded>,
    assumed: Option<Location>,
}

/// A database in memory, and what its file looked like when it was read.
#[derive(Clone)]
struct Loaded {
    path: PathBuf,
    stamp: Stamp,
    /// Whether the file is gone since.
    orphaned: bool,
    database: Arc<Database>,
}

impl Geo {
    /// Opens the databases that the configuration names. One whose file is as it was is taken from `before`, without reading
    /// it again. A file that is absent is a warning, and one that is no such database an error.
    pub fn load(config: &config::Geo, before: &Self) -> (Self, Problems) {
        let mut problems = Problems::default();
        let mut open = |file: &Option<GeoFile>, kind, before| {
            file.as_ref().and_then(|file| load(file, kind, before, &mut problems))
        };
        let country = open(&config.country, Kind::Country, before.country.as_ref());
        let asn = open(&config.asn, Kind::Asn, before.asn.as_ref());
        (Self { country, asn, assumed: None }, problems)
    }

    /// A world in which every address is at one place.
    pub fn assuming(location: Location) -> Self {
        Self { assumed: Some(location), ..Self::default() }
    }

    /// Whether both hold the same databases.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |a: &Option<Loaded>, b: &Option<Loaded>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(&a.database, &b.database) && a.orphaned == b.orphaned,
            (None, None) => true,
            _ => false,
        };
        same(&self.country, &other.country) && same(&self.asn, &other.asn) && self.assumed == other.assumed
    }

    /// Whether no database is there at all.
    pub fn is_empty(&self) -> bool {
        self.country.is_none() && self.asn.is_none() && self.assumed.is_none()
    }
}

impl Locate for Geo {
    fn locate(&self, address: IpAddr) -> Location {
        if let Some(assumed) = &self.assumed {
            return assumed.clone();
        }
        let mut location = Location::default();
        if let Some(country) = &self.country {
            country.database.fill(&mut location, address);
        }
        if let Some(asn) = &self.asn {
            asn.database.fill(&mut location, address);
        }
        location
    }
}

fn load(file: &GeoFile, kind: Kind, before: Option<&Loaded>, problems: &mut Problems) -> Option<Loaded> {
    let before = before.filter(|b| b.path == file.path);
    match read(file, kind, before) {
        Ok(loaded) => Some(loaded),
        Err(GeoError::Absent) => {
            let kept = before.map(|b| Loaded { orphaned: true, ..b.clone() });
            let why = match &kept {
                Some(_) => "is gone: what was read of it stays in force until the gateway ends",
                None => kind.absent(),
            };
            problems.push(file.problem(why).hint(kind.hint()).warning());
            kept
        }
        Err(error) => {
            problems.push(file.problem(&error.to_string()));
            None
        }
    }
}

/// Reads the file, unless it looks as it did, or holds what it did.
fn read(file: &GeoFile, kind: Kind, before: Option<&Loaded>) -> Result<Loaded, GeoError> {
    let (open, stamp) = file::open(&file.path)?;
    let path = file.path.clone();
    if let Some(known) = before
        && known.stamp == stamp
    {
        return Ok(Loaded { orphaned: false, ..known.clone() });
    }
    let bytes = file::read(open)?;
    let database = match before.filter(|known| known.database.holds(&bytes)) {
        Some(known) => Arc::clone(&known.database),
        None => Arc::new(Database::new(bytes, kind)?),
    };
    Ok(Loaded { path, stamp, orphaned: false, database })
}
